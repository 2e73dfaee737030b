/* Hardware faults of guest code become NT exceptions: a CONTEXT and an EXCEPTION_RECORD on the guest's own stack, and
 * the thread goes on in ntdll's KiUserExceptionDispatcher. Raised exceptions (NtRaiseException) take the same road. */
#include "loader/nt/arch.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps/private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Processor vectors as Linux reports them in REG_TRAPNO. */
enum { TRAP_DIVIDE = 0, TRAP_DEBUG = 1, TRAP_BREAKPOINT = 3, TRAP_OVERFLOW = 4, TRAP_BOUND = 5, TRAP_OPCODE = 6,
       TRAP_GENERAL = 13, TRAP_PAGE = 14, TRAP_X87 = 16, TRAP_ALIGNMENT = 17, TRAP_SIMD = 19 };

bool nt_read(void *to, const void *guest, size_t size)
{
    uintptr_t at = (uintptr_t)guest;
    if (at >= nt_process.user_high || size > nt_process.user_high - at)
        return false;
    return nt_arch_copy(to, guest, size) == 0;
}

bool nt_write(void *guest, const void *from, size_t size)
{
    uintptr_t at = (uintptr_t)guest;
    if (at >= nt_process.user_high || size > nt_process.user_high - at)
        return false;
    return nt_arch_copy(guest, from, size) == 0;
}

/* One line with as little machinery as possible: `text` has a field 0x................ for each number. */
static void line_write(char *text, size_t size, const uintptr_t *numbers)
{
    static const char digit[] = "0123456789abcdef";
    for (char *field = text; (field = strstr(field, "0x.")); numbers++, field += 18)
        for (int i = 0; i < 16; i++)
            field[2 + i] = digit[(uint64_t)*numbers >> (60 - 4 * i) & 15];
    if (write(2, text, size - 1) < 0)
        _exit(125);
}

/* A fault that is no guest's: our bug. */
static _Noreturn void host_fault(int number, uintptr_t ip, uintptr_t address)
{
    char text[] = "peload: internal fault, signal .. at 0x................ touching 0x................\n";
    char *field = strstr(text, "..");
    field[0] = (char)('0' + number / 10), field[1] = (char)('0' + number % 10);
    line_write(text, sizeof text, (uintptr_t[]){ip, address});
    _exit(125);
}

static volatile int reporting; /* somebody tells of an exception that nobody handled; the process ends after it */

/* The kernel stands on guest memory in a few places (images, module lists); a guest that takes it away, or changes it,
 * ends as it would by touching it itself. A report that stumbles over the same hole is not begun again. */
static _Noreturn void guest_fault_in_kernel(uintptr_t ip, uintptr_t address)
{
    char text[] = "peload: the guest destroyed memory that its process needs, at 0x................\n";
    line_write(text, sizeof text, (uintptr_t[]){address});
    if (!reporting) {
        struct nt_exception record = {.code = STATUS_ACCESS_VIOLATION, .address = (void *)ip, .count = 2,
                                      .information = {0, address}};
        struct nt_context context;
        nt_arch_context_of_call(nt_thread_self, STATUS_ACCESS_VIOLATION, &context);
        nt_trap_unhandled(&record, &context);
    }
    nt_ps_process_exit(STATUS_ACCESS_VIOLATION);
}

static NTSTATUS simd_status(uint32_t mxcsr)
{
    uint32_t raised = mxcsr & ~(mxcsr >> 7) & 0x3f; /* flags that are not masked */
    if (raised & 1) return STATUS_FLOAT_INVALID_OPERATION;
    if (raised & 4) return STATUS_FLOAT_DIVIDE_BY_ZERO;
    if (raised & 2) return STATUS_FLOAT_DENORMAL_OPERAND;
    if (raised & 8) return STATUS_FLOAT_OVERFLOW;
    if (raised & 16) return STATUS_FLOAT_UNDERFLOW;
    return STATUS_FLOAT_INEXACT_RESULT;
}

/* A general protection fault: a privileged instruction, a software interrupt (error code = vector * 8 + 2), or an
 * address that is not canonical, which Windows reports as an access violation reading -1. */
