/* `peload compare`: two snapshots, taken now or saved; and a whole folder of programs. */
#include "loader/cli/linux/x64/compare_page.h"
#include "loader/cli/linux/x64/inspect.h"
#include "loader/cli/output.h"
#include "loader/inspect/compare/compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Examples\n"
    "  peload compare hello.exe one                         native beside the best second lane at hand\n"
    "  peload compare --lanes=native,reference --only=data hello.exe\n"
    "  peload compare --json hello.exe >differences.json    as loader/inspect/comparison.schema.json describes it\n"
    "  peload compare a.json b.json                         two saved snapshots (`peload snapshot`)\n"
    "  peload compare --all build/samples/x64               every program of a folder\n"
    "\n"
    "Usage: peload compare [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "       peload compare [OPTIONS] SNAPSHOT SNAPSHOT\n"
    "       peload compare [OPTIONS] --all FOLDER\n"
    "\n"
    "  --lanes=A,B          two of native, reference, os and win32 (these two under Wine, at the entry point)\n"
    "  --at=MOMENT          as for `snapshot` (default entry)\n"
    "  --only=CLASS         tell only differences of this class (unexplained, data, iat, base, relocation, ...)\n"
    "  --json               the comparison as JSON; with --all one line a program\n"
    "  --html=PAGE          both lanes and their differences as one page to look at; not with --all\n"
    "  --expect=FILE        differences that are expected, each with its reason (default: compare.expect beside FILE)\n"
    "  --no-expect          without that file\n"
    "  --timeout=SECONDS    a program is ended then (default 30, with --all 120; 0: never): class `time_limit`\n"
    "  --env=NAME=VALUE --dll-path=FOLDER --occupy          as for `snapshot`\n"
    "\n"
    "Modules are matched by name and addresses rebased. Each difference has a class, by a rule that checked it; what no rule\n"
    "explains is `unexplained` and told first. Exit status: 0 none unexplained, 1 some, 125 wrong use or a fault of the\n"
    "machine, 126 no snapshot can be had of FILE, 127 FILE is not there.\n";

enum { OPTION_LANES = 256, OPTION_AT, OPTION_ONLY, OPTION_JSON, OPTION_DLL_PATH, OPTION_TIMEOUT, OPTION_OCCUPY, OPTION_ALL, OPTION_HTML,
       OPTION_EXPECT, OPTION_NO_EXPECT, OPTION_ENV };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"lanes", required_argument, NULL, OPTION_LANES},
    {"at", required_argument, NULL, OPTION_AT},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"json", no_argument, NULL, OPTION_JSON},
    {"dll-path", required_argument, NULL, OPTION_DLL_PATH},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"occupy", no_argument, NULL, OPTION_OCCUPY},
    {"all", required_argument, NULL, OPTION_ALL},
    {"html", required_argument, NULL, OPTION_HTML},
    {"expect", required_argument, NULL, OPTION_EXPECT},
    {"no-expect", no_argument, NULL, OPTION_NO_EXPECT},
    {"env", required_argument, NULL, OPTION_ENV},
    {0},
};

struct wish {
    struct cli_snapshot snapshot;
    char lanes[2][16];
    enum compare_class only;
    bool json, no_expect;
    const char *folder, *page;
    struct expectations expectations;
    char *beside;                /* the file that they were taken from, as it lies beside the program; NULL: others, or none */
};

static int wrong(const char *what, const char *word)
{
    cli_say("%s: %s", what, word);
    return cli_usage("compare");
}

/* ---- text ---- */

static void cell(const char *text, int width)
{
    int used = output_foreign(stdout, text ? text : "-", strlen(text ? text : "-"), width);
    for (; used < width; used++)
        putchar(' ');
}

