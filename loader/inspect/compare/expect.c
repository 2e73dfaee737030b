/* A file of differences that are expected, each with its reason. It says what is written, never by which program: a behaviour of a
 * system is the same whoever meets it. An entry counts only as a whole: all its lines in their order, or none. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; unsigned bit; } lanes[] = {
    {"native", LANE_NATIVE}, {"reference", LANE_REFERENCE}, {"os", LANE_OS}, {"win32", LANE_WIN32}};
enum { LANE_COUNT = sizeof lanes / sizeof *lanes };

static unsigned lane_bit(const char *name, size_t length)
{
    for (unsigned i = 0; i < LANE_COUNT; i++)
        if (strlen(lanes[i].name) == length && !memcmp(lanes[i].name, name, length))
            return lanes[i].bit;
    return 0;
}

/* ---- the file ---- */

struct reading {
    struct expectations *expectations;
    struct expectation entry;     /* the one that is read */
    char **last;                  /* the text that an indented line goes on; NULL: none */
    unsigned line, begun;         /* begun: the entry's first line; 0: none is open */
    const char *why;
};

static void entry_free(struct expectation *entry)
{
    for (size_t i = 0; i < entry->line_count; i++)
        free(entry->lines[i].text);
    free(entry->lines), free(entry->reason), free(entry->source), free(entry->system), free(entry->machine);
    memset(entry, 0, sizeof *entry);
}

static bool wrong(struct reading *reading, const char *why)
{
    reading->why = why;
    return false;
}

static bool entry_close(struct reading *reading)
{
    struct expectation *entry = &reading->entry;
    if (!reading->begun)
        return true;
    unsigned behind = reading->line;
    reading->line = reading->begun;
    if (!entry->reason)
        return wrong(reading, "the entry has no `reason:`");
    if (!entry->lanes)
        return wrong(reading, "the entry has no `lanes:` that depart");
    if (!entry->line_count && !entry->has_exit)
        return wrong(reading, "the entry expects nothing: neither a line (- or +) nor `exit:`");
    reading->line = behind;
    struct expectations *all = reading->expectations;
    struct expectation *grown = realloc(all->list, (all->count + 1) * sizeof *grown);
    if (!grown)
        return wrong(reading, "no memory");
    all->list = grown;
    all->list[all->count++] = *entry;
    memset(entry, 0, sizeof *entry);
    reading->begun = 0;
    reading->last = NULL;
    return true;
}

static bool lanes_take(struct reading *reading, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " \t,");
        unsigned bit = lane_bit(text, length);
        if (length && !bit)
            return wrong(reading, "`lanes:` knows native, reference, os and win32");
        reading->entry.lanes |= bit;
        text += length;
        text += strspn(text, " \t,");
    }
    return true;
}

static bool number_read(const char **text, uint32_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(*text, &end, 0);
    if (!isdigit((unsigned char)**text) || errno || number > UINT32_MAX)
        return false;
    *value = (uint32_t)number;
    *text = end + strspn(end, " \t");
    return true;
}

static bool exit_take(struct reading *reading, const char *text)
{
    struct expectation *entry = &reading->entry;
    entry->exit_is_sum = *text == '+';
    text += entry->exit_is_sum;
    entry->has_exit = number_read(&text, &entry->exit[0]) && (entry->exit_is_sum || number_read(&text, &entry->exit[1])) && !*text;
    return entry->has_exit || wrong(reading, "`exit:` wants +N, or the two exit codes, the others' and theirs");
}

static bool text_take(struct reading *reading, char **into, const char *text)
{
    if (*into)
        return wrong(reading, "said twice in one entry");
    reading->last = into;
    *into = strdup(text);
    return *into || wrong(reading, "no memory");
}

static bool expected_take(struct reading *reading, bool departs, const char *text)
{
    struct expectation *entry = &reading->entry;
    struct expected_line *grown = realloc(entry->lines, (entry->line_count + 1) * sizeof *grown);
    if (!grown)
        return wrong(reading, "no memory");
    entry->lines = grown;
    char *copy = strdup(text);
    entry->lines[entry->line_count++] = (struct expected_line){copy, departs};
    reading->last = NULL;
    return copy || wrong(reading, "no memory");
}

