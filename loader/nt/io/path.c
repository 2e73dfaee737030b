/* NT names onto the Unix tree: \??\C: is nt_config.drive_c, \??\Z: is /. The system DLLs' folder lies over
 * C:\windows\system32 (and its 32-bit twin over syswow64): what is not found there is looked for below drive C. */
#include "loader/nt/io/private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- folders of drive C -------------------------------------------------------------------------- */

const char *nt_user_name(void)
{
    const char *name = getenv("USER");
    return name && *name && !strpbrk(name, "/\\:*?\"<>|") ? name : "user";
}

static const char *drive_c(void)
{
    return nt_config.drive_c ? nt_config.drive_c : "/nonexistent";
}

/* The folder that is shown as system32 (wow false) or syswow64 of this process; false: there is none. A 32-bit
 * process sees its own set under both names, as WoW64's redirection shows it. */
static bool system_folder(bool wow, char *out, size_t room)
{
    const char *folder = nt_config.system_folder, *last = folder ? strrchr(folder, '/') : NULL;
    if (!folder)
        return false;
    if (sizeof(void *) == 4 || !wow)
        return (size_t)snprintf(out, room, "%s", folder) < room;
    if (!last || strcmp(last, "/x86_64-windows"))
        return false;
    return (size_t)snprintf(out, room, "%.*s/i386-windows", (int)(last - folder), folder) < room;
}

bool io_is_system_path(const char *path)
{
    char folder[PATH_MAX];
    for (int wow = 0; wow < 2; wow++) {
        size_t length = system_folder(wow, folder, sizeof folder) ? strlen(folder) : 0;
        if (length && !strncmp(path, folder, length) && (!path[length] || path[length] == '/'))
            return true;
    }
    return false;
}

/* What follows `prefix` when path lies in it without regard to ASCII case: "" or "/..."; NULL: it does not. */
static const char *below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    return !strncasecmp(path, prefix, length) && (!path[length] || path[length] == '/') ? path + length : NULL;
}

/* Folders that programs expect of every Windows; %s is the user. They exist for questions, and are made when they
 * are opened or something is put into them. */
static const char *const standard_folders[] = {
    "", "/windows", "/windows/temp", "/windows/system32", "/windows/syswow64", "/windows/fonts", "/windows/system32/drivers",
    "/Program Files", "/Program Files (x86)", "/Program Files/Common Files", "/ProgramData", "/users", "/users/Public",
    "/users/%s", "/users/%s/AppData", "/users/%s/AppData/Local", "/users/%s/AppData/Local/Temp", "/users/%s/AppData/LocalLow",
    "/users/%s/AppData/Roaming", "/users/%s/Desktop", "/users/%s/Documents", "/users/%s/Downloads",
};

static bool standard_folder(const char *relative, size_t length, char *out, size_t room)
{
    for (size_t i = 0; i < sizeof standard_folders / sizeof *standard_folders; i++) {
        size_t size = (size_t)snprintf(out, room, standard_folders[i], nt_user_name());
        if (size == length && !strncasecmp(out, relative, length))
            return true;
    }
    return false;
}

static bool make_folders(char *path)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        int failed = mkdir(path, 0777) && errno != EEXIST;
        *slash = '/';
        if (failed && errno != EACCES && errno != EROFS)
            return false;
    }
    return !mkdir(path, 0777) || errno == EEXIST;
}

/* Path is missing below drive C. Is it a standard folder, or directly in one? Spelt canonically then, and made. */
static enum io_found standard_find(char *path, enum io_found found, bool make)
{
    char relative[PATH_MAX], canonical[PATH_MAX];
    size_t root = strlen(drive_c());
    strcpy(relative, path + root);
    size_t length = strlen(relative);
    if (standard_folder(relative, length, canonical, sizeof canonical)) {
        if (root + length >= PATH_MAX)
            return found;
        strcpy(path + root, canonical);
        return !make || make_folders(path) ? IO_FOUND : found;
    }
    const char *last = strrchr(relative, '/');
    if (!last || !standard_folder(relative, (size_t)(last - relative), canonical, sizeof canonical))
        return found;
    strcpy(path + root, canonical);
    if (make)
        make_folders(path);
    strcat(path, last);
    return IO_NO_NAME;
}

/* ---- parsing ------------------------------------------------------------------------------------- */

