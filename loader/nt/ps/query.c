/* The services of threads and processes, and what they tell about threads. */
#include "loader/nt/arch.h"
#include "loader/nt/ex.h"
#include "loader/nt/ps/job.h"
#include "loader/nt/ps/private.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static NTSTATUS NtCreateThreadEx(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, HANDLE process,
                                 uintptr_t start, uintptr_t parameter, ULONG flags, ULONG_PTR zero_bits, SIZE_T commit,
                                 SIZE_T reserve, const SIZE_T *list)
{
    (void)zero_bits;
    return nt_ps_create_thread(handle, access, attributes, process, start, parameter, flags, commit, reserve, list);
}

static NTSTATUS NtTerminateThread(HANDLE handle, NTSTATUS status) { return nt_ps_terminate_thread(handle, status); }
static NTSTATUS NtTerminateProcess(HANDLE handle, NTSTATUS status) { return nt_ps_terminate_process(handle, status); }

static NTSTATUS open_by_id(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, uint32_t id,
                           enum nt_type type)
{
    struct nt_attributes attributes;
    HANDLE opened;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &attributes);
    if (status)
        return status;
    nt_attributes_free(&attributes);
    struct nt_object *object = nt_id_object(id, type);
    if (!object)
        return STATUS_INVALID_CID;
    status = nt_handle_create(object, nt_access_map(type, access), attributes.attributes & OBJ_INHERIT, -1, &opened);
    nt_object_release(object);
    if (!status && !NT_PUT(handle, opened)) {
        nt_handle_close(opened);
        status = STATUS_ACCESS_VIOLATION;
    }
    return status;
}

static NTSTATUS NtOpenProcess(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, const CLIENT_ID *client)
{
    CLIENT_ID id;
    if (!NT_GET(id, client))
        return STATUS_ACCESS_VIOLATION;
    return open_by_id(handle, access, attributes, (uint32_t)id.process, NT_PROCESS);
}

static NTSTATUS NtOpenThread(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, const CLIENT_ID *client)
{
    CLIENT_ID id;
    if (!NT_GET(id, client))
        return STATUS_ACCESS_VIOLATION;
    return open_by_id(handle, access, attributes, (uint32_t)id.thread, NT_THREAD);
}

/* ---- information about a thread ---- */

struct basic { NTSTATUS exit_status; void *teb; CLIENT_ID client; ULONG_PTR affinity; LONG priority, base_priority; };
_Static_assert(sizeof(struct basic) == NT_WIDTH(0x1c, 0x30), "THREAD_BASIC_INFORMATION");
struct times { LONGLONG created, ended, kernel, user; };

static void times_fill(const struct nt_thread_object *thread, struct times *times)
{
    struct timespec used = {0, 0};
    times->created = (LONGLONG)thread->created;
    times->ended = (LONGLONG)thread->ended;
    times->kernel = 0;
    if (thread == nt_thread_self->object)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    times->user = (LONGLONG)used.tv_sec * 10000000 + used.tv_nsec / 100;
}

static ULONG_PTR affinity_all(void)
{
    unsigned processors = ex_processor_count();
    return processors >= 8 * sizeof(ULONG_PTR) ? ~(ULONG_PTR)0 : ((ULONG_PTR)1 << processors) - 1;
}

