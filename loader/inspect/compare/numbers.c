/* Numbers of two lines that are otherwise one. A difference is no difference between loaders where both mean the same thing in their
 * process, where they were measured, or where one lane alone does not say them twice alike. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool number_take(const char **at, uint64_t *value, bool *whole)
{
    const char *text = *at;
    char *end;
    bool prefixed = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit((unsigned char)text[2]);
    size_t digits = strspn(text, "0123456789"), hex = strspn(text, "0123456789abcdefABCDEF");
    if (!prefixed && !digits && hex < 4)
        return false;
    bool decimal = !prefixed && (hex == digits || hex < 4);
    *whole = true;
    *value = strtoull(text, &end, decimal ? 10 : 16);
    for (; decimal && *end == '.' && isdigit((unsigned char)end[1]); *whole = false) /* a fraction; or a version, which is one word too */
        end += 1 + strspn(end + 1, "0123456789");
    *at = end;
    return true;
}

/* ---- what it stands for ---- */

enum meaning { MEANING_NONE, MEANING_ID, MEANING_HANDLE, MEANING_ADDRESS };

static enum meaning meaning_of(const struct document *document, uint64_t value, struct module **module, uint64_t *rva)
{
    const json_t *process = json_object_get(document->root, "process"), *threads = json_object_get(document->root, "threads"),
                 *handles = json_object_get(document->root, "handles"), *item;
    size_t i;
    if ((*module = document_module_at(document, value))) {
        *rva = value - (*module)->base;
        return MEANING_ADDRESS;
    }
    if (document_area_at(document, value))
        return MEANING_ADDRESS;
    if ((int64_t)value > 0 && member_number(process, "id") == (int64_t)value)
        return MEANING_ID;
    json_array_foreach(threads, i, item)
        if ((int64_t)value > 0 && member_number(item, "id") == (int64_t)value)
            return MEANING_ID;
    json_array_foreach(handles, i, item)
        if (member_hex(item, "handle") == value)
            return MEANING_HANDLE;
    return MEANING_NONE;
}

/* Two addresses that one import slot holds, here and there: where it leads is compared for itself (slots.c). */
static bool one_slot_holds(const struct document *a, uint64_t x, uint64_t y)
{
    for (size_t m = 0; m < a->module_count; m++) {
        size_t i, k;
        const json_t *import, *function;
        if (!a->modules[m].twin)
            continue;
        const json_t *others = json_object_get(a->modules[m].twin->json, "imports");
        json_array_foreach(json_object_get(a->modules[m].json, "imports"), i, import)
        {
            const json_t *there = json_object_get(json_array_get(others, i), "functions");
            json_array_foreach(json_object_get(import, "functions"), k, function)
            {
                const json_t *twin = json_array_get(there, k);
                if (member_hex(function, "value") == x && twin && member_equal(function, twin, "slot_rva") && member_hex(twin, "value") == y)
                    return true;
            }
        }
    }
    return false;
}

static bool mean_the_same(const struct comparison *comparison, uint64_t x, uint64_t y)
{
    struct module *in_a, *in_b;
    uint64_t at_a = 0, at_b = 0;
    enum meaning a = meaning_of(&comparison->a, x, &in_a, &at_a), b = meaning_of(&comparison->b, y, &in_b, &at_b);
    if (a == MEANING_NONE || a != b)
        return false;
    if (in_a && in_b && (in_a->twin != in_b || at_a != at_b))
        return one_slot_holds(&comparison->a, x, y);
    return !in_a == !in_b;
}

/* ---- measured ---- */

/* Words that make the number before them, or in whose label it stands, a time or a rate. */
static const char *const units[] = {"ns", "us", "µs", "μs", "ms", "s", "sec", "secs", "second", "seconds", "minute", "minutes", "min",
    "hour", "hours", "nanosecond", "nanoseconds", "microsecond", "microseconds", "millisecond", "milliseconds", "cycles", NULL};
static const char *const per_second[] = {"B/s", "kB/s", "KB/s", "MB/s", "GB/s", "KiB/s", "MiB/s", "GiB/s", "bytes/s", "ops/s", "/s",
    "Mbit/s", "Gbit/s", "fps", "Hz", "kHz", "MHz", "GHz", "per second", NULL};
static const char *const labels[] = {"time", "elapsed", "duration", "took", "latency", "rate", "speed", "throughput", NULL};

static bool word_is(const char *const *words, const char *text, size_t length)
{
    while (*words && (strlen(*words) != length || strncasecmp(*words, text, length)))
        words++;
    return *words != NULL;
}

static bool is_letter(char letter) { return isalnum((unsigned char)letter) || (letter & 0x80); }

