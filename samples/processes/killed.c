/* Children that are killed from outside at any moment, while they take and release what all of them share. `killed SECONDS`
 * keeps four of them alive for so long; each that ends is replaced. Whoever was killed has the exit code 1; what it owned is
 * abandoned, what it had under way is over, and nobody sleeps on. */
#include "start.h"

enum { CHILDREN = 4 };

/* Something of everything that is under way for longer than a call: a read that nobody answers, its completion port, a key that
 * is watched, a process that is looked at. */
static int busy(void)
{
    char name[80], byte;
    OVERLAPPED reading = { 0 };
    HANDLE pipe, port, changed = CreateEventA(NULL, FALSE, FALSE, NULL), self;
    HKEY key;

    sprintf(name, "\\\\.\\pipe\\peload sample killed %lu", GetCurrentProcessId());
    pipe = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1, 64, 64, 0, NULL);
    port = pipe != INVALID_HANDLE_VALUE ? CreateIoCompletionPort(pipe, NULL, 1, 1) : NULL;
    if (!port || ConnectNamedPipe(pipe, &reading) || GetLastError() != ERROR_IO_PENDING)
        return 98;
    if (RegCreateKeyA(HKEY_CURRENT_USER, "peload sample killed", &key) ||
        RegNotifyChangeKeyValue(key, TRUE, REG_NOTIFY_CHANGE_LAST_SET, changed, TRUE) ||
        RegSetValueExA(key, "last", 0, REG_BINARY, (const BYTE *)&byte, 0))
        return 97;
    self = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, GetCurrentProcessId());
    if (!self || GetPriorityClass(self) == 0)
        return 96;
    CloseHandle(self);
    CancelIo(pipe);
    CloseHandle(pipe);
    CloseHandle(port);
    CloseHandle(changed);
    RegCloseKey(key);
    return 0;
}

/* Its mutex may have been abandoned; never may it be lost. */
static int child(void)
{
    int wrong;

    HANDLE mutex = CreateMutexA(NULL, FALSE, "peload sample killed: mutex");
    HANDLE semaphore = CreateSemaphoreA(NULL, 0, 1 << 30, "peload sample killed: semaphore");

    for (;;) {
        HANDLE event = CreateEventA(NULL, FALSE, TRUE, "peload sample killed: event");
        DWORD result = WaitForSingleObject(mutex, PATIENCE);

        if (!event || (result != WAIT_OBJECT_0 && result != WAIT_ABANDONED))
            return 99;
        SetEvent(event);
        CloseHandle(event);
        ReleaseSemaphore(semaphore, 1, NULL);
        ReleaseMutex(mutex);
        if ((wrong = busy()) != 0)
            return wrong;
    }
}

static HANDLE child_make(void)
{
    PROCESS_INFORMATION made;

    if (!start(start_own_path(), 0, FALSE, &made, "child"))
        ExitProcess(2);
    CloseHandle(made.hThread);
    return made.hProcess;
}

static DWORD killed, others;

/* Waits until a child has ended, or a moment of work is done. */
static int step(HANDLE semaphore, HANDLE *children)
{
    HANDLE all[CHILDREN + 1] = { semaphore };
    DWORD code = 0, which;

    memcpy(all + 1, children, CHILDREN * sizeof *children);
    which = WaitForMultipleObjects(CHILDREN + 1, all, FALSE, PATIENCE);
    if (which == WAIT_OBJECT_0) /* the semaphore comes first: look at the others, too */
        which = WaitForMultipleObjects(CHILDREN, children, FALSE, 0) + 1;
    if (which == WAIT_TIMEOUT + 1)
        return 1;
    if (which < 1 || which > CHILDREN)
        return 0;
    GetExitCodeProcess(children[which - 1], &code);
    killed += code == 1;
    others += code != 1;
    CloseHandle(children[which - 1]);
    children[which - 1] = child_make();
    return 1;
}

int main(int argc, char **argv)
{
    HANDLE children[CHILDREN], semaphore, mutex;
    DWORD begin = GetTickCount(), time = argc > 1 ? strtoul(argv[1], NULL, 10) * 1000 : 1000, steps = 0;

    if (start_is(argc, argv, "child"))
        return child();
    semaphore = CreateSemaphoreA(NULL, 0, 1 << 30, "peload sample killed: semaphore");
    for (int i = 0; i < CHILDREN; i++)
        children[i] = child_make();
    while (GetTickCount() - begin < time && step(semaphore, children))
        steps++;
    check("somebody was always awake", GetTickCount() - begin >= time && steps > 0);
    for (int i = 0; i < CHILDREN; i++) {
        TerminateProcess(children[i], 3);
        check("a child that is left is ended", WaitForSingleObject(children[i], PATIENCE) == WAIT_OBJECT_0);
        CloseHandle(children[i]);
    }
    mutex = OpenMutexA(SYNCHRONIZE, FALSE, "peload sample killed: mutex");
    check("nobody has the mutex any more", !mutex && GetLastError() == ERROR_FILE_NOT_FOUND);
    printf("killed: %lu, ended otherwise: %lu\n", killed, others);
    return sample_wrong_facts;
}
