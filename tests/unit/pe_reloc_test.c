/* Base relocations, whole and broken: rules 60 to 66. Types and block layout are Microsoft's. */
#include "tests/unit/pe_builder.h"

#include "pe/reloc.h"

static struct build b;
static struct pe_error error;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

/* Blocks are appended at 0x2000 in .rdata. */
static uint32_t table_end;

static void begin(bool is_64)
{
    build_ordinary(&b, is_64);
    table_end = 0x2000;
}

static void put_block(uint32_t page, unsigned count, const uint16_t *entries)
{
    put32(&b, at_rva(&b, table_end), page);
    put32(&b, at_rva(&b, table_end) + 4, 8 + count * 2);
    for (unsigned i = 0; i < count; i++)
        put16(&b, at_rva(&b, table_end) + 8 + i * 2, entries[i]);
    table_end += 8 + count * 2;
    put_directory(&b, 5, 0x2000, table_end - 0x2000);
}

static struct pe_image image;

static void blocks(struct pe_reloc_block *block)
{
    expect_opens(&b, &image);
    pe_reloc_blocks_begin(block, &image);
}

static void widths(void **state)
{
    static const int expected[16] = {0, 2, 2, 4, 2, -1, -1, -1, -1, -1, 8, -1, -1, -1, -1, -1};
    (void)state;
    for (unsigned type = 0; type < 16; type++)
        assert_int_equal(pe_reloc_width(type), expected[type]);
}

