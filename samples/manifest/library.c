/* A library with a manifest of its own (resource 2): what it imports is looked for in its assembly, and its context is active
 * while its DllMain runs. */
#include <windows.h>

__declspec(dllimport) int second_number(void);

static int was_active, found_by_name;

int library_number(void)
{
    return second_number();
}

/* 1: a context was active in DllMain; 2: and led a LoadLibrary there. */
int library_context(void)
{
    return was_active + 2 * found_by_name;
}

static int is_in_assembly(HMODULE module)
{
    static const char part[] = "peload.samples.second\\manifest_second.dll";
    char path[MAX_PATH];
    DWORD length = module ? GetModuleFileNameA(module, path, sizeof path) : 0;

    return length > sizeof part && !lstrcmpiA(path + length - (sizeof part - 1), part);
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    HANDLE context = NULL;

    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        was_active = GetCurrentActCtx(&context) && context;
        if (context)
            ReleaseActCtx(context);
        found_by_name = is_in_assembly(LoadLibraryA("manifest_second.dll"));
    }
    return TRUE;
}
