/* NtQuerySystemInformation and its kin. */
#include "loader/nt/ex/private.h"
#include "loader/nt/io.h"

#include <errno.h>
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static NTSTATUS basic(void *buffer, ULONG length, ULONG *returned)
{
    struct { ULONG reserved, tick, page_size, pages, lowest_page, highest_page; ULONG_PTR granularity, lowest, highest, affinity;
             UCHAR processors; } information = {0};
    _Static_assert(sizeof information == NT_WIDTH(0x2c, 0x40), "SYSTEM_BASIC_INFORMATION");
    information.tick = EX_TICK_DEFAULT;
    information.page_size = 0x1000;
    information.pages = (ULONG)(ex_memory_total() >> 12);
    information.lowest_page = 1;
    information.highest_page = information.pages;
    information.granularity = 0x10000;
    information.lowest = 0x10000;
    information.highest = nt_process.user_high - 1;
    information.affinity = ex_affinity();
    information.processors = (UCHAR)ex_processor_count();
    return ex_answer_exact(buffer, length, returned, &information, sizeof information);
}

/* Level is the family, revision model and stepping: leaf 1 of cpuid, asked only when somebody wants to know. */
static NTSTATUS processor(void *buffer, ULONG length, ULONG *returned)
{
    unsigned eax = 0, ebx, ecx, edx;
    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    unsigned family = (eax >> 8 & 15) + ((eax >> 8 & 15) == 15 ? eax >> 20 & 255 : 0);
    unsigned model = (eax >> 4 & 15) | ((eax >> 8 & 15) == 6 || (eax >> 8 & 15) == 15 ? eax >> 12 & 0xf0 : 0);
    struct { USHORT architecture, level, revision, maximum; ULONG features; } information = {
        NT_WIDTH(0, 9), (USHORT)family, (USHORT)(model << 8 | (eax & 15)), (USHORT)ex_processor_count(), 0};
    _Static_assert(sizeof information == 12, "SYSTEM_PROCESSOR_INFORMATION");
    information.features = 0x2fff; /* what every x86-64 processor has of the old KF_* bits */
    return ex_answer(buffer, length, returned, &information, sizeof information);
}

/* In pages. The longer form of Windows 8.1 has eight words more. */
static NTSTATUS performance(void *buffer, ULONG length, ULONG *returned)
{
    enum { SHORT = 312, LONG_FORM = 344 };
    struct { LONGLONG idle, transferred[3]; ULONG operations[3], available, committed, limit, peak, faults; UCHAR rest[LONG_FORM - 0x40]; }
        information = {0};
    _Static_assert(sizeof information == LONG_FORM, "SYSTEM_PERFORMANCE_INFORMATION");
    struct ex_memory memory;
    ex_memory_get(&memory);
    information.available = (ULONG)(memory.free >> 12);
    information.limit = (ULONG)(memory.total >> 12);
    information.committed = information.peak = (ULONG)((memory.total - memory.free) >> 12);
    information.idle = (LONGLONG)(ex_monotonic() * ex_processor_count());
    return ex_answer(buffer, length, returned, &information, length >= LONG_FORM ? LONG_FORM : SHORT);
}

/* As much as the caller has room for; more room than there is to tell is an error. */
static NTSTATUS time_of_day(void *buffer, ULONG length, ULONG *returned)
{
    struct { LONGLONG boot, now, bias; ULONG zone, reserved; ULONGLONG boot_bias, sleep_bias; } information = {0};
    _Static_assert(sizeof information == 48, "SYSTEM_TIMEOFDAY_INFORMATION");
    LONG bias;
    if (length > sizeof information)
        return STATUS_INFO_LENGTH_MISMATCH;
    nt_ex_zone_now(&bias, &information.zone);
    information.now = (LONGLONG)nt_time_now();
    information.boot = information.now - (LONGLONG)ex_monotonic();
    information.bias = (LONGLONG)bias * 60 * EX_TICKS_PER_SECOND;
    return ex_answer(buffer, length, returned, &information, length);
}

