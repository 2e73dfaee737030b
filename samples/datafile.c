/* Files loaded for their resources alone: as data, as an image, with nobody else writing; for another machine, already loaded. */
#include "place.h"
#include "sample.h"

#define EXCLUSIVE 0x40
#define IMAGE_RESOURCE 0x20

static unsigned kind(HMODULE module)
{
    return (unsigned)((ULONG_PTR)module & 3);
}

/* The type of its own in resource.rc, by its name. */
static int has_resource(HMODULE module)
{
    HRSRC resource = FindResourceA(module, MAKEINTRESOURCEA(77), "CUSTOM_TYPE");
    HGLOBAL loaded = resource ? LoadResource(module, resource) : NULL;

    return loaded && SizeofResource(module, resource) > 0 && *(const char *)LockResource(loaded);
}

static DWORD open_to_write(const char *path)
{
    HANDLE file = CreateFileA(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
    DWORD error = file == INVALID_HANDLE_VALUE ? GetLastError() : 0;

    if (!error)
        CloseHandle(file);
    return error;
}

static void as_data(const char *name, DWORD flags, unsigned bits)
{
    HMODULE module = LoadLibraryExA(name, NULL, flags);

    check("loaded", module != NULL);
    printf("kind of handle: %u\n", kind(module));
    check("the kind as documented", kind(module) == bits);
    check("a resource is found", has_resource(module));
    check("no module of this name", !GetModuleHandleA(strrchr(name, '\\') + 1));
    check("freed", FreeLibrary(module));
}

static void writers(const char *name)
{
    HMODULE module = LoadLibraryExA(name, NULL, EXCLUSIVE);

    check("loaded, nobody else may write", module != NULL);
    show("open to write", open_to_write(name));
    check("freed", FreeLibrary(module));
    show("after it is freed", open_to_write(name));
}

static void already_loaded(void)
{
    HMODULE module = LoadLibraryA(place_path("data.dll")), again = LoadLibraryExA(place_path("data.dll"), NULL, LOAD_LIBRARY_AS_DATAFILE);

    check("loaded in earnest", module && kind(module) == 0);
    check("as data it is the same handle", again == module);
    check("and a reference more", FreeLibrary(module) && GetModuleHandleA("data.dll") == module);
    check("the last one", FreeLibrary(module) && !GetModuleHandleA("data.dll"));
}

static void foreign(void)
{
    HMODULE module = LoadLibraryExA(place_path("foreign.dll"), NULL, LOAD_LIBRARY_AS_DATAFILE);

    check("a DLL for another machine, as data", module && kind(module) == 1);
    FreeLibrary(module);
    module = LoadLibraryExA(place_path("foreign.dll"), NULL, LOAD_LIBRARY_AS_DATAFILE | IMAGE_RESOURCE);
    check("as data or image", module != NULL);
    FreeLibrary(module);
    check("not in earnest", !LoadLibraryA(place_path("foreign.dll")));
    show("error", GetLastError());
    SetLastError(0);
    check("a text is no image, as data either", !LoadLibraryExA(place_path("text.dll"), NULL, LOAD_LIBRARY_AS_DATAFILE));
    show("error", GetLastError());
    check("a file that is not there", !LoadLibraryExA(place_path("nothing.dll"), NULL, LOAD_LIBRARY_AS_DATAFILE));
    show("error", GetLastError());
}

int main(void)
{
    FILE *text;

    check("files", place_open("data") && place_copy("resource.exe", "resource.exe") && place_copy("search_dll.dll", "data.dll")
          && place_copy("search_foreign.dll", "foreign.dll"));
    text = fopen(place_path("text.dll"), "w");
    fputs("This is no image, and longer than a header of the old kind, which has sixty-four bytes.\n", text);
    fclose(text);
    as_data(place_path("resource.exe"), LOAD_LIBRARY_AS_DATAFILE, 1);
    as_data(place_path("resource.exe"), IMAGE_RESOURCE, 2);
    as_data(place_path("resource.exe"), LOAD_LIBRARY_AS_DATAFILE | IMAGE_RESOURCE, 2);
    as_data(place_path("resource.exe"), EXCLUSIVE, 1);
    writers(place_path("resource.exe"));
    already_loaded();
    foreign();
    place_close();
    return sample_wrong_facts;
}
