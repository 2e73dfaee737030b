/* `info` and `map` against objdump, on every sample of both machines; their JSON; and files that try to talk back. */
#include "tests/support/process.h"

#include <ctype.h>
#include <glob.h>
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
#define GOOD TEST_BUILD "/samples/x64/hello.exe"
#define BAD TEST_BUILD "/tests/info.exe"

static glob_t files;

static char *told(const char *const *arguments, int status)
{
    struct process process = {.arguments = arguments, .seconds = 120};
    assert_true(process_run(&process));
    if (process.status != status)
        fprintf(stderr, "%s %s %s: exit status %d\n%s", arguments[0], arguments[1], arguments[2], process.status, process.errors);
    assert_int_equal(process.status, status);
    free(process.errors);
    return process.output;
}

/* Both sides as one canonical text, compared as a whole. */
struct text { char *data; size_t size; FILE *stream; };

static void text_begin(struct text *text) { assert_non_null(text->stream = open_memstream(&text->data, &text->size)); }

static void texts_equal(const char *file, struct text *ours, struct text *theirs)
{
    fclose(ours->stream);
    fclose(theirs->stream);
    if (strcmp(ours->data, theirs->data)) {
        size_t at = 0;
        while (ours->data[at] == theirs->data[at])
            at++;
        at -= at > 100 ? 100 : at;
        fprintf(stderr, "%s: we say\n%.300s\nobjdump says\n%.300s\n", file, ours->data + at, theirs->data + at);
    }
    bool same = !strcmp(ours->data, theirs->data);
    free(ours->data);
    free(theirs->data);
    assert_true(same);
}

/* ---- tables against objdump ---------------------------------------------------------------------------- */

static void sections_of(const char *file)
{
    struct text ours, theirs;
    char *info = told((const char *[]){PELOAD, "info", "--sections", file, NULL}, 0), *rest = info, *line;
    char *dump = told((const char *[]){OBJDUMP, "-h", file, NULL}, 0);
    char *head = told((const char *[]){OBJDUMP, "-p", file, NULL}, 0);
    uint64_t base = 0, number, size, rva, offset, address;
    char name[64];
    sscanf(strstr(head, "ImageBase"), "ImageBase %" SCNx64, &base);
    text_begin(&ours);
    text_begin(&theirs);
    while ((line = strsep(&rest, "\n")))
        if (sscanf(line, "%" SCNu64 " %63s %" SCNx64 " %" SCNx64 " %" SCNx64, &number, name, &rva, &size, &offset) == 5)
            fprintf(ours.stream, "%s %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", name, rva, size, offset);
    for (rest = dump; (line = strsep(&rest, "\n"));)
        if (sscanf(line, "%" SCNu64 " %63s %" SCNx64 " %" SCNx64 " %*x %" SCNx64, &number, name, &size, &address, &offset) == 5)
            fprintf(theirs.stream, "%s %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", name, address - base, size, offset);
    free(info);
    free(dump);
    free(head);
    texts_equal(file, &ours, &theirs);
}

static void imports_of(const char *file)
{
    struct text ours, theirs;
    char *info = told((const char *[]){PELOAD, "info", "--imports", file, NULL}, 0), *rest = info, *line;
    char *dump = told((const char *[]){OBJDUMP, "-p", file, NULL}, 0);
    char module[300], function[300], ordinal[40], hint[40];
    unsigned long number;
    bool importing = false;
    text_begin(&ours);
    text_begin(&theirs);
    while ((line = strsep(&rest, "\n")))
        if (sscanf(line, " %299s %299s %39s %39s 0x%lx", module, function, ordinal, hint, &number) == 5)
            fprintf(ours.stream, "%s %s %s\n", module, strcmp(ordinal, "-") ? "-" : function, strcmp(ordinal, "-") ? ordinal : hint);
    for (rest = dump; (line = strsep(&rest, "\n"));) {
        if (sscanf(line, " DLL Name: %299s", module) == 1)
            importing = true;
        else if (importing && sscanf(line, " %lx %39s %299s", &number, hint, function) == 3) {
            /* An ordinal stands in the low bits of the thunk itself, and objdump writes it as hexadecimal besides. */
            bool is_ordinal = !strcmp(function, "<none>");
            fprintf(theirs.stream, "%s %s %lu\n", module, is_ordinal ? "-" : function, is_ordinal ? number & 0xffff : strtoul(hint, NULL, 10));
        }
        else if (!*line)
            importing = false;
    }
    free(info);
    free(dump);
    texts_equal(file, &ours, &theirs);
}

