/* NtDeviceIoControlFile and NtFsControlFile, cancelling, extended attributes. */
#include "loader/nt/io/private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FSCTL_GET_REPARSE_POINT = 0x900A8, FSCTL_SET_REPARSE_POINT = 0x900A4, FSCTL_DELETE_REPARSE_POINT = 0x900AC,
       FSCTL_SET_SPARSE = 0x900C4, FSCTL_SET_COMPRESSION = 0x9C040, FSCTL_GET_COMPRESSION = 0x9003C, FSCTL_IS_VOLUME_MOUNTED = 0x90028,
       FSCTL_LOCK_VOLUME = 0x90018, FSCTL_UNLOCK_VOLUME = 0x9001C, FSCTL_DISMOUNT_VOLUME = 0x90020 };

struct control {
    struct io_file *file;
    int fd;
    ULONG code, input_length, output_length;
    const void *input;
    void *output;
};

static NTSTATUS disk_control(const struct control *control, ULONG_PTR *done)
{
    uint16_t none = 0;
    switch (control->code) {
    case FSCTL_GET_REPARSE_POINT: /* symbolic links are followed, so that no file looks like one */
    case FSCTL_DELETE_REPARSE_POINT:
        return STATUS_NOT_A_REPARSE_POINT;
    case FSCTL_SET_SPARSE: /* every file may have holes */
    case FSCTL_IS_VOLUME_MOUNTED:
        return STATUS_SUCCESS;
    case FSCTL_GET_COMPRESSION:
        if (control->output_length < sizeof none)
            return STATUS_INVALID_PARAMETER;
        *done = sizeof none;
        return NT_PUT(control->output, none) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
    case FSCTL_LOCK_VOLUME: case FSCTL_UNLOCK_VOLUME: case FSCTL_DISMOUNT_VOLUME:
        return STATUS_ACCESS_DENIED;
    default: /* FSCTL_SET_REPARSE_POINT among them */
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

static NTSTATUS control_service(struct control *control, bool device, HANDLE handle, HANDLE event, uintptr_t routine,
                                uintptr_t context, IO_STATUS_BLOCK *io)
{
    NTSTATUS (*step)(struct io_later *, ULONG_PTR *) = NULL;
    short events = 0;
    ULONG_PTR done = 0;
    struct io_finish finish;
    NTSTATUS status = io_file_of_handle(handle, 0, &control->file, &control->fd, NULL);
    if (status)
        return status;
    status = io_finish_begin(&finish, control->file, event, routine, context, io);
    if (!status) {
        struct io_file *file = control->file;
        if (device && file->file.kind == NT_FILE_CONSOLE)
            status = io_console_control(file, control->fd, control->code, control->input, control->input_length, control->output,
                                        control->output_length, &done);
        else if (device) /* kernelbase takes this for "not a console" */
            status = STATUS_NOT_SUPPORTED;
        else if (file->device_type == FILE_DEVICE_NAMED_PIPE)
            status = io_pipe_control(file, control->fd, control->code, control->input, control->input_length, control->output,
                                     control->output_length, &done, &step, &events);
        else if (file->device_type == FILE_DEVICE_DISK_FILE_SYSTEM)
            status = disk_control(control, &done);
        else
            status = STATUS_INVALID_DEVICE_REQUEST;
        if (status == STATUS_PENDING) {
            struct io_later later = {.finish = finish, .fd = fcntl(control->fd, F_DUPFD_CLOEXEC, 0), .events = events, .step = step,
                                     .buffer = control->output, .length = control->output_length, .thread_id = io_thread_id()};
            status = io_later_add(&later);
        } else {
            io_finish_end(&finish, status, done, false);
        }
    }
    io_file_release(control->file);
    return status;
}

NTSTATUS NtDeviceIoControlFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                               ULONG code, const void *input, ULONG input_length, void *output, ULONG output_length)
{
    struct control control = {NULL, -1, code, input_length, output_length, input, output};
    return control_service(&control, true, handle, event, routine, context, io);
}

NTSTATUS NtFsControlFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io, ULONG code,
                         const void *input, ULONG input_length, void *output, ULONG output_length)
{
    struct control control = {NULL, -1, code, input_length, output_length, input, output};
    return control_service(&control, false, handle, event, routine, context, io);
}

/* ---- cancelling ---------------------------------------------------------------------------------- */

/* The cancelled operations end on the I/O thread, with STATUS_CANCELLED in their own status blocks. */
NTSTATUS NtCancelIoFile(HANDLE handle, IO_STATUS_BLOCK *io)
{
    struct io_file *file;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, NULL, NULL);
    if (status)
        return status;
    if (__atomic_load_n(&file->pending, __ATOMIC_RELAXED))
        io_later_cancel(file, NULL, io_thread_id());
    io_file_release(file);
    return io_status_give(io, STATUS_SUCCESS, 0);
}

NTSTATUS NtCancelIoFileEx(HANDLE handle, IO_STATUS_BLOCK *which, IO_STATUS_BLOCK *io)
{
    struct io_file *file;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, NULL, NULL);
    if (status)
        return status;
    bool any = __atomic_load_n(&file->pending, __ATOMIC_RELAXED) && io_later_cancel(file, which, 0);
    io_file_release(file);
    NTSTATUS written = io_status_give(io, any ? STATUS_SUCCESS : STATUS_NOT_FOUND, 0);
    return written == STATUS_ACCESS_VIOLATION ? written : any ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

/* A blocking call of another thread stays in Linux until it is done. */
NTSTATUS NtCancelSynchronousIoFile(HANDLE thread, IO_STATUS_BLOCK *which, IO_STATUS_BLOCK *io)
{
    struct nt_object *object;
    (void)which;
    NTSTATUS status = nt_handle_object(thread, NT_THREAD, 1 /* THREAD_TERMINATE */, &object, NULL, NULL);
    if (status)
        return status;
    nt_object_release(object);
    status = io_status_give(io, STATUS_NOT_FOUND, 0);
    return status;
}

/* ---- extended attributes ------------------------------------------------------------------------- */

NTSTATUS NtQueryEaFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, uintptr_t single, const void *list,
                       ULONG list_length, const ULONG *index, uintptr_t restart)
{
    struct io_file *file;
    (void)io, (void)buffer, (void)length, (void)single, (void)list, (void)list_length, (void)index, (void)restart;
    NTSTATUS status = io_file_of_handle(handle, FILE_READ_EA, &file, NULL, NULL);
    if (status)
        return status;
    io_file_release(file);
    return STATUS_NO_EAS_ON_FILE;
}

NTSTATUS NtSetEaFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length)
{
    struct io_file *file;
    (void)io, (void)buffer, (void)length;
    NTSTATUS status = io_file_of_handle(handle, FILE_WRITE_EA, &file, NULL, NULL);
    if (status)
        return status;
    io_file_release(file);
    return STATUS_EAS_NOT_SUPPORTED;
}
