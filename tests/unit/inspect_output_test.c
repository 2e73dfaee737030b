/* How two outputs and two ends are held against each other: which lines are which, what numbers stand for, order, time limits, and files
 * of expected differences. Each row says what the two lanes wrote and which classes must come of it; what no rule may explain must
 * stay unexplained, also beside something that is explained. */
#include "loader/inspect/compare/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char root_text[] =
    "{\"schema\":1,\"kind\":\"snapshot\",\"lane\":\"%s\",\"at\":\"entry\",\"machine\":\"x64\",\"system\":\"%s\","
    "\"file\":{\"path\":\"a.exe\",\"size\":1,\"image_base\":\"0x140000000\",\"entry\":\"0x1000\"},\"process\":{\"id\":%u},"
    "\"regions\":[{\"base\":\"0x40000\",\"size\":65536,\"state\":\"commit\",\"rights\":\"RW-\"}],\"modules\":[],\"threads\":[],"
    "\"handles\":[{\"handle\":\"0x4%u\",\"access\":\"0x1\",\"inherit\":false}],\"exit\":null,\"output\":null}";

struct end { const char *how; uint32_t code; int cpu, elapsed, threads, processes; };
static const struct end exited = {.how = "exited"}, in_company = {.how = "exited", .threads = 2}, with_children = {.how = "exited", .processes = 1},
                        slow = {.how = "timeout", .cpu = 8000, .elapsed = 20000}, stuck = {.how = "timeout", .cpu = 20, .elapsed = 20000},
                        wrong_two = {.how = "exited", .code = 2}, wrong_three = {.how = "exited", .code = 3};

static struct comparison comparison;
static struct expectations expectations;

static int begin(void **state)
{
    (void)state;
    memset(&comparison, 0, sizeof comparison);
    memset(&expectations, 0, sizeof expectations);
    return 0;
}

static int end(void **state)
{
    (void)state;
    compare_close(&comparison);
    expectations_free(&expectations);
    return 0;
}

static void document_make(struct document *document, const char *lane, unsigned number, const char *text, const struct end *how)
{
    char root[2048], code[16], *why = NULL;
    snprintf(root, sizeof root, root_text, lane, !strcmp(lane, "os") || !strcmp(lane, "win32") ? "Wine 8.0" : "", number, number % 10);
    assert_true(document_open(document, root, strlen(root), &why));
    snprintf(code, sizeof code, "0x%x", how->code);
    json_object_set_new(document->root, "exit", json_pack("{s:s,s:s,s:i,s:i,s:{s:i,s:i}}", "code", code, "how", how->how, "cpu_ms", how->cpu,
                                                          "elapsed_ms", how->elapsed, "started", "threads", how->threads, "processes", how->processes));
    json_object_set_new(document->root, "output", json_pack("{s:s,s:s,s:i,s:i,s:s,s:s}", "stdout", text, "stderr", "", "stdout_size",
                                                            (int)strlen(text), "stderr_size", 0, "stdout_hash", number == 8 ? "0x1" : "0x2", "stderr_hash", "0x3"));
}

static void output_again(unsigned side, const char *text)
{
    comparison.again[side] = json_pack("{s:s,s:s}", "stdout", text, "stderr", "");
}

/* native wrote a, the other lane b. Exactly so many unexplained, and so many of the class. */
static void hold(const char *lane, const char *a, const struct end *end_a, const char *b, const struct end *end_b, unsigned unexplained,
                 enum compare_class class, unsigned count)
{
    size_t all = 0;
    document_make(&comparison.a, "native", 8, a, end_a);
    document_make(&comparison.b, lane, 24, b, end_b);
    if (!strcmp(a, b))
        json_object_set_new(json_object_get(comparison.b.root, "output"), "stdout_hash", json_string("0x1"));
    comparison.expectations = &expectations;
    compare_ending(&comparison);
    compare_sort(&comparison);
    for (size_t i = 0; i < comparison.count; i++)
        all += i + 1 && comparison.list[i].class != class && comparison.list[i].class != CLASS_UNEXPLAINED;
    if (all || comparison.counts[CLASS_UNEXPLAINED] != unexplained || comparison.counts[class] != count)
        for (size_t i = 0; i < comparison.count; i++)
            print_message("  %s %s [%s] [%s] because %s\n", compare_class_name[comparison.list[i].class], comparison.list[i].text,
                          comparison.list[i].a ? comparison.list[i].a : "", comparison.list[i].b ? comparison.list[i].b : "",
                          comparison.list[i].cause ? comparison.list[i].cause : "of nothing");
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], unexplained);
    if (class != CLASS_UNEXPLAINED)
        assert_int_equal(comparison.counts[class], count);
    assert_int_equal(all, 0);
    assert_false(comparison.failed);
}

