/* Where the program's DLLs are looked for. The operating system takes the stub for the program, so its own search would begin
 * in the wrong folder; the order here is the one that Microsoft documents under "Dynamic-link library search order", safe
 * search mode on. What a program says about it (SetDllDirectory, AddDllDirectory, ...) is noted here and passed on. */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH_LOAD_DIR 0x100u
#define SEARCH_APPLICATION 0x200u
#define SEARCH_USER 0x400u
#define SEARCH_SYSTEM 0x800u
#define SEARCH_DEFAULT 0x1000u
#define SEARCH_ANY 0x1f00u

/* ---- What the program has said ---- */

struct added { struct added *next; void *cookie; char folder[LD_PATH_ROOM]; };
static struct added *added;             /* the latest first */
static DWORD default_flags;
static char set_folder[LD_PATH_ROOM];
static bool is_set;                     /* also to "": then the current directory does not count */

/* ---- The list ---- */

static struct {
    char text[16 * LD_PATH_ROOM];       /* the folders, one behind the other */
    size_t used;
    const char **folders;
    unsigned count, room, before_system; /* the system's folder stands behind so many of them */
    bool has_system;
    DWORD flags;
} list;

static void add(const char *folder, size_t length)
{
    if (!length || list.used + length + 1 > sizeof list.text)
        return;
    if (list.count + 2 > list.room) {
        const char **grown = realloc(list.folders, (list.room + 32) * sizeof *grown);
        if (!grown)
            return;
        list.folders = grown;
        list.room += 32;
    }
    char *copy = memcpy(list.text + list.used, folder, length);
    copy[length] = 0;
    list.used += length + 1;
    list.folders[list.count++] = copy;
    list.folders[list.count] = NULL;
}

static void add_wide(const WCHAR *wide)
{
    char folder[LD_PATH_ROOM];
    if (win32_path_host(wide, folder, sizeof folder))
        add(folder, strlen(folder));
}

static void add_system(void)
{
    list.before_system = list.count;
    list.has_system = true;
    if (win32.options.manual == WIN32_MANUAL_ALL)
        add(win32.system_folder, strlen(win32.system_folder));
}

static void add_current_and_path(void)
{
    static WCHAR wide[32768];
    DWORD length = is_set ? 0 : GetCurrentDirectoryW(LD_PATH_ROOM, wide);
    if (length && length < LD_PATH_ROOM)
        add_wide(wide);
    length = GetEnvironmentVariableW(L"PATH", wide, sizeof wide / sizeof *wide);
    for (WCHAR *at = wide, *end; length && length < sizeof wide / sizeof *wide && *at; at = end) {
        end = at + wcscspn(at, L";");
        if (*end)
            *end++ = 0;
        if (*at)
            add_wide(at);
    }
}

static void add_flagged(DWORD flags, const char *beside, size_t beside_length)
{
    if (flags & SEARCH_LOAD_DIR)
        add(beside, beside_length);
    if (flags & (SEARCH_APPLICATION | SEARCH_DEFAULT))
        add(win32.folder, strlen(win32.folder));
    if (flags & (SEARCH_USER | SEARCH_DEFAULT)) {
        for (struct added *one = added; one; one = one->next)
            add(one->folder, strlen(one->folder));
        if (is_set)
            add(set_folder, strlen(set_folder));
    }
    if (flags & (SEARCH_SYSTEM | SEARCH_DEFAULT))
        add_system();
}

void win32_search_set(DWORD flags, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    size_t beside = slash ? (size_t)(slash - path) : 0;
    if (!(flags & (SEARCH_ANY | LOAD_WITH_ALTERED_SEARCH_PATH)))
        flags |= default_flags;
    list.used = list.count = 0;
    list.has_system = false;
    list.flags = flags & SEARCH_ANY;
    if (list.flags)
        add_flagged(flags, path, beside);
    else {
        if (flags & LOAD_WITH_ALTERED_SEARCH_PATH && beside)
            add(path, beside);
        else
            add(win32.folder, strlen(win32.folder));
        if (is_set)
            add(set_folder, strlen(set_folder));
        add_system();
        add_current_and_path();
    }
    win32.loader.search = list.folders && list.count ? list.folders : NULL;
}

