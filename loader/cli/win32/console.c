/* Our texts are UTF-8, and a console takes bytes for text of its output code page. Changing that page would change it for everybody
 * there, for the program that we start first of all, and on Windows 7 WriteFile then counts letters for bytes. So a console is given
 * UTF-16, and what the C library writes to standard output comes here through a pipe. */
#include "loader/cli/win32/win32.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096 }; /* Windows 7 refuses more than some ten thousand letters at once */

static struct { HANDLE screen, pipe, thread; } pump;

bool cli_console_is(HANDLE handle)
{
    DWORD mode;
    return GetConsoleMode(handle, &mode);
}

void cli_console_show(HANDLE screen, const char *text, size_t length)
{
    WCHAR wide[PIECE];
    for (size_t step; length; text += step, length -= step) {
        step = length < PIECE ? length : PIECE;
        while (step < length && step > PIECE - 4 && (text[step] & 0xc0) == 0x80) /* not through a letter */
            step--;
        DWORD written;
        int count = MultiByteToWideChar(CP_UTF8, 0, text, (int)step, wide, PIECE);
        if (!count || !WriteConsoleW(screen, wide, (DWORD)count, &written, NULL))
            return;
    }
}

/* How many of these bytes are whole letters: a piece may end in the middle of one. */
static size_t whole(const char *text, size_t length)
{
    size_t last = length;
    while (last && length - last < 4 && (text[last - 1] & 0xc0) == 0x80)
        last--;
    if (!last)
        return length;
    unsigned char lead = (unsigned char)text[last - 1];
    size_t wants = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return length - (last - 1) < wants ? last - 1 : length;
}

static DWORD WINAPI pump_run(void *unused)
{
    char text[PIECE + 4];
    size_t there = 0, shown;
    (void)unused;
    for (DWORD got; ReadFile(pump.pipe, text + there, PIECE, &got, NULL) && got; there -= shown) {
        there += got;
        shown = whole(text, there);
        cli_console_show(pump.screen, text, shown);
        memmove(text, text + shown, there - shown);
    }
    cli_console_show(pump.screen, text, there);
    return 0;
}

static void pump_end(void)
{
    fflush(stdout);
    _close(1);
    WaitForSingleObject(pump.thread, INFINITE);
}

/* The standard handle stays the console, by a copy, because _dup2 closes what it replaces: children get that. Without a buffer the C library would write byte by byte. */
void cli_console_begin(void)
{
    HANDLE into, self = GetCurrentProcess(), screen = GetStdHandle(STD_OUTPUT_HANDLE);
    if (!cli_console_is(screen) || !DuplicateHandle(self, screen, self, &pump.screen, 0, FALSE, DUPLICATE_SAME_ACCESS) ||
        !CreatePipe(&pump.pipe, &into, NULL, 0))
        return;
    int file = _open_osfhandle((intptr_t)into, _O_BINARY);
    pump.thread = file >= 0 ? CreateThread(NULL, 0, pump_run, NULL, 0, NULL) : NULL;
    if (pump.thread && !_dup2(file, 1)) {
        SetStdHandle(STD_OUTPUT_HANDLE, pump.screen);
        setvbuf(stdout, NULL, _IOFBF, 0x10000);
        atexit(pump_end);
    }
    if (file >= 0)
        _close(file);
}
