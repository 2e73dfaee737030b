/* The native lane on x86. */
#include "loader/native/machine.h"

#include <string.h>

const struct native_machine native_machine = {
    .name = "x86",
    .system_folder = "i386-windows",
    .guest_half = "ldr32.dll",
    .user_high = 0x7fff0000,
    .number = PE_MACHINE_I386,
};

/* mov $number,%eax; mov $__wine_syscall,%edx; call *%edx (8.0), or call *%fs:0xc0 (10.0). */
bool native_stub_number(const uint8_t *code, uint32_t *number)
{
    if (code[0] != 0xb8 || !((code[5] == 0xba && code[10] == 0xff && code[11] == 0xd2) || (code[5] == 0x64 && code[6] == 0xff)))
        return false;
    memcpy(number, code + 1, sizeof *number);
    return true;
}

/* lea 0x14(%esp),%ebx; pop %eax */
bool native_apc_on_stack(const uint8_t *code)
{
    static const uint8_t form[] = {0x8d, 0x5c, 0x24, 0x14, 0x58};
    return !memcmp(code, form, sizeof form);
}

/* push $name; push $dll; mov $target,%eax; call *%eax: the caller's return address is the third argument. */
void native_missing_write(uint8_t *code, uintptr_t dll, uintptr_t name, uintptr_t target)
{
    static const uint8_t form[] = {0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xff, 0xd0, 0xcc};
    _Static_assert(sizeof form <= NATIVE_MISSING_SIZE, "room for the code");
    memcpy(code, form, sizeof form);
    memcpy(code + 1, &name, sizeof name);
    memcpy(code + 6, &dll, sizeof dll);
    memcpy(code + 11, &target, sizeof target);
}

/* It takes its four words off the stack. */
const uint8_t native_unix_refusal[] = {0xb8, 0xbb, 0x00, 0x00, 0xc0, 0xc2, 0x10, 0x00};
const size_t native_unix_refusal_size = sizeof native_unix_refusal;

/* i386 code has no unwind data: the chain of frame pointers is what there is. */
bool native_walk_step(struct nt_context *context)
{
    uint32_t pair[2], sp = context->esp;
    if (!nt_read(pair, (const void *)(uintptr_t)context->ebp, sizeof pair))
        return false;
    context->esp = context->ebp + 8;
    context->ebp = pair[0];
    context->eip = pair[1];
    return context->esp > sp;
}
