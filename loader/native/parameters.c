/* What a process is told at birth: command line, environment, directory, standard handles; and the PEB around them. */
#include "loader/native/native.h"
#include "loader/nt/ex.h"
#include "loader/nt/io.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* UTF-16 text that grows; failed: memory ran out somewhere, checked once at the end. */
struct text { WCHAR *data; size_t length, room; bool failed; };

static void text_units(struct text *text, const WCHAR *units, size_t count)
{
    if (text->length + count + 1 > text->room) {
        size_t room = (text->length + count + 1) * 2;
        WCHAR *data = realloc(text->data, room * sizeof *data);
        if (!data) {
            text->failed = true;
            return;
        }
        text->data = data;
        text->room = room;
    }
    memcpy(text->data + text->length, units, count * sizeof *units);
    text->length += count;
    text->data[text->length] = 0;
}

static void text_utf8(struct text *text, const char *utf8, size_t length)
{
    WCHAR few[512], *units = length < 256 ? few : malloc((length + 1) * 2 * sizeof *units);
    if (!units) {
        text->failed = true;
        return;
    }
    size_t count = nt_utf16_from_utf8(utf8, length, units, length < 256 ? 512 : (length + 1) * 2);
    text_units(text, units, count);
    if (units != few)
        free(units);
}

static void text_add(struct text *text, const char *utf8) { text_utf8(text, utf8, strlen(utf8)); }

/* One argument in the form that CommandLineToArgvW and the C run-times take apart again: quotes where needed,
 * backslashes doubled in front of a quote (Microsoft, "Parsing C command-line arguments"). */
static void argument_add(struct text *text, const char *argument)
{
    if (*argument && !strpbrk(argument, " \t\n\v\"")) {
        text_add(text, argument);
        return;
    }
    size_t slashes = 0;
    text_add(text, "\"");
    for (const char *at = argument; *at;) {
        size_t plain = strcspn(at, "\\\"");
        text_utf8(text, at, plain);
        at += plain;
        slashes = strspn(at, "\\");
        text_utf8(text, at, slashes);
        at += slashes;
        if (*at == '"') {
            for (slashes++; slashes; slashes--)
                text_add(text, "\\");
            text_add(text, "\"");
            at++;
        } else if (*at)
            slashes = 0;
    }
    for (; slashes; slashes--)
        text_add(text, "\\");
    text_add(text, "\"");
}

/* Letters that differ in case differ in one bit: nearly all pairs are told apart by their first letters. */
static bool begin_alike(const char *a, const char *b) { return !((*a ^ *b) & ~0x20); }

static bool same_name(const char *entry, const char *name)
{
    if (!begin_alike(entry, name))
        return false;
    size_t length = strlen(name);
    return !strncasecmp(entry, name, length) && entry[length] == '=';
}

/* A PATH for the guest, as --env PATH='C:\...' gives it. */
static bool is_guest_path(const char *entry) { return same_name(entry, "PATH") && native_is_dos_path(entry + 5); }

/* Variables whose Unix value would mislead a Windows program. */
static bool is_unix_only(const char *entry)
{
    static const char *const names[] = {"PATH", "HOME", "TMP", "TEMP", "TMPDIR", "PWD", "OLDPWD", "SHELL", "_", "SHLVL",
                                        "USERNAME", "WINEUSERNAME", "LD_LIBRARY_PATH", "LD_PRELOAD", "TERMCAP", "SystemRoot", "windir", "SystemDrive",
                                        "ComSpec", "PATHEXT", "OS", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"};
    if (is_guest_path(entry))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same_name(entry, names[i]))
            return true;
    return !strchr(entry, '=') || entry[0] == '=';
}

static int by_name(const void *a, const void *b)
{
    const char *one = *(char *const *)a, *other = *(char *const *)b;
    return begin_alike(one, other) ? strcasecmp(one, other) : tolower((unsigned char)*one) - tolower((unsigned char)*other);
}

