/* Named pipes: making them, opening their other end, connecting and disconnecting. Anonymous pipes are named ones under
 * a name that nobody else knows, as in Windows. */
#include "loader/nt/io/private.h"
#include "loader/nt/ob/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INBOUND, OUTBOUND, DUPLEX };

/* A write to a pipe without reader is an answer for the guest, not the end of the process. */
void io_pipe_ignore_signal(void)
{
    static bool ignored;
    if (!__atomic_exchange_n(&ignored, true, __ATOMIC_RELAXED))
        signal(SIGPIPE, SIG_IGN);
}

/* ---- the server's end ---------------------------------------------------------------------------- */

struct making {
    struct io_name name;
    ULONG sharing, disposition, type, read_mode, completion_mode, instances, inbound, outbound;
    uint64_t timeout;
    ULONG_PTR information;
};

static NTSTATUS making_check(const struct making *making, ULONG options)
{
    if (making->disposition > FILE_OVERWRITE_IF || making->type > 3 || making->read_mode > 1 || making->completion_mode > 1)
        return STATUS_INVALID_PARAMETER;
    if (making->read_mode == 1 && !(making->type & 1))
        return STATUS_INVALID_PARAMETER;
    if (!(making->sharing & (FILE_SHARE_READ | FILE_SHARE_WRITE)) || making->sharing & ~3u || !making->instances)
        return STATUS_INVALID_PARAMETER;
    if ((options & FILE_SYNCHRONOUS) == FILE_SYNCHRONOUS)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

/* Compares with the instances that are there (lock held). */
static NTSTATUS instances_check(struct making *making, uint32_t configuration)
{
    unsigned count;
    struct io_pipe *first = io_pipe_find(making->name.rest, making->name.rest_length, 0, &count);
    making->information = first ? FILE_OPENED : FILE_CREATED;
    if (!first)
        return making->disposition == FILE_OPEN ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_SUCCESS;
    if (making->disposition == FILE_CREATE || first->configuration != configuration || first->messages != (making->type & 1))
        return STATUS_ACCESS_DENIED;
    return count >= first->instances ? STATUS_INSTANCE_NOT_AVAILABLE : STATUS_SUCCESS;
}

static NTSTATUS instance_add(struct making *making, struct io_file *file, int fd, uint64_t address)
{
    static const uint8_t configurations[] = {0, OUTBOUND, INBOUND, DUPLEX}; /* by what the client may share: read, write */
    uint32_t configuration = configurations[making->sharing & 3];
    struct nt_object *event;
    NTSTATUS status = nt_object_create(NT_EVENT, sizeof *event, &event);
    if (status)
        return status;
    nt_lock();
    struct io_root *root = io_root();
    status = making->name.rest_length ? instances_check(making, configuration) : STATUS_SUCCESS;
    nt_ref ref = status || !root ? 0 : nt_arena_allocate(sizeof(struct io_pipe));
    struct io_pipe *pipe = nt_at(ref);
    if (pipe) {
        pipe->state = PIPE_LISTENING;
        pipe->server = nt_ref_of(file);
        pipe->server_id = nt_process.id;
        pipe->users = 1;
        pipe->holder = nt_process.id;
        pipe->address = address;
        pipe->serial = io_pipe_serial(fd);
        pipe->event = nt_ref_of(event);
        event->flags |= NT_OBJECT_AUTO_RESET;
        pipe->messages = making->type & 1;
        pipe->configuration = configuration;
        pipe->instances = making->instances;
        pipe->inbound = making->inbound;
        pipe->outbound = making->outbound;
        pipe->timeout = making->timeout;
        pipe->name_length = making->name.rest_length;
        memcpy(pipe->name, making->name.rest, making->name.rest_length * sizeof(WCHAR));
        file->pipe = ref;
        file->pipe_server = true;
        pipe->next = root->pipes;
        OB_ORDER();
        root->pipes = ref;
        nt_object_settle(event);
        io_pipe_turn_tell();
    } else if (!status) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    nt_unlock();
    if (status)
        nt_object_release(event);
    return status;
}

static NTSTATUS server_make(struct making *making, ULONG options, struct io_file **out, int *fd)
{
    uint64_t address;
    if (making->name.place != IO_PLACE_PIPE && making->name.place != IO_PLACE_PIPE_ROOT)
        return STATUS_OBJECT_NAME_INVALID;
    if (making->name.rest_length > 255)
        return STATUS_OBJECT_NAME_INVALID;
    *fd = io_pipe_listener(making->type & 1, &address);
    if (*fd < 0)
        return io_status_of_errno(errno);
    io_pipe_ignore_signal();
    NTSTATUS status = io_file_create(NT_FILE_PIPE, options, NULL, out);
    if (!status) {
        struct io_file *file = *out;
        file->device_type = FILE_DEVICE_NAMED_PIPE;
        file->pipe_read_mode = making->read_mode;
        file->pipe_no_wait = making->completion_mode;
        status = instance_add(making, file, *fd, address);
        if (status)
            io_file_release(file);
    }
    if (status)
        close(*fd);
    return status;
}

NTSTATUS NtCreateNamedPipeFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                               ULONG sharing, ULONG disposition, ULONG options, ULONG pipe_type, ULONG read_mode,
                               ULONG completion_mode, ULONG instances, ULONG inbound, ULONG outbound,
                               const LARGE_INTEGER *timeout)
{
    struct making making = {.sharing = sharing, .disposition = disposition, .type = pipe_type, .read_mode = read_mode,
                            .completion_mode = completion_mode, .instances = instances, .inbound = inbound,
                            .outbound = outbound};
    struct nt_attributes captured;
    struct io_file *file;
    int fd = -1;
    LARGE_INTEGER wait = {.value = -500000}; /* 50 ms, Windows' default */
    if (!attributes || (timeout && !NT_GET(wait, timeout)))
        return attributes ? STATUS_ACCESS_VIOLATION : STATUS_INVALID_PARAMETER;
    making.timeout = (uint64_t)(wait.value < 0 ? -wait.value : wait.value);
    NTSTATUS status = making_check(&making, options);
    if (!status)
        status = nt_attributes_capture(attributes, &captured);
    if (status)
        return status;
    status = io_name_of_attributes(&captured, &making.name);
    if (!status)
        status = server_make(&making, options, &file, &fd);
    nt_attributes_free(&captured);
    if (status)
        return status;
    return io_handle_give(file, nt_access_map(NT_FILE, access), captured.attributes, fd, handle, io, making.information);
}

