/* Keys: open, create, delete, rename, ask, enumerate. */
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

/* ---- asking --------------------------------------------------------------------------------------------- */

struct key_basic { LARGE_INTEGER written; ULONG title, name_length; WCHAR name[]; };
struct key_node { LARGE_INTEGER written; ULONG title, class_offset, class_length, name_length; WCHAR name[]; };
struct key_full { LARGE_INTEGER written; ULONG title, class_offset, class_length, keys, longest_name, longest_class, values,
                  longest_value_name, longest_data; WCHAR class_name[]; };
struct key_cached { LARGE_INTEGER written; ULONG title, keys, longest_name, values, longest_value_name, longest_data, name_length; };
enum { BASIC_HEAD = offsetof(struct key_basic, name), NODE_HEAD = offsetof(struct key_node, name),
       FULL_HEAD = offsetof(struct key_full, class_name), NAME_HEAD = sizeof(ULONG) };
_Static_assert(BASIC_HEAD == 16 && NODE_HEAD == 24 && FULL_HEAD == 44 && sizeof(struct key_cached) == 40, "KEY_*_INFORMATION");
enum { CLASS_BASIC, CLASS_NODE, CLASS_FULL, CLASS_NAME, CLASS_CACHED, CLASS_FLAGS, CLASS_VIRTUALIZATION, CLASS_HANDLE_TAGS };

static ULONG larger(ULONG a, ULONG b) { return a > b ? a : b; }

/* Lock held; false: no memory. Lengths in bytes. */
static bool full_fill(struct cm_node *node, struct key_full *full)
{
    *full = (struct key_full){.class_offset = ~0u};
    if (!cm_children_fill(node) || !cm_values_fill(node))
        return false;
    full->written.value = (LONGLONG)node->written;
    full->keys = node->child_count;
    full->values = node->value_count;
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct cm_node *child = cm_child_at(node, i);
        full->longest_name = larger(full->longest_name, child->length * (ULONG)sizeof(WCHAR));
        full->longest_class = larger(full->longest_class, child->class_length);
    }
    for (uint32_t i = 0; i < node->value_count; i++) {
        const struct cm_value *value = cm_value_at(node, i);
        full->longest_value_name = larger(full->longest_value_name, value->length * (ULONG)sizeof(WCHAR));
        full->longest_data = larger(full->longest_data, value->data_length);
    }
    full->class_length = node->class_length;
    if (node->class_length)
        full->class_offset = FULL_HEAD;
    return true;
}

/* An answer under construction: what the longest can be is a path or two names. */
struct key_answer { ULONG size, fixed; uint8_t *bytes; };

static bool answer_begin(struct key_answer *answer, ULONG fixed, ULONG rest)
{
    answer->fixed = fixed;
    answer->size = fixed + rest;
    answer->bytes = calloc(1, answer->size + 1);
    return answer->bytes != NULL;
}

