/* Processes and handles made visible: ps, handles, run --handles, --trace=handle,process, run --steps. The family of
 * samples/processes/tree.c is looked at while it runs. */
#include "tests/support/process.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define TREE TEST_BUILD "/samples/x64/tree.exe"
#define OBJDUMP "/usr/bin/x86_64-w64-mingw32-objdump" /* reads PE32 as well */

static void run(struct process *process, const char *const *arguments, int status)
{
    *process = (struct process){.arguments = arguments, .seconds = 90};
    assert_true(process_run(process));
    if (process->status != status)
        fprintf(stderr, "exit status %d, expected %d; standard error:\n%s\n", process->status, status, process->errors);
    assert_int_equal(process->status, status);
}

/* ---- a family that runs -------------------------------------------------------------------------------- */

struct family { pid_t pid; int input; };

static struct family family_start(void)
{
    int in[2], out[2];
    char line[64];
    size_t length = 0;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (!pid) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        alarm(120);
        execl(PELOAD, PELOAD, "run", TREE, "family", "1", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    while (length < sizeof line && read(out[0], line + length, 1) == 1 && line[length] != '\n')
        length++;
    close(out[0]);
    assert_true(length > 10 && !memcmp(line, "all three are there", 19));
    return (struct family){pid, in[1]};
}

static int family_end(struct family *family)
{
    int status = 0;
    close(family->input);
    waitpid(family->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The members in ps's JSON, oldest first. */
struct member { unsigned long session, id, parent, pid, exit_code; char state[16], object[32]; };

static unsigned long number_of(const char *row, const char *key)
{
    const char *at = strstr(row, key);
    return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static void text_of(const char *row, const char *key, char *text, size_t room)
{
    const char *at = strstr(row, key);
    snprintf(text, room, "%.*s", at ? (int)strcspn(at + strlen(key), "\"") : 0, at ? at + strlen(key) : "");
}

static unsigned members_of(const struct family *family, struct member *members, unsigned room)
{
    static const char *const arguments[] = {PELOAD, "ps", "--json", NULL};
    struct process process;
    unsigned count = 0;
    unsigned long session = 0;
    run(&process, arguments, 0);
    assert_non_null(strstr(process.output, "\"schema\": 1"));
    for (int pass = 0; pass < 2; pass++)
        for (const char *row = process.output; (row = strstr(row, "{\"session\": ")); row++) {
            struct member member = {number_of(row, "\"session\": "), number_of(row, "\"id\": "), number_of(row, "\"parent\": "),
                                    number_of(row, "\"pid\": "), number_of(row, "\"exit_code\": "), "", ""};
            text_of(row, "\"state\": \"", member.state, sizeof member.state);
            text_of(row, "\"object\": \"", member.object, sizeof member.object);
            if (!pass && member.pid == (unsigned long)family->pid)
                session = member.session;
            if (pass && member.session == session && count < room)
                members[count++] = member;
        }
    process_free(&process);
    return count;
}

static void ps_tells_who_created_whom(void **state)
{
    static const char *const arguments[] = {PELOAD, "ps", NULL};
    struct family family = family_start();
    struct member members[8];
    struct process process;
    (void)state;
    unsigned count = members_of(&family, members, 8);
    assert_int_equal(count, 3);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(members[i].state, "running");
        assert_int_equal(members[i].exit_code, 259);
        assert_int_equal(members[i].id % 4, 0);
        assert_int_equal(members[i].parent, i ? members[i - 1].id : 0);
        assert_int_equal(kill((pid_t)members[i].pid, 0), 0);
    }
    run(&process, arguments, 0);
    assert_non_null(strstr(process.output, "family 1\n"));
    const char *second = strstr(process.output, "- \"Z:"), *third = strstr(process.output, "   `- \"Z:");
    assert_true((second && third) || (strstr(process.output, "└─ \"Z:") && strstr(process.output, "   └─ \"Z:")));
    process_free(&process);
    assert_int_equal(family_end(&family), 0);
}

/* One whom nobody asked: the others and the tools go on, and his exit code is what a killed process has. */
static void ps_survives_a_killed_member(void **state)
{
    struct family family = family_start();
    struct member members[8];
    unsigned count = members_of(&family, members, 8);
    (void)state;
    assert_int_equal(count, 3);
    kill((pid_t)members[2].pid, SIGKILL);
    for (int i = 0; i < 1000 && (count = members_of(&family, members, 8)) == 3 && !strcmp(members[2].state, "running"); i++)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    assert_true(count < 3 || strcmp(members[2].state, "running"));
    assert_int_equal(family_end(&family), 1); /* each hands on its child's exit code */
    assert_int_equal(members_of(&family, members, 8), 0);
}

/* ---- handle tables --------------------------------------------------------------------------------------- */

static char *handles_json(unsigned long pid)
{
    char number[24];
    const char *const arguments[] = {PELOAD, "handles", "--json", number, NULL};
    struct process process;
    snprintf(number, sizeof number, "%lu", pid);
    run(&process, arguments, 0);
    char *text = strdup(process.output);
    process_free(&process);
    return text;
}

/* The row of a handle, "" where there is none. */
static void row_of(const char *json, const char *handle, char *row, size_t room)
{
    char key[40];
    snprintf(key, sizeof key, "{\"handle\": \"%s\"", handle);
    const char *at = strstr(json, key);
    snprintf(row, room, "%.*s", at ? (int)strcspn(at, "}") : 0, at ? at : "");
}

/* The same handle of the standard input in all three: one object, inherited under one value, with three handles open. */
static void inherited_handles_are_one_object(void **state)
{
    struct family family = family_start();
    struct member members[8];
    char first[600] = "", row[600], object[40], other[40];
    (void)state;
    assert_int_equal(members_of(&family, members, 8), 3);
    for (unsigned i = 0; i < 3; i++) {
        char *json = handles_json(members[i].pid);
        row_of(json, "0x4", row, sizeof row);
        assert_non_null(strstr(row, "\"type\": \"File\""));
        assert_non_null(strstr(row, "\"inheritable\": true, \"protected\": false"));
        assert_int_equal(number_of(row, "\"object_handles\": "), 3);
        assert_non_null(strstr(row, "READ_DATA"));
        if (!i)
            strcpy(first, row);
        text_of(first, "\"object\": \"", object, sizeof object);
        text_of(row, "\"object\": \"", other, sizeof other);
        assert_string_equal(object, other);
        assert_true(!strncmp(object, "0xffff8", 7));
        free(json);
    }
    /* The parent has its child's process open: the object that ps shows as the child's. */
    char *json = handles_json(members[0].pid), wanted[64];
    snprintf(wanted, sizeof wanted, "\"object\": \"%s\", \"type\": \"Process\"", members[1].object);
    assert_non_null(strstr(json, wanted));
    free(json);
    assert_int_equal(family_end(&family), 0);
}

static void others_are_refused(void **state)
{
    static const char *const nobody[] = {PELOAD, "handles", "1", NULL}, *const none[] = {PELOAD, "handles", "2000000000", NULL},
                      *const word[] = {PELOAD, "handles", "me", NULL}, *const id[] = {PELOAD, "handles", "--id", "2147483640", NULL},
                      *const nothing[] = {PELOAD, "handles", NULL};
    struct process process;
    (void)state;
    if (!geteuid()) { /* else Linux hides more of process 1 */
        run(&process, nobody, 127);
        assert_non_null(strstr(process.errors, "no program of peload's"));
        process_free(&process);
    }
    run(&process, none, 127);
    assert_non_null(strstr(process.errors, "there is none"));
    process_free(&process);
    run(&process, id, 127);
    process_free(&process);
    run(&process, word, 125);
    process_free(&process);
    run(&process, nothing, 125);
    process_free(&process);
}

/* As somebody else: the system's own rights keep him out, and he is told so. */
static void another_user_is_kept_out(void **state)
{
    char number[24], room[4096];
    int out[2], status = 0;
    ssize_t length = 0, got;
    (void)state;
    if (geteuid())
        skip();
    struct family family = family_start();
    snprintf(number, sizeof number, "%d", family.pid);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (!pid) {
        int program = open(PELOAD, O_RDONLY); /* the folder may be closed to him */
        dup2(out[1], 2);
        char *arguments[] = {(char[]){"peload"}, (char[]){"handles"}, number, NULL}, *none[] = {NULL};
        if (setgid(65534) || setuid(65534))
            _exit(99);
        fexecve(program, arguments, none);
        _exit(98);
    }
    close(out[1]);
    while (length < (ssize_t)sizeof room - 1 && (got = read(out[0], room + length, sizeof room - 1 - (size_t)length)) > 0)
        length += got;
    room[length] = 0;
    close(out[0]);
    waitpid(pid, &status, 0);
    assert_int_equal(family_end(&family), 0);
    assert_int_equal(WEXITSTATUS(status), 125);
    assert_non_null(strstr(room, "belongs to somebody else"));
}

/* ---- what happens, as it happens --------------------------------------------------------------------------- */

static unsigned lines_with(const char *text, const char *first, const char *second)
{
    unsigned count = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t length = strcspn(line, "\n");
        const char *a = memmem(line, length, first, strlen(first));
        count += a && memmem(line, length, second, strlen(second));
    }
    return count;
}

/* An audit: every handle that came into a table has gone out of it, and every process that began has ended. */
static void every_handle_is_closed(void **state)
{
    static const char file[] = TEST_BUILD "/tests/session-trace";
    static const char *const arguments[] = {PELOAD, "run", "--trace=handle,process", "--trace-file", file, TEST_BUILD "/samples/x64/exit_thread.exe", NULL};
    static const char *const tables[] = {" process=8 ", " process=16 "}, *const ways[] = {"] created ", "] opened ", "] inherited ", "] given "};
    struct process process;
    (void)state;
    size_t size;
    run(&process, arguments, 0);
    char *trace = text_read(file, &size);
    assert_non_null(trace);
    for (int i = 0; i < 2; i++) {
        unsigned came = 0;
        for (int way = 0; way < 4; way++) {
            char begin[40];
            snprintf(begin, sizeof begin, "peload[handle%s", ways[way]);
            came += lines_with(trace, begin, tables[i]);
        }
        assert_true(came > 5);
        assert_int_equal(lines_with(trace, "peload[handle] closed ", tables[i]), came);
    }
    assert_true(lines_with(trace, "peload[handle] inherited Event ", " process=16 ") >= 2);
    assert_int_equal(lines_with(trace, "peload[process] created Process id=8 ", ""), 1);
    assert_int_equal(lines_with(trace, "peload[process] created Process id=16 ", " parent=8 "), 1);
    assert_int_equal(lines_with(trace, "peload[process] started Process id=16 ", " pid="), 1);
    assert_int_equal(lines_with(trace, "peload[process] exits Process id=16 ", " exit=0x0000004D"), 1);
    assert_int_equal(lines_with(trace, "peload[process] ended Process id=16 ", " exit=0x0000004D"), 1);
    assert_int_equal(lines_with(trace, "peload[process] exits Process id=8 ", " exit=0x00000000"), 1);
    free(trace);
    unlink(file);
    process_free(&process);
}

static void tables_are_told_before_the_end(void **state)
{
    static const char *const arguments[] = {PELOAD, "run", "--handles", TEST_BUILD "/samples/x64/exit_thread.exe", NULL};
    struct process process;
    (void)state;
    run(&process, arguments, 0);
    const char *child = strstr(process.errors, "process 16, exit_thread.exe, before its end"),
               *parent = strstr(process.errors, "process 8, exit_thread.exe, before its end");
    assert_true(child && parent && child < parent);
    assert_true(lines_with(child, "new ", " Thread ") >= 1);    /* the handle on its own first thread, made by it */
    assert_true(lines_with(process.errors, "  new ", " Event ") == 0); /* A has closed both, B has had them from its birth */
    assert_true(lines_with(child, " Event ", " ALL_ACCESS") >= 2);
    process_free(&process);
}

static void tables_are_told_as_json(void **state)
{
    static const char *const arguments[] = {PELOAD, "run", "--handles", "--json", TEST_BUILD "/samples/x64/exit_thread.exe", NULL};
    struct process process;
    (void)state;
    run(&process, arguments, 0);
    assert_int_equal(lines_with(process.errors, "{\"schema\": 1, \"command\": \"run\", \"process\": {\"id\": 16, ", "\"change\": \"new\""), 1);
    assert_int_equal(lines_with(process.errors, "{\"schema\": 1, \"command\": \"run\", \"process\": {\"id\": 8, ", "}]}"), 1);
    process_free(&process);
}

/* ---- Ctrl+C --------------------------------------------------------------------------------------------------- */

/* Handlers are called the last added first, until one says that it has dealt with it (Microsoft, SetConsoleCtrlHandler);
 * who has none ends with STATUS_CONTROL_C_EXIT. */
static void control_events_reach_handlers(void **state)
{
    static const char *const arguments[] = {PELOAD, "run", TEST_BUILD "/samples/x64/ctrl_c.exe", NULL};
    struct process process;
    (void)state;
    run(&process, arguments, 0);
    process.output_size = text_unix(process.output, process.output_size);
    assert_string_equal(process.output, "a child with two handlers: yes\n  Ctrl+Break for its group: yes\n  exit code 21 (0x15)\n"
                                        "a child with none: yes\n  Ctrl+Break for its group: yes\n  exit code 3221225786 (0xc000013a)\n");
    process_free(&process);
}

/* The terminal's key is SIGINT here. */
static void the_key_is_a_signal(void **state)
{
    int out[2], status = 0;
    char text[256];
    ssize_t length = 0, got;
    bool sent = false;
    (void)state;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (!pid) {
        dup2(out[1], 1);
        alarm(120);
        execl(PELOAD, PELOAD, "run", TEST_BUILD "/samples/x64/ctrl_c.exe", "wait", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (length < (ssize_t)sizeof text - 1 && (got = read(out[0], text + length, sizeof text - 1 - (size_t)length)) > 0) {
        length += got;
        if (!sent && memchr(text, '\n', (size_t)length)) {
            sent = true;
            kill(pid, SIGINT);
        }
    }
    text[length] = 0;
    close(out[0]);
    waitpid(pid, &status, 0);
    length = (ssize_t)text_unix(text, (size_t)length);
    assert_string_equal(text, "press Ctrl+C\nhandlers were called in the order 21\n");
    assert_int_equal(status, 0);
}

/* ---- the lesson --------------------------------------------------------------------------------------------- */

/* Every number becomes #, and blanks one: what is left is what is told. */
static char *numbers_out(const char *text)
{
    char *out = malloc(strlen(text) + 1), *to = out;
    while (out && *text) {
        bool hex = text[0] == '0' && text[1] == 'x', begins = to == out || !(isalnum((unsigned char)to[-1]) || to[-1] == '_' || to[-1] == '.');
        if (begins && (hex || isdigit((unsigned char)*text))) {
            text += hex ? 2 : 0;
            while (hex ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text))
                text++;
            *to++ = '#';
        } else if (*text == ' ' && to > out && to[-1] == ' ')
            text++;
        else
            *to++ = *text++;
    }
    if (out)
        *to = 0;
    return out;
}

static uint64_t objdump_entry(const char *path)
{
    const char *const arguments[] = {OBJDUMP, "-p", path, NULL};
    struct process process;
    uint64_t base = 0, entry = 0;
    run(&process, arguments, 0);
    char *rest = process.output, *line;
    while ((line = strsep(&rest, "\n")))
        if (sscanf(line, "ImageBase %" SCNx64, &base) != 1)
            (void)!sscanf(line, "AddressOfEntryPoint %" SCNx64, &entry);
    process_free(&process);
    return base + entry;
}

static void steps_are_told(void **state)
{
    const char *machine = *state;
    char path[128], golden[128], entry[64], reg[64];
    const char *const arguments[] = {PELOAD, "run", "--steps", path, NULL};
    struct process process;
    size_t size;
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/nocrt_kernel32.exe", machine);
    snprintf(golden, sizeof golden, "tests/samples/steps.%s.txt", machine);
    run(&process, arguments, 7);
    char *told = numbers_out(process.errors), *expected = text_read(golden, &size);
    if (!expected || strcmp(told, expected))
        fprintf(stderr, "expected %s\n%s\ngot\n%s\n", golden, expected ? expected : "", told);
    assert_non_null(expected);
    assert_string_equal(told, expected);
    bool wide = !strcmp(machine, "x64");
    snprintf(entry, sizeof entry, " = 0x%0*" PRIx64 "\n", wide ? 16 : 8, objdump_entry(path));
    snprintf(reg, sizeof reg, "%s 0x%0*" PRIx64 " ", wide ? "rcx" : "eax", wide ? 16 : 8, objdump_entry(path));
    assert_non_null(strstr(process.errors, entry));
    assert_non_null(strstr(process.errors, reg));
    free(told);
    free(expected);
    process_free(&process);
}

int main(int count, char **words)
{
    static char x64[] = "x64", x86[] = "x86";
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ps_tells_who_created_whom), cmocka_unit_test(ps_survives_a_killed_member),
        cmocka_unit_test(inherited_handles_are_one_object), cmocka_unit_test(others_are_refused),
        cmocka_unit_test(another_user_is_kept_out), cmocka_unit_test(every_handle_is_closed),
        cmocka_unit_test(tables_are_told_before_the_end), cmocka_unit_test_prestate(steps_are_told, x64),
        cmocka_unit_test(tables_are_told_as_json), cmocka_unit_test(control_events_reach_handlers), cmocka_unit_test(the_key_is_a_signal),
    };
    static const struct CMUnitTest narrow[] = {cmocka_unit_test_prestate(steps_are_told, x86)};
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    if (count > 1)
        cmocka_set_test_filter(words[1]);
    int failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
    if (!access(TEST_BUILD "/peload32", X_OK))
        failed += cmocka_run_group_tests_name("session, x86", narrow, NULL, NULL);
    return failed ? 1 : 0;
}
