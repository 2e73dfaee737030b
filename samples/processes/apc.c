/* Asynchronous procedure calls from another process: they run when the child's thread waits alertably, in the order they came
 * in; those of a thread that has not begun run before its entry point. */
#include "remote.h"

static volatile ULONG_PTR history, before_main;

static void NTAPI note(ULONG_PTR digit)
{
    history = history * 10 + digit;
}

static int child(HANDLE ready)
{
    before_main = history;
    SetEvent(ready);
    for (int i = 0; i < 3;) {
        DWORD result = SleepEx(PATIENCE, TRUE);
        if (result != WAIT_IO_COMPLETION)
            return 1;
        i = history % 10 == 9 ? 3 : 0;
    }
    return (int)(history % 10000);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    ULONG_PTR number = 0;
    HANDLE ready;
    PAPCFUNC there;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    ready = start_event(TRUE, FALSE);
    check("a child is created suspended", start(start_own_path(), CREATE_SUSPENDED, TRUE, &information, "child " START_HANDLE,
                                                start_number(ready)));
    there = (PAPCFUNC)remote_address(information.hProcess, (void *)note);
    check("two calls for a thread that has not begun", QueueUserAPC(there, information.hThread, 1) && QueueUserAPC(there, information.hThread, 2));
    ResumeThread(information.hThread);
    check("it runs", WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    remote_read(information.hProcess, remote_address(information.hProcess, (void *)&before_main), &number, sizeof number);
    show("they came before main", (unsigned long)number);
    check("two more while it waits", QueueUserAPC(there, information.hThread, 3) && QueueUserAPC(there, information.hThread, 9));
    show("in their order", start_finish(&information));
    CloseHandle(ready);
    return sample_wrong_facts;
}
