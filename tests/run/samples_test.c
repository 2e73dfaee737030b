/* Every row of tests/samples/table.txt on the native lane: output, all 32 bits of the exit code, and the steps that the
 * trace tells, held against what objdump says of the file. Rows for x86 run where the 32-bit host is built. */
#include "tests/support/process.h"
#include "tests/support/table.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define SAMPLES TEST_BUILD "/samples/x64/"
#define EXPECTED "tests/samples/"
#define OBJDUMP "/usr/bin/x86_64-w64-mingw32-objdump" /* reads PE32 as well */

static const struct table_machine machines[] = {
    {"x64", "x86", TEST_BUILD "/samples/x64/"}, {"x86", "x64", TEST_BUILD "/samples/x86/"},
};

/* ---- what objdump says ---------------------------------------------------------------------------- */

struct facts { uint64_t base, entry, imports, fixups, dlls; bool has_tls; };

static struct facts facts_of(const char *path)
{
    const char *const arguments[] = {OBJDUMP, "-p", path, NULL};
    struct process process = {.arguments = arguments};
    struct facts facts = {0};
    bool importing = false;
    assert_true(process_run(&process));
    assert_int_equal(process.status, 0);
    char *rest = process.output, *line;
    unsigned long number;
    char word[64];
    while ((line = strsep(&rest, "\n"))) {
        if (sscanf(line, "ImageBase %" SCNx64, &facts.base) == 1 || sscanf(line, "AddressOfEntryPoint %" SCNx64, &facts.entry) == 1)
            continue;
        if (strstr(line, "DLL Name:") && strchr(line, '\t') == line)
            facts.dlls++, importing = true;
        else if (importing && sscanf(line, " %*x %lu %63s", &number, word) == 2)
            facts.imports++;
        else if (!*line)
            importing = false;
        if (strstr(line, "\treloc ") == line && !strstr(line, "ABSOLUTE"))
            facts.fixups++;
        if (strstr(line, "Entry 9 ") == line && sscanf(line, "Entry 9 %*x %lx", &number) == 1)
            facts.has_tls = number != 0;
    }
    process_free(&process);
    return facts;
}

/* ---- the run -------------------------------------------------------------------------------------- */

struct run { char status_file[64], trace_file[64]; struct process process; char *status, *trace; };

static void run_begin(struct run *run)
{
    memset(run, 0, sizeof *run);
    snprintf(run->status_file, sizeof run->status_file, TEST_BUILD "/tests/status-%d", (int)getpid());
    snprintf(run->trace_file, sizeof run->trace_file, TEST_BUILD "/tests/trace-%d", (int)getpid());
}

/* `more`: further options, NULL-terminated; may be NULL. */
static void run_peload(struct run *run, const char *const *more, const char *path, char *const *guest, char *const *environment,
                       const char *input)
{
    char status[96], trace[96];
    const char *arguments[TABLE_WORDS * 2 + 16] = {PELOAD, "run"};
    unsigned count = 2;
    size_t size;
    snprintf(status, sizeof status, "--status-file=%s", run->status_file);
    snprintf(trace, sizeof trace, "--trace-file=%s", run->trace_file);
    arguments[count++] = status;
    arguments[count++] = trace;
    for (; more && *more; more++)
        arguments[count++] = *more;
    arguments[count++] = path;
    for (; guest && *guest; guest++)
        arguments[count++] = *guest;
    run->process = (struct process){.arguments = arguments, .input = input, .environment = (const char *const *)environment, .seconds = 90};
    assert_true(process_run(&run->process));
    run->process.output_size = text_unix(run->process.output, run->process.output_size);
    run->status = text_read(run->status_file, &size);
    run->trace = text_read(run->trace_file, &size);
    unlink(run->status_file);
    unlink(run->trace_file);
    if (run->process.timed_out)
        fprintf(stderr, "ended at its time limit\n");
}

static void run_end(struct run *run)
{
    process_free(&run->process);
    free(run->status);
    free(run->trace);
}

/* The number behind `key` on the first line that holds `begin`; fails where there is none. */
static uint64_t traced(const struct run *run, const char *begin, const char *key)
{
    const char *line = run->trace ? strstr(run->trace, begin) : NULL;
    if (!line)
        fail_msg("no trace line: %s", begin);
    const char *end = line + strcspn(line, "\n"), *at = strstr(line, key);
    if (!at || at > end)
        fail_msg("no %s in: %.*s", key, (int)(end - line), line);
    return strtoull(at + strlen(key), NULL, 0);
}

static unsigned lines_with(const char *text, const char *part)
{
    unsigned count = 0;
    for (; text && (text = strstr(text, part)); text += strcspn(text, "\n"))
        count++;
    return count;
}

