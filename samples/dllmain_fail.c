/* Its DLL refuses to be initialised: main never runs. Windows' code for it is 0xC0000142. */
#include <stdio.h>

__declspec(dllimport) int never_called(void);

int main(void)
{
    printf("main runs all the same: %d\n", never_called());
    return 1;
}
