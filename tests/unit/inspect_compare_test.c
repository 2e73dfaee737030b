/* The rules of `peload compare`, on documents made by hand: two modules, the smaller of which the program imports. Each test changes
 * one thing on one side and says what class the difference must have; what no rule may explain must come out as unexplained.
 * Hostile documents: each value replaced by each other kind, each length of a text cut off, nesting without end. */
#include "loader/inspect/compare/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char module_text[] =
    "{'name':'%s','path':'C:\\\\x\\\\%s','file':'/x/%s','file_size':8192,'file_hash':'0x%s','base':'%s','size':16384,'entry':null,"
    "'preferred':'%s','moved':false,'found':'lists','load_order':%d,'memory_order':%d,'init_order':%s,'load_count':-1,'tls_index':%s,"
    "'flags':'0x4','headers':{'machine':'0x8664','image_base':'%s','entry':'0x1000','dll_characteristics':'0x160'},"
    "'sections':[{'name':'.text','rva':'0x1000','size':4096,'rights':'R-X','planned_rights':'R-X','characteristics':'0x60000020'},"
    "{'name':'.data','rva':'0x2000','size':4096,'rights':'RW-','planned_rights':'RW-','characteristics':'0xc0000040'}],"
    "'protections':[{'rva':'0x0','size':4096,'rights':'R--'},{'rva':'0x1000','size':4096,'rights':'R-X'},"
    "{'rva':'0x2000','size':8192,'rights':'RW-'}],"
    "'relocations':{'applied':false,'delta':'0x0','count':10,'pages':1,'rebased':10,'other':0,'by_page':[]},"
    "'imports':[%s],'exceptions':{'rva':null,'size':0,'functions':0},'changes':[]}";

static const char import_text[] =
    "{'module':'b.dll','delayed':false,'functions':[{'name':'f','slot_rva':'0x2100','value':'0x180001010',"
    "'target':{'module':'b.dll','export':'f','rva':'0x1010'}},{'name':'g','slot_rva':'0x2108','value':'0x180001020',"
    "'target':{'module':'b.dll','export':'g','rva':'0x1020'}}]}";

static const char root_text[] =
    "{'schema':1,'kind':'snapshot','lane':'%s','at':'entry','machine':'x64','file':{'path':'a.exe','size':8192,'image_base':'0x140000000',"
    "'entry':'0x1000','timestamp':'0x1','hash':'0xaa'},'process':{'id':8,'parent':null,'peb':'0x30000','teb':'0x40000',"
    "'image_base':'0x140000000','entry':'0x140001000'},"
    "'regions':[{'base':'0x30000','size':4096,'allocation_base':null,'state':'commit','type':'private','rights':'RW-','allocation_rights':null,"
    "'use':'PEB, process parameters','module':null},{'base':'0x40000','size':65536,'allocation_base':null,'state':'commit','type':'private',"
    "'rights':'RW-','allocation_rights':null,'use':'TEB of thread 1, stack of thread 1, process heap','module':null},"
    "{'base':'0x7ffe0000','size':4096,'allocation_base':null,'state':'commit','type':'private','rights':'R--','allocation_rights':null,"
    "'use':'KUSER_SHARED_DATA','module':null}],'modules':[%s,%s,%s],"
    "'peb':{'address':'0x30000','image_base':'0x140000000','ldr':'0x41000','parameters':'0x30800','process_heap':'0x42000',"
    "'os_version':'10.0.19043','subsystem':3,'processors':2,'being_debugged':false},"
    "'parameters':{'address':'0x30800','image':'Z:\\\\a.exe','command_line':'a.exe one','current_directory':'Z:\\\\',"
    "'environment':['A=1','B=2'],'standard_input':'0x4','standard_output':'0x8','standard_error':'0xc'},"
    "'handles':[{'handle':'0x4','type':'File','name':null,'access':'0x1','inherit':true,'protect':false},"
    "{'handle':'0x8','type':'File','name':null,'access':'0x1','inherit':true,'protect':false},"
    "{'handle':'0xc','type':'File','name':null,'access':'0x1','inherit':true,'protect':false}],"
    "'threads':[{'id':12,'start':'0x140001000','teb':'0x40000','stack_base':'0x50000','stack_limit':'0x48000','stack_allocation':'0x44000',"
    "'context':{'rip':'0x140001000','rsp':'0x4ff00','rcx':'0x30000'}}],"
    "'exit':{'code':'0x0','how':'exited'},'output':{'stdout':'made 3 at 0x41010 by 8\\n','stderr':'','stdout_size':23,'stderr_size':0,"
    "'stdout_hash':'0x1','stderr_hash':'0x2'}}";

