/* Handles are for programs, IDs for the scheduler. Closing both handles of a running child ends nothing; by its ID it can be
 * opened again. While any handle is open its ID belongs to it, also after its end; then the ID is free for a stranger. */
#include "start.h"

static int child(HANDLE go_on)
{
    return WaitForSingleObject(go_on, PATIENCE) == WAIT_OBJECT_0 ? 21 : 1;
}

/* Others may hold a process for a moment longer: whoever looks at all processes just now, for one. */
static int becomes_free(DWORD id)
{
    for (int i = 0; i < PATIENCE / 20; i++) {
        HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, id);

        if (!process)
            return GetLastError() == ERROR_INVALID_PARAMETER;
        CloseHandle(process);
        Sleep(20);
    }
    return 0;
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    HANDLE go_on, process, thread;
    DWORD id, thread_id, code = 0;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    go_on = start_event(TRUE, FALSE);
    check("a child is created", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE, start_number(go_on)));
    id = information.dwProcessId;
    thread_id = information.dwThreadId;
    check("no process has a thread's ID", !OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, thread_id));
    check("no thread has a process's ID", !OpenThread(THREAD_QUERY_INFORMATION, FALSE, id));
    CloseHandle(information.hThread);
    CloseHandle(information.hProcess);
    check("a closed handle is none", !GetProcessId(information.hProcess) && GetLastError() == ERROR_INVALID_HANDLE);

    process = OpenProcess(PROCESS_QUERY_INFORMATION | SYNCHRONIZE, FALSE, id);
    check("both handles are closed; by its ID it can be opened", process != NULL);
    check("and it runs on", start_running(process));
    check("the handle's rights are those asked for", !TerminateProcess(process, 1) && GetLastError() == ERROR_ACCESS_DENIED);
    thread = OpenThread(THREAD_QUERY_INFORMATION | SYNCHRONIZE, FALSE, thread_id);
    check("its thread likewise", thread && GetThreadId(thread) == thread_id && GetProcessIdOfThread(thread) == id);
    check("an ID of nobody", !OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, 0x7ffffff0) && GetLastError() == ERROR_INVALID_PARAMETER);

    SetEvent(go_on);
    check("it ends", WaitForSingleObject(process, PATIENCE) == WAIT_OBJECT_0);
    check("its thread has ended with it", WaitForSingleObject(thread, PATIENCE) == WAIT_OBJECT_0);
    check("the exit code can be read while a handle is open", GetExitCodeProcess(process, &code) && code == 21);
    check("and its ID is still its own", GetProcessId(process) == id);
    CloseHandle(process);
    CloseHandle(thread);
    check("after the last close the ID is free", becomes_free(id));
    CloseHandle(go_on);
    return sample_wrong_facts;
}
