/* Every row of tests/samples/stress.txt, on each machine that is built: the run ends, its exit code is right, and between
 * its marks it has gained nothing. */
#include "tests/support/process.h"

#include <ctype.h>
#include <dirent.h>
#include <poll.h>
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
#define TABLE "tests/samples/stress.txt"

enum { FIELDS = 5, ROWS = 100, WORDS = 8, MAPPINGS_GAINED = 24 };

struct row { char *name, *arguments, *holds, *limits, *title; const char *machine; bool any_exit; uint32_t exit; };

/* What a process has at one moment. */
struct holding { long descriptors, threads, mappings, resident; /* KiB */ };

struct run {
    pid_t id;
    int input, output;
    char status_file[64], errors_file[64];
    char *text;          /* malloc'd: all output */
    size_t size;
    struct holding first, last;
    unsigned marks;
    bool timed_out;
    int status;
};

/* ---- the table ------------------------------------------------------------------------------------ */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return text;
}

static bool row_take(char *line, struct row *row)
{
    char *fields[FIELDS];
    line = trim(line);
    if (!*line || *line == '#')
        return false;
    for (unsigned i = 0; i < FIELDS; i++) {
        char *field = strsep(&line, "|");
        assert_non_null(field);
        fields[i] = trim(field);
    }
    assert_null(line);
    *row = (struct row){.name = fields[0], .arguments = fields[1], .holds = fields[3], .limits = fields[4]};
    row->any_exit = !strcmp(fields[2], "*");
    row->exit = (uint32_t)strtoul(fields[2], NULL, 0);
    return true;
}

/* The number behind "word=" in the limits; 0: there is none. */
static long limit(const struct row *row, const char *word)
{
    const char *at = strstr(row->limits, word);
    return at ? strtol(at + strlen(word), NULL, 10) : 0;
}

/* ---- a process from outside ----------------------------------------------------------------------- */

static long entries(pid_t id, const char *folder)
{
    char path[64];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)id, folder);
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static struct holding holding_of(pid_t id)
{
    struct holding now = {.descriptors = entries(id, "fd"), .threads = entries(id, "task")};
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)id);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        now.mappings++;
    if (file)
        fclose(file);
    snprintf(path, sizeof path, "/proc/%d/status", (int)id);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmRSS: %ld", &now.resident);
    if (file)
        fclose(file);
    return now;
}

static void start(struct run *run, const struct row *row)
{
    int input[2], output[2];
    char *words = strdup(row->arguments), *rest = words, *word, path[4096];
    const char *arguments[WORDS + 6] = {PELOAD, "run", "--status-file", run->status_file, path};
    unsigned count = 5;
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/%s.exe", row->machine, row->name);
    snprintf(run->status_file, sizeof run->status_file, TEST_BUILD "/tests/stress-%d", (int)getpid());
    snprintf(run->errors_file, sizeof run->errors_file, TEST_BUILD "/tests/stress-errors-%d", (int)getpid());
    while (strcmp(row->arguments, "-") && (word = strsep(&rest, " ")) && count < WORDS + 5)
        if (*word)
            arguments[count++] = word;
    unlink(run->status_file);
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(output), 0);
    run->id = fork();
    if (run->id == 0) {
        setpgid(0, 0);
        if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0 || !freopen(run->errors_file, "w", stderr))
            _exit(125);
        close(input[0]), close(input[1]), close(output[0]), close(output[1]);
        execv(PELOAD, (char *const *)arguments);
        _exit(126);
    }
    free(words);
    close(input[0]);
    close(output[1]);
    run->input = input[1];
    run->output = output[0];
}

/* One thread more is the host's own, which moves the guest's clock; it comes when a process has lived for a while. A
 * few mappings are arenas of the host's heap, one for each thread that needed one. */
static bool has_gained(const struct holding *first, const struct holding *last)
{
    return last->descriptors > first->descriptors || last->threads > first->threads + 1 ||
           last->mappings > first->mappings + MAPPINGS_GAINED;
}

/* Threads that have ended leave a moment later; how long a moment is depends on the machine. */
static struct holding holding_settled(const struct run *run)
{
    struct holding now = holding_of(run->id), before;
    int calm = 0;
    for (int i = 0; i < 200 && (calm < 3 || (run->marks && has_gained(&run->first, &now))); i++) {
        before = now;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        now = holding_of(run->id);
        calm = now.threads == before.threads && now.descriptors == before.descriptors && now.mappings == before.mappings ? calm + 1 : 0;
    }
    return now;
}

/* Counts the marks in what has come, looks at the process at each, and lets it go on. */
static void marks_answer(struct run *run)
{
    unsigned marks = 0;
    for (const char *at = run->text; (at = strstr(at, "mark")); at += 4)
        marks += (at == run->text || at[-1] == '\n') && (at[4] == '\r' || at[4] == '\n');
    for (; run->marks < marks; run->marks++) {
        run->last = holding_settled(run);
        if (!run->marks)
            run->first = run->last;
        if (write(run->input, "\n", 1) != 1)
            return;
    }
}

