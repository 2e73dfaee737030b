/* Finding a name whose letter case differs from the disk's.
 *
 * Whoever comes here has tried the exact spelling and failed. The deepest folder that exists as spelt is found from
 * the end (nearly always it is the name's own folder), and only the rest is looked up in listings. */
#include "loader/nt/io/private.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Appends the name as the folder spells it. Several that differ in case only: the first in byte order. */
static bool find_in_folder(char *path, size_t *length, const char *component, size_t size)
{
    WCHAR wide[NAME_MAX + 1];
    struct stat facts;
    bool found = false;
    if (size > NAME_MAX || stat(*length ? path : "/", &facts) || !S_ISDIR(facts.st_mode))
        return false;
    size_t wide_length = io_name_from_unix(component, size, wide, NAME_MAX + 1);
    struct io_listing *listing = io_cache_get(*length ? path : "/", &facts);
    if (!listing)
        return false;
    const char *name = io_listing_find(listing, wide, wide_length);
    size_t name_size = name ? strlen(name) : 0;
    if (name && *length + 1 + name_size < PATH_MAX) {
        path[(*length)++] = '/';
        memcpy(path + *length, name, name_size + 1);
        *length += name_size;
        found = true;
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
