#include "loader/native/cache.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A file or folder that was changed this shortly before may be changed again without another time stamp. */
enum { SETTLE_SECONDS = 2 };

static enum host_result (*find_beneath)(struct host *host, const char *folder, const char *name, char *path, size_t room);
static struct cache_absence found[CACHE_ABSENCES]; /* by this process; the loader's lock guards it */
static unsigned found_count;

static uint64_t nanoseconds(struct timespec time) { return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec; }

bool cache_is_settled(const struct cache_identity *identity)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t limit = nanoseconds(now) - SETTLE_SECONDS * 1000000000ull;
    return identity->changed && identity->changed < limit && identity->modified < limit;
}

static uint64_t folded(const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name)) * 1099511628211u;
    return hash;
}

static bool folder_identity(const char *folder, struct cache_identity *identity)
{
    struct stat status;
    if (stat(folder, &status))
        return false;
    *identity = (struct cache_identity){(uint64_t)status.st_dev, (uint64_t)status.st_ino, 0, nanoseconds(status.st_mtim),
                                        nanoseconds(status.st_ctim)};
    return true;
}

const struct cache_absence *cache_absences(const struct cache_head *head)
{
    const struct cache_call *calls = (const void *)(cache_entries(head) + head->entry_count);
    const struct native_place *places = (const void *)((const char *)calls + (head->call_count * sizeof *calls + 7) / 8 * 8);
    return (const void *)(places + head->place_count);
}

static bool is_known(const char *folder, uint64_t name)
{
    struct cache_identity identity = {0};
    for (unsigned i = 0; cache.head && i < cache.head->absence_count; i++) {
        const struct cache_absence *absence = &cache_absences(cache.head)[i];
        if (absence->name != name)
            continue;
        if (!identity.serial && !folder_identity(folder, &identity))
            return false;
        if (cache_same(&absence->folder, &identity))
            return true;
    }
    return false;
}

/* The folder's times are asked for behind the look into it: what changed it meanwhile left times that are not settled. */
static enum host_result file_find(struct host *host, const char *folder, const char *name, char *path, size_t room)
{
    uint64_t hash = folded(name);
    struct cache_identity identity;
    if (is_known(folder, hash)) {
        LD_TRACE(native.loader.trace, LD_CACHE, .verb = "not-there", .module = name, .name = folder);
        return HOST_NOT_FOUND;
    }
    enum host_result result = find_beneath(host, folder, name, path, room);
    if (result == HOST_NOT_FOUND && found_count < CACHE_ABSENCES && folder_identity(folder, &identity) && cache_is_settled(&identity)) {
        found[found_count++] = (struct cache_absence){identity, hash};
        cache.incomplete = true;
    }
    return result;
}

void cache_names_open(struct host *host)
{
    find_beneath = host->file_find;
    host->file_find = file_find;
}

unsigned cache_names_keep(struct cache_absence *all)
{
    unsigned count = found_count;
    memcpy(all, found, count * sizeof *all);
    for (unsigned i = 0; cache.head && i < cache.head->absence_count && count < CACHE_ABSENCES; i++) {
        const struct cache_absence *old = &cache_absences(cache.head)[i];
        bool is_new = false; /* the same folder and name, by now */
        for (unsigned k = 0; k < found_count; k++)
            is_new |= old->name == found[k].name && old->folder.device == found[k].folder.device && old->folder.serial == found[k].folder.serial;
        if (!is_new)
            all[count++] = *old;
    }
    return count;
}
