/* Each numbered rule about headers and sections (pe/RULES.md) has a test here. Statuses are those that the rule book
 * gives with its sources; layouts are Microsoft's. */
#include "tests/unit/pe_builder.h"

enum { FORMAT = (int)0xc000007b };

static struct build b;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

static void accepts_an_ordinary_file(bool is_64)
{
    struct pe_image image;
    build_ordinary(&b, is_64);
    put64(&b, opt(&b, OPT_STACK_RESERVE), is_64 ? 0x200000 : 0x1000200000);
    expect_opens(&b, &image);
    assert_int_equal(image.is_64, is_64);
    assert_int_equal(image.machine, is_64 ? 0x8664 : 0x14c);
    assert_int_equal(image.section_count, 3);
    assert_int_equal(image.size_of_image, 0x6000);
    assert_int_equal(image.size_of_headers, 0x400);
    assert_int_equal(image.entry.value, 0x1000);
    assert_true(image.image_base.value == (is_64 ? 0x140000000 : 0x400000));
    assert_int_equal(image.subsystem, 3);
    assert_int_equal(image.major_subsystem, 5);
    assert_int_equal(image.minor_subsystem, 2);
    assert_int_equal(image.timestamp, 0x12345678);
    assert_int_equal(image.directory_count, 16);
    assert_int_equal(image.stack_reserve, 0x200000);
    assert_int_equal(image.stack_commit, is_64 ? 0 : 0x10);
    assert_int_equal(image.section_table.value, BUILD_LFANEW + 24 + (is_64 ? 240 : 224));
    assert_false(image.is_dll);
    assert_false(image.is_flat);
}
BOTH(accepts_an_ordinary_file)

/* A beginning with the section table may suffice, one with all headers does; and then it gives what the whole file gives. */
static void opens_by_its_beginning(bool is_64)
{
    struct pe_image whole, image;
    struct pe_error error;
    bool opened = false;
    build_ordinary(&b, is_64);
    expect_opens(&b, &whole);
    uint64_t table_end = whole.section_table.value + 3 * 40;
    for (uint64_t part = 0; part <= whole.bytes.size; part++) {
        uint8_t *copy = malloc(part ? (size_t)part : 1); /* what is read behind it is found */
        memcpy(copy, whole.bytes.data, (size_t)part);
        bool opens = pe_open_part(&image, (struct pe_span){copy, part}, whole.bytes.size, &error);
        if (part < table_end)
            assert_false(opens);
        if (opened || part >= 0x400)
            assert_true(opens);
        assert_int_equal(error.code == PE_OK, opens);
        if (opens) {
            assert_ptr_equal(image.bytes.data, copy);
            image.bytes = whole.bytes;
            assert_memory_equal(&image, &whole, sizeof image);
        }
        opened = opens;
        free(copy);
    }
}
BOTH(opens_by_its_beginning)

static void rule_1_empty_file(void **state)
{
    (void)state;
    build_begin(&b, true);
    b.size = 0;
    expect_refused(&b, PE_NOT_MZ, 1, 0xc0000020);
}

static void rule_2_mz(void **state)
{
    (void)state;
    build_begin(&b, true);
    b.size = 63;
    expect_refused(&b, PE_TRUNCATED, 2, 0xc000012f);
    b.size = 1;
    expect_refused(&b, PE_NOT_MZ, 2, 0xc000012f);
    b.size = 0x400;
    put16(&b, 0, 0x4d5a);
    expect_refused(&b, PE_NOT_MZ, 2, 0xc000012f);
}

static void rule_3_lfanew_is_aligned(void **state)
{
    (void)state;
    build_begin(&b, true);
    memmove(b.bytes + 0x82, b.bytes + 0x80, 0x200);
    put32(&b, 0x3c, 0x82);
    expect_refused(&b, PE_BAD_HEADER, 3, FORMAT);
}

static void rule_4_nt_headers_in_the_file(void **state)
{
    (void)state;
    build_begin(&b, true);
    put32(&b, 0x3c, 0xfffffff0);
    expect_refused(&b, PE_TRUNCATED, 4, 0xc0000130);
    put32(&b, 0x3c, 0x400 - 23);
    expect_refused(&b, PE_TRUNCATED, 4, 0xc0000130);
    put16(&b, 0x18, 0x1c); /* e_lfarlc of a DOS program: what stands at 0x3c is none of ours */
    put32(&b, 0x3c, 0xfffffff0);
    expect_refused(&b, PE_OLD_FORMAT, 4, 0xc0000130);
}

