/* 100 MB of data, of which only two pages are touched: the rest must take no memory. */
#include "stress.h"

enum { BYTES = 100 << 20 };

static char data[BYTES];

int main(void)
{
    volatile char *bytes = data;
    MEMORY_BASIC_INFORMATION information;

    VirtualQuery(data + BYTES / 2, &information, sizeof information);
    printf("state: %s\n", information.State == MEM_COMMIT ? "committed" : "NOT COMMITTED");
    bytes[BYTES - 1] = 1;
    bytes[BYTES / 2] = 2;
    printf("sum: %d\n", bytes[BYTES - 1] + bytes[BYTES / 2] + bytes[BYTES / 4]);
    stress_mark();
    return 0;
}