static void general_protection(struct nt_exception *record, struct nt_context *context, ULONG error)
{
    uint8_t code[2] = {0, 0};
    uintptr_t ip = nt_arch_ip(context);
    if ((error & 7) == 2 && error >> 3 == 0x2d) { /* int 2Dh: the kernel's debug service: a breakpoint, one byte longer */
        record->code = STATUS_BREAKPOINT;
        nt_arch_set_ip(context, ip + 3);
        record->address = (void *)(ip + 3);
        record->count = 1;
        return;
    }
    if ((error & 7) == 2 && error >> 3 == 0x29) { /* __fastfail */
        record->code = STATUS_STACK_BUFFER_OVERRUN;
        record->flags = 1;
        record->count = 1;
        record->information[0] = nt_arch_fail_fast_code(context);
        return;
    }
    if (nt_read(code, (const void *)ip, 1)) {
        switch (code[0]) {
        case 0xf4: case 0xfa: case 0xfb: /* hlt cli sti */
        case 0x6c: case 0x6d: case 0x6e: case 0x6f: case 0xe4: case 0xe5: case 0xe6: case 0xe7:
        case 0xec: case 0xed: case 0xee: case 0xef: /* in, out */
            record->code = STATUS_PRIVILEGED_INSTRUCTION;
            return;
        case 0x0f:
            if (nt_read(code + 1, (const void *)(ip + 1), 1) &&
                (code[1] <= 1 || code[1] == 6 || code[1] == 8 || code[1] == 9 || (code[1] >= 0x20 && code[1] <= 0x23) ||
                 code[1] == 0x30 || code[1] == 0x32 || code[1] == 0x33)) {
                record->code = STATUS_PRIVILEGED_INSTRUCTION;
                return;
            }
        }
    }
    record->code = STATUS_ACCESS_VIOLATION;
    record->count = 2;
    record->information[0] = 0;
    record->information[1] = ~(ULONG_PTR)0;
}

/* Fills code and parameters as Windows does. False: nothing to raise, the guest goes on (a stack has grown). */
static bool record_fill(struct nt_exception *record, struct nt_context *context, int signal_number, const siginfo_t *info,
                        long trap, ULONG error)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    int access = error & 16 ? 8 : error & 2 ? 1 : 0;
    record->address = (void *)nt_arch_ip(context);
    switch (trap) {
    case TRAP_PAGE:
        record->count = 2;
        record->information[0] = (ULONG_PTR)access;
        record->information[1] = address;
        switch (nt_mm_fault(address, access, nt_thread_self->teb)) {
        case NT_FAULT_HANDLED: return false;
        case NT_FAULT_GUARD: record->code = STATUS_GUARD_PAGE_VIOLATION; break;
        case NT_FAULT_STACK_OVERFLOW: record->code = STATUS_STACK_OVERFLOW; break;
        case NT_FAULT_IN_PAGE: record->code = STATUS_IN_PAGE_ERROR; break;
        default: record->code = STATUS_ACCESS_VIOLATION;
        }
        if (signal_number == SIGBUS && record->code == STATUS_ACCESS_VIOLATION)
            record->code = STATUS_IN_PAGE_ERROR;
        if (record->code == STATUS_IN_PAGE_ERROR) {
            record->count = 3;
            record->information[2] = STATUS_END_OF_FILE;
        }
        return true;
    case TRAP_GENERAL: general_protection(record, context, error); return true;
    case TRAP_DIVIDE: record->code = STATUS_INTEGER_DIVIDE_BY_ZERO; return true;
    case TRAP_OVERFLOW: record->code = STATUS_INTEGER_OVERFLOW; return true;
    case TRAP_BOUND: record->code = STATUS_ARRAY_BOUNDS_EXCEEDED; return true;
    case TRAP_OPCODE: record->code = STATUS_ILLEGAL_INSTRUCTION; return true;
    case TRAP_ALIGNMENT: record->code = STATUS_DATATYPE_MISALIGNMENT; return true;
    case TRAP_SIMD: {
        uint32_t mxcsr;
        memcpy(&mxcsr, context->fxsave + 24, 4);
        record->code = simd_status(mxcsr);
        return true;
    }
    case TRAP_X87: {
        uint16_t control, state;
        memcpy(&control, context->fxsave, 2);
        memcpy(&state, context->fxsave + 2, 2);
        record->code = simd_status((uint32_t)(state & 0x3f) | (uint32_t)(control & 0x3f) << 7);
        return true;
    }
    case TRAP_DEBUG: record->code = STATUS_SINGLE_STEP; return true;
    case TRAP_BREAKPOINT: /* Windows reports the instruction itself, Linux the one behind it */
        record->code = STATUS_BREAKPOINT;
        record->count = 1;
        nt_arch_set_ip(context, nt_arch_ip(context) - 1);
        record->address = (void *)nt_arch_ip(context);
        return true;
    }
    record->code = signal_number == SIGFPE ? STATUS_INTEGER_DIVIDE_BY_ZERO : STATUS_ILLEGAL_INSTRUCTION;
    return true;
}

