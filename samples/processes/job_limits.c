/* What a job's limit of active processes does, and what priority class a process tells, gets from outside, and hands down. */
#include "start.h"

static void messages(HANDLE queue, DWORD first, DWORD second)
{
    OVERLAPPED *who;
    ULONG_PTR key;
    DWORD what;

    while (GetQueuedCompletionStatus(queue, &what, &key, &who, 0))
        printf("  message %lu, %s\n", what,
               (DWORD)(ULONG_PTR)who == first ? "the first" : (DWORD)(ULONG_PTR)who == second ? "the second" : "no process");
}

/* A job for one process: a second one is refused, and ended. */
static void one_too_many(void)
{
    JOBOBJECT_BASIC_LIMIT_INFORMATION limits = { .LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS, .ActiveProcessLimit = 1 };
    HANDLE job = CreateJobObjectA(NULL, NULL), queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = { NULL, queue };
    PROCESS_INFORMATION first, second;

    printf("a job for one process\n");
    SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation, &association, sizeof association);
    check("  the limit is set", SetInformationJobObject(job, JobObjectBasicLimitInformation, &limits, sizeof limits));
    start(start_own_path(), CREATE_SUSPENDED, FALSE, &first, "idle");
    start(start_own_path(), CREATE_SUSPENDED, FALSE, &second, "idle");
    check("  a first process goes in", AssignProcessToJobObject(job, first.hProcess));
    BOOL done = AssignProcessToJobObject(job, second.hProcess);
    printf("  a second: %s, error %lu\n", done ? "yes" : "no", done ? 0 : GetLastError());
    check("  and is over, although it never ran", WaitForSingleObject(second.hProcess, done ? 0 : PATIENCE) == WAIT_OBJECT_0);
    messages(queue, first.dwProcessId, second.dwProcessId);
    ResumeThread(first.hThread);
    ResumeThread(second.hThread);
    show("  the first's exit code", start_finish(&first));
    check("  the second did not end by itself", start_finish(&second) != 0);
    CloseHandle(job);
    CloseHandle(queue);
}

/* In the job itself: its child is never made. */
static int full(void)
{
    JOBOBJECT_BASIC_LIMIT_INFORMATION limits = { .LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS, .ActiveProcessLimit = 1 };
    HANDLE job = CreateJobObjectA(NULL, NULL);
    PROCESS_INFORMATION child;

    SetInformationJobObject(job, JobObjectBasicLimitInformation, &limits, sizeof limits);
    AssignProcessToJobObject(job, GetCurrentProcess());
    if (start(start_own_path(), 0, FALSE, &child, "idle"))
        return (int)start_finish(&child);
    return (int)GetLastError();
}

static DWORD class_of_child(void)
{
    PROCESS_INFORMATION child;
    DWORD result;

    start(start_own_path(), CREATE_SUSPENDED, FALSE, &child, "idle");
    result = GetPriorityClass(child.hProcess);
    ResumeThread(child.hThread);
    start_finish(&child);
    return result;
}

static void priorities(void)
{
    PROCESS_INFORMATION child;

    printf("priority classes\n");
    printf("  this process: 0x%lx\n", GetPriorityClass(GetCurrentProcess()));
    start(start_own_path(), CREATE_SUSPENDED, FALSE, &child, "idle");
    check("  a child's is set from outside", SetPriorityClass(child.hProcess, BELOW_NORMAL_PRIORITY_CLASS));
    printf("  and told: 0x%lx\n", GetPriorityClass(child.hProcess));
    printf("  this process has its own still: 0x%lx\n", GetPriorityClass(GetCurrentProcess()));
    ResumeThread(child.hThread);
    start_finish(&child);
    SetPriorityClass(GetCurrentProcess(), HIGH_PRIORITY_CLASS);
    printf("  a high one is not handed down: 0x%lx\n", class_of_child());
    SetPriorityClass(GetCurrentProcess(), IDLE_PRIORITY_CLASS);
    printf("  a low one is: 0x%lx\n", class_of_child());
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION child;

    if (start_is(argc, argv, "idle"))
        return 0;
    if (start_is(argc, argv, "full"))
        return full();
    one_too_many();
    start(start_own_path(), 0, FALSE, &child, "full");
    show("a child made in a full job: error", start_finish(&child));
    priorities();
    return sample_wrong_facts;
}
