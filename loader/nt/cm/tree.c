/* The tree itself. Children are sorted, because enumeration is; values keep the order in which they were made. */
#include "loader/nt/cm/private.h"
#include "loader/nt/io.h"
#include "loader/nt/ke.h"
#include "loader/nt/ob/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int cm_name_compare(const WCHAR *a, unsigned a_length, const WCHAR *b, unsigned b_length)
{
    for (unsigned i = 0; i < a_length && i < b_length; i++) {
        int difference = a[i] == b[i] ? 0 : (int)nt_upcase(a[i]) - (int)nt_upcase(b[i]);
        if (difference)
            return difference;
    }
    return (int)a_length - (int)b_length;
}

struct cm_node *cm_node_new(const WCHAR *name, unsigned length)
{
    uint32_t size = (uint32_t)(sizeof(struct cm_node) + length * sizeof(WCHAR));
    nt_ref ref = nt_arena_allocate(size);
    if (!ref)
        return NULL;
    struct cm_node *node = nt_at(ref);
    node->size = size;
    node->length = length;
    memcpy(node->name, name, length * sizeof(WCHAR));
    return node;
}

struct cm_node *cm_root(void)
{
    static const WCHAR name[] = {'R', 'E', 'G', 'I', 'S', 'T', 'R', 'Y'};
    nt_ref *place = nt_arena_root(NT_ROOT_CM);
    if (!*place) {
        struct cm_node *root = cm_node_new(name, 8);
        if (!root)
            return NULL;
        root->defaults = 1;
        root->written = nt_time_now();
        root->flags = CM_CHILDREN_PENDING | CM_VALUES_PENDING;
        OB_ORDER();
        *place = nt_ref_of(root);
    }
    return nt_at(*place);
}

/* ---- children ----------------------------------------------------------------------------------------- */

struct cm_node *cm_child_at(struct cm_node *parent, uint32_t index)
{
    return index < parent->child_count ? nt_at(((nt_ref *)nt_at(parent->children))[index]) : NULL;
}

