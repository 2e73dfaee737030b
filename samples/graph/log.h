#ifndef GRAPH_LOG_H
#define GRAPH_LOG_H

#include <windows.h>

extern __declspec(dllimport) int log_attached;
__declspec(dllimport) void log_add(const char *module, DWORD reason);
__declspec(dllimport) void log_print(void);

/* The DllMain of every module of the graph. */
#define LOGGED_DLL_MAIN(name)                                                  \
    BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)        \
    {                                                                          \
        (void)module;                                                          \
        (void)reserved;                                                        \
        if (reason == DLL_PROCESS_ATTACH || reason == DLL_PROCESS_DETACH)      \
            log_add(name, reason);                                             \
        return TRUE;                                                           \
    }

#endif
