/* The resource tree: rules 100 to 105. */
#include "tests/unit/pe_builder.h"

#include "pe/resource.h"

static struct build b;
static struct pe_error error;
static struct pe_image image;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

/* Offsets in the tree, which begins at 0x2000. */
enum { ROOT = 0, NAMES_ICON = 0x40, NAMES_MUI = 0x60, LANGUAGES = 0x80, LANGUAGES_2 = 0xb0, DATA_AT = 0x100, TEXT = 0x180 };
#define DIRECTORY_FLAG 0x80000000u

static size_t tree(uint32_t offset) { return at_rva(&b, 0x2000 + offset); }

static void put_level(uint32_t offset, uint16_t named, uint16_t numbered)
{
    put16(&b, tree(offset) + 12, named);
    put16(&b, tree(offset) + 14, numbered);
}
static void put_entry(uint32_t offset, unsigned index, uint32_t name, uint32_t to)
{
    put32(&b, tree(offset) + 16 + index * 8, name);
    put32(&b, tree(offset) + 20 + index * 8, to);
}
static void put_data(unsigned index, uint32_t rva, uint32_t size)
{
    put32(&b, tree(DATA_AT + index * 16), rva);
    put32(&b, tree(DATA_AT + index * 16) + 4, size);
    put32(&b, tree(DATA_AT + index * 16) + 8, 1252);
}
static void put_wide(uint32_t offset, const char *text)
{
    size_t at = tree(offset);
    put16(&b, at, (uint16_t)strlen(text));
    for (unsigned i = 0; text[i]; i++)
        put16(&b, at + 2 + i * 2, (unsigned char)text[i]);
}

/* "MUI"/1/1033 and icon/7/{1031, 1033, 0}. */
static void build_tree(void)
{
    build_ordinary(&b, true);
    put_directory(&b, 2, 0x2000, 0); /* rule 100: its Size is not looked at */
    put_level(ROOT, 1, 1);
    put_entry(ROOT, 0, DIRECTORY_FLAG | TEXT, DIRECTORY_FLAG | NAMES_MUI);
    put_entry(ROOT, 1, 3, DIRECTORY_FLAG | NAMES_ICON);
    put_level(NAMES_MUI, 0, 1);
    put_entry(NAMES_MUI, 0, 1, DIRECTORY_FLAG | LANGUAGES_2);
    put_level(NAMES_ICON, 0, 1);
    put_entry(NAMES_ICON, 0, 7, DIRECTORY_FLAG | LANGUAGES);
    put_level(LANGUAGES, 0, 3);
    put_entry(LANGUAGES, 0, 1031, DATA_AT);
    put_entry(LANGUAGES, 1, 1033, DATA_AT + 16);
    put_entry(LANGUAGES, 2, 0, DATA_AT + 32);
    put_level(LANGUAGES_2, 0, 1);
    put_entry(LANGUAGES_2, 0, 1033, DATA_AT + 48);
    for (unsigned i = 0; i < 4; i++)
        put_data(i, 0x2300 + i * 0x10, 0x10);
    put_wide(TEXT, "MUI");
}

static bool find(struct pe_resource_key type, uint16_t name, uint16_t language, struct pe_resource *out)
{
    expect_opens(&b, &image);
    return pe_resource_find(&image, type, PE_RESOURCE_NUMBER(name), language, out, &error);
}

static void enumerate(void **state)
{
    static const struct { uint16_t type, name, language; uint32_t data; } rows[] = {
        {0, 1, 1033, 0x2330}, {3, 7, 1031, 0x2300}, {3, 7, 1033, 0x2310}, {3, 7, 0, 0x2320},
    };
    struct pe_resource_cursor cursor;
    struct pe_resource resource;
    struct pe_span bytes;
    (void)state;
    build_tree();
    expect_opens(&b, &image);
    pe_resources_begin(&cursor, &image);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pe_resources_next(&cursor, &resource, &error));
        assert_int_equal(resource.type.is_name, i == 0);
        assert_int_equal(resource.type.number, rows[i].type);
        assert_int_equal(resource.name.number, rows[i].name);
        assert_int_equal(resource.language, rows[i].language);
        assert_int_equal(resource.data.value, rows[i].data);
        assert_int_equal(resource.code_page, 1252);
        assert_true(pe_resource_bytes(&image, &resource, &bytes));
        assert_int_equal(bytes.size, 0x10);
        if (i == 0)
            assert_memory_equal(resource.type.name.data, "M\0U\0I\0", 6);
    }
    assert_false(pe_resources_next(&cursor, &resource, &error));
    assert_int_equal(error.code, PE_OK);
    assert_false(pe_resources_next(&cursor, &resource, &error));

    put_directory(&b, 2, 0, 0);
    expect_opens(&b, &image);
    pe_resources_begin(&cursor, &image);
    assert_false(pe_resources_next(&cursor, &resource, &error));
    assert_int_equal(error.code, PE_OK);
}

