/* `peload run`: options in, a process out. The steps themselves are loader/native/process.c's. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/page.h"
#include "loader/native/native.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Examples\n"
    "  peload run hello.exe one \"two words\"\n"
    "  peload run -v hello.exe                              the story of its loading\n"
    "  peload run --trace=all --trace-file=steps hello.exe  every step and system call, into a file\n"
    "  peload run --check hello.exe                         what is missing? nothing is started\n"
    "  peload run --steps hello.exe                         how a process is made, step by step\n"
    "  peload run --handles hello.exe                       what it has open before it ends\n"
    "  peload run --html=hello.html hello.exe               every step as a page to look at\n"
    "\n"
    "Usage: peload run [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "\n"
    "What is told (on stderr; stdout is the guest's alone)\n"
    "  -v, --verbose        the story of the loading, for a person\n"
    "  --trace=LIST         one line an event: find, open, place, fill, relocate, bind, tls, protect, order, init,\n"
    "                       start, thread, unload, syscall, handle, process, cache or all, separated by commas\n"
    "  --trace-file=FILE    these lines into FILE\n"
    "  --html=PAGE          all of it as one self-contained page: written when the first thread is about to run, and\n"
    "                       again with the exit code when the process ends\n"
    "  --steps              the creation as a lesson in four steps, with what each changed; waits for Enter on a terminal\n"
    "  --handles            the handle table of each process before its end, and what changed since its start; with --json\n"
    "                       one object a process, on a line of its own\n"
    "  --status-file=FILE   the exit code with all 32 bits: \"DECIMAL HEX HOW\\n\", HOW being exited, exception\n"
    "                       (nobody handled it) or refused (not started; the code is Windows' for that)\n"
    "What is done\n"
    "  --check              load and bind everything, list every missing DLL and function, start nothing:\n"
    "                       exit status 0 or 126; with --json for programs\n"
    "  --lane=LANE          native (default: peload's own loader) or reference (Wine's, unmodified, on the same kernel)\n"
    "  --stop-at=POINT      stop (SIGSTOP) for a debugger or `peload snapshot`: mapped, bound, ready (before the first\n"
    "                       instruction), exit (before the last thread ends)\n"
    "  --occupy             take FILE's preferred base first, so that it must move\n"
    "  --missing=stub       start although functions are missing: who calls one gets exception 0x80000100, as in Wine\n"
    "  --env NAME=VALUE     add a variable to the guest's environment (again and again)\n"
    "  --clear-env          begin with an empty environment\n"
    "  --dll-path=FOLDER    the DLL set: x86_64-windows, i386-windows, nls (default: $PELOAD_DLL_PATH, then\n"
    "                       current in $PELOAD_CACHE, $XDG_CACHE_HOME/peload, ~/.cache/peload)\n"
    "  --no-cache           look everything up anew; else where the slots of the system's DLLs lead is kept from run to\n"
    "                       run in bound/ of the cache folder, and asked for while bind is not traced\n"
    "\n"
    "C: shows $PELOAD_DRIVE_C, $XDG_DATA_HOME/peload/drive_c or ~/.local/share/peload/drive_c; Z: shows /.\n"
    "\n"
    "Exit status: the low eight bits of the guest's 32-bit exit code, so that 0xC0000005 gives 5; 1 where these bits\n"
    "are 0 and the code is not. 125: wrong use, or a fault of the machine; 126: FILE cannot be loaded; 127: FILE is\n"
    "not there. A guest can use these numbers too: the status file tells the difference.\n";

enum { OPTION_TRACE = 256, OPTION_TRACE_FILE, OPTION_CHECK, OPTION_OCCUPY, OPTION_MISSING, OPTION_STATUS_FILE, OPTION_ENV, OPTION_CLEAR_ENV,
       OPTION_DLL_PATH, OPTION_JSON, OPTION_LANE, OPTION_STOP_AT, OPTION_HTML, OPTION_ALL, OPTION_HANDLES, OPTION_STEPS, OPTION_NO_CACHE };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"verbose", no_argument, NULL, 'v'},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"trace-file", required_argument, NULL, OPTION_TRACE_FILE},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"occupy", no_argument, NULL, OPTION_OCCUPY},
    {"missing", required_argument, NULL, OPTION_MISSING},
    {"status-file", required_argument, NULL, OPTION_STATUS_FILE},
    {"env", required_argument, NULL, OPTION_ENV},
    {"clear-env", no_argument, NULL, OPTION_CLEAR_ENV},
    {"dll-path", required_argument, NULL, OPTION_DLL_PATH},
    {"json", no_argument, NULL, OPTION_JSON},
    {"lane", required_argument, NULL, OPTION_LANE},
    {"stop-at", required_argument, NULL, OPTION_STOP_AT},
    {"html", required_argument, NULL, OPTION_HTML},
    {"all", no_argument, NULL, OPTION_ALL},
    {"handles", no_argument, NULL, OPTION_HANDLES},
    {"steps", no_argument, NULL, OPTION_STEPS},
    {"no-cache", no_argument, NULL, OPTION_NO_CACHE},
    {0},
};

/* The callbacks of the lane have no context of their own: one run is one process. */
static struct {
    struct cli_trace lines;
    struct ld_trace trace;
    const char *program, *trace_file, *status_file, *dll_path, *page;
    intptr_t status_fd; /* -1: nobody asked */
    bool check, json, story, handles, steps;
    bool diff, all; /* diff-maps: loaded, told step by step, not started */
    bool reference; /* --lane=reference */
    bool no_cache;
    bool unhandled; /* an exception ends the process */
    enum { STOP_NEVER, STOP_MAPPED, STOP_BOUND, STOP_READY, STOP_EXIT } stop_at;
    char **environment; /* malloc'd; grows by --env */
    size_t variables;
} run = {.lines.fd = STDERR_FILENO, .status_fd = -1};

