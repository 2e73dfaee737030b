/* Real DLLs and programs, held against what objdump says about the same files: headers, sections, directories,
 * imports, exports, function table, relocations, resources; as a file, and stretched as the plan says.
 * Files that this checkout does not have (yet) are skipped; if there is none at all, the tests are. */
#include "tests/unit/pe_builder.h"

#include "pe/exception.h"
#include "pe/export.h"
#include "pe/import.h"
#include "pe/layout.h"
#include "pe/reloc.h"
#include "pe/resource.h"

#include <glob.h>

#ifndef TEST_BUILD
#define TEST_BUILD "build"
#endif

struct file {
    char path[512];
    uint8_t *bytes, *memory;
    struct pe_image image, mapped;
};

static char guest_set[400];

static bool read_file(const char *path, struct pe_span *out)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return false;
    fseek(stream, 0, SEEK_END);
    long size = ftell(stream);
    rewind(stream);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, stream), size);
    fclose(stream);
    *out = (struct pe_span){bytes, (uint64_t)size};
    return true;
}

static bool open_file(struct file *file, const char *path)
{
    struct pe_span bytes;
    struct pe_error error;
    struct pe_layout layout;
    struct pe_region region;

    snprintf(file->path, sizeof file->path, "%s", path);
    if (!read_file(path, &bytes))
        return false;
    file->bytes = (uint8_t *)bytes.data;
    if (!pe_open(&file->image, bytes, PE_FORM_FILE, &error))
        fail_msg("%s: %s (rule %u)", path, error.text, error.rule);
    file->memory = calloc(1, file->image.size_of_image);
    assert_non_null(file->memory);
    pe_layout_begin(&layout, &file->image);
    while (pe_layout_next(&layout, &region))
        memcpy(file->memory + region.rva.value, file->bytes + region.raw_off.value, region.raw_size);
    if (!pe_open(&file->mapped, (struct pe_span){file->memory, file->image.size_of_image}, PE_FORM_MAPPED, &error))
        fail_msg("%s, stretched: %s (rule %u)", path, error.text, error.rule);
    return true;
}

static void close_file(struct file *file)
{
    free(file->bytes);
    free(file->memory);
}

/* The files of interest, each once: DLLs with many imports, exports, forwarders, ordinals, resources, relocations. */
static unsigned each_file(void (*check)(struct file *))
{
    static const char *const dlls[] = {
        "x86_64-windows/kernel32.dll", "x86_64-windows/ntdll.dll", "x86_64-windows/kernelbase.dll", "x86_64-windows/msvcrt.dll",
        "x86_64-windows/ucrtbase.dll", "x86_64-windows/comdlg32.dll", "x86_64-windows/ws2_32.dll", "x86_64-windows/credui.dll",
        "i386-windows/kernel32.dll", "i386-windows/ntdll.dll", "i386-windows/comdlg32.dll", "i386-windows/ws2_32.dll",
    };
    struct file file;
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof dlls / sizeof dlls[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", guest_set, dlls[i]);
        if (open_file(&file, path)) {
            check(&file);
            close_file(&file);
            count++;
        }
    }
    static const char *const patterns[] = {TEST_BUILD "/samples/x64/*.exe", TEST_BUILD "/samples/x64/*.dll",
                                           TEST_BUILD "/samples/x86/*.exe"};
    for (unsigned p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        glob_t found;
        if (glob(patterns[p], 0, NULL, &found) == 0)
            for (size_t i = 0; i < found.gl_pathc && i < 8; i++)
                if (open_file(&file, found.gl_pathv[i])) {
                    check(&file);
                    close_file(&file);
                    count++;
                }
        globfree(&found);
    }
    return count;
}

/* ---- objdump's lines ---- */

struct lines {
    FILE *stream;
    char line[8192];
};

static void lines_open(struct lines *lines, const char *option, const struct file *file)
{
    char command[700];
    snprintf(command, sizeof command, "LC_ALL=C objdump %s '%s' 2>/dev/null", option, file->path);
    lines->stream = popen(command, "r");
    assert_non_null(lines->stream);
}

