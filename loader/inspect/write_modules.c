/* JSON of the modules. */
#include "loader/inspect/inspect.h"
#include "pe/delay.h"
#include "pe/exception.h"
#include "pe/import.h"
#include "pe/layout.h"
#include "pe/loadconfig.h"
#include "pe/reloc.h"
#include "pe/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Foreign text of known length. */
static void foreign_write(struct json *json, const char *key, const char *text, size_t length)
{
    char *clean = malloc(length * 3 + 1);
    if (clean)
        utf8_from_bytes((const uint8_t *)text, length, clean);
    json->failed |= !clean;
    emit_text(json, key, clean ? clean : "");
    free(clean);
}

static void index_write(struct json *json, const char *key, int index)
{
    if (index >= 0)
        emit_number(json, key, index);
    else
        emit_null(json, key);
}

static void headers_write(const struct inspect_module *module, struct json *json)
{
    const struct pe_image *image = module->has_image ? &module->image : &module->source;
    emit_open(json, "headers", '{');
    emit_hex(json, "machine", image->machine);
    emit_hex(json, "timestamp", image->timestamp);
    emit_hex(json, "image_base", image->image_base.value);
    emit_hex(json, "entry", image->entry.value);
    emit_number(json, "size_of_image", image->size_of_image);
    emit_number(json, "size_of_headers", image->size_of_headers);
    emit_hex(json, "checksum", image->checksum);
    emit_number(json, "subsystem", image->subsystem);
    emit_hex(json, "characteristics", image->characteristics);
    emit_hex(json, "dll_characteristics", image->dll_characteristics);
    emit_number(json, "section_alignment", image->section_alignment);
    emit_number(json, "file_alignment", image->file_alignment);
    emit_close(json);
}

/* ---- sections and rights ---- */

static void rights_write(struct json *json, const char *key, int rights)
{
    char text[4];
    pe_rights_text(rights < 0 ? 0 : rights, text);
    emit_text(json, key, text);
}

/* The rights that the plan has for the section's first page. */
static int planned_rights(const struct pe_image *image, unsigned index)
{
    struct pe_layout layout;
    struct pe_region region;
    pe_layout_begin(&layout, image);
    while (pe_layout_next(&layout, &region))
        if (region.section == (int)index)
            return region.rights;
    return 0;
}

static void sections_write(const struct inspect_process *process, const struct inspect_module *module, struct json *json)
{
    const struct pe_image *image = module->has_source ? &module->source : &module->image;
    emit_open(json, "sections", '[');
    for (unsigned i = 0; i < image->section_count; i++) {
        struct pe_section section;
        pe_section_at(image, i, &section);
        uint64_t at = module->base + section.rva.value;
        int rights = inspect_rights_at(process, at);
        bool mixed = false;
        for (uint64_t page = PE_PAGE; page < section.size; page += PE_PAGE)
            mixed |= inspect_rights_at(process, at + page) != rights;
        emit_open(json, NULL, '{');
        foreign_write(json, "name", section.name, strlen(section.name));
        emit_hex(json, "rva", section.rva.value);
        emit_number(json, "size", section.size);
        if (mixed)
            emit_text(json, "rights", "mixed");
        else
            rights_write(json, "rights", rights);
        rights_write(json, "planned_rights", planned_rights(image, i));
        emit_hex(json, "raw_offset", section.raw_off.value);
        emit_number(json, "raw_size", section.raw_size);
        emit_hex(json, "characteristics", section.characteristics);
        emit_close(json);
    }
    emit_close(json);
}

static void protections_write(const struct inspect_process *process, const struct inspect_module *module, struct json *json)
{
    emit_open(json, "protections", '[');
    for (uint64_t from = 0, to; from < module->size; from = to) {
        int rights = inspect_rights_at(process, module->base + from);
        for (to = from + PE_PAGE; to < module->size && inspect_rights_at(process, module->base + to) == rights;)
            to += PE_PAGE;
        emit_open(json, NULL, '{');
        emit_hex(json, "rva", from);
        emit_number(json, "size", (int64_t)(to - from));
        rights_write(json, "rights", rights);
        emit_close(json);
    }
    emit_close(json);
}

