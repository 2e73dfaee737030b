/* graph_late.dll is loaded while the process runs; it brings in graph_late_below.dll, which nobody else needs. */
#include "log.h"

__declspec(dllimport) int below_number(void);

LOGGED_DLL_MAIN("graph_late")

int late_number(void)
{
    return below_number() + 1;
}
