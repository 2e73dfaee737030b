/* protect: the rights that the sections ask for, now that nobody writes to the image any more but its own code.
 * Nothing is ever writable and executable at once unless the section itself says so. */
#include "loader/load.h"

#include <string.h>

/* Regions with equal final rights that touch, from `first` on: one call serves them all. A gap has no memory. */
static unsigned end_of_run(const struct ld_module *module, unsigned first)
{
    unsigned end = first + 1;
    while (end < module->region_count && module->regions[end].plan.kind != PE_REGION_GAP &&
           module->regions[end].plan.rights == module->regions[first].plan.rights)
        end++;
    return end;
}

/* The part of [first, end) that differs from its plan: *first and *end are narrowed. False: nothing does. */
static bool narrow(const struct ld_module *module, unsigned *first, unsigned *end)
{
    while (*first < *end && module->regions[*first].rights == module->regions[*first].plan.rights)
        ++*first;
    while (*end > *first && module->regions[*end - 1].rights == module->regions[*end - 1].plan.rights)
        --*end;
    return *first < *end;
}

bool ld_protect(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct host *host = loader->host;
    unsigned calls = 0;
    for (unsigned next = 0; next < module->region_count;) {
        unsigned first = next, end = next = end_of_run(module, first);
        if (module->regions[first].plan.kind == PE_REGION_GAP || !narrow(module, &first, &end))
            continue;
        const struct pe_region *from = &module->regions[first].plan, *last = &module->regions[end - 1].plan;
        uint64_t address = module->base + from->rva.value;
        uint64_t size = (uint64_t)last->rva.value + last->size - from->rva.value;
        enum host_result result = host->vm_protect(host, address, size, from->rights);
        if (result != HOST_OK)
            return ld_fail_host(error, LD_PROTECT, module, result, "the sections' rights cannot be set");
        for (unsigned i = first; i < end; i++)
            module->regions[i].rights = from->rights;
        calls++;
        LD_TRACE(loader->trace, LD_PROTECT, .verb = "protected", .module = module->name, .address = address, .size = size,
                 .rights = from->rights);
    }
    /* Once: a lane that patches a module later comes here again for the rights alone. The pages stay without the file;
     * only its identity is kept, so that nobody loads it twice. */
    if (module->file.bytes) {
        if (host->vm_image_ready)
            host->vm_image_ready(host, module->base, module->source.size_of_image, module->path);
        host->file_close(host, &module->file);
        module->file.handle = 0;
        module->file.bytes = NULL;
        module->source.bytes = (struct pe_span){NULL, 0};
    }
    LD_TRACE(loader->trace, LD_PROTECT, .verb = "ready", .module = module->name, .address = module->base,
             .size = module->source.size_of_image, .count = calls);
    return true;
}
