/* Memory: this process's own address space, so that a VA and a pointer are the same number. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/host/linux/linux.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define GRANULARITY 0x10000u

/* Where images without a wish go: downwards from here, as far from the kernel's own choices as from the bases that
 * linkers like (0x140000000, 0x180000000). One call then suffices where asking the kernel for an aligned range takes
 * three. A 32-bit process has no such place; it goes down from the end of user space. */
#define FIRST_PLACE (sizeof(void *) == 8 ? (uintptr_t)0x6fff00000000ull : (uintptr_t)0x7fff0000u)
#define LAST_PLACE  0x100000u
#define STEP        0x100000u /* after a place that was taken */
#define TRIES       4096u

static void *pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static bool fits(uint64_t address, uint64_t size)
{
    return size && address <= UINTPTR_MAX && size <= UINTPTR_MAX - (uintptr_t)address;
}

/* Address space only: no access, nothing accounted for. */
static enum host_result reserve_at(uint64_t base, uint64_t size)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (!fits(base, size))
        return HOST_TAKEN;
    void *got = mmap(pointer(base), (size_t)size, PROT_NONE, flags, -1, 0);
    if (got == MAP_FAILED) {
        /* Also what the kernel says of ranges below its minimum (EPERM) or beyond user space (ENOMEM, EINVAL). */
        return errno == EEXIST || errno == EPERM || errno == ENOMEM || errno == EINVAL ? HOST_TAKEN : linux_result(errno);
    }
    if (got != pointer(base)) { /* a kernel before 4.17 takes the address as a hint only */
        munmap(got, (size_t)size);
        return HOST_TAKEN;
    }
    return HOST_OK;
}

static enum host_result reserve_anywhere(struct linux_host *self, uint64_t *base, uint64_t size, uint64_t limit)
{
    uint64_t top = self->next_place ? self->next_place : FIRST_PLACE;
    if (limit && top > limit)
        top = limit;
    size = (size + GRANULARITY - 1) & ~(uint64_t)(GRANULARITY - 1);
    for (unsigned tries = 0; tries < TRIES && top > size + LAST_PLACE; tries++) {
        uint64_t place = (top - size) & ~(uint64_t)(GRANULARITY - 1);
        enum host_result result = reserve_at(place, size);
        if (result == HOST_OK) {
            *base = place;
            self->next_place = (uintptr_t)place;
            return HOST_OK;
        }
        if (result != HOST_TAKEN)
            return result;
        top = top > STEP ? top - STEP : 0;
    }
    /* From the top once more: what lies there may have been given back meanwhile. */
    if (self->next_place) {
        self->next_place = 0;
        return reserve_anywhere(self, base, size, limit);
    }
    return HOST_NO_MEMORY;
}

enum host_result linux_vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit)
{
    if (*base)
        return reserve_at(*base, size);
    return reserve_anywhere(host->self, base, size, limit);
}

/* Where the kernel does not let code be mapped from a file (a noexec mount), or a file system cannot map at all, the
 * bytes are read into memory of their own. */
static enum host_result map_by_reading(uint64_t address, uint64_t size, const struct host_file *file, uint64_t off,
                                       int rights)
{
    void *got = mmap(pointer(address), (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (got == MAP_FAILED)
        return linux_result(errno);
    for (uint64_t done = 0; done < size;) {
        ssize_t read = pread((int)file->handle, pointer(address + done), (size_t)(size - done), (off_t)(off + done));
        if (read < 0 && errno == EINTR)
            continue;
        if (read < 0)
            return linux_result(errno);
        if (read == 0)
            break;
        done += (uint64_t)read;
    }
    return mprotect(got, (size_t)size, linux_protection(rights)) == 0 ? HOST_OK : linux_result(errno);
}

enum host_result linux_vm_map(struct host *host, uint64_t address, uint64_t size, const struct host_file *file, uint64_t off,
                              int rights)
{
    (void)host;
    if (!fits(address, size))
        return HOST_FAILED;
    void *got = mmap(pointer(address), (size_t)size, linux_protection(rights), MAP_PRIVATE | MAP_FIXED, (int)file->handle,
                     (off_t)off);
    if (got != MAP_FAILED)
        return HOST_OK;
    if (errno == EPERM || errno == EACCES || errno == ENODEV)
        return map_by_reading(address, size, file, off, rights);
    return linux_result(errno);
}

/* The reservation is zero pages already, that only lack rights. */
enum host_result linux_vm_commit(struct host *host, uint64_t address, uint64_t size, int rights)
{
    (void)host;
    if (!fits(address, size))
        return HOST_FAILED;
    return mprotect(pointer(address), (size_t)size, linux_protection(rights)) == 0 ? HOST_OK : linux_result(errno);
}

enum host_result linux_vm_protect(struct host *host, uint64_t address, uint64_t size, int rights)
{
    (void)host;
    return mprotect(pointer(address), (size_t)size, linux_protection(rights)) == 0 ? HOST_OK : linux_result(errno);
}

void linux_vm_release(struct host *host, uint64_t base, uint64_t size)
{
    (void)host;
    munmap(pointer(base), (size_t)size);
}

void *linux_vm_at(struct host *host, uint64_t address, uint64_t size)
{
    (void)host;
    (void)size;
    return pointer(address);
}
