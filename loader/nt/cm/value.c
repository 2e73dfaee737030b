/* Values: set, delete, ask, enumerate. */
#include "loader/nt/cm/private.h"
#include "loader/nt/ke.h"

#include <stdlib.h>
#include <string.h>

static NTSTATUS name_capture(const UNICODE_STRING *guest, struct nt_string *name)
{
    NTSTATUS status = nt_string_capture(guest, name);
    if (!status && name->length > CM_VALUE_NAME_LIMIT) {
        free(name->text);
        status = STATUS_INVALID_PARAMETER;
    }
    return status;
}

/* ---- changing -------------------------------------------------------------------------------------------- */

static bool is_link_value(const struct nt_string *name, ULONG type)
{
    static const char text[] = "SymbolicLinkValue";
    if (type != REG_LINK || name->length != sizeof text - 1)
        return false;
    for (unsigned i = 0; i < name->length; i++)
        if ((name->text[i] | 0x20) != (text[i] | 0x20))
            return false;
    return true;
}

NTSTATUS NtSetValueKey(HANDLE handle, const UNICODE_STRING *guest_name, ULONG title, ULONG type, const void *guest_data, ULONG length)
{
    struct cm_key *key;
    struct nt_string name;
    (void)title;
    if (length > CM_DATA_LIMIT)
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = name_capture(guest_name, &name);
    if (status)
        return status;
    void *data = malloc(length + 1);
    if (!data)
        status = STATUS_NO_MEMORY;
    else if (length && !nt_read(data, guest_data, length))
        status = STATUS_ACCESS_VIOLATION;
    if (!status)
        status = cm_key_get(handle, KEY_SET_VALUE, &key);
    if (!status) {
        nt_lock();
        struct cm_node *node = cm_node_of(key);
        if (node->flags & CM_DELETED)
            status = STATUS_KEY_DELETED;
        else if (node->flags & CM_LINK && !is_link_value(&name, type))
            status = STATUS_ACCESS_DENIED; /* a link has its target and nothing else */
        else if (!cm_values_fill(node))
            status = STATUS_INSUFFICIENT_RESOURCES;
        else
            status = cm_value_put(node, name.text, name.length, type, data, length);
        if (!status) {
            node->written = nt_time_now();
            cm_notify(node, CM_NOTIFY_VALUE);
        }
        nt_unlock();
        nt_object_release(&key->head);
    }
    free(data);
    free(name.text);
    return status;
}

NTSTATUS NtDeleteValueKey(HANDLE handle, const UNICODE_STRING *guest_name)
{
    struct cm_key *key;
    struct nt_string name;
    NTSTATUS status = name_capture(guest_name, &name);
    if (status)
        return status;
    status = cm_key_get(handle, KEY_SET_VALUE, &key);
    if (!status) {
        nt_lock();
        struct cm_node *node = cm_node_of(key);
        int index = cm_values_fill(node) ? cm_value_find(node, name.text, name.length) : -1;
        if (index >= 0) {
            cm_value_remove(node, (uint32_t)index);
            node->written = nt_time_now();
            cm_notify(node, CM_NOTIFY_VALUE);
        } else {
            status = STATUS_OBJECT_NAME_NOT_FOUND;
        }
        nt_unlock();
        nt_object_release(&key->head);
    }
    free(name.text);
    return status;
}

/* ---- asking ----------------------------------------------------------------------------------------------- */

/* A value copied out from under the lock; name and bytes are malloc'd. */
struct found { struct nt_string name; struct cm_data data; };

static void found_free(struct found *found)
{
    free(found->name.text);
    free(found->data.bytes);
}

/* Lock held. */
static NTSTATUS found_copy(const struct cm_value *value, struct found *found)
{
    found->name = (struct nt_string){malloc((value->length + 1) * sizeof(WCHAR)), value->length};
    found->data = (struct cm_data){value->type, value->data_length, malloc(value->data_length + 1)};
    if (!found->name.text || !found->data.bytes)
        return STATUS_NO_MEMORY;
    memcpy(found->name.text, value->name, value->length * sizeof(WCHAR));
    if (value->data_length)
        memcpy(found->data.bytes, nt_at(value->data), value->data_length);
    return STATUS_SUCCESS;
}

/* Lock held. A key whose values nobody listed or changed answers from the table. */
static NTSTATUS found_by_name(struct cm_node *node, const struct nt_string *name, struct found *found)
{
    if (node->flags & CM_DELETED)
        return STATUS_KEY_DELETED;
    if (node->flags & CM_VALUES_PENDING)
        return cm_default_value(node, name->text, name->length, &found->name, &found->data);
    int index = cm_value_find(node, name->text, name->length);
    return index < 0 ? STATUS_OBJECT_NAME_NOT_FOUND : found_copy(cm_value_at(node, (uint32_t)index), found);
}

struct value_basic { ULONG title, type, name_length; };
struct value_full { ULONG title, type, data_offset, data_length, name_length; };
struct value_partial { ULONG title, type, data_length; };
struct value_partial_aligned { ULONG type, data_length; };
enum { CLASS_BASIC, CLASS_FULL, CLASS_PARTIAL, CLASS_FULL_ALIGNED, CLASS_PARTIAL_ALIGNED, CLASS_END };

