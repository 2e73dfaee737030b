/* Views of sections: mapped, changed, unmapped. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* AT_ROUND_TO_PAGE (a base on any page) is the 32-bit system's only. */
enum { VIEW_SHARE = 1, VIEW_UNMAP = 2, AT_ROUND_TO_PAGE = NT_WIDTH(0x40000000, 0) };

static ACCESS_MASK view_access(ULONG protect)
{
    switch (protect & 0xff) {
    case PAGE_NOACCESS: return 0;
    case PAGE_READWRITE: return SECTION_MAP_WRITE;
    case PAGE_EXECUTE: return SECTION_MAP_EXECUTE;
    case PAGE_EXECUTE_READ: case PAGE_EXECUTE_WRITECOPY: return SECTION_MAP_EXECUTE | SECTION_MAP_READ;
    case PAGE_EXECUTE_READWRITE: return SECTION_MAP_EXECUTE | SECTION_MAP_WRITE;
    default: return SECTION_MAP_READ;
    }
}

/* ---- mapping --------------------------------------------------------------------------------------- */

/* What is known of a view before it has a place. */
struct view {
    const struct nt_section_object *section;
    struct mm_backing *backing;
    struct mm_wish wish;
    uint64_t offset;
    uintptr_t size;                 /* pages */
    uintptr_t backed;               /* of these, bytes (pages) that the section has; the rest is only reserved */
    ULONG type, protect;
    int rights;                     /* of the backed pages at first */
};

/* The pages that the section has; `over` what is reserved there already. */
static int show_backed(uintptr_t base, const struct view *view, bool over)
{
    bool shared = !(view->protect & MM_COPYING);
    return view->backed ? mm_linux_file(base, view->backed, view->rights, shared, over, view->backing->fd, view->offset) : 0;
}

static int make_view(uintptr_t base, uintptr_t size, void *context)
{
    const struct view *view = context;
    if (view->backed == size)
        return show_backed(base, view, false);
    int error = mm_linux_reserve(base, size, PROT_NONE);
    if (error)
        return error;
    error = show_backed(base, view, true);
    if (error)
        mm_linux_release(base, size);
    return error;
}

/* A placeholder becomes the view as it is: its range is never free in between. */
static NTSTATUS replace_placeholder(uintptr_t base, const struct view *view, uint32_t state, struct mm_area **out)
{
    struct mm_area *area = mm_placeholder_find(base, view->size);
    if (!area)
        return STATUS_CONFLICTING_ADDRESSES;
    int error = show_backed(base, view, true);
    if (error)
        return mm_linux_status(error);
    mm_runs_close(&area->runs);
    mm_runs_open(&area->runs, state);
    area->type = MEM_MAPPED;
    area->protect = view->protect;
    area->flags = MM_FROM_PLACEHOLDER | (area->flags & MM_PADDED);
    *out = area;
    return STATUS_SUCCESS;
}