static bool unit_follows(const char *text)
{
    text += *text == ' ';
    size_t length = 0;
    while (is_letter(text[length]))
        length++;
    if (length && word_is(units, text, length))
        return true;
    for (size_t i = 0; per_second[i]; i++) {
        size_t size = strlen(per_second[i]);
        if (!strncmp(text, per_second[i], size) && !is_letter(text[size]))
            return true;
    }
    return false;
}

/* The label right before the number: letters and _, and between it and the number nothing but blanks, = or a colon. Any of its words
 * counts: load_us, elapsed, time_ratio. */
static bool label_measures(const char *line, const char *number)
{
    while (number > line && strchr(" \t=:", number[-1]))
        number--;
    while (number > line) {
        const char *end = number;
        while (number > line && is_letter(number[-1]))
            number--;
        if (number == end)
            return false;
        if (word_is(units, number, (size_t)(end - number)) || word_is(labels, number, (size_t)(end - number)))
            return true;
        if (number == line || number[-1] != '_')
            return false;
        number--;
    }
    return false;
}

/* ---- two lines ---- */

static bool texts_equal(const char *a, const char *a_end, const char *b, const char *b_end)
{
    return a_end - a == b_end - b && !memcmp(a, b, (size_t)(a_end - a));
}

/* Does the number with that ordinal differ in the line of a second run? */
static bool varies(const char *line, const char *again, unsigned ordinal)
{
    uint64_t ignored;
    bool whole;
    for (unsigned count = 0; again && *line && *again;) {
        const char *from = line, *from_again = again;
        bool number = number_take(&line, &ignored, &whole);
        if (number_take(&again, &ignored, &whole) != number)
            return false;
        if (number && count++ == ordinal)
            return !texts_equal(from, line, from_again, again);
        if (!number && *line == ' ' && *again == ' ')
            line += strspn(line, " "), again += strspn(again, " ");
        else if (!number && *line++ != *again++)
            return false;
    }
    return false;
}

static size_t number_length(const char *text)
{
    const char *end = text;
    uint64_t ignored;
    bool whole;
    return number_take(&end, &ignored, &whole) ? (size_t)(end - text) : 0;
}

/* Blanks before a number, or behind one, that fill a column. */
static bool column_filled(const char *a, const char *b, size_t before_a, size_t before_b)
{
    size_t blanks_a = strspn(a, " "), blanks_b = strspn(b, " ");
    size_t next_a = number_length(a + blanks_a), next_b = number_length(b + blanks_b);
    return blanks_a == blanks_b || (next_a && next_b && blanks_a + next_a == blanks_b + next_b) ||
           (before_a && before_b && before_a + blanks_a == before_b + blanks_b);
}

enum compare_class numbers_judge(const struct comparison *comparison, const char *a, const char *b, const char *again_a, const char *again_b,
                                 const char **cause)
{
    const char *line_a = a, *line_b = b;
    enum compare_class class = CLASS_COUNT;
    size_t before_a = 0, before_b = 0;
    for (unsigned ordinal = 0; *a || *b;) {
        uint64_t x, y;
        const char *from_a = a, *from_b = b;
        bool whole_a, whole_b, number = number_take(&a, &x, &whole_a);
        if (number_take(&b, &y, &whole_b) != number)
            return *cause = NULL, CLASS_UNEXPLAINED;
        if (!number) {
            if (*a != *b || (*a == ' ' && !column_filled(a, b, before_a, before_b)))
                return *cause = NULL, CLASS_UNEXPLAINED;
            bool blank = *a == ' ';
            a += blank ? strspn(a, " ") : 1;
            b += blank ? strspn(b, " ") : 1;
            before_a = before_b = 0;
            continue;
        }
        unsigned place = ordinal++;
        before_a = (size_t)(a - from_a), before_b = (size_t)(b - from_b);
        if (texts_equal(from_a, a, from_b, b))
            continue;
        if (whole_a && whole_b && mean_the_same(comparison, x, y)) {
            if (class == CLASS_COUNT)
                class = CLASS_IDENTITY, *cause = "numbers that mean the same in each process: addresses, IDs, handles";
        } else if ((unit_follows(a) && unit_follows(b)) || label_measures(line_a, from_a))
            class = CLASS_TIMING, *cause = "a time or a rate, by the unit or the label that stands with it";
        else if (varies(line_a, again_a, place) || varies(line_b, again_b, place))
            class = CLASS_OUTPUT, *cause = "numbers that vary on one lane too, from run to run";
        else
            return *cause = NULL, CLASS_UNEXPLAINED;
    }
    return class;
}
