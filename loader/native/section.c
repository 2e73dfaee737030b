/* SEC_IMAGE sections of the guest take the same plan and phases as our own loads: place, fill, relocate, protect. */
#include "loader/native/native.h"
#include "loader/nt/mm.h"

#include <stdlib.h>
#include <string.h>

void native_image_facts(const struct pe_image *image, struct nt_image_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->entry_point = (void *)(uintptr_t)(image->image_base.value + image->entry.value);
    facts->stack_reserve = (SIZE_T)image->stack_reserve;
    facts->stack_commit = (SIZE_T)image->stack_commit;
    facts->subsystem = image->subsystem;
    facts->subsystem_minor = image->minor_subsystem;
    facts->subsystem_major = image->major_subsystem;
    facts->os_major = 4;
    facts->characteristics = image->characteristics;
    facts->dll_characteristics = image->dll_characteristics;
    facts->machine = image->machine;
    facts->contains_code = image->size_of_code || image->entry.value || image->is_flat;
    facts->image_flags = (image->dll_characteristics & 0x40 && facts->contains_code ? 4 : 0) | (image->is_flat ? 8 : 0);
    facts->loader_flags = image->loader_flags;
    facts->file_size = (ULONG)image->file_size;
    facts->checksum = image->checksum;
}

static NTSTATUS status_of(const struct ld_error *error)
{
    if (error->pe.code != PE_OK && error->pe.ntstatus)
        return error->pe.ntstatus;
    return error->ntstatus ? error->ntstatus : STATUS_INVALID_IMAGE_FORMAT;
}

/* A list of its own: such an image is mapped, but it is no module of the process. */
static void apart_open(struct loader *apart)
{
    memset(apart, 0, sizeof *apart);
    apart->host = native.loader.host;
    apart->user_limit = native.loader.user_limit;
    apart->trace = native.loader.trace;
}

NTSTATUS native_image_open(const char *unix_path, struct nt_image_facts *facts)
{
    struct host *host = native.loader.host;
    struct host_file file;
    struct pe_image image;
    struct pe_error error;
    memset(&error, 0, sizeof error);
    enum host_result result = ld_source_open(host, unix_path, &file, &image, &error);
    if (result)
        return result == HOST_NOT_FOUND ? STATUS_OBJECT_NAME_NOT_FOUND : result == HOST_DENIED ? STATUS_ACCESS_DENIED :
               result == HOST_NOT_A_FILE ? STATUS_FILE_IS_A_DIRECTORY : STATUS_INVALID_FILE_FOR_SECTION;
    NTSTATUS status = STATUS_SUCCESS;
    if (error.code == PE_OK)
        native_image_facts(&image, facts);
    else
        status = error.ntstatus ? error.ntstatus : STATUS_INVALID_IMAGE_FORMAT;
    host->file_close(host, &file);
    return status;
}

NTSTATUS native_image_map(const char *unix_path, void **base, size_t *size)
{
    struct loader apart;
    struct ld_error error;
    apart_open(&apart);
    memset(&error, 0, sizeof error);
    struct ld_module *module = ld_module_new(&apart, unix_path);
    if (!module)
        return STATUS_NO_MEMORY;
    if (!ld_open(&apart, module, &error) || !ld_place(&apart, module, &error) || !ld_fill(&apart, module, &error) ||
        !ld_relocate(&apart, module, &error) || (native.options.reference && !native_module_cells(&apart, module)) ||
        !ld_protect(&apart, module, &error)) {
        ld_module_free(&apart, module);
        return status_of(&error);
    }
    bool moved = module->moved;
    *base = (void *)(uintptr_t)module->base;
    *size = module->image.size_of_image;
    module->base = 0; /* the mapping is the section view's from here on */
    ld_module_free(&apart, module);
    return moved ? STATUS_IMAGE_NOT_AT_BASE : STATUS_SUCCESS;
}