static void expect_file(const char *text)
{
    char *why = NULL;
    if (!expectations_take(&expectations, text, strlen(text), &why))
        fail_msg("%s", why);
}

/* ---- lines ---- */

static void pairs_of_lines(void **state)
{
    static const struct { const char *a, *b; unsigned unexplained; enum compare_class class; unsigned count; } rows[] = {
        {"one\ntwo\n", "one\ntwo\n", 0, CLASS_OUTPUT, 0},
        {"one\r\ntwo\r\n", "one\ntwo\r\n", 1, CLASS_OUTPUT, 0},
        {"one\ntwo\nthree\n", "one\nthree\n", 1, CLASS_OUTPUT, 0},
        {"one\nthree\n", "one\ntwo\nthree\nfour\n", 2, CLASS_OUTPUT, 0},
        {"one\ntwo\n", "one\nTwo\n", 1, CLASS_OUTPUT, 0},
        /* IDs, handles, addresses of own memory */
        {"process 8\nhandle 0x48\nat 0x40010\n", "process 24\nhandle 0x44\nat 0x4ff00\n", 0, CLASS_IDENTITY, 3},
        {"process 8\n", "process 25\n", 1, CLASS_IDENTITY, 0},
        {"process 7\n", "process 24\n", 1, CLASS_IDENTITY, 0},
        {"process 8 of 3\n", "process 24 of 4\n", 1, CLASS_IDENTITY, 0},
        /* measured */
        {"it took 12 ms\n", "it took 400 ms\n", 0, CLASS_TIMING, 1},
        {"load_us 1855\nload_us: 2\nelapsed=0.5\ntime_ratio 1.017\n", "load_us 903\nload_us: 3\nelapsed=0.75\ntime_ratio 1.5\n", 0, CLASS_TIMING, 4},
        {"copied at 812.5 MB/s\n", "copied at 9.25 MB/s\n", 0, CLASS_TIMING, 1},
        {"a     12 ms\nb    144 ms\n", "a   1200 ms\nb     14 ms\n", 0, CLASS_TIMING, 2},
        {"files 12 ms\n", "files 12 mistakes\n", 1, CLASS_TIMING, 0},
        {"12 msgs\n", "13 msgs\n", 1, CLASS_TIMING, 0},
        {"3 files in 12 ms\n", "4 files in 15 ms\n", 1, CLASS_TIMING, 0},
        {"overtime 3\n", "overtime 4\n", 1, CLASS_TIMING, 0},
        {"a  b 1 ms\n", "a b 1 ms\n", 1, CLASS_TIMING, 0},
        {"version 1.2.3\n", "version 1.2.4\n", 1, CLASS_TIMING, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(NULL);
        hold("reference", rows[i].a, &exited, rows[i].b, &exited, rows[i].unexplained, rows[i].class, rows[i].count);
        end(NULL);
    }
}

static void varies_on_either_lane(void **state)
{
    (void)state;
    output_again(0, "head\ncount 6\n");
    hold("reference", "head\ncount 5\n", &exited, "head\ncount 9\n", &exited, 0, CLASS_OUTPUT, 1);
    end(NULL), begin(NULL);
    output_again(0, "head\ncount 5\n");
    output_again(1, "head\ncount 11\n");
    hold("reference", "head\ncount 5\n", &exited, "head\ncount 9\n", &exited, 0, CLASS_OUTPUT, 1);
    end(NULL), begin(NULL);
    output_again(0, "head\ncount 5\n");
    output_again(1, "head\ncount 9\n");
    hold("reference", "head\ncount 5\n", &exited, "head\ncount 9\n", &exited, 1, CLASS_OUTPUT, 0);
    end(NULL), begin(NULL);
    output_again(0, "head\ncount 6 of 2\n"); /* the other number does not vary */
    hold("reference", "head\ncount 5 of 2\n", &exited, "head\ncount 9 of 3\n", &exited, 1, CLASS_OUTPUT, 0);
}

static void order_of_several_writers(void **state)
{
    (void)state;
    hold("reference", "a\nb\nc\n", &with_children, "b\na\nc\n", &exited, 0, CLASS_LINE_ORDER, 1);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "c\nb\na\n", &in_company, 0, CLASS_LINE_ORDER, 1);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "b\na\nc\n", &exited, 2, CLASS_LINE_ORDER, 0); /* one thread keeps its order */
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &with_children, "b\na\na\nc\n", &with_children, 3, CLASS_LINE_ORDER, 0);
    end(NULL), begin(NULL);
    hold("reference", "a\nb: yes\nc\n", &with_children, "b: NO\na\nc\n", &with_children, 2, CLASS_LINE_ORDER, 0);
}

