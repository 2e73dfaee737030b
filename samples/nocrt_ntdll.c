/* Nothing but ntdll: the standard handle is read out of the process parameters, output and end are system calls. */
#include <windows.h>
#include <winternl.h>

NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, PVOID context, PIO_STATUS_BLOCK status,
                           PVOID buffer, ULONG length, PLARGE_INTEGER offset, PULONG key);
NTSTATUS NTAPI NtTerminateProcess(HANDLE process, NTSTATUS status);

/* StandardOutput lies at 0x28 (x64) and 0x1c (x86) of the parameters: in both, the fourth pointer of Reserved2. */
static HANDLE standard_output(void)
{
    return NtCurrentTeb()->ProcessEnvironmentBlock->ProcessParameters->Reserved2[3];
}

static NTSTATUS write_text(const char *text)
{
    IO_STATUS_BLOCK status;
    ULONG length = 0;

    while (text[length])
        length++;
    return NtWriteFile(standard_output(), NULL, NULL, NULL, &status, (void *)text, length, NULL, NULL);
}

void mainCRTStartup(void)
{
    NTSTATUS status = write_text("ntdll alone\r\n");

    NtTerminateProcess((HANDLE)(LONG_PTR)-1, status == 0 ? 9 : status);
}