/* objdump lists functions by index and names apart; forwarders stand with the functions. */
static void exports_of(const char *file)
{
    struct text ours, theirs;
    char *info = told((const char *[]){PELOAD, "info", "--exports", file, NULL}, 0), *rest = info, *line;
    char *dump = told((const char *[]){OBJDUMP, "-p", file, NULL}, 0);
    unsigned named = 0, forwarded = 0, names = 0, forwarders = 0;
    char ordinal[40], rva[40], name[300], forwarder[300];
    unsigned long index, number;
    text_begin(&ours);
    text_begin(&theirs);
    while ((line = strsep(&rest, "\n"))) {
        if (sscanf(line, " %39[0-9] %39s %299s %299s", ordinal, rva, name, forwarder) != 4)
            continue;
        named += strcmp(name, "-") != 0;
        forwarded += strcmp(forwarder, "-") != 0;
        if (strcmp(name, "-"))
            fprintf(ours.stream, "%s\n", name);
    }
    bool in_names = false;
    for (rest = dump; (line = strsep(&rest, "\n"));) {
        if (strstr(line, "[Ordinal/Name Pointer] Table"))
            in_names = true;
        else if (in_names && (sscanf(line, "\t[%lu] +base[%lu] %*x %299s", &index, &number, name) == 3 || sscanf(line, "\t[%lu] %299s", &index, name) == 2))
            names++, fprintf(theirs.stream, "%s\n", name);
        else if (strstr(line, "Forwarder RVA -- "))
            forwarders++;
        else if (in_names)
            in_names = false;
    }
    free(info);
    free(dump);
    assert_int_equal(named, names);
    assert_int_equal(forwarded, forwarders);
    texts_equal(file, &ours, &theirs);
}

