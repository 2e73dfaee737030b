/* The library of delay.c. */
#include <windows.h>

static int attach_count;

int delayed_add(int left, int right)
{
    return left + right;
}

int delayed_attach_count(void)
{
    return attach_count;
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    attach_count += reason == DLL_PROCESS_ATTACH;
    return TRUE;
}
