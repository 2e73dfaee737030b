/* Where an image lies, what moving it did to it, its headers, its pages' rights. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- base and relocations ---- */

/* Does what the snapshot says of the fix-ups prove that this image was moved rightly? delta is computed once more; every fix-up
 * is rebased, or stands in `changes` with another cause (the snapshot lists each that does not hold the file's value plus
 * delta). A moved image without any fix-up would have wrong addresses, if it has addresses at all. */
static bool moved_rightly(const struct document *document, const struct module *module)
{
    const json_t *relocations = json_object_get(module->json, "relocations");
    int64_t count = member_number(relocations, "count"), rebased = member_number(relocations, "rebased"),
            other = member_number(relocations, "other");
    uint64_t delta = module->base - module->preferred, told = member_hex(relocations, "delta");
    (void)document;
    if (delta != told || rebased + other != count || member_yes(module->json, "moved") != (delta != 0))
        return false;
    return !delta || (rebased > 0 && member_yes(relocations, "applied"));
}

static void base_compare(struct comparison *comparison, struct module *a, struct module *b)
{
    char left[24], right[24];
    const json_t *ra = json_object_get(a->json, "relocations"), *rb = json_object_get(b->json, "relocations");
    bool fine = moved_rightly(&comparison->a, a) && moved_rightly(&comparison->b, b) &&
                member_number(ra, "count") == member_number(rb, "count");
    int64_t rebased = member_number(ra, "rebased") < member_number(rb, "rebased") ? member_number(ra, "rebased") : member_number(rb, "rebased");
    if (rebased > 0)
        comparison->matched.fixups += (uint64_t)rebased;
    snprintf(left, sizeof left, "0x%" PRIx64, a->base);
    snprintf(right, sizeof right, "0x%" PRIx64, b->base);
    if (a->base != b->base)
        difference_add(comparison, CLASS_BASE, PLACE_OF(a), left, right, fine ? "each lies where its relocations say" : NULL,
                       "lies elsewhere, by 0x%" PRIx64, a->base < b->base ? b->base - a->base : a->base - b->base);
    if (member_hex(ra, "delta") != member_hex(rb, "delta"))
        difference_add(comparison, CLASS_RELOCATION, PLACE_OF(a), member_text(ra, "delta"), member_text(rb, "delta"),
                       fine ? "every fix-up holds the file's value plus this side's delta" : NULL,
                       "%" PRId64 " fix-ups on %" PRId64 " pages, rebased %" PRId64 " and %" PRId64, member_number(ra, "count"),
                       member_number(ra, "pages"), member_number(ra, "rebased"), member_number(rb, "rebased"));
    else if (!fine)
        difference_add(comparison, CLASS_RELOCATION, PLACE_OF(a), member_text(ra, "delta"), member_text(rb, "delta"), NULL,
                       "the fix-ups do not hold the file's values plus delta");
}

/* ---- headers ---- */

static void headers_compare(struct comparison *comparison, struct module *a, struct module *b)
{
    json_t *left = json_object_get(a->json, "headers"), *right = json_object_get(b->json, "headers"), *value;
    const char *key;
    if (json_object_size(left) != json_object_size(right))
        difference_add(comparison, CLASS_HEADERS, PLACE_OF(a), NULL, NULL, NULL, "headers with other fields");
    json_object_foreach(left, key, value)
    {
        json_t *other = json_object_get(right, key);
        char *x, *y;
        if (json_equal(value, other))
            continue;
        x = json_dumps(value, JSON_ENCODE_ANY);
        y = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL;
        /* Windows writes the actual base into the headers when it moves an image (PE format, "ImageBase"; documented for
         * ASLR); a loader that leaves the preferred one there has not touched the field. Anything else is nobody's. */
        bool fine = !strcmp(key, "image_base") &&
                    (member_hex(left, key) == a->base || member_hex(left, key) == a->preferred) &&
                    (member_hex(right, key) == b->base || member_hex(right, key) == b->preferred);
        difference_add(comparison, fine ? CLASS_IMAGE_BASE : CLASS_HEADERS, PLACE_OF(a), x, y,
                       fine ? "each side has its actual or its preferred base" : NULL, "headers in memory: %s", key);
        free(x), free(y);
    }
}

/* ---- rights ---- */

