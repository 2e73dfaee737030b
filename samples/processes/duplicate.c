/* DuplicateHandle between processes: a handle is put into a child that runs already, with fewer rights; one is taken out of
 * it; a protected one cannot be closed. The child waits meanwhile and tells what it finds by its exit code. */
#include "remote.h"

/* Written by the parent before the child looks, and by the child before the parent does. */
static volatile HANDLE given, own;

/* Bit by bit, what holds in the child. */
static int child(HANDLE ready, HANDLE go_on)
{
    int facts = 0;

    own = CreateEventA(NULL, TRUE, FALSE, NULL);
    SetEvent(ready);
    if (WaitForSingleObject(go_on, PATIENCE) != WAIT_OBJECT_0)
        return 100;
    facts |= WaitForSingleObject(given, 0) == WAIT_OBJECT_0 ? 1 : 0;
    facts |= !SetEvent(given) && GetLastError() == ERROR_ACCESS_DENIED ? 2 : 0;
    facts |= WaitForSingleObject(own, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE ? 4 : 0;
    facts |= CloseHandle(given) ? 8 : 0;
    return facts;
}

static void inside_one_process(void)
{
    HANDLE self = GetCurrentProcess(), event = CreateEventA(NULL, TRUE, FALSE, NULL), copy = NULL;
    DWORD flags = 0;

    check("a copy here is another handle of the same object",
          DuplicateHandle(self, event, self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS) && copy != event && SetEvent(copy) &&
              WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    check("it is made inheritable and protected",
          SetHandleInformation(copy, HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE) &&
              GetHandleInformation(copy, &flags) && flags == (HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE));
    check("closing it is refused", !CloseHandle(copy));
    show("with error", GetLastError());
    SetHandleInformation(copy, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    check("unprotected it can be closed", CloseHandle(copy));
    check("the first one is still there", WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    check("a copy that closes its source", DuplicateHandle(self, event, self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
    check("is what is left", WaitForSingleObject(copy, 0) == WAIT_OBJECT_0);
    CloseHandle(copy);
    check("no handle has no copy", !DuplicateHandle(self, (HANDLE)(ULONG_PTR)0xfffff0, self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS) &&
                                       GetLastError() == ERROR_INVALID_HANDLE);
    check("the pseudo handle becomes a real one", DuplicateHandle(self, GetCurrentProcess(), self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS) &&
                                                      copy != GetCurrentProcess() && GetProcessId(copy) == GetCurrentProcessId());
    CloseHandle(copy);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    HANDLE ready, go_on, event, there = NULL, theirs = NULL, taken = NULL;

    if (start_is(argc, argv, "child") && argc > 3)
        return child(start_handle(argv[2]), start_handle(argv[3]));
    inside_one_process();
    ready = start_event(TRUE, FALSE);
    go_on = start_event(TRUE, FALSE);
    event = CreateEventA(NULL, TRUE, TRUE, NULL);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE " " START_HANDLE, start_number(ready),
                                start_number(go_on)) && WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    check("an event is put into it, only to wait for",
          DuplicateHandle(GetCurrentProcess(), event, information.hProcess, &there, SYNCHRONIZE, FALSE, 0));
    check("its number there is told to it",
          remote_write(information.hProcess, remote_address(information.hProcess, (void *)&given), &there, sizeof there));
    check("the number of its own event", remote_read(information.hProcess, remote_address(information.hProcess, (void *)&own), &theirs, sizeof theirs));
    check("which is taken out of it", DuplicateHandle(information.hProcess, theirs, GetCurrentProcess(), &taken, 0, FALSE,
                                                      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
    check("and works here", WaitForSingleObject(taken, 0) == WAIT_TIMEOUT && SetEvent(taken) && WaitForSingleObject(taken, 0) == WAIT_OBJECT_0);
    SetEvent(go_on);
    show("in the child: waiting works (1), setting is denied (2), its own is gone (4), the copy is closed (8)", start_finish(&information));
    check("the event here is untouched", WaitForSingleObject(event, 0) == WAIT_OBJECT_0 && CloseHandle(event));
    CloseHandle(taken);
    CloseHandle(ready);
    CloseHandle(go_on);
    return sample_wrong_facts;
}