/* "DECIMAL HEX HOW": the exit code with all its bits, and that it came from where the table says. */
static void status_hold(const struct run *run, uint32_t code, const char *how)
{
    char expected[80];
    snprintf(expected, sizeof expected, "%" PRIu32 " 0x%08" PRIX32 " %s\n", code, code, how);
    assert_non_null(run->status);
    assert_string_equal(run->status, expected);
}

static void output_hold(const struct run *run, const char *file)
{
    char path[256];
    size_t size;
    snprintf(path, sizeof path, "%s%s", strchr(file, '/') ? "" : EXPECTED, file);
    char *expected = text_read(path, &size);
    assert_non_null(expected);
    if (size != run->process.output_size || memcmp(expected, run->process.output, size))
        fprintf(stderr, "expected %s\n%s\ngot\n%s\n", file, expected, run->process.output);
    bool same = size == run->process.output_size && !memcmp(expected, run->process.output, size);
    free(expected);
    assert_true(same);
}

static void steps_hold(const struct run *run, const struct table_row *row, const struct facts *facts)
{
    char begin[128];
    bool occupied = table_row_has(row, "occupy=");
    snprintf(begin, sizeof begin, "peload[place] %s %s.exe ", occupied ? "moved" : "placed", row->name);
    uint64_t base = traced(run, begin, " at=");
    assert_int_equal(traced(run, begin, " preferred="), facts->base);
    assert_int_equal(base != facts->base, occupied);
    assert_int_equal(base % 0x10000, 0);
    snprintf(begin, sizeof begin, "peload[start] thread %s.exe ", row->name);
    assert_int_equal(traced(run, begin, " entry="), base + facts->entry);
    assert_int_equal(traced(run, begin, " base="), base);
    snprintf(begin, sizeof begin, "peload[bind] imports %s.exe ", row->name);
    assert_int_equal(traced(run, begin, " slots="), facts->imports);
    snprintf(begin, sizeof begin, "peload[bind] bound %s.exe ", row->name);
    assert_int_equal(lines_with(run->trace, begin), facts->imports);
    snprintf(begin, sizeof begin, "peload[tls] slot %s.exe ", row->name);
    assert_int_equal(lines_with(run->trace, begin), facts->has_tls);
    snprintf(begin, sizeof begin, "peload[relocate] relocated %s.exe ", row->name);
    if (occupied)
        assert_int_equal(traced(run, begin, " fixups="), facts->fixups);
    else
        assert_int_equal(lines_with(run->trace, begin), 0);
    /* Wherever initialisers ran, kernel32's did so before the program's own threads could begin. */
    assert_true(lines_with(run->trace, "peload[init] attach kernel32.dll ") == 1);
}

static void row_runs(void **state)
{
    struct table_row *row = *state;
    struct run run;
    char path[256], input[256], output[256], run_option[64];
    const char *more[8] = {"--trace=open,place,relocate,bind,tls,start,init"};
    bool unloadable = table_row_has(row, "unloadable");
    snprintf(path, sizeof path, "%s%s.exe", row->machine->folder, row->name);
    /* NAME.x86.out stands beside NAME.out where the two machines differ. */
    snprintf(output, sizeof output, EXPECTED "%.*s.%s.out", (int)strcspn(row->output, "."), row->output, row->machine->name);
    snprintf(input, sizeof input, EXPECTED "%s", row->input ? row->input : "");
    struct facts facts = facts_of(path);
    if (table_row_has(row, "occupy="))
        more[1] = "--occupy";
    if (table_row_value(row, "run=", run_option, sizeof run_option))
        more[1] = run_option;
    row->environment[TABLE_WORDS] = NULL;
    run_begin(&run);
    run_peload(&run, more, path, row->arguments, row->environment, row->input ? input : NULL);
    int low = (int)(row->exit & 0xff);
    int status = unloadable ? 126 : row->exit && !low ? 1 : low;
    if (run.process.status != status)
        fprintf(stderr, "exit status %d, expected %d; standard output:\n%s\nstandard error:\n%s\n", run.process.status, status,
                      run.process.output, run.process.errors);
    assert_int_equal(run.process.status, status);
    output_hold(&run, access(output, R_OK) ? row->output : output);
    if (unloadable) {
        status_hold(&run, row->exit, "refused");
        assert_int_equal(lines_with(run.trace, "peload[start]"), 0);
    } else {
        bool children = table_row_has(row, "children"); /* what they report stands in the same place */
        bool is_exception = !children && lines_with(run.process.errors, "unhandled exception") != 0;
        status_hold(&run, row->exit, is_exception ? "exception" : "exited");
        if (!children)
            steps_hold(&run, row, &facts);
    }
    run_end(&run);
}

