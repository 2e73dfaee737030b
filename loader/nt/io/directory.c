/* NtQueryDirectoryFile. The first call of a handle (and a restart) reads and sorts the whole folder once; the calls after it
 * only walk. The listing is this process's own memory, found by the file object's unique number. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- masks --------------------------------------------------------------------------------------- */

enum { DOS_STAR = '<', DOS_QUESTION = '>', DOS_DOT = '"' };

static bool has_wildcard(const WCHAR *mask, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (mask[i] < 0x80 && strchr("*?<>\"", mask[i]))
            return true;
    return false;
}

/* One step of the mask against one position of the name, for all mask positions at once: state[i] says that the first i
 * characters of the mask can have matched what was read so far. Linear in mask x name, whatever the stars. */
static void mask_spread(const WCHAR *mask, size_t mask_length, uint8_t *state, const WCHAR *rest, size_t left)
{
    for (size_t i = 0; i < mask_length; i++) {
        if (!state[i])
            continue;
        /* What may match nothing: both stars always; '>' in front of a dot or at the end; '"' at the end. */
        bool empty = mask[i] == '*' || mask[i] == DOS_STAR || (mask[i] == DOS_QUESTION && (!left || *rest == '.')) ||
                     (mask[i] == DOS_DOT && !left);
        if (empty)
            state[i + 1] = 1;
    }
}

static bool has_dot(const WCHAR *text, size_t length)
{
    while (length)
        if (text[--length] == '.')
            return true;
    return false;
}

bool io_mask_matches(const WCHAR *mask, size_t mask_length, const WCHAR *name, size_t length)
{
    uint8_t state[257] = {1}, next[257];
    if (mask_length > 256)
        return false;
    mask_spread(mask, mask_length, state, name, length);
    for (size_t at = 0; at < length; at++) {
        WCHAR c = name[at], upper = nt_upcase(c);
        memset(next, 0, mask_length + 1);
        for (size_t i = 0; i < mask_length; i++) {
            if (!state[i])
                continue;
            switch (mask[i]) {
            case '*': next[i] = 1; break;
            /* Anything but the name's last dot. */
            case DOS_STAR: next[i] |= c != '.' || has_dot(name + at + 1, length - at - 1); break;
            case '?': next[i + 1] = 1; break;
            case DOS_QUESTION: next[i + 1] |= c != '.'; break;
            case DOS_DOT: next[i + 1] |= c == '.'; break;
            default: next[i + 1] |= nt_upcase(mask[i]) == upper; break;
            }
        }
        memcpy(state, next, mask_length + 1);
        mask_spread(mask, mask_length, state, name + at + 1, length - at - 1);
    }
    return state[mask_length];
}

/* kernelbase of Wine 8.0 hands FindFirstFile's mask down as it is; Windows' (and Wine 10's) rewrites it into the DOS
 * forms first, so that "*.*" means everything and "a?" finds "a". A mask without DOS forms is rewritten here. */
static void mask_from_win32(WCHAR *mask, unsigned *length)
{
    for (unsigned i = 0; i < *length; i++)
        if (mask[i] == DOS_STAR || mask[i] == DOS_QUESTION || mask[i] == DOS_DOT)
            return;
    if (*length == 3 && mask[0] == '*' && mask[1] == '.' && mask[2] == '*')
        *length = 1;
    for (unsigned i = 0; i < *length; i++) {
        if (mask[i] == '.' && i + 1 < *length && (mask[i + 1] == '?' || mask[i + 1] == '*'))
            mask[i] = DOS_DOT;
        else if (mask[i] == '*' && i + 2 == *length && mask[i + 1] == '.')
            mask[i] = DOS_STAR, --*length; /* "*.": names without an extension */
        else if (mask[i] == '?')
            mask[i] = DOS_QUESTION;
    }
}

/* ---- searches ------------------------------------------------------------------------------------ */

struct search {
    struct search *next;
    uint64_t unique;
    pthread_mutex_t mutex;
    struct io_listing *listing;
    unsigned position;
    bool answered;           /* some call has found something */
    WCHAR *mask;
    unsigned mask_length;    /* 0: everything */
};
static struct search *searches[64];
static pthread_mutex_t searches_mutex = PTHREAD_MUTEX_INITIALIZER; /* taken inside nt_lock, never the other way round */

