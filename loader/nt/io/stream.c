/* Bytes and messages through pipes: our own named ones (sockets) and those that came from outside (FIFOs, sockets).
 *
 * A message is one packet of a SOCK_SEQPACKET socket with one byte in front, so that an empty message differs from the
 * end. A message that was read in part stays in the socket; the queue's offset says how much of it is gone. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD = 1 }; /* byte in front of a message */

static struct io_message_queue *queue_in(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    return &pipe->queue[file->pipe_server ? 1 : 0];
}

static struct io_message_queue *queue_out(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    return &pipe->queue[file->pipe_server ? 0 : 1];
}

static bool is_messages(const struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    return pipe && pipe->messages;
}

static bool is_socket(const struct io_file *file)
{
    return file->pipe != 0;
}

/* Why there is nothing at the other end. */
static NTSTATUS broken_status(struct io_file *file, NTSTATUS otherwise)
{
    NTSTATUS status = otherwise;
    nt_lock();
    struct io_pipe *pipe = nt_at(file->pipe);
    if (pipe && file->pipe_server && pipe->state == PIPE_LISTENING)
        status = STATUS_PIPE_LISTENING;
    else if (pipe && (pipe->state == PIPE_DISCONNECTED || (!file->pipe_server && pipe->client != nt_ref_of(file))))
        status = STATUS_PIPE_DISCONNECTED;
    nt_unlock();
    return status;
}

static bool is_listening(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    return pipe && file->pipe_server && __atomic_load_n(&pipe->state, __ATOMIC_ACQUIRE) == PIPE_LISTENING;
}

/* An interrupted call goes on, unless this thread has been told to end. */
static bool goes_on(void)
{
    if (errno != EINTR)
        return false;
    nt_ke_interrupted();
    errno = EINTR; /* for who asks why */
    return !nt_ps_ending();
}

