/* The library of loadlib.c; says when it comes and goes, and whether for good. */
#include <windows.h>

int library_data = 4711;

int library_double(int number)
{
    return number * 2;
}

int library_triple(int number)
{
    return number * 3;
}

int library_negate(int number)
{
    return -number;
}

static void write_text(const char *text)
{
    DWORD length = 0, written;

    while (text[length])
        length++;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    if (reason == DLL_PROCESS_ATTACH)
        write_text(reserved ? "library: attached with the process\r\n" : "library: attached at run time\r\n");
    else if (reason == DLL_PROCESS_DETACH)
        write_text(reserved ? "library: detached with the process\r\n" : "library: detached at run time\r\n");
    return TRUE;
}
