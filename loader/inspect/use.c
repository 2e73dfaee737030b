/* What a region of memory is used for, by what points into it: the PEB, the TEBs, the section tables. */
#include "loader/inspect/inspect.h"
#include "loader/inspect/offsets.h"
#include "pe/layout.h"

#include <stdio.h>
#include <string.h>

#define SHARED_DATA 0x7ffe0000u /* KUSER_SHARED_DATA: the same in every process of NT */

struct place { char *text; size_t room, used; const struct inspect_region *region; };

static void add(struct place *place, const char *text)
{
    int length = snprintf(place->text + place->used, place->room - place->used, "%s%s", place->used ? ", " : "", text);
    if (length > 0)
        place->used = (size_t)length < place->room - place->used ? place->used + (size_t)length : place->room - 1;
}

/* [address, address + size) lies, in part, in the region. */
static void touch(struct place *place, uint64_t address, uint64_t size, const char *text)
{
    const struct inspect_region *region = place->region;
    if (address && address < region->base + region->size && address + size > region->base)
        add(place, text);
}

static void sections_add(struct place *place, const struct inspect_module *module)
{
    uint64_t from = place->region->base - module->base, to = from + place->region->size;
    char name[16];
    if (!module->has_image)
        return;
    if (from < module->image.headers_room)
        add(place, "headers");
    for (unsigned i = 0; i < module->image.section_count; i++) {
        struct pe_section section;
        pe_section_at(&module->image, i, &section);
        uint64_t end = section.rva.value + (((uint64_t)section.size + PE_PAGE - 1) & ~(uint64_t)(PE_PAGE - 1));
        if (section.rva.value < to && end > from) {
            for (unsigned at = 0; at < sizeof section.name; at++) /* foreign: anything but ASCII is shown as a dot */
                name[at] = section.name[at] && (section.name[at] < 0x20 || section.name[at] > 0x7e) ? '.' : section.name[at];
            add(place, name);
        }
    }
}

static void threads_add(struct place *place, const struct inspect_process *process)
{
    struct inspect_reader *reader = process->reader;
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    char text[64];
    for (size_t i = 0; i < process->thread_count; i++) {
        uint64_t teb = process->threads[i].teb;
        if (!teb)
            continue;
        snprintf(text, sizeof text, "TEB of thread %zu", i + 1);
        touch(place, teb, 0x1000, text);
        uint64_t low = inspect_pointer(reader, teb + at->teb.stack_allocation), high = inspect_pointer(reader, teb + at->teb.stack_base);
        snprintf(text, sizeof text, "stack of thread %zu", i + 1);
        if (low && low < high)
            touch(place, low, high - low, text);
        snprintf(text, sizeof text, "TLS of thread %zu", i + 1);
        touch(place, inspect_pointer(reader, teb + at->teb.tls), 8, text);
    }
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/'), *back = strrchr(path, '\\');
    const char *last = slash > back ? slash : back;
    return last ? last + 1 : path;
}

void inspect_use(const struct inspect_process *process, const struct inspect_region *region, char *text, size_t room)
{
    struct inspect_reader *reader = process->reader;
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    struct place place = {text, room, 0, region};
    const struct inspect_module *module = inspect_module_at(process, region->base);
    text[0] = 0;
    if (module) {
        sections_add(&place, module);
        return;
    }
    if (process->peb) {
        touch(&place, process->peb, 0x1000, "PEB");
        touch(&place, process->parameters, 0x298, "process parameters");
        touch(&place, inspect_pointer(reader, process->parameters + at->parameters.environment), 2, "environment");
        touch(&place, process->ldr, 0x30, "module lists");
        touch(&place, inspect_pointer(reader, process->peb + at->peb.heap), 8, "process heap");
        touch(&place, inspect_pointer(reader, process->peb + at->peb.api_set_map), 8, "API set schema");
    }
    touch(&place, SHARED_DATA, 0x1000, "KUSER_SHARED_DATA");
    threads_add(&place, process);
    if (!place.used && region->path[0]) {
        char file[300];
        snprintf(file, sizeof file, "file %.256s", last_part(region->path));
        add(&place, file);
    }
}
