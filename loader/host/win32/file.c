/* Files: open for reading, all of it visible as memory. */
#include "loader/host/win32/win32.h"

#include <stdlib.h>

/* A view keeps its section alive, and the section its file: neither handle is needed once the view is there. */
static enum host_result view_of(HANDLE file, const uint8_t **bytes)
{
    HANDLE section = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    if (!section)
        return win32_result(GetLastError());
    *bytes = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    enum host_result result = *bytes ? HOST_OK : win32_result(GetLastError());
    CloseHandle(section);
    return result;
}

static enum host_result facts_of(HANDLE handle, struct host_file *file)
{
    BY_HANDLE_FILE_INFORMATION facts;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        return HOST_NOT_A_FILE;
    if (!GetFileInformationByHandle(handle, &facts))
        return win32_result(GetLastError());
    file->size = (uint64_t)facts.nFileSizeHigh << 32 | facts.nFileSizeLow;
    file->device = facts.dwVolumeSerialNumber;
    file->serial = (uint64_t)facts.nFileIndexHigh << 32 | facts.nFileIndexLow;
    return file->size > SIZE_MAX / 2 ? HOST_NO_MEMORY : HOST_OK;
}

enum host_result win32_file_open(struct host *host, const char *path, struct host_file *file)
{
    static const uint8_t nothing[1];
    WCHAR *wide = win32_wide(path);
    (void)host;
    if (!wide)
        return HOST_NOT_FOUND;
    HANDLE handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
    enum host_result result = handle == INVALID_HANDLE_VALUE ? win32_result(GetLastError()) : HOST_OK;
    /* A folder cannot be opened like this; Windows says "access denied" of it. */
    DWORD attributes = result == HOST_DENIED ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES;
    free(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY)
        return HOST_NOT_A_FILE;
    if (result != HOST_OK)
        return result;

    file->bytes = nothing;
    result = facts_of(handle, file);
    if (result == HOST_OK && file->size)
        result = view_of(handle, &file->bytes);
    if (result != HOST_OK) {
        CloseHandle(handle);
        return result;
    }
    file->handle = (intptr_t)handle;
    return HOST_OK;
}

void win32_file_close(struct host *host, struct host_file *file)
{
    (void)host;
    if (file->size)
        UnmapViewOfFile(file->bytes);
    CloseHandle((HANDLE)file->handle);
}