static struct search *search_get(uint64_t unique)
{
    pthread_mutex_lock(&searches_mutex);
    struct search **head = &searches[unique % 64], *search = *head;
    while (search && search->unique != unique)
        search = search->next;
    if (!search && (search = calloc(1, sizeof *search))) {
        search->unique = unique;
        pthread_mutex_init(&search->mutex, NULL);
        search->next = *head;
        *head = search;
    }
    pthread_mutex_unlock(&searches_mutex);
    return search;
}

void io_search_forget(uint64_t unique)
{
    pthread_mutex_lock(&searches_mutex);
    struct search **link = &searches[unique % 64];
    while (*link && (*link)->unique != unique)
        link = &(*link)->next;
    struct search *search = *link;
    if (search)
        *link = search->next;
    pthread_mutex_unlock(&searches_mutex);
    if (!search)
        return;
    io_listing_release(search->listing);
    pthread_mutex_destroy(&search->mutex);
    free(search->mask);
    free(search);
}

/* A listing of at most one name, without reading the folder: FindFirstFile("x.txt") asks whether that file exists. */
static NTSTATUS single_listing(struct io_file *file, int fd, const struct search *search, struct io_listing **out)
{
    char path[PATH_MAX];
    struct stat facts;
    if (!io_file_path(file, path, sizeof path))
        return STATUS_NOT_SUPPORTED;
    size_t folder = strcmp(path, "/") ? strlen(path) : 0;
    path[folder] = '/';
    size_t size = io_name_to_unix(search->mask, search->mask_length, path + folder + 1, sizeof path - folder - 1);
    if (size == (size_t)-1 || size > NAME_MAX)
        return STATUS_NOT_SUPPORTED;
    bool found = !fstatat(fd, path + folder + 1, &facts, AT_SYMLINK_NOFOLLOW) || io_lookup(path, folder) == IO_FOUND;
    struct io_listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return STATUS_NO_MEMORY;
    listing->references = 1;
    *out = listing;
    if (!found)
        return STATUS_SUCCESS;
    const char *name = path + folder + 1;
    listing->names = strdup(name);
    listing->wides = malloc((strlen(name) + 1) * sizeof(WCHAR));
    listing->entries = calloc(1, sizeof *listing->entries);
    if (!listing->names || !listing->wides || !listing->entries)
        return io_listing_release(listing), STATUS_NO_MEMORY;
    listing->entries->wide_length = (uint16_t)io_name_from_unix(name, strlen(name), listing->wides, strlen(name));
    listing->count = 1;
    return STATUS_SUCCESS;
}

/* A handle's mask is the first call's; a later one counts only together with a restart. */
static NTSTATUS search_begin(struct search *search, struct io_file *file, int fd, struct nt_string *mask, bool restart)
{
    bool first = !search->listing;
    if (!first && !restart)
        return STATUS_SUCCESS;
    if (mask->length) {
        free(search->mask);
        search->mask = mask->text;
        search->mask_length = mask->length;
        mask->text = NULL;
        mask_from_win32(search->mask, &search->mask_length);
        if (search->mask_length == 1 && search->mask[0] == '*')
            search->mask_length = 0;
    }
    io_listing_release(search->listing);
    search->listing = NULL;
    search->position = 0;
    search->answered = false;
    if (search->mask_length && !has_wildcard(search->mask, search->mask_length)) {
        NTSTATUS status = single_listing(file, fd, search, &search->listing);
        if (status != STATUS_NOT_SUPPORTED)
            return status;
    }
    return io_listing_read(fd, &search->listing);
}

/* ---- in several processes ------------------------------------------------------------------------ */

uint32_t io_search_size(const struct io_search *search)
{
    return (uint32_t)(sizeof *search + search->mask_length * sizeof(WCHAR));
}