/* ---- relocations ---- */

static void relocations_write(const struct inspect_module *module, struct json *json)
{
    const struct pe_image *image = module->has_source ? &module->source : &module->image;
    uint64_t delta = module->has_source ? module->base - module->source.image_base.value : 0;
    struct pe_reloc_block block;
    struct pe_error ignored = {0};
    emit_open(json, "relocations", '{');
    emit_yes(json, "applied", delta && module->cause && module->rebased);
    emit_hex(json, "delta", delta);
    emit_number(json, "count", module->fixups);
    emit_number(json, "pages", module->fixup_pages);
    emit_number(json, "rebased", module->rebased);
    emit_number(json, "other", module->other);
    emit_open(json, "by_page", '[');
    pe_reloc_blocks_begin(&block, image);
    while (pe_reloc_blocks_next(&block, &ignored)) {
        uint32_t count = 0;
        struct pe_fixup fixup;
        for (uint32_t i = 0; i < block.count && pe_reloc_fixup(&block, i, &fixup, &ignored); i += fixup.taken)
            count += pe_reloc_width(fixup.type) > 0;
        emit_open(json, NULL, '{');
        emit_hex(json, "rva", block.page.value);
        emit_number(json, "count", count);
        emit_close(json);
    }
    emit_close(json);
    emit_close(json);
}

/* ---- imports ---- */

static void target_write(const struct inspect_process *process, uint64_t value, const struct pe_import *import, struct json *json)
{
    const struct inspect_module *module = inspect_module_at(process, value);
    const struct inspect_export *export =
        inspect_export_at(process, value, import->by_ordinal ? NULL : import->name, import->by_ordinal ? 0 : import->name_len);
    if (!module) {
        emit_null(json, "target");
        return;
    }
    emit_open(json, "target", '{');
    emit_text(json, "module", module->name);
    if (export && export->name)
        foreign_write(json, "export", export->name, export->name_len);
    else if (export) {
        char ordinal[16];
        snprintf(ordinal, sizeof ordinal, "#%u", (unsigned)export->ordinal);
        emit_text(json, "export", ordinal);
    } else
        emit_null(json, "export");
    emit_hex(json, "rva", value - module->base);
    emit_close(json);
}

static void functions_write(const struct inspect_process *process, const struct inspect_module *module, struct pe_import *import,
                            struct json *json)
{
    struct pe_error ignored = {0};
    unsigned width = import->image->is_64 ? 8 : 4;
    emit_open(json, "functions", '[');
    while (pe_imports_next(import, &ignored)) {
        uint64_t value = inspect_value(module, import->slot.value, width);
        emit_open(json, NULL, '{');
        if (import->by_ordinal)
            emit_number(json, "ordinal", import->ordinal);
        else
            foreign_write(json, "name", import->name, import->name_len);
        emit_hex(json, "slot_rva", import->slot.value);
        emit_hex(json, "value", value);
        target_write(process, value, import, json);
        emit_close(json);
    }
    emit_close(json);
}

void inspect_write_imports(const struct inspect_process *process, const struct inspect_module *module, struct json *json)
{
    /* Names come from the file where there is one: in memory a table without a lookup table is overwritten. */
    const struct pe_image *image = module->has_source ? &module->source : &module->image;
    struct pe_import_module descriptor;
    struct pe_delay_module delay;
    struct pe_import import;
    struct pe_error ignored = {0};
    emit_open(json, "imports", '[');
    pe_import_modules_begin(&descriptor, image);
    while (pe_import_modules_next(&descriptor, &ignored)) {
        emit_open(json, NULL, '{');
        foreign_write(json, "module", descriptor.name, descriptor.name_len);
        emit_yes(json, "delayed", false);
        pe_imports_begin(&import, &descriptor);
        functions_write(process, module, &import, json);
        emit_close(json);
    }
    ignored = (struct pe_error){0};
    pe_delay_begin(&delay, image);
    while (pe_delay_next(&delay, &ignored)) {
        emit_open(json, NULL, '{');
        foreign_write(json, "module", delay.name, delay.name_len);
        emit_yes(json, "delayed", true);
        pe_delay_imports_begin(&import, &delay);
        functions_write(process, module, &import, json);
        emit_close(json);
    }
    emit_close(json);
}

