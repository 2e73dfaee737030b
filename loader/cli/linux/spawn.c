/* `peload spawn` on Linux: the operating system's lane is Wine's, reached through peload.exe. */
#include "loader/cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload spawn hello.exe one \"two words\"       CreateProcess under Wine, for comparison\n"
    "  peload spawn --lane=native hello.exe         the same file by peload's own hand (as `peload run`)\n"
    "  peload spawn --lane=win32 hello.exe          by peload.exe's own hand, on Wine's system DLLs\n"
    "\n"
    "Usage: peload spawn [--lane=os|win32|native] [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "\n"
    "Options of the os lane are peload.exe's: --application FILE, --command-line TEXT, --inherit, --suspended,\n"
    "--new-console, --status-file=FILE. Those of the other lanes are the ones of `run`.\n"
    "\n"
    "Wine is $PELOAD_WINE, or the private one that `make deps-wine` puts into the cache folder, or wine64 or wine in PATH,\n"
    "or /usr/lib/wine/wine64; its prefix is $PELOAD_WINEPREFIX, or peload/wine in the cache folder, made at the first use.\n"
    "No window is opened: DISPLAY is not handed on.\n";

int cli_spawn(int count, char **arguments)
{
    static const char option[] = "--lane=";
    const char *lane = "os";
    int first = 1;
    if (count > 1 && (!strcmp(arguments[1], "--help") || !strcmp(arguments[1], "-h")))
        return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
    if (count > 1 && !strncmp(arguments[1], option, sizeof option - 1))
        lane = arguments[first++] + sizeof option - 1;
    else if (count > 2 && !strcmp(arguments[1], "--lane"))
        lane = arguments[2], first = 3;
    if (count == first) {
        cli_say("spawn: no FILE");
        return cli_usage("spawn");
    }
    if (!strcmp(lane, "native")) {
        arguments[first - 1] = arguments[0];
        return cli_run(count - first + 1, arguments + first - 1);
    }
    if (!strcmp(lane, "os") || !strcmp(lane, "win32"))
        return cli_through_wine(*lane == 'o' ? "spawn" : "run", count - first, arguments + first);
    cli_say("--lane knows os, win32 and native: %s", lane);
    return cli_usage("spawn");
}
