/* Threads: 1,000 (or as many as are asked for) one after another, then 200 at once. */
#include "stress.h"

enum { AT_ONCE = 200, WARM_UP = 50 };

static volatile LONG ran;
static HANDLE gate;

static DWORD WINAPI count(void *unused)
{
    (void)unused;
    InterlockedIncrement(&ran);
    return 7;
}

static DWORD WINAPI count_behind_gate(void *unused)
{
    WaitForSingleObject(gate, INFINITE);
    return count(unused);
}

static void one(void)
{
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, count, NULL, 0, NULL);

    stress_need(thread != NULL, "CreateThread");
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    stress_need(code == 7, "a thread's exit code");
    CloseHandle(thread);
}

static void at_once(void)
{
    HANDLE threads[AT_ONCE];

    ResetEvent(gate);
    for (int i = 0; i < AT_ONCE; i++) {
        threads[i] = CreateThread(NULL, 0, count_behind_gate, NULL, 0, NULL);
        stress_need(threads[i] != NULL, "CreateThread");
    }
    SetEvent(gate);
    for (int i = 0; i < AT_ONCE; i++) {
        WaitForSingleObject(threads[i], INFINITE);
        CloseHandle(threads[i]);
    }
}

int main(int argc, char **argv)
{
    unsigned long total = stress_count(argc, argv, 1000);

    gate = CreateEventA(NULL, TRUE, FALSE, NULL);
    for (int i = 0; i < WARM_UP; i++)
        one();
    at_once();
    ran = 0;
    stress_mark();
    for (unsigned long i = 0; i < total; i++)
        one();
    printf("one after another: %s\n", ran == (LONG)total ? "all" : "NOT ALL");
    ran = 0;
    at_once();
    printf("at once: %ld\n", ran);
    stress_mark();
    return 0;
}
