/* The import table, walked as the loader walks it: descriptors until Name or FirstThunk is 0, thunks until 0. */
#ifndef PE_IMPORT_H
#define PE_IMPORT_H

#include "pe/image.h"

struct pe_import_module {          /* cursor over descriptors, and the descriptor it stands on */
    const struct pe_image *image;
    pe_rva descriptor;             /* of the NEXT descriptor */
    const char *name;              /* points into the image; trailing spaces as in the file */
    uint32_t name_len;
    pe_rva lookup;                 /* OriginalFirstThunk, or FirstThunk where that is 0 */
    pe_rva iat;                    /* FirstThunk: where addresses go */
    uint32_t timestamp;            /* bound-import stamp, 0: not bound */
};

struct pe_import {                 /* cursor over one module's thunks, and the thunk it stands on */
    const struct pe_image *image;
    struct pe_span thunks;         /* the whole run of the lookup table that is backed by bytes */
    uint32_t index;                /* of the NEXT thunk */
    pe_rva slot;                   /* IAT slot of the current thunk */
    pe_rva slots;                  /* IAT slot of thunk 0 */
    pe_rva lookup;                 /* of thunk 0 in the lookup table */
    uint64_t slots_end;            /* slots below this RVA lie in the section (or the headers) of slot 0 */
    uint64_t name_bias;            /* what names count from: 0 (RVAs), the image base in old delay imports */
    pe_rva names_at;               /* where the section's bytes behind the lowest name so far begin: most names lie there */
    struct pe_span names;
    bool by_ordinal;
    uint16_t ordinal;              /* by_ordinal */
    uint16_t hint;                 /* !by_ordinal */
    const char *name;              /* !by_ordinal; points into the image */
    uint32_t name_len;
};

/* The directory's Size is not looked at, as no loader looks at it (rule 52).
 * No import directory: begin succeeds, the first next returns false with error->code PE_OK.
 * next returns false at the end (error->code == PE_OK) or at a broken table (error filled). A slot that
 * pe_imports_next tells lies within the memory of the image, all its bytes. */
void pe_import_modules_begin(struct pe_import_module *cursor, const struct pe_image *image);
bool pe_import_modules_next(struct pe_import_module *cursor, struct pe_error *error);
void pe_imports_begin(struct pe_import *cursor, const struct pe_import_module *module);
bool pe_imports_next(struct pe_import *cursor, struct pe_error *error);

#endif
