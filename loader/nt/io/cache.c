/* Listings that are kept, for looking up names whose letter case differs from the disk's.
 *
 * A kept listing is true as long as its folder's time of change stays as it was. A folder that keeps changing (a program
 * that makes thousands of files in it) is watched instead: inotify tells each change by name, this process's own ones
 * too, before the call that made it returns. */
#include "loader/nt/io/private.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* A listing read within this time of the folder's last change proves nothing: the clock of file times moves in
 * ticks of up to 10 ms, and a second change inside the same tick would not show. */
enum { CACHE_SIZE = 64, SETTLED_NS = 30 * 1000 * 1000 };

static struct cached {
    uint64_t device, serial;
    int64_t seconds, nanoseconds; /* of the folder's change when it was listed */
    uint64_t used;                /* 0: nothing here */
    struct io_listing *listing;   /* NULL: seen, but changing too fast to be kept */
    int watch;                    /* of inotify; -1: not watched */
} cache[CACHE_SIZE];
static uint64_t cache_clock;
static int watcher = -1; /* opened when the first folder needs it */
static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;

static void forget(struct cached *one)
{
    io_listing_release(one->listing);
    if (one->watch >= 0)
        inotify_rm_watch(watcher, one->watch);
    *one = (struct cached){.watch = -1};
}

/* ---- watching ------------------------------------------------------------------------------------ */

/* What another machine changes in a file system of the network is not told here. */
static bool is_local(const char *folder)
{
    static const uint32_t remote[] = {0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
                                      0x65735546 /* FUSE */, 0x01021997 /* 9P */, 0x00c36400 /* Ceph */, 0x5346414f /* AFS */};
    struct statfs facts;
    if (statfs(folder, &facts))
        return false;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if ((uint32_t)facts.f_type == remote[i])
            return false;
    return true;
}

static void watch_begin(struct cached *one, const char *folder)
{
    enum { CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR };
    if (watcher < 0)
        watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watcher >= 0 && is_local(folder))
        one->watch = inotify_add_watch(watcher, folder, CHANGES);
}

/* True: the listing holds the change. Names that went leave their bytes behind: a listing with too many is read anew. */
static bool change_apply(struct cached *one, const struct inotify_event *event)
{
    enum { SLACK = 1 << 16, SLACK_PER_NAME = 500 };
    if (event->mask & (IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT) || !event->len || !one->listing ||
        __atomic_load_n(&one->listing->references, __ATOMIC_ACQUIRE) != 1 ||
        one->listing->names_size > SLACK + (size_t)one->listing->count * SLACK_PER_NAME)
        return false;
    return io_listing_change(one->listing, event->name, event->mask & IN_ISDIR ? 4 : 0 /* DT_DIR, DT_UNKNOWN */,
                             event->mask & (IN_CREATE | IN_MOVED_TO));
}

static void changes_apply(void)
{
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size;
    while (watcher >= 0 && (size = read(watcher, buffer, sizeof buffer)) > 0)
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            at += sizeof *event + event->len;
            for (struct cached *one = cache; one < cache + CACHE_SIZE; one++)
                if (one->used && one->watch >= 0 &&
                    (event->mask & IN_Q_OVERFLOW || (one->watch == event->wd && !change_apply(one, event))))
                    forget(one);
        }
}

/* ---- the cache ----------------------------------------------------------------------------------- */

static struct cached *cached_find(const struct stat *facts)
{
    for (struct cached *one = cache; one < cache + CACHE_SIZE; one++)
        if (one->used && one->device == facts->st_dev && one->serial == facts->st_ino)
            return one;
    return NULL;
}

/* A place for a new folder: a free one, or that of the folder which nobody has asked for the longest. */
static struct cached *cached_make(const struct stat *facts)
{
    struct cached *oldest = &cache[0];
    for (struct cached *one = cache; one < cache + CACHE_SIZE; one++)
        if (one->used < oldest->used)
            oldest = one;
    if (oldest->used)
        forget(oldest);
    *oldest = (struct cached){.device = facts->st_dev, .serial = facts->st_ino, .watch = -1};
    return oldest;
}

static struct io_listing *folder_read(const char *folder)
{
    struct io_listing *listing = NULL;
    int fd = io_open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0) {
        io_listing_read(fd, &listing);
        close(fd);
    }
    return listing;
}

/* Cache locked. The listing is read after the time is taken and after the watch is set: what changes in between is told
 * twice, never missed. */
static struct io_listing *cached_read(struct cached *one, bool is_new, const char *folder, const struct stat *facts)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!is_new && one->watch < 0)
        watch_begin(one, folder);
    struct io_listing *listing = folder_read(folder);
    int64_t age = (int64_t)(now.tv_sec - facts->st_mtim.tv_sec) * 1000000000 + (now.tv_nsec - facts->st_mtim.tv_nsec);
    io_listing_release(one->listing);
    one->listing = NULL;
    if (listing && (one->watch >= 0 || age > SETTLED_NS)) {
        one->listing = listing;
        one->seconds = facts->st_mtim.tv_sec;
        one->nanoseconds = facts->st_mtim.tv_nsec;
        listing->references++;
    }
    return listing;
}

struct io_listing *io_cache_get(const char *folder, const struct stat *facts)
{
    struct io_listing *listing = NULL;
    pthread_mutex_lock(&cache_mutex);
    changes_apply();
    struct cached *one = cached_find(facts);
    bool is_new = !one;
    if (is_new)
        one = cached_make(facts);
    one->used = ++cache_clock;
    if (one->listing && (one->watch >= 0 ||
                         (one->seconds == facts->st_mtim.tv_sec && one->nanoseconds == facts->st_mtim.tv_nsec))) {
        listing = one->listing;
        __atomic_add_fetch(&listing->references, 1, __ATOMIC_RELAXED);
    } else {
        listing = cached_read(one, is_new, folder, facts);
    }
    pthread_mutex_unlock(&cache_mutex);
    return listing;
}
