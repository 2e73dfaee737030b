/* graph_same1.dll and graph_same2.dll: the same source, linked to the same base, so that one of them must move. */
#include "log.h"

static int values[4] = { 1, 20, 300, 4000 };
static int *const pointers[4] = { &values[3], &values[2], &values[1], &values[0] }; /* four fix-ups */
static const char module_name[] = SAME_NAME; /* set by the build, as are SAME_FUNCTION and SAME_BASE */

LOGGED_DLL_MAIN(module_name)

int SAME_FUNCTION(sum)(void)
{
    int sum = 0;

    for (int i = 0; i < 4; i++)
        sum += *((int *volatile const *)pointers)[i];
    return sum;
}

int SAME_FUNCTION(at_its_base)(void)
{
    return (ULONG_PTR)GetModuleHandleA(module_name) == SAME_BASE;
}
