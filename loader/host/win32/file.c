/* Files: open for reading, all of it visible as memory. */
#include "loader/host/win32/win32.h"

#include <stdlib.h>
#include <winternl.h>

/* Sections and views are dear: each costs Wine (8.0) six questions to its server. So a small file is read, all of it, and of
 * another one the loader gets the beginning, and what it wants of the rest is read into its place. Only who asks for all of
 * a big file gets a view. One buffer is kept for the reading, because memory that was touched before costs less; a second
 * file that is open at the same time has memory of its own. */
enum { SMALL = 0x40000, BEGINNING = 0x1000, PAGE = 0x1000, STRETCH = 0x100000 };

/* By the file's own position: an OVERLAPPED would name the place in one call, but Wine (8.0) then asks its server each time
 * whether a completion port wants to hear of it. */
static enum host_result read_at(HANDLE file, uint64_t off, void *to, DWORD size)
{
    DWORD got = 0;
    if (!SetFilePointerEx(file, (LARGE_INTEGER){.QuadPart = (LONGLONG)off}, NULL, FILE_BEGIN) || !ReadFile(file, to, size, &got, NULL))
        return win32_result(GetLastError());
    return got == size ? HOST_OK : HOST_FAILED;
}

static enum host_result copy_of(struct win32_host *self, HANDLE file, uint64_t size, const uint8_t **bytes)
{
    if (!self->buffer)
        self->buffer = VirtualAlloc(NULL, SMALL, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    bool is_kept = self->buffer && !self->buffer_in_use;
    void *copy = is_kept ? self->buffer : malloc((size_t)size);
    if (!copy)
        return HOST_NO_MEMORY;
    enum host_result result = read_at(file, 0, copy, (DWORD)size);
    if (result == HOST_OK) {
        self->buffer_in_use |= is_kept;
        *bytes = copy;
    } else if (!is_kept)
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
    const FILE_INFORMATION_CLASS internal = (FILE_INFORMATION_CLASS)6, network_open = (FILE_INFORMATION_CLASS)34;
    struct { LARGE_INTEGER made, accessed, written, changed, allocated, size; ULONG attributes; } facts; /* FILE_NETWORK_OPEN_INFORMATION */
    LARGE_INTEGER number; /* FILE_INTERNAL_INFORMATION */
    IO_STATUS_BLOCK block;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        return HOST_NOT_A_FILE;
    if (NtQueryInformationFile(handle, &block, &facts, sizeof facts, network_open) < 0 ||
        NtQueryInformationFile(handle, &block, &number, sizeof number, internal) < 0)
        return HOST_FAILED;
    file->size = (uint64_t)facts.size.QuadPart;
    file->device = (uint64_t)facts.made.QuadPart;
    file->serial = (uint64_t)number.QuadPart;
    return file->size > SIZE_MAX / 2 ? HOST_NO_MEMORY : HOST_OK;
}

static enum host_result open_file(struct host *host, const char *path, struct host_file *file, bool whole)
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
    file->there = whole || file->size <= SMALL ? file->size : BEGINNING;
    if (result == HOST_OK && file->size)
        result = file->there <= SMALL ? copy_of(host->self, handle, file->there, &file->bytes) : view_of(handle, &file->bytes);
    if (result != HOST_OK) {
        CloseHandle(handle);
        return result;
    }
    file->handle = (intptr_t)handle;
    return HOST_OK;
}

enum host_result win32_file_open(struct host *host, const char *path, struct host_file *file)
{
    return open_file(host, path, file, true);
}

enum host_result win32_file_open_part(struct host *host, const char *path, struct host_file *file)
{
    return open_file(host, path, file, false);
}

/* Wine (8.0) proves that a buffer can be written to by reading and writing a byte of each page, and a fresh page that is first
 * read and then written to costs two faults. So the pages are written to before, a stretch at a time, while the processor
 * still has them near. On Windows it makes no difference who comes first. */
enum host_result win32_file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size)
{
    enum host_result result = HOST_OK;
    uint8_t *at = to;
    (void)host;
    for (DWORD step; size && result == HOST_OK; size -= step, at += step, off += step) {
        step = size < STRETCH ? (DWORD)size : STRETCH;
        for (DWORD touched = 0; touched < step; touched += PAGE)
            *(volatile uint8_t *)(at + touched) = 0;
        result = read_at((HANDLE)file->handle, off, at, step);
    }
    return result;
}

void win32_file_close(struct host *host, struct host_file *file)
{
    if (file->there > SMALL)
        UnmapViewOfFile(file->bytes);
    else if (file->there)
        copy_give(host->self, file->bytes);
    CloseHandle((HANDLE)file->handle);
}
