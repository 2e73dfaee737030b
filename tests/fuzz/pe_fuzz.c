/* Opens whatever comes and walks every table of it to the end, reading each byte that a cursor hands out: as a file,
 * stretched in memory as the plan says, and the file's bytes taken for memory. The sanitizers watch the reads, and
 * memory without access is poisoned for them; what the headers of pe/ promise is checked here. */
#include "pe/bound.h"
#include "pe/debug.h"
#include "pe/delay.h"
#include "pe/exception.h"
#include "pe/export.h"
#include "pe/image.h"
#include "pe/import.h"
#include "pe/layout.h"
#include "pe/loadconfig.h"
#include "pe/reloc.h"
#include "pe/resource.h"
#include "pe/tls.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int peload_fuzz_one(const uint8_t *data, size_t size);

/* A broken promise ends the process where a debugger can look at it. */
#define PROMISE(condition) ((condition) ? (void)0 : abort())

/* Walks are bounded by the file; look-ups inside them would make a large table take its size squared. */
enum { LOOKUPS = 64 };

static volatile unsigned sink;

static void touch(const void *bytes, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const uint8_t *)bytes)[i];
    sink += sum;
}

static void walk_layout(const struct pe_image *image)
{
    struct pe_layout layout;
    struct pe_region region;
    uint64_t at = 0;
    pe_layout_begin(&layout, image);
    while (pe_layout_next(&layout, &region)) {
        PROMISE(region.rva.value == at);
        PROMISE(region.size > 0 && region.size % PE_PAGE == 0);
        PROMISE(region.raw_size <= region.size);
        PROMISE(region.section < (int)image->section_count);
        if (region.raw_size > 0) {
            struct pe_span span;
            PROMISE(pe_span_slice(image->bytes, region.raw_off.value, region.raw_size, &span));
            touch(span.data, (size_t)span.size);
        }
        at += region.size;
    }
    PROMISE(at == image->size_of_image);
}

static void walk_addresses(const struct pe_image *image)
{
    for (unsigned i = 0; i < image->section_count; i++) {
        struct pe_section section;
        pe_section_at(image, i, &section);
        PROMISE(section.name[8] == '\0');
        pe_rva places[] = {section.rva, pe_rva_at(section.rva.value + section.size - 1),
                           pe_rva_at(section.rva.value + section.raw_size), pe_rva_at(section.virtual_size)};
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            pe_off off;
            struct pe_span span;
            if (pe_off_from_rva(image, places[p], &off))
                PROMISE(image->form != PE_FORM_FILE || off.value < image->bytes.size);
            if (pe_rest_rva(image, places[p], &span))
                touch(span.data, (size_t)(span.size < 64 ? span.size : 64));
            uint8_t few[16];
            if (pe_read_rva(image, places[p], few, sizeof few))
                touch(few, sizeof few);
            PROMISE(pe_room_rva(image, places[p]) <= image->size_of_image);
            const char *text;
            uint32_t len;
            if (pe_string_rva(image, places[p], PE_NAME_LIMIT, &text, &len))
                PROMISE(len <= PE_NAME_LIMIT && text[len] == '\0');
        }
        pe_rva back;
        (void)pe_rva_from_off(image, section.raw_off, &back);
    }
}

static void walk_imports(struct pe_import *imports)
{
    struct pe_error error;
    while (pe_imports_next(imports, &error)) {
        PROMISE(pe_room_rva(imports->image, imports->slot) != 0);
        if (!imports->by_ordinal)
            touch(imports->name, imports->name_len + 1u);
    }
}

static void walk_import_tables(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_import_module module;
    struct pe_delay_module delayed;
    struct pe_import imports;
    unsigned modules = 0;
    pe_import_modules_begin(&module, image);
    /* Many descriptors may name the same long thunk table. */
    while (modules++ < LOOKUPS && pe_import_modules_next(&module, &error)) {
        touch(module.name, module.name_len + 1u);
        pe_imports_begin(&imports, &module);
        walk_imports(&imports);
    }
    pe_delay_begin(&delayed, image);
    for (modules = 0; modules < LOOKUPS && pe_delay_next(&delayed, &error); modules++) {
        touch(delayed.name, delayed.name_len + 1u);
        pe_delay_imports_begin(&imports, &delayed);
        walk_imports(&imports);
    }
}

static void touch_export(const struct pe_export *export)
{
    if (export->name != NULL)
        touch(export->name, export->name_len);
    if (export->forwarder != NULL)
        touch(export->forwarder, export->forwarder_len);
}

