/* Crossing from one ladder to another, and the bytes behind an RVA.
 *
 * pe_open has proved the section table; but the bytes under it may belong to a running guest, so every answer
 * here is checked against the span again and a table that changes meanwhile gives wrong answers, never a bad read. */
#include "pe/image.h"

#define PAGE   4096u
#define SECTOR 0x200u

static uint64_t align_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint32_t header_size(const struct pe_section_header *header)
{
    return header->virtual_size ? header->virtual_size : header->size_of_raw_data;
}

/* Rules 25 and 26: which bytes of the file a section of a stretched image takes. */
static void section_raw(const struct pe_image *image, struct pe_section *section)
{
    uint64_t pointer = section->raw_off_field, size = section->raw_size_field;
    if (pointer == 0 || size == 0)
        return;
    uint64_t start = pointer & ~(uint64_t)(SECTOR - 1);
    uint64_t end = align_up(pointer + size, image->file_alignment > SECTOR ? image->file_alignment : SECTOR);
    uint64_t raw = smaller(end - start, align_up(pointer + size - start, PAGE));
    raw = smaller(raw, align_up(section->size, PAGE));
    if (image->form == PE_FORM_FILE)
        raw = start < image->file_size ? smaller(raw, image->file_size - start) : 0;
    section->raw_off = pe_off_at(start);
    section->raw_size = (uint32_t)smaller(raw, UINT32_MAX);
}

static void section_decode(const struct pe_image *image, const struct pe_section_header *header, struct pe_section *section)
{
    memset(section, 0, sizeof(*section));
    memcpy(section->name, header->name, PE_SECTION_NAME_SIZE);
    section->rva = pe_rva_at(header->virtual_address);
    section->virtual_size = header->virtual_size;
    section->raw_size_field = header->size_of_raw_data;
    section->raw_off_field = header->pointer_to_raw_data;
    section->size = header_size(header);
    section->characteristics = header->characteristics;
    if (!image->is_flat) {
        section_raw(image, section);
        return;
    }
    section->raw_off = pe_off_at(section->raw_off_field);
    section->raw_size = section->raw_size_field;
    if (image->form == PE_FORM_FILE) {
        uint64_t there = section->raw_off_field < image->file_size ? image->file_size - section->raw_off_field : 0;
        section->raw_size = (uint32_t)smaller(section->raw_size, there);
    }
}

void pe_section_at(const struct pe_image *image, unsigned index, struct pe_section *section)
{
    struct pe_section_header header;
    pe_assert(index < image->section_count);
    if (!pe_span_read(image->bytes, image->section_table.value + (uint64_t)index * sizeof(header), &header, sizeof(header)))
        memset(&header, 0, sizeof(header));
    section_decode(image, &header, section);
}

/* The sections that can be searched. In an image that was stretched from a longer table, another section may lie where
 * the table's end was. */
static uint32_t table_count(const struct pe_image *image)
{
    uint32_t room = image->section_table.value < image->size_of_headers ? image->size_of_headers - (uint32_t)image->section_table.value : 0;
    uint32_t fit = room / (uint32_t)sizeof(struct pe_section_header);
    return image->form == PE_FORM_MAPPED && fit < image->section_count ? fit : image->section_count;
}

/* The fields of the table that a search needs are compared in place: this runs for every name that is imported.
 * Sections rise, but for those of a flat image. */
