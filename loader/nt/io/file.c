/* File objects: made, found behind a handle, ended; host descriptors that become handles. */
#include "loader/nt/io/private.h"
#include "loader/nt/ob/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The last handle is closed: sharing, locks and a deletion that waits for this end here, even where a section or an
 * operation under way still points to the object. */
static void file_closed(struct nt_object *object)
{
    struct io_file *file = (struct io_file *)object;
    file->opener = 0;
    if (file->pending)
        io_later_cancel(file, NULL, 0);
    io_record_detach(file);
    if (file->pipe)
        io_pipe_closed(file);
}

static void file_destroy(struct nt_object *object)
{
    struct io_file *file = (struct io_file *)object;
    file_closed(object); /* an object that never got a handle */
    if (file->pipe)
        io_pipe_destroyed(file);
    if (file->search)
        nt_arena_free(file->search, io_search_size(nt_at(file->search)));
    if (file->file.kind == NT_FILE_DIRECTORY) {
        io_search_forget(file->unique);
        io_watch_forget(file->unique);
    }
    if (file->file.completion)
        nt_object_unreference(nt_at(file->file.completion));
    if (file->file.path)
        nt_arena_free(file->file.path, (uint32_t)strlen(nt_at(file->file.path)) + 1);
}

/* "\??\C:\x": what Wine's GetFinalPathNameByHandle takes apart. */
static NTSTATUS file_full_name(struct nt_object *object, struct nt_string *out)
{
    enum { ROOM = PATH_MAX + 4 };
    char path[PATH_MAX];
    struct io_file *file = (struct io_file *)object;
    const char *device = file->file.kind == NT_FILE_PIPE ? "\\Device\\NamedPipe" : "\\Device\\Null";
    bool named = io_file_path(file, path, sizeof path);
    if (!named && file->file.kind == NT_FILE_CONSOLE)
        device = "\\Device\\ConDrv";
    if (!(out->text = malloc(ROOM * sizeof(WCHAR))))
        return STATUS_NO_MEMORY;
    if (named) {
        memcpy(out->text, (const WCHAR[]){'\\', '?', '?', '\\'}, 4 * sizeof(WCHAR));
        out->length = 4 + nt_path_to_dos(path, out->text + 4, ROOM - 4);
    } else {
        out->length = (unsigned)nt_utf16_from_utf8(device, strlen(device), out->text, ROOM);
    }
    return STATUS_SUCCESS;
}

static void objects_show(void (*visit)(struct nt_object *object))
{
    io_record_objects(visit);
    io_pipe_objects(visit);
}

static void file_links(struct nt_object *object, void (*visit)(struct nt_object *to))
{
    struct io_file *file = (struct io_file *)object;
    if (file->file.completion)
        visit(nt_at(file->file.completion));
}

/* Before the records tell their files anew: one that is named by a file and does not list it, because that was coming or going,
 * may end before the file does. */
static void file_reset(struct nt_object *object)
{
    struct io_file *file = (struct io_file *)object;
    if (object->type == NT_FILE)
        file->pending = file->record = 0;
}

/* Listed, but nothing holds it any more: its end was being begun. */
void io_file_lose(struct io_file *file)
{
    file->file.head.references = 1;
    nt_object_unreference(&file->file.head);
}

static void user_count(struct nt_object *object)
{
    if (object->type == NT_FILE && ((struct io_file *)object)->pipe)
        ((struct io_pipe *)nt_at(((struct io_file *)object)->pipe))->users++;
}

static void pending_count(struct nt_object *object, bool busy)
{
    if (busy)
        ((struct io_file *)object)->pending++;
}

static void repair(void)
{
    ob_objects_visit(file_reset);
    io_pipe_users_reset();
    ob_objects_visit(user_count);
    ob_journals_visit(pending_count);
    io_record_repair();
    io_pipe_repair();
}

/* Before anything runs: this process may close files that others made, its own table's or a killed process's. */
__attribute__((constructor)) static void hooks_set(void)
{
    nt_type_destroy[NT_FILE] = file_destroy;
    nt_type_closed[NT_FILE] = file_closed;
    nt_type_full_name[NT_FILE] = file_full_name;
    nt_type_links[NT_FILE] = file_links;
    nt_type_abandoned[NT_FILE] = io_file_abandoned;
    nt_root_repair[NT_ROOT_IO] = repair;
    nt_root_links[NT_ROOT_IO] = io_pipe_links;
    nt_root_objects[NT_ROOT_IO] = objects_show;
}

