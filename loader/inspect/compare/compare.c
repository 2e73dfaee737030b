/* The order of a comparison. To be read first.
 *
 *   1  which module is which: by name
 *   2  each pair: where it lies and what was rebased; its slots; its bytes; its data; its list entry
 *   3  the lists as a whole
 *   4  the process around the modules
 *   5  how it ended
 *
 * Addresses of the two sides are never compared as they are, but as module + RVA, or as what lies there. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <string.h>

bool is_lane(const struct document *document, const char *lane) { return !strcmp(document->lane, lane); }

static bool on_our_kernel(const struct document *document) { return is_lane(document, "native") || is_lane(document, "reference"); }

bool same_system(const struct comparison *comparison)
{
    return on_our_kernel(&comparison->a) == on_our_kernel(&comparison->b);
}

/* The guest half exists on the native lane alone, in no list, because a program that lists its modules must not see it
 * (loader/native/library.c). In the child of the lane win32 there are peload's own DLL and the small ones that lend TLS slots and
 * thread notices (loader/win32/donor.c). */
bool is_own_half(const struct document *document, const struct module *module)
{
    const char *native = document->is_64 ? "ldr64.dll" : "ldr32.dll", *child = document->is_64 ? "peload64.dll" : "peload32.dll";
    return (is_lane(document, "native") && !module->listed && name_equal(module->name, native)) ||
           (is_lane(document, "win32") && (name_equal(module->name, child) || !strncasecmp(module->name, "peload-donor", 12)));
}

/* Before the entry point only the initialisers of DLLs have run, in the order of the third list, and TLS callbacks; ntdll and
 * whoever does its work run from the first instruction on. */
bool code_has_run(const struct document *document, const struct module *module)
{
    if (!strcmp(document->at, "mapped") || !strcmp(document->at, "bound"))
        return false;
    if (module == document->program)
        return !strcmp(document->at, "exit") || json_is_integer(json_object_get(module->json, "tls_index"));
    return module->init_order >= 0 || is_own_half(document, module) || name_equal(module->name, "ntdll.dll") || !module->listed;
}

/* ---- which is which ---- */

static bool is_twin(const struct comparison *comparison, const struct module *a, const struct module *b)
{
    /* Two files may have one name; then the contents tell them apart. */
    if (a == comparison->a.program || b == comparison->b.program)
        return a == comparison->a.program && b == comparison->b.program;
    return name_equal(a->name, b->name);
}

static bool files_equal(const struct module *a, const struct module *b)
{
    const char *left = member_text(a->json, "file_hash"), *right = member_text(b->json, "file_hash");
    return *left && !strcmp(left, right);
}

static void twins_find(struct comparison *comparison)
{
    for (unsigned pass = 0; pass < 2; pass++) /* equal files first */
        for (size_t i = 0; i < comparison->a.module_count; i++) {
            struct module *a = &comparison->a.modules[i];
            for (size_t k = 0; k < comparison->b.module_count && !a->twin; k++) {
                struct module *b = &comparison->b.modules[k];
                if (b->twin || !is_twin(comparison, a, b) || (!pass && !files_equal(a, b)))
                    continue;
                a->twin = b;
                b->twin = a;
                a->same_file = b->same_file = files_equal(a, b);
                comparison->matched.modules++;
            }
        }
}

/* Another width's image in a process: the 64-bit half of WoW64, of which Windows and Wine run 32-bit programs. */
static bool is_other_width(const struct document *document, const struct module *module)
{
    uint64_t machine = member_hex(json_object_get(module->json, "headers"), "machine");
    return !module->listed && machine != (document->is_64 ? 0x8664u : 0x14cu);
}

/* Nobody that both sides have imports it; the lane's own half does. */
static bool is_needed_by_own_half(const struct document *document, const struct module *module)
{
    bool by_own = false;
    for (size_t i = 0; i < document->module_count; i++) {
        if (!module_imports(&document->modules[i], module))
            continue;
        if (!is_own_half(document, &document->modules[i]))
            return false;
        by_own = true;
    }
    return by_own;
}

static void lonely_tell(struct comparison *comparison, const struct document *document, bool is_a)
{
    for (size_t i = 0; i < document->module_count; i++) {
        const struct module *module = &document->modules[i];
        char base[24];
        const char *cause = NULL;
        if (module->twin)
            continue;
        if (is_own_half(document, module))
            cause = "the lane's own code beside the program, in no list";
        else if (is_needed_by_own_half(document, module))
            cause = "only the lane's own code beside the program imports it";
        else if (is_other_width(document, module))
            cause = "the other width's half of WoW64, in no list of this one";
        snprintf(base, sizeof base, "0x%llx", (unsigned long long)module->base);
        difference_add(comparison, CLASS_LANE_MODULE, PLACE_OF(module), is_a ? base : NULL, is_a ? NULL : base, cause,
                       "only on lane %s", document->lane);
    }
}

