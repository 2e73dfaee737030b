/* Events and the rules of waiting, with real threads. Expectations are Windows': its documentation, and what Wine's
 * conformance tests, which run on Windows, require. */
#include "nt_waits.h"

#include <sys/wait.h>

/* ---- events ---------------------------------------------------------------------------------------------- */

static void event_states(void **state)
{
    struct { ULONG type; LONG state; } info;
    LONG previous = 0x55;
    HANDLE event;
    (void)state;
    STATUS_IS(NtCreateEvent(&event, GENERIC_ALL, NULL, 2, 0), STATUS_INVALID_PARAMETER);
    event = event_make(SYNCHRONIZATION, 0);
    STATUS_IS(NtPulseEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 0);
    STATUS_IS(NtQueryEvent(event, 0, &info, sizeof info, NULL), STATUS_SUCCESS);
    assert_true(info.type == SYNCHRONIZATION && info.state == 0);
    STATUS_IS(NtSetEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 0);
    STATUS_IS(NtQueryEvent(event, 0, &info, sizeof info, NULL), STATUS_SUCCESS);
    assert_true(info.type == SYNCHRONIZATION && info.state == 1);
    STATUS_IS(NtSetEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 1);
    STATUS_IS(NtResetEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 1);
    STATUS_IS(NtResetEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 0);
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtPulseEvent(event, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 1);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtClearEvent(event), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtQueryEvent(event, 0, &info, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryEvent(event, 0x42, &info, sizeof info, NULL), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtSetEvent(event, (LONG *)8), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtQueryEvent(event, 0, &info, sizeof info, NULL), STATUS_INVALID_HANDLE);
}

static void event_kinds(void **state)
{
    (void)state;
    HANDLE manual = event_make(NOTIFICATION, 1), automatic = event_make(SYNCHRONIZATION, 1);
    for (int i = 0; i < 3; i++)
        STATUS_IS(NtWaitForSingleObject(manual, 0, &now), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(automatic, 0, &now), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(automatic, 0, &now), STATUS_TIMEOUT);
    close_all(2, (HANDLE[]){manual, automatic});
}

/* One set of a synchronization event lets one through; of a notification event, all; a pulse only those who wait. */
static void event_wakes(void **state)
{
    (void)state;
    HANDLE automatic = event_make(SYNCHRONIZATION, 0), manual = event_make(NOTIFICATION, 0);
    struct waiter a = {.handles = {automatic}, .count = 1, .type = FOR_ANY}, b = a;
    pthread_t first = waiter_start(&a), second = waiter_start(&b);
    STATUS_IS(NtSetEvent(automatic, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&a, first), STATUS_SUCCESS); /* who came first */
    assert_true(still_sleeps(&b));
    STATUS_IS(NtPulseEvent(automatic, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&b, second), STATUS_SUCCESS);

    a = b = (struct waiter){.handles = {manual}, .count = 1, .type = FOR_ANY};
    first = waiter_start(&a), second = waiter_start(&b);
    STATUS_IS(NtPulseEvent(manual, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&a, first), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&b, second), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(manual, 0, &now), STATUS_TIMEOUT);
    close_all(2, (HANDLE[]){automatic, manual});
}

/* ---- the rules of waiting -------------------------------------------------------------------------------- */

