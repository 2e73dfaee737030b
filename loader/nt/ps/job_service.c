/* What guests ask of jobs. */
#include "loader/nt/ke/objects.h"
#include "loader/nt/ps/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESS_TERMINATE = 1, PROCESS_SET_QUOTA = 0x100, PROCESS_QUERY_LIMITED_INFORMATION = 0x1000 };
enum { CLASS_ACCOUNTING = 1, CLASS_LIMITS, CLASS_PROCESSES, CLASS_INTERFACE, CLASS_SECURITY, CLASS_END_OF_TIME, CLASS_PORT,
       CLASS_ACCOUNTING_IO, CLASS_EXTENDED_LIMITS };
enum { BASIC_FLAGS = 0xFF, EXTENDED_FLAGS = 0x7FFF };

struct accounting {
    uint64_t user, kernel, period_user, period_kernel; /* 100 ns */
    uint32_t faults, total, active, terminated;
    uint64_t io[6];
};
struct basic_limits {
    uint64_t process_time, job_time;
    uint32_t flags;
    SIZE_T least_set, largest_set;
    uint32_t active;
    ULONG_PTR affinity;
    uint32_t priority, scheduling;
} __attribute__((aligned(8)));
struct extended_limits { struct basic_limits basic; uint64_t io[6]; SIZE_T process_memory, job_memory, process_peak, job_peak; };
_Static_assert(sizeof(struct accounting) == 96 && sizeof(struct basic_limits) == NT_WIDTH(48, 64) &&
               sizeof(struct extended_limits) == NT_WIDTH(112, 144), "JOBOBJECT_*");

NTSTATUS NtCreateJobObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_make(handle, access, attributes, NT_JOB, sizeof(struct ps_job), NULL, NULL);
}

NTSTATUS NtOpenJobObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_JOB);
}

/* Whom a job with a limit of active processes has no room for ends, as JOBOBJECT_BASIC_LIMIT_INFORMATION documents. */
static void one_too_many(struct nt_process_object *process)
{
    enum { NOT_ENOUGH_QUOTA = 1816 };
    bool self = nt_ref_of(process) == nt_process.object;
    if (!self)
        nt_ps_terminate(process, NOT_ENOUGH_QUOTA);
    nt_object_release(&process->head);
    if (self)
        nt_ps_process_exit(NOT_ENOUGH_QUOTA);
}

NTSTATUS NtAssignProcessToJobObject(HANDLE job_handle, HANDLE process_handle)
{
    struct nt_object *job, *process;
    nt_lock();
    NTSTATUS status = ob_handle_find(job_handle, NT_JOB, JOB_ASSIGN_PROCESS, &job, NULL, NULL);
    if (!status)
        status = ob_handle_find(process_handle, NT_PROCESS, PROCESS_SET_QUOTA | PROCESS_TERMINATE, &process, NULL, NULL);
    if (!status)
        status = ps_job_assign((struct ps_job *)job, (struct nt_process_object *)process);
    if (status == STATUS_QUOTA_EXCEEDED)
        nt_object_hold(process);
    nt_unlock();
    if (status == STATUS_QUOTA_EXCEEDED)
        one_too_many((struct nt_process_object *)process);
    return status;
}

NTSTATUS NtTerminateJobObject(HANDLE handle, NTSTATUS exit_status)
{
    struct nt_object *job;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_JOB, JOB_TERMINATE, &job, NULL, NULL);
    if (!status)
        ps_job_end((struct ps_job *)job, exit_status);
    nt_unlock();
    if (!status)
        nt_job_end_self();
    return status;
}

NTSTATUS NtIsProcessInJob(HANDLE process_handle, HANDLE job_handle)
{
    struct nt_object *job = NULL, *process;
    bool within = false;
    nt_lock();
    NTSTATUS status = ob_handle_find(process_handle, NT_PROCESS, PROCESS_QUERY_LIMITED_INFORMATION, &process, NULL, NULL);
    if (!status && job_handle)
        status = ob_handle_find(job_handle, NT_JOB, JOB_QUERY, &job, NULL, NULL);
    if (!status)
        within = job ? ps_job_contains((struct ps_job *)job, (struct nt_process_object *)process)
                     : ((struct nt_process_object *)process)->job != 0;
    nt_unlock();
    return status ? status : within ? STATUS_PROCESS_IN_JOB : STATUS_PROCESS_NOT_IN_JOB;
}

