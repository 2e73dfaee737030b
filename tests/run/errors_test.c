/* What goes wrong before a guest can start: one sentence on stderr, nothing on stdout, an exit status that says whose
 * fault it was. The files are made here by damaging a good one. */
#include "tests/support/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define SAMPLES TEST_BUILD "/samples/x64/"
#define FOLDER TEST_BUILD "/tests/errors"

enum { WRONG = 125, NOT_LOADABLE = 126, NOT_FOUND = 127 };

static unsigned char *good; /* hello.exe */
static size_t good_size;

static uint32_t read32(const unsigned char *bytes) { uint32_t value; memcpy(&value, bytes, 4); return value; }
static void write16(unsigned char *bytes, unsigned value) { uint16_t narrow = (uint16_t)value; memcpy(bytes, &narrow, 2); }
static void write32(unsigned char *bytes, uint32_t value) { memcpy(bytes, &value, 4); }

static void run_words(struct process *process, const char *const *arguments)
{
    *process = (struct process){.arguments = arguments};
    assert_true(process_run(process));
    assert_false(process->timed_out);
}

/* `arguments` end with this status, print nothing, and say one sentence of their own that holds both texts. */
static void refused(const char *const *arguments, int status, const char *text, const char *other)
{
    struct process process;
    run_words(&process, arguments);
    const char *newline = strchr(process.errors, '\n');
    bool fits = process.status == status && !process.output_size && strstr(process.errors, "peload: ") == process.errors &&
                strstr(process.errors, text) && strstr(process.errors, other ? other : "") && newline && (!newline[1] || status == WRONG);
    if (!fits)
        fprintf(stderr, "exit status %d (expected %d), stdout \"%s\", stderr \"%s\" (expected \"%s\", \"%s\")\n", process.status, status,
                      process.output, process.errors, text, other ? other : "");
    process_free(&process);
    assert_true(fits);
}

/* Each of the three commands refuses the file with the same words. */
static void file_refused(const char *path, int status, const char *text)
{
    refused((const char *[]){PELOAD, "run", path, NULL}, status, text, path);
    refused((const char *[]){PELOAD, "run", "--check", path, NULL}, status, text, path);
    refused((const char *[]){PELOAD, "info", path, NULL}, status, text, path);
    refused((const char *[]){PELOAD, "map", "--json", path, NULL}, status, text, path);
}

/* ---- files that are no files -------------------------------------------------------------------------- */

static void no_such_file(void **state)
{
    (void)state;
    file_refused(FOLDER "/nowhere.exe", NOT_FOUND, "no such file");
    file_refused(SAMPLES "hello.exe/below", NOT_FOUND, "no such file");
}

static void a_directory(void **state)
{
    (void)state;
    file_refused(FOLDER, NOT_LOADABLE, "a directory");
}

/* Root may read everything, so there another user looks at it, if that user gets as far as to this folder. */
static void an_unreadable_file(void **state)
{
    const char *path = FOLDER "/unreadable.exe";
    const char *const nobody[] = {"/usr/bin/setpriv", "--reuid=65534", "--clear-groups", PELOAD, "info", path, NULL};
    struct process process;
    (void)state;
    assert_true(text_write(path, good, good_size));
    assert_int_equal(chmod(path, 0644), 0);
    if (!geteuid()) {
        run_words(&process, nobody);
        bool reachable = process.status == 0;
        process_free(&process);
        if (!reachable)
            skip();
    }
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid())
        file_refused(path, NOT_LOADABLE, "no permission");
    else
        refused(nobody, NOT_LOADABLE, "no permission", path);
    unlink(path);
}

static void an_empty_file(void **state)
{
    const char *path = FOLDER "/empty.exe";
    (void)state;
    assert_true(text_write(path, "", 0));
    file_refused(path, NOT_LOADABLE, "an empty file");
}

static void no_pe_at_all(void **state)
{
    static const char script[] = "#!/bin/sh\necho this must not be run by anybody, it is a text and long enough for a header\n";
    const char *path = FOLDER "/script.exe";
    (void)state;
    assert_true(text_write(path, script, sizeof script - 1));
    file_refused(path, NOT_LOADABLE, "not a PE: ");
    file_refused("/proc/self/exe", NOT_LOADABLE, "not a PE: "); /* an ELF file */
}

/* ---- damaged files ------------------------------------------------------------------------------------ */