static void verdict_tell(const struct comparison *comparison, const char *expected)
{
    const struct document *a = &comparison->a, *b = &comparison->b;
    unsigned unexplained = comparison->counts[CLASS_UNEXPLAINED];
    bool colour = cli_colours(stdout);
    output_foreign(stdout, member_text(json_object_get(a->root, "file"), "path"), strlen(member_text(json_object_get(a->root, "file"), "path")), 0);
    printf("  %s beside %s, at %s: %s%zu differences, %u unexplained%s\n", a->lane, b->lane, a->at,
           colour ? unexplained ? "\033[31m" : "\033[32m" : "", comparison->count, unexplained, colour ? "\033[0m" : "");
    printf("  equal once rebased: %llu modules, %llu slots of import tables, %llu fix-ups, %llu ranges of rights, %llu bytes that are not the file's\n",
           (unsigned long long)comparison->matched.modules, (unsigned long long)comparison->matched.slots,
           (unsigned long long)comparison->matched.fixups, (unsigned long long)comparison->matched.ranges,
           (unsigned long long)comparison->matched.bytes);
    if (expected && comparison->counts[CLASS_EXPECTED]) {
        printf("  differences of the class expected are those that ");
        output_foreign(stdout, expected, strlen(expected), 0);
        printf(" names\n");
    }
}

/* Of an output: whole lines are to be read one below the other. */
static bool is_line(const struct difference *difference)
{
    return !difference->module && (!strncmp(difference->text, "stdout: ", 8) || !strncmp(difference->text, "stderr: ", 8));
}

static void line_tell(const struct difference *difference)
{
    const char *const sides[2] = {difference->a, difference->b};
    printf("    ");
    output_foreign(stdout, difference->text, strlen(difference->text), 0);
    putchar('\n');
    for (unsigned i = 0; i < 2; i++)
        if (sides[i]) {
            printf("      %c ", "-+"[i]);
            output_foreign(stdout, sides[i], strlen(sides[i]), 0);
            putchar('\n');
        }
}

static void differences_tell(const struct comparison *comparison, enum compare_class only)
{
    const char *last_class = NULL, *last_cause = "";
    for (size_t i = 0; i < comparison->count; i++) {
        const struct difference *difference = &comparison->list[i];
        const char *class = compare_class_name[difference->class];
        if (only != CLASS_COUNT && difference->class != only)
            continue;
        if (class != last_class)
            printf("\n%s (%u)\n", class, comparison->counts[difference->class]);
        if (difference->cause && (class != last_class || strcmp(difference->cause, last_cause)))
            printf("  because %s\n", difference->cause);
        last_class = class;
        last_cause = difference->cause ? difference->cause : "";
        char rva[24] = "";
        if (difference->has_rva)
            snprintf(rva, sizeof rva, "+0x%llx", (unsigned long long)difference->rva);
        if (is_line(difference)) {
            line_tell(difference);
            continue;
        }
        printf("    ");
        cell(difference->module ? difference->module : "process", 18);
        putchar(' ');
        cell(rva, 10);
        putchar(' ');
        if (difference->a || difference->b) {
            cell(difference->a, 24);
            putchar(' ');
            cell(difference->b, 24);
            putchar(' ');
        }
        output_foreign(stdout, difference->text, strlen(difference->text), 0);
        putchar('\n');
    }
}

/* ---- one comparison ---- */

static int tell(const struct comparison *comparison, const struct wish *wish)
{
    if (wish->json) {
        struct json json = {0};
        compare_write(comparison, wish->only, &json);
        bool good = !json.failed && fwrite(json.data, 1, json.length, stdout) == json.length;
        free(json.data);
        if (!good)
            return CLI_USAGE_OR_WORLD;
    } else {
        verdict_tell(comparison, wish->beside);
        differences_tell(comparison, wish->only);
    }
    if (fflush(stdout)) {
        cli_say("standard output cannot be written");
        return CLI_USAGE_OR_WORLD;
    }
    return comparison->counts[CLASS_UNEXPLAINED] ? 1 : 0;
}

static bool side_open(struct document *document, const char *name, const char *text, size_t length)
{
    char *why = NULL;
    if (document_open(document, text, length, &why))
        return true;
    cli_say("%s: %s", name, why ? why : "no memory");
    free(why);
    return false;
}

