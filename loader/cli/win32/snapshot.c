/* `peload snapshot` on Windows: a process of the operating system's own loader, or one that peload loads by hand (lane win32), looked
 * at from outside. */
#include "loader/cli/win32/win32.h"
#include "loader/cli/win32/words.h"
#include "loader/inspect/win32/target.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload snapshot hello.exe one >hello.json           CreateProcess; at the entry point, before the first instruction\n"
    "  peload snapshot --stay --output=hello.json hello.exe\n"
    "\n"
    "Usage: peload snapshot [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "\n"
    "  --lane=os            the operating system's own loader (default)\n"
    "  --lane=win32         peload's own hand, as `peload run` does it\n"
    "  --at=entry           the moment (the only one here)\n"
    "  --stay               end the program there; otherwise it goes on, and the document has its exit code and output\n"
    "  --output=FILE        the document into FILE\n"
    "  --env=NAME=VALUE     add to the program's environment, or change it there\n"
    "  --timeout=SECONDS    the program is ended then (default 20; 0: never)\n"
    "\n"
    "The document is JSON as loader/inspect/snapshot.schema.json describes it. Exit status: 0; 126 FILE was refused or ended\n"
    "before that moment (the document then has its exit code alone); 125 wrong use or a fault of the machine; 127 no such file.\n";

enum { OPTION_LANE = 256, OPTION_AT, OPTION_STAY, OPTION_OUTPUT, OPTION_TIMEOUT, OPTION_ENV };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"lane", required_argument, NULL, OPTION_LANE},
    {"at", required_argument, NULL, OPTION_AT},
    {"stay", no_argument, NULL, OPTION_STAY},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"env", required_argument, NULL, OPTION_ENV},
    {0},
};

static struct { const char *program, *output; unsigned seconds; bool stay, by_hand; } wish = {.seconds = 20};

static int wrong(const char *what, const char *word)
{
    return cli_wrong("snapshot", what, word);
}

static int option_take(int option)
{
    char *end;
    switch (option) {
    case OPTION_LANE:
        wish.by_hand = !strcmp(optarg, "win32");
        return wish.by_hand || !strcmp(optarg, "os") ? 0 : wrong("--lane: here there are os and win32", optarg);
    case OPTION_AT: return strcmp(optarg, "entry") ? wrong("--at: here there is entry alone", optarg) : 0;
    case OPTION_STAY: wish.stay = true; return 0;
    case OPTION_ENV: return cli_environment_set(optarg) ? 0 : wrong("--env wants NAME=VALUE", optarg);
    case OPTION_OUTPUT: wish.output = optarg; return 0;
    case OPTION_TIMEOUT:
        wish.seconds = strtoul(optarg, &end, 10);
        return *optarg >= '0' && *optarg <= '9' && !*end && wish.seconds <= 86400 ? 0 : wrong("--timeout wants seconds", optarg);
    default: return cli_usage("snapshot");
    }
}

/* ---- a program of the other width: the other peload.exe beside this one takes the same words */

static int hand_over(const WCHAR *words)
{
    WCHAR path[MAX_PATH * 4], *line = NULL, *slash;
    struct cli_start child = {.application = path};
    DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH * 4 - 16);
    slash = length ? wcsrchr(path, '\\') : NULL;
    if (slash)
        wcscpy(slash + 1, sizeof(void *) == 8 ? L"peload32.exe" : L"peload.exe");
    if (!slash || GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES) {
        cli_say("%s: the peload of its width is not beside this one", wish.program);
        return CLI_USAGE_OR_WORLD;
    }
    line = malloc((wcslen(words) + 32) * sizeof *line);
    if (!line)
        return CLI_USAGE_OR_WORLD;
    wcscat(wcscpy(line, L"peload snapshot "), words);
    child.command_line = line;
    if (!cli_start(&child))
        return cli_start_failed(wish.program, GetLastError());
    free(line);
    return (int)cli_start_end(&child);
}

/* Who answers the program's calls. */
static const char *system_name(void)
{
    static char name[64];
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    union { FARPROC any; const char *(CDECL *call)(void); } wine = {GetProcAddress(ntdll, "wine_get_version")};
    union { FARPROC any; LONG (NTAPI *call)(OSVERSIONINFOW *); } windows = {GetProcAddress(ntdll, "RtlGetVersion")};
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    if (wine.any)
        snprintf(name, sizeof name, "Wine %s", wine.call());
    else if (windows.any && !windows.call(&version))
        snprintf(name, sizeof name, "Windows %lu.%lu.%lu", version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber);
    return name[0] ? name : NULL;
}

