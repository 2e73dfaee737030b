/* Areas: made where books and host agree, changed, split, given back. */
#include "loader/nt/mm/private.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void mm_lock(void)
{
    pthread_mutex_lock(&lock);
}

void mm_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

bool mm_protect_valid(uint32_t protect, bool view)
{
    uint32_t base = protect & 0xff;
    if (protect & ~(0xffu | PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE) || !base || base & (base - 1))
        return false;
    if (base == PAGE_NOACCESS)
        return protect == PAGE_NOACCESS;
    if ((protect & PAGE_GUARD && protect & PAGE_NOCACHE) || (protect & PAGE_NOCACHE && protect & PAGE_WRITECOMBINE))
        return false;
    return view || !(base & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY));
}

int mm_area_rights(const struct mm_area *area, uint32_t state)
{
    int rights;
    if (!(state & MM_COMMITTED) || state & PAGE_GUARD)
        return PROT_NONE;
    switch (state & 0xff) {
    case PAGE_READONLY: rights = PROT_READ; break;
    case PAGE_READWRITE: case PAGE_WRITECOPY: rights = PROT_READ | PROT_WRITE; break;
    case PAGE_EXECUTE: case PAGE_EXECUTE_READ: rights = PROT_READ | PROT_EXEC; break; /* x86 reads what it may execute */
    case PAGE_EXECUTE_READWRITE: case PAGE_EXECUTE_WRITECOPY: rights = PROT_READ | PROT_WRITE | PROT_EXEC; break;
    default: return PROT_NONE;
    }
    if (area->flags & MM_WRITE_WATCH && !(state & MM_DIRTY))
        rights &= ~PROT_WRITE;
    return rights;
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* The system limits how many differing pieces a process may have mapped (65,530 as a rule). A small allocation leaves
 * the rest of its 64 KiB unmapped and is a piece of its own: from this many areas on, the rest is mapped along with it, so
 * that neighbours become one piece. */
enum { PADDING_FROM = 20000 };
static unsigned area_count;

/* The host's areas are what it once had there: they give way when they turn out to be gone. */
static bool range_is_ours(uintptr_t base, uintptr_t size)
{
    for (struct mm_area *area = mm_tree_above(base); area && area->base < base + size; area = mm_tree_above(mm_end(area)))
        if (area->type)
            return true;
    return false;
}

static void range_forget_host(uintptr_t base, uintptr_t size)
{
    struct mm_area *area;
    while ((area = mm_tree_above(base)) && area->base < base + size && !area->type) {
        mm_tree_remove(area);
        free(area);
    }
}

/* For a base that was asked for. */
static NTSTATUS make_there(uintptr_t base, uintptr_t size, mm_maker *maker, void *context)
{
    if (range_is_ours(base, size))
        return STATUS_CONFLICTING_ADDRESSES;
    int error = maker(base, size, context);
    if (error == EEXIST)
        return STATUS_CONFLICTING_ADDRESSES;
    if (!error)
        range_forget_host(base, size);
    return mm_linux_status(error);
}

/* The books propose, the host may know better: then they learn and propose again. */
static NTSTATUS make_anywhere(uintptr_t *base, uintptr_t size, const struct mm_wish *wish, mm_maker *maker, void *context)
{
    static const struct mm_wish any;
    for (unsigned tries = 0; tries < 64; tries++) {
        *base = mm_tree_place(size, wish ? wish : &any);
        if (!*base)
            return STATUS_NO_MEMORY;
        int error = maker(*base, size, context);
        if (error != EEXIST)
            return mm_linux_status(error);
        mm_linux_learn(*base, *base + size);
    }
    return STATUS_NO_MEMORY;
}

NTSTATUS mm_area_create(uintptr_t base, uintptr_t size, const struct mm_wish *wish, uint32_t type, uint32_t protect,
                        uint32_t flags, uint32_t state, mm_maker *maker, void *context, struct mm_area **out)
{
    assert(base % MM_PAGE == 0 && size % MM_PAGE == 0 && size && type);
    struct mm_area *area = calloc(1, sizeof *area);
    if (!area)
        return STATUS_NO_MEMORY;
    if (type == MEM_PRIVATE && !base && area_count >= PADDING_FROM)
        flags |= MM_PADDED;
    uintptr_t host_size = flags & MM_PADDED ? mm_granule_up(size) : size;
    NTSTATUS status = base ? make_there(base, host_size, maker, context) : make_anywhere(&base, host_size, wish, maker, context);
    if (status) {
        free(area);
        return status;
    }
    area->base = base;
    area->size = size;
    area->type = type;
    area->protect = protect;
    area->flags = flags;
    mm_runs_open(&area->runs, state);
    mm_area_adopt(area);
    *out = area;
    return STATUS_SUCCESS;
}

void mm_area_adopt(struct mm_area *area)
{
    mm_tree_insert(area);
    area_count++;
}

static uintptr_t host_end(const struct mm_area *area)
{
    return area->flags & MM_PADDED ? mm_granule_up(mm_end(area)) : mm_end(area);
}

void mm_area_destroy(struct mm_area *area, bool unmap)
{
    mm_tree_remove(area);
    if (unmap)
        mm_linux_release(area->base, host_end(area) - area->base);
    if (area->backing)
        mm_backing_view_remove(area);
    mm_runs_close(&area->runs);
    free(area->path);
    free(area);
    area_count--;
}

NTSTATUS mm_area_release_part(struct mm_area *area, uintptr_t at, uintptr_t end)
{
    struct mm_area *rest = NULL;
    uintptr_t released_to = end == mm_end(area) ? host_end(area) : end;
    if (at == area->base && end == mm_end(area)) {
        mm_area_destroy(area, true);
        return STATUS_SUCCESS;
    }
    if (at > area->base && end < mm_end(area)) {
        rest = malloc(sizeof *rest);
        if (!rest)
            return STATUS_NO_MEMORY;
        *rest = *area;
        if (!mm_runs_copy(&rest->runs, &area->runs)) {
            free(rest);
            return STATUS_NO_MEMORY;
        }
        mm_runs_cut(&rest->runs, end - area->base, area->size);
        rest->base = end;
        rest->size = mm_end(area) - end;
    }
    mm_linux_release(at, released_to - at);
    if (at == area->base) {
        mm_tree_remove(area);
        mm_runs_cut(&area->runs, end - area->base, area->size);
        area->size = mm_end(area) - end;
        area->base = end;
        mm_tree_insert(area);
        return STATUS_SUCCESS;
    }
    mm_runs_cut(&area->runs, 0, at - area->base);
    area->size = at - area->base;
    area->flags &= ~(uint32_t)MM_PADDED;
    mm_tree_refresh(area);
    if (rest)
        mm_area_adopt(rest);
    return STATUS_SUCCESS;
}

/* ---- changing -------------------------------------------------------------------------------------- */

bool mm_area_committed(const struct mm_area *area, uintptr_t at, uintptr_t end)
{
    const struct mm_run *array = mm_runs_array(&area->runs);
    uint32_t last = mm_runs_find(&area->runs, end - 1 - area->base);
    for (uint32_t i = mm_runs_find(&area->runs, at - area->base); i <= last; i++)
        if (!(array[i].state & MM_COMMITTED))
            return false;
    return true;
}

void mm_area_note(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t state)
{
    mm_runs_set(&area->runs, at - area->base, end - area->base, area->size, state);
}

/* What the pages of a run become when its part in question is given `state`, or has `flag` set or cleared. */
struct change { uint32_t state, keep, set, clear; bool committed_only; };

static uint32_t changed(const struct change *change, uint32_t old)
{
    if (change->committed_only && !(old & MM_COMMITTED))
        return old;
    return ((old & change->keep) | change->state | change->set) & ~change->clear;
}

/* One call to the host for each stretch of runs that get new rights, and equal ones. */
static int change_rights(const struct mm_area *area, uintptr_t low, uintptr_t high, const struct change *change)
{
    const struct mm_run *array = mm_runs_array(&area->runs);
    uint32_t last = mm_runs_find(&area->runs, high - 1);
    uintptr_t from = low;
    bool pending = false;
    int rights = 0;
    for (uint32_t i = mm_runs_find(&area->runs, low); i <= last; i++) {
        uintptr_t begin = array[i].at > low ? array[i].at : low;
        int old = mm_area_rights(area, array[i].state);
        int new = change ? mm_area_rights(area, changed(change, array[i].state)) : old;
        if (pending && new != rights) {
            int error = mm_linux_protect(area->base + from, begin - from, rights);
            if (error)
                return error;
            pending = false;
        }
        if (!pending && (old != new || !change)) {
            pending = true;
            from = begin;
            rights = new;
        }
    }
    return pending ? mm_linux_protect(area->base + from, high - from, rights) : 0;
}

/* Where the host fails midway the old rights are put back. */
static NTSTATUS change_range(struct mm_area *area, uintptr_t at, uintptr_t end, const struct change *change)
{
    uintptr_t low = at - area->base, high = end - area->base;
    uint32_t first = mm_runs_find(&area->runs, low), last = mm_runs_find(&area->runs, high - 1);
    bool whole = first == 0 && last == 0 && area->runs.count == 1 && !low && high == area->size;
    if (!whole && !mm_runs_room(&area->runs, last - first + 1))
        return STATUS_NO_MEMORY;
    int error = change_rights(area, low, high, change);
    if (error) {
        change_rights(area, low, high, NULL);
        return mm_linux_status(error);
    }
    for (uintptr_t next; low < high; low = next) {
        uint32_t i = mm_runs_find(&area->runs, low);
        next = mm_runs_end(&area->runs, i, area->size);
        if (next > high)
            next = high;
        mm_runs_set(&area->runs, low, next, area->size, changed(change, mm_runs_array(&area->runs)[i].state));
    }
    return STATUS_SUCCESS;
}

NTSTATUS mm_area_set(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t state)
{
    struct change change = {.state = state, .keep = MM_DIRTY | MM_LOCKED};
    return change_range(area, at, end, &change);
}

NTSTATUS mm_area_mark(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t flag, bool on)
{
    struct change change = {.keep = ~0u, .set = on ? flag : 0, .clear = on ? 0 : flag, .committed_only = true};
    return change_range(area, at, end, &change);
}