static void rule_5_older_formats(void **state)
{
    (void)state;
    build_begin(&b, false);
    put32(&b, 0x80, 0x454e);
    b.bytes[0x80 + 0x36] = 2;
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc0000131); /* 16-bit Windows */
    b.bytes[0x80 + 0x36] = 5;
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc0000130); /* DOS extender */
    b.bytes[0x80 + 0x36] = 1;
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc000011b); /* OS/2 */
    put32(&b, 0x80, 0x454c);
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc0000130);
    put32(&b, 0x80, 0x584c);
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc0000130);
    put32(&b, 0x80, 0x11223344);
    expect_refused(&b, PE_NOT_PE, 5, 0xc0000130);
    put32(&b, 0x80, 0x10004550); /* "PE" without its two NULs */
    expect_refused(&b, PE_NOT_PE, 5, 0xc0000130);
    put16(&b, 0x18, 0x1c);
    expect_refused(&b, PE_OLD_FORMAT, 5, 0xc0000130);
}

static void rule_6_machine(void **state)
{
    static const uint16_t narrow[] = {0x14c, 0x1c0, 0x1c2, 0x1c4}, wide[] = {0x8664, 0xaa64}, unknown[] = {0, 0x200, 0x184, 0xffff};
    struct pe_image image;
    (void)state;
    build_ordinary(&b, false);
    for (unsigned i = 0; i < 4; i++) {
        put16(&b, nt(&b, NT_MACHINE), narrow[i]);
        expect_opens(&b, &image);
    }
    build_ordinary(&b, true);
    for (unsigned i = 0; i < 2; i++) {
        put16(&b, nt(&b, NT_MACHINE), wide[i]);
        expect_opens(&b, &image);
    }
    for (unsigned i = 0; i < 4; i++) {
        put16(&b, nt(&b, NT_MACHINE), unknown[i]);
        expect_refused(&b, PE_BAD_MACHINE, 6, FORMAT);
    }
}

static void rule_7_executable(void **state)
{
    (void)state;
    build_ordinary(&b, true);
    put16(&b, nt(&b, NT_CHARACTERISTICS), 0x2020);
    expect_refused(&b, PE_BAD_HEADER, 7, FORMAT);
}

static void rule_8_magic_fits_machine(void **state)
{
    (void)state;
    build_ordinary(&b, true);
    put16(&b, nt(&b, NT_MACHINE), 0x14c);
    expect_refused(&b, PE_BAD_HEADER, 8, FORMAT);
    build_ordinary(&b, false);
    put16(&b, nt(&b, NT_MACHINE), 0x8664);
    expect_refused(&b, PE_BAD_HEADER, 8, FORMAT);
    put16(&b, opt(&b, OPT_MAGIC), 0x107);
    expect_refused(&b, PE_BAD_HEADER, 8, FORMAT);
    put16(&b, opt(&b, OPT_MAGIC), 0);
    expect_refused(&b, PE_BAD_HEADER, 8, FORMAT);
}

/* A flat file of headers only, whose optional header reaches up to CheckSum and no further: the tiniest images of
 * Wine's loader tests look so. */
static void rule_9_short_optional_header(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, false);
    put32(&b, opt(&b, OPT_SECTION_ALIGNMENT), 4);
    put32(&b, opt(&b, OPT_FILE_ALIGNMENT), 4);
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), 64);
    put16(&b, opt(&b, OPT_SUBSYSTEM), 0x5555); /* behind the end: must not count */
    put_directory(&b, 0, 0x44, 0x44);
    expect_opens(&b, &image);
    assert_int_equal(image.subsystem, 0);
    assert_int_equal(image.checksum, 0);
    assert_int_equal(image.directory_count, 0);
    assert_int_equal(image.directory[0].rva.value, 0);

    b.size = opt(&b, 64); /* the file ends there, too */
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0);
    expect_opens(&b, &image);
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), 0); /* fields up to CheckSum count in any case */
    expect_opens(&b, &image);
    assert_int_equal(image.size_of_image, 0x1000);

    /* Five directories and a half: the half has an address and no size. */
    build_begin(&b, true);
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), 112 + 5 * 8 + 4);
    for (unsigned i = 0; i < 16; i++)
        put_directory(&b, i, 0x100 + i, 8);
    b.table = (uint32_t)opt(&b, 112 + 5 * 8 + 4);
    expect_opens(&b, &image);
    assert_int_equal(image.directory_count, 6);
    assert_int_equal(image.directory[4].size, 8);
    assert_int_equal(image.directory[5].rva.value, 0x105);
    assert_int_equal(image.directory[5].size, 0);
    assert_int_equal(image.directory[6].rva.value, 0);
}

