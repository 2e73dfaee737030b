/* What this ntdll lacks of a newer one (Wine 8.0): PostgreSQL finds it by name at its start and does not begin without it. */
#include "loader/ldr/ldr.h"

IMPORT NTSTATUS NTAPI NtFlushBuffersFile(HANDLE file, IO_STATUS_BLOCK *io);

/* The flags ask for less than everything (data alone, no synchronisation of the device): everything does for them, too. */
EXPORT NTSTATUS NTAPI peload_flush_file(HANDLE file, ULONG flags, void *parameters, ULONG size, IO_STATUS_BLOCK *io)
{
    enum { KNOWN = 0xf };
    (void)parameters, (void)size;
    return flags & ~(ULONG)KNOWN ? STATUS_INVALID_PARAMETER : NtFlushBuffersFile(file, io);
}
