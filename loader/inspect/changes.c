/* Memory against the plan: the file is stretched once more, as pe/layout.h plans it, and each byte that is not the same gets a
 * cause. A cause is a check, not a place: a fix-up counts only if its value is the file's plus the difference of the bases, a
 * slot of an import table only if some module is at that address, a cookie only where the load configuration says so.
 * What no check explains is `data` in a section that its header makes writable, and `unknown` everywhere else. */
#include "loader/inspect/inspect.h"
#include "pe/delay.h"
#include "pe/import.h"
#include "pe/layout.h"
#include "pe/loadconfig.h"
#include "pe/reloc.h"
#include "pe/tls.h"

#include <stdlib.h>
#include <string.h>

const char *const inspect_cause_name[CAUSE_COUNT] = {
    "none", "relocation", "iat", "delay_iat", "delay_handle", "cookie", "tls_index",
    "image_base", "guard", "page_tail", "data", "patch", "exports", "unknown"};

uint64_t inspect_value(const struct inspect_module *module, uint64_t rva, size_t width)
{
    uint64_t value = 0;
    if (rva <= module->size && width <= module->size - rva)
        memcpy(&value, module->memory + rva, width);
    return value;
}

static unsigned width_of(const struct inspect_module *module) { return module->source.is_64 ? 8 : 4; }

/* ---- the plan ---- */

static void plan_fill(struct inspect_module *module)
{
    struct pe_layout layout;
    struct pe_region region;
    pe_layout_begin(&layout, &module->source);
    while (pe_layout_next(&layout, &region)) {
        struct pe_span raw;
        if (region.raw_size && region.rva.value <= module->size && region.raw_size <= module->size - region.rva.value &&
            pe_span_slice(module->bytes, region.raw_off.value, region.raw_size, &raw))
            memcpy(module->planned + region.rva.value, raw.data, (size_t)raw.size);
    }
}

/* ---- fix-ups ---- */

static void fix(uint8_t *at, const struct pe_fixup *fixup, uint64_t delta)
{
    uint64_t value = 0;
    int width = pe_reloc_width(fixup->type);
    memcpy(&value, at, (size_t)width);
    switch (fixup->type) {
    case PE_REL_HIGH: value += (uint16_t)(delta >> 16); break;
    case PE_REL_HIGHADJ:
        value = ((value << 16) + (uint64_t)(int64_t)(int16_t)fixup->parameter + delta + 0x8000) >> 16;
        break;
    default: value += delta;
    }
    memcpy(at, &value, (size_t)width);
}

/* `visit` for each fix-up that lies in the image, padding left out. */
static void fixups_visit(struct inspect_module *module, void (*visit)(struct inspect_module *, const struct pe_fixup *, void *),
                         void *context)
{
    struct pe_reloc_block block;
    struct pe_error error = {0};
    pe_reloc_blocks_begin(&block, &module->source);
    while (pe_reloc_blocks_next(&block, &error))
        for (uint32_t i = 0; i < block.count;) {
            struct pe_fixup fixup;
            if (!pe_reloc_fixup(&block, i, &fixup, &error))
                break;
            i += fixup.taken;
            int width = pe_reloc_width(fixup.type);
            if (width > 0 && fixup.rva.value <= module->size && (uint32_t)width <= module->size - fixup.rva.value)
                visit(module, &fixup, context);
        }
}

struct rebasing { uint8_t *bytes; uint64_t delta; uint32_t page; };

static void fixup_apply(struct inspect_module *module, const struct pe_fixup *fixup, void *context)
{
    struct rebasing *work = context;
    (void)module;
    fix(work->bytes + fixup->rva.value, fixup, work->delta);
}

static void fixup_check(struct inspect_module *module, const struct pe_fixup *fixup, void *context)
{
    struct rebasing *work = context;
    uint32_t rva = fixup->rva.value, width = (uint32_t)pe_reloc_width(fixup->type);
    module->fixups++;
    if (rva / PE_PAGE + 1 != work->page) {
        work->page = rva / PE_PAGE + 1;
        module->fixup_pages++;
    }
    if (memcmp(module->memory + rva, work->bytes + rva, width)) {
        module->other++;
        return;
    }
    module->rebased++;
    for (uint32_t i = rva; i < rva + width; i++)
        if (module->memory[i] != module->planned[i])
            module->cause[i] = CAUSE_RELOCATION;
}