/* Windows answers ERROR_BAD_EXE_FORMAT or STATUS_INVALID_IMAGE_FORMAT for a file that ends within its headers, and for one
 * that ends within a section (PE Format: "SizeOfRawData ... the size of the initialized data on disk"). */
static void truncated_files(void **state)
{
    const uint32_t nt = read32(good + 0x3c), sections = nt + 24 + 240;
    const size_t lengths[] = {1, 2, 63, 64, nt + 3, nt + 4, nt + 23, nt + 24, nt + 24 + 100, sections, sections + 40, 0x600, 0x1000, 0x7400};
    const char *path = FOLDER "/truncated.exe";
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_true(lengths[i] < good_size);
        assert_true(text_write(path, good, lengths[i]));
        file_refused(path, NOT_LOADABLE, "");
    }
}

struct damage { const char *what; size_t at; uint32_t value; unsigned width; const char *text; };

/* Field by field, out of reach of any reading of the PE Format. `at` counts from the NT headers. */
static void corrupted_headers(void **state)
{
    static const struct damage damages[] = {
        {"signature", 0, 0x00004551, 4, "not a PE: "},
        {"machine: none", 4, 0x0000, 2, "machine"},
        {"number of sections", 6, 0xffff, 2, "section"},
        {"size of the optional header", 20, 0xfff0, 2, ""},
        {"magic of the optional header", 24, 0x0107, 2, ""},
        {"section alignment 0", 24 + 32, 0, 4, "SectionAlignment"},
        {"file alignment 3", 24 + 36, 3, 4, "FileAlignment"},
        {"size of image 0", 24 + 56, 0, 4, ""},
        {"size of image beyond 2 GiB", 24 + 56, 0xfffff000, 4, ""},
        {"section 1 lies below the headers", 24 + 240 + 12, 0, 4, ""},
        {"section 1 overlaps section 2", 24 + 240 + 8, 0x01000000, 4, ""},
    };
    const char *path = FOLDER "/corrupted.exe";
    unsigned char *bytes = malloc(good_size);
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        unsigned char *nt = memcpy(bytes, good, good_size) + read32(good + 0x3c);
        if (damages[i].width == 2)
            write16(nt + damages[i].at, damages[i].value);
        else
            write32(nt + damages[i].at, damages[i].value);
        assert_true(text_write(path, bytes, good_size));
        print_message("damaged: %s\n", damages[i].what);
        file_refused(path, NOT_LOADABLE, damages[i].text);
    }
    free(bytes);
}

/* Tables that leave the image are found when they are used: `run` refuses and starts nothing. */
static void corrupted_tables(void **state)
{
    static const struct { unsigned directory; uint32_t rva, size; } damages[] = {{1, 0x7ffff000, 40}, {9, 0x7ffff000, 40}};
    const char *path = FOLDER "/tables.exe";
    unsigned char *bytes = malloc(good_size);
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        unsigned char *directory = memcpy(bytes, good, good_size) + read32(good + 0x3c) + 24 + 112 + 8 * damages[i].directory;
        write32(directory, damages[i].rva);
        write32(directory + 4, damages[i].size);
        assert_true(text_write(path, bytes, good_size));
        refused((const char *[]){PELOAD, "run", path, NULL}, NOT_LOADABLE, path, "rule");
    }
    free(bytes);
}

/* ---- wrong kinds of file --------------------------------------------------------------------------------- */

static void another_machine(void **state)
{
    const char *path = FOLDER "/arm64.exe";
    unsigned char *bytes = memcpy(malloc(good_size), good, good_size);
    (void)state;
    write16(bytes + read32(bytes + 0x3c) + 4, 0xaa64);
    assert_true(text_write(path, bytes, good_size));
    free(bytes);
    refused((const char *[]){PELOAD, "run", path, NULL}, NOT_LOADABLE, "ARM64", path);
}

/* A PE32 is handed to the 32-bit host that lies beside; here is a folder without one. */
static void a_32_bit_program(void **state)
{
    size_t size;
    char *own = text_read(PELOAD, &size);
    (void)state;
    mkdir(FOLDER "/alone", 0777);
    assert_true(text_write(FOLDER "/alone/peload", own, size));
    free(own);
    assert_int_equal(chmod(FOLDER "/alone/peload", 0755), 0);
    refused((const char *[]){FOLDER "/alone/peload", "run", TEST_BUILD "/samples/x86/hello.exe", NULL}, NOT_LOADABLE, "32-bit", "peload32");
    unlink(FOLDER "/alone/peload");
}

