/* How a process ends, step by step: exit handlers, the other threads (which are told nothing), FLS callbacks, DllMains in reverse
 * order of their initialisation, the program's own TLS callbacks. `last-thread`: by its last thread. `terminate`: by force. */
#include <stdlib.h>
#include <string.h>
#include "teller.h"

__declspec(dllimport) int teller_a_number(void);
__declspec(dllimport) void shutdown_watch(HANDLE thread, HMODULE module);

static void NTAPI tls_callback(void *module, DWORD reason, void *reserved)
{
    (void)module;
    tell_reason("the program's TLS callback", reason, reserved);
}

/* The C run-time's TLS directory lists what lies in .CRT$XL*. */
__attribute__((section(".CRT$XLF"), used)) PIMAGE_TLS_CALLBACK listed_callback = tls_callback;

static void NTAPI fls_callback(void *value)
{
    tell_line("FLS callback: ", value, "");
}

static void at_exit(void)
{
    tell_line("exit handler", "", "");
}

static HANDLE ready, go, first_thread;

static DWORD WINAPI waiting_thread(void *slot)
{
    FlsSetValue((DWORD)(ULONG_PTR)slot, "of the waiting thread");
    SetEvent(ready);
    WaitForSingleObject(go, INFINITE);
    WaitForSingleObject(first_thread, INFINITE); /* from here on this is the last one */
    return 3;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    DWORD slot = FlsAlloc(fls_callback);
    HANDLE thread;
    HMODULE late;

    atexit(at_exit);
    FlsSetValue(slot, "of the first thread");
    ready = CreateEventA(NULL, TRUE, FALSE, NULL);
    go = CreateEventA(NULL, TRUE, FALSE, NULL);
    thread = CreateThread(NULL, 0, waiting_thread, (void *)(ULONG_PTR)slot, 0, NULL);
    WaitForSingleObject(ready, INFINITE);
    late = LoadLibraryA("teller_d.dll");
    shutdown_watch(strcmp(how, "last-thread") ? thread : NULL, late);
    tell_line("main ends", "", "");
    if (!strcmp(how, "last-thread")) {
        DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &first_thread, SYNCHRONIZE, FALSE, 0);
        SetEvent(go);
        ExitThread(2);
    }
    if (!strcmp(how, "terminate"))
        TerminateProcess(GetCurrentProcess(), 9);
    return teller_a_number();
}
