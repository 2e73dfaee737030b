/* The TLS directory, with addresses already turned into RVAs (in the file they are VAs that relocation rewrites). */
#ifndef PE_TLS_H
#define PE_TLS_H

#include "pe/image.h"

struct pe_tls {
    pe_rva data;             /* start of the initial block */
    uint32_t data_size;      /* bytes of initial values */
    uint32_t zero_fill;      /* bytes of zeroes behind them */
    pe_rva index;            /* where the slot's number (uint32) goes; 0: nowhere */
    pe_rva callbacks;        /* array of VAs, ends with 0; 0: none */
    uint32_t alignment;      /* bytes, 1..8192, power of two; default 16 */
};

/* `base` is the address that the directory's VAs count from: the preferred base in a file, the actual base in a
 * relocated image. False with PE_NOT_FOUND where there is none. */
bool pe_tls_read(const struct pe_image *image, pe_va base, struct pe_tls *tls, struct pe_error *error);
/* The index-th callback. False at the list's end (error->code PE_OK) or where it leaves the image. */
bool pe_tls_callback(const struct pe_image *image, const struct pe_tls *tls, pe_va base, uint32_t index, pe_rva *callback,
                     struct pe_error *error);

#endif
