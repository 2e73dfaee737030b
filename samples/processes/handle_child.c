/* B: turns the text on its command line into a handle and waits for it. What it finds is its exit code.
 *   handle_child WAYS EVENT [READY]      READY is set when all is said and the waiting begins */
#include "start.h"

/* The result of one wait. */
static DWORD wait_told(const char *what, HANDLE event, DWORD time)
{
    DWORD result = WaitForSingleObject(event, time), error = GetLastError();

    if (result == WAIT_FAILED)
        printf("  B: %s: WAIT_FAILED, error %lu\n", what, error);
    else
        printf("  B: %s: %s\n", what, result == WAIT_OBJECT_0 ? "WAIT_OBJECT_0" : result == WAIT_TIMEOUT ? "WAIT_TIMEOUT" : "?");
    fflush(stdout);
    return result;
}

int main(int argc, char **argv)
{
    DWORD flags = 0, result;
    HANDLE event, ready;

    if (argc < 3)
        return 2;
    event = start_handle(argv[2]);
    if (!strcmp(argv[1], "signalled")) {
        result = wait_told("passes without anybody's SetEvent", event, PATIENCE);
        return result == WAIT_OBJECT_0 && wait_told("a second wait is one too many", event, 200) == WAIT_TIMEOUT ? 0 : 1;
    }
    if (argc < 4) /* no such handle here */
        return wait_told("waits for a number that is no handle of its own", event, 200) == WAIT_FAILED ? 6 : 1;
    ready = start_handle(argv[3]);
    check("  B: it is a handle here", GetHandleInformation(event, &flags));
    check("  B: and can be inherited again", flags & HANDLE_FLAG_INHERIT);
    wait_told("it is not signalled yet", event, 0);
    SetEvent(ready);
    return wait_told("A has signalled it", event, PATIENCE) == WAIT_OBJECT_0 && !sample_wrong_facts ? 0 : 1;
}
