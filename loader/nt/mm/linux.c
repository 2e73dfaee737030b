/* The host's pages: mmap, mprotect, munmap, and what else is mapped in this process. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Guest memory is never accounted for: Go and V8 reserve hundreds of gigabytes, and commit what they may not use. */
enum { ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

NTSTATUS mm_linux_status(int error)
{
    switch (error) {
    case 0: return STATUS_SUCCESS;
    case EEXIST: return STATUS_CONFLICTING_ADDRESSES;
    case EACCES: case EPERM: return STATUS_ACCESS_DENIED;
    case ENODEV: return STATUS_INVALID_FILE_FOR_SECTION;
    case EMFILE: case ENFILE: return STATUS_TOO_MANY_OPENED_FILES;
    case ENOSPC: return STATUS_DISK_FULL;
    default: return STATUS_NO_MEMORY;
    }
}

/* A kernel before 4.17 takes the address of MAP_FIXED_NOREPLACE as a hint. Below its minimum it says EPERM. */
static int map_new(uintptr_t base, uintptr_t size, int rights, int flags, int fd, uint64_t offset)
{
    void *got = mmap((void *)base, size, rights, flags | MAP_FIXED_NOREPLACE, fd, (off_t)offset);
    if (got == MAP_FAILED)
        return errno == EPERM && base < MM_GRANULE ? EEXIST : errno;
    if (got != (void *)base) {
        munmap(got, size);
        return EEXIST;
    }
    return 0;
}

int mm_linux_reserve(uintptr_t base, uintptr_t size, int rights)
{
    return map_new(base, size, rights, ANONYMOUS, -1, 0);
}

int mm_linux_file(uintptr_t base, uintptr_t size, int rights, bool shared, bool over, int fd, uint64_t offset)
{
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE;
    if (!over)
        return map_new(base, size, rights, flags, fd, offset);
    return mmap((void *)base, size, rights, flags | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED ? errno : 0;
}

int mm_linux_protect(uintptr_t base, uintptr_t size, int rights)
{
    return mprotect((void *)base, size, rights) ? errno : 0;
}

/* Mapped over, not unmapped: a hole could be taken by another host thread's malloc. */
int mm_linux_decommit(uintptr_t base, uintptr_t size)
{
    return mmap((void *)base, size, PROT_NONE, ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? errno : 0;
}

void mm_linux_release(uintptr_t base, uintptr_t size)
{
    munmap((void *)base, size);
}

bool mm_linux_readable(uintptr_t address)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)address, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1 || errno != EFAULT; /* a system that does not tell */
}

/* ---- what the host has mapped ---------------------------------------------------------------------- */

static void learn_piece(uintptr_t base, uintptr_t end)
{
    struct mm_area *area = calloc(1, sizeof *area);
    if (!area)
        return;
    area->base = base;
    area->size = end - base;
    area->protect = PAGE_NOACCESS;
    mm_runs_open(&area->runs, 0);
    mm_tree_insert(area);
}

/* The kernel merges neighbours, so that one line may hold the guest's pages and the host's: only what no area has is new. */
static void learn_line(uintptr_t low, uintptr_t high)
{
    if (low < nt_process.user_low)
        low = nt_process.user_low;
    if (high > nt_process.user_high)
        high = nt_process.user_high;
    while (low < high) {
        struct mm_area *area = mm_tree_above(low);
        uintptr_t end = area && area->base < high ? area->base : high;
        if (end > low)
            learn_piece(low, end);
        if (end == high)
            return;
        low = area->flags & MM_PADDED ? mm_granule_up(mm_end(area)) : mm_end(area);
    }
}

static bool wholly_known(uintptr_t low, uintptr_t high)
{
    const struct mm_area *area = mm_tree_find(low);
    return area && high <= (area->flags & MM_PADDED ? mm_granule_up(mm_end(area)) : mm_end(area));
}

static char *number_hex(char *at, uintptr_t *number)
{
    *number = 0;
    for (;; at++) {
        if (*at >= '0' && *at <= '9')
            *number = *number << 4 | (uintptr_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *number = *number << 4 | (uintptr_t)(*at - 'a' + 10);
        else
            return at;
    }
}

/* All lines are collected first, because learning allocates. What cannot be seen is believed all the same: the first
 * granule counts as taken, so that the search goes on behind it. */
void mm_linux_learn(uintptr_t low, uintptr_t high)
{
    static struct { uintptr_t low, high; } lines[512]; /* the Mm lock's */
    char text[4096 + 256];
    unsigned count = 0;
    size_t have = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0;) {
        char *line = text, *end;
        got = read(fd, text + have, sizeof text - 1 - have);
        if (got <= 0)
            break;
        have += (size_t)got;
        text[have] = 0;
        for (; (end = __builtin_strchr(line, '\n')); line = end + 1) {
            uintptr_t from, to;
            number_hex(number_hex(line, &from) + 1, &to);
            if (from < nt_process.user_high && to > nt_process.user_low && !wholly_known(from, to) &&
                count < sizeof lines / sizeof *lines)
                lines[count].low = from, lines[count++].high = to;
        }
        have -= (size_t)(line - text);
        __builtin_memmove(text, line, have);
        if (have == sizeof text - 1)
            have = 0; /* a path longer than any: its line is counted already or lost */
    }
    if (fd >= 0)
        close(fd);
    for (unsigned i = 0; i < count; i++)
        learn_line(lines[i].low, lines[i].high);
    const struct mm_area *area = mm_tree_above(low);
    if (!area || area->base >= high)
        learn_piece(low, low + MM_GRANULE);
}
