/* The sockets under named pipes: listening, connecting, accepting, and which descriptor a server's end has now. */
#include "loader/nt/io/private.h"
#include "loader/nt/ob/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void address_fill(struct sockaddr_un *address, socklen_t *length, uint64_t number)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          (size_t)snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "peload-pipe-%016" PRIx64, number));
}

/* The socket of a pipe keeps message boundaries if its writes are to be messages. */
static int socket_make(bool messages)
{
    return socket(AF_UNIX, (messages ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0);
}

/* A message must fit into the buffer; the system cuts this to its own limit. */
static void buffer_widen(int fd, bool messages)
{
    int largest = 1 << 22;
    if (messages)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &largest, sizeof largest);
}

uint64_t io_pipe_serial(int fd)
{
    struct stat facts;
    return fstat(fd, &facts) ? 0 : facts.st_ino;
}

int io_pipe_listener(bool messages, uint64_t *number)
{
    struct sockaddr_un address;
    socklen_t length;
    int fd = socket_make(messages);
    if (fd < 0)
        return -1;
    while (getrandom(number, sizeof *number, 0) != sizeof *number)
        continue;
    address_fill(&address, &length, *number);
    if (!bind(fd, (struct sockaddr *)&address, length) && !listen(fd, 4))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The address is no secret for other users of the machine: whoever is not ourselves is sent away. */
static int connection_accept(int listener)
{
    for (;;) {
        struct ucred peer = {0};
        socklen_t size = sizeof peer;
        struct pollfd ready = {.fd = listener, .events = POLLIN};
        int fd = poll(&ready, 1, 0) > 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0 || (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.uid == getuid()))
            return fd;
        close(fd);
    }
}

/* A handle that was inherited or duplicated may have the server's descriptor of an earlier time; then somebody else has
 * the one of now. */
static int current_fetch(const struct io_pipe *pipe)
{
    for (nt_ref at = ob_arena->processes; at;) {
        const struct ob_handle_table *table = nt_at(at);
        for (uint32_t index = 1; index < table->fresh; index++) {
            const struct ob_handle *entry = ob_table_entry(table, index);
            if (entry->object != pipe->server || entry->fd < 0)
                continue;
            int fd = nt_fd_fetch(table->process, entry->fd);
            if (fd >= 0 && io_pipe_serial(fd) == pipe->serial)
                return fd;
            if (fd >= 0)
                close(fd);
        }
        at = table->next;
    }
    return -1;
}

static void server_refresh(struct io_pipe *pipe, struct io_file *file, int fd)
{
    int now = io_pipe_serial(fd) == pipe->serial ? -1 : current_fetch(pipe);
    int connection = pipe->accepted || pipe->state == PIPE_LISTENING || pipe->state == PIPE_DISCONNECTED
                         ? -1 : connection_accept(now >= 0 ? now : fd);
    if (connection >= 0) {
        buffer_widen(connection, pipe->messages);
        pipe->serial = io_pipe_serial(connection);
        pipe->accepted = true;
        if (now >= 0)
            close(now);
        now = connection;
    }
    if (now >= 0) {
        ob_object_fd_replace(&file->file.head, now);
        dup3(now, fd, O_CLOEXEC);
        close(now);
    }
    __atomic_store_n(&pipe->holder, nt_process.id, __ATOMIC_RELEASE);
}

void io_pipe_refresh(struct io_file *file, int fd)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    if (!pipe || !file->pipe_server || fd < 0)
        return;
    if (__atomic_load_n(&pipe->accepted, __ATOMIC_ACQUIRE) && __atomic_load_n(&pipe->holder, __ATOMIC_RELAXED) == nt_process.id)
        return;
    nt_lock();
    server_refresh(pipe, file, fd);
    nt_unlock();
}

/* Lock held: who connects is the one that the server will find. Nobody listens where the server was killed and its handles
 * are not closed yet; then there is no such pipe any more. */
int io_pipe_connect(const struct io_pipe *pipe)
{
    struct sockaddr_un address;
    socklen_t length;
    int fd = socket_make(pipe->messages);
    if (fd < 0)
        return -1;
    buffer_widen(fd, pipe->messages);
    address_fill(&address, &length, pipe->address);
    if (!connect(fd, (struct sockaddr *)&address, length))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Where the server is in this process its end is settled at once. */
void io_pipe_accept_here(struct io_pipe *pipe)
{
    const struct ob_handle_table *table = ob_table_own();
    for (uint32_t index = 1; table && index < table->fresh; index++) {
        const struct ob_handle *entry = ob_table_entry(table, index);
        if (entry->object != pipe->server || entry->fd < 0)
            continue;
        server_refresh(pipe, nt_at(pipe->server), entry->fd);
        return;
    }
}