/* Another process was the last to go on with it: from there. Mutex held. */
static NTSTATUS search_catch_up(struct search *search, struct io_file *file, int fd)
{
    NTSTATUS status = STATUS_SUCCESS;
    bool behind = false;
    WCHAR *mask = NULL;
    nt_lock();
    const struct io_search *shared = nt_at(file->search);
    if (shared && shared->process != nt_process.id) {
        behind = true;
        mask = malloc(shared->mask_length * sizeof(WCHAR) + 1);
        if (mask)
            memcpy(mask, shared->mask, shared->mask_length * sizeof(WCHAR));
        free(search->mask);
        search->mask = mask;
        search->mask_length = mask ? shared->mask_length : 0;
        search->position = shared->position;
        search->answered = shared->answered;
    }
    nt_unlock();
    if (!behind)
        return STATUS_SUCCESS;
    if (!mask)
        return STATUS_NO_MEMORY;
    io_listing_release(search->listing);
    search->listing = NULL;
    if (search->mask_length && !has_wildcard(search->mask, search->mask_length))
        status = single_listing(file, fd, search, &search->listing);
    else
        status = STATUS_NOT_SUPPORTED;
    return status == STATUS_NOT_SUPPORTED ? io_listing_read(fd, &search->listing) : status;
}

/* Where the arena is full the others begin anew. Mutex held. */
static void search_tell(const struct search *search, struct io_file *file)
{
    uint32_t length = search->mask_length;
    nt_lock();
    struct io_search *shared = nt_at(file->search);
    if (!shared || shared->mask_length != length || (length && memcmp(shared->mask, search->mask, length * sizeof(WCHAR)))) {
        nt_ref fresh = nt_arena_allocate((uint32_t)(sizeof *shared + length * sizeof(WCHAR))), old = file->search;
        if (fresh) {
            shared = nt_at(fresh);
            shared->mask_length = length;
            if (length)
                memcpy(shared->mask, search->mask, length * sizeof(WCHAR));
        }
        shared = nt_at(fresh);
        file->search = fresh;
        OB_ORDER();
        if (old)
            nt_arena_free(old, io_search_size(nt_at(old)));
    }
    if (shared) {
        shared->process = nt_process.id;
        shared->position = search->position;
        shared->answered = search->answered;
    }
    nt_unlock();
}

/* ---- answers ------------------------------------------------------------------------------------- */

/* Where a class has its fields; all begin like FileDirectoryInformation, but for Names. */
struct layout { uint8_t information_class, name, name_length, identity, minimum; };
static const struct layout layouts[] = {
    {1, 64, 60, 0, 72}, {2, 68, 60, 0, 72}, {3, 94, 60, 0, 96}, {12, 12, 8, 0, 16}, {37, 104, 60, 96, 112}, {38, 80, 60, 72, 88},
    {60, 88, 60, 72, 96}, {63, 114, 60, 72, 120},
};

static void put32(char *at, uint32_t value) { memcpy(at, &value, 4); }
static void put64(char *at, uint64_t value) { memcpy(at, &value, 8); }

static void entry_fill(char *at, const struct layout *layout, const struct io_facts *facts, uint32_t name_bytes)
{
    memset(at, 0, layout->name);
    put32(at + layout->name_length, name_bytes);
    if (layout->information_class == 12)
        return;
    const uint64_t wide[6] = {facts->created, facts->accessed, facts->written, facts->changed, facts->size, facts->allocated};
    for (int i = 0; i < 6; i++)
        put64(at + 8 + 8 * i, wide[i]);
    put32(at + 56, facts->attributes);
    if (layout->identity)
        put64(at + layout->identity, facts->serial);
}

struct answer { char *data; size_t room, done, last; bool any; };

