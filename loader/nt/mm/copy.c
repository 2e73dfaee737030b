/* NtReadVirtualMemory and NtWriteVirtualMemory: copies between buffers of the guest. */
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"

#include <fcntl.h>
#include <unistd.h>

/* WriteProcessMemory writes to code that is not writable, and Windows' makes it so around the native call. Wine's leaves it
 * to the native call; so it is done here, for pages that only execution protects. */
static bool write_code(uintptr_t to, const void *from, SIZE_T size)
{
    mm_lock();
    struct mm_area *area = mm_tree_find(to);
    uint32_t state = area && area->type ? mm_area_state(area, mm_page_down(to)) : 0;
    bool code = state & MM_COMMITTED && state & (PAGE_EXECUTE | PAGE_EXECUTE_READ) && !(state & PAGE_GUARD);
    mm_unlock();
    if (!code)
        return false;
    int memory = open("/proc/self/mem", O_WRONLY | O_CLOEXEC); /* private pages may be written through it whatever their rights */
    if (memory < 0)
        return false;
    bool written = pwrite(memory, from, size, (off_t)to) == (ssize_t)size;
    close(memory);
    return written;
}

/* In pieces that lie in one page on both sides: what was copied before the first bad page counts. */
static NTSTATUS copy(uintptr_t to, uintptr_t from, SIZE_T size, SIZE_T *guest_done, bool force)
{
    char page[4096];
    SIZE_T done = 0;
    while (done < size) {
        SIZE_T piece = MM_PAGE - ((from + done) & (MM_PAGE - 1)), other = MM_PAGE - ((to + done) & (MM_PAGE - 1));
        piece = piece < other ? piece : other;
        piece = piece < size - done ? piece : size - done;
        if (!nt_read(page, (const void *)(from + done), piece))
            break;
        if (!nt_write((void *)(to + done), page, piece) && !(force && write_code(to + done, page, piece)))
            break;
        done += piece;
    }
    if (guest_done && !NT_PUT(guest_done, done))
        return STATUS_ACCESS_VIOLATION;
    return done == size ? STATUS_SUCCESS : STATUS_PARTIAL_COPY;
}

size_t mm_write_forced(uintptr_t to, const void *from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t piece = MM_PAGE - ((to + done) & (MM_PAGE - 1));
        piece = piece < size - done ? piece : size - done;
        const char *next = (const char *)from + done;
        if (!nt_write((void *)(to + done), next, piece) && !write_code(to + done, next, piece))
            break;
        done += piece;
    }
    return done;
}

/* Through a buffer of the host: guest pages at either end may need a fault to be there. */
static NTSTATUS copy_other(const struct nt_process_object *other, uint64_t there, uintptr_t here, SIZE_T size, SIZE_T *guest_done, bool reads)
{
    char buffer[16384];
    SIZE_T done = 0;
    NTSTATUS status = STATUS_SUCCESS;
    while (done < size && !status) {
        size_t piece = size - done < sizeof buffer ? size - done : sizeof buffer, moved = 0;
        if (!reads && !nt_read(buffer, (const void *)(here + done), piece))
            return STATUS_ACCESS_VIOLATION;
        status = reads ? mm_remote_read(other, there + done, buffer, piece, &moved)
                       : mm_remote_write(other, there + done, buffer, piece, &moved);
        if (reads && moved && !nt_write((void *)(here + done), buffer, moved))
            return STATUS_ACCESS_VIOLATION;
        done += moved;
        if (!status && moved < piece)
            status = STATUS_PARTIAL_COPY;
    }
    if (guest_done && !NT_PUT(guest_done, done))
        return STATUS_ACCESS_VIOLATION;
    return status;
}

static NTSTATUS copy_any(HANDLE process, ACCESS_MASK access, uintptr_t there, uintptr_t here, SIZE_T size, SIZE_T *done)
{
    struct nt_process_object *other;
    bool reads = access == PROCESS_VM_READ;
    NTSTATUS status = mm_process_any(process, access, &other);
    if (status)
        return status;
    if (!other)
        return reads ? copy(here, there, size, done, false) : copy(there, here, size, done, true);
    status = copy_other(other, there, here, size, done, reads);
    mm_process_done(other);
    return status;
}

NTSTATUS NtReadVirtualMemory(HANDLE process, const void *address, void *buffer, SIZE_T size, SIZE_T *done)
{
    return copy_any(process, PROCESS_VM_READ, (uintptr_t)address, (uintptr_t)buffer, size, done);
}

NTSTATUS NtWriteVirtualMemory(HANDLE process, void *address, const void *buffer, SIZE_T size, SIZE_T *done)
{
    return copy_any(process, PROCESS_VM_WRITE, (uintptr_t)address, (uintptr_t)buffer, size, done);
}
