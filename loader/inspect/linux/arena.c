/* Handles, processes and threads as the kernel of the native lane keeps them, by the kernel's own view from outside (loader/nt/view.h).
 * What a debugger asks NT's kernel for (NtQueryInformationProcess, the handle table) comes from here; nothing of the loader does. */
#include "loader/inspect/linux/target.h"
#include "loader/nt/ke.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <stdio.h>
#include <string.h>

enum { ID_CHUNK = 256 };
struct id_entry { nt_ref object; uint32_t next; }; /* as ob/id.c lays it out */

bool arena_open(struct linux_reader *reader)
{
    uint32_t index = 0;
    if (nt_view_of_process((uint32_t)reader->target->id, &reader->view))
        return false;
    while (nt_view_process_next(&reader->view, &index, &reader->process)) {
        if (reader->process.host_pid == (uint32_t)reader->target->id)
            return true;
        nt_view_process_free(&reader->process);
    }
    nt_view_close(&reader->view);
    return false;
}

void arena_close(struct linux_reader *reader)
{
    if (!reader->reader.sees_handles)
        return;
    nt_view_process_free(&reader->process);
    nt_view_close(&reader->view);
}

/* The bytes at ref, as far as they are there. */
static const void *at(const struct linux_reader *reader, nt_ref ref, size_t size)
{
    return ref && ref <= reader->view.size && size <= reader->view.size - ref ? reader->view.bytes + ref : NULL;
}

bool arena_process(const struct linux_reader *reader, struct arena_process *out)
{
    const struct nt_process_object *object = reader->reader.sees_handles ? at(reader, reader->process.object, sizeof *object) : NULL;
    if (object)
        *out = (struct arena_process){reader->process.id, reader->process.parent_id, object->peb};
    return object != NULL;
}

/* The thread whose TEB that is, by the table of IDs. */
bool arena_thread(const struct linux_reader *reader, uint64_t teb, uint32_t *id, uint64_t *start)
{
    const struct ob_arena *head = (const void *)reader->view.bytes;
    if (!reader->reader.sees_handles || reader->view.size < sizeof *head)
        return false;
    for (uint32_t i = 0; i < head->id_next; i++) {
        const nt_ref *chunk = at(reader, head->ids + i / ID_CHUNK * (uint32_t)sizeof(nt_ref), sizeof(nt_ref));
        const struct id_entry *entry = chunk && *chunk ? at(reader, *chunk + i % ID_CHUNK * (uint32_t)sizeof *entry, sizeof *entry) : NULL;
        const struct nt_object *object = entry ? at(reader, entry->object, sizeof *object) : NULL;
        const struct nt_thread_object *thread = object && object->type == NT_THREAD ? at(reader, entry->object, sizeof *thread) : NULL;
        if (thread && thread->teb == teb && thread->process == reader->process.object) {
            *id = thread->id;
            *start = thread->start_address;
            return true;
        }
    }
    return false;
}

/* Asked for in rising order: the cursor goes along. */
bool arena_handle(struct linux_reader *reader, unsigned index, struct inspect_handle *out)
{
    struct nt_view_handle handle;
    if (index == 0)
        reader->handle_cursor = 0;
    if (!nt_view_handle_next(&reader->view, &reader->process, &reader->handle_cursor, &handle))
        return false;
    out->handle = handle.handle;
    out->access = handle.access;
    out->inherit = handle.inheritable;
    out->protect = handle.is_protected;
    snprintf(out->type, sizeof out->type, "%s", (unsigned)handle.type < NT_TYPE_COUNT && nt_type_name[handle.type] ? nt_type_name[handle.type] : "");
    snprintf(out->name, sizeof out->name, "%s", handle.name ? handle.name : "");
    nt_view_handle_free(&handle);
    return true;
}
