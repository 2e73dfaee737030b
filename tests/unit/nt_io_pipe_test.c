/* Pipes, operations that end later, change notifications, consoles. Expectations are Microsoft's documents of named pipes
 * and of [MS-FSCC]'s FSCTL_PIPE_*; console codes are Wine's driver's, whose kernelbase is what asks. */
#include "nt_io.h"

#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>

enum { LISTEN = 0x110008, DISCONNECT = 0x110004, PEEK = 0x11400C, TRANSCEIVE = 0x11C017, WAIT = 0x110018 };
enum { PIPE_NAME_MESSAGES = 1 };

struct ends { HANDLE server, client; };

static HANDLE server_make(const char *name, ULONG sharing, ULONG options, ULONG messages, ULONG instances, NTSTATUS expected)
{
    HANDLE handle = 0;
    IO_STATUS_BLOCK io;
    STATUS_IS(NtCreateNamedPipeFile(&handle, BOTH_, NAMED(0, name, 0), &io, sharing, FILE_OPEN_IF, options, messages, messages, 0,
                                    instances, 4096, 4096, AT(-500000)), expected);
    return handle;
}

static struct ends pair(ULONG options, ULONG messages)
{
    struct ends ends = {.server = server_make("\\??\\pipe\\Pair", 3, options, messages, 1, STATUS_SUCCESS)};
    struct created client = create("\\Device\\NamedPipe\\pair", BOTH_, 3, FILE_OPEN, options | FILE_NON_DIRECTORY_FILE);
    STATUS_IS(client.status, STATUS_SUCCESS);
    ends.client = client.handle;
    if (messages) /* a client begins with reading bytes */
        STATUS_IS(set(ends.client, 23, (uint32_t[2]){1, 0}, 8), STATUS_SUCCESS);
    return ends;
}

static void both_closed(struct ends ends)
{
    closed(ends.server);
    closed(ends.client);
}

static NTSTATUS control(HANDLE handle, ULONG code, const void *input, ULONG input_length, void *output, ULONG output_length,
                        ULONG_PTR *done)
{
    IO_STATUS_BLOCK io = {0};
    NTSTATUS status = NtFsControlFile(handle, 0, 0, 0, &io, code, input, input_length, output, output_length);
    if (done)
        *done = io.information;
    return status;
}

/* ---- bytes --------------------------------------------------------------------------------------- */

