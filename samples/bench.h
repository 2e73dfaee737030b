/* Shared by the bench guests, whose lines name the unit of what was measured; a clock, and the middle of several rounds, which one disturbed round cannot move. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

/* Nanoseconds since some moment. */
static inline double bench_now(void)
{
    static double unit;
    LARGE_INTEGER frequency, counter;

    if (unit == 0) {
        QueryPerformanceFrequency(&frequency);
        unit = 1e9 / (double)frequency.QuadPart;
    }
    QueryPerformanceCounter(&counter);
    return (double)counter.QuadPart * unit;
}

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double bench_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, bench_compare);
    return values[count / 2];
}

/* The body `times` times, in several rounds: nanoseconds for one. */
static inline double bench_repeat(void (*body)(void *context), void *context, int times)
{
    double rounds[7];

    for (int round = 0; round < 7; round++) {
        double begin = bench_now();
        for (int i = 0; i < times; i++)
            body(context);
        rounds[round] = (bench_now() - begin) / times;
    }
    return bench_median(rounds, 7);
}

/* A call that must not fail: a row without a number is told, a wrong number is not. */
static inline void bench_need(int done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    ExitProcess(1);
}

#endif
