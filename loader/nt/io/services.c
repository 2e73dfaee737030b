/* The area's table, and the two services of Wine's ntdll that translate names. */
#include "loader/nt/io/private.h"

#include <string.h>

/* The Unix path of an NT name. *size is the room and becomes the length with its NUL. A missing last component is
 * no hindrance where the disposition may create it; STATUS_NO_SUCH_FILE then tells that the file is not there. */
NTSTATUS wine_nt_to_unix_file_name(const OBJECT_ATTRIBUTES *attributes, char *buffer, ULONG *size, ULONG disposition)
{
    struct nt_attributes captured;
    struct io_name name;
    ULONG room;
    if (!NT_GET(room, size))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_attributes_capture(attributes, &captured);
    if (status)
        return status;
    status = io_name_of_attributes(&captured, &name);
    nt_attributes_free(&captured);
    if (!status && name.place != IO_PLACE_PATH)
        status = STATUS_OBJECT_PATH_NOT_FOUND;
    if (status)
        return status;
    enum io_found found = io_name_resolve(&name, false, false);
    bool may_create = disposition != FILE_OPEN && disposition != FILE_OVERWRITE;
    if (found == IO_NO_PATH || (found == IO_NO_NAME && !may_create))
        return io_found_status(found);
    ULONG length = (ULONG)strlen(name.path) + 1;
    if (!NT_PUT(size, length))
        return STATUS_ACCESS_VIOLATION;
    if (length > room)
        return STATUS_BUFFER_TOO_SMALL;
    if (!nt_write(buffer, name.path, length))
        return STATUS_ACCESS_VIOLATION;
    return found == IO_NO_NAME ? STATUS_NO_SUCH_FILE : STATUS_SUCCESS;
}

/* "\??\C:\x" of a Unix path. *size counts WCHARs with the NUL. */
NTSTATUS wine_unix_to_nt_file_name(const char *name, WCHAR *buffer, ULONG *size)
{
    char path[PATH_MAX];
    WCHAR text[PATH_MAX + 4] = {'\\', '?', '?', '\\'};
    ULONG room;
    size_t length = 0;
    if (!NT_GET(room, size))
        return STATUS_ACCESS_VIOLATION;
    do {
        if (length == sizeof path)
            return STATUS_NAME_TOO_LONG;
        if (!nt_read(path + length, name + length, 1))
            return STATUS_ACCESS_VIOLATION;
    } while (path[length++]);
    if (path[0] != '/')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    ULONG done = nt_path_to_dos(path, text + 4, PATH_MAX) + 5;
    if (!NT_PUT(size, done))
        return STATUS_ACCESS_VIOLATION;
    if (done > room)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, text, done * sizeof(WCHAR)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

const struct nt_service nt_services_io[] = {
    NT_SERVICE(NtCancelIoFile, 2),
    NT_SERVICE(NtCancelIoFileEx, 3),
    NT_SERVICE(NtCancelSynchronousIoFile, 3),
    NT_SERVICE(NtCreateFile, 11),
    NT_SERVICE(NtCreateNamedPipeFile, 14),
    NT_SERVICE(NtDeleteFile, 1),
    NT_SERVICE(NtDeviceIoControlFile, 10),
    NT_SERVICE(NtFlushBuffersFile, 2),
    NT_SERVICE(NtFsControlFile, 10),
    NT_SERVICE(NtLockFile, 10),
    NT_SERVICE(NtNotifyChangeDirectoryFile, 9),
    NT_SERVICE(NtOpenFile, 6),
    NT_SERVICE(NtQueryAttributesFile, 2),
    NT_SERVICE(NtQueryDirectoryFile, 11),
    NT_SERVICE(NtQueryEaFile, 9),
    NT_SERVICE(NtQueryFullAttributesFile, 2),
    NT_SERVICE(NtQueryInformationFile, 5),
    NT_SERVICE(NtQueryVolumeInformationFile, 5),
    NT_SERVICE(NtReadFile, 9),
    NT_SERVICE(NtReadFileScatter, 9),
    NT_SERVICE(NtSetEaFile, 4),
    NT_SERVICE(NtSetInformationFile, 5),
    NT_SERVICE(NtSetVolumeInformationFile, 5),
    NT_SERVICE(NtUnlockFile, 5),
    NT_SERVICE(NtWriteFile, 9),
    NT_SERVICE(NtWriteFileGather, 9),
    NT_SERVICE(wine_nt_to_unix_file_name, 4),
    NT_SERVICE(wine_unix_to_nt_file_name, 3),
    {NULL, 0, NULL},
};