bool win32_search_is_allowed(DWORD flags, bool is_full_path)
{
    return !(flags & SEARCH_LOAD_DIR) || is_full_path;
}

bool win32_search_is_system(const char *name)
{
    char path[LD_PATH_ROOM];
    struct host *host = win32.loader.host;
    if (!list.has_system || win32.options.manual == WIN32_MANUAL_ALL)
        return false;
    for (unsigned i = 0; i < list.before_system; i++)
        if (host->file_find(host, list.folders[i], name, path, sizeof path) == HOST_OK)
            return false;
    return host->file_find(host, win32.system_folder, name, path, sizeof path) == HOST_OK;
}

HMODULE win32_search_load(const WCHAR *name)
{
    if (!list.has_system)
        return NULL;
    return list.flags ? LoadLibraryExW(name, NULL, SEARCH_SYSTEM) : LoadLibraryW(name);
}

bool win32_search_file(const char *name, char *path, size_t room)
{
    struct host *host = win32.loader.host;
    for (unsigned i = 0; i < list.count; i++) {
        if (list.has_system && i == list.before_system && host->file_find(host, win32.system_folder, name, path, room) == HOST_OK)
            return true;
        if (host->file_find(host, list.folders[i], name, path, room) == HOST_OK)
            return true;
    }
    return false;
}

/* ---- What the program says ---- */

/* An absolute path, with its drive or its server. */
static bool is_absolute(const WCHAR *path)
{
    return (path[0] && path[1] == ':' && (path[2] == '\\' || path[2] == '/')) || (path[0] == '\\' && path[1] == '\\');
}

static void *WINAPI add_dll_directory(const WCHAR *folder)
{
    typedef void *(WINAPI * function)(const WCHAR *);
    struct added *one = calloc(1, sizeof *one);
    function system = (function)(void *)GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "AddDllDirectory");
    bool is_ours = folder && is_absolute(folder) && one && win32_path_host(folder, one->folder, sizeof one->folder);
    void *cookie = system ? system(folder) : NULL;
    if (!cookie || !is_ours) {
        free(one);
        return cookie;
    }
    ULONG_PTR lock = win32_lock();
    one->cookie = cookie;
    one->next = added;
    added = one;
    win32_unlock(lock);
    return cookie;
}

static BOOL WINAPI remove_dll_directory(void *cookie)
{
    typedef BOOL(WINAPI * function)(void *);
    function system = (function)(void *)GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "RemoveDllDirectory");
    ULONG_PTR lock = win32_lock();
    for (struct added **at = &added; *at; at = &(*at)->next)
        if ((*at)->cookie == cookie) {
            struct added *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
    win32_unlock(lock);
    return system && system(cookie);
}

static BOOL WINAPI set_default_dll_directories(DWORD flags)
{
    typedef BOOL(WINAPI * function)(DWORD);
    function system = (function)(void *)GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "SetDefaultDllDirectories");
    BOOL done = system && system(flags);
    if (done)
        default_flags = flags & SEARCH_ANY;
    return done;
}

static BOOL WINAPI set_dll_directory_w(const WCHAR *folder)
{
    char host[LD_PATH_ROOM] = "";
    if (!SetDllDirectoryW(folder) || (folder && !win32_path_host(folder, host, sizeof host)))
        return FALSE;
    ULONG_PTR lock = win32_lock();
    is_set = folder != NULL;
    strcpy(set_folder, host);
    win32_unlock(lock);
    return TRUE;
}

static BOOL WINAPI set_dll_directory_a(const char *folder)
{
    WCHAR wide[LD_PATH_ROOM];
    if (folder && !MultiByteToWideChar(CP_ACP, 0, folder, -1, wide, LD_PATH_ROOM))
        return FALSE;
    return set_dll_directory_w(folder ? wide : NULL);
}

const struct win32_row win32_search_rows[] = {
    WIN32_ROW(AddDllDirectory, add_dll_directory), WIN32_ROW(RemoveDllDirectory, remove_dll_directory),
    WIN32_ROW(SetDefaultDllDirectories, set_default_dll_directories),
    WIN32_ROW(SetDllDirectoryA, set_dll_directory_a), WIN32_ROW(SetDllDirectoryW, set_dll_directory_w),
    {0},
};
