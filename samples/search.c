/* Where LoadLibrary looks, and in which order: the program's folder, SetDllDirectory, the current directory, PATH,
 * AddDllDirectory, the LOAD_LIBRARY_SEARCH flags, the DLL's own folder. wanted.dll lies in several folders at once. */
#include "place.h"
#include "sample.h"

#define SEARCH_USER 0x400
#define SEARCH_APPLICATION 0x200
#define SEARCH_LOAD_DIR 0x100
#define SEARCH_SYSTEM 0x800
#define SEARCH_DEFAULT 0x1000

typedef void *(WINAPI *add_function)(const WCHAR *);
typedef BOOL(WINAPI *remove_function)(void *);
typedef BOOL(WINAPI *default_function)(DWORD);

static const char *const folders[] = { "set", "added", "current", "path", "beside", "deep" };

/* The name of our folder in which the module's file lies. */
static void tell(const char *what, HMODULE module)
{
    char path[2 * MAX_PATH], *last;
    DWORD error = GetLastError();

    if (!module) {
        printf("%s: not found, error %lu\n", what, error);
        return;
    }
    GetModuleFileNameA(module, path, sizeof path);
    last = strrchr(path, '\\');
    *last = 0;
    printf("%s: from '%s'\n", what, strrchr(path, '\\') + 1);
    FreeLibrary(module);
}

static void load(const char *what, const char *name, DWORD flags)
{
    SetLastError(0);
    tell(what, LoadLibraryExA(name, NULL, flags));
}

static void the_usual_order(void)
{
    load("the current directory comes before PATH", "wanted.dll", 0);
    load("no extension: .dll is meant", "wanted", 0);
    load("a dot at the end: no extension is meant", "wanted.", 0);
    load("which finds a file that has none", "plain.", 0);
    load("letters of either case", "WANTED.DLL", 0);
    SetDllDirectoryA(place_path("set"));
    load("SetDllDirectory", "wanted.dll", 0);
    SetDllDirectoryA("");
    load("SetDllDirectory with an empty name: no current directory", "wanted.dll", 0);
    SetDllDirectoryA(NULL);
    load("SetDllDirectory with none: as at first", "wanted.dll", 0);
    DeleteFileA(place_path("current\\wanted.dll"));
    load("the one in the current directory is gone: PATH", "wanted.dll", 0);
    load("a path relative to the current directory", ".\\below\\wanted.dll", 0);
    load("a system DLL is not looked for here", "cabinet.dll", 0);
}

static void other_machines(void)
{
    check("a DLL for another machine", place_copy("search_foreign.dll", "set\\wanted.dll"));
    SetDllDirectoryA(place_path("set"));
    load("a file for another machine is skipped", "wanted.dll", 0);
    check("another one", place_copy("search_foreign.dll", "path\\wanted.dll"));
    load("where all are for other machines", "wanted.dll", 0);
    load("by its full path", place_path("set\\wanted.dll"), 0);
    SetDllDirectoryA(NULL);
}

static void what_a_library_needs(void)
{
    const char *pair = place_path("beside\\search_pair.dll");

    load("search_need.dll beside the DLL is not looked for", pair, 0);
    load("with LOAD_WITH_ALTERED_SEARCH_PATH it is", pair, LOAD_WITH_ALTERED_SEARCH_PATH);
    load("with LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR too", pair, SEARCH_LOAD_DIR | SEARCH_SYSTEM);
    load("which wants a full path", "search_pair.dll", SEARCH_LOAD_DIR);
    load("a lone system flag does not look there", pair, SEARCH_SYSTEM);
}

static void added_folders(void)
{
    HMODULE kernel32 = GetModuleHandleA("kernel32");
    add_function add = (add_function)(void *)GetProcAddress(kernel32, "AddDllDirectory");
    remove_function remove_it = (remove_function)(void *)GetProcAddress(kernel32, "RemoveDllDirectory");
    default_function set_default = (default_function)(void *)GetProcAddress(kernel32, "SetDefaultDllDirectories");
    WCHAR wide[MAX_PATH];
    void *cookie;

    MultiByteToWideChar(CP_ACP, 0, place_path("added"), -1, wide, MAX_PATH);
    cookie = add(wide);
    check("a folder is added", cookie != NULL);
    load("LOAD_LIBRARY_SEARCH_USER_DIRS", "wanted.dll", SEARCH_USER);
    load("LOAD_LIBRARY_SEARCH_DEFAULT_DIRS has it too", "wanted.dll", SEARCH_DEFAULT);
    load("LOAD_LIBRARY_SEARCH_APPLICATION_DIR has not", "wanted.dll", SEARCH_APPLICATION);
    load("LOAD_LIBRARY_SEARCH_SYSTEM32 has not", "wanted.dll", SEARCH_SYSTEM);
    check("the program's folder is searched with its flag", FreeLibrary(LoadLibraryExA("search_dll.dll", NULL, SEARCH_APPLICATION)));
    check("and not with the others", !LoadLibraryExA("search_dll.dll", NULL, SEARCH_SYSTEM | SEARCH_USER));
    check("a relative folder cannot be added", !add(L"added"));
    show("error", GetLastError());
    load("without a flag an added folder does not count", "only_added.dll", 0);
    check("SetDefaultDllDirectories", set_default(SEARCH_USER | SEARCH_SYSTEM));
    load("now it does", "only_added.dll", 0);
    check("the folder is removed", remove_it(cookie));
    load("and does not count any more", "only_added.dll", 0);
}

int main(void)
{
    char path[2 * MAX_PATH];

    check("a folder of our own", place_open("search"));
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        sprintf(path, "%s\\wanted.dll", folders[i]);
        check(folders[i], place_folder(folders[i]) && place_copy("search_dll.dll", path));
    }
    place_folder("current\\below");
    check("more files", place_copy("search_dll.dll", "current\\plain") && place_copy("search_dll.dll", "current\\below\\wanted.dll")
          && place_copy("search_dll.dll", "added\\only_added.dll") && place_copy("search_dll.dll", "beside\\search_need.dll")
          && place_copy("search_pair.dll", "beside\\search_pair.dll"));
    SetCurrentDirectoryA(place_path("current"));
    SetEnvironmentVariableA("PATH", place_path("path"));
    the_usual_order();
    what_a_library_needs();
    other_machines();
    added_folders();
    place_close();
    return sample_wrong_facts;
}
