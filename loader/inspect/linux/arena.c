/* Handles, processes and threads as the kernel of the native lane keeps them: its arena is copied out of the child's memory and
 * read there, so that a child that was stopped in the middle of something can be looked at without its lock. What a debugger asks
 * NT's kernel for (NtQueryInformationProcess, the handle table) comes from here; nothing of the loader does. */
#define _GNU_SOURCE
#include "loader/inspect/linux/target.h"
#include "loader/nt/ke.h"
#include "loader/nt/ob_private.h"
#include "loader/nt/ps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HANDLE_CHUNK = 256, ID_CHUNK = 256, DEPTH = 16 };
struct id_entry { nt_ref object; uint32_t next; }; /* as ob_id.c lays it out */

/* The bytes at ref, as far as they are there. */
static const void *at(const struct linux_reader *reader, nt_ref ref, size_t size)
{
    return ref && ref <= reader->arena_size && size <= reader->arena_size - ref ? reader->arena + ref : NULL;
}

static const struct ob_arena *head_of(const struct linux_reader *reader) { return (const void *)reader->arena; }

bool arena_open(struct linux_reader *reader)
{
    const char *line = reader->maps ? strstr(reader->maps, "/memfd:nt-arena") : NULL;
    struct ob_arena head;
    uint64_t base;
    while (line && line > reader->maps && line[-1] != '\n')
        line--;
    if (!line || sscanf(line, "%" SCNx64 "-", &base) != 1 || !reader->reader.read(&reader->reader, base, &head, sizeof head) ||
        head.top < sizeof head || head.top > head.size)
        return false;
    reader->arena = malloc(head.top);
    reader->arena_size = head.top;
    if (reader->arena && !reader->reader.read(&reader->reader, base, reader->arena, head.top)) {
        free(reader->arena);
        reader->arena = NULL;
    }
    return reader->arena != NULL;
}

/* The index-th entry of the ID table; NULL: behind the end or free. */
static const struct nt_object *id_object(const struct linux_reader *reader, uint32_t index)
{
    const nt_ref *chunk = at(reader, head_of(reader)->ids + index / ID_CHUNK * (uint32_t)sizeof(nt_ref), sizeof(nt_ref));
    const struct id_entry *entry = chunk && *chunk ? at(reader, *chunk + index % ID_CHUNK * (uint32_t)sizeof *entry, sizeof *entry) : NULL;
    return entry ? at(reader, entry->object, sizeof(struct nt_object)) : NULL;
}

/* The process object whose Linux process is the child, or the thread object whose TEB is told. */
static const void *object_find(const struct linux_reader *reader, enum nt_type type, uint64_t teb)
{
    for (uint32_t i = 0; reader->arena && i < head_of(reader)->id_next; i++) {
        const struct nt_object *object = id_object(reader, i);
        if (!object || object->type != (uint32_t)type)
            continue;
        nt_ref ref = (nt_ref)((const uint8_t *)object - reader->arena);
        const struct nt_process_object *process = type == NT_PROCESS ? at(reader, ref, sizeof *process) : NULL;
        const struct nt_thread_object *thread = type == NT_THREAD ? at(reader, ref, sizeof *thread) : NULL;
        if ((process && process->host_pid == (uint32_t)reader->target->id) || (thread && thread->teb == teb))
            return object;
    }
    return NULL;
}

bool arena_process(const struct linux_reader *reader, struct arena_process *out)
{
    const struct nt_process_object *process = object_find(reader, NT_PROCESS, 0);
    if (process)
        *out = (struct arena_process){process->id, process->parent_id, process->peb};
    return process != NULL;
}

bool arena_thread(const struct linux_reader *reader, uint64_t teb, uint32_t *id, uint64_t *start)
{
    const struct nt_thread_object *thread = object_find(reader, NT_THREAD, teb);
    if (!thread)
        return false;
    *id = thread->id;
    *start = thread->start_address;
    return true;
}

/* ---- handles ---- */

static const struct ob_handle_table *table_of(const struct linux_reader *reader)
{
    nt_ref ref = reader->arena ? head_of(reader)->processes : 0;
    for (unsigned guard = 0; ref && guard < 65536; guard++) {
        const struct ob_handle_table *table = at(reader, ref, sizeof *table);
        if (!table || table->process == (uint32_t)reader->target->id)
            return table;
        ref = table->next;
    }
    return NULL;
}

/* "\BaseNamedObjects\x": from the object up to the root. */
static void name_of(const struct linux_reader *reader, nt_ref ref, char *out, size_t room)
{
    char part[256], whole[sizeof ((struct inspect_handle *)0)->name] = "";
    for (unsigned depth = 0; ref && depth < DEPTH; depth++) {
        const struct nt_object *object = at(reader, ref, sizeof *object);
        const struct ob_name *name = object ? at(reader, object->name, sizeof *name) : NULL;
        if (!name || !name->directory || name->length > 120 || !at(reader, object->name, sizeof *name + name->length * sizeof(WCHAR)))
            break;
        utf8_from_utf16((const uint8_t *)name->text, name->length, part, sizeof part);
        char longer[sizeof whole + sizeof part + 2];
        snprintf(longer, sizeof longer, "\\%s%s", part, whole);
        snprintf(whole, sizeof whole, "%.*s", (int)sizeof whole - 1, longer);
        ref = name->directory;
    }
    snprintf(out, room, "%s", whole);
}

bool arena_handle(const struct linux_reader *reader, unsigned index, struct inspect_handle *out)
{
    const struct ob_handle_table *table = table_of(reader);
    for (uint32_t i = 1, seen = 0; table && i < table->fresh; i++) {
        const nt_ref *chunk = at(reader, table->chunks + i / HANDLE_CHUNK * (uint32_t)sizeof(nt_ref), sizeof(nt_ref));
        const struct ob_handle *entry =
            chunk && *chunk ? at(reader, *chunk + i % HANDLE_CHUNK * (uint32_t)sizeof *entry, sizeof *entry) : NULL;
        if (!entry || !entry->object || seen++ != index)
            continue;
        const struct nt_object *object = at(reader, entry->object, sizeof *object);
        out->handle = (uint64_t)i * 4;
        out->access = entry->access;
        out->inherit = entry->flags & OB_HANDLE_INHERIT;
        out->protect = entry->flags & OB_HANDLE_PROTECT;
        if (object && object->type < NT_TYPE_COUNT && nt_type_name[object->type])
            snprintf(out->type, sizeof out->type, "%s", nt_type_name[object->type]);
        name_of(reader, entry->object, out->name, sizeof out->name);
        if (!out->name[0] && entry->fd >= 0) { /* a descriptor of the child's, whose path Linux tells */
            char path[64];
            snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)reader->target->id, entry->fd);
            ssize_t length = readlink(path, out->name, sizeof out->name - 1);
            out->name[length > 0 ? length : 0] = 0;
        }
        return true;
    }
    return false;
}
