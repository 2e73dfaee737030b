/* `diff-maps`: what each step did to the memory map. The golden text is of a program without a C run-time, its own lines
 * alone; the final rights of other programs are held against objdump's sections. */
#include "tests/support/process.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define OBJDUMP "/usr/bin/x86_64-w64-mingw32-objdump"
#define SAMPLE(machine, name) TEST_BUILD "/samples/" machine "/" name

static char *told(const char *const *arguments, int status)
{
    struct process process = {.arguments = arguments, .seconds = 120};
    assert_true(process_run(&process));
    if (process.status != status)
        fprintf(stderr, "%s %s: exit status %d\n%s", arguments[0], arguments[1], process.status, process.errors);
    assert_int_equal(process.status, status);
    free(process.errors);
    return process.output;
}

/* A line with its numbers; false where it is a heading. */
struct line { char mark; uint64_t start, end, size; char before[8], rights[8], use[300]; };

static bool line_read(const char *text, struct line *line)
{
    int at = 0;
    memset(line, 0, sizeof *line);
    line->mark = text[0];
    if (!text[0] || sscanf(text + 1, " 0x%" SCNx64 "-0x%" SCNx64 " %" SCNu64 " KiB %7s%n", &line->start, &line->end, &line->size, line->rights, &at) != 4)
        return false;
    const char *rest = text + 1 + at;
    if (!strncmp(rest, " > ", 3)) {
        strcpy(line->before, line->rights);
        sscanf(rest, " > %7s%n", line->rights, &at);
        rest += at;
    }
    snprintf(line->use, sizeof line->use, "%s", rest + strspn(rest, " "));
    assert_int_equal(line->end - line->start + 1, line->size * 1024);
    return true;
}

/* The program's own lines, with addresses from its base on, under the headings of the steps. */
static char *own_lines(char *output, const char *program)
{
    char *text, *line;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    uint64_t base = 0;
    assert_non_null(stream);
    while ((line = strsep(&output, "\n"))) {
        struct line read;
        if (!line_read(line, &read)) {
            if (line[0])
                fprintf(stream, "%s\n", line);
            continue;
        }
        if (strncmp(read.use, program, strlen(program)))
            continue;
        base = base ? base : read.start;
        fprintf(stream, "%c base+0x%" PRIx64 " %" PRIu64 " KiB %s%s%s %s\n", read.mark, read.start - base, read.size, read.before, read.before[0] ? " > " : "", read.rights, read.use);
    }
    fclose(stream);
    return text;
}

static void test_golden(void **state)
{
    (void)state;
    static const char *const machines[] = {"x64", "x86"};
    for (int i = 0; i < 2; i++) {
        char path[200], golden[200];
        size_t size;
        snprintf(path, sizeof path, TEST_BUILD "/samples/%s/nocrt_ntdll.exe", machines[i]);
        snprintf(golden, sizeof golden, "tests/samples/diff_maps_%s.out", machines[i]);
        char *output = told((const char *[]){PELOAD, "diff-maps", path, NULL}, 0), *own = own_lines(output, "nocrt_ntdll.exe");
        char *expected = text_read(golden, &size);
        assert_non_null(expected);
        assert_string_equal(own, expected);
        free(output), free(own), free(expected);
    }
}

/* Every section of the file has, in the last map, the rights that its flags ask for. */
static void rights_as_sections(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    char *output = told((const char *[]){PELOAD, "diff-maps", "--all", path, NULL}, 0), *last = strstr(output, "\n8 started");
    char *dump = told((const char *[]){OBJDUMP, "-h", path, NULL}, 0), *rest = dump, *text;
    unsigned checked = 0;
    assert_non_null(last);
    while ((text = strsep(&rest, "\n"))) {
        char section[64];
        uint64_t address;
        if (sscanf(text, " %*u %63s %*x %" SCNx64, section, &address) != 2 || !rest)
            continue;
        char *flags = strsep(&rest, "\n"), *copy = strdup(last), *lines = copy, *one;
        bool found = false;
        while ((one = strsep(&lines, "\n"))) {
            struct line line;
            if (!line_read(one, &line) || strncmp(line.use, name, strlen(name)) || address < line.start || address > line.end)
                continue;
            found = true;
            assert_int_equal(line.rights[0], 'R');
            assert_int_equal(line.rights[1], strstr(flags, "READONLY") ? '-' : 'W');
            assert_int_equal(line.rights[2], strstr(flags, "CODE") ? 'X' : '-');
        }
        free(copy);
        assert_true(found);
        checked++;
    }
    assert_true(checked >= 4);
    free(output), free(dump);
}

