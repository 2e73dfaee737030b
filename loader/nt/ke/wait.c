/* Waiting. A waiter hangs one block into the list of each object and sleeps on the futex word of its own thread
 * object; whoever signals an object settles, under the lock, which waiters get it, takes their blocks out and wakes
 * them. So a woken thread already has its result and need not take the lock again.
 *
 * Timers have no thread of their own: a due time lies in the timer, and everybody who looks at it, or sleeps for it,
 * fires it when it is due (ke/timer.c). */
#include "loader/nt/ex.h"
#include "loader/nt/ke/objects.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

enum { ASLEEP = 0, WOKEN = 1, LOOK_AGAIN = 2 };

uint32_t nt_ke_note;
void (*nt_ke_note_read)(void);

struct nt_thread_object *ke_self(void)
{
    return nt_current()->object;
}

bool ke_waitable(const struct nt_object *object)
{
    switch (object->type) {
    case NT_PROCESS: case NT_THREAD: case NT_EVENT: case NT_MUTANT: case NT_SEMAPHORE: case NT_TIMER: case NT_COMPLETION:
    case NT_FILE: case NT_JOB: case NT_DEBUG: case NT_KEYED_EVENT:
        return true;
    default:
        return false;
    }
}

/* ---- lists of waiters: the first one's prev is the last -------------------------------------------- */

static struct nt_wait_block *block_at(nt_ref ref)
{
    return ob_at(ref);
}

void ke_block_relink(struct nt_wait_block *block)
{
    struct nt_object *object = ob_at(block->object);
    nt_ref ref = ob_ref(block);
    block->next = 0;
    if (object->waiters) {
        struct nt_wait_block *first = block_at(object->waiters);
        block->prev = first->prev;
        block_at(first->prev)->next = ref;
        first->prev = ref;
    } else {
        block->prev = ref;
        object->waiters = ref;
    }
}

static void block_link(struct nt_wait_block *block, struct nt_object *object, struct nt_thread_object *thread)
{
    object->references++;
    OB_ORDER();
    block->object = ob_ref(object);
    block->thread = ob_ref(thread);
    ke_block_relink(block);
}

static void block_unlink(struct nt_wait_block *block)
{
    struct nt_object *object = ob_at(block->object);
    if (object->waiters == ob_ref(block))
        object->waiters = block->next;
    else
        block_at(block->prev)->next = block->next;
    if (block->next)
        block_at(block->next)->prev = block->prev;
    else if (object->waiters)
        block_at(object->waiters)->prev = block->prev;
    OB_ORDER();
    block->object = 0;
    OB_ORDER();
    ob_object_unreference(object);
}

static void blocks_unlink(struct nt_thread_object *thread)
{
    for (uint32_t i = 0; i < thread->wait_count; i++)
        block_unlink(&thread->blocks[i]);
}

/* The thread ends its own wait. */
static void wait_give_up(struct nt_thread_object *thread)
{
    blocks_unlink(thread);
    thread->wait_count = 0;
    thread->wait_kind = KE_AWAKE;
}

/* ---- getting an object ------------------------------------------------------------------------------ */

static bool signalled(const struct nt_object *object, const struct nt_thread_object *thread)
{
    if (object->signal > 0)
        return true;
    return object->type == NT_MUTANT && ((const struct ke_mutant *)object)->owner == ob_ref(thread);
}

/* What is added to the status of who gets the object: 0x80 for an abandoned mutant. */
static NTSTATUS abandonment(const struct nt_object *object)
{
    return object->type == NT_MUTANT && ((const struct ke_mutant *)object)->abandoned ? STATUS_ABANDONED_WAIT_0 : 0;
}

/* The object becomes the thread's. */
static void satisfy(struct nt_object *object, struct nt_thread_object *thread, enum ke_wait_kind kind)
{
    if (object->flags & NT_OBJECT_AUTO_RESET)
        object->signal = 0;
    else if (object->type == NT_SEMAPHORE || kind == KE_WAIT_PACKET)
        object->signal--;
    else if (object->type == NT_MUTANT)
        ke_mutant_take((struct ke_mutant *)object, thread);
}

