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

enum { RUNS = 41, OWN_RUNS = 11, WARM_UPS = 3, SECONDS_PER_RUN = 60 };

/* One side of a comparison. */
struct side {
    const char *name;
    const char *argv[8];
    double wall[RUNS]; /* ms */
    double cpu[RUNS];  /* ms, user and system */
    long resident;     /* KiB, the greatest of all runs */
    long faults;       /* pages that were touched for the first time, of the last run */
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
    side->faults = usage.ru_minflt;
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
        printf("  %-24s wall %7.2f ms   cpu %7.2f ms   resident %6.2f MiB   page faults %ld\n", sides[i]->name, median(sides[i]->wall),
               median(sides[i]->cpu), (double)sides[i]->resident / 1024, sides[i]->faults);
    printf("  ratio %s : %s = %.2f, of processor time %.2f   (%s)\n", a->name, b->name, median(a->wall) / median(b->wall),
           median(a->cpu) / median(b->cpu), goal);
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

/* Rows that a guest measures by itself: samples/MACHINE/PROGRAM.exe prints lines "key value", and each line of `own_rows`
 * says which key is meant, in which unit, and what is hoped for. Rows of one program stand together: it runs once for all. */
struct own_row {
    const char *program, *key, *unit, *goal;
};

static const struct own_row own_rows[] = {
    {"bench_relocations", "time_ratio", "times the floor", "200,000 relocations: goal 1.2"},
    {"bench_binding", "import_ns", "ns an import", "2,000 imports: goal under 100"},
    {"bench_event", "event_ns", "ns", "SetEvent + WaitForSingleObject: goal under 1000"},
    {"bench_event", "ping_pong_ns", "ns", "two threads, one event each way"},
    {"bench_calls", "handle_ns", "ns", "event made and closed: goal under 300"},
    {"bench_calls", "heap_ns", "ns", "HeapAlloc + HeapFree"},
    {"bench_calls", "memory_ns", "ns", "VirtualAlloc + VirtualFree of 64 KiB"},
    {"bench_calls", "file_ns", "ns", "file opened and closed"},
    {"bench_calls", "thread_ns", "ns", "thread made and ended"},
    {"bench_calls", "library_ns", "ns", "LoadLibrary + FreeLibrary of a small DLL"},
};
enum { OWN_ROWS = sizeof own_rows / sizeof own_rows[0] };

/* The number behind the key at the beginning of a line. */
static bool value_find(const char *text, const char *key, double *value)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, length) && line[length] == ' ') {
            *value = strtod(line + length, NULL);
            return true;
        }
    }
    return false;
}

/* All rows of the program that row `first` names; returns the row behind them. */
static size_t print_own_rows(const char *peload, const char *build, const char *machine, size_t first)
{
    static double values[OWN_ROWS][RUNS];
    char path[4096], text[4096];
    const char *program = own_rows[first].program;
    size_t end = first;
    while (end < OWN_ROWS && !strcmp(own_rows[end].program, program))
        end++;
    snprintf(path, sizeof path, "%s/samples/%s/%s.exe", build, machine, program);
    if (access(path, R_OK) != 0) {
        printf("  %-18s skipped: not built\n", program);
        return end;
    }
    struct side side = {.name = program, .argv = {peload, "run", path}};
    for (int run = 0; run < OWN_RUNS; run++) {
        double wall, cpu;
        if (!run_once(&side, &wall, &cpu, text, sizeof text)) {
            printf("  %-18s does not run\n", program);
            return end;
        }
        for (size_t row = first; row < end; row++)
            if (!value_find(text, own_rows[row].key, &values[row][run])) {
                printf("  %-18s prints no \"%s\"\n", program, own_rows[row].key);
                return end;
            }
    }
    for (size_t row = first; row < end; row++) {
        double *measured = values[row];
        qsort(measured, OWN_RUNS, sizeof *measured, compare_doubles);
        printf("  %-18s %9.2f %-16s (%s)\n", program, measured[OWN_RUNS / 2], own_rows[row].unit, own_rows[row].goal);
    }
    return end;
}