/* 'single quotes' as JSON's. */
static void quotes(char *text)
{
    for (; *text; text++)
        *text = *text == '\'' ? '"' : *text;
}

static json_t *document_make(const char *lane)
{
    char program[4096], library[4096], second[4096], *text;
    json_error_t error;
    snprintf(program, sizeof program, module_text, "a.exe", "a.exe", "a.exe", "1", "0x140000000", "0x140000000", 0, 0, "null", "0", "0x140000000", import_text);
    snprintf(library, sizeof library, module_text, "b.dll", "b.dll", "b.dll", "2", "0x180000000", "0x180000000", 1, 1, "1", "null", "0x180000000",
             "{'module':'c.dll','delayed':false,'functions':[{'name':'h','slot_rva':'0x2100','value':'0x190001010',"
             "'target':{'module':'c.dll','export':'h','rva':'0x1010'}}]}");
    snprintf(second, sizeof second, module_text, "c.dll", "c.dll", "c.dll", "3", "0x190000000", "0x190000000", 2, 2, "0", "1", "0x190000000", "");
    size_t room = sizeof root_text + sizeof program + sizeof library + sizeof second;
    text = malloc(room);
    assert_non_null(text);
    snprintf(text, room, root_text, lane, program, library, second);
    quotes(text);
    json_t *root = json_loads(text, 0, &error);
    if (!root)
        fail_msg("line %d column %d: %s", error.line, error.column, error.text);
    free(text);
    return root;
}

/* The value at "modules.1.imports.0.name": what stands before the last part. */
static json_t *reach(json_t *at, const char *path, char *last)
{
    while (strchr(path, '.')) {
        size_t length = strcspn(path, ".");
        snprintf(last, 64, "%.*s", (int)length, path);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(last)) : json_object_get(at, last);
        assert_non_null(at);
        path += length + 1;
    }
    snprintf(last, 64, "%s", path);
    return at;
}

static void set(json_t *root, const char *path, const char *value)
{
    char last[64], text[65536];
    snprintf(text, sizeof text, "%s", value);
    quotes(text);
    json_t *new = json_loads(text, JSON_DECODE_ANY, NULL), *at = reach(root, path, last);
    assert_non_null(new);
    if (json_is_array(at))
        assert_int_equal(json_array_set_new(at, (size_t)atoi(last), new), 0);
    else
        assert_int_equal(json_object_set_new(at, last, new), 0);
}

static void add(json_t *root, const char *path, const char *value)
{
    char last[64], text[65536];
    snprintf(text, sizeof text, "%s", value);
    quotes(text);
    json_t *new = json_loads(text, 0, NULL), *at = json_object_get(reach(root, path, last), last);
    assert_non_null(new);
    assert_int_equal(json_array_append_new(at, new), 0);
}

static bool take(struct document *document, json_t *root, char **why)
{
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    bool opened = document_open(document, text, strlen(text), why);
    free(text);
    return opened;
}

static struct comparison comparison;
static json_t *a, *b;

static int begin(void **state)
{
    (void)state;
    memset(&comparison, 0, sizeof comparison);
    a = document_make("native");
    b = document_make("reference");
    return 0;
}

static int end(void **state)
{
    (void)state;
    compare_close(&comparison);
    json_decref(a);
    json_decref(b);
    return 0;
}

static void compare(void)
{
    char *why = NULL;
    if (!take(&comparison.a, a, &why) || !take(&comparison.b, b, &why))
        fail_msg("%s", why);
    assert_true(compare_documents(&comparison));
}

