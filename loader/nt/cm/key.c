/* Keys: open, create, delete, rename. */
#include "loader/nt/cm/private.h"
#include "loader/nt/ke.h"

#include <stdlib.h>
#include <string.h>

/* ---- key objects -------------------------------------------------------------------------------------- */

/* Lock held. */
static void key_destroy(struct nt_object *object)
{
    struct cm_key *key = (struct cm_key *)object;
    struct cm_node *node = cm_node_of(key);
    if (!node)
        return;
    cm_watches_end(node, nt_ref_of(key));
    cm_node_release(node);
}

static NTSTATUS key_full_name(struct nt_object *object, struct nt_string *out)
{
    nt_lock();
    const struct cm_node *node = cm_node_of((struct cm_key *)object);
    NTSTATUS status = node->flags & CM_DELETED ? STATUS_KEY_DELETED : cm_node_name(node, out) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    nt_unlock();
    return status;
}

/* Before anything runs: this process may close keys that others opened. */
__attribute__((constructor)) static void hooks_set(void)
{
    nt_type_destroy[NT_KEY] = key_destroy;
    nt_type_full_name[NT_KEY] = key_full_name;
}

NTSTATUS cm_key_get(HANDLE handle, ACCESS_MASK access, struct cm_key **key)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_KEY, access, &object, NULL, NULL);
    if (status)
        return status;
    nt_lock();
    if (cm_node_of((struct cm_key *)object)->flags & CM_DELETED)
        status = STATUS_KEY_DELETED;
    nt_unlock();
    if (status)
        nt_object_release(object);
    else
        *key = (struct cm_key *)object;
    return status;
}

/* A key object without a node yet: made before the lock is taken. */
static NTSTATUS key_create(struct cm_key **out)
{
    struct nt_object *object;
    NTSTATUS status = nt_object_create(NT_KEY, sizeof(struct cm_key), &object);
    *out = (struct cm_key *)object;
    return status;
}

static NTSTATUS key_give(struct cm_key *key, ACCESS_MASK access, ULONG attributes, HANDLE *guest)
{
    HANDLE handle;
    access = nt_access_map(NT_KEY, access) & ~(ACCESS_MASK)(KEY_WOW64_32KEY | KEY_WOW64_64KEY);
    NTSTATUS status = nt_handle_create(&key->head, access, attributes & OBJ_INHERIT, -1, &handle);
    if (!status && !NT_PUT(guest, handle)) {
        nt_handle_close(handle);
        status = STATUS_ACCESS_VIOLATION;
    }
    return status;
}

/* Where the walk begins: below attributes->root, which keeps its key alive, or nowhere. */
static NTSTATUS start_get(const struct nt_attributes *attributes, struct cm_key **root)
{
    *root = NULL;
    if (!attributes->root)
        return attributes->name.length ? STATUS_SUCCESS : STATUS_OBJECT_PATH_SYNTAX_BAD;
    return cm_key_get(attributes->root, 0, root);
}

/* ---- opening and creating ------------------------------------------------------------------------------ */

struct request {
    struct nt_attributes attributes;
    ACCESS_MASK access;
    bool open_link, create;
    ULONG options;               /* REG_OPTION_*, for a new key */
    struct nt_string class_name;
    bool created;                /* result */
};

/* Lock held. A new key below place->parent, which has been looked into already. */
static NTSTATUS node_create(struct request *request, struct cm_place *place)
{
    struct cm_node *parent = place->parent;
    if (parent->flags & CM_VOLATILE && !(request->options & REG_OPTION_VOLATILE))
        return STATUS_CHILD_MUST_BE_VOLATILE;
    struct cm_node *node = cm_node_new(place->leaf, place->length);
    if (!node)
        return STATUS_INSUFFICIENT_RESOURCES;
    uint32_t class_length = request->class_name.length * (uint32_t)sizeof(WCHAR);
    if (class_length) {
        node->class_name = nt_arena_allocate(class_length);
        if (node->class_name) {
            node->class_length = class_length;
            memcpy(nt_at(node->class_name), request->class_name.text, class_length);
        }
    }
    node->written = nt_time_now();
    node->flags = (request->options & REG_OPTION_VOLATILE ? CM_VOLATILE : 0) | (request->options & REG_OPTION_CREATE_LINK ? CM_LINK : 0);
    if ((class_length && !node->class_name) || !cm_child_insert(parent, place->at, node)) {
        if (node->class_name)
            nt_arena_free(node->class_name, class_length);
        nt_arena_free(nt_ref_of(node), node->size);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    parent->written = node->written;
    cm_notify(parent, CM_NOTIFY_NAME);
    place->node = node;
    request->created = true;
    return STATUS_SUCCESS;
}

/* Lock held. */
static NTSTATUS node_get(struct request *request, struct cm_node *start, struct cm_node **out)
{
    struct cm_place place = {.node = start};
    if (start && start->flags & CM_DELETED)
        return STATUS_KEY_DELETED;
    NTSTATUS status = cm_path_walk(&request->attributes, request->open_link, &place);
    if (!status && !place.node)
        status = request->create ? node_create(request, &place) : STATUS_OBJECT_NAME_NOT_FOUND;
    else if (!status && request->create && request->options & REG_OPTION_CREATE_LINK)
        status = STATUS_OBJECT_NAME_COLLISION; /* a link is never made over a key */
    *out = place.node;
    free(place.path);
    return status;
}

static NTSTATUS key_open(struct request *request, HANDLE *guest)
{
    struct cm_key *root, *key;
    struct cm_node *node;
    NTSTATUS status = start_get(&request->attributes, &root);
    if (status)
        return status;
    status = key_create(&key);
    if (!status) {
        nt_lock();
        status = node_get(request, root ? cm_node_of(root) : NULL, &node);
        if (!status) {
            node->references++;
            OB_ORDER();
            key->node = nt_ref_of(node);
        }
        nt_unlock();
        if (!status)
            status = key_give(key, request->access, request->attributes.attributes, guest);
        nt_object_release(&key->head);
    }
    if (root)
        nt_object_release(&root->head);
    return status;
}

NTSTATUS NtOpenKeyEx(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, ULONG options)
{
    struct request request = {.access = access};
    HANDLE none = 0;
    if (!guest_attributes || !NT_PUT(handle, none))
        return STATUS_ACCESS_VIOLATION;
    if (options & ~(ULONG)(REG_OPTION_OPEN_LINK | REG_OPTION_BACKUP_RESTORE))
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &request.attributes);
    if (status)
        return status;
    request.open_link = options & REG_OPTION_OPEN_LINK || request.attributes.attributes & OBJ_OPENLINK;
    status = key_open(&request, handle);
    nt_attributes_free(&request.attributes);
    return status;
}

