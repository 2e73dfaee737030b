/* Handle tables: one per process, in the arena, so that another process can look into it and a dead one's can be
 * given back. Entries lie in chunks of one page, found through an array of chunks; closed ones are used again first. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BITS = OB_HANDLE_CHUNK_BITS, CHUNK_SIZE = 1 << CHUNK_BITS, INDEX_LIMIT = OB_HANDLE_LIMIT, FIRST_ROOM = 4 };
_Static_assert(sizeof(struct ob_handle) * CHUNK_SIZE == 4096, "a chunk is one page");

static struct ob_handle_table *own_table;
static bool own_published; /* the process object knows it */

nt_ref ob_table_new(void)
{
    nt_ref ref = nt_arena_allocate(sizeof(struct ob_handle_table));
    struct ob_handle_table *table = ob_at(ref);
    if (!table)
        return 0;
    table->process = (uint32_t)getpid();
    table->fresh = 1; /* 0 is never a handle */
    table->next = ob_arena->processes;
    if (table->next)
        ((struct ob_handle_table *)ob_at(table->next))->prev = ref;
    OB_ORDER();
    ob_arena->processes = ref;
    return ref;
}

void ob_table_adopt(nt_ref ref)
{
    own_table = ob_at(ref);
    own_table->process = (uint32_t)getpid();
    own_published = true;
}

/* The table moves into the process object as soon as there is one: handles may be made before. */
static struct ob_handle_table *table_own(void)
{
    struct nt_process_object *process = ob_at(nt_process.object);
    if (!own_table)
        own_table = ob_at(ob_table_new());
    if (!own_table)
        return NULL;
    if (process) {
        process->handle_table = ob_ref(own_table);
        own_published = true;
    }
    return own_table;
}

struct ob_handle_table *ob_table_own(void)
{
    return own_table;
}

struct ob_handle *ob_table_entry(const struct ob_handle_table *table, uint32_t index)
{
    const nt_ref *chunks = ob_at(table->chunks);
    return (struct ob_handle *)ob_at(chunks[index >> CHUNK_BITS]) + (index & (CHUNK_SIZE - 1));
}

bool ob_table_reach(struct ob_handle_table *table, uint32_t index)
{
    uint32_t chunk = index >> CHUNK_BITS;
    if (chunk >= table->chunk_room) {
        uint32_t room = table->chunk_room ? table->chunk_room * 2 : FIRST_ROOM;
        while (room <= chunk)
            room *= 2;
        nt_ref chunks = nt_arena_allocate(room * sizeof(nt_ref));
        if (!chunks)
            return false;
        if (table->chunks)
            memcpy(ob_at(chunks), ob_at(table->chunks), table->chunk_room * sizeof(nt_ref));
        nt_ref old = table->chunks;
        table->chunks = chunks;
        OB_ORDER();
        nt_arena_free(old, table->chunk_room * sizeof(nt_ref));
        table->chunk_room = room;
    }
    nt_ref *chunks = ob_at(table->chunks);
    if (!chunks[chunk])
        chunks[chunk] = nt_arena_allocate(CHUNK_SIZE * sizeof(struct ob_handle));
    return chunks[chunk] != 0;
}

static uint32_t index_take(struct ob_handle_table *table)
{
    uint32_t index = table->free;
    if (index) {
        table->free = ob_table_entry(table, index)->access;
        return index;
    }
    index = table->fresh;
    if (index == INDEX_LIMIT)
        return 0;
    if ((index == 1 || !(index & (CHUNK_SIZE - 1))) && !ob_table_reach(table, index))
        return 0;
    table->fresh++;
    return index;
}

static void entry_fill(struct ob_handle_table *table, struct ob_handle *entry, struct nt_object *object, ACCESS_MASK granted,
                       uint32_t flags, int fd)
{
    object->references++;
    object->handles++;
    entry->access = granted;
    entry->flags = flags;
    entry->fd = fd;
    OB_ORDER();
    entry->object = ob_ref(object);
    table->count++;
}

NTSTATUS ob_table_insert(struct ob_handle_table *table, struct nt_object *object, ACCESS_MASK granted, uint32_t flags, int fd, HANDLE *out)
{
    uint32_t index = table ? index_take(table) : 0;
    if (!index)
        return STATUS_INSUFFICIENT_RESOURCES;
    entry_fill(table, ob_table_entry(table, index), object, granted, flags, fd);
    ob_tell_handle(table != own_table ? "given" : object->handles == 1 ? "created" : "opened", table, index, object, granted,
                   object->handles);
    *out = (HANDLE)index * 4;
    return STATUS_SUCCESS;
}

NTSTATUS ob_handle_new(struct nt_object *object, ACCESS_MASK granted, ULONG attributes, int fd, HANDLE *out)
{
    return ob_table_insert(own_published ? own_table : table_own(), object, granted,
                           attributes & OBJ_INHERIT ? OB_HANDLE_INHERIT : 0, fd, out);
}

NTSTATUS ob_table_put(struct ob_handle_table *table, HANDLE handle, struct nt_object *object, ACCESS_MASK access, uint32_t flags, int fd)
{
    uint32_t index = (uint32_t)(handle >> 2);
    assert(index >= table->fresh);
    for (uint32_t chunk = table->fresh >> CHUNK_BITS; chunk <= index >> CHUNK_BITS; chunk++)
        if (!ob_table_reach(table, chunk << CHUNK_BITS))
            return STATUS_INSUFFICIENT_RESOURCES;
    table->fresh = index + 1;
    entry_fill(table, ob_table_entry(table, index), object, access, flags, fd);
    ob_tell_handle("inherited", table, index, object, access, object->handles);
    return STATUS_SUCCESS;
}

