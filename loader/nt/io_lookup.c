/* Folder listings, and finding a name whose letter case differs from the disk's.
 *
 * Whoever comes here has tried the exact spelling and failed. The deepest folder that exists as spelt is found from
 * the end (nearly always it is the name's own folder), and only the rest is looked up in listings. Listings are kept
 * as long as the folder's time of change says that they are true. */
#include "loader/nt/io_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- listings ------------------------------------------------------------------------------------ */

struct raw_entry { uint64_t serial; int64_t offset; uint16_t size; uint8_t type; char name[]; } __attribute__((packed));

struct growing { struct io_listing *listing; size_t entries_room, names_room, wides_room; };

static bool grow(void **block, size_t *room, size_t needed, size_t unit)
{
    if (needed <= *room)
        return true;
    size_t larger = *room * 2 > needed ? *room * 2 : needed + 64;
    void *moved = realloc(*block, larger * unit);
    if (!moved)
        return false;
    *block = moved;
    *room = larger;
    return true;
}

static bool listing_add(struct growing *to, const char *name, uint8_t type)
{
    struct io_listing *listing = to->listing;
    size_t size = strlen(name);
    if (!grow((void **)&listing->entries, &to->entries_room, listing->count + 1u, sizeof *listing->entries) ||
        !grow((void **)&listing->names, &to->names_room, listing->names_size + size + 1, 1) ||
        !grow((void **)&listing->wides, &to->wides_room, listing->wides_length + size, sizeof(WCHAR)))
        return false;
    struct io_entry *entry = &listing->entries[listing->count++];
    entry->name = (uint32_t)listing->names_size;
    entry->wide = (uint32_t)listing->wides_length;
    entry->wide_length = (uint16_t)io_name_from_unix(name, size, listing->wides + listing->wides_length, size);
    entry->type = type;
    memcpy(listing->names + listing->names_size, name, size + 1);
    listing->names_size += size + 1;
    listing->wides_length += entry->wide_length;
    return true;
}

/* "." and ".." first, as NTFS gives them; then by upper-case name. Names equal but for case: by their bytes. */
static int rank(const char *name)
{
    return name[0] != '.' ? 2 : !name[1] ? 0 : name[1] == '.' && !name[2] ? 1 : 2;
}

static int entry_compare(const void *left, const void *right, void *context)
{
    const struct io_listing *listing = context;
    const struct io_entry *a = left, *b = right;
    const char *a_name = listing->names + a->name, *b_name = listing->names + b->name;
    int order = rank(a_name) - rank(b_name);
    if (!order)
        order = io_name_compare(listing->wides + a->wide, a->wide_length, listing->wides + b->wide, b->wide_length);
    return order ? order : strcmp(a_name, b_name);
}

void io_listing_release(struct io_listing *listing)
{
    if (!listing || __atomic_sub_fetch(&listing->references, 1, __ATOMIC_ACQ_REL))
        return;
    free(listing->entries);
    free(listing->names);
    free(listing->wides);
    free(listing);
}

NTSTATUS io_listing_read(int folder, struct io_listing **out)
{
    enum { ROOM = 32768 };
    struct growing to = {calloc(1, sizeof *to.listing), 0, 0, 0};
    char *buffer = malloc(ROOM);
    NTSTATUS status = STATUS_NO_MEMORY;
    *out = NULL;
    if (!to.listing || !buffer)
        goto done;
    to.listing->references = 1;
    if (lseek(folder, 0, SEEK_SET) < 0) {
        status = io_status_of_errno(errno);
        goto done;
    }
    for (;;) {
        long size = syscall(SYS_getdents64, folder, buffer, ROOM);
        if (size < 0)
            status = io_status_of_errno(errno);
        if (size < 0)
            goto done;
        if (size == 0)
            break;
        for (long at = 0; at < size;) {
            const struct raw_entry *raw = (const struct raw_entry *)(buffer + at);
            if (!listing_add(&to, raw->name, raw->type))
                goto done;
            at += raw->size;
        }
    }
    if (to.listing->count)
        qsort_r(to.listing->entries, to.listing->count, sizeof *to.listing->entries, entry_compare, to.listing);
    *out = to.listing;
    status = STATUS_SUCCESS;
done:
    free(buffer);
    if (status)
        io_listing_release(to.listing);
    return status;
}

/* ---- the cache ----------------------------------------------------------------------------------- */

/* A listing read within this time of the folder's last change proves nothing: the clock of file times moves in
 * ticks of up to 10 ms, and a second change inside the same tick would not show. */
enum { CACHE_SIZE = 64, SETTLED_NS = 30 * 1000 * 1000 };

static struct cached {
    uint64_t device, serial;
    int64_t seconds, nanoseconds; /* of the folder's change */
    uint64_t used;
    struct io_listing *listing;
} cache[CACHE_SIZE];
static uint64_t cache_clock;
static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;

