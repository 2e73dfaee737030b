/* The process around its modules: PEB, parameters, environment, handles, threads, what memory is for. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const json_t *part(const struct document *document, const char *key) { return json_object_get(document->root, key); }
static bool other_lane(const struct comparison *comparison) { return strcmp(comparison->a.lane, comparison->b.lane) != 0; }

static void field_tell(struct comparison *comparison, enum compare_class class, const char *a, const char *b, const char *cause, const char *what)
{
    if (strcmp(a, b))
        difference_add(comparison, class, PLACE_OF(NULL), a, b, cause, "%s", what);
}

/* A process that may run on a part of the processors only (a container, taskset): our kernel counts that part. */
static const char *processors_cause(const struct comparison *comparison, int64_t a, int64_t b)
{
    bool own_a = !strcmp(comparison->a.lane, "native") || !strcmp(comparison->a.lane, "reference"),
         own_b = !strcmp(comparison->b.lane, "native") || !strcmp(comparison->b.lane, "reference");
    return own_a != own_b && (own_a ? a < b : b < a) ? "peload counts the processors that the process may run on, Wine all that are there" : NULL;
}

static void number_text(char *text, size_t room, int64_t value) { snprintf(text, room, "%lld", (long long)value); }

/* ---- PEB ---- */

static void peb_compare(struct comparison *comparison)
{
    const json_t *a = part(&comparison->a, "peb"), *b = part(&comparison->b, "peb");
    if (json_is_object(a) != json_is_object(b)) {
        difference_add(comparison, CLASS_PROCESS, PLACE_OF(NULL), json_is_object(a) ? "there" : "none", json_is_object(b) ? "there" : "none", NULL, "PEB");
        return;
    }
    const struct { const char *name, *cause; } numbers[] = {
        {"subsystem", NULL},
        {"processors", processors_cause(comparison, member_number(a, "processors"), member_number(b, "processors"))},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char left[24], right[24];
        number_text(left, sizeof left, member_number(a, numbers[i].name));
        number_text(right, sizeof right, member_number(b, numbers[i].name));
        field_tell(comparison, CLASS_PROCESS, left, right, numbers[i].cause, numbers[i].name);
    }
    if (member_yes(a, "being_debugged") != member_yes(b, "being_debugged"))
        difference_add(comparison, CLASS_PROCESS, PLACE_OF(NULL), NULL, NULL, NULL, "one process believes that it is debugged");
    /* Who writes the version: our kernel, or Wine's loader out of its own table and registry. */
    field_tell(comparison, CLASS_PROCESS, member_text(a, "os_version"), member_text(b, "os_version"),
               other_lane(comparison) ? "each lane's loader says which Windows it is" : NULL, "version in the PEB");
    if (comparison->a.program && comparison->b.program && json_is_object(a) &&
        (member_hex(a, "image_base") != comparison->a.program->base || member_hex(b, "image_base") != comparison->b.program->base))
        difference_add(comparison, CLASS_PROCESS, PLACE_OF(NULL), member_text(a, "image_base"), member_text(b, "image_base"), NULL,
                       "the PEB's image base is not where the program lies");
}

/* ---- parameters ---- */

static const char *last_part(const char *path)
{
    for (const char *at = path; *at; at++)
        if (*at == '\\' || *at == '/')
            path = at + 1;
    return path;
}

/* The same file, written as a path of either system. */
static bool same_path(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '/' || *a == '\\') && (*b == '/' || *b == '\\')))
            return false;
    return *a == *b;
}

/* A command line without its first word. */
static const char *behind_program(const char *line)
{
    line += strspn(line, " ");
    const char *end = *line == '"' ? strchr(line + 1, '"') : line + strcspn(line, " ");
    line = end ? end + (*end == '"') : line + strlen(line);
    return line + strspn(line, " ");
}

