/* `peload snapshot` and `peload compare` on the lanes native and reference: documents against their schema (by an implementation of
 * JSON Schema that is not ours) and against what objdump says of the files; every sample's two lanes; what wrong use is told. */
#include "tests/support/process.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/compared.h"

#include <jansson.h>

#define PELOAD TEST_BUILD "/peload"
#define OBJDUMP "/usr/bin/x86_64-w64-mingw32-objdump" /* reads PE32 as well */
#define DOCUMENT TEST_BUILD "/tests/snapshot.json"

static const struct table_machine machines[] = {
    {"x64", "x86", TEST_BUILD "/samples/x64/"}, {"x86", "x64", TEST_BUILD "/samples/x86/"},
};

/* ---- schema ------------------------------------------------------------------------------------------- */

static const char validator[] = "import json, sys, jsonschema\n"
                                "schema, document = (json.load(open(name)) for name in sys.argv[1:])\n"
                                "jsonschema.Draft7Validator.check_schema(schema)\n"
                                "errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))\n"
                                "for error in errors[:5]: print(list(error.path), error.message[:300], file=sys.stderr)\n"
                                "sys.exit(bool(errors))\n";

static void valid(const char *schema, const char *document)
{
    const char *const arguments[] = {"/usr/bin/python3", "-c", validator, schema, document, NULL};
    struct process process = {.arguments = arguments, .seconds = 120};
    assert_true(process_run(&process));
    if (process.status)
        fprintf(stderr, "%s", process.errors);
    assert_int_equal(process.status, 0);
    process_free(&process);
}

static json_t *snapshot(const char *lane, const char *at, const char *more, const char *path, int expected)
{
    char lane_word[32], at_word[32];
    const char *arguments[] = {PELOAD, "snapshot", lane_word, at_word, "--output=" DOCUMENT, more, path, "one", NULL};
    snprintf(lane_word, sizeof lane_word, "--lane=%s", lane);
    snprintf(at_word, sizeof at_word, "--at=%s", at);
    if (!more)
        memmove(&arguments[5], &arguments[6], 3 * sizeof *arguments);
    struct process process = {.arguments = arguments, .seconds = 120};
    assert_true(process_run(&process));
    if (process.status != expected)
        fprintf(stderr, "%s", process.errors);
    assert_int_equal(process.status, expected);
    process_free(&process);
    valid("loader/inspect/snapshot.schema.json", DOCUMENT);
    json_t *root = json_load_file(DOCUMENT, 0, NULL);
    assert_non_null(root);
    return root;
}

static const char *text(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }
static uint64_t hex(const json_t *object, const char *key) { return strtoull(text(object, key), NULL, 16); }

static json_t *module(const json_t *root, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(root, "modules"), i, item)
        if (!strcasecmp(text(item, "name"), name))
            return item;
    return NULL;
}

static void every_moment_is_valid(void **state)
{
    static const struct { const char *lane, *at; } moments[] = {{"native", "mapped"}, {"native", "bound"}, {"native", "ready"}, {"native", "entry"},
                                                                {"native", "exit"}, {"reference", "ready"}, {"reference", "entry"}, {"reference", "exit"}};
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
            char path[128];
            snprintf(path, sizeof path, "%shello.exe", machines[m].folder);
            json_t *root = snapshot(moments[i].lane, moments[i].at, NULL, path, 0);
            assert_string_equal(text(root, "machine"), machines[m].name);
            assert_non_null(module(root, "hello.exe"));
            assert_string_equal(text(json_object_get(root, "exit"), "how"), "exited");
            json_decref(root);
        }
}

static void comparison_is_valid(void **state)
{
    const char *const arguments[] = {PELOAD, "compare", "--json", "--lanes=native,reference", TEST_BUILD "/samples/x64/graph.exe", NULL};
    struct process process = {.arguments = arguments, .seconds = 120};
    (void)state;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 0);
    assert_true(text_write(DOCUMENT, process.output, process.output_size));
    process_free(&process);
    valid("loader/inspect/comparison.schema.json", DOCUMENT);
}

/* ---- against objdump ---------------------------------------------------------------------------------- */

struct facts { uint64_t base, entry, imports, fixups; };

