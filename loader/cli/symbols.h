/* Names of functions from the COFF symbol table, which linkers of the GNU kind leave in the file behind all sections. */
#ifndef CLI_SYMBOLS_H
#define CLI_SYMBOLS_H

#include "pe/image.h"

struct cli_symbol { char name[96]; uint32_t offset; };

/* The function symbol nearest at or below rva, in the same section. False: the file has none. */
bool cli_symbol_find(const struct pe_image *image, pe_rva rva, struct cli_symbol *symbol);
/* Where the symbol table and the strings behind it begin, file offsets. False: none, or not in the file. */
bool cli_symbols_place(const struct pe_image *image, uint64_t *symbols, uint64_t *strings);

#endif
