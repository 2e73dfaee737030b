/* Runs a program for a test: own process group, time limit, everything it wrote in memory. */
#ifndef TESTS_PROCESS_H
#define TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

struct process {
    const char *const *arguments;   /* NULL-terminated; [0] is the program's path */
    const char *input;              /* file for standard input, NULL: an empty one */
    const char *const *environment; /* "NAME=VALUE" to be added or replaced, "NAME" to be removed; NULL-terminated, may be NULL */
    unsigned seconds;               /* limit; 0: 60 */
    /* results */
    int status;                     /* exit status; 128 + signal; -1: not started, or ended at the limit */
    bool timed_out;
    char *output, *errors;          /* malloc'd, NUL-terminated */
    size_t output_size, errors_size;
};

/* False where the machine is at fault. The results are to be freed in any case. */
bool process_run(struct process *process);
void process_free(struct process *process);

/* Makes \r\n to \n in place; returns the new size. */
size_t text_unix(char *text, size_t size);
/* A whole file, NUL-terminated, malloc'd; NULL: cannot be read. */
char *text_read(const char *path, size_t *size);
bool text_write(const char *path, const void *bytes, size_t size);

#endif
