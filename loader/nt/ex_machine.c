/* Facts of the machine and of this process, out of the host's own files. */
#define _GNU_SOURCE
#include "loader/nt/ex_private.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

bool ex_file_read(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;
    if (fd < 0)
        return false;
    while (length < room - 1 && (got = read(fd, text + length, room - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = 0;
    return length > 0;
}

/* Those this process may run on: a container's share, not the whole machine. */
unsigned ex_processor_count(void)
{
    static unsigned count;
    cpu_set_t set;
    if (!count)
        count = sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
    return count;
}

ULONG_PTR ex_affinity(void)
{
    unsigned count = ex_processor_count();
    return count >= 8 * sizeof(ULONG_PTR) ? ~(ULONG_PTR)0 : ((ULONG_PTR)1 << count) - 1;
}

uint64_t ex_memory_total(void)
{
    struct sysinfo info;
    return sysinfo(&info) ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

static uint64_t meminfo(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

void ex_memory_get(struct ex_memory *memory)
{
    char text[4096];
    *memory = (struct ex_memory){0};
    if (!ex_file_read("/proc/meminfo", text, sizeof text))
        return;
    memory->total = meminfo(text, "MemTotal:");
    memory->free = meminfo(text, "MemAvailable:");
    memory->cached = meminfo(text, "\nCached:");
}

static uint64_t ticks_of(const struct timeval *used)
{
    return (uint64_t)used->tv_sec * EX_TICKS_PER_SECOND + (uint64_t)used->tv_usec * 10;
}

void ex_usage_get(struct ex_usage *usage)
{
    struct rusage used;
    char text[256], *at = text;
    *usage = (struct ex_usage){0};
    if (!getrusage(RUSAGE_SELF, &used)) {
        usage->user = ticks_of(&used.ru_utime);
        usage->kernel = ticks_of(&used.ru_stime);
        usage->resident_peak = (uint64_t)used.ru_maxrss * 1024;
        usage->faults = (uint64_t)used.ru_minflt + (uint64_t)used.ru_majflt;
    }
    if (ex_file_read("/proc/self/statm", text, sizeof text)) { /* pages: size resident shared text lib data */
        uint64_t pages[6] = {0};
        for (unsigned i = 0; i < 6; i++)
            pages[i] = strtoull(at, &at, 10);
        usage->virtual_size = pages[0] << 12;
        usage->resident = pages[1] << 12;
        usage->committed = pages[5] << 12;
    }
    if (usage->resident_peak < usage->resident)
        usage->resident_peak = usage->resident;
}
