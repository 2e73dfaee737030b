/* Export tables, whole and broken: rules 40 to 45. */
#include "tests/unit/pe_builder.h"

#include "pe/export.h"

static struct build b;
static struct pe_error error;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

enum { DIRECTORY = 0x2000, FUNCTIONS = 0x2100, NAMES = 0x2200, ORDINALS = 0x2300, TEXT = 0x2400 };

static uint32_t text_at;

static uint32_t put_string(const char *text)
{
    uint32_t rva = text_at;
    put_text(&b, at_rva(&b, rva), text);
    text_at += (uint32_t)strlen(text) + 1;
    return rva;
}

static void put_counts(uint32_t functions, uint32_t names)
{
    put32(&b, at_rva(&b, DIRECTORY + 20), functions);
    put32(&b, at_rva(&b, DIRECTORY + 24), names);
}

static void put_function(unsigned index, uint32_t rva) { put32(&b, at_rva(&b, FUNCTIONS + index * 4), rva); }

static void put_name(unsigned index, const char *name, uint16_t function)
{
    put32(&b, at_rva(&b, NAMES + index * 4), put_string(name));
    put16(&b, at_rva(&b, ORDINALS + index * 2), function);
}

/* Ordinals 5 to 10: two named functions, an empty slot, one without a name, two forwarders. */
static void build_exports(bool is_64)
{
    build_ordinary(&b, is_64);
    text_at = TEXT;
    put_directory(&b, 0, DIRECTORY, 0x600);
    put32(&b, at_rva(&b, DIRECTORY + 12), put_string("self.dll"));
    put32(&b, at_rva(&b, DIRECTORY + 16), 5);
    put32(&b, at_rva(&b, DIRECTORY + 28), FUNCTIONS);
    put32(&b, at_rva(&b, DIRECTORY + 32), NAMES);
    put32(&b, at_rva(&b, DIRECTORY + 36), ORDINALS);
    put_counts(6, 4);
    put_function(0, 0x1010);
    put_function(1, 0x1000);
    put_function(2, 0);
    put_function(3, 0x1020);
    put_function(4, put_string("NTDLL.RtlAllocateHeap"));
    put_function(5, put_string("OTHER.#12"));
    put_name(0, "Alpha", 1);
    put_name(1, "AlphaBetaGamma", 0);
    put_name(2, "Heap", 4);
    put_name(3, "Zeta", 5);
}

static void open_exports(struct pe_exports *exports)
{
    static struct pe_image image;
    expect_opens(&b, &image);
    if (!pe_exports_open(exports, &image, &error))
        fail_msg("%s", error.text);
}

static bool find(const struct pe_exports *exports, const char *name, uint32_t hint, struct pe_export *out)
{
    /* Without its NUL, at the very end of its memory. */
    size_t len = strlen(name);
    char *exact = malloc(len ? len : 1);
    memcpy(exact, name, len);
    bool found = pe_export_by_name(exports, exact, (uint32_t)len, hint, out);
    free(exact);
    return found;
}

static void lookups(bool is_64)
{
    struct pe_exports exports;
    struct pe_export export;
    build_exports(is_64);
    open_exports(&exports);
    assert_string_equal(exports.dll_name, "self.dll");
    assert_int_equal(exports.base, 5);
    assert_int_equal(exports.function_count, 6);
    assert_int_equal(exports.name_count, 4);
    for (uint32_t hint = 0; hint < 6; hint++) { /* right, wrong and beyond */
        assert_true(find(&exports, "Alpha", hint, &export));
        assert_int_equal(export.rva.value, 0x1000);
        assert_int_equal(export.ordinal, 6);
        assert_string_equal(export.name, "Alpha");
        assert_null(export.forwarder);
        assert_true(find(&exports, "AlphaBetaGamma", hint, &export));
        assert_int_equal(export.rva.value, 0x1010);
        assert_int_equal(export.name_len, 14);
        assert_true(find(&exports, "Zeta", hint, &export));
    }
    assert_true(find(&exports, "Zeta", 0xffffffff, &export));

    static const char *const absent[] = {"", "A", "Alph", "Alpha ", "alpha", "AlphaBeta", "AlphaBetaGammaDelta", "AlphaBetaGammb",
                                         "Heap2", "Zetb", "~", "\xff\xff", "AlphaBe", "AlphaBet"};
    for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_false(find(&exports, absent[i], i, &export));

    assert_true(pe_export_by_ordinal(&exports, 5, &export));
    assert_int_equal(export.rva.value, 0x1010);
    assert_null(export.name);
    assert_true(pe_export_by_ordinal(&exports, 8, &export));
    assert_int_equal(export.rva.value, 0x1020);
    assert_false(pe_export_by_ordinal(&exports, 7, &export)); /* empty slot */
    assert_false(pe_export_by_ordinal(&exports, 4, &export)); /* below the base */
    assert_false(pe_export_by_ordinal(&exports, 11, &export));
    assert_false(pe_export_by_ordinal(&exports, 0xffffffff, &export));

    assert_true(pe_export_name_at(&exports, 1, &export));
    assert_string_equal(export.name, "AlphaBetaGamma");
    assert_false(pe_export_name_at(&exports, 4, &export));
    assert_false(pe_export_at(&exports, 2, &export));
    assert_false(pe_export_at(&exports, 6, &export));
}
BOTH(lookups)