/* ---- asking ---------------------------------------------------------------------------------------- */

/* Of those that still run; what ended ones took is not kept. */
static void times_add(uint32_t pid, struct accounting *accounting)
{
    char path[40], text[512];
    unsigned long long user, kernel;
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *at = strrchr(text, ')');
    uint64_t tick = 10000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    if (at && sscanf(at, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &kernel) == 2) {
        accounting->user += user * tick;
        accounting->kernel += kernel * tick;
    }
}

static void accounting_fill(const struct ps_job *job, struct accounting *accounting)
{
    uint32_t index = 0;
    memset(accounting, 0, sizeof *accounting);
    accounting->total = job->total;
    for (const struct nt_process_object *process; (process = ps_job_next(job, &index)); accounting->active++)
        times_add(process->host_pid, accounting);
    accounting->period_user = accounting->user;
    accounting->period_kernel = accounting->kernel;
}

static void limits_fill(const struct ps_job_limits *from, struct extended_limits *to)
{
    memset(to, 0, sizeof *to);
    to->basic = (struct basic_limits){from->process_time, from->job_time, from->flags, (SIZE_T)from->least_set,
                                      (SIZE_T)from->largest_set, from->active, (ULONG_PTR)from->affinity, from->priority,
                                      from->scheduling};
    to->process_memory = (SIZE_T)from->process_memory;
    to->job_memory = (SIZE_T)from->job_memory;
}

