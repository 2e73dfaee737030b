/* Ob: the arena that processes share, objects with counts and names, a handle table per process, IDs.
 *
 * An nt_ref is an offset into the arena, the same in every process that maps it; 0 is none. 32- and 64-bit processes
 * share one arena, so its structures use fixed-width integers only and no pointers.
 * One lock guards it all (nt_lock / nt_unlock): an NT "dispatcher lock", a futex with the owner's thread ID in it, so
 * that the next one notices an owner that died. Critical sections under it are short and touch no guest memory. */
#ifndef NT_OB_H
#define NT_OB_H

#include "loader/nt/nt.h"

typedef uint32_t nt_ref;

enum nt_type {
    NT_ANY = 0, NT_DIRECTORY, NT_SYMLINK, NT_TOKEN, NT_JOB, NT_PROCESS, NT_THREAD, NT_EVENT, NT_MUTANT, NT_SEMAPHORE,
    NT_TIMER, NT_KEYED_EVENT, NT_COMPLETION, NT_SECTION, NT_KEY, NT_FILE, NT_WORKER_FACTORY, NT_DEBUG, NT_TYPE_COUNT
};

/* Head of every object. Guarded by the lock. */
struct nt_object {
    uint16_t type;          /* enum nt_type */
    uint16_t mark;          /* who walks through all objects has been here (ob/visit.c) */
    uint32_t references;    /* pointers and handles together; 0: destroyed */
    uint32_t handles;       /* in all processes */
    int32_t signal;         /* > 0: signalled (event, thread, ...: 1; semaphore: its count; mutant: 1 - recursion) */
    nt_ref waiters;         /* list of wait blocks */
    nt_ref name;            /* struct nt_name, 0: unnamed */
    uint32_t flags;         /* NT_OBJECT_* */
    uint32_t size;          /* bytes with this head, for freeing */
};
enum { NT_OBJECT_AUTO_RESET = 1, NT_OBJECT_PERMANENT = 2,
       NT_OBJECT_DESCRIPTOR = 4 }; /* every handle has a descriptor of the same thing: who opens it by name takes one */

/* ---- arena */
bool nt_arena_open(void);                 /* maps a new arena for this session, or keeps the one that is there; false: errno */
/* Maps the arena of a session that another process began. The descriptor stays open, as nt_arena_open's does: children
 * inherit it, and whoever looks at a session from outside finds it as "memfd:nt-arena". false: errno, EINVAL: no arena. */
bool nt_arena_attach(int descriptor);
int nt_arena_descriptor(void);
/* Where an area keeps what its processes share and no object holds; 0: nothing yet. Lock held. */
enum nt_root { NT_ROOT_IO, NT_ROOT_CM, NT_ROOT_EX, NT_ROOT_LANE, NT_ROOT_IMAGE, NT_ROOT_COUNT = 8 };
nt_ref *nt_arena_root(enum nt_root area);
void *nt_at(nt_ref ref);                  /* address here; ref 0 -> NULL */
nt_ref nt_ref_of(const void *address);
nt_ref nt_arena_allocate(uint32_t size);  /* zeroed, 8-aligned; 0: full. Lock held. */
void nt_arena_free(nt_ref ref, uint32_t size); /* lock held */
void nt_lock(void);
void nt_unlock(void);
/* An owner of the lock can be killed between any two stores. Therefore everything in the arena is changed in such an
 * order that lists stay whole in their forward direction, counts are at worst too high, and nobody sleeps for something
 * that has already been taken for him; ob/repair.c mends the rest. OB_ORDER keeps the compiler from exchanging stores. */
#define OB_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)
/* How an area makes its own things in the arena whole again after the lock's owner was killed inside (lock held; handle
 * counts, names and IDs are true already); set once at start, NULL: nothing to do. */
extern void (*nt_root_repair[NT_ROOT_COUNT])(void);
/* Shows objects that an area's own lists lead to, whether or not a handle does: their counts are told anew, too. */
extern void (*nt_root_objects[NT_ROOT_COUNT])(void (*visit)(struct nt_object *object));
/* Shows those that an area's own lists hold a reference to, once for each. */
extern void (*nt_root_links[NT_ROOT_COUNT])(void (*visit)(struct nt_object *to));

/* ---- objects. All with the lock NOT held unless said. */
/* A new object of `size` bytes (head included), zeroed behind the head, one reference (the caller's). */
NTSTATUS nt_object_create(enum nt_type type, uint32_t size, struct nt_object **out);
void nt_object_reference(struct nt_object *object);
void nt_object_release(struct nt_object *object); /* the last one destroys: calls the type's destroy, frees */
/* Both are for references that only this process knows of: they are written down in the arena while it holds them (ob/hold.c),
 * so that they end with it. A reference that stands in the arena itself, in another object or a list, is `references++` and
 * nt_object_unreference, and shown by nt_type_links or nt_root_links. Lock held: */
void nt_object_hold(struct nt_object *object);      /* nt_object_reference */
void nt_object_drop(struct nt_object *object);      /* nt_object_release */
void nt_object_settle(struct nt_object *object);    /* the reference is one of the arena from now on */
/* It goes to another process of the session, which asked for it; process: its ID. */
void nt_object_hand(struct nt_object *object, uint32_t process);
/* A reference with an operation under way on the object; when it is over, and only the reference is left. What is to be done
 * about such an operation whose process was killed, set once at start. */