static bool name_begins(const WCHAR **text, unsigned *length, const char *prefix)
{
    size_t size = strlen(prefix);
    if (*length < size || !io_name_equals_ascii(*text, size, prefix))
        return false;
    *text += size;
    *length -= (unsigned)size;
    return true;
}

static bool component_valid(const WCHAR *text, size_t length)
{
    if (!length || length > 255 || (text[0] == '.' && (length == 1 || (length == 2 && text[1] == '.'))))
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < 32 || (text[i] < 0x80 && strchr("<>:\"|?*/\\", text[i])))
            return false;
    return true;
}

/* Appends the components of text to path. "::$DATA", the name of a file's only stream, falls off the end. */
static NTSTATUS components_append(const WCHAR *text, unsigned length, char *path, bool *folder)
{
    size_t done = strlen(path);
    *folder = length && text[length - 1] == '\\';
    if (*folder)
        length--;
    if (length > 7 && io_name_equals_ascii(text + length - 7, 7, "::$DATA"))
        length -= 7;
    while (length) {
        unsigned size = 0;
        while (size < length && text[size] != '\\')
            size++;
        if (!component_valid(text, size))
            return STATUS_OBJECT_NAME_INVALID;
        if (done + 2 >= PATH_MAX)
            return STATUS_NAME_TOO_LONG;
        path[done++] = '/';
        size_t bytes = io_name_to_unix(text, size, path + done, PATH_MAX - done);
        if (bytes == (size_t)-1)
            return STATUS_NAME_TOO_LONG;
        if (bytes > NAME_MAX)
            return STATUS_OBJECT_NAME_INVALID;
        done += bytes;
        text += size;
        length -= size;
        if (length) {
            text++;
            if (!--length)
                return STATUS_OBJECT_NAME_INVALID; /* two backslashes at the end */
        }
    }
    return STATUS_SUCCESS;
}

/* name->path is complete below drive C: puts the system folder's place before it where there is one. */
static void system_overlay(struct io_name *name)
{
    char folder[PATH_MAX];
    const char *relative = name->path + name->fixed, *rest;
    bool wow = false;
    if (!(rest = below(relative, "/windows/system32")) && !(rest = below(relative, "/windows/sysnative"))) {
        rest = below(relative, "/windows/syswow64");
        wow = true;
    }
    if (!rest || !system_folder(wow, folder, sizeof folder))
        return;
    name->other_fixed = name->fixed;
    strcpy(name->other, name->path);
    size_t length = strlen(folder);
    if (length + strlen(rest) >= PATH_MAX)
        return;
    memmove(name->path + length, name->other + (rest - name->path), strlen(rest) + 1);
    memcpy(name->path, folder, length);
    name->fixed = length;
    name->system = true;
}

static NTSTATUS drive_parse(WCHAR letter, const WCHAR *text, unsigned length, struct io_name *name)
{
    name->drive = nt_upcase(letter);
    if (name->drive != 'C' && name->drive != 'Z')
        return STATUS_OBJECT_PATH_NOT_FOUND;
    if (length && *text != '\\')
        return STATUS_OBJECT_NAME_INVALID;
    if (name->drive == 'C')
        name->fixed = (size_t)snprintf(name->path, PATH_MAX, "%s", drive_c());
    if (name->fixed >= PATH_MAX - 1)
        return STATUS_NAME_TOO_LONG;
    if (length)
        text++, length--;
    NTSTATUS status = components_append(text, length, name->path, &name->folder);
    if (status)
        return status;
    if (!length)
        name->folder = true;
    if (name->drive == 'C')
        system_overlay(name);
    else if (!name->path[0])
        strcpy(name->path, "/");
    return STATUS_SUCCESS;
}

static NTSTATUS console_parse(const WCHAR *text, unsigned length, struct io_name *name)
{
    static const struct { const char *name; enum io_place place; } names[] = {
        {"Input", IO_PLACE_CONSOLE_INPUT}, {"CurrentIn", IO_PLACE_CONSOLE_INPUT}, {"Output", IO_PLACE_CONSOLE_OUTPUT},
        {"CurrentOut", IO_PLACE_CONSOLE_OUTPUT}, {"ScreenBuffer", IO_PLACE_CONSOLE_OUTPUT}, {"Console", IO_PLACE_CONSOLE},
        {"Connection", IO_PLACE_CONSOLE}, {"Reference", IO_PLACE_CONSOLE},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!io_name_equals_ascii(text, length, names[i].name))
            continue;
        name->place = names[i].place;
        return STATUS_SUCCESS;
    }
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

