/* `peload run` on Windows: options in, a child process that loads the program by hand, its end told. */
#include "loader/cli/win32/win32.h"
#include "loader/cli/win32/words.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const char help[] =
    "Examples\n"
    "  peload run hello.exe one \"two words\"\n"
    "  peload run -v hello.exe                              the story of its loading\n"
    "  peload run --trace=all --trace-file=steps hello.exe  every step, into a file\n"
    "  peload run --check hello.exe                         what is missing? nothing is started\n"
    "\n"
    "Usage: peload run [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "\n"
    "FILE is loaded by hand in a fresh child process, whose command line, standard handles and first thread are its own.\n"
    "\n"
    "What is told (on stderr; stdout is the program's alone)\n"
    "  -v, --verbose        the story of the loading, for a person\n"
    "  --trace=LIST         one line an event: find, open, place, fill, relocate, bind, tls, protect, order, init,\n"
    "                       start, thread, unload or all, separated by commas; \"skipped\" names what cannot be had\n"
    "  --trace-file=FILE    these lines into FILE\n"
    "  --status-file=FILE   the exit code: \"DECIMAL HEX HOW\\n\", HOW being exited, exception or refused\n"
    "What is done\n"
    "  --manual=exe|app|all what is loaded by hand: FILE alone; its own DLLs as well (the default); all DLLs but\n"
    "                       ntdll, kernel32, kernelbase, the C run-times, user32 and gdi32, of which a process can have\n"
    "                       one copy only, and Wine's DLLs with a half in Unix (--trace=find tells each as \"skipped\")\n"
    "  --check              load and bind everything, list every missing DLL and function, start nothing:\n"
    "                       exit status 0 or 126; with --json for programs\n"
    "  --missing=stub       start although functions are missing: who calls one gets exception 0x80000100, as in Wine\n"
    "  --occupy             take FILE's preferred base first, so that it must move\n"
    "  --inherit            all inheritable handles go to the program, not only its standard handles\n"
    "  --env NAME=VALUE     add a variable to the program's environment (again and again)\n"
    "  --clear-env          begin with an empty environment\n"
    "\n"
    "Exit status: the program's 32-bit exit code. 125: wrong use, or a fault of the machine; 126: FILE cannot be\n"
    "loaded; 127: FILE is not there. A program can use these numbers too: the status file tells the difference.\n";

enum { OPTION_TRACE = 256, OPTION_TRACE_FILE, OPTION_CHECK, OPTION_OCCUPY, OPTION_STATUS_FILE, OPTION_ENV, OPTION_CLEAR_ENV,
       OPTION_MANUAL, OPTION_JSON, OPTION_MISSING, OPTION_INHERIT };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"verbose", no_argument, NULL, 'v'},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"trace-file", required_argument, NULL, OPTION_TRACE_FILE},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"occupy", no_argument, NULL, OPTION_OCCUPY},
    {"status-file", required_argument, NULL, OPTION_STATUS_FILE},
    {"env", required_argument, NULL, OPTION_ENV},
    {"clear-env", no_argument, NULL, OPTION_CLEAR_ENV},
    {"manual", required_argument, NULL, OPTION_MANUAL},
    {"json", no_argument, NULL, OPTION_JSON},
    {"missing", required_argument, NULL, OPTION_MISSING},
    {"inherit", no_argument, NULL, OPTION_INHERIT},
    {0},
};

static struct {
    const char *program, *trace_file, *status_file;
    uint32_t mask;
    enum win32_manual manual;
    bool check, json, story, occupy, missing_stub, inherit;
    void (*look)(struct cli_start *child, struct win32_order *order); /* NULL: nobody does */
} run = {.manual = WIN32_MANUAL_APP};

static int wrong(const char *what, const char *word)
{
    return cli_wrong("run", what, word);
}

/* ---- options ---- */

static int environment_clear(void)
{
    static WCHAR empty[] = L"\0";
    return SetEnvironmentStringsW(empty) ? 0 : wrong("--clear-env", "Windows refuses it");
}

