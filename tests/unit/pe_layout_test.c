/* The three ladders and the plan: which byte of the file stands where in the image, and which reads as zero.
 * The expected layouts are worked out by hand from the rules 25 to 27 of pe/RULES.md. */
#include "tests/unit/pe_builder.h"

#include "pe/layout.h"

static struct build b;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

struct row { enum pe_region_kind kind; uint32_t rva, size, raw_off, raw_size; const char *rights; int section; };

static void expect_plan(const struct pe_image *image, const struct row *rows, unsigned count)
{
    struct pe_layout layout;
    struct pe_region region;
    char text[4];
    unsigned i = 0;
    pe_layout_begin(&layout, image);
    for (; pe_layout_next(&layout, &region); i++) {
        if (i >= count)
            fail_msg("one region too many: %x +%x", region.rva.value, region.size);
        pe_rights_text(region.rights, text);
        if (region.kind != rows[i].kind || region.rva.value != rows[i].rva || region.size != rows[i].size ||
            region.raw_off.value != rows[i].raw_off || region.raw_size != rows[i].raw_size ||
            strcmp(text, rows[i].rights) != 0 || region.section != rows[i].section)
            fail_msg("region %u: kind %d %x +%x raw %x +%x %s section %d", i, region.kind, region.rva.value, region.size,
                     (unsigned)region.raw_off.value, region.raw_size, text, region.section);
        if (region.raw_size != 0)
            assert_int_equal(region.tail, (0x1000 - region.raw_size % 0x1000) % 0x1000);
        assert_int_equal(region.mappable, region.raw_size != 0 && region.raw_off.value % 0x1000 == 0);
        assert_false(region.shared);
    }
    assert_int_equal(i, count);
    assert_false(pe_layout_next(&layout, &region));
}

static void ordinary(void **state)
{
    static const struct row rows[] = {
        {PE_REGION_HEADERS, 0x0000, 0x1000, 0, 0x400, "R--", -1},
        {PE_REGION_RAW, 0x1000, 0x1000, 0x400, 0x200, "R-X", 0},
        {PE_REGION_RAW, 0x2000, 0x1000, 0x600, 0xe00, "RW-", 1},
        {PE_REGION_ZERO, 0x3000, 0x3000, 0, 0, "RW-", 2},
    };
    struct pe_image image;
    (void)state;
    build_ordinary(&b, true);
    expect_opens(&b, &image);
    expect_plan(&image, rows, 4);
}

/* Rule 25: raw data beyond the page-rounded virtual size are cut, below it zero fill follows. */
static void raw_above_and_below_virtual(void **state)
{
    static const struct row rows[] = {
        {PE_REGION_HEADERS, 0x0000, 0x1000, 0, 0x400, "R--", -1},
        {PE_REGION_RAW, 0x1000, 0x1000, 0x400, 0x1000, "R-X", 0},
        {PE_REGION_RAW, 0x2000, 0x1000, 0x1800, 0x600, "RW-", 1},
        {PE_REGION_ZERO, 0x3000, 0x2000, 0, 0, "RW-", 1},
    };
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, true);
    build_section(&b, ".text", 0x800, 0x1400, CODE);
    build_section(&b, ".data", 0x2001, 0x600, DATA);
    expect_opens(&b, &image);
    expect_plan(&image, rows, 4);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.size, 0x800);
    assert_int_equal(section.raw_size_field, 0x1400);
    assert_string_equal(section.name, ".text");
}

/* Rule 25: the pointer is rounded down to 0x200 whatever FileAlignment says; a pointer or a size of 0 is no data. */
static void pointer_rounding(void **state)
{
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, false);
    build_section(&b, ".a", 0x1000, 0x200, DATA);
    build_section(&b, ".b", 0x1000, 0x200, DATA);
    build_section(&b, ".c", 0x1000, 0x200, DATA);
    build_section(&b, ".d", 0x1000, 0, DATA);
    build_section(&b, "12345678", 0x1000, 0x200, DATA);
    put32(&b, sec(&b, 0, SEC_RAW_OFF), 0x5ff);
    put32(&b, sec(&b, 1, SEC_RAW_OFF), 0);
    put32(&b, sec(&b, 2, SEC_RAW_OFF), 0x10);
    put32(&b, sec(&b, 3, SEC_RAW_OFF), 0x600);
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_off.value, 0x400); /* 0x5ff..0x7ff lies in the sectors 0x400..0x800 */
    assert_int_equal(section.raw_size, 0x400);
    pe_section_at(&image, 1, &section);
    assert_int_equal(section.raw_size, 0);
    pe_section_at(&image, 2, &section); /* within the first sector: the headers once more */
    assert_int_equal(section.raw_off.value, 0);
    assert_int_equal(section.raw_size, 0x400);
    pe_section_at(&image, 3, &section);
    assert_int_equal(section.raw_size, 0);
    pe_section_at(&image, 4, &section);
    assert_string_equal(section.name, "12345678");
}