/* Fixed parts end where name or data begin; data behind a name begins on a multiple of 4 or 8. */
static NTSTATUS found_give(const struct found *found, ULONG class, void *buffer, ULONG room, ULONG *returned)
{
    const struct cm_data *data = &found->data;
    ULONG name_length = found->name.length * (ULONG)sizeof(WCHAR), fixed, data_at, align = class == CLASS_FULL_ALIGNED ? 7 : 3;
    bool with_name = class == CLASS_BASIC || class == CLASS_FULL || class == CLASS_FULL_ALIGNED;
    union { struct value_basic basic; struct value_full full; struct value_partial partial; struct value_partial_aligned aligned; } head;
    memset(&head, 0, sizeof head);
    switch (class) {
    case CLASS_BASIC: fixed = sizeof head.basic; break;
    case CLASS_PARTIAL: fixed = sizeof head.partial; break;
    case CLASS_PARTIAL_ALIGNED: fixed = sizeof head.aligned; break;
    default: fixed = sizeof head.full;
    }
    data_at = with_name ? (fixed + name_length + align) & ~align : fixed;
    ULONG size = class == CLASS_BASIC ? fixed + name_length : data_at + data->length;
    switch (class) {
    case CLASS_BASIC: head.basic = (struct value_basic){0, data->type, name_length}; break;
    case CLASS_PARTIAL: head.partial = (struct value_partial){0, data->type, data->length}; break;
    case CLASS_PARTIAL_ALIGNED: head.aligned = (struct value_partial_aligned){data->type, data->length}; break;
    default: head.full = (struct value_full){0, data->type, data_at, data->length, name_length};
    }
    uint8_t *answer = calloc(1, size + 1);
    if (!answer)
        return STATUS_NO_MEMORY;
    memcpy(answer, &head, fixed);
    if (with_name)
        memcpy(answer + fixed, found->name.text, name_length);
    if (class != CLASS_BASIC)
        memcpy(answer + data_at, data->bytes, data->length);
    NTSTATUS status = cm_answer(buffer, room, returned, answer, size, fixed);
    free(answer);
    return status;
}

NTSTATUS NtQueryValueKey(HANDLE handle, const UNICODE_STRING *guest_name, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct cm_key *key;
    struct nt_string name;
    struct found found = {0};
    if (class >= CLASS_END)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_string_capture(guest_name, &name);
    if (status)
        return status;
    if (name.length > CM_VALUE_NAME_LIMIT)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    if (!status)
        status = cm_key_get(handle, KEY_QUERY_VALUE, &key);
    if (!status) {
        nt_lock();
        status = found_by_name(cm_node_of(key), &name, &found);
        nt_unlock();
        nt_object_release(&key->head);
        if (!status)
            status = found_give(&found, class, buffer, length, returned);
    }
    found_free(&found);
    free(name.text);
    return status;
}

NTSTATUS NtEnumerateValueKey(HANDLE handle, ULONG index, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct cm_key *key;
    struct found found = {0};
    if (class >= CLASS_END)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = cm_key_get(handle, KEY_QUERY_VALUE, &key);
    if (status)
        return status;
    nt_lock();
    struct cm_node *node = cm_node_of(key);
    struct cm_value *value = cm_values_fill(node) ? cm_value_at(node, index) : NULL;
    status = value ? found_copy(value, &found) : STATUS_NO_MORE_ENTRIES;
    nt_unlock();
    nt_object_release(&key->head);
    if (!status)
        status = found_give(&found, class, buffer, length, returned);
    found_free(&found);
    return status;
}

struct multiple { UNICODE_STRING *name; ULONG data_length, data_offset, type; };

/* Each value's data goes behind the last one's, on a multiple of 4; what has no room is only measured. */
NTSTATUS NtQueryMultipleValueKey(HANDLE handle, void *guest_entries, ULONG count, void *buffer, ULONG *guest_length, ULONG *needed)
{
    struct cm_key *key;
    ULONG room, used = 0;
    struct multiple *entries = guest_entries;
    bool overflow = false;
    if (!NT_GET(room, guest_length))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = cm_key_get(handle, KEY_QUERY_VALUE, &key);
    if (status)
        return status;
    for (ULONG i = 0; i < count && !status; i++) {
        struct multiple entry;
        struct nt_string name = {0};
        struct found found = {0};
        if (!NT_GET(entry, &entries[i]))
            status = STATUS_ACCESS_VIOLATION;
        else
            status = nt_string_capture(entry.name, &name);
        if (!status) {
            nt_lock();
            status = found_by_name(cm_node_of(key), &name, &found);
            nt_unlock();
        }
        if (!status) {
            entry.type = found.data.type;
            entry.data_length = found.data.length;
            entry.data_offset = used = (used + 3) & ~3u;
            if (used > room || found.data.length > room - used)
                overflow = true;
            else if (!nt_write((char *)buffer + used, found.data.bytes, found.data.length) || !NT_PUT(&entries[i], entry))
                status = STATUS_ACCESS_VIOLATION;
            used += found.data.length;
        }
        found_free(&found);
        free(name.text);
    }
    nt_object_release(&key->head);
    if (!status && ((needed && !NT_PUT(needed, used)) || (!overflow && !NT_PUT(guest_length, used))))
        status = STATUS_ACCESS_VIOLATION;
    return status ? status : overflow ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* Licence values of this Windows: none are known. */
NTSTATUS NtQueryLicenseValue(const UNICODE_STRING *guest_name, ULONG *type, void *buffer, ULONG length, ULONG *returned)
{
    UNICODE_STRING name;
    (void)type, (void)buffer, (void)length;
    if (!guest_name || !returned)
        return STATUS_INVALID_PARAMETER;
    if (!NT_GET(name, guest_name))
        return STATUS_ACCESS_VIOLATION;
    return name.length ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_INVALID_PARAMETER;
}