/* Rule 45: an address inside the directory's range is a forwarder. */
static void forwarders(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    build_exports(true);
    open_exports(&exports);
    assert_true(find(&exports, "Heap", 0, &export));
    assert_string_equal(export.forwarder, "NTDLL.RtlAllocateHeap");
    assert_int_equal(export.forwarder_len, 21);
    assert_int_equal(export.rva.value, 0);
    assert_true(find(&exports, "Zeta", 0, &export));
    assert_string_equal(export.forwarder, "OTHER.#12");

    put_directory(&b, 0, DIRECTORY, 0x400); /* the text lies outside now: a datum */
    open_exports(&exports);
    assert_true(find(&exports, "Heap", 0, &export));
    assert_null(export.forwarder);
    assert_int_equal(export.rva.value, 0x2409);

    put_directory(&b, 0, DIRECTORY, 0x1000);
    put_function(0, 0x2dff); /* one byte that is not NUL, then zero fill */
    b.bytes[at_rva(&b, 0x2dff)] = 'x';
    open_exports(&exports);
    assert_false(find(&exports, "AlphaBetaGamma", 1, &export));
}

static void nearest(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    build_exports(true);
    open_exports(&exports);
    assert_true(pe_export_nearest(&exports, pe_rva_at(0x100f), &export));
    assert_string_equal(export.name, "Alpha");
    assert_int_equal(export.rva.value, 0x1000);
    assert_true(pe_export_nearest(&exports, pe_rva_at(0x1000), &export));
    assert_string_equal(export.name, "Alpha");
    assert_true(pe_export_nearest(&exports, pe_rva_at(0x101f), &export));
    assert_string_equal(export.name, "AlphaBetaGamma");
    assert_true(pe_export_nearest(&exports, pe_rva_at(0x5000), &export));
    assert_null(export.name);
    assert_int_equal(export.ordinal, 8);
    assert_false(pe_export_nearest(&exports, pe_rva_at(0xfff), &export));
}

/* Rule 44: a table out of order is searched to its end. */
static void unsorted_names(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    build_exports(false);
    put_name(0, "Zeta", 5);
    put_name(1, "Heap", 4);
    put_name(2, "AlphaBetaGamma", 0);
    put_name(3, "Alpha", 1);
    open_exports(&exports);
    assert_true(find(&exports, "Alpha", 0, &export));
    assert_int_equal(export.rva.value, 0x1000);
    assert_true(find(&exports, "AlphaBetaGamma", 0, &export));
    assert_true(find(&exports, "Heap", 9, &export));
    assert_true(find(&exports, "Zeta", 9, &export));
    assert_false(find(&exports, "Omega", 9, &export));
}

/* Names of every length around the eight bytes that are compared at once, in each other's neighbourhood. */
static void lengths(void **state)
{
    static const char all[] = "aaaaaaaaaaaaaaaaaaaa";
    struct pe_exports exports;
    struct pe_export export;
    char name[32];
    (void)state;
    build_exports(true);
    put_counts(18, 18);
    for (unsigned i = 0; i < 18; i++) {
        snprintf(name, sizeof name, "%.*s", (int)i, all);
        put_name(i, name, (uint16_t)i);
        put_function(i, 0x1000 + i);
    }
    open_exports(&exports);
    for (unsigned i = 0; i < 18; i++) {
        snprintf(name, sizeof name, "%.*s", (int)i, all);
        for (unsigned hint = 0; hint < 20; hint++) {
            assert_true(find(&exports, name, hint, &export));
            assert_int_equal(export.rva.value, 0x1000 + i);
            assert_int_equal(export.name_len, i);
        }
        if (i == 0)
            continue;
        name[i - 1] = 'b';
        assert_false(find(&exports, name, i, &export));
        name[i - 1] = '`';
        assert_false(find(&exports, name, i, &export));
    }
}

