/* The objects of ke/ as they lie in the arena, for it and for the areas that destroy or complete them. Everything here: lock held. */
#ifndef NT_KE_OBJECTS_H
#define NT_KE_OBJECTS_H

#include "loader/nt/ke.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

enum { NT_SYNCHRONIZE = 0x100000 };

/* ---- objects (fixed widths: 32- and 64-bit processes share them) --------------------------------- */

struct ke_mutant {
    struct nt_object head;           /* signal: 1 free, 1 - n: taken n times */
    nt_ref owner;                    /* thread */
    nt_ref next, prev;               /* of the owner's */
    uint32_t abandoned;              /* its owner ended; told to the next owner */
};

struct ke_semaphore {
    struct nt_object head;
    int32_t limit;
    uint32_t pad;
};

struct ke_timer {
    struct nt_object head;
    uint32_t armed, realtime;        /* realtime: due is wall-clock time */
    nt_ref thread;                   /* that gets the APC; 0: no APC */
    nt_ref next, prev;               /* of that thread's */
    uint32_t period;                 /* milliseconds, 0: once */
    int64_t due_seconds, due_nanoseconds; /* of CLOCK_REALTIME or CLOCK_MONOTONIC */
    uint64_t routine, context;       /* guest addresses */
};
_Static_assert(offsetof(struct ke_timer, due_seconds) == 56 && sizeof(struct ke_timer) == 88, "the same on both widths");

struct ke_completion {
    struct nt_object head;           /* signal: packets that nobody was woken for */
    nt_ref first, last;              /* struct ke_packet */
    uint32_t depth;
    uint32_t threads;                /* NumberOfConcurrentThreads, only remembered */
};

struct ke_packet {
    nt_ref next;
    NTSTATUS status;
    uint64_t key, value, information;
};

/* ---- waiting -------------------------------------------------------------------------------------- */

enum ke_wait_kind {
    KE_AWAKE = 0,
    KE_HAS_PACKET,                   /* awake; one packet of thread->port is kept for it */
    KE_WAIT_OBJECTS,                 /* from here on: asleep */
    KE_WAIT_PACKET,                  /* for a completion packet, which is reserved with the waking */
    KE_WAIT_ALERT,                   /* NtWaitForAlertByThreadId */
    KE_WAIT_KEYED,                   /* for the other side of a keyed event */
};

struct ke_wait {
    enum ke_wait_kind kind;
    struct nt_object *const *objects;
    unsigned count;
    bool all, alertable;
    const int64_t *timeout;          /* NT units; NULL: for ever */
};

/* Waits; the lock is held at the call and free at the return. */
NTSTATUS ke_wait(const struct ke_wait *wait);
/* Ends a thread's wait with this result. */
void ke_thread_wake(struct nt_thread_object *thread, NTSTATUS status);
static inline bool ke_sleeping(const struct nt_thread_object *thread)
{
    return thread->wait_kind >= KE_WAIT_OBJECTS;
}
bool ke_waitable(const struct nt_object *object);
struct nt_thread_object *ke_self(void);
/* For the repair: links a block that still has its object and its reference; ends a wait whose waker was killed. */
void ke_block_relink(struct nt_wait_block *block);
void ke_wake_finish(struct nt_thread_object *thread);
void ke_thread_links(struct nt_object *object, void (*visit)(struct nt_object *to)); /* nt_type_links */

/* A point in time on one of two clocks. */
struct ke_time { struct ob_timespec at; bool realtime; };
struct ke_time ke_time_from_timeout(int64_t timeout);
struct ob_timespec ke_clock(bool realtime);
bool ke_time_before(struct ob_timespec a, struct ob_timespec b);

/* ---- types ---------------------------------------------------------------------------------------- */

void ke_mutant_take(struct ke_mutant *mutant, struct nt_thread_object *thread);
void ke_mutant_link(struct ke_mutant *mutant, struct nt_thread_object *thread);
/* Lets go of what an ended thread owned. */
void ke_mutants_abandon(struct nt_thread_object *thread);
void ke_mutant_destroy(struct nt_object *object);
NTSTATUS ke_mutant_release(struct ke_mutant *mutant, struct nt_thread_object *thread, LONG *previous);
NTSTATUS ke_semaphore_release(struct ke_semaphore *semaphore, LONG count, LONG *previous);
LONG ke_event_set(struct nt_object *event);

/* Fires the timer if it is due. */
void ke_timer_check(struct ke_timer *timer);
/* Fires those of the thread's APC timers that are due. */
void ke_timers_check(struct nt_thread_object *thread);
/* The earlier of *alarm and the timer's due time; *set tells whether *alarm means anything yet. */
void ke_timer_alarm(const struct ke_timer *timer, struct ke_time *alarm, bool *set);
void ke_timers_disarm(struct nt_thread_object *thread);
void ke_timer_destroy(struct nt_object *object);

