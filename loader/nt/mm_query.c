/* NtQueryVirtualMemory, and the memory map for reports. */
#include "loader/nt/io.h"
#include "loader/nt/mm_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_BASIC = 0, MEMORY_MAPPED_NAME = 2, MEMORY_REGION = 3, MEMORY_WORKING_SET_EX = 4, MEMORY_IMAGE = 6 };

/* MEMORY_BASIC_INFORMATION */
struct basic {
    void *base, *allocation_base;
    ULONG allocation_protect;
#if UINTPTR_MAX > 0xffffffffu
    USHORT partition, pad;
#endif
    SIZE_T size;
    ULONG state, protect, type;
};
_Static_assert(sizeof(struct basic) == NT_WIDTH(28, 48), "MEMORY_BASIC_INFORMATION");
NT_AT(struct basic, size, 12, 24);

/* MEMORY_REGION_INFORMATION; older callers end before commit_size */
struct region {
    void *allocation_base;
    ULONG allocation_protect;
    ULONG kind;                     /* 2 data file, 4 image; no bit for private memory and the page file's sections */
    SIZE_T size, commit_size;
    ULONG_PTR partition, node;
};
_Static_assert(sizeof(struct region) == NT_WIDTH(28, 48), "MEMORY_REGION_INFORMATION");

/* MEMORY_IMAGE_INFORMATION */
struct image { void *base; SIZE_T size; ULONG flags; };
_Static_assert(sizeof(struct image) == NT_WIDTH(12, 24), "MEMORY_IMAGE_INFORMATION");

/* MEMORY_WORKING_SET_EX_INFORMATION */
struct working_set { void *address; ULONG_PTR attributes; };

/* ---- basic ----------------------------------------------------------------------------------------- */

static void query_free(uintptr_t at, const struct mm_area *next, struct basic *out)
{
    uintptr_t end = next && next->base < nt_process.user_high ? next->base : nt_process.user_high;
    out->base = (void *)at;
    out->size = end - at;
    out->state = MEM_FREE;
    out->protect = PAGE_NOACCESS;
}

/* Runs that differ only in what NT does not show count as one. */
static uintptr_t shown_end(const struct mm_area *area, uint32_t index)
{
    const struct mm_run *array = mm_runs_array(&area->runs);
    uint32_t shown = array[index].state & MM_SHOWN;
    while (index + 1 < area->runs.count && (array[index + 1].state & MM_SHOWN) == shown)
        index++;
    return area->base + mm_runs_end(&area->runs, index, area->size);
}

static void query_area(uintptr_t at, const struct mm_area *area, struct basic *out)
{
    uint32_t index = mm_runs_find(&area->runs, at - area->base), state = mm_runs_array(&area->runs)[index].state;
    out->base = (void *)at;
    out->allocation_base = (void *)area->base;
    out->allocation_protect = area->protect;
    out->size = shown_end(area, index) - at;
    out->state = state & MM_COMMITTED ? MEM_COMMIT : MEM_RESERVE;
    out->protect = state & MM_COMMITTED ? state & MM_SHOWN & ~(uint32_t)MM_COMMITTED : 0;
    out->type = area->type ? area->type : MEM_PRIVATE;
}

