/* Import tables, delay imports and bound imports, whole and broken: rules 50 to 56, 80, 81, 130, 131. */
#include "tests/unit/pe_builder.h"

#include "pe/bound.h"
#include "pe/delay.h"

static struct build b;
static struct pe_error error;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

static unsigned width(void) { return b.is_64 ? 8 : 4; }
static void put_thunk(uint32_t rva, uint64_t value) { put(&b, at_rva(&b, rva), value, width()); }
static uint64_t by_ordinal(uint16_t ordinal) { return (b.is_64 ? 0x8000000000000000 : 0x80000000) | ordinal; }

static void put_name(uint32_t rva, uint16_t hint, const char *name)
{
    put16(&b, at_rva(&b, rva), hint);
    put_text(&b, at_rva(&b, rva) + 2, name);
}

static void put_descriptor(unsigned index, uint32_t lookup, uint32_t name, uint32_t iat)
{
    size_t at = at_rva(&b, 0x2000 + index * 20);
    put32(&b, at, lookup);
    put32(&b, at + 4, 0);
    put32(&b, at + 8, 0xffffffff);
    put32(&b, at + 12, name);
    put32(&b, at + 16, iat);
}

/* Two modules: one with a lookup table (name, ordinal), one with an IAT only. */
static void build_imports(bool is_64)
{
    build_ordinary(&b, is_64);
    put_directory(&b, 1, 0x2000, 40);
    put_descriptor(0, 0x2100, 0x2200, 0x2180);
    put_descriptor(1, 0, 0x2220, 0x21c0);
    put_text(&b, at_rva(&b, 0x2200), "first.dll");
    put_text(&b, at_rva(&b, 0x2220), "Second");
    put_name(0x2240, 0x1234, "Alpha");
    put_name(0x2260, 0, "Beta");
    put_thunk(0x2100, 0x2240);
    put_thunk(0x2100 + width(), by_ordinal(0xffff));
    put_thunk(0x21c0, 0x2260);
}

static void two_modules(bool is_64)
{
    struct pe_image image;
    struct pe_import_module module;
    struct pe_import import;
    build_imports(is_64);
    expect_opens(&b, &image);
    pe_import_modules_begin(&module, &image);

    assert_true(pe_import_modules_next(&module, &error));
    assert_int_equal(error.code, PE_OK);
    assert_string_equal(module.name, "first.dll");
    assert_int_equal(module.name_len, 9);
    assert_int_equal(module.lookup.value, 0x2100);
    assert_int_equal(module.iat.value, 0x2180);
    pe_imports_begin(&import, &module);
    assert_true(pe_imports_next(&import, &error));
    assert_false(import.by_ordinal);
    assert_string_equal(import.name, "Alpha");
    assert_int_equal(import.name_len, 5);
    assert_int_equal(import.hint, 0x1234);
    assert_int_equal(import.slot.value, 0x2180);
    assert_true(pe_imports_next(&import, &error));
    assert_true(import.by_ordinal);
    assert_int_equal(import.ordinal, 0xffff);
    assert_null(import.name);
    assert_int_equal(import.slot.value, 0x2180 + width());
    assert_false(pe_imports_next(&import, &error));
    assert_int_equal(error.code, PE_OK);

    assert_true(pe_import_modules_next(&module, &error));
    assert_string_equal(module.name, "Second");
    assert_int_equal(module.lookup.value, 0x21c0); /* OriginalFirstThunk 0: the IAT serves */
    pe_imports_begin(&import, &module);
    assert_true(pe_imports_next(&import, &error));
    assert_string_equal(import.name, "Beta");
    assert_int_equal(import.slot.value, 0x21c0);
    assert_false(pe_imports_next(&import, &error));

    assert_false(pe_import_modules_next(&module, &error));
    assert_int_equal(error.code, PE_OK);
}
BOTH(two_modules)

/* The cursor remembers where names lay; neither a name before that place nor one in another section is lost by it, and behind
 * the section's end there is none. */