static void test_final_rights(void **state)
{
    (void)state;
    static const char *const files[] = {SAMPLE("x64", "hello.exe"), SAMPLE("x86", "hello.exe"), SAMPLE("x64", "cxx_exceptions.exe"), SAMPLE("x86", "protection.exe")};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        rights_as_sections(files[i]);
}

/* Changes are what two neighbouring whole maps differ in: replayed on the first map they give the last. */
static void test_changes_lead_to_the_last_map(void **state)
{
    (void)state;
    enum { PAGES = 1 << 20, ROOM = 4096 };
    struct change { uint64_t start, end; char mark, rights[8]; };
    const char *path = SAMPLE("x86", "graph.exe"); /* 32 bits: every page can have its place in an array */
    static char rights[PAGES][4];
    char *output = told((const char *[]){PELOAD, "diff-maps", path, NULL}, 0), *rest = output, *text;
    struct line line;
    unsigned changes = 0;
    memset(rights, 0, sizeof rights);
    for (bool first = true; (text = strsep(&rest, "\n")); first &= text[0] != '2') {
        if (!line_read(text, &line))
            continue;
        assert_true(first ? line.mark == ' ' : strchr("+-~", line.mark) != NULL);
        changes += !first;
        for (uint64_t page = line.start >> 12; page <= line.end >> 12; page++) {
            assert_true((rights[page][0] != 0) == (line.mark == '~' || line.mark == '-')); /* '+' was free, the others not */
            if (line.before[0])
                assert_memory_equal(rights[page], line.before, 3);
            memcpy(rights[page], line.mark == '-' ? "\0\0\0" : line.rights, 3);
        }
    }
    free(output);
    assert_true(changes > 10);
    output = told((const char *[]){PELOAD, "diff-maps", "--all", path, NULL}, 0);
    for (rest = strstr(output, "\n8 started"); (text = strsep(&rest, "\n"));)
        if (line_read(text, &line))
            for (uint64_t page = line.start >> 12; page <= line.end >> 12; page++) {
                assert_memory_equal(rights[page], line.rights, 3);
                rights[page][0] = 0;
            }
    free(output);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(rights[page][0], 0);
}

/* A taken base: the image is elsewhere, and the taken range stays in the map. */
static void test_occupied_base(void **state)
{
    (void)state;
    char *output = told((const char *[]){PELOAD, "diff-maps", "--occupy", SAMPLE("x64", "hello.exe"), NULL}, 0), *rest = output, *text;
    unsigned taken = 0, placed = 0;
    while ((text = strsep(&rest, "\n"))) {
        struct line line;
        if (!line_read(text, &line) || line.mark != '+' || strncmp(line.use, "hello.exe", 9))
            continue;
        assert_string_equal(line.rights, "---");
        if (strstr(line.use, "occupied on purpose")) {
            assert_true(line.start == 0x140000000);
            taken++;
        } else
            placed += line.start != 0x140000000;
    }
    assert_int_equal(taken, 1);
    assert_int_equal(placed, 1);
    free(output);
}

static void test_json_and_errors(void **state)
{
    (void)state;
    char *output = told((const char *[]){PELOAD, "diff-maps", "--json", SAMPLE("x64", "hello.exe"), NULL}, 0);
    assert_int_equal(strncmp(output, "{\"schema\": 1, \"command\": \"diff-maps\"", 36), 0);
    assert_non_null(strstr(output, "{\"name\": \"placed\", \"lines\": ["));
    assert_non_null(strstr(output, "{\"mark\": \"+\", \"start\": \"0x140000000\", \"end\": \"0x"));
    free(output);
    free(told((const char *[]){PELOAD, "diff-maps", "README.md", NULL}, 126));
    free(told((const char *[]){PELOAD, "diff-maps", "nowhere.exe", NULL}, 127));
    free(told((const char *[]){PELOAD, "diff-maps", SAMPLE("x64", "missing_dll.exe"), NULL}, 126));
    free(told((const char *[]){PELOAD, "diff-maps", "--check", SAMPLE("x64", "hello.exe"), NULL}, 125));
    free(told((const char *[]){PELOAD, "diff-maps", NULL}, 125));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_final_rights), cmocka_unit_test(test_changes_lead_to_the_last_map),
        cmocka_unit_test(test_occupied_base), cmocka_unit_test(test_json_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
