/* Import tables: two slots agree when both lead to the same module!export, wherever that lies. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <string.h>

/* What peload answers itself on the lane win32, because DLLs that it loaded by hand are unknown to the system: the tables behind
 * win32_redirect (loader/win32). */
static bool is_loader_call(const char *name)
{
    static const char *const names[] = {
        "AddDllDirectory", "DisableThreadLibraryCalls", "EnumResourceLanguagesA", "EnumResourceLanguagesW", "EnumResourceNamesA",
        "EnumResourceNamesW", "EnumResourceTypesA", "EnumResourceTypesW", "FindResourceA", "FindResourceExA", "FindResourceExW",
        "FindResourceW", "FreeLibrary", "FreeLibraryAndExitThread", "GetCurrentActCtx", "GetModuleFileNameA", "GetModuleFileNameW",
        "GetModuleHandleA", "GetModuleHandleExA", "GetModuleHandleExW", "GetModuleHandleW", "GetProcAddress", "LdrRegisterDllNotification",
        "LdrResolveDelayLoadedAPI", "LdrUnregisterDllNotification", "LoadLibraryA", "LoadLibraryExA", "LoadLibraryExW", "LoadLibraryW",
        "LoadResource", "RemoveDllDirectory", "ResolveDelayLoadedAPI", "RtlPcToFileHeader", "SetDefaultDllDirectories", "SetDllDirectoryA",
        "SetDllDirectoryW", "SizeofResource"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

struct slot { const json_t *function, *target; const char *module, *export; uint64_t rva, value; bool delayed; };

static struct slot slot_of(const json_t *import, const json_t *function)
{
    const json_t *target = json_object_get(function, "target");
    return (struct slot){.function = function, .target = json_is_object(target) ? target : NULL,
                         .module = member_text(target, "module"), .export = member_text(target, "export"),
                         .rva = member_hex(target, "rva"), .value = member_hex(function, "value"),
                         .delayed = member_yes(import, "delayed")};
}

static void slot_text(const struct slot *slot, char *text, size_t room)
{
    if (slot->target)
        snprintf(text, room, "%.100s!%.200s", slot->module, *slot->export ? slot->export : "(no export)");
    else
        snprintf(text, room, "0x%llx, in no module", (unsigned long long)slot->value);
}

static bool leads_to_own_half(const struct document *document, const struct slot *slot)
{
    const struct module *module = document_module(document, slot->module);
    return slot->target && module && is_own_half(document, module);
}

/* The guest half exports its functions under the names of those that they stand for, or as peload_... where the same name is its own
 * import (the table in loader/native/ntdll.c). */
static bool stands_for(const char *own, const char *name)
{
    return !strcmp(own, name) || (!strncmp(own, "peload_", 7) && *name);
}

/* The cause why two slots may lead to different places; NULL: there is none. */
static const char *slot_cause(const struct comparison *comparison, const struct module *a, const struct module *b, const struct slot *x,
                              const struct slot *y, enum compare_class *class)
{
    const char *name = member_text(x->function, "name");
    bool ours_a = leads_to_own_half(&comparison->a, x), ours_b = leads_to_own_half(&comparison->b, y);
    *class = CLASS_REDIRECTION;
    if ((ours_a && y->target && is_lane(&comparison->a, "native") && stands_for(x->export, y->export)) ||
        (ours_b && x->target && is_lane(&comparison->b, "native") && stands_for(y->export, x->export)))
        return "the native lane's guest half exports it in ntdll's place";
    if ((ours_a && is_lane(&comparison->a, "win32") && y->target && is_loader_call(name)) ||
        (ours_b && is_lane(&comparison->b, "win32") && x->target && is_loader_call(name)))
        return "on the lane win32 peload answers what asks for modules that it loaded by hand";
    *class = CLASS_IAT;
    /* A delayed slot leads into its own module until its first call. */
    if (x->delayed && y->delayed && x->target && y->target &&
        (name_equal(x->module, a->name) || name_equal(y->module, b->name)))
        return "a delayed import is filled by its first call";
    const struct module *to_a = document_module(&comparison->a, x->module), *to_b = document_module(&comparison->b, y->module);
    if (x->target && y->target && to_a && to_b && (!to_a->same_file || !to_b->same_file) && !same_system(comparison) &&
        *x->export && !strcmp(x->export, y->export))
        return "the same function; the two systems' DLLs forward it differently";
    return NULL;
}

static void slot_compare(struct comparison *comparison, struct module *a, struct module *b, const struct slot *x, const struct slot *y)
{
    char left[320], right[320];
    uint64_t rva = member_hex(x->function, "slot_rva");
    const struct module *to_a = document_module(&comparison->a, x->module), *to_b = document_module(&comparison->b, y->module);
    bool same_place = to_a && to_a->twin == to_b && (!to_a->same_file || x->rva == y->rva);
    /* Named by an export of the same module; or, without a name on either side, the same byte of the same file; or not filled on
     * either side, as a loader left it (before binding). */
    if (x->target && y->target && same_place && !strcmp(x->export, y->export) && (*x->export || to_a->same_file)) {
        comparison->matched.slots++;
        return;
    }
    if (!x->target && !y->target && x->value == y->value) {
        comparison->matched.slots++;
        return;
    }
    enum compare_class class;
    const char *cause = slot_cause(comparison, a, b, x, y, &class);
    slot_text(x, left, sizeof left);
    slot_text(y, right, sizeof right);
    const char *name = member_text(x->function, "name");
    if (*name)
        difference_add(comparison, class, PLACE_AT(a, rva, comparison->a.width), left, right, cause, "import %s leads elsewhere", name);
    else
        difference_add(comparison, class, PLACE_AT(a, rva, comparison->a.width), left, right, cause, "import #%lld leads elsewhere",
                       (long long)member_number(x->function, "ordinal"));
}

static bool same_function(const json_t *x, const json_t *y)
{
    return member_equal(x, y, "slot_rva") &&
           !strcmp(member_text(x, "name"), member_text(y, "name")) && member_number(x, "ordinal") == member_number(y, "ordinal");
}

/* Of two files: by name, as far as both import it. */
static const json_t *function_find(const json_t *functions, const json_t *wanted)
{
    size_t i;
    const json_t *function;
    json_array_foreach(functions, i, function)
        if (*member_text(wanted, "name") ? !strcmp(member_text(function, "name"), member_text(wanted, "name"))
                                         : member_number(function, "ordinal") == member_number(wanted, "ordinal"))
            return function;
    return NULL;
}

static void import_compare(struct comparison *comparison, struct module *a, struct module *b, const json_t *left, const json_t *right)
{
    const json_t *x = json_object_get(left, "functions"), *y = json_object_get(right, "functions");
    for (size_t i = 0; i < json_array_size(x); i++) {
        const json_t *function = json_array_get(x, i);
        const json_t *other = a->same_file ? json_array_get(y, i) : function_find(y, function);
        if (a->same_file && (!other || !same_function(function, other))) {
            difference_add(comparison, CLASS_IAT, PLACE_AT(a, member_hex(function, "slot_rva"), comparison->a.width),
                           member_text(function, "name"), member_text(other, "name"), NULL, "import tables of one file that differ");
            return;
        }
        if (!other)
            continue; /* another version imports other things */
        struct slot one = slot_of(left, function), two = slot_of(right, other);
        slot_compare(comparison, a, b, &one, &two);
    }
}

static const json_t *import_find(const json_t *imports, const json_t *wanted)
{
    size_t i;
    const json_t *import;
    json_array_foreach(imports, i, import)
        if (name_equal(member_text(import, "module"), member_text(wanted, "module")))
            return import;
    return NULL;
}

void compare_slots(struct comparison *comparison, struct module *a, struct module *b)
{
    const json_t *left = json_object_get(a->json, "imports"), *right = json_object_get(b->json, "imports");
    if (a->same_file && json_array_size(left) != json_array_size(right))
        difference_add(comparison, CLASS_IAT, PLACE_OF(a), NULL, NULL, NULL, "another number of imported modules: %zu and %zu",
                       json_array_size(left), json_array_size(right));
    for (size_t i = 0; i < json_array_size(left); i++) {
        const json_t *import = json_array_get(left, i);
        const json_t *other = a->same_file ? json_array_get(right, i) : import_find(right, import);
        if (other)
            import_compare(comparison, a, b, import, other);
    }
}