static void wait_parameters(void **state)
{
    (void)state;
    HANDLE event = event_make(NOTIFICATION, 1), handles[65], directory;
    for (int i = 0; i < 65; i++)
        handles[i] = event;
    STATUS_IS(NtWaitForMultipleObjects(0, handles, FOR_ANY, 0, &now), STATUS_INVALID_PARAMETER_1);
    STATUS_IS(NtWaitForMultipleObjects(65, handles, FOR_ANY, 0, &now), STATUS_INVALID_PARAMETER_1);
    STATUS_IS(NtWaitForMultipleObjects(64, handles, FOR_ANY, 0, &now), STATUS_WAIT_0);
    STATUS_IS(NtWaitForMultipleObjects(2, handles, FOR_ALL, 0, &now), STATUS_INVALID_PARAMETER_MIX);
    STATUS_IS(NtWaitForMultipleObjects(1, (HANDLE *)8, FOR_ANY, 0, &now), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtWaitForSingleObject(event, 0, (int64_t *)8), STATUS_ACCESS_VIOLATION);
    handles[1] = 0xdeadbeec;
    STATUS_IS(NtWaitForMultipleObjects(2, handles, FOR_ANY, 0, &now), STATUS_INVALID_HANDLE);
    STATUS_IS(NtCreateDirectoryObject(&directory, 0x100003, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(directory, 0, &now), STATUS_OBJECT_TYPE_MISMATCH);
    close_all(2, (HANDLE[]){event, directory});
}

static void wait_any(void **state)
{
    (void)state;
    HANDLE handles[3] = {event_make(SYNCHRONIZATION, 0), event_make(SYNCHRONIZATION, 1), event_make(SYNCHRONIZATION, 1)};
    STATUS_IS(NtWaitForMultipleObjects(3, handles, FOR_ANY, 0, &now), STATUS_WAIT_0 + 1);
    STATUS_IS(NtWaitForMultipleObjects(3, handles, FOR_ANY, 0, &now), STATUS_WAIT_0 + 2);
    STATUS_IS(NtWaitForMultipleObjects(3, handles, FOR_ANY, 0, &now), STATUS_TIMEOUT);
    struct waiter waiter = {.handles = {handles[0], handles[1], handles[0]}, .count = 3, .type = FOR_ANY};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtSetEvent(handles[1], NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_WAIT_0 + 1);
    waiter.begun = 0;
    thread = waiter_start(&waiter); /* the same one twice: the lower index */
    STATUS_IS(NtSetEvent(handles[0], NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_WAIT_0);
    close_all(3, handles);
}

static void wait_all(void **state)
{
    (void)state;
    HANDLE handles[2] = {event_make(SYNCHRONIZATION, 1), semaphore_make(0, 5)};
    STATUS_IS(NtWaitForMultipleObjects(2, handles, FOR_ALL, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(handles[0], 0, &now), STATUS_SUCCESS); /* nothing was taken */
    struct waiter waiter = {.handles = {handles[0], handles[1]}, .count = 2, .type = FOR_ALL};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtSetEvent(handles[0], NULL), STATUS_SUCCESS);
    assert_true(still_sleeps(&waiter));
    STATUS_IS(NtWaitForSingleObject(handles[0], 0, &now), STATUS_SUCCESS); /* others may have it meanwhile */
    STATUS_IS(NtReleaseSemaphore(handles[1], 2, NULL), STATUS_SUCCESS);
    assert_true(still_sleeps(&waiter));
    STATUS_IS(NtSetEvent(handles[0], NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_WAIT_0);
    STATUS_IS(NtWaitForSingleObject(handles[0], 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(handles[1], 0, &now), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(handles[1], 0, &now), STATUS_TIMEOUT);
    close_all(2, handles);
}

/* Each of several threads takes both semaphores at once, in either order: nobody ever holds one alone, so the sum
 * that is checked under both stays right and nobody gets stuck. */
static HANDLE stress_handles[2];
static int stress_inside, stress_total;

static void *stress_run(void *argument)
{
    bool turned = argument != NULL;
    HANDLE handles[2] = {stress_handles[turned], stress_handles[!turned]};
    for (int i = 0; i < 1000; i++) {
        STATUS_IS(NtWaitForMultipleObjects(2, handles, FOR_ALL, 0, NULL), STATUS_WAIT_0);
        if (__atomic_add_fetch(&stress_inside, 1, __ATOMIC_SEQ_CST) != 1)
            fail_msg("two threads have both");
        stress_total++;
        __atomic_sub_fetch(&stress_inside, 1, __ATOMIC_SEQ_CST);
        STATUS_IS(NtReleaseSemaphore(handles[i & 1], 1, NULL), STATUS_SUCCESS);
        STATUS_IS(NtReleaseSemaphore(handles[!(i & 1)], 1, NULL), STATUS_SUCCESS);
    }
    return NULL;
}

static void wait_all_stress(void **state)
{
    pthread_t threads[4];
    (void)state;
    stress_handles[0] = semaphore_make(1, 1);
    stress_handles[1] = semaphore_make(1, 1);
    for (int i = 0; i < 4; i++)
        threads[i] = kernel_thread_start(stress_run, i & 1 ? &threads : NULL);
    for (int i = 0; i < 4; i++)
        kernel_thread_join(threads[i]);
    assert_int_equal(stress_total, 4000);
    close_all(2, stress_handles);
}

/* Relative, absolute and no time; a wait that ends by time is not early, and not later by another unit of time: a busy machine
 * may be late by seconds. */
static void wait_times(void **state)
{
    (void)state;
    HANDLE event = event_make(NOTIFICATION, 0);
    int64_t relative = 50 * MS, past = 1, wall;
    double begin = seconds_now();
    STATUS_IS(NtWaitForSingleObject(event, 0, &relative), STATUS_TIMEOUT);
    double passed = seconds_now() - begin;
    assert_true(passed >= 0.0499 && passed < 20);
    begin = seconds_now();
    wall = (int64_t)nt_time_now() - 50 * MS;
    STATUS_IS(NtWaitForSingleObject(event, 0, &wall), STATUS_TIMEOUT);
    passed = seconds_now() - begin;
    assert_true(passed >= 0.045 && passed < 20);
    STATUS_IS(NtWaitForSingleObject(event, 0, &past), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(service_named("NtDelayExecution")(0, WORD(&now), 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(service_named("NtYieldExecution")(0, 0, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    begin = seconds_now();
    STATUS_IS(service_named("NtDelayExecution")(0, WORD(&relative), 0, 0, 0, 0, 0), STATUS_SUCCESS);
    assert_true(seconds_now() - begin >= 0.0499);
    int64_t before = (int64_t)time(NULL), seconds = (int64_t)(nt_time_now() / 10000000 - 11644473600);
    assert_true(seconds >= before && seconds <= (int64_t)time(NULL) + 1); /* time() is a tick behind */
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

/* The object outlives its last handle while somebody waits on it. */
static void wait_closed(void **state)
{
    int64_t relative = 60 * MS;
    (void)state;
    struct waiter waiter = {.handles = {event_make(NOTIFICATION, 0)}, .count = 1, .type = FOR_ANY, .timeout = &relative};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtClose(waiter.handles[0]), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_TIMEOUT);
}

static void wait_thread_end(void **state)
{
    HANDLE done = event_make(NOTIFICATION, 0);
    (void)state;
    struct waiter waiter = {.handles = {done}, .count = 1, .type = FOR_ANY};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtWaitForSingleObject(waiter.handle, 0, &now), STATUS_TIMEOUT);
    struct waiter watcher = {.handles = {waiter.handle}, .count = 1, .type = FOR_ANY};
    pthread_t second = waiter_start(&watcher);
    STATUS_IS(NtSetEvent(done, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&watcher, second), STATUS_WAIT_0);
    STATUS_IS(NtWaitForSingleObject(waiter.handle, 0, &now), STATUS_WAIT_0);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_WAIT_0);
    STATUS_IS(NtClose(done), STATUS_SUCCESS);
}

static struct nt_thread *ending_thread;

static void *ending_run(void *argument)
{
    __atomic_store_n(&ending_thread, nt_current(), __ATOMIC_RELEASE);
    return (void *)(uintptr_t)NtWaitForSingleObject(*(HANDLE *)argument, 0, NULL);
}

/* A thread that is told to end gives its wait up, whether it was told before or during the sleep. */
static void wait_ended(void **state)
{
    HANDLE event = event_make(NOTIFICATION, 0);
    (void)state;
    ending_thread = NULL;
    pthread_t thread = kernel_thread_start(ending_run, &event);
    struct nt_thread *told;
    while (!(told = __atomic_load_n(&ending_thread, __ATOMIC_ACQUIRE)))
        usleep(100);
    assert_true(sleeps(told->object));
    __atomic_store_n(&told->ending, 1, __ATOMIC_SEQ_CST);
    nt_ke_kick(told->object);
    STATUS_IS((uintptr_t)kernel_thread_join(thread), STATUS_THREAD_IS_TERMINATING);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void signal_and_wait(void **state)
{
    (void)state;
    kernel_service call = service_named("NtSignalAndWaitForSingleObject");
    HANDLE event = event_make(SYNCHRONIZATION, 0), semaphore = semaphore_make(0, 1), mutant = mutant_make(0), weak;
    STATUS_IS(call(event, event, 0, WORD(&now), 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(call(event, semaphore, 0, WORD(&now), 0, 0, 0), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_SUCCESS);
    STATUS_IS(call(semaphore, event, 0, WORD(&now), 0, 0, 0), STATUS_TIMEOUT);
    STATUS_IS(call(semaphore, event, 0, WORD(&now), 0, 0, 0), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    STATUS_IS(call(mutant, event, 0, WORD(&now), 0, 0, 0), STATUS_MUTANT_NOT_OWNED);
    STATUS_IS(call(NT_CURRENT_THREAD, event, 0, WORD(&now), 0, 0, 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateEvent(&weak, 0x100000, NULL, 0, 0), STATUS_SUCCESS);
    STATUS_IS(call(weak, event, 0, WORD(&now), 0, 0, 0), STATUS_ACCESS_DENIED);
    STATUS_IS(call(event, 0xdeadbeec, 0, WORD(&now), 0, 0, 0), STATUS_INVALID_HANDLE);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT); /* it was not signalled for nothing */
    close_all(4, (HANDLE[]){event, semaphore, mutant, weak});
}

/* ---- across processes ------------------------------------------------------------------------------------ */

/* Another process on the same arena: a named event wakes it, and time works there. */
static void wait_across_processes(void **state)
{
    HANDLE there, back;
    int64_t limit = PATIENCE;
    (void)state;
    STATUS_IS(NtCreateEvent(&there, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\there", 0), SYNCHRONIZATION, 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&back, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\back", 0), SYNCHRONIZATION, 0), STATUS_SUCCESS);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct nt_object *object;
        if (nt_object_create(NT_THREAD, sizeof(struct nt_thread_object), &object))
            _exit(1);
        kernel_thread.object = (struct nt_thread_object *)object;
        for (int i = 0; i < 200; i++)
            if (NtWaitForSingleObject(there, 0, &limit) || NtSetEvent(back, NULL))
                _exit(2);
        _exit(0);
    }
    for (int i = 0; i < 200; i++) {
        STATUS_IS(NtSetEvent(there, NULL), STATUS_SUCCESS);
        STATUS_IS(NtWaitForSingleObject(back, 0, &limit), STATUS_SUCCESS);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    close_all(2, (HANDLE[]){there, back});
}

/* ---- cost ------------------------------------------------------------------------------------------------ */

/* The goal is 200 ns for both calls in an optimised build; this bound only catches a fall into sleeping or searching. */
static void cost_of_set_and_wait(void **state)
{
    enum { COUNT = 200000 };
    HANDLE event = event_make(SYNCHRONIZATION, 0);
    kernel_service wait = service_named("NtWaitForSingleObject");
    (void)state;
    double begin = seconds_worked();
    for (int i = 0; i < COUNT; i++) {
        NtSetEvent(event, NULL);
        wait(event, 0, 0, 0, 0, 0, 0);
    }
    double each = (seconds_worked() - begin) / COUNT * 1e9;
    print_message("SetEvent + WaitForSingleObject: %.0f ns\n", each);
    assert_true(each < 20000);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_states), cmocka_unit_test(event_kinds), cmocka_unit_test(event_wakes),
        cmocka_unit_test(wait_parameters), cmocka_unit_test(wait_any), cmocka_unit_test(wait_all),
        cmocka_unit_test(wait_all_stress), cmocka_unit_test(wait_times), cmocka_unit_test(wait_closed),
        cmocka_unit_test(wait_thread_end), cmocka_unit_test(wait_ended), cmocka_unit_test(signal_and_wait),
        cmocka_unit_test(wait_across_processes), cmocka_unit_test(cost_of_set_and_wait),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
