/* A process as a member of its session: the service thread with its socket, and the way to other members.
 *
 * A session of one process has none of this. It begins when the first child is made. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SERVICE_STACK = 256 << 10 };

static pthread_mutex_t join_lock = PTHREAD_MUTEX_INITIALIZER;
static bool joined;
static int service_socket = -1;
static int word = -1; /* the creator's pipe, until it was told */

/* ---- addresses -------------------------------------------------------------------------------------- */

/* In Linux's abstract name space: nothing is left in a folder. Another user who takes the name first makes joining fail;
 * what another user sends is not read. */
static socklen_t address_of(uint32_t id, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "peload-%016llx-%u",
                          (unsigned long long)ob_arena->session, id);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

/* ---- sending and receiving --------------------------------------------------------------------------- */

union control { char bytes[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr align; };

static bool message_send(int to, const struct sockaddr_un *address, socklen_t length, const struct ps_message *message,
                         const int *fds, unsigned count, int flags)
{
    union control control;
    struct iovec part = {(void *)message, PS_MESSAGE_HEAD + message->size};
    struct msghdr head = {.msg_name = (void *)address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        memset(&control, 0, sizeof control);
        head.msg_control = control.bytes;
        head.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&head);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(to, &head, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR && !nt_ps_ending());
    return sent == (ssize_t)part.iov_len;
}

/* Takes what came along out of the control data; more than two descriptors nobody sends. */
static unsigned rights_take(struct msghdr *head, int *fds, bool *own_user)
{
    unsigned count = 0;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(head); one; one = CMSG_NXTHDR(head, one)) {
        if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS) {
            count = (unsigned)((one->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            count = count > 2 ? 2 : count;
            memcpy(fds, CMSG_DATA(one), count * sizeof(int));
        } else if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS && own_user) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(one), sizeof sender);
            *own_user = sender.uid == getuid();
        }
    }
    return count;
}

/* -1: nothing came, or the other end is gone. */
static int message_receive(int from, struct ps_message *message, int *fds, bool *own_user)
{
    union control control;
    struct iovec part = {message, sizeof *message};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t length;
    do
        length = recvmsg(from, &head, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR && !nt_ps_ending());
    if (length < 0)
        return -1;
    unsigned count = rights_take(&head, fds, own_user);
    if (length >= PS_MESSAGE_HEAD && message->size == (size_t)length - PS_MESSAGE_HEAD)
        return (int)count;
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    return -1;
}

NTSTATUS ps_ask(const struct nt_process_object *process, struct ps_message *message, int fd, int *got)
{
    struct sockaddr_un address;
    socklen_t length = address_of(process->id, &address);
    int pair[2], back[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return STATUS_TOO_MANY_OPENED_FILES;
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fds[2] = {pair[1], fd};
    NTSTATUS status = sender < 0 ? STATUS_TOO_MANY_OPENED_FILES : STATUS_PROCESS_IS_TERMINATING;
    bool sent = sender >= 0 && message_send(sender, &address, length, message, fds, fd >= 0 ? 2 : 1, 0);
    close(pair[1]);
    if (sender >= 0)
        close(sender);
    int count = sent ? message_receive(pair[0], message, back, NULL) : -1;
    close(pair[0]);
    if (count < 0)
        return nt_ps_ending() ? STATUS_THREAD_IS_TERMINATING : status;
    if (got)
        *got = count > 0 ? back[0] : -1;
    else if (count > 0)
        close(back[0]);
    return message->status;
}

bool ps_tell(const struct nt_process_object *process, uint32_t operation)
{
    struct sockaddr_un address;
    struct ps_message message;
    socklen_t length = address_of(process->id, &address);
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&message, 0, PS_MESSAGE_HEAD);
    message.operation = operation;
    /* A full queue has enough in it to wake whoever reads it. */
    bool sent = sender >= 0 && (message_send(sender, &address, length, &message, NULL, 0, MSG_DONTWAIT) || errno == EAGAIN);
    if (sender >= 0)
        close(sender);
    return sent;
}

void ps_watch_poke(void)
{
    nt_lock();
    struct nt_process_object *watcher = ob_at(ob_arena->watcher);
    if (!watcher)
        watcher = ob_at(nt_process.object);
    nt_object_hold(&watcher->head);
    nt_unlock();
    ps_tell(watcher, PS_POKE);
    nt_object_release(&watcher->head);
}

/* ---- the service thread -------------------------------------------------------------------------------- */