/* How many fix-ups of each type, and on which page how many. */
static void relocs_of(const char *file)
{
    struct text ours, theirs;
    char *info = told((const char *[]){PELOAD, "info", "--relocs", file, NULL}, 0), *rest = info, *line;
    char *dump = told((const char *[]){OBJDUMP, "-p", file, NULL}, 0);
    uint64_t page = 0, fixups, padding;
    bool open = false;
    text_begin(&ours);
    text_begin(&theirs);
    while ((line = strsep(&rest, "\n")))
        if (sscanf(line, " 0x%" SCNx64 " %" SCNu64 " %" SCNu64, &page, &fixups, &padding) == 3)
            fprintf(ours.stream, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", page, fixups, padding);
    for (rest = dump, fixups = padding = 0; rest;) {
        line = strsep(&rest, "\n");
        bool begins = strstr(line, "Virtual Address: ") == line;
        if (open && (begins || !rest))
            fprintf(theirs.stream, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", page, fixups, padding);
        if (begins) {
            open = sscanf(line, "Virtual Address: %" SCNx64, &page) == 1;
            fixups = padding = 0;
        } else if (strstr(line, "\treloc ") == line) {
            padding += strstr(line, "ABSOLUTE") != NULL;
            fixups += strstr(line, "ABSOLUTE") == NULL;
        }
    }
    free(info);
    free(dump);
    texts_equal(file, &ours, &theirs);
}

static void over_all(void (*function)(const char *file))
{
    assert_true(files.gl_pathc > 40);
    for (size_t i = 0; i < files.gl_pathc; i++)
        function(files.gl_pathv[i]);
}

static void sections_agree(void **state) { (void)state; over_all(sections_of); }
static void imports_agree(void **state) { (void)state; over_all(imports_of); }
static void exports_agree(void **state) { (void)state; over_all(exports_of); }
static void relocations_agree(void **state) { (void)state; over_all(relocs_of); }

/* ---- JSON ---------------------------------------------------------------------------------------------- */

/* RFC 8259, strictly enough to find what a parser would refuse. Returns the end of one value, NULL: none. */
static const char *json_value(const char *at, unsigned depth);

static const char *blank(const char *at)
{
    while (at && (*at == ' ' || *at == '\n'))
        at++;
    return at;
}

static const char *json_string(const char *at)
{
    if (!at || *at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\' && *++at == 'u') {
            for (int i = 0; i < 4; i++)
                if (!isxdigit((unsigned char)*++at))
                    return NULL;
        } else if (at[-1] == '\\' && !strchr("\"\\/bfnrt", *at))
            return NULL;
    }
    return at + 1;
}

static const char *json_items(const char *at, char close, bool keys, unsigned depth)
{
    at = blank(at + 1);
    if (*at == close)
        return at + 1;
    for (;;) {
        if (keys && (!(at = blank(json_string(at))) || *at++ != ':'))
            return NULL;
        at = blank(json_value(blank(at), depth + 1));
        if (!at || (*at != ',' && *at != close))
            return NULL;
        if (*at++ == close)
            return at;
        at = blank(at);
    }
}

static const char *json_value(const char *at, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    if (!at || depth > 20)
        return NULL;
    if (*at == '{' || *at == '[')
        return json_items(at, *at == '{' ? '}' : ']', *at == '{', depth);
    if (*at == '"')
        return json_string(at);
    for (size_t i = 0; i < 3; i++)
        if (!strncmp(at, words[i], strlen(words[i])))
            return at + strlen(words[i]);
    size_t digits = strspn(at, "0123456789");
    return digits && (digits == 1 || *at != '0') ? at + digits : NULL;
}

static void json_of(const char *file)
{
    static const char *const commands[] = {"info", "map"};
    for (size_t i = 0; i < 2; i++) {
        char *json = told((const char *[]){PELOAD, commands[i], "--json", file, NULL}, 0);
        const char *end = blank(json_value(json, 0));
        assert_non_null(end);
        assert_int_equal(*end, 0);
        assert_true(strstr(json, "{\"schema\": 1, \"command\": ") == json);
        free(json);
    }
}

static void json_is_json(void **state) { (void)state; over_all(json_of); }

/* ---- the map ------------------------------------------------------------------------------------------- */

static uint64_t field(const char *object, const char *key)
{
    char name[40];
    snprintf(name, sizeof name, "\"%s\": ", key);
    const char *at = strstr(object, name);
    assert_non_null(at);
    at += strlen(name);
    return strtoull(*at == '"' ? at + 1 : at, NULL, 0);
}

/* The parts of the image follow each other without hole or overlap from 0 to SizeOfImage, and every byte of the file
 * stands in exactly one part. SizeOfImage is objdump's. */
static void map_of(const char *file)
{
    char *json = told((const char *[]){PELOAD, "map", "--json", file, NULL}, 0);
    char *head = told((const char *[]){OBJDUMP, "-p", file, NULL}, 0);
    uint64_t size = 0, at = 0, bytes = 0;
    sscanf(strstr(head, "SizeOfImage"), "SizeOfImage %" SCNx64, &size);
    for (char *object = strstr(json, "\"parts\": ["); (object = strstr(object, "{\"kind\"")); object++) {
        bytes += field(object, "bytes");
        if (strstr(object, "\"unmapped\"") == object + strlen("{\"kind\": "))
            continue;
        assert_int_equal(field(object, "rva"), at);
        at += field(object, "size");
    }
    assert_int_equal(at, size);
    assert_int_equal(bytes, field(json, "file_size"));
    free(json);
    free(head);
}

static void map_is_whole(void **state) { (void)state; over_all(map_of); }

/* hello.exe's ladder: the lines that the PE Format's rules give for it, whatever addresses the linker chose. */
static void map_shows_rights(void **state)
{
    static const struct { const char *section, *rights; bool zero; } expected[] = {
        {"headers", "R--", false}, {".text", "R-X", false}, {".data", "RW-", false}, {".rdata", "R--", false}, {".bss", "RW-", true},
    };
    (void)state;
    setenv("LC_ALL", "C", 1);
    char *map = told((const char *[]){PELOAD, "map", GOOD, NULL}, 0);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *line = map;
        while (line && !(strstr(line, expected[i].section) && strstr(line, expected[i].section) < line + strcspn(line, "\n") && strchr(line, '|') &&
                         strchr(line, '|') < line + strcspn(line, "\n")))
            line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
        assert_non_null(line);
        char row[400];
        snprintf(row, sizeof row, "%.*s", (int)strcspn(line, "\n"), line);
        assert_non_null(strstr(row, expected[i].rights));
        assert_int_equal(strstr(row, "............") != NULL, expected[i].zero);
        assert_int_equal(strstr(row, "zero fill") != NULL, expected[i].zero);
    }
    for (const char *at = map; *at; at++)
        assert_true((unsigned char)*at < 0x80); /* the C locale has no box-drawing signs */
    free(map);
    setenv("LC_ALL", "C.UTF-8", 1);
    map = told((const char *[]){PELOAD, "map", GOOD, NULL}, 0);
    assert_non_null(strstr(map, "│.text"));
    assert_null(strchr(map, '\x1b'));
    free(map);
}

