/* Threads and the process: made, started, ended. A guest thread is a host thread with two stacks: the guest's own, in
 * guest memory, and a kernel stack, which is the host thread's. */
#include "loader/nt/arch.h"
#include "loader/nt/io.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps/private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNEL_STACK = 256 << 10, SIGNAL_STACK = 32 << 10, STACK_LEFT = 4 * 4096, TEB_SIZE = NT_TEB_PAGES * 4096, PEB_SIZE = NT_PEB_PAGES * 4096 };

__thread struct nt_thread *nt_thread_self;

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_thread *threads;           /* of this process; guarded by list_lock */
static unsigned thread_count;               /* likewise */

struct nt_thread *nt_current(void) { return nt_thread_self; }
void nt_ps_lock(void) { pthread_mutex_lock(&list_lock); }
void nt_ps_unlock(void) { pthread_mutex_unlock(&list_lock); }
bool nt_ps_ending(void) { return nt_thread_self && nt_thread_self->ending; }

struct nt_thread *nt_ps_find(const struct nt_thread_object *object)
{
    struct nt_thread *thread = threads;
    while (thread && thread->object != object)
        thread = thread->next;
    return thread;
}

/* The process object's own count, which others may read. */
static void process_threads(int change)
{
    struct nt_process_object *process = nt_at(nt_process.object);
    __atomic_add_fetch(&process->thread_count, (uint32_t)change, __ATOMIC_RELAXED);
}

static void thread_link(struct nt_thread *thread)
{
    nt_ps_lock();
    thread->next = threads;
    if (threads)
        threads->prev = thread;
    threads = thread;
    thread_count++;
    process_threads(1);
    nt_ps_unlock();
}

/* List lock held. True: it was the last. */
static bool thread_unlink(struct nt_thread *thread)
{
    if (thread->next)
        thread->next->prev = thread->prev;
    if (thread->prev)
        thread->prev->next = thread->next;
    else
        threads = thread->next;
    return --thread_count == 0;
}

static void teb_fill(struct nt_teb *teb, uint32_t id, uintptr_t low, uintptr_t limit, uintptr_t high)
{
    /* Fresh pages read zero: only what is not zero is written. */
    teb->exception_list = (void *)~(uintptr_t)0; /* Wine's x64 dispatcher walks this list too; Windows leaves it 0 there */
    teb->stack_base = (void *)high;
    teb->stack_limit = (void *)limit;
    teb->stack_allocation = (void *)low;
    teb->self = teb;
    teb->client.process = teb->real_client.process = nt_process.id;
    teb->client.thread = teb->real_client.thread = id;
    teb->peb = nt_process.peb;
    teb->static_string.maximum = sizeof teb->static_buffer;
    teb->static_string.buffer = teb->static_buffer;
    teb->activation = &teb->activation_stack;
    teb->activation_stack.next_cookie = 1;
    teb->activation_stack.cache.next = teb->activation_stack.cache.prev = &teb->activation_stack.cache;
    teb->locale = 0x409;
    teb->wow_reserved = (void *)nt_process.dispatcher_entry;
}

/* Sizes as CreateThread documents them: 0 means the EXE's; a commit beyond the reserve raises it to the next MiB. */
static void stack_sizes(size_t *reserve, size_t *commit)
{
    if (!*reserve)
        *reserve = nt_process.stack_reserve;
    if (!*commit)
        *commit = nt_process.stack_commit;
    if (*commit >= *reserve && *commit <= SIZE_MAX - (1u << 20))
        *reserve = (*commit + (1u << 20)) & ~(size_t)((1u << 20) - 1);
    if (nt_process.stack_whole) {
        if (*reserve < 1u << 20)
            *reserve = 1u << 20;
        *commit = *reserve - STACK_LEFT;
    }
}

/* Everything a thread needs, unlinked and not running; `object`: what a creator has made for it, or NULL. On failure nothing
 * is left behind but that object. */
