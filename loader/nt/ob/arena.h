/* What lies in the arena, and what is done to it under the lock. Of use to the areas whose objects lie there, and to who reads it
 * from outside. */
#ifndef NT_OB_ARENA_H
#define NT_OB_ARENA_H

#include "loader/nt/ob.h"

/* ---- arena --------------------------------------------------------------------------------------- */

enum { OB_CLASS_FINE = 64, OB_CLASS_COUNT = OB_CLASS_FINE + 80, OB_NAME_BUCKETS = 64, OB_WAKE_LIMIT = 64 };

/* The names' hash table. Each name has two links: a larger table is built on the other one and comes into force with
 * one store, so that it is never half done. */
struct ob_name_table {
    uint32_t buckets;
    uint32_t side;                   /* which link: 0 or 1 */
    nt_ref chains[];
};

#define OB_ARENA_NAME "nt-arena" /* what /proc calls its file */
enum { OB_ARENA_MAGIC = 0x626f746e, OB_ARENA_VERSION = 3 };

/* Page 0 of the arena. Fixed-width fields only: 32- and 64-bit processes share it. */
struct ob_arena {
    uint32_t magic, version;
    uint32_t size;                   /* bytes that may be handed out */
    uint32_t top;                    /* nothing from here on was ever handed out: it is zero */
    uint32_t lock;                   /* owner's Linux thread ID, OB_LOCK_WAITERS; 0: free */
    uint32_t takeovers;              /* how often the lock was taken from a dead owner */
    nt_ref root;                     /* directory `\`, 0: the name space is not made yet */
    nt_ref names;                    /* struct ob_name_table */
    uint32_t name_count;
    nt_ref ids;                      /* array of chunks */
    uint32_t id_chunks, id_next;     /* next number / 4 that was never given out */
    uint32_t id_free_first, id_free_last; /* given back, oldest first */
    nt_ref processes;                /* handle tables of all processes, for the repair */
    nt_ref watcher;                  /* the process that cleans up after the dead (ps/watch.c); 0: nobody yet */
    nt_ref roots[NT_ROOT_COUNT];
    uint64_t session;                /* random: the session's name */
    uint32_t turns;                  /* goes up with each time the lock was held: for who reads without it (view.h) */
    nt_ref journals;                 /* of all processes (ob/hold.c) */
    uint32_t mark;                   /* of the last walk through all objects */
    uint32_t pad;
    nt_ref free[OB_CLASS_COUNT];     /* by size class, linked through the first word */
    uint32_t first_names[2 + OB_NAME_BUCKETS]; /* the first struct ob_name_table */
};
extern struct ob_arena *ob_arena;

static inline void *ob_at(nt_ref ref)
{
    return ref ? (char *)ob_arena + ref : NULL;
}

static inline nt_ref ob_ref(const void *address)
{
    return address ? (nt_ref)((const char *)address - (const char *)ob_arena) : 0;
}

/* ---- lock ---------------------------------------------------------------------------------------- */

enum { OB_LOCK_WAITERS = 0x80000000u };
/* Called with the lock held after it was taken from an owner that died inside: makes the arena whole again. */
extern void (*ob_lock_repair)(uint32_t dead_owner);
void ob_repair(uint32_t dead_owner);
/* The part of it that concerns waits (ke/repair.c). */
void ke_repair(void);
/* Every object that somebody in the arena knows of, once (ob/visit.c). */
void ob_objects_visit(void (*visit)(struct nt_object *object));
/* Tells every object's count of references anew, from what holds them. */
void ob_references_recount(void);
/* A thread to be woken when this one lets the lock go, so that it does not run into the held lock. */
void ob_wake_later(uint32_t *futex);
long ob_futex_wake(uint32_t *word, int count);

/* What FUTEX_WAIT_BITSET takes on both widths. */
struct ob_timespec { int64_t seconds, nanoseconds; };
/* Sleeps while *word == value, until the absolute deadline on that clock (NULL: for ever). 0 or -errno. */
long ob_futex_wait(uint32_t *word, uint32_t value, const struct ob_timespec *deadline, bool realtime);

/* ---- objects (lock held) ------------------------------------------------------------------------- */

