/* `peload diff-maps`: the memory map before and after each step of a load, one line for neighbours that are alike. The
 * program is loaded and bound, and nothing of it runs. */
#include "loader/cli/output.h"
#include "loader/cli/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char cli_diff_maps_help[] =
    "Examples\n"
    "  peload diff-maps hello.exe            what each step of loading did to the memory map\n"
    "  peload diff-maps --all hello.exe      the whole map after each step\n"
    "  peload diff-maps --occupy hello.exe   the same where it must move\n"
    "\n"
    "Usage: peload diff-maps [OPTIONS] FILE\n"
    "\n"
    "Loads and binds FILE and all it needs on the native lane, as `peload run --check` does, and starts nothing. For each\n"
    "step (file, placed, filled, relocated, bound, tls, protected, started) it tells what is other than before:\n"
    "\n"
    "  MARK START-END SIZE RIGHTS USE    + new   - gone   ~ other rights, as BEFORE > AFTER   (no mark) as before\n"
    "\n"
    "Rights are R, W, X, --- for reserved without access, and G behind them for a guard page. The DLLs that FILE needs are\n"
    "mapped in the step `bound`; `started` is the first thread's stack, TEB and PEB, before anything runs.\n"
    "\n"
    "  --all     unchanged lines too\n"
    "  --json    for programs: every step with its whole map (\"lines\") and what changed (\"changes\")\n"
    "  --occupy, --dll-path=FOLDER as with `peload run`\n"
    "\n"
    "Exit status: 0; 126 where FILE cannot be loaded; 127 where it is not there; 125 otherwise.\n";

enum { USE_ROOM = 256, RIGHTS_ROOM = 8 };

/* A run of changes, or of unchanged lines, that are told as one. */
struct row {
    char mark;
    uint64_t base, size;
    const struct report_line *before, *after; /* of its first part */
    char use[USE_ROOM];
    unsigned others; /* sections that are not spelt */
};

static const struct report_line *shown(const struct row *row) { return row->after ? row->after : row->before; }

static const char *rights_text(const struct report_line *line, char *text)
{
    int rights = line->committed ? line->rights : 0;
    snprintf(text, RIGHTS_ROOM, "%c%c%c%s", rights & HOST_READ ? 'R' : '-', rights & HOST_WRITE ? 'W' : '-',
             rights & HOST_EXECUTE ? 'X' : '-', rights & REPORT_GUARD ? "G" : "");
    return text;
}

/* Sections whose names are numbers hold debug data: counted, not spelt. */
static void section_add(struct row *row, const struct report_line *line)
{
    const char *name = report.strings[line->section];
    size_t used = strlen(row->use);
    if (!line->section)
        return;
    if (name[0] == '/' || used + strlen(name) + 24 > USE_ROOM)
        row->others++;
    else
        snprintf(row->use + used, USE_ROOM - used, "%s%s", used ? " " : "", name);
}

static struct row row_begin(char mark, uint64_t base, uint64_t size, const struct report_line *before, const struct report_line *after)
{
    struct row row = {.mark = mark, .base = base, .size = size, .before = before, .after = after};
    snprintf(row.use, sizeof row.use, "%s", shown(&row)->use ? report.strings[shown(&row)->use] : "");
    section_add(&row, shown(&row));
    return row;
}

static bool same_state(const struct report_line *a, const struct report_line *b)
{
    return !a || !b ? a == b : a->committed == b->committed && a->rights == b->rights;
}

static bool joins(const struct row *row, const struct row *next)
{
    const struct report_line *a = shown(row), *b = shown(next);
    return row->mark == next->mark && row->base + row->size == next->base && a->allocation == b->allocation && a->use == b->use &&
           same_state(row->before, next->before) && same_state(row->after, next->after);
}

/* ---- the rows of a step --------------------------------------------------------------------------- */

struct rows { struct row *rows; unsigned count, room; };

static void row_add(struct rows *rows, struct row row)
{
    struct row *last = rows->count ? &rows->rows[rows->count - 1] : NULL;
    if (last && joins(last, &row)) {
        last->size += row.size;
        section_add(last, shown(&row));
        return;
    }
    if (rows->count == rows->room) {
        unsigned room = rows->room ? rows->room * 2 : 64;
        struct row *more = realloc(rows->rows, room * sizeof *more);
        if (!more) {
            report.broken = true;
            return;
        }
        rows->rows = more;
        rows->room = room;
    }
    rows->rows[rows->count++] = row;
}

/* Changes, and between them what stayed, where all is wanted. */
static void rows_make(struct rows *rows, const struct report_map *before, const struct report_map *after, bool all)
{
    unsigned count, next = 0;
    struct report_change *changes = report_diff(before, after, &count);
    unsigned line = 0;
    rows->count = 0;
    while (next < count || (all && line < after->count)) {
        const struct report_change *change = next < count ? &changes[next] : NULL;
        const struct report_line *stays = all && line < after->count ? &after->lines[line] : NULL;
        if (change && (!stays || change->base <= stays->base)) {
            row_add(rows, row_begin(!change->before ? '+' : !change->after ? '-' : '~', change->base, change->size, change->before, change->after));
            next++;
            while (line < after->count && after->lines[line].base < change->base + change->size)
                line++; /* lines end where changes end: both are cut at the same borders */
        } else if (stays) {
            row_add(rows, row_begin(' ', stays->base, stays->size, stays, stays));
            line++;
        }
    }
    free(changes);
}

