/* 200,000 pointers in a read-only table: as many base relocations, if the image is not where it was linked to be. */
#include <windows.h>
#include "sample.h"

#define COUNT 200000

static char cells[COUNT];

#define P1(n) &cells[n]
#define P10(n) P1(n), P1(n + 1), P1(n + 2), P1(n + 3), P1(n + 4), P1(n + 5), P1(n + 6), P1(n + 7), P1(n + 8), P1(n + 9)
#define P100(n) P10(n), P10(n + 10), P10(n + 20), P10(n + 30), P10(n + 40), P10(n + 50), P10(n + 60), P10(n + 70), \
                P10(n + 80), P10(n + 90)
#define P1000(n) P100(n), P100(n + 100), P100(n + 200), P100(n + 300), P100(n + 400), P100(n + 500), P100(n + 600), \
                 P100(n + 700), P100(n + 800), P100(n + 900)
#define P10000(n) P1000(n), P1000(n + 1000), P1000(n + 2000), P1000(n + 3000), P1000(n + 4000), P1000(n + 5000), \
                  P1000(n + 6000), P1000(n + 7000), P1000(n + 8000), P1000(n + 9000)
#define P50000(n) P10000(n), P10000(n + 10000), P10000(n + 20000), P10000(n + 30000), P10000(n + 40000)

static char *const table[COUNT] = { P50000(0), P50000(50000), P50000(100000), P50000(150000) };

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
