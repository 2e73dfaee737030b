/* All ways to end a process, each with the exit code that its parent reads and with what still runs in it: atexit (the C
 * run-time's), FLS callbacks, DllMain's DETACH. Until then its parent reads 259, STILL_ACTIVE. */
#include "start.h"

__declspec(dllimport) void ends_say(const char *text);

static void WINAPI fls_freed(void *value)
{
    ends_say(value);
}

static void at_exit(void)
{
    ends_say("atexit");
}

static DWORD WINAPI exit_from_thread(void *unused)
{
    (void)unused;
    ExitProcess(14);
}

static DWORD WINAPI outlive_main(void *main_thread)
{
    WaitForSingleObject(main_thread, PATIENCE);
    return 17;
}

static void end_last_thread(void)
{
    HANDLE self;

    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE, DUPLICATE_SAME_ACCESS);
    CloseHandle(CreateThread(NULL, 0, outlive_main, self, 0, NULL));
    ExitThread(1);
}

static int child(const char *way, HANDLE ready)
{
    atexit(at_exit);
    FlsSetValue(FlsAlloc(fls_freed), (void *)"FLS callback");
    SetErrorMode(SEM_NOGPFAULTERRORBOX | SEM_FAILCRITICALERRORS);
    SetEvent(ready);
    if (!strcmp(way, "return"))
        return 11;
    if (!strcmp(way, "exit"))
        exit(12);
    if (!strcmp(way, "ExitProcess"))
        ExitProcess(13);
    if (!strcmp(way, "thread"))
        CloseHandle(CreateThread(NULL, 0, exit_from_thread, NULL, 0, NULL));
    if (!strcmp(way, "TerminateProcess"))
        TerminateProcess(GetCurrentProcess(), 15);
    if (!strcmp(way, "abort"))
        abort();
    if (!strcmp(way, "last-thread"))
        end_last_thread();
    if (!strcmp(way, "exception"))
        *(volatile int *)16 = 1;
    if (!strcmp(way, "raise"))
        RaiseException(0xE0001234, 0, 0, NULL);
    if (!strcmp(way, "259"))
        ExitProcess(STILL_ACTIVE);
    Sleep(PATIENCE); /* "from outside", "job", "thread": ended here */
    return 1;
}

static void by(const char *way)
{
    PROCESS_INFORMATION information;
    HANDLE ready = start_event(TRUE, FALSE), job = NULL;
    DWORD code = 0;

    printf("%s\n", way);
    if (!start(start_own_path(), 0, TRUE, &information, "child %s " START_HANDLE, way, start_number(ready))) {
        fprintf(stderr, "CreateProcess: error %lu\n", GetLastError());
        check("a child runs", 0);
    } else if (WaitForSingleObject(ready, PATIENCE) != WAIT_OBJECT_0)
        check("a child runs", 0);
    if (!strcmp(way, "from-outside")) {
        check("running: 259", start_running(information.hProcess));
        TerminateProcess(information.hProcess, 18);
    } else if (!strcmp(way, "job")) {
        job = CreateJobObjectA(NULL, NULL);
        check("given to a job", AssignProcessToJobObject(job, information.hProcess));
        TerminateJobObject(job, 19);
    }
    check("ended: the process object is signalled", WaitForSingleObject(information.hProcess, PATIENCE) == WAIT_OBJECT_0);
    check("and its first thread", WaitForSingleObject(information.hThread, PATIENCE) == WAIT_OBJECT_0);
    if (!strcmp(way, "from-outside"))
        check("who has ended cannot be ended again", !TerminateProcess(information.hProcess, 99) && GetLastError() == ERROR_ACCESS_DENIED);
    GetExitCodeProcess(information.hProcess, &code);
    printf("exit code %lu (0x%lx)%s\n", code, code, code == STILL_ACTIVE ? ", which looks alive and is not" : "");
    start_close(&information);
    CloseHandle(ready);
    if (job)
        CloseHandle(job);
}

int main(int argc, char **argv)
{
    static const char *const ways[] = { "return", "exit", "ExitProcess", "thread", "last-thread", "TerminateProcess", "abort", "exception",
                                        "raise", "259", "from-outside", "job" };

    if (start_is(argc, argv, "child") && argc > 3)
        return child(argv[2], start_handle(argv[3]));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        by(ways[i]);
    return sample_wrong_facts;
}
