/* Refuses at attach and tells which calls it got. */
#include <windows.h>

int never_called(void)
{
    return 1;
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
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        write_text("DllMain: attach, refused\r\n");
    return reason != DLL_PROCESS_ATTACH;
}
