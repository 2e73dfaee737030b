/* An exception that nobody handled: where each frame of its stack lies. */
#include "loader/native/machine.h"
#include "loader/nt/arch.h"

#include <string.h>

enum { DEPTH_LIMIT = 64 };

const struct ld_module *native_module_at(uint64_t address)
{
    const struct ld_module *module = ld_module_by_address(&native.loader, address);
    uint8_t byte;
    return module && NT_GET(byte, (const void *)(uintptr_t)module->base) ? module : NULL;
}

void native_locate(uint64_t address, struct native_frame *frame)
{
    struct pe_section section;
    struct pe_export export;
    const struct ld_module *module = native_module_at(address);
    frame->module = module;
    frame->section[0] = 0;
    frame->symbol = NULL;
    if (!module)
        return;
    frame->rva = (uint32_t)(address - module->base);
    if (pe_section_find(&module->image, pe_rva_at(frame->rva), &section))
        memcpy(frame->section, section.name, sizeof frame->section);
    const struct pe_exports *exports = ld_exports(module, NULL);
    if (exports && pe_export_nearest(exports, pe_rva_at(frame->rva), &export) && export.name) {
        frame->symbol = export.name;
        frame->symbol_offset = frame->rva - export.rva.value;
    }
}

void native_walk_begin(struct native_walk *walk, const struct nt_context *context)
{
    memset(walk, 0, sizeof *walk);
    walk->context = *context;
}

bool native_walk_next(struct native_walk *walk, struct native_frame *frame)
{
    if (walk->ended || walk->depth >= DEPTH_LIMIT)
        return false;
    if (walk->started && !native_walk_step(&walk->context))
        return false;
    memset(frame, 0, sizeof *frame);
    frame->ip = nt_arch_ip(&walk->context);
    frame->sp = nt_arch_sp(&walk->context);
    if (!frame->ip)
        return false;
    native_locate(frame->ip, frame);
    walk->ended = !frame->module && walk->started; /* beyond known code there is nothing to trust */
    walk->started = true;
    walk->depth++;
    return true;
}
