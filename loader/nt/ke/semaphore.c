/* Semaphores: a count up to a limit. */
#include "loader/nt/ke/objects.h"

enum { SEMAPHORE_QUERY_STATE = 1, SEMAPHORE_MODIFY_STATE = 2 };

static void semaphore_init(struct nt_object *object, void *context)
{
    const LONG *wanted = context;
    object->signal = wanted[0];
    ((struct ke_semaphore *)object)->limit = wanted[1];
}

NTSTATUS NtCreateSemaphore(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, LONG count, LONG limit)
{
    LONG wanted[2] = {count, limit};
    if (limit <= 0 || count < 0 || count > limit)
        return STATUS_INVALID_PARAMETER;
    return nt_object_make(handle, access, attributes, NT_SEMAPHORE, sizeof(struct ke_semaphore), semaphore_init, wanted);
}

NTSTATUS NtOpenSemaphore(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_SEMAPHORE);
}

NTSTATUS ke_semaphore_release(struct ke_semaphore *semaphore, LONG count, LONG *previous)
{
    LONG old = semaphore->head.signal;
    if (count > semaphore->limit - old)
        return STATUS_SEMAPHORE_LIMIT_EXCEEDED;
    *previous = old;
    semaphore->head.signal += count;
    nt_ke_wake(&semaphore->head);
    return STATUS_SUCCESS;
}

NTSTATUS NtReleaseSemaphore(HANDLE handle, LONG count, LONG *previous)
{
    struct nt_object *semaphore;
    LONG old = 0;
    if (count <= 0)
        return STATUS_INVALID_PARAMETER;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_SEMAPHORE, SEMAPHORE_MODIFY_STATE, &semaphore, NULL, NULL);
    if (!status)
        status = ke_semaphore_release((struct ke_semaphore *)semaphore, count, &old);
    nt_unlock();
    return status ? status : ke_put_optional(previous, old);
}

NTSTATUS NtQuerySemaphore(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct { LONG count, limit; } answer;
    struct nt_object *semaphore;
    NTSTATUS status = ke_query_check(information_class, length, sizeof answer);
    if (status)
        return status;
    nt_lock();
    status = ob_handle_find(handle, NT_SEMAPHORE, SEMAPHORE_QUERY_STATE, &semaphore, NULL, NULL);
    if (!status) {
        answer.count = semaphore->signal;
        answer.limit = ((struct ke_semaphore *)semaphore)->limit;
    }
    nt_unlock();
    return status ? status : ke_query_answer(buffer, &answer, sizeof answer, returned);
}
