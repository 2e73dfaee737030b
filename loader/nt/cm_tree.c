/* The tree itself. Children are sorted, because enumeration is; values keep the order in which they were made. */
#include "loader/nt/cm_private.h"
#include "loader/nt/io.h"
#include "loader/nt/ke.h"

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
    uint32_t more = *room ? *room * 2 : 4;
    nt_ref fresh = nt_arena_allocate(more * sizeof(nt_ref));
    if (!fresh)
        return false;
    if (*array) {
        memcpy(nt_at(fresh), nt_at(*array), count * sizeof(nt_ref));
        nt_arena_free(*array, *room * sizeof(nt_ref));
    }
    *array = fresh;
    *room = more;
    return true;
}

bool cm_child_insert(struct cm_node *parent, uint32_t at, struct cm_node *child)
{
    if (!array_grow(&parent->children, parent->child_count, &parent->child_room))
        return false;
    nt_ref *children = nt_at(parent->children);
    memmove(children + at + 1, children + at, (parent->child_count - at) * sizeof(nt_ref));
    children[at] = nt_ref_of(child);
    parent->child_count++;
    child->parent = nt_ref_of(parent);
    return true;
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
    memmove(children + at, children + at + 1, (parent->child_count - at - 1) * sizeof(nt_ref));
    parent->child_count--;
    child->parent = 0;
    child->flags = (child->flags & ~(uint32_t)(CM_CHILDREN_PENDING | CM_VALUES_PENDING)) | CM_DELETED;
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

static struct cm_value *value_new(struct cm_node *node, const WCHAR *name, unsigned length)
{
    uint32_t size = (uint32_t)(sizeof(struct cm_value) + length * sizeof(WCHAR));
    nt_ref ref = array_grow(&node->values, node->value_count, &node->value_room) ? nt_arena_allocate(size) : 0;
    if (!ref)
        return NULL;
    struct cm_value *value = nt_at(ref);
    value->size = size;
    value->length = length;
    memcpy(value->name, name, length * sizeof(WCHAR));
    ((nt_ref *)nt_at(node->values))[node->value_count++] = ref;
    return value;
}

/* New data first, so that a full arena leaves the old value as it was. */
NTSTATUS cm_value_put(struct cm_node *node, const WCHAR *name, unsigned length, uint32_t type, const void *data,
                      uint32_t data_length)
{
    nt_ref block = data_length ? nt_arena_allocate(data_length) : 0;
    if (data_length && !block)
        return STATUS_INSUFFICIENT_RESOURCES;
    int index = cm_value_find(node, name, length);
    struct cm_value *value = index >= 0 ? cm_value_at(node, (uint32_t)index) : value_new(node, name, length);
    if (!value) {
        nt_arena_free(block, data_length);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (data_length)
        memcpy(nt_at(block), data, data_length);
    if (value->data)
        nt_arena_free(value->data, value->data_length);
    value->type = type;
    value->data = block;
    value->data_length = data_length;
    return STATUS_SUCCESS;
}

void cm_value_remove(struct cm_node *node, uint32_t index)
{
    nt_ref *values = nt_at(node->values);
    struct cm_value *value = nt_at(values[index]);
    if (value->data)
        nt_arena_free(value->data, value->data_length);
    nt_arena_free(values[index], value->size);
    memmove(values + index, values + index + 1, (node->value_count - index - 1) * sizeof(nt_ref));
    node->value_count--;
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
