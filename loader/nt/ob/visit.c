/* All objects of the arena, and what holds a reference to each: handles, names, journals, areas' lists, other objects.
 *
 * A walk has a number of its own, which each object that it has come to bears as its mark: so it comes to each once. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ke/objects.h"

void (*nt_root_objects[NT_ROOT_COUNT])(void (*visit)(struct nt_object *object));
void (*nt_root_links[NT_ROOT_COUNT])(void (*visit)(struct nt_object *to));
void (*nt_type_links[NT_TYPE_COUNT])(struct nt_object *object, void (*visit)(struct nt_object *to)) = {
    [NT_THREAD] = ke_thread_links,
};

static void (*at_link)(struct nt_object *to);      /* a reference leads to this object */
static void (*at_object)(struct nt_object *object); /* NULL: nothing more to do */

/* True the first time in this walk. */
static bool mark(struct nt_object *object)
{
    if (object->mark == (uint16_t)ob_arena->mark)
        return false;
    object->mark = (uint16_t)ob_arena->mark;
    return true;
}

/* What it leads to comes first: the visitor may be its end. */
static void come_to(struct nt_object *object)
{
    if (!mark(object))
        return;
    if (nt_type_links[object->type])
        nt_type_links[object->type](object, at_link);
    if (at_object)
        at_object(object);
}

static void held_visit(struct nt_object *object, bool busy)
{
    (void)busy;
    at_link(object);
}

static void tables_visit(void)
{
    for (nt_ref at = ob_arena->processes; at;) {
        const struct ob_handle_table *table = ob_at(at);
        for (uint32_t index = 1; index < table->fresh; index++) {
            struct nt_object *object = ob_at(ob_table_entry(table, index)->object);
            if (object)
                at_link(object);
        }
        at = table->next;
    }
}

static void names_visit(void)
{
    const struct ob_name_table *table = ob_at(ob_arena->names);
    if (ob_arena->root)
        at_link(ob_at(ob_arena->root));
    for (uint32_t i = 0; i < table->buckets; i++)
        for (nt_ref at = table->chains[i]; at;) {
            const struct ob_name *name = ob_at(at);
            struct nt_object *directory = ob_at(name->directory);
            at = name->next[table->side];
            at_link(ob_at(name->object));
            if (directory)
                at_link(directory);
        }
}

static void walk(void)
{
    uint32_t index = 0;
    struct nt_object *object;
    ob_arena->mark++;
    tables_visit();
    while ((object = ob_id_next(&index)))
        come_to(object);
    names_visit();
    ob_journals_visit(held_visit);
    for (int i = 0; i < NT_ROOT_COUNT; i++) {
        if (nt_root_links[i] && *nt_arena_root(i))
            nt_root_links[i](at_link);
        if (nt_root_objects[i] && *nt_arena_root(i))
            nt_root_objects[i](come_to);
    }
}

void ob_objects_visit(void (*visit)(struct nt_object *object))
{
    at_link = come_to;
    at_object = visit;
    walk();
}

/* ---- counts ------------------------------------------------------------------------------------------ */

static void count_reset(struct nt_object *object)
{
    object->references = 0;
}

static void count(struct nt_object *to)
{
    to->references++;
    come_to(to);
}

void ob_references_recount(void)
{
    ob_objects_visit(count_reset);
    at_link = count;
    at_object = NULL;
    walk();
}