static bool lines_next(struct lines *lines)
{
    if (fgets(lines->line, sizeof lines->line, lines->stream) == NULL)
        return false;
    lines->line[strcspn(lines->line, "\n")] = '\0';
    return true;
}

static void lines_close(struct lines *lines) { assert_int_equal(pclose(lines->stream), 0); }

static bool starts(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

static const char *hex_field(const char *line, const char *name, unsigned long long *value)
{
    if (!starts(line, name))
        return NULL;
    return sscanf(line + strlen(name), " %llx", value) == 1 ? line : NULL;
}

/* ---- headers and directories ---- */

static void check_headers(struct file *file)
{
    const struct pe_image *image = &file->image;
    struct lines lines;
    unsigned long long value;
    unsigned seen = 0, index, size;
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        const char *line = lines.line;
        seen++;
        if (hex_field(line, "ImageBase", &value))
            assert_true(image->image_base.value == value);
        else if (hex_field(line, "AddressOfEntryPoint", &value))
            assert_int_equal(image->entry.value, value);
        else if (hex_field(line, "SectionAlignment", &value))
            assert_int_equal(image->section_alignment, value);
        else if (hex_field(line, "FileAlignment", &value))
            assert_int_equal(image->file_alignment, value);
        else if (hex_field(line, "SizeOfImage", &value))
            assert_int_equal(image->size_of_image, round_up((uint32_t)value, 0x1000));
        else if (hex_field(line, "SizeOfHeaders", &value))
            assert_int_equal(image->size_of_headers, value);
        else if (hex_field(line, "CheckSum", &value))
            assert_int_equal(image->checksum, value);
        else if (hex_field(line, "Subsystem", &value))
            assert_int_equal(image->subsystem, value);
        else if (hex_field(line, "DllCharacteristics", &value))
            assert_int_equal(image->dll_characteristics, value);
        else if (hex_field(line, "SizeOfStackReserve", &value))
            assert_int_equal(image->stack_reserve, value);
        else if (hex_field(line, "SizeOfStackCommit", &value))
            assert_int_equal(image->stack_commit, value);
        else if (hex_field(line, "SizeOfHeapReserve", &value))
            assert_int_equal(image->heap_reserve, value);
        else if (hex_field(line, "NumberOfRvaAndSizes", &value))
            assert_int_equal(image->directory_count, value);
        else if (sscanf(line, "Entry %x %llx %x", &index, &value, &size) == 3) {
            assert_int_equal(image->directory[index].rva.value, value);
            assert_int_equal(image->directory[index].size, size);
        } else
            seen--;
        if (starts(line, "Entry f"))
            break;
    }
    while (lines_next(&lines)) {
    }
    lines_close(&lines);
    assert_true(seen >= 25);
}

/* ---- sections: where objdump says they lie, and that the stretched bytes are the file's ---- */

static void check_sections(struct file *file)
{
    struct lines lines;
    char name[64];
    unsigned index, size, off, seen = 0;
    unsigned long long vma;
    struct pe_section section;
    lines_open(&lines, "-h -w", file);
    while (lines_next(&lines)) {
        if (sscanf(lines.line, " %u %63s %x %llx %*x %x", &index, name, &size, &vma, &off) != 5)
            continue;
        uint32_t rva = (uint32_t)(vma - file->image.image_base.value);
        assert_true(index < file->image.section_count);
        pe_section_at(&file->image, index, &section);
        assert_int_equal(section.rva.value, rva);
        if (name[0] != '/' && strlen(name) <= 8)
            assert_true(section.name[0] == '/' || strcmp(section.name, name) == 0);
        seen++;
        if (strstr(lines.line, "CONTENTS") == NULL) {
            assert_int_equal(section.raw_size, 0);
            continue;
        }
        assert_int_equal(section.raw_off.value, off);
        assert_memory_equal(file->memory + rva, file->bytes + off, size);
    }
    lines_close(&lines);
    assert_int_equal(seen, file->image.section_count);
    for (uint32_t rva = 0; rva < file->image.size_of_image; rva += 0x1000) {
        pe_off at;
        if (pe_off_from_rva(&file->image, pe_rva_at(rva), &at))
            assert_int_equal(file->memory[rva], file->bytes[at.value]);
    }
}

