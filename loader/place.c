/* place: where in the address space the image goes. The preferred base where that is free and allowed, else anywhere,
 * which a relocation table must make good. */
#include "loader/load.h"

#include <assert.h>

/* Where user space ends when the lane sets no limit: on x64 the last 64 KiB below 128 TiB are no man's land. */
#define USER_END_64 0x7fffffff0000u
#define USER_END_32 0xffff0000u

static uint64_t user_end(const struct loader *loader, const struct pe_image *source)
{
    if (loader->user_limit)
        return loader->user_limit;
    return source->is_64 ? USER_END_64 : USER_END_32;
}

/* 0, the NULL pages, kernel space and odd places cannot be taken literally; compare without sums that wrap. */
static bool base_is_usable(const struct loader *loader, const struct pe_image *source)
{
    uint64_t base = source->image_base.value, end = user_end(loader, source);
    return base >= LD_GRANULARITY && base % LD_GRANULARITY == 0 && base <= end && source->size_of_image <= end - base;
}

/* What a moved image needs. A linker that drops the table says so (RELOCS_STRIPPED): such a program is full of
 * addresses and is refused, whatever else stands in its directory; there the sources disagree. An image that merely has
 * nothing to relocate is left as it is: resources, or code that finds itself (corkami's ibknoreloc64, ibkmanual). */
static bool can_move(const struct ld_module *module)
{
    return !(module->source.characteristics & PE_FILE_RELOCS_STRIPPED);
}

/* Where an image goes whose own base cannot be had. Windows looks upwards from the end of the NULL pages, so a program
 * whose base no user space has (0, kernel space) lies at 64 KiB always, and some count on it (corkami's reloccrypt). */
static enum host_result place_elsewhere(struct loader *loader, const struct ld_module *module, bool usable, uint64_t *base)
{
    struct host *host = loader->host;
    *base = LD_GRANULARITY;
    if (!usable && module->is_main && host->vm_reserve(host, base, module->source.size_of_image, 0) == HOST_OK)
        return HOST_OK;
    *base = 0;
    return host->vm_reserve(host, base, module->source.size_of_image, loader->user_limit);
}

/* --occupy: take the EXE's range away, so that it must move; it stays taken, so that a pointer that relocation forgot
 * hits nothing. */
static bool occupy(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    uint64_t base = module->preferred;
    enum host_result result = loader->host->vm_reserve(loader->host, &base, module->source.size_of_image, 0);
    if (result != HOST_OK && result != HOST_TAKEN)
        return ld_fail_host(error, LD_PLACE, module, result, "the preferred base cannot be occupied");
    if (result == HOST_OK) {
        loader->occupied = base;
        loader->occupied_size = module->source.size_of_image;
    }
    LD_TRACE(loader->trace, LD_PLACE, .verb = "occupied", .module = module->name, .address = module->preferred,
             .size = module->source.size_of_image, .detail = "on purpose, so that the image must move");
    return true;
}

bool ld_place(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    const struct pe_image *source = &module->source;
    const char *reason = "the preferred base is not one that user space has";
    enum host_result result;
    uint64_t base;

    assert(!module->base && source->size_of_image % LD_PAGE == 0);
    module->preferred = source->image_base.value;
    bool usable = base_is_usable(loader, source);
    if (usable) {
        reason = "the preferred base is taken";
        if (loader->occupy && module->is_main && !loader->occupied_size && !occupy(loader, module, error))
            return false;
        base = module->preferred;
        result = loader->host->vm_reserve(loader->host, &base, source->size_of_image, 0);
        if (result == HOST_OK) {
            module->base = base;
            LD_TRACE(loader->trace, LD_PLACE, .verb = "placed", .module = module->name, .address = base,
                     .size = source->size_of_image, .from = module->preferred);
            return true;
        }
        if (result != HOST_TAKEN)
            return ld_fail_host(error, LD_PLACE, module, result, "no room for the image");
    }
    LD_TRACE(loader->trace, LD_PLACE, .verb = "taken", .module = module->name, .address = module->preferred,
             .size = source->size_of_image, .detail = reason);
    if (!can_move(module))
        return ld_fail(error, LD_PLACE, module, PE_STATUS_CONFLICTING_ADDRESSES,
                       "the preferred base cannot be had and the image's relocations are stripped");

    result = place_elsewhere(loader, module, usable, &base);
    if (result != HOST_OK)
        return ld_fail_host(error, LD_PLACE, module, result, "no room for the image anywhere");
    module->base = base;
    module->moved = true;
    LD_TRACE(loader->trace, LD_PLACE, .verb = "moved", .module = module->name, .address = base,
             .size = source->size_of_image, .from = module->preferred, .detail = reason);
    return true;
}
