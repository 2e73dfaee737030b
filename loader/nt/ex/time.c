/* Clocks. System time is the host's real-time clock; performance counter, tick count and interrupt time are one
 * monotonic clock, the one that waits with a relative timeout use too. */
#include "loader/nt/ex/private.h"

#include <time.h>

/* Seconds from 1 January 1601 to 1 January 1970: 369 years, 89 of them leap years. */
#define EPOCH_SECONDS 11644473600ll

uint64_t ex_time_of(int64_t seconds, int64_t nanoseconds)
{
    return (uint64_t)((seconds + EPOCH_SECONDS) * EX_TICKS_PER_SECOND + nanoseconds / 100);
}

uint64_t ex_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EX_TICKS_PER_SECOND + (uint64_t)now.tv_nsec / 100;
}

NTSTATUS NtQuerySystemTime(LARGE_INTEGER *time)
{
    LARGE_INTEGER now = {.value = (LONGLONG)nt_time_now()};
    return NT_PUT(time, now) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Nobody here holds SeSystemtimePrivilege; the host's clock belongs to the host. */
NTSTATUS NtSetSystemTime(const LARGE_INTEGER *time, LARGE_INTEGER *previous)
{
    LARGE_INTEGER wanted;
    (void)previous;
    if (time && !NT_GET(wanted, time))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_PRIVILEGE_NOT_HELD;
}

/* 10 MHz, as KUSER_SHARED_DATA.QpcFrequency says too. */
NTSTATUS NtQueryPerformanceCounter(LARGE_INTEGER *counter, LARGE_INTEGER *frequency)
{
    LARGE_INTEGER now = {.value = (LONGLONG)ex_monotonic()}, per_second = {.value = EX_TICKS_PER_SECOND};
    if (!NT_PUT(counter, now) || (frequency && !NT_PUT(frequency, per_second)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

ULONG NtGetTickCount(void)
{
    return (ULONG)(ex_monotonic() / 10000);
}

NTSTATUS NtQueryTimerResolution(ULONG *coarsest, ULONG *finest, ULONG *current)
{
    ULONG slow = EX_TICK_DEFAULT, fast = EX_TICK_FINEST, now = ex_shared_tick();
    if (!NT_PUT(coarsest, slow) || !NT_PUT(finest, fast) || !NT_PUT(current, now))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* One request per process counts, as on Windows 10 since 2004; taking back what was not asked for is an error. */
NTSTATUS NtSetTimerResolution(ULONG wanted, BOOLEAN set, ULONG *current)
{
    static uint32_t asked;
    NTSTATUS status = STATUS_SUCCESS;
    if (set) {
        asked = wanted < EX_TICK_FINEST ? EX_TICK_FINEST : wanted > EX_TICK_DEFAULT ? EX_TICK_DEFAULT : wanted;
        ex_shared_tick_set(asked);
    } else if (asked) {
        asked = 0;
        ex_shared_tick_set(EX_TICK_DEFAULT);
    } else {
        status = STATUS_TIMER_RESOLUTION_NOT_SET;
    }
    ULONG now = ex_shared_tick();
    return NT_PUT(current, now) ? status : STATUS_ACCESS_VIOLATION;
}
