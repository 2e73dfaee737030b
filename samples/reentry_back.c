/* Needs reentry_dll, which is not done with its own DllMain when it loads this one. */
#include "teller.h"

__declspec(dllimport) DWORD reentry_other(void);

DWORD reentry_back_other(void)
{
    return reentry_other();
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    if (reason == DLL_PROCESS_ATTACH || reason == DLL_PROCESS_DETACH)
        tell_reason("reentry_back", reason, reserved);
    return TRUE;
}
