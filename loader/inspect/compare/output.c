/* Two outputs, line by line.
 *
 *   1  which line is which: the longest common row of lines that are one but for their numbers
 *   2  each pair: what its numbers are
 *   3  of what is left: differences that were expected
 *   4  the same lines in another order, where several threads or processes wrote them
 *   5  the end that one side lacks because the time limit ended it
 *
 * What then is left is unexplained. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 1 << 22, SHOWN = 40, REPEATS = 1000 }; /* SHOWN: lines of one class and cause that are told one by one */

struct line { char *text; uint64_t shape; size_t twin; bool told; };
struct text { char *copy; struct line *lines; size_t count; };
static const size_t NO_TWIN = SIZE_MAX;

/* A line without its numbers, and with one blank where several stand: a hash. */
static uint64_t shape_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u, ignored;
    bool whole;
    while (*text) {
        unsigned char byte = (unsigned char)*text;
        if (number_take(&text, &ignored, &whole))
            byte = 1;
        else
            text += byte == ' ' ? strspn(text, " ") : 1;
        hash = (hash ^ byte) * 0x100000001b3u;
    }
    return hash;
}

static bool text_split(struct text *text, const char *whole)
{
    size_t room = 1;
    for (const char *at = whole; *at; at++)
        room += *at == '\n';
    *text = (struct text){.copy = strdup(whole), .lines = calloc(room, sizeof *text->lines)};
    if (!text->copy || !text->lines)
        return false;
    for (char *at = text->copy, *line; at && *at;) {
        line = strsep(&at, "\n");
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[length - 1] = 0;
        text->lines[text->count++] = (struct line){.text = line, .shape = shape_of(line), .twin = NO_TWIN};
    }
    return true;
}

static void text_free(struct text *text) { free(text->copy), free(text->lines); }

/* A line that nothing has explained yet. */
static bool is_left(const struct text *text, size_t line)
{
    return line < text->count && text->lines[line].twin == NO_TWIN && !text->lines[line].told;
}

/* ---- which line is which ---- */

static void twins_set(struct text *a, struct text *b, size_t i, size_t k)
{
    a->lines[i].twin = k;
    b->lines[k].twin = i;
}

static uint32_t worth(const struct line *a, const struct line *b)
{
    return a->shape != b->shape ? 0 : strcmp(a->text, b->text) ? 2 : 3;
}

/* The middle part by the table of best rows; a text too long for it stays without twins there. */
static bool middle_align(struct text *a, struct text *b, size_t first, size_t end_a, size_t end_b)
{
    size_t rows = end_a - first, columns = end_b - first, width = columns + 1;
    if (!rows || !columns || rows > CELLS / width - 1)
        return true;
    uint32_t *best = calloc((rows + 1) * width, sizeof *best);
    if (!best)
        return false;
    for (size_t i = rows; i-- > 0;)
        for (size_t k = columns; k-- > 0;) {
            uint32_t pair = worth(&a->lines[first + i], &b->lines[first + k]);
            uint32_t skip_a = best[(i + 1) * width + k], skip_b = best[i * width + k + 1], both = pair ? best[(i + 1) * width + k + 1] + pair : 0;
            best[i * width + k] = both >= skip_a && both >= skip_b ? both : skip_a > skip_b ? skip_a : skip_b;
        }
    for (size_t i = 0, k = 0; i < rows && k < columns;) {
        uint32_t pair = worth(&a->lines[first + i], &b->lines[first + k]);
        if (pair && best[i * width + k] == best[(i + 1) * width + k + 1] + pair)
            twins_set(a, b, first + i++, first + k++);
        else if (best[i * width + k] == best[(i + 1) * width + k])
            i++;
        else
            k++;
    }
    free(best);
    return true;
}

static bool align(struct text *a, struct text *b)
{
    size_t first = 0, end_a = a->count, end_b = b->count;
    while (first < end_a && first < end_b && worth(&a->lines[first], &b->lines[first]) == 3) {
        twins_set(a, b, first, first);
        first++;
    }
    while (end_a > first && end_b > first && worth(&a->lines[end_a - 1], &b->lines[end_b - 1]) == 3)
        twins_set(a, b, --end_a, --end_b);
    return middle_align(a, b, first, end_a, end_b);
}

/* ---- telling ---- */

struct output {
    struct comparison *comparison;
    const struct stream *stream;
    struct text a, b, again_a, again_b, of_a, of_b; /* of_a: side a again, aligned with again_a */
    unsigned told[CLASS_COUNT];
};

static const char *lane_of(const struct output *output, bool b) { return (b ? &output->comparison->b : &output->comparison->a)->lane; }

