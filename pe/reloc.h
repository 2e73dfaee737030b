/* Base relocations: a cursor over blocks (one per page), and over the fix-ups of a block.
 * The walk ends at the directory's size, never at a zero block; a block below 8 bytes, of odd size or beyond the
 * directory is an error. Types: ABSOLUTE 0 (padding), HIGH 1, LOW 2, HIGHLOW 3, HIGHADJ 4 (takes two slots), DIR64 10. */
#ifndef PE_RELOC_H
#define PE_RELOC_H

#include "pe/image.h"

struct pe_reloc_block {
    struct pe_span table;   /* the whole directory */
    uint64_t at;            /* offset of the NEXT block in table */
    const struct pe_image *image;
    pe_rva page;            /* VirtualAddress of the block */
    struct pe_span entries; /* 2 bytes each: type << 12 | offset */
    uint32_t count;         /* entries.size / 2 */
    uint32_t room;          /* bytes from `page` to the end of the section that holds it; see below */
};

/* The fast way through a block: an entry whose offset + width is at most `room` patches memory of the page's own
 * section and needs no further check; a room of PE_RELOC_ROOM or more covers every entry. The others, and every type
 * but DIR64, HIGHLOW and ABSOLUTE, go through pe_reloc_fixup. */
#define PE_RELOC_ROOM 4103u /* 0xfff + 8 */

void pe_reloc_blocks_begin(struct pe_reloc_block *cursor, const struct pe_image *image);
/* False at the end (error->code PE_OK; so too where there is no table) or at a broken block. */
bool pe_reloc_blocks_next(struct pe_reloc_block *cursor, struct pe_error *error);

/* One entry, validated: index < count. HIGHADJ's parameter is the next entry: *taken says how many entries it used. */
struct pe_fixup { uint8_t type; pe_rva rva; uint16_t parameter; uint8_t taken; };
bool pe_reloc_fixup(const struct pe_reloc_block *block, uint32_t index, struct pe_fixup *out, struct pe_error *error);

/* Bytes that a fix-up of this type rewrites: 0, 2, 4 or 8; -1: unknown type. */
int pe_reloc_width(unsigned type);

#endif
