/* What the options of peload.exe's `spawn` and `run` do to CreateProcess, seen from the programs that are started: on the lanes os
 * and win32 under Wine, and natively, where peload.exe is a guest like any other. */
#include "tests/support/process.h"
#include "tests/support/wine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 24, PATH_ROOM = 128 };

/* How program A is started, and by which command peload.exe starts B. */
struct way { const char *name, *start[3], *command; bool wants_wine; };
static const struct way ways[] = {
    {"native", {"run"}, "spawn", false},
    {"os", {"spawn", "--lane=os"}, "spawn", true},
    {"win32", {"spawn", "--lane=win32"}, "run", true},
};

struct machine { const char *name, *peload; };
static const struct machine machines[] = {{"x64", TEST_BUILD "/peload.exe"}, {"x86", TEST_BUILD "/peload32.exe"}};

struct spawn_case { const struct way *way; const struct machine *machine; };
static bool has_wine, has_wine32;

/* A word that ends in .exe without a folder is a sample of that machine; NULL ends the words. */
static void run_words(struct process *process, const struct spawn_case *test, const char *const *words)
{
    static char paths[WORDS][PATH_ROOM];
    const char *arguments[WORDS] = {TEST_BUILD "/peload"};
    unsigned count = 1;
    if (test->way->wants_wine && (!has_wine || (!strcmp(test->machine->name, "x86") && !has_wine32)))
        skip();
    for (const char *const *word = test->way->start; *word; word++)
        arguments[count++] = *word;
    for (; *words && count < WORDS - 1; words++, count++) {
        const char *end = strstr(*words, ".exe");
        if (!strcmp(*words, "peload.exe"))
            arguments[count] = test->machine->peload;
        else if (end && !strchr(*words, '/')) {
            snprintf(paths[count], PATH_ROOM, TEST_BUILD "/samples/%s/%s", test->machine->name, *words);
            arguments[count] = paths[count];
        } else
            arguments[count] = *words;
    }
    *process = (struct process){.arguments = arguments, .seconds = 120};
    assert_true(process_run(process));
    process->output_size = text_unix(process->output, process->output_size);
}

static void output_hold(struct process *process, int status, const char *expected)
{
    bool same = process->status == status && !strcmp(process->output, expected);
    if (!same)
        fprintf(stderr, "expected status %d and\n%s\ngot status %d and\n%s\nstandard error\n%s\n", status, expected, process->status,
                process->output, process->errors);
    process_free(process);
    assert_true(same);
}

/* ---- tests ------------------------------------------------------------------------------------------- */

static void inheritable_handles_go_through(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"through.exe", "inherit", "peload.exe", test->way->command, "--inherit", "handle_child.exe", "signalled",
                                 "@", NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 0,
                "  B: passes without anybody's SetEvent: WAIT_OBJECT_0\n"
                "  B: a second wait is one too many: WAIT_TIMEOUT\n"
                "A: the one between was created: yes\n"
                "A: exit code: 0\n"
                "A: the event is reset\n");
}

/* ERROR_INVALID_HANDLE is 6. What the one between may have done to the event, it has not. */
static void and_not_without(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"through.exe", "inherit", "peload.exe", test->way->command, "handle_child.exe", "signalled", "@", NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 0,
                "  B: passes without anybody's SetEvent: WAIT_FAILED, error 6\n"
                "A: the one between was created: yes\n"
                "A: exit code: 1\n"
                "A: the event is signalled still\n");
}

static void suspended_is_suspended(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"through.exe", "suspended", "peload.exe", "spawn", "--suspended", "hello.exe", "--exit", "7", NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 0,
                "A: the one between was created: yes\n"
                "A: it says that B is suspended: yes\n"
                "A: B's first thread can be opened by its ID: yes\n"
                "A: suspended so many times before: 1\n"
                "A: and with A's own: 2\n"
                "A: lets it go\n"
                "hello from hello.exe\n"
                "argument 1: [--exit]\n"
                "argument 2: [7]\n"
                "PELOAD_GREETING is not set\n"
                "A: exit code: 7\n");
}

/* A console of its own, and nothing of ours: what it prints does not come here; its exit code does. */
static void new_console_is_another_one(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"through.exe", "inherit", "peload.exe", "spawn", "--new-console", "hello.exe", "--exit", "7", NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 0, "A: the one between was created: yes\nA: exit code: 7\nA: the event is signalled still\n");
}

