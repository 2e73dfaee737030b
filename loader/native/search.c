/* Names and search paths: as the guest writes them, turned into files of the host. */
#include "loader/native/native.h"
#include "loader/nt/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { NAME_LIMIT = 32768, PATH_ROOM = 4096 };

/* A NUL-terminated guest string, copied; malloc'd, NULL where it is not readable or too long. */
static WCHAR *guest_text(const WCHAR *guest, size_t *length)
{
    size_t room = 0;
    WCHAR *text = NULL;
    for (size_t at = 0; at < NAME_LIMIT; at++) {
        if (at == room) {
            WCHAR *grown = realloc(text, (room = room ? room * 2 : 128) * sizeof *text);
            if (!grown)
                break;
            text = grown;
        }
        if (!nt_read(&text[at], guest + at, sizeof *text))
            break;
        if (!text[at]) {
            *length = at;
            return text;
        }
    }
    free(text);
    return NULL;
}

/* ---- paths ---- */

static bool is_separator(WCHAR c) { return c == '\\' || c == '/'; }

/* "z:/a//b/../c" -> "Z:\a\c", in place; the same is done by RtlGetFullPathName. Returns the new length. Paths that begin
 * with two separators are not touched. */
static size_t path_tidy(WCHAR *path, size_t length)
{
    size_t out = 3, at = 3;
    for (size_t i = 0; i < length; i++)
        if (path[i] == '/')
            path[i] = '\\';
    if (length < 3 || path[1] != ':' || path[2] != '\\')
        return length;
    if (path[0] >= 'a' && path[0] <= 'z')
        path[0] -= 32;
    while (at < length) {
        size_t end = at;
        while (end < length && path[end] != '\\')
            end++;
        size_t count = end - at;
        if (count == 2 && path[at] == '.' && path[at + 1] == '.') {
            while (out > 3 && path[out - 1] != '\\')
                out--;
            out -= out > 3;
        } else if (count && !(count == 1 && path[at] == '.')) {
            if (out > 3)
                path[out++] = '\\';
            memmove(path + out, path + at, count * sizeof *path);
            out += count;
        }
        at = end + 1;
    }
    return out;
}

/* The full path of one that may be relative to the current directory; its length, 0: it cannot be told. */
static size_t full_path(const WCHAR *path, size_t length, WCHAR *full)
{
    bool absolute = length >= 2 && (path[1] == ':' || (is_separator(path[0]) && is_separator(path[1])));
    size_t prefix = 0;
    if (!absolute) {
        const UNICODE_STRING *directory = &nt_process.peb->parameters->directory;
        prefix = directory->length / sizeof(WCHAR);
        if (length && is_separator(path[0]))
            prefix = prefix > 2 ? 2 : prefix; /* rooted: the drive only */
        if (prefix + length >= PATH_ROOM || !nt_read(full, directory->buffer, prefix * sizeof(WCHAR)))
            return 0;
    }
    if (prefix + length >= PATH_ROOM)
        return 0;
    memcpy(full + prefix, path, length * sizeof(WCHAR));
    return path_tidy(full, prefix + length);
}

/* The host's name of what a full path names; one with the prefix \\?\ or \\.\ is an ordinary one behind it. */
static NTSTATUS full_to_unix(const WCHAR *full, size_t length, char *out, size_t room)
{
    bool prefixed = length > 5 && full[0] == '\\' && full[1] == '\\' && (full[2] == '?' || full[2] == '.') && full[3] == '\\' &&
                    full[5] == ':';
    return nt_path_to_unix(full + (prefixed ? 4 : 0), (unsigned)length - (prefixed ? 4 : 0), true, out, room);
}

/* ---- search paths ---- */

/* A guest's search path ("C:\app;C:\windows\system32;..."), turned into host folders. The last one is kept: kernelbase
 * passes the same text with every LoadLibrary. */
static struct { WCHAR *text, *directory; size_t length, directory_length; const char **folders; unsigned count; } searched;

static void folder_add(const char *folder)
{
    const char **grown = realloc(searched.folders, (searched.count + 2) * sizeof *grown);
    char *copy = strdup(folder);
    if (!grown || !copy) {
        free(copy);
        if (grown)
            searched.folders = grown;
        return;
    }
    searched.folders = grown;
    searched.folders[searched.count++] = copy;
    searched.folders[searched.count] = NULL;
}

static void folders_forget(void)
{
    for (unsigned i = 0; i < searched.count; i++)
        free((void *)(uintptr_t)searched.folders[i]);
    free(searched.text);
    free(searched.directory);
    free(searched.folders);
    memset(&searched, 0, sizeof searched);
}

/* "." and other relative folders mean another place when the current directory has changed. */
static bool same_directory(void)
{
    const UNICODE_STRING *directory = &nt_process.peb->parameters->directory;
    WCHAR now[PATH_ROOM];
    size_t length = directory->length / sizeof *now;
    return length == searched.directory_length && length < PATH_ROOM &&
           nt_read(now, directory->buffer, length * sizeof *now) && !memcmp(now, searched.directory, length * sizeof *now);
}

static void remember_directory(void)
{
    const UNICODE_STRING *directory = &nt_process.peb->parameters->directory;
    searched.directory = malloc(directory->length + 1u);
    if (searched.directory && nt_read(searched.directory, directory->buffer, directory->length))
        searched.directory_length = directory->length / sizeof(WCHAR);
}

