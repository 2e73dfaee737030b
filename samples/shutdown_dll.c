/* The library of shutdown.c: looks around when the process ends. */
#include "teller.h"

static HANDLE watched_thread;
static HMODULE watched_module;

void shutdown_watch(HANDLE thread, HMODULE module)
{
    watched_thread = thread;
    watched_module = module;
}

static void fact(const char *what, int holds)
{
    tell_line(what, holds ? ": yes" : ": NO", "");
}

static void look_around(void)
{
    BOOLEAN(NTAPI *in_progress)(void) = (void *)GetProcAddress(GetModuleHandleA("ntdll"), "RtlDllShutdownInProgress");

    fact("  shutdown is in progress", in_progress());
    if (watched_thread)
        fact("  the other thread has ended", WaitForSingleObject(watched_thread, 0) == WAIT_OBJECT_0);
    if (!watched_module)
        return;
    fact("  FreeLibrary says it is done", FreeLibrary(watched_module));
    fact("  but nothing goes any more", GetModuleHandleA("teller_d.dll") == watched_module);
    fact("  LoadLibrary finds what is there", LoadLibraryA("teller_d.dll") == watched_module);
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    tell_reason("shutdown_dll", reason, reserved);
    if (reason == DLL_PROCESS_DETACH)
        look_around();
    return TRUE;
}
