/* Seven ways to end a process; all 32 bits of the code must arrive. */
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static DWORD WINAPI exit_from_thread(void *code)
{
    ExitProcess((UINT)(ULONG_PTR)code);
}

static DWORD WINAPI outlive_main(void *thread)
{
    WaitForSingleObject(thread, INFINITE);
    return 0xCAFE0001;
}

static void end_last_thread(void)
{
    HANDLE self;

    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE, DUPLICATE_SAME_ACCESS);
    CreateThread(NULL, 0, outlive_main, self, 0, NULL);
    ExitThread(1); /* the process lives on, and its code is the last thread's */
}

static void told_at_exit(void)
{
    printf("atexit runs\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "return";

    printf("by %s\n", way);
    fflush(stdout);
    if (strcmp(way, "return") == 0)
        atexit(told_at_exit);
    if (strcmp(way, "exit") == 0)
        exit(-2);
    if (strcmp(way, "ExitProcess") == 0)
        ExitProcess(0x80000001);
    if (strcmp(way, "TerminateProcess") == 0)
        TerminateProcess(GetCurrentProcess(), 0xC000DEAD);
    if (strcmp(way, "thread") == 0)
        WaitForSingleObject(CreateThread(NULL, 0, exit_from_thread, (void *)(ULONG_PTR)0x12345678, 0, NULL), INFINITE);
    if (strcmp(way, "last-thread") == 0)
        end_last_thread();
    if (strcmp(way, "abort") == 0)
        abort();
    return (int)0xDEADBEEF;
}