/* Exactly these: so many unexplained, so many of a class, and nothing else. */
static void expect(unsigned unexplained, enum compare_class class, unsigned count)
{
    compare();
    size_t all = 0;
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        all += comparison.counts[i];
    if (comparison.counts[CLASS_UNEXPLAINED] != unexplained || comparison.counts[class] != count || all != unexplained + (class ? count : 0))
        for (size_t i = 0; i < comparison.count; i++)
            print_message("  %s %s: %s [%s]\n", compare_class_name[comparison.list[i].class], comparison.list[i].module ? comparison.list[i].module : "-",
                          comparison.list[i].text, comparison.list[i].cause ? comparison.list[i].cause : "no cause");
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], unexplained);
    if (class)
        assert_int_equal(comparison.counts[class], count);
    assert_int_equal(all, unexplained + (class ? count : 0));
}
static void expect_unexplained(unsigned count) { expect(count, CLASS_UNEXPLAINED, count); }

static void nothing_differs(void **state)
{
    (void)state;
    expect_unexplained(0);
    assert_string_equal(compare_verdict(&comparison), "equal");
    assert_int_equal(comparison.matched.slots, 3);
    assert_int_equal(comparison.matched.modules, 3);
}

/* Wine tells all processors, our kernel those that the process may run on: less by us is explained, less by Wine is not. */
static void processors_of_a_part(void **state)
{
    (void)state;
    set(b, "lane", "'os'");
    set(a, "peb.processors", "1");
    expect(0, CLASS_PROCESS, 1);
}

static void processors_without_a_cause(void **state)
{
    (void)state;
    set(a, "peb.processors", "1"); /* native and reference are one kernel */
    expect_unexplained(1);
    compare_close(&comparison);
    memset(&comparison, 0, sizeof comparison);
    set(b, "lane", "'os'");
    set(a, "peb.processors", "3");
    expect_unexplained(1);
}

/* ---- slots ---- */

static void slot_flipped(void **state)
{
    (void)state;
    set(b, "modules.0.imports.0.functions.0.target", "{'module':'b.dll','export':'g','rva':'0x1020'}");
    expect_unexplained(1);
    assert_int_equal(comparison.list[0].rva, 0x2100);
}

static void slot_beside_the_export(void **state)
{
    (void)state;
    set(b, "modules.0.imports.0.functions.0.target", "{'module':'b.dll','export':'f','rva':'0x1014'}");
    expect_unexplained(1);
}

static void slot_in_no_module(void **state)
{
    (void)state;
    set(b, "modules.0.imports.0.functions.0.target", "null");
    expect_unexplained(1);
}

static void slot_redirected(void **state)
{
    (void)state;
    char half[4096];
    snprintf(half, sizeof half, module_text, "ldr64.dll", "ldr64.dll", "ldr64.dll", "9", "0x170000000", "0x170000000", 0, 0, "null", "null", "0x170000000", "");
    add(a, "modules", half);
    set(a, "modules.3.found", "'memory'");
    set(a, "modules.3.load_order", "null");
    set(a, "modules.3.memory_order", "null");
    set(a, "modules.0.imports.0.functions.0.target", "{'module':'ldr64.dll','export':'f','rva':'0x1000'}");
    compare();
    assert_int_equal(comparison.count, 2);
    assert_int_equal(comparison.counts[CLASS_REDIRECTION], 1);
    assert_int_equal(comparison.counts[CLASS_LANE_MODULE], 1);
}

static void module_of_nobody(void **state)
{
    (void)state;
    char other[4096];
    snprintf(other, sizeof other, module_text, "d.dll", "d.dll", "d.dll", "9", "0x1a0000000", "0x1a0000000", 3, 3, "2", "null", "0x1a0000000", "");
    add(b, "modules", other);
    expect_unexplained(1);
}

/* ---- bases ---- */

static void moved(json_t *root)
{
    set(root, "modules.1.base", "'0x280000000'");
    set(root, "modules.1.moved", "true");
    set(root, "modules.1.relocations.applied", "true");
    set(root, "modules.1.relocations.delta", "'0x100000000'");
}

static void image_moved(void **state)
{
    (void)state;
    moved(b);
    compare();
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], 0);
    assert_int_equal(comparison.counts[CLASS_BASE], 1);
    assert_int_equal(comparison.counts[CLASS_RELOCATION], 1);
}

static void image_moved_by_another_delta(void **state)
{
    (void)state;
    moved(b);
    set(b, "modules.1.relocations.delta", "'0x100001000'");
    expect_unexplained(2);
}

