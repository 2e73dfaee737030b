/* What a child sees of the call that created it. The exit code is the number of its arguments, or what --exit says. */
#include "start.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '\\');

    return slash ? slash + 1 : path;
}

static void tell_variable(const char *name)
{
    char text[MAX_PATH];
    WCHAR wide_name[64], value[MAX_PATH];

    MultiByteToWideChar(CP_ACP, 0, name, -1, wide_name, 64);
    if (GetEnvironmentVariableW(wide_name, value, MAX_PATH) && WideCharToMultiByte(CP_UTF8, 0, value, -1, text, sizeof text, NULL, NULL))
        printf("  %s: %s\n", name, text);
    else
        printf("  %s is not set\n", name);
}

int main(int argc, char **argv)
{
    char text[2 * MAX_PATH];
    STARTUPINFOA startup;
    int code = argc - 1;

    GetModuleFileNameA(NULL, text, sizeof text);
    printf("  child %s, called '%s', %d arguments\n", base_name(text), base_name(argv[0]), argc - 1);
    for (int i = 1; i < argc; i++) {
        printf("  argument %d: [%s]\n", i, argv[i]);
        if (!strcmp(argv[i], "--exit") && i + 1 < argc)
            code = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--folder") && GetCurrentDirectoryA(sizeof text, text))
            printf("  current directory: ...\\%s\n", base_name(text));
        if (!strcmp(argv[i], "--startup")) {
            GetStartupInfoA(&startup);
            printf("  title '%s', flags 0x%lx, show window %u\n", startup.lpTitle, startup.dwFlags, startup.wShowWindow);
        }
        if (!strcmp(argv[i], "--variable") && i + 1 < argc)
            tell_variable(argv[i + 1]);
        if (!strcmp(argv[i], "--line"))
            printf("  the whole line: [%s]\n", strstr(GetCommandLineA(), "--line"));
    }
    return code;
}
