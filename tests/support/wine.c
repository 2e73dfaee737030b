#define _GNU_SOURCE
#include "tests/support/wine.h"

#include "tests/support/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "/" TEST_BUILD "/tests/wine"

bool wine_prefix_set(void)
{
    char path[PATH_MAX];
    mkdir(TEST_BUILD "/tests", 0777);
    if (!getcwd(path, sizeof path - sizeof PREFIX))
        return false;
    return !setenv("PELOAD_WINEPREFIX", strcat(path, PREFIX), 1);
}

bool wine_runs(const char *machine)
{
    char path[128];
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/seh_caught.exe", machine);
    const char *const arguments[] = {TEST_BUILD "/peload", "spawn", path, NULL};
    struct process process = {.arguments = arguments, .seconds = 240};
    bool done = process_run(&process) && !process.status && strstr(process.output, "nothing raised, nothing caught: yes");
    process_free(&process);
    return done;
}

/* The private run-time's server, or the machine's. */
static const char *server_find(void)
{
    static const char *const installed[] = {"/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver", "/usr/bin/wineserver"};
    static const char *const caches[][2] = {{"PELOAD_CACHE", ""}, {"XDG_CACHE_HOME", "/peload"}, {"HOME", "/.cache/peload"}};
    static char path[PATH_MAX];
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        const char *folder = getenv(caches[i][0]);
        if (!folder || !*folder)
            continue;
        snprintf(path, sizeof path, "%s%s/current/run/usr/lib/wine/wineserver64", folder, caches[i][1]);
        if (!access(path, X_OK))
            return path;
        break;
    }
    for (size_t i = 0; i < sizeof installed / sizeof *installed; i++)
        if (!access(installed[i], X_OK))
            return installed[i];
    return NULL;
}

void wine_server_end(void)
{
    char prefix[PATH_MAX + 16];
    const char *folder = getenv("PELOAD_WINEPREFIX"), *server = server_find();
    if (!folder || !server || access(folder, F_OK))
        return;
    snprintf(prefix, sizeof prefix, "WINEPREFIX=%s", folder);
    const char *const arguments[] = {server, "-k", NULL}, *const environment[] = {prefix, NULL};
    struct process process = {.arguments = arguments, .environment = environment};
    process_run(&process);
    process_free(&process);
}