static void dos_path_add(struct text *text, const char *unix_path)
{
    WCHAR path[4096];
    text_units(text, path, nt_path_to_dos(unix_path, path, 4096));
}

/* One variable whose value is a Unix path turned into a DOS path, as "NAME=Z:\\..." in UTF-8. */
static char *path_variable(const char *name, const char *unix_path)
{
    WCHAR dos[4096];
    unsigned length = nt_path_to_dos(unix_path, dos, 4096);
    size_t room = strlen(name) + 2 + (size_t)length * 3;
    char *made = malloc(room);
    if (made) {
        size_t used = (size_t)(stpcpy(stpcpy(made, name), "=") - made);
        nt_utf8_from_utf16(dos, length, made + used, room - used);
    }
    return made;
}

/* HOMEDRIVE and HOMEPATH: a DOS path's two parts. */
static char *path_part(const char *name, const char *unix_path, bool drive)
{
    char *whole = path_variable("", unix_path), *made = NULL;
    size_t length = whole ? strlen(whole) : 0;
    if (length >= 3) {
        made = malloc(strlen(name) + length + 1);
        if (made)
            sprintf(made, "%s=%.*s", name, drive ? 2 : (int)length, whole + (drive ? 1 : 3));
    }
    free(whole);
    return made;
}

/* Where programs keep what is theirs: the registry says the same (nt/cm/table.c), and so the shell. */
static char *profile_variable(const char *name, const char *folder)
{
    char *made = malloc(strlen(name) + 300);
    if (made)
        snprintf(made, strlen(name) + 300, "%s=C:\\users\\%.250s\\AppData\\%s", name, nt_user_name(), folder);
    return made;
}

static bool has_variable(char *const *all, size_t count, const char *entry)
{
    size_t length = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < count; i++)
        if (begin_alike(all[i], entry) && !strncasecmp(all[i], entry, length))
            return true;
    return false;
}

/* The block, sorted by name as Windows keeps it, ended by an empty string. */
static void environment_build(struct text *text, char *const *unix_environment)
{
    static char *const fixed[] = {"SystemRoot=C:\\windows", "windir=C:\\windows", "SystemDrive=C:", "OS=Windows_NT",
                                  "ComSpec=C:\\windows\\system32\\cmd.exe", "PATHEXT=.COM;.EXE;.BAT;.CMD",
                                  "PATH=C:\\windows\\system32;C:\\windows", "ProgramFiles=C:\\Program Files",
                                  "ProgramData=C:\\ProgramData", "ALLUSERSPROFILE=C:\\ProgramData", "PUBLIC=C:\\users\\Public",
                                  "COMPUTERNAME=PELOAD",
                                  sizeof(void *) == 8 ? "PROCESSOR_ARCHITECTURE=AMD64" : "PROCESSOR_ARCHITECTURE=x86"};
    enum { FIXED = sizeof fixed / sizeof *fixed, OWN = 7, MORE = OWN + 3 };
    size_t count = 0, unix_count = 0;
    while (unix_environment[unix_count])
        unix_count++;
    char **all = malloc((unix_count + FIXED + MORE) * sizeof *all);
    if (!all) {
        text->failed = true;
        return;
    }
    char processors[40];
    const char *home = "/", *temp = "/tmp";
    bool has_path = false;
    for (size_t i = 0; i < unix_count; i++) {
        if (same_name(unix_environment[i], "HOME") && unix_environment[i][5] == '/')
            home = unix_environment[i] + 5;
        if (same_name(unix_environment[i], "TMPDIR") && unix_environment[i][7] == '/')
            temp = unix_environment[i] + 7;
        if (!is_unix_only(unix_environment[i]))
            all[count++] = unix_environment[i];
        has_path |= is_guest_path(unix_environment[i]);
    }
    for (size_t i = 0; i < FIXED; i++)
        if (!has_path || !same_name(fixed[i], "PATH"))
            all[count++] = fixed[i];
    char *own[OWN] = {path_variable("TEMP", temp), path_variable("TMP", temp), path_variable("USERPROFILE", home),
                      path_part("HOMEDRIVE", home, true), path_part("HOMEPATH", home, false),
                      profile_variable("APPDATA", "Roaming"), profile_variable("LOCALAPPDATA", "Local")};
    for (size_t i = 0; i < OWN; i++)
        if (own[i] && !has_variable(all, count, own[i])) /* what the caller says goes first */
            all[count++] = own[i];
    /* Wine's advapi32 answers GetUserName from a variable of its own. */
    char name[280], wine_name[290];
    snprintf(name, sizeof name, "USERNAME=%.250s", nt_user_name());
    snprintf(wine_name, sizeof wine_name, "WINE%s", name);
    all[count++] = name;
    all[count++] = wine_name;
    snprintf(processors, sizeof processors, "NUMBER_OF_PROCESSORS=%u", ex_processor_count());
    all[count++] = processors;
    qsort(all, count, sizeof *all, by_name);
    static const WCHAR end = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && begin_alike(all[i], all[i - 1]) && !strncasecmp(all[i], all[i - 1], strcspn(all[i], "=") + 1))
            continue; /* names that differ in case only: the first stays */
        text_add(text, all[i]);
        text_units(text, &end, 1);
    }
    text_units(text, &end, 1);
    free(all);
    for (size_t i = 0; i < OWN; i++)
        free(own[i]);
}

