/* An exception that nobody handled: where each frame of its stack lies, by unwind data. */
#include "loader/native/native.h"
#include "loader/nt/arch.h"
#include "pe/exception.h"

#include <string.h>

enum { DEPTH_LIMIT = 64 };

/* The module at an address, if the guest has left its headers where they were. */
static const struct ld_module *module_at(uint64_t address)
{
    const struct ld_module *module = ld_module_by_address(&native.loader, address);
    uint8_t byte;
    return module && NT_GET(byte, (const void *)(uintptr_t)module->base) ? module : NULL;
}

void native_locate(uint64_t address, struct native_frame *frame)
{
    struct pe_section section;
    struct pe_export export;
    const struct ld_module *module = module_at(address);
    frame->module = module;
    frame->section[0] = 0;
    frame->symbol = NULL;
    if (!module)
        return;
    frame->rva = (uint32_t)(address - module->base);
    if (pe_section_find(&module->image, pe_rva_at(frame->rva), &section))
        memcpy(frame->section, section.name, sizeof frame->section);
    if (module->has_exports && pe_export_nearest(&module->exports, pe_rva_at(frame->rva), &export) && export.name) {
        frame->symbol = export.name;
        frame->symbol_offset = frame->rva - export.rva.value;
    }
}

void native_walk_begin(struct native_walk *walk, const struct nt_context *context)
{
    memset(walk, 0, sizeof *walk);
    walk->context = *context;
}

#ifdef __x86_64__
static bool read_guest(void *context, uint64_t va, uint64_t *value)
{
    (void)context;
    return nt_read(value, (const void *)(uintptr_t)va, sizeof *value);
}

/* The caller's registers. A jump to nowhere has no module: what called it is on top of the stack. */
static bool step(struct nt_context *context)
{
    const struct ld_module *module = module_at(context->rip);
    struct pe_unwind_frame frame;
    struct pe_error error = {0};
    uint64_t sp = context->rsp;
    frame.rip = context->rip;
    memcpy(frame.gpr, &context->rax, sizeof frame.gpr);
    if (!module) {
        if (!read_guest(NULL, sp, &frame.rip))
            return false;
        frame.gpr[4] = sp + 8;
    } else if (!pe_unwind_step(&module->image, pe_va_at(module->base), &frame, read_guest, NULL, &error))
        return false;
    memcpy(&context->rax, frame.gpr, sizeof frame.gpr);
    context->rip = frame.rip;
    return context->rsp > sp;
}
#else
/* i386 code has no unwind data: the chain of frame pointers is what there is. */
static bool step(struct nt_context *context)
{
    uint32_t pair[2], sp = context->esp;
    if (!nt_read(pair, (const void *)(uintptr_t)context->ebp, sizeof pair))
        return false;
    context->esp = context->ebp + 8;
    context->ebp = pair[0];
    context->eip = pair[1];
    return context->esp > sp;
}
#endif

bool native_walk_next(struct native_walk *walk, struct native_frame *frame)
{
    if (walk->ended || walk->depth >= DEPTH_LIMIT)
        return false;
    if (walk->started && !step(&walk->context))
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