static int manual_take(const char *word)
{
    static const char *const words[] = {[WIN32_MANUAL_EXE] = "exe", [WIN32_MANUAL_APP] = "app", [WIN32_MANUAL_ALL] = "all"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], word)) {
            run.manual = (enum win32_manual)i;
            return 0;
        }
    return wrong("--manual knows exe, app and all", word);
}

static int missing_take(const char *word)
{
    run.missing_stub = !strcmp(word, "stub");
    return run.missing_stub ? 0 : wrong("--missing knows only stub", word);
}

static int option_take(int option)
{
    const char *bad;
    switch (option) {
    case 'v': run.story = true; return 0;
    case OPTION_TRACE: return ld_trace_parse(optarg, &run.mask, &bad) ? 0 : wrong("--trace knows no such word", bad);
    case OPTION_TRACE_FILE: run.trace_file = optarg; return 0;
    case OPTION_CHECK: run.check = true; return 0;
    case OPTION_JSON: run.json = true; return 0;
    case OPTION_OCCUPY: run.occupy = true; return 0;
    case OPTION_STATUS_FILE: run.status_file = optarg; return 0;
    case OPTION_ENV: return cli_environment_set(optarg) ? 0 : wrong("--env wants NAME=VALUE", optarg);
    case OPTION_CLEAR_ENV: return environment_clear();
    case OPTION_MANUAL: return manual_take(optarg);
    case OPTION_MISSING: return missing_take(optarg);
    case OPTION_INHERIT: run.inherit = true; return 0;
    default: return cli_usage("run");
    }
}

/* ---- the child ---- */

struct facts { uint16_t machine; bool is_kept; struct cli_stub stub; };

/* Looked at before a process is made for it. 0, or an exit status. */
static int program_check(struct facts *facts, HANDLE file)
{
    struct cli_source source;
    int status = 0;
    if (!cli_source_open(&source, run.program, &status)) {
        cli_status_write(file, source.ntstatus, "refused");
        return status;
    }
    const struct pe_image *image = &source.image;
    *facts = (struct facts){.machine = image->machine, .stub = {
        .is_64 = image->machine == PE_MACHINE_AMD64, .base = image->image_base.value, .size = image->size_of_image,
        .subsystem = image->subsystem, .characteristics = image->dll_characteristics,
        .large_address = image->characteristics & IMAGE_FILE_LARGE_ADDRESS_AWARE,
        .stack_and_heap = {image->stack_reserve, image->stack_commit, image->heap_reserve, image->heap_commit}}};
    if (facts->machine != PE_MACHINE_AMD64 && facts->machine != PE_MACHINE_I386) {
        cli_say("%s: a program for %s (machine 0x%04X); this one runs x86-64 and i386", run.program,
                pe_machine_name(facts->machine), facts->machine);
        status = CLI_NOT_LOADABLE;
    } else if (source.image.is_dll) {
        cli_say("%s: a DLL, not a program: it has no beginning of its own", run.program);
        status = CLI_NOT_LOADABLE;
    }
    cli_source_close(&source);
    if (status)
        cli_status_write(file, PE_STATUS_INVALID_IMAGE_FORMAT, "refused");
    return status;
}

/* Our code as a DLL, for the program's machine. */
static bool host_path(uint16_t machine, WCHAR *path)
{
    DWORD length = GetModuleFileNameW(NULL, path, WIN32_PATH);
    WCHAR *slash = length && length < WIN32_PATH - 16 ? wcsrchr(path, '\\') : NULL;
    if (!slash)
        return false;
    wcscpy(slash + 1, machine == PE_MACHINE_AMD64 ? L"peload64.dll" : L"peload32.dll");
    if (GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES)
        return true;
    cli_say("%s: %ls, which loads such programs, is not beside this one", run.program, slash + 1);
    return false;
}

/* Where a main image can lie. Windows gives user space from 64 KiB on. */
static bool base_is_usable(const struct facts *facts)
{
    uint64_t end = facts->stub.is_64 ? 0x7fff00000000u : 0x7fff0000u, base = facts->stub.base;
    return base >= 0x10000 && base % 0x10000 == 0 && base < end && facts->stub.size <= end - base;
}

/* The DLL goes beside the stub, because imports name no folders. The stub has the program's file name: whoever asks the
 * operating system for the name of the process gets that. */
