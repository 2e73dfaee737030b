/* The table of Ob's services, and those that only concern handles. */
#define _GNU_SOURCE
#include "loader/nt/ob_private.h"
#include "loader/nt/ps.h"

#include <fcntl.h>
#include <unistd.h>

enum { DUPLICATE_CLOSE_SOURCE = 1, DUPLICATE_SAME_ACCESS = 2, DUPLICATE_SAME_ATTRIBUTES = 4, PROCESS_DUP_HANDLE = 0x40 };
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

/* ---- duplicating ------------------------------------------------------------------------------------ */

/* Lock held. Handles of other processes' tables have descriptors that are not ours to copy: refused for now. */
static NTSTATUS process_check(HANDLE process)
{
    struct nt_object *object;
    NTSTATUS status = ob_handle_find(process, NT_PROCESS, PROCESS_DUP_HANDLE, &object, NULL, NULL);
    return !status && ob_ref(object) != nt_process.object ? STATUS_NOT_SUPPORTED : status;
}

/* Lock held: the descriptor cannot be closed meanwhile. */
static NTSTATUS duplicate(HANDLE source, ACCESS_MASK access, ULONG attributes, ULONG options, HANDLE *out)
{
    struct nt_object *object;
    ACCESS_MASK granted;
    int fd, copy = -1;
    NTSTATUS status = ob_handle_find(source, NT_ANY, 0, &object, &fd, &granted);
    if (status)
        return status;
    if (fd >= 0 && (copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return STATUS_TOO_MANY_OPENED_FILES;
    const struct ob_handle *entry = ob_handle_entry(source);
    uint32_t flags = entry ? entry->flags : 0;
    if (!(options & DUPLICATE_SAME_ACCESS))
        granted = nt_access_map(object->type, access);
    if (options & DUPLICATE_SAME_ATTRIBUTES)
        attributes = flags & OB_HANDLE_INHERIT ? OBJ_INHERIT : 0;
    status = ob_handle_new(object, granted, attributes, copy, out);
    if (!status && options & DUPLICATE_SAME_ATTRIBUTES)
        ob_handle_entry(*out)->flags = flags;
    if (status && copy >= 0)
        close(copy);
    return status;
}

/* With DUPLICATE_CLOSE_SOURCE the source is closed whatever becomes of the copy. */
static NTSTATUS NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process, HANDLE *guest_target,
                                  ACCESS_MASK access, ULONG attributes, ULONG options)
{
    HANDLE made = 0;
    int fd = -1;
    nt_lock();
    NTSTATUS status = process_check(source_process);
    if (!status) {
        if (target_process)
            status = process_check(target_process);
        if (!status && target_process)
            status = duplicate(source, access, attributes, options, &made);
        else if (!status && !(options & DUPLICATE_CLOSE_SOURCE))
            status = STATUS_INVALID_PARAMETER;
        if (options & DUPLICATE_CLOSE_SOURCE && ob_handle_entry(source)) {
            NTSTATUS closed = ob_handle_remove(source, &fd);
            if (!made && !status)
                status = closed;
        } else if (!target_process && !status) {
            status = STATUS_INVALID_HANDLE;
        }
    }
    nt_unlock();
    if (fd >= 0)
        close(fd);
    if (made && guest_target && !NT_PUT(guest_target, made)) {
        nt_handle_close(made);
        return STATUS_ACCESS_VIOLATION;
    }
    return status;
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
