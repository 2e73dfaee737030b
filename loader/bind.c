/* bind: each import slot gets the address of what it names. A forwarder ("NTDLL.RtlAllocateHeap", "other.#12") sends
 * the search on to another DLL, which may have to be loaded for it. */
#include "loader/load.h"
#include "pe/import.h"

#include <stdio.h>
#include <string.h>

/* Real chains have one or two steps (kernel32 -> kernelbase, kernel32 -> ntdll). */
#define FORWARD_LIMIT 16u
#define NAME_ROOM     260u

/* What is looked for just now, and where. */
struct step {
    struct ld_module *exporter;
    const char *name; /* NULL: by ordinal */
    uint32_t name_len;
    uint32_t number;  /* ordinal, or the hint where a name is given */
};

struct search {
    struct loader *loader;
    struct ld_module *owner; /* becomes dependent on what forwarders lead to */
    struct ld_error *error;
    struct step chain[FORWARD_LIMIT];
    unsigned depth;
    /* The last forwarder's DLL: neighbours in an export table mostly go to the same one. */
    char last_text[NAME_ROOM];
    uint32_t last_len;
    const struct ld_module *last_from;
    struct ld_module *last_target;
};

/* ---- Telling ---- */

static void step_text(const struct step *step, char *text, size_t room)
{
    if (step->name)
        snprintf(text, room, "%.*s", (int)(step->name_len < room ? step->name_len : room - 1), step->name);
    else
        snprintf(text, room, "#%u", (unsigned)step->number);
}

static bool symbol_fails(struct search *search, const struct step *step, uint32_t status, const char *text)
{
    ld_fail(search->error, LD_BIND, step->exporter, status, text);
    step_text(step, search->error->symbol, sizeof(search->error->symbol));
    if (search->owner != step->exporter)
        ld_text_set(search->error->needed_by, sizeof(search->error->needed_by), search->owner->name);
    return false;
}

/* Names the whole chain in the place of the symbol: "a.dll!f > b.dll!g > a.dll!f". */
static bool chain_fails(struct search *search, const struct step *last, const char *text)
{
    size_t at = 0, room = sizeof(search->error->symbol);
    ld_fail(search->error, LD_BIND, search->chain[0].exporter, LD_STATUS_ENTRYPOINT_NOT_FOUND, text);
    ld_text_set(search->error->needed_by, sizeof(search->error->needed_by), search->owner->name);
    for (unsigned i = 0; i <= search->depth && at < room - 1; i++) {
        const struct step *step = i < search->depth ? &search->chain[i] : last;
        char name[NAME_ROOM];
        step_text(step, name, sizeof(name));
        int written = snprintf(search->error->symbol + at, room - at, "%s%s!%s", i ? " > " : "", step->exporter->name, name);
        at = written > 0 && (size_t)written < room - at ? at + (size_t)written : room - 1;
    }
    return false;
}

/* ---- Forwarders ---- */

static bool depends_on(const struct ld_module *module, const struct ld_module *need)
{
    for (unsigned i = 0; i < module->need_count; i++)
        if (module->needs[i] == need)
            return true;
    return module == need;
}

/* The module that a forwarder of `from` names. The owner depends on it from now on; while a load is under way the
 * commit counts the reference, later it is counted here. API sets are asked in the name of `from`: for kernel32 some
 * contracts lead to kernelbase that lead everybody else to kernel32. */
static struct ld_module *forward_target(struct search *search, struct ld_module *from, const char *text, uint32_t len)
{
    struct loader *loader = search->loader;
    if (search->last_from == from && search->last_len == len && memcmp(search->last_text, text, len) == 0)
        return search->last_target;

    memcpy(search->last_text, text, len);
    search->last_text[len] = 0;
    search->last_len = len;
    search->last_from = NULL;
    struct ld_module *target = ld_load_need(loader, search->last_text, from, search->error);
    if (!target)
        return NULL;
    bool is_new_need = !depends_on(search->owner, target);
    if (!ld_module_add_need(search->owner, target)) {
        ld_fail_host(search->error, LD_BIND, search->owner, HOST_NO_MEMORY, "no memory for the list of needs");
        return NULL;
    }
    if (is_new_need && !loader->depth)
        ld_reference(loader, target);
    search->last_from = from;
    search->last_target = target;
    return target;
}

