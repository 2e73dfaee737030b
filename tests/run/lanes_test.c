/* Every row of tests/samples/table.txt on the lanes os (CreateProcess) and win32 (peload.exe's own hand), both under Wine
 * and both through `peload spawn`. Where there is no Wine, the rows are skipped, and it is said. */
#define _GNU_SOURCE
#include "tests/support/process.h"
#include "tests/support/table.h"
#include "tests/support/wine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define EXPECTED "tests/samples/"
#define STATUS TEST_BUILD "/tests/lane-status"

static const struct table_machine machines[] = {
    {"x64", "x86", TEST_BUILD "/samples/x64/"}, {"x86", "x64", TEST_BUILD "/samples/x86/"},
};

struct lane { const char *name, *option; bool is_os; };
static const struct lane lanes[] = {{"os", "--lane=os", true}, {"win32", "--lane=win32", false}};

struct lane_row { struct table_row row; const struct lane *lane; };

static bool has_wine, has_wine32;

/* ---- one row ------------------------------------------------------------------------------------------ */

struct expectation { uint32_t exit; const char *output; const char *how; char buffer[64]; };

/* On the lane os everything is Wine's; on win32 what a loader does is ours, and only what the table marks "win32-as-wine"
 * is Wine's: answers of the system beneath; what no loader in a process of its own can have is "win32-output". */
static void expect(const struct lane_row *test, struct expectation *expected)
{
    const struct table_row *row = &test->row;
    bool is_os = test->lane->is_os, as_wine = is_os || table_row_has(row, "win32-as-wine");
    char number[32];
    *expected = (struct expectation){.exit = row->exit, .output = row->output};
    if (as_wine && table_row_value(row, "wine-exit=", number, sizeof number))
        expected->exit = (uint32_t)strtoull(number, NULL, 0);
    if (as_wine && table_row_value(row, "wine-output=", expected->buffer, sizeof expected->buffer))
        expected->output = expected->buffer;
    if (!is_os && table_row_value(row, "win32-exit=", number, sizeof number))
        expected->exit = (uint32_t)strtoull(number, NULL, 0);
    if (!is_os && table_row_value(row, "win32-output=", expected->buffer, sizeof expected->buffer))
        expected->output = expected->buffer;
    if (table_row_has(row, "unloadable") && expected->exit == row->exit)
        expected->how = "refused";
}

static bool output_holds(const struct process *process, const struct table_row *row, const char *file)
{
    char path[256];
    size_t size;
    snprintf(path, sizeof path, EXPECTED "%.*s.%s.out", (int)(strlen(file) - strlen(".out")), file, row->machine->name);
    if (access(path, R_OK))
        snprintf(path, sizeof path, EXPECTED "%s", file);
    char *expected = text_read(path, &size);
    assert_non_null(expected);
    bool same = size == process->output_size && !memcmp(expected, process->output, size);
    if (!same)
        fprintf(stderr, "expected %s\n%s\ngot\n%s\nstandard error\n%s\n", path, expected, process->output, process->errors);
    free(expected);
    return same;
}

static bool status_holds(const struct process *process, const struct expectation *expected)
{
    size_t size;
    char *status = text_read(STATUS, &size), begin[64];
    snprintf(begin, sizeof begin, "%u 0x%08X %s", expected->exit, expected->exit, expected->how ? expected->how : "");
    bool same = status && !strncmp(status, begin, strlen(begin));
    if (!same)
        fprintf(stderr, "expected status %s\ngot %s\nstandard error\n%s\n", begin, status ? status : "none", process->errors);
    free(status);
    return same;
}

