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
static struct ld_module *ours_by_name(const WCHAR *given)
{
    char full[LD_PATH_ROOM + 8];
    WCHAR wide[LD_PATH_ROOM];
    bool is_path = wcspbrk(given, L"\\/:") != NULL;
    if (is_path && !GetFullPathNameW(given, LD_PATH_ROOM, wide, NULL))
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
    struct ld_module *module = NULL;
    ULONG_PTR cookie = win32_lock();
    if (handle && flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)
        module = ld_module_by_address(&win32.loader, (uintptr_t)name);
    else if (handle && !name)
        module = win32.main;
    else if (handle)
        module = ours_by_name(name);
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

/* What goes, in the order of detaching. What a DllMain frees meanwhile goes behind all that is under way, and nothing is
 * unmapped before the last DllMain is through: so does Windows. */
struct going { struct going *next; struct ld_module *module; bool was_running; };
static struct going *going_first, **going_last = &going_first;
static bool is_unloading;

static bool going_add(struct ld_module *root)
{
    size_t room = win32.loader.count, count;
    struct ld_module **list = calloc(room, sizeof *list);
    if (!list)
        return false;
    count = ld_unload_plan(&win32.loader, root, list, room);
    for (size_t i = 0; i < count; i++) {
        struct going *one = malloc(sizeof *one);
        if (!one)
            break; /* the module stays mapped: memory is what there is none of */
        *one = (struct going){.module = list[i], .was_running = list[i]->state == LD_RUNNING};
        list[i]->state = LD_GONE;
        *going_last = one;
        going_last = &one->next;
    }
    free(list);
    return true;
}

static bool collect_dead(struct ld_module *root)
{
    if (win32.ending)
        return true;
    if (!going_add(root) || is_unloading)
        return is_unloading;
    is_unloading = true;
    for (struct going *one = going_first; one; one = one->next)
        win32_detach(one->module, one->was_running);
    is_unloading = false;
    struct going *all = going_first;
    going_first = NULL;
    going_last = &going_first;
    for (struct going *next; all; all = next) {
        next = all->next;
        ld_module_free(&win32.loader, all->module);
        free(all);
    }
    return true;
}

enum { DATA = LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE | LOAD_LIBRARY_AS_IMAGE_RESOURCE };

/* A file to look into: the operating system's business, but the program's folder is where it is looked for first. What is
 * loaded as a library already is that library. */
static HMODULE load_data(const WCHAR *name, DWORD flags)
{
    char path[LD_PATH_ROOM], bare[300];
    WCHAR wide[LD_PATH_ROOM];
    ULONG_PTR cookie = win32_lock();
    struct ld_module *module = ours_by_name(name);
    bool is_found = false;
    if (module)
        ld_reference(&win32.loader, module);
    else if (!wcspbrk(name, L"\\/:") && win32_path_host(name, bare, sizeof bare - 8)) {
        win32_search_set(flags, NULL);
        if (!strchr(bare, '.'))
            strcat(bare, ".dll");
        is_found = win32_search_file(bare, path, sizeof path) && win32_path_wide(path, wide, LD_PATH_ROOM);
        win32_search_set(0, NULL);
    }
    win32_unlock(cookie);
    if (module)
        return (HMODULE)(uintptr_t)module->base;
    return LoadLibraryExW(is_found ? wide : name, NULL, is_found ? flags & DATA : flags);
}

/* The module, mapped and bound; NULL: *error, or it is the operating system's (*pass). */
static struct ld_module *map(const WCHAR *name, DWORD flags, bool *pass, struct ld_error *error)
{
    WCHAR full[LD_PATH_ROOM];
    char path[LD_PATH_ROOM];
    bool is_path = wcspbrk(name, L"\\/:") != NULL, is_full = is_path && (name[1] == ':' || (name[0] == '\\' && name[1] == '\\'));
    *pass = win32.options.manual == WIN32_MANUAL_EXE;
    if (*pass)
        return NULL;
    if (!win32_search_is_allowed(flags, is_full)) {
        error->ntstatus = STATUS_INVALID_PARAMETER;
        return NULL;
    }
    if (!is_path && win32_context_redirect(name, full, LD_PATH_ROOM))
        is_path = true;
    else if (is_path && !GetFullPathNameW(name, LD_PATH_ROOM, full, NULL))
        *pass = true;
    /* "name." has no extension, which a full path does not tell any more. */
    *pass |= (is_path && is_for_system(full)) || !win32_path_host(is_path ? full : name, path, sizeof path - 8);
    if (*pass)
        return NULL;
    if (is_path && name[wcslen(name) - 1] == '.' && !strchr(strrchr(path, '/') ? strrchr(path, '/') : path, '.'))
        strcat(path, ".");
    win32.loader.root_no_resolve = flags & DONT_RESOLVE_DLL_REFERENCES;
    win32_search_set(flags, is_path ? path : NULL);
    struct ld_module *module = ld_load(&win32.loader, path, NULL, error);
    win32_search_set(0, NULL);
    *pass = module && module->is_system;
    return *pass ? NULL : module;
}

/* NULL with the last error set; *pass: the operating system is to be asked. */
static HMODULE load(const WCHAR *name, DWORD flags, bool *pass)
{
    struct ld_error error = {0};
    const char *refused = NULL;
    struct ld_module *module = map(name, flags, pass, &error);
    if (*pass)
        return NULL;
    uint32_t status = module ? win32_attach(module, &refused) : 0;
    if (module && !status)
        return (HMODULE)(uintptr_t)module->base;
    if (module) {
        collect_dead(module);
        error.ntstatus = status;
    }
    SetLastError(error_of(&error));
    return NULL;
}

static HMODULE WINAPI load_library_ex_w(const WCHAR *name, HANDLE file, DWORD flags)
{
    bool pass = true;
    if (name && *name && flags & DATA && win32.options.manual != WIN32_MANUAL_EXE)
        return load_data(name, flags);
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

static const struct win32_row library_rows[] = {
    WIN32_ROW(GetModuleHandleA, get_module_handle_a), WIN32_ROW(GetModuleHandleW, get_module_handle_w),
    WIN32_ROW(GetModuleHandleExA, get_module_handle_ex_a), WIN32_ROW(GetModuleHandleExW, get_module_handle_ex_w),
    WIN32_ROW(GetModuleFileNameA, get_module_file_name_a), WIN32_ROW(GetModuleFileNameW, get_module_file_name_w),
    WIN32_ROW(LoadLibraryA, load_library_a), WIN32_ROW(LoadLibraryW, load_library_w),
    WIN32_ROW(LoadLibraryExA, load_library_ex_a), WIN32_ROW(LoadLibraryExW, load_library_ex_w),
    WIN32_ROW(FreeLibrary, free_library), WIN32_ROW(FreeLibraryAndExitThread, free_library_and_exit_thread),
    WIN32_ROW(DisableThreadLibraryCalls, disable_thread_library_calls), WIN32_ROW(GetProcAddress, get_proc_address),
    WIN32_ROW(RtlPcToFileHeader, rtl_pc_to_file_header), WIN32_ROW(ResolveDelayLoadedAPI, resolve_delay_loaded_api),
    WIN32_ROW(LdrResolveDelayLoadedAPI, resolve_delay_loaded_api),
    {0},
};

uint64_t win32_redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len)
{
    static const char *const homes[] = {"kernel32.dll", "kernelbase.dll", "ntdll.dll"};
    static const struct win32_row *const tables[] = {library_rows, win32_resource_rows, win32_search_rows, win32_context_rows,
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
