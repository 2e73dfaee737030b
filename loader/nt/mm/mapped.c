/* What happens to views after they were mapped: commits, rights, growth, flushing, comparing. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a section's protection lets its views have, by the number of its lowest bit. */
bool mm_view_allows(uint32_t section_protect, uint32_t protect)
{
    enum {
        READ = PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY,
        EXECUTE = READ | PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_WRITECOPY
    };
    uint32_t allowed;
    switch (section_protect & 0xff) {
    case PAGE_NOACCESS: allowed = PAGE_NOACCESS; break;
    case PAGE_READONLY: case PAGE_WRITECOPY: allowed = READ; break;
    case PAGE_READWRITE: allowed = READ | PAGE_READWRITE; break;
    case PAGE_EXECUTE: allowed = PAGE_NOACCESS | PAGE_EXECUTE; break;
    case PAGE_EXECUTE_READWRITE: allowed = 0xff; break;
    default: allowed = EXECUTE;
    }
    return allowed & protect & 0xff;
}

/* What one view commits, all views of the section show. */
NTSTATUS mm_view_commit(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t protect)
{
    struct mm_backing *backing = area->backing;
    if (!backing->reserves)
        return mm_view_protect(area, at, end, protect);
    if (end > mm_end(area))
        end = mm_end(area);
    uint64_t low = area->offset + (at - area->base), high = area->offset + (end - area->base);
    if (!mm_runs_room(&backing->committed, 1))
        return STATUS_NO_MEMORY;
    NTSTATUS status = mm_area_set(area, at, end, MM_COMMITTED | protect);
    if (status)
        return status;
    mm_runs_set(&backing->committed, (uintptr_t)(low / MM_PAGE), (uintptr_t)(high / MM_PAGE),
                (uintptr_t)(backing->size / MM_PAGE), MM_COMMITTED);
    for (struct mm_area *view = backing->first_view; view && !status; view = view->next_view) {
        uint64_t from = low > view->offset ? low : view->offset;
        uint64_t to = high < view->offset + view->size ? high : view->offset + view->size;
        while (view != area && from < to && !status) {
            uintptr_t page = view->base + (uintptr_t)(from - view->offset);
            uint32_t run = mm_runs_find(&view->runs, page - view->base);
            uintptr_t stop = mm_runs_end(&view->runs, run, view->size) + view->base;
            uintptr_t last = view->base + (uintptr_t)(to - view->offset);
            if (stop > last)
                stop = last;
            if (!(mm_runs_array(&view->runs)[run].state & MM_COMMITTED)) /* what it had keeps its own rights */
                status = mm_area_set(view, page, stop, MM_COMMITTED | view->protect);
            from += stop - page;
        }
    }
    return status;
}

NTSTATUS mm_view_protect(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t protect)
{
    if (!(protect & MM_COPYING) || area->protect & MM_COPYING)
        return mm_area_set(area, at, end, MM_COMMITTED | protect);

    /* Shared pages become copies when written from now on: those that are not yet, are mapped anew. */
    struct mm_area none = {0};
    int rights = mm_area_rights(&none, MM_COMMITTED | protect);
    if (!area->backing || area->backing->fd < 0)
        return STATUS_ACCESS_DENIED;
    if (!mm_runs_room(&area->runs, 1))
        return STATUS_NO_MEMORY;
    for (uintptr_t next; at < end; at = next) {
        uint32_t run = mm_runs_find(&area->runs, at - area->base);
        next = area->base + mm_runs_end(&area->runs, run, area->size);
        if (next > end)
            next = end;
        bool copies = mm_runs_array(&area->runs)[run].state & MM_COPYING;
        int error = copies ? mm_linux_protect(at, next - at, rights)
                           : mm_linux_file(at, next - at, rights, false, true, area->backing->fd,
                                           area->offset + (at - area->base));
        if (error)
            return mm_linux_status(error);
        mm_area_note(area, at, next, MM_COMMITTED | protect);
    }
    return STATUS_SUCCESS;
}

