/* Processes and handles out of the copy of an arena. The copy may be torn, or the work of an enemy: each reference is held
 * against the copy's size before it is followed, and each list against a limit. */
#define _GNU_SOURCE
#include "loader/nt/cm/private.h"
#include "loader/nt/io.h"
#include "loader/nt/mm/private.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"
#include "loader/nt/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { DEPTH_LIMIT = 64, TEXT_LIMIT = 32768 };

static const void *at(const struct nt_view *view, nt_ref ref, size_t size)
{
    return ref >= sizeof(struct ob_arena) && ref % 4 == 0 && ref <= view->size && size <= view->size - ref ? view->bytes + ref : NULL;
}

static const struct ob_arena *head_of(const struct nt_view *view)
{
    return (const struct ob_arena *)view->bytes;
}

/* An object with its type's whole structure. */
static const struct nt_object *object_at(const struct nt_view *view, nt_ref ref, size_t size)
{
    const struct nt_object *object = at(view, ref, size);
    return object && object->type > NT_ANY && object->type < NT_TYPE_COUNT ? object : NULL;
}

/* ---- texts ------------------------------------------------------------------------------------------------ */

static char *text_of_wide(const WCHAR *wide, size_t length)
{
    size_t room = length * 3 + 1;
    char *text = malloc(room);
    if (text)
        nt_utf8_from_utf16(wide, length, text, room);
    return text;
}

/* NUL-terminated, bytes. */
static char *text_at(const struct nt_view *view, nt_ref ref)
{
    const char *text = at(view, ref, 1);
    return text ? strndup(text, view->size - ref) : NULL;
}

/* "\BaseNamedObjects\x", from the leaf up to the root. */
static char *name_of_object(const struct nt_view *view, const struct nt_object *object)
{
    char *full = NULL;
    for (unsigned depth = 0; object && object->name && depth < DEPTH_LIMIT; depth++) {
        const struct ob_name *name = at(view, object->name, sizeof *name);
        if (!name || name->length > TEXT_LIMIT || !at(view, object->name, sizeof *name + name->length * sizeof(WCHAR)))
            break;
        char *part = text_of_wide(name->text, name->length), *longer = NULL;
        if (!part || asprintf(&longer, "\\%s%s", part, full ? full : "") < 0)
            longer = NULL;
        free(part);
        free(full);
        full = longer;
        object = object_at(view, name->directory, sizeof *object);
    }
    return full;
}

static char *name_of_key(const struct nt_view *view, nt_ref ref)
{
    const struct cm_key *key = at(view, ref, sizeof *key);
    nt_ref at_node = key ? key->node : 0;
    char *full = NULL;
    for (unsigned depth = 0; depth < DEPTH_LIMIT; depth++) {
        const struct cm_node *node = at(view, at_node, sizeof *node);
        if (!node || !node->length || node->length > CM_NAME_LIMIT || !at(view, at_node, sizeof *node + node->length * sizeof(WCHAR)))
            break;
        char *part = text_of_wide(node->name, node->length), *longer = NULL;
        if (!part || asprintf(&longer, "\\%s%s", part, full ? full : "") < 0)
            longer = NULL;
        free(part);
        free(full);
        full = longer;
        at_node = node->parent;
    }
    return full;
}

static char *name_of_process(const struct nt_view *view, nt_ref ref)
{
    const struct nt_process_object *process = at(view, ref, sizeof *process);
    char *text = NULL, *image = process ? text_at(view, process->image_path) : NULL;
    const char *slash = image ? strrchr(image, '/') : NULL;
    if (process && asprintf(&text, "process %u%s%s", process->id, slash ? " " : "", slash ? slash + 1 : "") < 0)
        text = NULL;
    free(image);
    return text;
}

static char *name_of_thread(const struct nt_view *view, nt_ref ref)
{
    const struct nt_thread_object *thread = at(view, ref, offsetof(struct nt_thread_object, blocks));
    char *text = NULL;
    if (thread && asprintf(&text, "thread %u of process %u", thread->id, thread->process_id) < 0)
        text = NULL;
    return text;
}

static char *name_of_file(const struct nt_view *view, nt_ref ref)
{
    static const char *const kinds[] = {[NT_FILE_PIPE] = "(pipe)", [NT_FILE_CONSOLE] = "(console)", [NT_FILE_DEVICE] = "(device)"};
    const struct nt_file_object *file = at(view, ref, sizeof *file);
    char *path = file ? text_at(view, file->path) : NULL;
    return path || !file || file->kind >= sizeof kinds / sizeof *kinds || !kinds[file->kind] ? path : strdup(kinds[file->kind]);
}

static char *name_of(const struct nt_view *view, nt_ref ref, const struct nt_object *object)
{
    char *name = name_of_object(view, object);
    if (name)
        return name;
    switch (object->type) {
    case NT_PROCESS: return name_of_process(view, ref);
    case NT_THREAD: return name_of_thread(view, ref);
    case NT_FILE: return name_of_file(view, ref);
    case NT_KEY: return name_of_key(view, ref);
    case NT_SECTION: {
        const struct nt_section_object *section = at(view, ref, sizeof *section);
        return section ? text_at(view, section->path) : NULL;
    }
    default: return NULL;
    }
}

/* ---- processes -------------------------------------------------------------------------------------------- */

