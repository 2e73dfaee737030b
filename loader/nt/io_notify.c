/* NtNotifyChangeDirectoryFile, on inotify. Always answered later, on the I/O thread; a synchronous handle waits. */
#include "loader/nt/io_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { NOTIFY_FILE_NAME = 1, NOTIFY_DIRECTORY_NAME = 2, NOTIFY_ATTRIBUTES = 4, NOTIFY_SIZE = 8, NOTIFY_LAST_WRITE = 0x10,
       NOTIFY_LAST_ACCESS = 0x20, NOTIFY_CREATION = 0x40, NOTIFY_SECURITY = 0x100 };
enum { ACTION_ADDED = 1, ACTION_REMOVED, ACTION_MODIFIED, ACTION_RENAMED_OLD, ACTION_RENAMED_NEW };

static uint32_t inotify_mask(ULONG filter)
{
    uint32_t mask = 0;
    if (filter & (NOTIFY_FILE_NAME | NOTIFY_DIRECTORY_NAME))
        mask |= IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
    if (filter & (NOTIFY_ATTRIBUTES | NOTIFY_SECURITY))
        mask |= IN_ATTRIB;
    if (filter & (NOTIFY_SIZE | NOTIFY_LAST_WRITE))
        mask |= IN_MODIFY;
    if (filter & NOTIFY_LAST_ACCESS)
        mask |= IN_ACCESS;
    if (filter & NOTIFY_CREATION)
        mask |= IN_CREATE;
    return mask;
}

static uint32_t action_of(uint32_t mask)
{
    return mask & IN_CREATE ? ACTION_ADDED : mask & IN_DELETE ? ACTION_REMOVED : mask & IN_MOVED_FROM ? ACTION_RENAMED_OLD
         : mask & IN_MOVED_TO ? ACTION_RENAMED_NEW : ACTION_MODIFIED;
}

/* FILE_NOTIFY_INFORMATION: next, action, length, name; four-byte aligned. False: no room, and then Windows drops all
 * and says that the folder has to be read anew. */
static bool change_add(char *answer, size_t room, size_t *done, size_t *last, const struct inotify_event *event)
{
    WCHAR name[NAME_MAX + 1];
    size_t begin = (*done + 3) & ~(size_t)3;
    uint32_t head[3] = {0, action_of(event->mask), 0};
    head[2] = (uint32_t)(io_name_from_unix(event->name, strlen(event->name), name, NAME_MAX) * sizeof(WCHAR));
    if (begin + sizeof head + head[2] > room)
        return false;
    if (*done)
        memcpy(answer + *last, &(uint32_t){(uint32_t)(begin - *last)}, 4);
    memcpy(answer + begin, head, sizeof head);
    memcpy(answer + begin + sizeof head, name, head[2]);
    *last = begin;
    *done = begin + sizeof head + head[2];
    return true;
}

static bool wanted(ULONG filter, uint32_t mask)
{
    if (!(mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)))
        return true;
    return filter & (mask & IN_ISDIR ? NOTIFY_DIRECTORY_NAME : NOTIFY_FILE_NAME) || (mask & IN_CREATE && filter & NOTIFY_CREATION);
}

static NTSTATUS notify_step(struct io_later *later, ULONG_PTR *information)
{
    char events[8192] __attribute__((aligned(8)));
    size_t room = later->length < 65536 ? later->length : 65536, done = 0, last = 0;
    bool fits = true, any = false;
    char *answer = malloc(room ? room : 1);
    ssize_t got = answer ? read(later->fd, events, sizeof events) : -1;
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(events + at);
        at += (ssize_t)(sizeof *event + event->len);
        if (event->mask & IN_Q_OVERFLOW)
            any = true, fits = false;
        if (!event->len || !wanted(later->filter, event->mask))
            continue;
        any = true;
        fits = fits && change_add(answer, room, &done, &last, event);
    }
    NTSTATUS status = !any ? STATUS_PENDING : fits ? STATUS_SUCCESS : STATUS_NOTIFY_ENUM_DIR;
    *information = fits ? done : 0;
    if (any && fits && !nt_write(later->buffer, answer, done))
        status = STATUS_ACCESS_VIOLATION;
    free(answer);
    return status;
}

/* Folders below (subtree) are not watched: Linux has no such watch, and pretending would be worse than less. The folder
 * itself is. */
NTSTATUS NtNotifyChangeDirectoryFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                                     void *buffer, ULONG length, ULONG filter, uintptr_t subtree)
{
    char path[PATH_MAX];
    struct io_finish finish;
    struct io_file *file;
    (void)subtree;
    if (!inotify_mask(filter))
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = io_file_of_handle(handle, FILE_READ_DATA, &file, NULL, NULL);
    if (status)
        return status;
    int fd = -1;
    if (file->file.kind != NT_FILE_DIRECTORY || !io_file_path(file, path, sizeof path))
        status = STATUS_INVALID_PARAMETER;
    else if ((fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0 || inotify_add_watch(fd, path, inotify_mask(filter)) < 0)
        status = io_status_of_errno(errno);
    if (!status)
        status = io_finish_begin(&finish, file, event, routine, context, io);
    if (status && fd >= 0)
        close(fd);
    if (!status) {
        struct io_later later = {.finish = finish, .fd = fd, .events = POLLIN, .step = notify_step, .buffer = buffer, .length = length,
                                 .filter = filter, .thread_id = io_thread_id()};
        status = io_later_add(&later);
    }
    if (status == STATUS_PENDING && file->file.options & FILE_SYNCHRONOUS) {
        struct nt_object *object = &file->file.head;
        IO_STATUS_BLOCK result;
        nt_ke_wait(&object, 1, false, false, NULL);
        status = NT_GET(result, io) ? result.status : STATUS_ACCESS_VIOLATION;
    }
    io_file_release(file);
    return status;
}