/* The states of a fresh view: what any view of a SEC_RESERVE section has committed is committed here, too. */
static NTSTATUS view_show(struct mm_area *area, const struct view *view)
{
    const struct mm_backing *backing = view->backing;
    if (backing->reserves) {
        for (uint32_t i = 0; i < backing->committed.count; i++) {
            const struct mm_run *run = &mm_runs_array(&backing->committed)[i];
            uint64_t at = (uint64_t)run->at * MM_PAGE;
            uint64_t end = (uint64_t)mm_runs_end(&backing->committed, i, (uintptr_t)(backing->size / MM_PAGE)) * MM_PAGE;
            if (at < view->offset)
                at = view->offset;
            if (end > view->offset + area->size)
                end = view->offset + area->size;
            if (!run->state || at >= end)
                continue;
            NTSTATUS status = mm_area_set(area, area->base + (uintptr_t)(at - view->offset),
                                          area->base + (uintptr_t)(end - view->offset), MM_COMMITTED | view->protect);
            if (status)
                return status;
        }
    } else if (view->backed < view->size) {
        if (!mm_runs_room(&area->runs, 1))
            return STATUS_NO_MEMORY;
        mm_area_note(area, area->base + view->backed, mm_end(area), 0);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS view_place(uintptr_t *base, struct view *view)
{
    struct mm_area *area, none = {0};
    uint32_t state = view->backing->reserves ? 0 : MM_COMMITTED | view->protect;
    view->rights = mm_area_rights(&none, state);
    NTSTATUS status = view->type & MEM_REPLACE_PLACEHOLDER
                          ? replace_placeholder(*base, view, state, &area)
                          : mm_area_create(*base, view->size, &view->wish, MEM_MAPPED, view->protect, 0, state,
                                           make_view, view, &area);
    if (status)
        return status;
    area->offset = view->offset;
    area->flags |= view->type & MEM_RESERVE ? MM_EXTENDABLE : 0;
    mm_backing_view_add(view->backing, area);
    status = view_show(area, view);
    if (status) {
        mm_area_destroy(area, true);
        return status;
    }
    *base = area->base;
    return STATUS_SUCCESS;
}

/* How much is shown, and whether it may be. */
static NTSTATUS view_measure(struct view *view, SIZE_T commit, uintptr_t size)
{
    const struct nt_section_object *section = view->section;
    bool extends = view->type & MEM_RESERVE;
    if (extends && !section->path)
        return STATUS_INVALID_PARAMETER_9;
    if (extends && !(section->protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)))
        return STATUS_SECTION_PROTECTION;
    if (view->offset >= section->size && !(extends && size))
        return STATUS_INVALID_VIEW_SIZE;
    uint64_t rest = view->offset < section->size ? section->size - view->offset : 0;
    if (size > rest && !extends)
        return STATUS_INVALID_VIEW_SIZE;
    if (!size && rest > nt_process.user_high - nt_process.user_low)
        return STATUS_NO_MEMORY;
    size = size ? size : (uintptr_t)rest;
    view->size = mm_page_up(size);
    view->backed = rest < view->size ? mm_page_up((uintptr_t)rest) : view->size;
    return commit > size && !extends ? STATUS_INVALID_PARAMETER_5 : STATUS_SUCCESS;
}

static NTSTATUS map_data(struct view *view, int handle_fd, uintptr_t *base, SIZE_T commit, uintptr_t *size)
{
    if (!mm_view_allows(view->section->protect, view->protect))
        return STATUS_SECTION_PROTECTION;
    NTSTATUS status = view_measure(view, commit, *size);
    if (status)
        return status;
    status = mm_backing_of(view->section, handle_fd, &view->backing);
    if (status)
        return status;
    mm_lock();
    status = view_place(base, view);
    if (!status && view->backing->reserves && commit) {
        struct mm_area *area = mm_tree_find(*base);
        status = mm_view_commit(area, *base, *base + mm_page_up(commit), view->protect);
        if (status)
            mm_area_destroy(area, true);
    }
    mm_backing_release(view->backing);
    mm_unlock();
    *size = view->size;
    return status;
}

static NTSTATUS map_image(const struct nt_section_object *section, uintptr_t *base, uintptr_t *size)
{
    void *place = (void *)*base;
    size_t length = 0;
    if (!nt_config.image_map)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = nt_config.image_map(nt_at(section->path), &place, &length);
    *base = (uintptr_t)place;
    *size = length;
    return status;
}

/* Before anything is looked up; user_high: where the space of the process ends. */
static NTSTATUS arguments_check(const struct mm_mapping *mapping, uint64_t user_high, uintptr_t base, uintptr_t size, ULONG inherit)
{
    const struct mm_wish *wish = &mapping->wish;
    if (inherit != VIEW_SHARE && inherit != VIEW_UNMAP)
        return STATUS_INVALID_PARAMETER_8;
    if (mapping->type & ~(ULONG)(MEM_TOP_DOWN | MEM_LARGE_PAGES | MEM_RESERVE | MEM_DIFFERENT_IMAGE_BASE_OK | AT_ROUND_TO_PAGE |
                                 MEM_REPLACE_PLACEHOLDER))
        return STATUS_INVALID_PARAMETER_9;
    if (!mm_protect_valid(mapping->protect, true))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (base >= user_high || size > user_high - base)
        return STATUS_INVALID_PARAMETER_3;
    if (wish->required ? base || wish->alignment : base && wish->high && base >= wish->high)
        return wish->required ? STATUS_INVALID_PARAMETER : STATUS_INVALID_PARAMETER_4;
    uintptr_t grain = mapping->type & MEM_REPLACE_PLACEHOLDER ? MM_PAGE : MM_GRANULE;
    if ((base & (grain - 1) && !(mapping->type & AT_ROUND_TO_PAGE)) || mapping->offset & (grain - 1))
        return STATUS_MAPPED_ALIGNMENT;
    return STATUS_SUCCESS;
}

NTSTATUS mm_map(const struct mm_mapping *mapping, uintptr_t *base, uintptr_t *size)
{
    struct view view = {.section = mapping->section, .wish = mapping->wish, .offset = mapping->offset, .type = mapping->type,
                        .protect = mapping->protect};
    NTSTATUS status = arguments_check(mapping, nt_process.user_high, *base, *size, VIEW_UNMAP);
    if (status)
        return status; /* asked for by another process, of another width perhaps */
    view.wish.top_down |= (view.type & MEM_TOP_DOWN) != 0;
    *base = mm_page_down(*base);
    return view.section->attributes & SEC_IMAGE ? map_image(view.section, base, size)
                                                : map_data(&view, mapping->fd, base, (SIZE_T)mapping->commit, size);
}

/* Order as the object manager's: the process's handle, then the section's. */
static NTSTATUS map_in(HANDLE handle, HANDLE process, struct mm_mapping *mapping, uintptr_t *base, uintptr_t *size, ULONG inherit)
{
    struct nt_process_object *other;
    struct nt_object *object;
    uint64_t user_high = nt_process.user_high;
    NTSTATUS status = mm_process_any(process, PROCESS_VM_OPERATION, &other);
    if (!status && other && other->user_high)
        user_high = other->user_high < UINTPTR_MAX ? other->user_high : UINTPTR_MAX;
    if (!status)
        status = arguments_check(mapping, user_high, *base, *size, inherit);
    if (!status)
        status = nt_handle_object(handle, NT_SECTION, view_access(mapping->protect), &object, &mapping->fd, NULL);
    if (!status) {
        mapping->section = (struct nt_section_object *)object;
        status = other ? mm_remote_map(other, mapping, base, size) : mm_map(mapping, base, size);
        nt_object_release(object);
    }
    mm_process_done(other);
    return status;
}

static NTSTATUS map(HANDLE handle, HANDLE process, void **guest_base, LARGE_INTEGER *guest_offset, SIZE_T *guest_size, ULONG inherit,
                    struct mm_mapping *mapping)
{
    uintptr_t base, size;
    LARGE_INTEGER offset = {.value = 0};
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size) || (guest_offset && !NT_GET(offset, guest_offset)))
        return STATUS_ACCESS_VIOLATION;
    mapping->offset = (uint64_t)offset.value;
    NTSTATUS status = map_in(handle, process, mapping, &base, &size, inherit);
    if (NT_SUCCESS(status) && (!NT_PUT(guest_base, base) || !NT_PUT(guest_size, size) ||
                               (guest_offset && !NT_PUT(guest_offset, offset)))) {
        NtUnmapViewOfSection(process, (void *)base);
        return STATUS_ACCESS_VIOLATION;
    }
    return status;
}

