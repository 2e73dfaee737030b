/* Handles and descriptors on their way from one process to another.
 *
 * What an entry of a handle table means lies in the arena, but for its descriptor, which is a number in one process.
 * A child that is made by fork and exec has the same numbers; everybody else takes a copy out of the process that has
 * one, by pidfd_getfd: the open file description, and with it the position, stays the same one. */
#define _GNU_SOURCE
#include "loader/nt/ob_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Where taking is forbidden (Yama, a container), a memory file can still be opened anew by its name in /proc: it has no
 * position that anybody uses. Sockets cannot, and a file would get a position of its own. */
static int memory_reopen(uint32_t process, int fd)
{
    char path[64], target[16];
    snprintf(path, sizeof path, "/proc/%u/fd/%d", process, fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    if (__builtin_strncmp(target, "/memfd:", 7)) {
        errno = EPERM;
        return -1;
    }
    return open(path, O_RDWR | O_CLOEXEC);
}

int nt_fd_fetch(uint32_t process, int fd)
{
    if (process == (uint32_t)getpid())
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int holder = (int)syscall(SYS_pidfd_open, process, 0);
    if (holder < 0)
        return -1;
    int taken = (int)syscall(SYS_pidfd_getfd, holder, fd, 0);
    int error = errno;
    close(holder);
    errno = error;
    return taken >= 0 || (error != EPERM && error != ENOSYS) ? taken : memory_reopen(process, fd);
}

/* An entry in a table is closed under the lock, and its descriptor only then: while the entry is there, the number is
 * right, unless its process was killed. */
int ob_object_fd(const struct nt_object *object)
{
    nt_ref wanted = ob_ref(object);
    int fd = -1;
    for (nt_ref at = ob_arena->processes; at && fd < 0;) {
        const struct ob_handle_table *table = ob_at(at);
        for (uint32_t index = 1; index < table->fresh && fd < 0; index++) {
            const struct ob_handle *entry = ob_table_entry(table, index);
            if (entry->object == wanted && entry->fd >= 0)
                fd = nt_fd_fetch(table->process, entry->fd);
        }
        at = table->next;
    }
    return fd;
}

void ob_object_fd_replace(const struct nt_object *object, int fd)
{
    const struct ob_handle_table *table = ob_table_own();
    for (uint32_t index = 1; table && index < table->fresh; index++) {
        const struct ob_handle *entry = ob_table_entry(table, index);
        if (entry->object == ob_ref(object) && entry->fd >= 0)
            dup3(fd, entry->fd, O_CLOEXEC);
    }
}

NTSTATUS nt_handle_export(HANDLE handle, struct nt_handle_export *out)
{
    struct nt_object *object;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, 0, &object, NULL, NULL);
    const struct ob_handle *entry = status ? NULL : ob_handle_entry(handle);
    if (!status) {
        *out = (struct nt_handle_export){ob_ref(object), entry ? entry->access : nt_type_generic[object->type].all,
                                         entry && entry->flags & OB_HANDLE_INHERIT ? OBJ_INHERIT : 0, entry ? entry->fd : -1,
                                         (uint32_t)getpid()};
        object->references++;
    }
    nt_unlock();
    return status;
}

NTSTATUS nt_handle_adopt(const struct nt_handle_export *from, HANDLE *out)
{
    int fd = from->fd < 0 ? -1 : nt_fd_fetch(from->process, from->fd);
    if (from->fd >= 0 && fd < 0)
        return errno == EMFILE ? STATUS_TOO_MANY_OPENED_FILES : STATUS_ACCESS_DENIED;
    nt_lock();
    NTSTATUS status = ob_handle_new(ob_at(from->object), from->access, from->attributes, fd, out);
    nt_unlock();
    if (status && fd >= 0)
        close(fd);
    return status;
}

void nt_handle_export_drop(struct nt_handle_export *export)
{
    if (export->object)
        nt_object_release(ob_at(export->object));
    export->object = 0;
}

unsigned nt_handle_inherited_fds(int *fds, unsigned room)
{
    unsigned count = 0;
    nt_lock();
    const struct ob_handle_table *table = ob_table_own();
    for (uint32_t index = 1; table && index < table->fresh; index++) {
        const struct ob_handle *entry = ob_table_entry(table, index);
        if (!entry->object || !(entry->flags & OB_HANDLE_INHERIT) || entry->fd < 0)
            continue;
        if (count < room)
            fds[count] = entry->fd;
        count++;
    }
    nt_unlock();
    return count;
}