static void parameters_compare(struct comparison *comparison)
{
    const json_t *a = part(&comparison->a, "parameters"), *b = part(&comparison->b, "parameters");
    const char *x, *y;
    if (!json_is_object(a) || !json_is_object(b))
        return;
    x = member_text(a, "image"), y = member_text(b, "image");
    if (!same_path(x, y))
        field_tell(comparison, CLASS_PARAMETERS, x, y,
                   !same_system(comparison) && !strcasecmp(last_part(x), last_part(y)) ? "the same file by each system's drives" : NULL,
                   "path of the program");
    x = member_text(a, "command_line"), y = member_text(b, "command_line");
    if (strcmp(x, y))
        field_tell(comparison, CLASS_PARAMETERS, x, y,
                   other_lane(comparison) && !strcmp(behind_program(x), behind_program(y)) ? "the first word is the program as each lane was told it" : NULL,
                   "command line");
    x = member_text(a, "current_directory"), y = member_text(b, "current_directory");
    if (!same_path(x, y))
        field_tell(comparison, CLASS_PARAMETERS, x, y, NULL, "current directory");
}

/* ---- environment ---- */

static const char *variable(const json_t *list, const char *entry, size_t length)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text && !strncasecmp(text, entry, length))
            return text;
    }
    return NULL;
}

/* Variables that a Windows sets for itself, whatever it is given: the list of the System and Volatile Environment keys. */
static bool is_systems_own(const char *entry, size_t length)
{
    static const char *const names[] = {
        "PATH=", "PATHEXT=", "TEMP=", "TMP=", "SystemRoot=", "windir=", "SystemDrive=", "ComSpec=", "OS=", "USERNAME=", "USERPROFILE=",
        "USERDOMAIN=", "HOMEDRIVE=", "HOMEPATH=", "APPDATA=", "LOCALAPPDATA=", "ALLUSERSPROFILE=", "PUBLIC=", "ProgramData=",
        "ProgramFiles=", "ProgramFiles(x86)=", "ProgramW6432=", "CommonProgramFiles=", "CommonProgramFiles(x86)=", "CommonProgramW6432=",
        "COMPUTERNAME=", "LOGONSERVER=", "NUMBER_OF_PROCESSORS=", "PROCESSOR_ARCHITECTURE=", "PROCESSOR_ARCHITEW6432=",
        "PROCESSOR_IDENTIFIER=", "PROCESSOR_LEVEL=", "PROCESSOR_REVISION=", "SESSIONNAME=", "DriverData=", "PSModulePath=", "CLIENTNAME=", "winsysdir=",
        /* what Wine is told by its own variables, and what a shell and the dynamic linker tell each other: the native lane keeps
         * them from the guest (loader/native/parameters.c), Wine hands them on */
        "WINE", "LD_LIBRARY_PATH=", "LD_PRELOAD=", "HOME=", "SHELL=", "SHLVL=", "PWD=", "OLDPWD=", "TERMCAP=", "TMPDIR=", "_="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncasecmp(entry, names[i], strlen(names[i])))
            return true;
    return length == 0 || entry[0] == '='; /* "=C:=C:\...": directories of drives */
}

static void environment_side(struct comparison *comparison, const json_t *own, const json_t *other, bool is_a, unsigned *known)
{
    size_t i;
    const json_t *item;
    json_array_foreach(own, i, item)
    {
        const char *entry = json_string_value(item), *there;
        size_t length = strcspn(entry, "=") + 1;
        there = variable(other, entry, length);
        if (there && (!is_a || !strcmp(there, entry)))
            continue;
        if (!same_system(comparison) && is_systems_own(entry, length - 1)) {
            ++*known;
            continue;
        }
        difference_add(comparison, CLASS_ENVIRONMENT, PLACE_OF(NULL), is_a ? entry : there, is_a ? there : entry, NULL,
                       "%.*s is not the same", (int)(length - 1), entry);
    }
}

static void environment_compare(struct comparison *comparison)
{
    const json_t *a = json_object_get(part(&comparison->a, "parameters"), "environment");
    const json_t *b = json_object_get(part(&comparison->b, "parameters"), "environment");
    unsigned known = 0;
    if (!a || !b)
        return;
    environment_side(comparison, a, b, true, &known);
    environment_side(comparison, b, a, false, &known);
    if (known)
        difference_add(comparison, CLASS_ENVIRONMENT, PLACE_OF(NULL), NULL, NULL, "variables that each system sets for itself",
                       "%u variables of the system are others", known);
}

/* ---- handles ---- */

static const json_t *handle_find(const json_t *list, uint64_t handle)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
        if (handle && member_hex(item, "handle") == handle)
            return item;
    return NULL;
}

