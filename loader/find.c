/* find: from a name, as an import or LoadLibrary says it, to a module that is there already or to a file.
 * open: the file's bytes, its headers, and whether they are for this machine. */
#include "loader/apiset.h"
#include "loader/load.h"

#include <string.h>

#define NAME_ROOM 260u /* MAX_PATH: no DLL name is longer */

static bool not_found(struct ld_error *error, const char *name, const struct ld_module *importer, const char *text)
{
    ld_fail(error, LD_FIND, NULL, LD_STATUS_DLL_NOT_FOUND, text);
    ld_text_set(error->module, sizeof(error->module), name);
    if (importer)
        ld_text_set(error->needed_by, sizeof(error->needed_by), importer->name);
    return false;
}

/* Windows' rules of spelling: spaces and dots behind the name do not count, but a dot there says "no extension"; where
 * the last component has no dot at all it is a ".dll". */
static bool spell(const char *name, char *full, size_t room)
{
    size_t length = strlen(name);
    bool dotted = false;
    for (; length && (name[length - 1] == ' ' || name[length - 1] == '.'); length--)
        dotted |= name[length - 1] == '.';
    if (!length || length + sizeof(".dll") > room)
        return false;
    memcpy(full, name, length);
    full[length] = 0;

    size_t last = length;
    while (last && full[last - 1] != '/' && full[last - 1] != '\\')
        last--;
    if (!dotted && !strchr(full + last, '.'))
        memcpy(full + length, ".dll", sizeof(".dll"));
    return full[last] != 0;
}

static bool has_separator(const char *name)
{
    return name[strcspn(name, "/\\")] != 0;
}

/* The first search folder from *folder on that has the file. False: none has (HOST_OK in *result), or the host
 * failed for another reason than that something is not there. */
static bool search(struct loader *loader, const char *name, size_t *folder, char *path, size_t room,
                   enum host_result *result)
{
    for (; loader->search && loader->search[*folder]; ++*folder) {
        *result = loader->host->file_find(loader->host, loader->search[*folder], name, path, room);
        if (*result == HOST_OK)
            return true;
        if (*result == HOST_NO_MEMORY || *result == HOST_FAILED)
            return false;
    }
    *result = HOST_OK;
    return false;
}

/* Windows takes these from its system folder whatever lies in the application's: the list of HKLM\SYSTEM\...\Session
 * Manager\KnownDLLs (Windows 10), with what those import. It also spares a look into every other folder. */
static bool is_known(const char *full)
{
    static const char *const names[] = {
        "advapi32", "bcrypt",  "cfgmgr32", "clbcatq",     "combase",  "comdlg32", "coml2",   "difxapi", "gdi32",    "gdi32full",
        "gdiplus",  "imagehlp", "imm32",   "kernel32",    "kernelbase", "msctf",  "msvcp_win", "msvcrt", "normaliz", "nsi",
        "ntdll",    "ole32",   "oleaut32", "psapi",       "rpcrt4",   "sechost",  "setupapi", "shcore", "shell32",  "shlwapi",
        "ucrtbase", "user32",  "win32u",   "wldap32",     "ws2_32",
    };
    size_t length = strlen(full);
    if (length < 4 || !ld_text_equal(full + length - 4, ".dll", 4))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length - 4 && ld_text_equal(names[i], full, length - 4))
            return true;
    return false;
}

static bool find_known(struct loader *loader, const char *full, char *path, size_t room)
{
    struct host *host = loader->host;
    return loader->known_folder && is_known(full) && host->file_find(host, loader->known_folder, full, path, room) == HOST_OK;
}

/* The API set comes before everything else, even before a file of that name in the application's folder: that is
 * how Windows 10 keeps programs that bring their own copies on the system's DLLs. A contract that the schema does not
 * know goes the ordinary way. */
static bool through_apiset(struct loader *loader, const char *name, const struct ld_module *importer, char *full,
                           size_t room, struct ld_error *error)
{
    char host[NAME_ROOM];
    switch (ld_apiset_lookup(loader->apisets, name, importer ? importer->name : NULL, host, sizeof(host))) {
    case LD_APISET_UNKNOWN:
        return true;
    case LD_APISET_EMPTY:
        return not_found(error, name, importer, "the API set has no DLL on this system");
    case LD_APISET_FOUND:
        break;
    }
    LD_TRACE(loader->trace, LD_FIND, .verb = "apiset", .module = host, .name = name,
             .detail = importer ? importer->name : NULL);
    if (!spell(host, full, room))
        return not_found(error, name, importer, "the API set names no usable DLL");
    return true;
}

