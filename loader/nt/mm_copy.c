/* NtReadVirtualMemory and NtWriteVirtualMemory: copies between buffers of the guest. */
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm_private.h"

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

NTSTATUS NtReadVirtualMemory(HANDLE process, const void *address, void *buffer, SIZE_T size, SIZE_T *done)
{
    NTSTATUS status = mm_process(process, PROCESS_VM_READ);
    return status ? status : copy((uintptr_t)buffer, (uintptr_t)address, size, done, false);
}

NTSTATUS NtWriteVirtualMemory(HANDLE process, void *address, const void *buffer, SIZE_T size, SIZE_T *done)
{
    NTSTATUS status = mm_process(process, PROCESS_VM_WRITE);
    return status ? status : copy((uintptr_t)address, (uintptr_t)buffer, size, done, true);
}
