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

/* A bare name is the name of a module; a path that of its file. LoadLibrary marks handles of data files in the low bits; such
 * are never ours. */
struct ld_module *win32_module_named(const WCHAR *given)
{
    char full[LD_PATH_ROOM + 8];
    WCHAR wide[LD_PATH_ROOM];
    bool is_path = wcspbrk(given, L"\\/:") != NULL;
    if (is_path && !win32_path_full(given, wide))
        return NULL;
    if (!win32_path_host(is_path ? wide : given, full, LD_PATH_ROOM) || !*full)
        return NULL;
    const char *last = strrchr(full, '/');
    /* A dot at the end, of which full paths are rid already, says "no extension". */
    size_t length = wcslen(given);
    if (!is_path && full[strlen(full) - 1] == '.')
        full[strlen(full) - 1] = 0;
    else if (given[length - 1] != '.' && !strchr(last ? last : full, '.'))
        strcat(full, ".dll");
    for (struct ld_module *module = win32.loader.first; module; module = module->next)
        if (!module->is_system && module->base && module->state != LD_GONE && ld_name_equal(is_path ? module->path : module->name, full))
            return module;
    return NULL;
}

WCHAR *win32_widen(const char *text)
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
    struct ld_module *module = NULL;
    ULONG_PTR cookie = win32_lock();
    if (handle && flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)
        module = ld_module_by_address(&win32.loader, (uintptr_t)name);
    else if (handle && !name)
        module = win32.main;
    else if (handle)
        module = win32_module_named(name);
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
    WCHAR *wide = win32_widen(name);
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

    HMODULE loaded = *module ? *module : win32_load_library(info.module_name);
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

static const struct win32_row library_rows[] = {
    WIN32_ROW(GetModuleHandleA, get_module_handle_a), WIN32_ROW(GetModuleHandleW, get_module_handle_w),
    WIN32_ROW(GetModuleHandleExA, get_module_handle_ex_a), WIN32_ROW(GetModuleHandleExW, get_module_handle_ex_w),
    WIN32_ROW(GetModuleFileNameA, get_module_file_name_a), WIN32_ROW(GetModuleFileNameW, get_module_file_name_w),
    WIN32_ROW(GetProcAddress, get_proc_address),
    WIN32_ROW(RtlPcToFileHeader, rtl_pc_to_file_header), WIN32_ROW(ResolveDelayLoadedAPI, resolve_delay_loaded_api),
    WIN32_ROW(LdrResolveDelayLoadedAPI, resolve_delay_loaded_api),
    {0},
};

uint64_t win32_redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len)
{
    static const char *const homes[] = {"kernel32.dll", "kernelbase.dll", "ntdll.dll"};
    static const struct win32_row *const tables[] = {library_rows, win32_load_rows, win32_resource_rows, win32_search_rows, win32_context_rows,
                                                     win32_listener_rows};
    bool is_home = false;
    (void)loader;
    for (size_t i = 0; exporter->is_system && i < sizeof homes / sizeof *homes; i++)
        is_home |= ld_name_equal(exporter->name, homes[i]);
    for (size_t i = 0; is_home && i < sizeof tables / sizeof *tables; i++)
        for (const struct win32_row *row = tables[i]; row->name; row++)
            if (row->length == len && !memcmp(row->name, name, len))
                return row->function;
    return 0;
}
