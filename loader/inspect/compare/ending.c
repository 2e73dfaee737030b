/* How it ended: exit code, and what it wrote. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- exit code ---- */

static bool timed_out(const json_t *exit) { return !strcmp(member_text(exit, "how"), "timeout"); }

/* A program that waits for something that does not come uses no processor but for its start; one that is slow does, be the machine
 * as busy as it may. */
static bool was_working(const json_t *exit)
{
    int64_t used = member_number(exit, "cpu_ms"), elapsed = member_number(exit, "elapsed_ms");
    return used > 0 && elapsed > 0 && used >= elapsed / 32;
}

static const char *limit_cause(const json_t *a, const json_t *b)
{
    if (timed_out(a) && timed_out(b))
        return "the time limit ended it on both lanes";
    return was_working(timed_out(a) ? a : b) ? "the time limit ended it on one lane, where it was still working" : NULL;
}

/* What the expected lines that were found say of the exit code, or an entry that speaks of exit codes alone. */
static const char *expected_cause(const struct comparison *comparison, bool same_way, uint32_t a, uint32_t b)
{
    const struct expectations *all = comparison->expectations;
    if (comparison->exit_expected && same_way && (uint32_t)(b - a) == (uint32_t)comparison->exit_moved)
        return "the expected differences of the output move the exit code by just so much";
    for (size_t i = 0; all && i < all->count; i++) {
        const struct expectation *expectation = &all->list[i];
        bool b_departs;
        if (expectation->has_exit && !expectation->exit_is_sum && expectation_applies(comparison, expectation, &b_departs) &&
            expectation->exit[0] == (b_departs ? a : b) && expectation->exit[1] == (b_departs ? b : a))
            return expectation->reason;
    }
    return NULL;
}

static const char *status_cause(const json_t *a, const json_t *b)
{
    const char *how_a = member_text(a, "how"), *how_b = member_text(b, "how");
    if (member_hex(a, "code") != member_hex(b, "code") || member_hex(a, "code") >> 30 != 3) /* not an NTSTATUS of the kind error */
        return NULL;
    /* A loader outside the process refuses before there is one; Wine's, inside it, ends it with the same status. */
    if ((!strcmp(how_a, "refused") && !strcmp(how_b, "exited")) || (!strcmp(how_b, "refused") && !strcmp(how_a, "exited")))
        return "the same status: refused before it began, or ended by its own loader";
    /* RtlUserThreadStart of Wine's ntdll catches what nobody handled and ends the process itself; ours leaves it to the kernel. */
    if ((!strcmp(how_a, "exception") && !strcmp(how_b, "exited")) || (!strcmp(how_b, "exception") && !strcmp(how_a, "exited")))
        return "the same status: an exception that nobody handled, ended by the kernel or by Wine's last handler";
    return NULL;
}

static void exit_compare(struct comparison *comparison)
{
    const json_t *a = json_object_get(comparison->a.root, "exit"), *b = json_object_get(comparison->b.root, "exit");
    char left[64], right[64];
    if (!json_is_object(a) || !json_is_object(b))
        return; /* somebody did not wait for it */
    snprintf(left, sizeof left, "%.30s %.20s", member_text(a, "code"), member_text(a, "how"));
    snprintf(right, sizeof right, "%.30s %.20s", member_text(b, "code"), member_text(b, "how"));
    if (timed_out(a) || timed_out(b)) {
        const char *cause = limit_cause(a, b);
        difference_add(comparison, CLASS_TIME_LIMIT, PLACE_OF(NULL), left, right, cause,
                       cause ? "not compared to the end" : "the time limit ended it on one lane, where it was waiting");
        return;
    }
    if (!strcmp(left, right) && !(comparison->exit_expected && comparison->exit_moved))
        return;
    const char *cause = status_cause(a, b);
    if (cause) {
        difference_add(comparison, CLASS_EXIT, PLACE_OF(NULL), left, right, cause, "it ended differently");
        return;
    }
    cause = expected_cause(comparison, !strcmp(member_text(a, "how"), member_text(b, "how")), (uint32_t)member_hex(a, "code"),
                           (uint32_t)member_hex(b, "code"));
    difference_add(comparison, CLASS_EXPECTED, PLACE_OF(NULL), left, right, cause,
                   strcmp(left, right) ? "it ended differently" : "the exit code does not count the expected differences");
}

