/* Makes small PE files for the tests of the phases, from a description: exports, forwarders, imports, pointers that
 * want relocation, a TLS directory. Nothing here is taken from the code under test but the structures of format.h.
 *
 * Sections: .text R-X at 0x1000 (export i lies at 0x1000 + 16 * i), .rdata R-- (all tables, the IAT too, as Microsoft's
 * linker has it), .data RW- (pointers, TLS index, zero fill), .reloc R--. */
#ifndef TESTS_UNIT_LD_BUILDER_H
#define TESTS_UNIT_LD_BUILDER_H

#include "pe/format.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LD_TEXT_RVA 0x1000u
#define LD_RDATA_RVA 0x2000u

struct ld_make_export {
    const char *name;    /* NULL: by ordinal only */
    const char *forward; /* NULL: at 0x1000 + 16 * index */
};

struct ld_make_import {
    const char *dll;
    const char *functions[8]; /* "#12": by ordinal; ends with NULL */
};

struct ld_make {
    uint64_t base;                /* 0: 0x180000000, or 0x10000000 for PE32 */
    bool is_exe, is_32;
    uint16_t machine;             /* 0: AMD64 or I386 */
    uint16_t characteristics;     /* added */
    uint32_t file_alignment;      /* 0: 0x200 */
    struct ld_make_export exports[12]; /* rising by name; ordinals from 10 on; ends at name and forward NULL */
    struct ld_make_import imports[8];  /* ends at dll NULL */
    bool without_lookup;          /* OriginalFirstThunk 0 */
    unsigned pointers;            /* to .text + 8 * i, at the start of .data */
    bool with_tls;
    bool without_relocations;
    uint32_t zero_fill;           /* bytes behind .data */
    uint8_t behind_headers;       /* what fills the rest of the header's page where nothing else stands there */
};

struct ld_made {
    uint8_t *bytes; /* malloc'd */
    size_t size;
    uint32_t iat;   /* RVA of slot 0 of import 0 */
    uint32_t data;  /* RVA of .data */
    uint32_t image_size;
};

struct ld_bytes {
    uint8_t *bytes;
    uint32_t size;
    uint32_t rva; /* of byte 0 */
};

static inline uint32_t ld_put(struct ld_bytes *to, const void *bytes, uint32_t size)
{
    uint32_t at = (to->size + 7) & ~7u;
    to->bytes = realloc(to->bytes, at + size);
    assert(to->bytes);
    memset(to->bytes + to->size, 0, at - to->size);
    if (bytes)
        memcpy(to->bytes + at, bytes, size);
    else
        memset(to->bytes + at, 0, size);
    to->size = at + size;
    return to->rva + at;
}

static inline void *ld_at(const struct ld_bytes *in, uint32_t rva)
{
    return in->bytes + (rva - in->rva);
}

static inline uint32_t ld_put_text(struct ld_bytes *to, const char *text)
{
    return ld_put(to, text, (uint32_t)strlen(text) + 1);
}

static inline struct pe_data_directory ld_make_exports(const struct ld_make *make, struct ld_bytes *rdata)
{
    struct pe_export_directory raw = {.base = 10};
    uint32_t functions[12], names[12], named = 0;
    uint16_t ordinals[12];
    uint32_t start = ld_put(rdata, &raw, sizeof(raw));
    raw.name = ld_put_text(rdata, "made.dll");
    for (unsigned i = 0; i < 12 && (make->exports[i].name || make->exports[i].forward); i++) {
        const struct ld_make_export *export = &make->exports[i];
        functions[i] = export->forward ? ld_put_text(rdata, export->forward) : LD_TEXT_RVA + 16 * i;
        raw.number_of_functions = i + 1;
        if (export->name) {
            names[named] = ld_put_text(rdata, export->name);
            ordinals[named++] = (uint16_t)i;
        }
    }
    if (!raw.number_of_functions)
        return (struct pe_data_directory){0, 0};
    raw.number_of_names = named;
    raw.address_of_functions = ld_put(rdata, functions, 4 * raw.number_of_functions);
    raw.address_of_names = ld_put(rdata, names, 4 * named);
    raw.address_of_name_ordinals = ld_put(rdata, ordinals, 2 * named);
    memcpy(ld_at(rdata, start), &raw, sizeof(raw));
    return (struct pe_data_directory){start, rdata->rva + rdata->size - start};
}