struct nt_object *ob_object_new(enum nt_type type, uint32_t size);
void ob_object_unreference(struct nt_object *object);
/* One handle less: at the last one the name goes, unless the object is permanent. */
void ob_object_handle_closed(struct nt_object *object);

/* ---- what processes hold (ob/hold.c, lock held) --------------------------------------------------- */

enum { OB_JOURNAL_ROOM = 60 };
struct ob_journal {
    nt_ref next;
    uint32_t process;                /* Linux process ID; 0: nobody's */
    uint32_t taken;                  /* a thread writes here first */
    uint32_t count;
    nt_ref held[OB_JOURNAL_ROOM];    /* 0: given back before a later one; the lowest bit: busy */
};
void ob_journal_add(struct nt_object *object);         /* a new object's one reference */
void ob_journals_give_back(uint32_t process);          /* of a Linux process that is gone */
void ob_journals_visit(void (*visit)(struct nt_object *object, bool busy));

/* ---- names (lock held) --------------------------------------------------------------------------- */

struct ob_name {
    nt_ref next[2];                  /* in the hash chain, of either side */
    uint32_t hash;
    nt_ref object, directory;        /* directory 0: the root itself */
    nt_ref sibling_next, sibling_prev; /* in the directory, in order of insertion */
    uint32_t length;                 /* WCHARs */
    uint32_t size;                   /* bytes of this block */
    WCHAR text[];
};

struct ob_directory {
    struct nt_object head;
    nt_ref first, last;              /* struct ob_name */
};

struct ob_symlink {
    struct nt_object head;
    uint32_t length;                 /* WCHARs */
    uint32_t pad;
    WCHAR target[];                  /* NUL-terminated */
};
struct nt_object *ob_symlink_new(const WCHAR *target, uint32_t length);

/* Where a name leads. */
struct ob_place {
    struct nt_object *object;        /* what has the name; NULL: nobody */
    struct nt_object *directory;     /* where it is or would be */
    const WCHAR *leaf;               /* last component, in `path` or in the caller's text */
    unsigned length;
    WCHAR *path;                     /* malloc'd when a symbolic link was followed; the caller frees */
};
NTSTATUS ob_name_find(const struct nt_attributes *attributes, enum nt_type type, struct ob_place *place);
NTSTATUS ob_name_insert(struct nt_object *object, struct nt_object *directory, const WCHAR *leaf, unsigned length);
void ob_name_remove(struct nt_object *object);
/* Puts it at the end of its directory's list. */
void ob_name_append(struct ob_name *name);
/* "\BaseNamedObjects\x" of a named object; NULL text: no memory. Length 0: it has no name. */
bool ob_name_full(const struct nt_object *object, struct nt_string *out);
/* The one entry of this name in the directory. */
struct ob_name *ob_name_lookup(const struct nt_object *directory, const WCHAR *text, unsigned length, bool insensitive);
NTSTATUS ob_name_space_open(void);

/* ---- handles (lock held) ------------------------------------------------------------------------- */

enum { OB_HANDLE_INHERIT = 1, OB_HANDLE_PROTECT = 2 };
/* A table's entries lie in chunks of one page. */
enum { OB_HANDLE_CHUNK_BITS = 8, OB_HANDLE_LIMIT = 1 << 24 };
struct ob_handle {
    nt_ref object;                   /* 0: free */
    ACCESS_MASK access;              /* free: index of the next free one */
    uint32_t flags;                  /* OB_HANDLE_* */
    int32_t fd;                      /* -1: none */
};

struct ob_handle_table {
    nt_ref next, prev;               /* of other processes */
    uint32_t process;                /* Linux process ID */
    uint32_t count;                  /* open handles */
    uint32_t fresh;                  /* first index that was never used */
    uint32_t free;                   /* list of closed ones, 0: none */
    nt_ref chunks;                   /* array of chunk_room refs */
    uint32_t chunk_room;
};

