/* The three lists of modules, and what their entries say. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULES = 512 };

/* Does `module` import `other` by its import table (delayed ones load nobody)? */
bool module_imports(const struct module *module, const struct module *other)
{
    size_t i, k;
    const json_t *import, *function;
    json_array_foreach(json_object_get(module->json, "imports"), i, import)
    {
        if (member_yes(import, "delayed"))
            continue;
        if (name_equal(member_text(import, "module"), other->name))
            return true;
        /* A forwarder or an API set leads to a module of another name; the slot shows it. */
        json_array_foreach(json_object_get(import, "functions"), k, function)
            if (name_equal(member_text(json_object_get(function, "target"), "module"), other->name))
                return true;
    }
    return false;
}

/* Reaches `from` the module `to` by imports? */
static bool reaches(const struct document *document, const struct module *from, const struct module *to)
{
    bool seen[MODULES] = {false};
    const struct module *stack[MODULES];
    size_t depth = 0;
    if (document->module_count > MODULES)
        return true;
    stack[depth++] = from;
    while (depth) {
        const struct module *at = stack[--depth];
        for (size_t i = 0; i < document->module_count; i++)
            if (!seen[i] && module_imports(at, &document->modules[i])) {
                if (&document->modules[i] == to)
                    return true;
                seen[i] = true;
                stack[depth++] = &document->modules[i];
            }
    }
    return false;
}

/* Windows initialises what a module imports before the module, cycles cut somewhere (MSDN, "DllMain"). */
static bool init_order_is_right(const struct document *document)
{
    for (size_t i = 0; i < document->module_count; i++)
        for (size_t k = 0; k < document->module_count; k++) {
            const struct module *first = &document->modules[i], *later = &document->modules[k];
            if (first->init_order >= 0 && later->init_order > first->init_order && module_imports(first, later) &&
                !reaches(document, later, first))
                return false;
        }
    return true;
}

/* The program first, ntdll second; whoever follows is imported by somebody before it, or is one of the two that every process has, or
 * the lane's own, which the stub in the program's place imports. */
static bool load_order_is_right(const struct document *document, int64_t (*order)(const struct module *))
{
    for (size_t i = 0; i < document->module_count; i++) {
        const struct module *module = &document->modules[i];
        if (order(module) < 0 || module == document->program || name_equal(module->name, "ntdll.dll") ||
            name_equal(module->name, "kernel32.dll") || name_equal(module->name, "kernelbase.dll") || is_own_half(document, module))
            continue;
        bool wanted = false;
        for (size_t k = 0; k < document->module_count && !wanted; k++)
            wanted = order(&document->modules[k]) >= 0 && order(&document->modules[k]) < order(module) &&
                     module_imports(&document->modules[k], module);
        if (!wanted)
            return false;
    }
    return document->program && order(document->program) == 0;
}

static int64_t by_load(const struct module *module) { return module->load_order; }
static int64_t by_memory(const struct module *module) { return module->memory_order; }
static int64_t by_init(const struct module *module) { return module->init_order; }

/* The names in the list's order, for a person. */
static void names_of(const struct document *document, int64_t (*order)(const struct module *), char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (int64_t want = 0; want < (int64_t)document->module_count; want++)
        for (size_t i = 0; i < document->module_count && used + 1 < room; i++)
            if (order(&document->modules[i]) == want) {
                int length = snprintf(text + used, room - used, "%s%.60s", used ? " " : "", document->modules[i].name);
                used = length < 0 || (size_t)length >= room - used ? room - 1 : used + (size_t)length;
            }
}

static void order_compare(struct comparison *comparison, const char *list, int64_t (*order)(const struct module *))
{
    bool same = true, members = true;
    for (size_t i = 0; i < comparison->a.module_count; i++) {
        const struct module *a = &comparison->a.modules[i];
        if (!a->twin)
            continue;
        members &= a->listed != a->twin->listed || (order(a) >= 0) == (order(a->twin) >= 0);
        for (size_t k = 0; k < comparison->a.module_count; k++) {
            const struct module *other = &comparison->a.modules[k];
            if (other->twin && order(a) >= 0 && order(other) >= 0 && order(a->twin) >= 0 && order(other->twin) >= 0)
                same &= (order(a) < order(other)) == (order(a->twin) < order(other->twin));
        }
    }
    if (same && members)
        return;
    char left[1024], right[1024];
    names_of(&comparison->a, order, left, sizeof left);
    names_of(&comparison->b, order, right, sizeof right);
    bool right_order = order == by_init ? init_order_is_right(&comparison->a) && init_order_is_right(&comparison->b)
                                        : load_order_is_right(&comparison->a, order) && load_order_is_right(&comparison->b, order);
    const char *cause = !right_order || !members ? NULL
                        : order == by_init        ? "either order initialises what a module imports before the module"
                                                  : "either order begins with the program and follows the imports";
    difference_add(comparison, CLASS_LIST_ORDER, PLACE_OF(NULL), left, right, cause, "%s", members ? list : "a list that has other members");
}