/* The guest gets descriptors of its own: what it closes stays open for what peload itself still has to say. */
static HANDLE standard_handle(int fd)
{
    HANDLE handle = 0;
    ACCESS_MASK access = fd ? 0x12019f /* read and write: Windows' consoles give both */ : 0x120089;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return 0; /* not open: Windows leaves such a handle 0 too */
    if (nt_io_adopt(own, access, OBJ_INHERIT, &handle)) {
        close(own);
        return 0;
    }
    return handle;
}

/* Puts a string into the parameter block, which has room: it was measured before. An empty one without room is left out:
 * an empty DllPath, which is there, is a search path with nothing in it. */
static WCHAR *place(UNICODE_STRING *string, WCHAR *at, const struct text *text, size_t room)
{
    if (!room)
        return at;
    if (text->length) /* fresh memory reads zero */
        memcpy(at, text->data, text->length * sizeof *at);
    string->length = (USHORT)(text->length * sizeof *at);
    string->maximum = (USHORT)(room * sizeof *at);
    string->buffer = at;
    return at + room;
}

static void peb_fill(struct nt_peb *peb, struct nt_parameters *parameters)
{
    const struct pe_image *image = &native.main->image;
    unsigned processors = ex_processor_count();
    peb->image_base = (void *)(uintptr_t)native.main->base;
    peb->parameters = parameters;
    peb->processors = processors;
    peb->critical_section_timeout.value = -25920000000000; /* 30 days, as Windows sets it */
    peb->heap_segment_reserve = 0x100000;
    peb->heap_segment_commit = NT_WIDTH(0x1000, 0x2000);
    peb->heap_decommit_total = 0x10000;
    peb->heap_decommit_block = 0x1000;
    peb->os_major = 10;
    peb->os_build = (USHORT)nt_config.version_build;
    peb->os_platform = 2;
    peb->subsystem = image->subsystem;
    peb->subsystem_major = image->major_subsystem;
    peb->subsystem_minor = image->minor_subsystem;
    peb->session = 1;
    peb->affinity = processors >= 8 * sizeof(void *) ? ~(ULONG_PTR)0 : ((ULONG_PTR)1 << processors) - 1;
}

/* What the parameters say, before it is known where they lie. */
struct told {
    struct text command, image, directory, environment, title, desktop, dll_path, shell, runtime;
};

