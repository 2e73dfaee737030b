#include "loader/cli/linux/registers.h"

#include <string.h>

unsigned cli_registers(const struct nt_context *c, struct cli_register rows[CLI_REGISTERS], unsigned *per_line)
{
    const struct cli_register all[] = {
        {"rax", c->rax}, {"rbx", c->rbx}, {"rcx", c->rcx}, {"rdx", c->rdx}, {"rsi", c->rsi}, {"rdi", c->rdi}, {"rbp", c->rbp},
        {"rsp", c->rsp}, {"r8", c->r8}, {"r9", c->r9}, {"r10", c->r10}, {"r11", c->r11}, {"r12", c->r12}, {"r13", c->r13},
        {"r14", c->r14}, {"r15", c->r15}, {"rip", c->rip}, {"flags", c->eflags},
    };
    _Static_assert(sizeof all / sizeof *all <= CLI_REGISTERS, "room for all");
    memcpy(rows, all, sizeof all);
    *per_line = 3;
    return sizeof all / sizeof *all;
}
