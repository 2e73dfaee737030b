/* The loader's view of this address space: a host table that keeps the books of what the loader maps.
 *
 * The pages themselves are made by the host beneath: it alone knows how its files are mapped. */
#include "loader/nt/mm/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Images without a wish go downwards from here on 64 bits, far from the kernel's own choices and from the bases that
 * linkers like; in 32 bits down from the end of user space. */
#define IMAGE_CEILING NT_WIDTH((uintptr_t)0, (uintptr_t)0x6fff00000000ull)

struct mm_host {
    struct host host; /* first: a struct host * is a struct mm_host * */
    struct host *beneath;
};

static struct host *beneath_of(struct host *host)
{
    return ((struct mm_host *)host)->beneath;
}

/* ---- passed on ------------------------------------------------------------------------------------- */

static enum host_result file_open(struct host *host, const char *path, struct host_file *file)
{
    return beneath_of(host)->file_open(beneath_of(host), path, file);
}

static void file_close(struct host *host, struct host_file *file)
{
    beneath_of(host)->file_close(beneath_of(host), file);
}

static enum host_result file_open_part(struct host *host, const char *path, struct host_file *file)
{
    return beneath_of(host)->file_open_part(beneath_of(host), path, file);
}

static enum host_result file_view(struct host *host, struct host_file *file)
{
    return beneath_of(host)->file_view(beneath_of(host), file);
}

static enum host_result file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size)
{
    return beneath_of(host)->file_read(beneath_of(host), file, off, to, size);
}

static enum host_result file_find(struct host *host, const char *folder, const char *name, char *path, size_t room)
{
    return beneath_of(host)->file_find(beneath_of(host), folder, name, path, room);
}

static uint64_t clock_read(struct host *host)
{
    return beneath_of(host)->clock(beneath_of(host));
}

/* ---- memory ---------------------------------------------------------------------------------------- */

/* A section's rights as VirtualQuery shows them: what may be written is copied when it is, unless it is shared. */
static uint32_t image_state(int rights)
{
    if ((rights & HOST_SHARED) && (rights & HOST_WRITE))
        return MM_COMMITTED | (rights & HOST_EXECUTE ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE);
    static const uint32_t protect[8] = {
        [0] = PAGE_NOACCESS,
        [HOST_READ] = PAGE_READONLY,
        [HOST_WRITE] = PAGE_WRITECOPY,
        [HOST_READ | HOST_WRITE] = PAGE_WRITECOPY,
        [HOST_EXECUTE] = PAGE_EXECUTE,
        [HOST_READ | HOST_EXECUTE] = PAGE_EXECUTE_READ,
        [HOST_WRITE | HOST_EXECUTE] = PAGE_EXECUTE_WRITECOPY,
        [HOST_READ | HOST_WRITE | HOST_EXECUTE] = PAGE_EXECUTE_WRITECOPY,
    };
    return MM_COMMITTED | protect[rights & 7];
}

static int make_image(uintptr_t base, uintptr_t size, void *context)
{
    struct host *beneath = context;
    uint64_t place = base;
    switch (beneath->vm_reserve(beneath, &place, size, 0)) {
    case HOST_OK: return 0;
    case HOST_TAKEN: return EEXIST;
    default: return ENOMEM;
    }
}

static enum host_result vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit)
{
    struct mm_wish wish = {.high = limit ? (uintptr_t)limit : IMAGE_CEILING, .top_down = true};
    struct mm_area *area;
    uintptr_t low = nt_process.user_low, high = nt_process.user_high;
    if (*base && (*base < low || *base >= high || size > high - *base))
        return HOST_TAKEN;
    if (size > high - low)
        return HOST_NO_MEMORY;
    mm_lock();
    NTSTATUS status = mm_area_create((uintptr_t)*base, mm_page_up((uintptr_t)size), &wish, MEM_IMAGE, PAGE_EXECUTE_WRITECOPY, 0,
                                     0, make_image, beneath_of(host), &area);
    if (!status)
        *base = area->base;
    mm_unlock();
    return !status ? HOST_OK : status == STATUS_CONFLICTING_ADDRESSES ? HOST_TAKEN : HOST_NO_MEMORY;
}

