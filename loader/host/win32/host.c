/* The table of functions, results and the clock. */
#include "loader/host/win32/win32.h"

#include <stdlib.h>

const char *host_result_text(enum host_result result)
{
    switch (result) {
    case HOST_OK: return "no error";
    case HOST_NOT_FOUND: return "no such file";
    case HOST_DENIED: return "access denied";
    case HOST_NOT_A_FILE: return "not a regular file";
    case HOST_TAKEN: return "the address range is taken";
    case HOST_NO_MEMORY: return "out of memory";
    case HOST_FAILED: return "input or output error";
    }
    return "unknown result";
}

enum host_result win32_result(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_BAD_NETPATH:
    case ERROR_NOT_READY:
    case ERROR_FILENAME_EXCED_RANGE: return HOST_NOT_FOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION: return HOST_DENIED;
    case ERROR_INVALID_ADDRESS: return HOST_TAKEN;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_TOO_MANY_OPEN_FILES: return HOST_NO_MEMORY;
    }
    return HOST_FAILED;
}

/* Windows has no "write only" and no "execute and write without read". */
DWORD win32_protection(int rights)
{
    if (rights & HOST_EXECUTE)
        return rights & HOST_WRITE ? PAGE_EXECUTE_READWRITE : rights & HOST_READ ? PAGE_EXECUTE_READ : PAGE_EXECUTE;
    return rights & HOST_WRITE ? PAGE_READWRITE : rights & HOST_READ ? PAGE_READONLY : PAGE_NOACCESS;
}

WCHAR *win32_wide(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    WCHAR *wide = count > 0 ? malloc((size_t)count * sizeof *wide) : NULL;
    if (wide)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, count);
    return wide;
}

static uint64_t win32_clock(struct host *host)
{
    LARGE_INTEGER now, frequency;
    (void)host;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    uint64_t ticks = (uint64_t)now.QuadPart, rate = (uint64_t)frequency.QuadPart;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

/* No vm_map: a view of a file begins on 64 KiB, in the file and in memory, and never inside a reservation. */
struct host *host_win32_open(void)
{
    struct win32_host *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->host = (struct host){
        .self = self,
        .file_open = win32_file_open,
        .file_open_part = win32_file_open_part,
        .file_read = win32_file_read,
        .file_close = win32_file_close,
        .file_find = win32_file_find,
        .vm_reserve = win32_vm_reserve,
        .vm_commit = win32_vm_commit,
        .vm_protect = win32_vm_protect,
        .vm_release = win32_vm_release,
        .vm_at = win32_vm_at,
        .clock = win32_clock,
    };
    return &self->host;
}

void host_win32_close(struct host *host)
{
    struct win32_host *self = host ? host->self : NULL;
    if (self && self->buffer)
        VirtualFree(self->buffer, 0, MEM_RELEASE);
    free(self);
}

void host_win32_adopt(struct host *host, uint64_t base, uint64_t size)
{
    struct win32_host *self = host->self;
    self->adopted = base;
    self->adopted_size = size;
}
