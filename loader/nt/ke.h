/* Ke: waiting. Every waitable object is an nt_object with `signal`; whoever makes one signalled calls nt_ke_wake
 * under the lock; a waiter sleeps on the futex word of its own thread object. */
#ifndef NT_KE_H
#define NT_KE_H

#include "loader/nt/ob.h"

enum { NT_WAIT_LIMIT = 64 };

struct nt_wait_block {          /* in the arena, inside the thread object; linked from the awaited object */
    nt_ref next, prev;          /* among the object's waiters */
    nt_ref object;
    nt_ref thread;
};

struct nt_apc {                 /* in the arena, a thread's queue */
    nt_ref next;
    nt_ref source;              /* the timer that queued it; 0: NtQueueApcThread */
    uint64_t routine, argument[3]; /* guest addresses and values */
};

/* The part of a thread that others may touch: an object in the arena. */
struct nt_thread_object {
    struct nt_object head;      /* signalled when the thread has ended */
    uint32_t id, process_id;
    nt_ref process;
    uint32_t exit_status;       /* STATUS_PENDING (259) while running */
    int32_t suspend_count;
    uint32_t host_tid;          /* Linux thread ID */
    uint64_t teb, start_address; /* guest VAs */
    uint64_t created, ended;    /* NT time */
    /* waiting: guarded by the lock */
    uint32_t futex;             /* the word the thread sleeps on: 0 asleep, 1 woken, 2 look again */
    uint32_t wait_count, wait_all, wait_alertable;
    uint32_t wait_status;       /* result that the waker stored */
    uint32_t alerted;           /* NtAlertThread */
    uint32_t alert_by_id;       /* NtAlertThreadByThreadId: sticky token */
    nt_ref apc_first, apc_last;
    nt_ref mutants;             /* those it owns, abandoned at its end */
    nt_ref timers;              /* set ones that queue an APC to it */
    uint32_t wait_kind;         /* ke/objects.h */
    uint64_t keyed_key;
    nt_ref port;                /* the completion port it last took from; only compared */
    uint32_t held;              /* 1: its process holds a reference to it, which its end gives back */
    struct nt_wait_block blocks[NT_WAIT_LIMIT];
};
_Static_assert(offsetof(struct nt_thread_object, keyed_key) == 136, "the same in 32- and 64-bit processes");

/* Waits as NtWaitForMultipleObjects does. objects: referenced by the caller. timeout: NT units (100 ns), negative =
 * relative, NULL = for ever. STATUS_WAIT_0 + i, ABANDONED_WAIT_0 + i, TIMEOUT, USER_APC, ALERTED. */
NTSTATUS nt_ke_wait(struct nt_object *const *objects, unsigned count, bool all, bool alertable, const int64_t *timeout);
/* object->signal has changed for the better: satisfies as many waiters as it can. Lock held. */
void nt_ke_wake(struct nt_object *object);
/* Makes a sleeping thread look again (nt_ps_ending, deadlines). Needs no lock, may be called from a signal handler. */
void nt_ke_kick(struct nt_thread_object *thread);
/* The thread object has ended: abandons its mutants, signals it. Lock not held. */
void nt_ke_thread_ended(struct nt_thread_object *thread, NTSTATUS exit_status);
void ke_thread_end(struct nt_thread_object *thread, NTSTATUS exit_status); /* the same, lock held */
/* Takes the oldest APC out of the current thread's queue. false: none. Called at system-call exit with USER_APC. */
bool nt_ke_apc_take(struct nt_apc *out);
/* Posts to a completion port (file operations do). */
void nt_ke_completion_post(struct nt_object *port, uint64_t key, uint64_t value, NTSTATUS status, uint64_t information);

/* A signal may leave a note (ps/control.c). Whoever a signal has woken from a wait in the host, and whoever goes back to the
 * guest, looks whether there is one; outside of locks. */
extern uint32_t nt_ke_note;
extern void (*nt_ke_note_read)(void);
static inline void nt_ke_interrupted(void)
{
    if (__atomic_load_n(&nt_ke_note, __ATOMIC_RELAXED) && nt_ke_note_read)
        nt_ke_note_read();
}

uint64_t nt_time_now(void);     /* 100 ns since 1601 (system time) */

#endif
