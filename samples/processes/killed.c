/* Children that are killed from outside at any moment, while they take and release what all of them share. `killed SECONDS`
 * keeps four of them alive for so long; each that ends is replaced. Whoever was killed has the exit code 1; what it owned is
 * abandoned, and nobody sleeps on. */
#include "start.h"

enum { CHILDREN = 4 };

/* Its mutex may have been abandoned; never may it be lost. */
static int child(void)
{
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