/* Digits only, and no more than an ordinal has. */
static bool parse_ordinal(const char *text, uint32_t len, uint32_t *ordinal)
{
    *ordinal = 0;
    if (!len || len > 5)
        return false;
    for (uint32_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *ordinal = *ordinal * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

static bool same_step(const struct step *a, const struct step *b)
{
    if (a->exporter != b->exporter || !a->name != !b->name)
        return false;
    return a->name ? a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0 : a->number == b->number;
}

/* Turns *step into the one that its forwarder names. The DLL's name ends at the LAST dot: it may hold dots itself, a
 * function's name here does not. */
static bool follow(struct search *search, struct step *step, const char *text, uint32_t len)
{
    struct step next = {0};
    uint32_t dot = len;
    while (dot && text[dot - 1] != '.')
        dot--;
    if (dot < 2 || dot == len || dot - 1 >= NAME_ROOM)
        return symbol_fails(search, step, LD_STATUS_ENTRYPOINT_NOT_FOUND, "the forwarder is not of the form DLL.name");
    if (text[dot] == '#') {
        if (!parse_ordinal(text + dot + 1, len - dot - 1, &next.number))
            return symbol_fails(search, step, LD_STATUS_ENTRYPOINT_NOT_FOUND, "the forwarder's ordinal is no number");
    } else {
        next.name = text + dot;
        next.name_len = len - dot;
    }
    next.exporter = forward_target(search, step->exporter, text, dot - 1);
    if (!next.exporter) {
        step_text(step, search->error->symbol, sizeof(search->error->symbol));
        return false;
    }

    search->chain[search->depth++] = *step;
    for (unsigned i = 0; i < search->depth; i++)
        if (same_step(&search->chain[i], &next))
            return chain_fails(search, &next, "the forwarders form a loop");
    if (search->depth == FORWARD_LIMIT)
        return chain_fails(search, &next, "the chain of forwarders is too long");
    *step = next;
    return true;
}

/* 0: not there, error filled. */
static uint64_t resolve(struct search *search, struct step step)
{
    search->depth = 0;
    for (;;) {
        const struct ld_module *exporter = step.exporter;
        struct pe_export found;
        if (step.name && search->loader->redirect) {
            uint64_t own = search->loader->redirect(search->loader, exporter, step.name, step.name_len);
            if (own)
                return own;
        }
        const struct pe_exports *exports = ld_exports(exporter, NULL);
        bool there = exports && (step.name ? pe_export_by_name(exports, step.name, step.name_len, step.number, &found)
                                           : pe_export_by_ordinal(exports, step.number, &found));
        if (!there)
            return symbol_fails(search, &step,
                                step.name ? LD_STATUS_ENTRYPOINT_NOT_FOUND : LD_STATUS_ORDINAL_NOT_FOUND,
                                step.name ? "no export has this name" : "no export has this ordinal");
        if (!found.forwarder)
            return exporter->base + found.rva.value;
        if (!follow(search, &step, found.forwarder, found.forwarder_len))
            return 0;
    }
}

uint64_t ld_symbol(struct loader *loader, struct ld_module *module, const char *name, uint32_t name_len,
                   uint32_t ordinal_or_hint, struct ld_error *error)
{
    struct search search;
    search.loader = loader;
    search.owner = module;
    search.error = error;
    search.last_from = NULL;
    return resolve(&search, (struct step){module, name, name_len, ordinal_or_hint});
}

/* ---- Slots ---- */

struct binding {
    struct search search;
    struct ld_module *module;
    uint8_t *bytes;              /* the image */
    uint32_t open_from, open_to; /* RVAs of the region that is known to be writable */
    uint32_t width;              /* of a slot: 4 or 8 */
};

/* The width in its own branch: two stores instead of a call. */
static inline void slot_write(uint8_t *slot, uint64_t address, uint32_t width)
{
    if (width == 8)
        memcpy(slot, &address, 8);
    else
        memcpy(slot, &address, 4);
}

static bool open_slot(struct binding *work, pe_rva slot)
{
    if (slot.value >= work->open_from && slot.value < work->open_to && work->width <= work->open_to - slot.value)
        return true;
    struct ld_error *error = work->search.error;
    enum host_result result = ld_module_writable(work->search.loader, work->module, slot, work->width);
    if (result == HOST_NOT_FOUND)
        return ld_fail(error, LD_BIND, work->module, PE_STATUS_ACCESS_VIOLATION,
                       "the import address table lies outside the image's memory");
    if (result != HOST_OK)
        return ld_fail_host(error, LD_BIND, work->module, result, "the import address table cannot be made writable");
    const struct ld_region *region = ld_module_region(work->module, slot);
    work->open_from = region->plan.rva.value;
    work->open_to = region->plan.rva.value + region->plan.size;
    return true;
}

static void tell_slot(struct loader *loader, const struct ld_module *module, const struct ld_module *exporter,
                      const struct pe_import *import, uint64_t address)
{
    char text[NAME_ROOM];
    const struct step step = {NULL, import->by_ordinal ? NULL : import->name, import->name_len, import->ordinal};
    if (!ld_traces(loader->trace, LD_BIND))
        return;
    step_text(&step, text, sizeof(text));
    LD_TRACE(loader->trace, LD_BIND, .verb = address ? "bound" : "missing", .module = module->name, .name = text,
             .detail = exporter->name, .address = address, .from = module->base + import->slot.value);
}

/* The function, or the DLL that a forwarder names, is not there; nothing else went wrong. */
static bool is_absent(const struct ld_error *error)
{
    return error->ntstatus == LD_STATUS_ENTRYPOINT_NOT_FOUND || error->ntstatus == LD_STATUS_ORDINAL_NOT_FOUND ||
           error->ntstatus == LD_STATUS_DLL_NOT_FOUND;
}

/* One descriptor: all functions from one DLL. */
static bool bind_descriptor(struct binding *work, const struct pe_import_module *descriptor, struct ld_module *exporter)
{
    struct loader *loader = work->search.loader;
    struct pe_import import;
    struct pe_error pe = {0};

    pe_imports_begin(&import, descriptor);
    while (pe_imports_next(&import, &pe)) {
        if (!open_slot(work, import.slot))
            return false;
        uint64_t address = import.by_ordinal
                               ? resolve(&work->search, (struct step){exporter, NULL, 0, import.ordinal})
                               : resolve(&work->search, (struct step){exporter, import.name, import.name_len, import.hint});
        if (!address && loader->substitute && is_absent(work->search.error))
            address = loader->substitute(loader, exporter, import.by_ordinal ? NULL : import.name, import.name_len,
                                         import.ordinal);
        if (!address) {
            /* A slot that stays empty is told once and faults at address 0 if it is ever called. */
            if (!loader->missing)
                return false;
            loader->missing_count++;
            loader->missing(loader, work->search.error);
        }
        slot_write(work->bytes + import.slot.value, address, work->width);
        work->module->imports += address != 0;
        tell_slot(loader, work->module, exporter, &import, address);
    }
    return pe.code == PE_OK || ld_fail_pe(work->search.error, LD_BIND, work->module, &pe);
}

/* ---- From an earlier run ---- */

/* All of it is looked at before anything is written: a false memory costs a look-up. */
static bool known_is_good(const struct ld_module *module, const struct ld_bindings *known, uint32_t width)
{
    uint64_t slots = 0;
    for (uint32_t i = 0; i < known->run_count; i++) {
        const struct ld_binding_run *run = &known->runs[i];
        slots += run->count;
        if (run->count > module->source.size_of_image / width || run->slot > module->source.size_of_image - run->count * width)
            return false;
    }
    for (uint32_t i = 0; i < known->need_count; i++)
        if (known->needs[i] >= known->target_count || !known->targets[known->needs[i]])
            return false;
    if (slots != known->slot_count)
        return false;
    for (uint32_t i = 0; i < known->slot_count; i++) {
        const struct ld_module *target = known->indexes[i] < known->target_count ? known->targets[known->indexes[i]] : NULL;
        if (!target || known->rvas[i] >= target->source.size_of_image)
            return false;
    }
    return true;
}

static bool bind_known(struct loader *loader, struct ld_module *module, const struct ld_bindings *known)
{
    uint32_t width = module->image.is_64 ? 8 : 4, slot = 0;
    if (!known_is_good(module, known, width))
        return false;
    for (uint32_t i = 0; i < known->run_count; i++)
        if (known->runs[i].count &&
            ld_module_writable(loader, module, pe_rva_at(known->runs[i].slot), known->runs[i].count * width) != HOST_OK)
            return false;
    for (uint32_t i = 0; i < known->need_count; i++)
        if (!ld_module_add_need(module, known->targets[known->needs[i]]))
            return false;
    uint8_t *bytes = loader->host->vm_at(loader->host, module->base, module->source.size_of_image);
    for (uint32_t i = 0; i < known->run_count; i++) {
        uint8_t *at = bytes + known->runs[i].slot;
        for (uint32_t end = slot + known->runs[i].count; slot < end; slot++, at += width) {
            uint64_t address = known->targets[known->indexes[slot]]->base + known->rvas[slot];
            slot_write(at, address, width);
        }
    }
    module->imports = known->slot_count;
    return true;
}

bool ld_bind(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct ld_bindings known;
    if (module->no_resolve || !module->imported_count)
        return true;
    if (loader->recall && !loader->missing && !ld_traces(loader->trace, LD_BIND) && loader->recall(loader, module, &known) &&
        bind_known(loader, module, &known))
        return true;
    struct binding work;
    work.search.loader = loader;
    work.search.owner = module;
    work.search.error = error;
    work.search.last_from = NULL;
    work.module = module;
    work.bytes = loader->host->vm_at(loader->host, module->base, module->source.size_of_image);
    work.open_from = work.open_to = 0;
    work.width = module->image.is_64 ? 8 : 4;

    /* The descriptors come in the order in which the graph was mapped; an empty place is a list without thunks, or a
     * DLL whose absence was told already. */
    struct pe_import_module descriptor;
    struct pe_error pe = {0};
    unsigned index = 0;
    pe_import_modules_begin(&descriptor, &module->image);
    for (; index < module->imported_count && pe_import_modules_next(&descriptor, &pe); index++)
        if (module->imported[index] && !bind_descriptor(&work, &descriptor, module->imported[index]))
            return false;
    LD_TRACE(loader->trace, LD_BIND, .verb = "imports", .module = module->name, .count = module->imports,
             .size = module->imported_count);
    return true;
}
