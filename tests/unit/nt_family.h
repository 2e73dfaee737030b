/* A second process of the session for tests: forked early, with a handle table of its own, steered step by step. What the
 * parent opens after the fork is not open in it. Included by one file of a test program only, behind nt_kernel.h. */
#ifndef TESTS_NT_FAMILY_H
#define TESTS_NT_FAMILY_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* A handle on its way to the other process: what kinship does at a child's birth, done here in its life. */
struct family_handle {
    nt_ref object;
    ACCESS_MASK access;
    int32_t fd;
    uint32_t process;
};

struct family {
    uint32_t step;                /* how far the two have come */
    uint32_t process;             /* nt_ref of the child's process object */
    uint32_t failed;              /* line of the child's check that did not hold */
    pid_t pid;
    struct family_handle handle;
    uint32_t seed;
    char text[256];
};
static struct family *family;

/* In the child: what does not hold ends it. */
#define CHILD_CHECK(condition) \
    do { \
        if (!(condition)) { \
            family->failed = __LINE__; \
            _exit(1); \
        } \
    } while (0)

static inline void family_say(uint32_t step)
{
    __atomic_store_n(&family->step, step, __ATOMIC_RELEASE);
}

static inline bool family_await(uint32_t step)
{
    for (int i = 0; i < 300000; i++) {
        if (__atomic_load_n(&family->step, __ATOMIC_ACQUIRE) >= step)
            return true;
        if (__atomic_load_n(&family->failed, __ATOMIC_RELAXED))
            return false;
        usleep(100);
    }
    return false;
}

static inline void family_give(HANDLE handle)
{
    struct nt_object *object;
    int fd;
    ACCESS_MASK access;
    STATUS_IS(nt_handle_object(handle, NT_ANY, 0, &object, &fd, &access), STATUS_SUCCESS);
    family->handle = (struct family_handle){nt_ref_of(object), access, fd, (uint32_t)getpid()};
    nt_lock();
    nt_object_hand(object, ((struct nt_process_object *)nt_at(family->process))->id);
    nt_unlock();
}

/* In the child. */
static inline HANDLE family_take(void)
{
    HANDLE handle = 0;
    int fd = nt_fd_fetch(family->handle.process, family->handle.fd);
    struct nt_object *object = nt_at(family->handle.object);
    CHILD_CHECK(fd >= 0 && !nt_handle_create(object, family->handle.access, 0, fd, &handle));
    nt_object_release(object);
    return handle;
}

/* The forked process becomes one of the kernel's. */
static inline void family_become_child(void)
{
    struct nt_object *process;
    ob_table_forget();
    CHILD_CHECK(!nt_object_create(NT_PROCESS, sizeof(struct nt_process_object), &process));
    nt_process.object = nt_ref_of(process);
    ((struct nt_process_object *)process)->host_pid = (uint32_t)getpid();
    nt_process.id = ((struct nt_process_object *)process)->id = nt_id_allocate(nt_process.object);
    kernel_thread_begin();
    __atomic_store_n(&family->process, nt_process.object, __ATOMIC_RELEASE);
}

static inline void family_begin(void (*child)(void))
{
    if (!family)
        family = mmap(NULL, sizeof *family, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(family, MAP_FAILED);
    memset(family, 0, sizeof *family);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        family_become_child();
        child();
        _exit(0);
    }
    family->pid = pid;
    while (!__atomic_load_n(&family->process, __ATOMIC_ACQUIRE) && !family->failed)
        usleep(100);
}

static inline void family_until(uint32_t step)
{
    bool reached = family_await(step);
    if (!reached)
        fail_msg("the child stopped at step %u, line %u", family->step, family->failed);
}

/* Waits for the child's end, by itself or by our hand, and closes what it had open. */
static inline void family_end(bool kill_it)
{
    int state;
    struct nt_process_object *process = nt_at(family->process);
    if (kill_it)
        assert_int_equal(kill(family->pid, SIGKILL), 0);
    assert_int_equal(waitpid(family->pid, &state, 0), family->pid);
    if (!kill_it && (!WIFEXITED(state) || WEXITSTATUS(state)))
        fail_msg("the child ended with %x, line %u", state, family->failed);
    kernel_process_clear(process, (uint32_t)family->pid);
}

#endif
