/* What is asked of keys: names, counts, sizes; the children one by one. */
#include "loader/nt/cm/private.h"
#include "loader/nt/ke.h"

#include <stdlib.h>
#include <string.h>

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
