/* What a process is told at birth: command line, environment, directory, standard handles; and the PEB around them. */
#include "loader/native/native.h"
#include "loader/nt/ex.h"
#include "loader/nt/io.h"
#include "loader/nt/mm.h"

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

static bool same_name(const char *entry, const char *name)
{
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
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static void dos_path_add(struct text *text, const char *unix_path)
{
    WCHAR path[4096];
    text_units(text, path, nt_path_to_dos(unix_path, path, 4096));
}

/* One variable whose value is a Unix path turned into a DOS path, as "NAME=Z:\..." in UTF-8. */
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

/* The block, sorted by name as Windows keeps it, ended by an empty string. */
static void environment_build(struct text *text, char *const *unix_environment)
{
    static char *const fixed[] = {"SystemRoot=C:\\windows", "windir=C:\\windows", "SystemDrive=C:", "OS=Windows_NT",
                                  "ComSpec=C:\\windows\\system32\\cmd.exe", "PATHEXT=.COM;.EXE;.BAT;.CMD",
                                  "PATH=C:\\windows\\system32;C:\\windows", "ProgramFiles=C:\\Program Files",
                                  "ProgramData=C:\\ProgramData", "ALLUSERSPROFILE=C:\\ProgramData", "PUBLIC=C:\\users\\Public",
                                  "COMPUTERNAME=PELOAD",
                                  sizeof(void *) == 8 ? "PROCESSOR_ARCHITECTURE=AMD64" : "PROCESSOR_ARCHITECTURE=x86"};
    enum { FIXED = sizeof fixed / sizeof *fixed, OWN = 3, MORE = OWN + 3 };
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
    char *own[OWN] = {path_variable("TEMP", temp), path_variable("TMP", temp), path_variable("USERPROFILE", home)};
    for (size_t i = 0; i < OWN; i++)
        if (own[i])
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
        if (i && !strncasecmp(all[i], all[i - 1], strcspn(all[i], "=") + 1))
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

/* Puts a string into the parameter block, which has room: it was measured before. */
static WCHAR *place(UNICODE_STRING *string, WCHAR *at, const struct text *text, size_t room)
{
    memcpy(at, text->data, (text->length + 1) * sizeof *at);
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

NTSTATUS native_parameters_fill(void)
{
    struct text command = {0}, image = {0}, directory = {0}, environment = {0}, desktop = {0};
    /* A whole path is taken as it is, as for any module: to follow its links takes a call for each part. */
    char cwd[4096], *full = native.options.program[0] == '/' ? NULL : realpath(native.options.program, NULL);
    dos_path_add(&image, full ? full : native.options.program);
    free(full);
    argument_add(&command, native.options.program);
    for (char *const *argument = native.options.arguments; *argument; argument++) {
        text_add(&command, " ");
        argument_add(&command, *argument);
    }
    dos_path_add(&directory, getcwd(cwd, sizeof cwd) ? cwd : "/");
    if (!directory.length || directory.data[directory.length - 1] != '\\')
        text_add(&directory, "\\");
    text_add(&desktop, "WinSta0\\Default");
    environment_build(&environment, native.options.environment);
    NTSTATUS status = STATUS_NO_MEMORY;
    if (command.failed || image.failed || directory.failed || environment.failed || desktop.failed)
        goto done;
    status = STATUS_INVALID_PARAMETER;
    if (command.length > 32767 || image.length > 32767) /* UNICODE_STRING's own limit, and CreateProcess's */
        goto done;
    size_t directory_room = directory.length + 1 > 260 ? directory.length + 1 : 260;
    size_t units = command.length + image.length + desktop.length + 3 + image.length + 1 + directory_room + environment.length;
    size_t size = sizeof(struct nt_parameters) + units * sizeof(WCHAR);
    uintptr_t base = 0;
    status = nt_mm_allocate(&base, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0);
    if (status)
        goto done;
    struct nt_parameters *parameters = (struct nt_parameters *)base;
    WCHAR *at = (WCHAR *)(parameters + 1);
    parameters->allocation_size = parameters->size = (ULONG)size;
    parameters->flags = NT_PARAMETERS_NORMALIZED;
    at = place(&parameters->directory, at, &directory, directory_room);
    at = place(&parameters->image_path, at, &image, image.length + 1);
    at = place(&parameters->command_line, at, &command, command.length + 1);
    at = place(&parameters->title, at, &image, image.length + 1);
    at = place(&parameters->desktop, at, &desktop, desktop.length + 1);
    parameters->environment = at;
    parameters->environment_size = environment.length * sizeof(WCHAR);
    memcpy(at, environment.data, environment.length * sizeof(WCHAR));
    parameters->show_window = 1;
    parameters->standard_input = standard_handle(0);
    parameters->standard_output = standard_handle(1);
    parameters->standard_error = standard_handle(2);
    if (nt_io_console(&parameters->console)) /* no terminal */
        parameters->console = 0;
    peb_fill(nt_process.peb, parameters);
done:
    free(command.data), free(image.data), free(directory.data), free(environment.data), free(desktop.data);
    return status;
}