static void names_in_any_order(bool is_64)
{
    static const struct { uint32_t rva; const char *name; } names[] = {
        {0x2d00, "Late"}, {0x2300, "Early"}, {0x1080, "In code"}, {0x2d00, "Late"}, {0x2df0, "At the end"}, {0x2300, "Early"}};
    struct pe_image image;
    struct pe_import_module module;
    struct pe_import import;
    build_imports(is_64);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        put_name(names[i].rva, (uint16_t)i, names[i].name);
        put_thunk(0x2100 + i * width(), names[i].rva);
    }
    put_thunk(0x2100 + 6 * width(), 0x2e00); /* of the section's memory, but not of its bytes */
    expect_opens(&b, &image);
    pe_import_modules_begin(&module, &image);
    assert_true(pe_import_modules_next(&module, &error));
    pe_imports_begin(&import, &module);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(pe_imports_next(&import, &error));
        assert_string_equal(import.name, names[i].name);
        assert_int_equal(import.name_len, strlen(names[i].name));
    }
    assert_false(pe_imports_next(&import, &error));
    assert_int_equal(error.rule, 56);
    assert_int_equal(error.where, 0x2e00);
}
BOTH(names_in_any_order)

static unsigned count_modules(const struct pe_image *image)
{
    struct pe_import_module module;
    unsigned count = 0;
    pe_import_modules_begin(&module, image);
    while (pe_import_modules_next(&module, &error))
        count++;
    return count;
}

static void where_the_table_ends(void **state)
{
    struct pe_image image;
    (void)state;
    build_imports(true);
    put_directory(&b, 1, 0x2000, 0); /* rule 52: its Size is not looked at */
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 2);
    assert_int_equal(error.code, PE_OK);
    put_descriptor(1, 0x2100, 0x2220, 0); /* FirstThunk 0 ends it */
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 1);
    put_descriptor(0, 0x2100, 0, 0x2180); /* so does Name 0 */
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 0);
    assert_int_equal(error.code, PE_OK);
    put_directory(&b, 1, 0, 40);
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 0);
    assert_int_equal(error.code, PE_OK);
    put32(&b, opt(&b, 108), 1); /* no such directory */
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 0);
}

static void expect_broken_module(unsigned rule)
{
    struct pe_image image;
    struct pe_import_module module;
    expect_opens(&b, &image);
    pe_import_modules_begin(&module, &image);
    while (pe_import_modules_next(&module, &error)) {
    }
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, PE_BAD_DIRECTORY);
    assert_int_equal(error.ntstatus, 0xc0000005); /* a fault, on Windows and Wine alike */
}

static void broken_descriptors(void **state)
{
    struct pe_image image;
    (void)state;
    build_imports(false);
    put_directory(&b, 1, 0x6000, 40);
    expect_broken_module(50);
    put_directory(&b, 1, 0xfffffff0, 40);
    expect_broken_module(50);
    put_directory(&b, 1, 0x5ff0, 40); /* cut by the end of the image */
    expect_broken_module(50);
    put_directory(&b, 1, 0x5fec, 40); /* zero fill is a terminator */
    expect_opens(&b, &image);
    assert_int_equal(count_modules(&image), 0);
    assert_int_equal(error.code, PE_OK);

    put_directory(&b, 1, 0x2000, 40);
    put_descriptor(0, 0x2100, 0x7000, 0x2180);
    expect_broken_module(53);
    put_descriptor(0, 0x2100, 0xffffffff, 0x2180);
    expect_broken_module(53);
    put_descriptor(0, 0x2100, 0x11f0, 0x2180); /* .text is 0xa0 to its end: no NUL */
    expect_broken_module(53);
}

/* Rule 51: a lookup table that points into the headers or out of the image is not one. */
static void useless_lookup_tables(void **state)
{
    static const uint32_t lookups[] = {1, 0x3ff, 0x6000, 0xffffffff};
    struct pe_image image;
    struct pe_import_module module;
    (void)state;
    build_imports(true);
    for (unsigned i = 0; i < 4; i++) {
        put_descriptor(0, lookups[i], 0x2200, 0x21c0);
        expect_opens(&b, &image);
        pe_import_modules_begin(&module, &image);
        assert_true(pe_import_modules_next(&module, &error));
        assert_int_equal(module.lookup.value, 0x21c0);
    }
}

static void expect_broken_import(unsigned rule, unsigned good)
{
    struct pe_image image;
    struct pe_import_module module;
    struct pe_import import;
    unsigned count = 0;
    expect_opens(&b, &image);
    pe_import_modules_begin(&module, &image);
    assert_true(pe_import_modules_next(&module, &error));
    pe_imports_begin(&import, &module);
    while (pe_imports_next(&import, &error))
        count++;
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, rule ? PE_BAD_DIRECTORY : PE_OK);
    assert_int_equal(count, good);
}

