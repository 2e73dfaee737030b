/* What a program asks about modules. The operating system does not know ours, so imports of these functions are bound to
 * the ones here (in our modules' own import tables: nothing of the system is touched); for its modules they pass on. */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>
#include <winternl.h>

struct ld_module *win32_module(const void *handle)
{
    for (struct ld_module *module = win32.loader.first; module; module = module->next)
        if (!module->is_system && module->base == (uintptr_t)handle)
            return module;
    return NULL;
}

/* LoadLibrary marks handles of data files in the low bits; such are never ours. */
static struct ld_module *ours_by_name(const char *name)
{
    char full[LD_PATH_ROOM + 8];
    size_t length = strlen(name);
    bool is_path = strchr(name, '/') != NULL;
    if (!length || length >= LD_PATH_ROOM)
        return NULL;
    strcpy(full, name);
    const char *last = strrchr(full, '/');
    if (full[length - 1] == '.')
        full[length - 1] = 0;
    else if (!strchr(last ? last : full, '.'))
        strcat(full, ".dll");
    for (struct ld_module *module = win32.loader.first; module; module = module->next)
        if (!module->is_system && module->base && ld_name_equal(is_path ? module->path : module->name, full))
            return module;
    return NULL;
}

static DWORD error_of(const struct ld_error *error)
{
    return RtlNtStatusToDosError((NTSTATUS)error->ntstatus);
}

static WCHAR *widen(const char *text)
{
    int count = MultiByteToWideChar(CP_ACP, 0, text, -1, NULL, 0);
    WCHAR *wide = malloc((size_t)(count > 0 ? count : 1) * sizeof *wide);
    if (wide && count > 0)
        MultiByteToWideChar(CP_ACP, 0, text, -1, wide, count);
    else
        SetLastError(ERROR_NOT_ENOUGH_MEMORY), free(wide), wide = NULL;
    return wide;
}

/* ---- GetModuleHandle ---- */

static BOOL WINAPI get_module_handle_ex_w(DWORD flags, const WCHAR *name, HMODULE *handle)
{
    char path[LD_PATH_ROOM];
    struct ld_module *module = NULL;
    ULONG_PTR cookie = win32_lock();
    if (handle && flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)
        module = ld_module_by_address(&win32.loader, (uintptr_t)name);
    else if (handle && !name)
        module = win32.main;
    else if (handle && win32_path_host(name, path, sizeof path))
        module = ours_by_name(path);
    if (module && !module->is_system) {
        *handle = (HMODULE)(uintptr_t)module->base;
        if (flags & GET_MODULE_HANDLE_EX_FLAG_PIN)
            module->references = -1;
        else if (!(flags & GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT))
            ld_reference(&win32.loader, module);
    } else
        module = NULL;
    win32_unlock(cookie);
    return module ? TRUE : GetModuleHandleExW(flags, name, handle);
}

static BOOL WINAPI get_module_handle_ex_a(DWORD flags, const char *name, HMODULE *handle)
{
    if (!name || flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)
        return get_module_handle_ex_w(flags, (const WCHAR *)name, handle);
    WCHAR *wide = widen(name);
    BOOL done = wide && get_module_handle_ex_w(flags, wide, handle);
    free(wide);
    return done;
}

static HMODULE WINAPI get_module_handle_w(const WCHAR *name)
{
    HMODULE handle = NULL;
    get_module_handle_ex_w(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, name, &handle);
    return handle;
}

static HMODULE WINAPI get_module_handle_a(const char *name)
{
    HMODULE handle = NULL;
    get_module_handle_ex_a(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, name, &handle);
    return handle;
}

/* ---- GetModuleFileName ---- */

/* The path of one of ours, as Windows spells it. False: not ours. */
static bool path_of(HMODULE handle, WCHAR *wide)
{
    ULONG_PTR cookie = win32_lock();
    const struct ld_module *module = handle ? win32_module(handle) : win32.main;
    bool done = module && win32_path_wide(module->path, wide, LD_PATH_ROOM);
    win32_unlock(cookie);
    return done;
}

