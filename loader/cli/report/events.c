/* Keeps the events of a load. Cheap while the load runs: a record and at most four look-ups in a table of strings;
 * the memory map is asked for only where a step of the program ends. */
#include "loader/cli/report/report.h"

#include <stdlib.h>
#include <string.h>

struct report report;

static struct {
    report_walk *walk;
    uint32_t *slots;      /* open addressing; numbers of strings, 0: free */
    unsigned slot_count;  /* a power of two */
    unsigned event_room, string_room;
    enum report_step_kind step;
    volatile bool opened;
    volatile int busy;    /* guest threads tell events too */
    uint64_t begun;
    const char *base_name;
} keep;

static const char *const step_names[REPORT_STEP_COUNT] = {
    "file", "placed", "filled", "relocated", "bound", "tls", "protected", "started", "ended",
};

const char *report_step_name(enum report_step_kind kind) { return step_names[kind]; }

static void *grow(void *array, unsigned count, unsigned *room, size_t size)
{
    if (count < *room)
        return array;
    unsigned more = *room ? *room * 2 : 256;
    void *grown = realloc(array, more * size);
    if (grown)
        *room = more;
    else
        report.broken = true;
    return grown;
}

/* ---- strings ------------------------------------------------------------------------------------ */

static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261u;
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 16777619u;
    return value;
}

static uint32_t *slot_of(const char *text)
{
    unsigned at = hash(text) & (keep.slot_count - 1);
    while (keep.slots[at] && strcmp(report.strings[keep.slots[at]], text))
        at = (at + 1) & (keep.slot_count - 1);
    return &keep.slots[at];
}

static bool slots_grow(void)
{
    unsigned count = keep.slot_count ? keep.slot_count * 2 : 1024;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    free(keep.slots);
    keep.slots = slots;
    keep.slot_count = count;
    for (uint32_t i = 1; i < report.string_count; i++)
        *slot_of(report.strings[i]) = i;
    return true;
}

uint32_t report_string(const char *text)
{
    if (!text || !*text || report.broken)
        return 0;
    if (report.string_count * 2 >= keep.slot_count && !slots_grow()) {
        report.broken = true;
        return 0;
    }
    uint32_t *slot = slot_of(text);
    if (*slot)
        return *slot;
    char **strings = grow(report.strings, report.string_count, &keep.string_room, sizeof *strings);
    char *copy = strings ? strdup(text) : NULL;
    if (!copy) {
        report.broken = true;
        return 0;
    }
    report.strings = strings;
    if (!report.string_count)
        report.strings[report.string_count++] = NULL; /* number 0 is none */
    report.strings[report.string_count] = copy;
    return *slot = report.string_count++;
}

/* ---- steps -------------------------------------------------------------------------------------- */

bool report_is_program(const char *module) { return module && !strcasecmp(module, keep.base_name); }

/* The map as it is now is how the step under way left it, as far as is known. */
void report_step_take(void)
{
    struct report_step *step = &report.steps[keep.step];
    step->reached = true;
    step->last = report.count;
    step->at = cli_clock() - keep.begun;
    if (keep.walk)
        report_map_take(&step->map, keep.walk);
}

/* A step in which nothing happened that would be told leaves the map as it found it. */
static void step_end(void)
{
    struct report_step *step = &report.steps[keep.step];
    const struct report_map *before = keep.step ? &step[-1].map : NULL;
    step->reached = true;
    step->last = report.count;
    step->at = cli_clock() - keep.begun;
    if (step->map.count || !before)
        return;
    step->map.lines = malloc(before->count * sizeof *before->lines + 1);
    if (!step->map.lines) {
        report.broken = true;
        return;
    }
    memcpy(step->map.lines, before->lines, before->count * sizeof *before->lines);
    step->map.count = step->map.room = before->count;
}

/* Steps between that had nothing to do (an image at its own base has no relocations) end at once. */
void report_step_begin(enum report_step_kind kind)
{
    while (keep.step < kind) {
        step_end();
        keep.step++;
        report.steps[keep.step].first = report.steps[keep.step].last = report.count;
    }
}