static void row_runs(void **state)
{
    struct lane_row *test = *state;
    struct table_row *row = &test->row;
    char path[256], input[256], option[64];
    const char *arguments[TABLE_WORDS + 8] = {PELOAD, "spawn", test->lane->option, "--status-file=" STATUS};
    unsigned count = 4;
    struct expectation expected;
    bool is_x86 = !strcmp(row->machine->name, "x86");
    if (!has_wine || (is_x86 && !has_wine32))
        skip();
    if (table_row_has(row, "occupy="))
        arguments[count++] = "--occupy";
    if (!test->lane->is_os && table_row_value(row, "run=", option, sizeof option))
        arguments[count++] = option;
    snprintf(path, sizeof path, "%s%s.exe", row->machine->folder, row->name);
    arguments[count++] = path;
    for (char **word = row->arguments; *word; word++)
        arguments[count++] = *word;
    snprintf(input, sizeof input, EXPECTED "%s", row->input ? row->input : "");
    expect(test, &expected);
    /* Beneath these lanes Wine itself fails now and then (its server ends, or a CreateProcess finds nothing): once is told, twice
     * is a failure. The same rows have no second chance on the lane native. */
    bool right = false;
    for (int attempt = 0; attempt < 2 && !right; attempt++) {
        struct process process = {.arguments = arguments, .input = row->input ? input : NULL,
                                  .environment = (const char *const *)row->environment, .seconds = 120};
        if (attempt)
            fprintf(stderr, "%s: not as expected under Wine, once more\n", row->title);
        unlink(STATUS);
        assert_true(process_run(&process));
        process.output_size = text_unix(process.output, process.output_size);
        if (process.timed_out)
            fprintf(stderr, "ended at its time limit\n");
        bool output = output_holds(&process, row, expected.output);
        right = status_holds(&process, &expected) && output;
        process_free(&process);
    }
    assert_true(right);
}

/* ---- what one sample shows ----------------------------------------------------------------------------- */

/* Runs peload with these words under Wine; the caller frees. */
static void lane_run(struct process *process, const char *const *arguments)
{
    if (!has_wine)
        skip();
    *process = (struct process){.arguments = arguments, .seconds = 120};
    unlink(STATUS);
    assert_true(process_run(process));
}

static void lines_hold(const char *text, const char *const *expected)
{
    for (; *expected; expected++)
        if (!(text = strstr(text, *expected)))
            fail_msg("not there, or not in this order: %s", *expected);
}

/* CreateProcess by name alone, by one text, suspended: the IDs are told before the end is. */
static void spawn_has_three_ways(void **state)
{
    static const char *const ways[][7] = {
        {PELOAD, "spawn", "--application", TEST_BUILD "/samples/x64/hello.exe", NULL},
        {PELOAD, "spawn", "--command-line", "\"" TEST_BUILD "/samples/x64/hello.exe\" --exit 0", NULL},
        {PELOAD, "spawn", "--suspended", "--inherit", TEST_BUILD "/samples/x64/hello.exe", NULL},
    };
    static const char *const told[] = {"process handle 0x", ", ID ", "thread handle 0x", "ended by itself, exit code 0 (0x00000000)", NULL};
    struct process process;
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        lane_run(&process, ways[i]);
        assert_int_equal(process.status, 0);
        assert_non_null(strstr(process.output, "hello from hello.exe"));
        lines_hold(process.errors, told);
        process_free(&process);
    }
}

/* Its own DLLs are mapped by hand, recursively and late; with --manual=exe none is. */
static void manual_says_how_much(void **state)
{
    static const char *const app[] = {PELOAD, "spawn", "--lane=win32", "--trace=place", TEST_BUILD "/samples/x64/graph.exe", NULL};
    static const char *const exe[] = {PELOAD, "spawn", "--lane=win32", "--manual=exe", "--trace=place", TEST_BUILD "/samples/x64/graph.exe", NULL};
    static const char *const by_hand[] = {" graph.exe ", " graph_a.dll ", " graph_b.dll ", " graph_late.dll ", NULL};
    struct process process;
    (void)state;
    lane_run(&process, app);
    assert_int_equal(process.status, 0);
    lines_hold(process.errors, by_hand);
    process_free(&process);
    lane_run(&process, exe);
    assert_non_null(strstr(process.errors, " graph.exe "));
    assert_null(strstr(process.errors, " graph_a.dll "));
    process_free(&process);
}

/* Every DLL of the system's but those of which there can be one only; Wine's that have a half in Unix are told as left out. */
static void manual_all_takes_the_systems_too(void **state)
{
    static const char *const programs[] = {TEST_BUILD "/samples/x64/providers.exe", TEST_BUILD "/samples/x86/providers.exe"};
    static const char *const told[] = {"find] skipped KERNEL32.dll (", "] placed ADVAPI32.dll ", "find] skipped WS2_32.dll ", "] placed rsaenh.dll ", NULL};
    struct process process;
    (void)state;
    for (size_t i = 0; i < (has_wine32 ? 2 : 1); i++) {
        const char *const arguments[] = {PELOAD, "spawn", "--lane=win32", "--manual=all", "--trace=find,place", programs[i], NULL};
        lane_run(&process, arguments);
        if (process.status || strstr(process.output, ": NO"))
            fail_msg("status %d, output %s, errors %s", process.status, process.output, process.errors);
        assert_non_null(strstr(process.output, "SHA-256 by it: yes"));
        for (const char *const *line = told; *line; line++)
            if (!strcasestr(process.errors, *line)) /* spelled as by whoever asks first */
                fail_msg("not told: %s", *line);
        process_free(&process);
    }
}

