#include "pe/loadconfig.h"

#define fail_config(error, number, at, found, clause)                                                                 \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_VA, .where = at, .got = found,        \
            .text = clause, .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

/* As much of the structure as the linker vouches for in its `size`; the rest zero. The directory's Size says nothing:
 * linkers for PE32 wrote 64 there for the sake of Windows XP, however long the structure was. */
static bool read_config(const struct pe_image *image, void *out, uint32_t most, uint32_t *size)
{
    pe_rva at = image->directory[PE_DIRECTORY_LOAD_CONFIG].rva;
    memset(out, 0, most);
    if (!pe_read_rva(image, at, size, sizeof(*size)))
        return false;
    return pe_read_rva(image, at, out, *size < 4 ? 4 : *size < most ? *size : most);
}

/* The wider shape of the fields that somebody here looks at. */
static void widen(const struct pe_load_config32 *from, struct pe_load_config64 *to)
{
    memset(to, 0, sizeof(*to));
#define TAKE(field) to->field = from->field
    TAKE(size);
    TAKE(global_flags_clear);
    TAKE(global_flags_set);
    TAKE(dependent_load_flags);
    TAKE(security_cookie);
    TAKE(se_handler_table);
    TAKE(se_handler_count);
    TAKE(guard_cf_check_function_pointer);
    TAKE(guard_cf_dispatch_function_pointer);
    TAKE(guard_cf_function_table);
    TAKE(guard_cf_function_count);
    TAKE(guard_flags);
    TAKE(guard_address_taken_iat_entry_table);
    TAKE(guard_address_taken_iat_entry_count);
    TAKE(guard_long_jump_target_table);
    TAKE(guard_long_jump_target_count);
    TAKE(chpe_metadata_pointer);
    TAKE(guard_eh_continuation_table);
    TAKE(guard_eh_continuation_count);
#undef TAKE
}

struct taking {
    const struct pe_image *image;
    pe_va base;
    struct pe_error *error;
};

static bool take_pointer(const struct taking *t, uint64_t va, pe_rva *out)
{
    *out = pe_rva_at(0);
    return va == 0 || pe_rva_from_va(t->image, t->base, pe_va_at(va), out) ||
           fail_config(t->error, 111, va, 0, "a pointer of the load configuration leaves the image");
}

static bool take_table(const struct taking *t, uint64_t va, uint64_t count, uint32_t width, struct pe_config_table *out)
{
    memset(out, 0, sizeof(*out));
    if (va == 0 || count == 0)
        return true;
    if (!take_pointer(t, va, &out->rva))
        return false;
    if (count > t->image->size_of_image || count * width > pe_room_rva(t->image, out->rva))
        return fail_config(t->error, 112, va, count, "a table of the load configuration leaves the image");
    out->count = (uint32_t)count;
    out->width = width;
    return true;
}

bool pe_load_config_read(const struct pe_image *image, pe_va base, struct pe_load_config *out, struct pe_error *error)
{
    struct pe_load_config32 narrow;
    struct pe_load_config64 raw;
    struct taking t = {image, base, error};
    pe_rva at = image->directory[PE_DIRECTORY_LOAD_CONFIG].rva;
    bool read;

    memset(out, 0, sizeof(*out));
    if (at.value == 0)
        return pe_fail(error, .code = PE_NOT_FOUND, .text = "no load configuration");
    if (image->is_64) {
        read = read_config(image, &raw, sizeof(raw), &out->size);
    } else {
        read = read_config(image, &narrow, sizeof(narrow), &out->size);
        widen(&narrow, &raw);
    }
    if (!read)
        return pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = 110, .ladder = PE_LADDER_RVA, .where = at.value,
                       .text = "the load configuration lies outside the image", .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT);

    uint32_t width = 4 + (raw.guard_flags >> PE_GUARD_CF_FUNCTION_TABLE_SIZE_SHIFT);
    out->dependent_load_flags = raw.dependent_load_flags;
    out->global_flags_clear = raw.global_flags_clear;
    out->global_flags_set = raw.global_flags_set;
    out->guard_flags = raw.guard_flags;
    out->chpe_metadata = pe_va_at(raw.chpe_metadata_pointer);
    out->cookie_va = pe_va_at(raw.security_cookie);
    if (raw.security_cookie != 0 && (!pe_rva_from_va(image, base, out->cookie_va, &out->cookie) ||
                                     pe_room_rva(image, out->cookie) < (image->is_64 ? 8u : 4u)))
        return fail_config(error, 113, raw.security_cookie, 0, "the security cookie lies outside the image");
    out->has_seh_table = !image->is_64 && out->size >= offsetof(struct pe_load_config32, guard_cf_check_function_pointer) &&
                         raw.se_handler_table != 0;
    if (!image->is_64 && !take_table(&t, raw.se_handler_table, raw.se_handler_count, 4, &out->seh))
        return false;
    if (!take_pointer(&t, raw.guard_cf_check_function_pointer, &out->guard_check) ||
        !take_pointer(&t, raw.guard_cf_dispatch_function_pointer, &out->guard_dispatch) ||
        !take_table(&t, raw.guard_cf_function_table, raw.guard_cf_function_count, width, &out->guard_functions) ||
        !take_table(&t, raw.guard_address_taken_iat_entry_table, raw.guard_address_taken_iat_entry_count, width,
                    &out->guard_iat_entries) ||
        !take_table(&t, raw.guard_long_jump_target_table, raw.guard_long_jump_target_count, width,
                    &out->guard_long_jumps) ||
        !take_table(&t, raw.guard_eh_continuation_table, raw.guard_eh_continuation_count, width,
                    &out->guard_eh_continuations))
        return false;
    pe_done(error);
    return true;
}

bool pe_config_table_at(const struct pe_image *image, const struct pe_config_table *table, uint32_t index, pe_rva *entry)
{
    uint64_t at = table->rva.value + (uint64_t)index * table->width;
    return index < table->count && at < image->size_of_image &&
           pe_read_rva(image, pe_rva_at((uint32_t)at), &entry->value, sizeof(entry->value));
}
