/* Finding a file in a folder. The file system itself compares names without regard to case. */
#include "loader/host/win32/win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum host_result win32_file_find(struct host *host, const char *folder, const char *name, char *path, size_t room)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    int written = snprintf(path, room, "%s%s%s", folder, slash, name);
    (void)host;
    if (written < 0 || (size_t)written >= room || strpbrk(name, "/\\:"))
        return HOST_NOT_FOUND;

    WCHAR *wide = win32_wide(path);
    if (!wide)
        return HOST_NOT_FOUND;
    DWORD attributes = GetFileAttributesW(wide), error = GetLastError();
    free(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return win32_result(error);
    return HOST_OK;
}
