/* Reserving, committing, decommitting, releasing. The order of the checks, and thereby which of several mistakes is
 * told, is NT's. */
#include "loader/nt/mm/private.h"

#include <errno.h>
#include <sys/mman.h>

enum { PAGE_TARGETS_INVALID = 0x40000000 }; /* control flow guard: nothing to keep */

/* Up to 21: that many leading zeros in the low 32 bits. From 32 on, for 64-bit callers: a mask of the address. */
bool mm_zero_bits(ULONG_PTR zero_bits, uintptr_t *limit)
{
    *limit = 0;
    if (!zero_bits)
        return true;
    if (zero_bits <= 21)
        *limit = (uintptr_t)(0xffffffffu >> zero_bits) + 1;
#if UINTPTR_MAX > 0xffffffffu
    else if (zero_bits >= 32)
        *limit = (UINTPTR_MAX >> __builtin_clzl(zero_bits)) + 1; /* all 64 bits: 0, anywhere */
#endif
    else
        return false;
    return true;
}

/* ---- allocating ------------------------------------------------------------------------------------ */

static int make_private(uintptr_t base, uintptr_t size, void *rights)
{
    return mm_linux_reserve(base, size, *(int *)rights);
}

static NTSTATUS reserve(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect, const struct mm_wish *wish)
{
    uintptr_t start = mm_granule_down(*base);
    uintptr_t length = mm_page_up(*base + *size) - start;
    uint32_t state = type & MEM_COMMIT ? MM_COMMITTED | protect : 0;
    uint32_t flags = type & MEM_WRITE_WATCH ? MM_WRITE_WATCH : 0;
    struct mm_area *area, shape = {.flags = flags};
    struct mm_wish here = *wish;
    if (*base && start < nt_process.user_low)
        return STATUS_INVALID_PARAMETER_2;
    here.top_down |= (type & MEM_TOP_DOWN) != 0;
    if (type & MEM_RESERVE_PLACEHOLDER)
        flags |= MM_PLACEHOLDER;
    int rights = mm_area_rights(&shape, state);
    NTSTATUS status = mm_area_create(start, length, &here, MEM_PRIVATE, protect, flags, state, make_private, &rights, &area);
    if (status)
        return status;
    *base = area->base;
    *size = length;
    return STATUS_SUCCESS;
}

/* MEM_COMMIT and MEM_RESET inside what is reserved. */
static NTSTATUS commit(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect)
{
    uintptr_t at = mm_page_down(*base), end = mm_page_up(*base + *size);
    struct mm_area *area = mm_tree_find(at);
    NTSTATUS status = STATUS_SUCCESS;
    if (!area || !area->type || end > mm_end(area) || area->flags & MM_PLACEHOLDER)
        return STATUS_CONFLICTING_ADDRESSES;
    if (type & (MEM_RESET | MEM_RESET_UNDO)) {
        /* Contents may be dropped, need not be. */
        if (!mm_area_committed(area, at, end))
            status = STATUS_CONFLICTING_ADDRESSES;
    } else if (area->type == MEM_PRIVATE) {
        status = mm_area_set(area, at, end, MM_COMMITTED | protect);
    } else if (area->type == MEM_MAPPED && area->flags & MM_EXTENDABLE) {
        status = mm_view_grow(area, end);
    } else if (area->type != MEM_MAPPED || !area->backing || area->backing->is_file) {
        status = STATUS_ALREADY_COMMITTED; /* else only the page file's sections can be committed */
    } else {
        status = mm_view_commit(area, at, end, protect);
    }
    if (status)
        return status;
    *base = at;
    *size = end - at;
    return STATUS_SUCCESS;
}

static NTSTATUS type_check(ULONG type)
{
    ULONG main = type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO);
    if (type & ~(ULONG)(MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO | MEM_TOP_DOWN | MEM_WRITE_WATCH | MEM_PHYSICAL |
                        MEM_LARGE_PAGES | MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER) || !main)
        return STATUS_INVALID_PARAMETER_5;
    if (type & (MEM_RESET | MEM_RESET_UNDO) && type & (type - 1))
        return STATUS_INVALID_PARAMETER_5;
    if (type & (MEM_WRITE_WATCH | MEM_PHYSICAL) && !(type & MEM_RESERVE))
        return STATUS_INVALID_PARAMETER_5;
    if (type & MEM_LARGE_PAGES)
        return STATUS_PRIVILEGE_NOT_HELD;
    return type & MEM_PHYSICAL ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
}

NTSTATUS mm_allocate(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect, const struct mm_wish *wish)
{
    NTSTATUS status = type_check(type);
    if (status)
        return status;
    if ((protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE)))
        protect &= ~(ULONG)PAGE_TARGETS_INVALID;
    if (!mm_protect_valid(protect, *base && !(type & MEM_RESERVE)))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (*base >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (!*size || *size > nt_process.user_high - *base)
        return STATUS_INVALID_PARAMETER_4;
    mm_lock();
    if (type & MEM_REPLACE_PLACEHOLDER)
        status = mm_placeholder_fill(base, size, type, protect);
    else if (type & MEM_RESERVE || (!*base && type & MEM_COMMIT))
        status = reserve(base, size, type, protect, wish);
    else
        status = commit(base, size, type, protect);
    mm_unlock();
    return status;
}

NTSTATUS nt_mm_allocate(uintptr_t *base, size_t size, ULONG type, ULONG protect, uintptr_t limit)
{
    struct mm_wish wish = {.high = limit};
    uintptr_t length = size;
    return mm_allocate(base, &length, type, protect, &wish);
}

