/* Loads a library when it comes and frees it when it goes, as plug-ins do. */
#include "teller.h"

static HMODULE held;

int reentry_free_number(void)
{
    return held != NULL;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    if (reason != DLL_PROCESS_ATTACH && reason != DLL_PROCESS_DETACH)
        return TRUE;
    tell_reason("reentry_free", reason, reserved);
    if (reason == DLL_PROCESS_ATTACH)
        held = LoadLibraryA("teller_a.dll");
    else
        tell_line(FreeLibrary(held) ? "  it has freed teller_a" : "  it has NOT freed teller_a", "", "");
    return TRUE;
}
