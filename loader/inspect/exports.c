/* From an address back to module!export, by all export tables in memory. */
#include "loader/inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

/* By address; among names of one address the alphabet decides, so that two runs tell the same. A function without a name
 * stands behind those with one. */
static int by_address(const void *left, const void *right)
{
    const struct inspect_export *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (!a->name || !b->name)
        return (a->name == NULL) - (b->name == NULL);
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(a->name, b->name, shorter);
    return order ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static void take(struct inspect_process *process, const struct inspect_module *module, const struct pe_export *export)
{
    if (export->forwarder)
        return; /* its address is somebody else's */
    process->exports[process->export_count++] = (struct inspect_export){
        .address = module->base + export->rva.value, .module = module, .name = export->name, .name_len = export->name_len,
        .ordinal = export->ordinal};
}

bool inspect_exports(struct inspect_process *process)
{
    size_t room = 1;
    for (size_t i = 0; i < process->module_count; i++)
        if (process->modules[i].has_exports)
            room += (size_t)process->modules[i].exports.function_count + process->modules[i].exports.name_count;
    process->exports = malloc(room * sizeof *process->exports);
    if (!process->exports)
        return false;
    for (size_t i = 0; i < process->module_count; i++) {
        const struct inspect_module *module = &process->modules[i];
        struct pe_export export;
        if (!module->has_exports)
            continue;
        for (uint32_t n = 0; n < module->exports.name_count; n++)
            if (pe_export_name_at(&module->exports, n, &export))
                take(process, module, &export);
        for (uint32_t n = 0; n < module->exports.function_count; n++)
            if (pe_export_at(&module->exports, n, &export)) {
                export.name = NULL;
                take(process, module, &export);
            }
    }
    qsort(process->exports, process->export_count, sizeof *process->exports, by_address);
    return true;
}

const struct inspect_export *inspect_export_at(const struct inspect_process *process, uint64_t address, const char *name,
                                               uint32_t name_len)
{
    size_t low = 0, high = process->export_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (process->exports[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct inspect_export *first = NULL;
    for (; low < process->export_count && process->exports[low].address == address; low++) {
        const struct inspect_export *export = &process->exports[low];
        if (!first)
            first = export;
        if (name && export->name && export->name_len == name_len && !memcmp(export->name, name, name_len))
            return export;
    }
    return first;
}