static const char *rights_at(const json_t *ranges, uint64_t rva, uint64_t *end)
{
    size_t i;
    const json_t *range;
    json_array_foreach(ranges, i, range)
    {
        uint64_t from = member_hex(range, "rva"), size = (uint64_t)member_number(range, "size");
        if (rva >= from && rva - from < size) {
            if (from + size < *end)
                *end = from + size;
            return member_text(range, "rights");
        }
    }
    return "";
}

/* The rights that the section's header asks for; "": no section, or not one that a page has for itself. */
static const char *planned_at(const json_t *sections, uint64_t rva, const char **name)
{
    size_t i;
    const json_t *section;
    json_array_foreach(sections, i, section)
    {
        uint64_t from = member_hex(section, "rva"), size = ((uint64_t)member_number(section, "size") + 0xfff) & ~(uint64_t)0xfff;
        if (rva >= from && rva - from < size) {
            *name = member_text(section, "name");
            return member_text(section, "planned_rights");
        }
    }
    *name = "headers";
    return "R--";
}

/* "RWX" where "RW-" or "R--" is planned. */
static bool is_more_by_execution(const char *rights, const char *planned)
{
    return strlen(rights) == 3 && !strncmp(rights, planned, 2) && rights[2] == 'X';
}

/* Why pages of one side may be other than those of the other: which of the two differs from its section's header, and how. */
static const char *rights_cause(const char *a, const char *b, const char *planned)
{
    if (is_more_by_execution(a, planned) || is_more_by_execution(b, planned))
        /* A program without NX_COMPAT runs with data execution prevention off (x86 only): each page that can be read can be
         * executed; which loader shows that in the pages' rights is its business. */
        return !strncmp(a, b, 2) ? "without NX_COMPAT data may be executed: one side has it in the page's rights" : NULL;
    return NULL;
}

static void rights_compare(struct comparison *comparison, struct module *a, struct module *b)
{
    const json_t *left = json_object_get(a->json, "protections"), *right = json_object_get(b->json, "protections");
    /* The program decides for the whole process. */
    const struct module *program = comparison->a.program;
    bool nx = !program || member_hex(json_object_get(program->json, "headers"), "dll_characteristics") & 0x100;
    uint64_t limit = a->size < b->size ? a->size : b->size;
    for (uint64_t rva = 0, end; rva < limit && left && right; rva = end) {
        const char *section, *planned = planned_at(json_object_get(a->json, "sections"), rva, &section);
        end = limit;
        const char *x = rights_at(left, rva, &end), *y = rights_at(right, rva, &end);
        if (!*x && !*y)
            break;
        if (!strcmp(x, y)) {
            comparison->matched.ranges++;
            continue;
        }
        const char *cause = comparison->a.is_64 || nx ? NULL : rights_cause(x, y, planned);
        difference_add(comparison, CLASS_PROTECTION, PLACE_AT(a, rva, end - rva), x, y, cause, "rights of %s, planned %s", section, planned);
    }
}

static void sections_compare(struct comparison *comparison, struct module *a, struct module *b)
{
    const json_t *left = json_object_get(a->json, "sections"), *right = json_object_get(b->json, "sections");
    if (json_array_size(left) != json_array_size(right)) {
        difference_add(comparison, CLASS_HEADERS, PLACE_OF(a), NULL, NULL, NULL, "another number of sections: %zu and %zu",
                       json_array_size(left), json_array_size(right));
        return;
    }
    for (size_t i = 0; i < json_array_size(left); i++) {
        static const char *const keys[] = {"name", "rva", "size", "planned_rights", "characteristics"};
        const json_t *x = json_array_get(left, i), *y = json_array_get(right, i);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (!member_equal(x, y, keys[k]))
                difference_add(comparison, CLASS_HEADERS, PLACE_AT(a, member_hex(x, "rva"), 0), member_text(x, keys[k]),
                               member_text(y, keys[k]), NULL, "section %s: another %s", member_text(x, "name"), keys[k]);
    }
}

void compare_images(struct comparison *comparison, struct module *a, struct module *b)
{
    base_compare(comparison, a, b);
    headers_compare(comparison, a, b);
    sections_compare(comparison, a, b);
    rights_compare(comparison, a, b);
    if (a->size != b->size)
        difference_add(comparison, CLASS_HEADERS, PLACE_OF(a), NULL, NULL, NULL, "another size: %" PRIu64 " and %" PRIu64, a->size, b->size);
    if (!json_equal(json_object_get(a->json, "exceptions"), json_object_get(b->json, "exceptions")))
        difference_add(comparison, CLASS_HEADERS, PLACE_OF(a), NULL, NULL, NULL, "another exception table");
}