static inline struct pe_data_directory ld_make_imports(const struct ld_make *make, struct ld_bytes *rdata, uint32_t *iat,
                                                       struct pe_data_directory *iat_directory)
{
    struct pe_import_descriptor descriptors[9] = {{0}};
    unsigned width = make->is_32 ? 4 : 8, count = 0;
    for (; count < 8 && make->imports[count].dll; count++) {
        const struct ld_make_import *import = &make->imports[count];
        uint8_t thunks[9 * 8] = {0};
        unsigned thunk_count = 0;
        for (; thunk_count < 8 && import->functions[thunk_count]; thunk_count++) {
            const char *function = import->functions[thunk_count];
            uint64_t thunk;
            if (function[0] == '#') {
                thunk = strtoul(function + 1, NULL, 10) | (make->is_32 ? PE_ORDINAL_FLAG32 : PE_ORDINAL_FLAG64);
            } else {
                uint8_t named[64] = {7, 0}; /* a hint that is mostly wrong */
                snprintf((char *)named + 2, sizeof(named) - 2, "%s", function);
                thunk = ld_put(rdata, named, (uint32_t)strlen(function) + 3);
            }
            memcpy(thunks + thunk_count * width, &thunk, width);
        }
        uint32_t size = (thunk_count + 1) * width;
        descriptors[count].name = ld_put_text(rdata, import->dll);
        descriptors[count].original_first_thunk = make->without_lookup ? 0 : ld_put(rdata, thunks, size);
        descriptors[count].first_thunk = ld_put(rdata, thunks, size);
    }
    if (!count)
        return (struct pe_data_directory){0, 0};
    *iat = descriptors[0].first_thunk;
    *iat_directory = (struct pe_data_directory){*iat, width};
    uint32_t size = (count + 1) * (uint32_t)sizeof(descriptors[0]);
    return (struct pe_data_directory){ld_put(rdata, descriptors, size), size};
}

/* One block for each page of .data and .rdata that has fix-ups; rvas rise. */
static inline void ld_make_relocations(struct ld_bytes *reloc, const uint32_t *rvas, unsigned count, bool is_32)
{
    for (unsigned i = 0, end; i < count; i = end) {
        uint16_t entries[2048];
        unsigned used = 0;
        for (end = i; end < count && (rvas[end] & ~0xfffu) == (rvas[i] & ~0xfffu); end++)
            entries[used++] = (uint16_t)((is_32 ? PE_REL_HIGHLOW : PE_REL_DIR64) << 12 | (rvas[end] & 0xfff));
        if (used & 1)
            entries[used++] = 0;
        struct pe_base_relocation block = {rvas[i] & ~0xfffu, 8 + 2 * used};
        if (used & 2) { /* blocks follow each other without a gap: keep the writer's alignment of 8 */
            entries[used++] = 0;
            entries[used++] = 0;
            block.size_of_block += 4;
        }
        ld_put(reloc, &block, sizeof(block));
        ld_put(reloc, entries, 2 * used);
    }
}

struct ld_make_section {
    const char *name;
    uint32_t rva, virtual_size, raw, raw_size, characteristics;
    const struct ld_bytes *content;
};

static inline uint32_t ld_up(uint32_t value, uint32_t to)
{
    return (value + to - 1) / to * to;
}

