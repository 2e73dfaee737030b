/* A process of the lanes native and reference, started to be looked at: a child that is peload itself, traced.
 *
 *   target.c   start, stop, let go, wait for the end
 *   reader.c   struct inspect_reader on /proc and ptrace
 *   arena.c    handles and objects: the kernel's own view from outside
 *
 * 64-bit hosts only; the child may be a 32-bit one. */
#ifndef INSPECT_LINUX_TARGET_H
#define INSPECT_LINUX_TARGET_H

#include "loader/inspect/inspect.h"
#include "loader/nt/view.h"

#include <sys/types.h>

enum { TARGET_THREADS = 256 };

enum target_state {
    TARGET_RUNNING,
    TARGET_STOPPED,   /* it stopped itself, or came to the entry point: all its threads are still */
    TARGET_ENDED,     /* it ended before */
    TARGET_TIMEOUT,
    TARGET_FAILED,    /* the world's fault: `why` */
};

struct target_thread { pid_t id; bool stopped, new_thread; int signal; /* held back while it is stopped */ };

struct target {
    pid_t id;
    bool is_64;
    int output[2], status;      /* memory files: what it writes, and its exit code */
    uint64_t deadline;          /* ns, monotonic; 0: none */
    uint64_t begun, cpu_before; /* ms, monotonic; ms of processor time that earlier children used */
    uint64_t entry;             /* breakpoint; 0: none is set */
    uint8_t entry_byte;
    struct target_thread threads[TARGET_THREADS];
    unsigned thread_count;
    int wait_status;            /* once it has ended */
    bool ended;
    const char *why;
};

/* Starts `arguments` (arguments[0]: path) with /dev/null as input. status_word: where its --status-file's path is to be put,
 * at least 32 bytes. */
bool target_start(struct target *target, char *const *arguments, char *status_word);
/* Lets it run until it stops itself, or until the breakpoint at `entry` (0: none) is met. */
enum target_state target_run(struct target *target, uint64_t entry);
/* Lets it go on untraced, and waits for its end; kills it at the deadline. */
enum target_state target_finish(struct target *target);
void target_kill(struct target *target);
/* Exit code, how, and what it started, as the child wrote it; false: it did not. */
bool target_status(const struct target *target, struct inspect_end *end, char how[16]);
/* What it wrote: mapped; size 0: nothing. */
struct pe_span target_output(const struct target *target, unsigned which);
void target_close(struct target *target);

/* reader.c */
struct linux_reader {
    struct inspect_reader reader; /* first: the reader is the whole */
    struct target *target;
    int memory;                   /* /proc/ID/mem */
    char *maps, *at;              /* /proc/ID/maps as text, and the line that region_next is at */
    uint64_t line_from;
    struct nt_view view;          /* where reader.sees_handles: the kernel's arena, and the child's process in it */
    struct nt_view_process process;
    uint32_t handle_cursor;
    unsigned own_threads[TARGET_THREADS], own_count; /* the guest's: indices into target->threads, by thread ID */
};
bool linux_reader_open(struct linux_reader *reader, struct target *target);
void linux_reader_close(struct linux_reader *reader);

/* arena.c */
struct arena_process { uint32_t id, parent; uint64_t peb; };
bool arena_open(struct linux_reader *reader);
void arena_close(struct linux_reader *reader);
bool arena_process(const struct linux_reader *reader, struct arena_process *out);
bool arena_handle(struct linux_reader *reader, unsigned index, struct inspect_handle *out);
bool arena_thread(const struct linux_reader *reader, uint64_t teb, uint32_t *id, uint64_t *start);

#endif
