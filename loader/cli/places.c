/* Where things are that a process needs beside its EXE. */
#include "loader/cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

/* A variable's value; NULL where it is unset or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The folder `name` of the freedesktop base directories: $variable, else $HOME/fallback. */
static bool base_folder(char *path, const char *own_variable, const char *xdg, const char *fallback)
{
    const char *own = variable(own_variable), *base = variable(xdg), *home = variable("HOME");
    int length;
    if (own)
        length = snprintf(path, PATH_ROOM, "%s", own);
    else if (base)
        length = snprintf(path, PATH_ROOM, "%s/peload", base);
    else if (home)
        length = snprintf(path, PATH_ROOM, "%s/%s/peload", home, fallback);
    else
        return false;
    return length < PATH_ROOM;
}

static bool holds(const char *folder, const char *name)
{
    char path[PATH_ROOM + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, R_OK) == 0;
}

const char *cli_dll_set(const char *wanted)
{
    static const char *const proof = sizeof(void *) == 8 ? "x86_64-windows/ntdll.dll" : "i386-windows/ntdll.dll";
    static char path[PATH_ROOM + 16];
    const char *told = "the cache folder", *set = wanted;
    if (set)
        told = "--dll-path";
    else if ((set = variable("PELOAD_DLL_PATH")))
        told = "PELOAD_DLL_PATH";
    else {
        if (!base_folder(path, "PELOAD_CACHE", "XDG_CACHE_HOME", ".cache")) {
            cli_say("no DLL set: neither --dll-path nor PELOAD_DLL_PATH, PELOAD_CACHE, XDG_CACHE_HOME or HOME says where");
            return NULL;
        }
        strcat(path, "/current");
        set = path;
    }
    if (holds(set, proof))
        return set;
    cli_say("no Windows DLLs here: %s (%s) lacks %s; `make deps` fetches a set, --dll-path names another", set, told, proof);
    return NULL;
}

const char *cli_own_path(void)
{
    static char path[PATH_ROOM];
    ssize_t length = path[0] ? 1 : readlink("/proc/self/exe", path, sizeof path - 1);
    return length > 0 ? path : NULL;
}

const char *cli_companions(void)
{
    static const char *const proof = sizeof(void *) == 8 ? "ldr64.dll" : "ldr32.dll";
    static char folder[PATH_ROOM];
    const char *own = cli_own_path();
    if (own && strlen(own) < sizeof folder - sizeof "../lib/peload") {
        char *slash = strrchr(strcpy(folder, own), '/');
        slash[1] = 0;
        slash[slash == folder] = 0;
        if (holds(folder, proof))
            return folder;
        strcpy(slash, "/../lib/peload");
        if (holds(folder, proof))
            return folder;
    }
    cli_say("%s is neither beside this program nor in ../lib/peload: build it with `make`", proof);
    return NULL;
}

const char *cli_drive_c(void)
{
    static char path[PATH_ROOM + 16];
    const char *own = variable("PELOAD_DRIVE_C");
    if (own)
        return own;
    if (!base_folder(path, "PELOAD_DRIVE_C", "XDG_DATA_HOME", ".local/share"))
        return "";
    return strcat(path, "/drive_c");
}
