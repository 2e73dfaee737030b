/* The walk over a process, on a made-up one: memory that is an array, an image that is stretched into it by hand, a PEB and module lists
 * that lie. Offsets of the structures are held against loader/nt/abi.h, which static_asserts pin to Windows' public symbols. */
#include "loader/inspect/inspect.h"
#include "loader/inspect/offsets.h"
#include "loader/nt/abi.h"
#include "pe/layout.h"
#include "tests/unit/pe_builder.h"

#include <jansson.h>

enum { LOW = 0x10000, SIZE = 0x60000, PEB = 0x10000, LDR = 0x11000, ENTRY = 0x11100, TEXT = 0x11800, IMAGE = 0x20000, TEB = 0x12000 };

static struct build file;
static uint8_t memory[SIZE];
static bool unreadable;           /* nothing can be read */
static uint32_t image_size;

/* ---- the made-up process ---- */

static bool fake_read(struct inspect_reader *reader, uint64_t address, void *out, size_t size)
{
    (void)reader;
    if (unreadable || address < LOW || address - LOW > SIZE || size > SIZE - (address - LOW))
        return false;
    memcpy(out, memory + (address - LOW), size);
    return true;
}

static bool fake_region(struct inspect_reader *reader, uint64_t *address, struct inspect_region *out)
{
    const struct { uint64_t base, size; int rights; } regions[] = {
        {PEB, 0x10000, PE_R | PE_W}, {IMAGE, 0x1000, PE_R}, {IMAGE + 0x1000, 0x1000, PE_R | PE_X}, {IMAGE + 0x2000, image_size - 0x2000, PE_R | PE_W}};
    (void)reader;
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
        if (regions[i].base >= *address) {
            *out = (struct inspect_region){.base = regions[i].base, .size = regions[i].size, .committed = true, .type = INSPECT_PRIVATE,
                                           .rights = regions[i].rights, .allocation_rights = -1};
            *address = regions[i].base + regions[i].size;
            return true;
        }
    return false;
}

static bool fake_thread(struct inspect_reader *reader, unsigned index, struct inspect_thread *out)
{
    (void)reader;
    out->teb = TEB;
    return index == 0;
}

static bool fake_file(struct inspect_reader *reader, const char *path, const char *name, struct pe_span *bytes, char *own, size_t room)
{
    (void)reader, (void)path;
    if (!name || strcmp(name, "C:\\a.exe"))
        return false;
    snprintf(own, room, "%s", name);
    *bytes = (struct pe_span){file.bytes, file.size};
    return true;
}

static void fake_close(struct inspect_reader *reader, struct pe_span bytes) { (void)reader, (void)bytes; }

static void poke(uint64_t address, uint64_t value, unsigned width) { memcpy(memory + (address - LOW), &value, width); }

/* A UNICODE_STRING whose text lies at `text`. */
static void poke_string(uint64_t address, uint64_t text, const char *value)
{
    poke(address, strlen(value) * 2, 2);
    poke(address + 8, text, 8);
    for (size_t i = 0; i <= strlen(value); i++)
        poke(text + 2 * i, (unsigned char)value[i], 2);
}

static void list_link(uint64_t head, uint64_t link)
{
    poke(head, link, 8), poke(head + 8, link, 8);
    poke(link, head, 8), poke(link + 8, head, 8);
}