/* All fix-ups are applied to a copy before any is looked at: two may overlap, and then their order counts. */
static bool fixups_explain(struct inspect_module *module)
{
    struct rebasing work = {.bytes = malloc(module->size + 1), .delta = module->base - module->source.image_base.value};
    if (!work.bytes)
        return false;
    memcpy(work.bytes, module->planned, module->size);
    fixups_visit(module, fixup_apply, &work);
    fixups_visit(module, fixup_check, &work);
    free(work.bytes);
    return true;
}

/* ---- tables that the loader fills ---- */

/* Bytes of [rva, rva + size) that differ and have no cause yet. */
static void explain(struct inspect_module *module, uint64_t rva, uint64_t size, enum inspect_cause cause)
{
    for (uint64_t i = rva; i < rva + size && i < module->size; i++)
        if (module->memory[i] != module->planned[i] && !module->cause[i])
            module->cause[i] = (uint8_t)cause;
}

/* A slot that differs from the file holds an address of some module, or nobody can say what it holds. */
static void slot_explain(struct inspect_process *process, struct inspect_module *module, uint32_t slot, enum inspect_cause cause)
{
    unsigned width = width_of(module);
    explain(module, slot, width, inspect_module_at(process, inspect_value(module, slot, width)) ? cause : CAUSE_UNKNOWN);
}

static void imports_explain(struct inspect_process *process, struct inspect_module *module)
{
    struct pe_import_module descriptor;
    struct pe_delay_module delay;
    struct pe_import import;
    struct pe_error ignored = {0};
    pe_import_modules_begin(&descriptor, &module->source);
    while (pe_import_modules_next(&descriptor, &ignored)) {
        pe_imports_begin(&import, &descriptor);
        while (pe_imports_next(&import, &ignored))
            slot_explain(process, module, import.slot.value, CAUSE_IAT);
    }
    ignored = (struct pe_error){0};
    pe_delay_begin(&delay, &module->source);
    while (pe_delay_next(&delay, &ignored)) {
        struct inspect_module *target = inspect_module_at(process, inspect_value(module, delay.module_handle.value, width_of(module)));
        if (target && target->base == inspect_value(module, delay.module_handle.value, width_of(module)))
            explain(module, delay.module_handle.value, width_of(module), CAUSE_DELAY_HANDLE);
        pe_delay_imports_begin(&import, &delay);
        while (pe_imports_next(&import, &ignored))
            slot_explain(process, module, import.slot.value, CAUSE_DELAY_IAT);
    }
}

static void config_explain(struct inspect_process *process, struct inspect_module *module)
{
    struct pe_load_config config;
    struct pe_tls tls;
    struct pe_error ignored = {0};
    unsigned width = width_of(module);
    if (pe_load_config_read(&module->source, module->source.image_base, &config, &ignored)) {
        if (config.cookie.value) {
            /* The C run-time of Microsoft's compiler and of mingw keeps the complement next to it. */
            uint64_t mask = width == 8 ? ~(uint64_t)0 : 0xffffffffu, cookie = inspect_value(module, config.cookie.value, width);
            explain(module, config.cookie.value, width, CAUSE_COOKIE);
            for (int side = -1; side <= 1; side += 2) {
                uint64_t at = config.cookie.value + (uint64_t)(int64_t)(side * (int)width);
                if (cookie && inspect_value(module, at, width) == (~cookie & mask))
                    explain(module, at, width, CAUSE_COOKIE);
            }
        }
        if (config.guard_check.value)
            slot_explain(process, module, config.guard_check.value, CAUSE_GUARD);
        if (config.guard_dispatch.value)
            slot_explain(process, module, config.guard_dispatch.value, CAUSE_GUARD);
    }
    if (pe_tls_read(&module->source, module->source.image_base, &tls, &ignored) && tls.index.value)
        explain(module, tls.index.value, 4, CAUSE_TLS_INDEX);
    uint64_t field = module->source.optional_header.value + (module->source.is_64 ? 0x18 : 0x1c);
    if (inspect_value(module, field, width) == module->base)
        explain(module, field, width, CAUSE_IMAGE_BASE);
}

