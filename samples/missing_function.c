/* Imports two functions that their DLL has no more, one of them by ordinal: must not start. Windows' code: 0xC0000139. */
#include <stdio.h>

__declspec(dllimport) int present_number(void);
__declspec(dllimport) int absent_number(void);
__declspec(dllimport) int absent_ordinal(void);

int main(int argc, char **argv)
{
    (void)argv;
    printf("started: %d\n", present_number());
    fflush(stdout);
    return argc > 1 ? absent_number() + absent_ordinal() : 1;
}
