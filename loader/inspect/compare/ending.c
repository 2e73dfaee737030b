/* How it ended: exit code, and what it wrote. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void exit_compare(struct comparison *comparison)
{
    const json_t *a = json_object_get(comparison->a.root, "exit"), *b = json_object_get(comparison->b.root, "exit");
    char left[64], right[64];
    if (!json_is_object(a) || !json_is_object(b))
        return; /* somebody did not wait for it */
    snprintf(left, sizeof left, "%.30s %.20s", member_text(a, "code"), member_text(a, "how"));
    snprintf(right, sizeof right, "%.30s %.20s", member_text(b, "code"), member_text(b, "how"));
    if (!strcmp(left, right))
        return;
    const char *cause = NULL, *how_a = member_text(a, "how"), *how_b = member_text(b, "how");
    if (member_hex(a, "code") == member_hex(b, "code") && member_hex(a, "code") >> 30 == 3) { /* an NTSTATUS of the kind error */
        /* A loader outside the process refuses before there is one; Wine's, inside it, ends it with the same status. */
        if ((!strcmp(how_a, "refused") && !strcmp(how_b, "exited")) || (!strcmp(how_b, "refused") && !strcmp(how_a, "exited")))
            cause = "the same status: refused before it began, or ended by its own loader";
        /* RtlUserThreadStart of Wine's ntdll catches what nobody handled and ends the process itself; ours leaves it to the kernel. */
        if ((!strcmp(how_a, "exception") && !strcmp(how_b, "exited")) || (!strcmp(how_b, "exception") && !strcmp(how_a, "exited")))
            cause = "the same status: an exception that nobody handled, ended by the kernel or by Wine's last handler";
    }
    difference_add(comparison, CLASS_EXIT, PLACE_OF(NULL), left, right, cause, "it ended differently");
}

/* ---- output ---- */

/* The number at *at where one stands there: decimal, or hexadecimal with 0x, or at least four hexadecimal digits. Moves *at. */
static bool number_take(const char **at, uint64_t *value)
{
    const char *text = *at;
    char *end;
    bool prefixed = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit((unsigned char)text[2]);
    size_t digits = strspn(text, "0123456789"), hex = strspn(text, "0123456789abcdefABCDEF");
    if (!prefixed && !digits && hex < 4)
        return false;
    *value = strtoull(text, &end, prefixed || hex > digits ? 16 : 10);
    *at = end;
    return true;
}

/* What a number of the output may stand for in that process. */
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

static bool numbers_agree(const struct comparison *comparison, uint64_t x, uint64_t y)
{
    struct module *in_a, *in_b;
    uint64_t at_a = 0, at_b = 0;
    enum meaning a = meaning_of(&comparison->a, x, &in_a, &at_a), b = meaning_of(&comparison->b, y, &in_b, &at_b);
    if (a == MEANING_NONE || a != b)
        return false;
    return !in_a && !in_b ? true : in_a && in_a->twin == in_b && at_a == at_b;
}

/* Both texts are one but for numbers, and each pair of these means the same thing in its process: an address at the same place of the
 * same module, an address of own memory, an ID, a handle. */
static bool same_by_meaning(const struct comparison *comparison, const char *a, const char *b)
{
    while (*a || *b) {
        uint64_t x, y;
        const char *from_a = a, *from_b = b;
        bool number_a = number_take(&a, &x), number_b = number_take(&b, &y);
        if (number_a != number_b)
            return false;
        if (number_a) {
            bool equal = a - from_a == b - from_b && !memcmp(from_a, from_b, (size_t)(a - from_a));
            if (!equal && !numbers_agree(comparison, x, y))
                return false;
        } else if (*a++ != *b++)
            return false;
    }
    return true;
}

/* Both texts are one but for numbers, and where they differ, side a differs from itself when it runs again: times, counts of a race. */
static bool varies_by_itself(const char *a, const char *again, const char *b)
{
    bool varied = false;
    while (*a || *b || *again) {
        uint64_t x, y, z;
        const char *from_a = a, *from_b = b, *from_z = again;
        bool number = number_take(&a, &x);
        if (number_take(&b, &y) != number || number_take(&again, &z) != number)
            return false;
        if (!number) {
            if (*a != *b || *a++ != *again++)
                return false;
            b++;
            continue;
        }
        bool same = a - from_a == b - from_b && !memcmp(from_a, from_b, (size_t)(a - from_a));
        bool same_again = a - from_a == again - from_z && !memcmp(from_a, from_z, (size_t)(a - from_a));
        if (!same && same_again)
            return false;
        varied |= !same;
    }
    return varied;
}

/* The first line that differs, for a person. */
static void first_line(const char *a, const char *b, char *left, char *right, size_t room)
{
    size_t same = 0, line = 0;
    while (a[same] && a[same] == b[same]) {
        same++;
        if (a[same - 1] == '\n')
            line = same;
    }
    snprintf(left, room, "%.*s", (int)strcspn(a + line, "\r\n"), a + line);
    snprintf(right, room, "%.*s", (int)strcspn(b + line, "\r\n"), b + line);
}

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

static void stream_compare(struct comparison *comparison, const json_t *a, const json_t *b, const char *key)
{
    char hash[32], left[120], right[120];
    snprintf(hash, sizeof hash, "%s_hash", key);
    const char *x = member_text(a, key), *y = member_text(b, key);
    if (!strcmp(member_text(a, hash), member_text(b, hash)) && !strcmp(x, y))
        return;
    const char *cause = NULL;
    size_t length_x = own_report(x), length_y = own_report(y);
    if (!strcmp(x, y)) /* the part that is told is equal, what lies behind is not */
        cause = NULL;
    else if (!strcmp(key, "stderr") && (x[length_x] || y[length_y]) && length_x == length_y && !memcmp(x, y, length_x))
        cause = "the lane's own report of how the program ended";
    else if (same_by_meaning(comparison, x, y))
        cause = "numbers that mean the same in each process: addresses, IDs, handles";
    else if (comparison->again && varies_by_itself(x, member_text(comparison->again, key), y))
        cause = "numbers that vary on one lane too, from run to run";
    first_line(x, y, left, right, sizeof left);
    difference_add(comparison, CLASS_OUTPUT, PLACE_OF(NULL), left, right, cause, "%s is not the same", key);
}

void compare_ending(struct comparison *comparison)
{
    const json_t *a = json_object_get(comparison->a.root, "output"), *b = json_object_get(comparison->b.root, "output");
    exit_compare(comparison);
    if (!json_is_object(a) || !json_is_object(b))
        return;
    stream_compare(comparison, a, b, "stdout");
    stream_compare(comparison, a, b, "stderr");
}