/* Lock held. */
static NTSTATUS answer_build(struct cm_node *node, ULONG class, struct key_answer *answer)
{
    ULONG name_length = node->length * (ULONG)sizeof(WCHAR), class_length = node->class_length;
    struct key_full full;
    struct nt_string path;
    switch (class) {
    case CLASS_BASIC:
        if (!answer_begin(answer, BASIC_HEAD, name_length))
            return STATUS_NO_MEMORY;
        *(struct key_basic *)answer->bytes = (struct key_basic){{.value = (LONGLONG)node->written}, 0, name_length};
        memcpy(answer->bytes + BASIC_HEAD, node->name, name_length);
        return STATUS_SUCCESS;
    case CLASS_NODE:
        if (!answer_begin(answer, NODE_HEAD, name_length + class_length))
            return STATUS_NO_MEMORY;
        *(struct key_node *)answer->bytes = (struct key_node){
            {.value = (LONGLONG)node->written}, 0, class_length ? NODE_HEAD + name_length : ~0u, class_length, name_length};
        memcpy(answer->bytes + NODE_HEAD, node->name, name_length);
        if (class_length)
            memcpy(answer->bytes + NODE_HEAD + name_length, nt_at(node->class_name), class_length);
        return STATUS_SUCCESS;
    case CLASS_FULL:
        if (!full_fill(node, &full) || !answer_begin(answer, FULL_HEAD, class_length))
            return STATUS_NO_MEMORY;
        memcpy(answer->bytes, &full, FULL_HEAD);
        if (class_length)
            memcpy(answer->bytes + FULL_HEAD, nt_at(node->class_name), class_length);
        return STATUS_SUCCESS;
    case CLASS_CACHED:
        if (!full_fill(node, &full) || !answer_begin(answer, sizeof(struct key_cached), 0))
            return STATUS_NO_MEMORY;
        *(struct key_cached *)answer->bytes = (struct key_cached){full.written, 0, full.keys, full.longest_name, full.values,
                                                                 full.longest_value_name, full.longest_data, name_length};
        return STATUS_SUCCESS;
    case CLASS_NAME:
        if (!cm_node_name(node, &path) || !answer_begin(answer, NAME_HEAD, path.length * (ULONG)sizeof(WCHAR)))
            return STATUS_NO_MEMORY;
        *(ULONG *)answer->bytes = path.length * (ULONG)sizeof(WCHAR);
        memcpy(answer->bytes + NAME_HEAD, path.text, path.length * sizeof(WCHAR));
        free(path.text);
        return STATUS_SUCCESS;
    case CLASS_FLAGS: /* user flags in the second word */
        if (!answer_begin(answer, 3 * sizeof(ULONG), 0))
            return STATUS_NO_MEMORY;
        ((ULONG *)answer->bytes)[1] = node->user_flags;
        return STATUS_SUCCESS;
    case CLASS_VIRTUALIZATION: case CLASS_HANDLE_TAGS:
        return answer_begin(answer, sizeof(ULONG), 0) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    }
    return STATUS_INVALID_PARAMETER;
}

static NTSTATUS answer_give(struct key_answer *answer, NTSTATUS status, void *buffer, ULONG length, ULONG *returned)
{
    if (!status)
        status = cm_answer(buffer, length, returned, answer->bytes, answer->size, answer->fixed);
    free(answer->bytes);
    return status;
}

NTSTATUS NtQueryKey(HANDLE handle, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct cm_key *key;
    struct key_answer answer = {0};
    /* The name may be asked through any handle. */
    NTSTATUS status = cm_key_get(handle, class == CLASS_NAME || class == CLASS_HANDLE_TAGS ? 0 : KEY_QUERY_VALUE, &key);
    if (status)
        return status;
    nt_lock();
    status = answer_build(cm_node_of(key), class, &answer);
    nt_unlock();
    nt_object_release(&key->head);
    return answer_give(&answer, status, buffer, length, returned);
}

NTSTATUS NtEnumerateKey(HANDLE handle, ULONG index, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct cm_key *key;
    struct key_answer answer = {0};
    if (class > CLASS_FULL)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = cm_key_get(handle, KEY_ENUMERATE_SUB_KEYS, &key);
    if (status)
        return status;
    nt_lock();
    struct cm_node *node = cm_node_of(key), *child = cm_children_fill(node) ? cm_child_at(node, index) : NULL;
    status = child ? answer_build(child, class, &answer) : STATUS_NO_MORE_ENTRIES;
    nt_unlock();
    nt_object_release(&key->head);
    return answer_give(&answer, status, buffer, length, returned);
}

NTSTATUS NtSetInformationKey(HANDLE handle, ULONG class, const void *buffer, ULONG length)
{
    struct cm_key *key;
    LARGE_INTEGER written;
    ULONG flags = 0;
    NTSTATUS status = cm_key_get(handle, KEY_SET_VALUE, &key);
    if (status)
        return status;
    if (class > 1)
        status = STATUS_INVALID_INFO_CLASS;
    else if (length != (class == 0 ? sizeof written : sizeof flags))
        status = STATUS_INFO_LENGTH_MISMATCH;
    else if (class == 0 ? !NT_GET(written, (const LARGE_INTEGER *)buffer) : !NT_GET(flags, (const ULONG *)buffer))
        status = STATUS_ACCESS_VIOLATION;
    if (!status) {
        nt_lock();
        if (class == 0)
            cm_node_of(key)->written = (uint64_t)written.value;
        else
            cm_node_of(key)->user_flags = flags;
        nt_unlock();
    }
    nt_object_release(&key->head);
    return status;
}
