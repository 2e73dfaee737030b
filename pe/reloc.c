#include "pe/reloc.h"

#define fail_reloc(error, number, at, found, wanted, clause, status)                                                  \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .got = found,       \
            .want = wanted, .text = clause, .ntstatus = status)

/* begin cannot fail, so a table that is not there in bytes is kept as a size without data; next tells it. */
void pe_reloc_blocks_begin(struct pe_reloc_block *cursor, const struct pe_image *image)
{
    struct pe_directory directory = image->directory[PE_DIRECTORY_BASERELOC];

    memset(cursor, 0, sizeof(*cursor));
    cursor->image = image;
    if (directory.rva.value == 0 || directory.size == 0)
        return;
    if (!pe_slice_rva(image, directory.rva, directory.size, &cursor->table))
        cursor->table = (struct pe_span){NULL, directory.size};
}

bool pe_reloc_blocks_next(struct pe_reloc_block *cursor, struct pe_error *error)
{
    const struct pe_image *image = cursor->image;
    uint64_t at = cursor->at, where = image->directory[PE_DIRECTORY_BASERELOC].rva.value + at;
    struct pe_base_relocation header;

    if (cursor->table.data == NULL && cursor->table.size != 0)
        return fail_reloc(error, 60, where, cursor->table.size, 0, "the relocation table is not all in the image",
                          PE_STATUS_INVALID_IMAGE_FORMAT);
    if (!pe_span_read(cursor->table, at, &header, sizeof(header)))
        return pe_done(error); /* fewer than 8 bytes are left: rounding, not a block */
    uint32_t size = header.size_of_block;
    if (size < sizeof(header) || size % 2 != 0)
        return fail_reloc(error, 61, where, size, sizeof(header), "a relocation block below 8 bytes or of odd size",
                          PE_STATUS_INVALID_IMAGE_FORMAT);
    if (!pe_span_slice(cursor->table, at + sizeof(header), size - sizeof(header), &cursor->entries))
        return fail_reloc(error, 62, where, size, cursor->table.size - at, "a relocation block reaches beyond its table",
                          PE_STATUS_INVALID_IMAGE_FORMAT);
    if (header.virtual_address >= image->size_of_image)
        return fail_reloc(error, 63, where, header.virtual_address, image->size_of_image,
                          "a relocation block for a page outside the image", PE_STATUS_ACCESS_VIOLATION);

    cursor->at = at + size;
    cursor->page = pe_rva_at(header.virtual_address);
    cursor->count = (uint32_t)(cursor->entries.size / 2);
    cursor->room = pe_room_rva(image, cursor->page);
    pe_done(error);
    return true;
}

int pe_reloc_width(unsigned type)
{
    switch (type) {
    case PE_REL_ABSOLUTE: return 0;
    case PE_REL_HIGH:
    case PE_REL_LOW:
    case PE_REL_HIGHADJ: return 2;
    case PE_REL_HIGHLOW: return 4;
    case PE_REL_DIR64: return 8;
    }
    return -1;
}

static uint16_t entry_at(const struct pe_reloc_block *block, uint32_t index)
{
    uint16_t entry;
    memcpy(&entry, block->entries.data + (uint64_t)index * 2, sizeof(entry));
    return entry;
}

/* A fix-up may cross from one section into the next one: both ends must be memory. */
static bool fixup_is_memory(const struct pe_reloc_block *block, uint64_t rva, uint32_t width)
{
    if (rva - block->page.value + width <= block->room)
        return true;
    return rva + width <= block->image->size_of_image && pe_room_rva(block->image, pe_rva_at((uint32_t)rva)) != 0 &&
           pe_room_rva(block->image, pe_rva_at((uint32_t)rva + width - 1)) != 0;
}

bool pe_reloc_fixup(const struct pe_reloc_block *block, uint32_t index, struct pe_fixup *out, struct pe_error *error)
{
    pe_assert(index < block->count);
    uint16_t entry = entry_at(block, index);
    unsigned type = entry >> 12;
    int width = pe_reloc_width(type);
    uint64_t rva = (uint64_t)block->page.value + (entry & 0xfff);

    if (width < 0)
        return fail_reloc(error, 64, rva, type, PE_REL_DIR64, "an unknown type of relocation",
                          PE_STATUS_INVALID_IMAGE_FORMAT);
    if (width > 0 && !fixup_is_memory(block, rva, (uint32_t)width))
        return fail_reloc(error, 65, rva, rva + (uint32_t)width, block->image->size_of_image,
                          "a relocation of bytes outside the image", PE_STATUS_ACCESS_VIOLATION);
    *out = (struct pe_fixup){.type = (uint8_t)type, .rva = pe_rva_at((uint32_t)rva), .taken = 1};
    if (type == PE_REL_HIGHADJ) {
        if (block->count - index < 2)
            return fail_reloc(error, 66, rva, 1, 2, "a HIGHADJ relocation without its second half",
                              PE_STATUS_INVALID_IMAGE_FORMAT);
        out->parameter = entry_at(block, index + 1);
        out->taken = 2;
    }
    pe_done(error);
    return true;
}