static void rules_10_to_12_alignments(bool is_64)
{
    static const struct { uint32_t section, file; unsigned rule; } rows[] = {
        {0x1000, 0x200, 0}, {0x1000, 0x1000, 0}, {0x10000, 0x200, 0}, {0x1000, 0x400, 0},
        {0x1000, 0, 10}, {0x1000, 0x600, 10}, {0x1000, 3, 10},
        {0, 0x200, 11}, {0x1800, 0x200, 11}, {0x1000, 0x2000, 11}, {0x100, 0x200, 11},
        {0x1000, 0x100, 12}, {0x1000, 1, 12}, {0x200, 0x10, 12},
    };
    struct pe_image image;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build_begin(&b, is_64);
        build_alignment(&b, rows[i].section ? rows[i].section : 0x1000);
        put32(&b, opt(&b, OPT_SECTION_ALIGNMENT), rows[i].section);
        put32(&b, opt(&b, OPT_FILE_ALIGNMENT), rows[i].file);
        put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x10000);
        if (rows[i].rule == 0)
            expect_opens(&b, &image);
        else
            expect_refused(&b, PE_BAD_HEADER, rows[i].rule, FORMAT);
    }
}
BOTH(rules_10_to_12_alignments)

static void rule_13_size_of_image(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, false);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0);
    expect_refused(&b, PE_BAD_HEADER, 13, FORMAT);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x77000001);
    expect_refused(&b, PE_BAD_HEADER, 13, FORMAT);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0xffffffff);
    expect_refused(&b, PE_BAD_HEADER, 13, FORMAT);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x76fff001); /* rounded up to pages */
    expect_opens(&b, &image);
    assert_int_equal(image.size_of_image, 0x77000000);
}

static void rule_14_size_of_headers(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, false);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x1001);
    expect_refused(&b, PE_BAD_HEADER, 14, FORMAT);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0);
    expect_refused(&b, PE_BAD_HEADER, 14, FORMAT);
    put32(&b, opt(&b, OPT_SECTION_ALIGNMENT), 0x200); /* flat: nothing is stretched, nobody asks */
    expect_opens(&b, &image);
}

static void rule_15_base(bool is_64)
{
    struct pe_image image;
    build_begin(&b, is_64);
    put32(&b, opt(&b, is_64 ? 24 : 28), 0x401000);
    expect_refused(&b, PE_BAD_HEADER, 15, FORMAT);
    put32(&b, opt(&b, is_64 ? 24 : 28), 0);
    expect_opens(&b, &image);
}
BOTH(rule_15_base)

static void rule_16_section_count(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, true);
    b.size = 0x2000;
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x2000);
    b.next_rva = 0x2000;
    for (unsigned i = 0; i < 96; i++)
        build_section(&b, ".s", 1, 0, DATA);
    expect_opens(&b, &image);
    assert_int_equal(image.section_count, 96);
    build_section(&b, ".s", 1, 0, DATA);
    expect_opens(&b, &image);
    assert_int_equal(image.section_count, 97);
    put16(&b, nt(&b, NT_SECTIONS), 65535); /* the table's end is missing */
    expect_refused(&b, PE_TRUNCATED, 17, PE_STATUS_INVALID_FILE_FOR_SECTION);
    put16(&b, nt(&b, NT_SECTIONS), 0);
    expect_opens(&b, &image);
    assert_int_equal(image.section_count, 0);
}

