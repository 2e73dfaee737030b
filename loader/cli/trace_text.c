/* --trace: one line an event, written at once, so that it stands between the guest's own lines where it belongs.
 *
 *   peload[PHASE] VERB MODULE NAME key=value ... (detail)
 *
 * PHASE and VERB are single words, MODULE a base name. Fields that an event does not use are left out. */
#include "loader/cli/cli.h"
#include "loader/nt/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* What the four numbers of an event are called. NULL verb: every event of the phase that stands in no other row. */
static const struct labels {
    enum ld_phase phase;
    const char *verb, *address, *size, *count, *from;
} labels[] = {
    {LD_OPEN, NULL, "at", "bytes", "sections", "from"},
    {LD_PLACE, NULL, "at", "size", "count", "preferred"},
    {LD_FILL, "filled", "at", "size", "calls", "from"},
    {LD_FILL, NULL, "at", "size", "bytes", "offset"},
    {LD_RELOCATE, NULL, "at", "touched", "fixups", "preferred"},
    {LD_BIND, "imports", "at", "modules", "slots", "from"},
    {LD_BIND, NULL, "to", "size", "count", "slot"},
    {LD_TLS, NULL, "data", "size", "slot", "callbacks"},
    {LD_PROTECT, "ready", "at", "size", "calls", "from"},
    {LD_ORDER, NULL, "at", "size", "index", "from"},
    {LD_INIT, NULL, "entry", "size", "index", "from"},
    {LD_START, "thread", "entry", "size", "process", "base"},
};
static const struct labels plain = {LD_FIND, NULL, "at", "size", "count", "from"};

static const struct labels *labels_of(const struct ld_event *event)
{
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (labels[i].phase == event->phase && (!labels[i].verb || !strcmp(labels[i].verb, event->verb)))
            return &labels[i];
    return &plain;
}

struct line { char text[9000]; size_t length; };

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof line->text - 1 - line->length; /* the last byte is the newline's */
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void line_write(const struct cli_trace *trace, struct line *line)
{
    line->text[line->length++] = '\n';
    cli_write(trace->fd, line->text, line->length);
}

void cli_trace_event(const struct cli_trace *trace, const struct ld_event *event)
{
    const struct labels *label = labels_of(event);
    struct line line;
    line.length = 0;
    if (!(trace->mask >> event->phase & 1))
        return;
    add(&line, "peload[%s] %s", ld_phase_name(event->phase), event->verb);
    if (event->module)
        add(&line, " %s", event->module);
    /* A binding reads as what it is: exporter!function. */
    bool is_import = event->phase == LD_BIND && event->name && event->detail && strcmp(event->verb, "failed");
    if (is_import)
        add(&line, " %s!%s", event->detail, event->name);
    else if (event->name)
        add(&line, " %s", event->name);
    if (event->address)
        add(&line, " %s=0x%0*" PRIx64, label->address, CLI_DIGITS, event->address);
    if (event->size)
        add(&line, " %s=0x%" PRIx64, label->size, event->size);
    if (event->count || event->phase == LD_TLS || event->phase == LD_RELOCATE)
        add(&line, " %s=%" PRIu64, label->count, event->count);
    if (event->from)
        add(&line, " %s=0x%0*" PRIx64, label->from, event->phase == LD_FILL ? 1 : CLI_DIGITS, event->from);
    if (event->rights >= 0)
        add(&line, " rights=%c%c%c", event->rights & HOST_READ ? 'R' : '-', event->rights & HOST_WRITE ? 'W' : '-',
            event->rights & HOST_EXECUTE ? 'X' : '-');
    if (event->thread)
        add(&line, " thread=%" PRIu32, event->thread);
    if (event->detail && !is_import)
        add(&line, " (%s)", event->detail);
    line_write(trace, &line);
}

void cli_trace_call(const struct cli_trace *trace, const char *name, const uintptr_t *arguments, unsigned count,
                    uint32_t status, uint32_t thread)
{
    const char *word = nt_status_name(status);
    struct line line;
    line.length = 0;
    add(&line, "peload[syscall] %s(", name);
    for (unsigned i = 0; i < count; i++)
        add(&line, "%s0x%" PRIxPTR, i ? ", " : "", arguments[i]);
    add(&line, ") = 0x%08" PRIX32 "%s%s thread=%" PRIu32, status, word ? " " : "", word ? word : "", thread);
    line_write(trace, &line);
}

void cli_trace_missing_call(const struct cli_trace *trace, const char *name)
{
    struct line line;
    line.length = 0;
    add(&line, "peload[syscall] %s = 0x%08X STATUS_NOT_IMPLEMENTED (peload has no such system call)", name,
        (unsigned)STATUS_NOT_IMPLEMENTED);
    line_write(trace, &line);
}
