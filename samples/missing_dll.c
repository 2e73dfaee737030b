/* Imports from a DLL that exists nowhere: must not start. Windows' code for it is 0xC0000135. */
#include <stdio.h>

__declspec(dllimport) int absent_number(void);

int main(void)
{
    printf("started: %d\n", absent_number());
    return 1;
}
