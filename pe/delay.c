#include "pe/delay.h"

#define fail_delay(error, number, at, clause)                                                                         \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .text = clause,     \
            .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

void pe_delay_begin(struct pe_delay_module *cursor, const struct pe_image *image)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->image = image;
    cursor->descriptor = image->directory[PE_DIRECTORY_DELAY_IMPORT].rva;
}

/* One field: already an RVA, or a VA of the preferred base. 0 stays 0 (the tables that are not there). */
static bool field_rva(const struct pe_delay_module *cursor, uint32_t attributes, uint32_t field, pe_rva *rva)
{
    *rva = pe_rva_at(field);
    if (field == 0)
        return true;
    if (attributes & PE_DELAY_RVA_BASED)
        return field < cursor->image->size_of_image;
    return pe_rva_from_va(cursor->image, cursor->image->image_base, pe_va_at(field), rva);
}

bool pe_delay_next(struct pe_delay_module *cursor, struct pe_error *error)
{
    struct pe_delay_descriptor raw;
    uint32_t at = cursor->descriptor.value;
    pe_rva name;

    if (at == 0)
        return pe_done(error);
    if (!pe_read_rva(cursor->image, cursor->descriptor, &raw, sizeof(raw)))
        return fail_delay(error, 80, at, "a delay import descriptor lies outside the image");
    if (raw.dll_name_rva == 0)
        return pe_done(error);
    uint32_t attributes = raw.attributes;
    if (!field_rva(cursor, attributes, raw.dll_name_rva, &name) ||
        !field_rva(cursor, attributes, raw.module_handle_rva, &cursor->module_handle) ||
        !field_rva(cursor, attributes, raw.import_address_table_rva, &cursor->iat) ||
        !field_rva(cursor, attributes, raw.import_name_table_rva, &cursor->lookup) ||
        !field_rva(cursor, attributes, raw.bound_import_address_table_rva, &cursor->bound_iat) ||
        !field_rva(cursor, attributes, raw.unload_information_table_rva, &cursor->unload_iat))
        return fail_delay(error, 81, at, "a field of a delay import descriptor points outside the image");
    if (!pe_string_rva(cursor->image, name, PE_NAME_LIMIT, &cursor->name, &cursor->name_len))
        return fail_delay(error, 81, name.value, "the name of a delay-loaded module lies outside the image");

    cursor->attributes = attributes;
    cursor->timestamp = raw.time_date_stamp;
    cursor->descriptor = pe_rva_at(at + (uint32_t)sizeof(raw));
    pe_done(error);
    return true;
}

void pe_delay_imports_begin(struct pe_import *cursor, const struct pe_delay_module *module)
{
    struct pe_import_module ordinary = {.image = module->image, .lookup = module->lookup, .iat = module->iat};
    pe_imports_begin(cursor, &ordinary);
    if ((module->attributes & PE_DELAY_RVA_BASED) == 0)
        cursor->name_bias = module->image->image_base.value;
}
