/* Times whole runs of programs in turn (A, B, A, B, ...), so that what disturbs the machine disturbs both, and prints
 * ratios of medians. A goal stands beside its ratio and is never asserted: a busy machine is no fault of the code.
 *   bench BUILD-FOLDER */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 41, WARM_UPS = 3, SECONDS_PER_RUN = 60 };

/* One side of a comparison. */
struct side {
    const char *name;
    const char *argv[8];
    double wall[RUNS]; /* ms */
    double cpu[RUNS];  /* ms, user and system */
    long resident;     /* KiB, the greatest of all runs */
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double timeval_ms(struct timeval time)
{
    return (double)time.tv_sec * 1e3 + (double)time.tv_usec / 1e3;
}

/* The resident size never reads below this program's own: until execve, a child of vfork is counted with it.
 * A pipe and not /dev/null takes the output: on a character device the C run-time writes byte by byte. */
static bool run_once(struct side *side, double *wall, double *cpu, char *text, size_t room)
{
    int out[2], quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (quiet < 0 || pipe2(out, O_CLOEXEC) != 0)
        return false;
    double begin = now_ms();
    pid_t child = vfork();
    if (child == 0) {
        dup2(out[1], 1);
        dup2(quiet, 2);
        alarm(SECONDS_PER_RUN); /* survives execve and ends a run that hangs */
        execv(side->argv[0], (char *const *)side->argv);
        _exit(127);
    }
    close(out[1]);
    close(quiet);
    if (child < 0) {
        close(out[0]);
        return false;
    }
    size_t filled = 0;
    char piece[4096];
    for (ssize_t n; (n = read(out[0], piece, sizeof piece)) > 0;)
        for (ssize_t i = 0; i < n && filled + 1 < room; i++)
            text[filled++] = piece[i];
    if (room > 0)
        text[filled] = '\0';
    close(out[0]);

    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child)
        return false;
    *wall = now_ms() - begin;
    *cpu = timeval_ms(usage.ru_utime) + timeval_ms(usage.ru_stime);
    if (usage.ru_maxrss > side->resident)
        side->resident = usage.ru_maxrss;
    return WIFEXITED(status) && WEXITSTATUS(status) < 125;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[RUNS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, RUNS, sizeof sorted[0], compare_doubles);
    return sorted[RUNS / 2];
}

static bool measure(struct side *a, struct side *b)
{
    struct side *sides[2] = {a, b};
    for (int run = -WARM_UPS; run < RUNS; run++) {
        for (int i = 0; i < 2; i++) {
            double wall, cpu;
            if (!run_once(sides[i], &wall, &cpu, NULL, 0)) {
                printf("  %s does not run: row left out\n", sides[i]->name);
                return false;
            }
            if (run >= 0) {
                sides[i]->wall[run] = wall;
                sides[i]->cpu[run] = cpu;
            }
        }
        if (run < 0)
            a->resident = b->resident = 0;
    }
    return true;
}

static void print_comparison(struct side *a, struct side *b, const char *goal)
{
    if (!measure(a, b))
        return;
    struct side *sides[2] = {a, b};
    for (int i = 0; i < 2; i++)
        printf("  %-24s wall %7.2f ms   cpu %7.2f ms   resident %6.2f MiB\n", sides[i]->name, median(sides[i]->wall),
               median(sides[i]->cpu), (double)sides[i]->resident / 1024);
    printf("  ratio %s : %s = %.2f   (%s)\n", a->name, b->name, median(a->wall) / median(b->wall), goal);
}

/* The first of these programs that is installed, or NULL. */
static const char *find_wine(void)
{
    static const char *const places[] = {"/usr/lib/wine/wine64", "/usr/bin/wine", "/usr/local/bin/wine"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* Rows that a guest measures by itself: build/samples/x64/bench_NAME.exe prints lines "key value", and each line of
 * `own_rows` says which key is meant, in which unit, and what is hoped for. */
struct own_row {
    const char *program, *key, *unit, *goal;
};

static const struct own_row own_rows[] = {
    {"bench_relocations", "ratio", "times the floor", "200,000 relocations: goal 1.2"},
    {"bench_binding", "nanoseconds", "ns an import", "2,000 imports: goal under 100"},
    {"bench_event", "nanoseconds", "ns", "SetEvent + WaitForSingleObject: goal under 1000"},
};

static void print_own_row(const char *peload, const char *build, const struct own_row *row)
{
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/samples/x64/%s.exe", build, row->program);
    if (access(path, R_OK) != 0) {
        printf("  %-24s skipped: not built   (%s)\n", row->program, row->goal);
        return;
    }
    struct side side = {.name = row->program, .argv = {peload, "run", path}};
    double values[RUNS], wall, cpu;
    size_t key_length = strlen(row->key);
    for (int run = 0; run < RUNS; run++) {
        if (!run_once(&side, &wall, &cpu, text, sizeof text)) {
            printf("  %-24s does not run\n", row->program);
            return;
        }
        const char *line = strstr(text, row->key);
        if (line == NULL) {
            printf("  %-24s prints no \"%s\"\n", row->program, row->key);
            return;
        }
        values[run] = strtod(line + key_length, NULL);
    }
    printf("  %-24s %8.2f %s   (%s)\n", row->program, median(values), row->unit, row->goal);
}

int main(int argc, char **argv)
{
    const char *build = argc > 1 ? argv[1] : "build";
    char peload[4096], hello[4096], elf[4096];
    snprintf(peload, sizeof peload, "%s/peload", build);
    snprintf(hello, sizeof hello, "%s/samples/x64/hello.exe", build);
    snprintf(elf, sizeof elf, "%s/bench/elf_hello", build);
    printf("medians of %d runs, each side in turn\n", RUNS);

    printf("one EXE against one ELF program, from nothing to its end\n");
    struct side ours = {.name = "peload run hello.exe", .argv = {peload, "run", hello}};
    struct side native = {.name = "elf_hello (dynamic)", .argv = {elf}};
    print_comparison(&ours, &native, "goal: under 2.5, and under 6 MiB resident");

    printf("the same EXE under Wine, its server warm\n");
    const char *wine = find_wine();
    if (wine == NULL) {
        printf("  skipped: Wine is not installed\n");
    } else {
        char prefix[4096 + 16];
        char *folder = realpath(build, NULL);
        snprintf(prefix, sizeof prefix, "%s/bench/wine-prefix", folder != NULL ? folder : "/tmp");
        free(folder);
        setenv("WINEPREFIX", prefix, 1); /* not the user's own */
        setenv("WINEDEBUG", "-all", 0);
        setenv("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=", 0);
        unsetenv("DISPLAY");
        struct side again = {.name = "peload run hello.exe", .argv = {peload, "run", hello}};
        struct side other = {.name = "wine hello.exe", .argv = {wine, hello}};
        print_comparison(&again, &other, "smaller is better");
    }

    printf("what a guest measures by itself\n");
    for (size_t i = 0; i < sizeof own_rows / sizeof own_rows[0]; i++)
        print_own_row(peload, build, &own_rows[i]);
    return 0;
}
