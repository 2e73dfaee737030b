/* The export table: by name with a hint and binary search (linear where the table is not sorted), by ordinal. */
#ifndef PE_EXPORT_H
#define PE_EXPORT_H

#include "pe/image.h"

struct pe_exports {
    const struct pe_image *image;
    struct pe_span section;      /* bytes from the directory on, for the fast path of names */
    struct pe_directory dir;     /* forwarders are RVAs inside it */
    const char *dll_name;        /* may be NULL */
    uint32_t base;               /* ordinal of function 0 */
    uint32_t function_count, name_count;
    struct pe_span functions;    /* function_count * 4 bytes */
    struct pe_span names, ordinals; /* name_count * 4, name_count * 2 bytes */
};

struct pe_export {
    pe_rva rva;                  /* of function or datum; 0 with a forwarder */
    const char *forwarder;       /* "DLL.Name" or "DLL.#12", NULL: none; points into the image */
    uint32_t forwarder_len;
    uint32_t ordinal;            /* biased: index + base */
    const char *name;            /* NULL: by ordinal only */
    uint32_t name_len;
};

/* False where there is no export directory (PE_NOT_FOUND) or it is broken. */
bool pe_exports_open(struct pe_exports *exports, const struct pe_image *image, struct pe_error *error);

/* Looks `name` (len bytes, no NUL needed) up: the hint's place first, then binary search, which is proved by the
 * comparison itself and falls back to a linear walk where the neighbours are out of order. */
bool pe_export_by_name(const struct pe_exports *exports, const char *name, uint32_t len, uint32_t hint /* foreign */,
                       struct pe_export *out);
bool pe_export_by_ordinal(const struct pe_exports *exports, uint32_t ordinal /* foreign, biased */, struct pe_export *out);

/* The index-th function, 0 .. function_count-1, without its name. False: empty slot (RVA 0) or broken. */
bool pe_export_at(const struct pe_exports *exports, uint32_t index, struct pe_export *out);
/* The index-th name of the name table, 0 .. name_count-1. */
bool pe_export_name_at(const struct pe_exports *exports, uint32_t index, struct pe_export *out);
/* The export nearest at or below rva (for reports), with its name when it has one. Linear; not for hot paths. */
bool pe_export_nearest(const struct pe_exports *exports, pe_rva rva, struct pe_export *out);

#endif
