#include "pe/layout.h"

static uint64_t page_up(uint64_t value) { return (value + PE_PAGE - 1) & ~(uint64_t)(PE_PAGE - 1); }

static int section_rights(uint32_t characteristics)
{
    int rights = 0;
    if (characteristics & PE_SCN_MEM_READ)
        rights |= PE_R;
    if (characteristics & PE_SCN_MEM_WRITE)
        rights |= PE_R | PE_W;
    if (characteristics & PE_SCN_MEM_EXECUTE)
        rights |= PE_X;
    return rights;
}

void pe_layout_begin(struct pe_layout *layout, const struct pe_image *image)
{
    memset(layout, 0, sizeof(*layout));
    layout->image = image;
}

/* The headers, or the whole of a flat image. Rule 26: what stands in the file behind the headers never shows. */
static void plan_headers(struct pe_layout *layout, struct pe_region *region)
{
    const struct pe_image *image = layout->image;
    uint64_t raw = image->size_of_headers;
    if (image->is_flat)
        raw = image->file_size < image->size_of_image ? image->file_size : image->size_of_image;
    region->kind = PE_REGION_HEADERS;
    region->size = (uint32_t)page_up(raw);
    region->raw_off = pe_off_at(0);
    region->raw_size = (uint32_t)raw;
    region->tail = region->size - region->raw_size;
    region->rights = image->is_flat ? PE_R | PE_W | PE_X : PE_R;
    region->mappable = true;
    region->section = -1;
    /* SizeOfHeaders may reach beyond the file. */
    if (!image->is_flat && image->headers_room > region->size) {
        layout->pending = (struct pe_region){.kind = PE_REGION_ZERO, .rva = pe_rva_at(region->size),
                                             .size = image->headers_room - region->size, .rights = PE_R, .section = -1};
        layout->has_pending = true;
    }
}

/* A section's part from the file, and its zero fill: one of the two, or both with the second kept pending. */
static void plan_section(struct pe_layout *layout, const struct pe_section *section, unsigned index, uint32_t size,
                         struct pe_region *region)
{
    region->rva = section->rva;
    region->rights = section_rights(section->characteristics);
    region->shared = (section->characteristics & PE_SCN_MEM_SHARED) && (section->characteristics & PE_SCN_MEM_WRITE);
    region->section = (int)index;

    uint32_t raw = section->raw_size < size ? section->raw_size : size;
    uint32_t file_pages = (uint32_t)page_up(raw);
    struct pe_region zero = *region;
    zero.kind = PE_REGION_ZERO;
    zero.rva = pe_rva_at(section->rva.value + file_pages);
    zero.size = size - file_pages;
    if (file_pages == 0) {
        *region = zero;
        return;
    }
    region->kind = PE_REGION_RAW;
    region->size = file_pages;
    region->raw_off = section->raw_off;
    region->raw_size = raw;
    region->tail = file_pages - raw;
    region->mappable = section->raw_off.value % PE_PAGE == 0;
    layout->pending = zero;
    layout->has_pending = zero.size != 0;
}

static void plan_gap(struct pe_layout *layout, uint32_t end, struct pe_region *region)
{
    region->kind = layout->image->is_flat ? PE_REGION_ZERO : PE_REGION_GAP;
    region->rights = layout->image->is_flat ? PE_R | PE_W | PE_X : 0;
    region->rva = pe_rva_at(layout->at);
    region->size = end - layout->at;
    region->section = -1;
}

/* Each turn begins at `at` and leaves it at the region's end, so the plan has no hole and no overlap by construction,
 * and ends at SizeOfImage. */
bool pe_layout_next(struct pe_layout *layout, struct pe_region *region)
{
    const struct pe_image *image = layout->image;
    struct pe_section section;

    if (layout->at >= image->size_of_image)
        return false;
    memset(region, 0, sizeof(*region));
    if (layout->at == 0 && (image->size_of_headers != 0 || image->is_flat)) {
        plan_headers(layout, region);
    } else if (layout->has_pending) {
        *region = layout->pending;
        layout->has_pending = false;
    } else {
        uint32_t end = image->size_of_image;
        unsigned count = image->is_flat ? 0 : image->section_count;
        while (layout->next < count) {
            pe_section_at(image, layout->next, &section);
            uint64_t section_end = section.rva.value + page_up(section.size);
            if (section.rva.value % PE_PAGE != 0 || section.rva.value < layout->at || section.size == 0 ||
                section_end > end) {
                layout->next++; /* the table changed after it was opened */
                continue;
            }
            if (section.rva.value > layout->at) {
                plan_gap(layout, section.rva.value, region);
            } else {
                plan_section(layout, &section, layout->next, (uint32_t)(section_end - section.rva.value), region);
                layout->next++;
            }
            break;
        }
        if (region->size == 0)
            plan_gap(layout, end, region);
    }
    layout->at = region->rva.value + region->size;
    return true;
}

void pe_rights_text(int rights, char text[4])
{
    text[0] = rights & PE_R ? 'R' : '-';
    text[1] = rights & PE_W ? 'W' : '-';
    text[2] = rights & PE_X ? 'X' : '-';
    text[3] = 0;
}
