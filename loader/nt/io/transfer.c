/* NtReadFile, NtWriteFile and what goes with them. The current position is the descriptor's own, so that duplicated
 * and inherited handles share it as on Windows. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_END = -1, AT_POINTER = -2 };

/* Guest pages that Linux found wanting may only be a guard page that moves, or a page whose turn has not come:
 * touching them through nt_write tells. False: really no memory. */
static bool buffer_touch(char *buffer, size_t length, bool write)
{
    for (size_t at = 0; at < length; at += 4096 - ((uintptr_t)(buffer + at) & 4095)) {
        char byte;
        if (!nt_read(&byte, buffer + at, 1) || (write && !nt_write(buffer + at, &byte, 1)))
            return false;
    }
    return true;
}

/* ---- files on disk ------------------------------------------------------------------------------- */

/* offset < 0: at the descriptor's position. */
static NTSTATUS disk_read(int fd, char *buffer, uint32_t length, int64_t offset, ULONG_PTR *done)
{
    bool touched = false;
    *done = 0;
    while (*done < length) {
        ssize_t got = offset < 0 ? read(fd, buffer + *done, length - *done)
                                 : pread(fd, buffer + *done, length - *done, offset + (int64_t)*done);
        if (got > 0) {
            *done += (size_t)got;
        } else if (got == 0) {
            break;
        } else if (errno == EFAULT && !touched && buffer_touch(buffer + *done, length - *done, true)) {
            touched = true;
        } else if (!io_try_again(fd, POLLIN)) {
            return *done ? STATUS_SUCCESS : io_status_of_errno(errno);
        }
    }
    return *done || !length ? STATUS_SUCCESS : STATUS_END_OF_FILE;
}

static NTSTATUS disk_write(int fd, const char *buffer, uint32_t length, int64_t offset, ULONG_PTR *done)
{
    bool touched = false;
    *done = 0;
    while (*done < length) {
        ssize_t put = offset < 0 ? write(fd, buffer + *done, length - *done)
                                 : pwrite(fd, buffer + *done, length - *done, offset + (int64_t)*done);
        if (put > 0) {
            *done += (size_t)put;
        } else if (put < 0 && errno == EFAULT && !touched &&
                   buffer_touch((char *)(uintptr_t)buffer + *done, length - *done, false)) {
            touched = true;
        } else if (put < 0 && !io_try_again(fd, POLLOUT)) {
            return *done ? STATUS_SUCCESS : io_status_of_errno(errno);
        }
    }
    return STATUS_SUCCESS;
}