/* A small PE32+ written field by field at the offsets of the PE Format, and its picture, worked out by hand: .text stands at
 * an offset that is no page multiple; of .data's two pages the file has 0x200 bytes; .bss is nothing but zeroes; 0xa00
 * bytes between two sections and 16 behind the last one stay out of memory. */
static void map_draws_this(void **state)
{
    static const struct { unsigned at, width; uint64_t value; } fields[] = {
        {0, 2, 0x5a4d}, {0x3c, 4, 0x80}, {0x80, 4, 0x4550}, {0x84, 2, 0x8664}, {0x86, 2, 3}, {0x94, 2, 240}, {0x96, 2, 0x22},
        {0x98, 2, 0x20b}, {0xa8, 4, 0x1010}, {0xb0, 8, 0x140000000}, {0xb8, 4, 0x1000}, {0xbc, 4, 0x200}, {0xc8, 2, 6},
        {0xd0, 4, 0x5000}, {0xd4, 4, 0x400}, {0xdc, 2, 3}, {0xe0, 8, 0x100000}, {0xe8, 8, 0x1000}, {0xf0, 8, 0x100000},
        {0xf8, 8, 0x1000}, {0x104, 4, 16},
        {0x188, 8, 0x747865742e /* .text */}, {0x190, 4, 0x123}, {0x194, 4, 0x1000}, {0x198, 4, 0x200}, {0x19c, 4, 0x400}, {0x1ac, 4, 0x60000020},
        {0x1b0, 8, 0x617461642e /* .data */}, {0x1b8, 4, 0x1800}, {0x1bc, 4, 0x2000}, {0x1c0, 4, 0x200}, {0x1c4, 4, 0x1000}, {0x1d4, 4, 0xc0000040},
        {0x1d8, 8, 0x7373622e /* .bss */}, {0x1e0, 4, 0x10}, {0x1e4, 4, 0x4000}, {0x1fc, 4, 0xc0000080},
    };
    static const char picture[] =
        BAD ": PE32+ for x86-64, program, 3 sections\n\n"
        "  1 FILE                               3 fill 2 IMAGE           address             RVA        size      7 protect, and what lies there\n"
        "  offset          bytes +------------+      +------------++\n"
        "  0x00000000       1024 |headers     | ===> |headers     || 0x0000000140000000  0x00000000 0x00001000  R--  then 3072 zero\n"
        "  0x00000400        512 |.text       | ---> |.text       || 0x0000000140001000  0x00001000 0x00001000  R-X  entry point 0x1010, then 3584 zero\n"
        "  0x00000600       2560 |slack       |                    |  not in the image\n"
        "  0x00001000        512 |.data       | ===> |.data       || 0x0000000140002000  0x00002000 0x00001000  RW-  then 3584 zero\n"
        "  0x00001200         16 |overlay     |                    |  not in the image\n"
        "                                            |............|| 0x0000000140003000  0x00003000 0x00001000  RW-  zero fill: .data\n"
        "                                            |............|| 0x0000000140004000  0x00004000 0x00001000  RW-  zero fill: .bss\n"
        "                        +------------+      +------------++ SizeOfImage 0x5000 = 20480 bytes\n"
        "\n  ===> pages of the file   ---> copied: its place in the file is no page multiple   ... zero fill\n";
    unsigned char bytes[0x1210] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        memcpy(bytes + fields[i].at, &fields[i].value, fields[i].width);
    assert_true(text_write(BAD, bytes, sizeof bytes));
    setenv("LC_ALL", "C", 1);
    char *map = told((const char *[]){PELOAD, "map", BAD, NULL}, 0);
    setenv("LC_ALL", "C.UTF-8", 1);
    if (strcmp(map, picture))
        fprintf(stderr, "expected\n%s\ngot\n%s\n", picture, map);
    bool same = !strcmp(map, picture);
    free(map);
    assert_true(same);
}

