/* Shared by the samples that check what they see: one line per fact, and the number of wrong facts as the exit code. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdio.h>

static int sample_wrong_facts;

static inline void check(const char *fact, int holds)
{
    printf("%s: %s\n", fact, holds ? "yes" : "NO");
    sample_wrong_facts += !holds;
}

/* For an error code or a count: the number itself is what a reader wants to see. */
static inline void show(const char *fact, unsigned long number)
{
    printf("%s: %lu\n", fact, number);
}

#endif