static void what_is_cut_off_is_not_equal(void **state)
{
    (void)state;
    document_make(&comparison.a, "native", 8, "one\n", &exited);
    document_make(&comparison.b, "reference", 24, "one\n", &exited);
    json_object_set_new(json_object_get(comparison.a.root, "output"), "stdout_size", json_integer(300000));
    compare_ending(&comparison);
    assert_int_equal(comparison.counts[CLASS_UNEXPLAINED], 1);
}

static void long_outputs_end(void **state)
{
    enum { LINES = 30000 };
    char *texts[2] = {malloc(LINES * 8 + 1), malloc(LINES * 8 + 1)};
    (void)state;
    for (unsigned t = 0; t < 2; t++)
        for (unsigned i = 0, at = 0; i < LINES; i++)
            at += (unsigned)sprintf(texts[t] + at, "%c%u\n", "xy"[t], i % 1000);
    hold("reference", texts[0], &exited, texts[1], &exited, 40, CLASS_OUTPUT, 0);
    free(texts[0]), free(texts[1]);
}

/* ---- time limits ---- */

static void time_limits(void **state)
{
    (void)state;
    hold("reference", "a\nb\n", &slow, "a\nb\n", &stuck, 0, CLASS_TIME_LIMIT, 1);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "a\n", &slow, 0, CLASS_TIME_LIMIT, 2);
    end(NULL), begin(NULL);
    hold("reference", "a\nbcd\nc\n", &exited, "a\nb", &slow, 0, CLASS_TIME_LIMIT, 2);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "a\n", &stuck, 1, CLASS_TIME_LIMIT, 1);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "a\nx\n", &slow, 2, CLASS_TIME_LIMIT, 1);
    end(NULL), begin(NULL);
    hold("reference", "a\nb\nc\n", &exited, "b\n", &slow, 2, CLASS_TIME_LIMIT, 1); /* a is missing in its middle, c behind its end */
}

/* ---- expected differences ---- */

static const char folder[] = "# a comment\n\nreason: this system\n  says so\nsource: somewhere\nlanes: os win32\nsystem: Wine\n- folder: error 5\n+ folder: error 6\n";
static const char counted[] = "reason: first\nlanes: os\nexit: +2\n- one: yes\n+ one: NO\n- two: yes\n+ two: NO\n";

static void expected_lines(void **state)
{
    static const struct { const char *file, *lane, *a; const struct end *end_a; const char *b; const struct end *end_b; unsigned unexplained, count; } rows[] = {
        {folder, "os", "x\nfolder: error 5\ny\n", &exited, "x\nfolder: error 6\ny\n", &exited, 0, 1},
        {folder, "win32", "folder: error 5\n", &exited, "folder: error 6\n", &exited, 0, 1},
        {folder, "reference", "folder: error 5\n", &exited, "folder: error 6\n", &exited, 1, 0}, /* of another lane */
        {folder, "os", "folder: error 6\n", &exited, "folder: error 5\n", &exited, 1, 0},        /* the wrong way round */
        {folder, "os", "folder: error 5\n", &exited, "folder: error 7\n", &exited, 1, 0},
        {folder, "os", "folder: error 5\nz: 1\n", &exited, "folder: error 6\nz: 2\n", &exited, 1, 1}, /* something else beside it */
        {folder, "os", "folder: error 5\n", &exited, "folder: error 6\n", &wrong_two, 1, 1},          /* says nothing of the exit code */
        {counted, "os", "one: yes\ntwo: yes\n", &exited, "one: NO\ntwo: NO\n", &wrong_two, 0, 2},
        {counted, "os", "one: yes\ntwo: yes\n", &exited, "one: NO\ntwo: NO\n", &wrong_three, 1, 1},
        {counted, "os", "one: yes\ntwo: yes\n", &exited, "one: NO\ntwo: NO\n", &exited, 1, 1},
        {counted, "os", "one: yes\ntwo: yes\n", &exited, "one: NO\ntwo: yes\n", &exited, 1, 0}, /* a part of an entry is none */
        {counted, "os", "two: yes\none: yes\n", &exited, "two: NO\none: NO\n", &exited, 2, 0},  /* in another order it is none */
        {"reason: r\nlanes: os\n- at the end: *\n", "os", "x\nat the end: 5 of 6\n", &exited, "x\n", &exited, 0, 1},
        {"reason: r\nlanes: os\n+ more \\* and *\n", "os", "x\n", &exited, "x\nmore * and more\n", &exited, 0, 1},
        {"reason: r\nlanes: os\n+ more \\* and *\n", "os", "x\n", &exited, "x\nmore x and more\n", &exited, 1, 0},
        {"reason: r\nlanes: os\nexit: 0 2\n", "os", "x\n", &exited, "x\n", &wrong_two, 0, 1},
        {"reason: r\nlanes: os\nexit: 0 2\n", "os", "x\n", &exited, "x\n", &wrong_three, 1, 0},
        {"reason: r\nlanes: os\nmachine: x86\n- a\n+ b\n", "os", "a\n", &exited, "b\n", &exited, 1, 0},
        {"reason: r\nlanes: os\nsystem: Windows\n- a\n+ b\n", "os", "a\n", &exited, "b\n", &exited, 1, 0},
        {"reason: r\nlanes: reference\nsystem: Wine\n- a\n+ b\n", "reference", "a\n", &exited, "b\n", &exited, 0, 1},
        {"reason: r\nlanes: native\n- b\n+ a\n", "os", "a\n", &exited, "b\n", &exited, 0, 1},
        {"reason: r\nlanes: native os\n- b\n+ a\n", "os", "a\n", &exited, "b\n", &exited, 1, 0}, /* both depart: then they do not differ */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(NULL);
        expect_file(rows[i].file);
        hold(rows[i].lane, rows[i].a, rows[i].end_a, rows[i].b, rows[i].end_b, rows[i].unexplained, CLASS_EXPECTED, rows[i].count);
        end(NULL);
    }
}

