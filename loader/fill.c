/* fill: the file's bytes are stretched into the image, region by region as pe/layout.h plans it.
 *
 * Nothing here is needed twice, and calls into the system and first touches of pages are what a start costs. So it is
 * decided first which regions will be written before the image runs: those get write rights at once, the others are
 * mapped with their final rights and never looked at again. Neighbours in image and file become one mapping, and only
 * those change rights that differ from most: that costs a quarter of a mapping of their own. A host that cannot map gets its
 * bytes copied, or read straight into their place where it showed the file's beginning alone. */
#include "loader/load.h"
#include "pe/reloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- Deciding ---- */

static bool holds_imports(const struct pe_image *source, const struct pe_region *plan)
{
    static const unsigned tables[] = {PE_DIRECTORY_IMPORT, PE_DIRECTORY_IAT};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const struct pe_directory *table = &source->directory[tables[i]];
        if (table->size && table->rva.value - plan->rva.value < plan->size)
            return true;
    }
    return false;
}

/* The plan as an array: later phases ask by address. */
static bool plan_regions(struct ld_module *module)
{
    struct pe_layout layout;
    struct pe_region region;
    unsigned count = 0;
    pe_layout_begin(&layout, &module->source);
    while (pe_layout_next(&layout, &region))
        count++;
    module->regions = calloc(count ? count : 1, sizeof(*module->regions));
    if (!module->regions)
        return false;
    pe_layout_begin(&layout, &module->source);
    for (struct pe_region *plan; module->region_count < count; module->region_count++) {
        plan = &module->regions[module->region_count].plan;
        if (!pe_layout_next(&layout, plan))
            break;
        /* What the loader writes for this process alone, addresses of its imports, is not for the others. */
        plan->rights |= plan->shared && !holds_imports(&module->source, plan) ? HOST_SHARED : 0;
    }
    return true;
}

/* Bytes of the file, from where the host has shown them or out of it. */
static enum host_result file_bytes(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size)
{
    struct pe_span shown;
    assert(off <= file->size && size <= file->size - off);
    if (!pe_span_slice((struct pe_span){file->bytes, file->there}, off, size, &shown))
        return host->file_read(host, file, off, to, size);
    memcpy(to, shown.data, (size_t)size);
    return HOST_OK;
}

/* What stands behind the region's bytes in their last file page, and must read zero in the image, is often zero
 * already. Asking costs a read, clearing costs a copy of the page. */
static enum host_result tail_check(struct host *host, const struct ld_module *module, struct ld_region *region)
{
    uint8_t bytes[LD_PAGE];
    const struct pe_region *plan = &region->plan;
    uint64_t at = (uint64_t)plan->raw_off.value + plan->raw_size, size = at < module->file.size ? module->file.size - at : 0;
    if (size > plan->tail)
        size = plan->tail;
    assert(size <= sizeof(bytes));
    enum host_result result = size ? file_bytes(host, &module->file, at, bytes, size) : HOST_OK;
    for (uint64_t i = 0; i < size && result == HOST_OK && !region->dirty; i++)
        region->dirty = bytes[i] != 0;
    return result;
}

/* A region is mapped where pages of file and image coincide, and copied elsewhere. Headers that must be written too
 * are copied: one page, which then joins the next copied region's call. */
static bool is_mapped(const struct ld_module *module, const struct ld_region *region)
{
    const struct pe_region *plan = &region->plan;
    if (module->is_copied || (plan->kind != PE_REGION_RAW && plan->kind != PE_REGION_HEADERS))
        return false;
    if (plan->kind == PE_REGION_HEADERS && (region->rights & PE_W) && !(plan->rights & PE_W))
        return false;
    return plan->mappable && plan->raw_size && plan->size - plan->raw_size < LD_PAGE;
}

static void will_be_written(struct ld_module *module, uint64_t rva)
{
    struct ld_region *region = rva <= UINT32_MAX ? ld_module_region(module, pe_rva_at((uint32_t)rva)) : NULL;
    if (region && region->plan.kind != PE_REGION_GAP)
        region->rights = ld_rights_writable(region->plan.rights);
}

/* Only a hint that saves calls later: what it misses, ld_module_writable opens when the time comes. Errors in the
 * tables are therefore left to the phases that act on them. */
static enum host_result expect_writes(struct host *host, struct ld_module *module)
{
    const struct pe_directory *iat = &module->source.directory[PE_DIRECTORY_IAT];
    if (iat->size && !module->no_resolve)
        will_be_written(module, iat->rva.value);
    if (!module->moved)
        return HOST_OK;

