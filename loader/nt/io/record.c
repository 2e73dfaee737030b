/* Records of open files, in the arena: one for each inode that somebody in the session has open. Share modes, pending
 * deletion and byte-range locks belong to the inode, not to a handle, and are decided here under the one lock. */
#include "loader/nt/io/private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct io_root *io_root(void)
{
    nt_ref *root = nt_arena_root(NT_ROOT_IO);
    if (!*root)
        *root = nt_arena_allocate(sizeof(struct io_root));
    return nt_at(*root);
}

static nt_ref *bucket(struct io_root *root, uint64_t device, uint64_t serial)
{
    uint64_t hash = (serial ^ device * 31) * 0x9E3779B97F4A7C15u;
    return &root->buckets[hash >> 56];
}

static struct io_record *record_find(uint64_t device, uint64_t serial)
{
    struct io_root *root = io_root();
    if (!root)
        return NULL;
    struct io_record *record = nt_at(*bucket(root, device, serial));
    while (record && (record->serial != serial || record->device != device))
        record = nt_at(record->next);
    return record;
}

static struct io_record *record_of(struct io_file *file)
{
    return nt_at(file->record);
}

/* ---- sharing ------------------------------------------------------------------------------------- */

enum { READERS = FILE_READ_DATA | FILE_EXECUTE, WRITERS = FILE_WRITE_DATA | FILE_APPEND_DATA,
       SHARING_RIGHTS = READERS | WRITERS | ACCESS_DELETE };

/* Both ways: what the newcomer wants must be shared by all before it, and what they do must be shared by it.
 * Who asks for neither data nor deletion takes no part. */
static bool sharing_allows(const struct io_record *record, ACCESS_MASK access, ULONG sharing)
{
    if (access & READERS && record->share_readers < record->open)
        return false;
    if (access & WRITERS && record->share_writers < record->open)
        return false;
    if (access & ACCESS_DELETE && record->share_deleters < record->open)
        return false;
    return (sharing & FILE_SHARE_READ || !record->readers) && (sharing & FILE_SHARE_WRITE || !record->writers) &&
           (sharing & FILE_SHARE_DELETE || !record->deleters);
}

static void sharing_count(struct io_record *record, const struct nt_file_object *file, uint32_t one)
{
    record->open += one;
    record->readers += file->access & READERS ? one : 0;
    record->writers += file->access & WRITERS ? one : 0;
    record->deleters += file->access & ACCESS_DELETE ? one : 0;
    record->share_readers += file->sharing & FILE_SHARE_READ ? one : 0;
    record->share_writers += file->sharing & FILE_SHARE_WRITE ? one : 0;
    record->share_deleters += file->sharing & FILE_SHARE_DELETE ? one : 0;
}

static NTSTATUS attach(struct io_file *file, uint64_t device, uint64_t serial, ACCESS_MASK also)
{
    struct io_root *root = io_root();
    struct io_record *record = root ? record_find(device, serial) : NULL;
    if (!root)
        return STATUS_INSUFFICIENT_RESOURCES;
    bool takes_part = file->file.access & SHARING_RIGHTS;
    if (record && record->deleting)
        return STATUS_DELETE_PENDING;
    if (record && (takes_part || also) && !sharing_allows(record, file->file.access | also, file->file.sharing))
        return STATUS_SHARING_VIOLATION;
    if (!record) {
        nt_ref ref = nt_arena_allocate(sizeof *record), *head = bucket(root, device, serial);
        if (!(record = nt_at(ref)))
            return STATUS_INSUFFICIENT_RESOURCES;
        record->device = device;
        record->serial = serial;
        record->next = *head;
        OB_ORDER();
        *head = ref;
    }
    file->record = nt_ref_of(record);
    file->next = record->files;
    file->file.device = device;
    file->file.serial = serial;
    file->shares = takes_part;
    if (takes_part)
        sharing_count(record, &file->file, 1);
    OB_ORDER();
    if (record->files)
        ((struct io_file *)nt_at(record->files))->prev = nt_ref_of(file);
    record->files = nt_ref_of(file);
    return STATUS_SUCCESS;
}