/* ---- the client's end ---------------------------------------------------------------------------- */

/* Lock held. */
static NTSTATUS client_connect(const struct io_name *name, ACCESS_MASK access, struct io_file *file, int *fd)
{
    unsigned count = 1;
    struct io_pipe *pipe = name->pipe ? nt_at(name->pipe) : io_pipe_find(name->rest, name->rest_length, PIPE_LISTENING, &count);
    if (!pipe)
        return count ? STATUS_PIPE_NOT_AVAILABLE : STATUS_OBJECT_NAME_NOT_FOUND;
    if (pipe->state != PIPE_LISTENING || !pipe->server)
        return STATUS_PIPE_NOT_AVAILABLE;
    if ((access & FILE_READ_DATA && pipe->configuration == INBOUND) ||
        (access & FILE_WRITE_DATA && pipe->configuration == OUTBOUND))
        return STATUS_ACCESS_DENIED;
    if ((*fd = io_pipe_connect(pipe)) < 0)
        return errno == ECONNREFUSED ? STATUS_OBJECT_NAME_NOT_FOUND : io_status_of_errno(errno);
    pipe->users++;
    file->pipe = nt_ref_of(pipe);
    pipe->client = nt_ref_of(file);
    pipe->client_id = nt_process.id;
    OB_ORDER();
    __atomic_store_n(&pipe->state, PIPE_CONNECTED, __ATOMIC_RELEASE);
    io_pipe_accept_here(pipe);
    struct nt_object *event = nt_at(pipe->event);
    event->signal = 1;
    nt_ke_wake(event);
    return STATUS_SUCCESS;
}

NTSTATUS io_pipe_open(const struct io_name *name, ACCESS_MASK access, ULONG options, struct io_file **out, int *fd)
{
    bool root = name->place == IO_PLACE_PIPE_ROOT;
    NTSTATUS status = io_file_create(root ? NT_FILE_DEVICE : NT_FILE_PIPE, options, NULL, out);
    if (status)
        return status;
    (*out)->device_type = FILE_DEVICE_NAMED_PIPE;
    *fd = -1;
    if (root)
        return STATUS_SUCCESS;
    if (options & FILE_DIRECTORY_FILE) {
        status = STATUS_NOT_A_DIRECTORY;
    } else {
        nt_lock();
        status = client_connect(name, access, *out, fd);
        nt_unlock();
    }
    if (status)
        io_file_release(*out);
    else
        io_later_look();
    return status;
}