static void a_dll(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, "run", SAMPLES "graph_a.dll", NULL}, NOT_LOADABLE, "a DLL", "graph_a.dll");
}

/* ---- what is missing ------------------------------------------------------------------------------------- */

static void a_missing_dll(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, "run", SAMPLES "missing_dll.exe", NULL}, NOT_LOADABLE, "peload_absent.dll", "needed by missing_dll.exe");
}

static void a_missing_function(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, "run", SAMPLES "missing_function.exe", NULL}, NOT_LOADABLE, "missing_function_dll.dll",
            "needed by missing_function.exe");
}

/* The sample imports a name and an ordinal that its DLL lacks: --check tells both at once, then a total. */
static void check_lists_everything(void **state)
{
    struct process process;
    (void)state;
    run_words(&process, (const char *[]){PELOAD, "run", "--check", SAMPLES "missing_function.exe", NULL});
    assert_int_equal(process.status, NOT_LOADABLE);
    assert_int_equal(process.output_size, 0);
    unsigned lines = 0;
    for (const char *at = process.errors; (at = strstr(at, "missing_function_dll.dll")); at += strcspn(at, "\n"))
        lines++;
    assert_int_equal(lines, 2);
    assert_non_null(strstr(process.errors, "2 missing"));
    process_free(&process);
}

static void check_speaks_json(void **state)
{
    static const char *const expected[] = {
        "{\"schema\": 1, \"command\": \"check\", ", "\"missing\": [{\"module\": \"missing_function_dll.dll\", \"symbol\": \"absent_number\"",
        "\"needed_by\": \"missing_function.exe\"", "\"ntstatus\": \"0xc0000139\"", "\"symbol\": \"#999\"", "\"ntstatus\": \"0xc0000138\"",
        "\"modules\": [{\"name\": \"ntdll.dll\"", "\"name\": \"missing_function.exe\"",
    };
    struct process process;
    (void)state;
    run_words(&process, (const char *[]){PELOAD, "run", "--check", "--json", SAMPLES "missing_function.exe", NULL});
    assert_int_equal(process.status, NOT_LOADABLE);
    assert_int_equal(process.errors_size, 0);
    const char *at = process.output;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!(at = strstr(at, expected[i])))
            fail_msg("not there, or not in this order: %s\n%s", expected[i], process.output);
    process_free(&process);
}

static void check_starts_nothing(void **state)
{
    struct process process;
    (void)state;
    run_words(&process, (const char *[]){PELOAD, "run", "--check", "--trace=start,init", SAMPLES "hello.exe", NULL});
    assert_int_equal(process.status, 0);
    assert_non_null(strstr(process.output, "complete"));
    assert_null(strstr(process.output, "hello, world")); /* nothing of the guest's */
    assert_int_equal(process.errors_size, 0);
    process_free(&process);
}

/* ---- wrong use ------------------------------------------------------------------------------------------- */

static void wrong_use(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, NULL}, WRONG, "no command", "--help");
    refused((const char *[]){PELOAD, "walk", NULL}, WRONG, "no such command: walk", "--help");
    refused((const char *[]){PELOAD, "run", NULL}, WRONG, "no FILE", "--help");
    refused((const char *[]){PELOAD, "run", "--speed=9", SAMPLES "hello.exe", NULL}, WRONG, "speed=9", "peload run --help");
    refused((const char *[]){PELOAD, "run", "--trace=place,walk", SAMPLES "hello.exe", NULL}, WRONG, "walk", "--help");
    refused((const char *[]){PELOAD, "run", "--env", "NOVALUE", SAMPLES "hello.exe", NULL}, WRONG, "NAME=VALUE", "--help");
    refused((const char *[]){PELOAD, "info", NULL}, WRONG, "no FILE", "--help");
    refused((const char *[]){PELOAD, "map", "--colour", SAMPLES "hello.exe", NULL}, WRONG, "colour", "--help");
}

/* As binfmt_misc calls it: whatever follows the file is the guest's, also what looks like an option. */
static void an_interpreter(void **state)
{
    struct process process;
    (void)state;
    for (int i = 0; i < 2; i++) {
        run_words(&process, (const char *[]){PELOAD "-run", i ? TEST_BUILD "/samples/x86/hello.exe" : SAMPLES "hello.exe", "-v", "--help", NULL});
        assert_int_equal(process.status, 0);
        process.output_size = text_unix(process.output, process.output_size);
        assert_string_equal(process.output, "hello from hello.exe\nargument 1: [-v]\nargument 2: [--help]\nPELOAD_GREETING is not set\n");
        assert_int_equal(process.errors_size, 0);
        process_free(&process);
    }
    refused((const char *[]){PELOAD "-run", NULL}, WRONG, "no FILE", "--help");
    refused((const char *[]){PELOAD "-run", "--help", NULL}, NOT_FOUND, "--help", NULL); /* a file of this name */
}