/* The addresses go back last; where they cannot, nothing was allocated. */
static NTSTATUS answer(NTSTATUS status, void **guest_base, SIZE_T *guest_size, uintptr_t base, uintptr_t size, ULONG undo)
{
    if (status || (NT_PUT(guest_base, base) && NT_PUT(guest_size, size)))
        return status;
    if (undo)
        mm_free(&base, &size, undo);
    return STATUS_ACCESS_VIOLATION;
}

static NTSTATUS allocate(HANDLE process, void **guest_base, SIZE_T *guest_size, ULONG type, ULONG protect,
                         const struct mm_wish *wish)
{
    struct nt_process_object *other;
    uintptr_t base, size;
    NTSTATUS status = type_check(type);
    if (status)
        return status;
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size))
        return STATUS_ACCESS_VIOLATION;
    if (base && wish->required)
        return STATUS_INVALID_PARAMETER;
    status = mm_process_any(process, PROCESS_VM_OPERATION, &other);
    if (status)
        return status;
    ULONG undo = !other && (!base || type & MEM_RESERVE) ? MEM_RELEASE : 0;
    if (other)
        status = mm_remote_allocate(other, &base, &size, type, protect, wish);
    else
        status = mm_allocate(&base, &size, type, protect, wish);
    mm_process_done(other);
    return answer(status, guest_base, guest_size, base, size, undo);
}

NTSTATUS NtAllocateVirtualMemory(HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T *size, ULONG type, ULONG protect)
{
    struct mm_wish wish = {0};
    if (!mm_zero_bits(zero_bits, &wish.high))
        return STATUS_INVALID_PARAMETER_3;
    if (type & (MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER))
        return STATUS_INVALID_PARAMETER; /* the Ex form's only */
    return allocate(process, base, size, type, protect, &wish);
}

NTSTATUS NtAllocateVirtualMemoryEx(HANDLE process, void **base, SIZE_T *size, ULONG type, ULONG protect,
                                   void *parameters, ULONG count)
{
    struct mm_wish wish;
    NTSTATUS status = mm_wish_capture(parameters, count, &wish);
    if (status)
        return status;
    /* A placeholder is reserved without access, and replaced by a whole reservation. */
    if ((type & MEM_RESERVE_PLACEHOLDER && (!(type & MEM_RESERVE) || type & MEM_COMMIT || protect != PAGE_NOACCESS)) ||
        (type & MEM_REPLACE_PLACEHOLDER && !(type & MEM_RESERVE)))
        return STATUS_INVALID_PARAMETER;
    return allocate(process, base, size, type, protect, &wish);
}

/* ---- freeing --------------------------------------------------------------------------------------- */

static NTSTATUS decommit(struct mm_area *area, uintptr_t at, uintptr_t end)
{
    if (!mm_runs_room(&area->runs, 1))
        return STATUS_NO_MEMORY;
    int error = mm_linux_decommit(at, end - at);
    if (error)
        return mm_linux_status(error);
    mm_area_note(area, at, end, 0);
    return STATUS_SUCCESS;
}

static NTSTATUS free_locked(uintptr_t *base, uintptr_t *size, ULONG type)
{
    uintptr_t at = mm_page_down(*base), end = *size ? mm_page_up(*base + *size) : 0;
    struct mm_area *area = mm_tree_find(at);
    if (!area || !area->type)
        return STATUS_MEMORY_NOT_ALLOCATED;
    if (end > mm_end(area) && !(type & MEM_COALESCE_PLACEHOLDERS))
        return STATUS_UNABLE_TO_FREE_VM;
    if (area->type != MEM_PRIVATE)
        return STATUS_UNABLE_TO_DELETE_SECTION;
    if (end && type == MEM_RELEASE && nt_process.release_whole)
        return STATUS_INVALID_PARAMETER;
    if (!end) {
        if (at != area->base)
            return STATUS_FREE_VM_NOT_AT_BASE;
        end = mm_end(area);
    }
    NTSTATUS status;
    if (type & (MEM_PRESERVE_PLACEHOLDER | MEM_COALESCE_PLACEHOLDERS))
        status = mm_placeholder_free(area, at, end, type);
    else
        status = type & MEM_RELEASE ? mm_area_release_part(area, at, end) : decommit(area, at, end);
    /* Since Windows 10 1803 a decommit of all tells no size. */
    *base = at;
    *size = type & MEM_RELEASE || *size ? end - at : 0;
    return status;
}

NTSTATUS mm_free(uintptr_t *base, uintptr_t *size, ULONG type)
{
    ULONG placeholder = type & (MEM_PRESERVE_PLACEHOLDER | MEM_COALESCE_PLACEHOLDERS), main = type & ~placeholder;
    if (main != MEM_RELEASE && (main != MEM_DECOMMIT || placeholder))
        return STATUS_INVALID_PARAMETER_4;
    if (*base >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER_2;
    if (*size > nt_process.user_high - *base || (placeholder && !*size))
        return STATUS_INVALID_PARAMETER_3;
    mm_lock();
    NTSTATUS status = free_locked(base, size, type);
    mm_unlock();
    return status;
}

NTSTATUS nt_mm_free(uintptr_t base, size_t size, ULONG type)
{
    uintptr_t length = size;
    return mm_free(&base, &length, type);
}

NTSTATUS NtFreeVirtualMemory(HANDLE process, void **guest_base, SIZE_T *guest_size, ULONG type)
{
    struct nt_process_object *other;
    uintptr_t base, size;
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = mm_process_any(process, PROCESS_VM_OPERATION, &other);
    if (status)
        return status;
    status = other ? mm_remote_free(other, &base, &size, type) : mm_free(&base, &size, type);
    mm_process_done(other);
    return answer(status, guest_base, guest_size, base, size, 0);
}