/* The stress samples, once each: how long what they do takes. */
static void print_stress(const char *peload, const char *build, const char *machine)
{
    static const struct { const char *program, *count, *what; } rows[] = {
        {"stress_threads", "10000", "10,000 threads one after another, 200 at once"},
        {"stress_events", "100000", "100,000 events, twice"},
        {"stress_library", "100000", "LoadLibrary + FreeLibrary 100,000 times"},
        {"stress_data", "", "100 MB of data, two pages touched"},
        {"stress_files", "20000", "20,000 files in a folder"},
        {"stress_mixed", "150", "6 threads x 150 x (load, thread, throw, free)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[4096];
        double wall, cpu;
        snprintf(path, sizeof path, "%s/samples/%s/%s.exe", build, machine, rows[i].program);
        struct side side = {.name = rows[i].program, .argv = {peload, "run", path, rows[i].count}};
        if (access(path, R_OK) != 0 || !run_once(&side, &wall, &cpu, NULL, 0))
            printf("  %-18s does not run\n", rows[i].program);
        else
            printf("  %-18s %7.2f s   resident %6.2f MiB   (%s)\n", rows[i].program, wall / 1000,
                   (double)side.resident / 1024, rows[i].what);
    }
}

/* What happens between processes: samples/bench_process.c under both, in turn. Of the first three more is worse. */
static void print_processes(const char *peload, const char *build, const char *machine)
{
    enum { KEYS = 4, PROCESS_RUNS = 3 };
    static const struct { const char *key, *unit, *what, *goal; bool more_is_better; } keys[KEYS] = {
        {"process_ms", "ms", "a child created, ended, waited for", "goal: ratio above 5", false},
        {"ping_pong_ns", "ns", "SetEvent and wait, there and back", "goal: ratio above 10", false},
        {"handle_ns", "ns", "event made and closed", "goal: under 300 ns", false},
        {"pipe_rate", "MiB/s", "through a pipe, pieces of 64 KiB", "more is better", true},
    };
    static const char *const lanes[] = {"--lane=native", "--lane=os"}, *const programs[] = {"bench_process", "bench_calls"};
    static double values[2][KEYS][RUNS];
    char path[2][4096], text[2][4096];
    int count = 2;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/samples/%s/%s.exe", build, machine, programs[i]);
    printf("%s: between processes, medians of %d runs, peload and Wine in turn\n", machine, PROCESS_RUNS);
    for (int run = -1; run < PROCESS_RUNS; run++) /* the first one warms Wine's server up */
        for (int lane = 0; lane < count; lane++) {
            double wall, cpu;
            for (int i = 0; i < 2; i++) {
                struct side side = {.name = lanes[lane], .argv = {peload, "spawn", lanes[lane], path[i]}};
                if (run_once(&side, &wall, &cpu, text[i], sizeof text[i]))
                    continue;
                printf("  %s does not run%s\n", programs[i], lane ? " under Wine: no ratios" : ": rows left out");
                if (!lane)
                    return;
                count = 1;
                break;
            }
            for (int key = 0; key < KEYS && run >= 0 && lane < count; key++)
                if (!value_find(text[0], keys[key].key, &values[lane][key][run]) && !value_find(text[1], keys[key].key, &values[lane][key][run])) {
                    printf("  %s: no \"%s\" in one run: %s\n", strchr(lanes[lane], '=') + 1, keys[key].key,
                           lane ? "no ratios" : "rows left out");
                    if (!lane)
                        return;
                    count = 1;
                }
        }
    for (int key = 0; key < KEYS; key++) {
        double middle[2] = {0, 0};
        for (int lane = 0; lane < count; lane++) {
            qsort(values[lane][key], PROCESS_RUNS, sizeof(double), compare_doubles);
            middle[lane] = values[lane][key][PROCESS_RUNS / 2];
        }
        printf("  %-36s %10.2f %-5s", keys[key].what, middle[0], keys[key].unit);
        if (count == 2)
            printf("  Wine %10.2f   ratio %6.1f", middle[1], keys[key].more_is_better ? middle[0] / middle[1] : middle[1] / middle[0]);
        printf("   (%s)\n", keys[key].goal);
    }
}

static void print_wine(const char *peload, const char *build, const char *hello)
{
    const char *wine = find_wine();
    printf("the same EXE under Wine, its server warm\n");
    if (wine == NULL) {
        printf("  skipped: Wine is not installed\n");
        return;
    }
    char prefix[4096 + 16];
    char *folder = realpath(build, NULL);
    snprintf(prefix, sizeof prefix, "%s/bench/wine-prefix", folder != NULL ? folder : "/tmp");
    free(folder);
    setenv("WINEPREFIX", prefix, 1); /* not the user's own */
    setenv("WINEDEBUG", "-all", 0);
    setenv("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=", 0);
    unsetenv("DISPLAY");
    struct side ours = {.name = "peload run hello.exe", .argv = {peload, "run", hello}};
    struct side other = {.name = "wine hello.exe", .argv = {wine, hello}};
    print_comparison(&ours, &other, "smaller is better");
}

/* Load and free of one DLL in one process, three ways in turn; the sample does the measuring. */
static void print_lanes(const char *peload, const char *build, const char *machine)
{
    static const struct { const char *key, *what; bool has_goal; } rows[] = {
        {"small", "a small DLL", false}, {"relocations", "200,000 relocations at a taken base", true}, {"imports", "2,000 imports", false},
    };
    static const char *const ways[] = {"ours", "system", "floor"};
    char path[4096], text[4096], key[64];
    double wall, cpu, time[3];
    snprintf(path, sizeof path, "%s/samples/%s/bench_lanes.exe", build, machine);
    struct side side = {.name = "bench_lanes", .argv = {peload, "spawn", "--lane=win32", path}};
    printf("%s: load and free of a DLL on Wine's system DLLs: by hand (lane win32), by its LoadLibrary, and the floor\n", machine);
    if (!run_once(&side, &wall, &cpu, text, sizeof text)) {
        printf("  skipped: no Wine that runs it (`make deps-wine`)\n");
        return;
    }
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t i = 0; i < 3; i++) {
            snprintf(key, sizeof key, "%s_%s_us", rows[row].key, ways[i]);
            if (!value_find(text, key, &time[i])) {
                printf("  bench_lanes prints no \"%s\"\n", key);
                return;
            }
        }
        printf("  %-36s %7.1f us by hand %7.1f us LoadLibrary %7.1f us floor\n", rows[row].what, time[0], time[1], time[2]);
        printf("  %-36s %.2f times LoadLibrary (goal: under 1), %.2f times the floor%s\n", "", time[0] / time[1], time[0] / time[2],
               rows[row].has_goal ? " (goal: 1.2)" : "");
    }
}

