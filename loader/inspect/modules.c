/* Modules: those that the PEB's three lists name, and behind them images that lie in memory but in no list: the guest half of
 * the native lane, DLLs that were loaded by hand (lane win32), everything before there are lists, and injected images. */
#include "loader/inspect/inspect.h"
#include "loader/inspect/offsets.h"
#include "pe/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULE_LIMIT = 4096, GRANULARITY = 0x10000 };
#define IMAGE_LIMIT ((uint64_t)1 << 30)

static struct inspect_module *module_new(struct inspect_process *process)
{
    if (!(process->module_count & (process->module_count - 1))) {
        size_t room = process->module_count ? process->module_count * 2 : 1;
        struct inspect_module *grown = realloc(process->modules, room * sizeof *grown);
        if (!grown)
            return NULL;
        process->modules = grown;
    }
    struct inspect_module *module = &process->modules[process->module_count++];
    *module = (struct inspect_module){.load_order = -1, .memory_order = -1, .init_order = -1};
    return module;
}

struct inspect_module *inspect_module_at(const struct inspect_process *process, uint64_t address)
{
    for (size_t i = 0; i < process->module_count; i++)
        if (address >= process->modules[i].base && address - process->modules[i].base < process->modules[i].size)
            return &process->modules[i];
    return NULL;
}

/* ---- lists ---- */

static bool entry_take(struct inspect_process *process, uint64_t entry)
{
    struct inspect_reader *reader = process->reader;
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    struct inspect_module *module = module_new(process);
    if (!module)
        return false;
    module->listed = module->has_entry = true;
    module->base = inspect_pointer(reader, entry + at->entry.base);
    module->size = inspect_number(reader, entry + at->entry.size, 4);
    module->entry = inspect_pointer(reader, entry + at->entry.entry);
    module->flags = (uint32_t)inspect_number(reader, entry + at->entry.flags, 4);
    /* Since Windows 8 the count is the node's; Wine 8 counts in the older field still, and its node says 0. */
    uint64_t node = inspect_pointer(reader, entry + at->entry.node);
    module->load_count = node ? (int32_t)inspect_number(reader, node + at->entry.node_count, 4) : 0;
    if (!module->load_count)
        module->load_count = (int16_t)inspect_number(reader, entry + at->entry.load_count, 2);
    module->path = inspect_string(reader, entry + at->entry.full_name);
    module->name = inspect_string(reader, entry + at->entry.base_name);
    return module->path && module->name;
}

/* Walks one list. The first one makes the modules, the others number them. */
static bool list_walk(struct inspect_process *process, uint64_t head, uint64_t link, unsigned list)
{
    struct inspect_reader *reader = process->reader;
    uint64_t at = inspect_pointer(reader, head);
    for (int index = 0; at && at != head && index < MODULE_LIMIT; index++, at = inspect_pointer(reader, at)) {
        uint64_t entry = at - link;
        if (list == 0) {
            if (!entry_take(process, entry))
                return false;
            process->modules[process->module_count - 1].load_order = index;
            continue;
        }
        uint64_t base = inspect_pointer(reader, entry + inspect_offsets_of(reader->is_64)->entry.base);
        for (size_t i = 0; i < process->module_count; i++)
            if (process->modules[i].base == base)
                *(list == 1 ? &process->modules[i].memory_order : &process->modules[i].init_order) = index;
    }
    return true;
}

static bool lists_walk(struct inspect_process *process)
{
    const struct inspect_offsets *at = inspect_offsets_of(process->reader->is_64);
    if (!process->ldr)
        return true;
    return list_walk(process, process->ldr + at->ldr.load_order, at->entry.load_order, 0) &&
           list_walk(process, process->ldr + at->ldr.memory_order, at->entry.memory_order, 1) &&
           list_walk(process, process->ldr + at->ldr.init_order, at->entry.init_order, 2);
}

/* ---- memory ---- */

/* Does an image begin with this region, by its headers? Its size, or 0. A file that is only looked at (the API set schema, a
 * data section, a loader's own copy) has headers too; but an image has code that may run, or, `early`, was copied and will. */
static uint64_t image_size_at(struct inspect_process *process, const struct inspect_region *first, bool early)
{
    struct inspect_reader *reader = process->reader;
    uint64_t address = first->base;
    if (inspect_number(reader, address, 2) != PE_DOS_MAGIC)
        return 0;
    uint64_t nt = address + inspect_number(reader, address + 0x3c, 4);
    if (inspect_number(reader, nt, 4) != PE_NT_SIGNATURE)
        return 0;
    uint64_t size = inspect_number(reader, nt + 0x18 + 0x38, 4); /* SizeOfImage: the same place in PE32 and PE32+ */
    size = (size + PE_PAGE - 1) & ~(uint64_t)(PE_PAGE - 1);
    bool runs = early && first->type == INSPECT_PRIVATE;
    uint64_t end = address;
    for (size_t i = 0; i < process->region_count && size && size <= IMAGE_LIMIT; i++) {
        const struct inspect_region *region = &process->regions[i];
        if (region->base + region->size <= address || region->base >= address + size)
            continue;
        /* A file's copy in less memory than its image would take does not run because its neighbour does. */
        if (first->allocation_base && region->allocation_base && region->allocation_base != first->allocation_base)
            continue;
        runs |= (region->rights & PE_X) != 0;
        end = region->base + region->size;
    }
    return runs && end >= address + size / 2 ? size : 0;
}

