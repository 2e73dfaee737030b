/* graph_late_below.dll: see late.c. */
#include "log.h"

LOGGED_DLL_MAIN("graph_late_below")

int below_number(void)
{
    return 41;
}
