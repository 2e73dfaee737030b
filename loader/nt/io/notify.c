/* NtNotifyChangeDirectoryFile, on inotify. A handle's first call decides what is watched and begins; changes between
 * two calls wait for the next one, as Windows keeps them. The watch is this process's own and goes with the file object. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NOTIFY_FILE_NAME = 1, NOTIFY_DIRECTORY_NAME = 2, NOTIFY_ATTRIBUTES = 4, NOTIFY_SIZE = 8, NOTIFY_LAST_WRITE = 0x10,
       NOTIFY_LAST_ACCESS = 0x20, NOTIFY_CREATION = 0x40, NOTIFY_SECURITY = 0x100 };
enum { ACTION_ADDED = 1, ACTION_REMOVED, ACTION_MODIFIED, ACTION_RENAMED_OLD, ACTION_RENAMED_NEW };
enum { FOLDERS_LIMIT = 16384, NAMES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO };

/* One folder under watch; its name relative to the handle's folder: "" or "sub/". */
struct watched { int descriptor; char *name; };
/* A name that was seen because it stood in a new folder; Linux may be about to tell it too. */
struct told { struct told *next; int descriptor; char name[]; };
struct watch {
    struct watch *next;
    uint64_t unique;
    pthread_mutex_t mutex;
    int fd;                  /* inotify */
    ULONG filter;
    bool subtree;
    char *root;              /* unix path of the handle's folder */
    struct watched *folders;
    size_t count;
    struct told *told;
};
static struct watch *watches;
static pthread_mutex_t watches_mutex = PTHREAD_MUTEX_INITIALIZER; /* taken inside nt_lock, never the other way round */

static uint32_t inotify_mask(ULONG filter)
{
    uint32_t mask = 0;
    if (filter & (NOTIFY_FILE_NAME | NOTIFY_DIRECTORY_NAME))
        mask |= NAMES;
    if (filter & (NOTIFY_ATTRIBUTES | NOTIFY_SECURITY))
        mask |= IN_ATTRIB;
    if (filter & (NOTIFY_SIZE | NOTIFY_LAST_WRITE))
        mask |= IN_MODIFY;
    if (filter & NOTIFY_LAST_ACCESS)
        mask |= IN_ACCESS;
    if (filter & NOTIFY_CREATION)
        mask |= IN_CREATE;
    return mask;
}

/* ---- what is told -------------------------------------------------------------------------------- */

struct changes { char *data; size_t room, done, last; bool any, fits; };

static uint32_t action_of(uint32_t mask)
{
    return mask & IN_CREATE ? ACTION_ADDED : mask & IN_DELETE ? ACTION_REMOVED : mask & IN_MOVED_FROM ? ACTION_RENAMED_OLD
         : mask & IN_MOVED_TO ? ACTION_RENAMED_NEW : ACTION_MODIFIED;
}

/* FILE_NOTIFY_INFORMATION: next, action, length, name; four-byte aligned. Where one does not fit Windows drops all and
 * says that the folder has to be read anew. */
static void change_add(struct changes *changes, const char *folder, const char *entry, uint32_t action)
{
    WCHAR name[PATH_MAX];
    size_t length = 0, begin = (changes->done + 3) & ~(size_t)3;
    for (const char *at = folder; *at; at = strchr(at, '/') + 1) {
        length += io_name_from_unix(at, strcspn(at, "/"), name + length, PATH_MAX - 1 - length);
        name[length++] = '\\';
    }
    length += io_name_from_unix(entry, strlen(entry), name + length, PATH_MAX - length);
    uint32_t head[3] = {0, action, (uint32_t)(length * sizeof(WCHAR))};
    changes->any = true;
    changes->fits = changes->fits && begin + sizeof head + head[2] <= changes->room;
    if (!changes->fits)
        return;
    if (changes->done)
        memcpy(changes->data + changes->last, &(uint32_t){(uint32_t)(begin - changes->last)}, 4);
    memcpy(changes->data + begin, head, sizeof head);
    memcpy(changes->data + begin + sizeof head, name, head[2]);
    changes->last = begin;
    changes->done = begin + sizeof head + head[2];
}

static bool wanted(ULONG filter, uint32_t mask)
{
    if (!(mask & NAMES))
        return true;
    return filter & (mask & IN_ISDIR ? NOTIFY_DIRECTORY_NAME : NOTIFY_FILE_NAME) || (mask & IN_CREATE && filter & NOTIFY_CREATION);
}