static bool stub_make(struct facts *facts, const WCHAR *folder, const WCHAR *dll, WCHAR *path)
{
    WCHAR copy[WIN32_PATH + 32], *program = cli_wide(run.program), *last = program;
    for (WCHAR *at = program; at && *at; at++)
        if (*at == '/' || *at == '\\' || *at == ':')
            last = at + 1;
    if (facts->stub.size < 0x3000)
        facts->stub.size = 0x3000;
    facts->is_kept = base_is_usable(facts);
    if (!facts->is_kept)
        facts->stub.base = facts->stub.is_64 ? 0x140000000u : 0x400000u, facts->stub.size = 0x3000;
    facts->stub.dll = facts->stub.is_64 ? "peload64.dll" : "peload32.dll";
    CreateDirectoryW(folder, NULL);
    _snwprintf(copy, WIN32_PATH + 32, L"%ls\\%hs", folder, facts->stub.dll);
    bool done = program && lstrlenW(folder) + lstrlenW(last) + 2 < WIN32_PATH && CopyFileW(dll, copy, FALSE);
    if (done) {
        wcscat(wcscat(wcscpy(path, folder), L"\\"), last);
        done = cli_stub_write(&facts->stub, path);
    }
    free(program);
    return done;
}

static void folder_name(WCHAR *folder)
{
    DWORD length = GetTempPathW(WIN32_PATH - 64, folder);
    _snwprintf(folder + length, 32, L"peload-%lu", GetCurrentProcessId());
}

static bool order_fill(struct win32_order *order, const struct facts *facts, HANDLE process, HANDLE trace)
{
    WCHAR full[WIN32_PATH], *wide = cli_wide(run.program);
    DWORD length = wide ? GetFullPathNameW(wide, WIN32_PATH, full, NULL) : 0;
    HANDLE handle;
    free(wide);
    if (!length || length >= WIN32_PATH || !WideCharToMultiByte(CP_UTF8, 0, full, -1, order->program, WIN32_PATH, NULL, NULL))
        return false;
    for (char *at = order->program; *at; at++)
        if (*at == '\\')
            *at = '/';
    snprintf(order->shown, sizeof order->shown, "%s", run.program);
    folder_name(order->folder);
    order->trace_mask = run.mask;
    order->manual = run.manual;
    order->story = run.story, order->check = run.check, order->json = run.json, order->occupy = run.occupy, order->missing_stub = run.missing_stub;
    if (trace != INVALID_HANDLE_VALUE) {
        if (!DuplicateHandle(GetCurrentProcess(), trace, process, &handle, 0, FALSE, DUPLICATE_SAME_ACCESS))
            return false;
        order->trace_handle = (uintptr_t)handle;
    }
    if (facts->is_kept)
        order->kept_base = facts->stub.base, order->kept_size = facts->stub.size;
    return true;
}

/* The child is gone, but Windows may hold its files for a moment longer. */
static void file_remove(const WCHAR *path)
{
    for (unsigned i = 0; !DeleteFileW(path) && GetLastError() == ERROR_ACCESS_DENIED && i < 20; i++)
        Sleep(5);
}

static void folder_remove(const WCHAR *folder, const WCHAR *stub, const struct facts *facts)
{
    WCHAR path[WIN32_PATH + 32];
    bool more = true;
    for (unsigned i = 0; more; i++) {
        _snwprintf(path, WIN32_PATH + 32, L"%ls\\peload-donor%u.dll", folder, i);
        more = DeleteFileW(path);
    }
    _snwprintf(path, WIN32_PATH + 32, L"%ls\\%hs", folder, facts->stub.dll);
    file_remove(path);
    file_remove(stub);
    RemoveDirectoryW(folder);
}

