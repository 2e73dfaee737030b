#include "pe/debug.h"

void pe_debug_begin(struct pe_debug *cursor, const struct pe_image *image)
{
    struct pe_directory directory = image->directory[PE_DIRECTORY_DEBUG];
    memset(cursor, 0, sizeof(*cursor));
    cursor->image = image;
    if (directory.rva.value != 0)
        cursor->count = directory.size / (uint32_t)sizeof(struct pe_debug_directory);
}

bool pe_debug_next(struct pe_debug *cursor, struct pe_error *error)
{
    struct pe_debug_directory raw;
    uint64_t at = cursor->image->directory[PE_DIRECTORY_DEBUG].rva.value + (uint64_t)cursor->index * sizeof(raw);

    if (cursor->index >= cursor->count)
        return pe_done(error);
    if (at >= cursor->image->size_of_image || !pe_read_rva(cursor->image, pe_rva_at((uint32_t)at), &raw, sizeof(raw)))
        return pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = 120, .ladder = PE_LADDER_RVA, .where = at,
                       .text = "an entry of the debug directory lies outside the image");
    cursor->index++;
    cursor->type = raw.type;
    cursor->timestamp = raw.time_date_stamp;
    cursor->size = raw.size_of_data;
    cursor->rva = pe_rva_at(raw.address_of_raw_data);
    cursor->off = pe_off_at(raw.pointer_to_raw_data);
    pe_done(error);
    return true;
}

bool pe_debug_bytes(const struct pe_debug *entry, struct pe_span *out)
{
    if (entry->rva.value != 0)
        return pe_slice_rva(entry->image, entry->rva, entry->size, out);
    return entry->image->form == PE_FORM_FILE && pe_span_slice(entry->image->bytes, entry->off.value, entry->size, out);
}

bool pe_debug_codeview(const struct pe_debug *entry, struct pe_codeview *out)
{
    struct pe_span bytes;
    uint32_t signature;

    memset(out, 0, sizeof(*out));
    if (entry->type != PE_DEBUG_TYPE_CODEVIEW || !pe_debug_bytes(entry, &bytes) || !pe_span_u32(bytes, 0, &signature))
        return false;
    if (signature == PE_CODEVIEW_RSDS) {
        struct pe_codeview_rsds raw;
        if (!pe_span_read(bytes, 0, &raw, sizeof(raw)))
            return false;
        memcpy(out->guid, raw.guid, sizeof(out->guid));
        out->age = raw.age;
        return pe_span_string(bytes, sizeof(raw), PE_NAME_LIMIT, &out->pdb, &out->pdb_len);
    }
    if (signature == PE_CODEVIEW_NB10) {
        struct pe_codeview_nb10 raw;
        if (!pe_span_read(bytes, 0, &raw, sizeof(raw)))
            return false;
        out->signature = raw.time_date_stamp;
        out->age = raw.age;
        return pe_span_string(bytes, sizeof(raw), PE_NAME_LIMIT, &out->pdb, &out->pdb_len);
    }
    return false;
}

const char *pe_debug_type_name(uint32_t type)
{
    switch (type) {
    case PE_DEBUG_TYPE_COFF: return "COFF";
    case PE_DEBUG_TYPE_CODEVIEW: return "codeview";
    case PE_DEBUG_TYPE_FPO: return "FPO";
    case PE_DEBUG_TYPE_MISC: return "misc";
    case PE_DEBUG_TYPE_EXCEPTION: return "exception";
    case PE_DEBUG_TYPE_FIXUP: return "fixup";
    case PE_DEBUG_TYPE_OMAP_TO_SRC: return "OMAP to source";
    case PE_DEBUG_TYPE_OMAP_FROM_SRC: return "OMAP from source";
    case PE_DEBUG_TYPE_BORLAND: return "Borland";
    case PE_DEBUG_TYPE_CLSID: return "CLSID";
    case PE_DEBUG_TYPE_VC_FEATURE: return "VC feature";
    case PE_DEBUG_TYPE_POGO: return "POGO";
    case PE_DEBUG_TYPE_ILTCG: return "ILTCG";
    case PE_DEBUG_TYPE_MPX: return "MPX";
    case PE_DEBUG_TYPE_REPRO: return "repro";
    case PE_DEBUG_TYPE_EX_DLLCHARACTERISTICS: return "extended DLL characteristics";
    }
    return "unknown";
}
