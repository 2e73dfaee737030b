/* NtQueryObject and NtSetInformationObject. */
#include "loader/nt/ob/arena.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECT_BASIC, OBJECT_NAME, OBJECT_TYPE, OBJECT_TYPES, OBJECT_HANDLE_FLAGS };

struct object_basic {
    ULONG attributes;
    ACCESS_MASK access;
    ULONG handles, references, paged, nonpaged, reserved[3], name_length, type_length, security_length;
    LARGE_INTEGER created;
};
_Static_assert(sizeof(struct object_basic) == 56, "OBJECT_BASIC_INFORMATION");

struct object_type {
    UNICODE_STRING name;
    ULONG objects, handles, usage[4], most_objects, most_handles, most_usage[4];
    ULONG invalid_attributes;
    struct nt_generic mapping;
    ACCESS_MASK valid_access;
    BOOLEAN security_required, maintain_handle_count;
    UCHAR index, reserved;
    ULONG pool_type, paged_charge, nonpaged_charge;
};
_Static_assert(sizeof(struct object_type) == NT_WIDTH(0x60, 0x68), "OBJECT_TYPE_INFORMATION");

static bool returned_put(ULONG *returned, size_t size)
{
    ULONG value = (ULONG)size;
    return !returned || NT_PUT(returned, value);
}

/* Structure at the front, its text right behind, both in one write. */
static NTSTATUS answer_put(void *buffer, const void *answer, size_t size, ULONG *returned)
{
    return nt_write(buffer, answer, size) && returned_put(returned, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static ULONG handle_attributes(HANDLE handle, const struct nt_object *object)
{
    const struct ob_handle *entry = ob_handle_entry(handle);
    return (entry && entry->flags & OB_HANDLE_INHERIT ? OBJ_INHERIT : 0) |
           (object->flags & NT_OBJECT_PERMANENT ? OBJ_PERMANENT : 0);
}

static NTSTATUS query_basic(HANDLE handle, void *buffer, ULONG length, ULONG *returned)
{
    struct object_basic answer = {0};
    struct nt_object *object;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, 0, &object, NULL, &answer.access);
    if (!status) {
        const struct ob_name *name = ob_at(object->name);
        answer.attributes = handle_attributes(handle, object);
        answer.handles = object->handles;
        answer.references = object->references;
        answer.name_length = name ? (ULONG)(sizeof(UNICODE_STRING) + (name->length + 1) * sizeof(WCHAR)) : 0;
        answer.type_length = (ULONG)(sizeof(struct object_type) + (strlen(nt_type_name[object->type]) + 1) * sizeof(WCHAR));
    }
    nt_unlock();
    if (status)
        return status;
    if (length < sizeof answer)
        return returned_put(returned, sizeof answer) ? STATUS_INFO_LENGTH_MISMATCH : STATUS_ACCESS_VIOLATION;
    return answer_put(buffer, &answer, sizeof answer, returned);
}

/* The name as its type tells it: from the name space, or from the type's own one. */
static NTSTATUS name_get(HANDLE handle, struct nt_string *name, bool *file)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_ANY, 0, &object, NULL, NULL);
    if (status)
        return status;
    *file = object->type == NT_FILE;
    if (nt_type_full_name[object->type]) {
        status = nt_type_full_name[object->type](object, name);
    } else {
        nt_lock();
        status = ob_name_full(object, name) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
        nt_unlock();
    }
    nt_object_release(object);
    return status;
}

static NTSTATUS query_name(HANDLE handle, void *buffer, ULONG length, ULONG *returned)
{
    struct nt_string name = {0};
    bool file;
    NTSTATUS status = name_get(handle, &name, &file);
    if (status)
        return status;
    size_t bytes = name.length * sizeof(WCHAR);
    size_t size = sizeof(UNICODE_STRING) + (bytes ? bytes + sizeof(WCHAR) : 0);
    if (length < size) {
        status = file && length >= sizeof(UNICODE_STRING) ? STATUS_BUFFER_OVERFLOW : STATUS_INFO_LENGTH_MISMATCH;
        if (!returned_put(returned, size))
            status = STATUS_ACCESS_VIOLATION;
    } else {
        UNICODE_STRING head = {0};
        if (bytes)
            head = (UNICODE_STRING){(USHORT)bytes, (USHORT)(bytes + sizeof(WCHAR)), (WCHAR *)((UNICODE_STRING *)buffer + 1)};
        status = NT_PUT(buffer, head) && (!bytes || nt_write(head.buffer, name.text, bytes + sizeof(WCHAR))) &&
                         returned_put(returned, size)
                     ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
    }
    free(name.text);
    return status;
}