static int tell_end(const struct win32_order *order, uint64_t stack, uint32_t code, HANDLE status)
{
    const char *how = order->state == WIN32_DETACHED ? "exited" : cli_how(code), *name = cli_status_name(code);
    if (order->state == WIN32_CHECKED)
        return (int)order->exit_status;
    if (order->state == WIN32_REFUSED) {
        cli_status_write(status, order->ntstatus, "refused");
        return (int)order->exit_status;
    }
    if (order->state == WIN32_MADE) {
        cli_say("%s: the operating system could not start the process made for it; the header asks for a stack of 0x%" PRIX64 " bytes",
                run.program, stack);
        cli_status_write(status, LD_STATUS_NO_MEMORY, "refused");
        return CLI_NOT_LOADABLE;
    }
    if (order->state == WIN32_LOADING) {
        cli_say("%s: the child process ended while it loaded the program (0x%08" PRIX32 ")", run.program, code);
        return CLI_USAGE_OR_WORLD;
    }
    if (!strcmp(how, "exception"))
        cli_say("%s: unhandled exception 0x%08" PRIX32 " %s", run.program, code, name);
    if (run.story) { /* all before was told by the child */
        cli_story_open(stderr, run.program);
        cli_story_exit(code);
    }
    cli_status_write(status, code, how);
    return (int)code;
}

/* Wine (8.0) neither starts nor ends a process whose first thread's stack it cannot have. */
static void wait_for_begin(const struct win32_order *order, HANDLE process)
{
    const DWORD limit = 30000, step = 100;
    for (DWORD waited = 0; order->state == WIN32_MADE; waited += step) {
        if (WaitForSingleObject(process, step) != WAIT_TIMEOUT)
            return;
        if (waited >= limit)
            TerminateProcess(process, 1);
    }
}

static int start(struct facts *facts, const WCHAR *typed, HANDLE trace, HANDLE status)
{
    WCHAR dll[WIN32_PATH], application[WIN32_PATH], folder[WIN32_PATH];
    HANDLE section;
    struct cli_start child = {.application = application, .command_line = _wcsdup(typed), .inherit = run.inherit, .flags = CREATE_SUSPENDED};
    if (!child.command_line || !host_path(facts->machine, dll))
        return CLI_USAGE_OR_WORLD;
    folder_name(folder);
    if (!stub_make(facts, folder, dll, application)) {
        cli_say("%s: no process can be prepared for it in the folder for temporary files (Windows error %lu)", run.program, GetLastError());
        return CLI_USAGE_OR_WORLD;
    }
    if (!cli_start(&child)) {
        DWORD error = GetLastError();
        folder_remove(folder, application, facts);
        return cli_start_failed(run.program, error);
    }
    struct win32_order *order = win32_order_make(child.process.dwProcessId, &section);
    if (!order || !order_fill(order, facts, child.process.hProcess, trace)) {
        cli_say("%s: the child process cannot be prepared (Windows error %lu)", run.program, GetLastError());
        TerminateProcess(child.process.hProcess, 1);
        cli_start_end(&child);
        folder_remove(folder, application, facts);
        return CLI_USAGE_OR_WORLD;
    }
    order->hold = run.look != NULL;
    ResumeThread(child.process.hThread);
    wait_for_begin(order, child.process.hProcess);
    if (run.look)
        run.look(&child, order);
    uint32_t code = cli_start_end(&child);
    folder_remove(folder, application, facts);
    return tell_end(order, facts->stub.stack_and_heap[0], code, status);
}

/* Here children are the operating system's. */
int cli_member(int count, char **arguments)
{
    (void)count, (void)arguments;
    return cli_usage(NULL);
}

int cli_run_looked_at(int count, char **arguments, void (*look)(struct cli_start *child, struct win32_order *order))
{
    run.look = look;
    optind = 0;
    return cli_run(count, arguments);
}

int cli_run(int count, char **arguments)
{
    struct facts facts;
    static const struct cli_options wish_options = {"run", help, "+hv", options, option_take, true};
    int status;
    if (!cli_options_take(&wish_options, count, arguments, &status))
        return status;
    if (run.json && !run.check)
        return wrong("--json", "only with --check");
    run.program = arguments[optind];
    HANDLE trace = cli_file_create(run.trace_file), file = cli_file_create(run.status_file);
    if (!trace || !file)
        return CLI_USAGE_OR_WORLD;
    if ((status = program_check(&facts, file)))
        return status;
    return start(&facts, cli_words.starts[arguments + optind - cli_words.words], trace, file);
}
