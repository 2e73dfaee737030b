/* Threads, what they wait on, and what belongs to each of them alone. */
#include <windows.h>
#include "sample.h"

#define THREADS 8
#define ROUNDS 2000
#define PATIENCE 20000 /* for what comes for certain, in ms */

static HANDLE threads[THREADS];

static void start_threads(LPTHREAD_START_ROUTINE routine)
{
    for (ULONG_PTR i = 0; i < THREADS; i++)
        threads[i] = CreateThread(NULL, 0, routine, (void *)i, 0, NULL);
}

static void end_threads(void)
{
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (int i = 0; i < THREADS; i++)
        CloseHandle(threads[i]);
}

static DWORD WINAPI square(void *number)
{
    return (DWORD)((ULONG_PTR)number * (ULONG_PTR)number);
}

static void exit_codes(void)
{
    DWORD code, sum = 0;

    start_threads(square);
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (int i = 0; i < THREADS; i++) {
        GetExitCodeThread(threads[i], &code);
        sum += code;
    }
    show("sum of the exit codes (squares of 0 to 7)", sum);
    end_threads();
}

static CRITICAL_SECTION section;
static SRWLOCK lock = SRWLOCK_INIT;
static HANDLE mutex, semaphore;
static volatile int by_section, by_lock, by_mutex;
static volatile LONG inside, most_inside;

static DWORD WINAPI count_up(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        EnterCriticalSection(&section);
        by_section++;
        LeaveCriticalSection(&section);
        AcquireSRWLockExclusive(&lock);
        by_lock++;
        ReleaseSRWLockExclusive(&lock);
    }
    for (int i = 0; i < ROUNDS / 10; i++) {
        WaitForSingleObject(mutex, INFINITE);
        by_mutex++;
        ReleaseMutex(mutex);
    }
    for (int i = 0; i < 5; i++) {
        LONG now, most;
        WaitForSingleObject(semaphore, INFINITE);
        now = InterlockedIncrement(&inside);
        while ((most = most_inside) < now)
            InterlockedCompareExchange(&most_inside, now, most);
        Sleep(1);
        InterlockedDecrement(&inside);
        ReleaseSemaphore(semaphore, 1, NULL);
    }
    return 0;
}

static void locks(void)
{
    LONG previous;

    InitializeCriticalSection(&section);
    mutex = CreateMutexA(NULL, FALSE, NULL);
    semaphore = CreateSemaphoreA(NULL, 3, 3, NULL);
    start_threads(count_up);
    end_threads();
    show("counted under a critical section", by_section);
    show("counted under a slim lock", by_lock);
    show("counted under a mutex", by_mutex);
    check("a semaphore of 3 let at most 3 in", most_inside >= 1 && most_inside <= 3);
    check("it cannot be released beyond its maximum", !ReleaseSemaphore(semaphore, 1, &previous));
    show("error", GetLastError());
    check("a mutex may be taken twice by its owner",
          WaitForSingleObject(mutex, 0) == WAIT_OBJECT_0 && WaitForSingleObject(mutex, 0) == WAIT_OBJECT_0);
    check("and must be released twice", ReleaseMutex(mutex) && ReleaseMutex(mutex) && !ReleaseMutex(mutex));
    show("error", GetLastError());
    check("a critical section is entered again by its owner",
          TryEnterCriticalSection(&section) && TryEnterCriticalSection(&section));
}

static DWORD WINAPI try_section(void *unused)
{
    (void)unused;
    return (DWORD)TryEnterCriticalSection(&section);
}

static DWORD WINAPI abandon_mutex(void *unused)
{
    (void)unused;
    return WaitForSingleObject(mutex, INFINITE);
}

static void ownership(void)
{
    HANDLE thread = CreateThread(NULL, 0, try_section, NULL, 0, NULL);
    DWORD entered;

    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &entered);
    check("another thread does not get in", !entered);
    CloseHandle(thread);
    thread = CreateThread(NULL, 0, abandon_mutex, NULL, 0, NULL);
    WaitForSingleObject(thread, INFINITE);
    show("wait for a mutex whose owner ended", WaitForSingleObject(mutex, PATIENCE));
    show("wait for a thread that ended", WaitForSingleObject(thread, 0));
    CloseHandle(thread);
}

static HANDLE events[3];

static DWORD WINAPI signal_third(void *unused)
{
    (void)unused;
    Sleep(20);
    SetEvent(events[2]);
    return 0;
}

static void event_waits(void)
{
    HANDLE thread;

    events[0] = CreateEventA(NULL, TRUE, FALSE, NULL);
    events[1] = CreateEventA(NULL, FALSE, FALSE, NULL);
    events[2] = CreateEventA(NULL, FALSE, FALSE, "peload-sample-event");
    show("wait that times out", WaitForSingleObject(events[0], 10));
    SetEvent(events[0]);
    check("a manual event stays set", WaitForSingleObject(events[0], 0) == 0 && WaitForSingleObject(events[0], 0) == 0);
    ResetEvent(events[0]);
    SetEvent(events[1]);
    show("any of three, second is set", WaitForMultipleObjects(3, events, FALSE, PATIENCE));
    show("the auto event is spent", WaitForSingleObject(events[1], 0));
    thread = CreateThread(NULL, 0, signal_third, NULL, 0, NULL);
    show("any of three, a thread sets the third", WaitForMultipleObjects(3, events, FALSE, PATIENCE));
    WaitForSingleObject(thread, INFINITE);
    SetEvent(events[0]);
    SetEvent(events[1]);
    show("all of three, one is missing", WaitForMultipleObjects(3, events, TRUE, 20));
    check("the failed wait took nothing", WaitForSingleObject(events[1], 0) == 0);
    SetEvent(events[1]);
    SetEvent(events[2]);
    show("all of three", WaitForMultipleObjects(3, events, TRUE, PATIENCE));
    check("the named event is found again", OpenEventA(EVENT_ALL_ACCESS, FALSE, "peload-sample-event") != NULL);
    check("creating it again says so", CreateEventA(NULL, FALSE, FALSE, "peload-sample-event")
          && GetLastError() == ERROR_ALREADY_EXISTS);
    check("another name is not found", !OpenEventA(EVENT_ALL_ACCESS, FALSE, "peload-sample-other"));
    show("error", GetLastError());
    show("wait for a wrong handle", WaitForSingleObject((HANDLE)(ULONG_PTR)0x12344, 0));
    show("error", GetLastError());
}

