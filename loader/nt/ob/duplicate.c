/* NtDuplicateObject: inside a process and between two processes of the session, the caller being one of them, both or neither.
 *
 * An entry is copied under the lock. Its descriptor, where it has one, is a number in one process: it is taken out of the
 * source and put into the target without the lock, by the service threads where the system does not let us. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/message.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DUPLICATE_CLOSE_SOURCE = 1, DUPLICATE_SAME_ACCESS = 2, DUPLICATE_SAME_ATTRIBUTES = 4, PROCESS_DUP_HANDLE = 0x40 };

/* What is duplicated, between the steps. */
struct copy {
    struct nt_object *object;        /* referenced */
    ACCESS_MASK access;
    uint32_t flags;                  /* OB_HANDLE_* */
    int source_fd;                   /* in the source; -1: none */
    int fd;                          /* a copy of it here, ours to close; -1: none */
};

static bool is_own(const struct nt_process_object *process)
{
    return ob_ref(process) == nt_process.object;
}

static NTSTATUS process_open(HANDLE handle, struct nt_process_object **process)
{
    struct nt_object *object = NULL;
    NTSTATUS status = nt_handle_object(handle, NT_PROCESS, PROCESS_DUP_HANDLE, &object, NULL, NULL);
    *process = (struct nt_process_object *)object;
    return status;
}

/* NULL: it has ended, or has no handles. Lock held. */
static struct ob_handle_table *table_of(const struct nt_process_object *process)
{
    return is_own(process) ? ob_table_own() : ob_at(process->handle_table);
}

/* ---- descriptors ---------------------------------------------------------------------------------------- */

static NTSTATUS ask(const struct nt_process_object *process, uint32_t operation, int number, int fd, int *got, int *answer)
{
    struct ps_message message;
    memset(&message, 0, PS_MESSAGE_HEAD);
    message.operation = operation;
    message.argument[0] = (uint64_t)number;
    NTSTATUS status = nt_ask ? nt_ask(process, &message, fd, got) : STATUS_PROCESS_IS_TERMINATING;
    if (answer)
        *answer = (int)message.argument[0];
    return status;
}

