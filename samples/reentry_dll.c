/* The library of reentry.c: loads others from its DllMain, and starts a thread that must wait for the loader lock. */
#include "teller.h"

static HANDLE other;

static DWORD WINAPI other_thread(void *unused)
{
    (void)unused;
    tell_line("the other thread loads", "", "");
    return LoadLibraryA("teller_d.dll") != NULL;
}

/* The thread's exit code: 1 if it could load. */
DWORD reentry_other(void)
{
    DWORD code = 0;

    WaitForSingleObject(other, INFINITE);
    GetExitCodeThread(other, &code);
    return code;
}

static void attach(void)
{
    HMODULE a;

    tell_line("  it loads teller_a", "", "");
    a = LoadLibraryA("teller_a.dll");
    tell_line(a ? "  teller_a is loaded" : "  teller_a is NOT loaded", "", "");
    tell_line("  it loads a library that needs it", "", "");
    tell_line(LoadLibraryA("reentry_back.dll") ? "  which is loaded" : "  which is NOT loaded", "", "");
    other = CreateThread(NULL, 0, other_thread, NULL, 0, NULL);
    tell_line(WaitForSingleObject(other, 100) == WAIT_TIMEOUT ? "  another thread waits until this is over"
                                                              : "  another thread does NOT wait", "", "");
    tell_line("  it frees teller_a", FreeLibrary(a) ? "" : ", NOT", "");
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    if (reason == DLL_PROCESS_ATTACH || reason == DLL_PROCESS_DETACH)
        tell_reason("reentry_dll", reason, reserved);
    if (reason == DLL_PROCESS_ATTACH)
        attach();
    return TRUE;
}