static void walk_exports(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_exports exports;
    struct pe_export export;
    if (!pe_exports_open(&exports, image, &error))
        return;
    for (uint32_t i = 0; i < exports.function_count; i++)
        if (pe_export_at(&exports, i, &export))
            touch_export(&export);
    for (uint32_t i = 0; i < exports.name_count; i++) {
        if (!pe_export_name_at(&exports, i, &export))
            continue;
        touch_export(&export);
        struct pe_export again;
        if (i < LOOKUPS && pe_export_by_name(&exports, export.name, export.name_len, i, &again))
            PROMISE(again.name_len == export.name_len && memcmp(again.name, export.name, again.name_len) == 0);
    }
    if (pe_export_by_ordinal(&exports, exports.base, &export))
        touch_export(&export);
    if (pe_export_nearest(&exports, image->entry, &export))
        touch_export(&export);
}

static void walk_relocations(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_reloc_block block;
    pe_reloc_blocks_begin(&block, image);
    while (pe_reloc_blocks_next(&block, &error)) {
        struct pe_fixup fixup;
        for (uint32_t i = 0; i < block.count && pe_reloc_fixup(&block, i, &fixup, &error); i += fixup.taken) {
            PROMISE(fixup.taken >= 1 && fixup.taken <= block.count - i);
            PROMISE(pe_reloc_width(fixup.type) >= 0);
            if (fixup.type != PE_REL_ABSOLUTE) {
                PROMISE(pe_room_rva(image, fixup.rva) != 0);
                PROMISE(fixup.rva.value + (uint64_t)pe_reloc_width(fixup.type) <= image->size_of_image);
            }
        }
        if (block.room != 0)
            PROMISE((uint64_t)block.page.value + block.room <= image->size_of_image);
    }
}

static void walk_tls(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_tls tls;
    pe_rva callback;
    if (!pe_tls_read(image, image->image_base, &tls, &error))
        return;
    PROMISE(tls.alignment != 0 && (tls.alignment & (tls.alignment - 1)) == 0);
    for (uint32_t i = 0; pe_tls_callback(image, &tls, image->image_base, i, &callback, &error); i++)
        PROMISE(callback.value < image->size_of_image);
}

/* A thread whose memory holds small numbers everywhere: enough to take each unwind code one step. */
static bool read_anything(void *context, uint64_t va, uint64_t *value)
{
    unsigned *left = context;
    *value = va ^ 0x1000;
    return (*left)-- > 0;
}

static void walk_functions(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_function function;
    for (unsigned i = 0; i < LOOKUPS; i++) {
        pe_rva rva = pe_rva_at(image->entry.value + i * 37);
        if (!pe_function_find(image, rva, &function, &error))
            continue;
        struct pe_unwind_frame frame = {.rip = image->image_base.value + rva.value};
        unsigned left = 256;
        (void)pe_unwind_step(image, image->image_base, &frame, read_anything, &left, &error);
    }
}

static void walk_resources(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_resource_cursor cursor;
    struct pe_resource resource, again;
    unsigned found = 0;
    pe_resources_begin(&cursor, image);
    while (found < 100 * LOOKUPS && pe_resources_next(&cursor, &resource, &error)) {
        struct pe_span bytes;
        touch(resource.type.name.data, (size_t)resource.type.name.size);
        touch(resource.name.name.data, (size_t)resource.name.name.size);
        if (pe_resource_bytes(image, &resource, &bytes))
            touch(bytes.data, (size_t)(bytes.size < 64 ? bytes.size : 64));
        if (found++ < LOOKUPS && !resource.type.is_name && !resource.name.is_name)
            (void)pe_resource_find(image, PE_RESOURCE_NUMBER(resource.type.number), PE_RESOURCE_NUMBER(resource.name.number),
                                   resource.language, &again, &error);
    }
    static const struct pe_resource_key named = {"MUI", 3, 0};
    (void)pe_resource_find(image, named, PE_RESOURCE_NUMBER(1), 0, &again, &error);
}

static void walk_load_config(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_load_config config;
    pe_rva entry;
    if (!pe_load_config_read(image, image->image_base, &config, &error))
        return;
    const struct pe_config_table *tables[] = {&config.seh, &config.guard_functions, &config.guard_iat_entries,
                                              &config.guard_long_jumps, &config.guard_eh_continuations};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (uint32_t i = 0; i < tables[t]->count && pe_config_table_at(image, tables[t], i, &entry); i++)
            touch(&entry, sizeof entry);
    if (config.cookie.value != 0)
        PROMISE(pe_room_rva(image, config.cookie) >= 4);
}