static void told_free(struct told *told)
{
    for (struct text *text = &told->command; text <= &told->runtime; text++)
        free(text->data);
}

/* The program's path with the links of its folder followed. NULL: it was named without a folder, or that is gone. */
static char *program_in_folder(const char *program)
{
    char folder[4096], *whole = NULL;
    const char *slash = strrchr(program, '/');
    size_t length = slash ? (size_t)(slash - program) : 0;
    if (!slash || length >= sizeof folder)
        return NULL;
    memcpy(folder, program, length);
    folder[length] = 0;
    char *full = realpath(folder, NULL);
    if (full && asprintf(&whole, "%s/%s", strcmp(full, "/") ? full : "", slash + 1) < 0)
        whole = NULL;
    free(full);
    return whole;
}

/* To follow links takes a call for each part of a path: done once, and not at all for a whole path, which is taken as it is like
 * any module's. */
const struct native_program *native_program(void)
{
    static struct native_program program;
    const char *given = native.options.program;
    char target[8];
    if (program.path)
        return &program;
    program.named = given[0] == '/' ? given : program_in_folder(given);
    program.path = given[0] == '/' || (program.named && readlink(program.named, target, sizeof target) < 0) ? program.named
                                                                                                          : realpath(given, NULL);
    if (!program.path)
        program.path = given;
    return &program;
}

/* The first word of the command line: the program as it was named, but as a Windows path, because programs look for options
 * that begin with a slash and for the last backslash. */
static void program_add(struct text *text, const struct native_program *program)
{
    char utf8[16384];
    WCHAR dos[8192];
    unsigned units = program->named && strlen(program->named) < 8192 ? nt_path_to_dos(program->named, dos, 8192) : 0;
    if (!units)
        return argument_add(text, native.options.program);
    utf8[nt_utf8_from_utf16(dos, units, utf8, sizeof utf8)] = 0;
    argument_add(text, utf8);
}

/* A first process: from the words of the command line. */
static void told_first(struct told *told)
{
    char cwd[4096];
    dos_path_add(&told->image, native_program()->path);
    text_units(&told->title, told->image.data, told->image.length);
    program_add(&told->command, native_program());
    for (char *const *argument = native.options.arguments; *argument; argument++) {
        text_add(&told->command, " ");
        argument_add(&told->command, *argument);
    }
    dos_path_add(&told->directory, getcwd(cwd, sizeof cwd) ? cwd : "/");
    text_add(&told->desktop, "WinSta0\\Default");
    environment_build(&told->environment, native.options.environment);
}

static void birth_text(struct text *text, const struct nt_birth *birth, struct nt_birth_text from)
{
    text_units(text, (const WCHAR *)((const char *)birth + from.at), from.length / sizeof(WCHAR));
}

/* A child: what its creator gave to CreateProcess. */
static void told_child(struct told *told, const struct nt_birth *birth)
{
    static const WCHAR none[2];
    birth_text(&told->image, birth, birth->image_path);
    birth_text(&told->title, birth, birth->title);
    birth_text(&told->command, birth, birth->command_line);
    birth_text(&told->directory, birth, birth->directory);
    birth_text(&told->desktop, birth, birth->desktop);
    birth_text(&told->dll_path, birth, birth->dll_path);
    birth_text(&told->shell, birth, birth->shell);
    birth_text(&told->runtime, birth, birth->runtime);
    birth_text(&told->environment, birth, birth->environment);
    if (told->environment.length < 2)
        text_units(&told->environment, none, 2 - told->environment.length);
}

static void first_handles(struct nt_parameters *parameters)
{
    parameters->show_window = 1;
    parameters->standard_input = standard_handle(0);
    parameters->standard_output = standard_handle(1);
    parameters->standard_error = standard_handle(2);
    if (nt_io_console(&parameters->console)) /* no terminal */
        parameters->console = 0;
}

