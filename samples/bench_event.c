/* An event set and waited for by one thread, and a ball played between two threads by two events. */
#include "bench.h"

enum { PAIRS = 4000, BALLS = 1000 };

static void set_and_wait(void *event)
{
    SetEvent(event);
    WaitForSingleObject(event, INFINITE);
}

static HANDLE there, back;

static DWORD WINAPI partner(void *unused)
{
    (void)unused;
    for (int i = 0; i < 7 * BALLS; i++) {
        WaitForSingleObject(there, INFINITE);
        SetEvent(back);
    }
    return 0;
}

static void play(void *unused)
{
    (void)unused;
    SetEvent(there);
    WaitForSingleObject(back, INFINITE);
}

int main(void)
{
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL);

    printf("event_ns %.1f\n", bench_repeat(set_and_wait, event, PAIRS));
    there = CreateEventA(NULL, FALSE, FALSE, NULL);
    back = CreateEventA(NULL, FALSE, FALSE, NULL);
    HANDLE thread = CreateThread(NULL, 0, partner, NULL, 0, NULL);
    bench_need(thread != NULL, "CreateThread");
    printf("ping_pong_ns %.1f\n", bench_repeat(play, NULL, BALLS));
    WaitForSingleObject(thread, INFINITE);
    return 0;
}
