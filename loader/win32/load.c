/* LoadLibrary and FreeLibrary for our modules: found, mapped and initialised by hand; what is the operating system's is
 * passed on. */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>
#include <winternl.h>

static DWORD error_of(const struct ld_error *error)
{
    return RtlNtStatusToDosError((NTSTATUS)error->ntstatus);
}

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
    struct ld_module *module = win32_module_named(name);
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
    else if (is_path && !win32_path_full(name, full))
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
    WCHAR *wide = name ? win32_widen(name) : NULL;
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

HMODULE win32_load_library(const char *name)
{
    return load_library_a(name);
}

const struct win32_row win32_load_rows[] = {
    WIN32_ROW(LoadLibraryA, load_library_a), WIN32_ROW(LoadLibraryW, load_library_w),
    WIN32_ROW(LoadLibraryExA, load_library_ex_a), WIN32_ROW(LoadLibraryExW, load_library_ex_w),
    WIN32_ROW(FreeLibrary, free_library), WIN32_ROW(FreeLibraryAndExitThread, free_library_and_exit_thread),
    WIN32_ROW(DisableThreadLibraryCalls, disable_thread_library_calls),
    {0},
};
