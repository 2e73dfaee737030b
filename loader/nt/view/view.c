/* Finding the sessions of this user, and taking a copy of an arena that holds together. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"
#include "loader/nt/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 200, BETWEEN_NS = 500 * 1000 };

/* ---- a copy -------------------------------------------------------------------------------------------- */

/* Read, not mapped: a file that somebody shortens meanwhile is an error and no fault. */
static bool head_read(int fd, struct ob_arena *head)
{
    return pread(fd, head, sizeof *head, 0) == sizeof *head && head->magic == OB_ARENA_MAGIC && head->version == OB_ARENA_VERSION &&
           head->top >= sizeof *head && head->top <= head->size;
}

static bool bytes_read(int fd, uint8_t *bytes, uint32_t size)
{
    uint32_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, bytes + done, size - done, done);
        if (got <= 0)
            return false;
        done += (uint32_t)got;
    }
    return true;
}

/* The lock's owner stores while this reads: what is torn is found out afterwards. */
static int arena_copy(int fd, struct nt_view *view)
{
    struct ob_arena before, after;
    uint32_t room = 0;
    view->torn = true;
    for (int attempt = 0; attempt < ATTEMPTS && view->torn; attempt++) {
        if (attempt)
            nanosleep(&(struct timespec){.tv_nsec = BETWEEN_NS}, NULL);
        if (!head_read(fd, &before))
            return ENOENT; /* of another release, or not made yet */
        if (before.top > room) {
            uint8_t *more = realloc(view->bytes, before.top);
            if (!more)
                return ENOMEM;
            view->bytes = more;
            room = before.top;
        }
        view->size = before.top;
        if (!bytes_read(fd, view->bytes, before.top) || !head_read(fd, &after))
            return ENOENT;
        view->torn = before.lock || after.lock || before.turns != after.turns;
    }
    view->session = before.session;
    return 0;
}

static int file_copy(int fd, struct nt_view *view)
{
    struct stat facts;
    *view = (struct nt_view){0};
    int error = fstat(fd, &facts) ? errno : arena_copy(fd, view);
    view->device = facts.st_dev;
    view->serial = facts.st_ino;
    if (error)
        nt_view_close(view);
    return error;
}

bool nt_view_own(struct nt_view *view)
{
    return !file_copy(nt_arena_descriptor(), view);
}

void nt_view_close(struct nt_view *view)
{
    free(view->bytes);
    view->bytes = NULL;
}

/* ---- where ----------------------------------------------------------------------------------------------- */

/* The arena among the descriptors of a Linux process, opened anew and read-only: -1 and errno; ENOENT: it has none. */
static int arena_open(const char *process)
{
    static const char name[] = "/memfd:" OB_ARENA_NAME;
    char path[300], target[sizeof name + 16];
    snprintf(path, sizeof path, "/proc/%s/fd", process);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int fd = -1, error = ENOENT;
    for (struct dirent *entry; fd < 0 && (entry = readdir(folder));) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (length < (ssize_t)sizeof name - 1 || memcmp(target, name, sizeof name - 1) || (length > (ssize_t)sizeof name - 1 && target[sizeof name - 1] != ' '))
            continue;
        fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
        error = fd < 0 ? errno : 0;
    }
    closedir(folder);
    errno = error;
    return fd;
}

int nt_view_of_process(uint32_t host_pid, struct nt_view *view)
{
    char process[16];
    snprintf(process, sizeof process, "%u", host_pid);
    *view = (struct nt_view){0};
    int fd = arena_open(process);
    if (fd < 0) {
        char path[40];
        int error = errno;
        snprintf(path, sizeof path, "/proc/%u", host_pid);
        return error == ENOENT && access(path, F_OK) ? ESRCH : error;
    }
    int error = file_copy(fd, view);
    close(fd);
    return error;
}

static bool seen(const struct nt_view_scan *scan, const struct stat *facts)
{
    for (unsigned i = 0; i < scan->count; i++)
        if (scan->seen[i].device == facts->st_dev && scan->seen[i].serial == facts->st_ino)
            return true;
    return false;
}

static bool seen_add(struct nt_view_scan *scan, const struct stat *facts)
{
    void *more = realloc(scan->seen, (scan->count + 1) * sizeof *scan->seen);
    if (!more)
        return false;
    scan->seen = more;
    scan->seen[scan->count].device = facts->st_dev;
    scan->seen[scan->count++].serial = facts->st_ino;
    return true;
}

/* Whose processes cannot be looked into is not told: they are others'. */
bool nt_view_scan_next(struct nt_view_scan *scan, struct nt_view *view)
{
    if (!scan->folder)
        scan->folder = opendir("/proc");
    for (struct dirent *entry; scan->folder && (entry = readdir(scan->folder));) {
        struct stat facts;
        int fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? arena_open(entry->d_name) : -1;
        if (fd < 0)
            continue;
        bool found = !fstat(fd, &facts) && facts.st_uid == geteuid() && !seen(scan, &facts) && seen_add(scan, &facts) &&
                     !file_copy(fd, view);
        close(fd);
        if (found)
            return true;
    }
    return false;
}

void nt_view_scan_end(struct nt_view_scan *scan)
{
    if (scan->folder)
        closedir(scan->folder);
    free(scan->seen);
    *scan = (struct nt_view_scan){0};
}