static void serve_waiting(void)
{
    static struct ps_message message;
    for (;;) {
        int fds[2] = {-1, -1}, give = -1;
        bool own_user = false;
        struct pollfd more = {.fd = service_socket, .events = POLLIN};
        if (poll(&more, 1, 0) <= 0)
            return;
        int count = message_receive(service_socket, &message, fds, &own_user);
        if (count < 0)
            continue;
        if (!own_user) {
            for (int i = 0; i < count; i++)
                close(fds[i]);
            continue;
        }
        ps_serve(&message, count > 1 ? fds[1] : -1, &give);
        if (count > 0) {
            message_send(fds[0], NULL, 0, &message, &give, give >= 0, 0);
            close(fds[0]);
        }
    }
}

static void *service_main(void *unused)
{
    (void)unused;
    for (;;) {
        struct pollfd *list;
        unsigned count;
        int limit = ps_watch_prepare(&list, &count);
        list[0] = (struct pollfd){.fd = service_socket, .events = POLLIN};
        if (poll(list, count, limit) < 0)
            continue;
        ps_watch_look(list, count);
        if (list[0].revents)
            serve_waiting();
    }
    return NULL;
}

/* All signals but those of faults stay with the guest's threads. */
static bool service_start(void)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    pthread_t id;
    sigfillset(&all);
    for (const int *fault = (const int[]){SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, 0}; *fault; fault++)
        sigdelset(&all, *fault);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SERVICE_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = !pthread_create(&id, &attributes, service_main, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

static bool socket_open(uint32_t id)
{
    struct sockaddr_un address;
    socklen_t length = address_of(id, &address);
    int yes = 1;
    service_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (service_socket >= 0 && !setsockopt(service_socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) &&
        !bind(service_socket, (struct sockaddr *)&address, length))
        return true;
    if (service_socket >= 0)
        close(service_socket);
    service_socket = -1;
    return false;
}

/* Linux's zombies would keep a dead child's number, and nobody here ever asks for them. */
static void children_reap_themselves(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, NULL);
}

/* A child's was told by its creator. Lock held. */
static void path_tell(struct nt_process_object *process)
{
    uint32_t size = (uint32_t)strlen(nt_process.image_path) + 1;
    nt_ref path = process->image_path ? 0 : nt_arena_allocate(size);
    if (!path)
        return;
    memcpy(nt_at(path), nt_process.image_path, size);
    process->image_path_size = size;
    OB_ORDER();
    process->image_path = path;
}

bool nt_session_join(void)
{
    struct nt_process_object *process = nt_at(nt_process.object);
    pthread_mutex_lock(&join_lock);
    if (!joined) {
        uint64_t name = 0;
        if (getrandom(&name, sizeof name, GRND_NONBLOCK) != sizeof name)
            name = nt_time_now();
        nt_lock();
        if (!ob_arena->session)
            ob_arena->session = name | 1;
        process->host_started = ps_host_started((uint32_t)getpid());
        path_tell(process);
        nt_unlock();
        children_reap_themselves();
        /* Yama lets only parents look into their children: processes of a session may look into each other, as on Windows. */
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        nt_ask = ps_ask;
        joined = socket_open(process->id) && service_start();
        if (joined && process->life == NT_PROCESS_ALONE)
            process->life = NT_PROCESS_RUNNING;
    }
    pthread_mutex_unlock(&join_lock);
    return joined;
}

/* ---- the child's side ---------------------------------------------------------------------------------- */

bool nt_session_attach(nt_ref ref, int word_descriptor)
{
    struct nt_process_object *process = nt_at(ref);
    ps_types_open();
    nt_lock();
    bool awaited = ref && ref < ob_arena->top && process->head.type == NT_PROCESS && process->life == NT_PROCESS_CREATING &&
                   process->host_pid == (uint32_t)getpid();
    if (awaited) {
        nt_process.object = ref;
        nt_process.id = process->id;
        nt_process.created = process->created;
        ob_table_adopt(process->handle_table);
    }
    nt_unlock();
    word = word_descriptor;
    return awaited && nt_session_join();
}

void nt_session_tell(NTSTATUS status)
{
    struct nt_process_object *process = nt_at(nt_process.object);
    if (word < 0)
        return;
    nt_lock();
    if (!status && process->life == NT_PROCESS_CREATING)
        process->life = NT_PROCESS_RUNNING;
    process->creator = 0;
    nt_unlock();
    if (write(word, &status, sizeof status) != sizeof status && !status)
        _exit(125); /* the creator is gone, and with it whoever would let this process run */
    close(word);
    word = -1;
}
