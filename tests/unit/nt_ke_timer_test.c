/* Timers, APCs and alerts. Expectations are Windows': its documentation, and what Wine's
 * conformance tests, which run on Windows, require. */
#include "nt_waits.h"

/* ---- timers ---------------------------------------------------------------------------------------------- */

static HANDLE timer_make(ULONG type)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateTimer(&handle, GENERIC_ALL, NULL, type), STATUS_SUCCESS);
    return handle;
}

static NTSTATUS timer_set(HANDLE timer, int64_t due, uintptr_t routine, LONG period)
{
    return NtSetTimer(timer, (LARGE_INTEGER *)&due, routine, 0x1234, 0, period, NULL);
}

static void timer_fires(void **state)
{
    (void)state;
    HANDLE manual = timer_make(NOTIFICATION), automatic = timer_make(SYNCHRONIZATION), bad;
    STATUS_IS(NtCreateTimer(&bad, GENERIC_ALL, NULL, 2), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(NtWaitForSingleObject(manual, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(timer_set(manual, 60000 * MS, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(manual, 0, &now), STATUS_TIMEOUT);
    double begin = seconds_now();
    STATUS_IS(timer_set(manual, 100 * MS, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(manual, 0, NULL), STATUS_SUCCESS);
    assert_true(seconds_now() - begin >= 0.099);
    STATUS_IS(NtWaitForSingleObject(manual, 0, &now), STATUS_SUCCESS); /* stays */
    begin = seconds_now();
    STATUS_IS(timer_set(automatic, (int64_t)nt_time_now() - 40 * MS, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(automatic, 0, NULL), STATUS_SUCCESS);
    assert_true(seconds_now() - begin >= 0.035);
    STATUS_IS(NtWaitForSingleObject(automatic, 0, &now), STATUS_TIMEOUT); /* was taken */
    STATUS_IS(timer_set(automatic, 0, 0, 0), STATUS_SUCCESS); /* at once */
    STATUS_IS(NtWaitForSingleObject(automatic, 0, &now), STATUS_SUCCESS);
    STATUS_IS(timer_set(automatic, 0, 0, -1), STATUS_INVALID_PARAMETER_6);
    close_all(2, (HANDLE[]){manual, automatic});
}

static void timer_cancel(void **state)
{
    struct { LONGLONG remaining; BOOLEAN state; } info;
    HANDLE timer = timer_make(NOTIFICATION);
    BOOLEAN was = 9;
    int64_t wait = 350 * MS;
    (void)state;
    STATUS_IS(timer_set(timer, 60000 * MS, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtQueryTimer(timer, 0, &info, sizeof info, NULL), STATUS_SUCCESS);
    assert_int_equal(info.state, 0);
    assert_true(info.remaining > 0 && info.remaining <= -60000 * MS);
    STATUS_IS(NtCancelTimer(timer, &was), STATUS_SUCCESS);
    assert_int_equal(was, 0);
    do { /* one that is cancelled before it is due, however late a busy machine comes to it */
        STATUS_IS(timer_set(timer, 300 * MS, 0, 0), STATUS_SUCCESS);
        STATUS_IS(NtCancelTimer(timer, &was), STATUS_SUCCESS);
    } while (was);
    STATUS_IS(NtWaitForSingleObject(timer, 0, &wait), STATUS_TIMEOUT);
    STATUS_IS(timer_set(timer, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtCancelTimer(timer, &was), STATUS_SUCCESS);
    assert_int_equal(was, 1);
    STATUS_IS(NtWaitForSingleObject(timer, 0, &now), STATUS_SUCCESS); /* a cancellation takes no signal away */
    STATUS_IS(timer_set(timer, 60000 * MS, 0, 0), STATUS_SUCCESS);    /* setting does */
    STATUS_IS(NtWaitForSingleObject(timer, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtQueryTimer(timer, 0, &info, 4, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtClose(timer), STATUS_SUCCESS);
}

static void timer_periodic(void **state)
{
    HANDLE timer = timer_make(SYNCHRONIZATION);
    (void)state;
    double begin = seconds_now();
    STATUS_IS(timer_set(timer, 10 * MS, 0, 15), STATUS_SUCCESS);
    for (int i = 0; i < 4; i++)
        STATUS_IS(NtWaitForSingleObject(timer, 0, NULL), STATUS_SUCCESS);
    assert_true(seconds_now() - begin >= 0.0549); /* 10 + 3 * 15 */
    STATUS_IS(timer_set(timer, 5 * MS, 0, 10), STATUS_SUCCESS);
    usleep(500000); /* some fifty periods that nobody waited for are one signal; more are those that pass meanwhile */
    begin = seconds_now();
    unsigned signals = 0;
    while (NtWaitForSingleObject(timer, 0, &now) == STATUS_SUCCESS && signals < 40)
        signals++;
    assert_true(signals >= 1 && signals <= 2 + (seconds_now() - begin) / 0.010);
    STATUS_IS(NtClose(timer), STATUS_SUCCESS);
}

/* Who sleeps for a timer notices that another thread sets it, and that one timer wakes all. */
static void timer_set_while_waiting(void **state)
{
    HANDLE timer = timer_make(NOTIFICATION), event = event_make(NOTIFICATION, 0);
    (void)state;
    struct waiter a = {.handles = {event, timer}, .count = 2, .type = FOR_ANY};
    struct waiter b = {.handles = {timer, event}, .count = 2, .type = FOR_ALL};
    STATUS_IS(timer_set(timer, 60000 * MS, 0, 0), STATUS_SUCCESS);
    pthread_t first = waiter_start(&a), second = waiter_start(&b);
    STATUS_IS(timer_set(timer, 30 * MS, 0, 0), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&a, first), STATUS_WAIT_0 + 1);
    assert_true(still_sleeps(&b));
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&b, second), STATUS_WAIT_0);
    close_all(2, (HANDLE[]){timer, event});
}

static void timer_apc(void **state)
{
    HANDLE timer = timer_make(NOTIFICATION), event = event_make(NOTIFICATION, 0);
    struct nt_apc apc;
    int64_t long_time = 20000 * MS;
    (void)state;
    STATUS_IS(timer_set(timer, 20 * MS, 0x5000, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){40 * MS}), STATUS_TIMEOUT); /* not alertable */
    STATUS_IS(NtWaitForSingleObject(event, 1, &long_time), STATUS_USER_APC);
    assert_true(nt_ke_apc_take(&apc));
    assert_int_equal(apc.routine, 0x5000);
    assert_int_equal(apc.argument[0], 0x1234);
    assert_true(llabs((int64_t)(apc.argument[1] | apc.argument[2] << 32) - (int64_t)nt_time_now()) < -60000 * MS);
    assert_false(nt_ke_apc_take(&apc));
    STATUS_IS(timer_set(timer, 5 * MS, 0x5000, 30), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 1, &long_time), STATUS_USER_APC);
    assert_true(nt_ke_apc_take(&apc));
    STATUS_IS(service_named("NtDelayExecution")(1, WORD(&long_time), 0, 0, 0, 0, 0), STATUS_USER_APC); /* the period */
    STATUS_IS(NtCancelTimer(timer, NULL), STATUS_SUCCESS); /* takes the queued one back */
    STATUS_IS(NtWaitForSingleObject(event, 1, &(int64_t){50 * MS}), STATUS_TIMEOUT);
    STATUS_IS(timer_set(timer, 0, 0x5000, 0), STATUS_SUCCESS);
    STATUS_IS(NtClose(timer), STATUS_SUCCESS); /* the same when it is closed */
    STATUS_IS(NtTestAlert(), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

/* ---- APCs and alerts ------------------------------------------------------------------------------------- */

static void apc_order(void **state)
{
    HANDLE event = event_make(NOTIFICATION, 1);
    struct nt_apc apc;
    (void)state;
    STATUS_IS(NtQueueApcThread(NT_CURRENT_THREAD, 0x1000, 1, 2, 3), STATUS_SUCCESS);
    STATUS_IS(NtQueueApcThreadEx(NT_CURRENT_THREAD, 0, 0x2000, 4, 5, 6), STATUS_SUCCESS);
    /* Whoever gets the object at once runs no APC; not alertable neither. */
    STATUS_IS(NtWaitForSingleObject(event, 1, NULL), STATUS_SUCCESS);
    STATUS_IS(NtResetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(event, 1, &now), STATUS_USER_APC);
    assert_true(nt_ke_apc_take(&apc));
    assert_true(apc.routine == 0x1000 && apc.argument[0] == 1 && apc.argument[1] == 2 && apc.argument[2] == 3);
    STATUS_IS(NtTestAlert(), STATUS_USER_APC);
    assert_true(nt_ke_apc_take(&apc));
    assert_int_equal(apc.routine, 0x2000);
    assert_false(nt_ke_apc_take(&apc));
    STATUS_IS(NtTestAlert(), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void apc_wakes(void **state)
{
    HANDLE event = event_make(NOTIFICATION, 0);
    (void)state;
    struct waiter deaf = {.handles = {event}, .count = 1, .type = FOR_ANY}, alert = deaf;
    alert.alertable = 1;
    pthread_t first = waiter_start(&deaf), second = waiter_start(&alert);
    STATUS_IS(NtQueueApcThread(deaf.handle, 0x1000, 0, 0, 0), STATUS_SUCCESS);
    assert_true(still_sleeps(&deaf));
    STATUS_IS(NtQueueApcThread(alert.handle, 0x1000, 0, 0, 0), STATUS_SUCCESS);
    kernel_thread_join(second);
    STATUS_IS(alert.status, STATUS_USER_APC);
    STATUS_IS(NtQueueApcThread(alert.handle, 0x1000, 0, 0, 0), STATUS_UNSUCCESSFUL); /* it has ended */
    STATUS_IS(NtClose(alert.handle), STATUS_SUCCESS);
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&deaf, first), STATUS_WAIT_0);
    STATUS_IS(NtQueueApcThread(event, 0x1000, 0, 0, 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void alerts(void **state)
{
    HANDLE event = event_make(NOTIFICATION, 0);
    (void)state;
    STATUS_IS(NtAlertThread(NT_CURRENT_THREAD), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &now), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(event, 1, NULL), STATUS_ALERTED);
    STATUS_IS(NtWaitForSingleObject(event, 1, &now), STATUS_TIMEOUT);
    STATUS_IS(NtAlertThread(NT_CURRENT_THREAD), STATUS_SUCCESS);
    STATUS_IS(NtTestAlert(), STATUS_ALERTED);
    STATUS_IS(NtTestAlert(), STATUS_SUCCESS);
    struct waiter waiter = {.handles = {event}, .count = 1, .type = FOR_ANY, .alertable = 1};
    pthread_t thread = waiter_start(&waiter);
    STATUS_IS(NtAlertThread(waiter.handle), STATUS_SUCCESS);
    STATUS_IS(waiter_join(&waiter, thread), STATUS_ALERTED);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void *alert_wait(void *argument)
{
    __atomic_store_n((struct nt_thread_object **)argument, nt_current()->object, __ATOMIC_RELEASE);
    return (void *)(uintptr_t)NtWaitForAlertByThreadId(argument, NULL);
}

static void alert_by_id(void **state)
{
    int64_t brief = 20 * MS;
    (void)state;
    uint32_t self = nt_current()->object->id;
    STATUS_IS(NtWaitForAlertByThreadId(NULL, (LARGE_INTEGER *)&brief), STATUS_TIMEOUT);
    STATUS_IS(NtAlertThreadByThreadId(self), STATUS_SUCCESS);
    STATUS_IS(NtAlertThreadByThreadId(self), STATUS_SUCCESS);
    STATUS_IS(NtWaitForAlertByThreadId(NULL, NULL), STATUS_ALERTED); /* remembered, once */
    STATUS_IS(NtWaitForAlertByThreadId(NULL, (LARGE_INTEGER *)&now), STATUS_TIMEOUT);
    STATUS_IS(NtAlertThreadByThreadId(0xFFF0), STATUS_INVALID_CID);
    STATUS_IS(NtAlertThreadByThreadId(0), STATUS_INVALID_CID);
    struct nt_thread_object *object = NULL;
    pthread_t thread = kernel_thread_start(alert_wait, &object);
    while (!__atomic_load_n(&object, __ATOMIC_ACQUIRE))
        usleep(100);
    assert_true(sleeps(object));
    STATUS_IS(NtAlertThreadByThreadId(object->id), STATUS_SUCCESS);
    STATUS_IS((uintptr_t)kernel_thread_join(thread), STATUS_ALERTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_fires), cmocka_unit_test(timer_cancel), cmocka_unit_test(timer_periodic),
        cmocka_unit_test(timer_set_while_waiting), cmocka_unit_test(timer_apc), cmocka_unit_test(apc_order),
        cmocka_unit_test(apc_wakes), cmocka_unit_test(alerts), cmocka_unit_test(alert_by_id),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
