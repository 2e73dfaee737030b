/* The memory map after a step. The machine tells allocations and rights; the events tell which section lies where, so
 * images are cut at their sections' borders and every piece has its name. */
#include "loader/cli/report/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- taking ------------------------------------------------------------------------------------- */

/* A named part of an image, from the events: the whole (place), or a section (fill). */
struct part { uint64_t base, end; uint32_t module, section; };

static struct {
    struct report_map *map;
    struct part *parts;
    unsigned count, seen; /* events looked at */
    unsigned room;
} take;

static bool part_room(void)
{
    if (take.count < take.room)
        return true;
    unsigned room = take.room ? take.room * 2 : 256;
    struct part *more = realloc(take.parts, room * sizeof *more);
    if (!more) {
        report.broken = true;
        return false;
    }
    take.parts = more;
    take.room = room;
    return true;
}

static void parts_forget(uint64_t base, uint64_t end)
{
    unsigned left = 0;
    for (unsigned i = 0; i < take.count; i++)
        if (take.parts[i].base < base || take.parts[i].end > end)
            take.parts[left++] = take.parts[i];
    take.count = left;
}

/* The events that came since the last map was taken. */
static void parts_learn(void)
{
    for (; take.seen < report.count; take.seen++) {
        const struct report_event *event = &report.events[take.seen];
        const char *verb = report.strings[event->verb];
        bool placed = event->phase == LD_PLACE && (!strcmp(verb, "placed") || !strcmp(verb, "moved") || !strcmp(verb, "occupied"));
        bool filled = event->phase == LD_FILL && event->rights >= 0;
        if (event->phase == LD_UNLOAD && !strcmp(verb, "unmapped"))
            parts_forget(event->address, event->address + event->size);
        if ((!placed && !filled) || !event->size || !part_room())
            continue;
        if (placed)
            parts_forget(event->address, event->address + event->size);
        uint32_t section = !strcmp(verb, "occupied") ? report_string("occupied on purpose") : filled ? event->name : 0;
        take.parts[take.count++] = (struct part){event->address, event->address + event->size, event->module, section};
    }
}

static void line_add(const struct report_line *line)
{
    struct report_map *map = take.map;
    if (map->count == map->room) {
        unsigned room = map->room ? map->room * 2 : 128;
        struct report_line *more = realloc(map->lines, room * sizeof *more);
        if (!more) {
            report.broken = true;
            return;
        }
        map->lines = more;
        map->room = room;
    }
    map->lines[map->count++] = *line;
}

/* The part that holds `at`, sections before whole images; *until: where that answer ends. */
static const struct part *part_at(uint64_t at, uint64_t *until)
{
    const struct part *found = NULL;
    for (unsigned i = 0; i < take.count; i++) {
        const struct part *part = &take.parts[i];
        if (at < part->base && part->base < *until)
            *until = part->base;
        if (at < part->base || at >= part->end)
            continue;
        if (part->end < *until)
            *until = part->end;
        if (!found || part->section)
            found = part;
    }
    return found;
}

static void line_cut(const struct report_line *line)
{
    if (line->type != REPORT_IMAGE) {
        line_add(line);
        return;
    }
    uint64_t end = line->base + line->size;
    for (uint64_t at = line->base, until; at < end; at = until) {
        struct report_line piece = *line;
        until = end;
        const struct part *part = part_at(at, &until);
        piece.base = at;
        piece.size = until - at;
        if (part) {
            piece.use = part->module;
            piece.section = part->section;
        }
        line_add(&piece);
    }
}

void report_map_take(struct report_map *map, report_walk *walk)
{
    map->count = 0;
    parts_learn();
    take.map = map;
    walk(line_cut);
}

/* ---- comparing ---------------------------------------------------------------------------------- */

static bool same(const struct report_line *a, const struct report_line *b)
{
    if (!a || !b)
        return a == b;
    return a->type == b->type && a->committed == b->committed && a->rights == b->rights && a->use == b->use && a->section == b->section;
}

bool report_lines_alike(const struct report_line *a, const struct report_line *b)
{
    return a->base + a->size == b->base && a->allocation == b->allocation && a->type == b->type && a->committed == b->committed &&
           a->rights == b->rights && a->use == b->use;
}

/* What lies at `at`, and where the next border is. */
static const struct report_line *line_at(const struct report_map *map, unsigned *next, uint64_t at, uint64_t *until)
{
    while (*next < map->count && map->lines[*next].base + map->lines[*next].size <= at)
        ++*next;
    if (*next == map->count)
        return NULL;
    const struct report_line *line = &map->lines[*next];
    uint64_t border = line->base > at ? line->base : line->base + line->size;
    if (border < *until)
        *until = border;
    return line->base > at ? NULL : line;
}

struct report_change *report_diff(const struct report_map *before, const struct report_map *after, unsigned *count)
{
    unsigned old = 0, new = 0, room = 0;
    struct report_change *changes = NULL;
    *count = 0;
    for (uint64_t at = 0, until; old < before->count || new < after->count; at = until) {
        until = UINT64_MAX;
        const struct report_line *was = line_at(before, &old, at, &until), *is = line_at(after, &new, at, &until);
        if (until == UINT64_MAX)
            break;
        if (same(was, is))
            continue;
        if (*count == room) {
            room = room ? room * 2 : 64;
            struct report_change *more = realloc(changes, room * sizeof *more);
            if (!more) {
                report.broken = true;
                break;
            }
            changes = more;
        }
        changes[(*count)++] = (struct report_change){at, until - at, was, is};
    }
    return changes;
}