/* Of the lane win32, which has no other way to tell `look_by_hand`. */
static struct by_hand {
    struct target target;
    const struct cli_source *source;
    struct inspect_facts facts;
    struct json json;
    bool taken, late;
} by_hand;

/* ---- the document ---- */

static bool document_write(const struct json *json)
{
    HANDLE file = cli_file_create(wish.output);
    if (!file)
        return false;
    cli_write((intptr_t)(file == INVALID_HANDLE_VALUE ? GetStdHandle(STD_OUTPUT_HANDLE) : file), json->data, json->length);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    return true;
}

static void end_tell(struct target *target, enum target_state state, struct json *json)
{
    bool late = state == TARGET_TIMEOUT;
    struct inspect_end end = {.waited = !wish.stay || (state == TARGET_ENDED && !by_hand.taken), .code = late ? 0 : target->exit_code,
                              .how = late ? "timeout" : cli_how(target->exit_code),
                              .knows_cpu = late, .cpu_ms = target->cpu_ms,
                              .elapsed_ms = GetTickCount64() - target->begun + 1};
    uint8_t *text[2];
    for (unsigned i = 0; i < 2; i++) {
        text[i] = target_output(target, i, &end.size[i]);
        end.text[i] = text[i] ? text[i] : (const uint8_t *)"";
    }
    inspect_finish(json, &end);
    free(text[0]);
    free(text[1]);
}

static int look(struct target *target, const struct inspect_facts *facts, struct json *json)
{
    struct windows_reader reader;
    const char *why = NULL;
    bool done = windows_reader_open(&reader, target) && inspect_snapshot(&reader.reader, facts, json, &why);
    windows_reader_close(&reader);
    if (!done)
        cli_say("%s: %s", wish.program, why ? why : "its memory cannot be read");
    return done ? 0 : CLI_USAGE_OR_WORLD;
}

static int take(struct target *target, const struct pe_image *image, struct inspect_facts *facts, struct json *json)
{
    enum target_state state = target_run(target, target->base + image->entry.value);
    if (state == TARGET_FAILED || state == TARGET_TIMEOUT) {
        cli_say("%s: %s (Windows error %lu)", wish.program, target->why ? target->why : "it did not come to its entry point in time", target->error);
        return CLI_USAGE_OR_WORLD;
    }
    facts->peb = target->peb;
    facts->id = target->id;
    int status = CLI_NOT_LOADABLE;
    if (state == TARGET_STOPPED) {
        if ((status = look(target, facts, json)))
            return status;
        if (!wish.stay)
            state = target_finish(target);
    } else {
        facts->peb = facts->id = 0;
        inspect_nothing(sizeof(void *) == 8, facts, json);
    }
    end_tell(target, state, json);
    return status;
}

/* ---- lane win32: `run` makes the child, and lets us look at it */

static DWORD WINAPI end_late(void *process)
{
    for (ULONGLONG deadline = by_hand.target.deadline; GetTickCount64() < deadline;)
        if (WaitForSingleObject(process, 20) == WAIT_OBJECT_0)
            return 0;
    by_hand.target.cpu_ms = target_cpu_ms(GetProcessId(process));
    by_hand.late = true;
    TerminateProcess(process, 1);
    return 0;
}

static void look_by_hand(struct cli_start *child, struct win32_order *order)
{
    struct target *target = &by_hand.target;
    HANDLE watch = target->deadline ? CreateThread(NULL, 0, end_late, child->process.hProcess, 0, NULL) : NULL;
    if (watch)
        CloseHandle(watch);
    while (order->state == WIN32_LOADING)
        if (WaitForSingleObject(child->process.hProcess, 1) == WAIT_OBJECT_0)
            return;
    if (order->state == WIN32_STARTED && target_take(target, child->process.hProcess, child->process.hThread, child->process.dwProcessId)) {
        target->hold = &order->hold;
        if (target_run(target, order->program_base + by_hand.source->image.entry.value) == TARGET_STOPPED) {
            by_hand.facts.peb = target->peb;
            by_hand.facts.id = target->id;
            by_hand.taken = !look(target, &by_hand.facts, &by_hand.json);
        }
        if (wish.stay)
            TerminateProcess(child->process.hProcess, 0);
        for (unsigned i = 0; i < target->thread_count; i++)
            ResumeThread(target->threads[i]);
        for (unsigned i = 1; i < target->thread_count; i++)
            CloseHandle(target->threads[i]);
    }
    order->hold = 0;
    target->process = target->thread = NULL; /* they are `run`'s */
    target->thread_count = 0;
}

