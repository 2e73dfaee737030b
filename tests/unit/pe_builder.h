/* Tiny PE files, written field by field at the offsets of Microsoft's specification and not with the structures
 * of pe/format.h, so that a mistake there shows. A file is built in `bytes`, changed at will, and then opened from
 * memory of exactly its size, where the sanitizer sees a read one byte too far. */
#ifndef TESTS_PE_BUILDER_H
#define TESTS_PE_BUILDER_H

#include "pe/image.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { BUILD_LIMIT = 3 << 20, BUILD_LFANEW = 0x80 };

/* Offsets from e_lfanew. */
enum {
    NT_MACHINE = 4, NT_SECTIONS = 6, NT_TIMESTAMP = 8, NT_OPTIONAL_SIZE = 20, NT_CHARACTERISTICS = 22, NT_OPTIONAL = 24,
};
/* Offsets in the optional header; those with two values stand as PE32, PE32+. */
enum {
    OPT_MAGIC = 0, OPT_SIZE_OF_CODE = 4, OPT_ENTRY = 16, OPT_SECTION_ALIGNMENT = 32, OPT_FILE_ALIGNMENT = 36,
    OPT_SUBSYSTEM_MAJOR = 48, OPT_SIZE_OF_IMAGE = 56, OPT_SIZE_OF_HEADERS = 60, OPT_CHECKSUM = 64, OPT_SUBSYSTEM = 68,
    OPT_DLL_CHARACTERISTICS = 70, OPT_STACK_RESERVE = 72,
};
/* Offsets in a section header. */
enum { SEC_VSIZE = 8, SEC_RVA = 12, SEC_RAW_SIZE = 16, SEC_RAW_OFF = 20, SEC_CHARACTERISTICS = 36, SEC_BYTES = 40 };

enum { CODE = 0x60000020, DATA = 0xc0000040, READ_ONLY = 0x40000040, BSS = 0xc0000080 };

struct build {
    uint8_t bytes[BUILD_LIMIT];
    size_t size;
    bool is_64;
    uint32_t lfanew, table; /* file offsets */
    uint32_t next_rva, alignment;
    void *copies[64];
    unsigned copy_count;
};

static inline void put(struct build *b, size_t at, uint64_t value, unsigned width)
{
    assert_true(at + width <= BUILD_LIMIT);
    for (unsigned i = 0; i < width; i++)
        b->bytes[at + i] = (uint8_t)(value >> (8 * i));
}
static inline void put16(struct build *b, size_t at, uint16_t value) { put(b, at, value, 2); }
static inline void put32(struct build *b, size_t at, uint32_t value) { put(b, at, value, 4); }
static inline void put64(struct build *b, size_t at, uint64_t value) { put(b, at, value, 8); }
static inline void put_text(struct build *b, size_t at, const char *text) { memcpy(b->bytes + at, text, strlen(text) + 1); }

static inline uint32_t get32(const struct build *b, size_t at)
{
    return (uint32_t)b->bytes[at] | (uint32_t)b->bytes[at + 1] << 8 | (uint32_t)b->bytes[at + 2] << 16 |
           (uint32_t)b->bytes[at + 3] << 24;
}

static inline size_t opt(const struct build *b, size_t field) { return b->lfanew + NT_OPTIONAL + field; }
static inline size_t nt(const struct build *b, size_t field) { return b->lfanew + field; }
static inline size_t sec(const struct build *b, unsigned index, size_t field) { return b->table + index * SEC_BYTES + field; }
static inline size_t dir(const struct build *b, unsigned index) { return opt(b, b->is_64 ? 112 : 96) + index * 8; }

static inline void put_directory(struct build *b, unsigned index, uint32_t rva, uint32_t size)
{
    put32(b, dir(b, index), rva);
    put32(b, dir(b, index) + 4, size);
}

static inline uint32_t round_up(uint32_t value, uint32_t alignment) { return (value + alignment - 1) / alignment * alignment; }

static inline void build_free(struct build *b)
{
    while (b->copy_count)
        free(b->copies[--b->copy_count]);
}

/* A file with headers of 0x400 bytes, no section yet, 16 empty directories. */
static inline void build_begin(struct build *b, bool is_64)
{
    build_free(b);
    memset(b, 0, sizeof(*b));
    b->is_64 = is_64;
    b->lfanew = BUILD_LFANEW;
    b->alignment = 0x1000;
    put16(b, 0, 0x5a4d);
    put16(b, 0x18, 0x40);
    put32(b, 0x3c, b->lfanew);
    put32(b, b->lfanew, 0x4550);
    put16(b, nt(b, NT_MACHINE), is_64 ? 0x8664 : 0x14c);
    put32(b, nt(b, NT_TIMESTAMP), 0x12345678);
    put16(b, nt(b, NT_OPTIONAL_SIZE), is_64 ? 240 : 224);
    put16(b, nt(b, NT_CHARACTERISTICS), is_64 ? 0x22 : 0x102);
    put16(b, opt(b, OPT_MAGIC), is_64 ? 0x20b : 0x10b);
    if (is_64)
        put64(b, opt(b, 24), 0x140000000);
    else
        put32(b, opt(b, 28), 0x400000);
    put32(b, opt(b, OPT_SECTION_ALIGNMENT), 0x1000);
    put32(b, opt(b, OPT_FILE_ALIGNMENT), 0x200);
    put16(b, opt(b, OPT_SUBSYSTEM_MAJOR), 5);
    put16(b, opt(b, OPT_SUBSYSTEM_MAJOR) + 2, 2);
    put32(b, opt(b, OPT_SIZE_OF_IMAGE), 0x1000);
    put32(b, opt(b, OPT_SIZE_OF_HEADERS), 0x400);
    put16(b, opt(b, OPT_SUBSYSTEM), 3);
    put32(b, opt(b, is_64 ? 108 : 92), 16);
    b->table = (uint32_t)opt(b, is_64 ? 240 : 224);
    b->size = 0x400;
    b->next_rva = 0x1000;
}

