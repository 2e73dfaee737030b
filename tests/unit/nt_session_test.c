/* A session of several processes: deaths are noticed, whoever watches; what the dead had is given back; nobody sleeps on. The
 * processes are forked from this one, which is no member itself: it looks at the arena from outside, and kills. */
#define nt_upcase unused_upcase /* the end of a process gives the terminal back: the real files are in this program */
#include "nt_kernel.h"
#undef nt_upcase
#include "nt_audit.h"

#include "loader/nt/ps/session.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MEMBERS = 6, SLOW_MS = 20000 };

struct member {
    pid_t pid;
    uint32_t process;             /* nt_ref, once it is one of the session */
    uint32_t id;
    uint32_t failed;              /* line */
    uint32_t step;
    uint32_t answer[4];
};
static struct member *members;    /* shared with all of them */

#define MEMBER_CHECK(condition) \
    do { \
        if (!(condition)) { \
            self->failed = __LINE__; \
            _exit(1); \
        } \
    } while (0)

/* ---- stand-in: what the kernel above does for whoever asks ---- */

void ps_serve(struct ps_message *message, int fd, int *give)
{
    (void)give;
    message->size = 0;
    message->status = STATUS_SUCCESS;
    if (message->operation == PS_EXIT)
        nt_ps_process_exit(0);
    if (message->operation == PS_QUERY)
        message->argument[1] = message->argument[0] * 2;
    if (fd >= 0)
        close(fd);
}

static void finish(uint32_t status)
{
    (void)status;
    _exit(0);
}

/* ---- members ---- */

static void member_become(struct member *self)
{
    struct nt_process_object *process;
    struct nt_thread_object *thread;
    ob_table_forget();
    nt_process.object = nt_process.id = 0;
    nt_config.finish = finish;
    ps_types_open();
    MEMBER_CHECK(!ps_process_new(NT_PROCESS_RUNNING, &process));
    process->host_pid = (uint32_t)getpid();
    nt_process.object = nt_ref_of(process);
    nt_process.id = process->id;
    MEMBER_CHECK(!ps_thread_new(process, &thread));
    kernel_thread = (struct nt_thread){.object = thread};
    MEMBER_CHECK(nt_session_join());
    ps_watch_poke();
    self->id = process->id;
    __atomic_store_n(&self->process, nt_process.object, __ATOMIC_RELEASE);
}

static void member_begin(unsigned index, void (*body)(struct member *self))
{
    struct member *self = &members[index];
    memset(self, 0, sizeof *self);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        member_become(self);
        body(self);
        _exit(0);
    }
    self->pid = pid;
    for (int i = 0; !__atomic_load_n(&self->process, __ATOMIC_ACQUIRE) && i < SLOW_MS * 10; i++) {
        assert_int_equal(self->failed, 0);
        usleep(100);
    }
    assert_int_not_equal(self->process, 0);
}

static void member_kill(unsigned index)
{
    assert_int_equal(kill(members[index].pid, SIGKILL), 0);
    assert_int_equal(waitpid(members[index].pid, NULL, 0), members[index].pid);
}

static void step_await(unsigned index, uint32_t step)
{
    for (int i = 0; __atomic_load_n(&members[index].step, __ATOMIC_ACQUIRE) < step; i++) {
        if (members[index].failed || i > SLOW_MS * 10)
            fail_msg("member %u stands at step %u, line %u", index, members[index].step, members[index].failed);
        usleep(100);
    }
}

static void step_say(struct member *self, uint32_t step)
{
    __atomic_store_n(&self->step, step, __ATOMIC_RELEASE);
}

static HANDLE process_open(struct member *self, uint32_t id)
{
    HANDLE handle = 0;
    struct nt_object *object = nt_id_object(id, NT_PROCESS);
    MEMBER_CHECK(object && !nt_handle_create(object, 0x1fffff, 0, -1, &handle));
    nt_object_release(object);
    return handle;
}

static uint32_t exit_status_of(struct member *self, HANDLE handle)
{
    struct nt_object *object;
    MEMBER_CHECK(!nt_handle_object(handle, NT_PROCESS, 0, &object, NULL, NULL));
    uint32_t status = ((struct nt_process_object *)object)->exit_status;
    nt_object_release(object);
    return status;
}

static void member_end(unsigned index)
{
    member_kill(index);
}

/* Nobody's children but this one's; a fresh arena for each test would hide what the one before left behind. */
static void audit(void)
{
    nt_lock();
    arena_check();
    nt_unlock();
}

/* ---- one dies, another waits ---- */