struct cm_node *cm_child_find(struct cm_node *parent, const WCHAR *name, unsigned length, uint32_t *at)
{
    uint32_t low = 0, high = parent->child_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        struct cm_node *child = cm_child_at(parent, middle);
        int order = cm_name_compare(child->name, child->length, name, length);
        if (!order) {
            *at = middle;
            return child;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return NULL;
}

/* An array of refs with room for one more; false: no memory. */
static bool array_grow(nt_ref *array, uint32_t count, uint32_t *room)
{
    if (count < *room)
        return true;
    uint32_t more = *room ? *room * 2 : 4, less = *room;
    nt_ref fresh = nt_arena_allocate(more * sizeof(nt_ref)), old = *array;
    if (!fresh)
        return false;
    if (old)
        memcpy(nt_at(fresh), nt_at(old), count * sizeof(nt_ref));
    OB_ORDER();
    *array = fresh;
    OB_ORDER();
    *room = more;
    if (old)
        nt_arena_free(old, less * sizeof(nt_ref));
    return true;
}

/* Both move step by step, so that whoever is killed leaves every ref in the array, one of them twice in a row at worst
 * (array_mend). memmove promises no such order. */
static void array_insert(nt_ref *array, uint32_t *count, uint32_t at, nt_ref ref)
{
    uint32_t end = *count;
    array[end] = at < end ? array[end - 1] : ref;
    OB_ORDER();
    *count = end + 1;
    for (uint32_t i = end; at < i--; OB_ORDER())
        array[i] = i > at ? array[i - 1] : ref;
}

static void array_remove(nt_ref *array, uint32_t *count, uint32_t at)
{
    for (; at + 1 < *count; at++) {
        array[at] = array[at + 1];
        OB_ORDER();
    }
    OB_ORDER();
    --*count;
}

bool cm_child_insert(struct cm_node *parent, uint32_t at, struct cm_node *child)
{
    if (!array_grow(&parent->children, parent->child_count, &parent->child_room))
        return false;
    child->parent = nt_ref_of(parent);
    for (uint32_t i = 0; i < child->child_count; i++)
        cm_child_at(child, i)->parent = nt_ref_of(child);
    OB_ORDER();
    array_insert(nt_at(parent->children), &parent->child_count, at, nt_ref_of(child));
    return true;
}

void cm_twin_part(struct cm_node *fresh)
{
    struct cm_node *old = nt_at(fresh->watches);
    old->child_count = old->child_room = old->value_count = old->value_room = old->class_length = 0;
    old->children = old->values = old->class_name = 0;
    OB_ORDER();
    fresh->watches = 0;
    OB_ORDER();
    fresh->flags &= ~(uint32_t)CM_TWIN;
}

static void node_free(struct cm_node *node)
{
    assert(!node->child_count && !node->watches);
    while (node->value_count)
        cm_value_remove(node, node->value_count - 1);
    if (node->values)
        nt_arena_free(node->values, node->value_room * sizeof(nt_ref));
    if (node->children)
        nt_arena_free(node->children, node->child_room * sizeof(nt_ref));
    if (node->class_name)
        nt_arena_free(node->class_name, node->class_length);
    nt_arena_free(nt_ref_of(node), node->size);
}

/* Out of the tree; the node itself lives while handles do. */
void cm_child_remove(struct cm_node *child)
{
    struct cm_node *parent = nt_at(child->parent);
    nt_ref *children = nt_at(parent->children);
    uint32_t at = 0;
    while (children[at] != nt_ref_of(child))
        at++;
    child->flags = (child->flags & ~(uint32_t)(CM_CHILDREN_PENDING | CM_VALUES_PENDING)) | CM_DELETED;
    OB_ORDER();
    array_remove(children, &parent->child_count, at);
    child->parent = 0;
    if (!child->references)
        node_free(child);
}

void cm_node_release(struct cm_node *node)
{
    assert(node->references > 0);
    if (--node->references == 0 && node->flags & CM_DELETED)
        node_free(node);
}

/* ---- values ------------------------------------------------------------------------------------------- */

struct cm_value *cm_value_at(const struct cm_node *node, uint32_t index)
{
    return index < node->value_count ? nt_at(((nt_ref *)nt_at(node->values))[index]) : NULL;
}

int cm_value_find(const struct cm_node *node, const WCHAR *name, unsigned length)
{
    for (uint32_t i = 0; i < node->value_count; i++) {
        const struct cm_value *value = cm_value_at(node, i);
        if (value->length == length && !cm_name_compare(value->name, length, name, length))
            return (int)i;
    }
    return -1;
}

/* A value is never changed: a new one takes its place in the array, with one store. */
static nt_ref value_new(const WCHAR *name, unsigned length, uint32_t type, const void *data, uint32_t data_length)
{
    uint32_t size = (uint32_t)(sizeof(struct cm_value) + length * sizeof(WCHAR));
    nt_ref block = data_length ? nt_arena_allocate(data_length) : 0, ref = 0;
    if (data_length && !block)
        return 0;
    if (!(ref = nt_arena_allocate(size))) {
        nt_arena_free(block, data_length);
        return 0;
    }
    struct cm_value *value = nt_at(ref);
    *value = (struct cm_value){type, data_length, block, length, size};
    memcpy(value->name, name, length * sizeof(WCHAR));
    if (data_length)
        memcpy(nt_at(block), data, data_length);
    return ref;
}

static void value_free(nt_ref ref)
{
    struct cm_value *value = nt_at(ref);
    nt_arena_free(value->data, value->data_length);
    nt_arena_free(ref, value->size);
}

/* A full arena leaves the old value as it was; so does being killed. An old value keeps its spelling. */
NTSTATUS cm_value_put(struct cm_node *node, const WCHAR *name, unsigned length, uint32_t type, const void *data,
                      uint32_t data_length)
{
    int index = cm_value_find(node, name, length);
    nt_ref ref = index < 0 && !array_grow(&node->values, node->value_count, &node->value_room) ? 0
               : value_new(index < 0 ? name : cm_value_at(node, (uint32_t)index)->name, length, type, data, data_length);
    if (!ref)
        return STATUS_INSUFFICIENT_RESOURCES;
    nt_ref *values = nt_at(node->values), old = index < 0 ? 0 : values[index];
    OB_ORDER();
    if (index < 0) {
        array_insert(values, &node->value_count, node->value_count, ref);
    } else {
        values[index] = ref;
        OB_ORDER();
        value_free(old);
    }
    return STATUS_SUCCESS;
}

void cm_value_remove(struct cm_node *node, uint32_t index)
{
    nt_ref *values = nt_at(node->values), old = values[index];
    array_remove(values, &node->value_count, index);
    OB_ORDER();
    value_free(old);
}

/* ---- after a killed owner of the lock ------------------------------------------------------------------- */

static void array_mend(nt_ref *array, uint32_t *count)
{
    for (uint32_t i = 1; i < *count; i++)
        if (array[i] == array[i - 1])
            array_remove(array, count, i--);
}

static void node_mend(struct cm_node *node)
{
    array_mend(nt_at(node->children), &node->child_count);
    array_mend(nt_at(node->values), &node->value_count);
    for (uint32_t i = 0; i < node->child_count; i++) {
        struct cm_node *child = cm_child_at(node, i);
        if (child->flags & CM_TWIN) {
            if (child->watches)
                ((struct cm_node *)nt_at(child->watches))->flags |= CM_DELETED;
            if (child->watches)
                cm_twin_part(child);
            child->flags &= ~(uint32_t)CM_TWIN;
        }
    }
    for (uint32_t i = 0; i < node->child_count; i++) {
        struct cm_node *child = cm_child_at(node, i);
        if (child->flags & CM_DELETED) {
            cm_watches_end(child, 0);
            array_remove(nt_at(node->children), &node->child_count, i--);
            child->parent = 0;
            continue;
        }
        child->parent = nt_ref_of(node);
        node_mend(child); /* as deep as names are long: 256 levels at most */
    }
}

/* Those of a node that is being renamed belong to its twin. */
static void watches_visit(const struct cm_node *node, void (*visit)(struct nt_object *event))
{
    nt_ref at = node->flags & CM_TWIN ? 0 : node->watches;
    for (const struct cm_watch *watch; (watch = nt_at(at)); at = watch->next)
        visit(nt_at(watch->event));
    for (uint32_t i = 0; i < node->child_count; i++)
        watches_visit(nt_at(((const nt_ref *)nt_at(node->children))[i]), visit);
}

static void links_show(void (*visit)(struct nt_object *to))
{
    watches_visit(cm_root(), visit);
}

/* ---- who has a node open ----------------------------------------------------------------------------- */

static void references_reset(struct cm_node *node)
{
    node->references = 0;
    for (uint32_t i = 0; i < node->child_count; i++)
        references_reset(cm_child_at(node, i));
}

static struct cm_node *node_of(struct nt_object *object)
{
    return object->type == NT_KEY ? nt_at(((struct cm_key *)object)->node) : NULL;
}

static void key_reset(struct nt_object *object)
{
    if (node_of(object))
        node_of(object)->references = 0;
}

static void key_count(struct nt_object *object)
{
    if (node_of(object))
        node_of(object)->references++;
}

static void repair(void)
{
    node_mend(cm_root());
    references_reset(cm_root());
    ob_objects_visit(key_reset);
    ob_objects_visit(key_count);
}

__attribute__((constructor)) static void hooks_set(void)
{
    nt_root_repair[NT_ROOT_CM] = repair;
    nt_root_links[NT_ROOT_CM] = links_show;
}

bool cm_node_name(const struct cm_node *node, struct nt_string *out)
{
    unsigned length = 0;
    for (const struct cm_node *at = node; at; at = nt_at(at->parent))
        length += at->length + 1;
    *out = (struct nt_string){malloc((length + 1) * sizeof(WCHAR)), length};
    if (!out->text)
        return false;
    out->text[length] = 0;
    for (const struct cm_node *at = node; at; at = nt_at(at->parent)) {
        length -= at->length;
        memcpy(out->text + length, at->name, at->length * sizeof(WCHAR));
        out->text[--length] = '\\';
    }
    return true;
}
