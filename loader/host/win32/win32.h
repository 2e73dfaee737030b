/* The real machine: Windows, any processor. Private to this folder. */
#ifndef LOADER_HOST_WIN32_WIN32_H
#define LOADER_HOST_WIN32_WIN32_H

#include "loader/host/win32.h"

#include <windows.h>

#define WIN32_PATH_ROOM 32768u /* characters, the longest that Windows knows */

struct win32_host {
    struct host host;          /* first: a struct host * is a struct win32_host * */
    uint64_t adopted, adopted_size; /* an image whose memory serves as a reservation; size 0: none */
    bool in_use;
    uint8_t *buffer;           /* for small files; NULL before the first one */
    bool buffer_in_use;
};

/* GetLastError() -> result. */
enum host_result win32_result(DWORD error);
/* HOST_READ.. -> PAGE_READONLY.. */
DWORD win32_protection(int rights);
/* UTF-8 -> UTF-16, malloc'd; NULL: no memory, or no UTF-8. */
WCHAR *win32_wide(const char *text);

/* file.c, find.c, vm.c: the functions of the table. */
enum host_result win32_file_open(struct host *host, const char *path, struct host_file *file);
enum host_result win32_file_open_part(struct host *host, const char *path, struct host_file *file);
enum host_result win32_file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size);
void win32_file_close(struct host *host, struct host_file *file);
enum host_result win32_file_find(struct host *host, const char *folder, const char *name, char *path, size_t room);
enum host_result win32_vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit);
enum host_result win32_vm_commit(struct host *host, uint64_t address, uint64_t size, int rights);
enum host_result win32_vm_protect(struct host *host, uint64_t address, uint64_t size, int rights);
void win32_vm_release(struct host *host, uint64_t base, uint64_t size);
void *win32_vm_at(struct host *host, uint64_t address, uint64_t size);

#endif