/* The area of a range that the loader reserved, with room in its books. Lock taken where it is found. */
static struct mm_area *image_lock(uint64_t address, uint64_t size)
{
    mm_lock();
    struct mm_area *area = mm_tree_find((uintptr_t)address);
    assert(area && area->type == MEM_IMAGE && size && address + size <= mm_end(area));
    (void)size;
    if (mm_runs_room(&area->runs, 1))
        return area;
    mm_unlock();
    return NULL;
}

static enum host_result image_note(struct mm_area *area, uint64_t address, uint64_t size, int rights, enum host_result result)
{
    uintptr_t at = (uintptr_t)address;
    if (result == HOST_OK)
        mm_area_note(area, at, at + mm_page_up((uintptr_t)size), image_state(rights));
    mm_unlock();
    return result;
}

static enum host_result vm_map(struct host *host, uint64_t address, uint64_t size, const struct host_file *file, uint64_t off,
                               int rights)
{
    struct mm_area *area = image_lock(address, size);
    if (!area)
        return HOST_NO_MEMORY;
    return image_note(area, address, size, rights, beneath_of(host)->vm_map(beneath_of(host), address, size, file, off, rights));
}

static enum host_result vm_commit(struct host *host, uint64_t address, uint64_t size, int rights)
{
    struct mm_area *area = image_lock(address, size);
    if (!area)
        return HOST_NO_MEMORY;
    return image_note(area, address, size, rights, beneath_of(host)->vm_commit(beneath_of(host), address, size, rights));
}

static enum host_result vm_protect(struct host *host, uint64_t address, uint64_t size, int rights)
{
    struct mm_area *area = image_lock(address, size);
    if (!area)
        return HOST_NO_MEMORY;
    return image_note(area, address, size, rights, beneath_of(host)->vm_protect(beneath_of(host), address, size, rights));
}

static void vm_release(struct host *host, uint64_t base, uint64_t size)
{
    mm_image_unshare((uintptr_t)base);
    mm_lock();
    struct mm_area *area = mm_tree_find((uintptr_t)base);
    /* A guest may have unmapped the image itself. */
    if (area && area->type == MEM_IMAGE && area->base == base) {
        mm_area_destroy(area, false);
        beneath_of(host)->vm_release(beneath_of(host), base, size);
    }
    mm_unlock();
}

static void *vm_at(struct host *host, uint64_t address, uint64_t size)
{
    (void)host, (void)size;
    return (void *)(uintptr_t)address;
}

static void vm_image_ready(struct host *host, uint64_t base, uint64_t size, const char *path)
{
    char *copy = strdup(path);
    struct host *beneath = beneath_of(host);
    mm_lock();
    struct mm_area *area = mm_tree_find((uintptr_t)base);
    if (area && area->base == base) {
        free(area->path);
        area->path = copy;
        copy = NULL;
    }
    mm_unlock();
    free(copy);
    mm_image_share((uintptr_t)base, path);
    if (beneath->vm_image_ready)
        beneath->vm_image_ready(beneath, base, size, path);
}

struct host *nt_mm_host(struct host *beneath)
{
    static struct mm_host host;
    host.host = (struct host){
        .self = &host, .file_open = file_open, .file_open_part = beneath->file_open_part ? file_open_part : NULL, .file_close = file_close,
        .file_view = file_view, .file_read = file_read,
        .file_find = file_find, .vm_reserve = vm_reserve, .vm_map = vm_map, .vm_commit = vm_commit, .vm_protect = vm_protect, .vm_release = vm_release, .vm_at = vm_at,
        .vm_image_ready = vm_image_ready, .clock = clock_read,
    };
    host.beneath = beneath;
    return &host.host;
}