static void no_dll_set(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, "run", "--dll-path=" FOLDER, SAMPLES "hello.exe", NULL}, WRONG, "make deps", FOLDER);
}

/* A folder that looks like a DLL set but whose ntdll is some other file: `ntdll` stands in its place. */
static void set_with_ntdll(const char *name, const char *ntdll, const char *text)
{
    char set[200], command[1400], option[220];
    snprintf(set, sizeof set, FOLDER "/set-%s", name);
    snprintf(option, sizeof option, "--dll-path=%s", set);
    snprintf(command, sizeof command,
             "set -e; from=\"${PELOAD_DLL_PATH:-${PELOAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peload}/current}\"; rm -rf %s; "
             "mkdir -p %s/x86_64-windows; ln -s \"$from/nls\" %s/nls; "
             "for f in kernel32 kernelbase msvcrt apisetschema; do ln -s \"$from/x86_64-windows/$f.dll\" %s/x86_64-windows/; done; "
             "ln -s %s %s/x86_64-windows/ntdll.dll",
             set, set, set, set, ntdll, set);
    assert_int_equal(system(command), 0);
    refused((const char *[]){PELOAD, "run", option, SAMPLES "hello.exe", NULL}, WRONG, text, "ntdll.dll");
}

/* The set's fault is not the program's: 125, before any guest instruction. */
static void a_dll_set_that_does_not_work(void **state)
{
    (void)state;
    set_with_ntdll("empty", "/dev/null", "");
    set_with_ntdll("other", "\"$PWD/" SAMPLES "graph_a.dll\"", "no export has this name");
    set_with_ntdll("machine", "\"$from/i386-windows/ntdll.dll\"", "machine");
}

static void files_that_cannot_be_written(void **state)
{
    (void)state;
    refused((const char *[]){PELOAD, "run", "--status-file=" FOLDER "/none/status", SAMPLES "hello.exe", NULL}, WRONG, "none/status", NULL);
    refused((const char *[]){PELOAD, "run", "--trace=all", "--trace-file=" FOLDER, SAMPLES "hello.exe", NULL}, WRONG, FOLDER, NULL);
}

static void help_is_given(void **state)
{
    static const char *const commands[] = {NULL,        "run",      "spawn",   "info", "map",
                                           "diff-maps", "snapshot", "compare", "ps",   "handles"};
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct process process;
        const char *with[] = {PELOAD, commands[i], "--help", NULL}, *without[] = {PELOAD, "--help", NULL};
        run_words(&process, commands[i] ? with : without);
        assert_int_equal(process.status, 0);
        assert_true(strstr(process.output, "Examples\n  peload ") == process.output); /* examples come first */
        assert_non_null(strstr(process.output, "Usage: peload "));
        assert_int_equal(process.errors_size, 0);
        process_free(&process);
    }
}

static int setup(void **state)
{
    (void)state;
    mkdir(TEST_BUILD "/tests", 0777);
    mkdir(FOLDER, 0777);
    good = (unsigned char *)text_read(SAMPLES "hello.exe", &good_size);
    return good ? 0 : -1;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_such_file), cmocka_unit_test(a_directory), cmocka_unit_test(an_unreadable_file), cmocka_unit_test(an_empty_file),
        cmocka_unit_test(no_pe_at_all), cmocka_unit_test(truncated_files), cmocka_unit_test(corrupted_headers), cmocka_unit_test(corrupted_tables),
        cmocka_unit_test(another_machine), cmocka_unit_test(a_32_bit_program), cmocka_unit_test(a_dll), cmocka_unit_test(a_missing_dll),
        cmocka_unit_test(a_missing_function), cmocka_unit_test(check_lists_everything), cmocka_unit_test(check_speaks_json), cmocka_unit_test(check_starts_nothing),
        cmocka_unit_test(wrong_use), cmocka_unit_test(an_interpreter), cmocka_unit_test(no_dll_set), cmocka_unit_test(a_dll_set_that_does_not_work), cmocka_unit_test(files_that_cannot_be_written), cmocka_unit_test(help_is_given),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
