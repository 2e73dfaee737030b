/* Files: open for reading, all of it visible as memory.
 *
 * A view costs a few microseconds to make, as much to touch first, and more to take away: the kernel clears every page's
 * entry and the processor's caches of them. So the last views that were given back stay, for the next opening of the same
 * file; at the end of the process, which needs most of them only until it has started, they go with everything else. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/host/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* While a view is there, its file's number is not given to another file, and its bytes follow the file's. */
struct view { uint64_t device, serial, size; const uint8_t *bytes; unsigned returned; };

enum { VIEWS_KEPT = 8 };
static struct view kept[VIEWS_KEPT];
static unsigned returns; /* counts what was given back: the smallest number is the oldest */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static void view_unmap(const struct view *view)
{
    munmap((void *)(uintptr_t)view->bytes, (size_t)view->size);
}

/* Takes a kept view of this file out of the store. */
static const uint8_t *view_take(const struct stat *status)
{
    const uint8_t *bytes = NULL;
    pthread_mutex_lock(&kept_lock);
    for (unsigned i = 0; i < VIEWS_KEPT && !bytes; i++)
        if (kept[i].bytes && kept[i].device == status->st_dev && kept[i].serial == status->st_ino &&
            kept[i].size == (uint64_t)status->st_size) {
            bytes = kept[i].bytes;
            kept[i].bytes = NULL;
        }
    pthread_mutex_unlock(&kept_lock);
    return bytes;
}

/* The oldest makes room. */
static void view_keep(const struct host_file *file)
{
    pthread_mutex_lock(&kept_lock);
    struct view *place = &kept[0];
    for (struct view *one = kept; one < kept + VIEWS_KEPT && place->bytes; one++)
        if (!one->bytes || one->returned < place->returned)
            place = one;
    struct view old = *place;
    *place = (struct view){file->device, file->serial, file->size, file->bytes, ++returns};
    pthread_mutex_unlock(&kept_lock);
    if (old.bytes)
        view_unmap(&old);
}

static uint64_t nanoseconds(struct timespec time) { return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec; }

enum host_result linux_file_open(struct host *host, const char *path, struct host_file *file)
{
    static const uint8_t nothing[1];
    struct stat status;
    enum host_result result;
    (void)host;

    /* Not blocking: a pipe of that name must be refused, not waited for. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0)
        return linux_result(errno);
    if (fstat(descriptor, &status) < 0) {
        result = linux_result(errno);
        goto failed;
    }
    result = HOST_NOT_A_FILE;
    if (!S_ISREG(status.st_mode))
        goto failed;
    result = HOST_NO_MEMORY;
    if ((uint64_t)status.st_size > SIZE_MAX / 2)
        goto failed;

    const uint8_t *bytes = status.st_size ? view_take(&status) : nothing;
    if (!bytes) {
        void *view = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (view == MAP_FAILED) {
            result = linux_result(errno);
            goto failed;
        }
        bytes = view;
    }
    file->handle = descriptor;
    file->bytes = bytes;
    file->size = file->there = (uint64_t)status.st_size;
    file->device = (uint64_t)status.st_dev;
    file->serial = (uint64_t)status.st_ino;
    file->modified = nanoseconds(status.st_mtim);
    file->changed = nanoseconds(status.st_ctim);
    return HOST_OK;

failed:
    close(descriptor);
    return result;
}

void linux_file_close(struct host *host, struct host_file *file)
{
    (void)host;
    if (file->size)
        view_keep(file);
    close((int)file->handle);
}