/* NT raises this one as an exception too; the recursion count of a mutant ends here. */
static bool mutant_full(const struct nt_object *object)
{
    return object->type == NT_MUTANT && object->signal == INT32_MIN;
}

/* Which objects a wait would get now: the status, and in *first, *count what is to be satisfied. STATUS_PENDING: not yet. */
static NTSTATUS choose(const struct nt_thread_object *thread, struct nt_object *const *objects, unsigned count, bool all,
                       unsigned *first, unsigned *chosen)
{
    NTSTATUS result = STATUS_WAIT_0;
    *first = *chosen = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!signalled(objects[i], thread)) {
            if (all)
                return STATUS_PENDING;
            continue;
        }
        if (mutant_full(objects[i]))
            return STATUS_MUTANT_LIMIT_EXCEEDED;
        if (!all) {
            *first = i;
            *chosen = 1;
            return i + abandonment(objects[i]);
        }
        result |= abandonment(objects[i]);
    }
    if (!all || !count)
        return STATUS_PENDING;
    *chosen = count;
    return result;
}

void ke_wake_finish(struct nt_thread_object *thread)
{
    enum ke_wait_kind after = thread->wait_kind == KE_WAIT_PACKET && !thread->wait_status ? KE_HAS_PACKET : KE_AWAKE;
    for (uint32_t i = 0; i < thread->wait_count; i++)
        if (thread->blocks[i].object)
            block_unlink(&thread->blocks[i]);
    __atomic_store_n(&thread->futex, WOKEN, __ATOMIC_RELEASE);
    OB_ORDER();
    thread->wait_count = 0;
    thread->wait_kind = after;
}

void ke_thread_wake(struct nt_thread_object *thread, NTSTATUS status)
{
    assert(ke_sleeping(thread));
    thread->wait_status = status;
    OB_ORDER();
    ke_wake_finish(thread);
    ob_wake_later(&thread->futex);
}

/* The thread is woken first and the object taken then: who is killed in between leaves a signal too many, not a thread
 * that sleeps for something which is gone. */
static void block_try(struct nt_wait_block *block)
{
    struct nt_thread_object *thread = ob_at(block->thread);
    struct nt_object *objects[NT_WAIT_LIMIT];
    unsigned first, chosen;
    enum ke_wait_kind kind = thread->wait_kind;
    if (kind == KE_WAIT_KEYED)
        return;
    for (uint32_t i = 0; i < thread->wait_count; i++)
        objects[i] = ob_at(thread->blocks[i].object);
    NTSTATUS status = choose(thread, objects, thread->wait_count, thread->wait_all, &first, &chosen);
    if (status == STATUS_PENDING)
        return;
    for (unsigned i = 0; i < chosen; i++)
        objects[first + i]->references++; /* the wait's own go with the waking */
    ke_thread_wake(thread, status);
    for (unsigned i = 0; i < chosen; i++) {
        satisfy(objects[first + i], thread, kind);
        ob_object_unreference(objects[first + i]);
    }
}

void nt_ke_wake(struct nt_object *object)
{
    object->references++; /* the last waiter may hold the last reference */
    nt_ref at = object->waiters;
    while (at && object->signal > 0) {
        struct nt_wait_block *block = block_at(at);
        at = block->next;
        while (at && block_at(at)->thread == block->thread) /* the same object twice: goes with the first */
            at = block_at(at)->next;
        block_try(block);
    }
    ob_object_unreference(object);
}

/* ---- time ------------------------------------------------------------------------------------------- */

struct ob_timespec ke_clock(bool realtime)
{
    struct timespec now;
    clock_gettime(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    return (struct ob_timespec){now.tv_sec, now.tv_nsec};
}

bool ke_time_before(struct ob_timespec a, struct ob_timespec b)
{
    return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds < b.nanoseconds);
}

enum { NT_TICKS = 10000000 };
#define NT_EPOCH_SECONDS 11644473600 /* from 1601 to 1970 */