void ob_table_gaps(struct ob_handle_table *table)
{
    for (uint32_t index = table->fresh - 1; index > 0; index--) {
        struct ob_handle *entry = ob_table_entry(table, index);
        if (entry->object)
            continue;
        entry->access = table->free;
        table->free = index;
    }
}

struct ob_handle *ob_handle_entry(HANDLE handle)
{
    return ob_table_find(own_table, handle);
}

/* The two lowest bits are the program's own ("tag bits"). */
struct ob_handle *ob_table_find(const struct ob_handle_table *table, HANDLE handle)
{
    HANDLE index = handle >> 2;
    if (!table || index == 0 || index >= table->fresh)
        return NULL;
    struct ob_handle *entry = ob_table_entry(table, (uint32_t)index);
    return entry->object ? entry : NULL;
}

static struct nt_object *pseudo_object(HANDLE handle)
{
    if (handle == NT_CURRENT_PROCESS)
        return ob_at(nt_process.object);
    if (handle == NT_CURRENT_THREAD) {
        struct nt_thread *thread = nt_current();
        return thread && thread->object ? &thread->object->head : NULL;
    }
    return NULL;
}

NTSTATUS ob_handle_find(HANDLE handle, enum nt_type type, ACCESS_MASK wanted, struct nt_object **object, int *fd,
                        ACCESS_MASK *granted)
{
    struct ob_handle *entry = ob_handle_entry(handle);
    struct nt_object *found;
    ACCESS_MASK access;
    if (entry) {
        found = ob_at(entry->object);
        access = entry->access;
    } else {
        found = pseudo_object(handle);
        if (!found)
            return STATUS_INVALID_HANDLE;
        access = nt_type_generic[found->type].all;
    }
    if (type != NT_ANY && found->type != type)
        return STATUS_OBJECT_TYPE_MISMATCH;
    if ((access & wanted) != wanted)
        return STATUS_ACCESS_DENIED;
    *object = found;
    if (fd)
        *fd = entry ? entry->fd : -1;
    if (granted)
        *granted = access;
    return STATUS_SUCCESS;
}

NTSTATUS ob_handle_remove(HANDLE handle, int *fd)
{
    return ob_table_remove(own_table, handle, fd);
}

NTSTATUS ob_table_remove(struct ob_handle_table *table, HANDLE handle, int *fd)
{
    struct ob_handle *entry = ob_table_find(table, handle);
    *fd = -1;
    if (!entry)
        return STATUS_INVALID_HANDLE;
    if (entry->flags & OB_HANDLE_PROTECT)
        return STATUS_HANDLE_NOT_CLOSABLE;
    struct nt_object *object = ob_at(entry->object);
    ob_tell_handle("closed", table, (uint32_t)(handle >> 2), object, entry->access, object->handles - 1);
    *fd = entry->fd;
    entry->object = 0;
    OB_ORDER();
    entry->access = table->free;
    table->free = (uint32_t)(handle >> 2);
    table->count--;
    ob_object_handle_closed(object);
    return STATUS_SUCCESS;
}

void ob_table_forget(void)
{
    own_table = NULL;
    own_published = false;
}

/* The entries first, then the place that leads to the table, then the table: who is killed on the way leaves an empty
 * table in the list at worst. */
void ob_handles_close_all(nt_ref *place)
{
    nt_ref table_ref = *place;
    struct ob_handle_table *table = ob_at(table_ref);
    if (!table)
        return;
    for (uint32_t index = 1; index < table->fresh; index++) {
        struct ob_handle *entry = ob_table_entry(table, index);
        struct nt_object *object = ob_at(entry->object);
        if (!object)
            continue;
        ob_tell_handle("closed", table, index, object, entry->access, object->handles - 1);
        entry->object = 0;
        OB_ORDER();
        ob_object_handle_closed(object);
    }
    table->count = 0;
    *place = 0;
    OB_ORDER();
    if (table->prev)
        ((struct ob_handle_table *)ob_at(table->prev))->next = table->next;
    else
        ob_arena->processes = table->next;
    OB_ORDER();
    if (table->next)
        ((struct ob_handle_table *)ob_at(table->next))->prev = table->prev;
    uint32_t chunks = (table->fresh + CHUNK_SIZE - 1) >> CHUNK_BITS;
    for (uint32_t i = 0; table->chunks && i < chunks; i++)
        nt_arena_free(((nt_ref *)ob_at(table->chunks))[i], CHUNK_SIZE * sizeof(struct ob_handle));
    nt_arena_free(table->chunks, table->chunk_room * sizeof(nt_ref));
    nt_arena_free(table_ref, sizeof *table);
    if (table == own_table)
        ob_table_forget();
}

void nt_handles_close_all(nt_ref *place)
{
    nt_lock();
    ob_handles_close_all(place);
    nt_unlock();
}

NTSTATUS nt_handle_create(struct nt_object *object, ACCESS_MASK access, ULONG attributes, int fd, HANDLE *out)
{
    nt_lock();
    NTSTATUS status = ob_handle_new(object, nt_access_map(object->type, access), attributes, fd, out);
    nt_unlock();
    return status;
}

NTSTATUS nt_handle_object(HANDLE handle, enum nt_type type, ACCESS_MASK wanted, struct nt_object **object, int *fd,
                          ACCESS_MASK *granted)
{
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, type, wanted, object, fd, granted);
    if (!status)
        nt_object_hold(*object);
    nt_unlock();
    return status;
}

NTSTATUS nt_handle_close(HANDLE handle)
{
    int fd;
    nt_lock();
    NTSTATUS status = ob_handle_remove(handle, &fd);
    nt_unlock();
    if (fd >= 0)
        close(fd);
    return status;
}
