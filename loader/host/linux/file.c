/* Files: open for reading, all of it visible as memory. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/host/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

    const uint8_t *bytes = nothing;
    if (status.st_size) {
        void *view = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (view == MAP_FAILED) {
            result = linux_result(errno);
            goto failed;
        }
        bytes = view;
    }
    file->handle = descriptor;
    file->bytes = bytes;
    file->size = (uint64_t)status.st_size;
    file->device = (uint64_t)status.st_dev;
    file->serial = (uint64_t)status.st_ino;
    return HOST_OK;

failed:
    close(descriptor);
    return result;
}

void linux_file_close(struct host *host, struct host_file *file)
{
    (void)host;
    if (file->size)
        munmap((void *)(uintptr_t)file->bytes, (size_t)file->size);
    close((int)file->handle);
}
