/* Needs reentry_dll and then teller_b, which reentry_dll's DllMain has had initialised already when its turn comes. */
#include "teller.h"

__declspec(dllimport) DWORD reentry_other(void);
__declspec(dllimport) int teller_b_number(void);

DWORD reentry_root_other(void)
{
    return teller_b_number() ? reentry_other() : 0;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    if (reason == DLL_PROCESS_ATTACH || reason == DLL_PROCESS_DETACH)
        tell_reason("reentry_root", reason, reserved);
    return TRUE;
}