/* Where this transfer begins: -1 = at the descriptor's own position. */
static NTSTATUS position_find(struct io_file *file, int fd, const LARGE_INTEGER *guest, bool writing, bool append_only,
                              int64_t *position)
{
    LARGE_INTEGER offset = {.value = AT_POINTER};
    struct stat facts;
    bool synchronous = file->file.options & FILE_SYNCHRONOUS;
    if (guest && !NT_GET(offset, guest))
        return STATUS_ACCESS_VIOLATION;
    *position = offset.value;
    if (writing && (append_only || offset.value == AT_END)) {
        if (fstat(fd, &facts))
            return io_status_of_errno(errno);
        *position = facts.st_size;
        return STATUS_SUCCESS;
    }
    if (offset.value == AT_POINTER)
        return synchronous ? *position = -1, STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    return offset.value < 0 ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

struct transfer {
    struct io_file *file;
    int fd;
    void *buffer;          /* guest */
    uint32_t length, key;
    const LARGE_INTEGER *offset;
    bool writing, append_only;
};

/* After a transfer at a given offset the position of a synchronous handle stands behind it. */
static NTSTATUS disk_transfer(const struct transfer *transfer, ULONG_PTR *done)
{
    int64_t position, lock_at;
    struct io_file *file = transfer->file;
    int fd = transfer->fd;
    NTSTATUS status = position_find(file, fd, transfer->offset, transfer->writing, transfer->append_only, &position);
    if (status)
        return status;
    lock_at = position;
    if (file->record && __atomic_load_n(&((struct io_record *)nt_at(file->record))->locks, __ATOMIC_RELAXED)) {
        if (position < 0)
            lock_at = lseek(fd, 0, SEEK_CUR);
        if (io_record_lock_conflict(file, (uint64_t)lock_at, transfer->length, transfer->writing, transfer->key))
            return STATUS_FILE_LOCK_CONFLICT;
    }
    if (transfer->writing)
        status = disk_write(fd, transfer->buffer, transfer->length, position, done);
    else
        status = disk_read(fd, transfer->buffer, transfer->length, position, done);
    if (!status && position >= 0 && file->file.options & FILE_SYNCHRONOUS)
        lseek(fd, position + (int64_t)*done, SEEK_SET);
    if (!status && transfer->writing && file->file.options & FILE_WRITE_THROUGH)
        fdatasync(fd);
    return status;
}

/* ---- every kind ---------------------------------------------------------------------------------- */

static NTSTATUS stream_transfer(const struct transfer *transfer, bool wait, ULONG_PTR *done)
{
    struct io_file *file = transfer->file;
    if (file->file.kind == NT_FILE_PIPE && transfer->writing)
        return io_pipe_write(file, transfer->fd, transfer->buffer, transfer->length, wait, done);
    if (file->file.kind == NT_FILE_PIPE)
        return io_pipe_read(file, transfer->fd, transfer->buffer, transfer->length, wait, done);
    if (transfer->writing)
        return disk_write(transfer->fd, transfer->buffer, transfer->length, -1, done);
    if (file->file.kind != NT_FILE_CONSOLE)
        return disk_read(transfer->fd, transfer->buffer, transfer->length, -1, done);
    struct pollfd ready = {.fd = transfer->fd, .events = POLLIN};
    if (!wait && poll(&ready, 1, 0) <= 0)
        return STATUS_PENDING;
    return io_console_read(transfer->fd, transfer->buffer, transfer->length, done);
}

/* Runs on the I/O thread. A write that was begun goes on where it stopped. */
static NTSTATUS later_step(struct io_later *later, ULONG_PTR *information)
{
    struct transfer transfer = {.file = later->finish.file, .fd = later->fd, .buffer = (char *)later->buffer + later->done,
                                .length = later->length - later->done, .writing = later->events == POLLOUT};
    ULONG_PTR done = 0;
    NTSTATUS status = stream_transfer(&transfer, false, &done);
    later->done += (uint32_t)done;
    *information = later->done;
    return status;
}

static NTSTATUS transfer_run(const struct transfer *transfer, struct io_finish *finish)
{
    struct io_file *file = transfer->file;
    ULONG_PTR done = 0;
    NTSTATUS status;
    if (file->file.kind == NT_FILE_DIRECTORY)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else if (file->file.kind == NT_FILE_DISK)
        status = disk_transfer(transfer, &done);
    else
        status = stream_transfer(transfer, file->file.options & FILE_SYNCHRONOUS, &done);
    if (status == STATUS_ACCESS_VIOLATION && !done && file->file.kind == NT_FILE_PIPE &&
        buffer_touch(transfer->buffer, transfer->length, !transfer->writing))
        status = stream_transfer(transfer, file->file.options & FILE_SYNCHRONOUS, &done);
    if (status == STATUS_PENDING) {
        struct io_later later = {.finish = *finish, .fd = fcntl(transfer->fd, F_DUPFD_CLOEXEC, 0),
                                 .events = transfer->writing ? POLLOUT : POLLIN, .step = later_step,
                                 .buffer = transfer->buffer, .length = transfer->length, .done = (uint32_t)done,
                                 .thread_id = io_thread_id()};
        return io_later_add(&later);
    }
    io_finish_end(finish, status, done, false);
    return status;
}

static NTSTATUS transfer_service(struct transfer *transfer, HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context,
                                 IO_STATUS_BLOCK *io, const ULONG *key)
{
    ACCESS_MASK granted, needed = transfer->writing ? FILE_WRITE_DATA | FILE_APPEND_DATA : FILE_READ_DATA;
    struct io_finish finish;
    NTSTATUS status = io_file_of_handle(handle, 0, &transfer->file, &transfer->fd, &granted);
    if (status)
        return status;
    if (!(granted & needed))
        status = STATUS_ACCESS_DENIED;
    else if (key && !NT_GET(transfer->key, key))
        status = STATUS_ACCESS_VIOLATION;
    else
        status = io_finish_begin(&finish, transfer->file, event, routine, context, io);
    transfer->append_only = (granted & needed) == FILE_APPEND_DATA && transfer->writing;
    if (!status)
        status = transfer_run(transfer, &finish);
    io_file_release(transfer->file);
    return status;
}

NTSTATUS NtReadFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io, void *buffer,
                    ULONG length, const LARGE_INTEGER *offset, const ULONG *key)
{
    struct transfer transfer = {.buffer = buffer, .length = length, .offset = offset};
    return transfer_service(&transfer, handle, event, routine, context, io, key);
}

NTSTATUS NtWriteFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                     const void *buffer, ULONG length, const LARGE_INTEGER *offset, const ULONG *key)
{
    struct transfer transfer = {.buffer = (void *)(uintptr_t)buffer, .length = length, .offset = offset, .writing = true};
    return transfer_service(&transfer, handle, event, routine, context, io, key);
}

/* A pipe is flushed when its reader has everything; a terminal and a device have nothing to flush. */
NTSTATUS NtFlushBuffersFile(HANDLE handle, IO_STATUS_BLOCK *io)
{
    struct io_file *file;
    ACCESS_MASK granted;
    int fd;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, &fd, &granted);
    if (status)
        return status;
    if (!(granted & (FILE_WRITE_DATA | FILE_APPEND_DATA)))
        status = STATUS_ACCESS_DENIED;
    else if (file->file.kind == NT_FILE_DISK && fsync(fd) && errno != EINVAL && errno != EROFS && errno != EBADF)
        status = io_status_of_errno(errno);
    else if (file->file.kind == NT_FILE_PIPE)
        status = io_pipe_flush(file, fd);
    io_file_release(file);
    return status ? status : io_status_give(io, STATUS_SUCCESS, 0);
}

