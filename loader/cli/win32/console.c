/* Our texts are UTF-8, and a console takes bytes for text of its output code page. That page is the console's, not ours: it is
 * changed while we write and nobody else does, and given back for the time of a child and at our end. */
#include "loader/cli/win32/win32.h"

#include <stdlib.h>

static UINT before; /* 0: nothing is to be given back */

static bool is_console(DWORD which)
{
    DWORD mode;
    return GetConsoleMode(GetStdHandle(which), &mode);
}

void cli_console_take(void)
{
    UINT now = is_console(STD_OUTPUT_HANDLE) || is_console(STD_ERROR_HANDLE) ? GetConsoleOutputCP() : 0;
    if (!before && now && now != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
        before = now;
}

void cli_console_give(void)
{
    fflush(stdout);
    if (before)
        SetConsoleOutputCP(before);
    before = 0;
}

/* Without a buffer the C library writes byte by byte, and a letter of several bytes is then none to a console. */
void cli_console_begin(void)
{
    cli_console_take();
    if (is_console(STD_OUTPUT_HANDLE))
        setvbuf(stdout, NULL, _IOFBF, 0x10000);
    atexit(cli_console_give);
}