/* ---- what single samples show in the trace ------------------------------------------------------------ */

static void sample_run(struct run *run, const char *trace, const char *option, const char *name)
{
    char path[256];
    const char *more[] = {trace, option, NULL};
    snprintf(path, sizeof path, SAMPLES "%s", name);
    run_begin(run);
    run_peload(run, more, path, NULL, NULL, NULL);
}

/* Two DLLs with one ImageBase: the first has it, the second moves, and its fix-ups are those that objdump lists. */
static void graph_moves_one_of_two(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=place,relocate", NULL, "graph.exe");
    struct facts facts = facts_of(SAMPLES "graph_same2.dll");
    assert_int_equal(traced(&run, "peload[place] placed graph_same1.dll ", " at="), facts.base);
    assert_int_not_equal(traced(&run, "peload[place] moved graph_same2.dll ", " at="), facts.base);
    assert_int_equal(traced(&run, "peload[relocate] relocated graph_same2.dll ", " fixups="), facts.fixups);
    run_end(&run);
}

/* Wine's own loader on the same kernel gives the program the same process; of its modules only two are ours to map. */
static void reference_lane_runs(void **state)
{
    static const char *const names[] = {"hello", "graph", "threads"};
    (void)state;
    for (size_t both = 0; both < 2 * (sizeof names / sizeof *names); both++) {
        const size_t i = both / 2;
        const struct table_machine *machine = &machines[both % 2];
        if (both % 2 && access(TEST_BUILD "/peload32", X_OK))
            continue;
        static char *const words[] = {"one", "two words", "--exit", "42", NULL};
        static char *const greeting[] = {"PELOAD_GREETING=good day", NULL};
        const char *const more[] = {"--trace=bind,init", "--lane=reference", NULL};
        struct run run;
        char path[256], output[64];
        snprintf(path, sizeof path, "%s%s.exe", machine->folder, names[i]);
        snprintf(output, sizeof output, "%s.out", i ? names[i] : "hello_arguments");
        run_begin(&run);
        run_peload(&run, more, path, i ? NULL : words, i ? NULL : greeting, NULL);
        assert_int_equal(run.process.status, i ? 0 : 42);
        output_hold(&run, output);
        assert_int_equal(lines_with(run.trace, "peload["), 0); /* our own phases bound and initialised nothing */
        run_end(&run);
    }
}

static void many_relocations_are_applied(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=relocate", "--occupy", "relocs200k.exe");
    struct facts facts = facts_of(SAMPLES "relocs200k.exe");
    assert_true(facts.fixups >= 200000);
    assert_int_equal(run.process.status, 0);
    assert_int_equal(traced(&run, "peload[relocate] relocated relocs200k.exe ", " fixups="), facts.fixups);
    output_hold(&run, "relocs200k.out");
    run_end(&run);
}

static void api_sets_are_found(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=find", NULL, "hello_ucrt.exe");
    assert_true(lines_with(run.trace, "peload[find] apiset ucrtbase.dll api-ms-win-crt-") >= 9);
    run_end(&run);
}

static void delayed_dll_comes_late(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=open,start", NULL, "delay.exe");
    const char *start = strstr(run.trace, "peload[start] thread delay.exe "), *late = strstr(run.trace, "peload[open] opened delay_dll.dll ");
    assert_non_null(start);
    assert_non_null(late);
    assert_true(start < late);
    run_end(&run);
}

static void freed_dll_goes(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=unload,init", NULL, "loadlib.exe");
    const char *detached = strstr(run.trace, "peload[init] detached loadlib_dll.dll "), *gone = strstr(run.trace, "peload[unload] unmapped loadlib_dll.dll ");
    assert_non_null(detached);
    assert_non_null(gone);
    assert_true(detached < gone);
    run_end(&run);
}

/* What LoadLibrary's one number does not say: which file was missing, and who wanted it. */
static void failed_loads_say_why(void **state)
{
    struct run run;
    (void)state;
    sample_run(&run, "--trace=find", NULL, "loadlib.exe");
    assert_non_null(strstr(run.trace, "peload[find] failed loadlib_needs_absent.dll peload_absent.dll, needed by loadlib_needs_absent.dll ("));
    run_end(&run);
}

/* All in one: each phase has told something, a call reads as name(arguments) = status, and the guest is not disturbed. */
static void everything_is_traced(void **state)
{
    static const char *const phases[] = {"find", "open", "place", "fill", "bind", "protect", "order", "init", "start", "syscall"};
    struct run run;
    char begin[40];
    (void)state;
    sample_run(&run, "--trace=all", NULL, "nocrt_ntdll.exe");
    assert_int_equal(run.process.status, 9);
    output_hold(&run, "nocrt_ntdll.out");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        snprintf(begin, sizeof begin, "peload[%s] ", phases[i]);
        if (!lines_with(run.trace, begin))
            fail_msg("no line of phase %s", phases[i]);
    }
    const char *call = strstr(run.trace, "peload[syscall] NtWriteFile(0x");
    assert_non_null(call);
    assert_non_null(strstr(call, ") = 0x00000000 STATUS_SUCCESS thread="));
    assert_int_equal(lines_with(run.process.errors, "peload["), 0); /* the file has them */
    run_end(&run);
}