NTSTATUS ob_handle_new(struct nt_object *object, ACCESS_MASK granted, ULONG attributes, int fd, HANDLE *out);
struct ob_handle *ob_handle_entry(HANDLE handle);
struct ob_handle *ob_table_entry(const struct ob_handle_table *table, uint32_t index);
struct ob_handle_table *ob_table_own(void); /* NULL: no handle yet */
/* A copy here of the descriptor that any handle of a section has, in whatever process; -1: nobody has one (any more). */
int ob_object_fd(const struct nt_object *object);
/* Puts `fd` in the place of every descriptor that this process's handles of the object have. */
void ob_object_fd_replace(const struct nt_object *object, int fd);
nt_ref ob_table_new(void);           /* an empty one, in the list; 0: no room */
void ob_table_adopt(nt_ref table);   /* this process's own from now on */
/* Memory for the chunk of an index. */
bool ob_table_reach(struct ob_handle_table *table, uint32_t index);
void ob_handles_close_all(nt_ref *place);
/* A handle of this very value, in a table that has none beyond it yet. */
NTSTATUS ob_table_put(struct ob_handle_table *table, HANDLE handle, struct nt_object *object, ACCESS_MASK access, uint32_t flags, int fd);
/* The gaps become what is given out next, the lowest first. */
void ob_table_gaps(struct ob_handle_table *table);
struct ob_handle *ob_table_find(const struct ob_handle_table *table, HANDLE handle);
/* A copy here of the descriptor that another process's handle of the object has; no lock held. */
struct nt_process_object;
NTSTATUS ob_descriptor_take(const struct nt_process_object *source, HANDLE handle, const struct nt_object *object, int number, int *fd);
/* ob_handle_new and ob_handle_remove for a table of another process, too. */
NTSTATUS ob_table_insert(struct ob_handle_table *table, struct nt_object *object, ACCESS_MASK granted, uint32_t flags, int fd, HANDLE *out);
NTSTATUS ob_table_remove(struct ob_handle_table *table, HANDLE handle, int *fd);
/* The next object that is open in this process starts a table of its own: for a forked process. */
void ob_table_forget(void);
/* nt_handle_object without the lock and the reference. */
NTSTATUS ob_handle_find(HANDLE handle, enum nt_type type, ACCESS_MASK wanted, struct nt_object **object, int *fd,
                        ACCESS_MASK *granted);
/* Takes the entry out; *fd is the caller's to close, without the lock. */
NTSTATUS ob_handle_remove(HANDLE handle, int *fd);

/* ---- telling (ob/tell.c): nothing where nobody listens. table NULL: in none */
void ob_tell_handle(const char *verb, const struct ob_handle_table *table, uint32_t index, const struct nt_object *object,
                    ACCESS_MASK access, uint32_t handles);
void ob_tell_process(const char *verb, const struct nt_object *object, uint32_t process, uint32_t id, uint32_t status);
void ob_tell_flush(void);            /* lock not held: what was kept under it is told */

/* ---- IDs (lock held) ------------------------------------------------------------------------------ */

/* Entries of the ID table, in chunks. */
enum { OB_ID_CHUNK_BITS = 8, OB_ID_CHUNK_LIMIT = 4096 };
struct ob_id_entry { nt_ref object; uint32_t next; }; /* next: of those that are free */
/* Any entry of the ID table by its index, from *index on; NULL: that was the last. */
struct nt_object *ob_id_next(uint32_t *index);
/* The list of free IDs may end wrongly. */
void ob_id_repair(void);
/* nt_id_object without the reference. */
struct nt_object *ob_id_find(uint32_t id, enum nt_type type);

/* ---- services in other files --------------------------------------------------------------------- */

NTSTATUS NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process, HANDLE *guest_target,
                           ACCESS_MASK access, ULONG attributes, ULONG options);
NTSTATUS NtQueryObject(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtSetInformationObject(HANDLE handle, ULONG information_class, const void *buffer, ULONG length);
NTSTATUS NtCreateDirectoryObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtOpenDirectoryObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtQueryDirectoryObject(HANDLE handle, void *buffer, ULONG length, BOOLEAN single, BOOLEAN restart,
                                ULONG *context, ULONG *returned);
NTSTATUS NtCreateSymbolicLinkObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes,
                                    const UNICODE_STRING *target);
NTSTATUS NtOpenSymbolicLinkObject(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtQuerySymbolicLinkObject(HANDLE handle, UNICODE_STRING *target, ULONG *returned);
NTSTATUS NtQuerySecurityObject(HANDLE handle, ULONG wanted, void *buffer, ULONG length, ULONG *needed);
NTSTATUS NtSetSecurityObject(HANDLE handle, ULONG parts, const void *descriptor);

#endif