/* ---- exceptions, TLS ---- */

static void exceptions_write(const struct inspect_module *module, struct json *json)
{
    const struct pe_directory *table = &module->image.directory[PE_DIRECTORY_EXCEPTION];
    struct pe_load_config config;
    struct pe_error ignored = {0};
    uint32_t functions = 0;
    bool sorted = true;
    emit_open(json, "exceptions", '{');
    if (module->image.machine == PE_MACHINE_AMD64 && table->rva.value) {
        functions = table->size / (uint32_t)sizeof(struct pe_runtime_function);
        for (uint32_t i = 1; i < functions; i++)
            sorted &= inspect_value(module, table->rva.value + (uint64_t)i * 12, 4) >=
                      inspect_value(module, table->rva.value + (uint64_t)(i - 1) * 12, 4);
    } else if (module->image.machine == PE_MACHINE_I386 &&
               pe_load_config_read(&module->image, pe_va_at(module->base), &config, &ignored))
        functions = config.seh.count;
    emit_hex_or_null(json, "rva", table->rva.value);
    emit_number(json, "size", table->size);
    emit_number(json, "functions", functions);
    emit_yes(json, "sorted", sorted);
    emit_close(json);
}

static void tls_write(const struct inspect_module *module, struct json *json)
{
    struct pe_tls tls;
    struct pe_error ignored = {0};
    bool is_file = module->has_source;
    if (pe_tls_read(is_file ? &module->source : &module->image, is_file ? module->source.image_base : pe_va_at(module->base), &tls,
                    &ignored) && tls.index.value)
        emit_number(json, "tls_index", (int64_t)inspect_value(module, tls.index.value, 4));
    else
        emit_null(json, "tls_index");
}

/* ---- a module ---- */

static void module_write(const struct inspect_process *process, const struct inspect_module *module, struct json *json)
{
    uint64_t preferred = module->has_source ? module->source.image_base.value : module->image.image_base.value;
    emit_open(json, NULL, '{');
    emit_text(json, "name", module->name);
    emit_text(json, "path", module->path);
    emit_text(json, "file", module->has_source ? module->file : NULL);
    if (module->has_source) {
        emit_number(json, "file_size", (int64_t)module->bytes.size);
        emit_hex(json, "file_hash", inspect_hash(module->bytes.data, (size_t)module->bytes.size));
    }
    emit_hex(json, "base", module->base);
    emit_number(json, "size", (int64_t)module->size);
    emit_hex_or_null(json, "entry", module->entry);
    emit_hex(json, "preferred", preferred);
    emit_yes(json, "moved", module->base != preferred);
    emit_text(json, "found", module->listed ? "lists" : "memory");
    index_write(json, "load_order", module->load_order);
    index_write(json, "memory_order", module->memory_order);
    index_write(json, "init_order", module->init_order);
    if (module->has_entry) {
        emit_number(json, "load_count", module->load_count);
        emit_hex(json, "flags", module->flags);
    } else {
        emit_null(json, "load_count");
        emit_null(json, "flags");
    }
    tls_write(module, json);
    headers_write(module, json);
    sections_write(process, module, json);
    protections_write(process, module, json);
    relocations_write(module, json);
    inspect_write_imports(process, module, json);
    exceptions_write(module, json);
    inspect_write_changes(module, json);
    emit_close(json);
}

void inspect_write_modules(const struct inspect_process *process, struct json *json)
{
    emit_open(json, "modules", '[');
    for (size_t i = 0; i < process->module_count; i++)
        if (process->modules[i].has_image || process->modules[i].has_source)
            module_write(process, &process->modules[i], json);
    emit_close(json);
}