static int begin(void **state)
{
    const struct inspect_offsets *at = &inspect_offsets_64;
    struct pe_image image;
    struct pe_error error = {0};
    struct pe_layout layout;
    struct pe_region region;
    (void)state;
    unreadable = false;
    memset(memory, 0, sizeof memory);
    build_begin(&file, true);
    put64(&file, opt(&file, 24), IMAGE);
    put16(&file, nt(&file, NT_CHARACTERISTICS), 0x22);
    build_section(&file, ".text", 0x1000, 0x200, CODE);
    build_section(&file, ".data", 0x1000, 0x200, DATA);
    put32(&file, opt(&file, OPT_ENTRY), 0x1000);
    assert_true(pe_open(&image, (struct pe_span){file.bytes, file.size}, PE_FORM_FILE, &error));
    image_size = image.size_of_image;
    pe_layout_begin(&layout, &image);
    while (pe_layout_next(&layout, &region))
        if (region.raw_size)
            memcpy(memory + (IMAGE - LOW) + region.rva.value, file.bytes + region.raw_off.value, region.raw_size);
    poke(PEB + at->peb.image_base, IMAGE, 8);
    poke(PEB + at->peb.ldr, LDR, 8);
    poke(TEB + at->teb.peb, PEB, 8);
    poke(TEB + at->teb.self, TEB, 8);
    list_link(LDR + at->ldr.load_order, ENTRY + at->entry.load_order);
    list_link(LDR + at->ldr.memory_order, ENTRY + at->entry.memory_order);
    list_link(LDR + at->ldr.init_order, LDR + at->ldr.init_order);
    poke(ENTRY + at->entry.base, IMAGE, 8);
    poke(ENTRY + at->entry.size, image_size, 4);
    poke_string(ENTRY + at->entry.full_name, TEXT, "C:\\a.exe");
    poke_string(ENTRY + at->entry.base_name, TEXT + 0x100, "a.exe");
    return 0;
}

static int end(void **state)
{
    (void)state;
    build_free(&file);
    return 0;
}

/* The document, or NULL where the walk refused; what it writes is always JSON. */
static json_t *walk(void)
{
    struct inspect_reader reader = {.is_64 = true, .read = fake_read, .region_next = fake_region, .thread_at = fake_thread,
                                    .file_open = fake_file, .file_close = fake_close};
    const struct inspect_facts facts = {.lane = "native", .at = "entry", .file = "C:\\a.exe", .bytes = {file.bytes, file.size}};
    const struct inspect_end nothing = {.waited = false};
    struct json json = {0};
    const char *why = NULL;
    json_error_t error;
    json_t *root = NULL;
    if (inspect_snapshot(&reader, &facts, &json, &why)) {
        inspect_finish(&json, &nothing);
        assert_false(json.failed);
        root = json_loadb(json.data, json.length, JSON_REJECT_DUPLICATES, &error);
        if (!root)
            fail_msg("line %d: %s", error.line, error.text);
    } else
        assert_non_null(why);
    free(json.data);
    return root;
}

