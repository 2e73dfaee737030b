/* The order of a walk. To be read first.
 *
 *   regions   first, for the search for images and for rights
 *   threads   before what a region is used for
 *   PEB       its lists name the modules; images that no list names are found behind them
 *   exports   of all modules, before any slot is resolved
 *   changes   each module against its file
 *   JSON
 */
#include "loader/inspect/inspect.h"
#include "loader/inspect/offsets.h"
#include "pe/layout.h"

#include <stdlib.h>
#include <string.h>

enum { REGION_LIMIT = 1 << 20, THREAD_LIMIT = 4096 };

static bool regions_collect(struct inspect_process *process)
{
    struct inspect_region region = {0};
    uint64_t address = 0;
    while (process->region_count < REGION_LIMIT && process->reader->region_next(process->reader, &address, &region)) {
        if (!(process->region_count & (process->region_count - 1))) {
            size_t room = process->region_count ? process->region_count * 2 : 1;
            struct inspect_region *grown = realloc(process->regions, room * sizeof *grown);
            if (!grown)
                return false;
            process->regions = grown;
        }
        process->regions[process->region_count++] = region;
        memset(&region, 0, sizeof region);
    }
    return true;
}

static bool threads_collect(struct inspect_process *process)
{
    struct inspect_thread thread = {0};
    while (process->thread_count < THREAD_LIMIT && process->reader->thread_at(process->reader, (unsigned)process->thread_count, &thread)) {
        if (!(process->thread_count & (process->thread_count - 1))) {
            size_t room = process->thread_count ? process->thread_count * 2 : 1;
            struct inspect_thread *grown = realloc(process->threads, room * sizeof *grown);
            if (!grown)
                return false;
            process->threads = grown;
        }
        process->threads[process->thread_count++] = thread;
        memset(&thread, 0, sizeof thread);
    }
    return true;
}

int inspect_rights_at(const struct inspect_process *process, uint64_t address)
{
    size_t low = 0, high = process->region_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct inspect_region *region = &process->regions[middle];
        if (address < region->base)
            high = middle;
        else if (address - region->base >= region->size)
            low = middle + 1;
        else
            return region->committed ? region->rights : -1;
    }
    return -1;
}

static void process_free(struct inspect_process *process)
{
    for (size_t i = 0; i < process->module_count; i++) {
        struct inspect_module *module = &process->modules[i];
        if (module->file[0])
            process->reader->file_close(process->reader, module->bytes);
        free(module->name), free(module->path), free(module->memory), free(module->present);
        free(module->planned), free(module->cause);
    }
    free(process->modules), free(process->regions), free(process->exports), free(process->threads);
}

/* A region may hold an image and what happens to lie behind it: Linux joins neighbours of equal rights. Cut at the borders of
 * modules, each part has one owner. */
static bool regions_cut(struct inspect_process *process)
{
    size_t room = process->region_count + 2 * process->module_count + 1, count = 0;
    struct inspect_region *cut = malloc(room * sizeof *cut);
    if (!cut)
        return false;
    for (size_t i = 0; i < process->region_count; i++) {
        struct inspect_region rest = process->regions[i];
        while (rest.size && count < room) {
            uint64_t end = rest.base + rest.size, border = end;
            for (size_t m = 0; m < process->module_count; m++) {
                uint64_t from = process->modules[m].base, to = from + process->modules[m].size;
                if (from > rest.base && from < border)
                    border = from;
                if (to > rest.base && to < border)
                    border = to;
            }
            cut[count] = rest;
            cut[count++].size = border - rest.base;
            rest.base = border;
            rest.size = end - border;
        }
    }
    free(process->regions);
    process->regions = cut;
    process->region_count = count;
    return true;
}

static bool walk(struct inspect_process *process, const struct inspect_facts *facts)
{
    const struct inspect_offsets *at = inspect_offsets_of(process->reader->is_64);
    if (!regions_collect(process) || !threads_collect(process))
        return false;
    process->peb = facts->peb;
    if (!process->peb && process->thread_count && process->threads[0].teb)
        process->peb = inspect_pointer(process->reader, process->threads[0].teb + at->teb.peb);
    if (process->peb) {
        process->ldr = inspect_pointer(process->reader, process->peb + at->peb.ldr);
        process->parameters = inspect_pointer(process->reader, process->peb + at->peb.parameters);
    }
    if (!inspect_modules(process, facts) || !regions_cut(process) || !inspect_exports(process))
        return false;
    for (size_t i = 0; i < process->module_count; i++)
        if (!inspect_changes(process, &process->modules[i]))
            return false;
    return true;
}

bool inspect_snapshot(struct inspect_reader *reader, const struct inspect_facts *facts, struct json *json, const char **why)
{
    struct inspect_process process = {.reader = reader};
    *why = "no memory";
    bool done = walk(&process, facts);
    if (done && !process.module_count) {
        *why = "no image was found in the process";
        done = false;
    }
    if (done) {
        inspect_write_process(&process, facts, json);
        inspect_write_modules(&process, json);
        inspect_write_rest(&process, json);
        done = !json->failed;
    }
    process_free(&process);
    return done;
}

static bool nothing_read(struct inspect_reader *reader, uint64_t address, void *out, size_t size)
{
    (void)reader, (void)address, (void)out, (void)size;
    return false;
}

void inspect_nothing(bool is_64, const struct inspect_facts *facts, struct json *json)
{
    struct inspect_reader reader = {.is_64 = is_64, .read = nothing_read};
    struct inspect_process process = {.reader = &reader};
    inspect_write_process(&process, facts, json);
    inspect_write_modules(&process, json);
    inspect_write_rest(&process, json);
}
