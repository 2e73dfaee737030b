/* What one process of a session asks another one to do (ps/session.c carries it, ps/remote.c and mm/remote.c do it). */
#ifndef NT_PS_MESSAGE_H
#define NT_PS_MESSAGE_H

#include "loader/nt/ps.h"

enum ps_operation {
    PS_POKE,            /* look at the list of processes again; no answer */
    PS_CONTROL_C,       /* Ctrl+C, Ctrl+Break for its console's process; no answer */
    PS_CONTROL_BREAK,
    PS_EXIT,            /* end, with the exit status in the process object; no answer */
    PS_FD_SEND,         /* argument 0: a descriptor; the answer brings a copy */
    PS_FD_TAKE,         /* with a descriptor; argument 0 of the answer: its number there */
    PS_FD_CLOSE,        /* argument 0 */
    PS_THREAD_CREATE,   /* start, parameter, flags, commit, reserve, who asks; answer: thread, with a reference */
    PS_THREAD_END,      /* thread; argument 0: exit status */
    PS_THREAD_SUSPEND,  /* thread; answer: argument 0, the count before */
    PS_CONTEXT_GET,     /* thread; data: a context of its width, whose flags say what is wanted; the answer in its place */
    PS_CONTEXT_SET,     /* thread; data: likewise */
    PS_MEMORY_FIRST,
    PS_ALLOCATE = PS_MEMORY_FIRST, /* base, size, type, protection, limit; answer: base, size */
    PS_FREE,            /* base, size, type; answer: base, size */
    PS_PROTECT,         /* base, size, protection; answer: base, size, old protection */
    PS_QUERY,           /* address, class; data: struct mm_fact */
    PS_READ,            /* address, size; data */
    PS_WRITE,           /* address; data; answer: argument 0, bytes written */
    PS_MAP,             /* base, size, type, protection, limit, offset; thread: a section that the asker holds; data: commit, eight
                         * bytes; with the section's descriptor; answer: base, size */
    PS_UNMAP,           /* base, flags */
    PS_MEMORY_LAST = PS_UNMAP,
    PS_OPERATION_COUNT
};

enum { PS_DATA_LIMIT = 32 << 10 };

struct ps_message {
    uint32_t operation;
    NTSTATUS status;
    nt_ref thread;               /* or another object */
    uint32_t size;               /* bytes of data that are sent along */
    uint64_t argument[6];
    uint8_t data[PS_DATA_LIMIT];
};
enum { PS_MESSAGE_HEAD = 64 };
_Static_assert(offsetof(struct ps_message, data) == PS_MESSAGE_HEAD, "the same in 32- and 64-bit processes");

/* Asks and waits for the answer, which replaces *message: ps_ask. Set when the process joins its session; NULL before: there
 * is nobody to ask. */
extern NTSTATUS (*nt_ask)(const struct nt_process_object *process, struct ps_message *message, int fd, int *got);

#endif
