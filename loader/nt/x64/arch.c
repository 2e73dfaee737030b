/* x64: registers between Linux signal frames, system-call frames and NT's CONTEXT. */
#include "loader/nt/arch.h"
#include "loader/nt/x64/frame.h"

#include <asm/prctl.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CS_USER = 0x33, DS_USER = 0x2b, FS_USER = 0x53 };

void nt_arch_set_teb(struct nt_teb *teb)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, teb);
}

/* Four from registers, the rest from the guest's stack, behind two return addresses and the four home slots. */
bool nt_frame_arguments(const struct nt_frame *frame, unsigned count, uintptr_t *arguments)
{
    for (unsigned i = 0; i < 4; i++)
        arguments[i] = frame->argument[i];
    return count <= 4 || nt_read(arguments + 4, (const void *)(frame->rsp + 0x30), (count - 4) * sizeof *arguments);
}

static void segments_fill(struct nt_context *context)
{
    context->cs = CS_USER;
    context->ds = context->es = context->gs = context->ss = DS_USER;
    context->fs = FS_USER;
}

uintptr_t nt_arch_ip(const struct nt_context *context) { return context->rip; }
uintptr_t nt_arch_sp(const struct nt_context *context) { return context->rsp; }
void nt_arch_set_ip(struct nt_context *context, uintptr_t ip) { context->rip = ip; }

/* The FXSAVE image of a thread that has used no vector register yet, with Windows' control words. */
static void float_fill(struct nt_context *context)
{
    memset(context->fxsave, 0, sizeof context->fxsave);
    uint16_t control = 0x27f; /* 53-bit precision, all masked */
    uint32_t mxcsr = 0x1f80, mask = 0xffff;
    memcpy(context->fxsave, &control, 2);
    memcpy(context->fxsave + 24, &mxcsr, 4);
    memcpy(context->fxsave + 28, &mask, 4);
    context->mxcsr = mxcsr;
}

static const struct nt_frame *frame_of(const struct nt_thread *thread)
{
    return (const struct nt_frame *)(thread->host_sp - sizeof(struct nt_frame));
}

void nt_arch_context_of_call(const struct nt_thread *thread, NTSTATUS status, struct nt_context *context)
{
    const struct nt_frame *frame = frame_of(thread);
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL | CONTEXT_SEGMENTS;
    segments_fill(context);
    float_fill(context);
    context->mxcsr = frame->mxcsr;
    memcpy(context->fxsave + 24, &frame->mxcsr, 4);
    memcpy(context->fxsave + 160 + 6 * 16, frame->xmm, sizeof frame->xmm);
    context->eflags = 0x202;
    context->rax = status;
    context->rbx = frame->rbx;
    context->rbp = frame->rbp;
    context->rsi = frame->rsi;
    context->rdi = frame->rdi;
    context->r12 = frame->r12;
    context->r13 = frame->r13;
    context->r14 = frame->r14;
    context->r15 = frame->r15;
    context->rdx = frame->argument[1];
    context->rcx = context->r10 = frame->argument[0];
    /* The stub was left by a call: where it returns to is on the guest's stack. */
    uintptr_t back = 0;
    if (!nt_read(&back, (const void *)frame->rsp, sizeof back))
        back = 0;
    context->rip = back;
    context->rsp = frame->rsp + sizeof back;
}

void nt_arch_signal_interrupts(ucontext_t *signal)
{
    greg_t *g = signal->uc_mcontext.gregs;
    if (!memcmp((const void *)g[REG_RIP], "\x0f\x05", 2)) { /* Linux has set it back to the instruction */
        g[REG_RIP] += 2;
        g[REG_RAX] = -EINTR;
    }
}

void nt_arch_context_from_signal(struct nt_context *context, const ucontext_t *signal)
{
    const greg_t *g = signal->uc_mcontext.gregs;
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL | CONTEXT_SEGMENTS;
    segments_fill(context);
    context->rax = (uint64_t)g[REG_RAX], context->rbx = (uint64_t)g[REG_RBX], context->rcx = (uint64_t)g[REG_RCX];
    context->rdx = (uint64_t)g[REG_RDX], context->rsi = (uint64_t)g[REG_RSI], context->rdi = (uint64_t)g[REG_RDI];
    context->rbp = (uint64_t)g[REG_RBP], context->rsp = (uint64_t)g[REG_RSP], context->rip = (uint64_t)g[REG_RIP];
    context->r8 = (uint64_t)g[REG_R8], context->r9 = (uint64_t)g[REG_R9], context->r10 = (uint64_t)g[REG_R10];
    context->r11 = (uint64_t)g[REG_R11], context->r12 = (uint64_t)g[REG_R12], context->r13 = (uint64_t)g[REG_R13];
    context->r14 = (uint64_t)g[REG_R14], context->r15 = (uint64_t)g[REG_R15];
    context->eflags = (ULONG)g[REG_EFL];
    float_fill(context);
    if (signal->uc_mcontext.fpregs) {
        memcpy(context->fxsave, signal->uc_mcontext.fpregs, 416); /* behind it Linux keeps its own words */
        memcpy(&context->mxcsr, context->fxsave + 24, 4);
    }
}

