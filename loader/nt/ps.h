/* Ps: this process's threads, seen by the kernel. */
#ifndef NT_PS_H
#define NT_PS_H

#include "loader/nt/ke.h"

/* A guest thread on its host thread; the host's own memory. Layout of the first fields is known to entry.S. */
struct nt_thread {
    uintptr_t host_sp;               /* 0: where the kernel side of this thread has its stack */
    uintptr_t guest_sp;              /* 1: guest's stack pointer at the last system call */
    uintptr_t leave_sp;              /* 2: host stack pointer to return to when the thread ends */
    struct nt_teb *teb;
    struct nt_thread_object *object;
    struct nt_thread *next, *prev;   /* this process's threads; guarded by nt_ps_lock */
    uintptr_t stack_low, stack_high; /* guest stack: DeallocationStack, StackBase */
    volatile int in_kernel;          /* between entry and exit of a system call */
    volatile int ending;             /* told to end: leaves at the next chance, exit status in `object` */
    volatile uint32_t stopped;       /* 1: parked by a suspension, `context` is what it will go on with */
    struct nt_context *context;      /* of a parked thread, on its own stack; NULL: parked in a system call */
    void *host_stack;                /* host memory: kernel stack and alternate signal stack */
    size_t host_stack_size;
    struct nt_context *start;        /* first registers, until the thread runs */
};

struct nt_thread *nt_current(void);

/* The first thread: makes process and thread objects, TEB and stack in the guest's space; runs nothing yet. */
NTSTATUS nt_ps_open(size_t stack_reserve, size_t stack_commit);
/* Runs the first thread on the calling host thread; comes back when that thread has ended but others go on: the
 * process ends when its last thread does, through nt_config.finish. */
_Noreturn void nt_ps_run(uintptr_t start);
/* Catches hardware faults of guest code on every thread from now on. */
bool nt_trap_open(void);
/* True where the calling thread has been told to end: a wait gives up. */
bool nt_ps_ending(void);

struct nt_process_object {
    struct nt_object head;      /* signalled when the process has ended */
    uint32_t id, parent_id;
    uint32_t exit_status;       /* STATUS_PENDING (259) while running */
    uint32_t host_pid;
    uint32_t thread_count;
    uint32_t pad;
    uint64_t created, ended;
    uint64_t peb, image_base;
    nt_ref handle_table;
    uint32_t machine;
};

#endif
