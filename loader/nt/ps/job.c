/* Jobs. A process's object names its innermost job, a job the one around it; who is in a job is told from these, never
 * counted, so that a process killed at any moment leaves nothing wrong. A job holds on to the one around it, a process to
 * its job until it has ended.
 *
 * Limits of time, memory, priority and processors are remembered and told, but not enforced; those of the number of
 * processes, breaking away and the job's end with its last handle are. */
#include "loader/nt/ke/objects.h"
#include "loader/nt/ps/job.h"
#include "loader/nt/ps/private.h"

enum { MSG_ACTIVE_PROCESS_LIMIT = 3, MSG_ACTIVE_PROCESS_ZERO = 4, MSG_NEW_PROCESS = 6, MSG_EXIT_PROCESS = 7,
       MSG_ABNORMAL_EXIT_PROCESS = 8 };

void ps_job_tell(const struct ps_job *job, uint32_t message, uint32_t process)
{
    struct nt_object *port = nt_at(job->port);
    if (port)
        ke_completion_post((struct ke_completion *)port, job->port_key, process, STATUS_SUCCESS, message);
}

bool ps_job_contains(const struct ps_job *job, const struct nt_process_object *process)
{
    const struct ps_job *at = nt_at(process->job);
    while (at && at != job)
        at = nt_at(at->parent);
    return at != NULL;
}

struct nt_process_object *ps_job_next(const struct ps_job *job, uint32_t *index)
{
    struct nt_object *object;
    while ((object = ob_id_next(index))) {
        struct nt_process_object *process = (struct nt_process_object *)object;
        if (object->type == NT_PROCESS && process->life != NT_PROCESS_ENDED && ps_job_contains(job, process))
            return process;
    }
    return NULL;
}

uint32_t ps_job_active(const struct ps_job *job)
{
    uint32_t count = 0, index = 0;
    while (ps_job_next(job, &index))
        count++;
    return count;
}

/* ---- joining --------------------------------------------------------------------------------------- */

/* Before the process is in it: does every job from `job` up to `around` still take one? */
static bool room_for_one(const struct ps_job *job, const struct ps_job *around)
{
    for (; job && job != around; job = nt_at(job->parent))
        if (job->limits.flags & JOB_LIMIT_ACTIVE_PROCESS && ps_job_active(job) >= job->limits.active) {
            ps_job_tell(job, MSG_ACTIVE_PROCESS_LIMIT, 0);
            return false;
        }
    return true;
}

static NTSTATUS job_enter(struct ps_job *job, struct nt_process_object *process)
{
    struct ps_job *around = nt_at(process->job), *at;
    if (!room_for_one(job, around))
        return STATUS_QUOTA_EXCEEDED;
    job->head.references++;
    OB_ORDER();
    process->job = nt_ref_of(job);
    for (at = job; at && at != around; at = nt_at(at->parent)) {
        at->total++;
        ps_job_tell(at, MSG_NEW_PROCESS, process->id);
    }
    if (around)
        nt_object_unreference(&around->head); /* the job inside it holds on to it */
    return STATUS_SUCCESS;
}

/* A process that is in a job already goes into one below it, which an unused job becomes thereby. */
NTSTATUS ps_job_assign(struct ps_job *job, struct nt_process_object *process)
{
    struct ps_job *around = nt_at(process->job), *at = nt_at(job->parent);
    if (process->life == NT_PROCESS_ENDING || process->life == NT_PROCESS_ENDED)
        return STATUS_PROCESS_IS_TERMINATING;
    if (around == job)
        return STATUS_SUCCESS;
    while (at && at != around)
        at = nt_at(at->parent);
    if (around && !at) {
        uint32_t index = 0;
        if (job->parent || ps_job_next(job, &index))
            return STATUS_ACCESS_DENIED;
        for (at = around; at; at = nt_at(at->parent))
            if (at == job)
                return STATUS_ACCESS_DENIED;
        around->head.references++;
        OB_ORDER();
        job->parent = nt_ref_of(around);
    }
    return job_enter(job, process);
}

NTSTATUS nt_job_inherit(struct nt_process_object *child, bool breakaway)
{
    const struct nt_process_object *creator = nt_at(nt_process.object);
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct ps_job *job = nt_at(creator->job);
    if (breakaway && job && !(job->limits.flags & (JOB_LIMIT_BREAKAWAY_OK | JOB_LIMIT_SILENT_BREAKAWAY_OK)))
        status = STATUS_ACCESS_DENIED;
    while (job && (job->limits.flags & JOB_LIMIT_SILENT_BREAKAWAY_OK || (breakaway && job->limits.flags & JOB_LIMIT_BREAKAWAY_OK)))
        job = nt_at(job->parent);
    if (!status && job)
        status = job_enter(job, child);
    nt_unlock();
    return status;
}

