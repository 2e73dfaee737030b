/* What loading found out is kept from run to run (loader/native/cache.h): it must change nothing but the time, whatever
 * has become of the file or of the DLLs meanwhile. */
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
#define FOLDER TEST_BUILD "/tests/cache"

static const char *const machines[] = {"x64", "x86"};
static unsigned machine_count = 2;
static char set[4200]; /* the DLL set that the other tests use */

static void shell(const char *format, ...)
{
    char command[16000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command))
        fail_msg("failed: %s", command);
}

/* An empty cache folder. What was linked or copied a moment ago counts as changing still: two seconds and a bit. */
static void cache_empty(void) { shell("rm -rf " FOLDER "/kept && mkdir -p " FOLDER "/kept"); }

/* "slots.exe" with the cache in FOLDER/kept; what it printed, and the trace of the cache. The caller frees both. */
struct run { char *output, *trace; };

static struct run run_with(const char *machine, const char *program, const char *option, const char *dll_set)
{
    char path[300], folder[4300];
    snprintf(path, sizeof path, program[0] == '/' || strchr(program, '/') ? "%s" : TEST_BUILD "/samples/%s/%s", strchr(program, '/') ? program : machine,
             program);
    snprintf(folder, sizeof folder, "--dll-path=%s", dll_set);
    const char *const arguments[] = {PELOAD, "run", "--trace=cache", folder, option ? option : "--missing=stub", path, NULL};
    const char *const environment[] = {"PELOAD_CACHE=" FOLDER "/kept", NULL};
    struct process process = {.arguments = arguments, .environment = environment};
    assert_true(process_run(&process));
    if (process.status)
        fprintf(stderr, "%s", process.errors);
    assert_int_equal(process.status, 0);
    struct run run = {process.output, process.errors};
    return run;
}

static struct run slots_run(const char *machine, const char *option) { return run_with(machine, "slots.exe", option, set); }

static void run_end(struct run *run)
{
    free(run->output);
    free(run->trace);
}

static bool told(const struct run *run, const char *text) { return strstr(run->trace, text) != NULL; }

/* The same slots as a run that knows nothing. */
static void slots_hold(const char *machine, const struct run *run)
{
    struct run plain = slots_run(machine, "--no-cache");
    assert_string_equal(plain.trace, "");
    assert_true(strlen(plain.output) > 1000 * strlen("kernel32.dll+0x0 0x0\n"));
    assert_string_equal(run->output, plain.output);
    run_end(&plain);
}

static void everything_recalled(const char *machine)
{
    struct run run = slots_run(machine, NULL);
    assert_true(told(&run, "peload[cache] read "));
    assert_true(told(&run, "recalled kernel32.dll"));
    assert_true(told(&run, "recalled kernelbase.dll"));
    assert_true(told(&run, "recalled msvcrt.dll"));
    assert_false(told(&run, "written"));
    slots_hold(machine, &run);
    run_end(&run);
}

/* The first start writes it, unless it is told not to; the second one reads it. */
static void cold_then_warm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < machine_count; i++) {
        cache_empty();
        struct run none = slots_run(machines[i], "--no-cache");
        run_end(&none);
        assert_int_equal(access(FOLDER "/kept/bound", F_OK), -1);
        struct run cold = slots_run(machines[i], NULL);
        assert_true(told(&cold, "peload[cache] absent "));
        assert_true(told(&cold, "peload[cache] written "));
        assert_false(told(&cold, "recalled"));
        slots_hold(machines[i], &cold);
        run_end(&cold);
        everything_recalled(machines[i]);
    }
}

/* At so many thirteenths of its length: cut there, or one bit turned over. */
static void file_damage(bool cut, unsigned thirteenths)
{
    char path[600] = "";
    size_t size;
    FILE *list = popen("echo " FOLDER "/kept/bound/*", "r");
    assert_non_null(list);
    assert_non_null(fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = 0;
    char *bytes = text_read(path, &size);
    assert_non_null(bytes);
    size_t at = size * thirteenths / 13;
    bytes[at] = (char)(bytes[at] ^ 4);
    assert_true(text_write(path, bytes, cut ? at : size));
    free(bytes);
}

/* Cut short at any length, or with one bit turned over anywhere: not believed, and written anew. */
static void torn_file_is_not_believed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < machine_count; i++) {
        cache_empty();
        struct run cold = slots_run(machines[i], NULL);
        run_end(&cold);
        for (unsigned damage = 0; damage < 12; damage++) {
            file_damage(damage % 2, damage);
            struct run run = slots_run(machines[i], NULL);
            assert_true(told(&run, "peload[cache] unusable "));
            assert_true(told(&run, "peload[cache] written "));
            slots_hold(machines[i], &run);
            run_end(&run);
        }
        everything_recalled(machines[i]);
        shell("chmod 666 " FOLDER "/kept/bound/*"); /* anybody may have written to it */
        struct run foreign = slots_run(machines[i], NULL);
        assert_true(told(&foreign, "peload[cache] unusable "));
        run_end(&foreign);
    }
}

