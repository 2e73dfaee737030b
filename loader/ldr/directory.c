/* SetDllDirectory with an empty name: Windows then leaves the current directory out of the search. ntdll takes an empty name
 * for none; a folder without a name (";") in its place makes it leave the current directory out, and adds nothing. */
#include "loader/ldr/ldr.h"

IMPORT NTSTATUS NTAPI LdrSetDllDirectory(const UNICODE_STRING *directory);
IMPORT NTSTATUS NTAPI LdrGetDllDirectory(UNICODE_STRING *directory);

static bool is_empty;

EXPORT NTSTATUS NTAPI peload_set_directory(const UNICODE_STRING *directory)
{
    static WCHAR nameless[] = {';', 0};
    static const UNICODE_STRING none = {sizeof(WCHAR), sizeof nameless, nameless};
    bool empty = directory->buffer && !directory->length;
    NTSTATUS status = LdrSetDllDirectory(empty ? &none : directory);
    if (!status)
        __atomic_store_n(&is_empty, empty, __ATOMIC_RELEASE);
    return status;
}

EXPORT NTSTATUS NTAPI peload_get_directory(UNICODE_STRING *directory)
{
    if (!__atomic_load_n(&is_empty, __ATOMIC_ACQUIRE))
        return LdrGetDllDirectory(directory);
    directory->length = 0;
    if (directory->maximum < sizeof(WCHAR))
        return STATUS_BUFFER_TOO_SMALL;
    directory->buffer[0] = 0;
    return STATUS_SUCCESS;
}
