#include "log.h"
#include "cycle.h"

static int ready;

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        log_add(cycle1_ready() ? "graph_cycle2, its partner was ready" : "graph_cycle2, its partner was not ready", reason);
        ready = 1;
    } else if (reason == DLL_PROCESS_DETACH) {
        log_add("graph_cycle2", reason);
    }
    return TRUE;
}

int cycle2_ready(void)
{
    return ready;
}

int cycle2_down(int number)
{
    return number == 0 ? 10 : 10 + cycle1_down(number - 1);
}