static void lookups(void **state)
{
    struct pe_resource resource;
    const struct pe_resource_key icon = PE_RESOURCE_NUMBER(3), mui = {"mui", 3, 0}, other = {"MU", 2, 0};
    (void)state;
    build_tree();
    assert_true(find(icon, 7, 1031, &resource));
    assert_int_equal(resource.data.value, 0x2300);
    assert_true(find(icon, 7, 0, &resource)); /* the neutral one, though not the first */
    assert_int_equal(resource.data.value, 0x2320);
    assert_true(find(mui, 1, 1033, &resource));
    assert_int_equal(resource.data.value, 0x2330);
    assert_false(find(icon, 7, 1036, &resource));
    assert_int_equal(error.code, PE_NOT_FOUND);
    assert_false(find(icon, 8, 0, &resource));
    assert_int_equal(error.code, PE_NOT_FOUND);
    assert_false(find(other, 1, 0, &resource));
    assert_int_equal(error.code, PE_NOT_FOUND);
    put_entry(LANGUAGES, 2, 1036, DATA_AT + 32); /* no neutral one: US English */
    assert_true(find(icon, 7, 0, &resource));
    assert_int_equal(resource.language, 1033);
    put_entry(LANGUAGES, 1, 1040, DATA_AT + 16); /* nor that: the first */
    assert_true(find(icon, 7, 0, &resource));
    assert_int_equal(resource.language, 1031);
    put_level(LANGUAGES, 0, 0); /* a name without any language */
    assert_false(find(icon, 7, 0, &resource));
    assert_int_equal(error.code, PE_NOT_FOUND);
    assert_string_equal(pe_resource_type_name(24), "manifest");
    assert_null(pe_resource_type_name(77));
}

static void expect_broken(unsigned rule, enum pe_code code)
{
    struct pe_resource_cursor cursor;
    struct pe_resource resource;
    expect_opens(&b, &image);
    pe_resources_begin(&cursor, &image);
    while (pe_resources_next(&cursor, &resource, &error)) {
    }
    assert_int_equal(error.rule, rule);
    assert_int_equal(error.code, code);
    assert_false(pe_resources_next(&cursor, &resource, &error)); /* and stays at its end */
}

static void broken(void **state)
{
    struct pe_resource resource;
    struct pe_span bytes;
    (void)state;
    build_tree();
    put_directory(&b, 2, 0x9000, 0x100);
    expect_broken(101, PE_BAD_DIRECTORY);
    build_tree();
    put_entry(ROOT, 1, 3, DIRECTORY_FLAG | 0xdf1);
    expect_broken(101, PE_BAD_DIRECTORY);
    put_entry(ROOT, 1, 3, DIRECTORY_FLAG | 0x7fffffff);
    expect_broken(101, PE_BAD_DIRECTORY);
    build_tree();
    put_level(ROOT, 0xffff, 0xffff);
    expect_broken(102, PE_BAD_DIRECTORY);
    build_tree();
    put_entry(ROOT, 0, DIRECTORY_FLAG | 0xdff, DIRECTORY_FLAG | NAMES_MUI);
    expect_broken(103, PE_BAD_DIRECTORY);
    put_entry(ROOT, 0, DIRECTORY_FLAG | TEXT, DIRECTORY_FLAG | NAMES_MUI);
    put16(&b, tree(TEXT), 0xffff);
    expect_broken(103, PE_BAD_DIRECTORY);
    build_tree();
    put_entry(LANGUAGES, 0, 1031, 0xdf1);
    expect_broken(104, PE_BAD_DIRECTORY);
    build_tree();
    put_entry(NAMES_ICON, 0, 7, DATA_AT); /* two levels */
    expect_broken(105, PE_BAD_DIRECTORY);
    assert_false(find(PE_RESOURCE_NUMBER(3), 7, 0, &resource));
    assert_int_equal(error.rule, 105);
    build_tree();
    put_entry(LANGUAGES, 0, 1031, DIRECTORY_FLAG | LANGUAGES); /* four */
    expect_broken(105, PE_BAD_DIRECTORY);
    build_tree();
    put_entry(NAMES_ICON, 0, 7, DIRECTORY_FLAG | ROOT); /* back to the root */
    expect_broken(105, PE_BAD_DIRECTORY);
    assert_false(find(PE_RESOURCE_NUMBER(3), 7, 3, &resource));

    build_tree();
    put_data(0, 0x2df8, 9); /* the bytes are another matter */
    assert_true(find(PE_RESOURCE_NUMBER(3), 7, 1031, &resource));
    assert_false(pe_resource_bytes(&image, &resource, &bytes));
}

/* A tree whose levels are one and the same wide directory would be walked for ever. */
static void tree_without_end(void **state)
{
    enum { WIDTH = 400 };
    (void)state;
    build_tree();
    put_level(ROOT, 0, WIDTH);
    for (unsigned i = 0; i < WIDTH; i++)
        put_entry(ROOT, i, i, DIRECTORY_FLAG | ROOT);
    expect_broken(105, PE_BAD_DIRECTORY);
    uint32_t leaf = 0x20;
    build_begin(&b, true);
    build_section(&b, ".text", 0x1000, 0x200, CODE);
    build_section(&b, ".rsrc", 0x10000, 0x10000, READ_ONLY);
    memset(b.bytes + at_rva(&b, 0x2000), 0, 0x10000);
    put_directory(&b, 2, 0x2000, 0x10000);
    put_level(ROOT, 0, 1500); /* 1500 x 1500 x 1 entries through one shared level each */
    leaf = 0x8000;
    for (unsigned i = 0; i < 1500; i++) {
        put_entry(ROOT, i, i, DIRECTORY_FLAG | 0x4000);
        put_entry(0x4000, i, i, DIRECTORY_FLAG | leaf);
    }
    put_level(0x4000, 0, 1500);
    put_level(leaf, 0, 1);
    put_entry(leaf, 0, 1033, 0x9000);
    expect_broken(105, PE_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enumerate),
        cmocka_unit_test(lookups),
        cmocka_unit_test(broken),
        cmocka_unit_test(tree_without_end),
    };
    return cmocka_run_group_tests_name("pe: resources", tests, NULL, teardown);
}