NTSTATUS ke_apc_queue(struct nt_thread_object *thread, const struct nt_apc *apc);
void ke_apc_remove(struct nt_thread_object *thread, nt_ref source);
bool ke_apc_pending_from(const struct nt_thread_object *thread, nt_ref source);
void ke_apcs_free(struct nt_thread_object *thread);

/* A thread that a packet was kept for will not come for it. */
void ke_completion_unreserve(struct nt_thread_object *thread);
NTSTATUS ke_completion_post(struct ke_completion *port, uint64_t key, uint64_t value, NTSTATUS status, uint64_t information);
void ke_completion_destroy(struct nt_object *object);
void ke_completion_closed(struct nt_object *object);

/* ---- answers -------------------------------------------------------------------------------------- */

/* What the NtQueryXxx of waitable objects have in common: the one class 0 and its exact length; then the answer. */
NTSTATUS ke_query_check(ULONG information_class, ULONG length, ULONG expected);
NTSTATUS ke_query_answer(void *buffer, const void *answer, ULONG size, ULONG *returned);
/* Optional out parameter. */
NTSTATUS ke_put_optional(LONG *guest, LONG value);
/* NULL or a timeout copied to *local; false: it cannot be read. */
bool ke_timeout_get(const LARGE_INTEGER *guest, int64_t *local, const int64_t **timeout);

/* ---- services in other files than ke/service.c ---------------------------------------------------- */

NTSTATUS NtCreateEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG type, BOOLEAN state);
NTSTATUS NtOpenEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtSetEvent(HANDLE handle, LONG *previous);
NTSTATUS NtResetEvent(HANDLE handle, LONG *previous);
NTSTATUS NtClearEvent(HANDLE handle);
NTSTATUS NtPulseEvent(HANDLE handle, LONG *previous);
NTSTATUS NtQueryEvent(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtCreateMutant(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, BOOLEAN owned);
NTSTATUS NtOpenMutant(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtReleaseMutant(HANDLE handle, LONG *previous);
NTSTATUS NtQueryMutant(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtCreateSemaphore(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, LONG count, LONG limit);
NTSTATUS NtOpenSemaphore(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtReleaseSemaphore(HANDLE handle, LONG count, LONG *previous);
NTSTATUS NtQuerySemaphore(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtCreateTimer(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG type);
NTSTATUS NtOpenTimer(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtSetTimer(HANDLE handle, const LARGE_INTEGER *due, ULONG_PTR routine, ULONG_PTR context, BOOLEAN resume, LONG period,
                    BOOLEAN *previous);
NTSTATUS NtCancelTimer(HANDLE handle, BOOLEAN *state);
NTSTATUS NtQueryTimer(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtCreateKeyedEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG flags);
NTSTATUS NtOpenKeyedEvent(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtWaitForKeyedEvent(HANDLE handle, ULONG_PTR key, BOOLEAN alertable, const LARGE_INTEGER *timeout);
NTSTATUS NtReleaseKeyedEvent(HANDLE handle, ULONG_PTR key, BOOLEAN alertable, const LARGE_INTEGER *timeout);
NTSTATUS NtWaitForAlertByThreadId(const void *address, const LARGE_INTEGER *timeout);
NTSTATUS NtAlertThreadByThreadId(HANDLE id);
NTSTATUS NtAlertThread(HANDLE handle);
NTSTATUS NtTestAlert(void);
NTSTATUS NtQueueApcThread(HANDLE handle, ULONG_PTR routine, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c);
NTSTATUS NtQueueApcThreadEx(HANDLE handle, HANDLE reserve, ULONG_PTR routine, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c);
NTSTATUS NtCreateIoCompletion(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG threads);
NTSTATUS NtOpenIoCompletion(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtSetIoCompletion(HANDLE handle, ULONG_PTR key, ULONG_PTR value, NTSTATUS status, SIZE_T information);
NTSTATUS NtSetIoCompletionEx(HANDLE handle, HANDLE reserve, ULONG_PTR key, ULONG_PTR value, NTSTATUS status, SIZE_T information);
NTSTATUS NtRemoveIoCompletion(HANDLE handle, ULONG_PTR *key, ULONG_PTR *value, IO_STATUS_BLOCK *io, const LARGE_INTEGER *timeout);
NTSTATUS NtRemoveIoCompletionEx(HANDLE handle, void *entries, ULONG count, ULONG *written, const LARGE_INTEGER *timeout,
                                BOOLEAN alertable);
NTSTATUS NtQueryIoCompletion(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);

#endif
