/* Imports two functions that their DLL has no more, one of them by ordinal: must not start. Windows' code: 0xC0000139.
 * Where it starts nevertheless (Wine, `peload run --missing=stub`), calling one raises an exception that names it. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

__declspec(dllimport) int present_number(void);
__declspec(dllimport) int absent_number(void);
__declspec(dllimport) int absent_ordinal(void);

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;

    if (record->ExceptionCode != 0x80000100 || record->NumberParameters != 2)
        return EXCEPTION_CONTINUE_SEARCH;
    printf("missing in %s: ", (const char *)record->ExceptionInformation[0]);
    if (record->ExceptionInformation[1] >> 16)
        printf("%s\n", (const char *)record->ExceptionInformation[1]);
    else
        printf("ordinal %u\n", (unsigned)record->ExceptionInformation[1]);
    fflush(stdout);
    ExitProcess(4);
}

int main(int argc, char **argv)
{
    printf("started: %d\n", present_number());
    fflush(stdout);
    AddVectoredExceptionHandler(1, on_exception);
    if (argc > 1)
        return strcmp(argv[1], "--ordinal") ? absent_number() : absent_ordinal();
    return 1;
}
