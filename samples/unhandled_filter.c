/* The last filter sees what nobody caught. It ends the process with the exception's code, or, with --repair, mends the
 * cause and lets the instruction run again. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static char *volatile page;

static LONG WINAPI end_process(EXCEPTION_POINTERS *exception)
{
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;

    printf("filter: code %08lx, access kind %lu, at the page: %s\n", record->ExceptionCode,
           (unsigned long)record->ExceptionInformation[0],
           record->ExceptionInformation[1] == (ULONG_PTR)page ? "yes" : "no");
    fflush(stdout);
    return EXCEPTION_EXECUTE_HANDLER;
}

static LONG WINAPI repair_page(EXCEPTION_POINTERS *exception)
{
    DWORD old;

    printf("filter: code %08lx, repaired\n", exception->ExceptionRecord->ExceptionCode);
    VirtualProtect(page, 1, PAGE_READWRITE, &old);
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(int argc, char **argv)
{
    LPTOP_LEVEL_EXCEPTION_FILTER filter = end_process;

    if (argc > 1 && strcmp(argv[1], "--repair") == 0)
        filter = repair_page;
    page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READONLY);
    SetUnhandledExceptionFilter(filter);
    printf("the filter stands: %s\n", SetUnhandledExceptionFilter(filter) == filter ? "yes" : "no");
    page[0] = 'x';
    printf("the page now holds: %c\n", page[0]);
    return 5;
}