void nt_object_hold_busy(struct nt_object *object);
void nt_object_hold_idle(struct nt_object *object);
extern void (*nt_type_abandoned[NT_TYPE_COUNT])(struct nt_object *object);
/* Shows what an object holds a reference to, once for each; set once at start, NULL: nothing. */
extern void (*nt_type_links[NT_TYPE_COUNT])(struct nt_object *object, void (*visit)(struct nt_object *to));
/* What a type's last release does before the memory goes (lock held); set once at start by each area. */
extern void (*nt_type_destroy[NT_TYPE_COUNT])(struct nt_object *object);
extern const char *const nt_type_name[NT_TYPE_COUNT]; /* "Event", "Mutant", ... as Windows names them */

/* For who holds the lock (a destroy function does). */
void nt_object_unreference(struct nt_object *object);
/* What happens when the last handle in all processes was closed, while pointers may remain (lock held); may be NULL. */
extern void (*nt_type_closed[NT_TYPE_COUNT])(struct nt_object *object);
/* The name of an object whose type has a name space of its own (files, keys), for NtQueryObject: malloc'd text, no lock. */
extern NTSTATUS (*nt_type_full_name[NT_TYPE_COUNT])(struct nt_object *object, struct nt_string *out);
/* What GENERIC_* mean for a type. */
struct nt_generic { ACCESS_MASK read, write, execute, all; };
extern const struct nt_generic nt_type_generic[NT_TYPE_COUNT];

/* Creates or, with OBJ_OPENIF and an existing name of the same type, opens: the common part of every NtCreateXxx.
 * Inserts a handle. `init` fills a new object (lock held). STATUS_OBJECT_NAME_EXISTS when opened,
 * OBJECT_NAME_COLLISION, OBJECT_TYPE_MISMATCH, ... */
NTSTATUS nt_object_make(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type,
                        uint32_t size, void (*init)(struct nt_object *object, void *context), void *context);
/* The same for an object with NT_OBJECT_DESCRIPTOR: a new one takes *fd over (*fd becomes -1). */
NTSTATUS nt_object_make_fd(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type,
                           uint32_t size, void (*init)(struct nt_object *object, void *context), void *context, int *fd);
/* The common part of NtOpenXxx by name. */
NTSTATUS nt_object_open(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type);

/* ---- handles. A handle is an index times 4; a table belongs to one process.
 * fd: a Linux descriptor that belongs to THIS handle in THIS process (files, sections on files), -1: none. */
NTSTATUS nt_handle_create(struct nt_object *object, ACCESS_MASK access, ULONG attributes /* OBJ_INHERIT */, int fd, HANDLE *out);
/* Looks a handle up in the order bad handle -> wrong type -> access denied; takes a reference that the caller releases.
 * Knows the pseudo-handles -1 (process) and -2 (thread). fd and granted may be NULL. */
NTSTATUS nt_handle_object(HANDLE handle, enum nt_type type, ACCESS_MASK wanted, struct nt_object **object, int *fd,
                          ACCESS_MASK *granted);
NTSTATUS nt_handle_close(HANDLE handle);
/* What a guest's NtClose does at its end, set by the jobs: the last handle of one may have ended this very process. */
extern void (*nt_close_after)(void);
/* A copy of another process's descriptor (same user, same session), close-on-exec; -1: errno. */
int nt_fd_fetch(uint32_t process, int fd);
/* Closes everything in a process's table (*place: nt_process_object.handle_table, cleared) and frees it: at its end, or by
 * another process when it was killed. Descriptors are not closed: they go with the process. */
void nt_handles_close_all(nt_ref *place);
/* For a child, into its table `to` (ob/inherit.c). carried: copies of the descriptors that the new entries name, which must
 * be open in the child under the same numbers; the caller closes its own when the child has them, or has failed. */
struct nt_descriptors { int *fd; unsigned count, room; };
bool nt_descriptors_add(struct nt_descriptors *carried, int fd);
void nt_descriptors_close(struct nt_descriptors *carried);
/* only: NULL or the list that restricts it, of the parent's handles; STATUS_INVALID_PARAMETER: something on it is no
 * inheritable handle. */
struct nt_process_object;
NTSTATUS nt_handles_inherit(const struct nt_process_object *parent, nt_ref to, const HANDLE *only, unsigned count,
                            struct nt_descriptors *carried);
/* Has the child got this handle of ours under the same value? */
bool nt_handle_inherited(nt_ref to, HANDLE handle);
/* One handle of this process's, inheritable or not, under a new value: the standard handles without inheritance. */
NTSTATUS nt_handle_give(nt_ref to, HANDLE handle, struct nt_descriptors *carried, HANDLE *given);
/* Maps GENERIC_* and MAXIMUM_ALLOWED to the type's own rights. */
ACCESS_MASK nt_access_map(enum nt_type type, ACCESS_MASK access);

/* Tells of a process or thread where somebody listens (nt_config.tell); the lock is not held. */
void nt_tell_process(const char *verb, const struct nt_object *object, uint32_t process, uint32_t id, uint32_t status);

/* ---- IDs: processes and threads share one number space, multiples of 4, never 0. */
uint32_t nt_id_allocate(nt_ref object); /* 0: full */
struct nt_object *nt_id_object(uint32_t id, enum nt_type type); /* referenced, NULL: nobody has it */
void nt_id_free(uint32_t id);           /* lock held, by the destroy function: until then an ID is not reused */

#endif