/* ---- what the lane tells ------------------------------------------------------------------------ */

/* To this thread, so that it stops here and not somewhere behind. */
static void stop_here(void) { raise(SIGSTOP); }

/* The load of the program itself, not of what every process has. */
static void stop_by_event(const struct ld_event *event)
{
    const char *slash = strrchr(run.program, '/'), *verb = run.stop_at == STOP_MAPPED ? "begin" : "end";
    if (event->phase == LD_BIND && !strcmp(event->verb, verb) && !strcmp(event->module, slash ? slash + 1 : run.program))
        stop_here();
}

static void on_event(void *context, const struct ld_event *event)
{
    (void)context;
    if (run.lines.mask)
        cli_trace_event(&run.lines, event);
    if (run.story)
        cli_story_event(event);
    if (run.steps)
        cli_steps_event(event);
    if (run.stop_at == STOP_MAPPED || run.stop_at == STOP_BOUND)
        stop_by_event(event);
    if (run.page || run.diff)
        report_event(event);
    if (run.page && event->phase == LD_START && !strcmp(event->verb, "thread"))
        cli_page_started(run.page);
}

static void on_call(const char *name, const uintptr_t *arguments, unsigned count, NTSTATUS status, uint32_t thread)
{
    cli_trace_call(&run.lines, name, arguments, count, status, thread);
}

static void on_told(const struct nt_told *told)
{
    cli_trace_told(&run.lines, told);
}

static void on_ending(void)
{
    cli_handles_end(run.program, run.json);
}

static void on_missing_call(const char *name)
{
    cli_trace_missing_call(&run.lines, name);
}

static void on_missing(struct loader *loader, const struct ld_error *error)
{
    (void)loader;
    cli_check_missing(error);
}

static void on_unhandled(const struct nt_exception *record, const struct nt_context *context)
{
    run.unhandled = true;
    cli_report_unhandled(record, context);
}

static void on_start_failed(NTSTATUS status, const char *module)
{
    const char *name = nt_status_name(status);
    cli_say("%s: %s%sits initialisation failed: 0x%08" PRIX32 "%s%s", run.program, module ? module : "", module ? ": " : "",
            status, name ? " " : "", name ? name : "");
}

