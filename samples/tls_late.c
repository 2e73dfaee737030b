/* A DLL with a TLS directory arrives while a thread is already running: that thread needs a block of data too. */
#include <windows.h>
#include "sample.h"

static HANDLE go, waiting;
static ULONG *(*late_data)(void);

static int fresh(void)
{
    const ULONG *words = late_data();

    return words[0] == 0x600D && words[1] == 0xDA7A && words[4] == 0;
}

static DWORD WINAPI early_thread(void *unused)
{
    int was_fresh;

    (void)unused;
    SetEvent(waiting);
    WaitForSingleObject(go, INFINITE);
    was_fresh = fresh();
    late_data()[0] = 1;
    return (DWORD)was_fresh;
}

static DWORD WINAPI new_thread(void *unused)
{
    (void)unused;
    return (DWORD)fresh();
}

static DWORD result_of(HANDLE thread)
{
    DWORD code = 0;

    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

int main(void)
{
    LONG (*process_calls)(void), (*thread_calls)(void);
    HANDLE early;
    HMODULE library;

    go = CreateEventA(NULL, TRUE, FALSE, NULL);
    waiting = CreateEventA(NULL, TRUE, FALSE, NULL);
    early = CreateThread(NULL, 0, early_thread, NULL, 0, NULL);
    WaitForSingleObject(waiting, INFINITE);

    library = LoadLibraryA("tls_late_dll.dll");
    check("the library is loaded", library != NULL);
    if (!library)
        return 1;
    late_data = (void *)GetProcAddress(library, "late_data");
    process_calls = (void *)GetProcAddress(library, "late_process_calls");
    thread_calls = (void *)GetProcAddress(library, "late_thread_calls");
    check("the loading thread has fresh data", fresh());
    late_data()[0] = 2;
    SetEvent(go);
    check("so has the thread that ran already", result_of(early) == 1);
    check("so has a new thread", result_of(CreateThread(NULL, 0, new_thread, NULL, 0, NULL)) == 1);
    check("the loading thread kept its own", late_data()[0] == 2);
    show("callback calls for the process", (unsigned long)process_calls());
    show("callback calls for threads", (unsigned long)thread_calls());
    check("the library is freed", FreeLibrary(library));
    check("and gone", GetModuleHandleA("tls_late_dll.dll") == NULL);
    return sample_wrong_facts;
}