static bool find_header(const struct pe_image *image, pe_rva rva, struct pe_section_header *header)
{
    struct pe_span table;
    uint32_t low = 0, high = table_count(image);

    if (rva.value >= image->size_of_image ||
        !pe_span_slice(image->bytes, image->section_table.value, high * (uint64_t)sizeof(*header), &table))
        return false;
    while (low < high) {
        uint32_t fields[3]; /* VirtualSize, VirtualAddress, SizeOfRawData */
        uint32_t middle = image->is_flat ? low : low + (high - low) / 2;
        const uint8_t *at = table.data + middle * sizeof(*header);
        memcpy(fields, at + offsetof(struct pe_section_header, virtual_size), sizeof(fields));
        uint64_t bytes = fields[0] ? fields[0] : fields[2];
        if (rva.value >= fields[1] && rva.value - fields[1] < align_up(bytes, PAGE)) {
            memcpy(header, at, sizeof(*header));
            /* Another thread may have written between the two reads. */
            return header->virtual_address <= rva.value;
        }
        if (image->is_flat || rva.value >= fields[1])
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool pe_section_find(const struct pe_image *image, pe_rva rva, struct pe_section *section)
{
    struct pe_section_header header;
    if (!find_header(image, rva, &header))
        return false;
    section_decode(image, &header, section);
    return true;
}

/* The image's end of the section, whole pages. */
static uint64_t header_end(const struct pe_image *image, const struct pe_section_header *header)
{
    return smaller((uint64_t)header->virtual_address + align_up(header_size(header), PAGE), image->size_of_image);
}

bool pe_rest_rva(const struct pe_image *image, pe_rva rva, struct pe_span *out)
{
    struct pe_section_header header;
    struct pe_section section;
    struct pe_span whole;
    bool mapped = image->form == PE_FORM_MAPPED;

    if (rva.value >= image->size_of_image)
        return false;
    if (image->is_flat) {
        whole.data = image->bytes.data;
        whole.size = smaller(image->bytes.size, image->size_of_image);
        return rva.value < whole.size && pe_span_rest(whole, rva.value, out);
    }
    uint32_t headers = mapped ? image->headers_room : image->size_of_headers;
    if (rva.value < headers)
        return pe_span_slice(image->bytes, rva.value, headers - rva.value, out);
    if (!find_header(image, rva, &header))
        return false;
    if (!mapped) {
        section_decode(image, &header, &section);
        uint32_t inside = rva.value - section.rva.value;
        return inside < section.raw_size &&
               pe_span_slice(image->bytes, section.raw_off.value + inside, section.raw_size - inside, out);
    }
    /* A section without any right is mapped without access: touching it would fault. */
    if ((header.characteristics & (PE_SCN_MEM_READ | PE_SCN_MEM_WRITE | PE_SCN_MEM_EXECUTE)) == 0)
        return false;
    uint64_t end = header_end(image, &header);
    return rva.value < end && pe_span_slice(image->bytes, rva.value, end - rva.value, out);
}

bool pe_slice_rva(const struct pe_image *image, pe_rva rva, uint32_t len, struct pe_span *out)
{
    struct pe_span rest;
    return pe_rest_rva(image, rva, &rest) && pe_span_slice(rest, 0, len, out);
}

uint32_t pe_room_rva(const struct pe_image *image, pe_rva rva)
{
    struct pe_section_header header;
    if (rva.value >= image->size_of_image)
        return 0;
    if (image->is_flat)
        return image->size_of_image - rva.value;
    if (rva.value < image->headers_room)
        return image->headers_room - rva.value;
    if (!find_header(image, rva, &header))
        return 0;
    uint64_t end = header_end(image, &header);
    return rva.value < end ? (uint32_t)(end - rva.value) : 0;
}

/* Each turn moves at least one byte on, and ends at the end of the image. */
bool pe_read_rva(const struct pe_image *image, pe_rva rva, void *out, uint32_t len)
{
    uint8_t *to = out;
    while (len != 0) {
        struct pe_span run;
        uint32_t step = pe_room_rva(image, rva);
        if (pe_rest_rva(image, rva, &run) && run.size != 0) {
            step = (uint32_t)smaller(run.size, len);
            memcpy(to, run.data, step);
        } else if (image->form == PE_FORM_FILE && step != 0 && image->bytes.size == image->file_size) {
            step = (uint32_t)smaller(step, len);
            memset(to, 0, step);
        } else {
            return false;
        }
        to += step;
        len -= step;
        rva.value += step;
    }
    return true;
}

bool pe_string_rva(const struct pe_image *image, pe_rva rva, uint32_t limit, const char **text, uint32_t *len)
{
    struct pe_span rest;
    return pe_rest_rva(image, rva, &rest) && pe_span_string(rest, 0, limit, text, len);
}

bool pe_rva_from_va(const struct pe_image *image, pe_va base, pe_va va, pe_rva *rva)
{
    if (va.value < base.value || va.value - base.value >= image->size_of_image)
        return false;
    *rva = pe_rva_at((uint32_t)(va.value - base.value));
    return true;
}

bool pe_off_from_rva(const struct pe_image *image, pe_rva rva, pe_off *off)
{
    struct pe_section section;
    if (rva.value >= image->size_of_image)
        return false;
    if (image->is_flat || rva.value < image->size_of_headers) {
        *off = pe_off_at(rva.value);
        return image->form == PE_FORM_MAPPED || rva.value < image->file_size;
    }
    if (!pe_section_find(image, rva, &section) || rva.value - section.rva.value >= section.raw_size)
        return false;
    *off = pe_off_at(section.raw_off.value + (rva.value - section.rva.value));
    return true;
}

bool pe_rva_from_off(const struct pe_image *image, pe_off off, pe_rva *rva)
{
    struct pe_section section;
    if (image->form == PE_FORM_FILE && off.value >= image->file_size)
        return false;
    if (image->is_flat ? off.value < image->size_of_image : off.value < image->size_of_headers) {
        *rva = pe_rva_at((uint32_t)off.value);
        return true;
    }
    if (image->is_flat)
        return false;
    for (unsigned i = 0; i < image->section_count; i++) {
        pe_section_at(image, i, &section);
        if (off.value < section.raw_off.value || off.value - section.raw_off.value >= section.raw_size)
            continue;
        uint64_t found = section.rva.value + (off.value - section.raw_off.value);
        if (found >= image->size_of_image)
            return false;
        *rva = pe_rva_at((uint32_t)found);
        return true;
    }
    return false;
}
