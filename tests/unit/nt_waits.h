/* Objects to wait for, and threads that wait for them. */
#ifndef TESTS_NT_WAITS_H
#define TESTS_NT_WAITS_H

#include "nt_kernel.h"

static const int64_t now = 0;

static inline HANDLE event_make(ULONG type, BOOLEAN set)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateEvent(&handle, EVENT_ALL, NULL, type, set), STATUS_SUCCESS);
    return handle;
}
enum { NOTIFICATION, SYNCHRONIZATION };

static inline HANDLE mutant_make(BOOLEAN owned)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NULL, owned), STATUS_SUCCESS);
    return handle;
}

static inline HANDLE semaphore_make(LONG count, LONG limit)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateSemaphore(&handle, GENERIC_ALL, NULL, count, limit), STATUS_SUCCESS);
    return handle;
}

static inline void close_all(unsigned count, const HANDLE *handles)
{
    for (unsigned i = 0; i < count; i++)
        STATUS_IS(NtClose(handles[i]), STATUS_SUCCESS);
}

/* A thread that waits for handles and tells the result. */
struct waiter {
    HANDLE handles[4];
    unsigned count;
    ULONG type;
    BOOLEAN alertable;
    const int64_t *timeout;
    NTSTATUS status;
    struct nt_thread_object *object;
    HANDLE handle;
    int begun;
};

static inline void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;
    waiter->object = nt_current()->object;
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, NT_CURRENT_THREAD, NT_CURRENT_PROCESS, &waiter->handle, 0, 0, 2),
              STATUS_SUCCESS);
    __atomic_store_n(&waiter->begun, 1, __ATOMIC_RELEASE);
    waiter->status = NtWaitForMultipleObjects(waiter->count, waiter->handles, waiter->type, waiter->alertable, waiter->timeout);
    return NULL;
}

/* True as soon as the thread sleeps in a wait. */
static inline bool sleeps(struct nt_thread_object *object)
{
    for (int i = 0; i < 100000; i++) {
        nt_lock();
        bool asleep = ke_sleeping(object);
        nt_unlock();
        if (asleep)
            return true;
        usleep(200);
    }
    return false;
}

static inline pthread_t waiter_start(struct waiter *waiter)
{
    pthread_t thread = kernel_thread_start(waiter_run, waiter);
    while (!__atomic_load_n(&waiter->begun, __ATOMIC_ACQUIRE))
        usleep(100);
    assert_true(sleeps(waiter->object));
    return thread;
}

static inline NTSTATUS waiter_join(struct waiter *waiter, pthread_t thread)
{
    kernel_thread_join(thread);
    STATUS_IS(NtClose(waiter->handle), STATUS_SUCCESS);
    return waiter->status;
}

/* Whoever was woken to look whether it is his turn goes to sleep again; that may take a moment. */
static inline bool still_sleeps(struct waiter *waiter)
{
    usleep(20000);
    return sleeps(waiter->object);
}

#endif
