/* CreateProcess, the second way: a command line alone. Its first word is the program: quoted, or as long as a blank lets it
 * be and longer until a file is found; without a path it is searched for; ".exe" is added. */
#include "start.h"

static char folder[MAX_PATH];

static const char *in_folder(const char *name)
{
    static char path[2 * MAX_PATH];

    snprintf(path, sizeof path, "%s\\%s", folder, name);
    return path;
}

/* The line is copied into memory that may be written to: CreateProcessW does, so a constant there is the caller's error. */
static void created(const char *what, const char *line)
{
    STARTUPINFOW startup = { .cb = sizeof startup };
    PROCESS_INFORMATION child = {0};
    WCHAR copy[2 * MAX_PATH];

    printf("%s\n", what);
    fflush(stdout);
    MultiByteToWideChar(CP_ACP, 0, line, -1, copy, 2 * MAX_PATH);
    if (CreateProcessW(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child))
        show("  exit code", start_finish(&child));
    else
        printf("  error %lu\n", GetLastError());
}

static void with_path(void)
{
    char line[2 * MAX_PATH];

    snprintf(line, sizeof line, "\"%s\"", start_beside("create_child.exe"));
    created("a quoted path", line);
    snprintf(line, sizeof line, "\"%s\"", start_beside("create_child"));
    created("a quoted path without .exe", line);
    snprintf(line, sizeof line, "%s", start_beside("absent.exe"));
    created("a file that is not there", line);
}

static void with_blanks(void)
{
    char line[2 * MAX_PATH];

    CopyFileA(start_beside("create_child.exe"), in_folder("my child.exe"), FALSE);
    snprintf(line, sizeof line, "%s one", in_folder("my child"));
    created("a path with a blank and no quotes", line);
    CopyFileA(start_beside("create_child.exe"), in_folder("my.exe"), FALSE);
    created("the same, after my.exe has come to lie there", line);
    snprintf(line, sizeof line, "\"%s\" one", in_folder("my child"));
    created("the same with quotes", line);
    DeleteFileA(in_folder("my child.exe"));
    DeleteFileA(in_folder("my.exe"));
}

static void without_path(void)
{
    CopyFileA(start_beside("create_child.exe"), in_folder("only_here.exe"), FALSE);
    created("a name: the folder of this program comes first", "create_child.exe 1 2");
    created("no .exe: it is added", "create_child 1 2 3");
    created("nowhere", "only_here.exe");
    SetCurrentDirectoryA(folder);
    created("the current directory is searched too", "only_here.exe 1");
    SetCurrentDirectoryA("C:\\");
    SetEnvironmentVariableA("PATH", folder);
    created("and PATH", "only_here 1");
    DeleteFileA(in_folder("only_here.exe"));
}

static void no_programs(void)
{
    char line[2 * MAX_PATH];
    HANDLE file = CreateFileA(in_folder("text.exe"), GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    DWORD written;

    WriteFile(file, "This is no program at all, only text.\r\n", 39, &written, NULL);
    CloseHandle(file);
    snprintf(line, sizeof line, "\"%s\"", in_folder("text.exe"));
    created("a text file", line);
    DeleteFileA(in_folder("text.exe"));
    file = CreateFileA(in_folder("empty.exe"), GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    CloseHandle(file);
    snprintf(line, sizeof line, "\"%s\"", in_folder("empty.exe"));
    created("an empty file", line);
    DeleteFileA(in_folder("empty.exe"));
}

int main(void)
{
    char temporary[MAX_PATH - 60];
    unsigned number = 0;
    BOOL made;

    GetTempPathA(sizeof temporary, temporary);
    do { /* under a name that is free, whatever a run that was killed has left */
        snprintf(folder, sizeof folder, "%speload create %lu %u", temporary, GetCurrentProcessId(), number++);
        made = CreateDirectoryA(folder, NULL);
    } while (!made && GetLastError() == ERROR_ALREADY_EXISTS);
    check("a folder with a blank in its name", made);
    with_path();
    with_blanks();
    without_path();
    no_programs();
    check("the folder is empty again", RemoveDirectoryA(folder));
    return sample_wrong_facts;
}
