/* One event per step. `run --trace`, `run -v`, `map`, the reports and the tests all live on these events. */
#ifndef LOADER_TRACE_H
#define LOADER_TRACE_H

#include <stdint.h>

enum ld_phase {
    LD_FIND, LD_OPEN, LD_PLACE, LD_FILL, LD_RELOCATE, LD_BIND, LD_TLS, LD_PROTECT, LD_ORDER, LD_INIT, LD_START, LD_THREAD,
    LD_UNLOAD, LD_SYSCALL, LD_HANDLE, LD_PROCESS, LD_CACHE, LD_PHASE_COUNT
};

/* What happened. Fields that an event does not use are 0 or NULL; all strings live only during the call. */
struct ld_event {
    enum ld_phase phase;
    const char *verb;     /* constant: "mapped", "moved", "slot", ... one word, stable: tests look for it */
    const char *module;   /* base name of the module concerned */
    const char *name;     /* path, function, section name */
    const char *detail;   /* constant or borrowed text for people: the reason */
    uint64_t address;     /* VA */
    uint64_t size;        /* bytes */
    uint64_t count;
    uint64_t from;        /* another address: preferred base, file offset, IAT slot */
    int rights;           /* PE_R.., -1: none told */
    uint32_t thread;      /* thread ID, 0: the loader itself */
};

struct ld_trace {
    uint32_t mask;                                            /* bit per ld_phase; 0: nothing is told */
    void (*sink)(void *context, const struct ld_event *event); /* called with a consistent event */
    void *context;
};

static inline int ld_traces(const struct ld_trace *trace, enum ld_phase phase)
{
    return trace && (trace->mask >> phase & 1);
}

/* Tells one event when its phase is wanted: LD_TRACE(trace, LD_PLACE, .verb = "taken", .address = base);
 * (.rights stands twice where an event has some: the later one counts, and the compiler need not wonder.) */
#define LD_TRACE(trace, phase_, ...)                                                                                   \
    do {                                                                                                               \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")                           \
        if (ld_traces(trace, phase_))                                                                                  \
            (trace)->sink((trace)->context, &(struct ld_event){.phase = (phase_), .rights = -1, __VA_ARGS__});         \
        _Pragma("GCC diagnostic pop")                                                                                  \
    } while (0)

/* "find", "place", ... the same word as the file, the function and the option. */
const char *ld_phase_name(enum ld_phase phase);
/* "find,bind" or "all" -> mask; -1 in *mask's place: returns 0 on an unknown word and points *bad at it. */
int ld_trace_parse(const char *list, uint32_t *mask, const char **bad);

#endif