static unsigned count_of(const json_t *list, const char *type)
{
    size_t i;
    unsigned count = 0;
    const json_t *item;
    json_array_foreach(list, i, item)
        count += !strcmp(member_text(item, "type"), type);
    return count;
}

/* The standard handles were given: they must be the same kind, with the same inheritance. */
static void standard_compare(struct comparison *comparison, const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"standard_input", "standard_output", "standard_error"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *x = handle_find(a, member_hex(part(&comparison->a, "parameters"), keys[i]));
        const json_t *y = handle_find(b, member_hex(part(&comparison->b, "parameters"), keys[i]));
        if (!x != !y || (x && (strcmp(member_text(x, "type"), member_text(y, "type")) || member_yes(x, "inherit") != member_yes(y, "inherit"))))
            difference_add(comparison, CLASS_HANDLES, PLACE_OF(NULL), member_text(x, "type"), member_text(y, "type"), NULL, "%s", keys[i]);
    }
}

/* What a loader and the system's DLLs keep open for themselves: registry keys, the current directory, directories of objects, the
 * known DLLs' sections, events. A program has none of its own yet when it comes to its entry point; and a type that is none of these
 * is nobody's. */
static bool is_loaders_type(const char *type)
{
    static const char *const types[] = {"Key", "File", "Directory", "Section", "Event", "KeyedEvent", "Semaphore", "Mutant", "Thread",
                                        "IoCompletion", "TpWorkerFactory", "Process", "Token", "Timer", "SymbolicLink",
                                        "WindowStation", "Desktop"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i]))
            return true;
    return false;
}

static void types_side(struct comparison *comparison, const json_t *own, const json_t *other, bool is_a)
{
    size_t i, k;
    const json_t *item, *earlier;
    json_array_foreach(own, i, item)
    {
        const char *type = member_text(item, "type");
        bool first = true;
        json_array_foreach(own, k, earlier)
            first &= k >= i || strcmp(member_text(earlier, "type"), type);
        unsigned here = count_of(own, type), there = count_of(other, type);
        if (!first || here == there || (!is_a && there))
            continue;
        char left[24], right[24];
        snprintf(left, sizeof left, "%u", is_a ? here : there);
        snprintf(right, sizeof right, "%u", is_a ? there : here);
        difference_add(comparison, CLASS_HANDLES, PLACE_OF(NULL), left, right,
                       other_lane(comparison) && is_loaders_type(type) ? "what each lane's loader and DLLs keep open for themselves" : NULL,
                       "handles of type %s", *type ? type : "(unknown)");
    }
}

static void handles_compare(struct comparison *comparison)
{
    const json_t *a = part(&comparison->a, "handles"), *b = part(&comparison->b, "handles");
    if (!json_is_array(a) || !json_is_array(b))
        return; /* one side's table cannot be seen */
    standard_compare(comparison, a, b);
    types_side(comparison, a, b, true);
    types_side(comparison, b, a, false);
}

/* ---- threads ---- */

struct spot { const struct module *module; const struct area *area; uint64_t offset; };

static struct spot spot_of(const struct document *document, uint64_t address)
{
    struct spot spot = {document_module_at(document, address), document_area_at(document, address), address};
    if (spot.module)
        spot.offset = address - spot.module->base;
    return spot;
}

static bool same_spot(const struct spot *a, const struct spot *b)
{
    if (a->module || b->module)
        return a->module && a->module->twin == b->module && a->offset == b->offset;
    return a->area && b->area ? true : a->offset == b->offset;
}

static void registers_compare(struct comparison *comparison, const json_t *a, const json_t *b)
{
    const char *counter = comparison->a.is_64 ? "rip" : "eip", *key;
    json_t *value;
    struct spot x = spot_of(&comparison->a, member_hex(a, counter)), y = spot_of(&comparison->b, member_hex(b, counter));
    if (!same_spot(&x, &y))
        difference_add(comparison, CLASS_THREAD, PLACE_OF(NULL), member_text(a, counter), member_text(b, counter), NULL, "the first thread stands elsewhere");
    char names[160] = "";
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        x = spot_of(&comparison->a, member_hex(a, key)), y = spot_of(&comparison->b, member_hex(b, key));
        if (strcmp(key, counter) && !same_spot(&x, &y) && strlen(names) < sizeof names - 12)
            strcat(strcat(names, *names ? " " : ""), key);
    }
    /* An entry point has no arguments in registers (PE format); rcx and the stack have the PEB by BaseThreadInitThunk's grace. */
    if (*names)
        difference_add(comparison, CLASS_THREAD, PLACE_OF(NULL), NULL, NULL, "an entry point is given nothing in registers: what start-up code left there",
                       "other registers: %s", names);
}

