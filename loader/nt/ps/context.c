/* Contexts of threads: continue, raise, get, set; suspend and resume; what happens on the way back to the guest. */
#include "loader/nt/arch.h"
#include "loader/nt/linux_calls.h"
#include "loader/nt/ps/message.h"
#include "loader/nt/ps/private.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Guest contexts are foreign: a reserved MXCSR bit would fault in the kernel's fxrstor. */
static void context_sanitise(struct nt_context *context)
{
    uint32_t mxcsr;
    memcpy(&mxcsr, context->fxsave + 24, 4);
    mxcsr &= 0xffffu;
    memcpy(context->fxsave + 24, &mxcsr, 4);
}

/* Waits until nobody suspends this thread any more. */
static void park(struct nt_thread *thread, struct nt_context *context)
{
    volatile int32_t *count = &thread->object->suspend_count;
    thread->context = context;
    thread->stopped = 1;
    nt_futex_wake(&thread->stopped, INT_MAX);
    while (*count > 0 && !thread->ending)
        nt_futex_sleep((volatile uint32_t *)count, (uint32_t)*count);
    thread->stopped = 0;
    thread->context = NULL;
}

/* This program is one static file, which Linux may put above or amid the guest's space. */
static bool is_guest_code(uintptr_t ip)
{
    extern const char __executable_start[], etext[];
    return ip < nt_process.user_high && (ip < (uintptr_t)__executable_start || ip >= (uintptr_t)etext);
}

/* On the signal stack. In the kernel there is nothing to do: nt_ps_call_exit looks at the same flags. But a read that may
 * never end is not begun again by a thread that is to end. */
void nt_ps_on_stop(void *data)
{
    struct nt_thread *thread = nt_thread_self;
    ucontext_t *signal = data;
    if (thread && thread->in_kernel && thread->ending)
        nt_arch_signal_interrupts(signal);
    if (!thread || thread->in_kernel)
        return;
    struct nt_context context;
    nt_arch_context_from_signal(&context, signal);
    bool in_guest = is_guest_code(nt_arch_ip(&context));
    if (thread->object->suspend_count > 0 && !thread->ending) {
        park(thread, in_guest ? &context : NULL);
        if (in_guest)
            nt_arch_context_to_signal(&context, signal);
    }
    if (thread->ending) {
        /* Guest frames are abandoned; the kernel stack is free because this thread is not in the kernel. */
        thread->in_kernel = 1;
        sigset_t stop;
        sigemptyset(&stop);
        sigaddset(&stop, NT_SIGNAL_STOP);
        pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
        nt_ps_thread_exit(thread->object->exit_status);
    }
}

void nt_ps_enter(struct nt_context *first)
{
    struct nt_thread *thread = nt_thread_self;
    thread->in_kernel = 0;
    if (thread->ending) {
        thread->in_kernel = 1;
        nt_ps_thread_exit(thread->object->exit_status);
    }
    if (thread->object->suspend_count > 0)
        park(thread, first);
    nt_arch_resume(first);
}

NTSTATUS nt_ps_call_exit(struct nt_thread *thread, NTSTATUS status)
{
    struct nt_apc apc;
    struct nt_context with_apc;
    bool delivered = false;
    nt_ke_interrupted();
    /* While still in the kernel: the queue has a lock, and the guest's stack may grow by what is pushed. */
    if (status == STATUS_USER_APC && nt_ke_apc_take(&apc)) {
        nt_arch_context_of_call(thread, status, &with_apc);
        delivered = nt_arch_push_apc(&with_apc, &apc, nt_process.apc_entry);
    }
    thread->in_kernel = 0; /* from here on the stop signal acts; what came before is seen below */
    if (thread->ending) {
        thread->in_kernel = 1;
        nt_ps_thread_exit(thread->object->exit_status);
    }
    if (thread->object->suspend_count > 0) {
        struct nt_context context;
        if (delivered)
            context = with_apc;
        else
            nt_arch_context_of_call(thread, status, &context);
        struct nt_context before = context;
        park(thread, &context);
        if (delivered || memcmp(&before, &context, sizeof before))
            nt_arch_resume(&context); /* somebody set another context */
    }
    if (delivered)
        nt_arch_resume(&with_apc);
    return status;
}