void compare_lists(struct comparison *comparison)
{
    order_compare(comparison, "modules in another order of loading", by_load);
    order_compare(comparison, "modules in another order in memory's list", by_memory);
    order_compare(comparison, "modules in another order of initialisation", by_init);
}

/* ---- fields ---- */

static bool wine_loads(const struct document *document) { return is_lane(document, "reference") || is_lane(document, "os") || is_lane(document, "win32"); }

/* Bits of LDR_DATA_TABLE_ENTRY.Flags that loaders use differently. 0x80000000 and 0x40000000 are Wine's own (builtin, redirected);
 * 0x4000 (entry processed) is Windows', and ours, and unknown to Wine; ntdll is never attached by Windows and by us (0x80000),
 * but is by Wine; 0x1000 (load in progress) is Windows' own time's. */
static const char *flags_cause(const struct comparison *comparison, const struct module *a, uint64_t bits)
{
    uint64_t may = 0xc0004000u | (name_equal(a->name, "ntdll.dll") ? 0x80000u : 0);
    if (wine_loads(&comparison->a) == wine_loads(&comparison->b))
        return NULL;
    return bits & ~may ? NULL : "Wine's loader has bits of its own and lacks Windows' 'entry processed'";
}

void compare_list_fields(struct comparison *comparison, struct module *a, struct module *b)
{
    const char *left = member_text(a->json, "flags"), *right = member_text(b->json, "flags");
    uint64_t bits = member_hex(a->json, "flags") ^ member_hex(b->json, "flags");
    if (a->listed != b->listed) {
        const char *cause = (!a->listed && is_lane(&comparison->a, "win32")) || (!b->listed && is_lane(&comparison->b, "win32"))
                                ? "what the lane win32 loads by hand is in no list of the system" : NULL;
        difference_add(comparison, CLASS_LANE_MODULE, PLACE_OF(a), a->listed ? "in the lists" : "in none", b->listed ? "in the lists" : "in none",
                       cause, "listed on one side only");
        return;
    }
    if (bits)
        difference_add(comparison, CLASS_FLAGS, PLACE_OF(a), left, right, flags_cause(comparison, a, bits), "flags of its list entry");
    int64_t one = member_number(a->json, "load_count"), two = member_number(b->json, "load_count");
    if (json_is_integer(json_object_get(a->json, "load_count")) && one != two) {
        char x[24], y[24];
        snprintf(x, sizeof x, "%lld", (long long)one);
        snprintf(y, sizeof y, "%lld", (long long)two);
        /* What the program imports is pinned (-1) where the system loads it; on the lane win32 peload asks the system for each DLL
         * by LoadLibrary, which counts. */
        bool counted = (is_lane(&comparison->a, "win32") && one > 0 && two == -1) || (is_lane(&comparison->b, "win32") && two > 0 && one == -1);
        difference_add(comparison, CLASS_LOAD_COUNT, PLACE_OF(a), x, y,
                       counted ? "on the lane win32 the system was asked for it by LoadLibrary, and counts" : NULL, "load count");
    }
    if ((a == comparison->a.program && is_lane(&comparison->a, "win32")) != (b == comparison->b.program && is_lane(&comparison->b, "win32"))) {
        if (strcmp(member_text(a->json, "entry"), member_text(b->json, "entry")))
            difference_add(comparison, CLASS_LANE_MODULE, PLACE_OF(a), member_text(a->json, "entry"), member_text(b->json, "entry"),
                           "on the lane win32 the list entry is that of the stub whose place the program has", "entry point of its list entry");
        return;
    }
    bool has_a = *member_text(a->json, "entry") != 0, has_b = *member_text(b->json, "entry") != 0;
    if (has_a != has_b || (has_a && member_hex(a->json, "entry") - a->base != member_hex(b->json, "entry") - b->base))
        difference_add(comparison, CLASS_HEADERS, PLACE_OF(a), member_text(a->json, "entry"), member_text(b->json, "entry"),
                       has_a != has_b && !is_lane(&comparison->a, comparison->b.lane) && (wine_loads(&comparison->a) != wine_loads(&comparison->b)) &&
                               member_hex(json_object_get(a->json, "headers"), "entry") == 0
                           ? "a DLL without entry point: the base or nothing" : NULL,
                       "entry point of its list entry");
}
