/* Shared by the samples that reach into another process: only into a child that they started themselves, and of which they
 * have the handle that CreateProcess gave with all its rights. */
#ifndef REMOTE_H
#define REMOTE_H

#include <winternl.h>
#include "start.h"

/* Where the process's PEB says that its EXE lies; NULL: it cannot be read. */
static inline char *remote_image(HANDLE process)
{
    PROCESS_BASIC_INFORMATION basic = {0};
    char *base = NULL;

    if (NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL) ||
        !ReadProcessMemory(process, (char *)basic.PebBaseAddress + 2 * sizeof(void *), &base, sizeof base, NULL))
        return NULL;
    return base;
}

/* What lies at `own` in this process, in another one that runs the same EXE, wherever that lies. */
static inline void *remote_address(HANDLE process, const void *own)
{
    char *base = remote_image(process);

    return base ? base + ((const char *)own - (const char *)GetModuleHandleA(NULL)) : NULL;
}

static inline int remote_write(HANDLE process, void *there, const void *bytes, SIZE_T size)
{
    SIZE_T written = 0;

    return WriteProcessMemory(process, there, bytes, size, &written) && written == size;
}

static inline int remote_read(HANDLE process, const void *there, void *bytes, SIZE_T size)
{
    SIZE_T got = 0;

    return ReadProcessMemory(process, there, bytes, size, &got) && got == size;
}

#endif