void mm_view_extend(struct mm_backing *backing)
{
    struct mm_area none = {0};
    for (struct mm_area *view = backing->first_view; view; view = view->next_view) {
        uint32_t last = view->runs.count - 1;
        const struct mm_run *run = &mm_runs_array(&view->runs)[last];
        if (run->state & MM_COMMITTED || backing->size <= view->offset + run->at)
            continue;
        uint64_t shown = backing->size - view->offset;
        uintptr_t from = view->base + run->at, to = shown < view->size ? view->base + mm_page_up((uintptr_t)shown) : mm_end(view);
        int rights = mm_area_rights(&none, MM_COMMITTED | view->protect);
        if (mm_runs_room(&view->runs, 1) &&
            !mm_linux_file(from, to - from, rights, !(view->protect & MM_COPYING), true, backing->fd, view->offset + run->at))
            mm_area_note(view, from, to, MM_COMMITTED | view->protect);
    }
}

/* VirtualAlloc in a view that has room for its file's growth: NT extends file and section (LMDB grows its map so). */
NTSTATUS mm_view_grow(struct mm_area *area, uintptr_t end)
{
    struct mm_backing *backing = area->backing;
    struct nt_section_object *section = nt_at(backing->section);
    uint64_t size = area->offset + (end - area->base);
    struct stat about;
    if (size <= backing->size)
        return STATUS_SUCCESS;
    if (fstat(backing->fd, &about) || ((uint64_t)about.st_size < size && ftruncate(backing->fd, (off_t)size)))
        return STATUS_SECTION_NOT_EXTENDED;
    if (section->head.type == NT_SECTION && section->id == backing->id && section->size < size)
        section->size = size;
    backing->size = size;
    mm_view_extend(backing);
    return STATUS_SUCCESS;
}

/* ---- files ------------------------------------------------------------------------------------------- */

/* What NtAreMappedFilesTheSame asks of an address. */
static NTSTATUS file_at(uintptr_t address, uintptr_t *area_base, bool *image, char **path)
{
    NTSTATUS status = STATUS_INVALID_ADDRESS;
    mm_lock();
    struct mm_area *area = mm_tree_find(address);
    if (area && area->type) {
        status = area->type == MEM_PRIVATE ? STATUS_CONFLICTING_ADDRESSES : STATUS_SUCCESS;
        const char *from = area->path ? area->path : area->backing ? area->backing->path : NULL;
        *area_base = area->base;
        *image = area->type == MEM_IMAGE;
        *path = from ? strdup(from) : NULL;
    }
    mm_unlock();
    return status;
}

NTSTATUS NtAreMappedFilesTheSame(const void *first, const void *second)
{
    char *paths[2] = {NULL, NULL};
    uintptr_t bases[2];
    bool images[2];
    struct stat one, two;
    NTSTATUS status = file_at((uintptr_t)first, &bases[0], &images[0], &paths[0]);
    if (!status)
        status = file_at((uintptr_t)second, &bases[1], &images[1], &paths[1]);
    if (!status && bases[0] != bases[1]) {
        bool same = images[0] && images[1] && paths[0] && paths[1] && !stat(paths[0], &one) && !stat(paths[1], &two) &&
                    one.st_dev == two.st_dev && one.st_ino == two.st_ino;
        status = same ? STATUS_SUCCESS : STATUS_NOT_SAME_DEVICE;
    }
    free(paths[0]);
    free(paths[1]);
    return status;
}

NTSTATUS NtFlushVirtualMemory(HANDLE process, const void **guest_base, SIZE_T *guest_size, IO_STATUS_BLOCK *guest_io)
{
    uintptr_t base, size;
    IO_STATUS_BLOCK io = {.information = 0};
    if (!NT_GET(base, guest_base) || !NT_GET(size, guest_size))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = mm_process(process, PROCESS_VM_OPERATION);
    if (status)
        return status;
    uintptr_t at = mm_page_down(base);
    mm_lock();
    struct mm_area *area = mm_tree_find(at);
    if (!area || area->type != MEM_MAPPED || size > mm_end(area) - base) {
        status = STATUS_NOT_MAPPED_VIEW;
    } else {
        uintptr_t end = size ? mm_page_up(base + size) : mm_end(area);
        /* Readers of the file see the pages already: this only begins to write them to the disk. */
        if (area->backing && area->backing->is_file)
            msync((void *)at, end - at, MS_ASYNC);
        size = end - at;
    }
    mm_unlock();
    io.status = status;
    if (!status && (!NT_PUT(guest_base, at) || !NT_PUT(guest_size, size)))
        return STATUS_ACCESS_VIOLATION;
    return !guest_io || NT_PUT(guest_io, io) ? status : STATUS_ACCESS_VIOLATION; /* Wine's FlushViewOfFile passes none */
}
