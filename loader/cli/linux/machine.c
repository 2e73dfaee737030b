/* What the portable files of the command line ask of the machine. */
#include "loader/cli/cli.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

intptr_t cli_errors(void) { return STDERR_FILENO; }

void cli_write(intptr_t to, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t written = write((int)to, text + at, length - at);
        if (written <= 0)
            return; /* nobody listens any more: the guest goes on */
        at += (size_t)written;
    }
}

uint64_t cli_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

FILE *cli_create(const char *path) { return fopen(path, "wbe"); }
bool cli_rename(const char *from, const char *to) { return !rename(from, to); }
