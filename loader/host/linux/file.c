/* Files: open for reading, by their beginning or all of it visible as memory.
 *
 * A view costs a few microseconds to make, as much to touch first, and more to take away: the kernel clears every page's
 * entry and the processor's caches of them. So who asks for the beginning gets a copy of it, and the last views that were
 * given back stay, for the next opening of the same file. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/host/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* While a view is there, its file's number is not given to another file, and its bytes follow the file's. */
struct view { uint64_t device, serial, size; const uint8_t *bytes; unsigned returned; };

enum { VIEWS_KEPT = 8, BEGINNING = 1536 /* headers and two dozen sections */, MANY_PAGES = 4, PAGE = 4096 };
enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, which not every C library names */
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

static enum host_result read_at(int descriptor, uint64_t off, void *to, uint64_t size)
{
    while (size) {
        ssize_t got = pread(descriptor, to, (size_t)size, (off_t)off);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? linux_result(errno) : HOST_FAILED; /* it was cut short meanwhile */
        to = (char *)to + got;
        off += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return HOST_OK;
}

static enum host_result view_make(struct host_file *file)
{
    void *view = mmap(NULL, (size_t)file->size, PROT_READ, MAP_PRIVATE, (int)file->handle, 0);
    if (view == MAP_FAILED)
        return linux_result(errno);
    file->bytes = view;
    file->there = file->size;
    return HOST_OK;
}

/* A copy, which file_close frees: of all of a file that is no longer than that. */
static enum host_result beginning_read(struct host_file *file)
{
    uint8_t *copy = malloc(BEGINNING);
    if (!copy)
        return HOST_NO_MEMORY;
    file->there = file->size < BEGINNING ? file->size : BEGINNING;
    enum host_result result = read_at((int)file->handle, 0, copy, file->there);
    file->bytes = copy;
    if (result != HOST_OK)
        free(copy);
    return result;
}

static bool is_copy(const struct host_file *file)
{
    return file->there < file->size || file->size <= BEGINNING;
}

static enum host_result open_file(const char *path, struct host_file *file, bool whole)
{
    struct stat status;
    enum host_result result;

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

    *file = (struct host_file){
        .handle = descriptor, .size = (uint64_t)status.st_size, .device = (uint64_t)status.st_dev,
        .serial = (uint64_t)status.st_ino, .modified = nanoseconds(status.st_mtim), .changed = nanoseconds(status.st_ctim),
    };
    file->there = file->size;
    result = HOST_OK;
    if (file->size <= BEGINNING)
        result = beginning_read(file);
    else if (!(file->bytes = view_take(&status)))
        result = whole ? view_make(file) : beginning_read(file);
    if (result == HOST_OK)
        return HOST_OK;

failed:
    close(descriptor);
    return result;
}

enum host_result linux_file_open(struct host *host, const char *path, struct host_file *file)
{
    (void)host;
    return open_file(path, file, true);
}

enum host_result linux_file_open_part(struct host *host, const char *path, struct host_file *file)
{
    (void)host;
    return open_file(path, file, false);
}

enum host_result linux_file_view(struct host *host, struct host_file *file)
{
    const uint8_t *beginning = file->bytes;
    (void)host;
    if (file->there == file->size)
        return HOST_OK;
    enum host_result result = view_make(file);
    if (result == HOST_OK)
        free((void *)(uintptr_t)beginning);
    return result;
}

/* Pages that will all be written are had by one call rather than one at a time; where the kernel does not know that call
 * (before 5.14), they come as they are touched. */
enum host_result linux_file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size)
{
    (void)host;
    if (size >= MANY_PAGES * PAGE) {
        uintptr_t from = (uintptr_t)to & ~(uintptr_t)(PAGE - 1);
        madvise((void *)from, (size_t)((uintptr_t)to + size - from), POPULATE_WRITE);
    }
    return read_at((int)file->handle, off, to, size);
}

void linux_file_close(struct host *host, struct host_file *file)
{
    (void)host;
    if (is_copy(file))
        free((void *)(uintptr_t)file->bytes);
    else
        view_keep(file);
    close((int)file->handle);
}