/* ---- types ------------------------------------------------------------------------------------------- */

struct type_answer { struct object_type type; WCHAR text[24]; };

/* `at` is where it will stand in the guest. Returns its size. */
static size_t type_fill(struct type_answer *answer, enum nt_type type, uintptr_t at)
{
    size_t length = strlen(nt_type_name[type]);
    memset(answer, 0, sizeof *answer);
    for (size_t i = 0; i < length; i++)
        answer->text[i] = (WCHAR)nt_type_name[type][i];
    answer->type.name.length = (USHORT)(length * sizeof(WCHAR));
    answer->type.name.maximum = (USHORT)((length + 1) * sizeof(WCHAR));
    answer->type.name.buffer = (WCHAR *)(at + sizeof(struct object_type));
    answer->type.mapping = nt_type_generic[type];
    answer->type.valid_access = nt_type_generic[type].all;
    answer->type.index = (UCHAR)(type + 1);
    return sizeof(struct object_type) + (length + 1) * sizeof(WCHAR);
}

static NTSTATUS query_type(HANDLE handle, void *buffer, ULONG length, ULONG *returned)
{
    struct type_answer answer;
    struct nt_object *object;
    enum nt_type type = NT_ANY;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, 0, &object, NULL, NULL);
    if (!status)
        type = object->type;
    nt_unlock();
    if (status)
        return status;
    size_t size = type_fill(&answer, type, (uintptr_t)buffer);
    if (length < size)
        return returned_put(returned, size) ? STATUS_INFO_LENGTH_MISMATCH : STATUS_ACCESS_VIOLATION;
    return answer_put(buffer, &answer, size, returned);
}

/* A count, padded to a pointer's size, and the types one behind the other, each aligned like a pointer. */
static NTSTATUS query_types(void *buffer, ULONG length, ULONG *returned)
{
    ULONG_PTR count = NT_TYPE_COUNT - 1;
    struct type_answer answer;
    size_t size = sizeof count;
    bool fits = length >= size;
    if (fits && !NT_PUT(buffer, count))
        return STATUS_ACCESS_VIOLATION;
    for (unsigned type = NT_ANY + 1; type < NT_TYPE_COUNT; type++) {
        char *at = (char *)buffer + size;
        size_t one = type_fill(&answer, type, (uintptr_t)at);
        fits = fits && length - size >= one;
        if (fits && !nt_write(at, &answer, one))
            return STATUS_ACCESS_VIOLATION;
        size = (size + one + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
        fits = fits && length >= size;
    }
    if (!returned_put(returned, size))
        return STATUS_ACCESS_VIOLATION;
    return fits ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

/* ---- handle flags ------------------------------------------------------------------------------------ */

struct handle_flags { BOOLEAN inherit, protect; };

static NTSTATUS query_flags(HANDLE handle, void *buffer, ULONG length, ULONG *returned)
{
    struct handle_flags answer = {0};
    struct nt_object *object;
    if (length < sizeof answer)
        return STATUS_INFO_LENGTH_MISMATCH;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, 0, &object, NULL, NULL);
    const struct ob_handle *entry = ob_handle_entry(handle);
    if (entry) {
        answer.inherit = !!(entry->flags & OB_HANDLE_INHERIT);
        answer.protect = !!(entry->flags & OB_HANDLE_PROTECT);
    }
    nt_unlock();
    return status ? status : answer_put(buffer, &answer, sizeof answer, returned);
}

NTSTATUS NtQueryObject(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    switch (information_class) {
    case OBJECT_BASIC: return query_basic(handle, buffer, length, returned);
    case OBJECT_NAME: return query_name(handle, buffer, length, returned);
    case OBJECT_TYPE: return query_type(handle, buffer, length, returned);
    case OBJECT_TYPES: return query_types(buffer, length, returned);
    case OBJECT_HANDLE_FLAGS: return query_flags(handle, buffer, length, returned);
    default: return STATUS_INVALID_INFO_CLASS;
    }
}

NTSTATUS NtSetInformationObject(HANDLE handle, ULONG information_class, const void *buffer, ULONG length)
{
    struct handle_flags flags;
    if (information_class != OBJECT_HANDLE_FLAGS)
        return STATUS_INVALID_INFO_CLASS;
    if (length < sizeof flags)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!NT_GET(flags, buffer))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    struct ob_handle *entry = ob_handle_entry(handle);
    if (entry)
        entry->flags = (flags.inherit ? OB_HANDLE_INHERIT : 0u) | (flags.protect ? OB_HANDLE_PROTECT : 0u);
    nt_unlock();
    return entry ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}