/* Rule 26: the end of the raw data rounds up to FileAlignment, never beyond their last page. */
static void end_rounding(void **state)
{
    struct pe_image image;
    struct pe_section section;
    (void)state;
    build_begin(&b, true);
    put32(&b, opt(&b, OPT_FILE_ALIGNMENT), 0x1000);
    b.size = 0x1000;
    build_section(&b, ".a", 0x3000, 0x2000, DATA);
    build_section(&b, ".b", 0x1000, 0x1000, DATA);
    put32(&b, sec(&b, 0, SEC_RAW_SIZE), 0x1010);
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_size, 0x2000);
    put32(&b, sec(&b, 1, SEC_RAW_OFF), 0x3e00);
    put32(&b, sec(&b, 1, SEC_RAW_SIZE), 0x10);
    expect_opens(&b, &image);
    pe_section_at(&image, 1, &section);
    assert_int_equal(section.raw_off.value, 0x3e00);
    assert_int_equal(section.raw_size, 0x200); /* to 0x4000 */
    put32(&b, opt(&b, OPT_FILE_ALIGNMENT), 0x200);
    expect_opens(&b, &image);
    pe_section_at(&image, 0, &section);
    assert_int_equal(section.raw_size, 0x1200);
}

static void gaps(void **state)
{
    static const struct row rows[] = {
        {PE_REGION_HEADERS, 0x0000, 0x1000, 0, 0x400, "R--", -1},
        {PE_REGION_GAP, 0x1000, 0xf000, 0, 0, "---", -1},
        {PE_REGION_RAW, 0x10000, 0x1000, 0x400, 0x200, "R-X", 0},
        {PE_REGION_GAP, 0x11000, 0xf000, 0, 0, "---", -1},
        {PE_REGION_RAW, 0x20000, 0x1000, 0x600, 0x200, "RW-", 1},
        {PE_REGION_ZERO, 0x21000, 0x1000, 0, 0, "RW-", 1},
        {PE_REGION_GAP, 0x22000, 0xe000, 0, 0, "---", -1},
    };
    struct pe_image image;
    struct pe_section section;
    struct pe_span span;
    (void)state;
    build_begin(&b, true);
    build_alignment(&b, 0x10000);
    build_section(&b, ".text", 0x10, 0x200, CODE);
    build_section(&b, ".data", 0x1800, 0x200, DATA);
    expect_opens(&b, &image);
    expect_plan(&image, rows, 7);
    assert_false(pe_section_find(&image, pe_rva_at(0x11000), &section));
    assert_int_equal(pe_room_rva(&image, pe_rva_at(0x11000)), 0);
    assert_int_equal(pe_room_rva(&image, pe_rva_at(0x10)), 0xff0);
    assert_int_equal(pe_room_rva(&image, pe_rva_at(0x1000)), 0);
    assert_int_equal(pe_room_rva(&image, pe_rva_at(0x30000)), 0);
    assert_int_equal(pe_room_rva(&image, pe_rva_at(0x20001)), 0x1fff);

    /* In memory, too, nothing stands in a gap. */
    struct pe_error error;
    b.size = 0x30000;
    assert_true(pe_open(&image, build_bytes(&b), PE_FORM_MAPPED, &error));
    assert_true(pe_slice_rva(&image, pe_rva_at(0xfff), 1, &span));
    assert_false(pe_slice_rva(&image, pe_rva_at(0x1000), 1, &span));
    assert_false(pe_slice_rva(&image, pe_rva_at(0x10fff), 2, &span));
    assert_true(pe_slice_rva(&image, pe_rva_at(0x10fff), 1, &span));
    assert_true(pe_slice_rva(&image, pe_rva_at(0x20000), 0x2000, &span));
    assert_false(pe_slice_rva(&image, pe_rva_at(0x20000), 0x2001, &span));
}

