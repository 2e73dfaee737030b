/* Placeholders: reservations that are split, joined, and replaced by memory or views without ever leaving a hole. */
#include "loader/nt/mm/private.h"

#include <stdlib.h>
#include <string.h>

struct mm_area *mm_placeholder_find(uintptr_t base, uintptr_t size)
{
    struct mm_area *area = mm_tree_find(base);
    return area && area->flags & MM_PLACEHOLDER && area->base == base && area->size == size ? area : NULL;
}

/* The host's pages stay: they are reserved already, and only change their rights. */
NTSTATUS mm_placeholder_fill(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect)
{
    uintptr_t length = mm_page_up(*size);
    struct mm_area *area = mm_placeholder_find(*base, length);
    if (!area)
        return STATUS_CONFLICTING_ADDRESSES;
    area->flags |= type & MEM_WRITE_WATCH ? MM_WRITE_WATCH : 0;
    if (type & MEM_COMMIT) {
        NTSTATUS status = mm_area_set(area, area->base, mm_end(area), MM_COMMITTED | protect);
        if (status) {
            area->flags &= ~(uint32_t)MM_WRITE_WATCH;
            return status;
        }
    }
    area->flags = (area->flags & ~(uint32_t)MM_PLACEHOLDER) | MM_FROM_PLACEHOLDER;
    area->protect = protect;
    *size = length;
    return STATUS_SUCCESS;
}

/* Two parts of one placeholder, cut at `at`. */
static NTSTATUS split(struct mm_area *area, uintptr_t at)
{
    if (at == area->base || at == mm_end(area))
        return STATUS_SUCCESS;
    struct mm_area *rest = malloc(sizeof *rest);
    if (!rest)
        return STATUS_NO_MEMORY;
    *rest = *area;
    rest->base = at;
    rest->size = mm_end(area) - at;
    area->size = at - area->base;
    area->flags &= ~(uint32_t)MM_PADDED;
    mm_tree_refresh(area);
    mm_area_adopt(rest);
    return STATUS_SUCCESS;
}

static NTSTATUS preserve(struct mm_area *area, uintptr_t at, uintptr_t end)
{
    if (area->flags & MM_PLACEHOLDER) {
        if (at == area->base && end == mm_end(area))
            return STATUS_CONFLICTING_ADDRESSES; /* nothing to cut */
        NTSTATUS status = split(area, at);
        return status ? status : split(mm_tree_find(at), end);
    }
    if (!(area->flags & MM_FROM_PLACEHOLDER) || at != area->base || end != mm_end(area))
        return STATUS_CONFLICTING_ADDRESSES;
    return mm_placeholder_leave(area);
}

/* [at, end) must be placeholders from its first byte to its last. */
static NTSTATUS coalesce(uintptr_t at, uintptr_t end)
{
    struct mm_area *first = mm_tree_find(at), *area = first;
    if (!first || first->base != at || mm_end(first) >= end)
        return STATUS_CONFLICTING_ADDRESSES;
    for (uintptr_t next = at; next < end; next = mm_end(area)) {
        area = mm_tree_find(next);
        if (!area || !(area->flags & MM_PLACEHOLDER) || mm_end(area) > end)
            return STATUS_CONFLICTING_ADDRESSES;
    }
    while (mm_end(first) < end) {
        area = mm_tree_find(mm_end(first));
        uintptr_t stop = mm_end(area);
        mm_area_destroy(area, false);
        first->size = stop - first->base;
        mm_tree_refresh(first);
    }
    return STATUS_SUCCESS;
}

NTSTATUS mm_placeholder_free(struct mm_area *area, uintptr_t at, uintptr_t end, ULONG type)
{
    if (type & MEM_PRESERVE_PLACEHOLDER && type & MEM_COALESCE_PLACEHOLDERS)
        return STATUS_INVALID_PARAMETER_4;
    return type & MEM_PRESERVE_PLACEHOLDER ? preserve(area, at, end) : coalesce(at, end);
}

NTSTATUS mm_placeholder_leave(struct mm_area *area)
{
    if (!(area->flags & MM_FROM_PLACEHOLDER))
        return STATUS_CONFLICTING_ADDRESSES;
    int error = mm_linux_decommit(area->base, area->size);
    if (error)
        return mm_linux_status(error);
    if (area->backing)
        mm_backing_view_remove(area);
    mm_runs_close(&area->runs);
    mm_runs_open(&area->runs, 0);
    area->type = MEM_PRIVATE;
    area->flags = MM_PLACEHOLDER | (area->flags & MM_PADDED);
    area->protect = PAGE_NOACCESS;
    return STATUS_SUCCESS;
}