/* CreatePipe: an inbound byte pipe whose client only writes. */
static void an_anonymous_pipe_carries_bytes_and_breaks(void **state)
{
    char text[16];
    ULONG_PTR done;
    (void)state;
    HANDLE reader = 0;
    IO_STATUS_BLOCK io;
    STATUS_IS(NtCreateNamedPipeFile(&reader, READ_, NAMED(0, "\\Device\\NamedPipe\\Win32Pipes.1.1", 0), &io, FILE_SHARE_WRITE,
                                    FILE_OVERWRITE_IF, SYNC, 0, 0, 0, 1, 4096, 4096, AT(-500000)), STATUS_SUCCESS);
    assert_int_equal(io.information, FILE_CREATED);
    STATUS_IS(create("\\Device\\NamedPipe\\Win32Pipes.1.1", READ_, 0, FILE_OPEN, SYNC).status, STATUS_ACCESS_DENIED);
    HANDLE writer = opened("\\Device\\NamedPipe\\Win32Pipes.1.1", WRITE_, FILE_NON_DIRECTORY_FILE);
    STATUS_IS(create("\\Device\\NamedPipe\\Win32Pipes.1.1", WRITE_, 0, FILE_OPEN, SYNC).status, STATUS_PIPE_NOT_AVAILABLE);
    STATUS_IS(write_at(writer, "hello", NULL), STATUS_SUCCESS);
    STATUS_IS(write_at(writer, "world", NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(reader, text, 7, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 7);
    assert_memory_equal(text, "hellowo", 7);
    uint32_t head[4 + 4];
    STATUS_IS(control(reader, PEEK, NULL, 0, head, 18, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(head[0], 3); /* FILE_PIPE_CONNECTED_STATE */
    assert_int_equal(head[1], 3); /* ReadDataAvailable */
    assert_int_equal(done, 18);
    assert_memory_equal(head + 4, "rl", 2);
    uint32_t type[2];
    STATUS_IS(NtQueryVolumeInformationFile(reader, &io, type, 8, 4), STATUS_SUCCESS);
    assert_int_equal(type[0], FILE_DEVICE_NAMED_PIPE);
    closed(writer);
    STATUS_IS(read_at(reader, text, 16, NULL, &done), STATUS_SUCCESS); /* what was written first */
    assert_int_equal(done, 3);
    STATUS_IS(read_at(reader, text, 16, NULL, &done), STATUS_PIPE_BROKEN);
    STATUS_IS(control(reader, PEEK, NULL, 0, head, 16, &done), STATUS_PIPE_BROKEN);
    closed(reader);
    STATUS_IS(create("\\Device\\NamedPipe\\Win32Pipes.1.1", WRITE_, 0, FILE_OPEN, SYNC).status, STATUS_OBJECT_NAME_NOT_FOUND);
}

static void writing_without_a_reader_fails_and_kills_nobody(void **state)
{
    (void)state;
    struct ends ends = pair(SYNC, 0);
    closed(ends.server);
    STATUS_IS(write_at(ends.client, "x", NULL), STATUS_PIPE_CLOSING);
    closed(ends.client);

    int fds[2];
    HANDLE handle;
    assert_int_equal(pipe(fds), 0);
    STATUS_IS(nt_io_adopt(fds[1], WRITE_, 0, &handle), STATUS_SUCCESS); /* a FIFO from outside: Linux would send SIGPIPE */
    close(fds[0]);
    STATUS_IS(write_at(handle, "x", NULL), STATUS_PIPE_CLOSING);
    closed(handle);
}

enum { LARGE = 1 << 20 };

static void *read_four(void *handle)
{
    static char text[8];
    ULONG_PTR done;
    STATUS_IS(read_at((HANDLE)(uintptr_t)handle, text, 4, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 4);
    return text;
}

static void *write_much(void *handle)
{
    IO_STATUS_BLOCK io = {0};
    char *out = calloc(1, LARGE);
    STATUS_IS(NtWriteFile((HANDLE)(uintptr_t)handle, 0, 0, 0, &io, out, LARGE, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(io.information, LARGE);
    free(out);
    return NULL;
}

/* Some parents leave standard handles non-blocking: for the guest they block all the same. */
static void non_blocking_descriptors_block_for_the_guest(void **state)
{
    int fds[2];
    HANDLE reader, writer;
    char text[4096];
    ULONG_PTR total = 0, done;
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    STATUS_IS(nt_io_adopt(fds[0], READ_, 0, &reader), STATUS_SUCCESS);
    STATUS_IS(nt_io_adopt(fds[1], WRITE_, 0, &writer), STATUS_SUCCESS);
    pthread_t thread = kernel_thread_start(read_four, (void *)(uintptr_t)reader);
    usleep(30000);
    assert_int_equal(write(fds[1], "late", 4), 4);
    assert_memory_equal(kernel_thread_join(thread), "late", 4);
    thread = kernel_thread_start(write_much, (void *)(uintptr_t)writer);
    while (total < LARGE) {
        STATUS_IS(read_at(reader, text, sizeof text, NULL, &done), STATUS_SUCCESS);
        total += done;
    }
    kernel_thread_join(thread);
    closed(reader);
    closed(writer);
}

static void pipes_from_outside_are_read_peeked_and_end(void **state)
{
    int fds[2];
    HANDLE handle;
    char text[8];
    uint32_t head[6];
    ULONG_PTR done;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    STATUS_IS(nt_io_adopt(fds[0], READ_, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(write(fds[1], "abcd", 4), 4);
    STATUS_IS(control(handle, PEEK, NULL, 0, head, 20, &done), STATUS_SUCCESS);
    assert_int_equal(head[1], 4);
    assert_memory_equal(head + 4, "abcd", 4);
    STATUS_IS(read_at(handle, text, 8, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 4);
    close(fds[1]);
    STATUS_IS(read_at(handle, text, 8, NULL, &done), STATUS_PIPE_BROKEN);
    closed(handle);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static void messages_keep_their_boundaries(void **state)
{
    char text[16];
    uint32_t head[8];
    ULONG_PTR done;
    (void)state;
    struct ends ends = pair(SYNC, 1);
    STATUS_IS(write_at(ends.client, "first", NULL), STATUS_SUCCESS);
    STATUS_IS(write_at(ends.client, "", NULL), STATUS_SUCCESS); /* an empty one counts too */
    STATUS_IS(write_at(ends.client, "second", NULL), STATUS_SUCCESS);
    STATUS_IS(control(ends.server, PEEK, NULL, 0, head, sizeof head, &done), STATUS_SUCCESS);
    assert_int_equal(head[1], 11);
    assert_int_equal(head[2], 3); /* NumberOfMessages */
    assert_int_equal(head[3], 5); /* MessageLength */
    STATUS_IS(read_at(ends.server, text, 2, NULL, &done), STATUS_BUFFER_OVERFLOW); /* ERROR_MORE_DATA */
    assert_memory_equal(text, "fi", 2);
    STATUS_IS(control(ends.server, PEEK, NULL, 0, head, sizeof head, &done), STATUS_SUCCESS);
    assert_int_equal(head[1], 9);
    assert_int_equal(head[3], 3);
    assert_memory_equal(head + 4, "rst", 3);
    STATUS_IS(read_at(ends.server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 3);
    assert_memory_equal(text, "rst", 3);
    STATUS_IS(read_at(ends.server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 0);
    STATUS_IS(read_at(ends.server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "second", 6);
    STATUS_IS(write_at(ends.server, "one", NULL), STATUS_SUCCESS);
    STATUS_IS(write_at(ends.server, "two", NULL), STATUS_SUCCESS);
    STATUS_IS(set(ends.client, 23, (uint32_t[2]){0, 0}, 8), STATUS_SUCCESS); /* bytes: boundaries do not count */
    STATUS_IS(read_at(ends.client, text, 5, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "onetw", 5);
    STATUS_IS(read_at(ends.client, text, 5, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 1);
    STATUS_IS(control(ends.client, TRANSCEIVE, "x", 1, text, 8, &done), STATUS_INVALID_READ_MODE);
    uint32_t local[10];
    STATUS_IS(query(ends.server, 24, local, sizeof local), STATUS_SUCCESS);
    assert_int_equal(local[0], 1); /* NamedPipeType */
    assert_int_equal(local[1], 2); /* FILE_PIPE_FULL_DUPLEX */
    assert_int_equal(local[9], 1); /* FILE_PIPE_SERVER_END */
    both_closed(ends);
}

static void *answer_once(void *handle)
{
    char text[16];
    ULONG_PTR done;
    STATUS_IS(read_at((HANDLE)(uintptr_t)handle, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "question", 8);
    STATUS_IS(write_at((HANDLE)(uintptr_t)handle, "answer", NULL), STATUS_SUCCESS);
    return NULL;
}

static void transceive_asks_and_reads_the_answer(void **state)
{
    char text[16];
    ULONG_PTR done;
    (void)state;
    struct ends ends = pair(SYNC, 1);
    pthread_t thread = kernel_thread_start(answer_once, (void *)(uintptr_t)ends.server);
    STATUS_IS(control(ends.client, TRANSCEIVE, "question", 8, text, 16, &done), STATUS_SUCCESS);
    assert_int_equal(done, 6);
    assert_memory_equal(text, "answer", 6);
    kernel_thread_join(thread);
    both_closed(ends);
}

/* ---- instances ----------------------------------------------------------------------------------- */

static void instances_listen_connect_and_disconnect(void **state)
{
    char text[8];
    ULONG_PTR done;
    (void)state;
    HANDLE one = server_make("\\??\\PIPE\\many", 3, SYNC, 0, 2, STATUS_SUCCESS);
    HANDLE two = server_make("\\??\\PIPE\\Many", 3, SYNC, 0, 2, STATUS_SUCCESS);
    server_make("\\??\\PIPE\\many", 3, SYNC, 0, 2, STATUS_INSTANCE_NOT_AVAILABLE);
    server_make("\\??\\PIPE\\many", 1, SYNC, 0, 2, STATUS_ACCESS_DENIED);
    STATUS_IS(read_at(one, text, 8, NULL, &done), STATUS_PIPE_LISTENING);
    HANDLE client = opened("\\??\\pipe\\MANY", BOTH_, 0);
    STATUS_IS(control(one, LISTEN, NULL, 0, NULL, 0, NULL), STATUS_PIPE_CONNECTED); /* the oldest instance got it */
    STATUS_IS(control(client, LISTEN, NULL, 0, NULL, 0, NULL), STATUS_ILLEGAL_FUNCTION);
    STATUS_IS(write_at(client, "hi", NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(one, text, 8, NULL, &done), STATUS_SUCCESS);
    STATUS_IS(control(one, DISCONNECT, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(client, text, 8, NULL, &done), STATUS_PIPE_DISCONNECTED);
    STATUS_IS(write_at(one, "x", NULL), STATUS_PIPE_DISCONNECTED);
    closed(client);
    client = opened("\\??\\pipe\\MANY", BOTH_, 0);
    closed(client);
    STATUS_IS(control(two, LISTEN, NULL, 0, NULL, 0, NULL), STATUS_PIPE_CLOSING); /* it came and went: ERROR_NO_DATA */
    closed(one);
    closed(two);
}

static void *client_later(void *unused)
{
    (void)unused;
    usleep(50000);
    HANDLE client = opened("\\??\\pipe\\waited", BOTH_, 0);
    STATUS_IS(write_at(client, "made it", NULL), STATUS_SUCCESS);
    return (void *)(uintptr_t)client;
}

static void listening_waits_for_a_client(void **state)
{
    char text[16];
    ULONG_PTR done;
    (void)state;
    HANDLE server = server_make("\\??\\PIPE\\waited", 3, SYNC, 0, 1, STATUS_SUCCESS);
    pthread_t thread = kernel_thread_start(client_later, NULL);
    STATUS_IS(control(server, LISTEN, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "made it", 7);
    HANDLE old = (HANDLE)(uintptr_t)kernel_thread_join(thread);
    STATUS_IS(control(server, DISCONNECT, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS);
    thread = kernel_thread_start(client_later, NULL);
    STATUS_IS(control(server, LISTEN, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS); /* the same handle serves the next */
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_SUCCESS);
    STATUS_IS(read_at(old, text, 16, NULL, &done), STATUS_PIPE_DISCONNECTED); /* and not the one before */
    closed(old);
    closed((HANDLE)(uintptr_t)kernel_thread_join(thread));
    closed(server);
}

static NTSTATUS wait_for(const char *name, int64_t timeout)
{
    struct { int64_t timeout; uint32_t length; uint8_t specified, pad; WCHAR name[32]; } __attribute__((packed)) wait = {timeout, 0, 1, 0, {0}};
    WCHAR text[32];
    wait.length = (uint32_t)nt_utf16_from_utf8(name, strlen(name), text, 32) * 2;
    memcpy((char *)&wait + 14, text, wait.length);
    HANDLE root = opened("\\??\\PIPE\\", READ_, 0);
    NTSTATUS status = control(root, WAIT, &wait, 14 + wait.length, NULL, 0, NULL);
    closed(root);
    return status;
}

static void waiting_for_an_instance(void **state)
{
    (void)state;
    STATUS_IS(wait_for("unknown", -10000), STATUS_OBJECT_NAME_NOT_FOUND);
    struct ends ends = pair(SYNC, 0);
    double begin = seconds_now();
    STATUS_IS(wait_for("pair", -500000), STATUS_IO_TIMEOUT);
    assert_true(seconds_now() - begin > 0.04);
    both_closed(ends);
    HANDLE server = server_make("\\??\\PIPE\\free", 3, SYNC, 0, 1, STATUS_SUCCESS);
    STATUS_IS(wait_for("FREE", -10000), STATUS_SUCCESS);
    closed(server);
}

/* ---- later --------------------------------------------------------------------------------------- */

static HANDLE event_make(void)
{
    HANDLE handle = 0;
    STATUS_IS(service_named("NtCreateEvent")(WORD(&handle), EVENT_ALL, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    return handle;
}

static void reading_ahead_is_pending_until_something_comes(void **state)
{
    char text[16] = "";
    IO_STATUS_BLOCK io = {0};
    (void)state;
    struct ends ends = pair(0, 0);
    HANDLE event = event_make();
    STATUS_IS(NtReadFile(ends.server, event, 0, 0, &io, text, 16, NULL, NULL), STATUS_PENDING);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){20 * MS}), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(ends.server, 0, &(int64_t){0}), STATUS_TIMEOUT); /* the file object itself tells it too */
    STATUS_IS(NtWriteFile(ends.client, 0, 0, 0, &(IO_STATUS_BLOCK){0}, "late", 4, NULL, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(NtWaitForSingleObject(ends.server, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_SUCCESS);
    assert_int_equal(io.information, 4);
    assert_memory_equal(text, "late", 4);

    STATUS_IS(NtReadFile(ends.server, event, 0, 0, &io, text, 16, NULL, NULL), STATUS_PENDING);
    STATUS_IS(NtCancelIoFileEx(ends.server, &(IO_STATUS_BLOCK){0}, &(IO_STATUS_BLOCK){0}), STATUS_NOT_FOUND); /* another's */
    STATUS_IS(NtCancelIoFileEx(ends.server, &io, &(IO_STATUS_BLOCK){0}), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_CANCELLED);

    STATUS_IS(NtReadFile(ends.server, event, 0, 0, &io, text, 16, NULL, NULL), STATUS_PENDING);
    closed(ends.client);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_PIPE_BROKEN);
    closed(ends.server);
    closed(event);
}

static void a_pending_answer_reaches_the_port(void **state)
{
    char text[16];
    IO_STATUS_BLOCK io = {0}, packet = {0};
    HANDLE port = 0;
    uintptr_t key = 0, value = 0;
    (void)state;
    struct ends ends = pair(0, 1);
    STATUS_IS(service_named("NtCreateIoCompletion")(WORD(&port), GENERIC_ALL, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(set(ends.server, 30, (uintptr_t[2]){port, 7}, 2 * sizeof(uintptr_t)), STATUS_SUCCESS);
    STATUS_IS(NtReadFile(ends.server, 0, 0, WORD(&io), &io, text, 2, NULL, NULL), STATUS_PENDING);
    STATUS_IS(NtWriteFile(ends.client, 0, 0, 0, &(IO_STATUS_BLOCK){0}, "abc", 3, NULL, NULL), STATUS_SUCCESS);
    STATUS_IS(service_named("NtRemoveIoCompletion")(port, WORD(&key), WORD(&value), WORD(&packet), WORD(&(int64_t){PATIENCE}), 0, 0),
              STATUS_SUCCESS);
    assert_int_equal(key, 7);
    assert_int_equal(value, WORD(&io));
    STATUS_IS(packet.status, STATUS_BUFFER_OVERFLOW);
    assert_int_equal(packet.information, 2);
    both_closed(ends);
    closed(port);
}

static void connecting_and_closing_end_what_is_pending(void **state)
{
    IO_STATUS_BLOCK io = {0}, read = {0};
    char text[4];
    (void)state;
    HANDLE event = event_make(), server = server_make("\\??\\PIPE\\later", 3, 0, 0, 1, STATUS_SUCCESS);
    STATUS_IS(NtFsControlFile(server, event, 0, 0, &io, LISTEN, NULL, 0, NULL, 0), STATUS_PENDING);
    HANDLE client = create("\\??\\PIPE\\later", BOTH_, 3, FILE_OPEN, 0).handle;
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_SUCCESS);
    STATUS_IS(NtReadFile(server, event, 0, 0, &read, text, 4, NULL, NULL), STATUS_PENDING);
    closed(server);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    assert_true(read.status == STATUS_CANCELLED || read.status == STATUS_PIPE_BROKEN);
    closed(client);
    closed(event);
}

/* More than the pipe holds: the rest is written as the reader makes room. */
static void a_large_write_goes_on_in_the_background(void **state)
{
    enum { SIZE = 4 << 20 };
    IO_STATUS_BLOCK io = {0};
    char *out = malloc(SIZE), *in = malloc(SIZE);
    ULONG_PTR total = 0;
    (void)state;
    for (int i = 0; i < SIZE; i++)
        out[i] = (char)(i * 31 >> 4);
    HANDLE event = event_make(), server = server_make("\\??\\PIPE\\large", 3, 0, 0, 1, STATUS_SUCCESS);
    HANDLE client = opened("\\??\\PIPE\\large", BOTH_, 0);
    STATUS_IS(NtWriteFile(server, event, 0, 0, &io, out, SIZE, NULL, NULL), STATUS_PENDING);
    while (total < SIZE) {
        ULONG_PTR done = 0;
        STATUS_IS(read_at(client, in + total, (ULONG)(SIZE - total), NULL, &done), STATUS_SUCCESS);
        total += done;
    }
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    assert_int_equal(io.information, SIZE);
    assert_memory_equal(in, out, SIZE);
    closed(server);
    closed(client);
    closed(event);
    free(in);
    free(out);
}

static void *unlock_later(void *handle)
{
    usleep(50000);
    STATUS_IS(NtUnlockFile((HANDLE)(uintptr_t)handle, &(IO_STATUS_BLOCK){0}, AT(0), AT(1), 0), STATUS_SUCCESS);
    return NULL;
}

static void a_lock_is_waited_for(void **state)
{
    IO_STATUS_BLOCK io = {0};
    (void)state;
    file_make("locked", "x");
    HANDLE one = opened("\\??\\C:\\locked", BOTH_, 0), two = opened("\\??\\C:\\locked", BOTH_, 0), event = event_make();
    HANDLE three = create("\\??\\C:\\locked", BOTH_, 7, FILE_OPEN, 0).handle;
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 1), STATUS_SUCCESS);
    pthread_t thread = kernel_thread_start(unlock_later, (void *)(uintptr_t)one);
    STATUS_IS(NtLockFile(two, 0, 0, 0, &io, AT(0), AT(1), 0, 0, 1), STATUS_SUCCESS);
    kernel_thread_join(thread);
    STATUS_IS(NtLockFile(three, event, 0, 0, &io, AT(0), AT(1), 0, 0, 1), STATUS_PENDING);
    closed(two);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_SUCCESS);
    closed(one);
    closed(three);
    closed(event);
}

/* ---- change notifications ------------------------------------------------------------------------ */

static void changes_of_a_folder_are_told(void **state)
{
    uint8_t buffer[512];
    IO_STATUS_BLOCK io = {0};
    uint32_t head[3];
    (void)state;
    HANDLE folder = create("\\??\\C:\\", READ_, 7, FILE_OPEN, FILE_DIRECTORY_FILE).handle, event = event_make();
    STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, sizeof buffer, 1, 0), STATUS_PENDING);
    mkdir(unix_path("folder"), 0755); /* FILE_NOTIFY_CHANGE_FILE_NAME does not mean folders */
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){30 * MS}), STATUS_TIMEOUT);
    file_make("fresh", "");
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_SUCCESS);
    memcpy(head, buffer, sizeof head);
    assert_int_equal(head[1], 1); /* FILE_ACTION_ADDED */
    assert_int_equal(head[2], 10);
    assert_memory_equal(buffer + 12, ((WCHAR[]){'f', 'r', 'e', 's', 'h'}), 10);
    unlink(unix_path("fresh")); /* between two calls: kept for the next */
    STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, sizeof buffer, 1, 0), STATUS_PENDING);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    memcpy(head, buffer, sizeof head);
    assert_int_equal(head[1], 2); /* FILE_ACTION_REMOVED */
    STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, 4, 1, 0), STATUS_PENDING);
    file_make("more", "");
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_NOTIFY_ENUM_DIR); /* no room: read the folder anew */
    closed(folder);
    closed(event);
}

static void changes_below_a_folder_are_told_with_their_path(void **state)
{
    uint8_t buffer[1024];
    IO_STATUS_BLOCK io = {0};
    uint32_t length;
    (void)state;
    mkdir(unix_path("old"), 0755);
    HANDLE folder = create("\\??\\C:\\", READ_, 7, FILE_OPEN, FILE_DIRECTORY_FILE).handle, event = event_make();
    static const char *const made[] = {"old/x", "new/y"};
    for (int i = 0; i < 2; i++) {
        STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, sizeof buffer, 1, 1), STATUS_PENDING);
        if (i)
            mkdir(unix_path("new"), 0755); /* watched as soon as it is seen; what comes before is told all the same */
        file_make(made[i], "");
        STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
        memcpy(&length, buffer + 8, 4);
        assert_int_equal(length, 10);
        char text[16];
        nt_utf8_from_utf16((WCHAR *)(buffer + 12), 5, text, sizeof text);
        assert_string_equal(text, i ? "new\\y" : "old\\x");
    }
    /* Nothing is lost in folders that come while nobody asks, and nothing is told twice. */
    mkdir(unix_path("a"), 0755);
    mkdir(unix_path("a/b"), 0755);
    file_make("a/b/c", "");
    STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, sizeof buffer, 1, 1), STATUS_PENDING);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    memcpy(&length, buffer + 8, 4);
    assert_int_equal(length, 10);
    assert_memory_equal(buffer, (uint32_t[]){0}, 4);
    assert_memory_equal(buffer + 12, ((WCHAR[]){'a', '\\', 'b', '\\', 'c'}), 10);
    STATUS_IS(NtNotifyChangeDirectoryFile(folder, event, 0, 0, &io, buffer, sizeof buffer, 1, 1), STATUS_PENDING);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){30 * MS}), STATUS_TIMEOUT);
    unlink(unix_path("a/b/c"));
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    memcpy(&length, buffer + 4, 4);
    assert_int_equal(length, 2); /* FILE_ACTION_REMOVED */
    closed(folder);
    closed(event);
}

/* ---- consoles ------------------------------------------------------------------------------------ */

static NTSTATUS console(HANDLE handle, ULONG code, const void *input, ULONG input_length, void *output, ULONG output_length,
                        ULONG_PTR *done)
{
    IO_STATUS_BLOCK io = {0};
    NTSTATUS status = NtDeviceIoControlFile(handle, 0, 0, 0, &io, code, input, input_length, output, output_length);
    if (done)
        *done = io.information;
    return status;
}

static const char *shown(int terminal)
{
    static char text[512];
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    ssize_t size = poll(&ready, 1, 20000) > 0 ? read(terminal, text, sizeof text - 1) : 0;
    text[size > 0 ? size : 0] = 0;
    return text;
}

static void a_terminal_is_a_console(void **state)
{
    int terminal, line;
    HANDLE input, output;
    uint32_t word;
    uint32_t type[2];
    char text[32];
    WCHAR wide[32];
    ULONG_PTR done;
    IO_STATUS_BLOCK io;
    (void)state;
    struct winsize size = {.ws_row = 30, .ws_col = 100};
    assert_int_equal(openpty(&terminal, &line, NULL, NULL, &size), 0);
    STATUS_IS(nt_io_adopt(dup(line), READ_, 0, &input), STATUS_SUCCESS);
    STATUS_IS(nt_io_adopt(line, BOTH_, 0, &output), STATUS_SUCCESS);
    STATUS_IS(NtQueryVolumeInformationFile(output, &io, type, 8, 4), STATUS_SUCCESS);
    assert_int_equal(type[0], FILE_DEVICE_CONSOLE);
    STATUS_IS(console(output, 0x504000, NULL, 0, &word, 4, &done), STATUS_SUCCESS);
    assert_int_equal(word & 3, 3); /* ENABLE_PROCESSED_OUTPUT, ENABLE_WRAP_AT_EOL_OUTPUT */
    STATUS_IS(console(input, 0x504000, NULL, 0, &word, 4, &done), STATUS_SUCCESS);
    assert_int_equal(word & 7, 7); /* processed, line, echo */
    STATUS_IS(console(output, 0x508078, (WCHAR[]){'h', 0xE4, 0xD83D, 0xDE00}, 8, NULL, 0, &done), STATUS_SUCCESS);
    assert_string_equal(shown(terminal), "h\xC3\xA4\xF0\x9F\x98\x80");
    int16_t info[50];
    STATUS_IS(console(output, 0x504088, NULL, 0, info, 100, &done), STATUS_SUCCESS);
    assert_int_equal(done, 100);
    assert_int_equal(info[4], 100); /* width */
    assert_int_equal(info[5], 30);
    assert_int_equal(info[10], 99); /* right edge of the window */
    uint32_t pages[3];
    STATUS_IS(console(input, 0x50403C, NULL, 0, pages, 12, &done), STATUS_SUCCESS);
    assert_int_equal(pages[1], 65001);

    assert_int_equal(write(terminal, "l\xC3\xA4nge\n", 7), 7);
    STATUS_IS(console(input, 0x504028, NULL, 0, wide, sizeof wide, &done), STATUS_SUCCESS);
    assert_int_equal(done, 7 * 2);
    assert_memory_equal(wide, ((WCHAR[]){'l', 0xE4, 'n', 'g', 'e', '\r', '\n'}), 14);
    assert_int_equal(write(terminal, "bytes\n", 6), 6);
    STATUS_IS(read_at(input, text, 3, NULL, &done), STATUS_SUCCESS);
    STATUS_IS(read_at(input, text + 3, 20, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "bytes\r\n", 7);
    static const char *const ends[] = {"\x16\x1A\n", "\x04"}; /* Ctrl-Z as a character (after Ctrl-V), and Unix' Ctrl-D */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(terminal, ends[i], strlen(ends[i])), strlen(ends[i]));
        STATUS_IS(read_at(input, text, 20, NULL, &done), STATUS_SUCCESS);
        assert_int_equal(done, 0);
    }

    shown(terminal); /* the echo */
    STATUS_IS(console(input, 0x508004, &(uint32_t){0}, 4, NULL, 0, &done), STATUS_SUCCESS); /* _getch: no line, no echo */
    struct { uint16_t type, pad; int32_t down; uint16_t repeat, key, scan; WCHAR character; uint32_t state; } record[4];
    STATUS_IS(console(input, 0x504038, NULL, 0, record, sizeof record, &done), STATUS_SUCCESS);
    assert_int_equal(done, 0); /* nothing to peek at */
    assert_int_equal(write(terminal, "q\033[A", 4), 4);
    STATUS_IS(console(input, 0x504030, NULL, 0, record, sizeof record, &done), STATUS_SUCCESS);
    assert_int_equal(done, 80);
    assert_int_equal(record[0].character, 'q');
    assert_int_equal(record[0].key, 'Q');
    assert_true(record[0].down && !record[1].down);
    assert_int_equal(record[2].key, 0x26); /* VK_UP */
    struct pollfd echo = {.fd = terminal, .events = POLLIN};
    assert_int_equal(poll(&echo, 1, 20), 0);
    nt_io_restore();
    struct termios settings;
    assert_int_equal(tcgetattr(line, &settings), 0);
    assert_true(settings.c_lflag & ICANON && settings.c_lflag & ECHO);
    closed(input);
    closed(output);
    close(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anonymous_pipe_carries_bytes_and_breaks),
        cmocka_unit_test(writing_without_a_reader_fails_and_kills_nobody),
        cmocka_unit_test(non_blocking_descriptors_block_for_the_guest),
        cmocka_unit_test(pipes_from_outside_are_read_peeked_and_end),
        cmocka_unit_test(messages_keep_their_boundaries),
        cmocka_unit_test(transceive_asks_and_reads_the_answer),
        cmocka_unit_test(instances_listen_connect_and_disconnect),
        cmocka_unit_test(listening_waits_for_a_client),
        cmocka_unit_test(waiting_for_an_instance),
        cmocka_unit_test(reading_ahead_is_pending_until_something_comes),
        cmocka_unit_test(a_pending_answer_reaches_the_port),
        cmocka_unit_test(connecting_and_closing_end_what_is_pending),
        cmocka_unit_test(a_large_write_goes_on_in_the_background),
        cmocka_unit_test_setup(a_lock_is_waited_for, drive_clear),
        cmocka_unit_test_setup(changes_of_a_folder_are_told, drive_clear),
        cmocka_unit_test_setup(changes_below_a_folder_are_told_with_their_path, drive_clear),
        cmocka_unit_test(a_terminal_is_a_console),
    };
    return cmocka_run_group_tests_name("nt io pipes", tests, io_open_all, io_close_all);
}
