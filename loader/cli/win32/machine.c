/* What the portable files of the command line ask of the machine. Nothing goes through the C library: in the child that is
 * the guest's. */
#include "loader/cli/cli.h"

#include <windows.h>

void cli_write(intptr_t to, const char *text, size_t length)
{
    for (DWORD written; length; text += written, length -= written)
        if (!WriteFile((HANDLE)to, text, (DWORD)length, &written, NULL) || !written)
            return; /* nobody listens any more: the guest goes on */
}

uint64_t cli_clock(void)
{
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)frequency.QuadPart);
}