/* An event instead of output tells that it ran; handles go to it only with --inherit. */
static void new_console_inherits_on_demand(void **state)
{
    static const struct { const char *option, *told; } rows[] = {
        {"--inherit", "A: the one between was created: yes\nA: exit code: 0\nA: the event is reset\n"},
        {"--", "A: the one between was created: yes\nA: exit code: 1\nA: the event is signalled still\n"},
    };
    for (size_t i = 0; i < 2; i++) {
        const struct spawn_case *test = *state;
        const char *const words[] = {"through.exe", "inherit", "peload.exe", "spawn", "--new-console", rows[i].option, "handle_child.exe",
                                     "signalled", "@", NULL};
        struct process process;
        run_words(&process, test, words);
        output_hold(&process, 0, rows[i].told);
    }
}

/* lpApplicationName is exactly this file, and the command line is what the program is told, its own name included. */
static void application_is_no_command_line(void **state)
{
    const struct spawn_case *test = *state;
    char without[PATH_ROOM];
    snprintf(without, sizeof without, TEST_BUILD "/samples/%s/hello", test->machine->name);
    const char *const words[] = {"peload.exe", "spawn", "--application", "args.exe", "not-its-name", "b c", NULL};
    const char *const bare[] = {"peload.exe", "spawn", "--application", "hello.exe", NULL};
    const char *const absent[] = {"peload.exe", "spawn", "--application", without, NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 1, "[b c]\n");
    run_words(&process, test, bare);
    output_hold(&process, 0, "hello from hello.exe\nPELOAD_GREETING is not set\n");
    run_words(&process, test, absent);
    output_hold(&process, 127, "");
}

/* lpCommandLine alone: quotes, and ".exe" added to what has no extension. */
static void command_line_is_searched_for(void **state)
{
    static const char *const lines[] = {"\"" TEST_BUILD "/samples/%s/args.exe\" a \"b c\" d\\\\\\\"e", TEST_BUILD "/samples/%s/args a \"b c\" d\\\\\\\"e"};
    const struct spawn_case *test = *state;
    for (size_t i = 0; i < 2; i++) {
        char line[2 * PATH_ROOM];
        snprintf(line, sizeof line, lines[i], test->machine->name);
        const char *const words[] = {"peload.exe", "spawn", "--command-line", line, NULL};
        struct process process;
        run_words(&process, test, words);
        output_hold(&process, 3, "[a]\n[b c]\n[d\\\"e]\n");
    }
}

/* FILE and arguments are handed on as they were typed: nothing is quoted twice, nothing expanded. */
static void arguments_are_kept(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"peload.exe", "spawn", "args.exe", "a", "b c", "", "*.c", "x\"y", "e\\", "--inherit", "\xc3\xa4", NULL};
    struct process process;
    run_words(&process, test, words);
    output_hold(&process, 8, "[a]\n[b c]\n[]\n[*.c]\n[x\"y]\n[e\\]\n[--inherit]\n[\\u00e4]\n");
}

/* Wine runs a program of Unix too, but tells nothing of it: no handle, no ID, no exit code. */
static void unix_programs_are_refused(void **state)
{
    const struct spawn_case *test = *state;
    const char *const words[] = {"peload.exe", "spawn", "/bin/true", NULL};
    struct process process;
    run_words(&process, test, words);
    assert_null(strstr(process.errors, "exit code 0"));
    output_hold(&process, 126, "");
}

/* `--help` names the commands that are there, and each of them has one of its own. */
static void help_is_true(void **state)
{
    static const char *const commands[] = {"run", "spawn", "info", "map", "snapshot"};
    const struct spawn_case *test = *state;
    const char *const words[] = {"peload.exe", "--help", NULL};
    struct process process;
    char line[32];
    run_words(&process, test, words);
    assert_int_equal(process.status, 0);
    assert_non_null(strstr(process.output, "all 32 bits"));
    assert_null(strstr(process.output, "--html"));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *const own[] = {"peload.exe", commands[i], "--help", NULL};
        struct process told;
        snprintf(line, sizeof line, "\n  %s ", commands[i]);
        assert_non_null(strstr(process.output, line));
        run_words(&told, test, own);
        assert_int_equal(told.status, 0);
        assert_int_equal(strncmp(told.output, "Examples\n", 9), 0);
        process_free(&told);
    }
    process_free(&process);
}

/* ---- on a terminal ---------------------------------------------------------------------------------- */

