/* The table of Ob's services, and those that only concern handles. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/message.h"

NTSTATUS (*nt_ask)(const struct nt_process_object *process, struct ps_message *message, int fd, int *got);

enum { DELETE_ACCESS = 0x10000 };
#define LAST_PSEUDO_HANDLE ((HANDLE)-6) /* -4 to -6: tokens */

void (*nt_close_after)(void);

static NTSTATUS NtClose(HANDLE handle)
{
    if (handle >= LAST_PSEUDO_HANDLE)
        return STATUS_SUCCESS;
    NTSTATUS status = nt_handle_close(handle);
    if (nt_close_after)
        nt_close_after();
    return status;
}

static NTSTATUS NtCompareObjects(HANDLE first, HANDLE second)
{
    struct nt_object *a, *b;
    nt_lock();
    NTSTATUS status = ob_handle_find(first, NT_ANY, 0, &a, NULL, NULL);
    if (!status)
        status = ob_handle_find(second, NT_ANY, 0, &b, NULL, NULL);
    if (!status && a != b)
        status = STATUS_NOT_SAME_OBJECT;
    nt_unlock();
    return status;
}

static NTSTATUS permanent_set(HANDLE handle, ACCESS_MASK wanted, bool permanent)
{
    struct nt_object *object;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, wanted, &object, NULL, NULL);
    if (!status && permanent)
        object->flags |= NT_OBJECT_PERMANENT;
    else if (!status)
        object->flags &= ~(uint32_t)NT_OBJECT_PERMANENT;
    nt_unlock();
    return status;
}

static NTSTATUS NtMakeTemporaryObject(HANDLE handle)
{
    return permanent_set(handle, DELETE_ACCESS, false);
}

static NTSTATUS NtMakePermanentObject(HANDLE handle)
{
    return permanent_set(handle, 0, true);
}

const struct nt_service nt_services_ob[] = {
    NT_SERVICE(NtClose, 1), NT_SERVICE(NtDuplicateObject, 7), NT_SERVICE(NtCompareObjects, 2),
    NT_SERVICE(NtMakeTemporaryObject, 1), NT_SERVICE(NtMakePermanentObject, 1),
    NT_SERVICE(NtQueryObject, 5), NT_SERVICE(NtSetInformationObject, 4),
    NT_SERVICE(NtCreateDirectoryObject, 3), NT_SERVICE(NtOpenDirectoryObject, 3), NT_SERVICE(NtQueryDirectoryObject, 7),
    NT_SERVICE(NtCreateSymbolicLinkObject, 4), NT_SERVICE(NtOpenSymbolicLinkObject, 3),
    NT_SERVICE(NtQuerySymbolicLinkObject, 3),
    NT_SERVICE(NtQuerySecurityObject, 5), NT_SERVICE(NtSetSecurityObject, 3),
    {NULL, 0, NULL},
};
