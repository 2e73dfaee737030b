/* DLLs at run time: load, look up by name and by ordinal, count references, free, and what is said when it fails. */
#include <string.h>
#include <windows.h>
#include "sample.h"

typedef int (*number_function)(int);

static const char *base_name(HMODULE module)
{
    static char path[MAX_PATH];
    char *name;

    GetModuleFileNameA(module, path, sizeof path);
    name = strrchr(path, '\\');
    return name ? name + 1 : path;
}

static int call(HMODULE module, const char *name, int number)
{
    number_function function = (number_function)(void *)GetProcAddress(module, name);

    return function ? function(number) : -1;
}

static void look_up(HMODULE module)
{
    printf("library_double(21) = %d\n", call(module, "library_double", 21));
    printf("ordinal 5 (21) = %d\n", call(module, MAKEINTRESOURCEA(5), 21));
    printf("the nameless one, ordinal 9 (21) = %d\n", call(module, MAKEINTRESOURCEA(9), 21));
    printf("data by name = %d\n", *(int *)(void *)GetProcAddress(module, "library_data"));
    SetLastError(0);
    check("names are case-sensitive", !GetProcAddress(module, "LIBRARY_DOUBLE"));
    show("error", GetLastError());
    SetLastError(0);
    check("an ordinal that is not there", !GetProcAddress(module, MAKEINTRESOURCEA(8)));
    check("leaves an error", GetLastError() != 0);
    check("an ordinal beyond the table", !GetProcAddress(module, MAKEINTRESOURCEA(500)));
}

static void references(HMODULE module)
{
    HMODULE again = LoadLibraryA("LoadLib_DLL"), by_address = NULL;

    check("a second load, another spelling: the same module", again == module);
    check("free once, and it stays", FreeLibrary(module) && GetModuleHandleA("loadlib_dll.dll") == module);
    check("found by an address inside", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS
          | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (LPCSTR)module + 0x1000, &by_address) && by_address == module);
    check("free again, and it is gone", FreeLibrary(module) && GetModuleHandleA("loadlib_dll.dll") == NULL);
    show("error", GetLastError());
    check("it cannot be freed once more", !FreeLibrary(module));
}

static void failures(void)
{
    check("a missing library", !LoadLibraryA("no_such_library.dll"));
    show("error", GetLastError());
    check("a library that misses its own library", !LoadLibraryA("loadlib_needs_absent.dll"));
    show("error", GetLastError());
    check("a library whose DllMain refuses", !LoadLibraryA("dllmain_fail_dll.dll"));
    show("error", GetLastError());
    check("and is not left behind", GetModuleHandleA("dllmain_fail_dll.dll") == NULL);
}

static void system_modules(void)
{
    HMODULE kernel32 = GetModuleHandleA("kernel32"), loaded = LoadLibraryA("KERNEL32.DLL");
    char path[4];

    check("kernel32 is there without being asked for", kernel32 && loaded == kernel32);
    check("its functions are found", GetProcAddress(kernel32, "CreateFileW") && GetProcAddress(kernel32, "ExitProcess"));
    check("ntdll too", GetModuleHandleW(L"NTDLL.DLL") != NULL);
    check("the base name of this program", lstrcmpiA(base_name(NULL), "loadlib.exe") == 0);
    SetLastError(0);
    show("a path cut short by a small buffer", GetModuleFileNameA(NULL, path, sizeof path));
    show("error", GetLastError());
    check("a module can be loaded as data", (ULONG_PTR)(loaded = LoadLibraryExA("loadlib_dll.dll", NULL,
          LOAD_LIBRARY_AS_DATAFILE)) & 1);
    check("its DllMain is not called, it is not in the list", loaded && !GetModuleHandleA("loadlib_dll.dll"));
    FreeLibrary(loaded);
}

int main(void)
{
    HMODULE module;

    setvbuf(stdout, NULL, _IONBF, 0); /* the libraries print too */
    check("not loaded yet", !GetModuleHandleA("loadlib_dll.dll"));
    module = LoadLibraryA("loadlib_dll");
    check("loaded, without saying .dll", module != NULL);
    if (!module)
        return 1;
    printf("its base name: %s\n", base_name(module));
    look_up(module);
    references(module);
    failures();
    system_modules();
    return sample_wrong_facts;
}
