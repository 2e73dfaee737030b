/* Files: open for reading, all of it visible as memory. */
#include "loader/host/win32/win32.h"

#include <stdlib.h>
#include <winternl.h>

/* Of a small file, reading all of it costs less than a section and a view: above all where it goes into memory that was
 * touched before. One buffer is kept for that; a second file that is open at the same time has memory of its own. */
enum { SMALL = 0x100000 };

static enum host_result copy_of(struct win32_host *self, HANDLE file, uint64_t size, const uint8_t **bytes)
{
    DWORD got = 0;
    if (!self->buffer)
        self->buffer = VirtualAlloc(NULL, SMALL, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    bool is_kept = self->buffer && !self->buffer_in_use;
    void *copy = is_kept ? self->buffer : malloc((size_t)size);
    if (!copy)
        return HOST_NO_MEMORY;
    if (ReadFile(file, copy, (DWORD)size, &got, NULL) && got == size) {
        self->buffer_in_use |= is_kept;
        *bytes = copy;
        return HOST_OK;
    }
    enum host_result result = got == size ? win32_result(GetLastError()) : HOST_FAILED;
    if (!is_kept)
        free(copy);
    return result;
}

static void copy_give(struct win32_host *self, const uint8_t *bytes)
{
    if (bytes == self->buffer)
        self->buffer_in_use = false;
    else
        free((void *)(uintptr_t)bytes);
}

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

/* The file's number on its volume, and when it was made: together an identity that no two files share but copies of one
 * volume. The volume's own number would cost Wine (8.0) a question to another process. */
static enum host_result facts_of(HANDLE handle, struct host_file *file)
{
    const FILE_INFORMATION_CLASS internal = (FILE_INFORMATION_CLASS)6;
    FILE_STANDARD_INFO standard;
    FILE_BASIC_INFO basic;
    LARGE_INTEGER number; /* FILE_INTERNAL_INFORMATION */
    IO_STATUS_BLOCK block;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        return HOST_NOT_A_FILE;
    if (!GetFileInformationByHandleEx(handle, FileStandardInfo, &standard, sizeof standard) ||
        !GetFileInformationByHandleEx(handle, FileBasicInfo, &basic, sizeof basic))
        return win32_result(GetLastError());
    if (NtQueryInformationFile(handle, &block, &number, sizeof number, internal) < 0)
        return HOST_FAILED;
    file->size = (uint64_t)standard.EndOfFile.QuadPart;
    file->device = (uint64_t)basic.CreationTime.QuadPart;
    file->serial = (uint64_t)number.QuadPart;
    return file->size > SIZE_MAX / 2 ? HOST_NO_MEMORY : HOST_OK;
}

enum host_result win32_file_open(struct host *host, const char *path, struct host_file *file)
{
    static const uint8_t nothing[1];
    WCHAR *wide = win32_wide(path);
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
        result = file->size <= SMALL ? copy_of(host->self, handle, file->size, &file->bytes) : view_of(handle, &file->bytes);
    if (result != HOST_OK) {
        CloseHandle(handle);
        return result;
    }
    file->handle = (intptr_t)handle;
    return HOST_OK;
}

void win32_file_close(struct host *host, struct host_file *file)
{
    if (file->size > SMALL)
        UnmapViewOfFile(file->bytes);
    else if (file->size)
        copy_give(host->self, file->bytes);
    CloseHandle((HANDLE)file->handle);
}
