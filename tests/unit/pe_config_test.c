/* Load configuration and debug directory: rules 110 to 113 and 120. Offsets are those of winnt.h. */
#include "tests/unit/pe_builder.h"

#include "pe/debug.h"
#include "pe/loadconfig.h"

static struct build b;
static struct pe_error error;
static struct pe_image image;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

static uint64_t base_of(void) { return b.is_64 ? 0x140000000 : 0x400000; }

/* A field at its offset in PE32 and in PE32+. */
static void put_field(unsigned at32, unsigned at64, uint64_t value)
{
    put(&b, at_rva(&b, 0x2000) + (b.is_64 ? at64 : at32), value, b.is_64 ? 8 : 4);
}

static void build_config(bool is_64, uint32_t size)
{
    build_ordinary(&b, is_64);
    put_directory(&b, 10, 0x2000, size);
    put32(&b, at_rva(&b, 0x2000), size);
    put_field(0x3c, 0x58, base_of() + 0x3000); /* SecurityCookie */
    if (!is_64) {
        put_field(0x40, 0x60, base_of() + 0x2200); /* SEHandlerTable */
        put_field(0x44, 0x68, 3);                  /* SEHandlerCount */
    }
    put_field(0x48, 0x70, base_of() + 0x2300); /* GuardCFCheckFunctionPointer */
    put_field(0x4c, 0x78, base_of() + 0x2308); /* GuardCFDispatchFunctionPointer */
    put_field(0x50, 0x80, base_of() + 0x2400); /* GuardCFFunctionTable */
    put_field(0x54, 0x88, 4);                  /* GuardCFFunctionCount */
    put32(&b, at_rva(&b, 0x2000) + (is_64 ? 0x90 : 0x58), 0x10000500); /* GuardFlags: entries of 5 bytes */
    for (unsigned i = 0; i < 3; i++)
        put32(&b, at_rva(&b, 0x2200 + i * 4), 0x1000 + i);
    for (unsigned i = 0; i < 4; i++)
        put32(&b, at_rva(&b, 0x2400 + i * 5), 0x1100 + i);
}

static bool read_config(struct pe_load_config *config)
{
    expect_opens(&b, &image);
    return pe_load_config_read(&image, image.image_base, config, &error);
}

static void whole(bool is_64)
{
    struct pe_load_config config;
    pe_rva entry;
    build_config(is_64, is_64 ? 0x94 : 0x5c);
    assert_true(read_config(&config));
    assert_int_equal(config.cookie.value, 0x3000);
    assert_true(config.cookie_va.value == base_of() + 0x3000);
    assert_int_equal(config.has_seh_table, !is_64);
    assert_int_equal(config.seh.count, is_64 ? 0 : 3);
    assert_int_equal(config.guard_flags, 0x10000500);
    assert_int_equal(config.guard_check.value, 0x2300);
    assert_int_equal(config.guard_dispatch.value, 0x2308);
    assert_int_equal(config.guard_functions.count, 4);
    assert_int_equal(config.guard_functions.width, 5);
    assert_true(pe_config_table_at(&image, &config.guard_functions, 3, &entry));
    assert_int_equal(entry.value, 0x1103);
    assert_false(pe_config_table_at(&image, &config.guard_functions, 4, &entry));
    if (!is_64) {
        assert_true(pe_config_table_at(&image, &config.seh, 2, &entry));
        assert_int_equal(entry.value, 0x1002);
    }
}
BOTH(whole)

/* Rule 110: what lies behind `size` is not there. 0x40 in the directory is what PE32 linkers always wrote. */
static void short_structures(void **state)
{
    struct pe_load_config config;
    (void)state;
    build_config(false, 0x40);
    assert_true(read_config(&config));
    assert_int_equal(config.cookie.value, 0x3000);
    assert_false(config.has_seh_table);
    assert_int_equal(config.seh.count, 0);
    assert_int_equal(config.guard_flags, 0);
    put_directory(&b, 10, 0x2000, 0x5c); /* whatever the directory says */
    assert_true(read_config(&config));
    assert_false(config.has_seh_table);
    put_directory(&b, 10, 0x2000, 0x40);
    put32(&b, at_rva(&b, 0x2000), 0x48); /* the directory still says 0x40 */
    assert_true(read_config(&config));
    assert_true(config.has_seh_table);
    assert_int_equal(config.seh.count, 3);
    assert_int_equal(config.guard_functions.count, 0);
    build_config(true, 4);
    assert_true(read_config(&config));
    assert_int_equal(config.cookie.value, 0);
    put32(&b, at_rva(&b, 0x2000), 0); /* so is everything where the structure calls itself empty */
    put_directory(&b, 10, 0x2000, 0x94);
    assert_true(read_config(&config));
    assert_int_equal(config.cookie.value, 0);
    put_directory(&b, 10, 0, 0);
    assert_false(read_config(&config));
    assert_int_equal(error.code, PE_NOT_FOUND);
}