/* The native lane replaces functions of ntdll: a jump (E9 rel32) at an export, to the export of the same name of an image that
 * no list names. */
static void patches_explain(struct inspect_process *process, struct inspect_module *module)
{
    enum { JUMP = 5 };
    for (size_t i = 0; i < process->export_count; i++) {
        const struct inspect_export *export = &process->exports[i];
        uint64_t rva = export->address - module->base;
        if (export->module != module || !export->name || rva + JUMP > module->size || module->memory[rva] != 0xe9 ||
            module->cause[rva] || !memcmp(module->memory + rva, module->planned + rva, JUMP))
            continue;
        uint64_t target = export->address + JUMP + (uint64_t)(int64_t)(int32_t)(uint32_t)inspect_value(module, rva + 1, 4);
        if (!process->reader->is_64)
            target &= 0xffffffffu;
        const struct inspect_export *to = inspect_export_at(process, target, export->name, export->name_len);
        if (to && !to->module->listed && to->name && to->name_len == export->name_len &&
            !memcmp(to->name, export->name, export->name_len))
            explain(module, rva, JUMP, CAUSE_PATCH);
    }
}

/* A module may rewrite its own table of exported functions, as Wine's kernel32 of i386 does from its DllMain. */
static void exports_explain(struct inspect_module *module)
{
    struct pe_exports exports;
    struct pe_error ignored = {0};
    if (pe_exports_open(&exports, &module->source, &ignored)) {
        uint64_t table = inspect_value(module, (uint64_t)module->source.directory[PE_DIRECTORY_EXPORT].rva.value + 0x1c, 4);
        explain(module, table, (uint64_t)exports.function_count * 4, CAUSE_EXPORTS);
    }
}

/* ---- what is left ---- */

/* A system that maps whole pages of the file shows what follows the section there, up to the end of the page. All of it is
 * shown or none: otherwise somebody wrote there. */
static void tail_explain(struct inspect_module *module, const struct pe_region *region)
{
    struct pe_span rest, tail;
    uint64_t from = region->rva.value + region->raw_size;
    if (!region->raw_size || !region->tail || from + region->tail > module->size ||
        !pe_span_rest(module->bytes, region->raw_off.value + region->raw_size, &rest))
        return;
    uint64_t size = (PE_PAGE - from % PE_PAGE) % PE_PAGE;
    if (size > region->tail)
        size = region->tail;
    if (pe_span_slice(rest, 0, size < rest.size ? size : rest.size, &tail) &&
        !memcmp(module->memory + from, tail.data, (size_t)tail.size))
        explain(module, from, tail.size, CAUSE_PAGE_TAIL);
}

static void rest_explain(struct inspect_module *module)
{
    struct pe_layout layout;
    struct pe_region region;
    pe_layout_begin(&layout, &module->source);
    while (pe_layout_next(&layout, &region)) {
        tail_explain(module, &region);
        for (uint64_t page = region.rva.value; page < (uint64_t)region.rva.value + region.size && page < module->size; page += PE_PAGE)
            if (module->present[page / PE_PAGE])
                explain(module, page, PE_PAGE, region.rights & PE_W ? CAUSE_DATA : CAUSE_UNKNOWN);
    }
    /* A page of the plan that is not there, and is not meant to be a gap, shows as rights and not as bytes. */
    for (uint64_t page = 0; page < module->size; page += PE_PAGE)
        if (!module->present[page / PE_PAGE])
            memset(module->cause + page, CAUSE_NONE, PE_PAGE);
}

bool inspect_changes(struct inspect_process *process, struct inspect_module *module)
{
    if (!module->has_source || !module->size)
        return true;
    module->planned = calloc(module->size, 1);
    module->cause = calloc(module->size, 1);
    if (!module->planned || !module->cause)
        return false;
    plan_fill(module);
    if (!fixups_explain(module))
        return false;
    imports_explain(process, module);
    config_explain(process, module);
    patches_explain(process, module);
    exports_explain(module);
    rest_explain(module);
    return true;
}
