/* Makes the arena whole again after the owner of its lock was killed inside.
 *
 * What was being done is at worst half done, in the order that OB_ORDER laid down: names are true as far as the hash
 * chains hold them, handles as far as their entries do, IDs as far as theirs. Whatever can be told from these is told
 * anew here, counts of references among it. A block that the dead owner had in hand may be lost for good; nothing that lives
 * is, and nothing lives for the sake of the dead. */
#include "loader/nt/ob/arena.h"

void (*nt_root_repair[NT_ROOT_COUNT])(void);

static void tables_visit(void (*visit)(struct nt_object *object))
{
    for (nt_ref at = ob_arena->processes; at;) {
        const struct ob_handle_table *table = ob_at(at);
        for (uint32_t index = 1; index < table->fresh; index++) {
            struct nt_object *object = ob_at(ob_table_entry(table, index)->object);
            if (object)
                visit(object);
        }
        at = table->next;
    }
}

static void names_visit(void (*visit)(struct ob_name *name))
{
    const struct ob_name_table *table = ob_at(ob_arena->names);
    for (uint32_t i = 0; i < table->buckets; i++)
        for (nt_ref at = table->chains[i]; at;) {
            struct ob_name *name = ob_at(at);
            at = name->next[table->side]; /* the visitor may remove it */
            visit(name);
        }
}

/* ---- names ------------------------------------------------------------------------------------------- */

static bool chained(const struct ob_name *wanted)
{
    const struct ob_name_table *table = ob_at(ob_arena->names);
    for (nt_ref at = table->chains[wanted->hash % table->buckets]; at;) {
        const struct ob_name *name = ob_at(at);
        if (name == wanted)
            return true;
        at = name->next[table->side];
    }
    return false;
}

/* Before: lists and counts that are told anew. A name that no chain holds was going or had not come yet. */
static void object_reset(struct nt_object *object)
{
    if (object->type == NT_DIRECTORY)
        ((struct ob_directory *)object)->first = ((struct ob_directory *)object)->last = 0;
    if (object->name && !chained(ob_at(object->name)))
        object->name = 0;
    object->handles = 0;
}

static void handle_count(struct nt_object *object)
{
    object->handles++;
}

static void name_tell(struct ob_name *name)
{
    ((struct nt_object *)ob_at(name->object))->name = ob_ref(name);
    ob_name_append(name);
    ob_arena->name_count++;
}

/* The last handle was being closed. */
static void name_remove_unused(struct ob_name *name)
{
    struct nt_object *object = ob_at(name->object);
    if (!object->handles && !(object->flags & NT_OBJECT_PERMANENT))
        ob_name_remove(object);
}

/* ---- lists that are linked both ways ------------------------------------------------------------------- */

static void processes_repair(void)
{
    nt_ref previous = 0;
    for (nt_ref at = ob_arena->processes; at;) {
        struct ob_handle_table *table = ob_at(at);
        table->prev = previous;
        previous = at;
        at = table->next;
    }
}

/* ---- what nothing holds ------------------------------------------------------------------------------- */

/* Processes and threads that were being destroyed still have their IDs: their end is gone through again. */
static void unheld_destroy(void)
{
    uint32_t index = 0;
    for (struct nt_object *object; (object = ob_id_next(&index));)
        if (!object->references) {
            object->references = 1;
            ob_object_unreference(object);
        }
}

/* Files know by themselves (io/record.c); of others, what comes of the last handle's end may come twice. */
static void closing_finish(struct nt_object *object)
{
    if (!object->handles && object->type != NT_FILE && nt_type_closed[object->type])
        nt_type_closed[object->type](object);
}

void ob_repair(uint32_t dead_owner)
{
    (void)dead_owner;
    processes_repair();
    ob_id_repair();
    ob_objects_visit(object_reset);
    tables_visit(handle_count);
    ob_arena->name_count = 0;
    names_visit(name_tell);
    ob_references_recount(); /* from here on what goes to zero ends as it would have */
    ke_repair();
    for (int i = 0; i < NT_ROOT_COUNT; i++)
        if (nt_root_repair[i] && *nt_arena_root(i))
            nt_root_repair[i]();
    names_visit(name_remove_unused);
    ob_objects_visit(closing_finish);
    unheld_destroy();
}
