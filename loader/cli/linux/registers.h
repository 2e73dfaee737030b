/* A context's registers by name; x64/ and x86/ mirror each other. */
#ifndef CLI_LINUX_REGISTERS_H
#define CLI_LINUX_REGISTERS_H

#include "loader/nt/arch.h"

struct cli_register { const char *name; uint64_t value; };
enum { CLI_REGISTERS = 18 };

/* Returns how many there are. */
unsigned cli_registers(const struct nt_context *context, struct cli_register rows[CLI_REGISTERS], unsigned *per_line);

#endif