static void rule_17_section_table_in_file_and_image(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, true);
    build_section(&b, ".text", 0x10, 0, CODE);
    b.size = b.table + SEC_BYTES;
    expect_opens(&b, &image);
    b.size--;
    expect_refused(&b, PE_TRUNCATED, 17, 0xc0000020);

    /* In the overlay, behind everything else: accepted while SizeOfImage counts that far. */
    build_begin(&b, true);
    uint32_t far = 0xf00;
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), (uint16_t)(far - opt(&b, 0)));
    b.table = far;
    build_section(&b, ".text", 0x10, 0, CODE);
    b.size = far + SEC_BYTES;
    expect_opens(&b, &image);
    assert_int_equal(image.section_table.value, far);
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), (uint16_t)(0x1ff0 - opt(&b, 0)));
    memcpy(b.bytes + 0x1ff0, b.bytes + far, SEC_BYTES);
    b.size = 0x1ff0 + SEC_BYTES;
    expect_refused(&b, PE_TRUNCATED, 17, 0xc0000020);
}

static void rule_18_any_number_of_directories(bool is_64)
{
    struct pe_image image;
    build_begin(&b, is_64);
    for (unsigned i = 0; i < 16; i++)
        put_directory(&b, i, 0x100 + i, i);
    put32(&b, opt(&b, is_64 ? 108 : 92), 0xffffffff);
    expect_opens(&b, &image);
    assert_int_equal(image.directory_count, 16);
    assert_int_equal(image.directory[15].rva.value, 0x10f);
    put32(&b, opt(&b, is_64 ? 108 : 92), 2);
    expect_opens(&b, &image);
    assert_int_equal(image.directory_count, 2);
    assert_int_equal(image.directory[1].rva.value, 0x101);
    assert_int_equal(image.directory[2].rva.value, 0);
    put32(&b, opt(&b, is_64 ? 108 : 92), 0);
    expect_opens(&b, &image);
    assert_int_equal(image.directory_count, 0);
}
BOTH(rule_18_any_number_of_directories)

static void rule_19_headers_cover_the_section_table(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, true);
    build_section(&b, ".text", 0x10, 0x200, CODE);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x10);
    expect_opens(&b, &image);
    assert_int_equal(image.size_of_headers, b.table + SEC_BYTES);
    /* Cut at the end of the file, but the pages stay the headers'. */
    build_begin(&b, true);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x2800);
    b.next_rva = 0x3000;
    build_section(&b, ".bss", 0x10, 0, BSS);
    expect_opens(&b, &image);
    assert_int_equal(image.size_of_headers, 0x400);
    assert_int_equal(image.headers_room, 0x3000);
}

static void rule_20_section_without_size(void **state)
{
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, true);
    build_section(&b, ".text", 0, 0x600, CODE); /* VirtualSize 0: the raw size counts */
    build_section(&b, ".data", 0, 0x1200, DATA);
    expect_opens(&b, &image);
    pe_section_at(&image, 1, &section);
    assert_int_equal(section.size, 0x1200);
    assert_int_equal(section.virtual_size, 0);
    assert_int_equal(section.rva.value, 0x2000);
    put32(&b, sec(&b, 1, SEC_RAW_SIZE), 0);
    expect_refused(&b, PE_BAD_SECTION, 20, FORMAT);
}

static void rule_21_sections_adjoin(void **state)
{
    (void)state;
    build_ordinary(&b, true);
    put32(&b, sec(&b, 1, SEC_RVA), 0x3000); /* a hole */
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);
    put32(&b, sec(&b, 1, SEC_RVA), 0x1000); /* overlap */
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);
    put32(&b, sec(&b, 1, SEC_RVA), 0x2004); /* not aligned */
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);

    build_ordinary(&b, true);
    put32(&b, sec(&b, 0, SEC_RVA), 0x2000); /* out of order */
    put32(&b, sec(&b, 1, SEC_RVA), 0x1000);
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);

    build_ordinary(&b, true);
    put32(&b, sec(&b, 0, SEC_RVA), 0); /* over the headers */
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);
    put32(&b, sec(&b, 0, SEC_RVA), 0x1000);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x1001); /* the headers grow into it */
    expect_refused(&b, PE_BAD_SECTION, 21, FORMAT);
}