static void tell(struct output *output, enum compare_class class, const char *a, const char *b, const char *cause, const char *what)
{
    char left[200], right[200];
    if (!cause)
        class = CLASS_UNEXPLAINED;
    unsigned count = ++output->told[class];
    snprintf(left, sizeof left, "%s", a ? a : "");
    snprintf(right, sizeof right, "%s", b ? b : "");
    if (count < SHOWN)
        difference_add(output->comparison, class, PLACE_OF(NULL), a ? left : NULL, b ? right : NULL, cause, "%s: %s", output->stream->name, what);
    else if (count == SHOWN)
        difference_add(output->comparison, class, PLACE_OF(NULL), a ? left : NULL, b ? right : NULL, cause, "%s: %s, and more of these",
                       output->stream->name, what);
}

/* ---- 2: pairs ---- */

static const char *again_line(const struct text *side, const struct text *again, size_t line)
{
    return line < side->count && side->lines[line].twin != NO_TWIN ? again->lines[side->lines[line].twin].text : NULL;
}

static void pairs_judge(struct output *output)
{
    for (size_t i = 0; i < output->a.count; i++) {
        struct line *a = &output->a.lines[i], *b = a->twin == NO_TWIN ? NULL : &output->b.lines[a->twin];
        const char *cause = NULL;
        if (!b || !strcmp(a->text, b->text))
            continue;
        enum compare_class class = numbers_judge(output->comparison, a->text, b->text, again_line(&output->of_a, &output->again_a, i),
                                                 again_line(&output->of_b, &output->again_b, a->twin), &cause);
        if (class == CLASS_UNEXPLAINED) {
            a->twin = b->twin = NO_TWIN; /* may still be one that was expected */
            continue;
        }
        a->told = b->told = true;
        if (class != CLASS_COUNT)
            tell(output, class, a->text, b->text, cause, "numbers differ");
    }
}

/* ---- 3: what was expected ---- */

static struct line *left_find(struct text *text, size_t *from, const char *pattern)
{
    for (; *from < text->count; ++*from) {
        struct line *line = &text->lines[*from];
        if (is_left(text, *from) && expectation_fits(pattern, line->text))
            return ++*from, line;
    }
    return NULL;
}

/* All its lines, or none. mark: they are told. */
static bool expectation_found(struct output *output, const struct expectation *expectation, bool b_departs, bool mark, const char *first[2])
{
    size_t from[2] = {0, 0};
    for (size_t i = 0; i < expectation->line_count; i++) {
        bool in_b = expectation->lines[i].departs == b_departs;
        struct line *line = left_find(in_b ? &output->b : &output->a, &from[in_b], expectation->lines[i].text);
        if (!line)
            return false;
        if (!first[in_b])
            first[in_b] = line->text;
        line->told |= mark;
    }
    return expectation->line_count != 0;
}

static void expectations_apply(struct output *output)
{
    const struct expectations *all = output->comparison->expectations;
    for (size_t i = 0; all && i < all->count; i++) {
        const struct expectation *expectation = &all->list[i];
        bool b_departs;
        if (!expectation_applies(output->comparison, expectation, &b_departs))
            continue;
        for (unsigned times = 0; times < REPEATS; times++) {
            const char *first[2] = {NULL, NULL};
            char what[160];
            if (!expectation_found(output, expectation, b_departs, false, first))
                break;
            expectation_found(output, expectation, b_departs, true, first);
            snprintf(what, sizeof what, "%zu line%s as expected of lane %s", expectation->line_count, expectation->line_count == 1 ? "" : "s",
                     lane_of(output, b_departs));
            tell(output, CLASS_EXPECTED, first[0], first[1], expectation->reason, what);
            if (expectation->has_exit && expectation->exit_is_sum) {
                output->comparison->exit_moved += b_departs ? (int64_t)expectation->exit[0] : -(int64_t)expectation->exit[0];
                output->comparison->exit_expected = true;
            }
        }
    }
}

/* ---- 4: order ---- */

static int by_text(const void *a, const void *b) { return strcmp((*(struct line *const *)a)->text, (*(struct line *const *)b)->text); }

static struct line **left_sorted(struct text *text, size_t *count)
{
    struct line **left = calloc(text->count + 1, sizeof *left);
    *count = 0;
    for (size_t i = 0; left && i < text->count; i++)
        if (is_left(text, i))
            left[(*count)++] = &text->lines[i];
    if (left && *count)
        qsort(left, *count, sizeof *left, by_text);
    return left;
}

/* Did the program start threads or processes, as one of the two lanes saw it? */
static bool had_company(const struct comparison *comparison)
{
    const struct document *sides[2] = {&comparison->a, &comparison->b};
    for (unsigned i = 0; i < 2; i++) {
        const json_t *started = json_object_get(json_object_get(sides[i]->root, "exit"), "started");
        if (member_number(started, "threads") > 0 || member_number(started, "processes") > 0)
            return true;
    }
    return false;
}