/* ---- what was told before Linux could -------------------------------------------------------------- */

static void told_add(struct watch *watch, int descriptor, const char *name)
{
    struct told *told = malloc(sizeof *told + strlen(name) + 1);
    if (!told)
        return;
    *told = (struct told){watch->told, descriptor};
    strcpy(told->name, name);
    watch->told = told;
}

/* True: it was there, and is no more. */
static bool told_take(struct watch *watch, int descriptor, const char *name)
{
    for (struct told **link = &watch->told, *told; (told = *link); link = &told->next)
        if (told->descriptor == descriptor && !strcmp(told->name, name)) {
            *link = told->next;
            free(told);
            return true;
        }
    return false;
}

static void told_free(struct watch *watch)
{
    for (struct told *told; (told = watch->told); free(told))
        watch->told = told->next;
}

/* ---- what is watched ----------------------------------------------------------------------------- */

/* Linux watches folders, not trees: with subtree every folder below gets its own watch. Those that cannot be read, or are too
 * many, stay without. `changes`: the folder is new, and what stands in it already came before its watch did; NULL: it is not. */
static void folder_add(struct watch *watch, const char *name, struct changes *changes)
{
    char path[PATH_MAX];
    uint32_t mask = inotify_mask(watch->filter) | IN_ONLYDIR | IN_EXCL_UNLINK | (watch->subtree ? IN_CREATE | IN_MOVED_TO : 0);
    if (watch->count == FOLDERS_LIMIT || (size_t)snprintf(path, sizeof path, "%s/%s", watch->root, name) >= sizeof path)
        return;
    struct watched *larger = realloc(watch->folders, (watch->count + 1) * sizeof *larger);
    char *copy = strdup(name);
    int descriptor = larger && copy ? inotify_add_watch(watch->fd, path, mask | (*name ? IN_DONT_FOLLOW : 0)) : -1;
    if (larger)
        watch->folders = larger;
    if (descriptor < 0) {
        free(copy);
        return;
    }
    watch->folders[watch->count++] = (struct watched){descriptor, copy};
    struct io_listing *listing = NULL;
    int fd = watch->subtree ? io_open(path, O_RDONLY | O_DIRECTORY, 0) : -1;
    if (fd >= 0) {
        io_listing_read(fd, &listing);
        close(fd);
    }
    for (unsigned i = 2; listing && i < listing->count; i++) { /* behind "." and ".." */
        char below[PATH_MAX];
        const char *entry = listing->names + listing->entries[i].name;
        bool is_folder = listing->entries[i].type == 4; /* DT_DIR */
        if (changes && wanted(watch->filter, IN_CREATE | (is_folder ? IN_ISDIR : 0)))
            change_add(changes, name, entry, ACTION_ADDED);
        if (changes)
            told_add(watch, descriptor, entry);
        if (is_folder && (size_t)snprintf(below, sizeof below, "%s%s/", name, entry) < sizeof below)
            folder_add(watch, below, changes);
    }
    io_listing_release(listing);
}

static const char *folder_name(const struct watch *watch, int descriptor)
{
    for (size_t i = watch->count; i; i--)
        if (watch->folders[i - 1].descriptor == descriptor)
            return watch->folders[i - 1].name;
    return NULL;
}