static void status_write(uint32_t code, const char *how)
{
    char line[96];
    int length = snprintf(line, sizeof line, "%" PRIu32 " 0x%08" PRIX32 " %s", code, code, how);
    if (run.stop_at) /* a snapshot tells these too (loader/inspect/linux/target.c) */
        length += snprintf(line + length, sizeof line - (size_t)length, " %" PRIu32 " %" PRIu32, nt_process.threads_started, nt_process.processes_started);
    line[length++] = '\n';
    if (run.status_fd >= 0 && write((int)run.status_fd, line, (size_t)length) != length)
        cli_say("%s: %s", run.status_file, strerror(errno));
}

/* Any thread of the guest may end up here; the others are still running, so exit() with its handlers is not for us. */
static void on_finish(uint32_t code)
{
    if (run.stop_at == STOP_EXIT)
        stop_here();
    status_write(code, run.unhandled ? "exception" : "exited");
    if (run.story)
        cli_story_exit(code);
    if (run.page)
        cli_page_ended(run.page, code, run.unhandled ? "exception" : "exited");
    fflush(stderr);
    _exit(code && !(code & 0xff) ? 1 : (int)(code & 0xff));
}

/* ---- options ------------------------------------------------------------------------------------ */

/* Adds NAME=VALUE, or puts it into the place of an older one: names are equal without regard to case, as in Windows. */
static bool environment_set(char *entry)
{
    size_t length = (size_t)(strchr(entry, '=') - entry) + 1;
    for (size_t i = 0; i < run.variables; i++)
        if (!strncasecmp(run.environment[i], entry, length)) {
            run.environment[i] = entry;
            return true;
        }
    char **more = realloc(run.environment, (run.variables + 2) * sizeof *more);
    if (!more)
        return false;
    run.environment = more;
    run.environment[run.variables++] = entry;
    run.environment[run.variables] = NULL;
    return true;
}

static bool environment_open(char **entries)
{
    size_t count = 0;
    while (entries[count])
        count++;
    run.environment = malloc((count + 1) * sizeof *run.environment);
    if (!run.environment)
        return false;
    memcpy(run.environment, entries, (count + 1) * sizeof *entries);
    run.variables = count;
    return true;
}

static int wrong(const char *what, const char *word)
{
    cli_say("%s: %s", what, word);
    return cli_usage(run.diff ? "diff-maps" : "run");
}

static int stop_at_take(const char *word)
{
    static const char *const words[] = {"mapped", "bound", "ready", "exit"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i])) {
            run.stop_at = STOP_MAPPED + i;
            return 0;
        }
    return wrong("--stop-at knows mapped, bound, ready and exit", word);
}

/* 0, or the exit status of a wrong or unanswered word. */
static int option_take(int option)
{
    const char *bad;
    switch (option) {
    case 'v': run.story = true; return 0;
    case OPTION_TRACE:
        return ld_trace_parse(optarg, &run.lines.mask, &bad) ? 0 : wrong("--trace knows no such word", bad);
    case OPTION_TRACE_FILE: run.trace_file = optarg; return 0;
    case OPTION_CHECK: run.check = true; return 0;
    case OPTION_HANDLES: run.handles = true; return 0;
    case OPTION_STEPS: run.steps = true; return 0;
    case OPTION_JSON: run.json = true; return 0;
    case OPTION_MISSING: return strcmp(optarg, "stub") ? wrong("--missing knows only stub", optarg) : 0; /* likewise */
    case OPTION_LANE:
        run.reference = !strcmp(optarg, "reference");
        return run.reference || !strcmp(optarg, "native") ? 0 : wrong("--lane knows native and reference", optarg);
    case OPTION_STOP_AT: return stop_at_take(optarg);
    case OPTION_NO_CACHE: run.no_cache = true; return 0;
    case OPTION_OCCUPY: return 0; /* the lane's own, taken by cli_run */
    case OPTION_STATUS_FILE: run.status_file = optarg; return 0;
    case OPTION_HTML: run.page = optarg; return 0;
    case OPTION_ALL: run.all = true; return 0;
    case OPTION_DLL_PATH: run.dll_path = optarg; return 0;
    case OPTION_CLEAR_ENV: run.environment[run.variables = 0] = NULL; return 0;
    case OPTION_ENV:
        if (!strchr(optarg, '=') || optarg[0] == '=')
            return wrong("--env wants NAME=VALUE", optarg);
        return environment_set(optarg) ? 0 : wrong("--env", "no memory");
    default: return cli_usage(run.diff ? "diff-maps" : "run");
    }
}