bool ld_find(struct loader *loader, const char *name, const struct ld_module *importer, struct ld_module **already,
             char *path, size_t room, struct ld_error *error)
{
    *already = NULL;
    if (has_separator(name)) {
        if (!spell(name, path, room))
            return not_found(error, name, importer, "this is no usable name for a file");
        return true;
    }

    char full[NAME_ROOM];
    if (!spell(name, full, sizeof(full)))
        return not_found(error, name, importer, "this is no usable name for a DLL");
    if (ld_apiset_is_name(full) && !through_apiset(loader, name, importer, full, sizeof(full), error))
        return false;

    const char *redirected = ld_manifest_path(loader, full);
    if (redirected) {
        ld_text_set(path, room, redirected);
        LD_TRACE(loader->trace, LD_FIND, .verb = "assembly", .module = full, .name = path,
                 .detail = importer ? importer->name : NULL);
        return true;
    }

    *already = ld_module_by_name(loader, full);
    if (!*already && loader->system)
        *already = loader->system(loader, full, false);
    if (*already) {
        LD_TRACE(loader->trace, LD_FIND, .verb = "already", .module = (*already)->name, .name = name,
                 .detail = importer ? importer->name : NULL, .address = (*already)->base);
        return true;
    }

    size_t folder = 0;
    enum host_result result;
    if (!find_known(loader, full, path, room) && !search(loader, full, &folder, path, room, &result)) {
        if (result == HOST_OK && loader->system && (*already = loader->system(loader, full, true)))
            return true;
        if (result == HOST_OK)
            return not_found(error, full, importer, "no folder of the search path has this file");
        ld_fail_host(error, LD_FIND, NULL, result, "a folder of the search path cannot be searched");
        ld_text_set(error->module, sizeof(error->module), full);
        return false;
    }
    LD_TRACE(loader->trace, LD_FIND, .verb = "found", .module = full, .name = path,
             .detail = importer ? importer->name : NULL);
    return true;
}

/* The same search once more, for the hit behind those that were refused. Rare, so nothing is kept for it. */
bool ld_find_again(struct loader *loader, const char *name, const struct ld_module *importer, unsigned refused, char *path,
                   size_t room, struct ld_error *error)
{
    char full[NAME_ROOM];
    LD_TRACE(loader->trace, LD_FIND, .verb = "skipped", .name = path, .detail = "for another machine");
    if (!has_separator(name) && spell(name, full, sizeof(full)) &&
        (!ld_apiset_is_name(full) || through_apiset(loader, name, importer, full, sizeof(full), error))) {
        enum host_result result;
        for (size_t folder = 0; search(loader, full, &folder, path, room, &result); folder++)
            if (!refused--) {
                LD_TRACE(loader->trace, LD_FIND, .verb = "found", .module = full, .name = path,
                         .detail = importer ? importer->name : NULL);
                return true;
            }
    }
    not_found(error, name, importer, "the only file of this name is for another machine");
    error->ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT;
    error->pe.code = PE_BAD_MACHINE;
    return false;
}

enum host_result ld_source_open(struct host *host, const char *path, struct host_file *file, struct pe_image *source,
                                struct pe_error *error)
{
    for (bool by_part = host->file_open_part;; by_part = false) {
        enum host_result result = (by_part ? host->file_open_part : host->file_open)(host, path, file);
        if (result != HOST_OK) {
            memset(file, 0, sizeof(*file));
            return result;
        }
        struct pe_span bytes = {file->bytes, file->there};
        if (file->there == file->size) {
            pe_open(source, bytes, PE_FORM_FILE, error);
            return HOST_OK;
        }
        if (pe_open_part(source, bytes, file->size, error))
            return HOST_OK;
        host->file_close(host, file);
    }
}

bool ld_open(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct pe_error pe = {0};
    enum host_result result = ld_source_open(loader->host, module->path, &module->file, &module->source, &pe);
    if (result != HOST_OK)
        return ld_fail_host(error, LD_OPEN, module, result, "the file cannot be opened");
    if (pe.code != PE_OK)
        return ld_fail_pe(error, LD_OPEN, module, &pe);

    uint16_t wanted = loader->machine ? loader->machine : loader->first->source.machine; /* its own where it is alone */
    if (module->source.machine != wanted) {
        ld_fail(error, LD_OPEN, module, PE_STATUS_INVALID_IMAGE_FORMAT, "the file is for another machine");
        error->pe.code = PE_BAD_MACHINE;
        error->pe.got = module->source.machine;
        error->pe.want = wanted;
        return false;
    }
    LD_TRACE(loader->trace, LD_OPEN, .verb = "opened", .module = module->name, .name = module->path,
             .detail = pe_machine_name(module->source.machine), .size = module->file.size,
             .count = module->source.section_count);
    return true;
}
