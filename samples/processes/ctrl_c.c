/* Ctrl+C: handlers are called on a thread of their own, the last added first, until one says that it has dealt with it; who
 * has none ends with 0xC000013A. A child of one console gets it too, unless it is in a group of its own. `wait`: no child, for
 * somebody who presses the keys. */
#include "start.h"

static HANDLE came;
static volatile LONG order;

static BOOL WINAPI first_added(DWORD event)
{
    order = order * 10 + 1;
    SetEvent(came);
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

static BOOL WINAPI last_added(DWORD event)
{
    order = order * 10 + 2;
    (void)event;
    return FALSE;
}

/* Handlers first: whoever presses the keys at once is to be heard. */
static int handle(HANDLE ready)
{
    came = CreateEventA(NULL, TRUE, FALSE, NULL);
    SetConsoleCtrlHandler(NULL, FALSE); /* a new group begins with Ctrl+C ignored */
    SetConsoleCtrlHandler(first_added, TRUE);
    SetConsoleCtrlHandler(last_added, TRUE);
    if (ready) {
        SetEvent(ready);
    } else {
        puts("press Ctrl+C");
        fflush(stdout);
    }
    return WaitForSingleObject(came, PATIENCE) == WAIT_OBJECT_0 ? (int)order : 1;
}

/* False: there is no console that could send one. */
static BOOL by(const char *what, const char *role)
{
    PROCESS_INFORMATION information;
    HANDLE ready = start_event(TRUE, FALSE);
    DWORD code;
    BOOL sent;

    check(what, start(start_own_path(), CREATE_NEW_PROCESS_GROUP, TRUE, &information, "%s " START_HANDLE, role, start_number(ready)) &&
                    WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    sent = GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, information.dwProcessId);
    check("  Ctrl+Break for its group", sent);
    if (!sent)
        TerminateProcess(information.hProcess, 0xdead);
    code = start_finish(&information);
    printf("  exit code %lu (0x%lx)\n", code, code);
    CloseHandle(ready);
    return sent;
}

int main(int argc, char **argv)
{
    if (start_is(argc, argv, "wait")) {
        printf("handlers were called in the order %d\n", handle(NULL));
        return sample_wrong_facts;
    }
    if (start_is(argc, argv, "handle") && argc > 2)
        return handle(start_handle(argv[2]));
    if (start_is(argc, argv, "none") && argc > 2) {
        SetEvent(start_handle(argv[2]));
        Sleep(PATIENCE / 2); /* who waits for its end has more patience */
        return 1;
    }
    if (by("a child with two handlers", "handle"))
        by("a child with none", "none");
    return sample_wrong_facts;
}