/* ---- byte-range locks ---------------------------------------------------------------------------- */

static NTSTATUS lock_step(struct io_later *later, ULONG_PTR *information)
{
    *information = 0;
    NTSTATUS status = io_record_lock(later->finish.file, later->offset, later->span, later->key, later->exclusive);
    return status == STATUS_LOCK_NOT_GRANTED ? STATUS_PENDING : status;
}

NTSTATUS NtLockFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                    const LARGE_INTEGER *offset, const LARGE_INTEGER *length, ULONG key, uintptr_t immediately,
                    uintptr_t exclusive)
{
    LARGE_INTEGER from, span;
    struct io_file *file;
    struct io_finish finish;
    ACCESS_MASK granted;
    if (!NT_GET(from, offset) || !NT_GET(span, length))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, NULL, &granted);
    if (status)
        return status;
    if (!(granted & (FILE_READ_DATA | FILE_WRITE_DATA)))
        status = STATUS_ACCESS_DENIED;
    else if (file->file.kind != NT_FILE_DISK)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else
        status = io_finish_begin(&finish, file, event, routine, context, io);
    if (!status) {
        uint64_t at = (uint64_t)from.value, size = (uint64_t)span.value;
        while ((status = io_record_lock(file, at, size, key, exclusive & 0xFF)) == STATUS_LOCK_NOT_GRANTED &&
               !(immediately & 0xFF) && file->file.options & FILE_SYNCHRONOUS && !nt_ps_ending())
            usleep(2000); /* contended locks are rare; nobody is told when one goes */
        if (status == STATUS_LOCK_NOT_GRANTED && !(immediately & 0xFF)) {
            struct io_later later = {.finish = finish, .fd = -1, .step = lock_step, .offset = at, .span = size, .key = key,
                                     .exclusive = exclusive & 0xFF, .thread_id = io_thread_id()};
            status = io_later_add(&later);
        } else {
            io_finish_end(&finish, status, 0, false);
        }
    }
    io_file_release(file);
    return status;
}

NTSTATUS NtUnlockFile(HANDLE handle, IO_STATUS_BLOCK *io, const LARGE_INTEGER *offset, const LARGE_INTEGER *length, ULONG key)
{
    LARGE_INTEGER from, span;
    struct io_file *file;
    if (!NT_GET(from, offset) || !NT_GET(span, length))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, NULL, NULL);
    if (status)
        return status;
    status = io_record_unlock(file, (uint64_t)from.value, (uint64_t)span.value, key);
    io_file_release(file);
    return status || !io ? status : io_status_give(io, STATUS_SUCCESS, 0); /* Wine's UnlockFileEx gives no status block */
}

/* ---- page by page -------------------------------------------------------------------------------- */

/* FILE_SEGMENT_ELEMENT is eight bytes on both widths; each names one page. Done at once, page after page. */
static NTSTATUS segments_transfer(bool writing, HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context,
                                  IO_STATUS_BLOCK *io, const void *segments, ULONG length, const LARGE_INTEGER *offset)
{
    struct transfer transfer = {.writing = writing};
    struct io_finish finish;
    ACCESS_MASK granted;
    LARGE_INTEGER at;
    ULONG_PTR done = 0;
    if (length % 4096 || !offset || !NT_GET(at, offset))
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = io_file_of_handle(handle, writing ? FILE_WRITE_DATA : FILE_READ_DATA, &transfer.file, &transfer.fd, &granted);
    if (status)
        return status;
    bool fits = transfer.file->file.kind == NT_FILE_DISK && transfer.file->file.options & FILE_NO_INTERMEDIATE_BUFFERING &&
                !(transfer.file->file.options & FILE_SYNCHRONOUS);
    status = fits ? io_finish_begin(&finish, transfer.file, event, routine, context, io) : STATUS_INVALID_PARAMETER;
    while (!status && done < length) {
        uint64_t segment;
        ULONG_PTR part = 0;
        if (!nt_read(&segment, (const char *)segments + done / 4096 * 8, sizeof segment)) {
            status = STATUS_ACCESS_VIOLATION;
            break;
        }
        char *page = (char *)(uintptr_t)segment;
        int64_t where = at.value + (int64_t)done;
        status = writing ? disk_write(transfer.fd, page, 4096, where, &part) : disk_read(transfer.fd, page, 4096, where, &part);
        done += part;
        if (part < 4096)
            break;
    }
    if (fits) {
        if (status == STATUS_END_OF_FILE && done)
            status = STATUS_SUCCESS;
        io_finish_end(&finish, status, done, false);
    }
    io_file_release(transfer.file);
    return status;
}

NTSTATUS NtReadFileScatter(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                           const void *segments, ULONG length, const LARGE_INTEGER *offset, const ULONG *key)
{
    (void)key;
    return segments_transfer(false, handle, event, routine, context, io, segments, length, offset);
}

NTSTATUS NtWriteFileGather(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                           const void *segments, ULONG length, const LARGE_INTEGER *offset, const ULONG *key)
{
    (void)key;
    return segments_transfer(true, handle, event, routine, context, io, segments, length, offset);
}