static void rule_22_sections_within_the_image(void **state)
{
    struct pe_image image;
    (void)state;
    build_ordinary(&b, false);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x5000);
    expect_refused(&b, PE_BAD_SECTION, 22, FORMAT);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x5001); /* rounded up */
    expect_opens(&b, &image);
    put32(&b, sec(&b, 2, SEC_VSIZE), 0xffffffff);
    expect_refused(&b, PE_BAD_SECTION, 22, FORMAT);
    put32(&b, sec(&b, 2, SEC_VSIZE), 0xfffffffe - 0x3000);
    expect_refused(&b, PE_BAD_SECTION, 22, FORMAT);
}

static void rule_23_raw_data_wrap(void **state)
{
    (void)state;
    build_ordinary(&b, true);
    put32(&b, sec(&b, 0, SEC_RAW_OFF), 0xfffffe00);
    put32(&b, sec(&b, 0, SEC_RAW_SIZE), 0x400);
    expect_refused(&b, PE_BAD_SECTION, 23, FORMAT);
    put32(&b, sec(&b, 0, SEC_RAW_SIZE), 0x200);
    expect_refused(&b, PE_BAD_SECTION, 23, FORMAT);
}

static void rule_24_only_the_last_section_must_lie_in_the_file(void **state)
{
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, true);
    build_section(&b, ".text", 0x800, 0x800, CODE);
    build_section(&b, ".data", 0x400, 0x400, DATA);
    b.size -= 1;
    expect_refused(&b, PE_TRUNCATED, 24, FORMAT);
    b.size += 1;
    put32(&b, sec(&b, 0, SEC_RAW_OFF), 0xe00); /* the first one reaches beyond: 0xe00 + 0x800 > 0x1000 */
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_off.value, 0xe00);
    assert_int_equal(section.raw_size, 0x200);
    put32(&b, sec(&b, 0, SEC_RAW_OFF), 0x10000000);
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_size, 0);
}

static void rule_27_flat_images(void **state)
{
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, false);
    build_alignment(&b, 0x200);
    b.next_rva = 0x400;
    build_section(&b, ".all", 0x180, 0x200, CODE);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x600);
    expect_opens(&b, &image);
    assert_true(image.is_flat);
    assert_int_equal(image.size_of_image, 0x1000);
    put32(&b, sec(&b, 0, SEC_RVA), 0x200);
    expect_refused(&b, PE_BAD_SECTION, 27, FORMAT);
    put32(&b, sec(&b, 0, SEC_RVA), 0x400);
    put32(&b, sec(&b, 0, SEC_VSIZE), 0x201);
    expect_refused(&b, PE_BAD_SECTION, 27, FORMAT);
    put32(&b, sec(&b, 0, SEC_VSIZE), 0x180);
    put32(&b, sec(&b, 0, SEC_RAW_SIZE), 0xfffffe00); /* wraps */
    expect_refused(&b, PE_BAD_SECTION, 23, FORMAT);
    put32(&b, sec(&b, 0, SEC_RAW_SIZE), 0x400); /* beyond the file: nobody minds */
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_size, 0x200);
}

static void rule_28_flat_images_are_x86(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, true);
    put32(&b, opt(&b, OPT_SECTION_ALIGNMENT), 0x200);
    expect_opens(&b, &image);
    put16(&b, nt(&b, NT_MACHINE), 0xaa64);
    expect_refused(&b, PE_BAD_HEADER, 28, FORMAT);
}

static void rule_29_mapped_form(void **state)
{
    struct pe_image image;
    struct pe_error error;
    (void)state;
    build_ordinary(&b, true);
    put32(&b, sec(&b, 2, SEC_RAW_OFF), 0x10000000); /* raw fields: none of a mapping's business */
    put32(&b, sec(&b, 2, SEC_RAW_SIZE), 0x1000);
    expect_refused(&b, PE_TRUNCATED, 24, FORMAT);
    b.size = 0x6000;
    assert_true(pe_open(&image, build_bytes(&b), PE_FORM_MAPPED, &error));
    b.size = 0x5fff;
    assert_false(pe_open(&image, build_bytes(&b), PE_FORM_MAPPED, &error));
    assert_int_equal(error.rule, 29);
    assert_int_equal(error.code, PE_TRUNCATED);
    assert_int_equal(error.want, 0x6000);

    /* A section table in what becomes a section's memory is no table any more. */
    build_begin(&b, true);
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), (uint16_t)(0x1000 - opt(&b, 0)));
    b.table = 0x1000;
    build_section(&b, ".text", 0x10, 0, CODE);
    b.size = 0x2000;
    assert_false(pe_open(&image, build_bytes(&b), PE_FORM_MAPPED, &error));
    assert_int_equal(error.rule, 29);
}