NTSTATUS NtContinue(const struct nt_context *guest, BOOLEAN alertable)
{
    struct nt_thread *thread = nt_thread_self;
    struct nt_context context, wanted;
    struct nt_apc apc;
    if (!NT_GET(wanted, guest))
        return STATUS_ACCESS_VIOLATION;
    nt_arch_context_of_call(thread, 0, &context);
    nt_arch_context_merge(&context, &wanted, wanted.flags);
    context_sanitise(&context);
    context.flags = wanted.flags;
    if ((uint8_t)alertable && nt_ke_apc_take(&apc))
        nt_arch_push_apc(&context, &apc, nt_process.apc_entry);
    thread->in_kernel = 0;
    if (thread->ending) {
        thread->in_kernel = 1;
        nt_ps_thread_exit(thread->object->exit_status);
    }
    if (thread->object->suspend_count > 0)
        park(thread, &context);
    nt_arch_resume(&context);
}

NTSTATUS NtRaiseException(const struct nt_exception *guest_record, const struct nt_context *guest, BOOLEAN first_chance)
{
    struct nt_context context;
    struct nt_exception record;
    if (!NT_GET(context, guest) || !NT_GET(record, guest_record))
        return STATUS_ACCESS_VIOLATION;
    if (record.count > 15)
        return STATUS_INVALID_PARAMETER;
    context_sanitise(&context);
    nt_trap_raise(&record, &context, (uint8_t)first_chance);
}

static bool is_own(const struct nt_thread_object *thread)
{
    return thread->process == nt_process.object;
}

/* Asks the process that the thread belongs to. */
static NTSTATUS ask(const struct nt_thread_object *thread, struct ps_message *message)
{
    message->thread = nt_ref_of(thread);
    return nt_ask ? nt_ask(nt_at(thread->process), message, -1, NULL) : STATUS_UNSUCCESSFUL;
}

/* Waits until the thread is parked or inside the kernel, where it can touch no guest state that matters. */
static void wait_stopped(struct nt_thread *thread)
{
    while (!thread->stopped && !thread->in_kernel && !thread->start && !thread->ending)
        nt_futex_sleep(&thread->stopped, 0);
}

NTSTATUS ps_thread_suspend(struct nt_thread_object *target, ULONG *previous)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_ps_lock();
    struct nt_thread *thread = nt_ps_find(target);
    *previous = (ULONG)target->suspend_count;
    if (!thread || thread->ending)
        status = STATUS_THREAD_IS_TERMINATING;
    else if (*previous >= 127)
        status = STATUS_SUSPEND_COUNT_EXCEEDED;
    else {
        __atomic_add_fetch(&target->suspend_count, 1, __ATOMIC_SEQ_CST);
        if (thread != nt_thread_self && !thread->start) {
            syscall(SYS_tgkill, getpid(), target->host_tid, NT_SIGNAL_STOP);
            wait_stopped(thread);
        }
    }
    nt_ps_unlock();
    return status;
}

static NTSTATUS suspend_any(struct nt_thread_object *target, ULONG *previous)
{
    struct ps_message message = {.operation = PS_THREAD_SUSPEND};
    if (is_own(target))
        return ps_thread_suspend(target, previous);
    NTSTATUS status = ask(target, &message);
    *previous = (ULONG)message.argument[0];
    return status;
}

NTSTATUS NtSuspendThread(HANDLE handle, ULONG *guest_previous)
{
    struct nt_object *object;
    ULONG previous;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 2 /* THREAD_SUSPEND_RESUME */, &object, NULL, NULL);
    if (status)
        return status;
    status = suspend_any((struct nt_thread_object *)object, &previous);
    nt_object_release(object);
    if (!status && guest_previous && !NT_PUT(guest_previous, previous))
        status = STATUS_ACCESS_VIOLATION;
    return status;
}