/* A DLL that was exchanged is looked up anew; so is what imports from it. What it has nothing to do with is recalled. */
static void stale_dll_is_looked_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < machine_count; i++) {
        const char *sub = i ? "i386-windows" : "x86_64-windows";
        cache_empty();
        shell("rm -rf " FOLDER "/set && mkdir -p " FOLDER "/set/%s && ln -s '%s/nls' " FOLDER "/set/nls && ln -s '%s/%s'/* " FOLDER "/set/%s/ && "
              "cp --remove-destination '%s/%s/msvcrt.dll' " FOLDER "/set/%s/ && touch -d '1 hour ago' " FOLDER "/set/%s/msvcrt.dll && sleep 2.2",
              sub, set, set, sub, sub, set, sub, sub, sub);
        struct run first = run_with(machines[i], "slots.exe", NULL, FOLDER "/set"), second = run_with(machines[i], "slots.exe", NULL, FOLDER "/set");
        assert_true(told(&first, "peload[cache] written "));
        assert_true(told(&second, "recalled msvcrt.dll"));
        shell("touch -d '2 hours ago' " FOLDER "/set/%s/msvcrt.dll && sleep 2.2", sub);
        struct run stale = run_with(machines[i], "slots.exe", NULL, FOLDER "/set"), again = run_with(machines[i], "slots.exe", NULL, FOLDER "/set");
        assert_true(told(&stale, "recalled kernel32.dll"));
        assert_false(told(&stale, "recalled msvcrt.dll"));
        assert_true(told(&stale, "peload[cache] written "));
        assert_true(told(&again, "recalled msvcrt.dll"));
        assert_string_equal(stale.output, first.output);
        assert_string_equal(again.output, first.output);
        run_end(&first), run_end(&second), run_end(&stale), run_end(&again);
    }
}

/* Where nothing can be written, everything is looked up at each start. */
static void folder_that_cannot_be_written(void **state)
{
    (void)state;
    cache_empty();
    assert_true(text_write(FOLDER "/kept/bound", "", 0)); /* a file in the folder's place: root is stopped as well */
    for (int i = 0; i < 2; i++) {
        struct run run = slots_run("x64", NULL);
        assert_true(told(&run, "peload[cache] not-written "));
        slots_hold("x64", &run);
        run_end(&run);
    }
}

static void many_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < machine_count; i++) {
        cache_empty();
        shell("export PELOAD_CACHE=" FOLDER "/kept; for i in 1 2 3 4 5 6 7 8; do " PELOAD " run --dll-path='%s' " TEST_BUILD "/samples/%s/slots.exe >" FOLDER
              "/out.$i & done; wait; cd " FOLDER " && for i in 2 3 4 5 6 7 8; do cmp out.1 out.$i || exit 1; done; test $(ls kept/bound | wc -l) = 1",
              set, machines[i]);
        everything_recalled(machines[i]);
    }
}

/* A folder is not read again for a name that it did not hold; as soon as it holds the name, in whatever letters, it is found. */
static void name_that_appears(void **state)
{
    static const char program[] = FOLDER "/names/slots.exe";
    (void)state;
    cache_empty();
    shell("rm -rf " FOLDER "/names && mkdir -p " FOLDER "/names && cp " TEST_BUILD "/samples/x64/slots.exe " FOLDER "/names/ && sleep 2.2");
    struct run first = run_with("", program, NULL, set), second = run_with("", program, NULL, set);
    assert_false(told(&first, "not-there"));
    assert_true(told(&second, "peload[cache] not-there slots.exe.manifest"));
    shell("echo '<assembly/>' >" FOLDER "/names/SLOTS.EXE.Manifest");
    struct run third = run_with("", program, NULL, set);
    assert_false(told(&third, "not-there"));
    run_end(&first), run_end(&second), run_end(&third);
}

static int setup(void **state)
{
    (void)state;
    const char *own = getenv("PELOAD_DLL_PATH"), *cache = getenv("PELOAD_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char place[4100];
    if (own)
        snprintf(place, sizeof place, "%s", own);
    else if (cache)
        snprintf(place, sizeof place, "%s/current", cache);
    else
        snprintf(place, sizeof place, "%s%s/peload/current", base ? base : home ? home : "", base ? "" : "/.cache");
    char *full = realpath(place, NULL);
    snprintf(set, sizeof set, "%s", full ? full : "");
    free(full);
    machine_count = access(TEST_BUILD "/peload32", X_OK) ? 1 : 2;
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    shell("mkdir -p " FOLDER);
    return set[0] ? 0 : -1;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_then_warm), cmocka_unit_test(torn_file_is_not_believed), cmocka_unit_test(stale_dll_is_looked_up),
        cmocka_unit_test(folder_that_cannot_be_written), cmocka_unit_test(many_at_once), cmocka_unit_test(name_that_appears),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