NTSTATUS io_record_attach(struct io_file *file, uint64_t device, uint64_t serial, ACCESS_MASK access, ACCESS_MASK also,
                          ULONG sharing)
{
    file->file.access = access;
    file->file.sharing = sharing;
    nt_lock();
    NTSTATUS status = attach(file, device, serial, also);
    nt_unlock();
    return status;
}

/* ---- the end of a file --------------------------------------------------------------------------- */

static void path_free(nt_ref path)
{
    if (path)
        nt_arena_free(path, (uint32_t)strlen(nt_at(path)) + 1);
}

static nt_ref path_copy(const char *path)
{
    uint32_t size = (uint32_t)strlen(path) + 1;
    nt_ref copy = nt_arena_allocate(size);
    if (copy)
        memcpy(nt_at(copy), path, size);
    return copy;
}

/* Only the very inode that was to go is removed: another program may have put a new file under the name. */
static void file_remove(const struct io_record *record)
{
    const char *path = nt_at(record->delete_path);
    struct stat link, target;
    if (!path || lstat(path, &link))
        return;
    target = link;
    if (S_ISLNK(link.st_mode) && (link.st_ino != record->serial || link.st_dev != record->device) && stat(path, &target))
        return;
    if (target.st_ino != record->serial || target.st_dev != record->device)
        return;
    if (S_ISDIR(link.st_mode))
        rmdir(path);
    else
        unlink(path);
}

/* Nobody has it open any more. */
static void record_end(struct io_record *record)
{
    if (record->deleting)
        file_remove(record);
    nt_ref *link = bucket(io_root(), record->device, record->serial);
    while (*link != nt_ref_of(record))
        link = &((struct io_record *)nt_at(*link))->next;
    *link = record->next;
    OB_ORDER();
    path_free(record->delete_path);
    nt_arena_free(nt_ref_of(record), sizeof *record);
}

static void locks_drop(struct io_record *record, nt_ref file)
{
    for (nt_ref *link = &record->locks; *link;) {
        struct io_lock *lock = nt_at(*link);
        nt_ref ref = *link;
        if (lock->file == file) {
            *link = lock->next;
            OB_ORDER();
            nt_arena_free(ref, sizeof *lock);
        } else {
            link = &lock->next;
        }
    }
}

void io_record_detach(struct io_file *file)
{
    struct io_record *record = record_of(file);
    if (!record)
        return;
    if (file->delete_path && !record->deleting) {
        record->delete_path = file->file.path ? path_copy(nt_at(file->file.path)) : 0;
        OB_ORDER();
        record->deleting = true;
    }
    locks_drop(record, nt_ref_of(file));
    if (file->delete_path == 2)
        file_remove(record);
    if (file->shares)
        sharing_count(record, &file->file, (uint32_t)-1);
    OB_ORDER();
    if (file->prev)
        ((struct io_file *)nt_at(file->prev))->next = file->next;
    else
        record->files = file->next;
    OB_ORDER();
    if (file->next)
        ((struct io_file *)nt_at(file->next))->prev = file->prev;
    file->record = 0;
    file->next = file->prev = 0;
    if (!record->files)
        record_end(record);
}

/* ---- after a killed owner of the lock ------------------------------------------------------------ */

/* The files of one record: who has a handle, or is still being made by somebody, stays; the list's way forward is true. */
static void record_mend(struct io_record *record)
{
    nt_ref previous = 0;
    record->open = record->readers = record->writers = record->deleters = 0;
    record->share_readers = record->share_writers = record->share_deleters = 0;
    for (struct io_file *file = nt_at(record->files); file; file = nt_at(file->next)) {
        file->record = nt_ref_of(record);
        file->prev = previous;
        previous = nt_ref_of(file);
        if (file->shares)
            sharing_count(record, &file->file, 1);
    }
    for (struct io_file *file = nt_at(record->files), *next; file; file = next) {
        next = nt_at(file->next);
        if (!file->file.head.handles && !file->opener) {
            bool last = !next && nt_at(record->files) == file;
            if (file->file.head.references)
                io_record_detach(file);
            else
                io_file_lose(file);
            if (last)
                return;
        }
    }
    if (!record->files)
        record_end(record);
}

static void records_visit(void (*visit)(struct io_record *record))
{
    struct io_root *root = io_root();
    for (unsigned i = 0; i < IO_BUCKETS; i++)
        for (struct io_record *record = nt_at(root->buckets[i]), *next; record; record = next) {
            next = nt_at(record->next);
            visit(record);
        }
}