/* Per processor: idle, kernel (idle included), user, two more, a count. */
static NTSTATUS processor_times(void *buffer, ULONG length, ULONG *returned)
{
    struct times { LONGLONG idle, kernel, user, deferred, interrupt; ULONG interrupts, pad; };
    _Static_assert(sizeof(struct times) == 48, "SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION");
    unsigned count = ex_processor_count(), at = 0;
    struct times *all = calloc(count, sizeof *all);
    char *text = malloc(65536);
    if (all && text && ex_file_read("/proc/stat", text, 65536))
        for (char *line = strstr(text, "\ncpu"); line && at < count; line = strstr(line + 1, "\ncpu")) {
            unsigned long long user, nice, kernel, idle, wait;
            if (sscanf(line + 4, "%*u %llu %llu %llu %llu %llu", &user, &nice, &kernel, &idle, &wait) != 5)
                break;
            idle += wait; /* hundredths of a second */
            all[at++] = (struct times){(LONGLONG)(idle * 100000), (LONGLONG)((kernel + idle) * 100000),
                                       (LONGLONG)((user + nice) * 100000), 0, 0, 0, 0};
        }
    NTSTATUS status = all ? ex_answer(buffer, length, returned, all, count * (ULONG)sizeof *all) : STATUS_NO_MEMORY;
    free(text);
    free(all);
    return status;
}

/* Loaded kernel modules: the one that a driver list begins with. */
static NTSTATUS modules(void *buffer, ULONG length, ULONG *returned)
{
    struct module { HANDLE section; void *mapped, *base; ULONG size, flags; USHORT load_order, init_order, count, name; char path[256]; };
    struct { ULONG count; struct module first; } information = {.count = 1};
    _Static_assert(sizeof(struct module) == NT_WIDTH(284, 296), "RTL_PROCESS_MODULE_INFORMATION");
    static const char path[] = "\\SystemRoot\\system32\\ntoskrnl.exe";
    information.first.base = (void *)(uintptr_t)NT_WIDTH(0x80400000u, 0xfffff80000000000u);
    information.first.size = 0x1000000;
    information.first.count = 1;
    information.first.name = 21;
    memcpy(information.first.path, path, sizeof path);
    return ex_answer(buffer, length, returned, &information, sizeof information);
}

/* Counters that nobody else can guess: programs use them as a source of randomness. */
static NTSTATUS interrupts(void *buffer, ULONG length, ULONG *returned)
{
    enum { ENTRY = 24, LIMIT = 64 };
    UCHAR counters[ENTRY * LIMIT];
    unsigned count = ex_processor_count() < LIMIT ? ex_processor_count() : LIMIT;
    /* advapi32 makes its random numbers of these: they must be random, or the question fails. */
    for (size_t done = 0; done < count * ENTRY;) {
        ssize_t more = getrandom(counters + done, count * ENTRY - done, 0);
        if (more < 0 && errno != EINTR)
            return STATUS_UNSUCCESSFUL;
        done += more > 0 ? (size_t)more : 0;
    }
    return ex_answer(buffer, length, returned, counters, count * ENTRY);
}

static NTSTATUS file_cache(void *buffer, ULONG length, ULONG *returned)
{
    SIZE_T information[9] = {0};
    enum { SIZE = NT_WIDTH(0x24, 0x40) };
    struct ex_memory memory;
    ex_memory_get(&memory);
    information[0] = information[1] = (SIZE_T)memory.cached;
    return ex_answer(buffer, length, returned, information, SIZE);
}

static NTSTATUS brand(void *buffer, ULONG length, ULONG *returned)
{
    unsigned words[13] = {0};
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]))
            return STATUS_NOT_SUPPORTED;
    return ex_answer(buffer, length, returned, words, (ULONG)strlen((char *)words) + 1);
}

/* Which instruction sets: bit n is PF_n of the shared page. */
static NTSTATUS processor_features(void *buffer, ULONG length, ULONG *returned)
{
    uint64_t bits[4] = {0};
    for (unsigned i = 0; i < 64; i++)
        bits[0] |= (uint64_t)ex_processor_feature(i) << i;
    return ex_answer(buffer, length, returned, bits, sizeof bits);
}

