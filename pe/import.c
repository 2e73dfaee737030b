#include "pe/import.h"

static uint32_t thunk_width(const struct pe_image *image) { return image->is_64 ? 8 : 4; }

#define fail_import(error, number, at, clause)                                                                        \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .text = clause,     \
            .ntstatus = PE_STATUS_ACCESS_VIOLATION) /* the system walks into them, and the fault is the load's status */

void pe_import_modules_begin(struct pe_import_module *cursor, const struct pe_image *image)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->image = image;
    cursor->descriptor = image->directory[PE_DIRECTORY_IMPORT].rva;
}

/* Rule 51: a lookup table that does not lie in the image behind the headers is ignored; early Borland and
 * Watcom linkers left other things in that field. */
static pe_rva lookup_table(const struct pe_image *image, const struct pe_import_descriptor *descriptor)
{
    uint32_t table = descriptor->original_first_thunk;
    if (table < image->size_of_headers || table >= image->size_of_image)
        table = descriptor->first_thunk;
    return pe_rva_at(table);
}

bool pe_import_modules_next(struct pe_import_module *cursor, struct pe_error *error)
{
    const struct pe_image *image = cursor->image;
    struct pe_import_descriptor descriptor;
    uint32_t at = cursor->descriptor.value;

    if (at == 0)
        return pe_done(error);
    if (!pe_read_rva(image, cursor->descriptor, &descriptor, sizeof(descriptor)))
        return fail_import(error, 50, at, "an import descriptor lies outside the image");
    if (descriptor.name == 0 || descriptor.first_thunk == 0)
        return pe_done(error);
    if (!pe_string_rva(image, pe_rva_at(descriptor.name), PE_NAME_LIMIT, &cursor->name, &cursor->name_len))
        return fail_import(error, 53, descriptor.name, "the name of an imported module lies outside the image");

    cursor->descriptor = pe_rva_at(at + (uint32_t)sizeof(descriptor)); /* no wrap: the read proved it */
    cursor->lookup = lookup_table(image, &descriptor);
    cursor->iat = pe_rva_at(descriptor.first_thunk);
    cursor->timestamp = descriptor.time_date_stamp;
    pe_done(error);
    return true;
}

void pe_imports_begin(struct pe_import *cursor, const struct pe_import_module *module)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->image = module->image;
    cursor->slots = module->iat;
    cursor->lookup = module->lookup;
    cursor->slots_end = (uint64_t)module->iat.value + pe_room_rva(module->image, module->iat);
    if (!pe_rest_rva(module->image, module->lookup, &cursor->thunks))
        cursor->thunks = (struct pe_span){NULL, 0};
}

/* A table may end in a section's zero fill, or run on into the next section: then it is read piece by piece. */
static bool thunk_read(const struct pe_import *cursor, uint32_t width, uint64_t *thunk)
{
    uint64_t at = (uint64_t)cursor->index * width;
    *thunk = 0;
    if (at <= cursor->thunks.size && width <= cursor->thunks.size - at) {
        memcpy(thunk, cursor->thunks.data + at, width);
        return true;
    }
    at += cursor->lookup.value;
    return at < cursor->image->size_of_image && pe_read_rva(cursor->image, pe_rva_at((uint32_t)at), thunk, width);
}

static bool slot_is_memory(const struct pe_import *cursor, uint64_t slot, uint32_t width)
{
    if (slot + width <= cursor->slots_end)
        return true;
    if (slot + width > cursor->image->size_of_image)
        return false;
    return pe_room_rva(cursor->image, pe_rva_at((uint32_t)slot)) != 0 &&
           pe_room_rva(cursor->image, pe_rva_at((uint32_t)slot + width - 1)) != 0;
}

/* The bytes from a name on, to the end of its section. */
static bool name_bytes(struct pe_import *cursor, uint64_t name, struct pe_span *rest)
{
    uint64_t inside = name - cursor->names_at.value; /* wraps to a large number below it */
    if (inside < cursor->names.size)
        return pe_span_rest(cursor->names, inside, rest);
    if (name >= cursor->image->size_of_image || !pe_rest_rva(cursor->image, pe_rva_at((uint32_t)name), rest))
        return false;
    cursor->names_at = pe_rva_at((uint32_t)name);
    cursor->names = *rest;
    return true;
}

bool pe_imports_next(struct pe_import *cursor, struct pe_error *error)
{
    const struct pe_image *image = cursor->image;
    uint32_t width = thunk_width(image);
    uint64_t thunk, slot = cursor->slots.value + (uint64_t)cursor->index * width;

    if (!thunk_read(cursor, width, &thunk))
        return fail_import(error, 54, cursor->lookup.value, "a lookup table runs out of the image");
    if (thunk == 0)
        return pe_done(error);
    if (!slot_is_memory(cursor, slot, width))
        return fail_import(error, 55, slot, "a slot of an import address table lies outside the image");
    cursor->slot = pe_rva_at((uint32_t)slot);
    cursor->index++;

    cursor->by_ordinal = image->is_64 ? (thunk & PE_ORDINAL_FLAG64) != 0 : (thunk & PE_ORDINAL_FLAG32) != 0;
    if (cursor->by_ordinal) {
        cursor->ordinal = (uint16_t)thunk;
        cursor->hint = 0;
        cursor->name = NULL;
        cursor->name_len = 0;
        pe_done(error);
        return true;
    }

    struct pe_span rest;
    uint64_t name = thunk - cursor->name_bias;
    if (!name_bytes(cursor, name, &rest) || !pe_span_u16(rest, 0, &cursor->hint) || !pe_span_string(rest, 2, PE_NAME_LIMIT, &cursor->name, &cursor->name_len))
        return fail_import(error, 56, name, "the name of an imported function lies outside the image");
    cursor->ordinal = 0;
    pe_done(error);
    return true;
}
