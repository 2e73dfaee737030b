/* The three ladders of a PE image, as three types that the compiler keeps apart.
 *
 *   off   a byte's place in the FILE           (what PointerToRawData counts)
 *   rva   its place in the IMAGE, from its base (what every data directory counts)
 *   va    its place in the ADDRESS SPACE        (base + rva)
 *
 * One function per crossing; nothing else turns one into another. */
#ifndef PE_ADDRESS_H
#define PE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct { uint64_t value; } pe_off;
typedef struct { uint32_t value; } pe_rva;
typedef struct { uint64_t value; } pe_va;

static inline pe_off pe_off_at(uint64_t value) { return (pe_off){value}; }
static inline pe_rva pe_rva_at(uint32_t value) { return (pe_rva){value}; }
static inline pe_va pe_va_at(uint64_t value) { return (pe_va){value}; }

struct pe_image;

/* rva -> va: base + rva. The sum wraps as the processor's would (32 bits for a PE32 is the caller's mask). */
static inline pe_va pe_va_from_rva(pe_va base, pe_rva rva) { return (pe_va){base.value + rva.value}; }

/* va -> rva. False where va lies outside [base, base + size_of_image). */
bool pe_rva_from_va(const struct pe_image *image, pe_va base, pe_va va /* foreign */, pe_rva *rva);

/* rva -> off. False where no byte of the file stands behind this rva (zero fill, gap, outside). */
bool pe_off_from_rva(const struct pe_image *image, pe_rva rva /* foreign */, pe_off *off);

/* off -> rva. False where the byte is not mapped into the image (overlay, slack). */
bool pe_rva_from_off(const struct pe_image *image, pe_off off /* foreign */, pe_rva *rva);

#endif
