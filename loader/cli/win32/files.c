/* Files that peload itself writes, and texts in Windows' form. */
#include "loader/cli/win32/win32.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

WCHAR *cli_wide(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    WCHAR *wide = count > 0 ? malloc((size_t)count * sizeof *wide) : NULL;
    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, count);
    return wide;
}

char *cli_path_host(const char *path)
{
    char *copy = strdup(path);
    for (char *at = copy; at && *at; at++)
        if (*at == '\\')
            *at = '/';
    return copy;
}

HANDLE cli_file_create(const char *path)
{
    if (!path)
        return INVALID_HANDLE_VALUE;
    WCHAR *wide = cli_wide(path);
    HANDLE file = wide ? CreateFileW(wide, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS, 0, NULL) : NULL;
    free(wide);
    if (file && file != INVALID_HANDLE_VALUE)
        return file;
    cli_say("%s: it cannot be written (Windows error %lu)", path, GetLastError());
    return NULL;
}

struct cli_last_status cli_last_status;

void cli_status_write(HANDLE file, uint32_t code, const char *how)
{
    cli_last_status = (struct cli_last_status){code, how};
    char line[64];
    int length = snprintf(line, sizeof line, "%" PRIu32 " 0x%08" PRIX32 " %s\n", code, code, how);
    if (file != INVALID_HANDLE_VALUE)
        cli_write((intptr_t)file, line, (size_t)length);
}

bool cli_environment_set(const char *entry)
{
    WCHAR *wide = cli_wide(entry), *sign = wide ? wcschr(wide, '=') : NULL;
    bool done = sign && sign != wide;
    if (done) {
        *sign = 0;
        done = SetEnvironmentVariableW(wide, sign + 1);
    }
    free(wide);
    return done;
}
