/* Strings and OBJECT_ATTRIBUTES copied out of the guest, once, before anything is decided from them. */
#include "loader/nt/nt.h"

#include <stdlib.h>

NTSTATUS nt_string_capture(const UNICODE_STRING *guest, struct nt_string *out)
{
    UNICODE_STRING string;
    out->text = NULL;
    out->length = 0;
    if (!NT_GET(string, guest))
        return STATUS_ACCESS_VIOLATION;
    unsigned length = string.length / sizeof(WCHAR);
    WCHAR *text = malloc((length + 1) * sizeof(WCHAR));
    if (!text)
        return STATUS_NO_MEMORY;
    if (length && !nt_read(text, string.buffer, length * sizeof(WCHAR))) {
        free(text);
        return STATUS_ACCESS_VIOLATION;
    }
    text[length] = 0;
    out->text = text;
    out->length = length;
    return STATUS_SUCCESS;
}

/* An odd length, and one that leaves no room for a terminator in 64 KiB, are no names. */
NTSTATUS nt_attributes_capture(const OBJECT_ATTRIBUTES *guest, struct nt_attributes *out)
{
    OBJECT_ATTRIBUTES attributes;
    *out = (struct nt_attributes){0};
    if (!guest)
        return STATUS_SUCCESS;
    if (!NT_GET(attributes, guest))
        return STATUS_ACCESS_VIOLATION;
    if (attributes.length != sizeof attributes)
        return STATUS_INVALID_PARAMETER;
    out->root = attributes.root;
    out->attributes = attributes.attributes;
    if (!attributes.name)
        return STATUS_SUCCESS;
    UNICODE_STRING name;
    if (!NT_GET(name, attributes.name))
        return STATUS_ACCESS_VIOLATION;
    if (name.length % sizeof(WCHAR) || name.length == 65534)
        return STATUS_OBJECT_NAME_INVALID;
    return nt_string_capture(attributes.name, &out->name);
}

void nt_attributes_free(struct nt_attributes *attributes)
{
    free(attributes->name.text);
    attributes->name.text = NULL;
}
