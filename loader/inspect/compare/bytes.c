/* Bytes that are not the file's, but for data: each side's snapshot has named a cause; here the two sides' causes are held
 * against each other, and the cause itself is checked once more as far as the document allows. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The little-endian value of at most 8 bytes told as digits; false: not told, or of another length. */
static bool digits_value(const char *digits, size_t width, uint64_t *value)
{
    *value = 0;
    if (strlen(digits) < 2 * width || width > 8)
        return false;
    for (size_t i = width; i-- > 0;) {
        char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};
        *value = *value << 8 | strtoul(pair, NULL, 16);
    }
    return true;
}

static const json_t *change_at(const struct module *module, uint64_t rva, const char *cause)
{
    size_t i;
    const json_t *change;
    json_array_foreach(json_object_get(module->json, "changes"), i, change)
        if (member_hex(change, "rva") == rva && !strcmp(member_text(change, "cause"), cause))
            return change;
    return NULL;
}

/* ---- what a cause must show in this document ---- */

/* A linker's default, which the loader or the program's own start replaces (Microsoft, "/GS"): the two constants. */
static bool is_default_cookie(const char *file)
{
    return !strcmp(file, "32a2df2d992b0000") || !strcmp(file, "4ee640bb") || !strncmp(file, "32a2df2d992b", 12) || !strncmp(file, "4ee640bb", 8);
}

static const char *cookie_cause(const struct document *document, const json_t *change)
{
    uint64_t value, width = document->width;
    (void)width;
    if (!digits_value(member_text(change, "memory"), 4, &value))
        return NULL;
    return value && (is_default_cookie(member_text(change, "file")) || strlen(member_text(change, "file")) != 2 * document->width)
               ? "a random number in the linker's default's place" : NULL;
}

/* A slot is a number below the count of modules that have a TLS directory, and no two modules share one that is not 0; a DLL whose
 * only purpose is to lend its slot to another does not count. */
static const char *tls_cause(const struct document *document, const struct module *module)
{
    int64_t slot = member_number(module->json, "tls_index");
    size_t with = 0;
    for (size_t i = 0; i < document->module_count; i++) {
        int64_t other = member_number(document->modules[i].json, "tls_index");
        with += other >= 0;
        if (&document->modules[i] != module && slot > 0 && other == slot && !is_own_half(document, &document->modules[i]))
            return NULL;
    }
    return slot >= 0 && (size_t)slot < with ? "each side numbers its slots; no two modules share one" : NULL;
}

/* A jump of five bytes from here into the lane's own half. */
static const char *patch_cause(const struct document *document, const struct module *module, const json_t *change)
{
    const char *memory = member_text(change, "memory");
    uint64_t distance, rva = member_hex(change, "rva");
    /* A byte that is the file's own is not in the change: the jump's first bytes are, or nothing can be proved. */
    if (strncmp(memory, "e9", 2) || !digits_value(memory + 2, 4, &distance))
        return NULL;
    uint64_t target = module->base + rva + 5 + (uint64_t)(int64_t)(int32_t)(uint32_t)distance;
    if (!document->is_64)
        target &= 0xffffffffu;
    const struct module *to = document_module_at(document, target);
    return to && is_own_half(document, to) ? "the native lane's jump to its own function of that name" : NULL;
}

static const char *guard_cause(const struct document *document, const json_t *change)
{
    uint64_t value;
    return digits_value(member_text(change, "memory"), document->width, &value) && document_module_at(document, value)
               ? "the loader's routine for control-flow guard" : NULL;
}

static const char *handle_cause(const struct document *document, const json_t *change)
{
    uint64_t value;
    const struct module *to = digits_value(member_text(change, "memory"), document->width, &value) ? document_module_at(document, value) : NULL;
    return to && to->base == value ? "the handle of a delayed import's module" : NULL;
}

/* Why this side has the change at all. NULL: nothing explains it. */
static const char *change_cause(const struct document *document, const struct module *module, const json_t *change, enum compare_class *class)
{
    const char *cause = member_text(change, "cause");
    if (!strcmp(cause, "cookie"))
        return *class = CLASS_COOKIE, cookie_cause(document, change);
    if (!strcmp(cause, "tls_index"))
        return *class = CLASS_TLS_INDEX, tls_cause(document, module);
    if (!strcmp(cause, "patch"))
        return *class = CLASS_PATCH, patch_cause(document, module, change);
    if (!strcmp(cause, "guard"))
        return *class = CLASS_GUARD, guard_cause(document, change);
    if (!strcmp(cause, "delay_handle"))
        return *class = CLASS_IAT, handle_cause(document, change);
    if (!strcmp(cause, "page_tail")) /* the snapshot has compared it with the file */
        return *class = CLASS_PAGE_TAIL, "whole pages of the file are mapped there; what lies behind the section shows";
    if (!strcmp(cause, "exports")) /* Wine's kernel32 of i386 hides functions in its own table, from DllMain */
        return *class = CLASS_EXPORTS, code_has_run(document, module) ? "an initialiser rewrote its own export table" : NULL;
    *class = CLASS_UNEXPLAINED;
    return NULL;
}

/* Told elsewhere: fix-ups and headers by images.c, slots by slots.c, data by data.c. */
static bool is_told_elsewhere(const char *cause)
{
    static const char *const causes[] = {"relocation", "iat", "delay_iat", "image_base", "data"};
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (!strcmp(cause, causes[i]))
            return true;
    return false;
}

static void one_side(struct comparison *comparison, bool is_a, struct module *own, struct module *twin)
{
    const struct document *document = is_a ? &comparison->a : &comparison->b, *other = is_a ? &comparison->b : &comparison->a;
    size_t i;
    const json_t *change;
    json_array_foreach(json_object_get(own->json, "changes"), i, change)
    {
        const char *word = member_text(change, "cause");
        uint64_t rva = member_hex(change, "rva"), size = (uint64_t)member_number(change, "size");
        if (is_told_elsewhere(word))
            continue;
        const json_t *same = change_at(twin, rva, word);
        if (same && !is_a)
            continue; /* told from the other side */
        if (same && member_equal(change, same, "memory") && member_equal(change, same, "hash")) {
            comparison->matched.bytes += size;
            continue;
        }
        enum compare_class class, ignored;
        const char *cause = change_cause(document, own, change, &class);
        if (same && cause)
            cause = change_cause(other, twin, same, &ignored);
        const char *here = json_string_value(json_object_get(change, "memory")), *there = same ? json_string_value(json_object_get(same, "memory")) : json_string_value(json_object_get(change, "file"));
        char left[36], right[36];
        snprintf(left, sizeof left, "%.32s", here ? here : "");
        snprintf(right, sizeof right, "%.32s", there ? there : "");
        difference_add(comparison, class, PLACE_AT(own, rva, size), is_a ? left : right, is_a ? right : left, cause,
                       "%llu bytes in %s are not the file's (%s)%s%s", (unsigned long long)size,
                       *member_text(change, "section") ? member_text(change, "section") : "the headers", word,
                       same ? "" : ", only on lane ", same ? "" : document->lane);
    }
}

void compare_bytes(struct comparison *comparison, struct module *a, struct module *b)
{
    one_side(comparison, true, a, b);
    one_side(comparison, false, b, a);
}