/* ---- telling -------------------------------------------------------------------------------------- */

static void row_text(FILE *stream, const struct row *row, bool colour)
{
    char before[RIGHTS_ROOM], after[RIGHTS_ROOM];
    const char *ink = !colour ? "" : row->mark == '+' ? "\x1b[32m" : row->mark == '-' ? "\x1b[31m" : row->mark == '~' ? "\x1b[33m" : "";
    bool turns = row->mark == '~' && !same_state(row->before, row->after);
    fprintf(stream, "%s%c 0x%0*" PRIx64 "-0x%0*" PRIx64 " %9" PRIu64 " KiB  %s%s%s  ", ink, row->mark, CLI_DIGITS, row->base, CLI_DIGITS,
            row->base + row->size - 1, row->size / 1024, turns ? rights_text(row->before, before) : "", turns ? " > " : "",
            rights_text(shown(row), after));
    output_foreign(stream, row->use, strlen(row->use), 0);
    if (row->others)
        fprintf(stream, " and %u more", row->others);
    if (!shown(row)->committed)
        fputs(row->use[0] ? ", reserved" : "reserved", stream);
    fputs(*ink ? "\x1b[0m\n" : "\n", stream);
}

static void steps_text(FILE *stream, bool all)
{
    static const struct report_map empty;
    const struct report_map *before = &empty;
    struct rows rows = {0};
    for (unsigned i = 0; i < REPORT_STEP_COUNT; i++) {
        const struct report_step *step = &report.steps[i];
        if (!step->reached)
            continue;
        bool first = before == &empty;
        rows_make(&rows, first ? &step->map : before, &step->map, all || first);
        fprintf(stream, "%s%u %s%s\n", first ? "" : "\n", i + 1, report_step_name(i),
                first ? ": the map before" : rows.count ? "" : ": the map is as before");
        for (unsigned j = 0; j < rows.count; j++)
            row_text(stream, &rows.rows[j], cli_colours(stream));
        before = &step->map;
    }
    free(rows.rows);
}

static void steps_json(const char *program)
{
    static const char *const types[] = {"free", "image", "mapped", "private"};
    static const struct output_column lines[] = {{"start", "", OUTPUT_HEX, 0}, {"end", "", OUTPUT_HEX, 0}, {"size", "", OUTPUT_COUNT, 0},
        {"rights", "", OUTPUT_TEXT, 0}, {"committed", "", OUTPUT_YES, 0}, {"type", "", OUTPUT_TEXT, 0}, {"use", "", OUTPUT_TEXT, 0},
        {"section", "", OUTPUT_TEXT, 0}};
    static const struct output_column changes[] = {{"mark", "", OUTPUT_TEXT, 0}, {"start", "", OUTPUT_HEX, 0}, {"end", "", OUTPUT_HEX, 0},
        {"size", "", OUTPUT_COUNT, 0}, {"before", "", OUTPUT_TEXT, 0}, {"after", "", OUTPUT_TEXT, 0}, {"use", "", OUTPUT_TEXT, 0}};
    static const struct report_map empty;
    const struct report_map *before = &empty;
    struct rows rows = {0};
    struct output out;
    output_begin(&out, stdout, true, "diff-maps", program);
    output_table_begin(&out, "steps", "", NULL, 0);
    for (unsigned i = 0; i < REPORT_STEP_COUNT; i++) {
        const struct report_step *step = &report.steps[i];
        char was[RIGHTS_ROOM], is[RIGHTS_ROOM];
        if (!step->reached)
            continue;
        fprintf(stdout, "%s{\"name\": \"%s\"", out.comma ? ", " : "", report_step_name(i));
        out.comma = true;
        output_table_begin(&out, "lines", "", NULL, 0);
        for (unsigned j = 0; j < step->map.count; j++) {
            const struct report_line *line = &step->map.lines[j];
            output_row(&out, OUTPUT_COLUMNS(lines), OUTPUT_VALUES({.number = line->base}, {.number = line->base + line->size - 1},
                       {.number = line->size}, {.text = rights_text(line, is)}, {.number = line->committed}, {.text = types[line->type]},
                       {.text = report.strings[line->use]}, {.text = report.strings[line->section]}));
        }
        output_table_end(&out);
        output_table_begin(&out, "changes", "", NULL, 0);
        rows_make(&rows, before == &empty ? &step->map : before, &step->map, false);
        for (unsigned j = 0; j < rows.count; j++) {
            const struct row *row = &rows.rows[j];
            output_row(&out, OUTPUT_COLUMNS(changes), OUTPUT_VALUES({.text = (char[]){row->mark, 0}}, {.number = row->base},
                       {.number = row->base + row->size - 1}, {.number = row->size}, {.text = row->before ? rights_text(row->before, was) : NULL},
                       {.text = row->after ? rights_text(row->after, is) : NULL}, {.text = row->use}));
        }
        output_table_end(&out);
        putchar('}');
        before = &step->map;
    }
    output_table_end(&out);
    output_end(&out);
    free(rows.rows);
}

bool cli_diff_maps_end(const char *program, bool all, bool json)
{
    if (json)
        steps_json(program);
    else
        steps_text(stdout, all);
    if (report.broken)
        cli_say("%s: no memory for all of its steps", program);
    return !fflush(stdout) && !ferror(stdout) && !report.broken;
}
