/* Modules, the list of them, and how a failure is told. */
#include "loader/module.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)HOST_READ == PE_R && (int)HOST_WRITE == PE_W && (int)HOST_EXECUTE == PE_X, "one set of rights");

/* ---- Texts ---- */

static inline unsigned char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

bool ld_name_equal(const char *a, const char *b)
{
    for (; fold(*a) == fold(*b); a++, b++)
        if (!*a)
            return true;
    return false;
}

bool ld_text_equal(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (fold(a[i]) != fold(b[i]))
            return false;
    return true;
}

void ld_text_set(char *to, size_t room, const char *from)
{
    size_t length = from ? strlen(from) : 0;
    if (length >= room)
        length = room - 1;
    if (length)
        memmove(to, from, length);
    to[length] = 0;
}

/* ---- The list ---- */

struct ld_module *ld_module_new(struct loader *loader, const char *path)
{
    /* One piece of memory for the record, its path and its name, which is the path's last component. */
    size_t length = strlen(path);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct ld_module *module = calloc(1, sizeof(*module) + length + 1 + strlen(name) + 1);
    if (!module)
        return NULL;
    module->path = (char *)(module + 1);
    memcpy(module->path, path, length + 1);
    module->name = strcpy(module->path + length + 1, name);
    module->tls_slot = -1;

    module->prev = loader->last;
    *(loader->last ? &loader->last->next : &loader->first) = module;
    loader->last = module;
    loader->count++;
    return module;
}

static void give_tls_slot_back(struct loader *loader, struct ld_module *module)
{
    if (module->tls_slot < 0)
        return;
    if (loader->tls_give) {
        loader->tls_give(loader, module);
        return;
    }
    assert((unsigned)module->tls_slot < loader->tls_count && loader->tls_modules[module->tls_slot] == module);
    loader->tls_modules[module->tls_slot] = NULL;
    while (loader->tls_count && !loader->tls_modules[loader->tls_count - 1])
        loader->tls_count--;
    if (!loader->tls_count) {
        free(loader->tls_modules);
        loader->tls_modules = NULL;
    }
}

const struct pe_exports *ld_exports(const struct ld_module *module, struct pe_error *broken)
{
    struct ld_module *asked = (struct ld_module *)(uintptr_t)module; /* it only remembers the answer */
    struct pe_error ignored = {0};
    if (!module->exports_asked)
        asked->has_exports = pe_exports_open(&asked->exports, &module->image, broken ? broken : &ignored);
    asked->exports_asked = true;
    return module->has_exports ? &module->exports : NULL;
}

void ld_module_free(struct loader *loader, struct ld_module *module)
{
    struct host *host = loader->host;
    *(module->prev ? &module->prev->next : &loader->first) = module->next;
    *(module->next ? &module->next->prev : &loader->last) = module->prev;
    loader->count--;

    give_tls_slot_back(loader, module);
    if (module->base && !module->is_system)
        host->vm_release(host, module->base, module->source.size_of_image);
    if (module->is_main && loader->occupied_size) {
        host->vm_release(host, loader->occupied, loader->occupied_size);
        loader->occupied = loader->occupied_size = 0;
    }
    if (module->file.bytes)
        host->file_close(host, &module->file);
    for (struct ld_redirect *redirect = module->redirects, *next; redirect; redirect = next) {
        next = redirect->next;
        free(redirect);
    }
    free(module->regions);
    free(module->imported);
    free(module->needs);
    free(module);
}

struct ld_module *ld_module_by_name(const struct loader *loader, const char *name)
{
    for (struct ld_module *module = loader->first; module; module = module->next)
        if (ld_name_equal(module->name, name))
            return module;
    return NULL;
}

struct ld_module *ld_module_by_address(const struct loader *loader, uint64_t address)
{
    for (struct ld_module *module = loader->first; module; module = module->next)
        if (module->base && address - module->base < module->source.size_of_image)
            return module;
    return NULL;
}

struct ld_module *ld_module_by_file(const struct loader *loader, const struct host_file *file)
{
    for (struct ld_module *module = loader->first; module; module = module->next)
        if (&module->file != file && module->file.serial == file->serial && module->file.device == file->device)
            return module;
    return NULL;
}

