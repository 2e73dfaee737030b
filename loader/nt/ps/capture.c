/* Reads what the caller of NtCreateUserProcess gives: attribute list and process parameters. */
#include "loader/nt/ps/create.h"

#include <stdlib.h>
#include <string.h>

/* ---- attributes --------------------------------------------------------------------------------------- */

/* The number in an attribute's low word; the flags above it (thread, input, additive) follow from it. */
enum { ATTRIBUTE_PARENT = 0, ATTRIBUTE_DEBUG = 1, ATTRIBUTE_TOKEN = 2, ATTRIBUTE_CLIENT = 3, ATTRIBUTE_TEB = 4, ATTRIBUTE_IMAGE_NAME = 5,
       ATTRIBUTE_IMAGE_FACTS = 6, ATTRIBUTE_HANDLES = 11, ATTRIBUTE_JOBS = 19, ATTRIBUTE_NUMBER = 0xffff };

struct attribute { ULONG_PTR id; SIZE_T size; ULONG_PTR value; SIZE_T *returned; };

static NTSTATUS image_capture(const struct attribute *one, struct ps_wish *wish)
{
    if (!one->size || one->size > 0xfffe || one->size & 1)
        return STATUS_OBJECT_NAME_INVALID;
    free(wish->image);
    wish->image = malloc(one->size + sizeof(WCHAR));
    if (!wish->image)
        return STATUS_NO_MEMORY;
    wish->image_length = (unsigned)(one->size / sizeof(WCHAR));
    wish->image[wish->image_length] = 0;
    return nt_read(wish->image, (const void *)one->value, one->size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS handles_capture(const struct attribute *one, HANDLE **handles, unsigned *count)
{
    if (one->size % sizeof(HANDLE) || one->size / sizeof(HANDLE) > PS_LIST_LIMIT)
        return STATUS_INVALID_PARAMETER;
    free(*handles);
    *handles = malloc(one->size + sizeof(HANDLE));
    if (!*handles)
        return STATUS_NO_MEMORY;
    *count = (unsigned)(one->size / sizeof(HANDLE));
    return nt_read(*handles, (const void *)one->value, one->size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS attribute_take(const struct attribute *one, struct ps_wish *wish)
{
    switch (one->id & ATTRIBUTE_NUMBER) {
    case ATTRIBUTE_PARENT: wish->parent = one->value; break;
    case ATTRIBUTE_DEBUG: wish->debug = one->value; break;
    case ATTRIBUTE_TOKEN: wish->token = one->value; break;
    case ATTRIBUTE_CLIENT: wish->client = (void *)one->value, wish->client_size = one->size; break;
    case ATTRIBUTE_TEB: wish->teb = (void *)one->value, wish->teb_size = one->size; break;
    case ATTRIBUTE_IMAGE_FACTS: wish->facts = (void *)one->value, wish->facts_size = one->size; break;
    case ATTRIBUTE_IMAGE_NAME: return image_capture(one, wish);
    case ATTRIBUTE_HANDLES: return handles_capture(one, &wish->list, &wish->list_count);
    case ATTRIBUTE_JOBS: return handles_capture(one, &wish->jobs, &wish->job_count);
    }
    return STATUS_SUCCESS; /* memory reserves, priorities, mitigation: hints */
}

NTSTATUS ps_wish_capture(const SIZE_T *guest_list, struct ps_wish *wish)
{
    SIZE_T total;
    memset(wish, 0, sizeof *wish);
    if (!guest_list)
        return STATUS_INVALID_PARAMETER;
    if (!NT_GET(total, guest_list))
        return STATUS_ACCESS_VIOLATION;
    const struct attribute *next = (const struct attribute *)(guest_list + 1);
    for (SIZE_T left = total > sizeof total ? total - sizeof total : 0; left >= sizeof *next; left -= sizeof *next, next++) {
        struct attribute one;
        if (!NT_GET(one, next))
            return STATUS_ACCESS_VIOLATION;
        NTSTATUS status = attribute_take(&one, wish);
        if (status)
            return status;
    }
    return wish->image ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

void ps_wish_free(struct ps_wish *wish)
{
    free(wish->image);
    free(wish->list);
    free(wish->jobs);
}

/* ---- parameters --------------------------------------------------------------------------------------- */

enum { ENVIRONMENT_LIMIT = 16 << 20, BIRTH_LIMIT = 24 << 20 };

/* A block that grows. */
struct writer { uint8_t *bytes; size_t size, room; };

static bool grow(struct writer *to, size_t more)
{
    if (to->size + more <= to->room)
        return true;
    size_t room = (to->size + more) * 2;
    uint8_t *bytes = room <= 2 * (size_t)BIRTH_LIMIT ? realloc(to->bytes, room) : NULL;
    if (!bytes)
        return false;
    to->bytes = bytes;
    to->room = room;
    return true;
}

static NTSTATUS bytes_add(struct writer *to, const void *guest, size_t length, struct nt_birth_text *text)
{
    static const WCHAR end = 0;
    if (!grow(to, length + sizeof end))
        return STATUS_NO_MEMORY;
    if (length && !nt_read(to->bytes + to->size, guest, length))
        return STATUS_ACCESS_VIOLATION;
    *text = (struct nt_birth_text){(uint32_t)to->size, (uint32_t)length};
    memcpy(to->bytes + to->size + length, &end, sizeof end);
    to->size += length + sizeof end;
    return STATUS_SUCCESS;
}

/* Strings in a block that is not normalised are offsets from its beginning. */
static NTSTATUS string_add(struct writer *to, const struct nt_parameters *guest, const struct nt_parameters *copy,
                           const UNICODE_STRING *string, struct nt_birth_text *text)
{
    uintptr_t at = (uintptr_t)string->buffer;
    if (at && !(copy->flags & NT_PARAMETERS_NORMALIZED))
        at += (uintptr_t)guest;
    return bytes_add(to, (const void *)at, at ? string->length & ~1u : 0, text);
}

/* The block ends with an empty string; its size is told by some callers only. */
static NTSTATUS environment_length(const WCHAR *guest, size_t *length)
{
    WCHAR piece[512], before = 1;
    for (size_t units = 0; units * sizeof(WCHAR) < ENVIRONMENT_LIMIT;) {
        size_t page = (4096 - ((uintptr_t)(guest + units) & 4095)) / sizeof(WCHAR), count = page < 512 ? page : 512;
        if (!count)
            count = 1; /* an odd address */
        if (!nt_read(piece, guest + units, count * sizeof(WCHAR)))
            return STATUS_ACCESS_VIOLATION;
        for (size_t i = 0; i < count; i++, units++) {
            if (!piece[i] && !before) {
                *length = (units + 1) * sizeof(WCHAR);
                return STATUS_SUCCESS;
            }
            if (!piece[i] && !units) { /* empty: some write one NUL only */
                *length = sizeof(WCHAR);
                return STATUS_SUCCESS;
            }
            before = piece[i];
        }
    }
    return STATUS_INVALID_PARAMETER;
}

static NTSTATUS environment_add(struct writer *to, const struct nt_parameters *copy, struct nt_birth_text *text)
{
    size_t length = 0;
    NTSTATUS status = copy->environment ? environment_length(copy->environment, &length) : STATUS_SUCCESS;
    return status ? status : bytes_add(to, copy->environment, length, text);
}

static void numbers_take(const struct nt_parameters *from, struct nt_birth *to)
{
    to->console_flags = from->console_flags;
    to->console = from->console;
    to->standard[0] = from->standard_input;
    to->standard[1] = from->standard_output;
    to->standard[2] = from->standard_error;
    to->x = from->x, to->y = from->y, to->x_size = from->x_size, to->y_size = from->y_size;
    to->x_chars = from->x_chars, to->y_chars = from->y_chars, to->fill = from->fill;
    to->start_flags = from->start_flags;
    to->show_window = from->show_window;
    to->process_group = from->process_group;
}

NTSTATUS ps_birth_capture(const struct nt_parameters *guest, struct nt_birth **birth)
{
    struct nt_parameters copy;
    struct nt_birth head = {0};
    struct writer block = {0};
    *birth = NULL;
    if (!guest)
        return STATUS_INVALID_PARAMETER;
    if (!NT_GET(copy, guest))
        return STATUS_ACCESS_VIOLATION;
    const struct { const UNICODE_STRING *from; struct nt_birth_text *to; } strings[] = {
        {&copy.directory, &head.directory}, {&copy.dll_path, &head.dll_path}, {&copy.image_path, &head.image_path},
        {&copy.command_line, &head.command_line}, {&copy.title, &head.title}, {&copy.desktop, &head.desktop},
        {&copy.shell, &head.shell}, {&copy.runtime, &head.runtime},
    };
    numbers_take(&copy, &head);
    NTSTATUS status = grow(&block, sizeof head) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    block.size = sizeof head;
    for (size_t i = 0; !status && i < sizeof strings / sizeof *strings; i++)
        status = string_add(&block, guest, &copy, strings[i].from, strings[i].to);
    if (!status)
        status = environment_add(&block, &copy, &head.environment);
    if (status) {
        free(block.bytes);
        return status;
    }
    head.size = (uint32_t)block.size;
    memcpy(block.bytes, &head, sizeof head);
    *birth = (struct nt_birth *)block.bytes;
    return STATUS_SUCCESS;
}
