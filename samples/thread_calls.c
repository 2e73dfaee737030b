/* DllMain's calls for threads: order, who gets them, who has asked not to. */
#include "sample.h"
#include <windows.h>

static HANDLE go, begun;

static DWORD WINAPI short_thread(void *text)
{
    printf("%s runs\n", (const char *)text);
    return 0;
}

static DWORD WINAPI long_thread(void *unused)
{
    (void)unused;
    SetEvent(begun);
    WaitForSingleObject(go, INFINITE);
    return 0;
}

/* A thread that has had all the calls of its start, and waits. */
static HANDLE long_thread_start(void)
{
    HANDLE thread = CreateThread(NULL, 0, long_thread, NULL, 0, NULL);

    WaitForSingleObject(begun, INFINITE);
    return thread;
}

static void finish(HANDLE thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static void run(const char *text)
{
    finish(CreateThread(NULL, 0, short_thread, (void *)text, 0, NULL));
}

int main(void)
{
    HANDLE early, victim;
    HMODULE a, tls;

    setvbuf(stdout, NULL, _IONBF, 0);
    go = CreateEventA(NULL, TRUE, FALSE, NULL);
    begun = CreateEventA(NULL, FALSE, FALSE, NULL);
    early = long_thread_start();
    a = LoadLibraryA("teller_a.dll");
    run("a new thread");
    printf("the thread that was there before ends\n");
    SetEvent(go);
    finish(early);
    check("no calls for teller_b any more", DisableThreadLibraryCalls(GetModuleHandleA("teller_b")));
    run("another thread");
    ResetEvent(go);
    victim = long_thread_start();
    printf("a thread is ended by force\n");
    TerminateThread(victim, 0);
    finish(victim);
    tls = LoadLibraryA("tls_late_dll.dll");
    SetLastError(0);
    check("a library with thread-local data keeps its calls", tls && !DisableThreadLibraryCalls(tls));
    check("no handle: refused", !DisableThreadLibraryCalls((HMODULE)(ULONG_PTR)0x12340000));
    check("all are freed", FreeLibrary(tls) && FreeLibrary(a));
    run("a thread behind them all");
    return sample_wrong_facts;
}