static void watch_free(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        free(watch->folders[i].name);
    told_free(watch);
    free(watch->folders);
    free(watch->root);
    if (watch->fd >= 0)
        close(watch->fd);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

void io_watch_forget(uint64_t unique)
{
    pthread_mutex_lock(&watches_mutex);
    for (struct watch **link = &watches; *link;) {
        struct watch *watch = *link;
        if (watch->unique == unique) {
            *link = watch->next;
            watch_free(watch);
        } else {
            link = &watch->next;
        }
    }
    pthread_mutex_unlock(&watches_mutex);
}

static struct watch *watch_find(uint64_t unique)
{
    pthread_mutex_lock(&watches_mutex);
    struct watch *watch = watches;
    while (watch && watch->unique != unique)
        watch = watch->next;
    pthread_mutex_unlock(&watches_mutex);
    return watch;
}

/* Two first calls at once on one handle make two watches; the later one is found from then on. */
static NTSTATUS watch_get(struct io_file *file, ULONG filter, bool subtree, struct watch **out)
{
    char path[PATH_MAX];
    if ((*out = watch_find(file->unique)))
        return STATUS_SUCCESS;
    if (!io_file_path(file, path, sizeof path))
        return STATUS_INVALID_PARAMETER;
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return STATUS_NO_MEMORY;
    *watch = (struct watch){.unique = file->unique, .filter = filter, .subtree = subtree,
                            .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .root = strdup(path)};
    pthread_mutex_init(&watch->mutex, NULL);
    if (watch->fd >= 0 && watch->root)
        folder_add(watch, "", NULL);
    if (!watch->count) {
        NTSTATUS status = watch->fd < 0 ? io_status_of_errno(errno) : STATUS_INSUFFICIENT_RESOURCES;
        watch_free(watch);
        return status;
    }
    pthread_mutex_lock(&watches_mutex);
    watch->next = watches;
    watches = watch;
    pthread_mutex_unlock(&watches_mutex);
    *out = watch;
    return STATUS_SUCCESS;
}

/* ---- what has come --------------------------------------------------------------------------------- */

static void events_read(struct watch *watch, struct changes *changes)
{
    char events[8192] __attribute__((aligned(8)));
    ssize_t got = read(watch->fd, events, sizeof events);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(events + at);
        const char *folder = folder_name(watch, event->wd);
        at += (ssize_t)(sizeof *event + event->len);
        if (event->mask & IN_Q_OVERFLOW)
            changes->any = true, changes->fits = false;
        if (!event->len || !folder)
            continue;
        char below[PATH_MAX];
        bool was_told = event->mask & NAMES && told_take(watch, event->wd, event->name);
        if (wanted(watch->filter, event->mask) && !(was_told && event->mask & (IN_CREATE | IN_MOVED_TO)))
            change_add(changes, folder, event->name, action_of(event->mask));
        /* What was moved here with all that it holds is one change. */
        if (watch->subtree && event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO) && !was_told &&
            (size_t)snprintf(below, sizeof below, "%s%s/", folder, event->name) < sizeof below)
            folder_add(watch, below, event->mask & IN_CREATE ? changes : NULL);
    }
    /* Linux tells nothing any more of what was told before. */
    int left = 0;
    if (watch->told && !ioctl(watch->fd, FIONREAD, &left) && !left)
        told_free(watch);
}

static NTSTATUS notify_step(struct io_later *later, ULONG_PTR *information)
{
    enum { LARGEST = 65536 };
    struct changes changes = {.room = later->length < LARGEST ? later->length : LARGEST, .fits = true};
    struct watch *watch = watch_find(later->finish.file->unique);
    changes.data = malloc(changes.room + 1);
    if (!watch || !changes.data)
        return free(changes.data), STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&watch->mutex);
    events_read(watch, &changes);
    pthread_mutex_unlock(&watch->mutex);
    NTSTATUS status = !changes.any ? STATUS_PENDING : changes.fits ? STATUS_SUCCESS : STATUS_NOTIFY_ENUM_DIR;
    *information = changes.fits ? changes.done : 0;
    if (*information && !nt_write(later->buffer, changes.data, changes.done))
        status = STATUS_ACCESS_VIOLATION;
    free(changes.data);
    return status;
}

NTSTATUS NtNotifyChangeDirectoryFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                                     void *buffer, ULONG length, ULONG filter, uintptr_t subtree)
{
    struct io_finish finish;
    struct io_file *file;
    struct watch *watch = NULL;
    if (!inotify_mask(filter))
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = io_file_of_handle(handle, FILE_READ_DATA, &file, NULL, NULL);
    if (status)
        return status;
    status = file->file.kind == NT_FILE_DIRECTORY ? watch_get(file, filter, subtree & 0xFF, &watch) : STATUS_INVALID_PARAMETER;
    if (!status)
        status = io_finish_begin(&finish, file, event, routine, context, io);
    if (!status) {
        struct io_later later = {.finish = finish, .fd = fcntl(watch->fd, F_DUPFD_CLOEXEC, 0), .events = POLLIN, .step = notify_step,
                                 .buffer = buffer, .length = length, .thread_id = io_thread_id()};
        status = io_later_add(&later);
    }
    if (status == STATUS_PENDING && file->file.options & FILE_SYNCHRONOUS) {
        struct nt_object *object = &file->file.head;
        IO_STATUS_BLOCK result;
        nt_ke_wait(&object, 1, false, false, NULL);
        status = NT_GET(result, io) ? result.status : STATUS_ACCESS_VIOLATION;
    }
    io_file_release(file);
    return status;
}
