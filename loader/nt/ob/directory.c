/* Directory and symbolic-link objects. */
#include "loader/nt/ob/arena.h"

#include <stdlib.h>
#include <string.h>

enum { DIRECTORY_QUERY = 1, SYMBOLIC_LINK_QUERY = 1 };

NTSTATUS NtCreateDirectoryObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_make(handle, access, attributes, NT_DIRECTORY, sizeof(struct ob_directory), NULL, NULL);
}

NTSTATUS NtOpenDirectoryObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_DIRECTORY);
}

/* ---- listing ----------------------------------------------------------------------------------------- */

/* OBJECT_DIRECTORY_INFORMATION: an array of these, ended by a zero one, then the texts. */
struct directory_entry { UNICODE_STRING name, type; };

struct listing {
    struct { unsigned name_length; enum nt_type type; WCHAR *name; } *entries;
    size_t count;
    NTSTATUS status;
};

/* Lock held. Copies what is there from entry `skip` on, `limit` entries at most. */
static void listing_take(struct listing *listing, const struct ob_directory *directory, ULONG skip, size_t limit)
{
    size_t room = 0;
    for (nt_ref at = directory->first; at && listing->count < limit; at = ((struct ob_name *)ob_at(at))->sibling_next) {
        const struct ob_name *name = ob_at(at);
        if (skip) {
            skip--;
            continue;
        }
        if (listing->count == room) {
            room = room ? room * 2 : 32;
            void *grown = realloc(listing->entries, room * sizeof *listing->entries);
            if (!grown) {
                listing->status = STATUS_NO_MEMORY;
                return;
            }
            listing->entries = grown;
        }
        WCHAR *text = malloc(name->length * sizeof(WCHAR) + 1);
        if (!text) {
            listing->status = STATUS_NO_MEMORY;
            return;
        }
        memcpy(text, name->text, name->length * sizeof(WCHAR));
        listing->entries[listing->count].name = text;
        listing->entries[listing->count].name_length = name->length;
        listing->entries[listing->count++].type = ((struct nt_object *)ob_at(name->object))->type;
    }
}

static void listing_free(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entries[i].name);
    free(listing->entries);
}

static size_t texts_size(const struct listing *listing, size_t i)
{
    return (listing->entries[i].name_length + 1 + strlen(nt_type_name[listing->entries[i].type]) + 1) * sizeof(WCHAR);
}

/* Lays `count` entries out for the address `buffer`; texts follow the zero entry. */
static void listing_lay(const struct listing *listing, size_t count, char *image, uintptr_t buffer)
{
    struct directory_entry *entries = (struct directory_entry *)image;
    size_t at = (count + 1) * sizeof *entries;
    for (size_t i = 0; i < count; i++) {
        const char *type = nt_type_name[listing->entries[i].type];
        unsigned lengths[2] = {listing->entries[i].name_length, (unsigned)strlen(type)};
        UNICODE_STRING *strings[2] = {&entries[i].name, &entries[i].type};
        for (int s = 0; s < 2; s++) {
            WCHAR *text = (WCHAR *)(image + at);
            for (unsigned c = 0; c < lengths[s]; c++)
                text[c] = s ? (WCHAR)type[c] : listing->entries[i].name[c];
            *strings[s] = (UNICODE_STRING){(USHORT)(lengths[s] * sizeof(WCHAR)), (USHORT)((lengths[s] + 1) * sizeof(WCHAR)),
                                           (WCHAR *)(buffer + at)};
            at += (lengths[s] + 1) * sizeof(WCHAR);
        }
    }
}

/* How many fit, and what they take. */
static size_t listing_fit(const struct listing *listing, size_t room, size_t *size)
{
    size_t count = 0;
    *size = sizeof(struct directory_entry);
    while (count < listing->count) {
        size_t more = sizeof(struct directory_entry) + texts_size(listing, count);
        if (*size + more > room)
            break;
        *size += more;
        count++;
    }
    return count;
}

