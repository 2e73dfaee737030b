/* Files, pipes and their handles in several processes of a session. Expectations: Microsoft's documentation of CreateFile
 * (sharing, FILE_FLAG_DELETE_ON_CLOSE), DuplicateHandle, LockFile and of named pipes. */
#include "nt_io.h"

#include "nt_audit.h"
#include "nt_family.h"

/* ---- files --------------------------------------------------------------------------------------- */

#define NAME "\\??\\C:\\shared.txt"

static void position_child(void)
{
    char text[8] = "";
    ULONG_PTR done;
    CHILD_CHECK(family_await(1));
    HANDLE handle = family_take();
    CHILD_CHECK(!read_at(handle, text, 3, NULL, &done) && done == 3 && !memcmp(text, "cde", 3));
    CHILD_CHECK(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status == STATUS_SHARING_VIOLATION);
    family_say(2);
    CHILD_CHECK(family_await(3)); /* the parent's own handle is closed */
    CHILD_CHECK(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status == STATUS_SHARING_VIOLATION);
    CHILD_CHECK(!read_at(handle, text, 1, NULL, &done) && text[0] == 'g');
    CHILD_CHECK(!NtClose(handle));
    CHILD_CHECK(!create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status);
}

/* One file object with two handles: one position, one entry in the file's sharing. */
static void file_in_two_processes(void **state)
{
    char text[8] = "";
    ULONG_PTR done;
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(position_child);
    struct created made = create(NAME, READ_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    STATUS_IS(read_at(made.handle, text, 2, NULL, &done), STATUS_SUCCESS);
    family_give(made.handle);
    family_say(1);
    family_until(2);
    STATUS_IS(read_at(made.handle, text, 1, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(text[0], 'f');
    closed(made.handle);
    family_say(3);
    family_end(false);
    made = create(NAME, READ_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
}

static void keeper_child(void)
{
    struct created held = create(NAME, READ_ | ACCESS_DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE, FILE_OPEN, SYNC);
    IO_STATUS_BLOCK io;
    CHILD_CHECK(!held.status);
    CHILD_CHECK(!NtLockFile(held.handle, 0, 0, 0, &io, AT(2), AT(4), 0, 1, 1));
    family_say(1);
    for (;;)
        pause();
}

/* What a killed process had of a file goes: its part in the sharing, its locks. */
static void file_of_killed(void **state)
{
    IO_STATUS_BLOCK io;
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(keeper_child);
    family_until(1);
    STATUS_IS(create(NAME, WRITE_, SHARE_ALL, FILE_OPEN, SYNC).status, STATUS_SHARING_VIOLATION);
    HANDLE handle = opened(NAME, READ_, 0);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(4), AT(1), 0, 1, 1), STATUS_LOCK_NOT_GRANTED);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(6), AT(1), 0, 1, 1), STATUS_SUCCESS);
    family_end(true);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(4), AT(1), 0, 1, 1), STATUS_SUCCESS);
    closed(handle);
    struct created made = create(NAME, WRITE_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
}

static void asker_child(void)
{
    static IO_STATUS_BLOCK io;
    CHILD_CHECK(family_await(1));
    HANDLE handle = family_take();
    CHILD_CHECK(NtLockFile(handle, 0, 0, 0, &io, AT(0), AT(1), 0, 0, 1) == STATUS_PENDING);
    family_say(2);
    for (;;)
        pause();
}

/* An operation on what both have open ends with the process that asked for it, and the handle tells so. */
static void operation_of_killed(void **state)
{
    IO_STATUS_BLOCK io;
    struct nt_object *file;
    int64_t now = 0;
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(asker_child);
    HANDLE holder = opened(NAME, READ_, 0);
    STATUS_IS(NtLockFile(holder, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 1), STATUS_SUCCESS);
    struct created shared = create(NAME, READ_ | ACCESS_SYNCHRONIZE, SHARE_ALL, FILE_OPEN, 0);
    STATUS_IS(shared.status, STATUS_SUCCESS);
    STATUS_IS(nt_handle_object(shared.handle, NT_FILE, 0, &file, NULL, NULL), STATUS_SUCCESS);
    family_give(shared.handle);
    family_say(1);
    family_until(2);
    assert_int_equal(((struct io_file *)file)->pending, 1);
    STATUS_IS(NtWaitForSingleObject(shared.handle, 0, &now), STATUS_TIMEOUT);
    uint32_t before = file->references;
    family_end(true);
    assert_int_equal(((struct io_file *)file)->pending, 0);
    STATUS_IS(NtWaitForSingleObject(shared.handle, 0, &now), STATUS_SUCCESS);
    assert_int_equal(file->references, before - 2); /* the child's handle, and its operation */
    nt_lock();
    arena_check();
    nt_unlock();
    nt_object_release(file);
    closed(shared.handle);
    closed(holder);
}