static NTSTATUS pipe_parse(const WCHAR *text, unsigned length, struct io_name *name)
{
    name->place = length ? IO_PLACE_PIPE : IO_PLACE_PIPE_ROOT;
    name->rest = text;
    name->rest_length = length;
    return STATUS_SUCCESS;
}

/* What the DOS name space holds: text is what follows "\??\". */
static NTSTATUS dos_parse(const WCHAR *text, unsigned length, struct io_name *name)
{
    if (length >= 2 && text[1] == ':' && nt_upcase(*text) >= 'A' && nt_upcase(*text) <= 'Z')
        return drive_parse(*text, text + 2, length - 2, name);
    if (io_name_equals_ascii(text, length, "NUL"))
        return name->place = IO_PLACE_NULL, STATUS_SUCCESS;
    if (io_name_equals_ascii(text, length, "CONIN$"))
        return name->place = IO_PLACE_CONSOLE_INPUT, STATUS_SUCCESS;
    if (io_name_equals_ascii(text, length, "CONOUT$"))
        return name->place = IO_PLACE_CONSOLE_OUTPUT, STATUS_SUCCESS;
    if (io_name_equals_ascii(text, length, "CON"))
        return name->place = IO_PLACE_CONSOLE, STATUS_SUCCESS;
    if (io_name_equals_ascii(text, length, "PIPE"))
        return pipe_parse(text, 0, name);
    if (name_begins(&text, &length, "PIPE\\"))
        return pipe_parse(text, length, name);
    for (unsigned i = 0; i < length; i++)
        if (text[i] == '\\')
            return STATUS_OBJECT_PATH_NOT_FOUND; /* UNC\server\share among others: there is no network here */
    return length ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_NAME_INVALID;
}