static void files_that_are_wrong(void **state)
{
    static const struct { const char *text, *why; } files[] = {
        {"lanes: os\n- a\n", "line 1: the entry has no `reason:`"},
        {"\n\nreason: r\n- a\n", "line 3: the entry has no `lanes:`"},
        {"reason: r\nlanes: os\n", "line 1: the entry expects nothing"},
        {"reason: r\nlanes: sideways\n", "line 2: `lanes:` knows"},
        {"reason: r\nreason: s\n", "line 2: said twice"},
        {"  more\n", "line 1: an indented line"},
        {"what: r\n", "line 1: neither"},
        {"reason: r\nexit: +x\n", "line 2: `exit:` wants"},
        {"reason: r\nexit: 1\n", "line 2: `exit:` wants"},
        {"reason: r\nexit: 1 99999999999\n", "line 2: `exit:` wants"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *why = NULL;
        begin(NULL);
        assert_false(expectations_take(&expectations, files[i].text, strlen(files[i].text), &why));
        assert_non_null(why);
        if (strncmp(why, files[i].why, strlen(files[i].why)))
            fail_msg("%s: %s", files[i].text, why);
        free(why);
        end(NULL);
    }
    char *why = NULL;
    assert_false(expectations_take(&expectations, "reason: a\0b\n", 12, &why));
    free(why);
}

/* Any bytes: an answer, and no crash. */
static void files_of_any_bytes(void **state)
{
    static const char *const pieces[] = {"reason: r\n", "lanes: os\n", "- a\n", "+ *b\\*\n", "\n", "  x\n", "exit: +1\n", "exit: 1 2\n", "-\n", "\xff", "source:\n", "#\n"};
    uint32_t random = 1;
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        char text[256] = "", *why = NULL;
        for (unsigned i = 0; i < 12; i++) {
            random = random * 1664525 + 1013904223;
            strcat(text, pieces[random >> 16 & 0xffff ? (random >> 16) % (sizeof pieces / sizeof *pieces) : 0]);
        }
        begin(NULL);
        if (expectations_take(&expectations, text, strlen(text), &why))
            assert_null(why);
        else
            assert_non_null(why);
        free(why);
        end(NULL);
    }
}

static void stars(void **state)
{
    (void)state;
    assert_true(expectation_fits("*", ""));
    assert_true(expectation_fits("a*c", "abcbc"));
    assert_false(expectation_fits("a*c", "abcb"));
    assert_true(expectation_fits("*b*", "abc"));
    assert_false(expectation_fits("", "a"));
    assert_true(expectation_fits("\\*", "*"));
    assert_false(expectation_fits("\\*", "x"));
    char line[4096], pattern[64] = "";
    memset(line, 'a', sizeof line - 1);
    line[sizeof line - 1] = 0;
    for (unsigned i = 0; i < 15; i++)
        strcat(pattern, "*a");
    assert_false(expectation_fits(strcat(pattern, "*b"), line)); /* and soon */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pairs_of_lines), TEST(varies_on_either_lane), TEST(order_of_several_writers), TEST(what_is_cut_off_is_not_equal),
        TEST(long_outputs_end), TEST(time_limits), TEST(expected_lines), TEST(files_that_are_wrong), TEST(files_of_any_bytes), TEST(stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