static void deleter_child(void)
{
    struct created held = create(NAME, READ_ | ACCESS_DELETE, SHARE_ALL, FILE_OPEN, SYNC | FILE_DELETE_ON_CLOSE);
    CHILD_CHECK(!held.status);
    family_say(1);
    for (;;)
        pause();
}

/* Delete on close is due when the process is killed, and the name goes with the last handle in any process. */
static void deletion_by_killed(void **state)
{
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(deleter_child);
    family_until(1);
    HANDLE handle = opened(NAME, READ_, 0);
    family_end(true);
    assert_true(exists("shared.txt"));
    STATUS_IS(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status, STATUS_DELETE_PENDING);
    closed(handle);
    assert_false(exists("shared.txt"));
}

/* ---- folders ------------------------------------------------------------------------------------- */

static NTSTATUS next_name(HANDLE folder, const char *mask, char *name)
{
    struct { uint32_t next, index, length; WCHAR name[64]; } entry;
    IO_STATUS_BLOCK io;
    struct named named;
    const UNICODE_STRING *string = mask ? (named_fill(&named, 0, mask, 0), &named.string) : NULL;
    NTSTATUS status = NtQueryDirectoryFile(folder, 0, 0, 0, &io, &entry, sizeof entry, 12, 1, string, 0);
    uint32_t length = status ? 0 : entry.length / 2;
    for (uint32_t i = 0; i < length; i++)
        name[i] = (char)entry.name[i];
    name[length] = 0;
    return status;
}

static void search_child(void)
{
    char name[64];
    CHILD_CHECK(family_await(1));
    HANDLE folder = family_take();
    CHILD_CHECK(!next_name(folder, "*.c", name) && !strcmp(name, "two.b.c")); /* the first call's mask holds */
    family_say(2);
    CHILD_CHECK(family_await(3));
    CHILD_CHECK(next_name(folder, NULL, name) == STATUS_NO_MORE_FILES);
    CHILD_CHECK(!NtClose(folder));
}

static void a_search_in_two_processes(void **state)
{
    char name[64];
    (void)state;
    mkdir(unix_path("folder"), 0755);
    file_make("folder/one.b.d", "");
    file_make("folder/two.b.c", "");
    file_make("folder/three.d", "");
    file_make("folder/zero.b.e", "");
    family_begin(search_child);
    struct created folder = create("\\??\\C:\\folder", READ_, SHARE_ALL, FILE_OPEN, SYNC | FILE_DIRECTORY_FILE);
    STATUS_IS(folder.status, STATUS_SUCCESS);
    STATUS_IS(next_name(folder.handle, "*.b.*", name), STATUS_SUCCESS);
    assert_string_equal(name, "one.b.d");
    family_give(folder.handle);
    family_say(1);
    family_until(2);
    STATUS_IS(next_name(folder.handle, NULL, name), STATUS_SUCCESS);
    assert_string_equal(name, "zero.b.e");
    family_say(3);
    family_end(false);
    closed(folder.handle);
}

/* ---- pipes --------------------------------------------------------------------------------------- */

enum { LISTEN = 0x110008, DISCONNECT = 0x110004, TRANSCEIVE = 0x11C017, WAIT = 0x110018 };
#define PIPE "\\Device\\NamedPipe\\Family"

static HANDLE server_make(ULONG options, ULONG messages)
{
    HANDLE handle = 0;
    IO_STATUS_BLOCK io;
    STATUS_IS(NtCreateNamedPipeFile(&handle, BOTH_, NAMED(0, PIPE, 0), &io, 3, FILE_OPEN_IF, options, messages, messages, 0, 4, 4096,
                                    4096, AT(-500000)), STATUS_SUCCESS);
    return handle;
}

