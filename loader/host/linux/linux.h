/* The real machine: Linux, any processor. Private to this folder. */
#ifndef LOADER_HOST_LINUX_LINUX_H
#define LOADER_HOST_LINUX_LINUX_H

#include "loader/host/linux.h"

struct linux_folder; /* find.c: the cached listing of one directory */

struct linux_host {
    struct host host;             /* first: a struct host * is a struct linux_host * */
    struct linux_folder *folders; /* malloc'd list */
    uintptr_t next_place;         /* where the next image without a wish is tried first; 0: not yet chosen */
};

/* errno -> result. */
enum host_result linux_result(int error);
/* HOST_READ.. -> PROT_READ.. */
int linux_protection(int rights);

/* file.c, find.c, vm.c: the functions of the table. */
enum host_result linux_file_open(struct host *host, const char *path, struct host_file *file);
enum host_result linux_file_open_part(struct host *host, const char *path, struct host_file *file);
void linux_file_close(struct host *host, struct host_file *file);
enum host_result linux_file_view(struct host *host, struct host_file *file);
enum host_result linux_file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size);
enum host_result linux_file_find(struct host *host, const char *folder, const char *name, char *path, size_t room);
void linux_folders_free(struct linux_host *linux_host);
enum host_result linux_vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit);
enum host_result linux_vm_map(struct host *host, uint64_t address, uint64_t size, const struct host_file *file, uint64_t off,
                              int rights);
enum host_result linux_vm_commit(struct host *host, uint64_t address, uint64_t size, int rights);
enum host_result linux_vm_protect(struct host *host, uint64_t address, uint64_t size, int rights);
void linux_vm_release(struct host *host, uint64_t base, uint64_t size);
void *linux_vm_at(struct host *host, uint64_t address, uint64_t size);

#endif