/* Excess of SizeOfImage behind the last section is reserved, no more; a large SizeOfHeaders is zero behind the file. */
static void excess(void **state)
{
    static const struct row rows[] = {
        {PE_REGION_HEADERS, 0x0000, 0x1000, 0, 0x600, "R--", -1},
        {PE_REGION_ZERO, 0x1000, 0x2000, 0, 0, "R--", -1},
        {PE_REGION_RAW, 0x3000, 0x1000, 0x400, 0x200, "R-X", 0},
        {PE_REGION_GAP, 0x4000, 0x2000, 0, 0, "---", -1},
    };
    struct pe_image image;
    (void)state;
    build_begin(&b, true);
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x2001);
    b.next_rva = 0x3000;
    build_section(&b, ".text", 0x10, 0x200, CODE);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x6000);
    expect_opens(&b, &image);
    expect_plan(&image, rows, 4);
}

static void flat(void **state)
{
    static const struct row small[] = {{PE_REGION_HEADERS, 0, 0x1000, 0, 0x600, "RWX", -1}};
    static const struct row large[] = {{PE_REGION_HEADERS, 0, 0x1000, 0, 0x600, "RWX", -1},
                                       {PE_REGION_ZERO, 0x1000, 0x4000, 0, 0, "RWX", -1}};
    struct pe_image image;
    struct pe_span span;
    pe_off off;
    pe_rva rva;
    (void)state;
    build_begin(&b, false);
    build_alignment(&b, 0x200);
    b.next_rva = 0x400;
    build_section(&b, ".all", 0x180, 0x200, CODE);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x600);
    expect_opens(&b, &image);
    expect_plan(&image, small, 1);
    put32(&b, opt(&b, OPT_SIZE_OF_IMAGE), 0x5000);
    expect_opens(&b, &image);
    expect_plan(&image, large, 2);
    assert_true(pe_off_from_rva(&image, pe_rva_at(0x5ff), &off));
    assert_int_equal(off.value, 0x5ff);
    assert_false(pe_off_from_rva(&image, pe_rva_at(0x600), &off));
    assert_true(pe_rva_from_off(&image, pe_off_at(0x5ff), &rva));
    assert_int_equal(rva.value, 0x5ff);
    assert_true(pe_slice_rva(&image, pe_rva_at(0), 0x600, &span));
    assert_false(pe_slice_rva(&image, pe_rva_at(0), 0x601, &span));
}

static void rights_and_sharing(void **state)
{
    static const struct { uint32_t characteristics; int rights; bool shared; } rows[] = {
        {0x40000000, PE_R, false},
        {0x80000000, PE_R | PE_W, false}, /* no page can be written and not read */
        {0xc0000000, PE_R | PE_W, false},
        {0x20000000, PE_X, false},
        {0x60000020, PE_R | PE_X, false},
        {0xe0000000, PE_R | PE_W | PE_X, false},
        {0xa0000000, PE_R | PE_W | PE_X, false},
        {0x00000040, 0, false},
        {0xd0000000, PE_R | PE_W, true},
        {0x50000000, PE_R, false}, /* what nobody writes need not be shared */
    };
    enum { COUNT = sizeof rows / sizeof rows[0] };
    struct pe_image image;
    struct pe_layout layout;
    struct pe_region region;
    (void)state;
    build_begin(&b, true);
    b.size = 0x800;
    put32(&b, opt(&b, OPT_SIZE_OF_HEADERS), 0x800);
    for (unsigned i = 0; i < COUNT; i++)
        build_section(&b, ".s", 0x1000, 0, rows[i].characteristics);
    expect_opens(&b, &image);
    pe_layout_begin(&layout, &image);
    assert_true(pe_layout_next(&layout, &region));
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(pe_layout_next(&layout, &region));
        assert_int_equal(region.rights, rows[i].rights);
        assert_int_equal(region.shared, rows[i].shared);
    }

    /* A section without any right is not read in memory. */
    struct pe_error error;
    struct pe_span span;
    b.size = (COUNT + 1) * 0x1000;
    assert_true(pe_open(&image, build_bytes(&b), PE_FORM_MAPPED, &error));
    assert_true(pe_slice_rva(&image, pe_rva_at(0x1000), 0x1000, &span));
    assert_false(pe_slice_rva(&image, pe_rva_at(0x8000), 1, &span));
}

