/* The library of tls_late: a TLS directory by hand, as in tls_callbacks.c, in a DLL. */
#include <windows.h>

__attribute__((section(".tls"))) ULONG tls_start[2] = { 0x600D, 0xDA7A };
__attribute__((section(".tls$ZZZ"))) ULONG tls_end = 0;

ULONG _tls_index = 0;
static volatile LONG process_calls, thread_calls;

static void NTAPI count_calls(void *module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    InterlockedIncrement(reason == DLL_PROCESS_ATTACH ? &process_calls : &thread_calls);
}

const PIMAGE_TLS_CALLBACK tls_callbacks[] = { count_calls, NULL };

const IMAGE_TLS_DIRECTORY _tls_used = {
    (ULONG_PTR)tls_start, (ULONG_PTR)&tls_end, (ULONG_PTR)&_tls_index, (ULONG_PTR)tls_callbacks, 32, 0
};

ULONG *late_data(void)
{
    return ((ULONG ***)NtCurrentTeb())[11][_tls_index];
}

LONG late_process_calls(void)
{
    return process_calls;
}

LONG late_thread_calls(void)
{
    return thread_calls;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    return reason != DLL_PROCESS_ATTACH || process_calls == 1; /* its callback runs before its DllMain */
}