    struct pe_reloc_block block;
    struct pe_error error = {0};
    will_be_written(module, 0); /* ImageBase in the headers */
    if (module->file.there < module->file.size) {
        enum host_result result = host->file_view(host, &module->file);
        if (result != HOST_OK)
            return result;
        module->source.bytes = (struct pe_span){module->file.bytes, module->file.size};
    }
    pe_reloc_blocks_begin(&block, &module->source);
    while (pe_reloc_blocks_next(&block, &error))
        will_be_written(module, block.page.value);
    return HOST_OK;
}

static enum host_result decide_rights(struct host *host, struct ld_module *module)
{
    enum host_result result = HOST_OK;
    for (unsigned i = 0; i < module->region_count && result == HOST_OK; i++) {
        struct ld_region *region = &module->regions[i];
        if (region->plan.kind == PE_REGION_GAP)
            continue;
        /* Readable in any case: tables may lie in it, and a hole in the plan must not become a fault in the loader. */
        region->rights = region->plan.rights | PE_R;
        if (region->plan.tail && is_mapped(module, region))
            result = tail_check(host, module, region);
        if (region->dirty)
            region->rights = ld_rights_writable(region->plan.rights);
    }
    if (result == HOST_OK && (!module->is_copied || module->file.there == module->file.size))
        result = expect_writes(host, module);
    for (unsigned i = 0; i < module->region_count; i++) {
        struct ld_region *region = &module->regions[i];
        if (region->plan.raw_size && !is_mapped(module, region))
            region->rights = ld_rights_writable(region->plan.rights);
    }
    return result;
}

/* ---- Acting ---- */

/* May `next` be part of the call that makes `region`? */
static bool joins(const struct ld_module *module, const struct ld_region *region, const struct ld_region *next)
{
    if (next->plan.kind == PE_REGION_GAP || is_mapped(module, region) != is_mapped(module, next))
        return false;
    if (!is_mapped(module, region))
        return region->rights == next->rights;
    return region->plan.raw_off.value + region->plan.size == next->plan.raw_off.value;
}

/* Where the regions end, from `first` on, that have the same rights as it. */
static unsigned end_of_rights(const struct ld_module *module, unsigned first, unsigned end)
{
    unsigned at = first + 1;
    while (at < end && module->regions[at].rights == module->regions[first].rights)
        at++;
    return at;
}

/* Those rights in [first, end) that leave the fewest changes to be made. */
static int most_frequent_rights(const struct ld_module *module, unsigned first, unsigned end)
{
    unsigned counts[16] = {0};
    int best = module->regions[first].rights;
    for (unsigned at = first; at < end; at = end_of_rights(module, at, end))
        if (++counts[module->regions[at].rights & 15] > counts[best & 15])
            best = module->regions[at].rights;
    return best;
}

static uint64_t bytes_of(const struct ld_module *module, unsigned first, unsigned end)
{
    const struct pe_region *last = &module->regions[end - 1].plan;
    return (uint64_t)last->rva.value + last->size - module->regions[first].plan.rva.value;
}

/* Where a file system forbids code, its pages cannot become code later: such a part is asked for anew, with its rights. */
static enum host_result map_run(struct host *host, const struct ld_module *module, unsigned first, unsigned end, unsigned *calls)
{
    const struct pe_region *plan = &module->regions[first].plan;
    const int rights = most_frequent_rights(module, first, end);
    enum host_result result = host->vm_map(host, module->base + plan->rva.value, bytes_of(module, first, end), &module->file,
                                           plan->raw_off.value, rights);
    ++*calls;
    for (unsigned at = first, next; at < end && result == HOST_OK; at = next) {
        const struct ld_region *region = &module->regions[at];
        next = end_of_rights(module, at, end);
        if (region->rights == rights)
            continue;
        uint64_t address = module->base + region->plan.rva.value, size = bytes_of(module, at, next);
        result = host->vm_protect(host, address, size, region->rights);
        if (result == HOST_DENIED)
            result = host->vm_map(host, address, size, &module->file, region->plan.raw_off.value, region->rights);
        ++*calls;
    }
    return result;
}

