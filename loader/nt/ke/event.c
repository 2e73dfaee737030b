/* Events: a flag that stays (notification) or that the first waiter takes down (synchronization). */
#include "loader/nt/ke/objects.h"

enum { EVENT_QUERY_STATE = 1, EVENT_MODIFY_STATE = 2 };
enum { NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT };

static void event_init(struct nt_object *event, void *context)
{
    const uint32_t *wanted = context;
    event->flags = wanted[0] == SYNCHRONIZATION_EVENT ? NT_OBJECT_AUTO_RESET : 0;
    event->signal = wanted[1] != 0;
}

NTSTATUS NtCreateEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG type, BOOLEAN state)
{
    uint32_t wanted[2] = {type, state};
    if (type > SYNCHRONIZATION_EVENT)
        return STATUS_INVALID_PARAMETER;
    return nt_object_make(handle, access, attributes, NT_EVENT, sizeof(struct nt_object), event_init, wanted);
}

NTSTATUS NtOpenEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_EVENT);
}

LONG ke_event_set(struct nt_object *event)
{
    LONG previous = event->signal;
    if (!previous) {
        event->signal = 1;
        if (event->waiters)
            nt_ke_wake(event);
    }
    return previous;
}

NTSTATUS NtSetEvent(HANDLE handle, LONG *previous)
{
    struct nt_object *event;
    LONG old = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_EVENT, EVENT_MODIFY_STATE, &event, NULL, NULL);
    if (!status)
        old = ke_event_set(event);
    nt_unlock();
    return status ? status : ke_put_optional(previous, old);
}

NTSTATUS NtResetEvent(HANDLE handle, LONG *previous)
{
    struct nt_object *event;
    LONG old = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_EVENT, EVENT_MODIFY_STATE, &event, NULL, NULL);
    if (!status) {
        old = event->signal;
        event->signal = 0;
    }
    nt_unlock();
    return status ? status : ke_put_optional(previous, old);
}

NTSTATUS NtClearEvent(HANDLE handle)
{
    return NtResetEvent(handle, NULL);
}

/* Lets those through who wait at this moment: all of them, or one of a synchronization event's. */
NTSTATUS NtPulseEvent(HANDLE handle, LONG *previous)
{
    struct nt_object *event;
    LONG old = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_EVENT, EVENT_MODIFY_STATE, &event, NULL, NULL);
    if (!status) {
        old = ke_event_set(event);
        event->signal = 0;
    }
    nt_unlock();
    return status ? status : ke_put_optional(previous, old);
}

NTSTATUS NtQueryEvent(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct { ULONG type; LONG state; } answer;
    struct nt_object *event;
    NTSTATUS status = ke_query_check(information_class, length, sizeof answer);
    if (status)
        return status;
    nt_lock();
    status = ob_handle_find(handle, NT_EVENT, EVENT_QUERY_STATE, &event, NULL, NULL);
    if (!status) {
        answer.type = event->flags & NT_OBJECT_AUTO_RESET ? SYNCHRONIZATION_EVENT : NOTIFICATION_EVENT;
        answer.state = event->signal;
    }
    nt_unlock();
    return status ? status : ke_query_answer(buffer, &answer, sizeof answer, returned);
}
