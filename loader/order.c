/* order: in which order modules are initialised, and in which order they go.
 *
 * What a module needs is initialised before it, in the order of its imports; a cycle is cut where the walk meets a
 * module that it is already inside of, which is what Windows does too. Whoever runs an initialiser numbers it
 * (init_index) at that moment: an initialiser may itself load DLLs, which then come first. */
#include "loader/load.h"

#include <assert.h>

struct walk {
    struct ld_module **list;
    size_t room, count;
};

static void unmark_all(const struct loader *loader)
{
    for (struct ld_module *module = loader->first; module; module = module->next)
        module->mark = 0;
}

/* Post-order, depth first. The frame is small and the depth at most the number of modules. */
static void visit(struct walk *walk, struct ld_module *module)
{
    if (module->mark)
        return;
    module->mark = 1;
    for (unsigned i = 0; i < module->need_count; i++)
        visit(walk, module->needs[i]);
    if (module->state == LD_READY && !module->init_index && walk->count < walk->room)
        walk->list[walk->count++] = module;
}

size_t ld_order(struct loader *loader, struct ld_module *root, struct ld_module **list, size_t room)
{
    struct walk walk = {.list = list, .room = room};
    unmark_all(loader);
    visit(&walk, root);
    for (size_t i = 0; i < walk.count; i++)
        LD_TRACE(loader->trace, LD_ORDER, .verb = "ordered", .module = list[i]->name, .count = i + 1,
                 .address = list[i]->base);
    return walk.count;
}

void ld_reference(struct loader *loader, struct ld_module *module)
{
    (void)loader;
    if (module->references >= 0)
        module->references++;
}

/* ---- Going ----
 *
 * A count is the references from outside (LoadLibrary) plus one for each module that needs this one. Modules that need
 * each other in a ring would keep each other alive for ever. So the question is asked of all modules that the released
 * one reaches, together: which of them does anybody outside this set still hold, directly or through another? */

/* mark: 0 not in the set, else 1 + the needs that point to the module from within. Pinned modules stay out of it. */
static void gather(struct ld_module *module)
{
    if (module->mark || module->references < 0)
        return;
    module->mark = 1;
    for (unsigned i = 0; i < module->need_count; i++)
        gather(module->needs[i]);
}

static void count_inner_needs(const struct ld_module *module)
{
    for (unsigned i = 0; i < module->need_count; i++)
        if (module->needs[i]->mark)
            module->needs[i]->mark++;
}

static void keep(struct ld_module *module)
{
    if (!module->mark)
        return;
    module->mark = 0;
    for (unsigned i = 0; i < module->need_count; i++)
        keep(module->needs[i]);
}

/* What it held outside of those that go is held once less. */
static void let_go(struct ld_module *module)
{
    module->references = 0;
    for (unsigned i = 0; i < module->need_count; i++)
        if (!module->needs[i]->mark && module->needs[i]->references > 0)
            module->needs[i]->references--;
}

/* Reverse order of initialisation; what never was initialised comes last. */
static size_t insert(struct ld_module **list, size_t count, struct ld_module *module)
{
    size_t at = count;
    for (; at && list[at - 1]->init_index < module->init_index; at--)
        list[at] = list[at - 1];
    list[at] = module;
    return count + 1;
}

size_t ld_unload_plan(struct loader *loader, struct ld_module *module, struct ld_module **list, size_t room)
{
    size_t count = 0;
    assert(room >= loader->count);
    (void)room;
    if (module->references <= 0)
        return 0;
    module->references--;

    unmark_all(loader);
    gather(module);
    for (struct ld_module *inner = loader->first; inner; inner = inner->next)
        if (inner->mark)
            count_inner_needs(inner);
    for (struct ld_module *held = loader->first; held; held = held->next)
        if (held->mark && (unsigned)held->references > held->mark - 1)
            keep(held);

    for (struct ld_module *gone = loader->first; gone; gone = gone->next)
        if (gone->mark) {
            let_go(gone);
            count = insert(list, count, gone);
        }
    for (size_t i = 0; i < count; i++)
        LD_TRACE(loader->trace, LD_UNLOAD, .verb = "planned", .module = list[i]->name, .count = i + 1,
                 .address = list[i]->base);
    return count;
}