NTSTATUS io_file_create(uint32_t kind, uint32_t options, const char *path, struct io_file **out)
{
    struct nt_object *object;
    NTSTATUS status = nt_object_create(NT_FILE, sizeof(struct io_file), &object);
    if (status)
        return status;
    struct io_file *file = *out = (struct io_file *)object;
    file->file.kind = kind;
    file->file.options = options;
    uint32_t size = path ? (uint32_t)strlen(path) + 1 : 0;
    nt_lock();
    struct io_root *root = io_root();
    file->opener = nt_process.id;
    if (root)
        file->unique = ++root->unique;
    if (root && size && (file->file.path = nt_arena_allocate(size)))
        memcpy(nt_at(file->file.path), path, size);
    bool complete = root && (!size || file->file.path);
    object->signal = 1;
    nt_unlock();
    if (complete)
        return STATUS_SUCCESS;
    nt_object_release(object);
    *out = NULL;
    return STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS io_file_of_handle(HANDLE handle, ACCESS_MASK wanted, struct io_file **file, int *fd, ACCESS_MASK *granted)
{
    struct nt_object *object = NULL;
    NTSTATUS status = nt_handle_object(handle, NT_FILE, wanted, &object, fd, granted);
    *file = (struct io_file *)object;
    return status;
}

void io_file_release(struct io_file *file)
{
    nt_object_release(&file->file.head);
}

NTSTATUS io_status_give(IO_STATUS_BLOCK *guest_io, NTSTATUS status, ULONG_PTR information)
{
    IO_STATUS_BLOCK io = {.pointer = NULL, .information = information};
    io.status = status;
    return NT_PUT(guest_io, io) ? status : STATUS_ACCESS_VIOLATION;
}

NTSTATUS io_handle_give(struct io_file *file, ACCESS_MASK granted, ULONG attributes, int fd, HANDLE *guest_handle,
                        IO_STATUS_BLOCK *guest_io, ULONG_PTR information)
{
    HANDLE handle;
    NTSTATUS status = nt_handle_create(&file->file.head, granted, attributes, fd, &handle);
    file->opener = 0;
    io_file_release(file);
    if (status) {
        if (fd >= 0)
            close(fd);
        return status;
    }
    status = io_status_give(guest_io, STATUS_SUCCESS, information);
    if (!status && NT_PUT(guest_handle, handle))
        return STATUS_SUCCESS;
    nt_handle_close(handle);
    return STATUS_ACCESS_VIOLATION;
}

/* Linux starts programs with a low limit of open files that they may raise themselves; Windows has millions. */
static bool limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return !setrlimit(RLIMIT_NOFILE, &limit);
}

int io_open(const char *path, int flags, unsigned mode)
{
    for (;;) {
        int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
        if (fd >= 0 || (errno != EINTR && !(errno == EMFILE && limit_raise())))
            return fd;
    }
}

bool io_try_again(int fd, short events)
{
    if (errno == EINTR) {
        nt_ke_interrupted();
        return !nt_ps_ending();
    }
    if (errno == EAGAIN) {
        struct pollfd ready = {.fd = fd, .events = events};
        if (poll(&ready, 1, -1) <= 0 && errno != EINTR)
            return false;
        nt_ke_interrupted();
        return !nt_ps_ending();
    }
    return false;
}

/* ---- descriptors from outside -------------------------------------------------------------------- */

/* The path of a descriptor that names a file that still exists; "": none. */
static void path_of_fd(int fd, char *out, size_t room)
{
    char link[32];
    struct stat by_fd, by_path;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, room - 1);
    out[length > 0 ? length : 0] = 0;
    if (out[0] != '/' || fstat(fd, &by_fd) || stat(out, &by_path) || by_fd.st_ino != by_path.st_ino ||
        by_fd.st_dev != by_path.st_dev)
        out[0] = 0;
}

static uint32_t kind_of(int fd, mode_t mode, uint32_t *device_type)
{
    *device_type = FILE_DEVICE_DISK_FILE_SYSTEM;
    if (S_ISREG(mode) || S_ISBLK(mode))
        return NT_FILE_DISK;
    if (S_ISDIR(mode))
        return NT_FILE_DIRECTORY;
    *device_type = FILE_DEVICE_NAMED_PIPE;
    if (S_ISFIFO(mode) || S_ISSOCK(mode))
        return NT_FILE_PIPE;
    *device_type = isatty(fd) ? FILE_DEVICE_CONSOLE : FILE_DEVICE_NULL;
    return *device_type == FILE_DEVICE_CONSOLE ? NT_FILE_CONSOLE : NT_FILE_DEVICE;
}

NTSTATUS nt_io_adopt(int fd, ACCESS_MASK access, ULONG attributes, HANDLE *out)
{
    char path[PATH_MAX] = "";
    struct stat facts;
    struct io_file *file;
    uint32_t device_type;
    if (fstat(fd, &facts))
        return io_status_of_errno(errno);
    uint32_t kind = kind_of(fd, facts.st_mode, &device_type);
    if (kind == NT_FILE_DISK || kind == NT_FILE_DIRECTORY)
        path_of_fd(fd, path, sizeof path);
    if (kind == NT_FILE_PIPE)
        io_pipe_ignore_signal();
    NTSTATUS status = io_file_create(kind, FILE_SYNCHRONOUS_IO_NONALERT, *path ? path : NULL, &file);
    if (status)
        return status;
    ACCESS_MASK granted = nt_access_map(NT_FILE, access) | ACCESS_SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    file->device_type = device_type;
    /* A terminal is one descriptor for both directions: the rights tell the side, and where both are given, the number. */
    file->input = kind == NT_FILE_CONSOLE && granted & FILE_READ_DATA && (!(granted & FILE_WRITE_DATA) || fd == 0);
    file->screen = kind == NT_FILE_CONSOLE && !file->input;
    if (kind == NT_FILE_DISK || kind == NT_FILE_DIRECTORY)
        status = io_record_attach(file, facts.st_dev, facts.st_ino, granted, 0,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    if (!status)
        status = nt_handle_create(&file->file.head, granted, attributes, fd, out);
    file->opener = 0;
    io_file_release(file);
    return status;
}
