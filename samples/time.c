/* Clocks run, never backwards, and agree with each other; a sleep lasts. */
#include <windows.h>
#include "sample.h"

#define TICKS_PER_DAY (86400ull * 10000000)
#define YEAR_2020 (132223104000000000ull) /* in 100 ns since 1601 */

static ULONGLONG system_time(void)
{
    FILETIME time;

    GetSystemTimeAsFileTime(&time);
    return (ULONGLONG)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

static LONGLONG counter(void)
{
    LARGE_INTEGER value;

    QueryPerformanceCounter(&value);
    return value.QuadPart;
}

static int counter_is_monotonic(void)
{
    LONGLONG last = counter();

    for (int i = 0; i < 100000; i++) {
        LONGLONG now = counter();
        if (now < last)
            return 0;
        last = now;
    }
    return 1;
}

static void check_sleep(void)
{
    LARGE_INTEGER frequency;
    ULONGLONG tick = GetTickCount64(), time = system_time();
    LONGLONG start = counter();
    double elapsed;

    Sleep(50);
    QueryPerformanceFrequency(&frequency);
    elapsed = (double)(counter() - start) * 1000 / (double)frequency.QuadPart;
    check("Sleep(50) lasts 45 ms or more by the counter", elapsed >= 45);
    check("and less than 20 s", elapsed < 20000); /* no thousand times as long; a busy machine may be late */
    check("the tick count moved by 30 ms or more", GetTickCount64() - tick >= 30);
    check("the system time moved by 30 ms or more", system_time() - time >= 300000);
}

static void check_calendar(void)
{
    SYSTEMTIME date = { .wYear = 2024, .wMonth = 2, .wDay = 29, .wHour = 12, .wMinute = 30, .wSecond = 15 }, back;
    FILETIME time;

    check("a date becomes a file time", SystemTimeToFileTime(&date, &time));
    printf("29 February 2024, 12:30:15 is %llu\n",
           ((unsigned long long)time.dwHighDateTime << 32 | time.dwLowDateTime) / 10000000);
    check("and comes back", FileTimeToSystemTime(&time, &back) && back.wDay == 29 && back.wHour == 12);
    show("day of the week", back.wDayOfWeek);
    date.wDay = 30;
    check("30 February is refused", !SystemTimeToFileTime(&date, &time));
}

int main(void)
{
    LARGE_INTEGER frequency;
    DWORD tick, between;

    check("the system time lies after 2020", system_time() > YEAR_2020);
    check("and before 2220", system_time() < YEAR_2020 + 200 * 365 * TICKS_PER_DAY);
    check("the counter has a frequency", QueryPerformanceFrequency(&frequency) && frequency.QuadPart > 0);
    check("the counter never runs backwards", counter_is_monotonic());
    tick = GetTickCount();
    between = (DWORD)GetTickCount64();
    check("GetTickCount is the low half of GetTickCount64", between - tick <= GetTickCount() - tick);
    check_sleep();
    check_calendar();
    return sample_wrong_facts;
}
