/* layout = the PLAN: how the file's bytes are stretched into the image, decided before anything is mapped.
 *
 * A plan is a list of regions in rising RVA order that covers [0, size_of_image) without holes:
 * the headers, each section's file-backed part, its zero fill, and the gaps between.
 * A flat image (SectionAlignment below a page) is one HEADERS region with every right, the file as it is, and zero
 * fill behind it where the file is shorter than SizeOfImage. */
#ifndef PE_LAYOUT_H
#define PE_LAYOUT_H

#include "pe/image.h"

/* A set of bits; 0: no access. Write implies read, as no page of Windows is writable and not readable. Execute
 * alone stays alone (PAGE_EXECUTE): on x86 such a page can be read, which is the host's business. */
enum pe_rights { PE_R = 1, PE_W = 2, PE_X = 4 };

enum pe_region_kind {
    PE_REGION_HEADERS, /* file bytes [0, raw_size), rest of the last page zero */
    PE_REGION_RAW,     /* a section's part that comes from the file */
    PE_REGION_ZERO,    /* a section's part that reads as zero */
    PE_REGION_GAP,     /* belongs to the image, no access */
};

struct pe_region {
    enum pe_region_kind kind;
    pe_rva rva;            /* page-aligned */
    uint32_t size;         /* bytes in the image, page multiple */
    pe_off raw_off;        /* RAW, HEADERS: where the bytes start in the file */
    uint32_t raw_size;     /* RAW, HEADERS: bytes taken from the file, at most size */
    uint32_t tail;         /* bytes behind raw_size in the last file page that must read zero: size - raw_size */
    int rights;            /* PE_R | PE_W | PE_X once loading is done */
    bool shared;           /* IMAGE_SCN_MEM_SHARED and writable: one copy for all processes */
    bool mappable;         /* raw_off is page-aligned as rva is: the file's pages can be mapped */
    int section;           /* index into the section table, -1: headers or gap */
};

#define PE_PAGE 4096u

struct pe_layout {
    const struct pe_image *image;
    unsigned next;   /* cursor: next section to plan */
    uint32_t at;     /* RVA up to which the plan is told */
    struct pe_region pending; /* zero fill of the section just told */
    bool has_pending;
};

/* A cursor over the plan: begin, then next until it returns false. No state but the cursor, nothing allocated.
 * The regions depend on `image` being of PE_FORM_FILE or at least having the file's section table. */
void pe_layout_begin(struct pe_layout *layout, const struct pe_image *image);
bool pe_layout_next(struct pe_layout *layout, struct pe_region *region);

/* "R-X" for people: four bytes with NUL into `text`. */
void pe_rights_text(int rights, char text[4]);

#endif
