/* Rights of committed pages; locking; write watch. */
#include "loader/nt/mm/private.h"

#include <stdlib.h>

/* What only matters to control flow guard and enclaves; WriteProcessMemory of Windows and of Wine 10 asks for both. */
enum { PAGE_ENCLAVE_NO_CHANGE = 0x20000000, PAGE_TARGETS_NO_UPDATE = 0x40000000 };

/* The area that holds all of [at, end). */
static struct mm_area *area_of(uintptr_t at, uintptr_t end)
{
    struct mm_area *area = mm_tree_find(at);
    return area && area->type && end <= mm_end(area) ? area : NULL;
}

/* Pages of images, and of views that copy on write, become private when they are written: NT shows that as WRITECOPY. */
static ULONG copying(const struct mm_area *area, ULONG protect)
{
    if (area->type != MEM_IMAGE)
        return protect;
    if (protect & PAGE_READWRITE)
        return (protect & ~(ULONG)PAGE_READWRITE) | PAGE_WRITECOPY;
    if (protect & PAGE_EXECUTE_READWRITE)
        return (protect & ~(ULONG)PAGE_EXECUTE_READWRITE) | PAGE_EXECUTE_WRITECOPY;
    return protect;
}

/* Was the first page of a change a copy-on-write one that had been written? */
static bool was_written(uintptr_t at)
{
    struct mm_fact fact;
    mm_lock();
    struct mm_area *area = mm_tree_find(at);
    uint32_t state = area && area->type ? mm_area_state(area, at) : 0;
    mm_unlock();
    return state & MM_COPYING && !mm_fact_get(0, at, &fact) && !(fact.protect & MM_COPYING);
}

static NTSTATUS protect_locked(uintptr_t at, uintptr_t end, ULONG protect, ULONG *old)
{
    struct mm_area *area = area_of(at, end);
    if (!area)
        return STATUS_CONFLICTING_ADDRESSES;
    if (!mm_protect_valid(protect, area->type != MEM_PRIVATE))
        return STATUS_INVALID_PAGE_PROTECTION;
    /* A view never gets more than it was mapped with, whatever its section would allow. */
    if (area->type == MEM_MAPPED && !mm_view_allows(area->protect, protect))
        return STATUS_SECTION_PROTECTION;
    if (!mm_area_committed(area, at, end))
        return STATUS_NOT_COMMITTED;
    *old = mm_area_state(area, at) & MM_SHOWN & ~(ULONG)MM_COMMITTED;
    if (area->type == MEM_MAPPED)
        return mm_view_protect(area, at, end, protect);
    return mm_area_set(area, at, end, MM_COMMITTED | copying(area, protect));
}

NTSTATUS mm_protect(uintptr_t *base, uintptr_t *size, ULONG protect, ULONG *old)
{
    if (protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY))
        protect &= ~(ULONG)(PAGE_ENCLAVE_NO_CHANGE | PAGE_TARGETS_NO_UPDATE);
    if (!mm_protect_valid(protect, true))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (*base >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (!*size || *size > nt_process.user_high - *base)
        return STATUS_INVALID_PARAMETER_3;
    uintptr_t at = mm_page_down(*base), end = mm_page_up(*base + *size);
    bool written = was_written(at);
    mm_lock();
    NTSTATUS status = protect_locked(at, end, protect, old);
    mm_unlock();
    if (!status && written)
        *old = mm_written_protect(*old);
    *base = at;
    *size = end - at;
    return status;
}

NTSTATUS nt_mm_protect(uintptr_t base, size_t size, ULONG protect, ULONG *old)
{
    ULONG before;
    uintptr_t length = size;
    return mm_protect(&base, &length, protect, old ? old : &before);
}

NTSTATUS NtProtectVirtualMemory(HANDLE process, void **guest_base, SIZE_T *guest_size, ULONG protect, ULONG *guest_old)
{
    struct nt_process_object *other;
    uintptr_t base, size;
    ULONG old = 0, probe;
    /* The result's place is proved before anything changes, as NT does. */
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size) || !NT_GET(probe, guest_old) || !NT_PUT(guest_old, probe))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = mm_process_any(process, PROCESS_VM_OPERATION, &other);
    if (status)
        return status;
    status = other ? mm_remote_protect(other, &base, &size, protect, &old) : mm_protect(&base, &size, protect, &old);
    mm_process_done(other);
    if (status)
        return status;
    /* The old protection may lie in the very page that has just become read-only: then it is lost, as on NT. */
    if (!NT_PUT(guest_base, base) || !NT_PUT(guest_size, size) || !NT_PUT(guest_old, old))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* ---- locking: the mark is kept, the pages are not pinned ------------------------------------------- */