/* An error says where: the offset of the field in the file, what stands there, and what would do. */
static void errors_have_a_place(bool is_64)
{
    static const struct { unsigned field; uint32_t value; unsigned rule; } rows[] = {
        {OPT_FILE_ALIGNMENT, 0x300, 10}, {OPT_SECTION_ALIGNMENT, 0x1800, 11}, {OPT_SIZE_OF_IMAGE, 0x78000000, 13},
        {OPT_SIZE_OF_HEADERS, 0x10000, 14},
    };
    struct pe_image image;
    struct pe_error error;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build_ordinary(&b, is_64);
        put32(&b, opt(&b, rows[i].field), rows[i].value);
        assert_false(pe_open(&image, build_bytes(&b), PE_FORM_FILE, &error));
        assert_int_equal(error.rule, rows[i].rule);
        assert_int_equal(error.ladder, PE_LADDER_OFF);
        assert_int_equal(error.where, opt(&b, rows[i].field));
        assert_int_equal(error.got, rows[i].value);
    }
    build_ordinary(&b, is_64);
    put32(&b, opt(&b, is_64 ? 24 : 28), 0x401000);
    assert_false(pe_open(&image, build_bytes(&b), PE_FORM_FILE, &error));
    assert_int_equal(error.where, opt(&b, is_64 ? 24 : 28));
    assert_int_equal(error.got & 0xffffffff, 0x401000);
    assert_int_equal(error.want & 0xffffffff, 0x400000);
    build_ordinary(&b, is_64);
    put32(&b, sec(&b, 2, SEC_VSIZE), 0x4000);
    assert_false(pe_open(&image, build_bytes(&b), PE_FORM_FILE, &error));
    assert_int_equal(error.where, sec(&b, 2, SEC_VSIZE));
    assert_int_equal(error.got, 0x7000);
    assert_int_equal(error.want, 0x6000);
    build_ordinary(&b, is_64);
    put32(&b, sec(&b, 1, SEC_RVA), 0x4000);
    assert_false(pe_open(&image, build_bytes(&b), PE_FORM_FILE, &error));
    assert_int_equal(error.where, sec(&b, 1, SEC_RVA));
    assert_int_equal(error.got, 0x4000);
    assert_int_equal(error.want, 0x2000);
}
BOTH(errors_have_a_place)

/* e_lfanew 4: the DOS header and the NT headers share their bytes, so that SectionAlignment stands where e_lfanew
 * stands. The smallest files that Windows runs are built like this. */
static void opens_with_lfanew_4(void **state)
{
    struct pe_image image;
    (void)state;
    build_begin(&b, false);
    memmove(b.bytes + 4, b.bytes + 0x80, 0x300);
    b.lfanew = 4;
    put32(&b, opt(&b, OPT_SECTION_ALIGNMENT), 4);
    put32(&b, opt(&b, OPT_FILE_ALIGNMENT), 4);
    assert_int_equal(opt(&b, OPT_SECTION_ALIGNMENT), 0x3c);
    b.size = 97;
    put16(&b, nt(&b, NT_OPTIONAL_SIZE), 4);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x61);
    expect_opens(&b, &image);
    assert_true(image.is_flat);
}

/* ---- hostile bytes: whatever is cut or changed, the answer is yes or no, and never a bad read ---- */

static void walk_open(struct pe_span bytes, unsigned *opened)
{
    struct pe_image image;
    struct pe_error error;
    for (int form = 0; form < 2; form++) {
        memset(&error, 0xff, sizeof error);
        if (!pe_open(&image, bytes, form ? PE_FORM_MAPPED : PE_FORM_FILE, &error)) {
            assert_int_not_equal(error.code, PE_OK);
            assert_true(error.rule >= 1 && error.rule <= 29);
            assert_non_null(error.text);
            continue;
        }
        ++*opened;
        assert_int_equal(error.code, PE_OK);
        for (unsigned i = 0; i < image.section_count; i++) {
            struct pe_section section;
            struct pe_span rest;
            pe_section_at(&image, i, &section);
            if (pe_rest_rva(&image, section.rva, &rest))
                assert_true(rest.data >= bytes.data && rest.size <= bytes.size);
        }
    }
}