static void expect_broken(unsigned rule)
{
    struct pe_load_config config;
    assert_false(read_config(&config));
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, PE_BAD_DIRECTORY);
}

static void broken(bool is_64)
{
    uint32_t size = is_64 ? 0x94 : 0x5c;
    build_config(is_64, size);
    put_directory(&b, 10, 0x6000, size);
    expect_broken(110);
    put_directory(&b, 10, 0x5ffd, size);
    expect_broken(110);
    build_config(is_64, size);
    put_field(0x48, 0x70, base_of() + 0x6000);
    expect_broken(111);
    build_config(is_64, size);
    put_field(0x54, 0x88, 0x10000);
    expect_broken(112);
    put_field(0x54, 0x88, is_64 ? UINT64_MAX / 5 + 1 : 0x33333334); /* times five wraps */
    expect_broken(112);
    put_field(0x50, 0x80, base_of() + 0x6000 - 20); /* four entries of five bytes up to the image's end */
    put_field(0x54, 0x88, 4);
    struct pe_load_config config;
    assert_true(read_config(&config));
    put_field(0x54, 0x88, 5);
    expect_broken(112);
    build_config(is_64, size);
    put_field(0x3c, 0x58, base_of() + 0x6000 - (is_64 ? 8 : 4));
    assert_true(read_config(&config));
    put_field(0x3c, 0x58, base_of() + 0x6000 - (is_64 ? 7 : 3));
    expect_broken(113);
    put_field(0x3c, 0x58, 0x3000);
    expect_broken(113);
}
BOTH(broken)

static void put_debug(unsigned index, uint32_t type, uint32_t size, uint32_t rva, uint32_t off)
{
    size_t at = at_rva(&b, 0x2000 + index * 28);
    put32(&b, at + 4, 0x77);
    put32(&b, at + 12, type);
    put32(&b, at + 16, size);
    put32(&b, at + 20, rva);
    put32(&b, at + 24, off);
}

static void debug_entries(void **state)
{
    struct pe_debug debug;
    struct pe_codeview codeview;
    struct pe_span bytes;
    (void)state;
    build_ordinary(&b, true);
    put_directory(&b, 6, 0x2000, 4 * 28 + 3);
    put_debug(0, 2, 0x20, 0x2200, 0);
    put_debug(1, 2, 0x18, 0, (uint32_t)at_rva(&b, 0x2300)); /* in the file only */
    put_debug(2, 13, 0x10, 0x2df8, 0);
    put_debug(3, 2, 0x19, 0x2400, 0);
    put_text(&b, at_rva(&b, 0x2200), "RSDS0123456789abcdef");
    put32(&b, at_rva(&b, 0x2214), 5);
    put_text(&b, at_rva(&b, 0x2218), "new.pdb");
    put_text(&b, at_rva(&b, 0x2300), "NB10");
    put32(&b, at_rva(&b, 0x2308), 0x1234);
    put32(&b, at_rva(&b, 0x230c), 6);
    put_text(&b, at_rva(&b, 0x2310), "old.pdb");
    put_text(&b, at_rva(&b, 0x2400), "RSDS");
    put_text(&b, at_rva(&b, 0x2418), "x"); /* its NUL lies behind the record */
    expect_opens(&b, &image);
    pe_debug_begin(&debug, &image);
    assert_true(pe_debug_next(&debug, &error));
    assert_int_equal(debug.timestamp, 0x77);
    assert_true(pe_debug_codeview(&debug, &codeview));
    assert_string_equal(codeview.pdb, "new.pdb");
    assert_int_equal(codeview.pdb_len, 7);
    assert_memory_equal(codeview.guid, "0123456789abcdef", 16);
    assert_int_equal(codeview.age, 5);
    assert_true(pe_debug_next(&debug, &error));
    assert_true(pe_debug_codeview(&debug, &codeview));
    assert_string_equal(codeview.pdb, "old.pdb");
    assert_int_equal(codeview.signature, 0x1234);
    assert_int_equal(codeview.age, 6);
    assert_true(pe_debug_next(&debug, &error));
    assert_string_equal(pe_debug_type_name(debug.type), "POGO");
    assert_false(pe_debug_codeview(&debug, &codeview));
    assert_false(pe_debug_bytes(&debug, &bytes)); /* half of it is zero fill */
    assert_true(pe_debug_next(&debug, &error));
    assert_false(pe_debug_codeview(&debug, &codeview));
    assert_false(pe_debug_next(&debug, &error));
    assert_int_equal(error.code, PE_OK);

    put_directory(&b, 6, 0x5fff, 28);
    expect_opens(&b, &image);
    pe_debug_begin(&debug, &image);
    assert_false(pe_debug_next(&debug, &error));
    assert_int_equal(error.rule, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(whole),
        cmocka_unit_test(short_structures),
        BOTH_TESTS(broken),
        cmocka_unit_test(debug_entries),
    };
    return cmocka_run_group_tests_name("pe: configuration and debug", tests, NULL, teardown);
}