static json_t *module_at(json_t *root, size_t index) { return json_array_get(json_object_get(root, "modules"), index); }
static const char *text(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

/* ---- tests ---- */

static void the_file_stretched_has_no_changes(void **state)
{
    (void)state;
    json_t *root = walk(), *module = module_at(root, 0);
    assert_int_equal(json_array_size(json_object_get(root, "modules")), 1);
    assert_string_equal(text(module, "name"), "a.exe");
    assert_string_equal(text(module, "found"), "lists");
    assert_int_equal(json_integer_value(json_object_get(module, "load_order")), 0);
    assert_true(json_is_null(json_object_get(module, "init_order")));
    assert_int_equal(json_array_size(json_object_get(module, "changes")), 0);
    json_decref(root);
}

static void changed(uint32_t rva, const char *cause)
{
    memory[IMAGE - LOW + rva] ^= 0x55;
    json_t *root = walk(), *changes = json_object_get(module_at(root, 0), "changes"), *change = json_array_get(changes, 0);
    assert_int_equal(json_array_size(changes), 1);
    assert_string_equal(text(change, "cause"), cause);
    assert_true(strtoull(text(change, "rva"), NULL, 16) <= rva && rva < strtoull(text(change, "rva"), NULL, 16) + (uint64_t)json_integer_value(json_object_get(change, "size")));
    json_decref(root);
}

static void a_byte_of_code(void **state) { (void)state; changed(0x1010, "unknown"); }
static void a_byte_of_data(void **state) { (void)state; changed(0x2013, "data"); }
static void a_byte_of_zero_fill(void **state) { (void)state; changed(0x2800, "data"); }
static void a_byte_of_the_headers(void **state) { (void)state; changed(0x20, "unknown"); }
static void a_byte_behind_the_code(void **state) { (void)state; changed(0x1f00, "unknown"); }

static void a_page_that_shows_the_file_on(void **state)
{
    (void)state;
    /* What a system that maps whole pages shows behind .text: the file's next bytes, those of .data. */
    memcpy(memory + (IMAGE - LOW) + 0x1200, file.bytes + 0x600, 0x200);
    json_t *root = walk(), *changes = json_object_get(module_at(root, 0), "changes");
    assert_int_equal(json_array_size(changes), 1);
    assert_string_equal(text(json_array_get(changes, 0), "cause"), "page_tail");
    json_decref(root);
}

/* Taken out of every list, as injected code is: found by its headers. */
static void an_image_that_no_list_names(void **state)
{
    const struct inspect_offsets *at = &inspect_offsets_64;
    (void)state;
    list_link(LDR + at->ldr.load_order, LDR + at->ldr.load_order);
    json_t *root = walk(), *module = module_at(root, 0);
    assert_string_equal(text(module, "found"), "memory");
    assert_string_equal(text(module, "name"), "a.exe");
    assert_true(json_is_null(json_object_get(module, "load_order")));
    json_decref(root);
}

static void a_list_without_end(void **state)
{
    const struct inspect_offsets *at = &inspect_offsets_64;
    (void)state;
    poke(ENTRY + at->entry.memory_order, ENTRY + at->entry.memory_order, 8); /* points to itself, never back to the head */
    json_decref(walk());
}

static void nothing_can_be_read(void **state)
{
    (void)state;
    unreadable = true;
    json_t *root = walk();
    assert_null(root);
}

/* Every structure that the walk believes for a moment, with random bytes in it. */
static void a_process_that_lies(void **state)
{
    static uint8_t good[SIZE];
    unsigned seed = 1, walked = 0;
    (void)state;
    memcpy(good, memory, SIZE);
    for (unsigned round = 0; round < 3000; round++) {
        memcpy(memory, good, SIZE);
        for (unsigned n = 0; n < 1 + round % 6; n++) {
            static const uint32_t places[] = {PEB - LOW, LDR - LOW, ENTRY - LOW, TEB - LOW, IMAGE - LOW, IMAGE - LOW + BUILD_LFANEW, IMAGE - LOW + BUILD_LFANEW + 24};
            seed = seed * 1103515245u + 12345u;
            uint32_t at = places[seed >> 16 & 7 ? (seed >> 16) % 7 : 0] + (seed >> 8) % 0x140;
            seed = seed * 1103515245u + 12345u;
            memory[at] = (uint8_t)(seed >> 16);
        }
        json_t *root = walk();
        walked += root != NULL;
        json_decref(root);
    }
    assert_true(walked > 1000);
}

/* The fields that the guest-side structures have too, at the offsets that their static_asserts know. */
static void offsets_are_those_of_the_structures(void **state)
{
    const struct inspect_offsets *wide = &inspect_offsets_64, *narrow = &inspect_offsets_32;
    (void)state;
#define SAME(part, field, type, name) assert_int_equal(wide->part.field, offsetof(struct type, name))
    SAME(peb, image_base, nt_peb, image_base), SAME(peb, ldr, nt_peb, ldr), SAME(peb, parameters, nt_peb, parameters);
    SAME(peb, heap, nt_peb, process_heap), SAME(peb, fast_lock, nt_peb, fast_lock), SAME(peb, api_set_map, nt_peb, api_set_map);
    SAME(peb, tls_bitmap, nt_peb, tls_bitmap), SAME(peb, processors, nt_peb, processors), SAME(peb, loader_lock, nt_peb, loader_lock);
    SAME(peb, os_major, nt_peb, os_major), SAME(peb, os_build, nt_peb, os_build), SAME(peb, subsystem, nt_peb, subsystem), SAME(peb, session, nt_peb, session);
    SAME(teb, stack_base, nt_teb, stack_base), SAME(teb, self, nt_teb, self), SAME(teb, process_id, nt_teb, client), SAME(teb, tls, nt_teb, tls);
    SAME(teb, peb, nt_teb, peb), SAME(teb, last_error, nt_teb, last_error), SAME(teb, stack_allocation, nt_teb, stack_allocation);
    SAME(parameters, flags, nt_parameters, flags), SAME(parameters, input, nt_parameters, standard_input), SAME(parameters, directory, nt_parameters, directory);
    SAME(parameters, dll_path, nt_parameters, dll_path), SAME(parameters, image, nt_parameters, image_path), SAME(parameters, command_line, nt_parameters, command_line);
    SAME(parameters, environment, nt_parameters, environment), SAME(parameters, title, nt_parameters, title), SAME(parameters, desktop, nt_parameters, desktop);
    SAME(parameters, environment_size, nt_parameters, environment_size);
    SAME(ldr, load_order, nt_ldr_data, load_order), SAME(ldr, init_order, nt_ldr_data, init_order);
    SAME(entry, base, nt_ldr_entry, base), SAME(entry, entry, nt_ldr_entry, entry_point), SAME(entry, size, nt_ldr_entry, size_of_image);
    SAME(entry, full_name, nt_ldr_entry, full_name), SAME(entry, base_name, nt_ldr_entry, base_name), SAME(entry, flags, nt_ldr_entry, flags);
    SAME(entry, load_count, nt_ldr_entry, load_count), SAME(entry, node, nt_ldr_entry, ddag), SAME(entry, node_count, nt_ddag_node, load_count);
    /* Of the other width what abi.h asserts for it. */
    assert_int_equal(narrow->peb.ldr, 0x0c), assert_int_equal(narrow->peb.api_set_map, 0x38), assert_int_equal(narrow->peb.loader_lock, 0xa0);
    assert_int_equal(narrow->peb.session, 0x1d4), assert_int_equal(narrow->teb.self, 0x18), assert_int_equal(narrow->teb.stack_allocation, 0xe0c);
    assert_int_equal(narrow->parameters.directory, 0x24), assert_int_equal(narrow->parameters.environment, 0x48);
    assert_int_equal(narrow->parameters.environment_size, 0x290), assert_int_equal(narrow->entry.base, 0x18), assert_int_equal(narrow->entry.node, 0x50);
}

/* Text of a foreign process is made fit for JSON. */
static void foreign_text(void **state)
{
    static const uint8_t units[] = {'a', 0, 0x3d, 0xd8, 0x00, 0xde, 0x00, 0xd8, 'b', 0}, bytes[] = {'x', 0xff, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0};
    char text[64];
    (void)state;
    utf8_from_utf16(units, 5, text, sizeof text);
    assert_string_equal(text, "a\xf0\x9f\x98\x80\xef\xbf\xbd" "b"); /* a whole pair, and half of one */
    utf8_from_bytes(bytes, sizeof bytes, text);
    assert_string_equal(text, "x\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_file_stretched_has_no_changes), TEST(a_byte_of_code), TEST(a_byte_of_data), TEST(a_byte_of_zero_fill), TEST(a_byte_of_the_headers),
        TEST(a_byte_behind_the_code), TEST(a_page_that_shows_the_file_on), TEST(an_image_that_no_list_names), TEST(a_list_without_end),
        TEST(nothing_can_be_read), TEST(a_process_that_lies), TEST(offsets_are_those_of_the_structures), TEST(foreign_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