static DWORD slot;
static __thread int own_number = 5;
static volatile LONG own_values_right;

static DWORD WINAPI own_values(void *number)
{
    int right = own_number == 5 && TlsGetValue(slot) == NULL;

    own_number = (int)(ULONG_PTR)number;
    TlsSetValue(slot, number);
    Sleep(5);
    right = right && own_number == (int)(ULONG_PTR)number && TlsGetValue(slot) == number;
    InterlockedExchangeAdd(&own_values_right, right);
    return 0;
}

static void thread_local_values(void)
{
    slot = TlsAlloc();
    TlsSetValue(slot, &slot);
    own_number = 99;
    start_threads(own_values);
    end_threads();
    show("threads that kept their own values", own_values_right);
    check("the first thread's are untouched", own_number == 99 && TlsGetValue(slot) == &slot);
    check("a slot can be freed", TlsFree(slot));
}

static CONDITION_VARIABLE filled = CONDITION_VARIABLE_INIT, emptied = CONDITION_VARIABLE_INIT;
static int box, box_full;

static DWORD WINAPI producer(void *unused)
{
    (void)unused;
    for (int i = 1; i <= 100; i++) {
        EnterCriticalSection(&section);
        while (box_full)
            SleepConditionVariableCS(&emptied, &section, INFINITE);
        box = i;
        box_full = 1;
        LeaveCriticalSection(&section);
        WakeConditionVariable(&filled);
    }
    return 0;
}

static void condition_variables(void)
{
    HANDLE thread;
    int sum = 0;

    DeleteCriticalSection(&section);
    InitializeCriticalSection(&section);
    thread = CreateThread(NULL, 0, producer, NULL, 0, NULL);
    for (int i = 0; i < 100; i++) {
        EnterCriticalSection(&section);
        while (!box_full)
            SleepConditionVariableCS(&filled, &section, INFINITE);
        sum += box;
        box_full = 0;
        LeaveCriticalSection(&section);
        WakeConditionVariable(&emptied);
    }
    WaitForSingleObject(thread, INFINITE);
    show("sum of 1 to 100 through a box of one", sum);
    EnterCriticalSection(&section);
    check("a wait on a condition can time out", !SleepConditionVariableCS(&filled, &section, 10));
    show("error", GetLastError());
    LeaveCriticalSection(&section);
}

static int apc_argument;

static void CALLBACK remember_argument(ULONG_PTR argument)
{
    apc_argument = (int)argument;
}

static void timers_and_calls(void)
{
    HANDLE timer = CreateWaitableTimerA(NULL, FALSE, NULL);
    LARGE_INTEGER soon = { .QuadPart = -200000 }, late = { .QuadPart = -6000000000 }; /* 20 ms from now, and ten minutes */
    ULONGLONG start;

    SetWaitableTimer(timer, &late, 0, NULL, NULL, FALSE);
    show("a timer not yet due", WaitForSingleObject(timer, 0));
    start = GetTickCount64();
    SetWaitableTimer(timer, &soon, 0, NULL, NULL, FALSE);
    show("a timer becoming due", WaitForSingleObject(timer, PATIENCE));
    check("it took its time", GetTickCount64() - start >= 5);
    SetWaitableTimer(timer, &late, 0, NULL, NULL, FALSE);
    CancelWaitableTimer(timer);
    show("a cancelled timer", WaitForSingleObject(timer, 10));
    QueueUserAPC(remember_argument, GetCurrentThread(), 31);
    show("an alertable sleep ended by a queued call", SleepEx(PATIENCE, TRUE));
    show("the call's argument", apc_argument);
}

/* Says when it sleeps: a thread terminated in its start could take the loader's lock with it. */
static DWORD WINAPI wait_forever(void *started)
{
    SetEvent(started);
    Sleep(INFINITE);
    return 0;
}

static void suspend_and_terminate(void)
{
    HANDLE thread = CreateThread(NULL, 0, square, (void *)3, CREATE_SUSPENDED, NULL);
    HANDLE started = CreateEventA(NULL, TRUE, FALSE, NULL);
    DWORD code;

    show("a thread made suspended", WaitForSingleObject(thread, 20));
    show("suspend count before it is resumed", ResumeThread(thread));
    show("now it ends", WaitForSingleObject(thread, PATIENCE));
    thread = CreateThread(NULL, 0, wait_forever, started, 0, NULL);
    WaitForSingleObject(started, INFINITE);
    GetExitCodeThread(thread, &code);
    show("exit code of a running thread", code);
    check("it can be terminated", TerminateThread(thread, 44) && WaitForSingleObject(thread, PATIENCE) == 0);
    GetExitCodeThread(thread, &code);
    show("exit code then", code);
}

int main(void)
{
    exit_codes();
    locks();
    ownership();
    event_waits();
    thread_local_values();
    condition_variables();
    timers_and_calls();
    suspend_and_terminate();
    return sample_wrong_facts;
}