/* STATUS_BUFFER_OVERFLOW: the first entry's name was cut. STATUS_MORE_ENTRIES: this one has to wait for the next call. */
static NTSTATUS entry_add(struct answer *answer, const struct layout *layout, const struct io_facts *facts, const WCHAR *name,
                          size_t length)
{
    size_t begin = (answer->done + 7) & ~(size_t)7, bytes = length * sizeof(WCHAR);
    size_t room = begin < answer->room ? answer->room - begin : 0;
    if (answer->any && room < layout->name + bytes)
        return STATUS_MORE_ENTRIES;
    size_t part = layout->name + bytes <= room ? bytes : room - layout->name;
    if (answer->any)
        put32(answer->data + answer->last, (uint32_t)(begin - answer->last));
    entry_fill(answer->data + begin, layout, facts, (uint32_t)bytes);
    memcpy(answer->data + begin + layout->name, name, part);
    answer->last = begin;
    answer->done = begin + layout->name + part;
    answer->any = true;
    return part < bytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS entries_collect(struct search *search, struct io_file *file, int fd, const struct layout *layout, bool single,
                                struct answer *answer)
{
    char folder[PATH_MAX];
    const struct io_listing *listing = search->listing;
    NTSTATUS status = STATUS_SUCCESS;
    if (!io_file_path(file, folder, sizeof folder))
        folder[0] = 0;
    for (; search->position < listing->count && status == STATUS_SUCCESS && !(single && answer->any); search->position++) {
        const struct io_entry *entry = &listing->entries[search->position];
        const WCHAR *name = listing->wides + entry->wide;
        struct io_facts facts = {0};
        if (search->mask_length && !io_mask_matches(search->mask, search->mask_length, name, entry->wide_length))
            continue;
        if (answer->any && answer->done + 7 + layout->name + entry->wide_length * sizeof(WCHAR) > answer->room)
            break; /* before asking the disk for nothing */
        if (layout->information_class != 12 && io_facts_of_entry(fd, folder, listing->names + entry->name, &facts))
            continue; /* gone meanwhile */
        status = entry_add(answer, layout, &facts, name, entry->wide_length);
        if (status == STATUS_MORE_ENTRIES)
            break;
    }
    if (answer->any) {
        search->answered = true;
        return status == STATUS_BUFFER_OVERFLOW ? status : STATUS_SUCCESS;
    }
    return search->answered ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE;
}

static NTSTATUS directory_query(struct io_file *file, int fd, const struct layout *layout, void *buffer, ULONG length, bool single,
                                struct nt_string *mask, bool restart, ULONG_PTR *done)
{
    enum { LARGEST = 256 << 10 };
    struct answer answer = {.room = length < LARGEST ? length : LARGEST};
    struct search *search = search_get(file->unique);
    answer.data = malloc(answer.room);
    if (!search || !answer.data)
        return free(answer.data), STATUS_NO_MEMORY;
    pthread_mutex_lock(&search->mutex);
    NTSTATUS status = search_catch_up(search, file, fd);
    if (!status)
        status = search_begin(search, file, fd, mask, restart);
    if (!status)
        status = entries_collect(search, file, fd, layout, single, &answer);
    if (search->listing)
        search_tell(search, file);
    pthread_mutex_unlock(&search->mutex);
    if (answer.any && !nt_write(buffer, answer.data, answer.done))
        status = STATUS_ACCESS_VIOLATION;
    *done = answer.any ? answer.done : 0;
    free(answer.data);
    return status;
}

NTSTATUS NtQueryDirectoryFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                              void *buffer, ULONG length, ULONG information_class, uintptr_t single,
                              const UNICODE_STRING *guest_mask, uintptr_t restart)
{
    const struct layout *layout = layouts, *end = layouts + sizeof layouts / sizeof *layouts;
    struct nt_string mask = {0};
    struct io_finish finish;
    struct io_file *file;
    ULONG_PTR done = 0;
    int fd;
    while (layout < end && layout->information_class != information_class)
        layout++;
    if (layout == end)
        return STATUS_INVALID_INFO_CLASS;
    if (length < layout->minimum)
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = io_file_of_handle(handle, FILE_READ_DATA, &file, &fd, NULL);
    if (status)
        return status;
    if (file->file.kind != NT_FILE_DIRECTORY)
        status = STATUS_INVALID_PARAMETER;
    else if (guest_mask)
        status = nt_string_capture(guest_mask, &mask);
    if (!status)
        status = io_finish_begin(&finish, file, event, routine, context, io);
    if (!status) {
        status = directory_query(file, fd, layout, buffer, length, single & 0xFF, &mask, restart & 0xFF, &done);
        io_finish_end(&finish, status, done, false);
    }
    free(mask.text);
    io_file_release(file);
    return status;
}