static NTSTATUS thread_make(struct nt_thread_object *object, size_t reserve, size_t commit, struct nt_thread **out)
{
    uintptr_t teb = 0, low, limit, high;
    stack_sizes(&reserve, &commit);
    struct nt_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return STATUS_NO_MEMORY;
    thread->object = object;
    NTSTATUS status = object ? STATUS_SUCCESS : ps_thread_new(nt_at(nt_process.object), &thread->object);
    if (status)
        goto no_object;
    status = nt_mm_allocate(&teb, TEB_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0);
    if (status)
        goto no_teb;
    status = nt_mm_stack_create(reserve, commit, &low, &limit, &high);
    if (status)
        goto no_stack;
    thread->teb = (struct nt_teb *)teb;
    thread->in_kernel = 1; /* until nt_ps_enter: a stop signal finds nothing to leave yet */
    thread->object->teb = teb;
    thread->stack_low = low;
    thread->stack_high = high;
    teb_fill(thread->teb, thread->object->id, low, limit, high);
    *out = thread;
    return STATUS_SUCCESS;

no_stack:
    nt_mm_free(teb, 0, MEM_RELEASE);
no_teb:
    if (!object)
        ps_thread_release(thread->object);
no_object:
    free(thread);
    return status;
}

/* A thread that was terminated is still on the guest half's list of threads, in its TEB. That one is left, marked as
 * nobody's, until the guest half comes by: only it has the lock of that list. */
static void teb_free(struct nt_teb *teb)
{
    struct nt_list links;
    const CLIENT_ID nobody = {0, 0};
    if (!NT_GET(links, &teb->tls_links) || !links.next || !NT_PUT(&teb->client, nobody))
        nt_mm_free((uintptr_t)teb, 0, MEM_RELEASE);
}

static void thread_discard(struct nt_thread *thread)
{
    nt_mm_free(thread->stack_low, 0, MEM_RELEASE);
    teb_free(thread->teb);
    ps_thread_release(thread->object);
    free(thread->start);
    free(thread);
}

/* A child finds both objects made by its creator (ps/create.c). */
NTSTATUS nt_ps_open(size_t stack_reserve, size_t stack_commit)
{
    struct nt_process_object *process = nt_at(nt_process.object);
    struct nt_thread_object *first = process ? nt_at(process->first_thread) : NULL;
    struct nt_thread *thread;
    uintptr_t peb = 0;
    nt_process.stack_reserve = stack_reserve ? stack_reserve : 1u << 20;
    nt_process.stack_commit = stack_commit ? stack_commit : 4096;
    ps_types_open();
    NTSTATUS status = process ? STATUS_SUCCESS : ps_process_new(NT_PROCESS_ALONE, &process);
    if (status)
        return status;
    nt_process.object = nt_ref_of(process);
    nt_process.id = process->id;
    nt_process.created = process->created;
    process->host_pid = (uint32_t)getpid();
    process->machine = NT_WIDTH(0x14c, 0x8664);
    process->user_high = nt_process.user_high;
    status = nt_mm_allocate(&peb, PEB_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0);
    if (status)
        return status;
    nt_process.peb = (struct nt_peb *)peb;
    process->peb = peb;
    status = thread_make(first, 0, 0, &thread);
    if (status)
        return status;
    process->first_thread = 0;
    thread_link(thread);
    nt_thread_self = thread;
    return STATUS_SUCCESS;
}

/* Suspended before it runs, a thread's first registers can still be read and changed. Then they are its own: on its
 * stack, as LdrInitializeThunk wants them, and in *first. False: it has been told to end, or has no stack. */
static bool thread_start_take(struct nt_thread *thread, struct nt_context *first)
{
    volatile int32_t *suspended = &thread->object->suspend_count;
    struct nt_context *start;
    for (;;) {
        nt_ps_lock();
        start = thread->start;
        int32_t count = *suspended;
        if (count <= 0 || thread->ending)
            break;
        nt_ps_unlock();
        nt_futex_sleep(suspended, (uint32_t)count);
    }
    thread->start = NULL;
    nt_ps_unlock();
    bool runs = !thread->ending && nt_arch_context_thunk(first, start, nt_process.thread_entry);
    free(start);
    return runs;
}

