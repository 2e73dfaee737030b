/* A job: processes that are one thing. Children of a process in a job are in it too; when the job's last handle is closed it
 * takes all of them along. */
#include "start.h"

/* Starts a child of its own and waits; neither ends by itself. */
static int member(const char *role, HANDLE ready)
{
    PROCESS_INFORMATION child;

    if (!strcmp(role, "first") && !start(start_own_path(), 0, TRUE, &child, "second " START_HANDLE, start_number(ready)))
        return 1;
    if (!strcmp(role, "second"))
        SetEvent(ready);
    Sleep(3 * PATIENCE);
    return 2;
}

static HANDLE job_make(DWORD limits)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION information = { .BasicLimitInformation = { .LimitFlags = limits } };
    HANDLE job = CreateJobObjectA(NULL, NULL);

    check("a job", job && SetInformationJobObject(job, JobObjectExtendedLimitInformation, &information, sizeof information));
    return job;
}

/* Suspended until it is in the job: what it starts then is in it for certain. */
static int members_start(HANDLE job, HANDLE ready, PROCESS_INFORMATION *first)
{
    int done = start(start_own_path(), CREATE_SUSPENDED, TRUE, first, "first " START_HANDLE, start_number(ready));

    check("a child is put into it before it runs", done && AssignProcessToJobObject(job, first->hProcess));
    ResumeThread(first->hThread);
    return done && WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0;
}

static HANDLE members_tell(HANDLE job, const PROCESS_INFORMATION *first)
{
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounts = {0};
    ULONG_PTR room[8] = {0};
    JOBOBJECT_BASIC_PROCESS_ID_LIST *ids = (void *)room;
    BOOL inside = FALSE;
    HANDLE second = NULL;

    check("the child is in it", IsProcessInJob(first->hProcess, job, &inside) && inside);
    check("this process is not", IsProcessInJob(GetCurrentProcess(), job, &inside) && !inside);
    QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &accounts, sizeof accounts, NULL);
    show("processes, the grandchild among them", accounts.ActiveProcesses);
    check("their IDs", QueryInformationJobObject(job, JobObjectBasicProcessIdList, ids, sizeof room, NULL) && ids->NumberOfProcessIdsInList == 2);
    for (DWORD i = 0; i < ids->NumberOfProcessIdsInList; i++)
        if (ids->ProcessIdList[i] != first->dwProcessId)
            second = OpenProcess(PROCESS_QUERY_INFORMATION | SYNCHRONIZE, FALSE, (DWORD)ids->ProcessIdList[i]);
    check("the grandchild runs", second && start_running(second));
    return second;
}

static void close_ends_all(void)
{
    HANDLE job, ready = start_event(TRUE, FALSE), second;
    PROCESS_INFORMATION first;
    DWORD code = 1;

    printf("JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE\n");
    job = job_make(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE);
    check("both run", members_start(job, ready, &first));
    second = members_tell(job, &first);
    CloseHandle(job);
    check("its last handle is closed: the grandchild has ended", WaitForSingleObject(second, PATIENCE) == WAIT_OBJECT_0);
    GetExitCodeProcess(second, &code);
    show("the grandchild's exit code", code);
    show("the child's", start_finish(&first));
    CloseHandle(second);
    CloseHandle(ready);
}

static void without_the_limit(void)
{
    HANDLE job, ready = start_event(TRUE, FALSE), second;
    PROCESS_INFORMATION first, other;
    DWORD code = 1;

    printf("TerminateJobObject\n");
    job = job_make(0);
    check("both run", members_start(job, ready, &first));
    second = members_tell(job, &first);
    TerminateJobObject(job, 77);
    check("the grandchild has ended", WaitForSingleObject(second, PATIENCE) == WAIT_OBJECT_0);
    GetExitCodeProcess(second, &code);
    show("with", code);
    show("the child with", start_finish(&first));
    CloseHandle(second);
    printf("closed without the limit\n");
    check("another child", start(start_own_path(), CREATE_SUSPENDED, TRUE, &other, "second " START_HANDLE, start_number(ready)));
    check("is put into it", AssignProcessToJobObject(job, other.hProcess));
    CloseHandle(job);
    check("and runs on", WaitForSingleObject(other.hProcess, 200) == WAIT_TIMEOUT);
    TerminateProcess(other.hProcess, 5);
    show("until it is ended by itself", start_finish(&other));
    CloseHandle(ready);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return member(argv[1], start_handle(argv[2]));
    close_ends_all();
    without_the_limit();
    return sample_wrong_facts;
}
