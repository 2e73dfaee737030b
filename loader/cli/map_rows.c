/* Which part of the file comes to lie where in the image, and which parts do not. */
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
    pe_assert(map->count < MAP_ROOM);
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

/* Puts a row for [begin, end) of the file behind the row `after`. */
static void outside_insert(struct map *map, unsigned after, uint64_t begin, uint64_t end)
{
    row_add(map);
    memmove(&map->rows[after + 2], &map->rows[after + 1], (map->count - 1 - (after + 1)) * sizeof *map->rows);
    struct map_row *row = &map->rows[after + 1];
    memset(row, 0, sizeof *row);
    row->offset = begin;
    row->bytes = end - begin;
    strcpy(row->name, outside_name(map->image, begin, end));
}

void map_build(struct map *map, const struct pe_image *image)
{
    static struct map_row *sorted[MAP_ROOM];
    static struct { uint64_t begin, end; unsigned after; } outside[MAP_ROOM];
    unsigned parts = 0, count = 0;
    *map = (struct map){.image = image};
    regions_add(map);
    for (unsigned i = 0; i < map->count; i++)
        if (map->rows[i].bytes)
            sorted[parts++] = &map->rows[i];
    qsort(sorted, parts, sizeof *sorted, by_offset);
    uint64_t at = 0;
    unsigned behind = 0;
    for (unsigned i = 0; i <= parts; i++) {
        uint64_t next = i < parts ? sorted[i]->offset : image->bytes.size;
        if (next > at) {
            outside[count].begin = at, outside[count].end = next;
            outside[count++].after = behind;
        }
        if (i < parts && sorted[i]->offset + sorted[i]->bytes > at) {
            at = sorted[i]->offset + sorted[i]->bytes;
            behind = (unsigned)(sorted[i] - map->rows);
        }
    }
    /* From the last row to the first, so that the rows still to come keep their places. */
    for (unsigned row = map->count; row-- > 0;)
        for (unsigned i = count; i-- > 0;)
            if (outside[i].after == row)
                outside_insert(map, row, outside[i].begin, outside[i].end);
}