/* Copies an answer of exactly `size` bytes. */
static NTSTATUS answer(void *guest, ULONG length, ULONG *guest_returned, const void *data, ULONG size)
{
    if (length != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!nt_write(guest, data, size) || (guest_returned && !NT_PUT(guest_returned, size)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

static NTSTATUS query(struct nt_thread_object *thread, ULONG class, void *guest, ULONG length, ULONG *returned)
{
    switch (class) {
    case 0: {
        struct basic basic = {thread->exit_status, (void *)(uintptr_t)thread->teb, {thread->process_id, thread->id},
                              affinity_all(), 0, 0};
        return answer(guest, length, returned, &basic, sizeof basic);
    }
    case 1: {
        struct times times;
        times_fill(thread, &times);
        return answer(guest, length, returned, &times, sizeof times);
    }
    case 9: {
        ULONG_PTR start = (ULONG_PTR)thread->start_address;
        return answer(guest, length, returned, &start, sizeof start);
    }
    case 12: {
        ULONG last;
        nt_lock();
        last = ((struct nt_process_object *)nt_at(thread->process))->thread_count <= 1;
        nt_unlock();
        return answer(guest, length, returned, &last, sizeof last);
    }
    case 14: case 17: { /* priority boost, hidden from debugger */
        ULONG none = 0;
        return answer(guest, length, returned, &none, class == 14 ? sizeof none : 1);
    }
    case 29: return ps_context_wow64(thread, false, guest, length);
    case 20: {
        ULONG ended = thread->head.signal > 0;
        return answer(guest, length, returned, &ended, sizeof ended);
    }
    case 30: {
        struct { ULONG_PTR mask; USHORT group, reserved[3]; } group = {affinity_all(), 0, {0, 0, 0}};
        return answer(guest, length, returned, &group, sizeof group);
    }
    case 35: {
        ULONG count = (ULONG)thread->suspend_count;
        return answer(guest, length, returned, &count, sizeof count);
    }
    }
    return STATUS_INVALID_INFO_CLASS;
}

static NTSTATUS NtQueryInformationThread(HANDLE handle, ULONG class, void *guest, ULONG length, ULONG *returned)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 0x800 /* QUERY_LIMITED */, &object, NULL, NULL);
    if (status)
        return status;
    status = query((struct nt_thread_object *)object, class, guest, length, returned);
    nt_object_release(object);
    return status;
}

static NTSTATUS NtSetInformationThread(HANDLE handle, ULONG class, const void *guest, ULONG length)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 0, &object, NULL, NULL);
    if (status)
        return status;
    switch (class) {
    case 2: case 3: case 4: case 13: case 14: case 17: case 22: case 24: case 30: case 33: case 38:
        break; /* scheduling hints, names, hiding: nothing here depends on them */
    case 5: {  /* impersonation; a zero token reverts */
        HANDLE token;
        status = length != sizeof token ? STATUS_INFO_LENGTH_MISMATCH
                 : !NT_GET(token, (const HANDLE *)guest) ? STATUS_ACCESS_VIOLATION
                 : nt_ex_impersonate((struct nt_thread_object *)object, token);
        break;
    }
    case 29:
        status = ps_context_wow64((struct nt_thread_object *)object, true, (void *)guest, length);
        break;
    case 10: { /* ThreadZeroTlsCell: a freed TLS index reads zero in every thread */
        ULONG index;
        status = length != sizeof index ? STATUS_INFO_LENGTH_MISMATCH
                 : !NT_GET(index, (const ULONG *)guest) ? STATUS_ACCESS_VIOLATION : nt_ps_zero_tls(index);
        break;
    }
    default:
        status = STATUS_INVALID_INFO_CLASS;
    }
    nt_object_release(object);
    return status;
}

static NTSTATUS NtFlushProcessWriteBuffers(void)
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    return STATUS_SUCCESS;
}

static NTSTATUS NtAlertResumeThread(HANDLE handle, ULONG *previous) { return NtResumeThread(handle, previous); }

const struct nt_service nt_services_ps[] = {
    NT_SERVICE(NtCreateThreadEx, 11),
    NT_SERVICE(NtCreateUserProcess, 11),
    NT_SERVICE(NtCreateJobObject, 3), NT_SERVICE(NtOpenJobObject, 3), NT_SERVICE(NtAssignProcessToJobObject, 2),
    NT_SERVICE(NtTerminateJobObject, 2), NT_SERVICE(NtIsProcessInJob, 2), NT_SERVICE(NtQueryInformationJobObject, 5),
    NT_SERVICE(NtSetInformationJobObject, 4),
    NT_SERVICE(NtTerminateThread, 2),
    NT_SERVICE(NtTerminateProcess, 2),
    NT_SERVICE(NtOpenProcess, 4),
    NT_SERVICE(NtOpenThread, 4),
    NT_SERVICE(NtContinue, 2),
    NT_SERVICE(NtRaiseException, 3),
    NT_SERVICE(NtSuspendThread, 2),
    NT_SERVICE(NtResumeThread, 2),
    NT_SERVICE(NtAlertResumeThread, 2),
    NT_SERVICE(NtGetContextThread, 2),
    NT_SERVICE(NtSetContextThread, 2),
    NT_SERVICE(NtQueryInformationThread, 5),
    NT_SERVICE(NtSetInformationThread, 4),
    NT_SERVICE(NtFlushProcessWriteBuffers, 0),
    {NULL, 0, NULL},
};