/* ---- output ---- */

/* peload's own report of an exception that nobody handled goes to the guest's standard error, as Wine's does; it is not what the
 * program wrote. It begins a line with the reporter's name and goes to the end. */
static size_t own_report(const char *text)
{
    size_t at = 0;
    while (text[at] && strncmp(text + at, "peload: ", 8) && strncmp(text + at, "wine: ", 6)) {
        at += strcspn(text + at, "\n");
        at += text[at] == '\n';
    }
    return at;
}

static const char *again_of(const struct comparison *comparison, unsigned side, const char *key)
{
    return comparison->again[side] ? member_text(comparison->again[side], key) : NULL;
}

/* A byte that is no UTF-8 has become longer, none has become shorter. */
static bool is_cut(const char *text, int64_t size) { return size > (int64_t)strlen(text); }

static void stream_compare(struct comparison *comparison, const json_t *a, const json_t *b, const char *key)
{
    char hash[32], size[32];
    snprintf(hash, sizeof hash, "%s_hash", key);
    snprintf(size, sizeof size, "%s_size", key);
    const char *x = member_text(a, key), *y = member_text(b, key);
    bool same_bytes = !strcmp(member_text(a, hash), member_text(b, hash));
    if (same_bytes && !strcmp(x, y))
        return;
    /* Equal in what is told and not in all bytes: bytes that are no UTF-8, or what lies behind the cut. */
    struct stream stream = {.name = key, .a = x, .b = y, .again_a = again_of(comparison, 0, key), .again_b = again_of(comparison, 1, key),
                            .cut = !strcmp(x, y) || is_cut(x, member_number(a, size)) || is_cut(y, member_number(b, size))};
    size_t length_x = own_report(x), length_y = own_report(y);
    if (strcmp(key, "stderr") || (!x[length_x] && !y[length_y])) {
        compare_stream(comparison, &stream);
        return;
    }
    if (strcmp(x + length_x, y + length_y))
        difference_add(comparison, CLASS_OUTPUT, PLACE_OF(NULL), NULL, NULL, "the lane's own report of how the program ended", "%s is not the same", key);
    char *own_x = strndup(x, length_x), *own_y = strndup(y, length_y);
    stream.a = own_x, stream.b = own_y, stream.cut = false;
    if (!own_x || !own_y)
        comparison->failed = true;
    else if (strcmp(own_x, own_y))
        compare_stream(comparison, &stream);
    free(own_x), free(own_y);
}

void compare_ending(struct comparison *comparison)
{
    const json_t *a = json_object_get(comparison->a.root, "output"), *b = json_object_get(comparison->b.root, "output");
    if (json_is_object(a) && json_is_object(b)) {
        stream_compare(comparison, a, b, "stdout");
        stream_compare(comparison, a, b, "stderr");
    }
    exit_compare(comparison); /* behind the output, whose expected differences may move it */
}

bool compare_again_helps(const struct comparison *comparison)
{
    const json_t *a = json_object_get(comparison->a.root, "exit"), *b = json_object_get(comparison->b.root, "exit");
    if (!comparison->a.module_count || !comparison->b.module_count || timed_out(a) || timed_out(b))
        return false;
    for (size_t i = 0; i < comparison->count && comparison->list[i].class == CLASS_UNEXPLAINED; i++)
        if (!strncmp(comparison->list[i].text, "stdout: ", 8) || !strncmp(comparison->list[i].text, "stderr: ", 8))
            return true;
    return false;
}