static struct facts facts_of(const char *path)
{
    const char *const arguments[] = {OBJDUMP, "-p", path, NULL};
    struct process process = {.arguments = arguments};
    struct facts facts = {0};
    bool importing = false;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 0);
    char *rest = process.output, *line, word[64];
    unsigned long number;
    while ((line = strsep(&rest, "\n"))) {
        if (sscanf(line, "ImageBase %" SCNx64, &facts.base) == 1 || sscanf(line, "AddressOfEntryPoint %" SCNx64, &facts.entry) == 1)
            continue;
        if (strstr(line, "DLL Name:") && strchr(line, '\t') == line)
            importing = true;
        else if (importing && sscanf(line, " %*x %lu %63s", &number, word) == 2)
            facts.imports++;
        else if (!*line)
            importing = false;
        if (strstr(line, "\treloc ") == line && !strstr(line, "ABSOLUTE"))
            facts.fixups++;
    }
    process_free(&process);
    return facts;
}

/* Slots are resolved to what the import table asks for, except where a forwarder or the guest half answers. */
static unsigned functions_of(const json_t *imports, unsigned *named)
{
    size_t i, k;
    unsigned count = 0;
    const json_t *import, *function;
    json_array_foreach(imports, i, import)
        json_array_foreach(json_object_get(import, "functions"), k, function)
        {
            const char *name = text(function, "name"), *to = text(json_object_get(function, "target"), "export");
            count++;
            *named += name && to && !strcmp(name, to);
        }
    return count;
}

static void snapshot_is_the_file_stretched(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (unsigned occupied = 0; occupied < 2; occupied++) {
            char path[128];
            unsigned named = 0;
            snprintf(path, sizeof path, "%shello.exe", machines[m].folder);
            struct facts facts = facts_of(path);
            json_t *root = snapshot("native", "entry", occupied ? "--occupy" : NULL, path, 0), *hello = module(root, "hello.exe");
            const json_t *relocations = json_object_get(hello, "relocations"), *context = json_object_get(json_array_get(json_object_get(root, "threads"), 0), "context");
            assert_int_equal(hex(hello, "preferred"), facts.base);
            assert_int_equal(hex(hello, "base") != facts.base, occupied);
            assert_int_equal(hex(context, m ? "eip" : "rip"), hex(hello, "base") + facts.entry);
            assert_int_equal(hex(json_object_get(root, "process"), "entry"), hex(hello, "base") + facts.entry);
            assert_int_equal(json_integer_value(json_object_get(relocations, "count")), facts.fixups);
            assert_int_equal(json_integer_value(json_object_get(relocations, "rebased")), facts.fixups);
            assert_int_equal(hex(relocations, "delta"), hex(hello, "base") - facts.base);
            assert_int_equal(json_is_true(json_object_get(relocations, "applied")), occupied);
            assert_int_equal(functions_of(json_object_get(hello, "imports"), &named), facts.imports);
            assert_true(named * 10 > facts.imports * 8);
            json_decref(root);
        }
}

/* Before binding no slot leads anywhere; behind it each does. */
static void binding_is_seen(void **state)
{
    (void)state;
    for (unsigned bound = 0; bound < 2; bound++) {
        json_t *root = snapshot("native", bound ? "bound" : "mapped", "--stay", TEST_BUILD "/samples/x64/hello.exe", 0), *hello = module(root, "hello.exe");
        size_t i, k, led = 0, all = 0;
        const json_t *import, *function;
        assert_non_null(hello);
        json_array_foreach(json_object_get(hello, "imports"), i, import)
            json_array_foreach(json_object_get(import, "functions"), k, function)
                all++, led += json_is_object(json_object_get(function, "target"));
        assert_int_equal(led, bound ? all : 0);
        assert_true(json_is_null(json_object_get(root, "exit")));
        json_decref(root);
    }
}

static void refused_program_has_a_document(void **state)
{
    (void)state;
    json_t *root = snapshot("native", "entry", NULL, TEST_BUILD "/samples/x64/missing_dll.exe", 126);
    assert_int_equal(json_array_size(json_object_get(root, "modules")), 0);
    assert_int_equal(hex(json_object_get(root, "exit"), "code"), 0xc0000135);
    assert_string_equal(text(json_object_get(root, "exit"), "how"), "refused");
    json_decref(root);
}

/* ---- what must not be explained ------------------------------------------------------------------------ */

#define OTHER TEST_BUILD "/tests/snapshot-other.json"
#define COPY TEST_BUILD "/tests/compared-copy.exe"

