/* VirtualFree as Windows documents it, in the place of kernelbase's. */
#include "loader/ldr/ldr.h"

enum { MEM_RELEASE = 0x8000 };

IMPORT NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
IMPORT ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status);
IMPORT void NTAPI RtlSetLastWin32Error(ULONG error);

/* MEM_RELEASE alone wants size 0: the whole allocation. With a placeholder flag (V8 splits its cage so) a part is meant. */
EXPORT int NTAPI VirtualFreeEx(HANDLE process, void *base, SIZE_T size, ULONG type)
{
    NTSTATUS status = type == MEM_RELEASE && size ? STATUS_INVALID_PARAMETER : NtFreeVirtualMemory(process, &base, &size, type);
    if (status)
        RtlSetLastWin32Error(RtlNtStatusToDosError(status));
    return status == STATUS_SUCCESS;
}

EXPORT int NTAPI VirtualFree(void *base, SIZE_T size, ULONG type)
{
    return VirtualFreeEx((HANDLE)-1, base, size, type);
}
