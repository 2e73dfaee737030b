#include "pe/tls.h"

#define DEFAULT_ALIGNMENT 16u
#define ALIGNMENT_SHIFT   20

#define fail_tls(error, number, at, found, clause)                                                                    \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_VA, .where = at, .got = found,        \
            .text = clause, .ntstatus = PE_STATUS_ACCESS_VIOLATION)

/* Both kinds of directory in the wider shape. */
static bool read_directory(const struct pe_image *image, pe_rva rva, struct pe_tls_directory64 *out)
{
    struct pe_tls_directory32 narrow;
    if (image->is_64)
        return pe_read_rva(image, rva, out, sizeof(*out));
    if (!pe_read_rva(image, rva, &narrow, sizeof(narrow)))
        return false;
    out->start_address_of_raw_data = narrow.start_address_of_raw_data;
    out->end_address_of_raw_data = narrow.end_address_of_raw_data;
    out->address_of_index = narrow.address_of_index;
    out->address_of_callbacks = narrow.address_of_callbacks;
    out->size_of_zero_fill = narrow.size_of_zero_fill;
    out->characteristics = narrow.characteristics;
    return true;
}

/* The same bits as a section's alignment: 1 means 1 byte, 14 means 8192; 0 and 15 say nothing. */
static uint32_t alignment_of(uint32_t characteristics)
{
    uint32_t code = (characteristics & PE_SCN_ALIGN_MASK) >> ALIGNMENT_SHIFT;
    return code == 0 || code == 15 ? DEFAULT_ALIGNMENT : 1u << (code - 1);
}

bool pe_tls_read(const struct pe_image *image, pe_va base, struct pe_tls *tls, struct pe_error *error)
{
    pe_rva at = image->directory[PE_DIRECTORY_TLS].rva;
    struct pe_tls_directory64 raw;

    memset(tls, 0, sizeof(*tls));
    if (at.value == 0)
        return pe_fail(error, .code = PE_NOT_FOUND, .text = "no TLS directory");
    if (!read_directory(image, at, &raw))
        return pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = 70, .ladder = PE_LADDER_RVA, .where = at.value,
                       .text = "the TLS directory lies outside the image", .ntstatus = PE_STATUS_ACCESS_VIOLATION);

    uint64_t start = raw.start_address_of_raw_data, end = raw.end_address_of_raw_data;
    if (end < start)
        return fail_tls(error, 71, start, end, "the initial TLS data end before they begin");
    if (end > start) {
        if (!pe_rva_from_va(image, base, pe_va_at(start), &tls->data) || end - start > pe_room_rva(image, tls->data))
            return fail_tls(error, 71, start, end, "the initial TLS data lie outside the image");
        tls->data_size = (uint32_t)(end - start);
    }
    if (raw.address_of_index != 0 &&
        (!pe_rva_from_va(image, base, pe_va_at(raw.address_of_index), &tls->index) || pe_room_rva(image, tls->index) < 4))
        return fail_tls(error, 72, raw.address_of_index, 0, "the TLS index lies outside the image");
    if (raw.address_of_callbacks != 0 && !pe_rva_from_va(image, base, pe_va_at(raw.address_of_callbacks), &tls->callbacks))
        return fail_tls(error, 73, raw.address_of_callbacks, 0, "the list of TLS callbacks lies outside the image");
    tls->zero_fill = raw.size_of_zero_fill;
    tls->alignment = alignment_of(raw.characteristics);
    pe_done(error);
    return true;
}

bool pe_tls_callback(const struct pe_image *image, const struct pe_tls *tls, pe_va base, uint32_t index, pe_rva *callback,
                     struct pe_error *error)
{
    uint32_t width = image->is_64 ? 8 : 4;
    uint64_t at = tls->callbacks.value + (uint64_t)index * width, va = 0;

    if (tls->callbacks.value == 0)
        return pe_done(error);
    if (at >= image->size_of_image || !pe_read_rva(image, pe_rva_at((uint32_t)at), &va, width))
        return fail_tls(error, 73, base.value + at, 0, "the list of TLS callbacks runs out of the image");
    if (va == 0)
        return pe_done(error);
    if (!pe_rva_from_va(image, base, pe_va_at(va), callback))
        return fail_tls(error, 74, base.value + at, va, "a TLS callback lies outside the image");
    pe_done(error);
    return true;
}