/* Wine's own programs, which nobody made for this: by hand they say and return what they do by Wine's loader. */
static void system_programs_run_by_hand(void **state)
{
    static const char *const folders[] = {"C:\\windows\\system32\\", "C:\\windows\\syswow64\\"};
    static const char *const programs[][4] = {
        {"cmd.exe", "/c", "ver&&exit 3"}, {"reg.exe", "query", "HKLM\\Software\\Microsoft"}, {"net.exe"}, {"xcopy.exe", "/?"},
    };
    (void)state;
    for (size_t i = 0; i < (has_wine32 ? 2 : 1); i++)
        for (size_t program = 0; program < sizeof programs / sizeof *programs; program++) {
            struct process runs[2];
            char path[64];
            snprintf(path, sizeof path, "%s%s", folders[i], programs[program][0]);
            for (size_t lane = 0; lane < 2; lane++) {
                const char *const arguments[] = {PELOAD, "spawn", lanes[lane].option, path, programs[program][1], programs[program][2], NULL};
                lane_run(&runs[lane], arguments);
            }
            if (runs[0].status != runs[1].status || strcmp(runs[0].output, runs[1].output) || runs[0].status >= 125 || !runs[0].output_size)
                fail_msg("%s: status %d and %d, output %s and %s", path, runs[0].status, runs[1].status, runs[0].output, runs[1].output);
            process_free(&runs[0]);
            process_free(&runs[1]);
        }
}

/* -v: the steps by the child, the end by its parent. */
static void story_has_its_end(void **state)
{
    static const char *const programs[] = {TEST_BUILD "/samples/x64/graph.exe", TEST_BUILD "/samples/x86/graph.exe"};
    static const char *const told[] = {"1 file", "graph_a.dll", "8 order", "9 thread", "10 exit", "code 0 (0x00000000)", NULL};
    struct process process;
    (void)state;
    for (size_t i = 0; i < (has_wine32 ? 2 : 1); i++) {
        const char *const arguments[] = {PELOAD, "spawn", "--lane=win32", "-v", programs[i], NULL};
        lane_run(&process, arguments);
        assert_int_equal(process.status, 0);
        lines_hold(process.errors, told);
        process_free(&process);
    }
}

static void spawn_refuses_with_a_sentence(void **state)
{
    static const struct { const char *words[6]; int status; const char *told; } rows[] = {
        {{"nowhere.exe"}, 127, "nowhere.exe: CreateProcess: "},
        {{"--application", "nowhere.exe"}, 127, "nowhere.exe: CreateProcess: "},
        {{"--command-line", "nowhere.exe one two"}, 127, "nowhere.exe one two: CreateProcess: "},
        {{"tests/samples/table.txt"}, 126, "tests/samples/table.txt: CreateProcess: "},
        {{"--command-line", "a.exe", "b"}, 125, "--command-line"},
        {{"--suspended"}, 125, "no FILE"},
        {{"--nonsense", "a.exe"}, 125, "peload: unknown option -- nonsense"},
        {{"--lane=win32", "--manual=some", "a.exe"}, 125, "--manual knows exe, app and all: some"},
        {{"--lane=win32", "--missing=call", "a.exe"}, 125, "--missing knows only stub: call"},
        {{"--lane=win32", "--env", "A", "a.exe"}, 125, "--env wants NAME=VALUE: A"},
        {{"--lane=win32", "nowhere.exe"}, 127, "nowhere.exe: no such file"},
        {{"--lane=win32", TEST_BUILD "/samples/x64/graph_a.dll"}, 126, "a DLL, not a program"},
        {{"--lane=win32", TEST_BUILD "/samples"}, 126, "a directory"},
        {{"--status-file=/nowhere/status", TEST_BUILD "/samples/x64/hello.exe"}, 125, "/nowhere/status: it cannot be written"},
    };
    struct process process;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *arguments[9] = {PELOAD, "spawn"};
        memcpy(arguments + 2, rows[i].words, sizeof rows[i].words);
        lane_run(&process, arguments);
        if (process.status != rows[i].status || !strstr(process.errors, rows[i].told) || process.output_size)
            fail_msg("row %zu: status %d, told %s", i, process.status, process.errors);
        process_free(&process);
    }
}

