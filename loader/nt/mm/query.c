/* NtQueryVirtualMemory, and the memory map for reports. */
#include "loader/nt/io.h"
#include "loader/nt/mm/private.h"

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

/* Facts are told in fixed widths: another process may have asked (mm/remote.c). */
static void query_free(uintptr_t at, const struct mm_area *next, struct mm_fact *out)
{
    uintptr_t end = next && next->base < nt_process.user_high ? next->base : nt_process.user_high;
    out->base = at;
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

static void query_area(uintptr_t at, const struct mm_area *area, struct mm_fact *out)
{
    uint32_t index = mm_runs_find(&area->runs, at - area->base), state = mm_runs_array(&area->runs)[index].state;
    out->base = at;
    out->allocation_base = area->base;
    out->allocation_protect = area->protect;
    out->size = shown_end(area, index) - at;
    out->state = state & MM_COMMITTED ? MEM_COMMIT : MEM_RESERVE;
    out->protect = state & MM_COMMITTED ? state & MM_SHOWN & ~(uint32_t)MM_COMMITTED : 0;
    out->type = area->type ? area->type : MEM_PRIVATE;
}

static SIZE_T committed_size(const struct mm_area *area)
{
    SIZE_T sum = 0;
    for (uint32_t i = 0; i < area->runs.count; i++)
        if (mm_runs_array(&area->runs)[i].state & MM_COMMITTED)
            sum += mm_runs_end(&area->runs, i, area->size) - mm_runs_array(&area->runs)[i].at;
    return sum;
}

static void query_whole(const struct mm_area *area, struct mm_fact *out)
{
    out->allocation_base = area->base;
    out->allocation_protect = area->protect;
    out->type = area->type;
    out->size = area->size;
    out->kind = area->type == MEM_IMAGE ? 4 : area->backing && area->backing->is_file ? 2 : 0;
    out->commit_size = area->type == MEM_PRIVATE ? committed_size(area) : 0;
}

/* The file behind an image or a view. Lock held. */
static NTSTATUS query_path(const struct mm_area *area, struct mm_fact *out)
{
    const char *from = area->path ? area->path : area->backing ? area->backing->path : NULL;
    if (!from || strlen(from) >= sizeof out->path)
        return STATUS_FILE_INVALID;
    strcpy(out->path, from);
    return STATUS_SUCCESS;
}

NTSTATUS mm_fact_get(ULONG information_class, uintptr_t at, struct mm_fact *out)
{
    NTSTATUS status = STATUS_SUCCESS;
    memset(out, 0, sizeof *out);
    if (at >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER;
    mm_lock();
    if (information_class == MEMORY_BASIC) {
        at = mm_page_down(at);
        struct mm_area *area = mm_tree_above(at);
        if (area && area->base <= at)
            query_area(at, area, out);
        else
            query_free(at, area, out);
        if (out->protect & MM_COPYING && area->path && strlen(area->path) < sizeof out->path)
            strcpy(out->path, area->path);
    } else {
        struct mm_area *area = mm_tree_find(at);
        if (!area || (information_class != MEMORY_REGION && area->type != MEM_IMAGE && area->type != MEM_MAPPED))
            status = STATUS_INVALID_ADDRESS;
        else if (information_class == MEMORY_MAPPED_NAME)
            status = query_path(area, out);
        else
            query_whole(area, out);
    }
    mm_unlock();
    if (information_class == MEMORY_BASIC)
        mm_written_tell(out);
    return status;
}

/* ---- answers --------------------------------------------------------------------------------------- */

static NTSTATUS answer_give(void *buffer, const void *answer, SIZE_T size, SIZE_T *returned)
{
    return nt_write(buffer, answer, size) && (!returned || NT_PUT(returned, size)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS answer_basic(const struct mm_fact *fact, void *buffer, SIZE_T *returned)
{
    struct basic basic = {.base = (void *)(uintptr_t)fact->base, .allocation_base = (void *)(uintptr_t)fact->allocation_base,
                          .allocation_protect = fact->allocation_protect, .size = (SIZE_T)fact->size, .state = fact->state,
                          .protect = fact->protect, .type = fact->type};
    return answer_give(buffer, &basic, sizeof basic, returned);
}

/* UNICODE_STRING, and its text behind it. The name is an NT one: \??\C:\... */
static NTSTATUS answer_name(const struct mm_fact *fact, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct { UNICODE_STRING string; WCHAR text[4 + 4096 + 1]; } name;
    static const WCHAR prefix[4] = {'\\', '?', '?', '\\'};
    unsigned count = nt_path_to_dos(fact->path, name.text + 4, sizeof name.text / sizeof(WCHAR) - 5);
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

static NTSTATUS answer_region(const struct mm_fact *fact, void *buffer, SIZE_T length, SIZE_T *returned)
{
    struct region region = {.allocation_base = (void *)(uintptr_t)fact->allocation_base,
                            .allocation_protect = fact->allocation_protect, .kind = fact->kind, .size = (SIZE_T)fact->size,
                            .commit_size = (SIZE_T)fact->commit_size};
    return answer_give(buffer, &region, length < sizeof region ? offsetof(struct region, commit_size) : sizeof region, returned);
}

static NTSTATUS answer_image(const struct mm_fact *fact, void *buffer, SIZE_T *returned)
{
    struct image image = {.flags = 2 /* ImageNotExecutable: it is none */};
    if (fact->type == MEM_IMAGE)
        image = (struct image){(void *)(uintptr_t)fact->allocation_base, (SIZE_T)fact->size, 0};
    return answer_give(buffer, &image, sizeof image, returned);
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

static SIZE_T answer_least(ULONG information_class)
{
    switch (information_class) {
    case MEMORY_BASIC: return sizeof(struct basic);
    case MEMORY_REGION: return offsetof(struct region, commit_size);
    case MEMORY_IMAGE: return sizeof(struct image);
    default: return 0;
    }
}

NTSTATUS NtQueryVirtualMemory(HANDLE process, const void *address, ULONG information_class, void *buffer, SIZE_T length,
                              SIZE_T *returned)
{
    uintptr_t at = (uintptr_t)address;
    struct nt_process_object *other;
    struct mm_fact fact;
    if (information_class == MEMORY_WINE_UNIX_HALF)
        return query_unix_half(at, buffer, length);
    if (information_class != MEMORY_BASIC && information_class != MEMORY_MAPPED_NAME && information_class != MEMORY_REGION &&
        information_class != MEMORY_WORKING_SET_EX && information_class != MEMORY_IMAGE)
        return STATUS_INVALID_INFO_CLASS;
    if (information_class == MEMORY_WORKING_SET_EX) {
        NTSTATUS own = mm_process(process, PROCESS_QUERY_INFORMATION);
        return own ? own : query_working_set(buffer, length, returned);
    }
    NTSTATUS status = mm_process_any(process, PROCESS_QUERY_INFORMATION, &other);
    if (status)
        return status;
    if (length < answer_least(information_class))
        status = STATUS_INFO_LENGTH_MISMATCH;
    else
        status = other ? mm_remote_query(other, information_class, at, &fact) : mm_fact_get(information_class, at, &fact);
    mm_process_done(other);
    if (status)
        return status;
    switch (information_class) {
    case MEMORY_BASIC: return answer_basic(&fact, buffer, returned);
    case MEMORY_MAPPED_NAME: return answer_name(&fact, buffer, length, returned);
    case MEMORY_REGION: return answer_region(&fact, buffer, length, returned);
    default: return answer_image(&fact, buffer, returned);
    }
}

/* ---- reports --------------------------------------------------------------------------------------- */

/* Free space is left out; the path lives as long as the area. */
bool nt_mm_line_next(uintptr_t *address, struct nt_mm_line *line)
{
    static struct mm_fact fact; /* the lock's */
    mm_lock();
    struct mm_area *area = mm_tree_above(*address);
    if (area) {
        query_area(*address > area->base ? *address : area->base, area, &fact);
        *line = (struct nt_mm_line){
            .base = (uintptr_t)fact.base, .size = (uintptr_t)fact.size, .allocation_base = area->base, .state = fact.state,
            .type = area->type, .protect = fact.protect,
            .path = area->path ? area->path : area->backing ? area->backing->path : NULL,
        };
        *address = line->base + line->size;
    }
    mm_unlock();
    return area != NULL;
}
