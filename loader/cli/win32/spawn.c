/* `peload spawn`: the operating system's own loader, by its normal paths. */
#include "loader/cli/win32/win32.h"
#include "loader/cli/win32/words.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload spawn hello.exe one \"two words\"              a command line with arguments\n"
    "  peload spawn --application hello.exe                a program by its file's name alone\n"
    "  peload spawn --command-line '\"hello.exe\" one'       a command line as one text\n"
    "  peload spawn --suspended hello.exe                  wait for Enter before its first instruction\n"
    "\n"
    "Usage: peload spawn [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "       peload spawn [OPTIONS] --application FILE [COMMAND LINE]\n"
    "       peload spawn [OPTIONS] --command-line TEXT\n"
    "\n"
    "How CreateProcess is called\n"
    "  --application FILE   lpApplicationName: exactly this file; words behind are the command line, the program's name first\n"
    "  --command-line TEXT  lpCommandLine alone: its first word is searched for, in Windows' order\n"
    "  --inherit            all inheritable handles go to the new process, not only its standard handles\n"
    "  --suspended          CREATE_SUSPENDED: its first thread waits until Enter is pressed here (or input ends)\n"
    "  --new-console        CREATE_NEW_CONSOLE: it gets a console of its own and none of our handles\n"
    "  --status-file=FILE   the exit code with all 32 bits: \"DECIMAL HEX HOW\\n\", HOW being exited, exception or refused\n"
    "\n"
    "Told on stderr: handles and IDs of process and thread, exit code, how it ended. The exit status is the exit code.\n";

enum { OPTION_APPLICATION = 256, OPTION_COMMAND_LINE, OPTION_INHERIT, OPTION_SUSPENDED, OPTION_NEW_CONSOLE, OPTION_STATUS_FILE,
       OPTION_LANE };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"application", required_argument, NULL, OPTION_APPLICATION},
    {"command-line", required_argument, NULL, OPTION_COMMAND_LINE},
    {"inherit", no_argument, NULL, OPTION_INHERIT},
    {"suspended", no_argument, NULL, OPTION_SUSPENDED},
    {"new-console", no_argument, NULL, OPTION_NEW_CONSOLE},
    {"status-file", required_argument, NULL, OPTION_STATUS_FILE},
    {"lane", required_argument, NULL, OPTION_LANE},
    {0},
};

static struct {
    const char *application, *command_line, *status_file;
    bool inherit, suspended, new_console;
} spawn;

static int wrong(const char *what, const char *word)
{
    return cli_wrong("spawn", what, word);
}

static int option_take(int option)
{
    switch (option) {
    case OPTION_APPLICATION: spawn.application = optarg; return 0;
    case OPTION_COMMAND_LINE: spawn.command_line = optarg; return 0;
    case OPTION_INHERIT: spawn.inherit = true; return 0;
    case OPTION_SUSPENDED: spawn.suspended = true; return 0;
    case OPTION_NEW_CONSOLE: spawn.new_console = true; return 0;
    case OPTION_STATUS_FILE: spawn.status_file = optarg; return 0;
    case OPTION_LANE: return strcmp(optarg, "os") ? wrong("--lane: on Windows there is os alone here", optarg) : 0;
    default: return cli_usage("spawn");
    }
}

static void wait_for_enter(void)
{
    char byte;
    DWORD got;
    cli_say("suspended; Enter lets it run");
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &got, NULL) && got && byte != '\n')
        continue;
}

static void tell_end(uint32_t code)
{
    const char *name = cli_status_name(code), *how = cli_how(code);
    if (!strcmp(how, "refused"))
        cli_say("never started: 0x%08" PRIX32 " %s", code, name);
    else if (code == 0xc0000142u) /* STATUS_DLL_INIT_FAILED */
        cli_say("its start failed: 0x%08" PRIX32 " %s, a DLL's DllMain refused or raised", code, name);
    else if (!strcmp(how, "exception"))
        cli_say("ended with 0x%08" PRIX32 " %s, as an exception that nobody handled ends it", code, name);
    else
        cli_say("ended by itself, exit code %" PRIu32 " (0x%08" PRIX32 "%s%s)", code, code, name ? " " : "", name ? name : "");
}

static int start(const char *what, const WCHAR *application, WCHAR *command_line, HANDLE status)
{
    struct cli_start child = {.application = application, .command_line = command_line, .inherit = spawn.inherit,
                              .flags = (spawn.suspended ? CREATE_SUSPENDED : 0) | (spawn.new_console ? CREATE_NEW_CONSOLE : 0)};
    if (!cli_start(&child)) {
        DWORD error = GetLastError();
        cli_status_write(status, error == ERROR_BAD_EXE_FORMAT ? 0xc000007bu : 0xc0000001u, "refused");
        return cli_start_failed(what, error);
    }
    cli_say("process handle 0x%" PRIXPTR ", ID %lu; thread handle 0x%" PRIXPTR ", ID %lu", (uintptr_t)child.process.hProcess,
            child.process.dwProcessId, (uintptr_t)child.process.hThread, child.process.dwThreadId);
    if (spawn.suspended) {
        wait_for_enter();
        ResumeThread(child.process.hThread);
    }
    uint32_t code = cli_start_end(&child);
    tell_end(code);
    cli_status_write(status, code, cli_how(code));
    return (int)code;
}

int cli_spawn(int count, char **arguments)
{
    static const struct cli_options wish_options = {"spawn", help, "+h", options, option_take, false};
    int status;
    if (!cli_options_take(&wish_options, count, arguments, &status))
        return status;
    if (spawn.command_line && (spawn.application || optind < count))
        return wrong("--command-line", "it is the whole command line; nothing may stand beside it");
    if (!spawn.command_line && !spawn.application && optind == count)
        return wrong("spawn", "no FILE");
    HANDLE file = cli_file_create(spawn.status_file);
    if (!file)
        return CLI_USAGE_OR_WORLD;

    /* What stands behind the options goes on as it was typed, quotes and all. CreateProcess may write to it. */
    const WCHAR *typed = cli_words.starts[arguments + optind - cli_words.words];
    WCHAR *line = spawn.command_line ? cli_wide(spawn.command_line) : optind < count ? _wcsdup(typed) : NULL;
    WCHAR *application = spawn.application ? cli_wide(spawn.application) : NULL;
    const char *what = spawn.application ? spawn.application : spawn.command_line ? spawn.command_line : arguments[optind];
    status = start(what, application, line, file);
    free(line);
    free(application);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    return status;
}
