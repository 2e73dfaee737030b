/* The words of the phases, for options, reports and tests. */
#include "loader/trace.h"

#include <stddef.h>
#include <string.h>

static const char *const phase_names[] = {
    [LD_FIND] = "find",   [LD_OPEN] = "open",   [LD_PLACE] = "place",     [LD_FILL] = "fill",   [LD_RELOCATE] = "relocate",
    [LD_BIND] = "bind",   [LD_TLS] = "tls",     [LD_PROTECT] = "protect", [LD_ORDER] = "order", [LD_INIT] = "init",
    [LD_START] = "start", [LD_THREAD] = "thread", [LD_UNLOAD] = "unload", [LD_SYSCALL] = "syscall",
    [LD_HANDLE] = "handle", [LD_PROCESS] = "process", [LD_CACHE] = "cache",
};
_Static_assert(sizeof(phase_names) / sizeof(*phase_names) == LD_PHASE_COUNT, "a word for each phase");

const char *ld_phase_name(enum ld_phase phase)
{
    return (unsigned)phase < LD_PHASE_COUNT ? phase_names[phase] : "?";
}

/* The bits of one word of a list, 0: unknown. */
static uint32_t word_mask(const char *word, size_t length)
{
    if (length == 3 && memcmp(word, "all", 3) == 0)
        return (1u << LD_PHASE_COUNT) - 1;
    for (unsigned phase = 0; phase < LD_PHASE_COUNT; phase++)
        if (strlen(phase_names[phase]) == length && memcmp(phase_names[phase], word, length) == 0)
            return 1u << phase;
    return 0;
}

int ld_trace_parse(const char *list, uint32_t *mask, const char **bad)
{
    uint32_t wanted = 0;
    for (;;) {
        size_t length = strcspn(list, ",");
        uint32_t bits = word_mask(list, length);
        if (!bits) {
            *bad = list;
            return 0;
        }
        wanted |= bits;
        if (!list[length])
            break;
        list += length + 1;
    }
    *mask = wanted;
    return 1;
}