static void follow(struct run *run, long seconds)
{
    struct pollfd ready = {.fd = run->output, .events = POLLIN};
    time_t end = time(NULL) + seconds;
    run->text = calloc(1, 1);
    for (;;) {
        char piece[4096];
        int left = (int)(end - time(NULL)) * 1000;
        if (left <= 0 || poll(&ready, 1, left) <= 0) {
            run->timed_out = true;
            break;
        }
        ssize_t got = read(run->output, piece, sizeof piece);
        if (got <= 0)
            break;
        run->text = realloc(run->text, run->size + (size_t)got + 1);
        assert_non_null(run->text);
        memcpy(run->text + run->size, piece, (size_t)got);
        run->text[run->size += (size_t)got] = 0;
        marks_answer(run);
    }
    if (run->timed_out)
        kill(-run->id, SIGKILL);
    assert_int_equal(waitpid(run->id, &run->status, 0), run->id);
    close(run->input);
    close(run->output);
}

/* ---- the test ------------------------------------------------------------------------------------- */

static void outcome_check(const struct row *row, const struct run *run, const char *errors)
{
    size_t size;
    if (run->timed_out)
        fail_msg("did not end in time; it wrote:\n%s%s", run->text, errors);
    if (!WIFEXITED(run->status))
        fail_msg("ended by signal %d; it wrote:\n%s%s", WTERMSIG(run->status), run->text, errors);
    if (strstr(errors, "internal fault") || strstr(errors, "assertion"))
        fail_msg("peload's own fault:\n%s", errors);
    char *status = text_read(run->status_file, &size);
    if (!status || !size)
        fail_msg("no exit code; it wrote:\n%s%s", run->text, errors);
    if (!row->any_exit && strtoul(status, NULL, 10) != row->exit)
        fail_msg("exit code %sexpected 0x%08X; it wrote:\n%s%s", status, row->exit, run->text, errors);
    free(status);
}

static void holds_check(const struct row *row, const struct run *run)
{
    char *copy = strdup(row->holds), *rest = copy, *piece;
    while (strcmp(row->holds, "-") && (piece = strsep(&rest, ";")))
        if (!strstr(run->text, trim(piece)))
            fail_msg("\"%s\" is missing in:\n%s", trim(piece), run->text);
    free(copy);
}

static void marks_check(const struct row *row, const struct run *run)
{
    const struct holding *first = &run->first, *last = &run->last;
    if (!run->marks)
        return;
    if (has_gained(first, last))
        fail_msg("descriptors %ld to %ld, threads %ld to %ld, mappings %ld to %ld", first->descriptors, last->descriptors,
                 first->threads, last->threads, first->mappings, last->mappings);
    if (limit(row, "grow=") && last->resident > first->resident + limit(row, "grow="))
        fail_msg("resident memory grew from %ld to %ld KiB", first->resident, last->resident);
    if (limit(row, "resident=") && last->resident > limit(row, "resident=") * 1024)
        fail_msg("%ld KiB are resident", last->resident);
}

static void row_runs(void **state)
{
    const struct row *row = *state;
    struct run run = {0};
    size_t size;
    signal(SIGPIPE, SIG_IGN);
    start(&run, row);
    follow(&run, limit(row, "seconds="));
    char *errors = text_read(run.errors_file, &size);
    outcome_check(row, &run, errors ? errors : "");
    holds_check(row, &run);
    marks_check(row, &run);
    free(errors);
    free(run.text);
    unlink(run.status_file);
    unlink(run.errors_file);
}

int main(void)
{
    static struct row rows[2 * ROWS];
    static struct CMUnitTest tests[2 * ROWS];
    size_t size, count = 0;
    char *table = text_read(TABLE, &size), *rest = table, *line;
    bool has_32 = !access(TEST_BUILD "/peload32", X_OK);
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    while (table && (line = strsep(&rest, "\n")) && count + 2 < 2 * ROWS) {
        struct row row;
        if (!row_take(line, &row))
            continue;
        for (int machine = 0; machine <= has_32; machine++) {
            row.machine = machine ? "x86" : "x64";
            if (asprintf(&row.title, "%s %s %s", row.machine, row.name, row.arguments) < 0)
                return 1;
            rows[count] = row;
            tests[count] = (struct CMUnitTest){row.title, row_runs, NULL, NULL, &rows[count]};
            count++;
        }
    }
    if (count < 20) {
        fprintf(stderr, TABLE ": %zu rows\n", count);
        return 1;
    }
    return _cmocka_run_group_tests("stress", tests, count, NULL, NULL) ? 1 : 0;
}