static int snapshot_by_hand(int count, char **arguments, const struct cli_source *source)
{
    static const DWORD standard[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE old[3], nothing = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    struct target *target = &by_hand.target;
    by_hand.source = source;
    by_hand.facts = (struct inspect_facts){.lane = "win32", .at = "entry", .file = wish.program, .system = system_name(), .bytes = source->bytes};
    target->begun = GetTickCount64();
    target->deadline = wish.seconds ? target->begun + (ULONGLONG)wish.seconds * 1000 : 0;
    if (!target_files_open(target)) {
        cli_say("%s: %s (Windows error %lu)", wish.program, target->why, target->error);
        return CLI_USAGE_OR_WORLD;
    }
    for (unsigned i = 0; i < 3; i++) {
        old[i] = GetStdHandle(standard[i]);
        SetStdHandle(standard[i], i ? target->output[i - 1] : nothing);
    }
    int status = cli_run_looked_at(count, arguments, look_by_hand);
    for (unsigned i = 0; i < 3; i++)
        SetStdHandle(standard[i], old[i]);
    if (!cli_last_status.how)
        return status ? status : CLI_USAGE_OR_WORLD;
    if (!by_hand.taken)
        inspect_nothing(sizeof(void *) == 8, &by_hand.facts, &by_hand.json);
    target->exit_code = cli_last_status.code;
    end_tell(target, by_hand.late ? TARGET_TIMEOUT : TARGET_ENDED, &by_hand.json);
    target_close(target);
    bool written = !by_hand.json.failed && document_write(&by_hand.json);
    free(by_hand.json.data);
    return !written ? CLI_USAGE_OR_WORLD : by_hand.taken ? 0 : CLI_NOT_LOADABLE;
}

static int snapshot(int count, char **arguments, const WCHAR *typed)
{
    struct cli_source source;
    struct json json = {0};
    struct target target = {.begun = GetTickCount64()};
    target.deadline = wish.seconds ? target.begun + (ULONGLONG)wish.seconds * 1000 : 0;
    int status = 0;
    if (!cli_source_open(&source, wish.program, &status))
        return status;
    if (source.image.is_64 != (sizeof(void *) == 8)) {
        cli_source_close(&source);
        return -1;
    }
    if (wish.by_hand) {
        status = snapshot_by_hand(count, arguments, &source);
        cli_source_close(&source);
        return status;
    }
    struct inspect_facts facts = {.lane = "os", .at = "entry", .file = wish.program, .system = system_name(), .bytes = source.bytes};
    WCHAR *line = _wcsdup(typed), *application = cli_wide(wish.program);
    if (!line || !application)
        status = CLI_USAGE_OR_WORLD;
    else if (target_start(&target, application, line))
        status = take(&target, &source.image, &facts, &json);
    else if (target.process)
        status = cli_start_failed(wish.program, target.error);
    else {
        /* CreateProcess itself refuses: the document says so, as that of a loader inside the process does. */
        struct inspect_end end = {.waited = true, .code = 0xc000007bu, .how = "refused", .text = {(const uint8_t *)"", (const uint8_t *)""}};
        cli_start_failed(wish.program, target.error);
        inspect_nothing(sizeof(void *) == 8, &facts, &json);
        inspect_finish(&json, &end);
        status = CLI_NOT_LOADABLE;
    }
    target_close(&target);
    free(line);
    free(application);
    if (json.length && (json.failed || !document_write(&json)))
        status = CLI_USAGE_OR_WORLD;
    free(json.data);
    cli_source_close(&source);
    return status;
}

int cli_snapshot(int count, char **arguments)
{
    static const struct cli_options wish_options = {"snapshot", help, "+h", options, option_take, true};
    int status;
    size_t first = (size_t)(arguments + 1 - cli_words.words);
    if (!cli_options_take(&wish_options, count, arguments, &status))
        return status;
    wish.program = arguments[optind];
    status = snapshot(count - optind + 1, arguments + optind - 1, cli_words.starts[arguments + optind - cli_words.words]);
    return status == -1 ? hand_over(cli_words.starts[first]) : status;
}

int cli_compare(int count, char **arguments)
{
    (void)count, (void)arguments;
    cli_say("compare: the 64-bit peload on Linux does that");
    return CLI_USAGE_OR_WORLD;
}
