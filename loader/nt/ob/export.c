/* Descriptors on their way from one process to another.
 *
 * What an entry of a handle table means lies in the arena, but for its descriptor, which is a number in one process.
 * A child that is made by fork and exec has the same numbers; everybody else takes a copy out of the process that has
 * one, by pidfd_getfd: the open file description, and with it the position, stays the same one. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"

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
    return taken;
}

/* Where taking is forbidden (Yama, a container), what a section shows can still be opened anew by its name in /proc: it has
 * no position that anybody uses. */
static int contents_fetch(uint32_t process, int fd)
{
    char path[64];
    int taken = nt_fd_fetch(process, fd);
    if (taken >= 0 || (errno != EPERM && errno != ENOSYS))
        return taken;
    snprintf(path, sizeof path, "/proc/%u/fd/%d", process, fd);
    taken = open(path, O_RDWR | O_CLOEXEC);
    return taken >= 0 ? taken : open(path, O_RDONLY | O_CLOEXEC);
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
                fd = contents_fetch(table->process, entry->fd);
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