/* Counted out before it is signalled: who waited for it and asks whether it is the last thread must be told so. */
static void thread_ended(struct nt_thread *thread, NTSTATUS exit_status)
{
    process_threads(-1);
    nt_ke_thread_ended(thread->object, exit_status);
}

/* The host thread's side of a guest thread, from its first instruction to the release of its memory. */
static void thread_live(struct nt_thread *thread)
{
    char signal_stack[SIGNAL_STACK];
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct nt_context first;
    sigaltstack(&stack, NULL);
    nt_thread_self = thread;
    thread->object->host_tid = (uint32_t)syscall(SYS_gettid);
    nt_arch_set_teb(thread->teb);
    bool runs = thread_start_take(thread, &first);
    if (runs)
        nt_arch_enter(thread, &first);

    /* Back for good: by nt_arch_leave, or never started. */
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    nt_ps_lock();
    bool last = thread_unlink(thread);
    nt_ps_unlock();
    NTSTATUS exit_status = thread->object->exit_status;
    if (!runs)
        thread_ended(thread, exit_status);
    nt_thread_self = NULL;
    thread_discard(thread);
    if (last)
        nt_ps_process_exit(exit_status); /* the last thread's end is the process's, with its status */
}

static void *thread_main(void *argument)
{
    thread_live(argument);
    return NULL;
}

void nt_ps_run(uintptr_t start)
{
    struct nt_thread *thread = nt_thread_self;
    thread->start = malloc(sizeof *thread->start);
    thread->object->start_address = start;
    if (thread->start) {
        nt_arch_context_start(thread->start, nt_process.thread_start, start, (uintptr_t)nt_process.peb, thread->stack_high);
        nt_session_tell(STATUS_SUCCESS);
        thread_live(thread);
    }
    pthread_exit(NULL);
}

void nt_ps_thread_exit(NTSTATUS status)
{
    struct nt_thread *thread = nt_thread_self;
    thread->in_kernel = 1;
    thread_ended(thread, status);
    nt_arch_leave(thread);
}

NTSTATUS nt_ps_zero_tls(ULONG index)
{
    void *zero = NULL;
    if (index >= 64 + 1024)
        return STATUS_INVALID_PARAMETER;
    nt_ps_lock();
    for (struct nt_thread *thread = threads; thread; thread = thread->next) {
        void **expansion = NULL;
        if (index < 64)
            nt_write(&thread->teb->tls_slots[index], &zero, sizeof zero);
        else if (NT_GET(expansion, &thread->teb->tls_expansion) && expansion)
            nt_write(&expansion[index - 64], &zero, sizeof zero);
    }
    nt_ps_unlock();
    return STATUS_SUCCESS;
}

/* ---- creation ---- */

NTSTATUS ps_thread_create(const struct ps_start *start, struct nt_thread **out)
{
    struct nt_thread *thread;
    NTSTATUS status = thread_make(NULL, start->reserve, start->commit, &thread);
    if (status)
        return status;
    thread->object->start_address = start->start;
    thread->object->suspend_count = start->flags & 1; /* THREAD_CREATE_FLAGS_CREATE_SUSPENDED */
    thread->start = malloc(sizeof *thread->start);
    if (!thread->start) {
        thread_discard(thread);
        return STATUS_NO_MEMORY;
    }
    nt_arch_context_start(thread->start, nt_process.thread_start, start->start, start->parameter, thread->stack_high);
    thread_link(thread);
    *out = thread;
    return STATUS_SUCCESS;
}

/* As if it had never been. */
void ps_thread_undo(struct nt_thread *thread)
{
    nt_ps_lock();
    thread_unlink(thread);
    nt_ps_unlock();
    process_threads(-1);
    thread_discard(thread);
}