static void fixups_missing(void **state)
{
    (void)state;
    moved(b);
    set(b, "modules.1.relocations.rebased", "9");
    expect_unexplained(2);
}

static void header_base(void **state)
{
    (void)state;
    moved(b);
    set(b, "modules.1.headers.image_base", "'0x280000000'");
    compare();
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], 0);
    assert_int_equal(comparison.counts[CLASS_IMAGE_BASE], 1);
}

static void header_base_of_nobody(void **state)
{
    (void)state;
    set(b, "modules.1.headers.image_base", "'0x123450000'");
    expect_unexplained(1);
}

static void header_field(void **state)
{
    (void)state;
    set(b, "modules.1.headers.entry", "'0x1004'");
    expect_unexplained(1);
}

/* ---- bytes ---- */

static void code_byte(void **state)
{
    (void)state;
    add(b, "modules.1.changes", "{'rva':'0x1010','size':1,'file':'55','memory':'cc','section':'.text','cause':'unknown'}");
    expect_unexplained(1);
}

static void code_byte_on_both(void **state)
{
    (void)state;
    add(a, "modules.1.changes", "{'rva':'0x1010','size':1,'file':'55','memory':'cc','section':'.text','cause':'unknown'}");
    add(b, "modules.1.changes", "{'rva':'0x1010','size':1,'file':'55','memory':'cc','section':'.text','cause':'unknown'}");
    expect_unexplained(0);
}

static void cookie(void **state)
{
    (void)state;
    add(a, "modules.1.changes", "{'rva':'0x2040','size':6,'file':'32a2df2d992b','memory':'112233445566','section':'.data','cause':'cookie'}");
    add(b, "modules.1.changes", "{'rva':'0x2040','size':6,'file':'32a2df2d992b','memory':'a1b2c3d4e5f6','section':'.data','cause':'cookie'}");
    expect(0, CLASS_COOKIE, 1);
}

static void cookie_of_zeroes(void **state)
{
    (void)state;
    add(a, "modules.1.changes", "{'rva':'0x2040','size':6,'file':'32a2df2d992b','memory':'112233445566','section':'.data','cause':'cookie'}");
    add(b, "modules.1.changes", "{'rva':'0x2040','size':6,'file':'32a2df2d992b','memory':'000000000000','section':'.data','cause':'cookie'}");
    expect_unexplained(1);
}

static void tls_slots_of_two(void **state)
{
    (void)state;
    set(b, "modules.0.tls_index", "1");
    add(b, "modules.0.changes", "{'rva':'0x2080','size':1,'file':'00','memory':'01','section':'.data','cause':'tls_index'}");
    expect_unexplained(1);
}

static void patch_to_nowhere(void **state)
{
    (void)state;
    add(a, "modules.1.changes", "{'rva':'0x1010','size':5,'file':'5556575841','memory':'e900000010','section':'.text','cause':'patch'}");
    expect_unexplained(1);
}

/* ---- data ---- */

static void data_change(json_t *root, const char *rva, const char *memory, const char *section)
{
    char text[512];
    snprintf(text, sizeof text, "{'rva':'%s','size':8,'file':'0000000000000000','memory':'%s','section':'%s','cause':'data'}", rva, memory, section);
    add(root, "modules.1.changes", text);
}

static void data_into_own_memory(void **state)
{
    (void)state;
    data_change(a, "0x2100", "0810040000000000", ".data");
    data_change(b, "0x2100", "1020040000000000", ".data");
    expect(0, CLASS_DATA, 1);
}

static void data_to_the_same_place(void **state)
{
    (void)state;
    moved(b);
    data_change(a, "0x2100", "0010008001000000", ".data");
    data_change(b, "0x2100", "0010008002000000", ".data");
    compare();
    assert_int_equal(comparison.counts[CLASS_DATA], 0);
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], 0);
}

static void data_value(void **state)
{
    (void)state;
    data_change(b, "0x2100", "0500000000000000", ".data");
    expect(0, CLASS_DATA, 1);
}

static void data_of_a_library_that_has_not_run(void **state)
{
    (void)state;
    data_change(b, "0x2100", "0500000000000000", ".data");
    set(b, "modules.1.init_order", "null");
    expect_unexplained(2); /* the data, and the list with another member */
}

