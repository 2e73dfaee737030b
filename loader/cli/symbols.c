/* The COFF symbol table of an image (PE Format, "COFF Symbol Table"): 18 bytes each, strings behind them. */
#include "loader/cli/symbols.h"

#include <stdio.h>

enum { RECORD = 18, CLASS_EXTERNAL = 2, CLASS_STATIC = 3, TYPE_FUNCTION = 2 };

bool cli_symbols_place(const struct pe_image *image, uint64_t *symbols, uint64_t *strings)
{
    struct pe_file_header header;
    if (!pe_span_read(image->bytes, image->nt_headers.value + 4, &header, sizeof header) || !header.pointer_to_symbol_table)
        return false;
    *symbols = header.pointer_to_symbol_table;
    *strings = *symbols + (uint64_t)header.number_of_symbols * RECORD;
    return *strings <= image->bytes.size;
}

/* Eight characters in place, or four zero bytes and an offset into the strings. */
static void name_take(const struct pe_image *image, uint64_t at, uint64_t strings, struct cli_symbol *symbol)
{
    uint32_t zero, offset, length;
    const char *text;
    struct pe_span bytes;
    if (!pe_span_u32(image->bytes, at, &zero) || !pe_span_u32(image->bytes, at + 4, &offset) ||
        !pe_span_slice(image->bytes, at, 8, &bytes))
        return;
    if (zero)
        snprintf(symbol->name, sizeof symbol->name, "%.8s", (const char *)bytes.data);
    else if (pe_span_string(image->bytes, strings + offset, PE_NAME_LIMIT, &text, &length))
        snprintf(symbol->name, sizeof symbol->name, "%s", text);
}

bool cli_symbol_find(const struct pe_image *image, pe_rva rva, struct cli_symbol *symbol)
{
    uint64_t symbols, strings, best = 0;
    uint32_t nearest = UINT32_MAX;
    if (!cli_symbols_place(image, &symbols, &strings))
        return false;
    for (uint64_t at = symbols; at + RECORD <= strings;) {
        uint32_t value = 0;
        uint16_t number = 0, type = 0;
        uint8_t class = 0, extra = 0;
        struct pe_section section;
        pe_span_u32(image->bytes, at + 8, &value);
        pe_span_u16(image->bytes, at + 12, &number);
        pe_span_u16(image->bytes, at + 14, &type);
        pe_span_u8(image->bytes, at + 16, &class);
        pe_span_u8(image->bytes, at + 17, &extra);
        if (number && number <= image->section_count && type >> 4 == TYPE_FUNCTION && (class == CLASS_EXTERNAL || class == CLASS_STATIC)) {
            pe_section_at(image, number - 1u, &section);
            uint64_t start = (uint64_t)section.rva.value + value;
            bool holds = rva.value >= section.rva.value && rva.value - section.rva.value < section.size;
            if (holds && start <= rva.value && rva.value - start < nearest) {
                nearest = rva.value - (uint32_t)start;
                best = at;
            }
        }
        at += RECORD * (1u + extra);
    }
    if (nearest == UINT32_MAX)
        return false;
    symbol->name[0] = 0;
    symbol->offset = nearest;
    name_take(image, best, strings, symbol);
    return symbol->name[0];
}
