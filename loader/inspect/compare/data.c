/* Writable data that initialisers changed, word by word. A pair of words is equal, or leads to the same place on both sides
 * (module + RVA, or the same file's view + offset), or is a pointer into each side's own memory (heap, stack, PEB), or is a value.
 *
 * Pointers are proved; values are not, so they have bounds: the section must say that it is writable, code of the module must have
 * run on the side that changed, and of values there may be few. ntdll has none of the last where one side runs another loader:
 * its data are that loader's state. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_LIMIT = 64 };

struct range { uint64_t rva, size; const char *file, *memory; const char *section, *hash; };
struct side { const struct document *document; const struct module *module; struct range *ranges; size_t count; };
struct tally { unsigned words, place, own, redirected, elsewhere, values, blocks; uint64_t first; bool has_first; char a[24], b[24]; };

static bool side_open(struct side *side, const struct document *document, const struct module *module)
{
    const json_t *changes = json_object_get(module->json, "changes");
    size_t i;
    const json_t *change;
    *side = (struct side){.document = document, .module = module, .ranges = calloc(json_array_size(changes) + 1, sizeof *side->ranges)};
    if (!side->ranges)
        return false;
    json_array_foreach(changes, i, change)
    {
        struct range range = {member_hex(change, "rva"), (uint64_t)member_number(change, "size"), member_text(change, "file"),
                              member_text(change, "memory"), member_text(change, "section"), member_text(change, "hash")};
        if (strcmp(member_text(change, "cause"), "data"))
            continue;
        if (strlen(range.file) != 2 * range.size || strlen(range.memory) != 2 * range.size)
            range.file = range.memory = NULL; /* too long to be told */
        side->ranges[side->count++] = range;
    }
    return true;
}

static const struct range *range_at(const struct side *side, uint64_t rva)
{
    for (size_t i = 0; i < side->count; i++)
        if (rva >= side->ranges[i].rva && rva - side->ranges[i].rva < side->ranges[i].size)
            return &side->ranges[i];
    return NULL;
}

static unsigned digits_byte(const char *digits, uint64_t index)
{
    char pair[3] = {digits[2 * index], digits[2 * index + 1], 0};
    return (unsigned)strtoul(pair, NULL, 16);
}

/* The word at rva as this side has it in memory. Bytes that it did not change are the file's, which the other side tells; and a
 * pointer of the file's was rebased. */
static uint64_t word_at(const struct side *side, const struct side *other, uint64_t rva)
{
    uint64_t value = 0;
    bool changed = false;
    for (unsigned i = side->document->width; i-- > 0;) {
        const struct range *own = range_at(side, rva + i), *others = range_at(other, rva + i);
        unsigned byte = own && own->memory ? digits_byte(own->memory, rva + i - own->rva)
                        : others && others->file ? digits_byte(others->file, rva + i - others->rva) : 0;
        changed |= own != NULL;
        value = value << 8 | byte;
    }
    if (!changed && value >= side->module->preferred && value - side->module->preferred < side->module->size)
        value += side->module->base - side->module->preferred;
    return value;
}

static bool is_ntdll_or_half(const struct document *document, const struct module *module)
{
    return is_own_half(document, module) || name_equal(module->name, "ntdll.dll");
}

static void word_compare(struct tally *tally, const struct side *a, const struct side *b, uint64_t rva)
{
    uint64_t x = word_at(a, b, rva), y = word_at(b, a, rva);
    const struct module *in_a = document_module_at(a->document, x), *in_b = document_module_at(b->document, y);
    const struct area *at_a = document_area_at(a->document, x), *at_b = document_area_at(b->document, y);
    tally->words++;
    if (in_a && in_b && in_a->twin == in_b && x - in_a->base == y - in_b->base)
        tally->place++;
    else if (at_a && at_b && !in_a && !in_b)
        ++*(*at_a->use && !strcmp(at_a->use, at_b->use) && x - at_a->base == y - at_b->base ? &tally->place : &tally->own);
    else if (in_a && in_b && is_ntdll_or_half(a->document, in_a) && is_ntdll_or_half(b->document, in_b))
        tally->redirected++;
    else if (x == y)
        tally->place++;
    else {
        ++*(at_a && at_b ? &tally->elsewhere : &tally->values);
        if (!tally->has_first) {
            tally->has_first = true;
            tally->first = rva;
            snprintf(tally->a, sizeof tally->a, "0x%llx", (unsigned long long)x);
            snprintf(tally->b, sizeof tally->b, "0x%llx", (unsigned long long)y);
        }
    }
}