/* While it is copied the other process may close the handle and use the number for something else: looked at again behind. */
NTSTATUS ob_descriptor_take(const struct nt_process_object *source, HANDLE handle, const struct nt_object *object, int number, int *fd)
{
    *fd = nt_fd_fetch(source->host_pid, number);
    NTSTATUS status = *fd >= 0 ? STATUS_SUCCESS : ask(source, PS_FD_SEND, number, -1, fd, NULL);
    if (status || *fd < 0)
        return status ? status : STATUS_ACCESS_DENIED;
    nt_lock();
    const struct ob_handle *entry = ob_table_find(table_of(source), handle);
    bool same = entry && entry->object == ob_ref(object) && entry->fd == number;
    nt_unlock();
    return same ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

static void descriptor_close(const struct nt_process_object *process, int fd)
{
    if (fd < 0)
        return;
    if (is_own(process))
        close(fd);
    else
        ask(process, PS_FD_CLOSE, fd, -1, NULL, NULL);
}

/* ---- taking and putting --------------------------------------------------------------------------------- */

/* Lock held. Pseudo-handles mean the source process. */
static NTSTATUS entry_find(const struct nt_process_object *source, HANDLE handle, struct copy *copy)
{
    const struct ob_handle *entry = ob_table_find(table_of(source), handle);
    copy->source_fd = -1;
    if (entry) {
        copy->object = ob_at(entry->object);
        copy->access = entry->access;
        copy->flags = entry->flags;
        copy->source_fd = entry->fd;
        return STATUS_SUCCESS;
    }
    copy->flags = 0;
    if (is_own(source))
        return ob_handle_find(handle, NT_ANY, 0, &copy->object, NULL, &copy->access);
    if (handle != NT_CURRENT_PROCESS)
        return STATUS_INVALID_HANDLE;
    copy->object = (struct nt_object *)&source->head;
    copy->access = nt_type_generic[NT_PROCESS].all;
    return STATUS_SUCCESS;
}

static NTSTATUS take(const struct nt_process_object *source, HANDLE handle, struct copy *copy)
{
    *copy = (struct copy){.fd = -1};
    nt_lock();
    NTSTATUS status = entry_find(source, handle, copy);
    if (!status && copy->source_fd >= 0 && is_own(source) &&
        (copy->fd = fcntl(copy->source_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        status = STATUS_TOO_MANY_OPENED_FILES;
    if (status)
        copy->object = NULL;
    else
        nt_object_hold(copy->object);
    nt_unlock();
    return status || copy->source_fd < 0 || is_own(source) ? status
           : ob_descriptor_take(source, handle, copy->object, copy->source_fd, &copy->fd);
}

static NTSTATUS put(const struct nt_process_object *target, struct copy *copy, HANDLE *out)
{
    int number = copy->fd;
    if (number >= 0 && !is_own(target)) {
        NTSTATUS status = ask(target, PS_FD_TAKE, 0, copy->fd, NULL, &number);
        if (status)
            return status;
    }
    nt_lock();
    NTSTATUS status;
    if (is_own(target))
        status = ob_handle_new(copy->object, copy->access, copy->flags & OB_HANDLE_INHERIT ? OBJ_INHERIT : 0, number, out);
    else
        status = target->handle_table ? ob_table_insert(ob_at(target->handle_table), copy->object, copy->access, copy->flags, number, out)
                                      : STATUS_PROCESS_IS_TERMINATING;
    if (!status && is_own(target)) {
        ob_handle_entry(*out)->flags = copy->flags;
        copy->fd = -1; /* the entry's now */
    }
    nt_unlock();
    if (status && !is_own(target))
        descriptor_close(target, number);
    return status;
}

/* Whatever became of the copy. */
static NTSTATUS source_close(const struct nt_process_object *source, HANDLE handle)
{
    int fd = -1;
    nt_lock();
    struct ob_handle_table *table = table_of(source);
    NTSTATUS status = table ? ob_table_remove(table, handle, &fd) : STATUS_INVALID_HANDLE;
    nt_unlock();
    descriptor_close(source, fd);
    return status;
}

static bool source_is_entry(const struct nt_process_object *source, HANDLE handle)
{
    nt_lock();
    bool is = ob_table_find(table_of(source), handle) != NULL;
    nt_unlock();
    return is;
}

static NTSTATUS duplicate(const struct nt_process_object *source, HANDLE handle, const struct nt_process_object *target,
                          ACCESS_MASK access, ULONG attributes, ULONG options, HANDLE *made)
{
    struct copy copy;
    NTSTATUS status = take(source, handle, &copy);
    if (!status) {
        if (!(options & DUPLICATE_SAME_ACCESS))
            copy.access = nt_access_map(copy.object->type, access);
        if (!(options & DUPLICATE_SAME_ATTRIBUTES))
            copy.flags = attributes & OBJ_INHERIT ? OB_HANDLE_INHERIT : 0;
        status = put(target, &copy, made);
    }
    if (copy.fd >= 0)
        close(copy.fd);
    if (copy.object)
        nt_object_release(copy.object);
    return status;
}

NTSTATUS NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process, HANDLE *guest_target,
                           ACCESS_MASK access, ULONG attributes, ULONG options)
{
    struct nt_process_object *from, *to = NULL;
    HANDLE made = 0;
    NTSTATUS status = process_open(source_process, &from);
    if (status)
        return status;
    if (target_process)
        status = process_open(target_process, &to);
    if (!status && to)
        status = duplicate(from, source, to, access, attributes, options, &made);
    else if (!status && !(options & DUPLICATE_CLOSE_SOURCE))
        status = STATUS_INVALID_PARAMETER;
    if (options & DUPLICATE_CLOSE_SOURCE && source_is_entry(from, source)) {
        NTSTATUS closed = source_close(from, source);
        if (!made && !status)
            status = closed;
    } else if (!target_process && !status) {
        status = STATUS_INVALID_HANDLE;
    }
    if (made && guest_target && !NT_PUT(guest_target, made)) {
        source_close(to, made);
        status = STATUS_ACCESS_VIOLATION;
    }
    nt_object_release(&from->head);
    if (to)
        nt_object_release(&to->head);
    return status;
}