static void broken_thunks(bool is_64)
{
    build_imports(is_64);
    put_descriptor(0, 0x6000 - width() + 1, 0x2200, 0x2180); /* cut by the end of the image */
    expect_broken_import(54, 0);
    put_descriptor(0, 0x3000, 0x2200, 0x2180); /* zero fill: an empty list */
    expect_broken_import(0, 0);

    build_imports(is_64);
    put_descriptor(0, 0x2100, 0x2200, 0x6000 - width()); /* a slot inside, a slot outside */
    expect_broken_import(55, 1);
    put_descriptor(0, 0x2100, 0x2200, 0x6000 - 1);
    expect_broken_import(55, 0);
    put_descriptor(0, 0x2100, 0x2200, 0xffffffff);
    expect_broken_import(55, 0);

    build_imports(is_64);
    put_thunk(0x2100, 0x6000);
    expect_broken_import(56, 0);
    put_thunk(0x2100, 0x7fffffff);
    expect_broken_import(56, 0);
    put_thunk(0x2100, is_64 ? 0x0000000100002240 : 0x7fffffff); /* no RVA has more than 32 bits */
    expect_broken_import(56, 0);
    put_thunk(0x2100, 0x2dfe); /* the hint is there, the name is not */
    expect_broken_import(56, 0);
    put_thunk(0x2100, 0x2dff);
    expect_broken_import(56, 0);
    put_thunk(0x2100, 0x1100);
    expect_broken_import(56, 0);
}
BOTH(broken_thunks)

/* A lookup table that goes on into the next section, and ends in zero fill. */
static void table_across_sections(void **state)
{
    struct pe_image image;
    struct pe_import_module module;
    struct pe_import import;
    unsigned count = 0;
    (void)state;
    build_begin(&b, false);
    build_section(&b, ".a", 0x1000, 0x1000, DATA);
    build_section(&b, ".b", 0x1000, 0x1000, DATA);
    for (unsigned i = 0; i < 2; i++)
        memset(b.bytes + at_rva(&b, 0x1000 + i * 0x1000), 0, 0x1000);
    put_directory(&b, 1, 0x1000, 0);
    put32(&b, at_rva(&b, 0x1000), 0x1ff8);
    put32(&b, at_rva(&b, 0x100c), 0x1100);
    put32(&b, at_rva(&b, 0x1010), 0x2800);
    put_text(&b, at_rva(&b, 0x1100), "x.dll");
    for (unsigned i = 0; i < 4; i++)
        put32(&b, at_rva(&b, 0x1ff8 + i * 4), 0x80000001 + i);
    expect_opens(&b, &image);
    pe_import_modules_begin(&module, &image);
    assert_true(pe_import_modules_next(&module, &error));
    pe_imports_begin(&import, &module);
    while (pe_imports_next(&import, &error))
        assert_int_equal(import.ordinal, ++count);
    assert_int_equal(error.code, PE_OK);
    assert_int_equal(count, 4);
}

static void put_delay(uint32_t attributes, uint32_t add)
{
    static const uint32_t fields[] = {0x2200, 0x2300, 0x2180, 0x2100, 0x2310, 0x2320};
    put_directory(&b, 13, 0x2400, 64);
    put32(&b, at_rva(&b, 0x2400), attributes);
    for (unsigned i = 0; i < 6; i++)
        put32(&b, at_rva(&b, 0x2404 + i * 4), fields[i] + add);
    put32(&b, at_rva(&b, 0x241c), 0x5eed);
}

static void delay_imports(bool is_64)
{
    struct pe_image image;
    struct pe_delay_module module;
    struct pe_import import;
    build_imports(is_64);
    put_delay(1, 0);
    expect_opens(&b, &image);
    pe_delay_begin(&module, &image);
    assert_true(pe_delay_next(&module, &error));
    assert_string_equal(module.name, "first.dll");
    assert_int_equal(module.attributes, 1);
    assert_int_equal(module.module_handle.value, 0x2300);
    assert_int_equal(module.iat.value, 0x2180);
    assert_int_equal(module.lookup.value, 0x2100);
    assert_int_equal(module.bound_iat.value, 0x2310);
    assert_int_equal(module.unload_iat.value, 0x2320);
    assert_int_equal(module.timestamp, 0x5eed);
    pe_delay_imports_begin(&import, &module);
    assert_true(pe_imports_next(&import, &error));
    assert_string_equal(import.name, "Alpha");
    assert_int_equal(import.slot.value, 0x2180);
    assert_true(pe_imports_next(&import, &error));
    assert_int_equal(import.ordinal, 0xffff);
    assert_false(pe_imports_next(&import, &error));
    assert_int_equal(error.code, PE_OK);
    assert_false(pe_delay_next(&module, &error));
    assert_int_equal(error.code, PE_OK);
}
BOTH(delay_imports)

