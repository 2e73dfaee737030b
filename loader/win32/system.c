/* DLLs that stay the operating system's. Its loader maps and initialises them; we look at their export tables, as at
 * those of our own modules. */
#include "loader/apiset.h"
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>

/* State of which a process can have one only: the connection to the kernel, heaps, standard streams, windows. Windows
 * itself never takes these from a program's folder ("known DLLs"). Those with a reason stay the system's with --manual=all, too. */
static const char kernel[] = "it is the way into the kernel, and threads begin in it", streams[] = "its streams and heap are those of the system's DLLs, too",
                  windows[] = "the kernel calls back into the one copy that has made itself known";
static const struct always { const char *name, *why; } always[] = {
    {"ntdll.dll", kernel},   {"kernel32.dll", kernel}, {"kernelbase.dll", kernel}, {"msvcrt.dll", streams}, {"ucrtbase.dll", streams},
    {"user32.dll", windows}, {"gdi32.dll", windows},   {"win32u.dll", windows},    {"advapi32.dll", NULL},  {"sechost.dll", NULL},
    {"rpcrt4.dll", NULL},    {"combase.dll", NULL},    {"ole32.dll", NULL},        {"oleaut32.dll", NULL},  {"shell32.dll", NULL},
    {"ws2_32.dll", NULL},
};

static const struct always *always_find(const char *name)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (ld_name_equal(always[i].name, name) && (win32.options.manual != WIN32_MANUAL_ALL || always[i].why))
            return &always[i];
    return NULL;
}

static struct ld_module *record_of(struct loader *loader, HMODULE handle)
{
    struct ld_module *module = ld_module_by_address(loader, (uintptr_t)handle);
    WCHAR wide[LD_PATH_ROOM];
    char path[LD_PATH_ROOM];
    struct pe_error broken = {0};
    if (module)
        return module;
    DWORD length = GetModuleFileNameW(handle, wide, LD_PATH_ROOM);
    if (!length || length >= LD_PATH_ROOM || !win32_path_host(wide, path, sizeof path))
        return NULL;
    const IMAGE_DOS_HEADER *dos = (const IMAGE_DOS_HEADER *)handle;
    const IMAGE_NT_HEADERS *nt = (const IMAGE_NT_HEADERS *)((const uint8_t *)handle + dos->e_lfanew);
    struct pe_span bytes = {(const uint8_t *)handle, nt->OptionalHeader.SizeOfImage};
    if (!(module = ld_module_new(loader, path)))
        return NULL;
    module->is_system = true;
    module->base = module->preferred = (uintptr_t)handle;
    module->state = LD_RUNNING;
    module->references = -1;
    if (!pe_open(&module->source, bytes, PE_FORM_MAPPED, &broken)) {
        ld_module_free(loader, module);
        return NULL;
    }
    module->image = module->source;
    LD_TRACE(loader->trace, LD_FIND, .verb = "system", .module = module->name, .name = module->path, .address = module->base,
             .size = bytes.size, .detail = "loaded by the operating system");
    return module;
}

/* --manual=exe: the program's own DLLs are the operating system's too, but it looks in OUR program's folder for them. */
static HMODULE from_program_folder(const char *name)
{
    char path[LD_PATH_ROOM + 300];
    WCHAR wide[LD_PATH_ROOM];
    strcpy(path, win32.folder);
    strcat(strcat(path, "/"), name);
    if (!win32_path_wide(path, wide, LD_PATH_ROOM) || GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES)
        return NULL;
    return LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
}

/* ---- Wine's DLLs with two halves ---- */

static bool has_text(const uint8_t *bytes, uint64_t size, const char *text, size_t length)
{
    for (const uint8_t *at = bytes, *end = bytes + size; (at = memchr(at, *text, (size_t)(end - at))) && (size_t)(end - at) >= length; at++)
        if (!memcmp(at, text, length))
            return true;
    return false;
}

/* Wine marks its own DLLs behind the DOS header. Some have a second half that is a library of Unix, and the PE half asks for it by
 * this name (ws2_32, crypt32, bcrypt, secur32, ... of Wine 8.0 and 10.0). */
static bool has_unix_half(struct loader *loader, const struct ld_module *opened)
{
    static const char mark[] = "Wine builtin DLL", call[] = "__wine_unix_call";
    struct host_file whole;
    const struct host_file *file = &opened->file;
    if (file->there < 0x40 + sizeof mark || memcmp(file->bytes + 0x40, mark, sizeof mark))
        return false;
    if (loader->host->file_open(loader->host, opened->path, &whole) != HOST_OK)
        return false;
    bool found = has_text(whole.bytes, whole.size, call, sizeof call - 1);
    loader->host->file_close(loader->host, &whole);
    return found;
}

/* Wine gives the other half to those images alone that its own loader has mapped: stretched by hand, such a DLL refuses its
 * initialisation. */
struct ld_module *win32_instead(struct loader *loader, const struct ld_module *opened)
{
    WCHAR wide[LD_PATH_ROOM];
    HMODULE handle = NULL;
    if (!opened->source.is_dll || !has_unix_half(loader, opened))
        return NULL;
    LD_TRACE(loader->trace, LD_FIND, .verb = "skipped", .module = opened->name, .name = opened->path,
             .detail = "Wine's own loader must have it: its other half is a library of Unix");
    if (win32_path_wide(opened->path, wide, LD_PATH_ROOM))
        handle = LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    return handle ? record_of(loader, handle) : NULL;
}

struct ld_module *win32_system(struct loader *loader, const char *name, bool searched)
{
    WCHAR wide[300];
    HMODULE handle = NULL;
    const struct always *row = always_find(name);
    bool is_systems = ld_apiset_is_name(name) || row || win32.options.manual == WIN32_MANUAL_EXE;
    if (!searched && !is_systems && !win32_search_is_system(name))
        return NULL;
    if (strlen(name) >= 260 || !win32_path_wide(name, wide, 300))
        return NULL;
    if (!strchr(name, '.'))
        wcscat(wide, L"."); /* its extension was considered here already: there is none */
    if (win32.options.manual == WIN32_MANUAL_EXE && !row)
        handle = from_program_folder(name);
    /* Its version may be a question of the manifest of whoever needs it. */
    HANDLE context = win32_context_of(loader->manifest_of);
    ULONG_PTR cookie = win32_context_enter(context);
    if (!handle)
        handle = is_systems ? LoadLibraryW(wide) : win32_search_load(wide);
    win32_context_leave(cookie);
    if (context)
        ReleaseActCtx(context);
    if (row && win32.options.manual == WIN32_MANUAL_ALL && handle && !ld_module_by_address(loader, (uintptr_t)handle))
        LD_TRACE(loader->trace, LD_FIND, .verb = "skipped", .module = name, .detail = row->why);
    return handle ? record_of(loader, handle) : NULL;
}
