/* Tells the DETACH of the process's end, and writes without anything in between: what the C run-time holds back would be
 * lost with a process that is terminated. */
#include <string.h>
#include <windows.h>

void ends_say(const char *text);

void ends_say(const char *text)
{
    char line[64] = "  in the child: ";
    DWORD written, length;

    strcat(line, text);
    strcat(line, "\n");
    length = (DWORD)strlen(line);
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, length, &written, NULL);
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    /* The parent of these children has nothing to tell. */
    if (reason == DLL_PROCESS_DETACH && strstr(GetCommandLineA(), " child "))
        ends_say("DETACH");
    return TRUE;
}