static void owner_body(struct member *self)
{
    HANDLE mutant;
    MEMBER_CHECK(!NtCreateMutant(&mutant, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\owned", 0), 1));
    step_say(self, 1);
    for (;;)
        pause();
}

static void *mutant_await(void *argument)
{
    struct member *self = argument;
    HANDLE mutant;
    MEMBER_CHECK(!NtOpenMutant(&mutant, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\owned", 0)));
    __atomic_add_fetch(&self->step, 1, __ATOMIC_ACQ_REL);
    self->answer[1] = NtWaitForSingleObject(mutant, 0, NULL);
    __atomic_add_fetch(&self->step, 1, __ATOMIC_ACQ_REL);
    return NULL;
}

static void witness_body(struct member *self)
{
    HANDLE victim = process_open(self, members[0].id);
    MEMBER_CHECK(exit_status_of(self, victim) == STATUS_PENDING);
    kernel_thread_start(mutant_await, self);
    __atomic_add_fetch(&self->step, 1, __ATOMIC_ACQ_REL);
    self->answer[0] = NtWaitForSingleObject(victim, 0, NULL);
    self->answer[2] = exit_status_of(self, victim);
    MEMBER_CHECK(nt_id_object(members[0].id, NT_PROCESS) != NULL); /* while a handle is open */
    __atomic_add_fetch(&self->step, 1, __ATOMIC_ACQ_REL);
    for (;;)
        pause();
}

static void death_is_noticed(void **state)
{
    (void)state;
    member_begin(0, owner_body);
    step_await(0, 1);
    member_begin(1, witness_body);
    step_await(1, 2);
    usleep(20000); /* both are asleep, or soon will be */
    member_kill(0);
    step_await(1, 4);
    assert_int_equal(members[1].answer[0], STATUS_WAIT_0);
    assert_int_equal(members[1].answer[1], STATUS_ABANDONED_WAIT_0);
    assert_int_equal(members[1].answer[2], NT_KILLED_STATUS);
    audit();
    member_end(1);
}

/* ---- the watcher dies first, then another, and another ---- */

static void counter_body(struct member *self)
{
    HANDLE others[MEMBERS];
    uint32_t count = 0;
    for (unsigned i = 0; i + 1 < MEMBERS; i++)
        others[count++] = process_open(self, members[i].id);
    step_say(self, 1);
    for (unsigned i = 0; i < count; i++) {
        MEMBER_CHECK(NtWaitForSingleObject(others[i], 0, NULL) == STATUS_WAIT_0);
        step_say(self, 2 + i);
    }
    for (;;)
        pause();
}

static void idle_body(struct member *self)
{
    (void)self;
    for (;;)
        pause();
}

static void watchers_die(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < MEMBERS; i++)
        member_begin(i, idle_body);
    member_begin(MEMBERS - 1, counter_body);
    step_await(MEMBERS - 1, 1);
    for (unsigned i = 0; i + 1 < MEMBERS; i++) {
        member_kill(i);
        step_await(MEMBERS - 1, 2 + i);
        audit();
    }
    nt_lock();
    assert_int_equal(ob_arena->watcher, members[MEMBERS - 1].process); /* nobody else is left */
    nt_unlock();
    member_end(MEMBERS - 1);
}

/* ---- ends that are asked for ---- */

static void ender_body(struct member *self)
{
    struct nt_object *victim;
    HANDLE handle = process_open(self, members[0].id);
    MEMBER_CHECK(!nt_handle_object(handle, NT_PROCESS, 1, &victim, NULL, NULL));
    MEMBER_CHECK(!nt_ps_terminate((struct nt_process_object *)victim, 0xC0FFEE));
    MEMBER_CHECK(nt_ps_terminate((struct nt_process_object *)victim, 5) == STATUS_PROCESS_IS_TERMINATING);
    MEMBER_CHECK(NtWaitForSingleObject(handle, 0, NULL) == STATUS_WAIT_0);
    self->answer[0] = exit_status_of(self, handle);
    step_say(self, 1);
    for (;;)
        pause();
}

static void terminated(void **state)
{
    for (int stopped = 0; stopped < 2; stopped++) {
        (void)state;
        member_begin(0, idle_body);
        if (stopped)
            assert_int_equal(kill(members[0].pid, SIGSTOP), 0);
        member_begin(1, ender_body);
        step_await(1, 1);
        assert_int_equal(members[1].answer[0], 0xC0FFEE);
        audit();
        assert_int_equal(waitpid(members[0].pid, NULL, 0), members[0].pid);
        member_end(1);
    }
}

/* ---- questions ---- */

static void asker_body(struct member *self)
{
    static struct ps_message message;
    const struct nt_process_object *other = nt_at(members[0].process);
    for (uint64_t i = 0; i < 100; i++) {
        message = (struct ps_message){.operation = PS_QUERY, .argument = {i}};
        MEMBER_CHECK(ps_ask(other, &message, -1, NULL) == STATUS_SUCCESS && message.argument[1] == 2 * i);
    }
    step_say(self, 1);
    while (__atomic_load_n(&self->step, __ATOMIC_ACQUIRE) < 2)
        usleep(100);
    message = (struct ps_message){.operation = PS_QUERY};
    MEMBER_CHECK(ps_ask(other, &message, -1, NULL) == STATUS_PROCESS_IS_TERMINATING);
    step_say(self, 3);
    for (;;)
        pause();
}

static void asked(void **state)
{
    (void)state;
    member_begin(0, idle_body);
    member_begin(1, asker_body);
    step_await(1, 1);
    member_kill(0);
    step_say(&members[1], 2);
    step_await(1, 3);
    member_end(1);
}

/* ---- killed at any moment, under load ---- */

static void busy_body(struct member *self)
{
    HANDLE handles[8] = {0}, shared;
    unsigned seed = (unsigned)getpid() * 2654435761u;
    char name[64];
    MEMBER_CHECK(!NtOpenSemaphore(&shared, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\busy", 0)));
    for (;;) {
        unsigned slot = seed % 8;
        seed = seed * 1103515245 + 12345;
        if (handles[slot])
            NtClose(handles[slot]);
        handles[slot] = 0;
        snprintf(name, sizeof name, "\\BaseNamedObjects\\busy %u", seed >> 16 & 15);
        struct nt_object *other = nt_id_object(members[seed >> 20 & 3].id, NT_PROCESS);
        switch (seed >> 28) {
        case 0: case 1: case 2: case 3:
            NtCreateEvent(&handles[slot], EVENT_ALL, NAMED(0, name, OBJ_OPENIF), 1, 0);
            NtSetEvent(handles[slot], NULL);
            break;
        case 4: case 5: case 6:
            NtCreateMutant(&handles[slot], GENERIC_ALL, NAMED(0, name, OBJ_OPENIF), 1);
            NtWaitForSingleObject(handles[slot], 0, &(int64_t){1 * MS});
            break;
        case 7: case 8: /* a handle on another process, and one of ours into it */
            if (other && !nt_handle_create(other, 0x1fffff, 0, -1, &handles[slot])) {
                HANDLE given = 0;
                NtDuplicateObject((HANDLE)-1, shared, handles[slot], &given, 0, 0, 2);
            }
            break;
        default:
            NtReleaseSemaphore(shared, 1, NULL);
            NtWaitForMultipleObjects(2, (HANDLE[]){shared, handles[slot] ? handles[slot] : shared}, FOR_ANY, 0, &(int64_t){0});
        }
        if (other)
            nt_object_release(other);
        self->answer[0]++;
    }
}

/* Lives through it all. Takes what the others release, and must be woken each time. */
static void survivor_body(struct member *self)
{
    HANDLE shared;
    MEMBER_CHECK(!NtCreateSemaphore(&shared, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\busy", 0), 0, 0x7fffffff));
    step_say(self, 1);
    for (;;) {
        NTSTATUS status = NtWaitForSingleObject(shared, 0, &(int64_t){100 * MS});
        MEMBER_CHECK(status == STATUS_WAIT_0 || status == STATUS_TIMEOUT);
        self->answer[0] += status == STATUS_WAIT_0;
    }
}

static unsigned processes_left(void)
{
    uint32_t index = 0;
    unsigned left = 0;
    nt_lock();
    for (struct nt_object *object; (object = ob_id_next(&index));)
        left += object->type == NT_PROCESS && ((struct nt_process_object *)object)->life != NT_PROCESS_ENDED;
    nt_unlock();
    return left;
}

static void killed_anywhere(void **state)
{
    enum { BUSY = 4, ROUNDS = 120 };
    uint32_t takeovers = ob_arena->takeovers;
    (void)state;
    unsigned others = processes_left(); /* this program's own stand-in */
    member_begin(BUSY, survivor_body);
    step_await(BUSY, 1);
    for (unsigned i = 0; i < BUSY; i++)
        member_begin(i, busy_body);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned victim = round * 7 % BUSY;
        usleep(500 + round * 37);
        member_kill(victim);
        audit();
        assert_int_equal(members[BUSY].failed, 0);
        member_begin(victim, busy_body);
    }
    for (unsigned i = 0; i < BUSY; i++)
        member_kill(i);
    for (int i = 0; processes_left() > others + 1; i++) {
        assert_true(i < SLOW_MS / 10);
        usleep(10000);
    }
    audit();
    assert_true(members[BUSY].answer[0] > 0);
    assert_int_equal(ob_arena->lock, 0);
    print_message("%d killed, %u of them inside the lock; the survivor was woken %u times\n", ROUNDS + BUSY,
                  ob_arena->takeovers - takeovers, members[BUSY].answer[0]);
    member_end(BUSY);
}

static int session_open(void **state)
{
    members = mmap(NULL, MEMBERS * sizeof *members, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return members == MAP_FAILED ? -1 : kernel_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(death_is_noticed), cmocka_unit_test(watchers_die), cmocka_unit_test(terminated), cmocka_unit_test(asked),
        cmocka_unit_test(killed_anywhere),
    };
    return cmocka_run_group_tests(tests, session_open, NULL);
}