/* What is shown there, without the sequences that move the cursor; the caller frees. */
static char *terminal_text(const struct spawn_case *test, const char *const *words)
{
    const struct winsize size = {.ws_row = 60, .ws_col = 200};
    const char *arguments[WORDS] = {TEST_BUILD "/peload"};
    char *text = malloc(1 << 20);
    size_t used = 0, kept = 0, room = (1 << 20) - 1;
    unsigned count = 1;
    int terminal, state;
    if (!has_wine || (!strcmp(test->machine->name, "x86") && !has_wine32))
        skip();
    for (const char *const *word = test->way->start; *word; word++)
        arguments[count++] = *word;
    while (*words)
        arguments[count++] = *words++;
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    assert_true(child >= 0 && text);
    if (!child) {
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(99);
    }
    for (time_t limit = time(NULL) + 60; time(NULL) < limit && used < room;) {
        struct pollfd ready = {.fd = terminal, .events = POLLIN};
        ssize_t got = poll(&ready, 1, 100) > 0 ? read(terminal, text + used, room - used) : 0;
        if (ready.revents && got <= 0)
            break;
        used += (size_t)got;
    }
    kill(child, SIGKILL);
    waitpid(child, &state, 0);
    close(terminal);
    for (size_t i = 0; i < used; i++)
        if (text[i] == '\x1b') {
            while (i + 1 < used && !strchr("ABCDEFGHJKhlmnrs", text[++i]))
                ;
        } else
            text[kept++] = text[i];
    text[kept] = 0;
    return text;
}

/* A console takes bytes for text of its own code page: lines and letters beyond ASCII are right only if we see to it. */
static void consoles_show_all_letters(void **state)
{
    const struct spawn_case *test = *state;
    char path[PATH_ROOM];
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/hello.exe", test->machine->name);
    const char *const map[] = {test->machine->peload, "map", path, NULL};
    const char *const absent[] = {test->machine->peload, "run", "nirgends-\xc3\xa4.exe", NULL};
    char *text = terminal_text(test, map);
    bool has_frame = strstr(text, "\xe2\x94\x8c\xe2\x94\x80\xe2\x94\x80"); /* a corner and two lines */
    if (!has_frame)
        fprintf(stderr, "shown:\n%s\n", text);
    free(text);
    assert_true(has_frame);
    text = terminal_text(test, absent);
    bool has_letter = strstr(text, "nirgends-\xc3\xa4.exe");
    if (!has_letter)
        fprintf(stderr, "shown:\n%s\n", text);
    free(text);
    assert_true(has_letter);
}

/* ---- all of them ---------------------------------------------------------------------- */

int main(int count_of_words, char **words)
{
    static const struct { const char *name; CMUnitTestFunction test; const char *ways; } kinds[] = {
        {"inheritable handles go through", inheritable_handles_go_through, "native os win32"}, {"and not without", and_not_without, "native os win32"},
        {"suspended", suspended_is_suspended, "native os"}, {"new console", new_console_is_another_one, "native os"},
        {"new console, inherit", new_console_inherits_on_demand, "native os"}, {"application", application_is_no_command_line, "native os"},
        {"command line", command_line_is_searched_for, "native os"}, {"arguments", arguments_are_kept, "native os"},
        {"programs of Unix", unix_programs_are_refused, "os"}, {"help", help_is_true, "native"},
        {"console", consoles_show_all_letters, "os"},
    };
    enum { KINDS = sizeof kinds / sizeof *kinds, WAYS = sizeof ways / sizeof *ways };
    static struct spawn_case cases[2 * WAYS * KINDS];
    static struct CMUnitTest tests[2 * WAYS * KINDS];
    size_t count = 0;
    unsetenv("PELOAD_GREETING");
    if (!wine_prefix_set())
        return 1;
    if (count_of_words > 1)
        cmocka_set_test_filter(words[1]);
    has_wine = wine_runs("x64");
    has_wine32 = has_wine && wine_runs("x86");
    if (!has_wine || !has_wine32)
        printf("SKIPPED: spawn on the lanes os and win32%s: no Wine here that runs such programs (`make deps-wine`)\n", has_wine ? " for x86" : "");
    for (size_t way = 0; way < WAYS; way++)
        for (size_t machine = 0; machine < 2; machine++)
            for (size_t kind = 0; kind < KINDS; kind++) {
                char *title;
                if (!strstr(kinds[kind].ways, ways[way].name))
                    continue;
                if (asprintf(&title, "%s %s %s", ways[way].name, machines[machine].name, kinds[kind].name) < 0)
                    return 1;
                cases[count] = (struct spawn_case){&ways[way], &machines[machine]};
                tests[count] = (struct CMUnitTest){title, kinds[kind].test, NULL, NULL, &cases[count]};
                count++;
            }
    int failed = _cmocka_run_group_tests("spawn", tests, count, NULL, NULL);
    wine_server_end();
    return failed ? 1 : 0;
}