/* Native beside reference, saved; `expect` NULL: without any file. How many are unexplained, by the text and by the exit status. */
static unsigned unexplained_of(const json_t *a, const json_t *b, const char *expect)
{
    char word[128];
    const char *arguments[] = {PELOAD, "compare", "--json", word, DOCUMENT, OTHER, NULL};
    snprintf(word, sizeof word, expect ? "--expect=%s" : "--no-expect", expect);
    assert_int_equal(json_dump_file(a, DOCUMENT, 0), 0);
    assert_int_equal(json_dump_file(b, OTHER, 0), 0);
    struct process process = {.arguments = arguments, .seconds = 60};
    assert_true(process_run(&process));
    json_t *root = json_loads(process.output, 0, NULL);
    if (!root)
        fail_msg("%s", process.errors);
    unsigned count = (unsigned)json_integer_value(json_object_get(root, "unexplained"));
    assert_int_equal(process.status, count != 0);
    json_decref(root);
    process_free(&process);
    return count;
}

static void text_set(json_t *root, const char *object, const char *key, const char *value)
{
    assert_int_equal(json_object_set_new(object ? json_object_get(root, object) : root, key, json_string(value)), 0);
}

/* A program whose output Wine's loader changes as the file beside it says; then one more thing is changed. */
static void broken_things_stay_unexplained(void **state)
{
    static const char path[] = TEST_BUILD "/samples/x64/tls_callbacks.exe", expect[] = "samples/compare.expect";
    (void)state;
    json_t *native = snapshot("native", "entry", NULL, path, 0), *reference = snapshot("reference", "entry", NULL, path, 0);
    assert_int_equal(unexplained_of(native, reference, expect), 0);
    assert_int_equal(unexplained_of(native, reference, NULL), 2); /* the two lines that Wine lacks */
    assert_int_equal(unexplained_of(native, native, expect), 0);

    json_t *broken = json_deep_copy(reference);
    char *output = strdup(text(json_object_get(broken, "output"), "stdout")), *line = strstr(output, "callback");
    assert_non_null(line);
    line[0] = 'X';
    text_set(broken, "output", "stdout", output);
    assert_int_equal(unexplained_of(native, broken, expect), 1);
    json_decref(broken);
    free(output);

    broken = json_deep_copy(reference);
    text_set(broken, "exit", "code", "0x7");
    assert_int_equal(unexplained_of(native, broken, expect), 1);
    json_decref(broken);

    broken = json_deep_copy(reference);
    json_t *change = json_pack("{s:s,s:i,s:s,s:s,s:s,s:s}", "rva", "0x1010", "size", 1, "file", "55", "memory", "cc", "section", ".text", "cause", "unknown");
    assert_int_equal(json_array_append_new(json_object_get(module(broken, "tls_callbacks.exe"), "changes"), change), 0);
    assert_int_equal(unexplained_of(native, broken, expect), 1);
    json_decref(broken);
    json_decref(native), json_decref(reference);
}

/* One letter of a text in the file itself: other bytes, and another line. */
static void another_file_of_that_name_is_told(void **state)
{
    size_t size;
    (void)state;
    char *bytes = text_read(TEST_BUILD "/samples/x64/nocrt_kernel32.exe", &size), *letter = NULL;
    assert_non_null(bytes);
    for (size_t i = 0; i + 6 < size && !letter; i++)
        if (!memcmp(bytes + i, "kernel", 6) && i > 0x400)
            letter = bytes + i;
    assert_non_null(letter);
    json_t *native = snapshot("native", "entry", NULL, TEST_BUILD "/samples/x64/nocrt_kernel32.exe", 0);
    letter[0] = 'K';
    assert_true(text_write(COPY, bytes, size));
    json_t *other = snapshot("reference", "entry", NULL, COPY, 0);
    assert_true(unexplained_of(native, other, "samples/compare.expect") >= 2);
    json_decref(native), json_decref(other);
    free(bytes);
    unlink(COPY);
}

/* The environment is handed to both lanes, and to the program alone. */
static void environment_is_handed_on(void **state)
{
    const char *const arguments[] = {PELOAD, "compare", "--lanes=native,reference", "--env=PELOAD_GREETING=good day", "--only=unexplained",
                                     TEST_BUILD "/samples/x64/hello.exe", NULL};
    (void)state;
    json_t *root = snapshot("native", "entry", "--env=PELOAD_GREETING=good day", TEST_BUILD "/samples/x64/hello.exe", 0);
    assert_non_null(strstr(text(json_object_get(root, "output"), "stdout"), "good day"));
    json_decref(root);
    struct process process = {.arguments = arguments, .seconds = 60};
    assert_true(process_run(&process));
    assert_int_equal(process.status, 0);
    process_free(&process);
}