NTSTATUS ps_thread_begin(struct nt_thread *thread)
{
    pthread_attr_t attributes;
    sigset_t none, own;
    pthread_t id;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, KERNEL_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* A new thread has its maker's signal mask, and the service thread's is not a guest thread's. */
    sigemptyset(&none);
    if (!nt_thread_self)
        pthread_sigmask(SIG_SETMASK, &none, &own);
    int failed = pthread_create(&id, &attributes, thread_main, thread);
    if (!nt_thread_self)
        pthread_sigmask(SIG_SETMASK, &own, NULL);
    pthread_attr_destroy(&attributes);
    if (failed)
        ps_thread_undo(thread);
    return failed ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

/* ---- ends ---- */

/* Tells one thread to end; it does so at its next step out of the kernel, or at once where it runs guest code. */
static void thread_end(struct nt_thread *thread, NTSTATUS status)
{
    if (thread->ending)
        return;
    thread->object->exit_status = status;
    thread->ending = 1;
    if (thread->object->host_tid)
        syscall(SYS_tgkill, getpid(), thread->object->host_tid, NT_SIGNAL_STOP);
    nt_ke_kick(thread->object); /* one that waits looks at `ending` again */
    nt_futex_wake(&thread->object->suspend_count, 1);
}

NTSTATUS ps_thread_end(struct nt_thread_object *target, NTSTATUS exit_status)
{
    nt_ps_lock();
    struct nt_thread *thread = nt_ps_find(target);
    if (thread)
        thread_end(thread, exit_status);
    nt_ps_unlock();
    return thread ? STATUS_SUCCESS : STATUS_THREAD_IS_TERMINATING;
}

enum { END_PATIENCE = 1000000 /* 100 ms */ };

/* Tells all but the caller to end. How many of them run guest code still, and how many are not over. */
static void others_end(NTSTATUS exit_status, unsigned *running, unsigned *leaving)
{
    *running = *leaving = 0;
    nt_ps_lock();
    for (struct nt_thread *thread = threads; thread; thread = thread->next)
        if (thread != nt_thread_self) {
            thread_end(thread, exit_status);
            *running += !thread->in_kernel && !thread->start && !thread->stopped;
            *leaving += !__atomic_load_n(&thread->object->head.signal, __ATOMIC_ACQUIRE);
        }
    nt_ps_unlock();
}

void ps_others_stop(NTSTATUS exit_status)
{
    unsigned running, leaving;
    for (uint64_t until = nt_time_now() + END_PATIENCE; others_end(exit_status, &running, &leaving), running && nt_time_now() < until;)
        sched_yield();
}

/* All but the caller. Those outside the kernel are gone when this returns. Those in the kernel never come back to guest
 * code; they are given a moment to become signalled, which the guest's last code may look at. */
static void end_others(NTSTATUS exit_status)
{
    for (uint64_t until = nt_time_now() + END_PATIENCE;;) {
        unsigned running, leaving;
        others_end(exit_status, &running, &leaving);
        if (!running && (!leaving || nt_time_now() >= until))
            return;
        sched_yield();
    }
}

NTSTATUS nt_ps_terminate_process(HANDLE handle, NTSTATUS exit_status)
{
    struct nt_object *object;
    if (!handle) { /* RtlExitUserProcess: the other threads only */
        end_others(exit_status);
        return STATUS_SUCCESS;
    }
    NTSTATUS status = nt_handle_object(handle, NT_PROCESS, 1 /* PROCESS_TERMINATE */, &object, NULL, NULL);
    if (status)
        return status;
    bool own = nt_ref_of(object) == nt_process.object;
    if (!own)
        status = nt_ps_terminate((struct nt_process_object *)object, exit_status);
    nt_object_release(object);
    if (!own)
        return status;
    nt_ps_process_exit(exit_status);
}
