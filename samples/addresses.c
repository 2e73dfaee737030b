/* How far a 32-bit program's user space reaches: 2 GiB, or more where its header says LARGE_ADDRESS_AWARE. */
#include "sample.h"

#include <windows.h>

int main(void)
{
    SYSTEM_INFO system;
    char *top = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE);
    if (!top)
        return 1;
    *top = 1;
    GetSystemInfo(&system);
    printf("memory from the top down lies above 2 GiB: %s\n", (ULONG_PTR)top >= 0x80000000u ? "yes" : "no");
    printf("and the system says so: %s\n", (ULONG_PTR)system.lpMaximumApplicationAddress >= 0x80000000u ? "yes" : "no");
    printf("the lowest address is 0x%x\n", (unsigned)(ULONG_PTR)system.lpMinimumApplicationAddress);
    return 0;
}