/* ---- listening ----------------------------------------------------------------------------------- */

/* STATUS_PENDING: no client yet. */
static NTSTATUS listen_look(struct io_file *file)
{
    nt_lock();
    struct io_pipe *pipe = nt_at(file->pipe);
    uint32_t state = pipe ? pipe->state : PIPE_CLOSING;
    nt_unlock();
    return state == PIPE_LISTENING ? STATUS_PENDING : state == PIPE_CONNECTED ? STATUS_SUCCESS
         : state == PIPE_DISCONNECTED ? STATUS_PIPE_DISCONNECTED : STATUS_PIPE_CLOSING;
}

static NTSTATUS listen_step(struct io_later *later, ULONG_PTR *information)
{
    *information = 0;
    return listen_look(later->finish.file);
}

/* After a disconnection the instance listens anew. */
static NTSTATUS listener_renew(struct io_file *file, int fd)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    uint64_t address;
    int listener = io_pipe_listener(pipe->messages, &address);
    if (listener < 0)
        return io_status_of_errno(errno);
    nt_lock();
    ob_object_fd_replace(&file->file.head, listener);
    dup3(listener, fd, O_CLOEXEC);
    pipe->address = address;
    pipe->serial = io_pipe_serial(listener);
    pipe->accepted = false;
    pipe->holder = nt_process.id;
    memset(pipe->queue, 0, sizeof pipe->queue);
    ((struct nt_object *)nt_at(pipe->event))->signal = 0;
    OB_ORDER();
    __atomic_store_n(&pipe->state, PIPE_LISTENING, __ATOMIC_RELEASE);
    io_pipe_turn_tell();
    nt_unlock();
    close(listener);
    return STATUS_SUCCESS;
}

static NTSTATUS control_listen(struct io_file *file, int fd, NTSTATUS (**step)(struct io_later *, ULONG_PTR *), short *events)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    if (!file->pipe_server)
        return STATUS_ILLEGAL_FUNCTION;
    NTSTATUS status = listen_look(file);
    if (status == STATUS_SUCCESS)
        return STATUS_PIPE_CONNECTED;
    if (status == STATUS_PIPE_DISCONNECTED && (status = listener_renew(file, fd)) == STATUS_SUCCESS)
        status = STATUS_PENDING;
    if (status != STATUS_PENDING)
        return status;
    if (file->pipe_no_wait)
        return STATUS_PIPE_LISTENING;
    *step = listen_step;
    *events = POLLIN;
    struct nt_object *event = nt_at(pipe->event);
    while (file->file.options & FILE_SYNCHRONOUS && (status = listen_look(file)) == STATUS_PENDING) {
        if (nt_ps_ending())
            return STATUS_THREAD_IS_TERMINATING;
        nt_ke_wait(&event, 1, false, false, NULL);
    }
    return status;
}

/* Both directions end at once and what was not read is lost. */
static NTSTATUS control_disconnect(struct io_file *file, int fd)
{
    if (!file->pipe_server)
        return STATUS_ILLEGAL_FUNCTION;
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct io_pipe *pipe = nt_at(file->pipe);
    if (pipe->state == PIPE_DISCONNECTED)
        status = STATUS_PIPE_DISCONNECTED;
    else if (pipe->state == PIPE_LISTENING)
        status = STATUS_PIPE_LISTENING;
    if (!status)
        __atomic_store_n(&pipe->state, PIPE_DISCONNECTED, __ATOMIC_RELEASE);
    pipe->client = status ? pipe->client : 0;
    nt_unlock();
    if (!status)
        shutdown(fd, SHUT_RDWR);
    io_later_look();
    return status;
}

/* ---- waiting for an instance --------------------------------------------------------------------- */

struct wait_head { int64_t timeout; uint32_t name_length; uint8_t specified, pad; } __attribute__((packed));

