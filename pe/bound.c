#include "pe/bound.h"

/* Binding tools put the table into the unused rest of the headers. Its Size covers the names too; offsets of names
 * are 16 bits from its start. */
void pe_bound_begin(struct pe_bound *cursor, const struct pe_image *image)
{
    struct pe_directory directory = image->directory[PE_DIRECTORY_BOUND_IMPORT];
    memset(cursor, 0, sizeof(*cursor));
    cursor->image = image;
    if (directory.rva.value != 0 && !pe_rest_rva(image, directory.rva, &cursor->table))
        cursor->table = (struct pe_span){NULL, 1};
}

bool pe_bound_next(struct pe_bound *cursor, struct pe_error *error)
{
    struct pe_bound_import_descriptor raw; /* a forwarder has the same shape */
    uint64_t at = cursor->image->directory[PE_DIRECTORY_BOUND_IMPORT].rva.value + cursor->at;

    if (cursor->table.size == 0)
        return pe_done(error);
    if (cursor->table.data == NULL || !pe_span_read(cursor->table, cursor->at, &raw, sizeof(raw)))
        return pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = 130, .ladder = PE_LADDER_RVA, .where = at,
                       .text = "the table of bound imports runs out of the image");
    cursor->is_forwarder = cursor->forwarders != 0;
    if (!cursor->is_forwarder && raw.offset_module_name == 0)
        return pe_done(error);
    if (!pe_span_string(cursor->table, raw.offset_module_name, PE_NAME_LIMIT, &cursor->name, &cursor->name_len))
        return pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = 131, .ladder = PE_LADDER_RVA, .where = at,
                       .got = raw.offset_module_name, .text = "the name of a bound import lies outside the image");
    cursor->forwarders = cursor->is_forwarder ? cursor->forwarders - 1 : raw.number_of_module_forwarder_refs;
    cursor->timestamp = raw.time_date_stamp;
    cursor->at += sizeof(raw);
    pe_done(error);
    return true;
}
