/* The waits' part of making the arena whole again (ob/repair.c): lists of waiters, what threads own, queues.
 *
 * A thread's own blocks say what it waits for. One whose blocks are partly gone was being woken, and its result was
 * stored before that began: the waking is finished. */
#include "loader/nt/ke/objects.h"

void ke_thread_links(struct nt_object *object, void (*visit)(struct nt_object *to))
{
    struct nt_thread_object *thread = (struct nt_thread_object *)object;
    if (thread->process)
        visit(nt_at(thread->process));
    if (thread->held)
        visit(object);
    for (uint32_t i = 0; i < thread->wait_count; i++)
        if (thread->blocks[i].object)
            visit(nt_at(thread->blocks[i].object));
}

static void threads_visit(void (*visit)(struct nt_thread_object *thread))
{
    uint32_t index = 0;
    struct nt_object *object;
    while ((object = ob_id_next(&index)))
        if (object->type == NT_THREAD)
            visit((struct nt_thread_object *)object);
}

static void waiters_forget(struct nt_object *object)
{
    object->waiters = 0;
}

static void blocks_forget(struct nt_thread_object *thread)
{
    for (uint32_t i = 0; ke_sleeping(thread) && i < thread->wait_count; i++)
        if (thread->blocks[i].object)
            waiters_forget(ob_at(thread->blocks[i].object));
}

static bool blocks_whole(const struct nt_thread_object *thread)
{
    for (uint32_t i = 0; i < thread->wait_count; i++)
        if (!thread->blocks[i].object)
            return false;
    return true;
}

static void blocks_relink(struct nt_thread_object *thread)
{
    for (uint32_t i = 0; ke_sleeping(thread) && i < thread->wait_count; i++)
        if (thread->blocks[i].object)
            ke_block_relink(&thread->blocks[i]);
}

static void waking_finish(struct nt_thread_object *thread)
{
    if (ke_sleeping(thread) && (!blocks_whole(thread) || __atomic_load_n(&thread->futex, __ATOMIC_RELAXED) == 1))
        ke_wake_finish(thread);
}

/* A waker wakes when it lets the lock go: the dead one did not. */
static void futex_wake(struct nt_thread_object *thread)
{
    ob_futex_wake(&thread->futex, 1);
}

/* ---- what hangs on a thread --------------------------------------------------------------------------- */

static void lists_mend(struct nt_thread_object *thread)
{
    nt_ref previous = 0;
    for (nt_ref at = thread->mutants; at; at = ((struct ke_mutant *)ob_at(at))->next) {
        ((struct ke_mutant *)ob_at(at))->prev = previous;
        previous = at;
    }
    previous = 0;
    for (nt_ref at = thread->timers; at; at = ((struct ke_timer *)ob_at(at))->next) {
        ((struct ke_timer *)ob_at(at))->prev = previous;
        previous = at;
    }
    previous = 0;
    for (nt_ref at = thread->apc_first; at; at = ((struct nt_apc *)ob_at(at))->next)
        previous = at;
    thread->apc_last = previous;
}

static void mutant_mend(struct ke_mutant *mutant)
{
    struct nt_thread_object *owner = ob_at(mutant->owner);
    if (!owner) {
        if (mutant->head.signal <= 0)
            mutant->head.signal = 1;
        return;
    }
    nt_ref at = owner->mutants;
    while (at && at != ob_ref(mutant))
        at = ((struct ke_mutant *)ob_at(at))->next;
    if (!at)
        ke_mutant_link(mutant, owner);
    if (mutant->head.signal > 0)
        mutant->head.signal = 0;
}

static struct ke_completion *mended_port;

static void reserved_subtract(struct nt_thread_object *thread)
{
    if (thread->wait_kind == KE_HAS_PACKET && thread->port == ob_ref(mended_port))
        mended_port->head.signal--;
}

static void port_mend(struct ke_completion *port)
{
    port->depth = 0;
    port->last = 0;
    for (nt_ref at = port->first; at; at = ((struct ke_packet *)ob_at(at))->next) {
        port->last = at;
        port->depth++;
    }
    port->head.signal = (int32_t)port->depth;
    mended_port = port;
    threads_visit(reserved_subtract);
}

static void object_mend(struct nt_object *object)
{
    if (object->type == NT_MUTANT)
        mutant_mend((struct ke_mutant *)object);
    else if (object->type == NT_COMPLETION)
        port_mend((struct ke_completion *)object);
}

static void object_wake(struct nt_object *object)
{
    if (object->signal > 0 && object->waiters)
        nt_ke_wake(object);
}

void ke_repair(void)
{
    ob_objects_visit(waiters_forget);
    threads_visit(blocks_forget);
    threads_visit(blocks_relink);
    threads_visit(waking_finish);
    threads_visit(lists_mend);
    ob_objects_visit(object_mend);
    ob_objects_visit(object_wake);
    threads_visit(futex_wake);
}