NTSTATUS NtOpenKey(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return NtOpenKeyEx(handle, access, attributes, 0);
}

NTSTATUS NtCreateKey(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, ULONG title,
                     const UNICODE_STRING *class_name, ULONG options, ULONG *guest_disposition)
{
    struct request request = {.access = access, .create = true, .options = options};
    HANDLE none = 0;
    (void)title;
    if (!guest_attributes || !NT_PUT(handle, none))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &request.attributes);
    if (!status && class_name)
        status = nt_string_capture(class_name, &request.class_name);
    if (!status) {
        request.open_link = request.attributes.attributes & OBJ_OPENLINK || options & (REG_OPTION_OPEN_LINK | REG_OPTION_CREATE_LINK);
        status = key_open(&request, handle);
        ULONG disposition = request.created ? 1 : 2; /* created new, opened existing */
        if (!status && guest_disposition && !NT_PUT(guest_disposition, disposition))
            status = STATUS_ACCESS_VIOLATION;
    }
    free(request.class_name.text);
    nt_attributes_free(&request.attributes);
    return status;
}

/* ---- deleting and renaming ----------------------------------------------------------------------------- */

NTSTATUS NtDeleteKey(HANDLE handle)
{
    struct cm_key *key;
    NTSTATUS status = cm_key_get(handle, KEY_DELETE, &key);
    if (status)
        return status;
    nt_lock();
    struct cm_node *node = cm_node_of(key), *parent = nt_at(node->parent);
    if (node->flags & CM_DELETED)
        status = STATUS_KEY_DELETED;
    else if (!parent || !cm_children_fill(node) || node->child_count)
        status = STATUS_CANNOT_DELETE; /* the root, or it has keys below it */
    else if (!cm_children_fill(parent))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (!status) {
        cm_watches_end(node, 0); /* first: who is killed in between has told what nearly was */
        cm_child_remove(node);
        parent->written = nt_time_now();
        cm_notify(parent, CM_NOTIFY_NAME);
    }
    nt_unlock();
    nt_object_release(&key->head);
    return status;
}

/* A name is part of its node's block, so a renamed key is a new node that takes everything over but its place. */
static NTSTATUS node_rename(struct cm_key *key, const struct nt_string *name)
{
    struct cm_node *node = cm_node_of(key), *parent = nt_at(node->parent);
    uint32_t at;
    if (node->flags & CM_DELETED)
        return STATUS_KEY_DELETED;
    if (!parent)
        return STATUS_ACCESS_DENIED;
    if (!cm_children_fill(parent))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct cm_node *other = cm_child_find(parent, name->text, name->length, &at);
    if (other)
        return other == node ? STATUS_SUCCESS : STATUS_CANNOT_DELETE;
    if (node->references > 1 || node->watches)
        return STATUS_ACCESS_DENIED; /* somebody else holds it */
    struct cm_node *fresh = cm_node_new(name->text, name->length);
    if (!fresh)
        return STATUS_INSUFFICIENT_RESOURCES;
    uint32_t length = fresh->length, size = fresh->size;
    memcpy(fresh, node, offsetof(struct cm_node, name));
    fresh->length = length;
    fresh->size = size;
    fresh->written = nt_time_now();
    fresh->flags |= CM_TWIN; /* until the old one has let go of what both now have */
    fresh->watches = nt_ref_of(node);
    if (!cm_child_insert(parent, at, fresh)) {
        nt_arena_free(nt_ref_of(fresh), size);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    key->node = nt_ref_of(fresh);
    OB_ORDER();
    node->references = 0;
    cm_twin_part(fresh);
    cm_child_remove(node);
    cm_notify(parent, CM_NOTIFY_NAME);
    return STATUS_SUCCESS;
}

NTSTATUS NtRenameKey(HANDLE handle, const UNICODE_STRING *guest_name)
{
    struct cm_key *key;
    struct nt_string name;
    NTSTATUS status = nt_string_capture(guest_name, &name);
    if (status)
        return status;
    for (unsigned i = 0; i < name.length; i++)
        if (name.text[i] == '\\')
            status = STATUS_INVALID_PARAMETER;
    if (!name.length || name.length > CM_NAME_LIMIT)
        status = STATUS_INVALID_PARAMETER;
    if (!status)
        status = cm_key_get(handle, KEY_SET_VALUE | KEY_CREATE_SUB_KEY, &key);
    if (!status) {
        nt_lock();
        status = node_rename(key, &name);
        nt_unlock();
        nt_object_release(&key->head);
    }
    free(name.text);
    return status;
}
