/* Timers without a thread of their own. A set timer carries its due time; it fires when somebody looks at it after
 * that: a waiter that slept no longer than until then, a query, a cancellation, an alertable wait of the thread that is
 * to get the APC. Nobody can tell the difference, it works across processes, and a program without timers pays
 * nothing for them. */
#include "loader/nt/ke/objects.h"

enum { TIMER_QUERY_STATE = 1, TIMER_MODIFY_STATE = 2 };
enum { NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER };

static struct ob_timespec due_of(const struct ke_timer *timer)
{
    return (struct ob_timespec){timer->due_seconds, timer->due_nanoseconds};
}

/* ---- the list of a thread's timers that queue an APC ------------------------------------------------ */

static void thread_link(struct ke_timer *timer, struct nt_thread_object *thread)
{
    nt_ref ref = ob_ref(timer);
    timer->thread = ob_ref(thread);
    timer->prev = 0;
    timer->next = thread->timers;
    if (timer->next)
        ((struct ke_timer *)ob_at(timer->next))->prev = ref;
    OB_ORDER();
    thread->timers = ref;
}

static void thread_unlink(struct ke_timer *timer)
{
    struct nt_thread_object *thread = ob_at(timer->thread);
    if (!thread)
        return;
    if (timer->prev)
        ((struct ke_timer *)ob_at(timer->prev))->next = timer->next;
    else
        thread->timers = timer->next;
    if (timer->next)
        ((struct ke_timer *)ob_at(timer->next))->prev = timer->prev;
    timer->thread = timer->next = timer->prev = 0;
}

/* Neither due nor about to run an APC any more. */
static void disarm(struct ke_timer *timer)
{
    struct nt_thread_object *thread = ob_at(timer->thread);
    if (thread) {
        ke_apc_remove(thread, ob_ref(timer));
        thread_unlink(timer);
    }
    timer->armed = 0;
}

void ke_timer_destroy(struct nt_object *object)
{
    disarm((struct ke_timer *)object);
}

/* A thread's end cancels the timers that were to call it back. */
void ke_timers_disarm(struct nt_thread_object *thread)
{
    while (thread->timers)
        disarm(ob_at(thread->timers));
}

/* ---- firing ----------------------------------------------------------------------------------------- */

static void apc_queue(struct ke_timer *timer)
{
    struct nt_thread_object *thread = ob_at(timer->thread);
    if (!thread || ke_apc_pending_from(thread, ob_ref(timer)))
        return;
    uint64_t now = nt_time_now();
    struct nt_apc apc = {.source = ob_ref(timer), .routine = timer->routine,
                         .argument = {timer->context, (uint32_t)now, now >> 32}};
    ke_apc_queue(thread, &apc);
}

/* The next due time that is not past; a timer that nobody looked at for long fires once, not many times. */
static void period_advance(struct ke_timer *timer, struct ob_timespec now)
{
    int64_t late = (now.seconds - timer->due_seconds) * 1000000000 + now.nanoseconds - timer->due_nanoseconds;
    int64_t period = (int64_t)timer->period * 1000000;
    int64_t due = timer->due_nanoseconds + (late / period + 1) * period;
    timer->due_seconds += due / 1000000000;
    timer->due_nanoseconds = due % 1000000000;
}

void ke_timer_check(struct ke_timer *timer)
{
    if (!timer->armed)
        return;
    struct ob_timespec now = ke_clock(timer->realtime);
    if (ke_time_before(now, due_of(timer)))
        return;
    if (timer->period)
        period_advance(timer, now);
    else
        timer->armed = 0;
    timer->head.references++; /* the wakings below may drop the others */
    timer->head.signal = 1;
    apc_queue(timer);
    nt_ke_wake(&timer->head);
    ob_object_unreference(&timer->head);
}

void ke_timers_check(struct nt_thread_object *thread)
{
    nt_ref at = thread->timers;
    while (at) {
        struct ke_timer *timer = ob_at(at);
        at = timer->next;
        ke_timer_check(timer);
    }
}

/* Wall-clock and monotonic times are compared by what is left of them now; after a change of the wall clock a sleeper
 * looks again at the earlier of both. */
static struct ob_timespec left_until(struct ke_time time)
{
    struct ob_timespec now = ke_clock(time.realtime);
    struct ob_timespec left = {time.at.seconds - now.seconds, time.at.nanoseconds - now.nanoseconds};
    if (left.nanoseconds < 0) {
        left.nanoseconds += 1000000000;
        left.seconds--;
    }
    return left;
}