void io_record_objects(void (*visit)(struct nt_object *object))
{
    struct io_root *root = io_root();
    for (unsigned i = 0; i < IO_BUCKETS; i++)
        for (struct io_record *record = nt_at(root->buckets[i]); record; record = nt_at(record->next))
            for (struct io_file *file = nt_at(record->files); file; file = nt_at(file->next))
                visit(&file->file.head);
}

void io_record_repair(void)
{
    records_visit(record_mend);
}

static uint32_t ended_process;

/* A file that the process was opening when it was killed has no handle that would be closed for it. */
static void record_leave(struct io_record *record)
{
    for (struct io_file *file = nt_at(record->files), *next; file; file = next) {
        next = nt_at(file->next);
        if (file->opener != ended_process)
            continue;
        bool last = !next && nt_at(record->files) == file;
        file->opener = 0;
        if (!file->file.head.handles)
            io_record_detach(file);
        if (last)
            return;
    }
}

void nt_io_process_ended(uint32_t id)
{
    if (!*nt_arena_root(NT_ROOT_IO))
        return;
    ended_process = id;
    records_visit(record_leave);
    io_pipe_process_ended(id);
}

NTSTATUS io_record_set_deleting(struct io_file *file, bool deleting)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct io_record *record = record_of(file);
    if (!record) {
        status = STATUS_INVALID_PARAMETER;
    } else if (deleting && !record->deleting) {
        record->delete_path = file->file.path ? path_copy(nt_at(file->file.path)) : 0;
        OB_ORDER();
        if (record->delete_path)
            record->deleting = true;
        else
            status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (!deleting) {
        nt_ref path = record->delete_path;
        record->deleting = false;
        OB_ORDER();
        record->delete_path = 0;
        OB_ORDER();
        path_free(path);
    }
    nt_unlock();
    return status;
}

bool io_record_is_deleting(struct io_file *file)
{
    nt_lock();
    struct io_record *record = record_of(file);
    bool deleting = record && record->deleting;
    nt_unlock();
    return deleting;
}

/* ---- names --------------------------------------------------------------------------------------- */

bool io_record_others(uint64_t device, uint64_t serial, const struct io_file *except)
{
    nt_lock();
    struct io_record *record = record_find(device, serial);
    struct io_file *first = record ? nt_at(record->files) : NULL;
    bool others = first && (first != except || first->next);
    nt_unlock();
    return others;
}

bool io_record_below(const char *folder)
{
    size_t length = strlen(folder);
    bool found = false;
    nt_lock();
    struct io_root *root = io_root();
    for (unsigned i = 0; root && i < IO_BUCKETS && !found; i++)
        for (struct io_record *record = nt_at(root->buckets[i]); record && !found; record = nt_at(record->next))
            for (struct io_file *file = nt_at(record->files); file && !found; file = nt_at(file->next)) {
                const char *path = nt_at(file->file.path);
                found = path && !strncmp(path, folder, length) && path[length] == '/';
            }
    nt_unlock();
    return found;
}

/* Everybody who has the file open under its old name follows it to the new one. */
void io_record_rename(struct io_file *file, const char *path)
{
    nt_lock();
    struct io_record *record = record_of(file);
    nt_ref old = file->file.path ? path_copy(nt_at(file->file.path)) : 0;
    for (struct io_file *one = record ? nt_at(record->files) : file; one; one = record ? nt_at(one->next) : NULL) {
        if (!old || !one->file.path || strcmp(nt_at(one->file.path), nt_at(old)))
            continue;
        nt_ref fresh = path_copy(path);
        if (!fresh)
            break;
        nt_ref stale = one->file.path;
        one->file.path = fresh;
        OB_ORDER();
        path_free(stale);
    }
    path_free(old);
    nt_unlock();
}

bool io_file_path(struct io_file *file, char *out, size_t room)
{
    nt_lock();
    const char *path = nt_at(file->file.path);
    size_t size = path ? strlen(path) + 1 : 0;
    bool fits = size && size <= room;
    if (fits)
        memcpy(out, path, size);
    nt_unlock();
    return fits;
}
