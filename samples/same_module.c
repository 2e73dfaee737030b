/* One file is one module, however it is named; the name that was used first is the one that is told. Two files are two modules,
 * even if their names are equal. */
#include "place.h"
#include "sample.h"

static HMODULE first;

static const char *file_name(HMODULE module)
{
    static char path[2 * MAX_PATH];

    if (!GetModuleFileNameA(module, path, sizeof path))
        return "none";
    return strrchr(path, '\\') + 1;
}

static int same(const char *name)
{
    HMODULE again = LoadLibraryA(name);

    if (again)
        FreeLibrary(again);
    return again == first;
}

/* As programs write paths that may be long. */
static const char *prefixed(const char *name)
{
    static char path[2 * MAX_PATH];

    sprintf(path, "\\\\?\\%s", place_path(name));
    return path;
}

static void spellings(void)
{
    char slashes[2 * MAX_PATH];

    first = LoadLibraryA(place_path("Here\\ONE.dll"));
    check("loaded by its full path", first != NULL);
    printf("its name: %s\n", file_name(first));
    check("other letters", same(place_path("here\\one.DLL")));
    check("no extension", same(place_path("here\\one")));
    check("a roundabout path", same(place_path("here\\..\\here\\.\\one.dll")));
    strcpy(slashes, place_path("here\\one.dll"));
    for (char *at = slashes; *at; at++)
        if (*at == '\\')
            *at = '/';
    check("slashes", same(slashes));
    check("the prefix \\\\?\\", same(prefixed("here\\one.dll")));
    SetCurrentDirectoryA(place_path("here"));
    check("a path from the current directory", same(".\\one.dll"));
    check("a path from the root of the drive", same(place_path("here\\one.dll") + 2));
    check("the bare name", same("one.dll"));
    check("a hard link with another name", CreateHardLinkA(place_path("there\\link.dll"), place_path("here\\one.dll"), NULL)
          && same(place_path("there\\link.dll")));
    printf("its name is still: %s\n", file_name(first));
    check("no module has the link's name", !GetModuleHandleA("link.dll"));
}

static void handles(void)
{
    check("handle by bare name", GetModuleHandleA("one.dll") == first);
    check("without extension", GetModuleHandleA("ONE") == first);
    check("by full path", GetModuleHandleA(place_path("here\\one.dll")) == first);
    check("not with a dot at the end", !GetModuleHandleA("one."));
    check("not by a path that leads nowhere", !GetModuleHandleA(place_path("nowhere\\one.dll")));
}

static void two_files(void)
{
    HMODULE second = LoadLibraryA(place_path("there\\one.dll"));

    check("a copy elsewhere is another module", second && second != first);
    check("the bare name is the first one's", GetModuleHandleA("one.dll") == first);
    check("the full path is its own", GetModuleHandleA(place_path("there\\one.dll")) == second);
    check("the first is freed", FreeLibrary(first));
    check("now the bare name is the second one's", GetModuleHandleA("one.dll") == second);
    check("the second is freed", FreeLibrary(second) && !GetModuleHandleA("one.dll"));
}

static void bare_name_first(void)
{
    first = LoadLibraryA("oNe");
    check("loaded by its bare name from the current directory", first != NULL);
    printf("its name: %s\n", file_name(first));
    check("by its full path it is the same", same(place_path("here\\one.dll")));
    FreeLibrary(first);
}

/* GetModuleFileName: "The string returned will use the same format that was specified when the module was loaded". */
static void prefix_first(void)
{
    char path[2 * MAX_PATH] = "";

    first = LoadLibraryExA(prefixed("here\\one.dll"), NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    check("loaded by a path with the prefix", first != NULL);
    GetModuleFileNameA(first, path, sizeof path);
    check("which its path keeps", !strcmp(path, prefixed("here\\one.dll")));
    check("without it it is the same", same(place_path("here\\one.dll")));
    FreeLibrary(first);
}

int main(void)
{
    check("files", place_open("same") && place_folder("Here") && place_folder("There")
          && place_copy("search_dll.dll", "Here\\One.dll") && place_copy("search_dll.dll", "There\\One.dll"));
    spellings();
    handles();
    two_files();
    bare_name_first();
    prefix_first();
    place_close();
    return sample_wrong_facts;
}
