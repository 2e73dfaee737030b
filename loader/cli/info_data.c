/* The tables that a module has for itself: relocations, TLS, resources, load configuration, debug data. */
#include "loader/cli/info.h"
#include "pe/debug.h"
#include "pe/loadconfig.h"
#include "pe/reloc.h"
#include "pe/resource.h"
#include "pe/tls.h"

#include <string.h>

enum { TYPES = 16 };

static const char *const reloc_types[TYPES] = {"absolute (padding)", "high", "low", "highlow", "highadj", NULL, NULL, NULL, NULL, NULL, "dir64"};

/* One block's fix-ups counted by type. */
static void block_count(struct info *info, const struct pe_reloc_block *block, uint64_t *types)
{
    struct pe_fixup fixup;
    struct pe_error error = {0};
    for (uint32_t i = 0; i < block->count; i += fixup.taken) {
        if (!pe_reloc_fixup(block, i, &fixup, &error)) {
            info_fault(info, "relocations", &error);
            return;
        }
        types[fixup.type % TYPES]++;
    }
}

void info_relocs(struct info *info)
{
    static const struct output_column pages[] = {
        {"page", "page (RVA)", OUTPUT_HEX, 10}, {"fixups", "fix-ups", OUTPUT_COUNT, 8}, {"padding", "padding", OUTPUT_COUNT, 8},
        {"section", "in", OUTPUT_TEXT, 0},
    };
    static const struct output_column kinds[] = {
        {"type", "type", OUTPUT_COUNT, 4}, {"fixups", "fix-ups", OUTPUT_COUNT, 8}, {"name", "name", OUTPUT_TEXT, 0},
    };
    struct pe_reloc_block block;
    struct pe_error error = {0};
    uint64_t total[TYPES] = {0}, blocks = 0;
    if (!info_wants(info, PE_DIRECTORY_BASERELOC))
        return;
    if (!info->summary)
        output_table_begin(&info->out, "relocation_pages", "Relocations, page by page", OUTPUT_COLUMNS(pages));
    pe_reloc_blocks_begin(&block, info->image);
    for (; pe_reloc_blocks_next(&block, &error); blocks++) {
        uint64_t types[TYPES] = {0}, all = 0;
        block_count(info, &block, types);
        for (unsigned i = 0; i < TYPES; i++)
            total[i] += types[i], all += i ? types[i] : 0;
        if (!info->summary)
            output_row(&info->out, OUTPUT_COLUMNS(pages), OUTPUT_VALUES({.number = block.page.value}, {.number = all},
                       {.number = types[PE_REL_ABSOLUTE]}, {.text = info_place(info->image, block.page)}));
    }
    info_fault(info, "relocations", &error);
    if (!info->summary)
        output_table_end(&info->out);
    char title[80];
    snprintf(title, sizeof title, "Relocations by type, %llu blocks", (unsigned long long)blocks);
    output_table_begin(&info->out, "relocations", title, OUTPUT_COLUMNS(kinds));
    for (unsigned i = 0; i < TYPES; i++)
        if (total[i])
            output_row(&info->out, OUTPUT_COLUMNS(kinds), OUTPUT_VALUES({.number = i}, {.number = total[i]}, {.text = reloc_types[i]}));
    output_table_end(&info->out);
}

void info_tls(struct info *info)
{
    static const struct output_column columns[] = {
        {"data", "data (RVA)", OUTPUT_HEX, 0}, {"data_size", "initial values", OUTPUT_HEX, 0}, {"zero_fill", "zero fill", OUTPUT_HEX, 0},
        {"index", "index goes to (RVA)", OUTPUT_HEX, 0}, {"callbacks", "callbacks (RVA)", OUTPUT_HEX, 0}, {"alignment", "alignment", OUTPUT_COUNT, 0},
    };
    static const struct output_column callback_columns[] = {
        {"index", "#", OUTPUT_COUNT, 2}, {"rva", "RVA", OUTPUT_HEX, 10}, {"section", "in", OUTPUT_TEXT, 0},
    };
    const struct pe_image *image = info->image;
    struct pe_tls tls = {0};
    struct pe_error error = {0};
    pe_rva callback;
    if (!info_wants(info, PE_DIRECTORY_TLS))
        return;
    bool there = pe_tls_read(image, image->image_base, &tls, &error);
    info_fault(info, "TLS", &error);
    if (there)
        output_record(&info->out, "tls", "TLS", OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.number = tls.data.value},
                      {.number = tls.data_size}, {.number = tls.zero_fill}, {.number = tls.index.value, .none = !tls.index.value},
                      {.number = tls.callbacks.value, .none = !tls.callbacks.value}, {.number = tls.alignment}));
    output_table_begin(&info->out, "tls_callbacks", "TLS callbacks", OUTPUT_COLUMNS(callback_columns));
    for (uint32_t i = 0; there && tls.callbacks.value && pe_tls_callback(image, &tls, image->image_base, i, &callback, &error); i++)
        output_row(&info->out, OUTPUT_COLUMNS(callback_columns), OUTPUT_VALUES({.number = i + 1}, {.number = callback.value},
                   {.text = info_place(image, callback)}));
    if (there)
        info_fault(info, "TLS callbacks", &error);
    output_table_end(&info->out);
}

enum { ID_ROOM = 256 };