/* Where the next entry does not fit: a single one tells its size, several end here with the terminator. */
static NTSTATUS listing_give(struct listing *listing, void *buffer, ULONG length, bool single, ULONG *context,
                             ULONG position, ULONG *returned)
{
    size_t size, count = listing_fit(listing, length, &size);
    NTSTATUS status = count < listing->count ? STATUS_MORE_ENTRIES : STATUS_SUCCESS;
    ULONG told = (ULONG)size;
    position += (ULONG)count;
    if (!listing->count) {
        status = STATUS_NO_MORE_ENTRIES;
    } else if (single && !count) {
        status = STATUS_BUFFER_TOO_SMALL;
        told += (ULONG)(sizeof(struct directory_entry) + texts_size(listing, 0));
    }
    if (NT_SUCCESS(status) && length >= size) {
        char *image = calloc(1, size);
        if (!image)
            return STATUS_NO_MEMORY;
        listing_lay(listing, count, image, (uintptr_t)buffer);
        bool written = nt_write(buffer, image, size);
        free(image);
        if (!written)
            return STATUS_ACCESS_VIOLATION;
    }
    if ((NT_SUCCESS(status) && !NT_PUT(context, position)) || (returned && !NT_PUT(returned, told)))
        return STATUS_ACCESS_VIOLATION;
    return status;
}

NTSTATUS NtQueryDirectoryObject(HANDLE handle, void *buffer, ULONG length, BOOLEAN single, BOOLEAN restart,
                                ULONG *context, ULONG *returned)
{
    struct nt_object *directory;
    struct listing listing = {0};
    ULONG position = 0;
    if (!restart && !NT_GET(position, context))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_DIRECTORY, DIRECTORY_QUERY, &directory, NULL, NULL);
    if (!status)
        listing_take(&listing, (struct ob_directory *)directory, position, single ? 1 : SIZE_MAX);
    nt_unlock();
    if (!status)
        status = listing.status;
    if (!status)
        status = listing_give(&listing, buffer, length, single, context, position, returned);
    listing_free(&listing);
    return status;
}

/* ---- symbolic links ---------------------------------------------------------------------------------- */

static void symlink_init(struct nt_object *object, void *context)
{
    const struct nt_string *target = context;
    struct ob_symlink *link = (struct ob_symlink *)object;
    link->length = target->length;
    memcpy(link->target, target->text, target->length * sizeof(WCHAR));
}

NTSTATUS NtCreateSymbolicLinkObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes,
                                    const UNICODE_STRING *guest_target)
{
    UNICODE_STRING head;
    struct nt_string target;
    if (!NT_GET(head, guest_target))
        return STATUS_ACCESS_VIOLATION;
    if (!head.maximum || head.length % sizeof(WCHAR))
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_string_capture(guest_target, &target);
    if (status)
        return status;
    uint32_t size = (uint32_t)(sizeof(struct ob_symlink) + (target.length + 1) * sizeof(WCHAR));
    status = nt_object_make(handle, access, attributes, NT_SYMLINK, size, symlink_init, &target);
    free(target.text);
    return status;
}

NTSTATUS NtOpenSymbolicLinkObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_SYMLINK);
}

/* Text and terminator must fit; `returned` tells their size either way. */
NTSTATUS NtQuerySymbolicLinkObject(HANDLE handle, UNICODE_STRING *guest_target, ULONG *returned)
{
    UNICODE_STRING target;
    struct nt_object *object;
    if (!NT_GET(target, guest_target))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(handle, NT_SYMLINK, SYMBOLIC_LINK_QUERY, &object, NULL, NULL);
    if (status)
        return status;
    /* What a link says never changes, and the reference keeps it there: no lock. */
    const struct ob_symlink *link = (const struct ob_symlink *)object;
    ULONG size = (ULONG)((link->length + 1) * sizeof(WCHAR));
    if (target.maximum < size)
        status = STATUS_BUFFER_TOO_SMALL;
    else if (!nt_write(target.buffer, link->target, size))
        status = STATUS_ACCESS_VIOLATION;
    target.length = (USHORT)(size - sizeof(WCHAR));
    if ((!status && !NT_PUT(guest_target, target)) || (returned && !NT_PUT(returned, size)))
        status = STATUS_ACCESS_VIOLATION;
    nt_object_release(object);
    return status;
}