static void every_prefix(bool is_64)
{
    unsigned opened = 0;
    build_ordinary(&b, is_64);
    for (size_t size = 0, whole = b.size; size <= whole; size++) {
        b.size = size;
        walk_open(build_bytes(&b), &opened);
        build_free(&b);
    }
    /* The last section has no raw data, so every file that holds the section table opens. */
    assert_int_equal(opened, b.size + 1 - (b.table + 3 * SEC_BYTES));
}
BOTH(every_prefix)

static void every_byte_of_the_headers(bool is_64)
{
    unsigned opened = 0, tried = 0;
    build_ordinary(&b, is_64);
    for (size_t at = 0; at < b.table + 3u * SEC_BYTES; at++)
        for (unsigned value = 0; value < 256; value++) {
            uint8_t before = b.bytes[at];
            b.bytes[at] = (uint8_t)value;
            walk_open(build_bytes(&b), &opened);
            build_free(&b);
            b.bytes[at] = before;
            tried++;
        }
    assert_true(opened > tried / 10 && opened < tried); /* the test sees both answers */
}
BOTH(every_byte_of_the_headers)

static void names_for_people(void **state)
{
    (void)state;
    assert_string_equal(pe_machine_name(0x8664), "x86-64");
    assert_string_equal(pe_machine_name(0x14c), "i386");
    assert_string_equal(pe_machine_name(0x1234), "unknown");
    assert_string_equal(pe_subsystem_name(3), "console");
    assert_string_equal(pe_subsystem_name(2), "windows");
    assert_string_equal(pe_directory_name(0), "export");
    assert_string_equal(pe_directory_name(9), "TLS");
    assert_string_equal(pe_directory_name(99), "unknown");
    assert_string_equal(pe_code_name(PE_BAD_SECTION), "bad section");
    assert_string_equal(pe_code_name((enum pe_code)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(accepts_an_ordinary_file),
        BOTH_TESTS(opens_by_its_beginning),
        cmocka_unit_test(rule_1_empty_file),
        cmocka_unit_test(rule_2_mz),
        cmocka_unit_test(rule_3_lfanew_is_aligned),
        cmocka_unit_test(rule_4_nt_headers_in_the_file),
        cmocka_unit_test(rule_5_older_formats),
        cmocka_unit_test(rule_6_machine),
        cmocka_unit_test(rule_7_executable),
        cmocka_unit_test(rule_8_magic_fits_machine),
        cmocka_unit_test(rule_9_short_optional_header),
        BOTH_TESTS(rules_10_to_12_alignments),
        cmocka_unit_test(rule_13_size_of_image),
        cmocka_unit_test(rule_14_size_of_headers),
        BOTH_TESTS(rule_15_base),
        cmocka_unit_test(rule_16_section_count),
        cmocka_unit_test(rule_17_section_table_in_file_and_image),
        BOTH_TESTS(rule_18_any_number_of_directories),
        cmocka_unit_test(rule_19_headers_cover_the_section_table),
        cmocka_unit_test(rule_20_section_without_size),
        cmocka_unit_test(rule_21_sections_adjoin),
        cmocka_unit_test(rule_22_sections_within_the_image),
        cmocka_unit_test(rule_23_raw_data_wrap),
        cmocka_unit_test(rule_24_only_the_last_section_must_lie_in_the_file),
        cmocka_unit_test(rule_27_flat_images),
        cmocka_unit_test(rule_28_flat_images_are_x86),
        cmocka_unit_test(rule_29_mapped_form),
        BOTH_TESTS(errors_have_a_place),
        cmocka_unit_test(opens_with_lfanew_4),
        BOTH_TESTS(every_prefix),
        BOTH_TESTS(every_byte_of_the_headers),
        cmocka_unit_test(names_for_people),
    };
    return cmocka_run_group_tests_name("pe: open", tests, NULL, teardown);
}