static void data_in_code(void **state)
{
    (void)state;
    data_change(b, "0x1100", "0500000000000000", ".text");
    expect_unexplained(1);
}

static void data_beyond_the_bound(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65; i++) {
        char rva[16];
        snprintf(rva, sizeof rva, "0x%x", 0x2100 + i * 8);
        data_change(b, rva, "0500000000000000", ".data");
    }
    expect_unexplained(1);
}

/* ---- lists, rights ---- */

static void init_order_against_imports(void **state)
{
    (void)state;
    set(b, "modules.1.init_order", "0");
    set(b, "modules.2.init_order", "1");
    expect_unexplained(1);
}

static void load_order_by_imports(void **state)
{
    (void)state;
    /* The program imports c.dll too: then c.dll may come before b.dll. */
    for (unsigned i = 0; i < 2; i++)
        add(i ? b : a, "modules.0.imports", "{'module':'c.dll','delayed':false,'functions':[{'name':'h','slot_rva':'0x2200','value':'0x190001010',"
            "'target':{'module':'c.dll','export':'h','rva':'0x1010'}}]}");
    set(b, "modules.1.load_order", "2");
    set(b, "modules.2.load_order", "1");
    expect(0, CLASS_LIST_ORDER, 1);
}

static void load_order_without_importer(void **state)
{
    (void)state;
    set(b, "modules.1.load_order", "2");
    set(b, "modules.2.load_order", "1");
    expect_unexplained(1);
}

static void rights(void **state)
{
    (void)state;
    set(b, "modules.1.protections.1.rights", "'RWX'");
    expect_unexplained(1);
}

static void another_file(void **state)
{
    (void)state;
    set(b, "modules.1.file_hash", "'0x77'");
    expect_unexplained(1);
}

/* ---- the process ---- */

static void environment(void **state)
{
    (void)state;
    set(b, "parameters.environment.1", "'B=3'");
    expect_unexplained(1);
}

static void thread_elsewhere(void **state)
{
    (void)state;
    set(b, "threads.0.context.rip", "'0x140001004'");
    expect_unexplained(1);
}

static void exit_code(void **state)
{
    (void)state;
    set(b, "exit.code", "'0x1'");
    expect_unexplained(1);
}

static void same_status_by_another_way(void **state)
{
    (void)state;
    set(a, "exit", "{'code':'0xc0000005','how':'exception'}");
    set(b, "exit", "{'code':'0xc0000005','how':'exited'}");
    expect(0, CLASS_EXIT, 1);
}

static void output_by_meaning(void **state)
{
    (void)state;
    set(b, "output.stdout", "'made 3 at 0x42020 by 8\\n'");
    set(b, "output.stdout_hash", "'0x3'");
    expect(0, CLASS_IDENTITY, 1);
}

static void output_without_meaning(void **state)
{
    (void)state;
    set(b, "output.stdout", "'made 4 at 0x41010 by 8\\n'");
    set(b, "output.stdout_hash", "'0x3'");
    expect_unexplained(1);
}

static void output_that_varies(void **state)
{
    (void)state;
    set(b, "output.stdout", "'made 44 at 0x41010 by 8\\n'");
    set(b, "output.stdout_hash", "'0x3'");
    comparison.again[0] = json_pack("{s:s,s:s}", "stdout", "made 5 at 0x41010 by 8\n", "stderr", "");
    expect(0, CLASS_OUTPUT, 1);
}

static void output_of_a_program_that_does_not_vary(void **state)
{
    (void)state;
    set(b, "output.stdout", "'made 44 at 0x41010 by 8\\n'");
    set(b, "output.stdout_hash", "'0x3'");
    comparison.again[0] = json_pack("{s:s,s:s}", "stdout", "made 3 at 0x41010 by 8\n", "stderr", "");
    expect_unexplained(1);
}

/* ---- hostile documents ---- */