void ke_timer_alarm(const struct ke_timer *timer, struct ke_time *alarm, bool *set)
{
    if (!timer->armed)
        return;
    struct ke_time due = {due_of(timer), timer->realtime};
    bool earlier = !*set;
    if (*set && due.realtime == alarm->realtime)
        earlier = ke_time_before(due.at, alarm->at);
    else if (*set)
        earlier = ke_time_before(left_until(due), left_until(*alarm));
    if (earlier)
        *alarm = due;
    *set = true;
}

/* Those who sleep for this timer have to sleep for its new due time. */
static void waiters_kick(struct ke_timer *timer)
{
    for (nt_ref at = timer->head.waiters; at; at = ((struct nt_wait_block *)ob_at(at))->next)
        nt_ke_kick(ob_at(((struct nt_wait_block *)ob_at(at))->thread));
}

/* ---- services --------------------------------------------------------------------------------------- */

static void timer_init(struct nt_object *object, void *context)
{
    if (*(ULONG *)context == SYNCHRONIZATION_TIMER)
        object->flags = NT_OBJECT_AUTO_RESET;
}

NTSTATUS NtCreateTimer(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG type)
{
    if (type > SYNCHRONIZATION_TIMER)
        return STATUS_INVALID_PARAMETER_4;
    return nt_object_make(handle, access, attributes, NT_TIMER, sizeof(struct ke_timer), timer_init, &type);
}

NTSTATUS NtOpenTimer(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_TIMER);
}

NTSTATUS NtSetTimer(HANDLE handle, const LARGE_INTEGER *guest_due, ULONG_PTR routine, ULONG_PTR context, BOOLEAN resume,
                    LONG period, BOOLEAN *previous)
{
    struct nt_object *object;
    int64_t due;
    BOOLEAN old = 0;
    if (!NT_GET(due, guest_due))
        return STATUS_ACCESS_VIOLATION;
    if (period < 0)
        return STATUS_INVALID_PARAMETER_6;
    struct ke_time when = ke_time_from_timeout(due);
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_TIMER, TIMER_MODIFY_STATE, &object, NULL, NULL);
    if (!status) {
        struct ke_timer *timer = (struct ke_timer *)object;
        ke_timer_check(timer);
        old = object->signal > 0;
        disarm(timer);
        object->signal = 0;
        timer->armed = 1;
        timer->realtime = when.realtime;
        timer->due_seconds = when.at.seconds;
        timer->due_nanoseconds = when.at.nanoseconds;
        timer->period = (uint32_t)period;
        timer->routine = routine;
        timer->context = context;
        if (routine)
            thread_link(timer, ke_self());
        ke_timer_check(timer);
        waiters_kick(timer);
    }
    nt_unlock();
    if (!status && previous && !NT_PUT(previous, old))
        return STATUS_ACCESS_VIOLATION;
    return !status && resume ? STATUS_TIMER_RESUME_IGNORED : status; /* no timer ends this machine's sleep */
}

NTSTATUS NtCancelTimer(HANDLE handle, BOOLEAN *state)
{
    struct nt_object *object;
    BOOLEAN old = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_TIMER, TIMER_MODIFY_STATE, &object, NULL, NULL);
    if (!status) {
        ke_timer_check((struct ke_timer *)object);
        old = object->signal > 0;
        disarm((struct ke_timer *)object);
    }
    nt_unlock();
    if (!status && state && !NT_PUT(state, old))
        return STATUS_ACCESS_VIOLATION;
    return status;
}

NTSTATUS NtQueryTimer(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct { LONGLONG remaining; BOOLEAN state; } answer = {0};
    _Static_assert(sizeof answer == 16, "TIMER_BASIC_INFORMATION");
    struct nt_object *object;
    NTSTATUS status = ke_query_check(information_class, length, sizeof answer);
    if (status)
        return status;
    nt_lock();
    status = ob_handle_find(handle, NT_TIMER, TIMER_QUERY_STATE, &object, NULL, NULL);
    if (!status) {
        struct ke_timer *timer = (struct ke_timer *)object;
        ke_timer_check(timer);
        struct ob_timespec left = left_until((struct ke_time){due_of(timer), timer->realtime});
        answer.remaining = left.seconds * 10000000 + left.nanoseconds / 100;
        answer.state = object->signal > 0;
    }
    nt_unlock();
    return status ? status : ke_query_answer(buffer, &answer, sizeof answer, returned);
}
