/* A: makes an event that can be inherited, hands its number in hex to B on the command line, and signals it. B's handle has
 * the same value and leads to the same object. Without inheritance the number means nothing in B. */
#include "start.h"

/* A number above those that a new process has of its own, so that in B it can only be what came from here. */
static HANDLE high(HANDLE event)
{
    HANDLE self = GetCurrentProcess(), copies[256], last = event;
    DWORD inherit = 0;
    int count = 0;

    GetHandleInformation(event, &inherit);
    while (count < 256 && DuplicateHandle(self, event, self, &copies[count], 0, inherit & HANDLE_FLAG_INHERIT, DUPLICATE_SAME_ACCESS))
        count++;
    if (count)
        last = copies[--count];
    while (count)
        CloseHandle(copies[--count]);
    CloseHandle(event);
    return last;
}

static void finish(const char *what, int created, PROCESS_INFORMATION *child)
{
    DWORD code = start_finish(child);

    check(what, created);
    show("A: B's exit code", code);
}

static void unsignalled(void)
{
    HANDLE event = high(start_event(FALSE, FALSE)), ready = high(start_event(FALSE, FALSE));
    PROCESS_INFORMATION child;

    printf("an event that is not signalled\n");
    int created = start(start_beside("handle_child.exe"), 0, TRUE, &child, "wait " START_HANDLE " " START_HANDLE, start_number(event),
                        start_number(ready));
    int waits = WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0;
    check("A: B was created and inherits", created); /* told when B is silent: both write to one file */
    check("A: B says that it waits", waits);
    check("A: it is running still", start_running(child.hProcess));
    fflush(stdout);
    SetEvent(event);
    show("A: B's exit code", start_finish(&child));
    CloseHandle(event);
    CloseHandle(ready);
}

static void signalled(void)
{
    HANDLE event = high(start_event(FALSE, TRUE));
    PROCESS_INFORMATION child;

    printf("an event that is signalled from the start and resets itself\n");
    int created = start(start_beside("handle_child.exe"), 0, TRUE, &child, "signalled " START_HANDLE, start_number(event));
    finish("A: B was created and inherits", created, &child);
    check("A: it is reset here too", WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
    CloseHandle(event);
}

static void not_inherited(const char *what, HANDLE event, BOOL inherit)
{
    PROCESS_INFORMATION child;

    printf("%s\n", what);
    int created = start(start_beside("handle_child.exe"), 0, inherit, &child, "none " START_HANDLE, start_number(event));
    finish("A: B was created", created, &child);
    CloseHandle(event);
}

/* Of two inheritable handles the list names one. */
static void listed(void)
{
    HANDLE named = high(start_event(TRUE, TRUE)), left_out = high(start_event(TRUE, TRUE));
    char room[256], line[2 * MAX_PATH];
    SIZE_T size = sizeof room;
    STARTUPINFOEXA startup = { .StartupInfo = { .cb = sizeof startup }, .lpAttributeList = (void *)room };
    PROCESS_INFORMATION child;

    printf("PROC_THREAD_ATTRIBUTE_HANDLE_LIST\n");
    check("A: a list of one handle", InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size) &&
                                         UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &named,
                                                                   sizeof named, NULL, NULL));
    snprintf(line, sizeof line, "none " START_HANDLE, start_number(left_out));
    int created = start_with(start_beside("handle_child.exe"), EXTENDED_STARTUPINFO_PRESENT, TRUE, &startup.StartupInfo, &child, line);
    finish("A: B was created, and asked for the other", created, &child);
    snprintf(line, sizeof line, "wait " START_HANDLE " " START_HANDLE, start_number(named), start_number(named));
    ResetEvent(named); /* and B's own SetEvent of READY is what signals it */
    created = start_with(start_beside("handle_child.exe"), EXTENDED_STARTUPINFO_PRESENT, TRUE, &startup.StartupInfo, &child, line);
    finish("A: B was created, and asked for the one that is named", created, &child);
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    CloseHandle(named);
    CloseHandle(left_out);
}

int main(void)
{
    unsignalled();
    signalled();
    not_inherited("a handle that cannot be inherited", high(CreateEventA(NULL, FALSE, FALSE, NULL)), TRUE);
    not_inherited("bInheritHandles is FALSE", high(start_event(FALSE, FALSE)), FALSE);
    listed();
    return sample_wrong_facts;
}
