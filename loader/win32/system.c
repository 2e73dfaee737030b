/* DLLs that stay the operating system's. Its loader maps and initialises them; we look at their export tables, as at
 * those of our own modules. */
#include "loader/apiset.h"
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>

/* State of which a process can have one only: the connection to the kernel, heaps, standard streams, windows. Windows
 * itself never takes these from a program's folder ("known DLLs"). */
static const char *const always[] = {
    "ntdll.dll", "kernel32.dll", "kernelbase.dll", "msvcrt.dll", "ucrtbase.dll", "user32.dll", "gdi32.dll", "win32u.dll",
    "advapi32.dll", "sechost.dll", "rpcrt4.dll", "combase.dll", "ole32.dll", "oleaut32.dll", "shell32.dll", "ws2_32.dll",
};

static bool is_always(const char *name)
{
    size_t count = win32.options.manual == WIN32_MANUAL_ALL ? 5 : sizeof always / sizeof *always;
    for (size_t i = 0; i < count; i++)
        if (ld_name_equal(always[i], name))
            return true;
    return false;
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
    module->has_exports = pe_exports_open(&module->exports, &module->image, &broken);
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

struct ld_module *win32_system(struct loader *loader, const char *name, bool searched)
{
    WCHAR wide[300];
    HMODULE handle = NULL;
    bool is_systems = ld_apiset_is_name(name) || is_always(name) || win32.options.manual == WIN32_MANUAL_EXE;
    if (!searched && !is_systems && !win32_search_is_system(name))
        return NULL;
    if (strlen(name) >= 260 || !win32_path_wide(name, wide, 300))
        return NULL;
    if (!strchr(name, '.'))
        wcscat(wide, L"."); /* its extension was considered here already: there is none */
    if (win32.options.manual == WIN32_MANUAL_EXE && !is_always(name))
        handle = from_program_folder(name);
    /* Its version may be a question of the manifest of whoever needs it. */
    HANDLE context = win32_context_of(loader->manifest_of);
    ULONG_PTR cookie = win32_context_enter(context);
    if (!handle)
        handle = is_systems ? LoadLibraryW(wide) : win32_search_load(wide);
    win32_context_leave(cookie);
    if (context)
        ReleaseActCtx(context);
    return handle ? record_of(loader, handle) : NULL;
}
