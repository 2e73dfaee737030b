/* What the page and `diff-maps` are made of: the events of a load, kept, and the memory map after each step.
 *
 *   events.c   keeps events and strings, and marks where one step ends and the next begins
 *   steps.c    the memory map after each step, cut at the sections' borders, and what differs between two of them
 *   page.c     one self-contained HTML file out of all that; page.S holds the page's own text
 *
 * A step is what the program itself goes through (file, placed, filled, relocated, bound, tls, protected, started,
 * ended). The DLLs that it needs are mapped between its relocation and its binding, so they belong to `bound`. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "loader/cli/cli.h"

enum report_step_kind {
    REPORT_FILE, REPORT_PLACED, REPORT_FILLED, REPORT_RELOCATED, REPORT_BOUND, REPORT_TLS, REPORT_PROTECTED, REPORT_STARTED,
    REPORT_ENDED, REPORT_STEP_COUNT
};
const char *report_step_name(enum report_step_kind kind);

/* A kept event: strings are numbers of the table, 0: none. */
struct report_event {
    uint64_t address, size, count, from;
    uint32_t verb, module, name, detail;
    uint32_t thread;
    uint8_t phase;
    int8_t rights; /* -1: none told */
};

enum report_type { REPORT_FREE, REPORT_IMAGE, REPORT_MAPPED, REPORT_PRIVATE };
enum { REPORT_LATE = 20000 };
enum { REPORT_GUARD = 16 }; /* beside HOST_READ.. in rights */

/* One stretch of memory, as the machine's books have it. */
struct report_line {
    uint64_t base, size, allocation;
    enum report_type type;
    bool committed;
    int rights;
    uint32_t use;     /* string: what it is ("PEB", "stack of thread 12"); of an image its module */
    uint32_t section; /* string; of an image */
};

struct report_map { struct report_line *lines; unsigned count, room; };

struct report_step {
    bool reached;
    unsigned first, last; /* events [first, last) */
    struct report_map map;
    uint64_t at;          /* nanoseconds since the report was opened */
};

/* The memory map of the process being built: calls `add` for each line in rising order. */
typedef void report_walk(void (*add)(const struct report_line *line));

struct report {
    const char *program;  /* path as given */
    const char *lane;
    char **strings;
    unsigned string_count;
    struct report_event *events;
    unsigned count, dropped; /* a program that runs on and on: only the first REPORT_LATE events of its run are kept */
    struct report_step steps[REPORT_STEP_COUNT];
    bool broken;          /* no memory: the report is not complete, and is not written */
};
extern struct report report; /* one run is one process */

/* ---- events.c */
/* What is kept: not each system call, and not each handle. */
#define REPORT_PHASES (~0u & ~(1u << LD_SYSCALL | 1u << LD_HANDLE))
/* From now on report_event keeps what it gets. walk NULL: maps are not to be had. */
void report_open(const char *program, const char *lane, report_walk *walk);
void report_event(const struct ld_event *event);
void report_close(void);                             /* nothing is kept any more */
void report_step_take(void);                         /* the map as it is now belongs to the step under way */
void report_step_begin(enum report_step_kind kind);  /* ends the one before */
uint32_t report_string(const char *text);            /* its number; the same for equal texts */
bool report_is_program(const char *module);

/* ---- steps.c */
void report_map_take(struct report_map *map, report_walk *walk);
/* One difference: [base, base + size) was like `before` and is like `after` (NULL: free). */
struct report_change { uint64_t base, size; const struct report_line *before, *after; };
/* All differences in rising order, equal neighbours merged; malloc'd, NULL with *count 0: none, or no memory. */
struct report_change *report_diff(const struct report_map *before, const struct report_map *after, unsigned *count);
/* May two neighbours be told as one line? */
bool report_lines_alike(const struct report_line *a, const struct report_line *b);

/* ---- page.c */
/* How it ended, for the page. NULL where it has not. */
struct report_end { uint32_t code; const char *how; };
/* Everything that a command knows; what is not there is NULL. */
struct report_page {
    const char *path;                      /* where the page goes: written beside it first, then moved there */
    const char *file;                      /* the EXE or DLL that it is about, NULL: none */
    bool has_events;
    const struct report_end *end;
    const struct ld_error *refused;        /* why it could not be loaded */
    void (*snapshots)(FILE *stream);       /* JSON values, separated by commas */
    void (*comparison)(FILE *stream);      /* one JSON value */
};
bool report_page_write(const struct report_page *page); /* false: told why */
bool report_page_possible(const char *path);            /* the same, asked before there is anything to write */

#endif