static void crossings(bool is_64)
{
    static const struct { uint32_t rva, off; bool backed; } rows[] = {
        {0, 0, true}, {0x3ff, 0x3ff, true}, {0x400, 0, false}, {0xfff, 0, false},
        {0x1000, 0x400, true}, {0x11ff, 0x5ff, true}, {0x1200, 0, false}, /* tail of the page */
        {0x2000, 0x600, true}, {0x2dff, 0x13ff, true}, {0x2e00, 0, false},
        {0x3000, 0, false}, {0x5fff, 0, false}, {0x6000, 0, false}, {0xffffffff, 0, false},
    };
    struct pe_image image;
    pe_off off;
    pe_rva rva;
    build_ordinary(&b, is_64);
    expect_opens(&b, &image);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(pe_off_from_rva(&image, pe_rva_at(rows[i].rva), &off), rows[i].backed);
        if (!rows[i].backed)
            continue;
        assert_int_equal(off.value, rows[i].off);
        assert_true(pe_rva_from_off(&image, off, &rva));
        assert_int_equal(rva.value, rows[i].rva);
    }
    assert_false(pe_rva_from_off(&image, pe_off_at(0x1400), &rva)); /* behind the last section: overlay */
    assert_false(pe_rva_from_off(&image, pe_off_at(UINT64_MAX), &rva));

    pe_va base = pe_va_at(0x7ff000000000);
    assert_true(pe_rva_from_va(&image, base, pe_va_at(0x7ff000005fff), &rva));
    assert_int_equal(rva.value, 0x5fff);
    assert_false(pe_rva_from_va(&image, base, pe_va_at(0x7ff000006000), &rva));
    assert_false(pe_rva_from_va(&image, base, pe_va_at(0x7fefffffffff), &rva));
    assert_true(pe_va_from_rva(base, pe_rva_at(0x1234)).value == 0x7ff000001234);
}
BOTH(crossings)

static void slices(void **state)
{
    struct pe_image image;
    struct pe_span span = {NULL, 77};
    const char *text;
    uint32_t len;
    uint8_t few[0x20];
    (void)state;
    build_ordinary(&b, true);
    put_text(&b, at_rva(&b, 0x2100), "Hello");
    memset(b.bytes + at_rva(&b, 0x2df0), 'x', 0x10);
    expect_opens(&b, &image);
    assert_true(pe_slice_rva(&image, pe_rva_at(0x2100), 5, &span));
    assert_memory_equal(span.data, "Hello", 5);
    assert_true(pe_slice_rva(&image, pe_rva_at(0x2dff), 1, &span));
    span.size = 77;
    assert_false(pe_slice_rva(&image, pe_rva_at(0x2dff), 2, &span)); /* zero fill is not bytes */
    assert_int_equal(span.size, 77);
    assert_false(pe_slice_rva(&image, pe_rva_at(0x11ff), 2, &span)); /* nor is the next section */
    assert_false(pe_slice_rva(&image, pe_rva_at(0x2000), 0xffffffff, &span));
    assert_true(pe_rest_rva(&image, pe_rva_at(0x2100), &span));
    assert_int_equal(span.size, 0xd00);

    assert_true(pe_string_rva(&image, pe_rva_at(0x2100), 5, &text, &len));
    assert_int_equal(len, 5);
    assert_string_equal(text, "Hello");
    assert_false(pe_string_rva(&image, pe_rva_at(0x2100), 4, &text, &len)); /* longer than the limit */
    assert_false(pe_string_rva(&image, pe_rva_at(0x2df0), 100, &text, &len)); /* its NUL would be zero fill */

    assert_true(pe_read_rva(&image, pe_rva_at(0x2df8), few, 0x20)); /* but a copy has it */
    assert_memory_equal(few, "xxxxxxxx\0\0\0\0\0\0\0\0", 16);
    assert_true(pe_read_rva(&image, pe_rva_at(0x1ff0), few, 0x20)); /* and goes from section to section */
    assert_true(pe_read_rva(&image, pe_rva_at(0x5ff0), few, 0x10));
    assert_false(pe_read_rva(&image, pe_rva_at(0x5ff0), few, 0x11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary),
        cmocka_unit_test(raw_above_and_below_virtual),
        cmocka_unit_test(pointer_rounding),
        cmocka_unit_test(end_rounding),
        cmocka_unit_test(gaps),
        cmocka_unit_test(excess),
        cmocka_unit_test(flat),
        cmocka_unit_test(rights_and_sharing),
        BOTH_TESTS(crossings),
        cmocka_unit_test(slices),
    };
    return cmocka_run_group_tests_name("pe: layout", tests, NULL, teardown);
}