/* ---- imports ---- */

/* Over all files: a test that compared nothing must not pass. */
static unsigned imports_seen, ordinals_seen;

static void check_imports_of(struct file *file, const struct pe_image *image)
{
    struct pe_import_module module;
    struct pe_import import;
    struct pe_error error;
    struct lines lines;
    bool inside = false;
    unsigned functions = 0;

    pe_import_modules_begin(&module, image);
    memset(&import, 0, sizeof import);
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        const char *line = lines.line;
        char name[4096];
        unsigned long long thunk;
        char hint[32]; /* with an ordinal: the ordinal once more, in hexadecimal or not */
        if (starts(line, "\tDLL Name: ")) {
            assert_true(pe_import_modules_next(&module, &error));
            assert_string_equal(module.name, line + 11);
            pe_imports_begin(&import, &module);
            inside = true;
        } else if (inside && (line[0] == '\0' || starts(line, " "))) {
            assert_false(pe_imports_next(&import, &error));
            assert_int_equal(error.code, PE_OK);
            inside = false;
        } else if (inside && sscanf(line, "\t%llx %31s %4095s", &thunk, hint, name) == 3) {
            if (!pe_imports_next(&import, &error))
                fail_msg("%s: no import for %s: %s", file->path, line, error.text);
            functions++;
            if (strcmp(name, "<none>") == 0) {
                assert_true(import.by_ordinal);
                assert_int_equal(import.ordinal, thunk & 0xffff);
                ordinals_seen++;
                continue;
            }
            assert_false(import.by_ordinal);
            assert_string_equal(import.name, name);
            assert_int_equal(import.name_len, strlen(name));
            assert_int_equal(import.hint, atoi(hint));
        }
    }
    lines_close(&lines);
    assert_false(pe_import_modules_next(&module, &error));
    assert_int_equal(error.code, PE_OK);
    imports_seen += functions;
}

static void check_all_imports(struct file *file)
{
    check_imports_of(file, &file->image);
    check_imports_of(file, &file->mapped);
}

/* ---- exports ---- */

static void check_export_line(const struct pe_exports *exports, const char *line, unsigned *functions)
{
    unsigned index, ordinal, rva;
    int text = 0;
    struct pe_export export;
    if (sscanf(line, "\t[%u] +base[%u] %x %n", &index, &ordinal, &rva, &text) != 3)
        return;
    assert_true(pe_export_at(exports, index, &export));
    assert_int_equal(export.ordinal, ordinal);
    if (starts(line + text, "Forwarder RVA -- ")) {
        assert_string_equal(export.forwarder, line + text + 17);
        assert_int_equal(export.rva.value, 0);
    } else {
        assert_null(export.forwarder);
        assert_int_equal(export.rva.value, rva);
    }
    struct pe_export again;
    assert_true(pe_export_by_ordinal(exports, ordinal, &again));
    assert_memory_equal(&again, &export, sizeof again);
    ++*functions;
}

/* Every name is found by each road: its own hint, a wrong one, none. */
static void check_name_line(const struct pe_exports *exports, unsigned number, unsigned index, const char *name)
{
    struct pe_export export, by_index;
    assert_true(pe_export_name_at(exports, number, &by_index));
    assert_string_equal(by_index.name, name);
    assert_int_equal(by_index.ordinal, index + exports->base);
    const uint32_t hints[] = {number, number + 1, number ^ 0x155, 0xffffffff};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pe_export_by_name(exports, name, (uint32_t)strlen(name), hints[i], &export));
        assert_memory_equal(&export, &by_index, sizeof export);
    }
    assert_false(pe_export_by_name(exports, name, (uint32_t)strlen(name) - 1, number, &export) &&
                 export.name_len == strlen(name));
}

