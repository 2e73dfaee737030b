/* The debug directory: which debug data the file carries, and the name of its PDB. */
#ifndef PE_DEBUG_H
#define PE_DEBUG_H

#include "pe/image.h"

struct pe_debug {               /* cursor over entries, and the entry it stands on */
    const struct pe_image *image;
    uint32_t index, count;      /* index: of the NEXT entry */
    uint32_t type, timestamp;   /* PE_DEBUG_TYPE_* */
    uint32_t size;              /* bytes of data */
    pe_rva rva;                 /* 0: the data are not mapped */
    pe_off off;
};

/* False at the end (error->code PE_OK), or at an entry that lies outside the image. */
void pe_debug_begin(struct pe_debug *cursor, const struct pe_image *image);
bool pe_debug_next(struct pe_debug *cursor, struct pe_error *error);

/* The current entry's data: by RVA where they are mapped, else by file offset. False: not all there. */
bool pe_debug_bytes(const struct pe_debug *entry, struct pe_span *out);

/* A CodeView entry's record: where the PDB is, and the key that it must carry. */
struct pe_codeview {
    const char *pdb;            /* points into the image */
    uint32_t pdb_len;
    uint8_t guid[16];           /* RSDS; zero with NB10 */
    uint32_t signature;         /* NB10: time stamp; 0 with RSDS */
    uint32_t age;
};
bool pe_debug_codeview(const struct pe_debug *entry, struct pe_codeview *out);

/* "codeview", "pogo", ...: for people. */
const char *pe_debug_type_name(uint32_t type);

#endif
