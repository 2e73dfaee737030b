/* A program loaded as a library: mapped, listed, and left alone; and a library loaded without its references. */
#include <string.h>
#include "sample.h"
#include <windows.h>

static const IMAGE_NT_HEADERS *headers(HMODULE module)
{
    return (const void *)((const char *)module + ((const IMAGE_DOS_HEADER *)module)->e_lfanew);
}

/* Does the first import slot still hold what the file has: the RVA of a name? */
static int is_unbound(HMODULE module)
{
    const IMAGE_NT_HEADERS *head = headers(module);
    const IMAGE_DATA_DIRECTORY *table = &head->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    const IMAGE_IMPORT_DESCRIPTOR *first = (const void *)((const char *)module + table->VirtualAddress);

    return *(const ULONG_PTR *)((const char *)module + first->FirstThunk) < head->OptionalHeader.SizeOfImage;
}

static void a_program(void)
{
    HMODULE module = LoadLibraryA("resource.exe");
    HRSRC resource;
    char path[MAX_PATH];

    check("loaded", module != NULL);
    if (!module)
        return;
    check("its handle is its base", !memcmp(module, "MZ", 2) && !(headers(module)->FileHeader.Characteristics & IMAGE_FILE_DLL));
    check("its imports are not bound", is_unbound(module));
    check("it has a handle by its name", GetModuleHandleA("resource.exe") == module);
    check("and a file", GetModuleFileNameA(module, path, sizeof path) && strstr(path, "\\resource.exe"));
    check("it is not the process's program", GetModuleHandleA(NULL) != module);
    resource = FindResourceA(module, MAKEINTRESOURCEA(77), "CUSTOM_TYPE");
    check("its resources are found", resource && SizeofResource(module, resource) > 0);
    SetLastError(0);
    check("it exports nothing", !GetProcAddress(module, "main"));
    show("error", GetLastError());
    check("loaded again, it is the same", LoadLibraryA("RESOURCE.EXE") == module);
    check("freed twice, it is gone", FreeLibrary(module) && FreeLibrary(module) && !GetModuleHandleA("resource.exe"));
}

static void without_references(void)
{
    HMODULE module = LoadLibraryExA("teller_a.dll", NULL, DONT_RESOLVE_DLL_REFERENCES);

    check("a library, its references not resolved", module != NULL);
    check("what it needs is not loaded", !GetModuleHandleA("teller_b"));
    check("its imports are not bound", is_unbound(module));
    check("its functions have addresses", GetProcAddress(module, "teller_a_number") != NULL);
    check("loaded in earnest, it stays as it is", LoadLibraryA("teller_a.dll") == module && is_unbound(module));
    check("freed", FreeLibrary(module) && FreeLibrary(module) && !GetModuleHandleA("teller_a"));
    check("afresh, it is complete", (module = LoadLibraryA("teller_a.dll")) != NULL && GetModuleHandleA("teller_b")
          && !is_unbound(module));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    a_program();
    without_references();
    return sample_wrong_facts;
}