static void everything_missing_is_listed(void **state)
{
    static const char *const arguments[] = {PELOAD, "spawn", "--lane=win32", "--check", TEST_BUILD "/samples/x64/missing_function.exe", NULL};
    static const char *const told[] = {"absent_number", "#999", "2 missing", NULL};
    struct process process;
    (void)state;
    lane_run(&process, arguments);
    assert_int_equal(process.status, 126);
    lines_hold(process.errors, told);
    process_free(&process);
}

static void no_program_is_refused(void **state)
{
    static const char *const arguments[] = {PELOAD, "spawn", "--lane=win32", "--status-file=" STATUS, "tests/samples/table.txt", NULL};
    struct process process;
    size_t size;
    (void)state;
    lane_run(&process, arguments);
    assert_int_equal(process.status, 126);
    char *status = text_read(STATUS, &size);
    assert_non_null(status);
    assert_non_null(strstr(status, " refused\n"));
    free(status);
    process_free(&process);
}

/* ---- what needs no Wine ------------------------------------------------------------------------------- */

static void native_lane_is_one_of_them(void **state)
{
    static const char *const arguments[] = {PELOAD, "spawn", "--lane=native", TEST_BUILD "/samples/x64/hello.exe", "--exit", "42", NULL};
    struct process process = {.arguments = arguments};
    (void)state;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 42);
    assert_non_null(strstr(process.output, "hello from hello.exe"));
    process_free(&process);
}

static void missing_wine_is_told(void **state)
{
    static const char *const arguments[] = {PELOAD, "spawn", "hello.exe", NULL}, *const environment[] = {"PELOAD_WINE=/nowhere/wine64", NULL};
    struct process process = {.arguments = arguments, .environment = environment};
    (void)state;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 125);
    assert_non_null(strstr(process.errors, "/nowhere/wine64"));
    process_free(&process);
}

/* ---- all of them ---------------------------------------------------------------------- */

/* One word: a pattern for the names of the rows to be run ("win32 x86 tls*"). */
int main(int count_of_words, char **words)
{
    static struct lane_row rows[4 * TABLE_ROWS];
    static struct CMUnitTest tests[4 * TABLE_ROWS];
    static const struct CMUnitTest single[] = {cmocka_unit_test(native_lane_is_one_of_them), cmocka_unit_test(missing_wine_is_told),
        cmocka_unit_test(spawn_has_three_ways), cmocka_unit_test(manual_says_how_much), cmocka_unit_test(manual_all_takes_the_systems_too),
        cmocka_unit_test(system_programs_run_by_hand), cmocka_unit_test(everything_missing_is_listed),
        cmocka_unit_test(story_has_its_end), cmocka_unit_test(spawn_refuses_with_a_sentence),
        cmocka_unit_test(no_program_is_refused)};
    size_t count = 0, size;
    unsetenv("PELOAD_GREETING");
    if (!wine_prefix_set())
        return 1;
    if (count_of_words > 1)
        cmocka_set_test_filter(words[1]);
    has_wine = wine_runs("x64");
    has_wine32 = has_wine && wine_runs("x86");
    if (!has_wine || !has_wine32)
        printf("SKIPPED: the lanes os and win32%s: no Wine here that runs such programs with their exceptions (`make deps-wine`)\n",
               has_wine ? " for x86" : "");
    for (size_t lane = 0; lane < 2; lane++)
        for (size_t i = 0; i < 2; i++) {
            char *rest = text_read(EXPECTED "table.txt", &size), *line;
            while (rest && (line = strsep(&rest, "\n")) && count < 4 * TABLE_ROWS)
                if (table_row_take(line, &machines[i], &rows[count].row) && !table_row_has(&rows[count].row, machines[i].other) &&
                    !(lanes[lane].is_os && table_row_has(&rows[count].row, "occupy="))) { /* CreateProcess has no such wish */
                    char *title;
                    rows[count].lane = &lanes[lane];
                    if (asprintf(&title, "%s %s", lanes[lane].name, rows[count].row.title) < 0)
                        return 1;
                    tests[count] = (struct CMUnitTest){title, row_runs, NULL, NULL, &rows[count]};
                    count++;
                }
        }
    int failed = _cmocka_run_group_tests("lanes", tests, count, NULL, NULL);
    failed += cmocka_run_group_tests_name("spawn", single, NULL, NULL);
    wine_server_end();
    return failed ? 1 : 0;
}