static bool field_take(struct reading *reading, const char *line)
{
    static const char *const names[] = {"reason:", "source:", "system:", "machine:", "lanes:", "exit:"};
    struct expectation *entry = &reading->entry;
    char **const texts[] = {&entry->reason, &entry->source, &entry->system, &entry->machine};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(line, names[i], length))
            continue;
        const char *text = line + length + strspn(line + length, " \t");
        reading->last = NULL;
        return i < 4 ? text_take(reading, texts[i], text) : i == 4 ? lanes_take(reading, text) : exit_take(reading, text);
    }
    return wrong(reading, "neither `reason:`, `source:`, `lanes:`, `machine:`, `system:`, `exit:` nor a line that begins with - or +");
}

static bool line_take(struct reading *reading, const char *line)
{
    if (*line == '#')
        return true;
    if (!line[strspn(line, " \t")])
        return entry_close(reading);
    if (!reading->begun)
        reading->begun = reading->line;
    if (*line == ' ' || *line == '\t') {
        char *longer = NULL;
        if (!reading->last)
            return wrong(reading, "an indented line goes on with a reason or a source, and there is none before it");
        if (asprintf(&longer, "%s %s", *reading->last, line + strspn(line, " \t")) < 0)
            return wrong(reading, "no memory");
        free(*reading->last);
        *reading->last = longer;
        return true;
    }
    if ((*line == '-' || *line == '+') && (line[1] == ' ' || !line[1]))
        return expected_take(reading, *line == '+', line + (line[1] ? 2 : 1));
    return field_take(reading, line);
}

bool expectations_take(struct expectations *expectations, const char *text, size_t length, char **why)
{
    struct reading reading = {.expectations = expectations};
    bool good = true;
    *why = NULL;
    for (size_t at = 0; good && at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end ? (size_t)(end - text) - at : length - at, shown = size && text[at + size - 1] == '\r' ? size - 1 : size;
        char *line = strndup(text + at, shown);
        reading.line++;
        good = !line ? wrong(&reading, "no memory") : strlen(line) != shown ? wrong(&reading, "not text") : line_take(&reading, line);
        free(line);
        at += size + 1;
    }
    good = good && entry_close(&reading);
    entry_free(&reading.entry);
    if (!good && asprintf(why, "line %u: %s", reading.line, reading.why) < 0)
        *why = NULL;
    return good;
}

void expectations_free(struct expectations *expectations)
{
    for (size_t i = 0; i < expectations->count; i++)
        entry_free(&expectations->list[i]);
    free(expectations->list);
    memset(expectations, 0, sizeof *expectations);
}

/* ---- what it means ---- */

/* The lane reference is Wine's loader, wherever it runs; of os and win32 the document says which system answered. */
static bool on_system(const struct document *document, const char *system)
{
    const char *own = is_lane(document, "reference") ? "Wine" : member_text(document->root, "system");
    return !system || !strncasecmp(own, system, strlen(system));
}

bool expectation_applies(const struct comparison *comparison, const struct expectation *expectation, bool *b_departs)
{
    const struct document *a = &comparison->a, *b = &comparison->b;
    bool in_a = expectation->lanes & lane_bit(a->lane, strlen(a->lane)), in_b = expectation->lanes & lane_bit(b->lane, strlen(b->lane));
    *b_departs = in_b;
    return in_a != in_b && (!expectation->machine || !strcmp(expectation->machine, a->machine)) && on_system(in_b ? b : a, expectation->system);
}

/* Backtracks to the last star alone, so that time grows with the product of the lengths at most. */
bool expectation_fits(const char *pattern, const char *line)
{
    const char *star = NULL, *from = NULL;
    while (*line || *pattern) {
        if (*pattern == '*') {
            star = ++pattern;
            from = line;
            continue;
        }
        const char *literal = pattern + (pattern[0] == '\\' && pattern[1] == '*');
        if (*literal && *literal == *line) {
            pattern = literal + 1;
            line++;
        } else if (star && *from) {
            pattern = star;
            line = ++from;
        } else
            return false;
    }
    return true;
}