/* A resource's type or name as text: UTF-16 made UTF-8, a number as "#12" or the type's own word. */
static const char *id_text(const struct pe_resource_id *id, const char *word, char *text)
{
    size_t used = 0;
    if (!id->is_name) {
        snprintf(text, ID_ROOM, "#%u", id->number);
        return word ? word : text;
    }
    for (uint64_t at = 0; at + 2 <= id->name.size && used + 4 < ID_ROOM; at += 2) {
        uint16_t unit = 0;
        pe_span_u16(id->name, at, &unit);
        /* Names are upper-case ASCII in practice; what is beyond the three-byte range shows as two replacement marks. */
        unit = unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit;
        if (unit < 0x80)
            text[used++] = (char)unit;
        else if (unit < 0x800) {
            text[used++] = (char)(0xc0 | unit >> 6);
            text[used++] = (char)(0x80 | (unit & 0x3f));
        } else {
            text[used++] = (char)(0xe0 | unit >> 12);
            text[used++] = (char)(0x80 | (unit >> 6 & 0x3f));
            text[used++] = (char)(0x80 | (unit & 0x3f));
        }
    }
    text[used] = 0;
    return text;
}

void info_resources(struct info *info)
{
    static const struct output_column columns[] = {
        {"type", "type", OUTPUT_TEXT, 14}, {"name", "name", OUTPUT_TEXT, 20}, {"language", "language", OUTPUT_COUNT, 8},
        {"rva", "RVA", OUTPUT_HEX, 10}, {"size", "bytes", OUTPUT_COUNT, 9}, {"code_page", "code page", OUTPUT_COUNT, 9},
    };
    enum { SHORT = 20 };
    struct pe_resource_cursor cursor;
    struct pe_resource resource;
    struct pe_error error = {0};
    uint32_t count = 0;
    if (!info_wants(info, PE_DIRECTORY_RESOURCE))
        return;
    output_table_begin(&info->out, "resources", "Resources", OUTPUT_COLUMNS(columns));
    pe_resources_begin(&cursor, info->image);
    for (; pe_resources_next(&cursor, &resource, &error); count++) {
        char type[ID_ROOM], name[ID_ROOM];
        if (info->summary && count >= SHORT)
            continue;
        const char *word = resource.type.is_name ? NULL : pe_resource_type_name(resource.type.number);
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = id_text(&resource.type, word, type)},
                   {.text = id_text(&resource.name, NULL, name)}, {.number = resource.language}, {.number = resource.data.value},
                   {.number = resource.size}, {.number = resource.code_page}));
    }
    if (info->summary && count > SHORT)
        fprintf(info->out.stream, "  and %u more: --resources\n", count - SHORT);
    info_fault(info, "resources", &error);
    output_table_end(&info->out);
}

void info_load_config(struct info *info)
{
    static const struct output_column columns[] = {
        {"size", "size", OUTPUT_HEX, 0}, {"cookie", "security cookie (RVA)", OUTPUT_HEX, 0}, {"seh_table", "SafeSEH table (RVA)", OUTPUT_HEX, 0},
        {"seh_handlers", "SafeSEH handlers", OUTPUT_COUNT, 0}, {"guard_flags", "guard flags", OUTPUT_HEX, 0},
        {"guard_functions", "guarded functions", OUTPUT_COUNT, 0}, {"guard_iat_entries", "guarded IAT entries", OUTPUT_COUNT, 0},
        {"guard_long_jumps", "long-jump targets", OUTPUT_COUNT, 0}, {"dependent_load_flags", "dependent load", OUTPUT_HEX, 0},
    };
    struct pe_load_config config;
    struct pe_error error = {0};
    if (!info_wants(info, PE_DIRECTORY_LOAD_CONFIG))
        return;
    if (!pe_load_config_read(info->image, info->image->image_base, &config, &error)) {
        info_fault(info, "load configuration", &error);
        return;
    }
    output_record(&info->out, "load_config", "Load configuration", OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.number = config.size},
                  {.number = config.cookie.value, .none = !config.cookie.value},
                  {.number = config.seh.rva.value, .none = !config.has_seh_table},
                  {.number = config.seh.count, .none = !config.has_seh_table}, {.number = config.guard_flags},
                  {.number = config.guard_functions.count}, {.number = config.guard_iat_entries.count},
                  {.number = config.guard_long_jumps.count}, {.number = config.dependent_load_flags}));
}

void info_debug(struct info *info)
{
    static const struct output_column columns[] = {
        {"type", "type", OUTPUT_COUNT, 4}, {"type_name", "kind", OUTPUT_TEXT, 12}, {"timestamp", "time stamp", OUTPUT_HEX, 10},
        {"rva", "RVA", OUTPUT_HEX, 10}, {"offset", "offset", OUTPUT_HEX, 10}, {"size", "size", OUTPUT_HEX, 8}, {"pdb", "PDB", OUTPUT_TEXT, 0},
    };
    struct pe_debug entry;
    struct pe_error error = {0};
    if (!info_wants(info, PE_DIRECTORY_DEBUG))
        return;
    output_table_begin(&info->out, "debug", "Debug data", OUTPUT_COLUMNS(columns));
    pe_debug_begin(&entry, info->image);
    while (pe_debug_next(&entry, &error)) {
        struct pe_codeview view;
        bool has_pdb = pe_debug_codeview(&entry, &view);
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.number = entry.type}, {.text = pe_debug_type_name(entry.type)},
                   {.number = entry.timestamp}, {.number = entry.rva.value, .none = !entry.rva.value}, {.number = entry.off.value},
                   {.number = entry.size}, {.text = has_pdb ? view.pdb : NULL, .length = has_pdb ? view.pdb_len : 0}));
    }
    info_fault(info, "debug", &error);
    output_table_end(&info->out);
}