static bool make_pages(struct loader *loader, struct ld_module *module, unsigned *calls, struct ld_error *error)
{
    struct host *host = loader->host;
    for (unsigned i = 0, end; i < module->region_count; i = end) {
        const struct ld_region *first = &module->regions[i];
        enum host_result result;
        end = i + 1;
        if (first->plan.kind == PE_REGION_GAP)
            continue;
        while (end < module->region_count && joins(module, &module->regions[end - 1], &module->regions[end]))
            end++;
        if (is_mapped(module, first)) {
            result = map_run(host, module, i, end, calls);
        } else {
            result = host->vm_commit(host, module->base + first->plan.rva.value, bytes_of(module, i, end), first->rights);
            ++*calls;
        }
        if (result != HOST_OK)
            return ld_fail_host(error, LD_FILL, module, result, "the image's memory cannot be had");
    }
    return true;
}

/* The bytes that mapping did not bring: copied regions, and zeroes behind mapped ones. */
static bool write_bytes(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct host *host = loader->host;
    for (unsigned i = 0; i < module->region_count; i++) {
        const struct ld_region *region = &module->regions[i];
        const struct pe_region *plan = &region->plan;
        uint64_t address = module->base + plan->rva.value;
        if (!plan->raw_size || plan->kind == PE_REGION_GAP || plan->kind == PE_REGION_ZERO)
            continue;
        if (is_mapped(module, region)) {
            if (region->dirty)
                memset(host->vm_at(host, address + plan->raw_size, plan->tail), 0, plan->tail);
            continue;
        }
        enum host_result result = file_bytes(host, &module->file, plan->raw_off.value, host->vm_at(host, address, plan->raw_size),
                                             plan->raw_size);
        if (result != HOST_OK)
            return ld_fail_host(error, LD_FILL, module, result, "the file's bytes cannot be read");
    }
    return true;
}

static void tell_regions(struct loader *loader, const struct ld_module *module)
{
    for (unsigned i = 0; i < module->region_count; i++) {
        const struct pe_region *plan = &module->regions[i].plan;
        struct pe_section section = {.name = ""};
        const char *name = plan->kind == PE_REGION_HEADERS ? "headers" : NULL;
        if (plan->section >= 0) {
            pe_section_at(&module->source, (unsigned)plan->section, &section);
            name = section.name;
        }
        const char *verb = plan->kind == PE_REGION_GAP    ? "gap"
                           : plan->kind == PE_REGION_ZERO ? "zero"
                           : is_mapped(module, &module->regions[i]) ? "mapped"
                                                            : "copied";
        LD_TRACE(loader->trace, LD_FILL, .verb = verb, .module = module->name, .name = name,
                 .address = module->base + plan->rva.value, .size = plan->size, .count = plan->raw_size,
                 .from = plan->raw_off.value, .rights = plan->rights);
        if (module->regions[i].rights != plan->rights && plan->kind != PE_REGION_GAP)
            LD_TRACE(loader->trace, LD_PROTECT, .verb = "writable", .module = module->name,
                     .address = module->base + plan->rva.value, .size = plan->size, .rights = module->regions[i].rights);
    }
}

bool ld_fill(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    unsigned calls = 0;
    if (!plan_regions(module))
        return ld_fail_host(error, LD_FILL, module, HOST_NO_MEMORY, "no memory for the plan");
    module->is_copied = !loader->host->vm_map;
    enum host_result result = decide_rights(loader->host, module);
    if (result != HOST_OK)
        return ld_fail_host(error, LD_FILL, module, result, "the file's bytes cannot be read");
    if (!make_pages(loader, module, &calls, error) || !write_bytes(loader, module, error))
        return false;

    /* The view of the image: the same headers, which are validated already, over the stretched bytes. */
    uint32_t size = module->source.size_of_image;
    module->image = module->source;
    module->image.form = PE_FORM_MAPPED;
    module->image.bytes = (struct pe_span){loader->host->vm_at(loader->host, module->base, size), size};
    module->image.file_size = size;

    if (ld_traces(loader->trace, LD_FILL))
        tell_regions(loader, module);
    LD_TRACE(loader->trace, LD_FILL, .verb = "filled", .module = module->name, .address = module->base, .size = size,
             .count = calls);

    struct pe_error broken = {0};
    if (ld_traces(loader->trace, LD_FILL) && !ld_exports(module, &broken) && broken.code != PE_NOT_FOUND && broken.code != PE_OK)
        LD_TRACE(loader->trace, LD_FILL, .verb = "ignored", .module = module->name, .name = "exports",
                 .detail = broken.text);
    return true;
}