static void expect_broken_delay(unsigned rule)
{
    struct pe_image image;
    struct pe_delay_module module;
    expect_opens(&b, &image);
    pe_delay_begin(&module, &image);
    assert_false(pe_delay_next(&module, &error));
    assert_int_equal(error.rule, rule);
}

/* The first form of the descriptor holds VAs, in the lookup table, too. */
static void delay_imports_of_visual_c_6(void **state)
{
    struct pe_image image;
    struct pe_delay_module module;
    struct pe_import import;
    (void)state;
    build_imports(false);
    put_delay(0, 0x400000);
    put_thunk(0x2100, 0x402240);
    expect_opens(&b, &image);
    pe_delay_begin(&module, &image);
    assert_true(pe_delay_next(&module, &error));
    assert_string_equal(module.name, "first.dll");
    assert_int_equal(module.iat.value, 0x2180);
    pe_delay_imports_begin(&import, &module);
    assert_true(pe_imports_next(&import, &error));
    assert_string_equal(import.name, "Alpha");

    put32(&b, at_rva(&b, 0x240c), 0x3ff000); /* below the base */
    expect_broken_delay(81);
    put_delay(1, 0x400000);
    expect_broken_delay(81);
    put_delay(1, 0);
    put32(&b, at_rva(&b, 0x2404), 0x11f0); /* a name without an end */
    expect_broken_delay(81);
    put_directory(&b, 13, 0x5ff0, 64);
    expect_broken_delay(80);
    put_directory(&b, 13, 0, 0);
    expect_broken_delay(0);
}

static void put_bound(unsigned index, uint32_t stamp, uint16_t name, uint16_t references)
{
    size_t at = at_rva(&b, 0x2500 + index * 8);
    put32(&b, at, stamp);
    put16(&b, at + 4, name);
    put16(&b, at + 6, references);
}

static void bound_imports(void **state)
{
    static const struct { const char *name; uint32_t stamp; bool is_forwarder; } rows[] = {
        {"kernel32.dll", 1, false}, {"ntdll.dll", 2, true}, {"user32.dll", 3, false},
    };
    struct pe_image image;
    struct pe_bound bound;
    (void)state;
    build_ordinary(&b, false);
    put_directory(&b, 11, 0x2500, 0);
    put_bound(0, 1, 0x40, 1);
    put_bound(1, 2, 0x50, 0);
    put_bound(2, 3, 0x60, 0);
    put_text(&b, at_rva(&b, 0x2540), "kernel32.dll");
    put_text(&b, at_rva(&b, 0x2550), "ntdll.dll");
    put_text(&b, at_rva(&b, 0x2560), "user32.dll");
    expect_opens(&b, &image);
    pe_bound_begin(&bound, &image);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pe_bound_next(&bound, &error));
        assert_string_equal(bound.name, rows[i].name);
        assert_int_equal(bound.timestamp, rows[i].stamp);
        assert_int_equal(bound.is_forwarder, rows[i].is_forwarder);
    }
    assert_false(pe_bound_next(&bound, &error));
    assert_int_equal(error.code, PE_OK);

    put_bound(0, 1, 0xffff, 1);
    expect_opens(&b, &image);
    pe_bound_begin(&bound, &image);
    assert_false(pe_bound_next(&bound, &error));
    assert_int_equal(error.rule, 131);
    put_directory(&b, 11, 0x9000, 8);
    expect_opens(&b, &image);
    pe_bound_begin(&bound, &image);
    assert_false(pe_bound_next(&bound, &error));
    assert_int_equal(error.rule, 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(two_modules),
        BOTH_TESTS(names_in_any_order),
        cmocka_unit_test(where_the_table_ends),
        cmocka_unit_test(broken_descriptors),
        cmocka_unit_test(useless_lookup_tables),
        BOTH_TESTS(broken_thunks),
        cmocka_unit_test(table_across_sections),
        BOTH_TESTS(delay_imports),
        cmocka_unit_test(delay_imports_of_visual_c_6),
        cmocka_unit_test(bound_imports),
    };
    return cmocka_run_group_tests_name("pe: imports", tests, NULL, teardown);
}
