/* The private system calls by which the guest half asks for loads. It holds its loader lock around them; that lock guards
 * the module list. */
#include "loader/native/native.h"
#include "loader/nt/dispatch.h"
#include "loader/nt/ps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static struct ld_module *module_of(const struct nt_ldr_entry *entry)
{
    struct ld_module *module = native.loader.first;
    while (module && module->entry != entry)
        module = module->next;
    return module;
}

static void count_publish(struct ld_module *module)
{
    struct nt_ldr_entry *entry = module->entry;
    if (entry) {
        entry->load_count = (USHORT)module->references;
        entry->peload_node.load_count = module->references;
    }
}

static void counts_publish(void)
{
    for (struct ld_module *module = native.loader.first; module; module = module->next)
        count_publish(module);
}

/* Why LoadLibrary will say no: nobody else knows it, because the guest gets one number. */
static void tell_failure(const char *name, const struct ld_error *error)
{
    char wanted[sizeof error->module + sizeof error->symbol + sizeof error->needed_by + 16];
    snprintf(wanted, sizeof wanted, "%s%s%s%s%s", error->module, error->symbol[0] ? "!" : "", error->symbol,
             error->needed_by[0] ? ", needed by " : "", error->needed_by);
    LD_TRACE(native.loader.trace, error->phase, .verb = "failed", .module = name, .detail = error->text,
             .name = wanted[0] ? wanted : NULL);
}

static NTSTATUS load(const uintptr_t *arguments)
{
    struct native_name name;
    struct ld_error error;
    NTSTATUS status = native_name_take((const WCHAR *)arguments[0], (const WCHAR *)arguments[1], &name);
    if (status)
        return status;
    memset(&error, 0, sizeof error);
    struct loader *loader = &native.loader;
    loader->search = name.search;
    loader->root_no_resolve = arguments[2] & NT_LOAD_NO_RESOLVE;
    struct ld_module *module = name.is_path ? ld_load_path(loader, name.text, &error) : ld_load(loader, name.text, NULL, &error);
    loader->search = native.search;
    if (!module) {
        tell_failure(name.text, &error);
        return error.ntstatus ? error.ntstatus : STATUS_DLL_NOT_FOUND;
    }
    if (module->state == LD_GONE && module->references == 1) { /* its own DllMain, which is just detaching it, asks for it again */
        module->references = 0;
        return STATUS_DLL_NOT_FOUND;
    }
    if (!native_entries_add(module, name.dos))
        return STATUS_NO_MEMORY;
    counts_publish();
    void *entry = module->entry;
    return NT_PUT((void **)arguments[3], entry) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static struct ld_module *module_of_file(const char *path)
{
    struct stat file;
    struct ld_module *module = stat(path, &file) ? NULL : native.loader.first;
    while (module && (module->file.device != (uint64_t)file.st_dev || module->file.serial != (uint64_t)file.st_ino))
        module = module->next;
    return module;
}

static struct ld_module *module_of_name(const char *name)
{
    static const char *const nowhere[] = {NULL}; /* only what is loaded counts: no folder is looked into */
    struct ld_module *module;
    struct ld_error error;
    char path[4096];
    memset(&error, 0, sizeof error);
    native.loader.search = nowhere;
    bool known = ld_find(&native.loader, name, NULL, &module, path, sizeof path, &error);
    native.loader.search = native.search;
    return known && !module ? module_of_file(path) : module; /* a path: of a side-by-side assembly */
}

static NTSTATUS find(const uintptr_t *arguments)
{
    struct native_name name;
    NTSTATUS status = native_name_take((const WCHAR *)arguments[0], (const WCHAR *)arguments[1], &name);
    if (status)
        return status;
    struct ld_module *module = name.is_path ? module_of_file(name.text) : module_of_name(name.text);
    void *entry = module ? module->entry : NULL;
    if (!entry)
        return STATUS_DLL_NOT_FOUND;
    return NT_PUT((void **)arguments[2], entry) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Writes modules as entries; STATUS_BUFFER_TOO_SMALL asks the guest half to come again with more room. */
static NTSTATUS list_answer(struct ld_module *const *list, size_t count, const uintptr_t *arguments)
{
    ULONG told = (ULONG)count;
    if (!NT_PUT((ULONG *)arguments[3], told))
        return STATUS_ACCESS_VIOLATION;
    if (count > arguments[2])
        return STATUS_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < count; i++)
        if (!nt_write((void **)arguments[1] + i, &list[i]->entry, sizeof(void *)))
            return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

static NTSTATUS order(const uintptr_t *arguments, bool unload)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    struct ld_module **list = calloc(native.loader.count, sizeof *list);
    if (!list)
        return STATUS_NO_MEMORY;
    size_t count = unload ? ld_unload_plan(&native.loader, module, list, native.loader.count)
                          : ld_order(&native.loader, module, list, native.loader.count);
    for (size_t i = 0; unload && i < count; i++)
        list[i]->state = LD_GONE;
    NTSTATUS status = list_answer(list, count, arguments);
    free(list);
    counts_publish();
    return status;
}

static NTSTATUS state(const uintptr_t *arguments)
{
    static const char *const verbs[] = {"bound", "attach", "attached", "detached"};
    static unsigned last_index = 2; /* ntdll and the guest half came first */
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module || arguments[1] > NT_MODULE_DETACHED)
        return STATUS_INVALID_PARAMETER;
    struct nt_ldr_entry *entry = module->entry;
    switch (arguments[1]) {
    case NT_MODULE_INITIALISING:
        module->state = LD_INITIALISING;
        module->init_index = ++last_index;
        native_entry_initialising(module);
        break;
    case NT_MODULE_RUNNING:
        module->state = LD_RUNNING;
        entry->peload_node.state = 9;
        break;
    case NT_MODULE_DETACHED:
        module->state = LD_GONE;
        break;
    }
    LD_TRACE(native.loader.trace, LD_INIT, .verb = verbs[arguments[1]], .module = module->name,
             .address = (uintptr_t)entry->entry_point, .count = module->init_index, .thread = nt_current()->object->id);
    return STATUS_SUCCESS;
}

