/* The end of a process, seen from the session. A process that ends by itself closes its handles and tells its exit status,
 * one that is killed does neither; in both cases the rest happens when the Linux process is gone, by whoever watches
 * (ps/watch.c): threads and process become signalled, mutants abandoned, handles closed. So who has waited for a process
 * finds its files closed and its memory free, as on Windows. */
#include "loader/nt/io.h"
#include "loader/nt/ke/objects.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps/session.h"

#include <unistd.h>

void (*nt_job_process_ended)(struct nt_process_object *process);

/* Its own reference goes last: what it names may go with it. Lock held. */
static void thread_let_go(struct nt_thread_object *thread)
{
    if (!thread->held)
        return;
    thread->held = 0;
    OB_ORDER();
    nt_object_unreference(&thread->head);
}

void ps_thread_release(struct nt_thread_object *thread)
{
    nt_lock();
    thread_let_go(thread);
    nt_unlock();
}

/* Lock held. */
static void threads_end(struct nt_process_object *process)
{
    uint32_t index = 0;
    struct nt_object *object;
    while ((object = ob_id_next(&index))) {
        struct nt_thread_object *thread = (struct nt_thread_object *)object;
        if (object->type != NT_THREAD || thread->process != ob_ref(process))
            continue;
        if (object->signal <= 0)
            ke_thread_end(thread, thread->exit_status == STATUS_PENDING ? process->exit_status : thread->exit_status);
        thread_let_go(thread);
    }
    process->thread_count = 0;
}

/* Whom it was making, and has never begun to run, will not run any more. Lock held. */
static void unborn_end(const struct nt_process_object *creator)
{
    uint32_t index = 0;
    struct nt_object *object;
    while ((object = ob_id_next(&index))) {
        struct nt_process_object *process = (struct nt_process_object *)object;
        if (object->type == NT_PROCESS && process->life == NT_PROCESS_CREATING && process->creator == ob_ref(creator) &&
            !process->host_pid)
            ps_process_end(process, NT_KILLED_STATUS);
    }
}

void ps_process_end(struct nt_process_object *process, NTSTATUS status)
{
    if (process->life == NT_PROCESS_ENDED)
        return;
    process->head.references++;
    if (process->life != NT_PROCESS_ENDING) /* else it is told already; it may be 259, which looks like none */
        process->exit_status = status;
    if (!process->ended)
        process->ended = nt_time_now();
    threads_end(process);
    ob_handles_close_all(&process->handle_table);
    unborn_end(process);
    ob_journals_give_back(process->host_pid);
    nt_io_process_ended(process->id);
    nt_mm_process_ended(process->id);
    if (nt_job_process_ended)
        nt_job_process_ended(process);
    process->life = NT_PROCESS_ENDED;
    ob_tell_process("ended", &process->head, process->parent_id, process->id, process->exit_status);
    process->head.signal = 1;
    nt_ke_wake(&process->head);
    if (process->held) {
        process->held = 0;
        OB_ORDER();
        nt_object_unreference(&process->head);
    }
    nt_object_unreference(&process->head);
}

/* It ends itself, so that files are closed and the terminal is given back; where it cannot, or takes too long over it, the
 * watch kills it. */
NTSTATUS nt_ps_terminate(struct nt_process_object *process, NTSTATUS status)
{
    nt_lock();
    bool ends = process->life != NT_PROCESS_ENDING && process->life != NT_PROCESS_ENDED;
    if (ends) {
        process->exit_status = status;
        process->ended = nt_time_now();
        OB_ORDER();
        process->life = NT_PROCESS_ENDING;
        if (ob_arena->watcher == ob_ref(process)) /* who watches the watcher that is told to end, and may be stopped? */
            ob_arena->watcher = nt_process.object;
    }
    nt_unlock();
    if (!ends)
        return STATUS_PROCESS_IS_TERMINATING;
    if (!ps_tell(process, PS_EXIT))
        ps_host_kill(process);
    ps_watch_poke();
    return STATUS_SUCCESS;
}

/* What the process itself does at its end; nothing of the guest runs any more, but its other threads may still be in the
 * kernel until the Linux process is gone. */
void nt_ps_process_exit(NTSTATUS status)
{
    struct nt_process_object *process = nt_at(nt_process.object);
    if (nt_config.ending)
        nt_config.ending();
    nt_lock();
    if (process->life != NT_PROCESS_ENDING) { /* else another process has told how it ends */
        process->exit_status = status;
        process->life = process->life == NT_PROCESS_ALONE ? NT_PROCESS_ALONE : NT_PROCESS_ENDING;
    }
    status = process->exit_status;
    process->ended = nt_time_now();
    ob_tell_process("exits", &process->head, process->parent_id, process->id, status);
    ob_handles_close_all(&process->handle_table); /* files that are to be deleted on close go now */
    nt_unlock();
    nt_io_restore();
    nt_session_tell(status); /* a creator that still waits must not take the silence for a crash */
    nt_config.finish(status);
    _exit(125);
}