static bool host_read(uint32_t pid, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    return address == (uintptr_t)address && process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* The first process of a session has nothing about its command line in the arena: its PEB has, at the places of its own
 * width. */
static char *command_line_of_memory(const struct nt_process_object *process)
{
    bool wide = process->machine == 0x8664;
    uint64_t parameters = 0;
    struct { uint16_t length, maximum; uint32_t address32; uint64_t address64; } line = {0};
    if (!process->host_pid || !host_read(process->host_pid, process->peb + (wide ? 0x20 : 0x10), &parameters, wide ? 8 : 4) ||
        !host_read(process->host_pid, parameters + (wide ? 0x70 : 0x40), &line, wide ? 16 : 8))
        return NULL;
    WCHAR *text = malloc(line.length + 2u);
    bool done = text && host_read(process->host_pid, wide ? line.address64 : line.address32, text, line.length);
    char *result = done ? text_of_wide(text, line.length / 2) : NULL;
    free(text);
    return result;
}

static char *command_line_of_birth(const struct nt_view *view, const struct nt_process_object *process)
{
    const struct nt_birth *birth = at(view, process->birth, sizeof *birth);
    if (!birth || birth->command_line.length > 2 * TEXT_LIMIT || birth->command_line.at % 2 || birth->command_line.at > birth->size ||
        !at(view, process->birth, (size_t)birth->command_line.at + birth->command_line.length))
        return NULL;
    return text_of_wide((const WCHAR *)((const char *)birth + birth->command_line.at), birth->command_line.length / 2);
}

static const struct ob_handle_table *table_of(const struct nt_view *view, nt_ref object)
{
    const struct nt_process_object *process = at(view, object, sizeof *process);
    return process ? at(view, process->handle_table, sizeof(struct ob_handle_table)) : NULL;
}

static void process_fill(const struct nt_view *view, const struct nt_process_object *from, nt_ref ref, struct nt_view_process *process)
{
    const struct ob_handle_table *table = table_of(view, ref);
    *process = (struct nt_view_process){
        .object = ref, .id = from->id, .parent_id = from->parent_id, .host_pid = from->host_pid, .exit_status = from->exit_status,
        .threads = from->thread_count, .machine = from->machine, .life = from->life, .handles = table ? table->count : 0,
        .handle_count = from->head.handles, .reference_count = from->head.references, .created = from->created, .ended = from->ended,
        .image = text_at(view, from->image_path), .command_line = command_line_of_birth(view, from),
    };
    if (!process->command_line)
        process->command_line = command_line_of_memory(from);
}

bool nt_view_process_next(const struct nt_view *view, uint32_t *index, struct nt_view_process *process)
{
    const struct ob_arena *head = head_of(view);
    const nt_ref *chunks = head->id_chunks <= OB_ID_CHUNK_LIMIT ? at(view, head->ids, head->id_chunks * sizeof *chunks) : NULL;
    for (; chunks && *index < head->id_next && *index >> OB_ID_CHUNK_BITS < head->id_chunks; (*index)++) {
        const struct ob_id_entry *chunk = at(view, chunks[*index >> OB_ID_CHUNK_BITS], sizeof *chunk << OB_ID_CHUNK_BITS);
        nt_ref ref = chunk ? chunk[*index & ((1u << OB_ID_CHUNK_BITS) - 1)].object : 0;
        const struct nt_object *object = object_at(view, ref, sizeof(struct nt_process_object));
        if (!object || object->type != NT_PROCESS)
            continue;
        (*index)++;
        process_fill(view, (const struct nt_process_object *)object, ref, process);
        return true;
    }
    return false;
}

void nt_view_process_free(struct nt_view_process *process)
{
    free(process->image);
    free(process->command_line);
    process->image = process->command_line = NULL;
}

/* ---- handles ---------------------------------------------------------------------------------------------- */

bool nt_view_handle_next(const struct nt_view *view, const struct nt_view_process *process, uint32_t *index,
                         struct nt_view_handle *handle)
{
    const struct ob_handle_table *table = table_of(view, process->object);
    const nt_ref *chunks = table && table->chunk_room <= OB_HANDLE_LIMIT >> OB_HANDLE_CHUNK_BITS
                               ? at(view, table->chunks, table->chunk_room * sizeof *chunks) : NULL;
    for (; chunks && *index < table->fresh && *index >> OB_HANDLE_CHUNK_BITS < table->chunk_room; (*index)++) {
        const struct ob_handle *chunk = at(view, chunks[*index >> OB_HANDLE_CHUNK_BITS], sizeof *chunk << OB_HANDLE_CHUNK_BITS);
        const struct ob_handle *entry = chunk ? &chunk[*index & ((1u << OB_HANDLE_CHUNK_BITS) - 1)] : NULL;
        const struct nt_object *object = entry ? object_at(view, entry->object, sizeof *object) : NULL;
        if (!object)
            continue;
        *handle = (struct nt_view_handle){
            .handle = *index * 4, .object = entry->object, .type = object->type, .access = entry->access,
            .inheritable = entry->flags & OB_HANDLE_INHERIT, .is_protected = entry->flags & OB_HANDLE_PROTECT,
            .handle_count = object->handles, .reference_count = object->references, .signal = object->signal,
            .name = name_of(view, entry->object, object),
        };
        (*index)++;
        return true;
    }
    return false;
}

void nt_view_handle_free(struct nt_view_handle *handle)
{
    free(handle->name);
    handle->name = NULL;
}