/* `ticks` of 100 ns, but no longer than a thread that is told to end should take to notice. */
static void turn_await(struct io_root *root, uint32_t turn, uint64_t ticks)
{
    enum { LONGEST = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t nanoseconds = (ticks < LONGEST ? ticks : LONGEST) * 100 + (uint64_t)now.tv_nsec;
    struct ob_timespec deadline = {now.tv_sec + (int64_t)(nanoseconds / 1000000000), (int64_t)(nanoseconds % 1000000000)};
    ob_futex_wait(&root->pipe_turns, turn, &deadline, false);
}

static NTSTATUS control_wait(const void *input, ULONG length)
{
    struct wait_head head;
    WCHAR name[256];
    unsigned count;
    if (length < sizeof head || !nt_read(&head, input, sizeof head))
        return length < sizeof head ? STATUS_INVALID_PARAMETER : STATUS_ACCESS_VIOLATION;
    if (head.name_length > sizeof name || head.name_length > length - sizeof head)
        return STATUS_INVALID_PARAMETER;
    if (!nt_read(name, (const char *)input + sizeof head, head.name_length))
        return STATUS_ACCESS_VIOLATION;
    bool for_ever = head.specified && head.timeout == INT64_MIN;
    uint64_t begin = nt_time_now(), limit = (uint64_t)(head.timeout < 0 ? -(head.timeout + 1) : head.timeout);
    for (;;) {
        nt_lock();
        struct io_root *root = io_root();
        uint32_t turn = root ? root->pipe_turns : 0;
        struct io_pipe *any = io_pipe_find(name, head.name_length / 2, 0, &count);
        if (any && !head.specified)
            limit = any->timeout;
        struct io_pipe *free_one = io_pipe_find(name, head.name_length / 2, PIPE_LISTENING, &count);
        nt_unlock();
        if (!count)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        if (free_one)
            return STATUS_SUCCESS;
        uint64_t passed = nt_time_now() - begin;
        if ((!for_ever && passed >= limit) || nt_ps_ending())
            return STATUS_IO_TIMEOUT;
        turn_await(root, turn, for_ever ? UINT64_MAX : limit - passed);
    }
}

/* ---- codes --------------------------------------------------------------------------------------- */

/* GetNamedPipeClientProcessId and its twin ask by name. */
static NTSTATUS control_connection(struct io_file *file, const void *input, ULONG input_length, void *output,
                                   ULONG output_length, ULONG_PTR *done)
{
    char name[16] = "";
    if (input_length > sizeof name || !nt_read(name, input, input_length))
        return STATUS_INVALID_PARAMETER;
    struct io_pipe *pipe = nt_at(file->pipe);
    bool client = !strncmp(name, "ClientProcessId", sizeof name);
    if (!client && strncmp(name, "ServerProcessId", sizeof name))
        return STATUS_NOT_FOUND;
    uint32_t id = client ? pipe->client_id : pipe->server_id;
    *done = sizeof id;
    if (output_length < sizeof id)
        return STATUS_BUFFER_TOO_SMALL;
    return NT_PUT(output, id) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

enum { CODE_DISCONNECT = 0x110004, CODE_LISTEN = 0x110008, CODE_PEEK = 0x11400C, CODE_TRANSCEIVE = 0x11C017, CODE_WAIT = 0x110018,
       CODE_IMPERSONATE = 0x11001C, CODE_CONNECTION_ATTRIBUTE = 0x110030 };

NTSTATUS io_pipe_control(struct io_file *file, int fd, ULONG code, const void *input, ULONG input_length, void *output,
                         ULONG output_length, ULONG_PTR *done, NTSTATUS (**step)(struct io_later *, ULONG_PTR *), short *events)
{
    *events = 0;
    if (code == CODE_WAIT)
        return control_wait(input, input_length);
    if (file->file.kind != NT_FILE_PIPE)
        return STATUS_INVALID_DEVICE_REQUEST;
    io_pipe_refresh(file, fd);
    if (code == CODE_PEEK)
        return io_pipe_peek(file, fd, output, output_length, done);
    if (!file->pipe)
        return STATUS_INVALID_DEVICE_REQUEST;
    switch (code) {
    case CODE_LISTEN: return control_listen(file, fd, step, events);
    case CODE_DISCONNECT: return control_disconnect(file, fd);
    case CODE_TRANSCEIVE: return io_pipe_transceive(file, fd, input, input_length, output, output_length, done, step, events);
    case CODE_CONNECTION_ATTRIBUTE: return control_connection(file, input, input_length, output, output_length, done);
    case CODE_IMPERSONATE: return file->pipe_server ? STATUS_SUCCESS : STATUS_ILLEGAL_FUNCTION;
    default: return STATUS_INVALID_DEVICE_REQUEST;
    }
}
