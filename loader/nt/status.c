#include "loader/nt/status.h"

#include <stddef.h>

/* Sorted by nothing: told once per report. The first name of a value in the list is the one that is printed. */
const char *nt_status_name(uint32_t status)
{
#define NAME(name, value) {value, #name},
    static const struct { uint32_t value; const char *name; } names[] = {NT_STATUS_LIST(NAME)};
#undef NAME
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].value == status)
            return names[i].name;
    return NULL;
}
