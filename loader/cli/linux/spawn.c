/* `peload spawn` on Linux: the operating system's lane is Wine's, reached through peload.exe. */
#include "loader/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    "Wine is $PELOAD_WINE, or wine64 or wine in PATH, or /usr/lib/wine/wine64; its prefix is $PELOAD_WINEPREFIX, or\n"
    "peload/wine in the cache folder, made at the first use. No window is opened: DISPLAY is not handed on.\n";

static bool is_program(const char *path)
{
    struct stat facts;
    return !stat(path, &facts) && S_ISREG(facts.st_mode) && !access(path, X_OK);
}

static bool in_path(const char *name, char *path, size_t room)
{
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t length = strcspn(at, ":");
        if (snprintf(path, room, "%.*s/%s", (int)length, at, name) < (int)room && is_program(path))
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* wine64 first: the script `wine` of some systems insists on a 32-bit Wine that it then does not find. */
static const char *wine_find(void)
{
    static char path[4096];
    const char *own = getenv("PELOAD_WINE");
    if (own && *own)
        return own;
    if (in_path("wine64", path, sizeof path))
        return path;
    if (is_program("/usr/lib/wine/wine64"))
        return "/usr/lib/wine/wine64";
    return in_path("wine", path, sizeof path) ? path : NULL;
}

static const char *companion_find(void)
{
    static const char *const places[] = {"peload.exe", "../lib/peload/peload.exe"};
    static char path[4096 + 32];
    const char *own = cli_own_path(), *slash = own ? strrchr(own, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - own), own, places[i]);
        if (!access(path, R_OK))
            return path;
    }
    return NULL;
}

/* Wine makes the last component itself, nothing above it. */
static void folders_make(char *path)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

static bool environment_set(void)
{
    const char *wish = cli_wine_prefix(), *set = cli_dll_set_if_any();
    char *prefix = wish ? strdup(wish) : NULL;
    if (!prefix) {
        cli_say("no place for Wine's prefix: neither PELOAD_WINEPREFIX, PELOAD_CACHE, XDG_CACHE_HOME nor HOME says where");
        return false;
    }
    folders_make(prefix);
    /* A Wine without its 32-bit half takes that from the DLL set of the native lane, if the two are of one version. */
    if (set)
        setenv("WINEDLLPATH", set, 0);
    /* No menu entries, no debugger in a window, no offers to download: a prefix for programs of the console. */
    return !setenv("WINEPREFIX", prefix, 1) && !setenv("WINEDEBUG", "-all", 0) &&
           !setenv("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=", 0) && !unsetenv("DISPLAY");
}

/* peload.exe COMMAND WORDS under Wine, in this process. Returns only where it cannot be. */
static int through_wine(const char *command, int count, char **words)
{
    const char *wine = wine_find(), *program = companion_find();
    char **line = calloc((size_t)count + 4, sizeof *line);
    if (!program)
        cli_say("peload.exe is neither beside this program nor in ../lib/peload: build it with `make`");
    else if (!wine)
        cli_say("no Wine here, and the lanes os and win32 need one: `apt-get install --no-install-recommends wine wine64` "
                "installs it (--lane=native needs none); PELOAD_WINE names another");
    if (!program || !wine || !line || !environment_set())
        return CLI_USAGE_OR_WORLD;
    line[0] = (char *)(uintptr_t)wine;
    line[1] = (char *)(uintptr_t)program;
    line[2] = (char *)(uintptr_t)command;
    memcpy(line + 3, words, (size_t)count * sizeof *line);
    execv(wine, line);
    cli_say("%s: %s", wine, strerror(errno));
    return CLI_USAGE_OR_WORLD;
}

int cli_spawn(int count, char **arguments)
{
    static const char option[] = "--lane=";
    const char *lane = "os";
    int first = 1;
    if (count > 1 && (!strcmp(arguments[1], "--help") || !strcmp(arguments[1], "-h")))
        return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
    if (count > 1 && !strncmp(arguments[1], option, sizeof option - 1))
        lane = arguments[first++] + sizeof option - 1;
    if (count == first) {
        cli_say("spawn: no FILE");
        return cli_usage("spawn");
    }
    if (!strcmp(lane, "native")) {
        arguments[first - 1] = arguments[0];
        return cli_run(count - first + 1, arguments + first - 1);
    }
    if (!strcmp(lane, "os") || !strcmp(lane, "win32"))
        return through_wine(*lane == 'o' ? "spawn" : "run", count - first, arguments + first);
    cli_say("--lane knows os, win32 and native: %s", lane);
    return cli_usage("spawn");
}
