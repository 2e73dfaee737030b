/* As many pointers as relocs200k has, in a DLL: bench_relocations takes its base first. */
#include "relocs.h"

static char cells[RELOCS_COUNT];

#define POINTER(n) &cells[n]
char *const relocations_table[RELOCS_COUNT] = { RELOCS_200000(POINTER) };