/* What does not fit is cut, ends with a NUL, and is an error; the answer then is the room. */
static DWORD WINAPI get_module_file_name_w(HMODULE handle, WCHAR *name, DWORD room)
{
    WCHAR wide[LD_PATH_ROOM];
    if (!path_of(handle, wide))
        return GetModuleFileNameW(handle, name, room);
    DWORD length = (DWORD)wcslen(wide), taken = length < room ? length : room ? room - 1 : 0;
    if (room) {
        memcpy(name, wide, taken * sizeof *name);
        name[taken] = 0;
    }
    SetLastError(length < room ? ERROR_SUCCESS : ERROR_INSUFFICIENT_BUFFER);
    return length < room ? length : room;
}

static DWORD WINAPI get_module_file_name_a(HMODULE handle, char *name, DWORD room)
{
    WCHAR wide[LD_PATH_ROOM];
    char narrow[LD_PATH_ROOM * 3];
    if (!path_of(handle, wide) || !WideCharToMultiByte(CP_ACP, 0, wide, -1, narrow, sizeof narrow, NULL, NULL))
        return GetModuleFileNameA(handle, name, room);
    DWORD length = (DWORD)strlen(narrow), taken = length < room ? length : room ? room - 1 : 0;
    if (room) {
        memcpy(name, narrow, taken);
        name[taken] = 0;
    }
    SetLastError(length < room ? ERROR_SUCCESS : ERROR_INSUFFICIENT_BUFFER);
    return length < room ? length : room;
}

/* ---- LoadLibrary, FreeLibrary ---- */

/* Must the operating system load this? A path below its own folder, or anything when only the program is ours. */
static bool is_for_system(const WCHAR *path)
{
    WCHAR windows[LD_PATH_ROOM];
    UINT length = GetSystemWindowsDirectoryW(windows, LD_PATH_ROOM);
    if (win32.options.manual != WIN32_MANUAL_APP)
        return win32.options.manual == WIN32_MANUAL_EXE;
    return length && length < LD_PATH_ROOM && !_wcsnicmp(path, windows, length) && path[length] == '\\';
}

static bool collect_dead(struct ld_module *root)
{
    size_t room = win32.loader.count, count;
    struct ld_module **list = calloc(room, sizeof *list);
    if (!list)
        return false;
    count = ld_unload_plan(&win32.loader, root, list, room);
    for (size_t i = 0; i < count; i++)
        win32_detach(list[i]);
    for (size_t i = 0; i < count; i++)
        ld_module_free(&win32.loader, list[i]);
    free(list);
    return true;
}

/* NULL with the last error set; *pass: the operating system is to be asked. */
static HMODULE load(const WCHAR *name, DWORD flags, bool *pass)
{
    WCHAR full[LD_PATH_ROOM];
    char path[LD_PATH_ROOM];
    struct ld_error error = {0};
    bool is_path = wcspbrk(name, L"\\/:") != NULL;
    const DWORD data = LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE | LOAD_LIBRARY_AS_IMAGE_RESOURCE;
    *pass = true;
    if (flags & data || (is_path && !GetFullPathNameW(name, LD_PATH_ROOM, full, NULL)) || (is_path && is_for_system(full)) ||
        win32.options.manual == WIN32_MANUAL_EXE || !win32_path_host(is_path ? full : name, path, sizeof path))
        return NULL;
    win32.loader.root_no_resolve = flags & DONT_RESOLVE_DLL_REFERENCES;
    struct ld_module *module = ld_load(&win32.loader, path, NULL, &error);
    if (module && module->is_system)
        return NULL;
    *pass = false;
    if (!module) {
        SetLastError(error_of(&error));
        return NULL;
    }
    if (!win32_attach(module)) {
        collect_dead(module);
        SetLastError(ERROR_DLL_INIT_FAILED);
        return NULL;
    }
    return (HMODULE)(uintptr_t)module->base;
}

