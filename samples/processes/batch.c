/* A batch file is no program, but CreateProcess takes it: cmd.exe gets it, with its arguments, and its exit code is the
 * child's. */
#include "start.h"

int main(void)
{
    static const char text[] = "@echo off\r\necho batch file: %1, %2\r\nexit /b 5\r\n";
    STARTUPINFOA startup = { .cb = sizeof startup };
    PROCESS_INFORMATION child = {0};
    char folder[MAX_PATH], path[2 * MAX_PATH], line[3 * MAX_PATH];
    DWORD written;

    GetTempPathA(sizeof folder, folder);
    unsigned number = 0;
    HANDLE file;
    do { /* under a name that is free, whatever a run that was killed has left */
        snprintf(path, sizeof path, "%speload sample %lu %u.bat", folder, GetCurrentProcessId(), number++);
        file = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    } while (file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_EXISTS);
    check("a batch file", WriteFile(file, text, sizeof text - 1, &written, NULL));
    CloseHandle(file);
    snprintf(line, sizeof line, "\"%s\" one \"two words\"", path);
    fflush(stdout);
    BOOL started = CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child);
    DWORD code = start_finish(&child);
    check("it is started", started);
    show("its exit code", code);
    check("it is deleted", DeleteFileA(path));
    return sample_wrong_facts;
}