static NTSTATUS control(HANDLE handle, ULONG code, const void *input, ULONG input_length, void *output, ULONG output_length)
{
    IO_STATUS_BLOCK io = {0};
    return NtFsControlFile(handle, 0, 0, 0, &io, code, input, input_length, output, output_length);
}

static NTSTATUS wait_for_instance(const char *name)
{
    struct { int64_t timeout; uint32_t length; uint8_t specified, pad; WCHAR name[32]; } __attribute__((packed)) input = {
        .timeout = -50000000, .length = (uint32_t)strlen(name) * 2, .specified = 1};
    for (size_t i = 0; name[i]; i++)
        input.name[i] = (WCHAR)name[i];
    HANDLE root = create("\\Device\\NamedPipe\\", READ_, 3, FILE_OPEN, SYNC).handle;
    NTSTATUS status = control(root, WAIT, &input, (ULONG)(14 + input.length), NULL, 0);
    NtClose(root);
    return status;
}

static void client_child(void)
{
    char text[16] = "";
    ULONG_PTR done;
    CHILD_CHECK(family_await(1));
    struct created client = create(PIPE, BOTH_, 0, FILE_OPEN, SYNC | FILE_NON_DIRECTORY_FILE);
    CHILD_CHECK(!client.status);
    CHILD_CHECK(create(PIPE, BOTH_, 0, FILE_OPEN, SYNC).status == STATUS_PIPE_NOT_AVAILABLE);
    CHILD_CHECK(!write_at(client.handle, "question", NULL));
    CHILD_CHECK(!read_at(client.handle, text, 16, NULL, &done) && done == 6 && !memcmp(text, "answer", 6));
    CHILD_CHECK(!NtClose(client.handle));
    CHILD_CHECK(!wait_for_instance("Family")); /* until the server listens again */
    client = create(PIPE, BOTH_, 0, FILE_OPEN, SYNC | FILE_NON_DIRECTORY_FILE);
    CHILD_CHECK(!client.status);
    CHILD_CHECK(!write_at(client.handle, "again", NULL));
    family_say(2);
    for (;;)
        pause();
}

