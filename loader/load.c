/* The story: how a file becomes a module that can run. To be read first.
 *
 * A load has two passes over its graph of modules, and a commit.
 *
 *   Pass 1 maps. For each module, before those that it imports:
 *     find      the name means a module that is there, or a file
 *     open      the file's headers are believed only now
 *     place     an address range; before the bytes, because they go there at once
 *     fill      the bytes; before relocation, which works on the image and not on the file
 *     relocate  before binding: import tables and export tables may hold addresses themselves
 *     cookie    behind relocation, which makes its address right; Windows has it before the imports
 *     manifest  before the imports, whose names it may lead to other files
 *     (its imports, each in turn: the module is in the list by now, so a cycle ends at it)
 *   Pass 2 binds. All export tables are there, wherever a cycle or a forwarder leads.
 *     bind      forwarders may map more modules; they stand at the list's end and so are met later in this pass
 *   Then, for each module:
 *     tls       after binding, as Windows has it: no slot is taken by a load that can still fail to bind
 *     protect   last, when nobody writes to the image any more
 *
 * Not one instruction of the guest runs in all this. The commit cannot fail: it counts references. A failure before it
 * frees exactly the modules that are new, the newest first, and the loader is as it was. */
#include "loader/load.h"
#include "pe/import.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Longer chains of imports than this are no honest program's; each step costs a few hundred bytes of stack. */
#define DEPTH_LIMIT 100u

static struct ld_module *map_graph(struct loader *loader, struct ld_module *module, struct ld_error *error);

/* ---- Pass 1: mapping ---- */

static bool same_headers(const struct pe_image *a, const struct pe_image *b)
{
    return a->timestamp == b->timestamp && a->checksum == b->checksum && a->size_of_image == b->size_of_image;
}

/* A new record over an open file, or the module that the file has become already under another spelling. */
static struct ld_module *open_file(struct loader *loader, const char *path, struct ld_error *error)
{
    struct ld_module *module = ld_module_new(loader, path);
    if (!module) {
        ld_fail_host(error, LD_OPEN, NULL, HOST_NO_MEMORY, "no memory for a module");
        return NULL;
    }
    module->is_new = true;
    if (!ld_open(loader, module, error)) {
        ld_module_free(loader, module);
        return NULL;
    }
    /* A file's number is used again once the file is gone, so the headers must agree as well. */
    struct ld_module *same = ld_module_by_file(loader, &module->file);
    if (same && !same_headers(&same->source, &module->source))
        same = NULL;
    if (same) {
        LD_TRACE(loader->trace, LD_FIND, .verb = "already", .module = same->name, .name = path, .address = same->base,
                 .detail = "the same file");
        ld_module_free(loader, module);
    } else if (loader->instead && (same = loader->instead(loader, module)))
        ld_module_free(loader, module);
    return same ? same : module;
}

/* Whoever asks first decides how the name is spelled: GetModuleFileName shows the letters of that request. */
static void keep_spelling(struct ld_module *module, const char *name)
{
    const char *last = name + strlen(name);
    while (last != name && last[-1] != '/' && last[-1] != '\\')
        last--;
    size_t length = strcspn(last, " ");
    if (length <= strlen(module->name) && ld_text_equal(module->name, last, length))
        memcpy(module->name, last, length);
}

/* A file for another machine does not end the search: folders of both kinds may stand in the path.
 * Never inlined: the room for a path must not lie on the stack once per level of the graph. */
static __attribute__((noinline)) struct ld_module *open_name(struct loader *loader, const char *name,
                                                             const struct ld_module *importer, struct ld_error *error)
{
    char path[LD_PATH_ROOM];
    struct ld_module *module;
    if (!ld_find(loader, name, importer, &module, path, sizeof(path), error) || module)
        return module;
    for (unsigned refused = 1;; refused++) {
        module = open_file(loader, path, error);
        if (module && module->is_new && !module->base)
            keep_spelling(module, name);
        if (module || error->phase != LD_OPEN || error->pe.code != PE_BAD_MACHINE ||
            !ld_find_again(loader, name, importer, refused, path, sizeof(path), error))
            return module;
    }
}

/* Windows does not even load the DLL of a descriptor whose list of functions is empty. */
static bool imports_anything(const struct pe_import_module *descriptor)
{
    struct pe_import import;
    struct pe_error broken = {0};
    pe_imports_begin(&import, descriptor);
    return pe_imports_next(&import, &broken) || broken.code != PE_OK;
}

static bool remember_import(struct ld_module *module, struct ld_module *imported, struct ld_error *error)
{
    /* Room grows at powers of two: the count itself tells when. */
    unsigned count = module->imported_count;
    if ((count & (count - 1)) == 0) {
        size_t room = count ? 2 * (size_t)count : 1;
        struct ld_module **grown = realloc(module->imported, room * sizeof(*grown));
        if (!grown)
            return ld_fail_host(error, LD_FIND, module, HOST_NO_MEMORY, "no memory for the list of imports");
        module->imported = grown;
    }
    module->imported[module->imported_count++] = imported;
    if (imported && !ld_module_add_need(module, imported))
        return ld_fail_host(error, LD_FIND, module, HOST_NO_MEMORY, "no memory for the list of needs");
    return true;
}

/* Is it a DLL that is simply not there (or only for another machine), and does somebody collect such? */
static bool is_collected(struct loader *loader, const struct ld_error *error)
{
    if (!loader->missing || (error->ntstatus != LD_STATUS_DLL_NOT_FOUND && error->pe.code != PE_BAD_MACHINE))
        return false;
    loader->missing_count++;
    loader->missing(loader, error);
    return true;
}