/* The private Wine's folders are found by peload itself; its prefix is the build folder's. */
static void prefix_set(const char *build)
{
    char prefix[4096 + 16];
    char *folder = realpath(build, NULL);
    snprintf(prefix, sizeof prefix, "%s/bench/wine", folder != NULL ? folder : "/tmp");
    free(folder);
    setenv("PELOAD_WINEPREFIX", prefix, 0);
}

int main(int argc, char **argv)
{
    static const struct { const char *machine, *elf; } machines[] = {{"x64", "elf_hello"}, {"x86", "elf_hello32"}};
    const char *build = argc > 1 ? argv[1] : "build";
    char peload[4096], drive[4096];
    setvbuf(stdout, NULL, _IOLBF, 0); /* it takes minutes: each line as it comes, also into a file */
    snprintf(peload, sizeof peload, "%s/peload", build);
    snprintf(drive, sizeof drive, "%s/bench/drive_c", build);
    setenv("PELOAD_DRIVE_C", drive, 0);
    prefix_set(build);
    printf("medians of %d runs, each side in turn\n", RUNS);
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        const char *machine = machines[i].machine;
        char hello[4096], elf[4096], name[64];
        snprintf(hello, sizeof hello, "%s/samples/%s/hello.exe", build, machine);
        snprintf(elf, sizeof elf, "%s/bench/%s", build, machines[i].elf);
        snprintf(name, sizeof name, "%s (dynamic)", machines[i].elf);
        printf("%s: one EXE against one ELF program of the same bitness, from nothing to its end\n", machine);
        if (access(elf, X_OK) != 0) {
            printf("  skipped: the 32-bit host is not built\n");
            continue;
        }
        struct side ours = {.name = "peload run hello.exe", .argv = {peload, "run", hello}};
        struct side native = {.name = name, .argv = {elf}};
        print_comparison(&ours, &native, "goal: under 2.5, and under 6 MiB resident");
        struct side again = {.name = ours.name, .argv = {peload, "run", hello}};
        struct side anew = {.name = "peload run --no-cache", .argv = {peload, "run", "--no-cache", hello}};
        print_comparison(&again, &anew, "what is kept from run to run saves this much");
        if (i == 0)
            print_wine(peload, build, hello);
        printf("%s: what a guest measures by itself, medians of %d runs\n", machine, OWN_RUNS);
        for (size_t row = 0; row < OWN_ROWS;)
            row = print_own_rows(peload, build, machine, row);
        print_processes(peload, build, machine);
        printf("%s: much of one thing, once\n", machine);
        print_stress(peload, build, machine);
        print_lanes(peload, build, machine);
    }
    return 0;
}