void nt_arch_context_to_signal(const struct nt_context *context, ucontext_t *signal)
{
    greg_t *g = signal->uc_mcontext.gregs;
    if ((context->flags & CONTEXT_INTEGER) == CONTEXT_INTEGER) {
        g[REG_RAX] = (greg_t)context->rax, g[REG_RBX] = (greg_t)context->rbx, g[REG_RCX] = (greg_t)context->rcx;
        g[REG_RDX] = (greg_t)context->rdx, g[REG_RSI] = (greg_t)context->rsi, g[REG_RDI] = (greg_t)context->rdi;
        g[REG_RBP] = (greg_t)context->rbp, g[REG_R8] = (greg_t)context->r8, g[REG_R9] = (greg_t)context->r9;
        g[REG_R10] = (greg_t)context->r10, g[REG_R11] = (greg_t)context->r11, g[REG_R12] = (greg_t)context->r12;
        g[REG_R13] = (greg_t)context->r13, g[REG_R14] = (greg_t)context->r14, g[REG_R15] = (greg_t)context->r15;
    }
    if ((context->flags & CONTEXT_CONTROL) == CONTEXT_CONTROL) {
        g[REG_RIP] = (greg_t)context->rip;
        g[REG_RSP] = (greg_t)context->rsp;
        g[REG_EFL] = (greg_t)((context->eflags & 0x240cd5u) | 0x202u);
    }
    if ((context->flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT && signal->uc_mcontext.fpregs)
        memcpy(signal->uc_mcontext.fpregs, context->fxsave, 416);
}

void nt_arch_context_merge(struct nt_context *to, const struct nt_context *from, ULONG flags)
{
    if ((flags & CONTEXT_CONTROL) == CONTEXT_CONTROL)
        to->rip = from->rip, to->rsp = from->rsp, to->eflags = from->eflags, to->cs = from->cs, to->ss = from->ss;
    if ((flags & CONTEXT_INTEGER) == CONTEXT_INTEGER) {
        to->rax = from->rax, to->rcx = from->rcx, to->rdx = from->rdx, to->rbx = from->rbx, to->rbp = from->rbp;
        to->rsi = from->rsi, to->rdi = from->rdi, to->r8 = from->r8, to->r9 = from->r9, to->r10 = from->r10;
        to->r11 = from->r11, to->r12 = from->r12, to->r13 = from->r13, to->r14 = from->r14, to->r15 = from->r15;
    }
    if ((flags & CONTEXT_SEGMENTS) == CONTEXT_SEGMENTS)
        to->ds = from->ds, to->es = from->es, to->fs = from->fs, to->gs = from->gs;
    if ((flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT) {
        memcpy(to->fxsave, from->fxsave, sizeof to->fxsave);
        to->mxcsr = from->mxcsr;
    }
    if ((flags & CONTEXT_DEBUG_REGISTERS) == CONTEXT_DEBUG_REGISTERS)
        memcpy(&to->dr0, &from->dr0, 6 * sizeof to->dr0);
    to->flags |= flags;
}

/* Windows starts an x64 thread at RtlUserThreadStart with RCX = start and RDX = parameter (for the first thread:
 * the PEB). Its frame ends exactly at StackBase: that is how the exception dispatcher knows the last frame. */
void nt_arch_context_start(struct nt_context *context, uintptr_t rtl_user_thread_start, uintptr_t start, uintptr_t parameter,
                           uintptr_t stack_high)
{
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL;
    segments_fill(context);
    float_fill(context);
    context->eflags = 0x200;
    context->rcx = start;
    context->rdx = parameter;
    context->rip = rtl_user_thread_start;
    /* On the reference lane RtlUserThreadStart is Wine's, compiled: it stores in the 32 bytes above its return address. */
    context->rsp = stack_high - (nt_process.stack_whole ? 0x28 : 8);
}

bool nt_arch_context_thunk(struct nt_context *first, const struct nt_context *start, uintptr_t entry)
{
    uintptr_t at = (start->rsp - sizeof *start) & ~(uintptr_t)63;
    if (!nt_write((void *)at, start, sizeof *start))
        return false;
    *first = *start;
    first->rcx = at;
    first->rdx = 0;
    first->rip = entry;
    first->rsp = at - 0x28; /* aligned as behind a call */
    return true;
}

/* Wine's KiUserExceptionDispatcher: CONTEXT at rsp, EXCEPTION_RECORD at +0x4f0, a machine frame at +0x590 (its
 * unwind data read it in 10.0), and it writes 0x20 bytes below the context's Rsp to be walked over by debuggers. */
bool nt_arch_push_exception(struct nt_context *context, const struct nt_exception *record, uintptr_t below, uintptr_t dispatcher)
{
    struct {
        struct nt_context context;
        uint64_t context_ex[4];
        struct nt_exception record;
        uint64_t align;
        uint64_t machine[5];
        uint64_t red_zone[6];
    } frame;
    _Static_assert(offsetof(__typeof__(frame), record) == 0x4f0, "KiUserExceptionDispatcher");
    _Static_assert(offsetof(__typeof__(frame), machine) == 0x590, "KiUserExceptionDispatcher");
    memset(&frame, 0, sizeof frame);
    frame.context = *context;
    frame.record = *record;
    frame.machine[0] = context->rip;
    frame.machine[1] = context->cs;
    frame.machine[2] = context->eflags;
    frame.machine[3] = context->rsp;
    frame.machine[4] = context->ss;
    uintptr_t top = below && below < context->rsp ? below : context->rsp;
    uintptr_t at = (top - sizeof frame) & ~(uintptr_t)15;
    if (!nt_write((void *)at, &frame, sizeof frame))
        return false;
    context->rsp = at;
    context->rip = dispatcher;
    context->eflags &= ~0x500u; /* TF and DF are clear in a handler */
    return true;
}

/* The context with the routine and its arguments in its home fields, and behind it a machine frame for unwinders. */
static bool push_apc_as_windows(struct nt_context *context, const struct nt_apc *apc, uintptr_t dispatcher)
{
    struct { struct nt_context context; uint64_t machine[5], pad; } frame;
    _Static_assert(offsetof(__typeof__(frame), machine) == 0x4d0, "KiUserApcDispatcher");
    memset(&frame, 0, sizeof frame);
    frame.context = *context;
    const uint64_t home[4] = {apc->argument[0], apc->argument[1], apc->argument[2], apc->routine};
    memcpy(&frame.context, home, sizeof home);
    memcpy(frame.machine, (uint64_t[]){context->rip, context->cs, context->eflags, context->rsp, context->ss}, sizeof frame.machine);
    uintptr_t at = (context->rsp - sizeof frame) & ~(uintptr_t)15;
    if (!nt_write((void *)at, &frame, sizeof frame))
        return false;
    context->rsp = at;
    context->rip = dispatcher;
    return true;
}

/* Our guest half's apc entry: rcx = CONTEXT to go on with, rdx rdi.. as (context, routine, argument 1..3). */
bool nt_arch_push_apc(struct nt_context *context, const struct nt_apc *apc, uintptr_t dispatcher)
{
    struct { uint64_t home[4], fifth, pad; struct nt_context context; } frame;
    memset(&frame, 0, sizeof frame);
    frame.context = *context;
    if (nt_process.apc_form == NT_APC_ON_STACK)
        return push_apc_as_windows(context, apc, dispatcher);
    const unsigned last = nt_process.apc_form == NT_APC_ROUTINE_LAST;
    frame.fifth = last ? apc->routine : apc->argument[2];
    uintptr_t at = ((context->rsp - sizeof frame) & ~(uintptr_t)63);
    uintptr_t saved = at + offsetof(__typeof__(frame), context);
    if (!nt_write((void *)at, &frame, sizeof frame))
        return false;
    context->rcx = saved;
    context->rdx = last ? apc->argument[0] : apc->routine;
    context->r8 = apc->argument[last];
    context->r9 = apc->argument[1 + last];
    context->rip = dispatcher;
    context->rsp = at - 8; /* as behind a call: the return address slot */
    return true;
}
uintptr_t nt_arch_signal_ip(const ucontext_t *signal) { return (uintptr_t)signal->uc_mcontext.gregs[REG_RIP]; }
void nt_arch_signal_set_ip(ucontext_t *signal, uintptr_t ip) { signal->uc_mcontext.gregs[REG_RIP] = (greg_t)ip; }
uintptr_t nt_arch_fail_fast_code(const struct nt_context *context) { return context->rcx; }

enum { CALL_CLOCK_GET = 228, CALL_CLOCK_SLEEP = 230 };

static long host_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

void nt_arch_clock_get(int clock, struct nt_wide_time *time) { host_call(CALL_CLOCK_GET, clock, (long)time, 0, 0); }
void nt_arch_clock_sleep(int clock, const struct nt_wide_time *pause) { host_call(CALL_CLOCK_SLEEP, clock, 0, (long)pause, 0); }

void nt_arch_time_store(void *at, uint64_t value)
{
    __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}
