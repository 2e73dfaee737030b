/* Facts of the machine and of this process, out of the host's own files. */
#define _GNU_SOURCE
#include "loader/nt/ex/private.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
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

static void sizes_get(const char *path, struct ex_usage *usage)
{
    char text[256], *at = text;
    uint64_t pages[6] = {0}; /* size resident shared text lib data */
    if (!ex_file_read(path, text, sizeof text))
        return;
    for (unsigned i = 0; i < 6; i++)
        pages[i] = strtoull(at, &at, 10);
    usage->virtual_size = pages[0] << 12;
    usage->resident = pages[1] << 12;
    usage->committed = pages[5] << 12;
}

/* /proc/PID/stat: faults are fields 10 and 12, times 14 and 15, in ticks of 10 ms on every machine that user programs see. */
void ex_usage_of(const struct nt_process_object *process, struct ex_usage *usage)
{
    char path[64], text[1024], *at;
    *usage = (struct ex_usage){0};
    if (nt_ref_of(process) == nt_process.object) {
        ex_usage_get(usage);
        return;
    }
    if (!process->host_pid || process->life == NT_PROCESS_ENDED)
        return;
    snprintf(path, sizeof path, "/proc/%u/stat", process->host_pid);
    if (ex_file_read(path, text, sizeof text) && (at = strrchr(text, ')'))) {
        uint64_t field[16] = {0};
        at += 2; /* to the state's letter, field 3 */
        for (unsigned i = 4; i < 16 && *++at; i++)
            field[i] = strtoull(at, &at, 10);
        usage->faults = field[10] + field[12];
        usage->user = field[14] * 100000;
        usage->kernel = field[15] * 100000;
    }
    snprintf(path, sizeof path, "/proc/%u/statm", process->host_pid);
    sizes_get(path, usage);
    usage->resident_peak = usage->resident;
}

const char *ex_process_path(const struct nt_process_object *process)
{
    if (nt_ref_of(process) == nt_process.object)
        return nt_process.image_path;
    return process->image_path ? nt_at(process->image_path) : "";
}

void ex_usage_get(struct ex_usage *usage)
{
    struct rusage used;
    *usage = (struct ex_usage){0};
    if (!getrusage(RUSAGE_SELF, &used)) {
        usage->user = ticks_of(&used.ru_utime);
        usage->kernel = ticks_of(&used.ru_stime);
        usage->resident_peak = (uint64_t)used.ru_maxrss * 1024;
        usage->faults = (uint64_t)used.ru_minflt + (uint64_t)used.ru_majflt;
    }
    sizes_get("/proc/self/statm", usage);
    if (usage->resident_peak < usage->resident)
        usage->resident_peak = usage->resident;
}