/* Negative: so much later than now, whatever happens to the wall clock; else that wall-clock time. */
struct ke_time ke_time_from_timeout(int64_t timeout)
{
    struct ke_time time = {.realtime = timeout > 0};
    if (timeout > 0) {
        time.at.seconds = timeout / NT_TICKS - NT_EPOCH_SECONDS;
        time.at.nanoseconds = timeout % NT_TICKS * 100;
        if (time.at.seconds < 0)
            time.at = (struct ob_timespec){0, 0};
        return time;
    }
    uint64_t ticks = -(uint64_t)timeout;
    time.at = ke_clock(false);
    time.at.seconds += (int64_t)(ticks / NT_TICKS);
    time.at.nanoseconds += (int64_t)(ticks % NT_TICKS) * 100;
    if (time.at.nanoseconds >= 1000000000) {
        time.at.nanoseconds -= 1000000000;
        time.at.seconds++;
    }
    return time;
}

uint64_t nt_time_now(void)
{
    struct ob_timespec now = ke_clock(true);
    return (uint64_t)(now.seconds + NT_EPOCH_SECONDS) * NT_TICKS + (uint64_t)now.nanoseconds / 100;
}

/* ---- sleeping --------------------------------------------------------------------------------------- */

void nt_ke_kick(struct nt_thread_object *thread)
{
    uint32_t asleep = ASLEEP;
    if (__atomic_compare_exchange_n(&thread->futex, &asleep, LOOK_AGAIN, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        ob_futex_wake(&thread->futex, 1);
}

/* What may have become due without anybody's doing. May wake this very thread. */
static void due_check(struct nt_thread_object *self, const struct ke_wait *wait)
{
    for (unsigned i = 0; i < wait->count && ke_sleeping(self); i++)
        if (wait->objects[i]->type == NT_TIMER)
            ke_timer_check((struct ke_timer *)wait->objects[i]);
    if (wait->alertable && ke_sleeping(self))
        ke_timers_check(self);
}

static bool alarm_set(const struct nt_thread_object *self, const struct ke_wait *wait, const struct ke_time *deadline,
                      struct ke_time *alarm)
{
    bool set = wait->timeout != NULL;
    if (set)
        *alarm = *deadline;
    for (unsigned i = 0; i < wait->count; i++)
        if (wait->objects[i]->type == NT_TIMER)
            ke_timer_alarm((const struct ke_timer *)wait->objects[i], alarm, &set);
    if (wait->alertable)
        for (nt_ref at = self->timers; at; at = ((struct ke_timer *)ob_at(at))->next)
            ke_timer_alarm(ob_at(at), alarm, &set);
    return set;
}

/* An idle processor takes tens of microseconds to wake up, longer than most answers between two processes take: the first
 * moments of a wait are watched, where there is another processor to be watched. Who waited in vain watches less often. */
static void watch_briefly(const uint32_t *word)
{
    enum { LOOKS = 1500, RARELY = 32 };
    static __thread unsigned skip, skipped;
    if (skipped < skip) {
        skipped++;
        return;
    }
    skipped = 0;
    for (int i = 0; i < LOOKS; i++) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE)) {
            skip = 0;
            return;
        }
        __builtin_ia32_pause();
    }
    skip = 2 * skip + 1 < RARELY ? 2 * skip + 1 : RARELY;
}

static NTSTATUS sleep_until_woken(struct nt_thread_object *self, const struct ke_wait *wait)
{
    struct ke_time deadline, alarm;
    if (wait->timeout)
        deadline = ke_time_from_timeout(*wait->timeout);
    for (;;) {
        /* In this order: who tells the thread to end does so first and kicks then, so one of the two is seen here. */
        __atomic_exchange_n(&self->futex, ASLEEP, __ATOMIC_SEQ_CST);
        if (nt_ps_ending()) {
            wait_give_up(self);
            nt_unlock();
            return STATUS_THREAD_IS_TERMINATING;
        }
        bool limited = alarm_set(self, wait, &deadline, &alarm);
        nt_unlock();
        if (ex_processor_count() > 1)
            watch_briefly(&self->futex);
        if (!__atomic_load_n(&self->futex, __ATOMIC_ACQUIRE))
            ob_futex_wait(&self->futex, ASLEEP, limited ? &alarm.at : NULL, limited && alarm.realtime);
        if (__atomic_load_n(&self->futex, __ATOMIC_ACQUIRE) == WOKEN)
            return self->wait_status;

        nt_ke_interrupted();
        nt_lock();
        due_check(self, wait);
        if (!ke_sleeping(self)) {
            nt_unlock();
            return self->wait_status;
        }
        if (wait->timeout && !ke_time_before(ke_clock(deadline.realtime), deadline.at)) {
            wait_give_up(self);
            nt_unlock();
            return STATUS_TIMEOUT;
        }
    }
}

