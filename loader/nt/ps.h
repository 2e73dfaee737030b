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

/* The process object and its empty handle table, before there is anything else of the process. A child has both already. */
NTSTATUS nt_ps_begin(void);
/* The first thread: makes thread object (and what nt_ps_begin makes, where it was not called), TEB and stack in the guest's space; runs nothing yet. */
NTSTATUS nt_ps_open(size_t stack_reserve, size_t stack_commit);
/* Runs the first thread on the calling host thread; comes back when that thread has ended but others go on: the
 * process ends when its last thread does, through nt_config.finish. */
_Noreturn void nt_ps_run(uintptr_t start);
/* Catches hardware faults of guest code on every thread from now on. */
bool nt_trap_open(void);
/* True where the calling thread has been told to end: a wait gives up. */
bool nt_ps_ending(void);

/* ---- a process, as all processes of a session see it: in the arena ---- */

enum nt_process_life {
    NT_PROCESS_ALONE,           /* the first one of a session: nobody watches it yet */
    NT_PROCESS_CREATING,        /* made by `creator`, which waits for its word */
    NT_PROCESS_RUNNING,
    NT_PROCESS_ENDING,          /* its exit status is known; the Linux process is on its way out */
    NT_PROCESS_ENDED,           /* signalled; handles closed */
};

enum { NT_PRIORITY_IDLE = 1, NT_PRIORITY_NORMAL, NT_PRIORITY_HIGH, NT_PRIORITY_REALTIME, NT_PRIORITY_BELOW, NT_PRIORITY_ABOVE };

struct nt_process_object {
    struct nt_object head;      /* signalled when the process has ended */
    uint32_t id, parent_id;
    uint32_t exit_status;       /* STATUS_PENDING (259) while running */
    uint32_t host_pid;          /* Linux process ID; 0: none yet */
    uint32_t thread_count;
    uint32_t life;              /* enum nt_process_life */
    uint64_t created, ended;
    uint64_t peb, image_base;
    nt_ref handle_table;
    uint32_t machine;           /* IMAGE_FILE_MACHINE_*; 0: not known yet */
    uint64_t host_started;      /* start time in /proc/PID/stat: with host_pid a name that is never reused; 0: not asked */
    nt_ref creator;             /* process; only compared */
    nt_ref first_thread;        /* of a child, until it takes it over */
    nt_ref birth;               /* struct nt_birth: what a child was told; 0: a first process */
    nt_ref image_path;          /* Unix path of the EXE, NUL-terminated; 0: a first process, whose lane knows */
    uint32_t image_path_size;
    uint32_t held;              /* 1: it holds a reference to itself, which its end gives back */
    nt_ref job;                 /* its innermost job (ps/job.c), referenced; 0: none */
    uint32_t priority_class;    /* PROCESS_PRIORITY_CLASS_*; told, the scheduling is the system's */
    uint32_t unused;
    uint32_t subsystem;
    uint64_t user_high;         /* where its guest's space ends; 0: not known yet */
};
_Static_assert(offsetof(struct nt_process_object, host_started) == 96 && sizeof(struct nt_process_object) == 152,
               "the same in 32- and 64-bit processes");

/* What a child is told at birth: NT's process parameters without pointers, so that both widths read it. */
struct nt_birth_text { uint32_t at, length; }; /* bytes from the block's beginning; bytes without the NUL that follows */
struct nt_birth {
    uint32_t size;
    uint32_t console_flags;
    uint64_t console, standard[3];
    uint32_t x, y, x_size, y_size, x_chars, y_chars, fill, start_flags, show_window, process_group;
    struct nt_birth_text directory, dll_path, image_path, command_line, title, desktop, shell, runtime, environment;
};
_Static_assert(sizeof(struct nt_birth) == 152, "the same in 32- and 64-bit processes");

/* ---- sessions of several processes (ps/session.c, ps/watch.c) ---- */

/* Makes this process one that others know of and can ask: its service thread, its place under the session's watch.
 * Called when the first child is made, and by each child. false: the world refused. */
bool nt_session_join(void);
/* In a child, with the arena mapped: takes over what its creator made. word: the pipe for nt_session_tell. false: that is over
 * already. */
bool nt_session_attach(nt_ref process, int word);
/* A child's word to its creator: `status` is what NtCreateUserProcess returns there. Once only; later calls do nothing. */
void nt_session_tell(NTSTATUS status);
/* ---- consoles (ps/control.c, ps/console.c) ---- */

void nt_ps_control_open(void);        /* signals from the terminal go to the guest's handlers from now on */
void nt_ps_control(uint32_t event);   /* Ctrl+C (0) or Ctrl+Break (1) for this process */
/* IDs of the processes on the console: how many there are, of which `room` are written. */
unsigned nt_ps_console_list(uint32_t *ids, unsigned room);
uint32_t nt_ps_group(const struct nt_process_object *process); /* its console group; lock held or own */
bool nt_ps_has_console(const struct nt_process_object *process);
bool nt_ps_on_console(const struct nt_object *object); /* a process that has not ended, and has one; lock held */

/* Jobs. Puts a child that is being made into its creator's job, unless that lets it break away (ACCESS_DENIED: it asked to
 * and may not; QUOTA_EXCEEDED: the job is full), or into one that the creator names. Lock not held. */
NTSTATUS nt_job_inherit(struct nt_process_object *child, bool breakaway);
NTSTATUS nt_job_assign(HANDLE job, struct nt_process_object *child);
/* A job has ended this process too: it does not come back from here. Called without the lock where a job may have ended. */
void nt_job_end_self(void);
/* Set by the jobs: a process of theirs has ended. Lock held. */
extern void (*nt_job_process_ended)(struct nt_process_object *process);
/* The process ends, as TerminateProcess ends it. */
_Noreturn void nt_ps_process_exit(NTSTATUS status);
/* Another process of the session ends: TerminateProcess, a job's end. It is over when its object is signalled.
 * STATUS_PROCESS_IS_TERMINATING: it is ending already. */
NTSTATUS nt_ps_terminate(struct nt_process_object *process, NTSTATUS status);
/* The exit status of a process that a signal ended (SIGKILL, a crash of the host): what Task Manager and taskkill /F give. */
enum { NT_KILLED_STATUS = 1 };

/* What the lane does to start a child: runs the program for `machine` with the descriptors that stay open. *pid: the new
 * Linux process, which has also been written to process->host_pid before it ran anything. */
struct nt_spawn {
    nt_ref process;
    uint32_t machine;
    int word;                   /* the pipe's end for nt_session_tell */
    const int *descriptors;     /* to be inherited under the same numbers */
    unsigned count;
};

#endif
