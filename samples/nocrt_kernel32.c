/* No C run-time: the entry point is ours and every import comes from kernel32. */
#include <windows.h>

static void write_text(HANDLE output, const char *text)
{
    DWORD length = 0, written;

    while (text[length])
        length++;
    WriteFile(output, text, length, &written, NULL);
}

void mainCRTStartup(void)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);

    write_text(output, "no C run-time, kernel32 alone\r\n");
    write_text(output, GetModuleHandleW(NULL) ? "the image knows its own base\r\n" : "the image has no base\r\n");
    write_text(output, GetCommandLineW()[0] ? "there is a command line\r\n" : "the command line is empty\r\n");
    ExitProcess(7);
}
