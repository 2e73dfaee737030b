/* Which part of the file comes to lie where in the image, and which parts do not. */
#include "loader/cli/cli.h"
#include "loader/cli/map.h"
#include "loader/cli/symbols.h"

#include <stdlib.h>
#include <string.h>

void map_section_name(const struct pe_image *image, const char *name, char *out, size_t room)
{
    uint64_t symbols, strings;
    const char *text;
    uint32_t length;
    char *end;
    snprintf(out, room, "%s", name);
    if (name[0] != '/' || !cli_symbols_place(image, &symbols, &strings))
        return;
    unsigned long at = strtoul(name + 1, &end, 10);
    if (end != name + 1 && !*end && pe_span_string(image->bytes, strings + at, 256, &text, &length) && length)
        snprintf(out, room, "%s", text);
}

static struct map_row *row_add(struct map *map)
{
    pe_assert(map->count < map->room);
    struct map_row *row = &map->rows[map->count++];
    memset(row, 0, sizeof *row);
    return row;
}

static void regions_add(struct map *map)
{
    struct pe_layout layout;
    struct pe_region region;
    pe_layout_begin(&layout, map->image);
    while (pe_layout_next(&layout, &region)) {
        struct map_row *row = row_add(map);
        row->in_image = true;
        row->region = region;
        if (region.kind == PE_REGION_RAW || region.kind == PE_REGION_HEADERS) {
            row->offset = region.raw_off.value;
            row->bytes = region.raw_size;
        }
        if (region.section >= 0) {
            struct pe_section section;
            pe_section_at(map->image, (unsigned)region.section, &section);
            map_section_name(map->image, section.name, row->name, sizeof row->name);
        } else
            strcpy(row->name, region.kind == PE_REGION_GAP ? "" : "headers");
    }
}

/* A word for a part of the file that no section maps. */
static const char *outside_name(const struct pe_image *image, uint64_t begin, uint64_t end)
{
    uint64_t symbols, strings;
    struct pe_directory certificates = image->directory[PE_DIRECTORY_SECURITY];
    if (image->directory_count > PE_DIRECTORY_SECURITY && certificates.size && certificates.rva.value >= begin && certificates.rva.value < end)
        return "signature";
    if (cli_symbols_place(image, &symbols, &strings) && symbols >= begin && symbols < end)
        return "symbols";
    return end == image->bytes.size ? "overlay" : "slack";
}

static int by_offset(const void *a, const void *b)
{
    const struct map_row *const *first = a, *const *second = b;
    return ((*first)->offset > (*second)->offset) - ((*first)->offset < (*second)->offset);
}

struct outside { uint64_t begin, end; unsigned after; }; /* a part of the file, and the row that it stands behind */

/* The parts of the file that no row has. Returns how many. */
static unsigned outside_find(const struct map *map, struct map_row **sorted, struct outside *outside)
{
    unsigned parts = 0, count = 0, behind = 0;
    uint64_t at = 0;
    for (unsigned i = 0; i < map->count; i++)
        if (map->rows[i].bytes)
            sorted[parts++] = &map->rows[i];
    qsort(sorted, parts, sizeof *sorted, by_offset);
    for (unsigned i = 0; i <= parts; i++) {
        uint64_t next = i < parts ? sorted[i]->offset : map->image->bytes.size;
        if (next > at)
            outside[count++] = (struct outside){at, next, behind};
        if (i < parts && sorted[i]->offset + sorted[i]->bytes > at) {
            at = sorted[i]->offset + sorted[i]->bytes;
            behind = (unsigned)(sorted[i] - map->rows);
        }
    }
    return count;
}

static int by_place(const void *a, const void *b)
{
    const struct outside *first = a, *second = b;
    if (first->after != second->after)
        return first->after > second->after ? 1 : -1;
    return (first->begin > second->begin) - (first->begin < second->begin);
}

/* From the last row to the first: each moves at most to where the rows behind it have been. */
static void outside_insert(struct map *map, const struct outside *outside, unsigned count)
{
    unsigned to = map->count + count;
    unsigned from = map->count;
    map->count = to;
    while (count) {
        const struct outside *part = &outside[--count];
        while (from > part->after + 1)
            map->rows[--to] = map->rows[--from];
        struct map_row *row = &map->rows[--to];
        *row = (struct map_row){.offset = part->begin, .bytes = part->end - part->begin};
        strcpy(row->name, outside_name(map->image, part->begin, part->end));
    }
}

bool map_build(struct map *map, const struct pe_image *image)
{
    /* A section has two regions at most, and a gap in front; each part from the file one outside behind it. */
    unsigned room = 5 * image->section_count + 16;
    *map = (struct map){.image = image, .room = room, .rows = malloc(room * sizeof *map->rows)};
    struct map_row **sorted = malloc(room * sizeof *sorted);
    struct outside *outside = malloc(room * sizeof *outside);
    bool done = map->rows && sorted && outside;
    if (done) {
        regions_add(map);
        unsigned count = outside_find(map, sorted, outside);
        pe_assert(count <= room - map->count);
        qsort(outside, count, sizeof *outside, by_place);
        outside_insert(map, outside, count);
    } else
        cli_say("no memory");
    free(sorted);
    free(outside);
    return done;
}
