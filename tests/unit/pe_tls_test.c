/* The TLS directory: rules 70 to 75. */
#include "tests/unit/pe_builder.h"

#include "pe/tls.h"

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
static unsigned width(void) { return b.is_64 ? 8 : 4; }
static void put_va(unsigned field, uint64_t va) { put(&b, at_rva(&b, 0x2000) + field * width(), va, width()); }

/* 0x20 bytes of data at 0x2100, index at 0x3000, callbacks at 0x2200. */
static void build_tls(bool is_64)
{
    build_ordinary(&b, is_64);
    put_directory(&b, 9, 0x2000, 0); /* rule 75: its Size is not looked at */
    put_va(0, base_of() + 0x2100);
    put_va(1, base_of() + 0x2120);
    put_va(2, base_of() + 0x3000);
    put_va(3, base_of() + 0x2200);
    put32(&b, at_rva(&b, 0x2000) + 4 * width(), 0x18);
    put32(&b, at_rva(&b, 0x2000) + 4 * width() + 4, 0);
    put(&b, at_rva(&b, 0x2200), base_of() + 0x1008, width());
    put(&b, at_rva(&b, 0x2200) + width(), base_of() + 0x1000, width());
}

static bool read_tls(struct pe_tls *tls)
{
    expect_opens(&b, &image);
    return pe_tls_read(&image, image.image_base, tls, &error);
}

static void whole(bool is_64)
{
    struct pe_tls tls;
    pe_rva callback;
    build_tls(is_64);
    assert_true(read_tls(&tls));
    assert_int_equal(tls.data.value, 0x2100);
    assert_int_equal(tls.data_size, 0x20);
    assert_int_equal(tls.zero_fill, 0x18);
    assert_int_equal(tls.index.value, 0x3000);
    assert_int_equal(tls.callbacks.value, 0x2200);
    assert_int_equal(tls.alignment, 16);
    assert_true(pe_tls_callback(&image, &tls, image.image_base, 0, &callback, &error));
    assert_int_equal(callback.value, 0x1008);
    assert_true(pe_tls_callback(&image, &tls, image.image_base, 1, &callback, &error));
    assert_int_equal(callback.value, 0x1000);
    assert_false(pe_tls_callback(&image, &tls, image.image_base, 2, &callback, &error));
    assert_int_equal(error.code, PE_OK);
}
BOTH(whole)

static void alignments(void **state)
{
    static const struct { uint32_t bits, bytes; } rows[] = {
        {0, 16}, {1, 1}, {2, 2}, {3, 4}, {4, 8}, {5, 16}, {7, 64}, {14, 8192}, {15, 16},
    };
    struct pe_tls tls;
    (void)state;
    build_tls(true);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put32(&b, at_rva(&b, 0x2024), rows[i].bits << 20 | 0xff0fffff);
        assert_true(read_tls(&tls));
        assert_int_equal(tls.alignment, rows[i].bytes);
    }
}

static void nothing(bool is_64)
{
    struct pe_tls tls;
    pe_rva callback;
    build_tls(is_64);
    for (unsigned field = 0; field < 4; field++)
        put_va(field, 0);
    assert_true(read_tls(&tls));
    assert_int_equal(tls.data_size, 0);
    assert_int_equal(tls.index.value, 0);
    assert_int_equal(tls.callbacks.value, 0);
    assert_false(pe_tls_callback(&image, &tls, image.image_base, 0, &callback, &error));
    assert_int_equal(error.code, PE_OK);
    put_va(0, 1); /* start and end equal: no data, wherever they point */
    put_va(1, 1);
    assert_true(read_tls(&tls));
    assert_int_equal(tls.data_size, 0);
    put_directory(&b, 9, 0, 40);
    assert_false(read_tls(&tls));
    assert_int_equal(error.code, PE_NOT_FOUND);
}
BOTH(nothing)

static void expect_broken(unsigned rule)
{
    struct pe_tls tls;
    assert_false(read_tls(&tls));
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, PE_BAD_DIRECTORY);
}

static void broken(bool is_64)
{
    struct pe_tls tls;
    pe_rva callback;
    build_tls(is_64);
    put_directory(&b, 9, 0x6000 - (is_64 ? 39 : 23), 0);
    expect_broken(70);

    build_tls(is_64);
    put_va(1, base_of() + 0x20ff); /* ends before it begins */
    expect_broken(71);
    put_va(0, base_of() + 0x5ff0);
    put_va(1, base_of() + 0x6001); /* beyond the image */
    expect_broken(71);
    put_va(1, base_of() + 0x6000);
    assert_true(read_tls(&tls));
    put_va(0, base_of() - 1);
    expect_broken(71);
    put_va(0, 0);
    put_va(1, is_64 ? UINT64_MAX : UINT32_MAX);
    expect_broken(71);

    build_tls(is_64);
    put_va(2, base_of() + 0x5ffd);
    expect_broken(72);
    put_va(2, 1);
    expect_broken(72);
    build_tls(is_64);
    put_va(3, base_of() + 0x6000);
    expect_broken(73);

    build_tls(is_64);
    put_va(3, base_of() + 0x5fff);
    assert_true(read_tls(&tls));
    assert_false(pe_tls_callback(&image, &tls, image.image_base, 0, &callback, &error));
    assert_int_equal(error.rule, 73);
    put_va(3, base_of() + 0x2200);
    assert_true(read_tls(&tls));
    assert_false(pe_tls_callback(&image, &tls, image.image_base, 0xffffffff, &callback, &error));
    assert_int_equal(error.rule, 73);
    put(&b, at_rva(&b, 0x2200), 0x1000, width()); /* an RVA where a VA belongs */
    assert_true(read_tls(&tls));
    assert_false(pe_tls_callback(&image, &tls, image.image_base, 0, &callback, &error));
    assert_int_equal(error.rule, 74);
    assert_true(error.where == base_of() + 0x2200 && error.got == 0x1000 && error.ladder == PE_LADDER_VA);
}
BOTH(broken)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(whole),
        cmocka_unit_test(alignments),
        BOTH_TESTS(nothing),
        BOTH_TESTS(broken),
    };
    return cmocka_run_group_tests_name("pe: TLS", tests, NULL, teardown);
}