static void check_exports_of(struct file *file, const struct pe_image *image)
{
    struct pe_exports exports;
    struct pe_export export;
    struct pe_error error;
    struct lines lines;
    unsigned names = 0, functions = 0, filled = 0;
    bool in_names = false;

    if (!pe_exports_open(&exports, image, &error)) {
        assert_int_equal(error.code, PE_NOT_FOUND);
        assert_int_equal(image->directory[0].rva.value, 0);
        return;
    }
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        const char *line = lines.line;
        unsigned index;
        int text = 0;
        if (starts(line, "[Ordinal/Name Pointer] Table"))
            in_names = true;
        else if (in_names && sscanf(line, "\t[%u] %n", &index, &text) == 1 && text != 0)
            check_name_line(&exports, names++, index, line + text);
        else if (in_names)
            in_names = false;
        else if (starts(line, "Name \t\t\t\t"))
            assert_string_equal(exports.dll_name, strrchr(line, ' ') + 1);
        else
            check_export_line(&exports, line, &functions);
    }
    lines_close(&lines);
    assert_int_equal(names, exports.name_count);
    for (uint32_t i = 0; i < exports.function_count; i++)
        filled += pe_export_at(&exports, i, &export);
    assert_int_equal(functions, filled);
}

static void check_exports(struct file *file)
{
    check_exports_of(file, &file->image);
    check_exports_of(file, &file->mapped);
}

/* ---- the function table of x64 ---- */

static void check_functions(struct file *file)
{
    struct lines lines;
    bool inside = false;
    unsigned seen = 0;
    uint64_t base = file->image.image_base.value;
    if (!file->image.is_64)
        return;
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        unsigned long long vma, begin, end, unwind;
        struct pe_function function;
        struct pe_error error;
        if (starts(lines.line, "The Function Table"))
            inside = true;
        else if (inside && lines.line[0] == '\0')
            break;
        else if (inside && sscanf(lines.line, " %llx: %llx %llx %llx", &vma, &begin, &end, &unwind) == 4) {
            const uint64_t places[] = {begin, (begin + end) / 2, end - 1};
            for (unsigned i = 0; i < 3; i++) {
                assert_true(pe_function_find(&file->mapped, pe_rva_at((uint32_t)(places[i] - base)), &function, &error));
                assert_int_equal(function.begin.value, begin - base);
                assert_int_equal(function.end.value, end - base);
                assert_int_equal(function.unwind.value, unwind - base);
            }
            seen++;
        }
    }
    while (lines_next(&lines)) {
    }
    lines_close(&lines);
    assert_int_equal(seen, file->image.directory[3].size / 12);
}

/* ---- relocations ---- */

static void check_relocations_of(struct file *file, const struct pe_image *image)
{
    struct pe_reloc_block block;
    struct pe_fixup fixup;
    struct pe_error error;
    struct lines lines;
    uint32_t at = 0;
    unsigned seen = 0;

    pe_reloc_blocks_begin(&block, image);
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        unsigned page, size, hex, count, number, offset;
        unsigned long long rva;
        char type[32];
        if (sscanf(lines.line, "Virtual Address: %x Chunk size %u (%x) Number of fixups %u", &page, &size, &hex, &count) == 4) {
            assert_true(pe_reloc_blocks_next(&block, &error));
            assert_int_equal(block.page.value, page);
            assert_int_equal(block.count, count);
            at = 0;
        } else if (sscanf(lines.line, "\treloc %u offset %x [%llx] %31s", &number, &offset, &rva, type) == 4) {
            assert_true(pe_reloc_fixup(&block, at++, &fixup, &error));
            const char *expected = fixup.type == 0 ? "ABSOLUTE" : fixup.type == 3 ? "HIGHLOW" : fixup.type == 10 ? "DIR64" : "?";
            assert_string_equal(type, expected);
            assert_int_equal(fixup.rva.value, rva);
            seen++;
        }
    }
    lines_close(&lines);
    assert_false(pe_reloc_blocks_next(&block, &error));
    assert_int_equal(error.code, PE_OK);
    if (image->directory[5].size > 8)
        assert_true(seen > 0);
}

