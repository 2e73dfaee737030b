/* A thread that another process starts (远程线程注入): the parent writes numbers into a child and has a function of the child's
 * own add them up; at last it has the child call ExitProcess. */
#include "remote.h"

struct numbers { DWORD count, first[8]; };

/* Runs in the child. Another process has to see all that it leaves: its exit code alone. */
static DWORD WINAPI sum(void *parameter)
{
    struct numbers *numbers = parameter;
    DWORD result = 0;

    for (DWORD i = 0; i < numbers->count; i++)
        result += numbers->first[i];
    return result;
}

static int child(HANDLE ready)
{
    SetEvent(ready);
    Sleep(3 * PATIENCE);
    return 1;
}

int main(int argc, char **argv)
{
    static const struct numbers numbers = { 8, { 1, 2, 4, 8, 16, 32, 64, 128 } };
    PROCESS_INFORMATION information;
    HANDLE ready, thread;
    DWORD id = 0, code = 0;
    void *there;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    ready = start_event(TRUE, FALSE);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE, start_number(ready)) &&
                              WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    HANDLE process = information.hProcess;
    there = VirtualAllocEx(process, NULL, sizeof numbers, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    check("numbers are written into it", there && remote_write(process, there, &numbers, sizeof numbers));
    thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)remote_address(process, (void *)sum), there, 0, &id);
    check("a thread is started there", thread != NULL);
    check("it is the child's", GetProcessIdOfThread(thread) == information.dwProcessId && GetThreadId(thread) == id &&
                                   id != information.dwThreadId);
    check("it ends", WaitForSingleObject(thread, PATIENCE) == WAIT_OBJECT_0 && GetExitCodeThread(thread, &code));
    show("the sum of the numbers", code);
    CloseHandle(thread);
    check("the child does not notice", start_running(process));

    thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)remote_address(process, (void *)sum), there, CREATE_SUSPENDED, NULL);
    check("another one, suspended", thread && WaitForSingleObject(thread, 100) == WAIT_TIMEOUT);
    show("resumed, it was suspended so often", ResumeThread(thread));
    check("it ends too", WaitForSingleObject(thread, PATIENCE) == WAIT_OBJECT_0);
    CloseHandle(thread);

    /* kernel32 lies at the same place in every process. */
    thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)GetProcAddress(GetModuleHandleA("kernel32"), "ExitProcess"),
                                (void *)91, 0, NULL);
    check("a thread in the child calls ExitProcess", thread != NULL);
    CloseHandle(thread);
    show("the child's exit code", start_finish(&information));
    CloseHandle(ready);
    return sample_wrong_facts;
}
