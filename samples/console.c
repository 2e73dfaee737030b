/* What the standard handles are. The runner gives a file or a pipe, never a console: console calls must say so. */
#include <windows.h>
#include "sample.h"

static int is_file_or_pipe(HANDLE handle)
{
    DWORD type = GetFileType(handle);

    return type == FILE_TYPE_DISK || type == FILE_TYPE_PIPE;
}

int main(void)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE), file, read_end, write_end;
    CONSOLE_SCREEN_BUFFER_INFO info;
    DWORD mode = 0, written;

    check("standard output is a file or a pipe", is_file_or_pipe(output));
    check("no console mode for it", !GetConsoleMode(output, &mode));
    check("no screen buffer for it", !GetConsoleScreenBufferInfo(output, &info));
    check("WriteConsole refuses it", !WriteConsoleA(output, "x", 1, &written, NULL));
    check("and leaves an error", GetLastError() != 0);

    CreatePipe(&read_end, &write_end, NULL, 0);
    show("type of a pipe", GetFileType(read_end));
    check("no console mode for a pipe", !GetConsoleMode(write_end, &mode));

    file = CreateFileA("NUL", GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    show("type of NUL", GetFileType(file));
    check("a write to NUL is swallowed whole", WriteFile(file, "1234", 4, &written, NULL) && written == 4);

    SetLastError(0);
    show("type of a wrong handle", GetFileType((HANDLE)(ULONG_PTR)0x12344));
    show("error", GetLastError());
    check("SetStdHandle is believed", SetStdHandle(STD_ERROR_HANDLE, file) && GetStdHandle(STD_ERROR_HANDLE) == file);
    return sample_wrong_facts;
}
