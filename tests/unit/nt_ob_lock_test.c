/* The arena's lock: it excludes, it outlives its owner, and the arena is whole again after an owner was killed inside. */
#include "nt_kernel.h"
#include "nt_audit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ---- the lock -------------------------------------------------------------------------------------------- */

static uint32_t counter;

static void *count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20000; i++) {
        nt_lock();
        counter++;
        nt_unlock();
    }
    return NULL;
}

static void lock_excludes(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, 80000);
}

static uint32_t repaired_after;

static void repair_note(uint32_t owner)
{
    repaired_after = owner;
}

/* A process is killed while it holds the lock; it is not even waited for, so that it stays as a zombie. */
static void lock_taken_over(void **state)
{
    int ready[2];
    char byte;
    (void)state;
    void (*repair)(uint32_t) = ob_lock_repair;
    uint32_t takeovers = ob_arena->takeovers;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        nt_lock();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(ob_arena->lock & ~OB_LOCK_WAITERS, (uint32_t)child);
    assert_int_equal(kill(child, SIGKILL), 0);
    ob_lock_repair = repair_note;
    nt_lock(); /* does not wait for ever */
    nt_unlock();
    ob_lock_repair = repair;
    assert_int_equal(ob_arena->takeovers, takeovers + 1);
    assert_int_equal(repaired_after, child);
    assert_int_equal(waitpid(child, NULL, 0), child);
    nt_lock(); /* and is an ordinary lock again */
    nt_unlock();
    assert_int_equal(ob_arena->takeovers, takeovers + 1);
    close(ready[0]);
    close(ready[1]);
}

/* An owner that is only slow keeps it. */
static void *hold_long(void *argument)
{
    nt_lock();
    __atomic_store_n((int *)argument, 1, __ATOMIC_RELEASE);
    usleep(150000);
    __atomic_store_n((int *)argument, 2, __ATOMIC_RELEASE);
    nt_unlock();
    return NULL;
}

static void lock_slow_owner(void **state)
{
    pthread_t thread;
    int step = 0;
    (void)state;
    uint32_t takeovers = ob_arena->takeovers;
    assert_int_equal(pthread_create(&thread, NULL, hold_long, &step), 0);
    while (!__atomic_load_n(&step, __ATOMIC_ACQUIRE))
        usleep(1000);
    nt_lock();
    assert_int_equal(__atomic_load_n(&step, __ATOMIC_ACQUIRE), 2);
    nt_unlock();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ob_arena->takeovers, takeovers);
}

/* ---- a process killed at any moment ---------------------------------------------------------------------- */

/* Does a bit of everything until it is killed; mostly inside the lock. */
static void victim_run(uint32_t *process_ref, unsigned seed)
{
    struct nt_object *process;
    HANDLE ping, pong, handles[8] = {0};
    char name[64];
    ob_table_forget();
    if (nt_object_create(NT_PROCESS, sizeof(struct nt_process_object), &process))
        _exit(1);
    nt_process.object = nt_ref_of(process);
    nt_process.id = ((struct nt_process_object *)process)->id = nt_id_allocate(nt_process.object);
    ((struct nt_process_object *)process)->host_pid = (uint32_t)getpid();
    kernel_thread_begin();
    if (NtOpenEvent(&ping, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\ping", 0)) ||
        NtOpenSemaphore(&pong, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\pong", 0)))
        _exit(2);
    __atomic_store_n(process_ref, nt_process.object, __ATOMIC_RELEASE);
    for (;;) {
        unsigned slot = seed % 8;
        seed = seed * 1103515245 + 12345;
        if (handles[slot])
            NtClose(handles[slot]);
        snprintf(name, sizeof name, "\\BaseNamedObjects\\victim %u", seed >> 16 & 63);
        switch (seed >> 28) {
        case 0: case 1: case 2: case 3: case 4:
            NtCreateEvent(&handles[slot], EVENT_ALL, NAMED(0, name, OBJ_OPENIF), 1, 0);
            break;
        case 5: case 6: case 7:
            NtCreateMutant(&handles[slot], GENERIC_ALL, NULL, 1);
            break;
        case 8: case 9:
            NtCreateDirectoryObject(&handles[slot], GENERIC_ALL, NAMED(0, name, OBJ_OPENIF));
            break;
        default:
            NtCreateSemaphore(&handles[slot], GENERIC_ALL, NULL, 1, 2);
            NtSetEvent(ping, NULL);
            NtReleaseSemaphore(pong, 1, NULL);
            NtWaitForMultipleObjects(2, (HANDLE[]){handles[slot], ping}, FOR_ANY, 0, &(int64_t){0});
        }
    }
}

static int waiter_stop;

static void *waiter_run(void *argument)
{
    const HANDLE *handles = argument;
    uintptr_t woken = 0;
    while (!__atomic_load_n(&waiter_stop, __ATOMIC_ACQUIRE)) {
        NTSTATUS status = NtWaitForMultipleObjects(2, handles, FOR_ANY, 0, &(int64_t){200 * MS});
        assert_true(status <= 1 || status == STATUS_TIMEOUT);
        woken += status <= 1;
    }
    return (void *)woken;
}

static void killed_anywhere(void **state)
{
    enum { ROUNDS = 150 };
    HANDLE shared[2];
    uint32_t takeovers = ob_arena->takeovers;
    uint32_t *process_ref = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(process_ref, MAP_FAILED);
    STATUS_IS(NtCreateEvent(&shared[0], EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\ping", 0), 1, 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateSemaphore(&shared[1], GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\pong", 0), 0, 0x7fffffff), STATUS_SUCCESS);
    pthread_t waiter = kernel_thread_start(waiter_run, shared);
    for (unsigned round = 0; round < ROUNDS; round++) {
        *process_ref = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            victim_run(process_ref, round * 2654435761u);
        while (!__atomic_load_n(process_ref, __ATOMIC_ACQUIRE))
            usleep(50);
        usleep(200 + round * 7);
        assert_int_equal(kill(child, SIGKILL), 0);
        struct nt_process_object *process = nt_at(*process_ref);
        assert_int_equal(waitpid(child, NULL, 0), child);
        nt_lock();
        arena_check();
        nt_unlock();
        kernel_process_clear(process, (uint32_t)child);
        nt_lock();
        arena_check();
        nt_unlock();
    }
    __atomic_store_n(&waiter_stop, 1, __ATOMIC_RELEASE);
    uintptr_t woken = (uintptr_t)kernel_thread_join(waiter);
    print_message("%d killed, %u inside the lock; the waiter was woken %lu times\n", ROUNDS, ob_arena->takeovers - takeovers,
                  (unsigned long)woken);
    assert_true(woken > 0);
    STATUS_IS(NtClose(shared[0]), STATUS_SUCCESS);
    STATUS_IS(NtClose(shared[1]), STATUS_SUCCESS);
    munmap(process_ref, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_excludes), cmocka_unit_test(lock_taken_over), cmocka_unit_test(lock_slow_owner),
        cmocka_unit_test(killed_anywhere),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