/* Words of the ranges of `side`; those that the other side has too are left to it where `rest` says so. */
static void ranges_compare(struct tally *tally, const struct side *a, const struct side *b, bool of_a)
{
    const struct side *side = of_a ? a : b, *other = of_a ? b : a;
    unsigned width = a->document->width;
    for (size_t i = 0; i < side->count; i++) {
        const struct range *range = &side->ranges[i];
        if (!range->memory) {
            const struct range *same = range_at(other, range->rva);
            bool equal = same && same->size == range->size && *range->hash && !strcmp(same->hash, range->hash);
            tally->blocks += !equal && (of_a || !same);
            continue;
        }
        for (uint64_t rva = range->rva & ~(uint64_t)(width - 1); rva < range->rva + range->size; rva += width) {
            const struct range *same = range_at(other, rva > range->rva ? rva : range->rva);
            if (of_a || !same || !same->memory)
                word_compare(tally, a, b, rva);
        }
    }
}

/* Each range lies in a section that its header makes writable. */
static bool is_writable(const struct side *side)
{
    for (size_t i = 0; i < side->count; i++) {
        size_t k;
        const json_t *section;
        bool found = false;
        json_array_foreach(json_object_get(side->module->json, "sections"), k, section)
        {
            uint64_t from = member_hex(section, "rva"), size = ((uint64_t)member_number(section, "size") + 0xfff) & ~(uint64_t)0xfff;
            found |= side->ranges[i].rva >= from && side->ranges[i].rva + side->ranges[i].size <= from + size &&
                     (member_hex(section, "characteristics") & 0x80000000u);
        }
        if (!found)
            return false;
    }
    return true;
}

static const char *data_cause(const struct comparison *comparison, const struct side *a, const struct side *b, const struct tally *tally)
{
    bool another_loader = strcmp(comparison->a.lane, comparison->b.lane) != 0;
    if (!is_writable(a) || !is_writable(b))
        return NULL;
    if (another_loader && name_equal(a->module->name, "ntdll.dll"))
        return "ntdll's own state: it is the loader on one side and a library on the other, or another process's";
    if ((a->count && !code_has_run(a->document, a->module)) || (b->count && !code_has_run(b->document, b->module)))
        return NULL;
    if (!tally->values && !tally->elsewhere && !tally->blocks)
        return "pointers into each side's own memory, written by initialisers";
    if (!strcmp(a->document->at, "exit"))
        return "the program has run: what it wrote into its own data";
    return tally->values <= VALUE_LIMIT && tally->elsewhere <= VALUE_LIMIT && !tally->blocks
               ? "written by initialisers: pointers of each side's own, and at most 64 values (times, IDs, answers of the lane)"
               : NULL;
}

/* ": 90 agree, 5 into own memory"; what does not occur is left out. */
static void kinds_tell(const struct tally *tally, char *text, size_t room)
{
    const struct { unsigned count; const char *what; } kinds[] = {
        {tally->place, "agree"}, {tally->own, "into own memory"}, {tally->redirected, "to each loader's functions"},
        {tally->elsewhere, "elsewhere"}, {tally->values, "values"}, {tally->blocks, "blocks too long to be told"}};
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && used < room; i++)
        if (kinds[i].count)
            used += (size_t)snprintf(text + used, room - used, "%s%u %s", used ? ", " : ": ", kinds[i].count, kinds[i].what);
}

void compare_data(struct comparison *comparison, struct module *a, struct module *b)
{
    struct side left, right;
    struct tally tally = {0};
    bool opened = side_open(&left, &comparison->a, a);
    comparison->failed |= !(opened && side_open(&right, &comparison->b, b));
    if (!comparison->failed) {
        char kinds[256];
        ranges_compare(&tally, &left, &right, true);
        ranges_compare(&tally, &left, &right, false);
        comparison->matched.bytes += (uint64_t)tally.place * comparison->a.width;
        kinds_tell(&tally, kinds, sizeof kinds);
        if (tally.own || tally.redirected || tally.elsewhere || tally.values || tally.blocks)
            difference_add(comparison, CLASS_DATA, tally.has_first ? PLACE_AT(a, tally.first, comparison->a.width) : PLACE_OF(a),
                           tally.has_first ? tally.a : NULL, tally.has_first ? tally.b : NULL,
                           data_cause(comparison, &left, &right, &tally),
                           "%u words of data%s", tally.words, kinds);
    }
    free(left.ranges);
    if (opened)
        free(right.ranges);
}
