/* CreateProcess, the first way: the application's name alone. It is a path and is not searched for; the command line that
 * is missing is made from it. What the call gives back: two handles and two IDs. */
#include "start.h"

static void refused(const char *what, const char *name)
{
    STARTUPINFOA startup = { .cb = sizeof startup };
    PROCESS_INFORMATION child = {0};

    if (CreateProcessA(name, NULL, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child)) {
        check(what, 0);
        start_finish(&child);
    } else
        printf("%s: error %lu\n", what, GetLastError());
}

static void given_back(const PROCESS_INFORMATION *child)
{
    check("a handle of the process and another one of its thread", child->hProcess && child->hThread && child->hProcess != child->hThread);
    check("both are multiples of four", !((ULONG_PTR)child->hProcess & 3) && !((ULONG_PTR)child->hThread & 3));
    check("two IDs, multiples of four and not equal",
          child->dwProcessId && child->dwThreadId && child->dwProcessId != child->dwThreadId && !(child->dwProcessId & 3) &&
              !(child->dwThreadId & 3));
    check("other IDs than ours", child->dwProcessId != GetCurrentProcessId() && child->dwThreadId != GetCurrentThreadId());
    check("the handles lead to these IDs",
          GetProcessId(child->hProcess) == child->dwProcessId && GetThreadId(child->hThread) == child->dwThreadId);
}

int main(void)
{
    STARTUPINFOA startup = { .cb = sizeof startup };
    PROCESS_INFORMATION child = {0};
    const char *program = start_beside("create_child.exe");

    printf("CreateProcess with a path as the application's name\n");
    fflush(stdout);
    BOOL created = CreateProcessA(program, NULL, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child);
    if (created)
        WaitForSingleObject(child.hProcess, PATIENCE);
    check("created", created);
    given_back(&child);
    show("its exit code", start_finish(&child));
    refused("a name without a path means the current directory", "create_child.exe");
    refused("no extension is added", "create_child");
    refused("a folder", "C:\\windows");
    refused("a library", start_beside("loadlib_dll.dll"));
    refused("an empty name", "");
    return sample_wrong_facts;
}
