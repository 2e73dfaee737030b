/* NLS tables: the files of nt_config.nls_folder, mapped read-only where the guest asks for them. */
#include "loader/nt/ex/private.h"
#include "loader/nt/mm.h"

#include <stdio.h>
#include <unistd.h>

enum { SECTION_SORT_KEYS = 9, SECTION_CASE_MAP = 10, SECTION_CODE_PAGE = 11, SECTION_NORMALISATION = 12 };

static const char *normalisation_file(ULONG form)
{
    switch (form) {
    case 1: return "normnfc.nls";
    case 2: return "normnfd.nls";
    case 5: return "normnfkc.nls";
    case 6: return "normnfkd.nls";
    case 13: return "normidna.nls";
    }
    return NULL;
}

/* STATUS_INVALID_PARAMETER_1: no such kind of section; a kind that has one section takes only the number 0. */
static NTSTATUS file_name(ULONG type, ULONG id, char *name, size_t room)
{
    const char *file = NULL;
    switch (type) {
    case SECTION_SORT_KEYS:
        if (id)
            return STATUS_INVALID_PARAMETER_1;
        file = "sortdefault.nls";
        break;
    case SECTION_CASE_MAP:
        if (id)
            return STATUS_UNSUCCESSFUL;
        file = "l_intl.nls";
        break;
    case SECTION_CODE_PAGE:
        snprintf(name, room, "c_%03u.nls", id);
        return STATUS_SUCCESS;
    case SECTION_NORMALISATION:
        file = normalisation_file(id);
        if (!file)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        break;
    default:
        return STATUS_INVALID_PARAMETER_1;
    }
    snprintf(name, room, "%s", file);
    return STATUS_SUCCESS;
}

static NTSTATUS file_map(const char *name, void **base, size_t *size)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", nt_config.nls_folder, name);
    NTSTATUS status = nt_mm_map_file(path, base, size);
    return status && access(path, F_OK) ? STATUS_OBJECT_NAME_NOT_FOUND : status;
}

NTSTATUS NtGetNlsSectionPtr(ULONG type, ULONG id, void *context, void **guest_base, SIZE_T *guest_size)
{
    char name[32];
    void *base;
    size_t size;
    (void)context;
    NTSTATUS status = file_name(type, id, name, sizeof name);
    if (!status)
        status = file_map(name, &base, &size);
    if (status)
        return status;
    SIZE_T told = size;
    return NT_PUT(guest_base, base) && (!guest_size || NT_PUT(guest_size, told)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtInitializeNlsFiles(void **guest_base, ULONG *guest_lcid, LARGE_INTEGER *guest_size)
{
    void *base;
    size_t size;
    NTSTATUS status = file_map("locale.nls", &base, &size);
    if (status)
        return status;
    ULONG lcid = nt_ex_system_lcid();
    LARGE_INTEGER told = {.value = (LONGLONG)size};
    if (!NT_PUT(guest_base, base) || !NT_PUT(guest_lcid, lcid) || (guest_size && !NT_PUT(guest_size, told)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}
