/* i386: registers between Linux signal frames, system-call frames and NT's CONTEXT. */
#include "loader/nt/arch.h"
#include "loader/nt/ps/private.h"
#include "loader/nt/x86/frame.h"

#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One GDT entry for all threads: each has its own copy of the slot, so one selector serves everywhere. */
void nt_arch_set_teb(struct nt_teb *teb)
{
    static int entry = -1;
    struct user_desc slot = {.entry_number = (unsigned)entry, .base_addr = (unsigned)(uintptr_t)teb, .limit = 0xfffff,
                             .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
    if (syscall(SYS_set_thread_area, &slot))
        return;
    entry = (int)slot.entry_number;
    __asm__ volatile("movw %w0, %%fs" : : "r"(entry * 8 + 3));
}

static unsigned short selector_cs(void) { unsigned short s; __asm__("movw %%cs, %0" : "=r"(s)); return s; }
static unsigned short selector_ds(void) { unsigned short s; __asm__("movw %%ds, %0" : "=r"(s)); return s; }
static unsigned short selector_fs(void) { unsigned short s; __asm__("movw %%fs, %0" : "=r"(s)); return s; }
static unsigned short selector_gs(void) { unsigned short s; __asm__("movw %%gs, %0" : "=r"(s)); return s; }

/* From the guest's stack, behind two return addresses. */
bool nt_frame_arguments(const struct nt_frame *frame, unsigned count, uintptr_t *arguments)
{
    return nt_read(arguments, (const void *)(uintptr_t)(frame->esp + 8), count * sizeof *arguments);
}

static void segments_fill(struct nt_context *context)
{
    context->cs = selector_cs();
    context->ds = context->es = context->ss = selector_ds();
    context->fs = selector_fs();
    context->gs = selector_gs();
}

uintptr_t nt_arch_ip(const struct nt_context *context) { return context->eip; }
uintptr_t nt_arch_sp(const struct nt_context *context) { return context->esp; }
void nt_arch_set_ip(struct nt_context *context, uintptr_t ip) { context->eip = (ULONG)ip; }

/* A fresh x87 and SSE state with Windows' control words (53-bit precision, all masked). */
static void float_fill(struct nt_context *context)
{
    uint32_t area[7] = {0xffff027f, 0xffff0000, 0xffffffff, 0, 0, 0, 0xffff0000};
    uint16_t control = 0x27f;
    uint32_t mxcsr = 0x1f80, mask = 0xffff;
    memset(context->fsave, 0, sizeof context->fsave);
    memcpy(context->fsave, area, sizeof area);
    memset(context->fxsave, 0, sizeof context->fxsave);
    memcpy(context->fxsave, &control, 2);
    memcpy(context->fxsave + 24, &mxcsr, 4);
    memcpy(context->fxsave + 28, &mask, 4);
}

static const struct nt_frame *frame_of(const struct nt_thread *thread)
{
    return (const struct nt_frame *)(thread->host_sp - sizeof(struct nt_frame));
}

void nt_arch_context_of_call(const struct nt_thread *thread, NTSTATUS status, struct nt_context *context)
{
    const struct nt_frame *frame = frame_of(thread);
    uint32_t back = 0;
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL | CONTEXT_SEGMENTS;
    segments_fill(context);
    float_fill(context);
    context->eflags = 0x202;
    context->eax = status;
    context->ebx = frame->ebx;
    context->ebp = frame->ebp;
    context->esi = frame->esi;
    context->edi = frame->edi;
    if (!nt_read(&back, (const void *)(uintptr_t)frame->esp, sizeof back))
        back = 0;
    context->eip = back;
    context->esp = frame->esp + sizeof back;
}

/* Linux puts the legacy x87 area (112 bytes, the format of FSAVE) first and FXSAVE's 512 bytes behind it. */
void nt_arch_signal_interrupts(ucontext_t *signal)
{
    greg_t *g = signal->uc_mcontext.gregs;
    if (!memcmp((const void *)g[REG_EIP], "\xcd\x80", 2)) { /* Linux has set it back to the instruction */
        g[REG_EIP] += 2;
        g[REG_EAX] = -EINTR;
    }
}

void nt_arch_context_from_signal(struct nt_context *context, const ucontext_t *signal)
{
    const greg_t *g = signal->uc_mcontext.gregs;
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL | CONTEXT_SEGMENTS | CONTEXT_FLOATING_POINT | CONTEXT_EXTENDED_REGISTERS;
    segments_fill(context);
    context->eax = (ULONG)g[REG_EAX], context->ebx = (ULONG)g[REG_EBX], context->ecx = (ULONG)g[REG_ECX];
    context->edx = (ULONG)g[REG_EDX], context->esi = (ULONG)g[REG_ESI], context->edi = (ULONG)g[REG_EDI];
    context->ebp = (ULONG)g[REG_EBP], context->esp = (ULONG)g[REG_ESP], context->eip = (ULONG)g[REG_EIP];
    context->eflags = (ULONG)g[REG_EFL];
    float_fill(context);
    if (signal->uc_mcontext.fpregs) {
        memcpy(context->fsave, signal->uc_mcontext.fpregs, 108);
        memcpy(context->fxsave, (const char *)signal->uc_mcontext.fpregs + 112, 416);
    }
}

void nt_arch_context_to_signal(const struct nt_context *context, ucontext_t *signal)
{
    greg_t *g = signal->uc_mcontext.gregs;
    if ((context->flags & CONTEXT_INTEGER) == CONTEXT_INTEGER) {
        g[REG_EAX] = (greg_t)context->eax, g[REG_EBX] = (greg_t)context->ebx, g[REG_ECX] = (greg_t)context->ecx;
        g[REG_EDX] = (greg_t)context->edx, g[REG_ESI] = (greg_t)context->esi, g[REG_EDI] = (greg_t)context->edi;
    }
    if ((context->flags & CONTEXT_CONTROL) == CONTEXT_CONTROL) {
        g[REG_EBP] = (greg_t)context->ebp;
        g[REG_EIP] = (greg_t)context->eip;
        g[REG_ESP] = g[REG_UESP] = (greg_t)context->esp;
        g[REG_EFL] = (greg_t)((context->eflags & 0x240cd5u) | 0x202u);
    }
    if (!signal->uc_mcontext.fpregs)
        return;
    if ((context->flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT)
        memcpy(signal->uc_mcontext.fpregs, context->fsave, 108);
    if ((context->flags & CONTEXT_EXTENDED_REGISTERS) == CONTEXT_EXTENDED_REGISTERS)
        memcpy((char *)signal->uc_mcontext.fpregs + 112, context->fxsave, 416);
}

void nt_arch_context_merge(struct nt_context *to, const struct nt_context *from, ULONG flags)
{
    if ((flags & CONTEXT_CONTROL) == CONTEXT_CONTROL)
        to->ebp = from->ebp, to->eip = from->eip, to->esp = from->esp, to->eflags = from->eflags, to->cs = from->cs,
        to->ss = from->ss;
    if ((flags & CONTEXT_INTEGER) == CONTEXT_INTEGER)
        to->eax = from->eax, to->ebx = from->ebx, to->ecx = from->ecx, to->edx = from->edx, to->esi = from->esi,
        to->edi = from->edi;
    if ((flags & CONTEXT_SEGMENTS) == CONTEXT_SEGMENTS)
        to->ds = from->ds, to->es = from->es, to->fs = from->fs, to->gs = from->gs;
    if ((flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT)
        memcpy(to->fsave, from->fsave, sizeof to->fsave);
    if ((flags & CONTEXT_EXTENDED_REGISTERS) == CONTEXT_EXTENDED_REGISTERS)
        memcpy(to->fxsave, from->fxsave, sizeof to->fxsave);
    if ((flags & CONTEXT_DEBUG_REGISTERS) == CONTEXT_DEBUG_REGISTERS)
        memcpy(&to->dr0, &from->dr0, 6 * sizeof to->dr0);
    to->flags |= flags;
}

/* Windows starts an i386 thread with EAX = start and EBX = parameter (for the first thread: the PEB). */
void nt_arch_context_start(struct nt_context *context, uintptr_t rtl_user_thread_start, uintptr_t start, uintptr_t parameter,
                           uintptr_t stack_high)
{
    memset(context, 0, sizeof *context);
    context->flags = CONTEXT_FULL | CONTEXT_FLOATING_POINT | CONTEXT_EXTENDED_REGISTERS;
    segments_fill(context);
    float_fill(context);
    context->eflags = 0x200;
    context->eax = (ULONG)start;
    context->ebx = (ULONG)parameter;
    context->eip = (ULONG)rtl_user_thread_start;
    context->esp = (ULONG)stack_high - 16;
}

bool nt_arch_context_thunk(struct nt_context *first, const struct nt_context *start, uintptr_t entry)
{
    uint32_t at = (start->esp - (uint32_t)sizeof *start) & ~15u;
    uint32_t call[3] = {0, at, 0}; /* return address, context, unused: LdrInitializeThunk is stdcall */
    uint32_t sp = at - 16;
    if (!nt_write((void *)(uintptr_t)at, start, sizeof *start) || !nt_write((void *)(uintptr_t)sp, call, sizeof call))
        return false;
    *first = *start;
    first->eip = (ULONG)entry;
    first->esp = sp;
    return true;
}

/* KiUserExceptionDispatcher(EXCEPTION_RECORD *, CONTEXT *) finds its two pointers on top of the stack. */
bool nt_arch_push_exception(struct nt_context *context, const struct nt_exception *record, uintptr_t below, uintptr_t dispatcher)
{
    struct { uint32_t record_pointer, context_pointer; struct nt_context context; struct nt_exception record; uint32_t ebp, eip; } frame;
    uint32_t top = below && below < context->esp ? (uint32_t)below : context->esp;
    uint32_t at = (top - (uint32_t)sizeof frame) & ~15u;
    memset(&frame, 0, sizeof frame);
    frame.record_pointer = at + (uint32_t)offsetof(__typeof__(frame), record);
    frame.context_pointer = at + (uint32_t)offsetof(__typeof__(frame), context);
    frame.context = *context;
    frame.record = *record;
    frame.ebp = context->ebp;
    frame.eip = context->eip;
    if (!nt_write((void *)(uintptr_t)at, &frame, sizeof frame))
        return false;
    context->esp = at;
    context->eip = (ULONG)dispatcher;
    context->eflags &= ~0x500u;
    return true;
}

/* The routine, its three arguments, whether alerts are asked for again, and the context itself. */
static bool push_apc_as_windows(struct nt_context *context, const struct nt_apc *apc, uintptr_t dispatcher)
{
    struct { uint32_t routine, argument[3], alertable; struct nt_context context; } frame;
    _Static_assert(offsetof(__typeof__(frame), context) == 0x14, "KiUserApcDispatcher");
    memset(&frame, 0, sizeof frame);
    frame.routine = (uint32_t)apc->routine;
    for (int i = 0; i < 3; i++)
        frame.argument[i] = (uint32_t)apc->argument[i];
    frame.alertable = 1;
    frame.context = *context;
    uint32_t at = (context->esp - (uint32_t)sizeof frame) & ~15u;
    if (!nt_write((void *)(uintptr_t)at, &frame, sizeof frame))
        return false;
    context->esp = at;
    context->eip = (ULONG)dispatcher;
    return true;
}

/* peload_apc(context, routine, argument 1..3), stdcall. */
bool nt_arch_push_apc(struct nt_context *context, const struct nt_apc *apc, uintptr_t dispatcher)
{
    if (nt_process.apc_form == NT_APC_ON_STACK)
        return push_apc_as_windows(context, apc, dispatcher);
    struct { uint32_t back, context_pointer, word[4], pad[2]; struct nt_context context; } frame;
    uint32_t at = (context->esp - (uint32_t)sizeof frame) & ~15u;
    memset(&frame, 0, sizeof frame);
    frame.context_pointer = at + (uint32_t)offsetof(__typeof__(frame), context);
    const bool last = nt_process.apc_form == NT_APC_ROUTINE_LAST;
    frame.word[last ? 3 : 0] = (uint32_t)apc->routine;
    for (int i = 0; i < 3; i++)
        frame.word[last ? i : i + 1] = (uint32_t)apc->argument[i];
    frame.context = *context;
    if (!nt_write((void *)(uintptr_t)at, &frame, sizeof frame))
        return false;
    context->esp = at;
    context->eip = (ULONG)dispatcher;
    return true;
}

/* All registers at once without a word written below the new Esp: only a return from a signal can do that, so the
 * thread sends itself one. Costs about a microsecond, and NtContinue is rare. */
static __thread const struct nt_context *volatile resume_with; /* read by the handler: syscall() is a "leaf" for the compiler */

static void on_resume(int number, siginfo_t *info, void *data)
{
    (void)number, (void)info;
    struct nt_context all = *resume_with;
    all.flags |= CONTEXT_CONTROL | CONTEXT_INTEGER;
    nt_arch_context_to_signal(&all, data);
}

void nt_arch_resume(const struct nt_context *context)
{
    static volatile int ready;
    if (!ready) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_resume;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(NT_SIGNAL_RESUME, &action, NULL);
        ready = 1;
    }
    resume_with = context;
    for (;;)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), NT_SIGNAL_RESUME);
}
uintptr_t nt_arch_signal_ip(const ucontext_t *signal) { return (uintptr_t)signal->uc_mcontext.gregs[REG_EIP]; }
void nt_arch_signal_set_ip(ucontext_t *signal, uintptr_t ip) { signal->uc_mcontext.gregs[REG_EIP] = (greg_t)ip; }
uintptr_t nt_arch_fail_fast_code(const struct nt_context *context) { return context->ecx; }

enum { CALL_CLOCK_GET = 403, CALL_CLOCK_SLEEP = 407 }; /* the 64-bit forms */

static long host_call(long number, long a, long b, long c, long d)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

void nt_arch_clock_get(int clock, struct nt_wide_time *time) { host_call(CALL_CLOCK_GET, clock, (long)time, 0, 0); }
void nt_arch_clock_sleep(int clock, const struct nt_wide_time *pause) { host_call(CALL_CLOCK_SLEEP, clock, 0, (long)pause, 0); }

void nt_arch_time_store(void *at, uint64_t value)
{
    __atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
    __atomic_store_n((int32_t *)at + 1, (int32_t)(value >> 32), __ATOMIC_RELEASE);
}