static int side_take(const struct wish *wish, unsigned side, struct document *document)
{
    struct cli_snapshot snapshot = wish->snapshot;
    struct json json = {0};
    snapshot.lane = wish->lanes[side];
    snapshot.quiet = true;
    int status = cli_snapshot_take(&snapshot, &json);
    if ((!status || status == CLI_NOT_LOADABLE) && json.length)
        status = side_open(document, snapshot.file, json.data, json.length) ? 0 : CLI_USAGE_OR_WORLD;
    free(json.data);
    return status;
}

static bool run_again(const struct wish *wish, unsigned side, struct comparison *comparison)
{
    struct document again = {0};
    if (side_take(wish, side, &again))
        return false;
    comparison->again[side] = json_incref(json_object_get(again.root, "output"));
    document_close(&again);
    return true;
}

/* Two lanes of one file. A program that both lanes refuse is compared by how. Where numbers of the output differ and nothing explains
 * them, each lane runs once more: what it does not say twice alike is no difference between lanes. */
static int lanes_compare(const struct wish *wish, struct comparison *comparison)
{
    int status = side_take(wish, 0, &comparison->a);
    if (!status)
        status = side_take(wish, 1, &comparison->b);
    if (status)
        return status;
    bool done = compare_documents(comparison);
    for (unsigned side = 0; side < 2 && done && compare_again_helps(comparison) && run_again(wish, side, comparison); side++) {
        compare_reset(comparison);
        done = compare_documents(comparison);
    }
    if (!done)
        cli_say("no memory");
    return done ? 0 : CLI_USAGE_OR_WORLD;
}

static int file_open(const char *path, struct document *document)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = CLI_NOT_LOADABLE;
    if (fd < 0 || fstat(fd, &facts) || !S_ISREG(facts.st_mode) || !facts.st_size) {
        cli_say("%s: %s", path, fd < 0 ? strerror(errno) : "not a file with something in it");
        status = fd < 0 && errno == ENOENT ? CLI_NOT_FOUND : CLI_NOT_LOADABLE;
    } else {
        void *text = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text != MAP_FAILED) {
            status = side_open(document, path, text, (size_t)facts.st_size) ? 0 : CLI_NOT_LOADABLE;
            munmap(text, (size_t)facts.st_size);
        }
    }
    if (fd >= 0)
        close(fd);
    return status;
}

static int finish(struct comparison *comparison, const struct wish *wish)
{
    return !wish->page || cli_compare_page(wish->page, comparison) ? tell(comparison, wish) : CLI_USAGE_OR_WORLD;
}

/* Once for a folder: all its programs share the file beside them. */
static int expectations_open(struct wish *wish, const char *program)
{
    wish->beside = wish->no_expect || wish->expectations.count ? NULL : cli_expectations_beside(program);
    return wish->beside ? cli_expectations_take(wish->beside, &wish->expectations) : 0;
}

/* ---- a folder ---- */

/* Told apart without a word: a folder has other things in it too. */
static bool is_program(const char *path)
{
    struct pe_image image;
    struct pe_error ignored = {0};
    struct stat facts;
    const char *dot = strrchr(path, '.');
    int fd = dot && !strcasecmp(dot, ".exe") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool program = false;
    if (fd >= 0 && !fstat(fd, &facts) && S_ISREG(facts.st_mode) && facts.st_size) {
        void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            program = pe_open(&image, (struct pe_span){bytes, (uint64_t)facts.st_size}, PE_FORM_FILE, &ignored) && !image.is_dll &&
                      (image.machine == PE_MACHINE_AMD64 || image.machine == PE_MACHINE_I386);
            munmap(bytes, (size_t)facts.st_size);
        }
    }
    if (fd >= 0)
        close(fd);
    return program;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void summary_json(const char *path, const struct comparison *comparison, int status)
{
    printf("{\"schema\": 1, \"kind\": \"comparison_summary\", \"file\": ");
    output_json_string(stdout, path, strlen(path));
    if (status > 1)
        printf(", \"verdict\": null, \"status\": %d}\n", status);
    else
        printf(", \"verdict\": \"%s\", \"differences\": %zu, \"unexplained\": %u}\n", compare_verdict(comparison), comparison->count,
               comparison->counts[CLASS_UNEXPLAINED]);
}