NTSTATUS NtMapViewOfSection(HANDLE handle, HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T commit, LARGE_INTEGER *offset,
                            SIZE_T *size, ULONG inherit, ULONG type, ULONG protect)
{
    struct mm_mapping mapping = {.commit = commit, .type = type, .protect = protect};
    if (!mm_zero_bits(zero_bits, &mapping.wish.high))
        return STATUS_INVALID_PARAMETER_4;
    if (type & MEM_REPLACE_PLACEHOLDER)
        return STATUS_INVALID_PARAMETER_9; /* the Ex form's only */
    return map(handle, process, base, offset, size, inherit, &mapping);
}

NTSTATUS NtMapViewOfSectionEx(HANDLE handle, HANDLE process, void **base, LARGE_INTEGER *offset, SIZE_T *size, ULONG type,
                              ULONG protect, void *parameters, ULONG count)
{
    struct mm_mapping mapping = {.type = type, .protect = protect};
    NTSTATUS status = mm_wish_capture(parameters, count, &mapping.wish);
    return status ? status : map(handle, process, base, offset, size, VIEW_UNMAP, &mapping);
}

/* ---- unmapping ------------------------------------------------------------------------------------- */

NTSTATUS mm_unmap(uintptr_t base, ULONG flags)
{
    NTSTATUS status = STATUS_NOT_MAPPED_VIEW;
    mm_lock();
    struct mm_area *area = mm_tree_find(base);
    if (area && (area->type == MEM_MAPPED || area->type == MEM_IMAGE)) {
        if (flags & MEM_PRESERVE_PLACEHOLDER) {
            status = mm_placeholder_leave(area);
        } else {
            mm_area_destroy(area, true);
            status = STATUS_SUCCESS;
        }
    }
    mm_unlock();
    return status;
}

NTSTATUS NtUnmapViewOfSectionEx(HANDLE process, void *base, ULONG flags)
{
    enum { MEM_UNMAP_WITH_TRANSIENT_BOOST = 1 };
    struct nt_process_object *other;
    if (flags & ~(ULONG)(MEM_UNMAP_WITH_TRANSIENT_BOOST | MEM_PRESERVE_PLACEHOLDER))
        return STATUS_INVALID_PARAMETER_3;
    NTSTATUS status = mm_process_any(process, PROCESS_VM_OPERATION, &other);
    if (status)
        return status;
    status = other ? mm_remote_unmap(other, (uintptr_t)base, flags) : mm_unmap((uintptr_t)base, flags);
    mm_process_done(other);
    return status;
}

NTSTATUS NtUnmapViewOfSection(HANDLE process, void *base)
{
    return NtUnmapViewOfSectionEx(process, base, 0);
}

/* ---- files of views -------------------------------------------------------------------------------- */

NTSTATUS nt_mm_map_file(const char *unix_path, void **base, size_t *size)
{
    struct nt_section_object section = {.protect = PAGE_READONLY};
    struct view view = {.section = &section, .protect = PAGE_READONLY};
    struct stat about;
    uintptr_t place = 0;
    int fd = open(unix_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? STATUS_OBJECT_NAME_NOT_FOUND : mm_linux_status(errno);
    NTSTATUS status = STATUS_MAPPED_FILE_SIZE_ZERO;
    mm_lock();
    if (!fstat(fd, &about) && about.st_size > 0) {
        status = STATUS_NO_MEMORY;
        view.size = view.backed = mm_page_up((uintptr_t)about.st_size);
        view.backing = mm_backing_new(0, fd, unix_path);
    }
    if (view.backing) {
        status = view_place(&place, &view);
        view.backing->fd = -1; /* the pages are all that is wanted */
        mm_backing_release(view.backing);
    }
    mm_unlock();
    close(fd);
    *base = (void *)place;
    *size = status ? 0 : (size_t)about.st_size;
    return status;
}
