/* The table of functions, results and the clock. */
#define _GNU_SOURCE
#include "loader/host/linux/linux.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

const char *host_result_text(enum host_result result)
{
    switch (result) {
    case HOST_OK: return "no error";
    case HOST_NOT_FOUND: return "no such file";
    case HOST_DENIED: return "access denied";
    case HOST_NOT_A_FILE: return "not a regular file";
    case HOST_TAKEN: return "the address range is taken";
    case HOST_NO_MEMORY: return "out of memory";
    case HOST_FAILED: return "input or output error";
    }
    return "unknown result";
}

enum host_result linux_result(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP: return HOST_NOT_FOUND;
    case EACCES:
    case EPERM: return HOST_DENIED;
    case EISDIR:
    case ENXIO:
    case ENODEV: return HOST_NOT_A_FILE;
    case EEXIST: return HOST_TAKEN;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EAGAIN: return HOST_NO_MEMORY;
    }
    return HOST_FAILED;
}

int linux_protection(int rights)
{
    return (rights & HOST_READ ? PROT_READ : 0) | (rights & HOST_WRITE ? PROT_WRITE : 0) |
           (rights & HOST_EXECUTE ? PROT_EXEC : 0);
}

static uint64_t linux_clock(struct host *host)
{
    struct timespec now;
    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct host *host_linux_open(void)
{
    struct linux_host *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->host = (struct host){
        .self = self,
        .file_open = linux_file_open,
        .file_open_part = linux_file_open_part,
        .file_close = linux_file_close,
        .file_view = linux_file_view,
        .file_read = linux_file_read,
        .file_find = linux_file_find,
        .vm_reserve = linux_vm_reserve,
        .vm_map = linux_vm_map,
        .vm_commit = linux_vm_commit,
        .vm_protect = linux_vm_protect,
        .vm_release = linux_vm_release,
        .vm_at = linux_vm_at,
        .clock = linux_clock,
    };
    return &self->host;
}

void host_linux_close(struct host *host)
{
    if (!host)
        return;
    struct linux_host *self = host->self;
    linux_folders_free(self);
    free(self);
}