static NTSTATUS query_basic(uintptr_t address, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct basic basic;
    memset(&basic, 0, sizeof basic);
    if (length < sizeof basic)
        return STATUS_INFO_LENGTH_MISMATCH;
    uintptr_t at = mm_page_down(address);
    mm_lock();
    struct mm_area *area = mm_tree_above(at);
    if (area && area->base <= at)
        query_area(at, area, &basic);
    else
        query_free(at, area, &basic);
    mm_unlock();
    SIZE_T size = sizeof basic;
    return NT_PUT(buffer, basic) && (!returned || NT_PUT(returned, size)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* The file behind an image or a view, as a unix path; malloc'd. */
static NTSTATUS path_of(uintptr_t address, char **path)
{
    NTSTATUS status = STATUS_INVALID_ADDRESS;
    *path = NULL;
    mm_lock();
    struct mm_area *area = mm_tree_find(address);
    if (area && (area->type == MEM_IMAGE || area->type == MEM_MAPPED)) {
        const char *from = area->path ? area->path : area->backing ? area->backing->path : NULL;
        status = STATUS_FILE_INVALID;
        if (from) {
            *path = strdup(from);
            status = *path ? STATUS_SUCCESS : STATUS_NO_MEMORY;
        }
    }
    mm_unlock();
    return status;
}

/* UNICODE_STRING, and its text behind it. The name is an NT one: \??\C:\... */
static NTSTATUS query_name(uintptr_t address, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct { UNICODE_STRING string; WCHAR text[4 + 4096 + 1]; } name;
    static const WCHAR prefix[4] = {'\\', '?', '?', '\\'};
    char *path;
    NTSTATUS status = path_of(address, &path);
    if (status)
        return status;
    unsigned count = nt_path_to_dos(path, name.text + 4, sizeof name.text / sizeof(WCHAR) - 5);
    free(path);
    if (!count)
        return STATUS_OBJECT_NAME_INVALID;
    memcpy(name.text, prefix, sizeof prefix);
    count += 4;
    name.text[count] = 0;
    name.string.length = (USHORT)(count * sizeof(WCHAR));
    name.string.maximum = (USHORT)(name.string.length + sizeof(WCHAR));
    name.string.buffer = (WCHAR *)((char *)buffer + offsetof(__typeof__(name), text));
    SIZE_T need = offsetof(__typeof__(name), text) + name.string.maximum;
    if (returned && !NT_PUT(returned, need))
        return STATUS_ACCESS_VIOLATION;
    if (length < need)
        return length < sizeof name.string ? STATUS_INFO_LENGTH_MISMATCH : STATUS_BUFFER_OVERFLOW;
    return nt_write(buffer, &name, need) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- region, image --------------------------------------------------------------------------------- */

static SIZE_T committed_size(const struct mm_area *area)
{
    SIZE_T sum = 0;
    for (uint32_t i = 0; i < area->runs.count; i++)
        if (mm_runs_array(&area->runs)[i].state & MM_COMMITTED)
            sum += mm_runs_end(&area->runs, i, area->size) - mm_runs_array(&area->runs)[i].at;
    return sum;
}

static NTSTATUS query_region(uintptr_t address, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct region region;
    NTSTATUS status = STATUS_INVALID_ADDRESS;
    SIZE_T size = length < sizeof region ? offsetof(struct region, commit_size) : sizeof region;
    memset(&region, 0, sizeof region);
    if (length < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    mm_lock();
    struct mm_area *area = mm_tree_find(address);
    if (area) {
        status = STATUS_SUCCESS;
        region.allocation_base = (void *)area->base;
        region.allocation_protect = area->protect;
        region.kind = area->type == MEM_IMAGE ? 4 : area->backing && area->backing->is_file ? 2 : 0;
        region.size = area->size;
        region.commit_size = area->type == MEM_PRIVATE ? committed_size(area) : 0;
    }
    mm_unlock();
    if (status)
        return status;
    return nt_write(buffer, &region, size) && (!returned || NT_PUT(returned, size)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS query_image(uintptr_t address, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct image image;
    NTSTATUS status = STATUS_INVALID_ADDRESS;
    memset(&image, 0, sizeof image);
    if (length < sizeof image)
        return STATUS_INFO_LENGTH_MISMATCH;
    mm_lock();
    struct mm_area *area = mm_tree_find(address);
    if (area && (area->type == MEM_IMAGE || area->type == MEM_MAPPED)) {
        status = STATUS_SUCCESS;
        if (area->type == MEM_IMAGE) {
            image.base = (void *)area->base;
            image.size = area->size;
        } else {
            image.flags = 2; /* ImageNotExecutable: it is none */
        }
    }
    mm_unlock();
    SIZE_T size = sizeof image;
    if (status)
        return status;
    return NT_PUT(buffer, image) && (!returned || NT_PUT(returned, size)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- working set ----------------------------------------------------------------------------------- */

/* Linux's /proc/self/pagemap: bit 63 present, bit 61 a file's or shared page. */
static ULONG_PTR page_attributes(int pagemap, uintptr_t address)
{
    uint64_t entry = 0;
    ULONG_PTR attributes = 0;
    if (pagemap < 0 || pread(pagemap, &entry, sizeof entry, (off_t)(address / MM_PAGE * sizeof entry)) != sizeof entry)
        return 0;
    mm_lock();
    struct mm_area *area = mm_tree_find(address);
    if (entry >> 63 && area && area->type && mm_area_state(area, address) & MM_COMMITTED) {
        uint32_t state = mm_area_state(area, address);
        bool shared = area->type != MEM_PRIVATE && entry >> 61 & 1;
        attributes = 1 | (shared ? 1u << 1 | 1u << 15 : 0) | (state & 0x7ff) << 4 | (state & MM_LOCKED ? 1u << 22 : 0);
    }
    mm_unlock();
    return attributes;
}

static NTSTATUS query_working_set(void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct working_set *list = buffer, one;
    NTSTATUS status = STATUS_SUCCESS;
    if (length < sizeof one)
        return STATUS_INFO_LENGTH_MISMATCH;
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (SIZE_T i = 0; i < length / sizeof one && !status; i++) {
        if (!NT_GET(one, list + i)) {
            status = STATUS_ACCESS_VIOLATION;
            break;
        }
        one.attributes = page_attributes(pagemap, (uintptr_t)one.address);
        if (!NT_PUT(list + i, one))
            status = STATUS_ACCESS_VIOLATION;
    }
    if (pagemap >= 0)
        close(pagemap);
    if (!status && returned && !NT_PUT(returned, length))
        status = STATUS_ACCESS_VIOLATION;
    return status;
}

/* Wine's own class: the handle through which a DLL calls its Unix half. DLLs like ws2_32 refuse to start without one, so
 * they get one; the calls made with it answer STATUS_NOT_SUPPORTED (the guest half's peload_unix_call). */
enum { MEMORY_WINE_UNIX_HALF = 1000 };

static NTSTATUS query_unix_half(uintptr_t module, void *buffer, SIZE_T length)
{
    uint64_t handle = module;
    if (length != sizeof handle)
        return STATUS_INFO_LENGTH_MISMATCH;
    return NT_PUT(buffer, handle) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtQueryVirtualMemory(HANDLE process, const void *address, ULONG information_class, void *buffer, SIZE_T length,
                              SIZE_T *returned)
{
    uintptr_t at = (uintptr_t)address;
    if (information_class == MEMORY_WINE_UNIX_HALF)
        return query_unix_half(at, buffer, length);
    if (information_class != MEMORY_BASIC && information_class != MEMORY_MAPPED_NAME && information_class != MEMORY_REGION &&
        information_class != MEMORY_WORKING_SET_EX && information_class != MEMORY_IMAGE)
        return STATUS_INVALID_INFO_CLASS;
    NTSTATUS status = mm_process(process, PROCESS_QUERY_INFORMATION);
    if (status)
        return status;
    if (information_class == MEMORY_WORKING_SET_EX)
        return query_working_set(buffer, length, returned);
    if (at >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER;
    switch (information_class) {
    case MEMORY_BASIC: return query_basic(at, buffer, length, returned);
    case MEMORY_MAPPED_NAME: return query_name(at, buffer, length, returned);
    case MEMORY_REGION: return query_region(at, buffer, length, returned);
    default: return query_image(at, buffer, length, returned);
    }
}

/* ---- reports --------------------------------------------------------------------------------------- */

/* Free space is left out; the path lives as long as the area. */
bool nt_mm_line_next(uintptr_t *address, struct nt_mm_line *line)
{
    struct basic basic;
    memset(&basic, 0, sizeof basic);
    mm_lock();
    struct mm_area *area = mm_tree_above(*address);
    if (area) {
        query_area(*address > area->base ? *address : area->base, area, &basic);
        *line = (struct nt_mm_line){
            .base = (uintptr_t)basic.base, .size = basic.size, .allocation_base = area->base, .state = basic.state,
            .type = area->type, .protect = basic.protect,
            .path = area->path ? area->path : area->backing ? area->backing->path : NULL,
        };
        *address = line->base + line->size;
    }
    mm_unlock();
    return area != NULL;
}