static void a_server_and_a_client_process(void **state)
{
    char text[16] = "";
    ULONG_PTR done;
    (void)state;
    family_begin(client_child);
    HANDLE server = server_make(SYNC, 0);
    family_say(1);
    NTSTATUS status = control(server, LISTEN, NULL, 0, NULL, 0);
    assert_true(status == STATUS_SUCCESS || status == STATUS_PIPE_CONNECTED);
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done, 8);
    assert_memory_equal(text, "question", 8);
    STATUS_IS(write_at(server, "answer", NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_PIPE_BROKEN);
    STATUS_IS(control(server, DISCONNECT, NULL, 0, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(control(server, LISTEN, NULL, 0, NULL, 0), STATUS_SUCCESS);
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "again", 5);
    family_until(2);
    /* Killed, it closes its end, before anybody has cleaned up after it. */
    assert_int_equal(kill(family->pid, SIGKILL), 0);
    STATUS_IS(read_at(server, text, 16, NULL, &done), STATUS_PIPE_BROKEN);
    family_end(true);
    STATUS_IS(write_at(server, "x", NULL), STATUS_PIPE_CLOSING);
    closed(server);
}

static void messages_child(void)
{
    char text[16] = "";
    CHILD_CHECK(family_await(1));
    struct created client = create(PIPE, BOTH_, 0, FILE_OPEN, SYNC | FILE_NON_DIRECTORY_FILE);
    CHILD_CHECK(!client.status && !set(client.handle, 23, (uint32_t[2]){1, 0}, 8));
    CHILD_CHECK(control(client.handle, TRANSCEIVE, "abc", 3, text, 2) == STATUS_BUFFER_OVERFLOW && !memcmp(text, "CB", 2));
    ULONG_PTR done;
    CHILD_CHECK(!read_at(client.handle, text, 16, NULL, &done) && done == 1 && text[0] == 'A');
    CHILD_CHECK(!NtClose(client.handle));
}

/* ConnectNamedPipe with an OVERLAPPED that becomes signalled from the other process; then question and answer. */
static void a_pending_connection_and_messages(void **state)
{
    char text[16] = "";
    HANDLE event = 0;
    IO_STATUS_BLOCK io = {0}, reading = {0};
    (void)state;
    family_begin(messages_child);
    HANDLE server = server_make(0, 1);
    STATUS_IS(NtCreateEvent(&event, EVENT_ALL, NULL, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtFsControlFile(server, event, 0, 0, &io, LISTEN, NULL, 0, NULL, 0), STATUS_PENDING);
    family_say(1);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(io.status, STATUS_SUCCESS);
    NTSTATUS status = NtReadFile(server, event, 0, 0, &reading, text, 16, AT(0), NULL);
    if (status == STATUS_PENDING)
        STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    STATUS_IS(reading.status, STATUS_SUCCESS);
    assert_int_equal(reading.information, 3);
    STATUS_IS(NtWriteFile(server, event, 0, 0, &reading, "CBA", 3, AT(0), NULL), STATUS_SUCCESS);
    family_end(false);
    closed(server);
    closed(event);
}

static void server_end_child(void)
{
    char text[16] = "";
    ULONG_PTR done;
    CHILD_CHECK(family_await(1));
    HANDLE server = family_take(); /* still the listening socket */
    family_say(2);
    CHILD_CHECK(family_await(3)); /* the parent has connected and accepted */
    CHILD_CHECK(!read_at(server, text, 5, NULL, &done) && done == 5 && !memcmp(text, "first", 5));
    family_say(4);
    CHILD_CHECK(!read_at(server, text, 6, NULL, &done) && done == 6 && !memcmp(text, "second", 6));
    CHILD_CHECK(read_at(server, text, 6, NULL, &done) == STATUS_PIPE_BROKEN);
    CHILD_CHECK(!NtClose(server));
}

/* A server's end in two processes: connected in one of them, read in the other; it ends with the last. */
static void a_server_end_in_two_processes(void **state)
{
    (void)state;
    family_begin(server_end_child);
    HANDLE server = server_make(SYNC, 0);
    family_give(server);
    family_say(1);
    family_until(2);
    struct created client = create(PIPE, BOTH_, 0, FILE_OPEN, SYNC | FILE_NON_DIRECTORY_FILE);
    STATUS_IS(client.status, STATUS_SUCCESS);
    STATUS_IS(write_at(client.handle, "first", NULL), STATUS_SUCCESS);
    family_say(3);
    family_until(4);
    closed(server);
    STATUS_IS(write_at(client.handle, "second", NULL), STATUS_SUCCESS);
    closed(client.handle);
    family_end(false);
}

static void server_child(void)
{
    HANDLE server = server_make(SYNC, 0);
    (void)server;
    family_say(1);
    for (;;)
        pause();
}

/* A killed server's name is gone at once, and does not hang whoever opens it. */
static void a_server_is_killed_while_it_listens(void **state)
{
    (void)state;
    family_begin(server_child);
    family_until(1);
    assert_int_equal(kill(family->pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)family->pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    STATUS_IS(create(PIPE, BOTH_, 0, FILE_OPEN, SYNC).status, STATUS_OBJECT_NAME_NOT_FOUND);
    family_end(true);
    STATUS_IS(create(PIPE, BOTH_, 0, FILE_OPEN, SYNC).status, STATUS_OBJECT_NAME_NOT_FOUND);
}

/* ---- killed at any moment ------------------------------------------------------------------------ */

/* Opens, shares, locks and closes files and pipes until it is killed, mostly inside the lock. */
static void victim_child(void)
{
    HANDLE handles[8] = {0};
    IO_STATUS_BLOCK io;
    char name[64];
    unsigned seed = family->seed;
    family_say(1);
    for (;;) {
        unsigned slot = seed % 8;
        seed = seed * 1103515245 + 12345;
        if (handles[slot])
            NtClose(handles[slot]);
        handles[slot] = 0;
        snprintf(name, sizeof name, "\\??\\C:\\victim %u", seed >> 16 & 3);
        switch (seed >> 29) {
        case 0: case 1:
            handles[slot] = create(name, READ_ | ACCESS_DELETE, SHARE_ALL, FILE_OPEN_IF, SYNC | FILE_DELETE_ON_CLOSE).handle;
            break;
        case 2: case 3:
            handles[slot] = create(name, WRITE_, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN_IF, SYNC).handle;
            break;
        case 4:
            handles[slot] = create(PIPE, BOTH_, 0, FILE_OPEN, SYNC | FILE_NON_DIRECTORY_FILE).handle;
            break;
        case 5:
            NtCreateNamedPipeFile(&handles[slot], BOTH_, NAMED(0, PIPE, 0), &io, 3, FILE_OPEN_IF, SYNC, 0, 0, 0, 8, 4096, 4096,
                                  AT(-500000));
            break;
        default:
            handles[slot] = create(name, BOTH_, SHARE_ALL, FILE_OPEN_IF, SYNC).handle;
            for (unsigned i = 0; i < 4 && handles[slot]; i++) {
                NtLockFile(handles[slot], 0, 0, 0, &io, AT(i * 10), AT(5), 0, 1, i & 1);
                NtUnlockFile(handles[slot], &io, AT((i & 2) * 10), AT(5), 0);
            }
        }
    }
}

/* What must be true of the records and instances, told apart from the code that keeps it so. Lock held. */
static void records_check(bool nothing_open)
{
    struct io_root *root = io_root();
    for (unsigned i = 0; i < IO_BUCKETS; i++)
        for (struct io_record *record = nt_at(root->buckets[i]); record; record = nt_at(record->next)) {
            uint32_t open = 0, writers = 0, share_deleters = 0;
            nt_ref previous = 0;
            assert_false(nothing_open);
            assert_true(record->files);
            for (struct io_file *file = nt_at(record->files); file; file = nt_at(file->next)) {
                assert_int_equal(file->file.head.type, NT_FILE);
                assert_int_equal(file->record, nt_ref_of(record));
                assert_int_equal(file->prev, previous);
                assert_true(file->file.head.handles || file->opener);
                previous = nt_ref_of(file);
                open += file->shares;
                writers += file->shares && file->file.access & (FILE_WRITE_DATA | FILE_APPEND_DATA);
                share_deleters += file->shares && file->file.sharing & FILE_SHARE_DELETE;
            }
            assert_int_equal(record->open, open);
            assert_int_equal(record->writers, writers);
            assert_int_equal(record->share_deleters, share_deleters);
            for (struct io_lock *lock = nt_at(record->locks); lock; lock = nt_at(lock->next))
                assert_int_equal(((struct io_file *)nt_at(lock->file))->record, nt_ref_of(record));
        }
    for (struct io_pipe *pipe = nt_at(root->pipes); pipe; pipe = nt_at(pipe->next)) {
        assert_true(!pipe->server || ((struct io_file *)nt_at(pipe->server))->pipe == nt_ref_of(pipe));
        assert_true(!nothing_open || (!pipe->server && !pipe->client));
    }
}

static void killed_anywhere(void **state)
{
    enum { ROUNDS = 200 };
    uint32_t takeovers = ob_arena->takeovers;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct nt_process_object *process;
        family_begin(victim_child);
        family->seed = round * 2654435761u;
        family_until(1);
        usleep(300 + round * 11);
        assert_int_equal(kill(family->pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)family->pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
        process = nt_at(family->process);
        nt_lock(); /* repairs where it was killed inside */
        records_check(false);
        nt_unlock();
        uint32_t id = process->id;
        family_end(true);
        nt_lock();
        nt_io_process_ended(id);
        records_check(true);
        nt_unlock();
        struct created made = create("\\??\\C:\\victim 1", BOTH_, 0, FILE_OPEN_IF, SYNC);
        STATUS_IS(made.status, STATUS_SUCCESS); /* nobody has it open */
        closed(made.handle);
    }
    print_message("%d killed, %u inside the lock\n", ROUNDS, ob_arena->takeovers - takeovers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(file_in_two_processes, drive_clear), cmocka_unit_test_setup(file_of_killed, drive_clear),
        cmocka_unit_test_setup(operation_of_killed, drive_clear),
        cmocka_unit_test_setup(deletion_by_killed, drive_clear),
        cmocka_unit_test_setup(a_search_in_two_processes, drive_clear), cmocka_unit_test(a_server_and_a_client_process), cmocka_unit_test(a_pending_connection_and_messages),
        cmocka_unit_test(a_server_end_in_two_processes), cmocka_unit_test(a_server_is_killed_while_it_listens),
        cmocka_unit_test_setup(killed_anywhere, drive_clear),
    };
    return cmocka_run_group_tests(tests, io_open_all, io_close_all);
}
