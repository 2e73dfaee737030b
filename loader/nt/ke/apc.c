/* What reaches a thread from others: APCs, alerts, alerts by thread ID. */
#include "loader/nt/ke/objects.h"

enum { THREAD_ALERT = 4, THREAD_SET_CONTEXT = 0x10 };

/* ---- APCs -------------------------------------------------------------------------------------------- */

NTSTATUS ke_apc_queue(struct nt_thread_object *thread, const struct nt_apc *apc)
{
    nt_ref ref = nt_arena_allocate(sizeof *apc);
    if (!ref)
        return STATUS_NO_MEMORY;
    struct nt_apc *queued = ob_at(ref);
    *queued = *apc;
    queued->next = 0;
    OB_ORDER();
    if (thread->apc_last)
        ((struct nt_apc *)ob_at(thread->apc_last))->next = ref;
    else
        thread->apc_first = ref;
    OB_ORDER();
    thread->apc_last = ref;
    if (ke_sleeping(thread) && thread->wait_alertable)
        ke_thread_wake(thread, STATUS_USER_APC);
    return STATUS_SUCCESS;
}

bool ke_apc_pending_from(const struct nt_thread_object *thread, nt_ref source)
{
    for (nt_ref at = thread->apc_first; at; at = ((struct nt_apc *)ob_at(at))->next)
        if (((struct nt_apc *)ob_at(at))->source == source)
            return true;
    return false;
}

void ke_apc_remove(struct nt_thread_object *thread, nt_ref source)
{
    nt_ref previous = 0, next;
    for (nt_ref at = thread->apc_first; at; at = next) {
        struct nt_apc *apc = ob_at(at);
        next = apc->next;
        if (apc->source != source) {
            previous = at;
            continue;
        }
        if (previous)
            ((struct nt_apc *)ob_at(previous))->next = next;
        else
            thread->apc_first = next;
        if (!next)
            thread->apc_last = previous;
        nt_arena_free(at, sizeof *apc);
    }
}

void ke_apcs_free(struct nt_thread_object *thread)
{
    while (thread->apc_first) {
        nt_ref first = thread->apc_first;
        thread->apc_first = ((struct nt_apc *)ob_at(first))->next;
        nt_arena_free(first, sizeof(struct nt_apc));
    }
    thread->apc_last = 0;
}

bool nt_ke_apc_take(struct nt_apc *out)
{
    struct nt_thread_object *self = ke_self();
    nt_lock();
    nt_ref first = self->apc_first;
    if (first) {
        *out = *(struct nt_apc *)ob_at(first);
        self->apc_first = out->next;
        if (!self->apc_first)
            self->apc_last = 0;
        nt_arena_free(first, sizeof *out);
    }
    nt_unlock();
    return first != 0;
}

NTSTATUS NtQueueApcThread(HANDLE handle, ULONG_PTR routine, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c)
{
    struct nt_object *object;
    struct nt_apc apc = {.routine = routine, .argument = {a, b, c}};
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_THREAD, THREAD_SET_CONTEXT, &object, NULL, NULL);
    if (!status)
        status = object->signal > 0 ? STATUS_UNSUCCESSFUL : ke_apc_queue((struct nt_thread_object *)object, &apc);
    nt_unlock();
    return status;
}

/* `reserve` is a reserve object's handle, or the flag that asks for a special APC, which interrupts running code. */
NTSTATUS NtQueueApcThreadEx(HANDLE handle, HANDLE reserve, ULONG_PTR routine, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c)
{
    if (reserve)
        return reserve == 1 ? STATUS_NOT_SUPPORTED : STATUS_INVALID_HANDLE;
    return NtQueueApcThread(handle, routine, a, b, c);
}

/* ---- alerts ------------------------------------------------------------------------------------------ */

static void alert(struct nt_thread_object *thread)
{
    if (ke_sleeping(thread) && thread->wait_alertable)
        ke_thread_wake(thread, STATUS_ALERTED);
    else
        thread->alerted = 1;
}

NTSTATUS NtAlertThread(HANDLE handle)
{
    struct nt_object *object;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_THREAD, THREAD_ALERT, &object, NULL, NULL);
    if (!status)
        alert((struct nt_thread_object *)object);
    nt_unlock();
    return status;
}

/* The answer makes the way out of the system call run the APCs. */
NTSTATUS NtTestAlert(void)
{
    struct nt_thread_object *self = ke_self();
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    if (self->timers)
        ke_timers_check(self);
    if (self->alerted) {
        self->alerted = 0;
        status = STATUS_ALERTED;
    } else if (self->apc_first) {
        status = STATUS_USER_APC;
    }
    nt_unlock();
    return status;
}

/* ---- alerts by thread ID: what locks of user mode sleep on ------------------------------------------- */

/* The address is only a hint for debuggers. */
NTSTATUS NtWaitForAlertByThreadId(const void *address, const LARGE_INTEGER *guest_timeout)
{
    int64_t local;
    const int64_t *timeout;
    (void)address;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    struct ke_wait wait = {KE_WAIT_ALERT, NULL, 0, false, false, timeout};
    nt_lock();
    return ke_wait(&wait);
}

NTSTATUS NtAlertThreadByThreadId(HANDLE id)
{
    NTSTATUS status = STATUS_INVALID_CID;
    nt_lock();
    struct nt_thread_object *thread = (struct nt_thread_object *)ob_id_find((uint32_t)id, NT_THREAD);
    if (thread && thread->process_id != ke_self()->process_id) {
        status = STATUS_ACCESS_DENIED;
    } else if (thread) {
        if (thread->wait_kind == KE_WAIT_ALERT)
            ke_thread_wake(thread, STATUS_ALERTED);
        else
            thread->alert_by_id = 1;
        status = STATUS_SUCCESS;
    }
    nt_unlock();
    return status;
}