/* A name that runs into the end of its section's bytes without a NUL is none, wherever it is cut. */
static void names_at_the_end(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    for (unsigned left = 1; left < 20; left++) {
        build_exports(true);
        put_counts(6, 1);
        memcpy(b.bytes + at_rva(&b, 0x2e00 - left), "AlphaBetaGammaDeltaEpsilon", left);
        put32(&b, at_rva(&b, NAMES), 0x2e00 - left);
        open_exports(&exports);
        for (unsigned len = 0; len <= 26; len++)
            assert_false(pe_export_by_name(&exports, "AlphaBetaGammaDeltaEpsilon", len, 0, &export));
        b.bytes[at_rva(&b, 0x2dff)] = 0;
        open_exports(&exports);
        assert_true(pe_export_by_name(&exports, "AlphaBetaGammaDeltaEpsilon", left - 1, 0, &export));
    }
}

/* Names in another section than the directory. */
static void names_elsewhere(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    build_exports(true);
    put_text(&b, at_rva(&b, 0x1100), "Alpha");
    put32(&b, at_rva(&b, NAMES), 0x1100);
    open_exports(&exports);
    assert_true(find(&exports, "Alpha", 0, &export));
    put32(&b, at_rva(&b, NAMES), 0xffffffff); /* nowhere: the others are still found */
    open_exports(&exports);
    assert_false(find(&exports, "Alpha", 0, &export));
    assert_true(find(&exports, "Heap", 0, &export));
    assert_true(find(&exports, "Zeta", 0, &export));
}

static void expect_broken(unsigned rule)
{
    struct pe_image image;
    struct pe_exports exports;
    expect_opens(&b, &image);
    assert_false(pe_exports_open(&exports, &image, &error));
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, rule ? PE_BAD_DIRECTORY : PE_NOT_FOUND);
}

static void broken_tables(void **state)
{
    struct pe_exports exports;
    struct pe_export export;
    (void)state;
    build_exports(true);
    put_directory(&b, 0, 0, 0x600);
    expect_broken(0);
    put_directory(&b, 0, 0x6000, 0x600);
    expect_broken(40);
    put_directory(&b, 0, 0x5ff0, 0x600);
    expect_broken(40);

    put_directory(&b, 0, DIRECTORY, 0x600);
    put_counts(0x341, 4); /* one word more than .rdata has bytes in the file */
    expect_broken(41);
    put_counts(0x340, 4);
    open_exports(&exports);
    put_counts(0x40000001, 4); /* times four wraps */
    expect_broken(41);
    put_counts(0xffffffff, 4);
    expect_broken(41);
    put_counts(6, 0x301);
    expect_broken(42);
    put_counts(6, 0x80000001);
    expect_broken(42);
    put_counts(6, 4);
    put32(&b, at_rva(&b, DIRECTORY + 36), 0x2dfa);
    expect_broken(43);
    put32(&b, at_rva(&b, DIRECTORY + 36), 0xfffffffe);
    expect_broken(43);

    build_exports(true);
    put_counts(0, 0); /* nothing at all, with pointers to nowhere */
    put32(&b, at_rva(&b, DIRECTORY + 28), 0xffffffff);
    put32(&b, at_rva(&b, DIRECTORY + 32), 0xffffffff);
    put32(&b, at_rva(&b, DIRECTORY + 36), 0xffffffff);
    put32(&b, at_rva(&b, DIRECTORY + 12), 0xffffffff);
    open_exports(&exports);
    assert_null(exports.dll_name);
    assert_false(find(&exports, "Alpha", 0, &export));
    assert_false(pe_export_by_ordinal(&exports, 5, &export));

    build_exports(true);
    put_name(0, "Alpha", 6); /* an ordinal behind the table of functions */
    open_exports(&exports);
    assert_false(find(&exports, "Alpha", 0, &export));
    put_name(0, "Alpha", 2); /* a name for an empty slot */
    open_exports(&exports);
    assert_false(find(&exports, "Alpha", 0, &export));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(lookups),
        cmocka_unit_test(forwarders),
        cmocka_unit_test(nearest),
        cmocka_unit_test(unsorted_names),
        cmocka_unit_test(lengths),
        cmocka_unit_test(names_at_the_end),
        cmocka_unit_test(names_elsewhere),
        cmocka_unit_test(broken_tables),
    };
    return cmocka_run_group_tests_name("pe: exports", tests, NULL, teardown);
}
