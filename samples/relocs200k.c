/* 200,000 pointers in a read-only table: as many base relocations, if the image is not where it was linked to be. */
#include <windows.h>
#include "relocs.h"
#include "sample.h"

#define COUNT RELOCS_COUNT

static char cells[COUNT];

#define POINTER(n) &cells[n]
static char *const table[COUNT] = { RELOCS_200000(POINTER) };

static int table_is_read_only(void)
{
    MEMORY_BASIC_INFORMATION first, last;

    VirtualQuery(&table[0], &first, sizeof first);
    VirtualQuery(&table[COUNT - 1], &last, sizeof last);
    return first.Protect == PAGE_READONLY && last.Protect == PAGE_READONLY;
}

int main(void)
{
    char *const volatile *pointers = table; /* volatile: the compiler must not know what stands in the table */
    unsigned long right = 0;

    for (unsigned long i = 0; i < COUNT; i++)
        right += pointers[i] == cells + i;
    show("pointers", COUNT);
    show("of them right", right);
    check("the table is read-only again", table_is_read_only());
    return right == COUNT ? 0 : 1;
}
