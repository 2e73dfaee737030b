/* What is waited for, apart from events: mutants, semaphores, keyed events, completion ports. Expectations are Windows': its documentation, and what Wine's
 * conformance tests, which run on Windows, require. */
#include "nt_waits.h"

/* ---- mutants --------------------------------------------------------------------------------------------- */

struct mutant_info { LONG count; BOOLEAN owned, abandoned; };

static void mutant_is(HANDLE mutant, LONG count, bool owned, bool abandoned)
{
    struct mutant_info info;
    ULONG size = 0;
    STATUS_IS(NtQueryMutant(mutant, 0, &info, sizeof info, &size), STATUS_SUCCESS);
    assert_int_equal(size, 8);
    assert_int_equal(info.count, count);
    assert_int_equal(info.owned, owned);
    assert_int_equal(info.abandoned, abandoned);
}

static void mutant_recursion(void **state)
{
    HANDLE mutant = mutant_make(1);
    struct mutant_info info;
    CLIENT_ID owner;
    LONG previous = 77;
    (void)state;
    mutant_is(mutant, 0, true, false);
    STATUS_IS(NtQueryMutant(mutant, 1, &owner, sizeof owner, NULL), STATUS_SUCCESS);
    assert_int_equal(owner.thread, nt_current()->object->id);
    assert_int_equal(owner.process, nt_process.id);
    STATUS_IS(NtWaitForSingleObject(mutant, 0, NULL), STATUS_SUCCESS);
    mutant_is(mutant, -1, true, false);
    STATUS_IS(NtReleaseMutant(mutant, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, -1);
    STATUS_IS(NtReleaseMutant(mutant, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 0);
    mutant_is(mutant, 1, false, false);
    STATUS_IS(NtReleaseMutant(mutant, &previous), STATUS_MUTANT_NOT_OWNED);
    STATUS_IS(NtQueryMutant(mutant, 0, &info, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryMutant(mutant, 0x42, &info, sizeof info, NULL), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtClose(mutant), STATUS_SUCCESS);
}

static void *take_and_end(void *argument)
{
    STATUS_IS(NtWaitForSingleObject(*(HANDLE *)argument, 0, NULL), STATUS_SUCCESS);
    return NULL;
}

static void *try_release(void *argument)
{
    STATUS_IS(NtReleaseMutant(*(HANDLE *)argument, NULL), STATUS_MUTANT_NOT_OWNED);
    STATUS_IS(NtWaitForSingleObject(*(HANDLE *)argument, 0, &now), STATUS_TIMEOUT);
    return NULL;
}

static void mutant_abandoned(void **state)
{
    HANDLE mutant = mutant_make(0), event = event_make(NOTIFICATION, 1);
    (void)state;
    kernel_thread_join(kernel_thread_start(take_and_end, &mutant));
    mutant_is(mutant, 1, false, true);
    STATUS_IS(NtWaitForSingleObject(mutant, 0, NULL), STATUS_ABANDONED_WAIT_0);
    mutant_is(mutant, 0, true, false);
    kernel_thread_join(kernel_thread_start(try_release, &mutant));
    STATUS_IS(NtReleaseMutant(mutant, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(mutant, 0, NULL), STATUS_SUCCESS); /* told once */
    STATUS_IS(NtReleaseMutant(mutant, NULL), STATUS_SUCCESS);
    kernel_thread_join(kernel_thread_start(take_and_end, &mutant));
    STATUS_IS(NtWaitForMultipleObjects(2, (HANDLE[]){event, mutant}, FOR_ALL, 0, NULL), STATUS_ABANDONED_WAIT_0);
    STATUS_IS(NtReleaseMutant(mutant, NULL), STATUS_SUCCESS);
    kernel_thread_join(kernel_thread_start(take_and_end, &mutant));
    STATUS_IS(NtResetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForMultipleObjects(2, (HANDLE[]){event, mutant}, FOR_ANY, 0, NULL), STATUS_ABANDONED_WAIT_0 + 1);
    close_all(2, (HANDLE[]){mutant, event});
}

struct handover { HANDLE mutant, go; };

static void *hold_until(void *argument)
{
    struct handover *handover = argument;
    STATUS_IS(NtWaitForSingleObject(handover->mutant, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(handover->go, 0, NULL), STATUS_SUCCESS);
    return NULL;
}

/* Somebody sleeps for the mutant when its owner ends. */
static void mutant_abandoned_to_sleeper(void **state)
{
    struct handover handover = {mutant_make(0), event_make(NOTIFICATION, 0)};
    (void)state;
    pthread_t owner = kernel_thread_start(hold_until, &handover);
    while (NtWaitForSingleObject(handover.mutant, 0, &now) == STATUS_SUCCESS) {
        STATUS_IS(NtReleaseMutant(handover.mutant, NULL), STATUS_SUCCESS);
        usleep(100);
    }
    struct waiter waiter = {.handles = {handover.mutant}, .count = 1, .type = FOR_ANY};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtSetEvent(handover.go, NULL), STATUS_SUCCESS);
    kernel_thread_join(owner);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_ABANDONED_WAIT_0);
    mutant_is(handover.mutant, 1, false, true); /* that thread ended with it, too */
    close_all(2, (HANDLE[]){handover.mutant, handover.go});
}

/* A mutant that is destroyed while it is owned leaves its owner's list. */
static void mutant_closed_owned(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        HANDLE a = mutant_make(1), b = mutant_make(1), c = mutant_make(1);
        HANDLE order[3] = {i == 0 ? a : b, i == 0 ? b : i == 1 ? a : c, i == 2 ? a : c};
        close_all(3, order);
    }
    assert_int_equal(nt_current()->object->mutants, 0);
}

static HANDLE shared_mutant;
static int shared_count;

static void *mutant_contend(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2000; i++) {
        STATUS_IS(NtWaitForSingleObject(shared_mutant, 0, NULL), STATUS_SUCCESS);
        shared_count++;
        STATUS_IS(NtReleaseMutant(shared_mutant, NULL), STATUS_SUCCESS);
    }
    return NULL;
}

static void mutant_excludes(void **state)
{
    pthread_t threads[4];
    (void)state;
    shared_mutant = mutant_make(0);
    for (int i = 0; i < 4; i++)
        threads[i] = kernel_thread_start(mutant_contend, NULL);
    for (int i = 0; i < 4; i++)
        kernel_thread_join(threads[i]);
    assert_int_equal(shared_count, 8000);
    STATUS_IS(NtClose(shared_mutant), STATUS_SUCCESS);
}

/* ---- semaphores ------------------------------------------------------------------------------------------ */

static void semaphore_counts(void **state)
{
    struct { LONG count, limit; } info;
    HANDLE semaphore;
    LONG previous = 0x55;
    (void)state;
    STATUS_IS(NtCreateSemaphore(&semaphore, GENERIC_ALL, NULL, 2, 1), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtCreateSemaphore(&semaphore, GENERIC_ALL, NULL, -1, 1), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtCreateSemaphore(&semaphore, GENERIC_ALL, NULL, 0, 0), STATUS_INVALID_PARAMETER);
    semaphore = semaphore_make(1, 2);
    STATUS_IS(NtWaitForSingleObject(semaphore, 0, &now), STATUS_SUCCESS);
    STATUS_IS(NtQuerySemaphore(semaphore, 0, &info, sizeof info, NULL), STATUS_SUCCESS);
    assert_true(info.count == 0 && info.limit == 2);
    STATUS_IS(NtReleaseSemaphore(semaphore, 3, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    assert_int_equal(previous, 0x55);
    STATUS_IS(NtReleaseSemaphore(semaphore, 1, &previous), STATUS_SUCCESS);
    assert_int_equal(previous, 0);
    STATUS_IS(NtReleaseSemaphore(semaphore, 0, &previous), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtReleaseSemaphore(semaphore, 0x7FFFFFFF, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    STATUS_IS(NtQuerySemaphore(semaphore, 0, &info, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQuerySemaphore(semaphore, 0x42, &info, sizeof info, NULL), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtClose(semaphore), STATUS_SUCCESS);
}

static void semaphore_wakes(void **state)
{
    HANDLE semaphore = semaphore_make(0, 10);
    (void)state;
    struct waiter waiters[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){.handles = {semaphore}, .count = 1, .type = FOR_ANY};
        threads[i] = waiter_start(&waiters[i]);
    }
    STATUS_IS(NtReleaseSemaphore(semaphore, 2, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiters[0], threads[0]), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiters[1], threads[1]), STATUS_SUCCESS);
    assert_true(still_sleeps(&waiters[2]));
    STATUS_IS(NtReleaseSemaphore(semaphore, 1, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiters[2], threads[2]), STATUS_SUCCESS);
    STATUS_IS(NtClose(semaphore), STATUS_SUCCESS);
}

/* ---- keyed events ---------------------------------------------------------------------------------------- */

static void *keyed_other(void *argument)
{
    HANDLE handle = *(HANDLE *)argument;
    for (uintptr_t i = 0; i < 200; i++)
        STATUS_IS((i & 1 ? NtWaitForKeyedEvent : NtReleaseKeyedEvent)(handle, i * 2, 0, NULL), STATUS_SUCCESS);
    return NULL;
}

static void keyed_events(void **state)
{
    LARGE_INTEGER brief = {.value = 10 * MS};
    HANDLE handle, only_wait, event = event_make(NOTIFICATION, 0);
    (void)state;
    STATUS_IS(NtCreateKeyedEvent(&handle, 0x1F0003, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(handle, 0, &now), STATUS_SUCCESS); /* always signalled to a plain wait */
    STATUS_IS(NtWaitForKeyedEvent(handle, 255, 0, &brief), STATUS_INVALID_PARAMETER_1);
    STATUS_IS(NtReleaseKeyedEvent(0xdeadbeec, 9, 0, &brief), STATUS_INVALID_PARAMETER_1);
    STATUS_IS(NtReleaseKeyedEvent(0xdeadbeec, 8, 0, &brief), STATUS_INVALID_HANDLE);
    STATUS_IS(NtWaitForKeyedEvent(handle, 254, 0, &brief), STATUS_TIMEOUT);
    STATUS_IS(NtReleaseKeyedEvent(handle, 254, 0, &brief), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForKeyedEvent(handle, 0, 0, &brief), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForKeyedEvent(0, 8, 0, &brief), STATUS_TIMEOUT); /* the one behind no handle */
    STATUS_IS(NtReleaseKeyedEvent(0, 8, 0, &brief), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForKeyedEvent(event, 8, 0, &brief), STATUS_OBJECT_TYPE_MISMATCH);
    pthread_t thread = kernel_thread_start(keyed_other, &handle);
    for (uintptr_t i = 0; i < 200; i++)
        STATUS_IS((i & 1 ? NtReleaseKeyedEvent : NtWaitForKeyedEvent)(handle, i * 2, 0, NULL), STATUS_SUCCESS);
    kernel_thread_join(thread);
    STATUS_IS(NtCreateKeyedEvent(&only_wait, 0x80000000, NULL, 0), STATUS_SUCCESS); /* GENERIC_READ */
    STATUS_IS(NtWaitForKeyedEvent(only_wait, 8, 0, &brief), STATUS_TIMEOUT);
    STATUS_IS(NtReleaseKeyedEvent(only_wait, 8, 0, &brief), STATUS_ACCESS_DENIED);
    close_all(3, (HANDLE[]){handle, only_wait, event});
}

/* ---- completion ports ------------------------------------------------------------------------------------ */

struct completion { ULONG_PTR key, value; IO_STATUS_BLOCK io; };

static void completion_queue(void **state)
{
    HANDLE port, weak;
    struct completion got[4];
    LONG depth = 9;
    ULONG count = 9;
    (void)state;
    STATUS_IS(NtCreateIoCompletion(&port, GENERIC_ALL, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(NtRemoveIoCompletion(port, &got[0].key, &got[0].value, &got[0].io, (LARGE_INTEGER *)&now), STATUS_TIMEOUT);
    for (ULONG_PTR i = 1; i <= 5; i++)
        STATUS_IS(NtSetIoCompletion(port, i, i * 10, STATUS_INVALID_DEVICE_REQUEST, i * 100), STATUS_SUCCESS);
    STATUS_IS(NtQueryIoCompletion(port, 0, &depth, sizeof depth, NULL), STATUS_SUCCESS);
    assert_int_equal(depth, 5);
    STATUS_IS(NtRemoveIoCompletion(port, &got[0].key, &got[0].value, &got[0].io, NULL), STATUS_SUCCESS);
    assert_true(got[0].key == 1 && got[0].value == 10 && got[0].io.information == 100);
    STATUS_IS(got[0].io.status, STATUS_INVALID_DEVICE_REQUEST);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, (LARGE_INTEGER *)&now, 0), STATUS_SUCCESS);
    assert_true(count == 2 && got[0].key == 2 && got[1].key == 3 && got[1].io.information == 300);
    STATUS_IS(NtWaitForSingleObject(port, 0, &now), STATUS_SUCCESS); /* a plain wait takes nothing */
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 4, &count, NULL, 0), STATUS_SUCCESS);
    assert_true(count == 2 && got[0].key == 4 && got[1].key == 5);
    STATUS_IS(NtWaitForSingleObject(port, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 4, &count, (LARGE_INTEGER *)&now, 0), STATUS_TIMEOUT);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 0, &count, (LARGE_INTEGER *)&now, 0), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtCreateIoCompletion(&weak, 1, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(NtSetIoCompletion(weak, 0, 0, 0, 0), STATUS_ACCESS_DENIED);
    STATUS_IS(NtSetIoCompletion(port, 1, 2, 3, 4), STATUS_SUCCESS); /* goes with the port */
    close_all(2, (HANDLE[]){port, weak});
}

/* A thread that joins a port runs its APCs before it gets a packet; later the packets come first. */
static void completion_apc(void **state)
{
    HANDLE port, other;
    struct completion got[2];
    struct nt_apc apc;
    ULONG count = 9;
    LARGE_INTEGER none = {.value = 0};
    (void)state;
    STATUS_IS(NtCreateIoCompletion(&other, GENERIC_ALL, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(NtSetIoCompletion(other, 1, 2, 3, 4), STATUS_SUCCESS);
    STATUS_IS(NtRemoveIoCompletionEx(other, got, 2, &count, &none, 1), STATUS_SUCCESS);
    STATUS_IS(NtCreateIoCompletion(&port, GENERIC_ALL, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(NtQueueApcThread(NT_CURRENT_THREAD, 0x1000, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtSetIoCompletion(port, 1, 2, 3, 4), STATUS_SUCCESS);
    for (int i = 0; i < 2; i++) { /* such an end does not make it a member */
        STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, &none, 1), STATUS_USER_APC);
        assert_int_equal(count, 1);
    }
    assert_true(nt_ke_apc_take(&apc));
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, &none, 1), STATUS_SUCCESS);
    STATUS_IS(NtQueueApcThread(NT_CURRENT_THREAD, 0x1000, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtSetIoCompletion(port, 1, 2, 3, 4), STATUS_SUCCESS);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, &none, 1), STATUS_SUCCESS);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, &none, 0), STATUS_TIMEOUT);
    STATUS_IS(NtRemoveIoCompletionEx(port, got, 2, &count, &none, 1), STATUS_USER_APC);
    assert_true(nt_ke_apc_take(&apc));
    close_all(2, (HANDLE[]){port, other});
}

enum { PACKETS = 4000, TAKERS = 4 };
static uint8_t packet_seen[PACKETS];

static void *completion_take(void *argument)
{
    HANDLE port = *(HANDLE *)argument;
    uintptr_t taken = 0;
    for (;; taken++) {
        struct completion got[3];
        ULONG count = 1;
        if (taken & 1)
            STATUS_IS(NtRemoveIoCompletion(port, &got[0].key, &got[0].value, &got[0].io, NULL), STATUS_SUCCESS);
        else
            STATUS_IS(NtRemoveIoCompletionEx(port, got, 3, &count, NULL, 0), STATUS_SUCCESS);
        for (ULONG i = 0; i < count; i++) {
            if (!got[i].key) {
                for (ULONG rest = i + 1; rest < count; rest++) /* give back what is not ours */
                    STATUS_IS(NtSetIoCompletion(port, got[rest].key, got[rest].value, 0, 0), STATUS_SUCCESS);
                return (void *)taken;
            }
            if (__atomic_add_fetch(&packet_seen[got[i].value], 1, __ATOMIC_RELAXED) != 1)
                fail_msg("packet %u came twice", (unsigned)got[i].value);
        }
    }
}

/* Every packet comes to exactly one thread, and no thread sleeps while one is there. */
static void completion_threads(void **state)
{
    HANDLE port;
    pthread_t threads[TAKERS];
    (void)state;
    STATUS_IS(NtCreateIoCompletion(&port, GENERIC_ALL, NULL, 0), STATUS_SUCCESS);
    for (int i = 0; i < TAKERS; i++)
        threads[i] = kernel_thread_start(completion_take, &port);
    for (ULONG_PTR i = 0; i < PACKETS; i++) {
        STATUS_IS(NtSetIoCompletion(port, 1, i, 0, 0), STATUS_SUCCESS);
        if (i % 500 == 0)
            usleep(2000);
    }
    for (int i = 0; i < TAKERS; i++)
        STATUS_IS(NtSetIoCompletion(port, 0, 0, 0, 0), STATUS_SUCCESS);
    for (int i = 0; i < TAKERS; i++)
        kernel_thread_join(threads[i]);
    for (int i = 0; i < PACKETS; i++)
        assert_int_equal(packet_seen[i], 1);
    STATUS_IS(NtClose(port), STATUS_SUCCESS);
}

static void *completion_wait(void *argument)
{
    struct completion got;
    __atomic_store_n((struct nt_thread_object **)argument, nt_current()->object, __ATOMIC_RELEASE);
    HANDLE port = ((HANDLE *)argument)[1];
    return (void *)(uintptr_t)NtRemoveIoCompletion(port, &got.key, &got.value, &got.io, NULL);
}

/* Closing the last handle ends the waits on it: STATUS_ABANDONED, Win32's ERROR_ABANDONED_WAIT_0. */
static void completion_closed(void **state)
{
    union { struct nt_thread_object *object; HANDLE words[2]; } shared = {.words = {0, 0}};
    (void)state;
    STATUS_IS(NtCreateIoCompletion(&shared.words[1], GENERIC_ALL, NULL, 0), STATUS_SUCCESS);
    pthread_t thread = kernel_thread_start(completion_wait, &shared);
    while (!__atomic_load_n(&shared.object, __ATOMIC_ACQUIRE))
        usleep(100);
    assert_true(sleeps(shared.object));
    STATUS_IS(NtClose(shared.words[1]), STATUS_SUCCESS);
    STATUS_IS((uintptr_t)kernel_thread_join(thread), STATUS_ABANDONED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutant_recursion), cmocka_unit_test(mutant_abandoned),
        cmocka_unit_test(mutant_abandoned_to_sleeper), cmocka_unit_test(mutant_closed_owned),
        cmocka_unit_test(mutant_excludes), cmocka_unit_test(semaphore_counts), cmocka_unit_test(semaphore_wakes),
        cmocka_unit_test(keyed_events), cmocka_unit_test(completion_queue), cmocka_unit_test(completion_apc),
        cmocka_unit_test(completion_threads), cmocka_unit_test(completion_closed),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