/* The count lies in the arena: a thread of another process is resumed from here as well. */
NTSTATUS NtResumeThread(HANDLE handle, ULONG *guest_previous)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 2, &object, NULL, NULL);
    if (status)
        return status;
    int32_t *count = &((struct nt_thread_object *)object)->suspend_count, previous = __atomic_load_n(count, __ATOMIC_SEQ_CST);
    while (previous > 0 && !__atomic_compare_exchange_n(count, &previous, previous - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    nt_futex_wake((volatile uint32_t *)count, INT_MAX);
    nt_object_release(object);
    ULONG told = (ULONG)previous;
    return guest_previous && !NT_PUT(guest_previous, told) ? STATUS_ACCESS_VIOLATION : STATUS_SUCCESS;
}

/* Into *context goes what its flags ask for. */
NTSTATUS ps_context_get(struct nt_thread_object *target, struct nt_context *context)
{
    struct nt_context now;
    NTSTATUS status = STATUS_SUCCESS;
    ULONG flags = context->flags;
    nt_ps_lock();
    struct nt_thread *thread = nt_ps_find(target);
    if (!thread)
        status = STATUS_UNSUCCESSFUL;
    else if (thread->start)
        now = *thread->start;
    else if (thread != nt_thread_self && thread->stopped && thread->context)
        now = *thread->context;
    else if (thread == nt_thread_self || (thread->host_sp && (thread->in_kernel || thread->stopped)))
        nt_arch_context_of_call(thread, 0, &now);
    else
        status = STATUS_UNSUCCESSFUL; /* running: a context would be stale before it is read */
    nt_ps_unlock();
    if (!status)
        nt_arch_context_merge(context, &now, flags);
    context->flags = flags;
    return status;
}

/* The calling thread's own: does not return. */
NTSTATUS ps_context_set(struct nt_thread_object *target, struct nt_context *wanted)
{
    NTSTATUS status = STATUS_SUCCESS;
    context_sanitise(wanted);
    nt_ps_lock();
    struct nt_thread *thread = nt_ps_find(target);
    if (!thread)
        status = STATUS_UNSUCCESSFUL;
    else if (thread->start)
        nt_arch_context_merge(thread->start, wanted, wanted->flags);
    else if (thread != nt_thread_self && thread->stopped && thread->context)
        nt_arch_context_merge(thread->context, wanted, wanted->flags);
    else if (thread != nt_thread_self)
        status = STATUS_UNSUCCESSFUL;
    nt_ps_unlock();
    return status;
}

static _Noreturn void context_set_own(const struct nt_context *wanted)
{
    struct nt_context now;
    nt_arch_context_of_call(nt_thread_self, 0, &now);
    nt_arch_context_merge(&now, wanted, wanted->flags);
    nt_thread_self->in_kernel = 0;
    nt_arch_resume(&now);
}

/* `size` bytes of a context in the width of the thread's process, whose flags say what is meant. */
static NTSTATUS context_asked(const struct nt_thread_object *target, uint32_t operation, void *context, uint32_t size)
{
    struct ps_message message;
    memset(&message, 0, PS_MESSAGE_HEAD);
    message.operation = operation;
    message.size = size;
    memcpy(message.data, context, size);
    NTSTATUS status = ask(target, &message);
    if (!status && operation == PS_CONTEXT_GET) {
        if (message.size != size)
            return STATUS_NOT_SUPPORTED; /* a process of the other width */
        memcpy(context, message.data, size);
    }
    return status;
}

NTSTATUS NtGetContextThread(HANDLE handle, struct nt_context *guest)
{
    struct nt_context context;
    struct nt_object *object;
    if (!nt_read(&context.flags, &guest->flags, sizeof context.flags))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 8 /* THREAD_GET_CONTEXT */, &object, NULL, NULL);
    if (status)
        return status;
    struct nt_thread_object *target = (struct nt_thread_object *)object;
    if (!NT_GET(context, guest))
        status = STATUS_ACCESS_VIOLATION;
    else if (is_own(target))
        status = ps_context_get(target, &context);
    else
        status = context_asked(target, PS_CONTEXT_GET, &context, sizeof context);
    nt_object_release(object);
    return status ? status : NT_PUT(guest, context) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtSetContextThread(HANDLE handle, const struct nt_context *guest)
{
    struct nt_context wanted;
    struct nt_object *object;
    if (!NT_GET(wanted, guest))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 0x10 /* THREAD_SET_CONTEXT */, &object, NULL, NULL);
    if (status)
        return status;
    struct nt_thread_object *target = (struct nt_thread_object *)object;
    bool self = target == nt_thread_self->object;
    if (is_own(target))
        status = ps_context_set(target, &wanted);
    else
        status = context_asked(target, PS_CONTEXT_SET, &wanted, sizeof wanted);
    nt_object_release(object);
    if (self && !status)
        context_set_own(&wanted);
    return status;
}

/* A 64-bit program on a thread of a 32-bit one: ThreadWow64Context. */
NTSTATUS ps_context_wow64(struct nt_thread_object *target, bool set, void *guest, ULONG length)
{
    enum { SIZE = 0x2cc };
    uint8_t context[SIZE];
    const struct nt_process_object *process = nt_at(target->process);
    if (length != SIZE)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (sizeof(void *) == 4 || process->machine != 0x14c)
        return STATUS_INVALID_PARAMETER;
    if (!NT_GET(context, guest))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = context_asked(target, set ? PS_CONTEXT_SET : PS_CONTEXT_GET, context, SIZE);
    return status || set ? status : NT_PUT(guest, context) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
