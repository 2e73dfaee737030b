/* What --trace=handle,process tells. It happens under the lock and is told after it: whoever reads slowly must not stop a
 * whole session. */
#include "loader/nt/io.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <stdlib.h>
#include <string.h>

struct kept { struct nt_told told; char *name; };
static __thread struct { struct kept *list; unsigned count, room; } queue;

/* Lock held. What cannot be kept is not told. */
static void keep(const struct nt_told *told, char *name)
{
    if (queue.count == queue.room) {
        unsigned room = queue.room ? queue.room * 2 : 16;
        struct kept *more = realloc(queue.list, room * sizeof *more);
        if (!more) {
            free(name);
            return;
        }
        queue.list = more;
        queue.room = room;
    }
    queue.list[queue.count++] = (struct kept){*told, name};
}

void ob_tell_flush(void)
{
    struct kept *list = queue.list;
    unsigned count = queue.count;
    queue.list = NULL;
    queue.count = queue.room = 0;
    for (unsigned i = 0; i < count; i++) {
        list[i].told.name = list[i].name;
        nt_config.tell(&list[i].told);
        free(list[i].name);
    }
    free(list);
}

static char *name_of(const struct nt_object *object)
{
    struct nt_string wide = {0};
    if (!object->name || !ob_name_full(object, &wide) || !wide.text)
        return NULL;
    size_t room = wide.length * 3u + 1;
    char *text = malloc(room);
    if (text)
        nt_utf8_from_utf16(wide.text, wide.length, text, room);
    free(wide.text);
    return text;
}

/* Whose table it is: its process's ID. */
static uint32_t owner_of(const struct ob_handle_table *table)
{
    uint32_t index = 0;
    if (table == ob_table_own())
        return nt_process.id;
    for (struct nt_object *object; (object = ob_id_next(&index));)
        if (object->type == NT_PROCESS && ((struct nt_process_object *)object)->handle_table == ob_ref(table))
            return ((struct nt_process_object *)object)->id;
    return 0;
}

void ob_tell_handle(const char *verb, const struct ob_handle_table *table, uint32_t index, const struct nt_object *object,
                    ACCESS_MASK access, uint32_t handles)
{
    if (!nt_config.tell)
        return;
    struct nt_told told = {.verb = verb, .type = object->type, .object = ob_ref(object), .handle = index * 4, .access = access,
                           .handles = handles, .process = table ? owner_of(table) : 0};
    keep(&told, name_of(object));
}

void ob_tell_process(const char *verb, const struct nt_object *object, uint32_t process, uint32_t id, uint32_t status)
{
    if (!nt_config.tell)
        return;
    struct nt_told told = {.is_process = true, .verb = verb, .type = object->type, .object = ob_ref(object), .process = process,
                           .id = id, .status = status, .handles = object->handles};
    keep(&told, NULL);
}

void nt_tell_process(const char *verb, const struct nt_object *object, uint32_t process, uint32_t id, uint32_t status)
{
    if (!nt_config.tell)
        return;
    nt_lock();
    ob_tell_process(verb, object, process, id, status);
    nt_unlock();
}
