/* Side-by-side assemblies: the program's manifest leads manifest_first.dll to a folder of its own, a library's manifest does so
 * for what that library needs, and a context made at run time for who activates it. Beside the program lie others with the
 * same names (and numbers of 100 and more), which must not be taken. */
#include <stdlib.h>
#include <string.h>
#include "../sample.h"
#include <windows.h>

__declspec(dllimport) int first_number(void);

static const char *place_of(HMODULE module)
{
    static char path[MAX_PATH];
    char *last;

    if (!module || !GetModuleFileNameA(module, path, sizeof path))
        return "nowhere";
    last = strrchr(path, '\\');
    while (last > path && last[-1] != '\\')
        last--;
    return last;
}

static int number_of(HMODULE module, const char *name)
{
    int (*function)(void) = module ? (void *)GetProcAddress(module, name) : NULL;

    return function ? function() : -1;
}

static void the_program(void)
{
    HANDLE context = NULL;
    ACTCTX_SECTION_KEYED_DATA data = { .cbSize = sizeof data };

    show("first_number()", (unsigned long)first_number());
    printf("from %s\n", place_of(GetModuleHandleA("manifest_first.dll")));
    check("LoadLibrary finds the same", LoadLibraryA("manifest_first") == GetModuleHandleA("manifest_first.dll"));
    check("no context is active but the process's own", GetCurrentActCtx(&context) && !context);
    check("which has a redirection for it", FindActCtxSectionStringA(0, NULL, ACTIVATION_CONTEXT_SECTION_DLL_REDIRECTION,
                                                                        "manifest_first.dll", &data));
    SetLastError(0);
    check("and none for others", !FindActCtxSectionStringA(0, NULL, ACTIVATION_CONTEXT_SECTION_DLL_REDIRECTION, "kernel32.dll", &data));
    show("error", GetLastError());
}

static void a_library(void)
{
    HMODULE library = LoadLibraryA("manifest_library.dll"), second;

    check("the library is loaded", library != NULL);
    show("its number", (unsigned long)number_of(library, "library_number"));
    show("in its DllMain", (unsigned long)number_of(library, "library_context"));
    second = GetModuleHandleA("manifest_second.dll");
    printf("it needs %s\n", place_of(second));
    check("both are freed", FreeLibrary(second) && FreeLibrary(library) && !GetModuleHandleA("manifest_second.dll"));
    second = LoadLibraryA("manifest_second.dll");
    show("the program itself gets another", (unsigned long)number_of(second, "second_number"));
    FreeLibrary(second);
}

static void made_at_run_time(void)
{
    ACTCTXA description = { .cbSize = sizeof description };
    char source[MAX_PATH];
    ULONG_PTR cookie = 0;
    HMODULE second;
    HANDLE context;

    GetModuleFileNameA(NULL, source, sizeof source);
    strcpy(strrchr(source, '\\'), "\\peload.samples.second\\peload.samples.second.manifest");
    description.lpSource = source;
    context = CreateActCtxA(&description);
    check("a context is made from a file", context != INVALID_HANDLE_VALUE);
    check("activated", ActivateActCtx(context, &cookie));
    second = LoadLibraryA("manifest_second.dll");
    show("now the program gets the assembly's", (unsigned long)number_of(second, "second_number"));
    printf("from %s\n", place_of(second));
    check("its handle by name", GetModuleHandleA("manifest_second.dll") == second);
    check("deactivated", DeactivateActCtx(0, cookie));
    ReleaseActCtx(context);
    FreeLibrary(second);
}

int main(void)
{
    the_program();
    a_library();
    made_at_run_time();
    return sample_wrong_facts;
}