static inline struct ld_made ld_make(const struct ld_make *make)
{
    struct ld_made made = {0};
    uint64_t base = make->base ? make->base : make->is_32 ? 0x10000000u : 0x180000000u;
    uint32_t alignment = make->file_alignment ? make->file_alignment : 0x200, width = make->is_32 ? 4 : 8;
    struct ld_bytes text = {.rva = LD_TEXT_RVA}, rdata = {.rva = LD_RDATA_RVA}, data = {0}, reloc = {0};
    struct pe_data_directory directories[PE_DIRECTORY_COUNT] = {{0, 0}};
    uint32_t fixups[4096];
    unsigned fixup_count = 0;

    memset(ld_at(&text, ld_put(&text, NULL, 0x180)), 0xc3, 0x180);
    directories[PE_DIRECTORY_EXPORT] = ld_make_exports(make, &rdata);
    directories[PE_DIRECTORY_IMPORT] =
        ld_make_imports(make, &rdata, &made.iat, &directories[PE_DIRECTORY_IAT]);
    uint32_t tls = make->with_tls ? ld_put(&rdata, NULL, 6 * width) : 0;
    ld_put(&rdata, "end", 4);

    data.rva = made.data = LD_RDATA_RVA + ld_up(rdata.size, 0x1000);
    if (tls) {
        /* Data of 16 bytes at the start of .rdata, index and an empty list of callbacks behind the pointers. */
        uint64_t values[4] = {base + rdata.rva, base + rdata.rva + 16, base + data.rva + 8 * make->pointers,
                              base + data.rva + 8 * make->pointers + 8};
        for (unsigned i = 0; i < 4; i++) {
            memcpy((uint8_t *)ld_at(&rdata, tls) + i * width, &values[i], width);
            fixups[fixup_count++] = tls + i * width;
        }
        directories[PE_DIRECTORY_TLS] = (struct pe_data_directory){tls, 6 * width - (make->is_32 ? 0 : 8)};
    }
    for (unsigned i = 0; i < make->pointers; i++) {
        uint64_t pointer = base + LD_TEXT_RVA + 8 * (i % 32);
        fixups[fixup_count++] = ld_put(&data, &pointer, 8);
    }
    ld_put(&data, NULL, 16);

    uint32_t data_size = data.size + make->zero_fill;
    reloc.rva = data.rva + ld_up(data_size, 0x1000);
    ld_make_relocations(&reloc, fixups, fixup_count, make->is_32);
    bool has_relocations = fixup_count && !make->without_relocations;
    if (has_relocations)
        directories[PE_DIRECTORY_BASERELOC] = (struct pe_data_directory){reloc.rva, reloc.size};
    made.image_size = reloc.rva + (has_relocations ? ld_up(reloc.size, 0x1000) : 0);

    struct ld_make_section sections[4] = {
        {".text", text.rva, text.size, 0, 0, PE_SCN_CNT_CODE | PE_SCN_MEM_READ | PE_SCN_MEM_EXECUTE, &text},
        {".rdata", rdata.rva, rdata.size, 0, 0, PE_SCN_CNT_INITIALIZED_DATA | PE_SCN_MEM_READ, &rdata},
        {".data", data.rva, data_size, 0, 0, PE_SCN_CNT_INITIALIZED_DATA | PE_SCN_MEM_READ | PE_SCN_MEM_WRITE, &data},
        {".reloc", reloc.rva, reloc.size, 0, 0, PE_SCN_CNT_INITIALIZED_DATA | PE_SCN_MEM_READ | PE_SCN_MEM_DISCARDABLE,
         &reloc},
    };
    unsigned section_count = has_relocations ? 4 : 3;
    uint32_t at = ld_up(0x400, alignment), headers = at;
    for (unsigned i = 0; i < section_count; i++) {
        sections[i].raw = at;
        sections[i].raw_size = ld_up(sections[i].content->size, alignment);
        at += sections[i].raw_size;
    }
    made.size = at;
    made.bytes = malloc(at);
    assert(made.bytes);
    memset(made.bytes, make->behind_headers, at);
    memset(made.bytes, 0, 0x400);
    for (unsigned i = 0; i < section_count; i++) {
        memset(made.bytes + sections[i].raw, 0, sections[i].raw_size);
        memcpy(made.bytes + sections[i].raw, sections[i].content->bytes, sections[i].content->size);
    }

    struct pe_dos_header dos = {.e_magic = PE_DOS_MAGIC, .e_lfarlc = 0x40, .e_lfanew = 0x80};
    struct pe_file_header file = {
        .machine = make->machine ? make->machine : make->is_32 ? PE_MACHINE_I386 : PE_MACHINE_AMD64,
        .number_of_sections = (uint16_t)section_count,
        .size_of_optional_header = make->is_32 ? sizeof(struct pe_optional_header32) : sizeof(struct pe_optional_header64),
        .characteristics = (uint16_t)(PE_FILE_EXECUTABLE_IMAGE | (make->is_exe ? 0 : PE_FILE_DLL) |
                                      (make->is_32 ? PE_FILE_32BIT_MACHINE : PE_FILE_LARGE_ADDRESS_AWARE) |
                                      make->characteristics),
    };
    uint8_t *to = made.bytes + 0x80;
    memcpy(made.bytes, &dos, sizeof(dos));
    memcpy(to, "PE\0\0", 4);
    memcpy(to + 4, &file, sizeof(file));
    to += 4 + sizeof(file);
#define LD_MAKE_OPTIONAL(type, magic_)                                                                                 \
    struct type header = {.magic = magic_, .section_alignment = 0x1000, .file_alignment = alignment,                   \
                          .major_operating_system_version = 6, .major_subsystem_version = 6,                           \
                          .size_of_image = made.image_size, .size_of_headers = headers,                                \
                          .subsystem = PE_SUBSYSTEM_WINDOWS_CUI, .size_of_stack_reserve = 0x100000,                    \
                          .size_of_stack_commit = 0x1000, .size_of_heap_reserve = 0x100000,                            \
                          .size_of_heap_commit = 0x1000, .number_of_rva_and_sizes = PE_DIRECTORY_COUNT,                \
                          .size_of_code = 0x200, .base_of_code = LD_TEXT_RVA,                                          \
                          .dll_characteristics = PE_DLLCHAR_DYNAMIC_BASE | PE_DLLCHAR_NX_COMPAT,                       \
                          .address_of_entry_point = make->is_exe ? LD_TEXT_RVA : 0};                                   \
    memcpy(&header.image_base, &base, sizeof(header.image_base));                                                      \
    memcpy(header.data_directory, directories, sizeof(directories));                                                   \
    memcpy(to, &header, sizeof(header));                                                                               \
    to += sizeof(header)
    if (make->is_32) {
        LD_MAKE_OPTIONAL(pe_optional_header32, PE_OPTIONAL_MAGIC_32);
    } else {
        LD_MAKE_OPTIONAL(pe_optional_header64, PE_OPTIONAL_MAGIC_64);
    }
    for (unsigned i = 0; i < section_count; i++) {
        struct pe_section_header header = {.virtual_size = sections[i].virtual_size, .virtual_address = sections[i].rva,
                                           .size_of_raw_data = sections[i].raw_size,
                                           .pointer_to_raw_data = sections[i].raw,
                                           .characteristics = sections[i].characteristics};
        memcpy(header.name, sections[i].name, strlen(sections[i].name));
        memcpy(to, &header, sizeof(header));
        to += sizeof(header);
    }
    free(text.bytes);
    free(rdata.bytes);
    free(data.bytes);
    free(reloc.bytes);
    return made;
}

#endif