static bool is_ready(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    return poll(&ready, 1, 0) > 0;
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* Size of the packet in front; waits for it. 0: the other end is closed. -1: errno. */
static ssize_t packet_size(int fd, bool wait)
{
    char head;
    struct iovec piece = {&head, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t size;
    do
        size = recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
    while (size < 0 && goes_on());
    return size;
}

/* As much of the message in front as fits: STATUS_BUFFER_OVERFLOW leaves the rest for the next read. */
static NTSTATUS message_read(struct io_file *file, int fd, char *buffer, uint32_t length, bool wait, bool peek, ULONG_PTR *done)
{
    char discard[4096];
    struct io_message_queue *queue = queue_in(file);
    ssize_t size = packet_size(fd, wait);
    if (size < 0)
        return errno == EAGAIN ? STATUS_PENDING : errno == EINTR ? STATUS_THREAD_IS_TERMINATING : broken_status(file, STATUS_PIPE_BROKEN);
    if (size == 0)
        return broken_status(file, STATUS_PIPE_BROKEN);
    uint32_t skip = HEAD + __atomic_load_n(&queue->offset, __ATOMIC_ACQUIRE), left = (uint32_t)size - skip;
    uint32_t part = left < length ? left : length;
    struct iovec pieces[130];
    unsigned count = 0;
    for (uint32_t at = 0; at < skip && count < 128; count++) { /* what was read before, into the bin */
        uint32_t piece = skip - at < sizeof discard ? skip - at : sizeof discard;
        pieces[count] = (struct iovec){discard, piece};
        at += piece;
    }
    if (part)
        pieces[count++] = (struct iovec){buffer, part};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    bool keeps = peek || part < left;
    if (recvmsg(fd, &message, MSG_DONTWAIT | (keeps ? MSG_PEEK : 0)) < 0)
        return errno == EFAULT ? STATUS_ACCESS_VIOLATION : errno == EAGAIN ? STATUS_PENDING : STATUS_PIPE_BROKEN;
    *done = part;
    if (!peek)
        __atomic_store_n(&queue->offset, keeps ? skip - HEAD + part : 0, __ATOMIC_RELEASE);
    if (!keeps)
        __atomic_sub_fetch(&queue->messages, 1, __ATOMIC_RELAXED);
    return part < left ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS bytes_read(struct io_file *file, int fd, char *buffer, uint32_t length, bool wait, ULONG_PTR *done)
{
    ssize_t got;
    if (!length && !wait)
        return is_ready(fd, POLLIN) ? STATUS_SUCCESS : STATUS_PENDING;
    if (!is_socket(file) && !wait && !is_ready(fd, POLLIN))
        return STATUS_PENDING;
    do
        got = is_socket(file) ? recv(fd, buffer, length, wait ? 0 : MSG_DONTWAIT) : read(fd, buffer, length);
    while (got < 0 && (wait ? io_try_again(fd, POLLIN) : goes_on()));
    if (got > 0 || (got == 0 && !length)) {
        *done = (size_t)got;
        return STATUS_SUCCESS;
    }
    if (got == 0)
        return broken_status(file, STATUS_PIPE_BROKEN);
    switch (errno) {
    case EAGAIN: return STATUS_PENDING;
    case EINTR: return STATUS_THREAD_IS_TERMINATING;
    case EFAULT: return STATUS_ACCESS_VIOLATION;
    case ECONNRESET: case ENOTCONN: return broken_status(file, STATUS_PIPE_BROKEN);
    default: return io_status_of_errno(errno);
    }
}

NTSTATUS io_pipe_read(struct io_file *file, int fd, void *buffer, uint32_t length, bool wait, ULONG_PTR *done)
{
    NTSTATUS status;
    *done = 0;
    if (is_listening(file))
        return STATUS_PIPE_LISTENING;
    io_pipe_refresh(file, fd);
    bool waits = wait && !file->pipe_no_wait;
    if (!is_messages(file)) {
        status = bytes_read(file, fd, buffer, length, waits, done);
    } else if (file->pipe_read_mode) {
        status = message_read(file, fd, buffer, length, waits, false, done);
    } else { /* boundaries do not count: whatever is there, at least something */
        status = message_read(file, fd, buffer, length, waits, false, done);
        while (status == STATUS_SUCCESS && *done < length) {
            ULONG_PTR more = 0;
            NTSTATUS next = message_read(file, fd, (char *)buffer + *done, length - (uint32_t)*done, false, false, &more);
            *done += more;
            if (next)
                break;
        }
        if (status == STATUS_BUFFER_OVERFLOW)
            status = STATUS_SUCCESS;
    }
    return status == STATUS_PENDING && file->pipe_no_wait ? STATUS_PIPE_EMPTY : status;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static NTSTATUS write_status(struct io_file *file)
{
    switch (errno) {
    case EAGAIN: return STATUS_PENDING;
    case EINTR: return STATUS_THREAD_IS_TERMINATING;
    case EPIPE: case ECONNRESET: case ENOTCONN: return broken_status(file, STATUS_PIPE_CLOSING);
    case EMSGSIZE: return STATUS_INSUFFICIENT_RESOURCES;
    default: return io_status_of_errno(errno);
    }
}

static NTSTATUS message_write(struct io_file *file, int fd, const void *buffer, uint32_t length, bool wait, ULONG_PTR *done)
{
    char head = 0;
    struct iovec pieces[2] = {{&head, HEAD}, {(void *)(uintptr_t)buffer, length}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = length ? 2 : 1};
    ssize_t put;
    __atomic_add_fetch(&queue_out(file)->messages, 1, __ATOMIC_RELAXED);
    do
        put = sendmsg(fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    while (put < 0 && goes_on());
    if (put < 0) {
        __atomic_sub_fetch(&queue_out(file)->messages, 1, __ATOMIC_RELAXED);
        return write_status(file);
    }
    *done = length;
    return STATUS_SUCCESS;
}

NTSTATUS io_pipe_write(struct io_file *file, int fd, const void *buffer, uint32_t length, bool wait, ULONG_PTR *done)
{
    bool waits = wait && !file->pipe_no_wait;
    *done = 0;
    if (is_listening(file))
        return STATUS_PIPE_LISTENING;
    io_pipe_refresh(file, fd);
    if (is_messages(file)) {
        NTSTATUS status = message_write(file, fd, buffer, length, waits, done);
        return status == STATUS_PENDING && file->pipe_no_wait ? STATUS_SUCCESS : status;
    }
    while (*done < length) {
        const char *from = (const char *)buffer + *done;
        size_t part = length - *done;
        ssize_t put;
        if (!is_socket(file) && !waits) { /* that much a FIFO takes without waiting once it is ready */
            if (!is_ready(fd, POLLOUT))
                return file->pipe_no_wait ? STATUS_SUCCESS : STATUS_PENDING;
            part = part < PIPE_BUF ? part : PIPE_BUF;
        }
        put = is_socket(file) ? send(fd, from, part, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT)) : write(fd, from, part);
        if (put > 0)
            *done += (size_t)put;
        else if (put < 0 && !(waits ? io_try_again(fd, POLLOUT) : goes_on())) {
            NTSTATUS status = write_status(file);
            return status == STATUS_PENDING && file->pipe_no_wait ? STATUS_SUCCESS : status;
        }
    }
    return STATUS_SUCCESS;
}

/* Waits until the other end has read everything, or is gone. */
NTSTATUS io_pipe_flush(struct io_file *file, int fd)
{
    int left = 0;
    io_pipe_refresh(file, fd);
    while (is_socket(file) && !nt_ps_ending() && !ioctl(fd, SIOCOUTQ, &left) && left > 0) {
        struct pollfd gone = {.fd = fd, .events = 0};
        if (poll(&gone, 1, 0) > 0 && gone.revents & (POLLHUP | POLLERR))
            return STATUS_PIPE_CLOSING;
        usleep(500);
    }
    return STATUS_SUCCESS;
}

/* ---- looking ------------------------------------------------------------------------------------- */

/* Bytes and messages that wait here; `first` is what is left of the message in front. */
static void waiting(struct io_file *file, int fd, uint32_t *bytes, uint32_t *messages, uint32_t *first)
{
    int available = 0;
    *messages = *first = 0;
    if (fd < 0 || ioctl(fd, FIONREAD, &available) || available < 0)
        available = 0;
    *bytes = (uint32_t)available;
    if (!is_messages(file) || !available)
        return;
    ssize_t size = packet_size(fd, false);
    uint32_t offset = __atomic_load_n(&queue_in(file)->offset, __ATOMIC_ACQUIRE);
    *messages = __atomic_load_n(&queue_in(file)->messages, __ATOMIC_RELAXED);
    *bytes -= *messages * HEAD + offset;
    *first = size > 0 ? (uint32_t)size - HEAD - offset : 0;
}

/* A FIFO cannot be peeked into; tee copies its front into a pipe of ours. */
static ssize_t fifo_peek(int fd, char *buffer, size_t length)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC))
        return -1;
    ssize_t got = tee(fd, copy[1], length < 65536 ? length : 65536, SPLICE_F_NONBLOCK);
    if (got > 0)
        got = read(copy[0], buffer, (size_t)got);
    close(copy[0]);
    close(copy[1]);
    return got;
}

static uint32_t pipe_state(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    uint32_t state = pipe ? __atomic_load_n(&pipe->state, __ATOMIC_ACQUIRE) : PIPE_CONNECTED;
    return pipe && !file->pipe_server && pipe->client != nt_ref_of(file) ? PIPE_DISCONNECTED : state;
}

NTSTATUS io_pipe_peek(struct io_file *file, int fd, void *output, ULONG length, ULONG_PTR *done)
{
    struct { uint32_t state, bytes, messages, first; } head;
    if (length < sizeof head)
        return STATUS_INFO_LENGTH_MISMATCH;
    head.state = pipe_state(file);
    if (head.state == PIPE_LISTENING)
        return STATUS_INVALID_DEVICE_STATE;
    if (head.state == PIPE_DISCONNECTED)
        return STATUS_PIPE_DISCONNECTED;
    waiting(file, fd, &head.bytes, &head.messages, &head.first);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    if (!head.bytes && !head.messages && poll(&end, 1, 0) > 0 && end.revents & (POLLHUP | POLLERR | POLLRDHUP))
        return STATUS_PIPE_BROKEN;
    ULONG_PTR part = 0;
    uint32_t room = length - sizeof head, left = head.messages ? head.first : head.bytes;
    char *buffer = (char *)output + sizeof head;
    if (room && is_messages(file)) {
        if (head.messages && message_read(file, fd, buffer, room, false, true, &part) == STATUS_ACCESS_VIOLATION)
            return STATUS_ACCESS_VIOLATION;
    } else if (room && head.bytes) {
        ssize_t got = recv(fd, buffer, room, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && errno == ENOTSOCK)
            got = fifo_peek(fd, buffer, room);
        if (got < 0 && errno == EFAULT)
            return STATUS_ACCESS_VIOLATION;
        part = got > 0 ? (size_t)got : 0;
    }
    *done = sizeof head + part;
    if (!nt_write(output, &head, sizeof head))
        return STATUS_ACCESS_VIOLATION;
    return part < left ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* ---- a question and its answer in one call ------------------------------------------------------- */

static NTSTATUS transceive_step(struct io_later *later, ULONG_PTR *information)
{
    return io_pipe_read(later->finish.file, later->fd, later->buffer, later->length, false, information);
}

NTSTATUS io_pipe_transceive(struct io_file *file, int fd, const void *input, ULONG input_length, void *output, ULONG output_length,
                            ULONG_PTR *done, NTSTATUS (**step)(struct io_later *, ULONG_PTR *), short *events)
{
    ULONG_PTR written = 0;
    if (!is_messages(file) || !file->pipe_read_mode)
        return STATUS_INVALID_READ_MODE;
    NTSTATUS status = io_pipe_write(file, fd, input, input_length, true, &written);
    if (status)
        return status;
    *step = transceive_step;
    *events = POLLIN;
    return io_pipe_read(file, fd, output, output_length, file->file.options & FILE_SYNCHRONOUS, done);
}

/* ---- information --------------------------------------------------------------------------------- */

static uint32_t instance_count(const struct io_pipe *pipe)
{
    uint32_t count = 0;
    nt_lock();
    struct io_root *root = io_root();
    for (struct io_pipe *one = root ? nt_at(root->pipes) : NULL; one; one = nt_at(one->next))
        count += one->server && one->name_length == pipe->name_length &&
                 !io_name_compare(one->name, one->name_length, pipe->name, pipe->name_length);
    nt_unlock();
    return count;
}

NTSTATUS io_pipe_query(struct io_file *file, int fd, ULONG information_class, void *buffer, ULONG length, ULONG_PTR *done)
{
    struct { uint32_t type, configuration, maximum, current, inbound, readable, outbound, writable, state, end; } local = {0};
    uint32_t modes[2] = {file->pipe_read_mode, file->pipe_no_wait}, messages, first;
    (void)length;
    if (file->file.kind != NT_FILE_PIPE)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (information_class == 23) {
        *done = sizeof modes;
        return nt_write(buffer, modes, sizeof modes) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
    }
    struct io_pipe *pipe = nt_at(file->pipe);
    io_pipe_refresh(file, fd);
    local.maximum = local.current = 1;
    local.inbound = local.outbound = 4096;
    if (pipe) {
        local.type = pipe->messages;
        local.configuration = pipe->configuration;
        local.maximum = pipe->instances;
        local.current = instance_count(pipe);
        local.inbound = pipe->inbound;
        local.outbound = pipe->outbound;
        local.end = file->pipe_server;
    }
    local.state = pipe_state(file);
    local.writable = local.outbound;
    waiting(file, fd, &local.readable, &messages, &first);
    *done = sizeof local;
    return nt_write(buffer, &local, sizeof local) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS io_pipe_set(struct io_file *file, ULONG information_class, const void *buffer, ULONG length)
{
    uint32_t modes[2];
    (void)information_class, (void)length;
    if (!NT_GET(modes, buffer))
        return STATUS_ACCESS_VIOLATION;
    if (file->file.kind != NT_FILE_PIPE)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (modes[0] > 1 || modes[1] > 1 || (modes[0] && !is_messages(file)))
        return STATUS_INVALID_PARAMETER;
    file->pipe_read_mode = modes[0];
    file->pipe_no_wait = modes[1];
    return STATUS_SUCCESS;
}
