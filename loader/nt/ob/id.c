/* IDs of processes and threads: one number space, so that none is ever equal to another.
 *
 * Windows gives IDs back in the order in which they became free, after the rest of the table's page: an ID that was kept
 * too long does not name a stranger at once. 4 belongs to the System process. */
#include "loader/nt/ob/arena.h"

#include <assert.h>
#include <string.h>

enum { CHUNK_BITS = OB_ID_CHUNK_BITS, CHUNK_SIZE = 1 << CHUNK_BITS, CHUNK_LIMIT = OB_ID_CHUNK_LIMIT, FIRST_ID = 2 };

static struct ob_id_entry *entry_at(uint32_t index)
{
    const nt_ref *chunks = ob_at(ob_arena->ids);
    return (struct ob_id_entry *)ob_at(chunks[index >> CHUNK_BITS]) + (index & (CHUNK_SIZE - 1));
}

static bool table_grow(uint32_t chunk)
{
    if (chunk >= ob_arena->id_chunks) {
        uint32_t room = ob_arena->id_chunks ? ob_arena->id_chunks * 4 : 16;
        nt_ref chunks = room <= CHUNK_LIMIT ? nt_arena_allocate(room * sizeof(nt_ref)) : 0;
        if (!chunks)
            return false;
        if (ob_arena->ids)
            memcpy(ob_at(chunks), ob_at(ob_arena->ids), ob_arena->id_chunks * sizeof(nt_ref));
        nt_ref old = ob_arena->ids;
        ob_arena->ids = chunks;
        OB_ORDER();
        nt_arena_free(old, ob_arena->id_chunks * sizeof(nt_ref));
        ob_arena->id_chunks = room;
    }
    nt_ref *chunks = ob_at(ob_arena->ids);
    if (!chunks[chunk])
        chunks[chunk] = nt_arena_allocate(CHUNK_SIZE * sizeof(struct ob_id_entry));
    return chunks[chunk] != 0;
}

static uint32_t index_take(void)
{
    uint32_t next = ob_arena->id_next ? ob_arena->id_next : FIRST_ID;
    bool page_end = !(next & (CHUNK_SIZE - 1));
    if (page_end && ob_arena->id_free_first) {
        uint32_t index = ob_arena->id_free_first;
        ob_arena->id_free_first = entry_at(index)->next;
        if (!ob_arena->id_free_first)
            ob_arena->id_free_last = 0;
        return index;
    }
    if ((page_end || next == FIRST_ID) && !table_grow(next >> CHUNK_BITS))
        return 0;
    ob_arena->id_next = next + 1;
    return next;
}

uint32_t nt_id_allocate(nt_ref object)
{
    nt_lock();
    uint32_t index = index_take();
    if (index)
        *entry_at(index) = (struct ob_id_entry){object, 0};
    nt_unlock();
    return index * 4;
}

struct nt_object *ob_id_next(uint32_t *index)
{
    if (*index < FIRST_ID)
        *index = FIRST_ID;
    while (*index < ob_arena->id_next) {
        struct nt_object *object = ob_at(entry_at((*index)++)->object);
        if (object)
            return object;
    }
    return NULL;
}

/* Whole in its forward direction, the list may be longer than `last` says, or empty. */
void ob_id_repair(void)
{
    uint32_t last = 0;
    for (uint32_t at = ob_arena->id_free_first; at; at = entry_at(at)->next)
        last = at;
    ob_arena->id_free_last = last;
}

struct nt_object *ob_id_find(uint32_t id, enum nt_type type)
{
    uint32_t index = id >> 2;
    if (id & 3 || index < FIRST_ID || index >= ob_arena->id_next)
        return NULL;
    struct nt_object *object = ob_at(entry_at(index)->object);
    return object && (type == NT_ANY || object->type == type) ? object : NULL;
}

struct nt_object *nt_id_object(uint32_t id, enum nt_type type)
{
    nt_lock();
    struct nt_object *object = ob_id_find(id, type);
    if (object)
        nt_object_hold(object);
    nt_unlock();
    return object;
}

void nt_id_free(uint32_t id)
{
    uint32_t index = id >> 2;
    if (!id)
        return;
    assert(index >= FIRST_ID && index < ob_arena->id_next);
    *entry_at(index) = (struct ob_id_entry){0, 0};
    if (ob_arena->id_free_last)
        entry_at(ob_arena->id_free_last)->next = index;
    else
        ob_arena->id_free_first = index;
    ob_arena->id_free_last = index;
}
