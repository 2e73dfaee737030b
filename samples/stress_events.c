/* 10,000 events that exist at the same time (or as many as are asked for), each set and waited for; twice. */
#include "stress.h"

static void all(HANDLE *events, unsigned long total)
{
    unsigned long set = 0;

    for (unsigned long i = 0; i < total; i++) {
        events[i] = CreateEventA(NULL, TRUE, FALSE, NULL);
        stress_need(events[i] != NULL, "CreateEvent");
    }
    for (unsigned long i = 0; i < total; i += 2)
        SetEvent(events[i]);
    for (unsigned long i = 0; i < total; i++)
        set += WaitForSingleObject(events[i], 0) == WAIT_OBJECT_0;
    for (unsigned long i = 0; i < total; i++)
        stress_need(CloseHandle(events[i]), "CloseHandle");
    printf("every second one is set: %s\n", set == (total + 1) / 2 ? "yes" : "NO");
}

int main(int argc, char **argv)
{
    unsigned long total = stress_count(argc, argv, 10000);
    HANDLE *events = malloc(total * sizeof *events);

    stress_need(events != NULL, "malloc");
    all(events, total);
    stress_mark();
    all(events, total);
    stress_mark();
    return 0;
}
