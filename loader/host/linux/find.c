/* A file by its name without regard to letter case, as Windows programs write names.
 *
 * The exact spelling is tried first, then lower case, in which system DLLs are stored: both cost one call and no
 * reading of folders. Only then the folder is listed; the listing is kept as long as the folder does not change. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/host/linux/linux.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The kernel stamps a folder with the time of its last tick, so a change right after the listing may leave the stamp
 * as it was: a listing younger than this against its folder's stamp is not trusted. */
#define STAMP_GRAIN 20000000 /* nanoseconds */

struct linux_folder {
    struct linux_folder *next;
    int64_t stamp;       /* of the folder when it was listed, ns */
    bool trusted;        /* the stamp was old enough */
    char *names;         /* malloc'd; NUL-terminated names one behind the other */
    size_t names_size;   /* bytes */
    uint32_t *table;     /* malloc'd; offset + 1 of a name, by hash of its folded form; 0: free */
    uint32_t table_mask; /* slots - 1, a power of two minus one */
    char path[];
};

static unsigned char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

static uint32_t folded_hash(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ fold(*name)) * 16777619u;
    return hash;
}

static bool folded_equal(const char *a, const char *b)
{
    for (; fold(*a) == fold(*b); a++, b++)
        if (!*a)
            return true;
    return false;
}

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- Listing ---- */

static void forget_names(struct linux_folder *folder)
{
    free(folder->names);
    free(folder->table);
    folder->names = NULL;
    folder->table = NULL;
    folder->names_size = 0;
    folder->trusted = false;
}

static bool read_names(struct linux_folder *folder, size_t *count, int *error)
{
    DIR *directory = opendir(folder->path);
    size_t room = 0;
    *count = 0;
    *error = errno;
    if (!directory)
        return false;
    for (struct dirent *entry; (errno = 0, entry = readdir(directory));) {
        size_t size = strlen(entry->d_name) + 1;
        if (folder->names_size + size > room) {
            room = 2 * room + size + 4096;
            char *names = realloc(folder->names, room);
            if (!names)
                break;
            folder->names = names;
        }
        memcpy(folder->names + folder->names_size, entry->d_name, size);
        folder->names_size += size;
        ++*count;
    }
    *error = errno;
    closedir(directory);
    return *error == 0;
}

static bool index_names(struct linux_folder *folder, size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    folder->table = calloc(slots, sizeof(*folder->table));
    if (!folder->table || folder->names_size >= UINT32_MAX)
        return false;
    folder->table_mask = (uint32_t)(slots - 1);
    for (size_t at = 0; at < folder->names_size; at += strlen(folder->names + at) + 1) {
        uint32_t slot = folded_hash(folder->names + at) & folder->table_mask;
        while (folder->table[slot])
            slot = (slot + 1) & folder->table_mask;
        folder->table[slot] = (uint32_t)at + 1;
    }
    return true;
}

static enum host_result list_folder(struct linux_folder *folder, const struct stat *status)
{
    struct timespec now;
    size_t count;
    int error;
    forget_names(folder);
    if (!read_names(folder, &count, &error)) {
        forget_names(folder);
        return linux_result(error);
    }
    if (!index_names(folder, count)) {
        forget_names(folder);
        return HOST_NO_MEMORY;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    folder->stamp = nanoseconds(status->st_mtim);
    folder->trusted = nanoseconds(now) - folder->stamp > STAMP_GRAIN;
    return HOST_OK;
}

/* The folder with a listing that is true now. `only_kept`: HOST_NOT_FOUND rather than reading the folder. */
static enum host_result listed_folder(struct linux_host *self, const char *path, bool only_kept, struct linux_folder **found)
{
    struct stat status;
    struct linux_folder *folder = self->folders;
    while (folder && strcmp(folder->path, path) != 0)
        folder = folder->next;
    if (only_kept && (!folder || !folder->trusted))
        return HOST_NOT_FOUND;
    if (stat(path, &status) < 0)
        return linux_result(errno);
    if (!folder) {
        size_t size = strlen(path) + 1;
        folder = calloc(1, sizeof(*folder) + size);
        if (!folder)
            return HOST_NO_MEMORY;
        memcpy(folder->path, path, size);
        folder->next = self->folders;
        self->folders = folder;
    }
    *found = folder;
    if (folder->trusted && folder->stamp == nanoseconds(status.st_mtim))
        return HOST_OK;
    return only_kept ? HOST_NOT_FOUND : list_folder(folder, &status);
}

void linux_folders_free(struct linux_host *self)
{
    while (self->folders) {
        struct linux_folder *folder = self->folders;
        self->folders = folder->next;
        forget_names(folder);
        free(folder);
    }
}

/* ---- Finding ---- */

/* Exact spelling before others, where a folder has several that differ only in case. */
static const char *listed_name(const struct linux_folder *folder, const char *name)
{
    const char *other = NULL;
    for (uint32_t slot = folded_hash(name); folder->table[slot & folder->table_mask]; slot++) {
        const char *listed = folder->names + folder->table[slot & folder->table_mask] - 1;
        if (strcmp(listed, name) == 0)
            return listed;
        if (!other && folded_equal(listed, name))
            other = listed;
    }
    return other;
}

static bool join(const char *folder, const char *name, char *path, size_t room)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    int written = snprintf(path, room, "%s%s%s", folder, slash, name);
    return written >= 0 && (size_t)written < room;
}

static enum host_result find_listed(const struct linux_folder *folder, const char *name, char *last)
{
    const char *spelling = listed_name(folder, name);
    if (!spelling)
        return HOST_NOT_FOUND;
    memcpy(last, spelling, strlen(spelling)); /* of the same length: letter case does not change it */
    return HOST_OK;
}

enum host_result linux_file_find(struct host *host, const char *folder, const char *name, char *path, size_t room)
{
    struct linux_folder *listed = NULL;
    if (!join(folder, name, path, room) || strchr(name, '/'))
        return HOST_NOT_FOUND;
    char *last = path + strlen(path) - strlen(name);
    if (listed_folder(host->self, folder, true, &listed) == HOST_OK)
        return find_listed(listed, name, last);

    if (access(path, F_OK) == 0)
        return HOST_OK;
    if (errno != ENOENT)
        return linux_result(errno);
    bool changed = false;
    for (char *c = last; *c; c++) {
        changed |= fold(*c) != (unsigned char)*c;
        *c = (char)fold(*c);
    }
    if (changed && access(path, F_OK) == 0)
        return HOST_OK;

    enum host_result result = listed_folder(host->self, folder, false, &listed);
    return result == HOST_OK ? find_listed(listed, name, last) : result;
}
