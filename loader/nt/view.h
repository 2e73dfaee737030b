/* A session seen from outside: another process of the same user reads the arena, and never writes to it.
 *
 *   view/view.c           finding sessions, a copy that holds together
 *   view/table.c          processes and handles out of such a copy
 *   view/access_names.c   what the bits of an access mask are called
 *
 * A copy is taken while nobody holds the lock, which is not taken for it: a counter in the arena tells whether somebody had
 * it meanwhile. A session that was killed half-way, or never holds still, is copied as it is; so nothing in a copy is
 * trusted: every reference is checked before it is followed. */
#ifndef NT_VIEW_H
#define NT_VIEW_H

#include "loader/nt/ob.h"

struct nt_view {
    uint8_t *bytes;              /* malloc'd copy of the arena's used part */
    uint32_t size;
    uint64_t session;            /* its name; 0: of a single process */
    uint64_t device, serial;     /* of the arena's file: equal for all processes of a session */
    bool torn;                   /* it never held still */
};

/* Sessions of one's own: each of them once, through any process that has its arena open. false at the end.
 * *place: 0 at first; seen: those told so far, at least as many as were told. */
struct nt_view_scan { void *folder; struct { uint64_t device, serial; } *seen; unsigned count; };
bool nt_view_scan_next(struct nt_view_scan *scan, struct nt_view *view);
void nt_view_scan_end(struct nt_view_scan *scan);
/* The session of one Linux process. 0; EACCES: another user's; ESRCH: no such process; ENOENT: it runs no program of this kind;
 * other errors of the system. */
int nt_view_of_process(uint32_t host_pid, struct nt_view *view);
/* This process's own arena; the lock must not be held. */
bool nt_view_own(struct nt_view *view);
void nt_view_close(struct nt_view *view);

/* ---- what is in it; texts are malloc'd, NULL: nothing there */

struct nt_view_process {
    nt_ref object;
    uint32_t id, parent_id, host_pid, exit_status, threads, machine, life;
    uint32_t handles;            /* open in its table */
    uint32_t handle_count, reference_count; /* of its object */
    uint64_t created, ended;     /* NT time, 0: not yet */
    char *image;                 /* Unix path of the EXE */
    char *command_line;          /* UTF-8 */
};
/* In the order of their IDs; *index 0 at first. */
bool nt_view_process_next(const struct nt_view *view, uint32_t *index, struct nt_view_process *process);
void nt_view_process_free(struct nt_view_process *process);

struct nt_view_handle {
    uint32_t handle;             /* its value */
    nt_ref object;
    enum nt_type type;
    ACCESS_MASK access;
    bool inheritable, is_protected; /* from close */
    uint32_t handle_count, reference_count;
    int32_t signal;
    char *name;                  /* UTF-8: in the name space, or a file's path, or whom it means */
};
/* In the order of their values; *index 0 at first. */
bool nt_view_handle_next(const struct nt_view *view, const struct nt_view_process *process, uint32_t *index,
                         struct nt_view_handle *handle);
void nt_view_handle_free(struct nt_view_handle *handle);

/* Where an object lies in kernel space. All processes of a session see one arena, which is this kernel's memory: the address
 * is the place in it, on a base like Windows' own kernel addresses. So equal addresses are equal objects, in all processes. */
#define NT_VIEW_KERNEL_BASE 0xffff800000000000ull
static inline uint64_t nt_view_address(nt_ref object) { return object ? NT_VIEW_KERNEL_BASE + object : 0; }

/* "EVENT_MODIFY_STATE, SYNCHRONIZE": names of the bits, unknown ones in hex; always NUL-terminated. "ALL_ACCESS" as one word. */
void nt_access_text(enum nt_type type, ACCESS_MASK access, char *text, size_t room);

#endif