/* How many processes there are, how many of them are listed, and their IDs. */
static NTSTATUS processes_give(const struct ps_job *job, void *buffer, ULONG length, ULONG *size)
{
    struct { uint32_t assigned, listed; } head = {0, 0};
    uint32_t index = 0;
    if (length < sizeof head + sizeof(ULONG_PTR))
        return STATUS_INFO_LENGTH_MISMATCH;
    uint32_t room = (length - (uint32_t)sizeof head) / (uint32_t)sizeof(ULONG_PTR), active;
    nt_lock();
    active = ps_job_active(job);
    ULONG_PTR *list = malloc((active < room ? active : room) * sizeof *list + 1);
    for (const struct nt_process_object *process; list && (process = ps_job_next(job, &index)); head.assigned++)
        if (head.listed < room && head.listed < active)
            list[head.listed++] = process->id;
    nt_unlock();
    if (!list)
        return STATUS_NO_MEMORY;
    bool written = nt_write(buffer, &head, sizeof head) &&
                   nt_write((char *)buffer + sizeof head, list, head.listed * sizeof *list);
    free(list);
    *size = (ULONG)(sizeof head + head.listed * sizeof *list);
    return !written ? STATUS_ACCESS_VIOLATION : head.listed < head.assigned ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* No handle means the caller's own job. Referenced. */
static NTSTATUS job_get(HANDLE handle, ACCESS_MASK access, struct ps_job **job)
{
    struct nt_object *object = NULL;
    nt_lock();
    NTSTATUS status = STATUS_SUCCESS;
    if (handle)
        status = ob_handle_find(handle, NT_JOB, access, &object, NULL, NULL);
    else if (!(object = nt_at(((struct nt_process_object *)nt_at(nt_process.object))->job)))
        status = STATUS_ACCESS_DENIED;
    if (!status)
        nt_object_hold(object);
    nt_unlock();
    *job = (struct ps_job *)object;
    return status;
}

static NTSTATUS fixed_give(const struct ps_job *job, ULONG information_class, void *buffer, ULONG length, ULONG *size)
{
    union { struct accounting accounting; struct extended_limits limits; uint32_t word; } answer;
    bool fits;
    nt_lock();
    switch (information_class) {
    case CLASS_ACCOUNTING: case CLASS_ACCOUNTING_IO:
        accounting_fill(job, &answer.accounting);
        *size = information_class == CLASS_ACCOUNTING ? offsetof(struct accounting, io) : sizeof answer.accounting;
        break;
    case CLASS_LIMITS: case CLASS_EXTENDED_LIMITS:
        limits_fill(&job->limits, &answer.limits);
        *size = information_class == CLASS_LIMITS ? sizeof answer.limits.basic : sizeof answer.limits;
        break;
    default:
        answer.word = information_class == CLASS_INTERFACE ? job->interface : job->at_end;
        *size = sizeof answer.word;
    }
    nt_unlock();
    fits = length >= *size;
    return !fits ? STATUS_INFO_LENGTH_MISMATCH : nt_write(buffer, &answer, *size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtQueryInformationJobObject(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct ps_job *job;
    ULONG size = 0;
    if (information_class < CLASS_ACCOUNTING || information_class > CLASS_EXTENDED_LIMITS || information_class == CLASS_PORT ||
        information_class == CLASS_SECURITY)
        return STATUS_INVALID_INFO_CLASS;
    NTSTATUS status = job_get(handle, JOB_QUERY, &job);
    if (status)
        return status;
    if (information_class == CLASS_PROCESSES)
        status = processes_give(job, buffer, length, &size);
    else
        status = fixed_give(job, information_class, buffer, length, &size);
    nt_object_release(&job->head);
    if ((!status || status == STATUS_BUFFER_OVERFLOW) && returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    return status;
}

/* ---- changing -------------------------------------------------------------------------------------- */

static NTSTATUS limits_set(struct ps_job *job, const void *buffer, ULONG length, bool extended)
{
    struct extended_limits limits;
    ULONG size = extended ? sizeof limits : sizeof limits.basic;
    memset(&limits, 0, sizeof limits);
    if (length != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!nt_read(&limits, buffer, size))
        return STATUS_ACCESS_VIOLATION;
    if (limits.basic.flags & ~(uint32_t)(extended ? EXTENDED_FLAGS : BASIC_FLAGS))
        return STATUS_INVALID_PARAMETER;
    nt_lock();
    job->limits = (struct ps_job_limits){
        limits.basic.process_time, limits.basic.job_time, limits.basic.least_set, limits.basic.largest_set, limits.basic.affinity,
        extended ? limits.process_memory : job->limits.process_memory, extended ? limits.job_memory : job->limits.job_memory,
        extended ? limits.basic.flags : limits.basic.flags | (job->limits.flags & ~(uint32_t)BASIC_FLAGS),
        limits.basic.active, limits.basic.priority, limits.basic.scheduling};
    nt_unlock();
    return STATUS_SUCCESS;
}

/* A port is given once, and hears first of those that are in the job already. */
static NTSTATUS port_set(struct ps_job *job, const void *buffer, ULONG length)
{
    enum { MODIFY_STATE = 2, MSG_NEW_PROCESS = 6 };
    struct { ULONG_PTR key; HANDLE port; } wish;
    struct nt_object *port;
    uint32_t index = 0;
    if (length != sizeof wish)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!nt_read(&wish, buffer, sizeof wish))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    NTSTATUS status = ob_handle_find(wish.port, NT_COMPLETION, MODIFY_STATE, &port, NULL, NULL);
    if (!status && job->port)
        status = STATUS_INVALID_PARAMETER;
    if (!status) {
        port->references++;
        job->port_key = wish.key;
        OB_ORDER();
        job->port = nt_ref_of(port);
        for (const struct nt_process_object *process; (process = ps_job_next(job, &index));)
            ps_job_tell(job, MSG_NEW_PROCESS, process->id);
    }
    nt_unlock();
    return status;
}

NTSTATUS NtSetInformationJobObject(HANDLE handle, ULONG information_class, const void *buffer, ULONG length)
{
    struct ps_job *job;
    uint32_t word;
    if (information_class < CLASS_LIMITS || information_class > CLASS_EXTENDED_LIMITS || information_class == CLASS_PROCESSES ||
        information_class == CLASS_SECURITY || information_class == CLASS_ACCOUNTING_IO)
        return STATUS_INVALID_INFO_CLASS;
    NTSTATUS status = job_get(handle, JOB_SET_ATTRIBUTES, &job);
    if (status)
        return status;
    switch (information_class) {
    case CLASS_LIMITS: case CLASS_EXTENDED_LIMITS:
        status = limits_set(job, buffer, length, information_class == CLASS_EXTENDED_LIMITS);
        break;
    case CLASS_PORT:
        status = port_set(job, buffer, length);
        break;
    default:
        status = length != sizeof word ? STATUS_INFO_LENGTH_MISMATCH : NT_GET(word, buffer) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
        if (!status)
            *(information_class == CLASS_INTERFACE ? &job->interface : &job->at_end) = word;
    }
    nt_object_release(&job->head);
    return status;
}