struct totals { unsigned programs, explained, unexplained, failed, limited; bool progress; /* a line on the terminal tells which one is on */ };

static void folder_one(const char *path, const struct wish *folder, struct totals *totals)
{
    static char *const nothing[] = {NULL};
    struct wish wish = *folder;
    struct comparison comparison = {.expectations = &folder->expectations};
    wish.snapshot.file = path;
    wish.snapshot.arguments = nothing;
    int status = lanes_compare(&wish, &comparison);
    if (!status)
        status = comparison.counts[CLASS_UNEXPLAINED] != 0;
    if (totals->progress)
        fputs("\r\033[K", stderr);
    totals->programs++;
    ++*(status > 1 ? &totals->failed : status ? &totals->unexplained : &totals->explained);
    totals->limited += !status && comparison.counts[CLASS_TIME_LIMIT];
    if (wish.json)
        summary_json(path, &comparison, status);
    else if (status > 1)
        printf("%-28s no comparison (exit status %d; stderr has the reason)\n", strrchr(path, '/') + 1, status);
    else {
        printf("%-28s %4zu differences, %u unexplained%s\n", strrchr(path, '/') + 1, comparison.count, comparison.counts[CLASS_UNEXPLAINED],
               comparison.counts[CLASS_TIME_LIMIT] ? ", ended by the time limit" : "");
        if (status)
            differences_tell(&comparison, CLASS_UNEXPLAINED);
    }
    fflush(stdout);
    compare_close(&comparison);
}

static int folder_compare(struct wish *wish)
{
    struct dirent **names;
    struct totals totals = {0};
    char inside[4096];
    snprintf(inside, sizeof inside, "%s/", wish->folder);
    int status = expectations_open(wish, inside);
    if (status)
        return status;
    int count = scandir(wish->folder, &names, NULL, (int (*)(const struct dirent **, const struct dirent **))by_name);
    if (count < 0) {
        int error = errno;
        cli_say("%s: %s", wish->folder, strerror(error));
        return error == ENOENT ? CLI_NOT_FOUND : CLI_USAGE_OR_WORLD;
    }
    totals.progress = isatty(STDERR_FILENO);
    for (int i = 0; i < count; i++) {
        char path[4096];
        if ((size_t)snprintf(path, sizeof path, "%s/%s", wish->folder, names[i]->d_name) < sizeof path && is_program(path)) {
            if (totals.progress)
                fprintf(stderr, "%d of %d: %s", i + 1, count, names[i]->d_name);
            folder_one(path, wish, &totals);
        }
        free(names[i]);
    }
    free(names);
    if (!totals.programs) {
        cli_say("%s: no program in it", wish->folder);
        return CLI_NOT_FOUND;
    }
    if (!wish->json)
        printf("%u programs, %s beside %s: %u explained (%u of them only up to the time limit), %u with unexplained differences, %u not compared\n",
               totals.programs, wish->lanes[0], wish->lanes[1], totals.explained, totals.limited, totals.unexplained, totals.failed);
    return totals.unexplained || totals.failed ? 1 : 0;
}

/* ---- options ---- */

static bool lanes_take(struct wish *wish, const char *word)
{
    const char *comma = strchr(word, ',');
    if (!comma || (size_t)(comma - word) >= sizeof wish->lanes[0] || strlen(comma + 1) >= sizeof wish->lanes[1])
        return false;
    snprintf(wish->lanes[0], sizeof wish->lanes[0], "%.*s", (int)(comma - word), word);
    snprintf(wish->lanes[1], sizeof wish->lanes[1], "%s", comma + 1);
    return cli_lane_known(wish->lanes[0]) && cli_lane_known(wish->lanes[1]);
}