static const char *const *search_for(const WCHAR *guest_path)
{
    size_t length;
    WCHAR *text = guest_path ? guest_text(guest_path, &length) : NULL;
    if (!text)
        return native.search;
    if (searched.folders && length == searched.length && !memcmp(text, searched.text, length * sizeof *text) &&
        same_directory()) {
        free(text);
        return searched.folders;
    }
    folders_forget();
    for (size_t at = 0; at < length;) {
        size_t end = at, count;
        WCHAR full[PATH_ROOM];
        char folder[PATH_ROOM];
        while (end < length && text[end] != ';')
            end++;
        if (end > at && (count = full_path(text + at, end - at, full)) &&
            !full_to_unix(full, count, folder, sizeof folder))
            folder_add(folder);
        at = end + 1;
    }
    folder_add(native.search[2]); /* what Wine's set lacks stands behind everything else */
    searched.text = text;
    searched.length = length;
    remember_directory();
    return searched.folders ? searched.folders : native.search;
}

/* ---- names ---- */

/* The file that a full path names, as the host knows it. */
static bool file_at(const WCHAR *full, size_t length, struct native_name *name)
{
    if (!length || full_to_unix(full, length, name->text, sizeof name->text))
        return false;
    memcpy(name->dos, full, length * sizeof *full);
    name->dos[length] = 0;
    return true;
}

/* A name with a path. Absolute or rooted: that file; else it is looked for under each folder of the search path. */
static bool file_find(const WCHAR *given, size_t length, struct native_name *name)
{
    static const WCHAR extension[] = {'.', 'd', 'l', 'l'};
    WCHAR with[PATH_ROOM + 8], full[2 * PATH_ROOM + 8];
    bool dotted = false;
    for (size_t i = length; i && !is_separator(given[i - 1]); i--)
        dotted |= given[i - 1] == '.';
    if (length >= PATH_ROOM)
        return false;
    memcpy(with, given, length * sizeof *with);
    if (!dotted) {
        memcpy(with + length, extension, sizeof extension);
        length += sizeof extension / sizeof *extension;
    } else if (with[length - 1] == '.')
        length--;
    if (is_separator(with[0]) || (length > 1 && with[1] == ':'))
        return file_at(full, full_path(with, length, full), name);
    for (const char *const *folder = name->search; *folder; folder++) {
        size_t prefix = nt_path_to_dos(*folder, full, PATH_ROOM);
        if (!prefix)
            continue;
        full[prefix++] = '\\';
        memcpy(full + prefix, with, length * sizeof *with);
        if (prefix + length < PATH_ROOM && file_at(full, path_tidy(full, prefix + length), name))
            return true;
    }
    return false;
}

NTSTATUS native_name_take(const WCHAR *guest_name, const WCHAR *guest_path, struct native_name *name)
{
    size_t length;
    WCHAR *given = guest_text(guest_name, &length);
    if (!given)
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = length ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    name->search = search_for(guest_path);
    name->is_path = false;
    name->dos[0] = 0;
    for (size_t i = 0; i < length; i++)
        name->is_path |= is_separator(given[i]) || (i == 1 && given[i] == ':');
    if (!name->is_path)
        nt_utf8_from_utf16(given, length, name->text, sizeof name->text);
    else if (!file_find(given, length, name))
        status = STATUS_DLL_NOT_FOUND;
    free(given);
    return status;
}

/* ---- the program's own imports ---- */

enum { FIXED_FOLDERS = 3 };

/* Folders of a PATH that the guest was given on purpose (a Unix PATH is not for it), behind `count` others. */
static unsigned path_folders(const char *path, const char **folders, unsigned count)
{
    while (*path) {
        size_t length = strcspn(path, ";");
        WCHAR wide[PATH_ROOM];
        char folder[PATH_ROOM];
        if (length && length < PATH_ROOM && native_is_dos_path(path)) {
            size_t units = path_tidy(wide, nt_utf16_from_utf8(path, length, wide, PATH_ROOM));
            char *copy = nt_path_to_unix(wide, (unsigned)units, true, folder, sizeof folder) ? NULL : strdup(folder);
            if (copy)
                folders[count++] = copy;
        }
        path += length + (path[length] == ';');
    }
    return count;
}

/* Windows' order: the program's folder, the system's, the current directory, PATH. Ours (what Wine lacks) stands behind the
 * system's, of which it is a part. */
bool native_search_open(struct ld_error *error)
{
    const struct native_options *options = &native.options;
    const char *slash = strrchr(options->program, '/'), *path = "";
    const char *dlls = sizeof(void *) == 8 ? "/dlls64" : "/dlls32";
    size_t length = slash ? (size_t)(slash - options->program) : 0, more = 1;
    for (char *const *entry = options->environment; entry && *entry; entry++)
        if (!strncasecmp(*entry, "PATH=", 5) && native_is_dos_path(*entry + 5))
            path = *entry + 5;
    for (const char *at = path; *at; at++)
        more += *at == ';';
    char *application = malloc(length + 2), *ours = malloc(strlen(options->companions) + strlen(dlls) + 1);
    char *directory = getcwd(NULL, 0);
    native.search = calloc(FIXED_FOLDERS + 1 + more + 1, sizeof *native.search);
    if (!application || !ours || !native.search)
        return ld_fail_host(error, LD_FIND, NULL, HOST_NO_MEMORY, "no memory for the search path");
    memcpy(application, options->program, length);
    strcpy(application + length, slash ? (length ? "" : "/") : ".");
    strcpy(stpcpy(ours, options->companions), dlls);
    unsigned count = 0;
    native.search[count++] = application;
    native.search[count++] = native.system_folder;
    native.search[count++] = ours;
    if (directory)
        native.search[count++] = directory;
    path_folders(path, native.search, count);
    native.loader.search = native.search;
    return true;
}