static HMODULE WINAPI load_library_ex_w(const WCHAR *name, HANDLE file, DWORD flags)
{
    bool pass = true;
    ULONG_PTR cookie = win32_lock();
    HMODULE handle = name && *name ? load(name, flags, &pass) : NULL;
    win32_unlock(cookie);
    return pass ? LoadLibraryExW(name, file, flags) : handle;
}

static HMODULE WINAPI load_library_ex_a(const char *name, HANDLE file, DWORD flags)
{
    WCHAR *wide = name ? widen(name) : NULL;
    HMODULE handle = name && !wide ? NULL : load_library_ex_w(wide, file, flags);
    free(wide);
    return handle;
}

static HMODULE WINAPI load_library_w(const WCHAR *name) { return load_library_ex_w(name, NULL, 0); }
static HMODULE WINAPI load_library_a(const char *name) { return load_library_ex_a(name, NULL, 0); }

static BOOL WINAPI free_library(HMODULE handle)
{
    ULONG_PTR cookie = win32_lock();
    struct ld_module *module = win32_module(handle);
    bool done = module && collect_dead(module);
    win32_unlock(cookie);
    return module ? done : FreeLibrary(handle);
}

static void WINAPI free_library_and_exit_thread(HMODULE handle, DWORD code)
{
    if (win32_module(handle))
        free_library(handle), ExitThread(code);
    FreeLibraryAndExitThread(handle, code);
}

/* Windows refuses this to modules with thread-local data of their own. */
static BOOL WINAPI disable_thread_library_calls(HMODULE handle)
{
    ULONG_PTR cookie = win32_lock();
    struct ld_module *module = win32_module(handle);
    BOOL done = module && module->tls_slot < 0;
    if (done)
        module->no_thread_calls = true;
    win32_unlock(cookie);
    if (module && !done)
        SetLastError(ERROR_INVALID_HANDLE);
    return module ? done : DisableThreadLibraryCalls(handle);
}

/* ---- GetProcAddress ---- */

static FARPROC WINAPI get_proc_address(HMODULE handle, const char *name)
{
    struct ld_error error = {0};
    ULONG_PTR cookie = win32_lock();
    struct ld_module *module = handle ? win32_module(handle) : win32.main;
    bool by_name = (uintptr_t)name >> 16;
    uint64_t own = 0, address = 0;
    if (module && (by_name || name))
        address = ld_symbol(&win32.loader, module, by_name ? name : NULL, by_name ? (uint32_t)strlen(name) : 0,
                            by_name ? 0 : (uint32_t)(uintptr_t)name, &error);
    else if (!module && by_name && (module = ld_module_by_address(&win32.loader, (uintptr_t)handle)))
        own = win32_redirect(&win32.loader, module, name, (uint32_t)strlen(name)), module = NULL;
    win32_unlock(cookie);
    if (own)
        return (FARPROC)(uintptr_t)own;
    if (!module)
        return GetProcAddress(handle, name);
    if (!address)
        SetLastError(ERROR_PROC_NOT_FOUND);
    return (FARPROC)(uintptr_t)address;
}

/* ---- Code addresses: the run-time libraries' exceptions ask whose code threw ---- */

static void *WINAPI rtl_pc_to_file_header(void *pc, void **base)
{
    ULONG_PTR cookie = win32_lock();
    struct ld_module *module = ld_module_by_address(&win32.loader, (uintptr_t)pc);
    win32_unlock(cookie);
    if (!module || module->is_system)
        return RtlPcToFileHeader(pc, base);
    return *base = (void *)(uintptr_t)module->base;
}

/* ---- Delay loading by the system ---- */

/* DELAYLOAD_INFO of delayloadhandler.h. */
struct delay_info {
    ULONG size;
    const void *descriptor;
    void *slot;
    const char *module_name;
    ULONG by_name;
    union { const char *name; ULONG ordinal; } function;
    void *module;
    void *unused;
    ULONG last_error;
};
typedef void *(WINAPI *delay_hook)(ULONG reason, struct delay_info *info);
typedef void *(WINAPI *system_delay_hook)(const char *module, const char *function);

