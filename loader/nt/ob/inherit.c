/* What a child gets of a parent's handle table: exactly the inheritable entries, under the same values and with the same
 * access, or of these only the ones on a list.
 *
 * An entry's descriptor is copied while the lock keeps the entry open, and the child is given the copy, under the copy's
 * number: another thread of the parent may close the handle before the child runs. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool nt_descriptors_add(struct nt_descriptors *carried, int fd)
{
    if (carried->count == carried->room) {
        unsigned room = carried->room ? carried->room * 2 : 16;
        int *more = realloc(carried->fd, room * sizeof *more);
        if (!more)
            return false;
        carried->fd = more;
        carried->room = room;
    }
    carried->fd[carried->count++] = fd;
    return true;
}

void nt_descriptors_close(struct nt_descriptors *carried)
{
    for (unsigned i = 0; i < carried->count; i++)
        close(carried->fd[i]);
    free(carried->fd);
    *carried = (struct nt_descriptors){0};
}

/* Lock held. -1 stays -1. */
static NTSTATUS descriptor_copy(int fd, struct nt_descriptors *carried, int *copy)
{
    *copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return STATUS_SUCCESS;
    if (*copy < 0)
        return STATUS_TOO_MANY_OPENED_FILES;
    if (nt_descriptors_add(carried, *copy))
        return STATUS_SUCCESS;
    close(*copy);
    return STATUS_NO_MEMORY;
}

static bool listed(HANDLE handle, const HANDLE *only, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if ((only[i] & ~(HANDLE)3) == handle)
            return true;
    return false;
}

/* Windows refuses a list with a handle that is bad or not inheritable. */
static bool list_valid(const struct ob_handle_table *from, const HANDLE *only, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct ob_handle *entry = ob_table_find(from, only[i]);
        if (!entry || !(entry->flags & OB_HANDLE_INHERIT))
            return false;
    }
    return true;
}

/* Another process's descriptors are taken without the lock. The child does not run yet: its table is still ours alone. A handle
 * that its owner closes meanwhile is not inherited. */
static NTSTATUS descriptors_fetch(const struct nt_process_object *from, struct ob_handle_table *table, struct nt_descriptors *carried)
{
    NTSTATUS status = STATUS_SUCCESS;
    for (uint32_t index = 1; index < table->fresh && !status; index++) {
        struct ob_handle *entry = ob_table_entry(table, index);
        int fd, unused;
        if (!entry->object || entry->fd < 0)
            continue;
        status = ob_descriptor_take(from, (HANDLE)index * 4, ob_at(entry->object), entry->fd, &fd);
        entry->fd = status ? -1 : fd;
        if (status == STATUS_INVALID_HANDLE) {
            nt_lock();
            status = ob_table_remove(table, (HANDLE)index * 4, &unused);
            nt_unlock();
        } else if (!status && !nt_descriptors_add(carried, fd)) {
            close(fd);
            status = STATUS_NO_MEMORY;
        }
    }
    return status;
}

NTSTATUS nt_handles_inherit(const struct nt_process_object *parent, nt_ref to, const HANDLE *only, unsigned count,
                            struct nt_descriptors *carried)
{
    NTSTATUS status = STATUS_SUCCESS;
    bool own = ob_ref(parent) == nt_process.object;
    nt_lock();
    struct ob_handle_table *table = ob_at(to);
    const struct ob_handle_table *from = own ? ob_table_own() : ob_at(parent->handle_table);
    if (only && !list_valid(from, only, count))
        status = STATUS_INVALID_PARAMETER;
    for (uint32_t index = 1; !status && from && index < from->fresh; index++) {
        const struct ob_handle *entry = ob_table_entry(from, index);
        HANDLE handle = (HANDLE)index * 4;
        int fd = entry->fd;
        if (!entry->object || !(entry->flags & OB_HANDLE_INHERIT) || (only && !listed(handle, only, count)))
            continue;
        if (own)
            status = descriptor_copy(entry->fd, carried, &fd);
        if (!status)
            status = ob_table_put(table, handle, ob_at(entry->object), entry->access, entry->flags, fd);
    }
    ob_table_gaps(table);
    nt_unlock();
    return status || own ? status : descriptors_fetch(parent, table, carried);
}

bool nt_handle_inherited(nt_ref to, HANDLE handle)
{
    nt_lock();
    const struct ob_handle *here = ob_handle_entry(handle), *there = ob_table_find(ob_at(to), handle);
    bool inherited = here && there && here->object == there->object;
    nt_unlock();
    return inherited;
}

NTSTATUS nt_handle_give(nt_ref to, HANDLE handle, struct nt_descriptors *carried, HANDLE *given)
{
    int fd = -1;
    nt_lock();
    const struct ob_handle *entry = ob_handle_entry(handle);
    NTSTATUS status = entry ? descriptor_copy(entry->fd, carried, &fd) : STATUS_INVALID_HANDLE;
    if (!status)
        status = ob_table_insert(ob_at(to), ob_at(entry->object), entry->access, OB_HANDLE_INHERIT, fd, given);
    nt_unlock();
    return status;
}