static const char *last_part(const char *path)
{
    const char *last = path;
    for (; *path; path++)
        if (*path == '/' || *path == '\\')
            last = path + 1;
    return last;
}

static bool memory_scan(struct inspect_process *process, const struct inspect_facts *facts)
{
    bool early = !strcmp(facts->at, "mapped") || !strcmp(facts->at, "bound");
    for (size_t i = 0; i < process->region_count; i++) {
        const struct inspect_region *region = &process->regions[i];
        if (region->base % GRANULARITY || !region->committed || inspect_module_at(process, region->base))
            continue;
        uint64_t size = image_size_at(process, region, early);
        if (!size)
            continue;
        struct inspect_module *module = module_new(process);
        if (!module)
            return false;
        module->base = region->base;
        module->size = size;
        /* It gets its name when its headers are read: from the file behind it, the program, or its own export table. */
        module->name = region->path[0] ? strdup(last_part(region->path)) : NULL;
    }
    return true;
}

/* ---- images ---- */

static bool headers_equal(const struct pe_image *a, const struct pe_image *b)
{
    return a->timestamp == b->timestamp && a->size_of_image == b->size_of_image && a->checksum == b->checksum &&
           a->entry.value == b->entry.value && a->is_dll == b->is_dll;
}

/* Is it the program that the command started? By what a linker writes into headers. */
static bool is_program(const struct pe_image *image, const struct inspect_facts *facts)
{
    struct pe_image program;
    struct pe_error ignored = {0};
    return pe_open(&program, facts->bytes, PE_FORM_FILE, &ignored) && headers_equal(&program, image);
}

/* region: as for file_open. */
static bool file_proved(struct inspect_reader *reader, struct inspect_module *module, const char *region, const char *path)
{
    struct pe_error ignored = {0};
    if (!reader->file_open(reader, region, path, &module->bytes, module->file, sizeof module->file)) {
        module->file[0] = 0;
        return false;
    }
    module->has_source = pe_open(&module->source, module->bytes, PE_FORM_FILE, &ignored) && headers_equal(&module->source, &module->image);
    if (!module->has_source) {
        reader->file_close(reader, module->bytes);
        module->file[0] = 0;
    }
    return module->has_source;
}

/* An image that nobody names may be a file beside the program, or in a folder below, under the name that its own export table has; the
 * headers prove it. */
static void beside_program(struct inspect_reader *reader, struct inspect_module *module, const struct inspect_facts *facts)
{
    char path[4096];
    size_t folder = (size_t)(last_part(facts->file) - facts->file);
    if (!module->has_exports || !module->exports.dll_name || strpbrk(module->exports.dll_name, "/\\:") ||
        (size_t)snprintf(path, sizeof path, "%.*s%s", (int)folder, facts->file, module->exports.dll_name) >= sizeof path)
        return;
    if (!file_proved(reader, module, "", path))
        file_proved(reader, module, NULL, path);
}

static bool image_open(struct inspect_process *process, struct inspect_module *module, const struct inspect_facts *facts)
{
    struct inspect_reader *reader = process->reader;
    struct pe_error ignored = {0};
    if (module->size > IMAGE_LIMIT)
        module->size = 0;
    module->size = (module->size + PE_PAGE - 1) & ~(uint64_t)(PE_PAGE - 1);
    module->memory = calloc(module->size + 1, 1);
    module->present = calloc(module->size / PE_PAGE + 1, 1);
    if (!module->memory || !module->present)
        return false;
    inspect_copy(reader, module->base, module->memory, module->size, module->present);
    module->has_image = pe_open(&module->image, (struct pe_span){module->memory, module->size}, PE_FORM_MAPPED, &ignored);
    module->has_exports = module->has_image && pe_exports_open(&module->exports, &module->image, &ignored);

    char region_path[sizeof process->regions->path] = "";
    for (size_t i = 0; i < process->region_count; i++)
        if (process->regions[i].base == module->base)
            memcpy(region_path, process->regions[i].path, sizeof region_path);
    /* The program's list entry may name another file: the stub in whose place the lane win32 loads it. */
    bool program = module->has_image && is_program(&module->image, facts);
    const char *name = program ? facts->file : module->path;
    if (reader->file_open(reader, region_path, name, &module->bytes, module->file, sizeof module->file))
        module->has_source = pe_open(&module->source, module->bytes, PE_FORM_FILE, &ignored);
    else
        module->file[0] = 0;
    if (!module->file[0] && !module->listed)
        beside_program(reader, module, facts);
    if (!module->name)
        module->name = strdup(program                                          ? last_part(facts->file)
                              : module->has_exports && module->exports.dll_name ? module->exports.dll_name
                                                                                : "(no name)");
    return module->name != NULL;
}

bool inspect_modules(struct inspect_process *process, const struct inspect_facts *facts)
{
    if (!lists_walk(process) || !memory_scan(process, facts))
        return false;
    for (size_t i = 0; i < process->module_count; i++)
        if (!image_open(process, &process->modules[i], facts))
            return false;
    return true;
}