/* ---- the whole ---- */

static bool is_system(const struct module *module)
{
    const char *path = member_text(module->json, "path");
    for (; *path; path++)
        if ((path[0] == '\\' || path[0] == '/') && (name_equal(module->name, strrchr(path, path[0]) + 1)) &&
            (strcasestr(path, "system32") || strcasestr(path, "syswow64")))
            return true;
    return false;
}

static void pair_compare(struct comparison *comparison, struct module *a, struct module *b)
{
    if (!a->has_file || !b->has_file)
        difference_add(comparison, CLASS_SYSTEM_DLL, PLACE_OF(a), a->has_file ? "there" : "not found", b->has_file ? "there" : "not found",
                       NULL, "no file to hold the memory against");
    else if (!a->same_file) {
        /* Two systems bring their own DLLs: what can be compared then is what imports lead to, not bytes. */
        bool fine = is_system(a) && is_system(b) && !same_system(comparison);
        difference_add(comparison, CLASS_SYSTEM_DLL, PLACE_OF(a), member_text(a->json, "file"), member_text(b->json, "file"),
                       fine ? "each system brings its own file of this name" : NULL, "another file of this name");
    } else {
        compare_images(comparison, a, b);
        compare_bytes(comparison, a, b);
        compare_data(comparison, a, b);
    }
    compare_slots(comparison, a, b);
    compare_list_fields(comparison, a, b);
}

static void documents_fit(struct comparison *comparison)
{
    const struct document *a = &comparison->a, *b = &comparison->b;
    const char *left = member_text(json_object_get(a->root, "file"), "hash"), *right = member_text(json_object_get(b->root, "file"), "hash");
    if (strcmp(a->machine, b->machine))
        difference_add(comparison, CLASS_UNEXPLAINED, PLACE_OF(NULL), a->machine, b->machine, NULL, "not the same kind of process");
    if (strcmp(a->at, b->at))
        difference_add(comparison, CLASS_UNEXPLAINED, PLACE_OF(NULL), a->at, b->at, NULL, "not taken at the same moment");
    if (strcmp(left, right))
        difference_add(comparison, CLASS_UNEXPLAINED, PLACE_OF(NULL), left, right, NULL, "not the same program: other bytes");
}

/* Slots that lead into no module: where a function is missing, Wine puts code of its own in its place. */
static size_t lost_slots(const struct document *document)
{
    size_t lost = 0;
    for (size_t m = 0; m < document->module_count; m++) {
        size_t i, k;
        const json_t *import, *function;
        json_array_foreach(json_object_get(document->modules[m].json, "imports"), i, import)
            json_array_foreach(json_object_get(import, "functions"), k, function)
                lost += !json_is_object(json_object_get(function, "target")) && document_area_at(document, member_hex(function, "value"));
    }
    return lost;
}

/* One side never came to the moment. True: that is all there is to tell. */
static bool one_never_came(struct comparison *comparison)
{
    const struct document *a = &comparison->a, *b = &comparison->b;
    if (!a->module_count == !b->module_count)
        return false;
    const struct document *gone = a->module_count ? b : a, *other = a->module_count ? a : b;
    const json_t *exit = json_object_get(gone->root, "exit");
    /* README, "Lanes": the native lane refuses, as Windows does, what Wine starts and lets fail at the call. */
    bool missing = member_hex(exit, "code") == 0xc0000139u && lost_slots(other);
    difference_add(comparison, CLASS_EXIT, PLACE_OF(NULL), a->module_count ? "came there" : member_text(exit, "code"),
                   b->module_count ? "came there" : member_text(exit, "code"),
                   missing ? "a function is missing: Windows refuses the program, Wine puts its own code into the slot" : NULL,
                   "on lane %s it never came to that moment", gone->lane);
    return true;
}

bool compare_documents(struct comparison *comparison)
{
    documents_fit(comparison);
    if (one_never_came(comparison)) {
        compare_sort(comparison);
        return !comparison->failed;
    }
    twins_find(comparison);
    lonely_tell(comparison, &comparison->a, true);
    lonely_tell(comparison, &comparison->b, false);
    for (size_t i = 0; i < comparison->a.module_count; i++)
        if (comparison->a.modules[i].twin)
            pair_compare(comparison, &comparison->a.modules[i], comparison->a.modules[i].twin);
    compare_lists(comparison);
    compare_process(comparison);
    compare_ending(comparison);
    compare_sort(comparison);
    return !comparison->failed;
}