/* ---- files that talk back ------------------------------------------------------------------------------ */

/* A DLL's name with control characters, quotes and bytes that are no UTF-8 reaches neither terminal nor JSON as it is. */
static void hostile_names_are_escaped(void **state)
{
    size_t size;
    char *bytes = text_read(GOOD, &size), *name = NULL;
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; !name && i + 11 < size; i++)
        if (!memcmp(bytes + i, "msvcrt.dll", 11))
            name = bytes + i;
    assert_non_null(name);
    memcpy(name, "\x1b[2J\"\\\n\xff\xc3", 9);
    assert_true(text_write(BAD, bytes, size));
    free(bytes);
    char *text = told((const char *[]){PELOAD, "info", BAD, NULL}, 0);
    assert_non_null(strstr(text, "\\x1b[2J\"\\\\x0a\\xff\\xc3"));
    assert_null(strchr(text, '\x1b'));
    free(text);
    char *json = told((const char *[]){PELOAD, "info", "--json", BAD, NULL}, 0);
    assert_non_null(strstr(json, "\"\\u001b[2J\\\"\\\\\\u000a\\u00ff\\u00c3"));
    assert_non_null(json_value(json, 0));
    free(json);
}

/* A table that leaves the image: the rest is told, the fault is named, the exit status says so. */
static void broken_tables_are_told(void **state)
{
    size_t size;
    char *bytes = text_read(GOOD, &size);
    uint32_t nt, far = 0x7ffff000;
    (void)state;
    assert_non_null(bytes);
    memcpy(&nt, bytes + 0x3c, 4);
    memcpy(bytes + nt + 24 + 112 + 8, &far, 4); /* import directory */
    assert_true(text_write(BAD, bytes, size));
    free(bytes);
    struct process process = {.arguments = (const char *[]){PELOAD, "info", "--json", BAD, NULL}};
    assert_true(process_run(&process));
    assert_int_equal(process.status, 126);
    assert_non_null(strstr(process.errors, "imports: "));
    assert_non_null(strstr(process.output, "\"faults\": [{\"table\": \"imports\""));
    assert_non_null(strstr(process.output, "\"sections\": [{"));
    assert_non_null(json_value(process.output, 0));
    process_free(&process);
}

static int setup(void **state)
{
    (void)state;
    setenv("LC_ALL", "C.UTF-8", 1);
    return glob(TEST_BUILD "/samples/x64/*.exe", 0, NULL, &files) || glob(TEST_BUILD "/samples/x64/*.dll", GLOB_APPEND, NULL, &files) ||
           glob(TEST_BUILD "/samples/x86/hello.exe", GLOB_APPEND, NULL, &files) ||
           glob(TEST_BUILD "/samples/x86/graph*", GLOB_APPEND, NULL, &files) ||
           glob(TEST_BUILD "/samples/x86/relocs200k.exe", GLOB_APPEND, NULL, &files);
}

static int teardown(void **state)
{
    (void)state;
    globfree(&files);
    remove(BAD);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_agree), cmocka_unit_test(imports_agree), cmocka_unit_test(exports_agree), cmocka_unit_test(relocations_agree),
        cmocka_unit_test(json_is_json), cmocka_unit_test(map_is_whole), cmocka_unit_test(map_shows_rights), cmocka_unit_test(map_draws_this),
        cmocka_unit_test(hostile_names_are_escaped), cmocka_unit_test(broken_tables_are_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