NTSTATUS nt_job_assign(HANDLE handle, struct nt_process_object *process)
{
    struct nt_object *job;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_JOB, JOB_ASSIGN_PROCESS, &job, NULL, NULL);
    if (!status)
        status = ps_job_assign((struct ps_job *)job, process);
    nt_unlock();
    return status;
}

/* ---- leaving --------------------------------------------------------------------------------------- */

/* Exit statuses that a fault leaves, as the documentation of JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS lists them. */
static bool abnormal(NTSTATUS status)
{
    static const NTSTATUS list[] = {
        STATUS_ACCESS_VIOLATION, STATUS_ARRAY_BOUNDS_EXCEEDED, STATUS_BREAKPOINT, STATUS_CONTROL_C_EXIT,
        STATUS_DATATYPE_MISALIGNMENT, STATUS_FLOAT_DENORMAL_OPERAND, STATUS_FLOAT_DIVIDE_BY_ZERO, STATUS_FLOAT_INEXACT_RESULT,
        STATUS_FLOAT_INVALID_OPERATION, STATUS_FLOAT_OVERFLOW, STATUS_FLOAT_STACK_CHECK, STATUS_FLOAT_UNDERFLOW,
        STATUS_GUARD_PAGE_VIOLATION, STATUS_ILLEGAL_INSTRUCTION, STATUS_IN_PAGE_ERROR, STATUS_INTEGER_DIVIDE_BY_ZERO,
        STATUS_INTEGER_OVERFLOW, STATUS_INVALID_DISPOSITION, STATUS_NONCONTINUABLE_EXCEPTION, STATUS_PRIVILEGED_INSTRUCTION,
        STATUS_SINGLE_STEP, STATUS_STACK_OVERFLOW,
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == status)
            return true;
    return false;
}

/* Lock held, and the process no longer counts. */
static void process_ended(struct nt_process_object *process)
{
    struct ps_job *job = nt_at(process->job);
    if (!job)
        return;
    for (struct ps_job *at = job; at; at = nt_at(at->parent)) {
        uint32_t index = 0, count = 0;
        for (struct nt_process_object *one; (one = ps_job_next(at, &index));)
            count += one != process;
        ps_job_tell(at, abnormal(process->exit_status) ? MSG_ABNORMAL_EXIT_PROCESS : MSG_EXIT_PROCESS, process->id);
        if (!count)
            ps_job_tell(at, MSG_ACTIVE_PROCESS_ZERO, 0);
    }
    process->job = 0;
    OB_ORDER();
    nt_object_unreference(&job->head);
}

/* ---- ending ---------------------------------------------------------------------------------------- */

static NTSTATUS own_status;
static bool own_end; /* this process is among those that a job ends: it goes when it has let go of the lock */

void ps_job_end(struct ps_job *job, NTSTATUS status)
{
    uint32_t index = 0;
    for (struct nt_process_object *process; (process = ps_job_next(job, &index));) {
        if (process->life == NT_PROCESS_ENDING)
            continue;
        if (nt_ref_of(process) == nt_process.object) {
            own_status = status;
            own_end = true;
            continue;
        }
        process->exit_status = status;
        process->ended = nt_time_now();
        OB_ORDER();
        process->life = NT_PROCESS_ENDING;
        ps_host_kill(process);
    }
}

void nt_job_end_self(void)
{
    if (__atomic_load_n(&own_end, __ATOMIC_RELAXED))
        nt_ps_process_exit(own_status);
}

static void job_closed(struct nt_object *object)
{
    struct ps_job *job = (struct ps_job *)object;
    if (job->limits.flags & JOB_LIMIT_KILL_ON_CLOSE)
        ps_job_end(job, STATUS_SUCCESS);
}

static void job_destroy(struct nt_object *object)
{
    struct ps_job *job = (struct ps_job *)object;
    if (job->port)
        nt_object_unreference(nt_at(job->port));
    if (job->parent)
        nt_object_unreference(nt_at(job->parent));
}

static void job_links(struct nt_object *object, void (*visit)(struct nt_object *to))
{
    struct ps_job *job = (struct ps_job *)object;
    if (job->port)
        visit(nt_at(job->port));
    if (job->parent)
        visit(nt_at(job->parent));
}

/* Before anything runs: this process may close what others made. */
__attribute__((constructor)) static void hooks_set(void)
{
    nt_type_closed[NT_JOB] = job_closed;
    nt_type_destroy[NT_JOB] = job_destroy;
    nt_type_links[NT_JOB] = job_links;
    nt_job_process_ended = process_ended;
    nt_close_after = nt_job_end_self;
}