static void threads_compare(struct comparison *comparison)
{
    const json_t *a = part(&comparison->a, "threads"), *b = part(&comparison->b, "threads");
    if (json_array_size(a) != json_array_size(b)) {
        char left[24], right[24];
        number_text(left, sizeof left, (int64_t)json_array_size(a));
        number_text(right, sizeof right, (int64_t)json_array_size(b));
        difference_add(comparison, CLASS_THREAD, PLACE_OF(NULL), left, right, NULL, "another number of threads");
        return;
    }
    const json_t *x = json_array_get(a, 0), *y = json_array_get(b, 0);
    const json_t *left = json_object_get(x, "context"), *right = json_object_get(y, "context");
    if (json_is_object(left) && json_is_object(right))
        registers_compare(comparison, left, right);
    uint64_t one = member_hex(x, "stack_base") - member_hex(x, "stack_allocation"), two = member_hex(y, "stack_base") - member_hex(y, "stack_allocation");
    if (one != two)
        difference_add(comparison, CLASS_THREAD, PLACE_OF(NULL), NULL, NULL,
                       !same_system(comparison) && one >= 0x10000 && two >= 0x10000 ? "each system rounds a stack's size in its own way" : NULL,
                       "stack of the first thread: %llu KiB and %llu KiB", (unsigned long long)one / 1024, (unsigned long long)two / 1024);
}

/* ---- what memory is for ---- */

static const struct area *area_used_for(const struct document *document, const char *use)
{
    for (size_t i = 0; i < document->area_count; i++)
        if (!document_module_at(document, document->areas[i].base) && strstr(document->areas[i].use, use))
            return &document->areas[i];
    return NULL;
}

/* Every process of Windows has these; where they lie is each system's choice. */
static void layout_compare(struct comparison *comparison)
{
    static const char *const uses[] = {"PEB", "TEB of thread 1", "stack of thread 1", "process parameters", "process heap", "KUSER_SHARED_DATA"};
    bool live = *member_text(part(&comparison->a, "process"), "teb") && *member_text(part(&comparison->b, "process"), "teb");
    for (size_t i = 0; live && i < sizeof uses / sizeof *uses; i++) {
        const struct area *a = area_used_for(&comparison->a, uses[i]), *b = area_used_for(&comparison->b, uses[i]);
        char left[24] = "nowhere", right[24] = "nowhere";
        if (a)
            snprintf(left, sizeof left, "0x%llx", (unsigned long long)a->base);
        if (b)
            snprintf(right, sizeof right, "0x%llx", (unsigned long long)b->base);
        if (!a || !b || a->base != b->base)
            difference_add(comparison, CLASS_LANE_LAYOUT, PLACE_OF(NULL), left, right,
                           a && b ? "each lane lays out its own memory; both have it" : NULL, "%s lies elsewhere", uses[i]);
    }
    uint64_t size[2] = {0}, count[2] = {0};
    for (unsigned side = 0; side < 2; side++) {
        const struct document *document = side ? &comparison->b : &comparison->a;
        for (size_t i = 0; i < document->area_count; i++)
            if (!document_module_at(document, document->areas[i].base) && document->areas[i].committed) {
                size[side] += document->areas[i].size;
                count[side]++;
            }
    }
    if (size[0] != size[1])
        difference_add(comparison, CLASS_LANE_LAYOUT, PLACE_OF(NULL), NULL, NULL, other_lane(comparison) ? "each lane's own working memory" : NULL,
                       "committed outside of images: %llu KiB in %llu regions and %llu KiB in %llu", (unsigned long long)size[0] / 1024,
                       (unsigned long long)count[0], (unsigned long long)size[1] / 1024, (unsigned long long)count[1]);
}

void compare_process(struct comparison *comparison)
{
    peb_compare(comparison);
    parameters_compare(comparison);
    environment_compare(comparison);
    handles_compare(comparison);
    threads_compare(comparison);
    layout_compare(comparison);
}
