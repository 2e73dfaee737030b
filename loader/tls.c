/* tls: an image with thread-local data gets a slot number, the same for every thread, and is told it. The threads'
 * blocks themselves are the lane's business; it finds the directory through the slot. */
#include "pe/tls.h"

#include "loader/load.h"

#include <stdlib.h>
#include <string.h>

/* The first free slot, so that numbers stay small when DLLs come and go. False: no memory. */
static bool take_slot(struct loader *loader, struct ld_module *module)
{
    unsigned slot = 0;
    if (loader->tls_take) {
        module->tls_slot = loader->tls_take(loader, module);
        return module->tls_slot >= 0;
    }
    while (slot < loader->tls_count && loader->tls_modules[slot])
        slot++;
    if (slot == loader->tls_count) {
        struct ld_module **modules = realloc(loader->tls_modules, (slot + 1) * sizeof(*modules));
        if (!modules)
            return false;
        loader->tls_modules = modules;
        loader->tls_count++;
    }
    loader->tls_modules[slot] = module;
    module->tls_slot = (int)slot;
    return true;
}

bool ld_tls(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct pe_tls tls;
    struct pe_error pe = {0};

    if (module->no_resolve)
        return true;
    if (!pe_tls_read(&module->image, pe_va_at(module->base), &tls, &pe))
        return pe.code == PE_NOT_FOUND || ld_fail_pe(error, LD_TLS, module, &pe);
    /* A directory with nothing in it and no callbacks takes no slot (so do Wine's own DLLs and old linkers' output). */
    if (!tls.data_size && !tls.zero_fill && !tls.callbacks.value)
        return true;

    if (!take_slot(loader, module))
        return ld_fail_host(error, LD_TLS, module, HOST_NO_MEMORY, "no memory for the slot");
    if (tls.index.value) {
        uint32_t slot = (uint32_t)module->tls_slot;
        enum host_result result = ld_module_writable(loader, module, tls.index, sizeof(slot));
        if (result == HOST_NOT_FOUND)
            return ld_fail(error, LD_TLS, module, PE_STATUS_ACCESS_VIOLATION,
                           "the place for the slot's number lies outside the image's memory");
        if (result != HOST_OK)
            return ld_fail_host(error, LD_TLS, module, result, "the place for the slot's number cannot be made writable");
        memcpy(loader->host->vm_at(loader->host, module->base + tls.index.value, sizeof(slot)), &slot, sizeof(slot));
    }
    LD_TRACE(loader->trace, LD_TLS, .verb = "slot", .module = module->name, .address = module->base + tls.data.value,
             .size = (uint64_t)tls.data_size + tls.zero_fill, .count = (uint64_t)module->tls_slot,
             .from = tls.callbacks.value ? module->base + tls.callbacks.value : 0);
    return true;
}