static void check_relocations(struct file *file)
{
    check_relocations_of(file, &file->image);
    check_relocations_of(file, &file->mapped);
}

/* ---- resources ---- */

static void check_resources_of(struct file *file, const struct pe_image *image)
{
    struct pe_resource_cursor cursor;
    struct pe_resource resource, found;
    struct pe_span bytes;
    struct pe_error error;
    struct lines lines;
    unsigned seen = 0, rva, size, code_page;

    pe_resources_begin(&cursor, image);
    lines_open(&lines, "-p", file);
    while (lines_next(&lines)) {
        const char *leaf = strstr(lines.line, "Leaf: Addr: ");
        if (leaf == NULL || sscanf(leaf, "Leaf: Addr: %x, Size: %x, Codepage: %u", &rva, &size, &code_page) != 3)
            continue;
        if (!pe_resources_next(&cursor, &resource, &error))
            fail_msg("%s: %s", file->path, error.text);
        assert_int_equal(resource.data.value, rva);
        assert_int_equal(resource.size, size);
        assert_int_equal(resource.code_page, code_page);
        assert_true(pe_resource_bytes(image, &resource, &bytes));
        if (!resource.type.is_name && !resource.name.is_name && resource.language != 0) {
            assert_true(pe_resource_find(image, PE_RESOURCE_NUMBER(resource.type.number),
                                         PE_RESOURCE_NUMBER(resource.name.number), resource.language, &found, &error));
            assert_int_equal(found.data.value, rva);
        }
        seen++;
    }
    lines_close(&lines);
    if (seen == 0 && image->directory[2].rva.value != 0)
        return; /* objdump found the section by another name, or not at all */
    assert_false(pe_resources_next(&cursor, &resource, &error));
    assert_int_equal(error.code, PE_OK);
}

static void check_resources(struct file *file)
{
    check_resources_of(file, &file->image);
    check_resources_of(file, &file->mapped);
}

#define REAL_TEST(name)                                                                                               \
    static void name(void **state)                                                                                    \
    {                                                                                                                 \
        (void)state;                                                                                                  \
        if (each_file(check_##name) == 0)                                                                             \
            skip();                                                                                                   \
    }
REAL_TEST(headers)
REAL_TEST(sections)
REAL_TEST(all_imports)
REAL_TEST(exports)
REAL_TEST(functions)
REAL_TEST(relocations)
REAL_TEST(resources)

static void imports(void **state)
{
    imports_seen = ordinals_seen = 0;
    all_imports(state);
    assert_true(imports_seen > 100);
    if (imports_seen > 5000) /* the whole set is there */
        assert_true(ordinals_seen > 0);
}

/* Every DLL of the set opens, and the plan covers its image. */
static void the_whole_set(void **state)
{
    static const char *const patterns[] = {"%s/x86_64-windows/*.dll", "%s/i386-windows/*.dll"};
    unsigned count = 0;
    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        char pattern[512];
        glob_t found;
        snprintf(pattern, sizeof pattern, patterns[p], guest_set);
        if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t i = 0; i < found.gl_pathc; i += 4) {
                struct file file;
                if (open_file(&file, found.gl_pathv[i])) {
                    close_file(&file);
                    count++;
                }
            }
        globfree(&found);
    }
    if (count == 0)
        skip();
}

int main(void)
{
    const char *cache = getenv("PELOAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache != NULL && *cache)
        snprintf(guest_set, sizeof guest_set, "%s/current", cache);
    else if (xdg != NULL && *xdg)
        snprintf(guest_set, sizeof guest_set, "%s/peload/current", xdg);
    else
        snprintf(guest_set, sizeof guest_set, "%s/.cache/peload/current", home ? home : "");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers), cmocka_unit_test(sections),    cmocka_unit_test(imports),   cmocka_unit_test(exports),
        cmocka_unit_test(functions), cmocka_unit_test(relocations), cmocka_unit_test(resources), cmocka_unit_test(the_whole_set),
    };
    return cmocka_run_group_tests_name("pe: real files", tests, NULL, NULL);
}