/* The creator's handle values mean something here only where they were inherited. Values up to 3 ask for a new console. */
static void child_handles(struct nt_parameters *parameters, const struct nt_birth *birth)
{
    struct nt_object *console = NULL;
    parameters->standard_input = (HANDLE)birth->standard[0];
    parameters->standard_output = (HANDLE)birth->standard[1];
    parameters->standard_error = (HANDLE)birth->standard[2];
    parameters->console = birth->console > 3 ? (HANDLE)birth->console : 0;
    if (parameters->console && nt_handle_object(parameters->console, NT_FILE, 0, &console, NULL, NULL) && nt_io_console(&parameters->console))
        parameters->console = 0;
    if (console)
        nt_object_release(console);
    parameters->console_flags = birth->console_flags;
    parameters->x = birth->x, parameters->y = birth->y;
    parameters->x_size = birth->x_size, parameters->y_size = birth->y_size;
    parameters->x_chars = birth->x_chars, parameters->y_chars = birth->y_chars;
    parameters->fill = birth->fill;
    parameters->start_flags = birth->start_flags;
    parameters->show_window = birth->show_window;
    parameters->process_group = birth->process_group;
}

static NTSTATUS parameters_place(struct told *told, struct nt_parameters **out)
{
    size_t directory_room = told->directory.length + 1 > 260 ? told->directory.length + 1 : 260, units = directory_room;
    for (struct text *text = &told->command; text <= &told->runtime; text++) {
        if (text->failed)
            return STATUS_NO_MEMORY;
        if (text != &told->environment && text->length > 32767) /* UNICODE_STRING's own limit, and CreateProcess's */
            return STATUS_INVALID_PARAMETER;
        units += text->length + 1;
    }
    size_t size = sizeof(struct nt_parameters) + units * sizeof(WCHAR);
    uintptr_t base = 0;
    NTSTATUS status = nt_mm_allocate(&base, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0);
    if (status)
        return status;
    struct nt_parameters *parameters = *out = (struct nt_parameters *)base;
    WCHAR *at = (WCHAR *)(parameters + 1);
    parameters->allocation_size = parameters->size = (ULONG)size;
    parameters->flags = NT_PARAMETERS_NORMALIZED;
    at = place(&parameters->directory, at, &told->directory, directory_room);
    at = place(&parameters->image_path, at, &told->image, told->image.length + 1);
    at = place(&parameters->command_line, at, &told->command, told->command.length + 1);
    at = place(&parameters->title, at, &told->title, told->title.length + 1);
    at = place(&parameters->desktop, at, &told->desktop, told->desktop.length + 1);
    at = place(&parameters->dll_path, at, &told->dll_path, told->dll_path.length ? told->dll_path.length + 1 : 0);
    at = place(&parameters->shell, at, &told->shell, told->shell.length ? told->shell.length + 1 : 0);
    at = place(&parameters->runtime, at, &told->runtime, told->runtime.length ? told->runtime.length + 1 : 0);
    parameters->environment = at;
    parameters->environment_size = told->environment.length * sizeof(WCHAR);
    memcpy(at, told->environment.data, told->environment.length * sizeof(WCHAR));
    return STATUS_SUCCESS;
}

NTSTATUS native_parameters_fill(void)
{
    const struct nt_birth *birth = nt_at(((const struct nt_process_object *)nt_at(nt_process.object))->birth);
    struct nt_parameters *parameters;
    struct told told = {0};
    if (birth)
        told_child(&told, birth);
    else
        told_first(&told);
    if (!told.directory.length || told.directory.data[told.directory.length - 1] != '\\')
        text_add(&told.directory, "\\");
    NTSTATUS status = parameters_place(&told, &parameters);
    if (!status && birth)
        child_handles(parameters, birth);
    else if (!status)
        first_handles(parameters);
    if (!status)
        peb_fill(nt_process.peb, parameters);
    told_free(&told);
    return status;
}
