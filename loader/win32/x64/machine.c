#include "loader/win32/win32.h"

const uint16_t win32_machine = PE_MACHINE_AMD64;

struct win32_teb *win32_teb(void)
{
    return (struct win32_teb *)__readgsqword(0x30);
}

void *win32_peb(void)
{
    return (void *)__readgsqword(0x60);
}

void win32_unwind_data(struct ld_module *module, bool add)
{
    const struct pe_directory *table = &module->image.directory[PE_DIRECTORY_EXCEPTION];
    RUNTIME_FUNCTION *functions = (RUNTIME_FUNCTION *)(uintptr_t)(module->base + table->rva.value);
    if (!table->rva.value || table->size < sizeof *functions)
        return;
    BOOLEAN done = add ? RtlAddFunctionTable(functions, (DWORD)(table->size / sizeof *functions), module->base) : RtlDeleteFunctionTable(functions);
    LD_TRACE(win32.loader.trace, LD_INIT, .verb = done ? add ? "unwind" : "unwind-removed" : "skipped", .module = module->name,
             .address = (uintptr_t)functions, .count = table->size / sizeof *functions, .detail = "unwind data made known");
}

/* The stub has the program's own mark, and Windows has kept to it from the beginning. */
bool win32_no_execute(void)
{
    return true;
}
