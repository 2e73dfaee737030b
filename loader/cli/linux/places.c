/* Where things are that a process needs beside its EXE. */
#include "loader/cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

/* Answers stay for good, in as many bytes as they have. NULL: no memory for it, which says so itself soon enough. */
static const char *kept(const char *path)
{
    return strdup(path);
}

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

static const char *const dll_set_proof = sizeof(void *) == 8 ? "x86_64-windows/ntdll.dll" : "i386-windows/ntdll.dll";

/* Where a set ought to be, and who said so. NULL: nobody did. */
static const char *dll_set_place(const char *wanted, const char **told)
{
    char path[PATH_ROOM + 16];
    const char *set = wanted;
    *told = "--dll-path";
    if (!set && (set = variable("PELOAD_DLL_PATH")))
        *told = "PELOAD_DLL_PATH";
    if (!set && base_folder(path, "PELOAD_CACHE", "XDG_CACHE_HOME", ".cache")) {
        *told = "the cache folder";
        set = kept(strcat(path, "/current"));
    }
    return set;
}

const char *cli_dll_set(const char *wanted)
{
    const char *told, *set = dll_set_place(wanted, &told);
    if (set && holds(set, dll_set_proof))
        return set;
    if (set)
        cli_say("no Windows DLLs here: %s (%s) lacks %s; `make deps` fetches a set, --dll-path names another", set, told,
                dll_set_proof);
    else
        cli_say("no DLL set: neither --dll-path nor PELOAD_DLL_PATH, PELOAD_CACHE, XDG_CACHE_HOME or HOME says where");
    return NULL;
}

const char *cli_dll_set_if_any(void)
{
    const char *told, *set = dll_set_place(NULL, &told);
    return set && holds(set, dll_set_proof) ? set : NULL;
}

const char *cli_wine_prefix(void)
{
    char path[PATH_ROOM + 16];
    const char *own = variable("PELOAD_WINEPREFIX");
    if (own)
        return own;
    return base_folder(path, "PELOAD_CACHE", "XDG_CACHE_HOME", ".cache") ? kept(strcat(path, "/wine")) : NULL;
}

const char *cli_own_path(void)
{
    static const char *own;
    char path[PATH_ROOM];
    ssize_t length = own ? 0 : readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        own = kept(path);
    }
    return own;
}

/* Both hosts lie side by side where they are built; installed, the 32-bit one lies with the companions. */
const char *cli_host(bool wide)
{
    char path[PATH_ROOM + 32];
    static const char *const places64[] = {"peload", "../../bin/peload"}, *const places32[] = {"peload32", "../lib/peload/peload32"};
    const char *const *places = wide ? places64 : places32;
    const char *own = cli_own_path(), *slash = own ? strrchr(own, '/') : NULL;
    if (wide == (sizeof(void *) == 8))
        return own;
    for (size_t i = 0; slash && i < 2; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - own), own, places[i]);
        if (!access(path, X_OK))
            return kept(path);
    }
    return NULL;
}

const char *cli_companions(void)
{
    static const char *const proof = sizeof(void *) == 8 ? "ldr64.dll" : "ldr32.dll";
    char folder[PATH_ROOM];
    const char *own = cli_own_path();
    if (own && strlen(own) < sizeof folder - sizeof "../lib/peload") {
        char *slash = strrchr(strcpy(folder, own), '/');
        slash[1] = 0;
        slash[slash == folder] = 0;
        if (holds(folder, proof))
            return kept(folder);
        strcpy(slash, "/../lib/peload");
        if (holds(folder, proof))
            return kept(folder);
    }
    cli_say("%s is neither beside this program nor in ../lib/peload: build it with `make`", proof);
    return NULL;
}

const char *cli_drive_c(void)
{
    char path[PATH_ROOM + 16];
    const char *own = variable("PELOAD_DRIVE_C");
    if (own)
        return own;
    if (!base_folder(path, "PELOAD_DRIVE_C", "XDG_DATA_HOME", ".local/share"))
        return "";
    return kept(strcat(path, "/drive_c"));
}

/* Another for each folder that holds this program: two builds do not take each other's away. */
const char *cli_cache(void)
{
    char path[PATH_ROOM + 64];
    const char *own = cli_own_path();
    uint64_t hash = 14695981039346656037u;
    if (!own || !base_folder(path, "PELOAD_CACHE", "XDG_CACHE_HOME", ".cache"))
        return NULL;
    for (const char *end = strrchr(own, '/'); own < end; own++)
        hash = (hash ^ (unsigned char)*own) * 1099511628211u;
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/bound/%016" PRIx64, hash);
    return kept(path);
}
