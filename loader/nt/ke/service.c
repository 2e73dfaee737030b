/* The table of Ke's services, and those that wait on handles. */
#include "loader/nt/ke/objects.h"

#include <sched.h>

enum { EVENT_MODIFY_STATE = 2, SEMAPHORE_MODIFY_STATE = 2 };
enum { WAIT_ALL, WAIT_ANY };

NTSTATUS ke_query_check(ULONG information_class, ULONG length, ULONG expected)
{
    if (information_class != 0)
        return STATUS_INVALID_INFO_CLASS;
    return length == expected ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

NTSTATUS ke_query_answer(void *buffer, const void *answer, ULONG size, ULONG *returned)
{
    if (!nt_write(buffer, answer, size) || (returned && !NT_PUT(returned, size)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

NTSTATUS ke_put_optional(LONG *guest, LONG value)
{
    return !guest || NT_PUT(guest, value) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

bool ke_timeout_get(const LARGE_INTEGER *guest, int64_t *local, const int64_t **timeout)
{
    *timeout = guest ? local : NULL;
    return !guest || NT_GET(*local, guest);
}

/* Lock held. */
static NTSTATUS awaited_find(HANDLE handle, struct nt_object **object)
{
    NTSTATUS status = ob_handle_find(handle, NT_ANY, NT_SYNCHRONIZE, object, NULL, NULL);
    return !status && !ke_waitable(*object) ? STATUS_OBJECT_TYPE_MISMATCH : status;
}

static NTSTATUS NtWaitForSingleObject(HANDLE handle, BOOLEAN alertable, const LARGE_INTEGER *guest_timeout)
{
    struct nt_object *object;
    int64_t local;
    const int64_t *timeout;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    NTSTATUS status = awaited_find(handle, &object);
    if (status) {
        nt_unlock();
        return status;
    }
    struct ke_wait wait = {KE_WAIT_OBJECTS, &object, 1, false, alertable, timeout};
    return ke_wait(&wait);
}

static bool has_twice(struct nt_object *const *objects, ULONG count)
{
    for (ULONG i = 0; i < count; i++)
        for (ULONG j = i + 1; j < count; j++)
            if (objects[i] == objects[j])
                return true;
    return false;
}

static NTSTATUS NtWaitForMultipleObjects(ULONG count, const HANDLE *guest_handles, ULONG type, BOOLEAN alertable,
                                         const LARGE_INTEGER *guest_timeout)
{
    HANDLE handles[NT_WAIT_LIMIT];
    struct nt_object *objects[NT_WAIT_LIMIT];
    int64_t local;
    const int64_t *timeout;
    if (count == 0 || count > NT_WAIT_LIMIT)
        return STATUS_INVALID_PARAMETER_1;
    if (type > WAIT_ANY)
        return STATUS_INVALID_PARAMETER_3;
    if (!nt_read(handles, guest_handles, count * sizeof *handles) || !ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    for (ULONG i = 0; i < count && !status; i++)
        status = awaited_find(handles[i], &objects[i]);
    if (!status && type == WAIT_ALL && has_twice(objects, count))
        status = STATUS_INVALID_PARAMETER_MIX;
    if (status) {
        nt_unlock();
        return status;
    }
    struct ke_wait wait = {KE_WAIT_OBJECTS, objects, count, type == WAIT_ALL, alertable, timeout};
    return ke_wait(&wait);
}

/* Lock held. */
static NTSTATUS signal_one(HANDLE handle)
{
    struct nt_object *object;
    ACCESS_MASK granted;
    LONG previous;
    NTSTATUS status = ob_handle_find(handle, NT_ANY, 0, &object, NULL, &granted);
    if (status)
        return status;
    switch (object->type) {
    case NT_EVENT:
        if (!(granted & EVENT_MODIFY_STATE))
            return STATUS_ACCESS_DENIED;
        ke_event_set(object);
        return STATUS_SUCCESS;
    case NT_MUTANT:
        return ke_mutant_release((struct ke_mutant *)object, ke_self(), &previous);
    case NT_SEMAPHORE:
        if (!(granted & SEMAPHORE_MODIFY_STATE))
            return STATUS_ACCESS_DENIED;
        return ke_semaphore_release((struct ke_semaphore *)object, 1, &previous);
    default:
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
}

/* Both under one hold of the lock: nobody comes between. What is waited for must be fit before anything is signalled. */
static NTSTATUS NtSignalAndWaitForSingleObject(HANDLE signal, HANDLE handle, BOOLEAN alertable,
                                               const LARGE_INTEGER *guest_timeout)
{
    struct nt_object *object;
    int64_t local;
    const int64_t *timeout;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    NTSTATUS status = awaited_find(handle, &object);
    if (!status)
        status = signal_one(signal);
    if (status) {
        nt_unlock();
        return status;
    }
    struct ke_wait wait = {KE_WAIT_OBJECTS, &object, 1, false, alertable, timeout};
    return ke_wait(&wait);
}

static NTSTATUS NtYieldExecution(void)
{
    sched_yield();
    return STATUS_SUCCESS;
}

static NTSTATUS NtDelayExecution(BOOLEAN alertable, const LARGE_INTEGER *interval)
{
    int64_t local = INT64_MIN; /* no interval is for ever: Wine's kernelbase passes NULL for INFINITE */
    if (interval && !NT_GET(local, interval))
        return STATUS_ACCESS_VIOLATION;
    bool for_ever = local == INT64_MIN;
    struct ke_wait wait = {KE_WAIT_OBJECTS, NULL, 0, false, alertable, for_ever ? NULL : &local};
    nt_lock();
    NTSTATUS status = ke_wait(&wait);
    if (!local && status == STATUS_TIMEOUT)
        sched_yield();
    return status == STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}

const struct nt_service nt_services_ke[] = {
    NT_SERVICE(NtWaitForSingleObject, 3), NT_SERVICE(NtWaitForMultipleObjects, 5),
    NT_SERVICE(NtSignalAndWaitForSingleObject, 4), NT_SERVICE(NtDelayExecution, 2), NT_SERVICE(NtYieldExecution, 0),
    NT_SERVICE(NtCreateEvent, 5), NT_SERVICE(NtOpenEvent, 3), NT_SERVICE(NtSetEvent, 2), NT_SERVICE(NtResetEvent, 2),
    NT_SERVICE(NtClearEvent, 1), NT_SERVICE(NtPulseEvent, 2), NT_SERVICE(NtQueryEvent, 5),
    NT_SERVICE(NtCreateMutant, 4), NT_SERVICE(NtOpenMutant, 3), NT_SERVICE(NtReleaseMutant, 2), NT_SERVICE(NtQueryMutant, 5),
    NT_SERVICE(NtCreateSemaphore, 5), NT_SERVICE(NtOpenSemaphore, 3), NT_SERVICE(NtReleaseSemaphore, 3),
    NT_SERVICE(NtQuerySemaphore, 5),
    NT_SERVICE(NtCreateTimer, 4), NT_SERVICE(NtOpenTimer, 3), NT_SERVICE(NtSetTimer, 7), NT_SERVICE(NtCancelTimer, 2),
    NT_SERVICE(NtQueryTimer, 5),
    NT_SERVICE(NtCreateKeyedEvent, 4), NT_SERVICE(NtOpenKeyedEvent, 3), NT_SERVICE(NtWaitForKeyedEvent, 4),
    NT_SERVICE(NtReleaseKeyedEvent, 4),
    NT_SERVICE(NtWaitForAlertByThreadId, 2), NT_SERVICE(NtAlertThreadByThreadId, 1), NT_SERVICE(NtAlertThread, 1),
    NT_SERVICE(NtTestAlert, 0), NT_SERVICE(NtQueueApcThread, 5), NT_SERVICE(NtQueueApcThreadEx, 6),
    NT_SERVICE(NtCreateIoCompletion, 4), NT_SERVICE(NtOpenIoCompletion, 3), NT_SERVICE(NtSetIoCompletion, 5),
    NT_SERVICE(NtSetIoCompletionEx, 6), NT_SERVICE(NtRemoveIoCompletion, 5), NT_SERVICE(NtRemoveIoCompletionEx, 6),
    NT_SERVICE(NtQueryIoCompletion, 5),
    {NULL, 0, NULL},
};