/* Files are opened before anything is loaded, so that a wrong path is told in time. */
static bool file_open(const char *path, intptr_t *fd)
{
    if (!path)
        return true;
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (*fd < 0)
        cli_say("%s: %s", path, strerror(errno));
    return *fd >= 0;
}

/* ---- what kind of file -------------------------------------------------------------------------- */

/* A PE32 goes to the 32-bit host. `arguments` are those of the command; the word in front of them, the command's name or
 * ours, makes room for the other host's name. */
static int hand_over(char **arguments)
{
    static char host[] = "peload32", run_word[] = "run", diff_word[] = "diff-maps";
    const char *path = cli_host(false);
    if (path) {
        arguments[-1] = host;
        arguments[0] = run.diff ? diff_word : run_word;
        execv(path, arguments - 1);
        cli_say("%s: %s", path, strerror(errno));
        return CLI_USAGE_OR_WORLD;
    }
    cli_say("%s: a 32-bit program (PE32, i386), and peload32, which runs those, is not installed", run.program);
    return CLI_NOT_LOADABLE;
}

/* Is this a program for this build at all? Looked at before anything is built for it. 0, or an exit status. */
static int program_check(bool *foreign)
{
    struct cli_source source;
    int status = 0;
    const uint16_t own = sizeof(void *) == 8 ? PE_MACHINE_AMD64 : PE_MACHINE_I386;
    if (!cli_source_peek(&source.image, run.program)) {
        if (!cli_source_open(&source, run.program, &status)) {
            status_write(source.ntstatus, "refused");
            return status;
        }
        cli_source_close(&source);
    }
    uint16_t machine = source.image.machine;
    *foreign = machine != own && machine == PE_MACHINE_I386;
    if (machine != own && !*foreign) {
        cli_say("%s: a program for %s (machine 0x%04X); this one runs x86-64 and i386", run.program,
                pe_machine_name(machine), machine);
        status = CLI_NOT_LOADABLE;
    } else if (source.image.is_dll) {
        cli_say("%s: a DLL, not a program: it has no beginning of its own", run.program);
        status = CLI_NOT_LOADABLE;
    }
    if (status)
        status_write(PE_STATUS_INVALID_IMAGE_FORMAT, "refused");
    return status;
}

static void lane_fill(struct native_options *lane)
{
    lane->host64 = cli_host(true);
    lane->host32 = cli_host(false);
    lane->trace_mask = run.lines.mask;
    lane->trace_fd = (int)run.lines.fd;
    lane->trace = &run.trace;
    lane->finish = on_finish;
    lane->unhandled = on_unhandled;
    lane->start_failed = on_start_failed;
    if (run.check)
        lane->missing = on_missing;
    if (run.lines.mask >> LD_SYSCALL & 1) {
        lane->trace_call = on_call;
        lane->missing_call = on_missing_call;
    }
    if (run.lines.mask & (1u << LD_HANDLE | 1u << LD_PROCESS))
        lane->tell = on_told;
    lane->tell_handles = run.handles ? 1 + run.json : 0;
    if (run.handles)
        lane->ending = on_ending;
    if (run.steps)
        lane->stage = cli_steps_stage;
    run.trace = (struct ld_trace){.mask = run.lines.mask | (run.story || run.steps ? CLI_STORY_PHASES : 0) | (run.page || run.diff ? REPORT_PHASES : 0) |
                                       (run.stop_at ? 1u << LD_BIND : 0), .sink = on_event};
}

