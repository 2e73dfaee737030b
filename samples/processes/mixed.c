/* A program of one machine starts its twin of the other one: a handle's number and value are the same in both, the exit
 * code comes back with all its bits, and who is 32 bits wide is known. */
#include "start.h"

static int is_wow64(HANDLE process)
{
    BOOL wow64 = FALSE;

    return IsWow64Process(process, &wow64) && wow64;
}

static int child(HANDLE event, HANDLE answer)
{
    int signalled = WaitForSingleObject(event, PATIENCE) == WAIT_OBJECT_0;

    printf("  child: pointers of %u bits\n", (unsigned)sizeof(void *) * 8);
    check("  child: the inherited event is signalled", signalled);
    fflush(stdout); /* before its parent goes on */
    SetEvent(answer);
    ExitProcess(sample_wrong_facts ? 1 : 0xF00DF00D);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    HANDLE event, answer;
    DWORD code = 0;

    if (start_is(argc, argv, "child") && argc > 3)
        return child(start_handle(argv[2]), start_handle(argv[3]));
    event = start_event(TRUE, FALSE);
    answer = start_event(TRUE, FALSE);
    printf("pointers of %u bits\n", (unsigned)sizeof(void *) * 8);
    check("its twin is created", start(start_beside(MIXED_TWIN), 0, TRUE, &information, "child " START_HANDLE " " START_HANDLE,
                                       start_number(event), start_number(answer)));
    check("who has 32 bits on a system of 64 is known", is_wow64(information.hProcess) == (sizeof(void *) == 8));
    fflush(stdout);
    SetEvent(event);
    check("the answer comes", WaitForSingleObject(answer, PATIENCE) == WAIT_OBJECT_0);
    code = start_finish(&information);
    printf("its exit code: 0x%lx\n", code);
    CloseHandle(event);
    CloseHandle(answer);
    return sample_wrong_facts;
}
