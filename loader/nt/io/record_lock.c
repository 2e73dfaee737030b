/* Byte-range locks, which belong to the record of a file (io/record.c). */
#include "loader/nt/io/private.h"

static bool overlap(const struct io_lock *lock, uint64_t offset, uint64_t length)
{
    return length && lock->length && offset <= lock->offset + (lock->length - 1) && lock->offset <= offset + (length - 1);
}

/* A lock's owner is the file object together with the key. */
bool io_record_lock_conflict(struct io_file *file, uint64_t offset, uint64_t length, bool writing, uint32_t key)
{
    struct io_record *record = nt_at(file->record); /* the handle in use keeps it: no lock needed to see that there is none */
    if (!record || !__atomic_load_n(&record->locks, __ATOMIC_RELAXED))
        return false;
    bool conflict = false;
    nt_lock();
    for (struct io_lock *lock = nt_at(record->locks); lock && !conflict; lock = nt_at(lock->next)) {
        bool own = lock->file == nt_ref_of(file) && lock->key == key;
        if (overlap(lock, offset, length))
            conflict = lock->exclusive ? !own : writing;
    }
    nt_unlock();
    return conflict;
}

/* A shared lock may lie over one's own exclusive lock: so a program goes from one to the other without a moment between
 * (Microsoft, LockFileEx: the first unlock then ends the exclusive one, the second the shared one). */
NTSTATUS io_record_lock(struct io_file *file, uint64_t offset, uint64_t length, uint32_t key, bool exclusive)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct io_record *record = nt_at(file->record);
    for (struct io_lock *lock = record ? nt_at(record->locks) : NULL; lock; lock = nt_at(lock->next)) {
        bool own = lock->file == nt_ref_of(file) && lock->key == key;
        if (overlap(lock, offset, length) && (exclusive || (lock->exclusive && !own)))
            status = STATUS_LOCK_NOT_GRANTED;
    }
    if (!record)
        status = STATUS_INVALID_PARAMETER;
    if (!status) {
        nt_ref ref = nt_arena_allocate(sizeof(struct io_lock));
        struct io_lock *lock = nt_at(ref);
        if (lock) {
            *lock = (struct io_lock){offset, length, record->locks, nt_ref_of(file), key, exclusive};
            OB_ORDER();
            record->locks = ref;
        } else {
            status = STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    nt_unlock();
    return status;
}

NTSTATUS io_record_unlock(struct io_file *file, uint64_t offset, uint64_t length, uint32_t key)
{
    NTSTATUS status = STATUS_RANGE_NOT_LOCKED;
    nt_lock();
    struct io_record *record = nt_at(file->record);
    nt_ref *found = NULL;
    for (nt_ref *link = record ? &record->locks : NULL; link && *link; link = &((struct io_lock *)nt_at(*link))->next) {
        const struct io_lock *lock = nt_at(*link);
        if (lock->file == nt_ref_of(file) && lock->offset == offset && lock->length == length && lock->key == key &&
            (!found || lock->exclusive))
            found = link;
    }
    if (found) {
        nt_ref ref = *found;
        *found = ((struct io_lock *)nt_at(ref))->next;
        OB_ORDER();
        nt_arena_free(ref, sizeof(struct io_lock));
        status = STATUS_SUCCESS;
    }
    nt_unlock();
    return status;
}