static bool order_explain(struct output *output)
{
    size_t count_a, count_b, equal = 0;
    struct line **a = left_sorted(&output->a, &count_a), **b = left_sorted(&output->b, &count_b);
    bool good = a && b;
    while (good && count_a == count_b && equal < count_a && !strcmp(a[equal]->text, b[equal]->text))
        equal++;
    if (good && count_a && count_a == count_b && equal == count_a && had_company(output->comparison)) {
        for (size_t i = 0; i < count_a; i++)
            a[i]->told = b[i]->told = true;
        tell(output, CLASS_LINE_ORDER, a[0]->text, b[0]->text,
             "the same lines, written by several threads or processes, whose turns nobody promises", "lines in another order");
    }
    free(a), free(b);
    return good;
}

/* ---- 5: cut off by the time limit ---- */

static bool timed_out(const struct document *document)
{
    return !strcmp(member_text(json_object_get(document->root, "exit"), "how"), "timeout");
}

static size_t left_count(const struct text *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->count; i++)
        count += is_left(text, i);
    return count;
}

/* All that is left lies behind the last line of the side that was ended, but for the line in which that happened. */
static void limit_explain(struct output *output, bool b_ended)
{
    struct text *ended = b_ended ? &output->b : &output->a, *other = b_ended ? &output->a : &output->b;
    size_t tail = other->count, left = left_count(other), left_ended = left_count(ended);
    while (tail && is_left(other, tail - 1))
        tail--;
    struct line *last = ended->count ? &ended->lines[ended->count - 1] : NULL;
    bool part = left_ended == 1 && is_left(ended, ended->count - 1) && left && !strncmp(other->lines[tail].text, last->text, strlen(last->text));
    if (!left || left != other->count - tail || (left_ended && !part))
        return;
    for (size_t i = tail; i < other->count; i++)
        other->lines[i].told = true;
    if (part)
        last->told = true;
    const char *from = other->lines[tail].text, *to = part ? last->text : NULL;
    tell(output, CLASS_TIME_LIMIT, b_ended ? from : to, b_ended ? to : from, "up to there both wrote the same, then the time limit ended one",
         "the end is missing");
}

/* ---- the rest ---- */

static size_t behind_told(const struct text *text, size_t line)
{
    while (line < text->count && text->lines[line].twin == NO_TWIN && text->lines[line].told)
        line++;
    return line;
}

static void rest_tell(struct output *output)
{
    struct text *a = &output->a, *b = &output->b;
    for (size_t i = behind_told(a, 0), k = behind_told(b, 0); i < a->count || k < b->count; i = behind_told(a, i), k = behind_told(b, k)) {
        bool left_a = is_left(a, i), left_b = is_left(b, k);
        if (left_a || left_b)
            tell(output, CLASS_UNEXPLAINED, left_a ? a->lines[i].text : NULL, left_b ? b->lines[k].text : NULL, NULL,
                 left_a && left_b ? "another line" : "a line that the other lane lacks");
        bool pair = !left_a && !left_b; /* two that are each other's twins */
        i += left_a || (pair && i < a->count);
        k += left_b || (pair && k < b->count);
    }
}

static bool texts_take(struct output *output)
{
    const struct stream *stream = output->stream;
    return text_split(&output->a, stream->a) && text_split(&output->b, stream->b) &&
           (!stream->again_a || (text_split(&output->of_a, stream->a) && text_split(&output->again_a, stream->again_a) &&
                                 align(&output->of_a, &output->again_a))) &&
           (!stream->again_b || (text_split(&output->of_b, stream->b) && text_split(&output->again_b, stream->again_b) &&
                                 align(&output->of_b, &output->again_b))) &&
           align(&output->a, &output->b);
}

void compare_stream(struct comparison *comparison, const struct stream *stream)
{
    struct output output = {.comparison = comparison, .stream = stream};
    size_t before = comparison->count;
    if (texts_take(&output)) {
        pairs_judge(&output);
        expectations_apply(&output);
        comparison->failed |= !order_explain(&output);
        bool a_ended = timed_out(&comparison->a), b_ended = timed_out(&comparison->b);
        if (a_ended)
            limit_explain(&output, false);
        if (b_ended)
            limit_explain(&output, true);
        rest_tell(&output);
        if (stream->cut && !a_ended && !b_ended)
            tell(&output, CLASS_UNEXPLAINED, NULL, NULL, NULL, "behind what a snapshot keeps the outputs differ");
        else if (comparison->count == before) /* and they are not the same */
            tell(&output, CLASS_UNEXPLAINED, NULL, NULL, NULL, "the same lines with other ends");
    } else
        comparison->failed = true;
    text_free(&output.a), text_free(&output.b), text_free(&output.again_a), text_free(&output.again_b);
    text_free(&output.of_a), text_free(&output.of_b);
}
