/* CreateProcess, the third way: a command line with arguments, and all else that can be handed on: the name that a child is
 * called by, environment, current directory, start-up information. */
#include "start.h"

static void created(const char *what, const char *program, const char *arguments, DWORD flags, void *environment, const char *folder,
                    STARTUPINFOA *startup)
{
    PROCESS_INFORMATION child = {0};
    char line[4 * MAX_PATH];

    snprintf(line, sizeof line, "%s", arguments);
    printf("%s\n", what);
    fflush(stdout);
    if (CreateProcessA(program, line, NULL, NULL, FALSE, flags, environment, folder, startup, &child))
        show("  exit code", start_finish(&child));
    else
        printf("  error %lu\n", GetLastError());
}

int main(void)
{
    /* Each is two strings, ended by an empty one; SystemRoot belongs into every environment that is made by hand. */
    char narrow[256], *end = narrow;
    WCHAR wide[] = L"PELOAD_COLOUR=gr\u00fcn\0SystemRoot=C:\\windows\0";
    STARTUPINFOA startup = { .cb = sizeof startup }, full;
    const char *program = start_beside("create_child.exe");
    char line[2 * MAX_PATH], title[] = "a title of its own";

    end += sprintf(end, "PELOAD_COLOUR=red") + 1;
    end += sprintf(end, "SystemRoot=C:\\windows") + 1;
    *end = 0;
    full = startup;
    full.lpTitle = title;
    full.dwFlags = STARTF_USESHOWWINDOW;
    full.wShowWindow = 7;
    snprintf(line, sizeof line, "\"%s\" one \"two words\" \"a \\\"quote\\\"\" \"\" end\\", program);
    created("arguments", NULL, line, 0, NULL, NULL, &startup);
    created("the application by its path, and another name in front of the line", program, "somebody else --exit 33", 0, NULL, NULL, &startup);
    created("the line as it is", program, "x --line   two  blanks \t\"and\" quotes ", 0, NULL, NULL, &startup);
    SetEnvironmentVariableA("PELOAD_COLOUR", "blue");
    created("the environment of its parent", program, "x --variable PELOAD_COLOUR", 0, NULL, NULL, &startup);
    created("an environment made for it", program, "x --variable PELOAD_COLOUR --variable PATH", 0, narrow, NULL, &startup);
    created("in UTF-16", program, "x --variable PELOAD_COLOUR", CREATE_UNICODE_ENVIRONMENT, wide, NULL, &startup);
    created("a current directory", program, "x --folder", 0, NULL, "C:\\windows\\system32", &startup);
    created("a current directory that is not there", program, "x --folder", 0, NULL, "C:\\absent folder", &startup);
    created("start-up information", program, "x --startup", 0, NULL, NULL, &full);
    return sample_wrong_facts;
}