static void on_fault(int number, siginfo_t *info, void *data)
{
    ucontext_t *signal = data;
    uintptr_t ip = nt_arch_signal_ip(signal);
    long trap = (long)signal->uc_mcontext.gregs[REG_TRAPNO];
    ULONG error = (ULONG)signal->uc_mcontext.gregs[REG_ERR];
    int saved_errno = errno;

    if (info->si_code <= 0) /* sent by somebody: not a fault */
        return;
    if (ip >= (uintptr_t)nt_arch_copy_begin && ip <= (uintptr_t)nt_arch_copy_end) {
        /* The kernel touched guest memory for a caller: a growing stack is mended, all else is the caller's to answer. */
        static __thread volatile int mending; /* the mending reads the TEB the same way: once is enough */
        uintptr_t address = (uintptr_t)info->si_addr;
        bool mended = false;
        if (trap == TRAP_PAGE && nt_thread_self && !mending) {
            mending = 1;
            mended = nt_mm_fault(address, error & 2 ? 1 : 0, nt_thread_self->teb) == NT_FAULT_HANDLED;
            mending = 0;
        }
        if (!mended)
            nt_arch_signal_set_ip(signal, (uintptr_t)nt_arch_copy_fault);
        errno = saved_errno;
        return;
    }
    if (!nt_thread_self || nt_thread_self->in_kernel) {
        uintptr_t address = (uintptr_t)info->si_addr;
        /* A pointer that is none at all (not canonical) can only have come out of guest memory. */
        bool of_guest = trap == TRAP_GENERAL || (trap == TRAP_PAGE && address >= nt_process.user_low && address < nt_process.user_high);
        if (nt_thread_self && nt_thread_self->host_sp && of_guest)
            guest_fault_in_kernel(ip, address);
        host_fault(number, ip, address);
    }

    struct nt_exception record;
    struct nt_context context;
    memset(&record, 0, sizeof record);
    nt_arch_context_from_signal(&context, signal);
    if (record_fill(&record, &context, number, info, trap, error)) {
        if (record.code == STATUS_STACK_BUFFER_OVERRUN)
            nt_trap_unhandled(&record, &context); /* fail-fast: no handler is asked */
        if (!nt_arch_push_exception(&context, &record, 0, nt_process.exception_entry))
            nt_trap_unhandled(&record, &context);
        nt_arch_context_to_signal(&context, signal);
    }
    errno = saved_errno;
}

static void on_stop(int number, siginfo_t *info, void *data)
{
    (void)number, (void)info;
    int saved_errno = errno;
    nt_ps_on_stop(data);
    errno = saved_errno;
}

bool nt_trap_open(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    /* NODEFER: pushing the exception may itself touch a guard page or no memory at all. */
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, NT_SIGNAL_STOP); /* a thread must not be parked inside the memory manager's lock */
    sigaddset(&action.sa_mask, SIGINT);         /* nor make a thread there */
    sigaddset(&action.sa_mask, SIGQUIT);
    sigaddset(&action.sa_mask, SIGALRM);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (sigaction(faults[i], &action, NULL))
            return false;
    action.sa_sigaction = on_stop;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    /* Both may be waiting: the way back to the guest must not be begun inside the handler of the stop. */
    sigaddset(&action.sa_mask, NT_SIGNAL_RESUME);
    if (sigaction(NT_SIGNAL_STOP, &action, NULL))
        return false;
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &ignore, NULL) == 0;
}

void nt_trap_unhandled(const struct nt_exception *record, const struct nt_context *context)
{
    nt_thread_self->in_kernel = 1;
    reporting = 1;
    if (nt_config.unhandled)
        nt_config.unhandled(record, context);
    nt_ps_process_exit(record->code);
}

void nt_trap_raise(struct nt_exception *record, struct nt_context *context, bool first_chance)
{
    /* The raiser's own frames lie between its call and the context it gives, and the record may point into them. */
    if (!first_chance || !nt_arch_push_exception(context, record, nt_thread_self->guest_sp, nt_process.exception_entry))
        nt_trap_unhandled(record, context);
    nt_thread_self->in_kernel = 0;
    nt_arch_resume(context);
}