/* samples/crash.c: main calls process_order calls update_record calls store_status, which writes to 0x10. */
static void crash_is_reported(void **state)
{
    static const char *const expected[] = {
        "unhandled exception 0xC0000005 STATUS_ACCESS_VIOLATION", "at ", "crash.exe+0x", "(.text)", "store_status+0x", "writing",
        "0x0000000000000010", "rip", "store_status+0x", "update_record+0x", "process_order+0x", "main+0x",
    };
    struct run run;
    (void)state;
    sample_run(&run, "--trace=start", NULL, "crash.exe");
    status_hold(&run, 0xc0000005, "exception");
    assert_int_equal(run.process.status, 5);
    const char *at = run.process.errors;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *found = strstr(at, expected[i]);
        if (!found)
            fail_msg("not in the report, or not in this order: %s\n%s", expected[i], run.process.errors);
        at = found + strlen(expected[i]);
    }
    run_end(&run);
}

/* The story stands on stderr in numbered steps, in order, before the guest's own output and around it. */
static void story_is_told(void **state)
{
    static const char *const steps[] = {" 1 file ", " 2 placed ", " 3 filled ", " 4 relocated ", " 5 bound ", " 6 tls ",
                                        " 7 protected ", " 8 order ", " 9 thread ", "10 exit "};
    struct run run;
    (void)state;
    sample_run(&run, "-v", NULL, "hello.exe");
    output_hold(&run, "hello.out");
    const char *at = run.process.errors;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!(at = strstr(at, steps[i])))
            fail_msg("no step%s in its place:\n%s", steps[i], run.process.errors);
    assert_null(strchr(run.process.errors, '\x1b')); /* no colours: this is no terminal */
    run_end(&run);
}

static void environment_can_be_made(void **state)
{
    const char *const more[] = {"--clear-env", "--env", "PELOAD_GREETING=good day", NULL};
    char *const guest[] = {(char[]){"one"}, (char[]){"two words"}, (char[]){"--exit"}, (char[]){"42"}, NULL};
    struct run run;
    (void)state;
    run_begin(&run);
    run_peload(&run, more, SAMPLES "hello.exe", guest, NULL, NULL);
    assert_int_equal(run.process.status, 42);
    output_hold(&run, "hello_arguments.out");
    run_end(&run);
}

/* One word: a pattern for the names of the tests to be run ("x86 create*"). */
int main(int count_of_words, char **words)
{
    static const struct CMUnitTest single[] = {
        cmocka_unit_test(graph_moves_one_of_two), cmocka_unit_test(reference_lane_runs),
        cmocka_unit_test(many_relocations_are_applied), cmocka_unit_test(api_sets_are_found),
        cmocka_unit_test(delayed_dll_comes_late), cmocka_unit_test(freed_dll_goes), cmocka_unit_test(failed_loads_say_why), cmocka_unit_test(everything_is_traced),
        cmocka_unit_test(crash_is_reported), cmocka_unit_test(story_is_told), cmocka_unit_test(environment_can_be_made),
    };
    static struct table_row rows[TABLE_ROWS];
    static struct CMUnitTest tests[TABLE_ROWS];
    size_t size, count = 0;
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    unsetenv("PELOAD_GREETING");
    if (count_of_words > 1)
        cmocka_set_test_filter(words[1]);
    for (size_t i = 0; i < sizeof machines / sizeof *machines && (!i || !access(TEST_BUILD "/peload32", X_OK)); i++) {
        char *rest = text_read(EXPECTED "table.txt", &size), *line;
        while (rest && (line = strsep(&rest, "\n")) && count < TABLE_ROWS)
            if (table_row_take(line, &machines[i], &rows[count]) && !table_row_has(&rows[count], machines[i].other)) {
                tests[count] = (struct CMUnitTest){rows[count].title, row_runs, NULL, NULL, &rows[count]};
                count++;
            }
    }
    if (count < 10 || count == TABLE_ROWS) {
        fprintf(stderr, "table.txt: %zu rows\n", count);
        return 1;
    }
    int failed = _cmocka_run_group_tests("samples", tests, count, NULL, NULL);
    failed += cmocka_run_group_tests_name("traces", single, NULL, NULL);
    return failed ? 1 : 0;
}
