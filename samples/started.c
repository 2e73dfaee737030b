/* What a program is told at its start: its own path as the command line's first word, and the variables without which
 * programs do not find the user's folders. */
#include "sample.h"
#include <string.h>
#include <windows.h>
#include <shlobj.h>

static const char *variable(const char *name)
{
    static char values[8][2 * MAX_PATH];
    static int turn;
    char *value = values[turn++ % 8];

    return GetEnvironmentVariableA(name, value, 2 * MAX_PATH) ? value : "";
}

static int is_whole_path(const char *path)
{
    return path[0] && path[1] == ':' && path[2] == '\\' && !strchr(path, '/');
}

typedef HRESULT(WINAPI *folder_function)(HWND, int, HANDLE, DWORD, char *);
static folder_function shell_folder; /* found by name, so that a program without shell is not another one */

static int is_folder_of_user(int folder, const char *name)
{
    char path[MAX_PATH];

    return shell_folder && shell_folder(NULL, folder | CSIDL_FLAG_DONT_VERIFY, NULL, 0, path) == S_OK && !_stricmp(path, variable(name));
}

int main(int count, char **arguments)
{
    char module[2 * MAX_PATH], home[4 * MAX_PATH];

    (void)count;
    GetModuleFileNameA(NULL, module, sizeof module);
    check("the command line begins with a whole path", is_whole_path(arguments[0]));
    check("which is the program's", !_stricmp(arguments[0], module));
    check("APPDATA is a whole path", is_whole_path(variable("APPDATA")));
    check("so is LOCALAPPDATA", is_whole_path(variable("LOCALAPPDATA")));
    shell_folder = (folder_function)(void *)GetProcAddress(LoadLibraryA("shell32.dll"), "SHGetFolderPathA");
    check("the shell says the same", is_folder_of_user(CSIDL_APPDATA, "APPDATA") && is_folder_of_user(CSIDL_LOCAL_APPDATA, "LOCALAPPDATA"));
    sprintf(home, "%s%s", variable("HOMEDRIVE"), variable("HOMEPATH"));
    check("HOMEDRIVE and HOMEPATH are a whole path", is_whole_path(home));
    check("so are TEMP, USERPROFILE, SystemRoot", is_whole_path(variable("TEMP")) && is_whole_path(variable("USERPROFILE"))
          && is_whole_path(variable("SystemRoot")));
    return sample_wrong_facts;
}