static bool map_imports(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct pe_import_module descriptor;
    struct pe_error pe = {0};
    pe_import_modules_begin(&descriptor, &module->image);
    while (pe_import_modules_next(&descriptor, &pe)) {
        struct ld_module *imported = NULL;
        if (imports_anything(&descriptor)) {
            imported = open_name(loader, descriptor.name, module, error);
            if (!imported && !error->needed_by[0])
                ld_text_set(error->needed_by, sizeof(error->needed_by), module->name);
            if (!imported && !is_collected(loader, error))
                return false;
            if (imported && !map_graph(loader, imported, error)) {
                if (!error->needed_by[0])
                    ld_text_set(error->needed_by, sizeof(error->needed_by), module->name);
                return false;
            }
        }
        if (!remember_import(module, imported, error))
            return false;
    }
    return pe.code == PE_OK || ld_fail_pe(error, LD_BIND, module, &pe);
}

/* The first file that is no DLL is the program. Any other EXE is only looked at: it gets no imports, no TLS slot. */
static void take_role(struct loader *loader, struct ld_module *module)
{
    if (module->source.is_dll)
        return;
    module->is_main = true;
    for (const struct ld_module *other = loader->first; other; other = other->next)
        if (other != module && other->is_main)
            module->is_main = false;
    module->no_resolve = module->no_resolve || !module->is_main;
}

/* The module and all that it needs, the module first. One that is mapped already is done with, in a cycle too. */
static struct ld_module *map_graph(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    if (module->base)
        return module;
    if (loader->depth > DEPTH_LIMIT) {
        ld_fail(error, LD_FIND, module, LD_STATUS_STACK_OVERFLOW, "the imports go deeper than 100 modules");
        return NULL;
    }
    const struct ld_module *outer = loader->manifest_of;
    loader->depth++;
    take_role(loader, module);
    bool done = ld_place(loader, module, error) && ld_fill(loader, module, error) && ld_relocate(loader, module, error) &&
                ld_cookie(loader, module, error) && ld_manifest(loader, module, error);
    if (done) {
        module->state = LD_FILLED;
        if (module->redirects && !module->is_main)
            loader->manifest_of = module;
        done = module->no_resolve || map_imports(loader, module, error);
    }
    loader->manifest_of = outer;
    loader->depth--;
    return done ? module : NULL;
}

/* ---- Pass 2 and the end of it ---- */

static bool bind_new(struct loader *loader, struct ld_error *error)
{
    for (struct ld_module *module = loader->first; module; module = module->next) {
        if (!module->is_new || module->state != LD_FILLED)
            continue;
        if (!ld_bind(loader, module, error))
            return false;
        module->state = LD_BOUND;
    }
    return true;
}

static bool finish_new(struct loader *loader, struct ld_error *error)
{
    for (struct ld_module *module = loader->first; module; module = module->next) {
        if (!module->is_new)
            continue;
        if (!ld_tls(loader, module, error) || !ld_protect(loader, module, error))
            return false;
        module->state = LD_READY;
    }
    return true;
}

/* What the program needs from the start stays to the end. */
static void pin(struct ld_module *module)
{
    if (module->is_static)
        return;
    module->is_static = true;
    module->references = -1;
    for (unsigned i = 0; i < module->need_count; i++)
        pin(module->needs[i]);
}

static void commit(struct loader *loader)
{
    struct ld_module *program = NULL;
    for (struct ld_module *module = loader->first; module; module = module->next) {
        if (!module->is_new)
            continue;
        module->is_new = false;
        for (unsigned i = 0; i < module->need_count; i++)
            ld_reference(loader, module->needs[i]);
        if (module->is_main)
            program = module;
    }
    if (program)
        pin(program);
}

static void roll_back(struct loader *loader)
{
    for (struct ld_module *module = loader->last, *before; module; module = before) {
        before = module->prev;
        if (module->is_new)
            ld_module_free(loader, module);
    }
}

/* ---- The loads ---- */

/* A whole load of an opened root. */
static struct ld_module *load(struct loader *loader, struct ld_module *root, struct ld_error *error)
{
    bool no_resolve = loader->root_no_resolve;
    loader->root_no_resolve = false;
    if (!root || !root->is_new)
        return root;

    loader->depth = 1;
    root->no_resolve = no_resolve;
    bool done = map_graph(loader, root, error) != NULL;
    if (done)
        LD_TRACE(loader->trace, LD_BIND, .verb = "begin", .module = root->name, .address = root->base,
                 .detail = "all that it needs is mapped");
    done = done && bind_new(loader, error);
    if (done)
        LD_TRACE(loader->trace, LD_BIND, .verb = "end", .module = root->name, .address = root->base,
                 .detail = "all slots are filled");
    done = done && finish_new(loader, error);
    loader->depth = 0;
    if (!done) {
        roll_back(loader);
        return NULL;
    }
    commit(loader);
    return root;
}

struct ld_module *ld_load(struct loader *loader, const char *name, const struct ld_module *importer, struct ld_error *error)
{
    assert(!loader->depth);
    struct ld_module *root = load(loader, open_name(loader, name, importer, error), error);
    if (root)
        ld_reference(loader, root);
    return root;
}

struct ld_module *ld_load_path(struct loader *loader, const char *path, struct ld_error *error)
{
    assert(!loader->depth);
    struct ld_module *root = load(loader, open_file(loader, path, error), error);
    if (root)
        ld_reference(loader, root);
    return root;
}

struct ld_module *ld_load_need(struct loader *loader, const char *name, struct ld_module *importer, struct ld_error *error)
{
    struct ld_module *module = open_name(loader, name, importer, error);
    if (!loader->depth)
        return load(loader, module, error);
    return module ? map_graph(loader, module, error) : NULL;
}