static NTSTATUS lock_range(HANDLE process, void **guest_base, SIZE_T *guest_size, ULONG type, bool on)
{
    uintptr_t base, size;
    if (!type || type & ~3u) /* VM_LOCK_1, VM_LOCK_2 */
        return STATUS_INVALID_PARAMETER_4;
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = mm_process(process, PROCESS_VM_OPERATION);
    if (status)
        return status;
    if (base >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || size > nt_process.user_high - base)
        return STATUS_INVALID_PARAMETER_3;
    uintptr_t at = mm_page_down(base), end = mm_page_up(base + size);
    mm_lock();
    struct mm_area *area = area_of(at, end);
    if (!area || !mm_area_committed(area, at, end)) {
        status = on ? STATUS_ACCESS_VIOLATION : STATUS_NOT_LOCKED;
    } else if (on) {
        status = mm_area_mark(area, at, end, MM_LOCKED, true);
    } else {
        for (uintptr_t page = at; page < end && !status; page += MM_PAGE)
            if (!(mm_area_state(area, page) & MM_LOCKED))
                status = STATUS_NOT_LOCKED;
        if (!status)
            status = mm_area_mark(area, at, end, MM_LOCKED, false);
    }
    mm_unlock();
    if (status)
        return status;
    size = end - at;
    return NT_PUT(guest_base, at) && NT_PUT(guest_size, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtLockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type)
{
    return lock_range(process, base, size, type, true);
}

NTSTATUS NtUnlockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type)
{
    return lock_range(process, base, size, type, false);
}

/* ---- write watch: clean pages are read-only for the host, a fault makes them dirty ------------------- */

enum { WRITE_WATCH_RESET = 1 };

static NTSTATUS watched(uintptr_t at, uintptr_t end, struct mm_area **area)
{
    *area = area_of(at, end);
    return *area && (*area)->flags & MM_WRITE_WATCH ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_1;
}

/* Dirty pages of [at, end) into `list`, at most `room`; *next: where to go on. */
static ULONG_PTR dirty_collect(struct mm_area *area, uintptr_t at, uintptr_t end, uintptr_t *list, ULONG_PTR room,
                               uintptr_t *next)
{
    ULONG_PTR found = 0;
    while (at < end && found < room) {
        uint32_t run = mm_runs_find(&area->runs, at - area->base);
        uintptr_t stop = area->base + mm_runs_end(&area->runs, run, area->size);
        if (!(mm_runs_array(&area->runs)[run].state & MM_DIRTY)) {
            at = stop;
            continue;
        }
        for (; at < stop && at < end && found < room; at += MM_PAGE)
            list[found++] = at;
    }
    *next = at < end ? at : end;
    return found;
}

NTSTATUS NtGetWriteWatch(HANDLE process, ULONG flags, void *base, SIZE_T size, void **addresses, ULONG_PTR *guest_count,
                         ULONG *granularity)
{
    uintptr_t at = mm_page_down((uintptr_t)base), end = (uintptr_t)base + size, next = at;
    ULONG_PTR room, count = 0;
    ULONG page = MM_PAGE;
    struct mm_area *area;
    if (flags & ~(ULONG)WRITE_WATCH_RESET)
        return STATUS_INVALID_PARAMETER_2;
    if (!NT_GET(room, guest_count) || !NT_PUT(granularity, page))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = mm_process(process, PROCESS_VM_OPERATION);
    if (status)
        return status;
    if (at >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || end < (uintptr_t)base || end > nt_process.user_high)
        return STATUS_INVALID_PARAMETER_3;
    if (!room)
        return STATUS_INVALID_PARAMETER_5;
    end = mm_page_up(end);
    if (room > (end - at) / MM_PAGE)
        room = (end - at) / MM_PAGE;
    uintptr_t *list = malloc(room * sizeof *list);
    if (!list)
        return STATUS_NO_MEMORY;
    mm_lock();
    status = watched(at, end, &area);
    if (!status) {
        count = dirty_collect(area, at, end, list, room, &next);
        if (flags & WRITE_WATCH_RESET && next > at)
            status = mm_area_mark(area, at, next, MM_DIRTY, false);
    }
    mm_unlock();
    if (!status && (!nt_write(addresses, list, count * sizeof *list) || !NT_PUT(guest_count, count)))
        status = STATUS_ACCESS_VIOLATION;
    free(list);
    return status;
}

NTSTATUS NtResetWriteWatch(HANDLE process, void *base, SIZE_T size)
{
    uintptr_t at = mm_page_down((uintptr_t)base), end = (uintptr_t)base + size;
    struct mm_area *area;
    NTSTATUS status = mm_process(process, PROCESS_VM_OPERATION);
    if (status)
        return status;
    if (at >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || end < (uintptr_t)base || end > nt_process.user_high)
        return STATUS_INVALID_PARAMETER_3;
    mm_lock();
    status = watched(at, mm_page_up(end), &area);
    if (!status)
        status = mm_area_mark(area, at, mm_page_up(end), MM_DIRTY, false);
    mm_unlock();
    return status;
}
