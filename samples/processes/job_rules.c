/* What a job lets its processes do: break away, be more than so many, be in a job inside it; what its completion port hears;
 * and that it ends also who ends it. */
#include "start.h"

static HANDLE job_of_self(DWORD limits, DWORD most)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION information = { .BasicLimitInformation = { .LimitFlags = limits, .ActiveProcessLimit = most } };
    HANDLE job = CreateJobObjectA(NULL, NULL);

    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &information, sizeof information) ||
        !AssignProcessToJobObject(job, GetCurrentProcess()))
        ExitProcess(0xbad);
    return job;
}

/* What becomes of a child that is started with these flags: an error, or whether it is in the job. */
static void try(const char *what, HANDLE job, DWORD flags)
{
    PROCESS_INFORMATION child;
    BOOL inside = FALSE;

    if (!start(start_own_path(), flags | CREATE_SUSPENDED, FALSE, &child, "idle")) {
        printf("  %s: error %lu\n", what, GetLastError());
        return;
    }
    IsProcessInJob(child.hProcess, job, &inside);
    ResumeThread(child.hThread);
    start_finish(&child);
    printf("  %s: %s\n", what, inside ? "in the job" : "outside");
}

static int role(const char *name)
{
    JOBOBJECT_BASIC_LIMIT_INFORMATION wrong = { .LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE };
    HANDLE job;

    if (!strcmp(name, "plain")) {
        job = job_of_self(0, 0);
        try("a child", job, 0);
        try("one that wants to break away", job, CREATE_BREAKAWAY_FROM_JOB);
        check("  limits of the other kind are refused",
              !SetInformationJobObject(job, JobObjectBasicLimitInformation, &wrong, sizeof wrong) && GetLastError() == ERROR_INVALID_PARAMETER);
    } else if (!strcmp(name, "breakaway")) {
        job = job_of_self(JOB_OBJECT_LIMIT_BREAKAWAY_OK, 0);
        try("a child", job, 0);
        try("one that wants to break away", job, CREATE_BREAKAWAY_FROM_JOB);
    } else if (!strcmp(name, "silent")) {
        job = job_of_self(JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK, 0);
        try("a child", job, 0);
    } else if (!strcmp(name, "nested")) {
        HANDLE inner = CreateJobObjectA(NULL, NULL);
        JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounts = {0};

        job = job_of_self(0, 0);
        check("  a job inside the job", AssignProcessToJobObject(inner, GetCurrentProcess()));
        try("a child, seen from the outer one", job, 0);
        QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &accounts, sizeof accounts, NULL);
        printf("  it runs %lu, and has had %lu\n", accounts.ActiveProcesses, accounts.TotalProcesses);
    } else if (!strcmp(name, "terminate")) {
        TerminateJobObject(job_of_self(0, 0), 5);
        return 1;
    }
    return sample_wrong_facts;
}

static void run(const char *name)
{
    PROCESS_INFORMATION child;

    printf("%s\n", name);
    start(start_own_path(), 0, TRUE, &child, "%s", name);
    printf("  exit code %lu\n", start_finish(&child));
}

static void port(void)
{
    HANDLE job = CreateJobObjectA(NULL, NULL), queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = { (void *)77, queue };
    PROCESS_INFORMATION child;
    OVERLAPPED *who;
    ULONG_PTR key;
    DWORD what;

    printf("completion port\n");
    check("  given", SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation, &association, sizeof association));
    start(start_own_path(), CREATE_SUSPENDED, FALSE, &child, "idle");
    AssignProcessToJobObject(job, child.hProcess);
    ResumeThread(child.hThread);
    for (int i = 0; i < 3 && GetQueuedCompletionStatus(queue, &what, &key, &who, PATIENCE); i++)
        printf("  message %lu, key %lu%s\n", what, (unsigned long)key, (DWORD)(ULONG_PTR)who == child.dwProcessId ? ", the child" : "");
    start_finish(&child);
}

int main(int argc, char **argv)
{
    if (start_is(argc, argv, "idle"))
        return 0;
    if (argc > 1)
        return role(argv[1]);
    static const char *const names[] = { "plain", "breakaway", "silent", "nested", "terminate" };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        run(names[i]);
    port();
    return sample_wrong_facts;
}
