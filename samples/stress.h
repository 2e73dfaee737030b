/* Shared by the stress samples. At a mark the program tells that it has come there and waits for a line on its input, so
 * that whoever runs it can count, from outside, what it holds; at the end of the input it just goes on. */
#ifndef STRESS_H
#define STRESS_H

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

static inline void stress_mark(void)
{
    char line[8];

    puts("mark");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return;
}

/* The first argument as a number, or what is usual. */
static inline unsigned long stress_count(int argc, char **argv, unsigned long usual)
{
    return argc > 1 ? strtoul(argv[1], NULL, 0) : usual;
}

static inline void stress_need(int done, const char *what)
{
    if (done)
        return;
    printf("%s: error %lu\n", what, GetLastError());
    fflush(stdout);
    ExitProcess(1);
}

#endif
