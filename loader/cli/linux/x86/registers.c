#include "loader/cli/linux/registers.h"

#include <string.h>

unsigned cli_registers(const struct nt_context *c, struct cli_register rows[CLI_REGISTERS], unsigned *per_line)
{
    const struct cli_register all[] = {
        {"eax", c->eax}, {"ebx", c->ebx}, {"ecx", c->ecx}, {"edx", c->edx}, {"esi", c->esi}, {"edi", c->edi}, {"ebp", c->ebp},
        {"esp", c->esp}, {"eip", c->eip}, {"flags", c->eflags},
    };
    _Static_assert(sizeof all / sizeof *all <= CLI_REGISTERS, "room for all");
    memcpy(rows, all, sizeof all);
    *per_line = 4;
    return sizeof all / sizeof *all;
}