static NTSTATUS absolute_parse(const WCHAR *text, unsigned length, struct io_name *name)
{
    if (name_begins(&text, &length, "\\??\\") || name_begins(&text, &length, "\\DosDevices\\") ||
        name_begins(&text, &length, "\\GLOBAL??\\")) {
        name_begins(&text, &length, "Global\\");
        return dos_parse(text, length, name);
    }
    if (name_begins(&text, &length, "\\SystemRoot")) {
        WCHAR path[512] = {'\\', 'w', 'i', 'n', 'd', 'o', 'w', 's'};
        if (length > 500)
            return STATUS_NAME_TOO_LONG;
        memcpy(path + 8, text, length * sizeof(WCHAR));
        return drive_parse('C', path, length + 8, name);
    }
    if (!name_begins(&text, &length, "\\Device\\"))
        return length > 1 && text[0] == '\\' ? STATUS_OBJECT_PATH_NOT_FOUND : STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (io_name_equals_ascii(text, length, "Null"))
        return name->place = IO_PLACE_NULL, STATUS_SUCCESS;
    if (name_begins(&text, &length, "ConDrv\\"))
        return console_parse(text, length, name);
    if (name_begins(&text, &length, "NamedPipe\\"))
        return pipe_parse(text, length, name);
    if (io_name_equals_ascii(text, length, "NamedPipe"))
        return pipe_parse(text, 0, name);
    if (name_begins(&text, &length, "HarddiskVolume1"))
        return drive_parse('C', text, length, name);
    if (name_begins(&text, &length, "HarddiskVolume2"))
        return drive_parse('Z', text, length, name);
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

/* A folder of the system DLLs as root: what is not there is looked for, and made, below drive C, as by the whole name. */
static NTSTATUS system_relative_parse(const char *root_path, const WCHAR *text, unsigned length, struct io_name *name)
{
    WCHAR whole[PATH_MAX];
    unsigned done = nt_path_to_dos(root_path, whole, PATH_MAX);
    if (done + length + 1 >= PATH_MAX)
        return STATUS_NAME_TOO_LONG;
    if (length)
        whole[done++] = '\\';
    memcpy(whole + done, text, length * sizeof(WCHAR));
    return drive_parse('C', whole + 2, done + length - 2, name);
}

NTSTATUS io_name_parse(const WCHAR *text, unsigned length, const char *root_path, struct io_name *name)
{
    memset(name, 0, offsetof(struct io_name, path));
    name->path[0] = name->other[0] = 0;
    memset(&name->fixed, 0, sizeof *name - offsetof(struct io_name, fixed));
    if (!root_path)
        return length ? absolute_parse(text, length, name) : STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (length && *text == '\\')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (io_is_system_path(root_path))
        return system_relative_parse(root_path, text, length, name);
    strcpy(name->path, strcmp(root_path, "/") ? root_path : "");
    name->fixed = strlen(name->path);
    NTSTATUS status = components_append(text, length, name->path, &name->folder);
    if (!name->path[0])
        strcpy(name->path, "/");
    return status;
}

/* ---- resolving ----------------------------------------------------------------------------------- */

NTSTATUS io_found_status(enum io_found found)
{
    return found == IO_FOUND ? STATUS_SUCCESS
         : found == IO_NO_NAME ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_NOT_FOUND;
}

/* The system DLLs' files are all spelt in lower case, guests like capitals: one more look instead of a listing. */
static bool lower_case_exists(struct io_name *name)
{
    char lower[PATH_MAX];
    struct stat facts;
    strcpy(lower, name->path);
    for (char *c = lower + name->fixed; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!strcmp(lower, name->path) || stat(lower, &facts))
        return false;
    strcpy(name->path, lower);
    return true;
}

enum io_found io_name_resolve(struct io_name *name, bool exact_failed, bool make)
{
    struct stat facts;
    if (!exact_failed && !stat(name->path, &facts))
        return IO_FOUND;
    if (name->other[0]) {
        if (lower_case_exists(name))
            return IO_FOUND;
        strcpy(name->path, name->other);
        name->fixed = name->other_fixed;
        name->other[0] = 0;
        name->system = false;
        if (!stat(name->path, &facts))
            return IO_FOUND;
    }
    enum io_found found = io_lookup(name->path, name->fixed);
    if (found != IO_FOUND && nt_config.drive_c && !strncmp(name->path, drive_c(), strlen(drive_c())))
        found = standard_find(name->path, found, make);
    return found;
}

NTSTATUS nt_path_to_unix(const WCHAR *path, unsigned length, bool must_exist, char *out, size_t room)
{
    struct io_name name;
    NTSTATUS status;
    if (length >= 2 && path[1] == ':') {
        memset(&name, 0, sizeof name);
        status = drive_parse(path[0], path + 2, length - 2, &name);
    } else {
        status = io_name_parse(path, length, NULL, &name);
    }
    if (status)
        return status;
    if (name.place != IO_PLACE_PATH)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    enum io_found found = io_name_resolve(&name, false, true);
    if (found == IO_NO_PATH || (found == IO_NO_NAME && must_exist))
        return io_found_status(found);
    size_t size = strlen(name.path);
    if (size >= room)
        return STATUS_NAME_TOO_LONG;
    memcpy(out, name.path, size + 1);
    return STATUS_SUCCESS;
}

/* ---- and back ------------------------------------------------------------------------------------ */

unsigned nt_path_to_dos(const char *unix_path, WCHAR *out, unsigned room)
{
    char folder[PATH_MAX];
    const char *rest = NULL, *prefix = "Z:";
    size_t length;
    for (int wow = 0; wow < 2 && !rest; wow++)
        if (system_folder(wow, folder, sizeof folder) && !strncmp(unix_path, folder, length = strlen(folder)) &&
            (!unix_path[length] || unix_path[length] == '/')) {
            rest = unix_path + length;
            prefix = wow ? "C:\\windows\\syswow64" : "C:\\windows\\system32";
        }
    if (!rest && nt_config.drive_c && !strncmp(unix_path, drive_c(), length = strlen(drive_c())) &&
        (!unix_path[length] || unix_path[length] == '/')) {
        rest = unix_path + length;
        prefix = "C:";
    }
    if (!rest)
        rest = unix_path;
    unsigned done = (unsigned)nt_utf16_from_utf8(prefix, strlen(prefix), out, room);
    if (done < strlen(prefix))
        return 0;
    while (*rest) {
        size_t size = strcspn(++rest, "/");
        if (done + size + 2 > room) /* a name never gets longer in UTF-16 */
            return 0;
        out[done++] = '\\';
        done += (unsigned)io_name_from_unix(rest, size, out + done, size);
        rest += size;
    }
    if (done == 2) {
        if (room < 4)
            return 0;
        out[done++] = '\\';
    }
    if (done >= room)
        return 0;
    out[done] = 0;
    return done;
}