static void two_blocks(bool is_64)
{
    static const uint16_t first[] = {0xa000, 0xaff0, 0x3004, 0x0000}, second[] = {0x1010, 0x2020, 0x4030, 0x8765, 0xa123};
    static const struct pe_fixup expected[] = {
        {10, {0x1000}, 0, 1}, {10, {0x1ff0}, 0, 1}, {3, {0x1004}, 0, 1}, {0, {0x1000}, 0, 1},
        {1, {0x3010}, 0, 1}, {2, {0x3020}, 0, 1}, {4, {0x3030}, 0x8765, 2}, {10, {0x3123}, 0, 1},
    };
    struct pe_reloc_block block;
    struct pe_fixup fixup;
    unsigned at = 0, count = 0;
    begin(is_64);
    put_block(0x1000, 4, first);
    put_block(0x3000, 5, second);
    blocks(&block);
    for (; pe_reloc_blocks_next(&block, &error); count++) {
        assert_int_equal(block.page.value, count ? 0x3000 : 0x1000);
        assert_int_equal(block.count, count ? 5 : 4);
        assert_int_equal(block.entries.size, block.count * 2);
        for (uint32_t i = 0; i < block.count; i += fixup.taken, at++) {
            assert_true(pe_reloc_fixup(&block, i, &fixup, &error));
            assert_int_equal(fixup.type, expected[at].type);
            assert_int_equal(fixup.rva.value, expected[at].rva.value);
            assert_int_equal(fixup.parameter, expected[at].parameter);
            assert_int_equal(fixup.taken, expected[at].taken);
        }
    }
    assert_int_equal(error.code, PE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(at, 8);
}
BOTH(two_blocks)

/* The room of a block ends with its section: .text is one page, .bss three. */
static void room(void **state)
{
    struct pe_reloc_block block;
    (void)state;
    begin(true);
    put_block(0x1000, 0, NULL);
    put_block(0x3000, 0, NULL);
    put_block(0x0000, 0, NULL);
    blocks(&block);
    assert_true(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(block.room, 0x1000);
    assert_true(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(block.room, 0x3000);
    assert_true(block.room >= PE_RELOC_ROOM);
    assert_true(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(block.room, 0x1000); /* headers */
    assert_false(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(error.code, PE_OK);
}

static void no_table(void **state)
{
    struct pe_reloc_block block;
    (void)state;
    begin(true);
    blocks(&block);
    assert_false(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(error.code, PE_OK);
    put_directory(&b, 5, 0x2000, 0); /* Size 0: nothing to do */
    blocks(&block);
    assert_false(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(error.code, PE_OK);
    put_directory(&b, 5, 0x2000, 7); /* less than a block's header: rounding */
    blocks(&block);
    assert_false(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(error.code, PE_OK);
}

static void expect_broken(unsigned rule, uint32_t ntstatus)
{
    struct pe_reloc_block block;
    struct pe_fixup fixup;
    blocks(&block);
    bool good = true;
    while (good && pe_reloc_blocks_next(&block, &error))
        for (uint32_t i = 0; good && i < block.count; i += fixup.taken)
            good = pe_reloc_fixup(&block, i, &fixup, &error);
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, PE_BAD_DIRECTORY);
    assert_int_equal(error.ntstatus, ntstatus);
}

static void broken_blocks(void **state)
{
    static const uint16_t one[] = {0xa000, 0};
    (void)state;
    begin(true);
    put_block(0x1000, 2, one);
    put_directory(&b, 5, 0x2000, 0xe01); /* more than the section has bytes */
    expect_broken(60, 0xc000007b);
    put_directory(&b, 5, 0x6000, 8);
    expect_broken(60, 0xc000007b);
    put_directory(&b, 5, 0xffffffff, 0xffffffff);
    expect_broken(60, 0xc000007b);

    static const uint32_t sizes[] = {0, 1, 7, 9, 11, 0xffffffff};
    put_directory(&b, 5, 0x2000, 12);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put32(&b, at_rva(&b, 0x2004), sizes[i]);
        expect_broken(61, 0xc000007b);
    }
    put32(&b, at_rva(&b, 0x2004), 14); /* two bytes beyond the directory */
    expect_broken(62, 0xc000007b);
    put32(&b, at_rva(&b, 0x2004), 0xfffffffe);
    expect_broken(62, 0xc000007b);
    put32(&b, at_rva(&b, 0x2004), 12);
    put32(&b, at_rva(&b, 0x2000), 0x6000);
    expect_broken(63, 0xc0000005);
    put32(&b, at_rva(&b, 0x2000), 0xfffff000);
    expect_broken(63, 0xc0000005);
}

/* The walk ends at the directory's size: an empty block in the middle is an error and does not hide what follows. */
static void zero_block(void **state)
{
    static const uint16_t one[] = {0xa000, 0};
    (void)state;
    begin(true);
    put_block(0x1000, 2, one);
    table_end += 8; /* page 0, size 0 */
    put_block(0x1000, 2, one);
    expect_broken(61, 0xc000007b);
}

static void broken_fixups(void **state)
{
    static const uint16_t unknown[] = {5, 6, 7, 8, 9, 11, 12, 13, 14, 15};
    (void)state;
    for (unsigned i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        uint16_t entry = (uint16_t)(unknown[i] << 12);
        begin(true);
        put_block(0x1000, 1, &entry);
        expect_broken(64, 0xc000007b);
    }

    /* The last bytes of the image: .bss ends at 0x6000. */
    static const struct { uint16_t entry; bool good; } ends[] = {
        {0xaff8, true}, {0xaff9, false}, {0x3ffc, true}, {0x3ffd, false}, {0x1ffe, true}, {0x1fff, false}, {0x0fff, true},
    };
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct pe_reloc_block block;
        struct pe_fixup fixup;
        begin(true);
        put_block(0x5000, 1, &ends[i].entry);
        blocks(&block);
        assert_true(pe_reloc_blocks_next(&block, &error));
        assert_int_equal(pe_reloc_fixup(&block, 0, &fixup, &error), ends[i].good);
        assert_int_equal(error.rule, ends[i].good ? 0 : 65);
    }

    /* From one section into the next one: both are memory. Into a gap: not. */
    uint16_t across = 0xaffc;
    struct pe_reloc_block block;
    struct pe_fixup fixup;
    begin(true);
    put_block(0x1000, 1, &across);
    blocks(&block);
    assert_true(pe_reloc_blocks_next(&block, &error));
    assert_true(pe_reloc_fixup(&block, 0, &fixup, &error));

    build_begin(&b, true);
    build_alignment(&b, 0x2000);
    build_section(&b, ".text", 0x10, 0x200, CODE);
    build_section(&b, ".reloc", 0x1000, 0x200, DATA);
    memset(b.bytes + at_rva(&b, 0x4000), 0, 0x200);
    put32(&b, at_rva(&b, 0x4000), 0x2000);
    put32(&b, at_rva(&b, 0x4004), 10);
    put16(&b, at_rva(&b, 0x4008), across);
    put_directory(&b, 5, 0x4000, 10);
    expect_broken(65, 0xc0000005);
    put32(&b, at_rva(&b, 0x4000), 0x3000); /* a whole page of nothing */
    expect_broken(65, 0xc0000005);

    static const uint16_t half[] = {0x4000};
    begin(true);
    put_block(0x1000, 1, half);
    expect_broken(66, 0xc000007b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),
        BOTH_TESTS(two_blocks),
        cmocka_unit_test(room),
        cmocka_unit_test(no_table),
        cmocka_unit_test(broken_blocks),
        cmocka_unit_test(zero_block),
        cmocka_unit_test(broken_fixups),
    };
    return cmocka_run_group_tests_name("pe: relocations", tests, NULL, teardown);
}