static void replace_everywhere(json_t *root, json_t *at, unsigned *count)
{
    static const char *const others[] = {"null", "-1", "18446744073709551615e1", "'0xffffffffffffffff'", "'x'", "[]", "{}", "[{}]", "true"};
    size_t children = json_is_array(at) ? json_array_size(at) : json_object_size(at), index = 0;
    const char *key = NULL;
    void *iterator = json_is_object(at) ? json_object_iter(at) : NULL;
    for (; index < children; index++) {
        json_t *child = iterator ? json_object_iter_value(iterator) : json_array_get(at, index);
        key = iterator ? json_object_iter_key(iterator) : NULL;
        json_incref(child);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            char text[64];
            struct comparison tried = {0};
            char *why = NULL;
            snprintf(text, sizeof text, "%s", others[i]);
            quotes(text);
            json_t *new = json_loads(text, JSON_DECODE_ANY, NULL);
            if (!new)
                continue;
            if (iterator)
                json_object_iter_set_new(at, iterator, new);
            else
                json_array_set_new(at, index, new);
            if (take(&tried.a, root, &why)) {
                char *ignored = NULL;
                assert_true(take(&tried.b, b, &ignored));
                compare_documents(&tried); /* no crash, and an end */
            } else
                assert_non_null(why);
            free(why);
            compare_close(&tried);
            ++*count;
        }
        if (iterator)
            json_object_iter_set(at, iterator, child);
        else
            json_array_set(at, index, child);
        if (json_is_array(child) || json_is_object(child))
            replace_everywhere(root, child, count);
        json_decref(child);
        if (iterator)
            iterator = json_object_iter_next(at, iterator);
    }
    (void)key;
}

static void values_of_other_kinds(void **state)
{
    (void)state;
    unsigned count = 0;
    add(a, "modules.1.changes", "{'rva':'0x2100','size':8,'file':'0000000000000000','memory':'0500000000000000','section':'.data','cause':'data'}");
    replace_everywhere(a, a, &count);
    assert_true(count > 1000);
}

static void texts_cut_off(void **state)
{
    (void)state;
    char *text = json_dumps(a, 0);
    for (size_t length = 0; length < strlen(text); length += 1 + length / 97) {
        struct document document;
        char *why = NULL;
        assert_false(document_open(&document, text, length, &why));
        assert_non_null(why);
        free(why);
    }
    free(text);
}

static void nesting_without_end(void **state)
{
    (void)state;
    enum { DEEP = 200000 };
    char *text = malloc(DEEP), *why = NULL;
    struct document document;
    memset(text, '[', DEEP);
    assert_false(document_open(&document, text, DEEP, &why));
    assert_non_null(why);
    free(why);
    free(text);
}

static void not_a_snapshot(void **state)
{
    (void)state;
    struct document document;
    char *why = NULL;
    set(a, "kind", "'comparison'");
    assert_false(take(&document, a, &why));
    assert_string_equal(why, "kind: not a snapshot");
    free(why);
}

static void where_it_is_wrong(void **state)
{
    (void)state;
    struct document document;
    char *why = NULL;
    set(a, "modules.1.imports.0.functions.0.value", "7");
    assert_false(take(&document, a, &why));
    assert_string_equal(why, "modules[1].imports[0].functions[0].value: a text like 0x1f is wanted, it is something else");
    free(why);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_differs), TEST(processors_of_a_part), TEST(processors_without_a_cause), TEST(slot_flipped), TEST(slot_beside_the_export), TEST(slot_in_no_module), TEST(slot_redirected),
        TEST(module_of_nobody), TEST(image_moved), TEST(image_moved_by_another_delta), TEST(fixups_missing), TEST(header_base),
        TEST(header_base_of_nobody), TEST(header_field), TEST(code_byte), TEST(code_byte_on_both), TEST(cookie), TEST(cookie_of_zeroes),
        TEST(tls_slots_of_two), TEST(patch_to_nowhere), TEST(data_into_own_memory), TEST(data_to_the_same_place), TEST(data_value),
        TEST(data_of_a_library_that_has_not_run), TEST(data_in_code), TEST(data_beyond_the_bound), TEST(init_order_against_imports),
        TEST(load_order_by_imports), TEST(load_order_without_importer), TEST(rights), TEST(another_file), TEST(environment),
        TEST(thread_elsewhere), TEST(exit_code), TEST(same_status_by_another_way), TEST(output_by_meaning), TEST(output_without_meaning),
        TEST(output_that_varies), TEST(output_of_a_program_that_does_not_vary), TEST(values_of_other_kinds), TEST(texts_cut_off),
        TEST(nesting_without_end), TEST(not_a_snapshot), TEST(where_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
