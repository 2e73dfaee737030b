/* Jobs, between ps/job.c (who is in which) and ps/job_service.c (what guests ask). */
#ifndef NT_PS_JOB_H
#define NT_PS_JOB_H

#include "loader/nt/ps/session.h"

enum { JOB_ASSIGN_PROCESS = 1, JOB_SET_ATTRIBUTES = 2, JOB_QUERY = 4, JOB_TERMINATE = 8 };
enum { JOB_LIMIT_ACTIVE_PROCESS = 8, JOB_LIMIT_BREAKAWAY_OK = 0x800, JOB_LIMIT_SILENT_BREAKAWAY_OK = 0x1000,
       JOB_LIMIT_KILL_ON_CLOSE = 0x2000 };

/* JOBOBJECT_EXTENDED_LIMIT_INFORMATION in one width. */
struct ps_job_limits {
    uint64_t process_time, job_time, least_set, largest_set, affinity, process_memory, job_memory;
    uint32_t flags, active, priority, scheduling;
};

struct ps_job {
    struct nt_object head;
    struct ps_job_limits limits;
    nt_ref parent;               /* the job around it, referenced; 0: none */
    nt_ref port;                 /* completion port, referenced; 0: none */
    uint64_t port_key;
    uint32_t total;              /* processes that ever were in it */
    uint32_t interface;          /* JOB_OBJECT_UILIMIT_* */
    uint32_t at_end;             /* EndOfJobTimeAction */
    uint32_t pad;
};
_Static_assert(offsetof(struct ps_job, port_key) == 112 && sizeof(struct ps_job) == 136, "the same in 32- and 64-bit processes");

/* Lock held. */
bool ps_job_contains(const struct ps_job *job, const struct nt_process_object *process);
/* Processes in the job and in those below it that have not ended; *index begins with 0. NULL: that was the last. */
struct nt_process_object *ps_job_next(const struct ps_job *job, uint32_t *index);
uint32_t ps_job_active(const struct ps_job *job);
NTSTATUS ps_job_assign(struct ps_job *job, struct nt_process_object *process);
void ps_job_end(struct ps_job *job, NTSTATUS status); /* then, without the lock: nt_job_end_self */
/* To the job's completion port, if it has one. */
void ps_job_tell(const struct ps_job *job, uint32_t message, uint32_t process);

NTSTATUS NtCreateJobObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtOpenJobObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtAssignProcessToJobObject(HANDLE job, HANDLE process);
NTSTATUS NtTerminateJobObject(HANDLE job, NTSTATUS status);
NTSTATUS NtIsProcessInJob(HANDLE process, HANDLE job);
NTSTATUS NtQueryInformationJobObject(HANDLE job, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtSetInformationJobObject(HANDLE job, ULONG information_class, const void *buffer, ULONG length);

#endif