/* Which step does this event belong to? Those of other modules go with whatever the program is doing. */
static enum report_step_kind step_of(const struct ld_event *event)
{
    if (event->phase == LD_START)
        return REPORT_STARTED;
    if (!report_is_program(event->module))
        return keep.step;
    switch (event->phase) {
    case LD_PLACE: return REPORT_PLACED;
    case LD_FILL: return REPORT_FILLED;
    case LD_RELOCATE: return REPORT_RELOCATED;
    case LD_BIND: return REPORT_BOUND;
    case LD_TLS: return REPORT_TLS;
    default: return keep.step;
    }
}

/* The first event that belongs to no step of the program any more ends the one under way, although the program has
 * none of the next one's: few have thread-local data. */
static enum report_step_kind step_implied(const struct ld_event *event, enum report_step_kind kind)
{
    bool others = !report_is_program(event->module);
    if ((keep.step == REPORT_FILLED || keep.step == REPORT_RELOCATED) && others && (event->phase == LD_FIND || event->phase == LD_OPEN))
        return REPORT_BOUND;
    if (keep.step >= REPORT_FILLED && keep.step < REPORT_TLS && event->phase == LD_TLS)
        return REPORT_TLS;
    bool told = event->phase == LD_PROTECT && strcmp(event->verb, "writable");
    return told && keep.step >= REPORT_FILLED && keep.step < REPORT_PROTECTED ? REPORT_PROTECTED : kind;
}

/* An event tells what has been done, so the map is taken with the one that closes a step: with the first of the next it
 * would show what that one did. */
static bool closes(const struct ld_event *event)
{
    static const struct { enum ld_phase phase; const char *verb; bool any; } closing[] = {
        {LD_OPEN, "opened", false}, {LD_PLACE, "placed", false}, {LD_PLACE, "moved", false}, {LD_FILL, "filled", false},
        {LD_RELOCATE, "relocated", false}, {LD_RELOCATE, "cookie", false}, {LD_BIND, "imports", true}, {LD_TLS, "slot", true},
        {LD_PROTECT, "ready", true},
    };
    for (size_t i = 0; i < sizeof closing / sizeof *closing; i++)
        if (closing[i].phase == event->phase && !strcmp(closing[i].verb, event->verb))
            return report_is_program(event->module) || (closing[i].any && keep.step >= REPORT_BOUND);
    return false;
}

/* ---- events ------------------------------------------------------------------------------------- */

void report_open(const char *program, const char *lane, report_walk *walk)
{
    const char *slash = strrchr(program, '/');
    report.program = program;
    report.lane = lane;
    keep.base_name = slash ? slash + 1 : program;
    keep.walk = walk;
    keep.begun = cli_clock();
    keep.opened = true;
}

static void record(const struct ld_event *event)
{
    if (keep.step >= REPORT_STARTED && report.count - report.steps[REPORT_STARTED].first >= REPORT_LATE) {
        report.dropped++;
        return;
    }
    struct report_event *events = grow(report.events, report.count, &keep.event_room, sizeof *events);
    if (!events)
        return;
    report.events = events;
    events[report.count++] = (struct report_event){
        .address = event->address, .size = event->size, .count = event->count, .from = event->from,
        .verb = report_string(event->verb), .module = report_string(event->module), .name = report_string(event->name),
        .detail = report_string(event->detail), .thread = event->thread, .phase = (uint8_t)event->phase,
        .rights = (int8_t)event->rights,
    };
}

void report_event(const struct ld_event *event)
{
    if (!keep.opened || report.broken || !(REPORT_PHASES >> event->phase & 1))
        return;
    while (__atomic_exchange_n(&keep.busy, 1, __ATOMIC_ACQUIRE))
        if (!keep.opened)
            return;
    enum report_step_kind kind = step_implied(event, step_of(event));
    if (keep.step < REPORT_STARTED)
        report_step_begin(kind);
    record(event);
    if (closes(event) && keep.step < REPORT_STARTED)
        report_step_take();
    __atomic_store_n(&keep.busy, 0, __ATOMIC_RELEASE);
}

/* Other threads still run: one that is telling something may finish, one that was ended in it is not waited for. */
void report_close(void)
{
    keep.opened = false;
    for (unsigned tries = 0; tries < 1000000 && __atomic_exchange_n(&keep.busy, 1, __ATOMIC_ACQUIRE); tries++)
        ;
}
