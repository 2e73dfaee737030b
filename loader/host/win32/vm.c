/* Memory: this process's own address space, so that a VA and a pointer are the same number. */
#include "loader/host/win32/win32.h"

#include <string.h>

static void *pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static bool fits(uint64_t address, uint64_t size)
{
    return size && address <= UINTPTR_MAX && size <= UINTPTR_MAX - (uintptr_t)address;
}

/* One reservation for a whole image: it has to be given back as a whole, and no stranger gets into its gaps. */
static enum host_result reserve_at(uint64_t base, uint64_t size)
{
    if (!fits(base, size))
        return HOST_TAKEN;
    if (VirtualAlloc(pointer(base), (size_t)size, MEM_RESERVE, PAGE_NOACCESS))
        return HOST_OK;
    DWORD error = GetLastError();
    /* Also what Windows says of ranges beyond user space. */
    return error == ERROR_INVALID_ADDRESS || error == ERROR_INVALID_PARAMETER ? HOST_TAKEN : win32_result(error);
}

/* The first free range below `limit`: the map of the address space is asked, not guessed at. */
static enum host_result reserve_below(uint64_t *base, uint64_t size, uint64_t limit)
{
    const uint64_t step = 0x10000;
    MEMORY_BASIC_INFORMATION facts;
    for (uint64_t at = 0x100000; fits(at, size) && at + size <= limit;) {
        if (!VirtualQuery(pointer(at), &facts, sizeof facts))
            break;
        uint64_t end = (uint64_t)(uintptr_t)facts.BaseAddress + facts.RegionSize;
        if (facts.State == MEM_FREE && end - at >= size && reserve_at(at, size) == HOST_OK) {
            *base = at;
            return HOST_OK;
        }
        at = (end + step - 1) / step * step;
    }
    return HOST_NO_MEMORY;
}

/* The memory of an image can be given other rights and other bytes, but is neither reserved nor released. */
static bool is_adopted(const struct win32_host *self, uint64_t address)
{
    return self->adopted_size && address - self->adopted < self->adopted_size;
}

static enum host_result adopt(struct win32_host *self, uint64_t size)
{
    DWORD before;
    if (self->in_use || size > self->adopted_size)
        return HOST_TAKEN;
    for (uint64_t at = self->adopted, end = at + self->adopted_size; at < end;) {
        MEMORY_BASIC_INFORMATION facts;
        if (!VirtualQuery(pointer(at), &facts, sizeof facts))
            return HOST_FAILED;
        uint64_t stop = (uint64_t)(uintptr_t)facts.BaseAddress + facts.RegionSize;
        stop = stop < end ? stop : end;
        if (!VirtualProtect(pointer(at), (size_t)(stop - at), PAGE_NOACCESS, &before))
            return win32_result(GetLastError());
        at = stop;
    }
    self->in_use = true;
    return HOST_OK;
}

enum host_result win32_vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit)
{
    struct win32_host *self = host->self;
    if (*base && self->adopted_size && *base == self->adopted)
        return adopt(self, size);
    if (*base)
        return reserve_at(*base, size);
    if (limit)
        return reserve_below(base, size, limit);
    if (!fits(0, size))
        return HOST_NO_MEMORY;
    void *got = VirtualAlloc(NULL, (size_t)size, MEM_RESERVE, PAGE_NOACCESS);
    *base = (uintptr_t)got;
    return got ? HOST_OK : win32_result(GetLastError());
}

enum host_result win32_vm_commit(struct host *host, uint64_t address, uint64_t size, int rights)
{
    if (!fits(address, size))
        return HOST_FAILED;
    if (is_adopted(host->self, address)) {
        enum host_result result = win32_vm_protect(host, address, size, HOST_READ | HOST_WRITE);
        if (result != HOST_OK)
            return result;
        memset(pointer(address), 0, (size_t)size);
        return win32_vm_protect(host, address, size, rights);
    }
    if (VirtualAlloc(pointer(address), (size_t)size, MEM_COMMIT, win32_protection(rights)))
        return HOST_OK;
    return win32_result(GetLastError());
}

enum host_result win32_vm_protect(struct host *host, uint64_t address, uint64_t size, int rights)
{
    DWORD before;
    (void)host;
    if (!VirtualProtect(pointer(address), (size_t)size, win32_protection(rights), &before))
        return win32_result(GetLastError());
    /* Code was written through the data cache; x86 needs nothing, other processors do. */
    if (rights & HOST_EXECUTE)
        FlushInstructionCache(GetCurrentProcess(), pointer(address), (size_t)size);
    return HOST_OK;
}

void win32_vm_release(struct host *host, uint64_t base, uint64_t size)
{
    struct win32_host *self = host->self;
    (void)size;
    if (is_adopted(self, base))
        self->in_use = false;
    else
        VirtualFree(pointer(base), 0, MEM_RELEASE);
}

void *win32_vm_at(struct host *host, uint64_t address, uint64_t size)
{
    (void)host;
    (void)size;
    return pointer(address);
}
