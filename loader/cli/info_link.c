/* The tables that connect modules: imports, delay imports, exports, bound imports. */
#include "loader/cli/info.h"
#include "pe/bound.h"
#include "pe/delay.h"
#include "pe/export.h"
#include "pe/import.h"

static const struct output_column import_columns[] = {
    {"module", "module", OUTPUT_TEXT, 28}, {"function", "function", OUTPUT_TEXT, 36}, {"ordinal", "ordinal", OUTPUT_COUNT, 7},
    {"hint", "hint", OUTPUT_COUNT, 6}, {"slot", "slot (RVA)", OUTPUT_HEX, 10},
};
static const struct output_column module_columns[] = {
    {"module", "module", OUTPUT_TEXT, 36}, {"functions", "functions", OUTPUT_COUNT, 9}, {"iat", "IAT (RVA)", OUTPUT_HEX, 10},
};

/* One module's functions, row by row; returns how many. */
static uint32_t functions_tell(struct info *info, const char *table, const char *module, uint32_t module_length,
                               struct pe_import *cursor)
{
    struct pe_error error = {0};
    uint32_t count = 0;
    for (; pe_imports_next(cursor, &error); count++)
        if (!info->summary)
            output_row(&info->out, OUTPUT_COLUMNS(import_columns), OUTPUT_VALUES({.text = module, .length = module_length},
                       {.text = cursor->by_ordinal ? NULL : cursor->name, .length = cursor->name_len},
                       {.number = cursor->ordinal, .none = !cursor->by_ordinal},
                       {.number = cursor->hint, .none = cursor->by_ordinal}, {.number = cursor->slot.value}));
    info_fault(info, table, &error);
    return count;
}

static void begin(struct info *info, const char *key, const char *title)
{
    if (info->summary)
        output_table_begin(&info->out, key, title, OUTPUT_COLUMNS(module_columns));
    else
        output_table_begin(&info->out, key, title, OUTPUT_COLUMNS(import_columns));
}

static void module_tell(struct info *info, const char *name, uint32_t length, uint32_t count, pe_rva iat)
{
    if (info->summary)
        output_row(&info->out, OUTPUT_COLUMNS(module_columns), OUTPUT_VALUES({.text = name, .length = length},
                   {.number = count}, {.number = iat.value}));
}

void info_imports(struct info *info)
{
    struct pe_import_module module;
    struct pe_import import;
    struct pe_error error = {0};
    if (!info_wants(info, PE_DIRECTORY_IMPORT))
        return;
    begin(info, "imports", "Imports");
    pe_import_modules_begin(&module, info->image);
    while (pe_import_modules_next(&module, &error)) {
        pe_imports_begin(&import, &module);
        uint32_t count = functions_tell(info, "imports", module.name, module.name_len, &import);
        module_tell(info, module.name, module.name_len, count, module.iat);
    }
    info_fault(info, "imports", &error);
    output_table_end(&info->out);
}

void info_delay(struct info *info)
{
    struct pe_delay_module module;
    struct pe_import import;
    struct pe_error error = {0};
    if (!info_wants(info, PE_DIRECTORY_DELAY_IMPORT))
        return;
    begin(info, "delay_imports", "Delay imports");
    pe_delay_begin(&module, info->image);
    while (pe_delay_next(&module, &error)) {
        pe_delay_imports_begin(&import, &module);
        uint32_t count = functions_tell(info, "delay imports", module.name, module.name_len, &import);
        module_tell(info, module.name, module.name_len, count, module.iat);
    }
    info_fault(info, "delay imports", &error);
    output_table_end(&info->out);
}

static const struct output_column export_columns[] = {
    {"ordinal", "ordinal", OUTPUT_COUNT, 7}, {"rva", "RVA", OUTPUT_HEX, 10}, {"name", "name", OUTPUT_TEXT, 44},
    {"forwarder", "forwarded to", OUTPUT_TEXT, 0},
};

static void export_tell(struct info *info, const struct pe_export *export)
{
    output_row(&info->out, OUTPUT_COLUMNS(export_columns), OUTPUT_VALUES({.number = export->ordinal},
               {.number = export->rva.value, .none = export->forwarder != NULL},
               {.text = export->name, .length = export->name_len}, {.text = export->forwarder, .length = export->forwarder_len}));
}

/* Every name in the table's own order; then functions without a name. */
static void exports_list(struct info *info, const struct pe_exports *exports)
{
    enum { LIMIT = 65536 }; /* ordinals are 16 bits wide: what a file claims beyond cannot be reached */
    uint8_t named[LIMIT / 8] = {0};
    struct pe_export export;
    uint16_t index;
    output_table_begin(&info->out, "exports", "Exports", OUTPUT_COLUMNS(export_columns));
    for (uint32_t i = 0; i < exports->name_count; i++) {
        if (pe_export_name_at(exports, i, &export))
            export_tell(info, &export);
        if (pe_span_u16(exports->ordinals, (uint64_t)i * 2, &index))
            named[index / 8] |= (uint8_t)(1u << index % 8);
    }
    for (uint32_t i = 0; i < exports->function_count && i < LIMIT; i++)
        if (!(named[i / 8] >> i % 8 & 1) && pe_export_at(exports, i, &export))
            export_tell(info, &export);
    output_table_end(&info->out);
}

void info_exports(struct info *info)
{
    struct pe_exports exports;
    struct pe_error error = {0};
    static const struct output_column columns[] = {
        {"dll_name", "name", OUTPUT_TEXT, 0}, {"ordinal_base", "first ordinal", OUTPUT_COUNT, 0},
        {"functions", "functions", OUTPUT_COUNT, 0}, {"names", "with a name", OUTPUT_COUNT, 0},
    };
    if (!info_wants(info, PE_DIRECTORY_EXPORT))
        return;
    if (!pe_exports_open(&exports, info->image, &error)) {
        info_fault(info, "exports", &error);
        output_table_begin(&info->out, "exports", "Exports", OUTPUT_COLUMNS(export_columns));
        output_table_end(&info->out);
        return;
    }
    output_record(&info->out, "export_table", "Export table", OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = exports.dll_name},
                  {.number = exports.base}, {.number = exports.function_count}, {.number = exports.name_count}));
    if (!info->summary)
        exports_list(info, &exports);
}

void info_bound(struct info *info)
{
    static const struct output_column columns[] = {
        {"module", "module", OUTPUT_TEXT, 28}, {"timestamp", "time stamp", OUTPUT_HEX, 10}, {"forwarder", "through a forwarder", OUTPUT_YES, 0},
    };
    struct pe_bound cursor;
    struct pe_error error = {0};
    if (!info_wants(info, PE_DIRECTORY_BOUND_IMPORT))
        return;
    output_table_begin(&info->out, "bound_imports", "Bound imports", OUTPUT_COLUMNS(columns));
    pe_bound_begin(&cursor, info->image);
    while (pe_bound_next(&cursor, &error))
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = cursor.name, .length = cursor.name_len},
                   {.number = cursor.timestamp}, {.number = cursor.is_forwarder}));
    info_fault(info, "bound imports", &error);
    output_table_end(&info->out);
}
