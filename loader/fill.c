/* fill: the file's bytes are stretched into the image, region by region as pe/layout.h plans it.
 *
 * Nothing here is needed twice, and calls into the system and first touches of pages are what a start costs. So it is
 * decided first which regions will be written before the image runs: those get write rights at once, the others are
 * mapped with their final rights and never looked at again. Neighbours that agree become one call. A host that cannot map
 * gets its bytes copied, or read straight into their place where it showed the file's beginning alone. */
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

/* What stands behind the region's bytes in their last file page, and must read zero in the image, is often zero
 * already. Asking costs a read, clearing costs a copy of the page. */
static bool tail_is_dirty(const struct ld_module *module, const struct pe_region *plan)
{
    uint64_t at = plan->raw_off.value + plan->raw_size, end = at + plan->tail;
    if (end > module->file.size)
        end = module->file.size;
    for (; at < end; at++)
        if (module->file.bytes[at])
            return true;
    return false;
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
static void expect_writes(struct ld_module *module)
{
    const struct pe_image *source = &module->source;
    const struct pe_directory *iat = &source->directory[PE_DIRECTORY_IAT];
    if (iat->size && !module->no_resolve)
        will_be_written(module, iat->rva.value);
    if (!module->moved)
        return;

    struct pe_reloc_block block;
    struct pe_error error = {0};
    will_be_written(module, 0); /* ImageBase in the headers */
    pe_reloc_blocks_begin(&block, source);
    while (pe_reloc_blocks_next(&block, &error))
        will_be_written(module, block.page.value);
}

static void decide_rights(struct ld_module *module)
{
    for (unsigned i = 0; i < module->region_count; i++) {
        struct ld_region *region = &module->regions[i];
        if (region->plan.kind == PE_REGION_GAP)
            continue;
        /* Readable in any case: tables may lie in it, and a hole in the plan must not become a fault in the loader. */
        region->rights = region->plan.rights | PE_R;
        if (!module->is_copied && region->plan.tail && tail_is_dirty(module, &region->plan))
            region->rights = ld_rights_writable(region->plan.rights);
    }
    if (!module->is_copied || module->file.there == module->file.size)
        expect_writes(module);
    for (unsigned i = 0; i < module->region_count; i++) {
        struct ld_region *region = &module->regions[i];
        if (region->plan.raw_size && !is_mapped(module, region))
            region->rights = ld_rights_writable(region->plan.rights);
    }
}

/* ---- Acting ---- */

/* May `next` be part of the call that makes `region`? */
static bool joins(const struct ld_module *module, const struct ld_region *region, const struct ld_region *next)
{
    if (next->plan.kind == PE_REGION_GAP || region->rights != next->rights || is_mapped(module, region) != is_mapped(module, next))
        return false;
    return !is_mapped(module, region) || region->plan.raw_off.value + region->plan.size == next->plan.raw_off.value;
}

static bool make_pages(struct loader *loader, struct ld_module *module, unsigned *calls, struct ld_error *error)
{
    struct host *host = loader->host;
    for (unsigned i = 0, end; i < module->region_count; i = end) {
        const struct ld_region *first = &module->regions[i];
        end = i + 1;
        if (first->plan.kind == PE_REGION_GAP)
            continue;
        while (end < module->region_count && joins(module, &module->regions[end - 1], &module->regions[end]))
            end++;
        const struct pe_region *last = &module->regions[end - 1].plan;
        uint64_t address = module->base + first->plan.rva.value;
        uint64_t size = (uint64_t)last->rva.value + last->size - first->plan.rva.value;
        enum host_result result =
            is_mapped(module, first) ? host->vm_map(host, address, size, &module->file, first->plan.raw_off.value, first->rights)
                             : host->vm_commit(host, address, size, first->rights);
        if (result != HOST_OK)
            return ld_fail_host(error, LD_FILL, module, result, "the image's memory cannot be had");
        ++*calls;
    }
    return true;
}

/* A region's bytes, from where the host has shown them or out of the file. */
static enum host_result copy_bytes(struct loader *loader, struct ld_module *module, const struct pe_region *plan)
{
    struct host *host = loader->host;
    void *to = host->vm_at(host, module->base + plan->rva.value, plan->raw_size);
    struct pe_span raw = {NULL, 0};
    assert(plan->raw_size <= plan->size && plan->raw_off.value <= module->file.size &&
           plan->raw_size <= module->file.size - plan->raw_off.value);
    if (!pe_span_slice((struct pe_span){module->file.bytes, module->file.there}, plan->raw_off.value, plan->raw_size, &raw))
        return host->file_read(host, &module->file, plan->raw_off.value, to, plan->raw_size);
    memcpy(to, raw.data, (size_t)raw.size);
    return HOST_OK;
}

/* The bytes that mapping did not bring: copied regions, and zeroes behind mapped ones. */
static bool write_bytes(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    for (unsigned i = 0; i < module->region_count; i++) {
        const struct ld_region *region = &module->regions[i];
        const struct pe_region *plan = &region->plan;
        uint64_t address = module->base + plan->rva.value;
        if (!plan->raw_size || plan->kind == PE_REGION_GAP || plan->kind == PE_REGION_ZERO)
            continue;
        if (is_mapped(module, region)) {
            if (plan->tail && tail_is_dirty(module, plan))
                memset(loader->host->vm_at(loader->host, address + plan->raw_size, plan->tail), 0, plan->tail);
            continue;
        }
        enum host_result result = copy_bytes(loader, module, plan);
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
    module->is_copied = !loader->host->vm_map || module->file.there < module->file.size;
    decide_rights(module);
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
    module->has_exports = pe_exports_open(&module->exports, &module->image, &broken);
    if (!module->has_exports && broken.code != PE_NOT_FOUND && broken.code != PE_OK)
        LD_TRACE(loader->trace, LD_FILL, .verb = "ignored", .module = module->name, .name = "exports",
                 .detail = broken.text);
    return true;
}
