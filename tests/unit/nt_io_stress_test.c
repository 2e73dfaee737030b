/* Files and pipes used by many threads at once, as quickly as they can: every answer is one that the documents allow, no
 * operation is lost, and nothing is left over in the arena. The sanitizers watch. */
#include "nt_io.h"

enum { THREADS = 6, ROUNDS = 400, FILES = 12 };

struct user { unsigned seed; char buffer[2048]; };

static unsigned random_below(struct user *user, unsigned limit)
{
    return (unsigned)rand_r(&user->seed) % limit;
}

static void file_use(struct user *user)
{
    char name[64];
    ULONG_PTR done;
    snprintf(name, sizeof name, "\\??\\C:\\%s%u.txt", random_below(user, 2) ? "File" : "fILE", random_below(user, FILES));
    ULONG options = (random_below(user, 2) ? SYNC : 0) | (random_below(user, 5) ? 0 : FILE_DELETE_ON_CLOSE);
    struct created created = create(name, BOTH_ | ACCESS_DELETE, random_below(user, 8), random_below(user, 6), options);
    if (created.status) {
        assert_true(created.status == STATUS_SHARING_VIOLATION || created.status == STATUS_OBJECT_NAME_COLLISION ||
                    created.status == STATUS_OBJECT_NAME_NOT_FOUND || created.status == STATUS_DELETE_PENDING);
        return;
    }
    NTSTATUS status = write_at(created.handle, "hello", AT(0));
    assert_true(!status || status == STATUS_FILE_LOCK_CONFLICT);
    read_at(created.handle, user->buffer, 5, AT(0), &done);
    STATUS_IS(query(created.handle, 18, user->buffer, sizeof user->buffer), STATUS_SUCCESS);
    if (!random_below(user, 4))
        NtLockFile(created.handle, 0, 0, 0, &(IO_STATUS_BLOCK){0}, AT(random_below(user, 10)), AT(3), 0, 1, 1);
    if (!random_below(user, 6))
        set(created.handle, 13, &(uint8_t){1}, 1);
    closed(created.handle);
}

static void folder_use(struct user *user)
{
    IO_STATUS_BLOCK io;
    HANDLE handle = opened("\\??\\C:\\", READ_, FILE_DIRECTORY_FILE);
    while (!NtQueryDirectoryFile(handle, 0, 0, 0, &io, user->buffer, 1024, 3, 0, NULL, 0))
        ;
    closed(handle);
}

/* A read that is pending ends in any case: answered, cancelled, or by the closing of either end. */
static void pipe_use(struct user *user)
{
    char name[40];
    HANDLE server = 0, event = 0;
    IO_STATUS_BLOCK io = {0}, other;
    snprintf(name, sizeof name, "\\??\\pipe\\p%u", random_below(user, 4));
    if (NtCreateNamedPipeFile(&server, BOTH_, NAMED(0, name, 0), &io, 3, FILE_OPEN_IF, 0, random_below(user, 2), 0, 0, 255, 100,
                              100, AT(-1)))
        return; /* instances of the other type are there */
    STATUS_IS(service_named("NtCreateEvent")(WORD(&event), EVENT_ALL, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    struct created client = create(name, BOTH_, 3, FILE_OPEN, 0);
    NTSTATUS status = NtReadFile(server, event, 0, 0, &io, user->buffer, 10, NULL, NULL);
    if (!client.status)
        NtWriteFile(client.handle, 0, 0, 0, &other, "abc", 3, NULL, NULL);
    if (random_below(user, 2))
        NtCancelIoFileEx(server, NULL, &other);
    closed(server);
    if (!client.status)
        closed(client.handle);
    if (status == STATUS_PENDING)
        STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}), STATUS_WAIT_0);
    closed(event);
}

static void *use_all(void *argument)
{
    struct user *user = argument;
    for (int i = 0; i < ROUNDS; i++) {
        file_use(user);
        if (i % 20 == 0)
            folder_use(user);
        if (i % 5 == 0)
            pipe_use(user);
    }
    return NULL;
}

static void threads_share_files_and_pipes(void **state)
{
    static struct user users[THREADS];
    pthread_t threads[THREADS];
    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].seed = i * 7919 + 1;
        threads[i] = kernel_thread_start(use_all, &users[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        kernel_thread_join(threads[i]);
    /* A cancelled operation may hold its file for a moment longer. */
    for (int i = 0; i < 20000; i++) {
        nt_lock();
        bool left = io_root()->pipes;
        nt_unlock();
        if (!left)
            break;
        usleep(1000);
    }
    nt_lock();
    unsigned left = 0;
    for (unsigned i = 0; i < IO_BUCKETS; i++)
        left += io_root()->buckets[i] != 0;
    nt_ref pipes = io_root()->pipes;
    nt_unlock();
    assert_int_equal(left, 0);
    assert_int_equal(pipes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(threads_share_files_and_pipes, drive_clear),
    };
    return cmocka_run_group_tests_name("nt io under load", tests, io_open_all, io_close_all);
}
