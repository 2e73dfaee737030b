/* A process lives as long as one of its threads. The main thread ends by ExitThread: the process goes on; when the last one
 * ends, so does the process, with that thread's code. */
#include "start.h"

static HANDLE main_is_over, go_on;

static DWORD WINAPI other_thread(void *main_thread)
{
    if (WaitForSingleObject(main_thread, PATIENCE) != WAIT_OBJECT_0)
        return 1;
    SetEvent(main_is_over);
    return WaitForSingleObject(go_on, PATIENCE) == WAIT_OBJECT_0 ? 77 : 2;
}

static int child(char **argv)
{
    HANDLE self, thread;

    main_is_over = start_handle(argv[2]);
    go_on = start_handle(argv[3]);
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE, DUPLICATE_SAME_ACCESS);
    thread = CreateThread(NULL, 0, other_thread, self, 0, NULL);
    if (!thread)
        return 3;
    CloseHandle(thread);
    ExitThread(55);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    HANDLE over, go;
    DWORD code = 0;

    if (start_is(argc, argv, "child") && argc > 3)
        return child(argv);
    over = start_event(TRUE, FALSE);
    go = start_event(TRUE, FALSE);
    check("a child is created",
          start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE " " START_HANDLE, start_number(over), start_number(go)));
    check("its main thread ends", WaitForSingleObject(over, PATIENCE) == WAIT_OBJECT_0 &&
                                      WaitForSingleObject(information.hThread, PATIENCE) == WAIT_OBJECT_0);
    check("with a code of its own", GetExitCodeThread(information.hThread, &code) && code == 55);
    check("the process goes on", start_running(information.hProcess));
    SetEvent(go);
    show("when its last thread has ended, its code is the process's", start_finish(&information));
    CloseHandle(over);
    CloseHandle(go);
    return sample_wrong_facts;
}