/* The folder's listing, referenced; NULL: it cannot be read. */
static struct io_listing *cache_get(const char *folder, const struct stat *facts)
{
    struct cached *oldest = &cache[0];
    struct io_listing *listing = NULL;
    pthread_mutex_lock(&cache_mutex);
    for (struct cached *one = cache; one < cache + CACHE_SIZE; one++) {
        if (one->listing && one->device == facts->st_dev && one->serial == facts->st_ino) {
            oldest = one;
            if (one->seconds == facts->st_mtim.tv_sec && one->nanoseconds == facts->st_mtim.tv_nsec) {
                one->used = ++cache_clock;
                listing = one->listing;
            }
            break;
        }
        if (one->used < oldest->used)
            oldest = one;
    }
    if (!listing) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int fd = io_open(folder, O_RDONLY | O_DIRECTORY, 0);
        if (fd >= 0) {
            io_listing_read(fd, &listing);
            close(fd);
        }
        int64_t age = (int64_t)(now.tv_sec - facts->st_mtim.tv_sec) * 1000000000 + (now.tv_nsec - facts->st_mtim.tv_nsec);
        if (listing && age > SETTLED_NS) {
            io_listing_release(oldest->listing);
            *oldest = (struct cached){facts->st_dev, facts->st_ino, facts->st_mtim.tv_sec, facts->st_mtim.tv_nsec,
                                      ++cache_clock, listing};
        } else if (listing) {
            listing->references = 0; /* not kept: the caller's alone */
        }
    }
    if (listing)
        __atomic_add_fetch(&listing->references, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&cache_mutex);
    return listing;
}

/* ---- looking up ---------------------------------------------------------------------------------- */

/* Appends the name as the folder spells it. Several that differ in case only: the first in byte order. */
static bool find_in_folder(char *path, size_t *length, const char *component, size_t size)
{
    WCHAR wide[NAME_MAX + 1];
    struct stat facts;
    bool found = false;
    if (size > NAME_MAX || stat(*length ? path : "/", &facts) || !S_ISDIR(facts.st_mode))
        return false;
    size_t wide_length = io_name_from_unix(component, size, wide, NAME_MAX + 1);
    struct io_listing *listing = cache_get(*length ? path : "/", &facts);
    if (!listing)
        return false;
    size_t low = 0, high = listing->count;
    while (low < high && rank(listing->names + listing->entries[low].name) < 2)
        low++;
    while (low < high) { /* the first entry not below the name */
        size_t middle = (low + high) / 2;
        const struct io_entry *entry = &listing->entries[middle];
        if (io_name_compare(listing->wides + entry->wide, entry->wide_length, wide, wide_length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < listing->count) {
        const struct io_entry *entry = &listing->entries[low];
        const char *name = listing->names + entry->name;
        size_t name_size = strlen(name);
        if (!io_name_compare(listing->wides + entry->wide, entry->wide_length, wide, wide_length) &&
            *length + 1 + name_size < PATH_MAX) {
            path[(*length)++] = '/';
            memcpy(path + *length, name, name_size + 1);
            *length += name_size;
            found = true;
        }
    }
    io_listing_release(listing);
    return found;
}

/* Length of the deepest folder above path that exists as spelt, at least fixed. */
static size_t existing_part(char *path, size_t fixed, bool *is_folder)
{
    struct stat facts;
    size_t end = strlen(path) - 1;
    for (;;) {
        while (end > fixed && path[end] != '/')
            end--;
        if (end <= fixed)
            end = fixed;
        char kept = path[end];
        path[end] = 0;
        int failed = stat(end ? path : "/", &facts);
        path[end] = kept;
        if (!failed || end == fixed) {
            *is_folder = !failed && S_ISDIR(facts.st_mode);
            return end;
        }
        end--;
    }
}

/* `fixed` bytes of path exist as spelt, or nothing of it does. */
enum io_found io_lookup(char *path, size_t fixed)
{
    char rest[PATH_MAX];
    bool is_folder;
    if (!path[fixed])
        return IO_NO_NAME;
    size_t length = existing_part(path, fixed, &is_folder);
    strcpy(rest, path + length);
    if (!is_folder)
        return IO_NO_PATH;
    path[length] = 0;
    for (char *component = rest + 1;;) {
        char *end = strchrnul(component, '/');
        if (!find_in_folder(path, &length, component, (size_t)(end - component))) {
            if (length + strlen(component) + 2 > PATH_MAX)
                return IO_NO_PATH;
            path[length] = '/';
            strcpy(path + length + 1, component);
            return *end ? IO_NO_PATH : IO_NO_NAME;
        }
        if (!*end)
            return IO_FOUND;
        component = end + 1;
    }
}
