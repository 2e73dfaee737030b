/* peload.exe under Wine: which Wine, its environment, its prefix. */
#include "loader/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

struct wine { char loader[PATH_ROOM + 64], run[PATH_ROOM + 64]; /* run: the private run-time's folder; "" where it is another */ };

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

static bool private_find(struct wine *wine)
{
    const char *set = cli_dll_set_if_any();
    return set && snprintf(wine->run, sizeof wine->run, "%s/run", set) < PATH_ROOM &&
           snprintf(wine->loader, sizeof wine->loader, "%s/usr/lib/wine/wine64", wine->run) < PATH_ROOM && is_program(wine->loader);
}

/* The private one before the machine's: it has a 32-bit half that keeps exceptions, and the version of the DLL set.
 * wine64 before wine: that script insists on a 32-bit Wine which it then does not find. */
static bool wine_find(struct wine *wine)
{
    const char *own = getenv("PELOAD_WINE");
    if (!(own && *own) && private_find(wine))
        return true;
    wine->run[0] = 0;
    if (own && *own)
        return snprintf(wine->loader, sizeof wine->loader, "%s", own) < (int)sizeof wine->loader;
    if (in_path("wine64", wine->loader, sizeof wine->loader))
        return true;
    strcpy(wine->loader, "/usr/lib/wine/wine64");
    return is_program(wine->loader) || in_path("wine", wine->loader, sizeof wine->loader);
}

bool cli_wine_at_hand(void)
{
    struct wine wine = {0};
    return wine_find(&wine);
}

static const char *companion_find(void)
{
    static const char *const places[] = {"peload.exe", "../lib/peload/peload.exe"};
    static char path[PATH_ROOM + 32];
    const char *own = cli_own_path(), *slash = own ? strrchr(own, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - own), own, places[i]);
        if (!access(path, R_OK))
            return path;
    }
    return NULL;
}

static void folders_make(const char *path)
{
    char *copy = strdup(path);
    for (char *slash = copy; slash && (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(copy, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
    free(copy);
}

/* ---- environment ---- */

/* The private run-time's own libraries come first; of the machine's nothing is taken away. */
static bool libraries_set(const struct wine *wine)
{
    char server[sizeof wine->run + 64], *libraries;
    const char *before = getenv("LD_LIBRARY_PATH");
    snprintf(server, sizeof server, "%s/usr/lib/wine/wineserver64", wine->run);
    if (asprintf(&libraries, "%s/lib64%s%s", wine->run, before && *before ? ":" : "", before ? before : "") < 0)
        return false;
    bool done = !setenv("LD_LIBRARY_PATH", libraries, 1) && !setenv("WINESERVER", server, 1);
    free(libraries);
    return done;
}

static bool environment_set(const struct wine *wine, const char *prefix)
{
    const char *set = cli_dll_set_if_any();
    /* A Wine without its 32-bit half takes that from the DLL set of the native lane, if the two are of one version. */
    if (set && !wine->run[0])
        setenv("WINEDLLPATH", set, 0);
    /* No menu entries, no debugger in a window, no offers to download: a prefix for programs of the console. */
    return (!wine->run[0] || libraries_set(wine)) && !setenv("WINEPREFIX", prefix, 1) && !setenv("WINEDEBUG", "-all", 0) &&
           !setenv("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=", 0) && !unsetenv("DISPLAY");
}

/* ---- prefix ---- */

static bool wineboot_run(const struct wine *wine)
{
    int status = -1;
    pid_t id = fork();
    if (!id) {
        int nothing = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3 && nothing >= 0; fd++)
            dup2(nothing, fd);
        execl(wine->loader, wine->loader, "wineboot", "--init", NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    while (id > 0 && waitpid(id, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 126)
        cli_say("%s cannot be started", wine->loader);
    else
        cli_say("%s could not make its prefix: wineboot failed (%s %d)", wine->loader, WIFEXITED(status) ? "exit status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return false;
}

/* Made aside from the first program, which then finds it and whose output is its own. The mark is set when all of it is
 * there; the lock lets a second run wait for the first. */
static bool prefix_make(const struct wine *wine, const char *prefix)
{
    char *mark;
    if (asprintf(&mark, "%s/peload-made-it", prefix) < 0)
        return false;
    bool done = !access(mark, F_OK);
    int lock = -1;
    if (!done) {
        folders_make(prefix);
        lock = open(prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock < 0 || flock(lock, LOCK_EX))
            cli_say("%s, Wine's prefix: %s", prefix, strerror(errno));
        else if (!(done = !access(mark, F_OK))) {
            cli_say("making Wine's prefix in %s; this takes about fifteen seconds, once", prefix);
            int made = wineboot_run(wine) ? open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0666) : -1;
            done = made >= 0 && !close(made);
        }
    }
    if (lock >= 0)
        close(lock);
    free(mark);
    return done;
}

/* ---- all of it ---- */

int cli_through_wine(const char *command, int count, char **words)
{
    const char *program = companion_find(), *prefix = cli_wine_prefix();
    struct wine wine = {0};
    char **line = calloc((size_t)count + 4, sizeof *line);
    bool found = program && wine_find(&wine);
    if (!program)
        cli_say("peload.exe is neither beside this program nor in ../lib/peload: build it with `make`");
    else if (!found)
        cli_say("no Wine here, and the lanes os and win32 need one: `make deps-wine` fetches a private one, or "
                "`apt-get install --no-install-recommends wine64` installs it (--lane=native needs none); PELOAD_WINE names another");
    else if (!prefix)
        cli_say("no place for Wine's prefix: neither PELOAD_WINEPREFIX, PELOAD_CACHE, XDG_CACHE_HOME nor HOME says where");
    char *full = prefix ? strdup(prefix) : NULL; /* places.c has one buffer */
    if (!found || !full || !line || !environment_set(&wine, full) || !prefix_make(&wine, full))
        return CLI_USAGE_OR_WORLD;
    line[0] = wine.loader;
    line[1] = (char *)(uintptr_t)program;
    line[2] = (char *)(uintptr_t)command;
    memcpy(line + 3, words, (size_t)count * sizeof *line);
    execv(wine.loader, line);
    cli_say("%s: %s", wine.loader, strerror(errno));
    return CLI_USAGE_OR_WORLD;
}