/* Classes whose answer is the same at every question. */
static NTSTATUS constants(ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    static const UCHAR debugger[2] = {0, 1}, debugger_long[3] = {0, 0, 0}; /* not enabled, not present */
    static const ULONG exceptions[4] = {0}, adjustment[3] = {EX_TICK_DEFAULT, EX_TICK_DEFAULT, 1}, integrity[2] = {8, 1};
    static const struct { ULONG allowed, used; SIZE_T paged_pool; } quota = {0x2000000, 0x200000, 0x2000000};
    static const ULONG_PTR range_start = NT_WIDTH(0x80000000u, 0xffff800000000000u);
    static const struct { UCHAR id[16]; ULONG firmware; ULONG pad; uint64_t flags; } boot = {{0}, 1, 0, 0};
    switch (class) {
    case 28: return ex_answer(buffer, length, returned, adjustment, sizeof adjustment);
    case 33: return ex_answer(buffer, length, returned, exceptions, sizeof exceptions);
    case 35: return ex_answer(buffer, length, returned, debugger, sizeof debugger);
    case 37: return ex_answer_exact(buffer, length, returned, &quota, sizeof quota);
    case 50: return ex_answer_exact(buffer, length, returned, &range_start, sizeof range_start);
    case 90: return ex_answer(buffer, length, returned, &boot, sizeof boot);
    case 103:
        if (length < sizeof integrity)
            return STATUS_INFO_LENGTH_MISMATCH;
        return ex_answer(buffer, length, returned, integrity, sizeof integrity);
    case 149: return ex_answer(buffer, length, returned, debugger_long, sizeof debugger_long);
    }
    return STATUS_INVALID_INFO_CLASS;
}

NTSTATUS NtQuerySystemInformation(ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    switch (class) {
    case 0: case 62: case 114: return basic(buffer, length, returned);
    case 1: case 63: return processor(buffer, length, returned);
    case 2: return performance(buffer, length, returned);
    case 3: return time_of_day(buffer, length, returned);
    case 5: return ex_process_list(buffer, length, returned, false);
    case 8: return processor_times(buffer, length, returned);
    case 11: return modules(buffer, length, returned);
    case 16: return ex_handle_list(buffer, length, returned, false);
    case 21: return file_cache(buffer, length, returned);
    case 23: return interrupts(buffer, length, returned);
    case 44: return ex_answer(buffer, length, returned, nt_ex_zone(), NT_ZONE_STATIC);
    case 57: return ex_process_list(buffer, length, returned, true);
    case 64: return ex_handle_list(buffer, length, returned, true);
    case 73: return ex_processor_map(buffer, length, returned);
    case 76: return STATUS_NOT_SUPPORTED; /* firmware tables */
    case 102: return ex_answer(buffer, length, returned, nt_ex_zone(), sizeof(struct nt_zone));
    case 105: return brand(buffer, length, returned);
    case 107: case 175: case 181: return STATUS_INVALID_PARAMETER; /* they need NtQuerySystemInformationEx's question */
    case 154: return processor_features(buffer, length, returned);
    }
    return constants(class, buffer, length, returned);
}

NTSTATUS NtQuerySystemInformationEx(ULONG class, const void *query, ULONG query_length, void *buffer, ULONG length,
                                    ULONG *returned)
{
    ULONG relation = 0;
    HANDLE process;
    if (!query || !query_length)
        return STATUS_INVALID_PARAMETER;
    switch (class) {
    case 107:
        if (query_length < sizeof relation)
            return STATUS_INVALID_PARAMETER;
        if (!NT_GET(relation, (const ULONG *)query))
            return STATUS_ACCESS_VIOLATION;
        return ex_processor_map_long(relation, buffer, length, returned);
    case 175:
        return ex_processor_sets(buffer, length, returned);
    case 181: /* machines that run here: number, then 1 kernel, 2 user, 4 native, 8 this process, 0x10 container */
        if (query_length != sizeof process)
            return STATUS_INVALID_PARAMETER;
        if (!NT_GET(process, (const HANDLE *)query))
            return STATUS_ACCESS_VIOLATION;
        {
#if UINTPTR_MAX > 0xFFFFFFFFu
            static const ULONG machines[3] = {0x8664 | 0xf << 16, 0x14c | 0x2 << 16, 0};
#else
            static const ULONG machines[2] = {0x14c | 0xf << 16, 0};
#endif
            ULONG size = sizeof machines;
            if (returned && !NT_PUT(returned, size))
                return STATUS_ACCESS_VIOLATION;
            if (length < size)
                return STATUS_BUFFER_TOO_SMALL;
            return nt_write(buffer, machines, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
        }
    case 8: case 23: case 73: /* per processor group: there is one */
        return NtQuerySystemInformation(class, buffer, length, returned);
    }
    return STATUS_INVALID_INFO_CLASS;
}

/* What a program without the privileges of the system gets. */
NTSTATUS NtSetSystemInformation(ULONG class, void *buffer, ULONG length)
{
    (void)buffer, (void)length;
    switch (class) {
    case 21: case 28: case 37: case 38: case 45: case 80:
        return STATUS_PRIVILEGE_NOT_HELD;
    }
    return STATUS_INVALID_INFO_CLASS;
}
