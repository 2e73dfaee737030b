/* From a name to a key. Empty components count for nothing ("a\\b\"), links are followed unless the caller wants the
 * link itself. */
#include "loader/nt/cm/private.h"

#include <stdlib.h>
#include <string.h>

enum { LINK_LIMIT = 16 };

static const WCHAR link_value[] = {'S', 'y', 'm', 'b', 'o', 'l', 'i', 'c', 'L', 'i', 'n', 'k', 'V', 'a', 'l', 'u', 'e'};

/* The link's target and what followed the link's name become the path to go on with. */
static NTSTATUS link_follow(struct cm_node *node, const WCHAR *rest, unsigned rest_length, struct cm_place *place, unsigned *length)
{
    enum { NAME_UNITS = sizeof link_value / sizeof *link_value };
    if (!cm_values_fill(node))
        return STATUS_INSUFFICIENT_RESOURCES;
    int index = cm_value_find(node, link_value, NAME_UNITS);
    struct cm_value *value = index >= 0 ? cm_value_at(node, (uint32_t)index) : NULL;
    if (!value || value->type != REG_LINK)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    unsigned units = value->data_length / sizeof(WCHAR), total = units + 1 + rest_length;
    WCHAR *path = malloc((total + 1) * sizeof(WCHAR));
    if (!path)
        return STATUS_NO_MEMORY;
    if (units)
        memcpy(path, nt_at(value->data), units * sizeof(WCHAR));
    path[units] = '\\';
    if (rest_length)
        memcpy(path + units + 1, rest, rest_length * sizeof(WCHAR));
    path[total] = 0;
    free(place->path);
    place->path = path;
    *length = total;
    return STATUS_SUCCESS;
}

/* An absolute name begins with \Registry. */
static NTSTATUS root_skip(const WCHAR **text, unsigned *length)
{
    struct cm_node *root = cm_root();
    if (!root)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!*length || **text != '\\')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    unsigned end = 1;
    while (end < *length && (*text)[end] != '\\')
        end++;
    if (cm_name_compare(*text + 1, end - 1, root->name, root->length))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    *text += end;
    *length -= end;
    return STATUS_SUCCESS;
}

/* One component; false: the path is used up. */
static bool component_next(const WCHAR **text, unsigned *length, const WCHAR **name, unsigned *name_length)
{
    while (*length && **text == '\\')
        ++*text, --*length;
    *name = *text;
    while (*length && **text != '\\')
        ++*text, --*length;
    *name_length = (unsigned)(*text - *name);
    while (*length && **text == '\\')
        ++*text, --*length;
    return *name_length != 0;
}

NTSTATUS cm_path_walk(const struct nt_attributes *attributes, bool open_link, struct cm_place *place)
{
    const WCHAR *text = attributes->name.text, *name;
    unsigned length = attributes->name.length, name_length, links = 0;
    NTSTATUS status = STATUS_SUCCESS;
    if (!place->node) { /* not below an open key */
        status = root_skip(&text, &length);
        if (status)
            return status;
        place->node = cm_root();
    } else if (length && *text == '\\') {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    while (component_next(&text, &length, &name, &name_length)) {
        if (!place->node) /* the one before is missing */
            return STATUS_OBJECT_NAME_NOT_FOUND;
        if (name_length > CM_NAME_LIMIT)
            return STATUS_INVALID_PARAMETER;
        place->parent = place->node;
        place->leaf = name;
        place->length = name_length;
        if (!cm_child_look(place->parent, name, name_length, &place->at, &place->node))
            return STATUS_INSUFFICIENT_RESOURCES;
        if (place->node && place->node->flags & CM_LINK && (length || !open_link)) {
            if (++links > LINK_LIMIT)
                return STATUS_OBJECT_NAME_NOT_FOUND;
            status = link_follow(place->node, text, length, place, &length);
            text = place->path;
            if (!status)
                status = root_skip(&text, &length);
            if (status)
                return status == STATUS_OBJECT_PATH_SYNTAX_BAD ? STATUS_OBJECT_NAME_NOT_FOUND : status;
            place->node = cm_root();
        }
    }
    return STATUS_SUCCESS;
}