static NTSTATUS unload(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    LD_TRACE(native.loader.trace, LD_UNLOAD, .verb = "unmapped", .module = module->name, .address = module->base,
             .size = module->image.size_of_image);
    native_entry_drop(module);
    ld_module_free(&native.loader, module);
    return STATUS_SUCCESS;
}

enum { SYMBOL_LIMIT = 4096 };

static NTSTATUS symbol(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    struct ld_error error;
    char name[SYMBOL_LIMIT];
    size_t length = 0;
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    if (arguments[1]) {
        for (;; length++) {
            if (length == sizeof name)
                return STATUS_ENTRYPOINT_NOT_FOUND;
            if (!nt_read(&name[length], (const char *)arguments[1] + length, 1))
                return STATUS_ACCESS_VIOLATION;
            if (!name[length])
                break;
        }
    } else if (!(uint32_t)arguments[2])
        return STATUS_INVALID_PARAMETER;
    memset(&error, 0, sizeof error);
    const struct ld_module *last = native.loader.last;
    uint64_t address = ld_symbol(&native.loader, module, arguments[1] ? name : NULL, (uint32_t)length,
                                 arguments[1] ? 0 : (uint32_t)arguments[2], &error);
    bool more = native.loader.last != last;
    if (more && !native_entries_add(NULL, NULL))
        return STATUS_NO_MEMORY;
    if (!address)
        return error.ntstatus ? error.ntstatus : STATUS_ENTRYPOINT_NOT_FOUND;
    uintptr_t found = (uintptr_t)address;
    if (!NT_PUT((uintptr_t *)arguments[3], found))
        return STATUS_ACCESS_VIOLATION;
    return more ? NT_SYMBOL_NEW_MODULES : STATUS_SUCCESS;
}

static NTSTATUS reference(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    if (arguments[1])
        module->references = -1;
    else
        ld_reference(&native.loader, module);
    count_publish(module);
    return STATUS_SUCCESS;
}

NTSTATUS native_private_call(uint32_t number, const uintptr_t *arguments)
{
    switch (number) {
    case NT_PRIVATE_LOAD: return load(arguments);
    case NT_PRIVATE_FIND: return find(arguments);
    case NT_PRIVATE_ORDER: return order(arguments, false);
    case NT_PRIVATE_STATE: return state(arguments);
    case NT_PRIVATE_UNLOAD_PLAN: return order(arguments, true);
    case NT_PRIVATE_UNLOAD: return unload(arguments);
    case NT_PRIVATE_SYMBOL: return symbol(arguments);
    case NT_PRIVATE_REFERENCE: return reference(arguments);
    case NT_PRIVATE_RANDOM: /* straight into the guest's memory: a bad pointer is EFAULT */
        for (size_t done = 0; done < arguments[1];) {
            ssize_t more = getrandom((char *)arguments[0] + done, arguments[1] - done, 0);
            if (more < 0 && errno != EINTR)
                return STATUS_ACCESS_VIOLATION;
            done += more > 0 ? (size_t)more : 0;
        }
        return STATUS_SUCCESS;
    case NT_PRIVATE_FATAL: {
        struct ld_module *module = module_of((void *)arguments[1]);
        native.options.start_failed((NTSTATUS)arguments[0], module ? module->name : NULL);
        nt_ps_process_exit((NTSTATUS)arguments[0]);
    }
    }
    return STATUS_NOT_IMPLEMENTED;
}