static int start(struct native_options *lane)
{
    struct ld_error error = {0};
    lane_fill(lane);
    if (run.story)
        cli_story_open(stderr, run.program);
    if (run.steps)
        cli_steps_open(stderr, run.program);
    if (run.page || run.diff)
        cli_page_open(run.program, run.reference ? "reference" : "native");
    bool prepared = native_prepare(lane, &error);
    if (prepared && run.diff) {
        report_step_begin(REPORT_STARTED);
        report_step_take();
        return cli_diff_maps_end(run.program, run.all, run.json) ? 0 : CLI_USAGE_OR_WORLD;
    }
    if (run.check) {
        if (!prepared)
            cli_check_missing(&error);
        if (run.story)
            cli_story_loaded();
        return cli_check_end(run.program, &native.loader, run.json);
    }
    if (!prepared) {
        cli_tell(run.program, &error);
        if (run.page)
            cli_page_refused(run.page, &error);
        status_write(error.ntstatus ? error.ntstatus : LD_STATUS_UNSUCCESSFUL, "refused");
        return cli_status_of(&error);
    }
    if (run.handles)
        cli_handles_begin();
    if (run.stop_at == STOP_READY)
        stop_here();
    native_start();
}

/* `peload .member ARENA PROCESS WORD IMAGE`: started by another process of a session for a child that it made. IMAGE is for
 * whoever looks at the list of Linux's processes. */
int cli_member(int count, char **arguments)
{
    struct native_options lane = {0};
    struct ld_error error = {0};
    if (count != 5 || !native_child_open(atoi(arguments[1]), (uint32_t)strtoul(arguments[2], NULL, 10), atoi(arguments[3]), &lane))
        return CLI_USAGE_OR_WORLD; /* nobody waits for it any more */
    run.program = lane.program;
    run.lines = (struct cli_trace){.fd = lane.trace_fd, .mask = lane.trace_mask};
    run.handles = lane.tell_handles != 0;
    run.json = lane.tell_handles == 2;
    const char *hosts[] = {lane.host64, lane.host32};
    lane_fill(&lane);
    lane.host64 = hosts[0], lane.host32 = hosts[1];
    if (native_prepare(&lane, &error)) {
        if (run.handles)
            cli_handles_begin();
        native_start();
    }
    cli_tell(run.program, &error);
    native_child_refused(&error);
}

int cli_diff_maps(int count, char **arguments)
{
    run.diff = true;
    return cli_run(count, arguments);
}

int cli_run(int count, char **arguments)
{
    struct native_options lane = {0};
    bool foreign = false;
    int status = environment_open(environ) ? 0 : CLI_USAGE_OR_WORLD;
    for (int option; !status && (option = getopt_long(count, arguments, "+hv", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(run.diff ? cli_diff_maps_help : help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        lane.occupy |= option == OPTION_OCCUPY;
        lane.stub_missing |= option == OPTION_MISSING;
        status = option_take(option);
    }
    if (status)
        return status;
    if (optind == count)
        return wrong("run", "no FILE");
    if (run.diff && (run.check || run.page || run.stop_at || run.reference || run.status_file))
        return wrong("diff-maps", "only with --all, --json, --occupy, --dll-path and what is told of a run");
    if (run.all && !run.diff)
        return wrong("--all", "only with diff-maps");
    if (run.json && !run.check && !run.diff && !run.handles)
        return wrong("--json", "only with --check or --handles");
    if (run.steps && (run.check || run.page || run.diff || run.reference))
        return wrong("--steps", "only with a plain run on the native lane");
    if (run.page && run.check)
        return wrong("--html", "not with --check");
    if (run.reference && (run.check || lane.stub_missing)) /* they ask for what only our own phases do */
        return wrong("--lane=reference", "not with --check or --missing");
    if (run.reference && (run.stop_at == STOP_MAPPED || run.stop_at == STOP_BOUND)) /* Wine's loader does not tell */
        return wrong("--lane=reference", "not with --stop-at=mapped or bound");
    lane.reference = run.reference;
    run.program = arguments[optind];
    if (!file_open(run.status_file, &run.status_fd) || (run.page && !report_page_possible(run.page)))
        return CLI_USAGE_OR_WORLD;
    if ((status = program_check(&foreign)))
        return status;
    if (foreign)
        return hand_over(arguments);
    lane.program = run.program;
    lane.arguments = arguments + optind + 1;
    lane.environment = run.environment;
    lane.drive_c = cli_drive_c();
    lane.cache = run.no_cache ? NULL : cli_cache();
    if (!(lane.dll_set = cli_dll_set(run.dll_path)) || !(lane.companions = cli_companions()) ||
        !file_open(run.trace_file, &run.lines.fd))
        return CLI_USAGE_OR_WORLD;
    return start(&lane);
}