/* A program that never ends, on both lanes; `handle` of ctrl_c.exe waits 20 seconds. */
static void time_limit_is_told(void **state)
{
    const char *const arguments[] = {PELOAD, "compare", "--lanes=native,reference", "--timeout=2", "--only=time_limit",
                                     TEST_BUILD "/samples/x64/ctrl_c.exe", "wait", NULL};
    struct process process = {.arguments = arguments, .seconds = 60};
    (void)state;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 0);
    assert_non_null(strstr(process.output, "the time limit ended it on both lanes"));
    process_free(&process);
}

/* ---- wrong use ---------------------------------------------------------------------------------------- */

static void told(int status, const char *part, const char *const *arguments)
{
    struct process process = {.arguments = arguments, .seconds = 90};
    assert_true(process_run(&process));
    if (!strstr(process.errors, part))
        fprintf(stderr, "%s", process.errors);
    assert_int_equal(process.status, status);
    assert_non_null(strstr(process.errors, part));
    assert_int_equal(process.output_size, 0);
    process_free(&process);
}
#define TOLD(status, part, ...) told(status, part, (const char *const[]){PELOAD, __VA_ARGS__, NULL})

static void wrong_use_is_told(void **state)
{
    (void)state;
    TOLD(125, "no FILE", "snapshot");
    TOLD(125, "no FILE", "compare");
    TOLD(125, "sideways", "snapshot", "--lane=sideways", "x.exe");
    TOLD(125, "noon", "snapshot", "--at=noon", "x.exe");
    TOLD(125, "--lane=reference", "snapshot", "--lane=reference", "--at=bound", "x.exe");
    TOLD(125, "vanity", "compare", "--only=vanity", "x.exe");
    TOLD(125, "native", "compare", "--lanes=native", "x.exe");
    TOLD(125, "NAME=VALUE", "compare", "--env=x", "x.exe");
    TOLD(125, "NAME=VALUE", "snapshot", "--env==x", "x.exe");
    TOLD(127, "/nowhere", "compare", "--expect=/nowhere", "x.exe");
    TOLD(125, "line 1: neither", "compare", "--expect=LICENSE", "x.exe");
    TOLD(127, "no such file", "snapshot", "/nowhere/x.exe");
    TOLD(127, "/nowhere/x.exe", "compare", "--lanes=native,reference", "/nowhere/x.exe");
    TOLD(127, "/nowhere", "compare", "--lanes=native,reference", "--all", "/nowhere");
    TOLD(126, "kind: not a snapshot", "compare", "loader/inspect/snapshot.schema.json", "tests/samples/table.txt.json");
}

static void documents_that_are_none(void **state)
{
    static const struct { const char *text, *part; } documents[] = {
        {"{\"schema\": 1", "no JSON: line 1"}, {"[]", "not an object"}, {"{\"kind\": \"snapshot\", \"schema\": 2}", "schema: only 1"},
        {"{\"kind\": \"snapshot\", \"schema\": 1, \"lane\": 7}", "lane: a text is wanted"}, {"{}", "kind: not a snapshot"}};
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        assert_true(text_write(DOCUMENT, documents[i].text, strlen(documents[i].text)));
        TOLD(126, documents[i].part, "compare", DOCUMENT, DOCUMENT);
    }
}

int main(void)
{
    static struct compared_row rows[COMPARED_LIMIT];
    static struct CMUnitTest tests[COMPARED_LIMIT];
    static const struct CMUnitTest single[] = {
        cmocka_unit_test(every_moment_is_valid), cmocka_unit_test(comparison_is_valid), cmocka_unit_test(snapshot_is_the_file_stretched),
        cmocka_unit_test(binding_is_seen), cmocka_unit_test(refused_program_has_a_document), cmocka_unit_test(wrong_use_is_told),
        cmocka_unit_test(documents_that_are_none),
        cmocka_unit_test(broken_things_stay_unexplained), cmocka_unit_test(another_file_of_that_name_is_told),
        cmocka_unit_test(environment_is_handed_on), cmocka_unit_test(time_limit_is_told)};
    size_t size;
    char *table = text_read("tests/samples/table.txt", &size);
    if (!table)
        return 1;
    unsigned count = compared_rows_make(table, "native,reference", machines, access(TEST_BUILD "/peload32", X_OK) ? 1 : 2, rows, tests);
    int failed = cmocka_run_group_tests_name("snapshot and compare", single, NULL, NULL);
    failed += _cmocka_run_group_tests("native beside reference", tests, count, NULL, NULL);
    return failed != 0;
}
