/* Bound imports: which DLLs, of which time stamp, the addresses in the IAT were computed for. Read for reports only;
 * the loader binds anew, as every system does whose DLLs move. */
#ifndef PE_BOUND_H
#define PE_BOUND_H

#include "pe/image.h"

struct pe_bound {              /* cursor over DLLs and the forwarders behind each, and where it stands */
    const struct pe_image *image;
    struct pe_span table;
    uint64_t at;               /* offset of the NEXT entry in table */
    uint32_t forwarders;       /* entries still to come that belong to the current DLL */
    const char *name;          /* points into the image */
    uint32_t name_len;
    uint32_t timestamp;
    bool is_forwarder;         /* reached through a forwarder of the DLL told before */
};

/* False at the end (error->code PE_OK; so too without a directory) or at a broken entry. */
void pe_bound_begin(struct pe_bound *cursor, const struct pe_image *image);
bool pe_bound_next(struct pe_bound *cursor, struct pe_error *error);

#endif
