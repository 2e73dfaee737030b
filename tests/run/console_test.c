/* Keys pressed on a terminal, and control events without one. Expectations: Microsoft's documentation of
 * SetConsoleCtrlHandler and GenerateConsoleCtrlEvent; STATUS_CONTROL_C_EXIT is 0xC000013A, of which a shell sees 0x3A. */
#define _GNU_SOURCE
#include "tests/support/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

#define PELOAD TEST_BUILD "/peload"
static const char *const machines[] = {"x64", "x86"};

static bool machine_runs(const char *machine)
{
    return strcmp(machine, "x86") || !access(TEST_BUILD "/peload32", X_OK);
}

static const char *sample(const char *machine, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/%s.exe", machine, name);
    return path;
}

/* ---- on a terminal -------------------------------------------------------------------------------- */

struct session { pid_t pid; int terminal; char text[4096]; size_t size; };

static void session_begin(struct session *session, const char *program, const char *word)
{
    memset(session, 0, sizeof *session);
    session->pid = forkpty(&session->terminal, NULL, NULL, NULL);
    assert_true(session->pid >= 0);
    if (!session->pid) {
        execl(PELOAD, "peload", "run", program, word, (char *)NULL);
        _exit(99);
    }
}

/* Reads until the text is there so often or, NULL, until the terminal is closed. */
static bool session_await_times(struct session *session, const char *text, unsigned times)
{
    time_t limit = time(NULL) + 30;
    for (;;) {
        unsigned found = 0;
        for (const char *at = session->text; text && (at = strstr(at, text)); at++)
            found++;
        if (text && found >= times)
            return true;
        struct pollfd ready = {.fd = session->terminal, .events = POLLIN};
        int some = poll(&ready, 1, 100);
        ssize_t got = some > 0 ? read(session->terminal, session->text + session->size, sizeof session->text - 1 - session->size) : 0;
        if (some > 0 && got <= 0)
            return !text;
        session->size += (size_t)got;
        if (time(NULL) > limit || session->size == sizeof session->text - 1)
            return false;
    }
}

static bool session_await(struct session *session, const char *text)
{
    return session_await_times(session, text, 1);
}

static int session_end(struct session *session)
{
    int state = 0;
    bool closed = session_await(session, NULL);
    if (!closed)
        kill(session->pid, SIGKILL);
    assert_int_equal(waitpid(session->pid, &state, 0), session->pid);
    close(session->terminal);
    if (!closed)
        fail_msg("it did not end; it said: %s", session->text);
    return state;
}

static void keys_reach_the_handlers(void **state)
{
    (void)state;
    for (int i = 0; i < 2 && machine_runs(machines[i]); i++) {
        struct session session;
        session_begin(&session, sample(machines[i], "ctrl_c"), "wait");
        assert_true(session_await(&session, "press Ctrl+C"));
        assert_int_equal(write(session.terminal, "\003", 1), 1);
        int status = session_end(&session);
        assert_non_null(strstr(session.text, "in the order 21"));
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* It waits in a read of the terminal, which the keys interrupt. */
static void keys_end_who_has_no_handler(void **state)
{
    (void)state;
    for (int i = 0; i < 2 && machine_runs(machines[i]); i++) {
        struct session session;
        session_begin(&session, sample(machines[i], "stdin_echo"), NULL);
        assert_int_equal(write(session.terminal, "line\n", 5), 5);
        assert_true(session_await_times(&session, "line", 2)); /* the terminal's echo, and the program's */
        usleep(100000); /* the next read begins; keys that come before it do the same */
        assert_int_equal(write(session.terminal, "\003", 1), 1);
        int status = session_end(&session);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0x3A);
    }
}

/* ---- without one ---------------------------------------------------------------------------------- */

static void events_reach_a_group(void **state)
{
    static const char expected[] = "a child with two handlers: yes\n  Ctrl+Break for its group: yes\n  exit code 21 (0x15)\n"
                                   "a child with none: yes\n  Ctrl+Break for its group: yes\n  exit code 3221225786 (0xc000013a)\n";
    (void)state;
    for (int i = 0; i < 2 && machine_runs(machines[i]); i++) {
        const char *const arguments[] = {PELOAD, "run", sample(machines[i], "ctrl_c"), NULL};
        struct process process = {.arguments = arguments, .seconds = 120};
        assert_true(process_run(&process));
        text_unix(process.output, process.output_size);
        assert_string_equal(process.output, expected);
        assert_int_equal(process.status, 0);
        process_free(&process);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_reach_the_handlers), cmocka_unit_test(keys_end_who_has_no_handler),
        cmocka_unit_test(events_reach_a_group),
    };
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