bool ld_module_add_need(struct ld_module *module, struct ld_module *need)
{
    if (module == need)
        return true;
    for (unsigned i = 0; i < module->need_count; i++)
        if (module->needs[i] == need)
            return true;
    /* Room grows at powers of two: the count itself tells when. */
    if ((module->need_count & (module->need_count - 1)) == 0) {
        size_t room = module->need_count ? 2 * (size_t)module->need_count : 1;
        struct ld_module **needs = realloc(module->needs, room * sizeof(*needs));
        if (!needs)
            return false;
        module->needs = needs;
    }
    module->needs[module->need_count++] = need;
    return true;
}

/* ---- Regions ---- */

struct ld_region *ld_module_region(const struct ld_module *module, pe_rva rva)
{
    unsigned low = 0, high = module->region_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        struct ld_region *region = &module->regions[middle];
        if (rva.value < region->plan.rva.value)
            high = middle;
        else if (rva.value - region->plan.rva.value >= region->plan.size)
            low = middle + 1;
        else
            return region;
    }
    return NULL;
}

int ld_rights_writable(int planned)
{
    if (planned & PE_W)
        return planned | PE_R;
    return (planned & ~PE_X) | PE_R | PE_W;
}

enum host_result ld_module_writable(struct loader *loader, struct ld_module *module, pe_rva rva, uint32_t size)
{
    for (uint64_t at = rva.value, end = at + size; at < end;) {
        struct ld_region *region = at <= UINT32_MAX ? ld_module_region(module, pe_rva_at((uint32_t)at)) : NULL;
        if (!region || region->plan.kind == PE_REGION_GAP)
            return HOST_NOT_FOUND;
        if (!(region->rights & PE_W)) {
            int rights = ld_rights_writable(region->plan.rights);
            uint64_t address = module->base + region->plan.rva.value;
            enum host_result result = loader->host->vm_protect(loader->host, address, region->plan.size, rights);
            if (result != HOST_OK)
                return result;
            region->rights = rights;
            LD_TRACE(loader->trace, LD_PROTECT, .verb = "writable", .module = module->name, .address = address,
                     .size = region->plan.size, .rights = rights);
        }
        at = (uint64_t)region->plan.rva.value + region->plan.size;
    }
    return HOST_OK;
}

/* ---- Failures ---- */

static void start_error(struct ld_error *error, enum ld_phase phase, const struct ld_module *module)
{
    memset(error, 0, sizeof(*error));
    error->phase = phase;
    if (module)
        ld_text_set(error->module, sizeof(error->module), module->name);
}

bool ld_fail(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, uint32_t ntstatus, const char *text)
{
    start_error(error, phase, module);
    error->ntstatus = ntstatus;
    error->text = text;
    return false;
}

bool ld_fail_host(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, enum host_result result,
                  const char *text)
{
    static const uint32_t statuses[] = {
        [HOST_OK] = LD_STATUS_UNSUCCESSFUL,
        [HOST_NOT_FOUND] = LD_STATUS_DLL_NOT_FOUND,
        [HOST_DENIED] = LD_STATUS_ACCESS_DENIED,
        [HOST_NOT_A_FILE] = LD_STATUS_FILE_IS_A_DIRECTORY,
        [HOST_TAKEN] = PE_STATUS_CONFLICTING_ADDRESSES,
        [HOST_NO_MEMORY] = LD_STATUS_NO_MEMORY,
        [HOST_FAILED] = LD_STATUS_UNSUCCESSFUL,
    };
    assert(result != HOST_OK && (unsigned)result <= HOST_FAILED);
    start_error(error, phase, module);
    error->ntstatus = statuses[result];
    error->host = result;
    error->text = text;
    return false;
}

bool ld_fail_pe(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, const struct pe_error *pe)
{
    start_error(error, phase, module);
    error->ntstatus = pe->ntstatus ? pe->ntstatus : PE_STATUS_INVALID_IMAGE_FORMAT;
    error->pe = *pe;
    error->text = pe->text;
    return false;
}