static void *slot_fill(IMAGE_THUNK_DATA *slot, void *function)
{
    DWORD before;
    if (VirtualProtect(slot, sizeof *slot, PAGE_READWRITE, &before)) {
        slot->u1.Function = (ULONG_PTR)function;
        VirtualProtect(slot, sizeof *slot, before, &before);
    }
    return function;
}

static void *WINAPI resolve_delay_loaded_api(void *base, const IMAGE_DELAYLOAD_DESCRIPTOR *descriptor, delay_hook hook,
                                             system_delay_hook system_hook, IMAGE_THUNK_DATA *slot, ULONG flags)
{
    uint8_t *bytes = base;
    (void)flags;
    HMODULE *module = (HMODULE *)(bytes + descriptor->ModuleHandleRVA);
    const IMAGE_THUNK_DATA *slots = (const IMAGE_THUNK_DATA *)(bytes + descriptor->ImportAddressTableRVA);
    const IMAGE_THUNK_DATA *wanted = (const IMAGE_THUNK_DATA *)(bytes + descriptor->ImportNameTableRVA) + (slot - slots);
    bool by_name = !IMAGE_SNAP_BY_ORDINAL(wanted->u1.Ordinal);
    struct delay_info info = {.size = sizeof info, .descriptor = descriptor, .slot = slot, .by_name = by_name,
                              .module_name = (const char *)bytes + descriptor->DllNameRVA};
    if (by_name)
        info.function.name = (const char *)((const IMAGE_IMPORT_BY_NAME *)(bytes + wanted->u1.AddressOfData))->Name;
    else
        info.function.ordinal = IMAGE_ORDINAL(wanted->u1.Ordinal);

    HMODULE loaded = *module ? *module : load_library_a(info.module_name);
    *module = loaded;
    const char *name = by_name ? info.function.name : (const char *)(uintptr_t)info.function.ordinal;
    void *function = loaded ? (void *)(uintptr_t)get_proc_address(loaded, name) : NULL;
    if (function)
        return slot_fill(slot, function);
    info.module = loaded;
    info.last_error = GetLastError();
    function = hook ? hook(4 /* DELAYLOAD_GPA_FAILURE */, &info) : NULL;
    if (!function && system_hook)
        function = system_hook(info.module_name, name);
    return function ? slot_fill(slot, function) : NULL;
}

/* ---- The table ---- */

#define ROW(name, function) {#name, sizeof #name - 1, (uintptr_t)(function)}
uint64_t win32_redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len)
{
    static const struct { const char *name; uint32_t length; uintptr_t function; } rows[] = {
        ROW(GetModuleHandleA, get_module_handle_a), ROW(GetModuleHandleW, get_module_handle_w),
        ROW(GetModuleHandleExA, get_module_handle_ex_a), ROW(GetModuleHandleExW, get_module_handle_ex_w),
        ROW(GetModuleFileNameA, get_module_file_name_a), ROW(GetModuleFileNameW, get_module_file_name_w),
        ROW(LoadLibraryA, load_library_a), ROW(LoadLibraryW, load_library_w),
        ROW(LoadLibraryExA, load_library_ex_a), ROW(LoadLibraryExW, load_library_ex_w),
        ROW(FreeLibrary, free_library), ROW(FreeLibraryAndExitThread, free_library_and_exit_thread),
        ROW(DisableThreadLibraryCalls, disable_thread_library_calls), ROW(GetProcAddress, get_proc_address),
        ROW(RtlPcToFileHeader, rtl_pc_to_file_header), ROW(ResolveDelayLoadedAPI, resolve_delay_loaded_api),
        ROW(LdrResolveDelayLoadedAPI, resolve_delay_loaded_api),
    };
    static const char *const homes[] = {"kernel32.dll", "kernelbase.dll", "ntdll.dll"};
    (void)loader;
    bool is_home = false;
    for (size_t i = 0; exporter->is_system && i < sizeof homes / sizeof *homes; i++)
        is_home |= ld_name_equal(exporter->name, homes[i]);
    for (size_t i = 0; is_home && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].length == len && !memcmp(rows[i].name, name, len))
            return rows[i].function;
    return is_home ? win32_resource_function(name, len) : 0;
}
