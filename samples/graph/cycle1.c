#include "log.h"
#include "cycle.h"

static int ready;

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        log_add(cycle2_ready() ? "graph_cycle1, its partner was ready" : "graph_cycle1, its partner was not ready", reason);
        ready = 1;
    } else if (reason == DLL_PROCESS_DETACH) {
        log_add("graph_cycle1", reason);
    }
    return TRUE;
}

int cycle1_ready(void)
{
    return ready;
}

int cycle1_down(int number)
{
    return number == 0 ? 1 : 1 + cycle2_down(number - 1);
}
