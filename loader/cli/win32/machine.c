/* What the portable files of the command line ask of the machine. Nothing goes through the C library: in the child that is
 * the guest's. */
#include "loader/cli/win32/win32.h"

#include <errno.h>
#include <stdlib.h>
#include <windows.h>

intptr_t cli_errors(void)
{
    return (intptr_t)GetStdHandle(STD_ERROR_HANDLE);
}

void cli_write(intptr_t to, const char *text, size_t length)
{
    if (cli_console_is((HANDLE)to)) {
        cli_console_show((HANDLE)to, text, length);
        return;
    }
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

FILE *cli_create(const char *path)
{
    WCHAR *wide = cli_wide(path);
    FILE *stream = wide ? _wfopen(wide, L"wb") : NULL;
    free(wide);
    return stream;
}

bool cli_rename(const char *from, const char *to)
{
    WCHAR *wide_from = cli_wide(from), *wide_to = cli_wide(to);
    bool done = wide_from && wide_to && MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING);
    free(wide_from);
    free(wide_to);
    if (!done)
        errno = EACCES;
    return done;
}
