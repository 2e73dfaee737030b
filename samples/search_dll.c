/* A library that only has to be somewhere: search.c, same_module.c and datafile.c ask from where it came. */
#include <windows.h>

int search_number(void)
{
    return 7;
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reason;
    (void)reserved;
    return TRUE;
}