static void walk_debug_and_bound(const struct pe_image *image)
{
    struct pe_error error;
    struct pe_debug debug;
    struct pe_codeview codeview;
    struct pe_bound bound;
    pe_debug_begin(&debug, image);
    while (pe_debug_next(&debug, &error))
        if (pe_debug_codeview(&debug, &codeview))
            touch(codeview.pdb, codeview.pdb_len + 1u);
    pe_bound_begin(&bound, image);
    for (unsigned i = 0; i < 100 * LOOKUPS && pe_bound_next(&bound, &error); i++)
        touch(bound.name, bound.name_len + 1u);
}

static void walk_tables(const struct pe_image *image)
{
    walk_addresses(image);
    walk_import_tables(image);
    walk_exports(image);
    walk_relocations(image);
    walk_tls(image);
    walk_resources(image);
    walk_load_config(image);
    walk_debug_and_bound(image);
    if (image->is_64)
        walk_functions(image);
}

/* The file stretched as the plan says. What may not be touched is poisoned: gaps, and sections without rights. */
static void walk_stretched(const struct pe_image *file)
{
    enum { LARGEST = 8 << 20 };
    struct pe_image image;
    struct pe_error error;
    struct pe_layout layout;
    struct pe_region region;
    if (file->size_of_image > LARGEST)
        return;
    uint8_t *memory = calloc(1, file->size_of_image);
    if (memory == NULL)
        return;
    pe_layout_begin(&layout, file);
    while (pe_layout_next(&layout, &region)) {
        memcpy(memory + region.rva.value, file->bytes.data + region.raw_off.value, region.raw_size);
        if (region.rights == 0)
            ASAN_POISON_MEMORY_REGION(memory + region.rva.value, region.size);
    }
    /* The header's page may be cut by the file's end or by the first section, never the section table: so it opens,
     * unless the table lies outside what is mapped. */
    if (pe_open(&image, (struct pe_span){memory, file->size_of_image}, PE_FORM_MAPPED, &error))
        walk_tables(&image);
    ASAN_UNPOISON_MEMORY_REGION(memory, file->size_of_image);
    free(memory);
}

/* A file by its beginning is refused or what the whole of it is. The beginning is a copy, so that reads behind it are seen. */
static void open_part(const uint8_t *data, size_t size, size_t part)
{
    struct pe_image image, whole;
    struct pe_error error = {0};
    uint8_t *copy = malloc(part ? part : 1);
    PROMISE(copy != NULL);
    memcpy(copy, data, part);
    if (pe_open_part(&image, (struct pe_span){copy, part}, size, &error)) {
        PROMISE(pe_open(&whole, (struct pe_span){data, size}, PE_FORM_FILE, &error));
        struct pe_layout mine, other;
        struct pe_region region, expected;
        pe_layout_begin(&mine, &image);
        pe_layout_begin(&other, &whole);
        while (pe_layout_next(&other, &expected)) {
            PROMISE(pe_layout_next(&mine, &region));
            PROMISE(region.kind == expected.kind && region.rva.value == expected.rva.value && region.size == expected.size);
            PROMISE(region.raw_off.value == expected.raw_off.value && region.raw_size == expected.raw_size);
            PROMISE(region.rights == expected.rights && region.section == expected.section);
        }
        PROMISE(!pe_layout_next(&mine, &region));
        whole.bytes = image.bytes;
        PROMISE(memcmp(&image, &whole, sizeof image) == 0);
    } else {
        PROMISE(error.code != PE_OK && error.text != NULL);
    }
    free(copy);
}

int peload_fuzz_one(const uint8_t *data, size_t size)
{
    for (size_t part = 0x200; part < size && part <= 0x1000; part *= 8)
        open_part(data, size, part);
    static const enum pe_form forms[] = {PE_FORM_FILE, PE_FORM_MAPPED};
    for (int i = 0; i < 2; i++) {
        struct pe_image image;
        struct pe_error error = {0};
        if (!pe_open(&image, (struct pe_span){data, size}, forms[i], &error)) {
            PROMISE(error.code != PE_OK && error.text != NULL);
            PROMISE(error.rule != 0);
            continue;
        }
        walk_tables(&image);
        if (image.form == PE_FORM_FILE) {
            walk_layout(&image);
            walk_stretched(&image);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return peload_fuzz_one(data, size); }
