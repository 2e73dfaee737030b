/* Keyed events: a waiter and a releaser meet at a key, and each goes on only when the other has come. */
#include "loader/nt/ke/objects.h"

enum { KEYEDEVENT_WAIT = 1, KEYEDEVENT_WAKE = 2 };

/* To a plain wait a keyed event is always signalled. */
static void keyed_init(struct nt_object *object, void *context)
{
    (void)context;
    object->signal = 1;
}

NTSTATUS NtCreateKeyedEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG flags)
{
    if (flags)
        return STATUS_INVALID_PARAMETER_4;
    return nt_object_make(handle, access, attributes, NT_KEYED_EVENT, sizeof(struct nt_object), keyed_init, NULL);
}

NTSTATUS NtOpenKeyedEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_KEYED_EVENT);
}

/* The event behind handle 0, which critical sections fall back on. Made at first use, kept. */
static struct nt_object *default_event(void)
{
    static nt_ref event;
    if (!event) {
        event = ob_ref(ob_object_new(NT_KEYED_EVENT, sizeof(struct nt_object)));
        if (event) {
            keyed_init(ob_at(event), NULL);
            ob_journal_add(ob_at(event));
        }
    }
    return ob_at(event);
}

/* The side lies in the key's lowest bit, which a key must not use. Keys of different processes never meet. */
static struct nt_thread_object *partner_find(const struct nt_object *event, uint64_t key, uint32_t process)
{
    for (nt_ref at = event->waiters; at;) {
        const struct nt_wait_block *block = ob_at(at);
        struct nt_thread_object *thread = ob_at(block->thread);
        if (thread->wait_kind == KE_WAIT_KEYED && thread->keyed_key == key && thread->process_id == process)
            return thread;
        at = block->next;
    }
    return NULL;
}

static NTSTATUS meet(HANDLE handle, ULONG_PTR key, bool release, BOOLEAN alertable, const LARGE_INTEGER *guest_timeout)
{
    struct nt_object *event;
    int64_t local;
    const int64_t *timeout;
    NTSTATUS status = STATUS_SUCCESS;
    if (key & 1)
        return STATUS_INVALID_PARAMETER_1;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    if (handle)
        status = ob_handle_find(handle, NT_KEYED_EVENT, release ? KEYEDEVENT_WAKE : KEYEDEVENT_WAIT, &event, NULL, NULL);
    else if (!(event = default_event()))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status) {
        nt_unlock();
        return status;
    }
    struct nt_thread_object *self = ke_self(), *partner = partner_find(event, key | !release, self->process_id);
    if (partner) {
        ke_thread_wake(partner, STATUS_SUCCESS);
        nt_unlock();
        return STATUS_SUCCESS;
    }
    self->keyed_key = key | release;
    struct ke_wait wait = {KE_WAIT_KEYED, &event, 1, false, alertable, timeout};
    return ke_wait(&wait);
}

NTSTATUS NtWaitForKeyedEvent(HANDLE handle, ULONG_PTR key, BOOLEAN alertable, const LARGE_INTEGER *timeout)
{
    return meet(handle, key, false, alertable, timeout);
}

NTSTATUS NtReleaseKeyedEvent(HANDLE handle, ULONG_PTR key, BOOLEAN alertable, const LARGE_INTEGER *timeout)
{
    return meet(handle, key, true, alertable, timeout);
}