static int option_take(struct wish *wish, int option)
{
    switch (option) {
    case OPTION_LANES: return lanes_take(wish, optarg) ? 0 : wrong("--lanes wants two of native, reference, os and win32, with a comma", optarg);
    case OPTION_AT: wish->snapshot.at = optarg; return cli_moment_known(optarg) ? 0 : wrong("--at knows mapped, bound, ready, entry and exit", optarg);
    case OPTION_ONLY: wish->only = compare_class_of(optarg); return wish->only < CLASS_COUNT ? 0 : wrong("--only knows no such class", optarg);
    case OPTION_JSON: wish->json = true; return 0;
    case OPTION_DLL_PATH: wish->snapshot.dll_path = optarg; return 0;
    case OPTION_OCCUPY: wish->snapshot.occupy = true; return 0;
    case OPTION_ALL: wish->folder = optarg; return 0;
    case OPTION_HTML: wish->page = optarg; return 0;
    case OPTION_EXPECT: return cli_expectations_take(optarg, &wish->expectations);
    case OPTION_NO_EXPECT: wish->no_expect = true; return 0;
    case OPTION_ENV: return cli_env_take(&wish->snapshot, optarg) ? 0 : wrong("--env wants NAME=VALUE", optarg);
    case OPTION_TIMEOUT: return cli_seconds_take(optarg, &wish->snapshot.seconds) ? 0 : wrong("--timeout wants seconds", optarg);
    default: return cli_usage("compare");
    }
}

static bool is_document(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && !strcasecmp(dot, ".json");
}

/* Two saved snapshots, or two that are taken now. */
static int sides_compare(struct wish *wish, struct comparison *comparison, char **words, int count)
{
    int status = 0;
    if (!is_document(words[0])) {
        wish->snapshot.file = words[0];
        wish->snapshot.arguments = words + 1;
        return (status = expectations_open(wish, words[0])) ? status : lanes_compare(wish, comparison);
    }
    if (count != 2 || !is_document(words[1]))
        return wrong("compare", "two snapshots are wanted");
    if (!(status = file_open(words[0], &comparison->a)))
        status = file_open(words[1], &comparison->b);
    if (!status && !compare_documents(comparison)) {
        cli_say("no memory");
        status = CLI_USAGE_OR_WORLD;
    }
    return status;
}

static int compare(struct wish *wish, int count, char **words)
{
    struct comparison comparison = {.expectations = &wish->expectations};
    if (!wish->lanes[0][0])
        lanes_take(wish, cli_second_lane());
    if (wish->snapshot.seconds == UINT_MAX)
        wish->snapshot.seconds = wish->folder ? 120 : 30;
    if (wish->folder && wish->page)
        return wrong("--html", "not with --all");
    /* Before the first instruction our loader has done its work, and Wine's has not begun. */
    if (strcmp(wish->lanes[0], wish->lanes[1]) && strcmp(wish->snapshot.at, "entry") && strcmp(wish->snapshot.at, "exit"))
        return wrong("--at", "two loaders are at one point only at entry and exit");
    if (wish->folder)
        return count ? wrong("--all takes no FILE", words[0]) : folder_compare(wish);
    if (!count)
        return wrong("compare", "no FILE");
    int status = sides_compare(wish, &comparison, words, count);
    if (!status)
        status = finish(&comparison, wish);
    compare_close(&comparison);
    return status;
}

int cli_compare(int count, char **arguments)
{
    struct wish wish = {.snapshot = {.at = "entry", .seconds = UINT_MAX}, .only = CLASS_COUNT};
    int status = 0;
    for (int option; !status && (option = getopt_long(count, arguments, "+h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        status = option_take(&wish, option);
    }
    if (!status)
        status = compare(&wish, count - optind, arguments + optind);
    expectations_free(&wish.expectations);
    free(wish.beside);
    return status;
}