static inline void build_alignment(struct build *b, uint32_t section_alignment)
{
    b->alignment = b->next_rva = section_alignment;
    put32(b, opt(b, OPT_SECTION_ALIGNMENT), section_alignment);
    put32(b, opt(b, OPT_SIZE_OF_IMAGE), section_alignment);
}

/* The next section, raw data at the end of the file filled with 0xa0 + index. Its index. */
static inline unsigned build_section(struct build *b, const char *name, uint32_t virtual_size, uint32_t raw_size,
                                     uint32_t characteristics)
{
    unsigned index = b->bytes[nt(b, NT_SECTIONS)];
    uint32_t raw = (uint32_t)b->size;
    memcpy(b->bytes + sec(b, index, 0), name, strlen(name) < 8 ? strlen(name) : 8);
    put32(b, sec(b, index, SEC_VSIZE), virtual_size);
    put32(b, sec(b, index, SEC_RVA), b->next_rva);
    put32(b, sec(b, index, SEC_RAW_SIZE), raw_size);
    put32(b, sec(b, index, SEC_RAW_OFF), raw_size ? raw : 0);
    put32(b, sec(b, index, SEC_CHARACTERISTICS), characteristics);
    assert_true(raw + raw_size <= BUILD_LIMIT);
    memset(b->bytes + raw, 0xa0 + (int)index, raw_size);
    b->size += raw_size;
    b->next_rva += round_up(virtual_size ? virtual_size : raw_size, b->alignment);
    put16(b, nt(b, NT_SECTIONS), (uint16_t)(index + 1));
    put32(b, opt(b, OPT_SIZE_OF_IMAGE), b->next_rva);
    return index;
}

/* File offset of an RVA in a section that begins at a multiple of 0x200 in the file. */
static inline size_t at_rva(const struct build *b, uint32_t rva)
{
    for (unsigned i = 0; i < b->bytes[b->lfanew + NT_SECTIONS]; i++) {
        uint32_t start = get32(b, sec(b, i, SEC_RVA)), size = get32(b, sec(b, i, SEC_RAW_SIZE));
        if (rva >= start && rva - start < size)
            return get32(b, sec(b, i, SEC_RAW_OFF)) + (rva - start);
    }
    return rva;
}

/* An ordinary file: .text with code, .rdata of zeroes at 0x2000 (one page, 0xe00 bytes raw), .bss. */
static inline void build_ordinary(struct build *b, bool is_64)
{
    build_begin(b, is_64);
    build_section(b, ".text", 0x10, 0x200, CODE);
    build_section(b, ".rdata", 0x1000, 0xe00, DATA);
    build_section(b, ".bss", 0x2345, 0, BSS);
    put32(b, opt(b, OPT_ENTRY), 0x1000);
    put32(b, opt(b, OPT_SIZE_OF_CODE), 0x200);
    memset(b->bytes + at_rva(b, 0x2000), 0, 0xe00);
}

/* The file in memory of its own size; freed when the next one is begun, or by build_free. */
static inline struct pe_span build_bytes(struct build *b)
{
    uint8_t *copy = malloc(b->size ? b->size : 1);
    assert_non_null(copy);
    assert_true(b->copy_count < 64 && b->size <= BUILD_LIMIT);
    memcpy(copy, b->bytes, b->size);
    b->copies[b->copy_count++] = copy;
    return (struct pe_span){copy, b->size};
}

static inline void expect_opens(struct build *b, struct pe_image *image)
{
    struct pe_error error;
    if (!pe_open(image, build_bytes(b), PE_FORM_FILE, &error))
        fail_msg("refused: %s (rule %u)", error.text, error.rule);
    assert_int_equal(error.code, PE_OK);
}

static inline void expect_refused(struct build *b, enum pe_code code, unsigned rule, uint32_t ntstatus)
{
    struct pe_image image;
    struct pe_error error;
    if (pe_open(&image, build_bytes(b), PE_FORM_FILE, &error))
        fail_msg("accepted, in spite of rule %u", rule);
    if (error.rule != rule)
        fail_msg("refused by rule %u (%s), not by rule %u", error.rule, error.text, rule);
    assert_int_equal(error.code, code);
    assert_int_equal(error.ntstatus, ntstatus);
    assert_non_null(error.text);
}

/* A copy of `name`, for tests that run once as PE32 and once as PE32+. */
#define BOTH(name)                                                                                                    \
    static void name##_32(void **state) { (void)state; name(false); }                                                 \
    static void name##_64(void **state) { (void)state; name(true); }
#define BOTH_TESTS(name) cmocka_unit_test(name##_32), cmocka_unit_test(name##_64)

#endif