/* What NT looks at before a thread goes to sleep; STATUS_PENDING: sleep. */
static NTSTATUS try_alerts(struct nt_thread_object *self, const struct ke_wait *wait)
{
    if (wait->kind == KE_WAIT_ALERT && self->alert_by_id) {
        self->alert_by_id = 0;
        return STATUS_ALERTED;
    }
    if (!wait->alertable)
        return STATUS_PENDING;
    if (self->alerted) {
        self->alerted = 0;
        return STATUS_ALERTED;
    }
    if (self->timers)
        ke_timers_check(self);
    return self->apc_first ? STATUS_USER_APC : STATUS_PENDING;
}

/* Objects first, then alerts, then the time: a thread that gets its object runs no APC. Only a thread that is new to a
 * completion port looks at its APCs before the packets, as Windows' threads do while they join the port. */
NTSTATUS ke_wait(const struct ke_wait *wait)
{
    struct nt_thread_object *self = ke_self();
    NTSTATUS status = STATUS_PENDING;
    assert(!self->wait_kind && wait->count <= NT_WAIT_LIMIT);
    if (wait->kind == KE_WAIT_PACKET && self->port != ob_ref(wait->objects[0])) {
        status = try_alerts(self, wait);
        if (status == STATUS_PENDING)
            self->port = ob_ref(wait->objects[0]);
    }
    if (status == STATUS_PENDING && wait->kind != KE_WAIT_KEYED) {
        for (unsigned i = 0; i < wait->count; i++)
            if (wait->objects[i]->type == NT_TIMER)
                ke_timer_check((struct ke_timer *)wait->objects[i]);
        unsigned first, chosen;
        status = choose(self, wait->objects, wait->count, wait->all, &first, &chosen);
        for (unsigned i = 0; i < chosen; i++)
            satisfy(wait->objects[first + i], self, wait->kind);
        if (chosen && wait->kind == KE_WAIT_PACKET)
            self->wait_kind = KE_HAS_PACKET;
    }
    if (status == STATUS_PENDING)
        status = try_alerts(self, wait);
    if (status == STATUS_PENDING && wait->timeout && !*wait->timeout)
        status = STATUS_TIMEOUT;
    if (status != STATUS_PENDING) {
        nt_unlock();
        return status;
    }
    self->wait_kind = wait->kind;
    self->wait_all = wait->all;
    self->wait_alertable = wait->alertable;
    self->wait_count = wait->count;
    for (unsigned i = 0; i < wait->count; i++)
        block_link(&self->blocks[i], wait->objects[i], self);
    return sleep_until_woken(self, wait);
}

NTSTATUS nt_ke_wait(struct nt_object *const *objects, unsigned count, bool all, bool alertable, const int64_t *timeout)
{
    struct ke_wait wait = {KE_WAIT_OBJECTS, objects, count, all, alertable, timeout};
    nt_lock();
    return ke_wait(&wait);
}

void ke_thread_end(struct nt_thread_object *thread, NTSTATUS exit_status)
{
    if (ke_sleeping(thread))
        wait_give_up(thread);
    ke_completion_unreserve(thread);
    ke_timers_disarm(thread);
    ke_apcs_free(thread);
    ke_mutants_abandon(thread);
    thread->exit_status = exit_status;
    thread->ended = nt_time_now();
    ob_tell_process("ended", &thread->head, thread->process_id, thread->id, exit_status);
    thread->head.signal = 1;
    nt_ke_wake(&thread->head);
}

void nt_ke_thread_ended(struct nt_thread_object *thread, NTSTATUS exit_status)
{
    nt_lock();
    ke_thread_end(thread, exit_status);
    nt_unlock();
}
