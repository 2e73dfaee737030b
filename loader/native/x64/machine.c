/* The native lane on x64. */
#include "loader/native/machine.h"
#include "pe/exception.h"

#include <string.h>

const struct native_machine native_machine = {
    .name = "x64",
    .system_folder = "x86_64-windows",
    .guest_half = "ldr64.dll",
    .user_high = 0x7e0000000000, /* Linux maps this program itself somewhere above */
    .number = PE_MACHINE_AMD64,
};

/* mov %rcx,%r10; mov $number,%eax; testb $1,0x7ffe0308. */
bool native_stub_number(const uint8_t *code, uint32_t *number)
{
    static const uint8_t tail[] = {0xf6, 0x04, 0x25, 0x08, 0x03, 0xfe, 0x7f, 0x01};
    bool moves = (code[0] == 0x4c && code[1] == 0x8b && code[2] == 0xd1) || (code[0] == 0x49 && code[1] == 0x89 && code[2] == 0xca);
    if (!moves || code[3] != 0xb8 || memcmp(code + 8, tail, sizeof tail))
        return false;
    memcpy(number, code + 4, sizeof *number);
    return true;
}

/* mov (%rsp),%rcx */
bool native_apc_on_stack(const uint8_t *code)
{
    static const uint8_t form[] = {0x48, 0x8b, 0x0c, 0x24};
    return !memcmp(code, form, sizeof form);
}

/* mov $dll,%rcx; mov $name,%rdx; mov $target,%rax; jmp *%rax: the return address stays the caller's. */
void native_missing_write(uint8_t *code, uintptr_t dll, uintptr_t name, uintptr_t target)
{
    static const uint8_t form[] = {0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xba, 0, 0, 0, 0, 0, 0, 0, 0,
                                   0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
    _Static_assert(sizeof form <= NATIVE_MISSING_SIZE, "room for the code");
    memcpy(code, form, sizeof form);
    memcpy(code + 2, &dll, sizeof dll);
    memcpy(code + 12, &name, sizeof name);
    memcpy(code + 22, &target, sizeof target);
}

const uint8_t native_unix_refusal[] = {0xb8, 0xbb, 0x00, 0x00, 0xc0, 0xc3};
const size_t native_unix_refusal_size = sizeof native_unix_refusal;

static bool read_guest(void *context, uint64_t va, uint64_t *value)
{
    (void)context;
    return nt_read(value, (const void *)(uintptr_t)va, sizeof *value);
}

/* By unwind data. A jump to nowhere has no module: what called it is on top of the stack. */
bool native_walk_step(struct nt_context *context)
{
    const struct ld_module *module = native_module_at(context->rip);
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
