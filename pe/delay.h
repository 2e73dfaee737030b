/* Delay imports: descriptors of IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT. Attribute bit 0 = the fields are RVAs;
 * otherwise they are VAs that count from the preferred base (Visual C++ 6), and so are the names in the lookup table. */
#ifndef PE_DELAY_H
#define PE_DELAY_H

#include "pe/import.h"

struct pe_delay_module {
    const struct pe_image *image;
    pe_rva descriptor;    /* of the NEXT */
    uint32_t attributes;
    const char *name;     /* points into the image */
    uint32_t name_len;
    pe_rva module_handle, iat, lookup, bound_iat, unload_iat;
    uint32_t timestamp;
};

/* As with imports: false with PE_OK at the end, or where there is no table; false with an error at a broken one. */
void pe_delay_begin(struct pe_delay_module *cursor, const struct pe_image *image);
bool pe_delay_next(struct pe_delay_module *cursor, struct pe_error *error);
/* The module's functions, through the same cursor as ordinary imports. */
void pe_delay_imports_begin(struct pe_import *cursor, const struct pe_delay_module *module);

#endif
