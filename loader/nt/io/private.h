/* Shared by io/ only. Include it first: it sets the width of file offsets and times for 32-bit hosts. */
#ifndef NT_IO_PRIVATE_H
#define NT_IO_PRIVATE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS 64

#include "loader/nt/io.h"
#include "loader/nt/ke.h"
#include "loader/nt/ps.h"

#include <limits.h>
#include <sys/types.h>

/* ---- NT's constants ------------------------------------------------------------------------------ */

enum { FILE_READ_DATA = 1, FILE_WRITE_DATA = 2, FILE_APPEND_DATA = 4, FILE_READ_EA = 8, FILE_WRITE_EA = 0x10,
       FILE_EXECUTE = 0x20, FILE_DELETE_CHILD = 0x40, FILE_READ_ATTRIBUTES = 0x80, FILE_WRITE_ATTRIBUTES = 0x100,
       ACCESS_DELETE = 0x10000, ACCESS_SYNCHRONIZE = 0x100000, ACCESS_MAXIMUM_ALLOWED = 0x2000000 };
enum { FILE_SHARE_READ = 1, FILE_SHARE_WRITE = 2, FILE_SHARE_DELETE = 4 };
enum { FILE_SUPERSEDE, FILE_OPEN, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE, FILE_OVERWRITE_IF };
enum { FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED, FILE_OVERWRITTEN, FILE_EXISTS, FILE_DOES_NOT_EXIST };
enum { FILE_DIRECTORY_FILE = 1, FILE_WRITE_THROUGH = 2, FILE_SEQUENTIAL_ONLY = 4, FILE_NO_INTERMEDIATE_BUFFERING = 8,
       FILE_SYNCHRONOUS_IO_ALERT = 0x10, FILE_SYNCHRONOUS_IO_NONALERT = 0x20, FILE_NON_DIRECTORY_FILE = 0x40,
       FILE_DELETE_ON_CLOSE = 0x1000, FILE_OPEN_BY_FILE_ID = 0x2000, FILE_OPEN_FOR_BACKUP_INTENT = 0x4000,
       FILE_OPEN_REPARSE_POINT = 0x200000 };
enum { FILE_SYNCHRONOUS = FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT };
enum { FILE_ATTRIBUTE_READONLY = 1, FILE_ATTRIBUTE_HIDDEN = 2, FILE_ATTRIBUTE_SYSTEM = 4, FILE_ATTRIBUTE_DIRECTORY = 0x10,
       FILE_ATTRIBUTE_ARCHIVE = 0x20, FILE_ATTRIBUTE_NORMAL = 0x80 };
enum { FILE_DEVICE_DISK_FILE_SYSTEM = 8, FILE_DEVICE_NAMED_PIPE = 0x11, FILE_DEVICE_NULL = 0x15, FILE_DEVICE_UNKNOWN = 0x22,
       FILE_DEVICE_CONSOLE = 0x50 };

/* ---- open files ---------------------------------------------------------------------------------- */

/* What every file object of this area really is. Fixed widths: it lies in the arena. */
struct io_file {
    struct nt_file_object file;
    uint64_t unique;        /* never reused: the key of this process's own state about it */
    nt_ref record;          /* struct io_record of disk files and directories; 0: none, or its last handle is closed */
    nt_ref next, prev;      /* the record's other file objects */
    uint32_t shares;        /* counted in the record's sharing */
    uint32_t delete_path;   /* 1: FILE_DELETE_ON_CLOSE; 2: the name goes with this handle, whoever else has the file open */
    uint32_t notification;  /* FileIoCompletionNotificationInformation */
    uint32_t device_type;   /* FILE_DEVICE_* */
    uint32_t drive;         /* letter it was opened through, 0: unknown */
    nt_ref pipe;            /* struct io_pipe */
    uint32_t pipe_server;   /* bool: the end that NtCreateNamedPipeFile made */
    uint32_t pipe_read_mode; /* 0 byte stream, 1 messages */
    uint32_t pipe_no_wait;
    uint32_t pending;       /* operations under way */
    nt_ref search;          /* struct io_search of a folder that somebody has searched */
    uint32_t pad;
    uint32_t input, screen; /* bools: a console's input side, its output side; neither: the console itself */
    uint32_t opener;        /* NT process that is still making it; 0: it has or had handles */
};
_Static_assert(sizeof(struct io_file) == 112 + 80, "one layout for both widths");

/* How far a search through a folder's handle has come, for whoever goes on with it in another process. The listing itself is
 * each process's own: sorted alike, they have the same places. */
struct io_search {
    uint32_t process;       /* NT process that went on with it last */
    uint32_t position, answered;
    uint32_t mask_length;   /* units; 0: everything */
    WCHAR mask[];
};

/* One inode that somebody has open: what its openers share. Made with the first, freed after the last. */
struct io_record {
    uint64_t device, serial;
    nt_ref next;            /* in its bucket */
    nt_ref files;           /* struct io_file with handles */
    uint32_t open;          /* those that take part in sharing */
    uint32_t readers, writers, deleters, share_readers, share_writers, share_deleters;
    uint32_t deleting;      /* bool: goes when the last handle is closed */
    nt_ref delete_path;     /* the name that goes */
    nt_ref locks;           /* struct io_lock */
};
struct io_lock {
    uint64_t offset, length;
    nt_ref next, file;
    uint32_t key, exclusive;
};

enum { IO_BUCKETS = 256 };
/* Everything of this area that processes share and that no object holds; NT_ROOT_IO leads to it. */
struct io_root {
    uint64_t unique;        /* last one given out */
    nt_ref pipes;           /* struct io_pipe, all instances */
    uint32_t pipe_turns;    /* futex: goes up when an instance begins to listen, or one goes */
    uint32_t console_input_mode, console_output_mode, console_input_page, console_output_page, console_set;
    uint32_t console_attributes, console_x, console_y;
    uint32_t console_title;
    uint32_t console_found_set;
    uint8_t console_found[60]; /* struct termios: the terminal as the session found it, once somebody has changed it */
    nt_ref buckets[IO_BUCKETS];
};
struct io_root *io_root(void); /* lock held; NULL: the arena is full */

/* io/record.c. Lock not held unless said. */
/* Takes part in the sharing with `access`; `also` is only compared with what others allow. */
NTSTATUS io_record_attach(struct io_file *file, uint64_t device, uint64_t serial, ACCESS_MASK access, ACCESS_MASK also,
                          ULONG sharing);
void io_record_detach(struct io_file *file);                  /* lock held; deletes the file where that is due */
NTSTATUS io_record_set_deleting(struct io_file *file, bool deleting);
void io_record_objects(void (*visit)(struct nt_object *object)); /* lock held */
void io_file_abandoned(struct nt_object *object); /* lock held: an operation under way has ended */
void io_file_lose(struct io_file *file);                /* likewise: nothing holds it */
/* io/pipe_instance.c. The instance of that name that has waited longest in that state (0: any), and how many there are; lock
 * held. */
struct io_pipe *io_pipe_find(const WCHAR *name, unsigned length, uint32_t state, unsigned *count);
void io_pipe_turn_tell(void);                           /* those who wait for an instance look again; lock held */
void io_pipe_users_reset(void);                         /* likewise */
void io_pipe_links(void (*visit)(struct nt_object *to)); /* lock held */
void io_pipe_objects(void (*visit)(struct nt_object *object)); /* lock held */
void io_record_repair(void);                                  /* lock held */
void io_pipe_repair(void);                                    /* lock held */
void io_pipe_process_ended(uint32_t id);                      /* lock held */
bool io_record_is_deleting(struct io_file *file);
bool io_record_others(uint64_t device, uint64_t serial, const struct io_file *except); /* somebody has it open */
bool io_record_below(const char *folder);                     /* somebody has a file in this folder open */
void io_record_rename(struct io_file *file, const char *path);
bool io_record_lock_conflict(struct io_file *file, uint64_t offset, uint64_t length, bool writing, uint32_t key);
NTSTATUS io_record_lock(struct io_file *file, uint64_t offset, uint64_t length, uint32_t key, bool exclusive);
NTSTATUS io_record_unlock(struct io_file *file, uint64_t offset, uint64_t length, uint32_t key);

/* ---- names --------------------------------------------------------------------------------------- */

/* File names: what Windows forbids in a name (and bytes that are no UTF-8) shows as U+F000 + character, both ways. */
size_t io_name_to_unix(const WCHAR *text, size_t length, char *out, size_t room); /* (size_t)-1: no room */
size_t io_name_from_unix(const char *name, size_t size, WCHAR *out, size_t room);
int io_name_compare(const WCHAR *a, size_t a_length, const WCHAR *b, size_t b_length); /* without regard to case */
bool io_name_equals_ascii(const WCHAR *text, size_t length, const char *ascii);       /* without regard to case */

enum io_place { IO_PLACE_PATH, IO_PLACE_PIPE, IO_PLACE_PIPE_ROOT, IO_PLACE_NULL, IO_PLACE_CONSOLE, IO_PLACE_CONSOLE_INPUT,
                IO_PLACE_CONSOLE_OUTPUT };
/* What an NT name means before anybody looks at the disk. */
struct io_name {
    enum io_place place;
    char path[PATH_MAX];     /* first place to look */
    char other[PATH_MAX];    /* second one, and where a new file goes; "": the same as path */
    size_t fixed, other_fixed; /* bytes at the beginning that are certain to exist as spelt, or are ours to make */
    bool system;             /* path lies in the system DLLs' folder, which guests do not write */
    bool folder;             /* ended with a backslash */
    uint32_t drive;          /* letter, 0: none */
    const WCHAR *rest;       /* a pipe's name */
    unsigned rest_length;
    nt_ref pipe;             /* the instance whose server end was the root; 0: look for the name */
};
NTSTATUS io_name_parse(const WCHAR *text, unsigned length, const char *root_path, struct io_name *name);
NTSTATUS io_name_of_attributes(const struct nt_attributes *attributes, struct io_name *name); /* with their root */

bool io_is_system_path(const char *path); /* among the system DLLs, which are not the guests' to change */
/* io/lookup.c: letter case. FOUND: path is spelt as on disk. */
enum io_found { IO_FOUND, IO_NO_NAME, IO_NO_PATH };
enum io_found io_lookup(char *path, size_t fixed);
/* io/path.c: both places, and the folders that every Windows has (made where `make`). On IO_NO_NAME name->path is where
 * a new file would go. */
enum io_found io_name_resolve(struct io_name *name, bool exact_failed, bool make);
NTSTATUS io_found_status(enum io_found found);

/* A folder's names, sorted without regard to case. Shared, counted, never changed once made. */
struct io_entry { uint32_t name, wide; uint16_t wide_length; uint8_t type; };
struct io_listing {
    unsigned references;
    unsigned count;
    struct io_entry *entries;
    char *names;             /* NUL-terminated, as on disk */
    WCHAR *wides;
    size_t names_size, wides_length;
    size_t entries_room, names_room, wides_room;
};
NTSTATUS io_listing_read(int folder, struct io_listing **out);
void io_listing_release(struct io_listing *listing);
/* A name has come or gone; what is there already, or gone already, stays so. False: no memory. */
bool io_listing_change(struct io_listing *listing, const char *name, uint8_t type, bool is_there);
/* The name as the folder spells it; several that differ in case only: the first in byte order. NULL: none. */
const char *io_listing_find(const struct io_listing *listing, const WCHAR *wide, size_t length);
/* The folder's listing, true now, referenced; NULL: it cannot be read. */
struct stat;
struct io_listing *io_cache_get(const char *folder, const struct stat *facts);

/* ---- facts about a file -------------------------------------------------------------------------- */

struct io_facts {
    uint64_t created, accessed, written, changed; /* NT times */
    uint64_t size, allocated, device, serial;
    uint32_t attributes, links, mode;
};
NTSTATUS io_facts_of_fd(int fd, struct io_facts *facts);
NTSTATUS io_facts_basic(int fd, struct io_facts *facts); /* without HIDDEN and SYSTEM: one call less */
/* Both follow symbolic links that lead somewhere. folder_path "": not known. */
NTSTATUS io_facts_of_path(const char *path, struct io_facts *facts);
NTSTATUS io_facts_of_entry(int folder, const char *folder_path, const char *name, struct io_facts *facts);
NTSTATUS io_status_of_errno(int error);
/* The path of an open file, copied: false when it has none or there is no room. */
bool io_file_path(struct io_file *file, char *out, size_t room);

/* ---- file objects -------------------------------------------------------------------------------- */

NTSTATUS io_file_create(uint32_t kind, uint32_t options, const char *path, struct io_file **out);
NTSTATUS io_file_of_handle(HANDLE handle, ACCESS_MASK wanted, struct io_file **file, int *fd, ACCESS_MASK *granted);
void io_file_release(struct io_file *file);
/* Gives the guest handle and status block; takes fd over in any case. */
NTSTATUS io_handle_give(struct io_file *file, ACCESS_MASK granted, ULONG attributes, int fd, HANDLE *guest_handle,
                        IO_STATUS_BLOCK *guest_io, ULONG_PTR information);
NTSTATUS io_status_give(IO_STATUS_BLOCK *guest_io, NTSTATUS status, ULONG_PTR information);
/* After a failed read or write: true = try again. Some parents leave standard handles non-blocking; then this waits. */
bool io_try_again(int fd, short events);
int io_open(const char *path, int flags, unsigned mode); /* close-on-exec; raises the limit of open files once; -1: errno */

/* ---- operations that end later ------------------------------------------------------------------- */

/* Whom an operation tells when it is done. */
struct io_finish {
    struct io_file *file;
    struct nt_object *event;      /* referenced, NULL: none */
    struct nt_thread_object *thread; /* referenced, with an APC routine */
    uintptr_t routine, context;
    IO_STATUS_BLOCK *io;          /* guest */
};
NTSTATUS io_finish_begin(struct io_finish *finish, struct io_file *file, HANDLE event, uintptr_t routine, uintptr_t context,
                         IO_STATUS_BLOCK *io);
/* Writes the status block, signals, queues, posts, and lets go. was_pending: the caller has been told STATUS_PENDING. */
void io_finish_end(struct io_finish *finish, NTSTATUS status, ULONG_PTR information, bool was_pending);
void io_finish_drop(struct io_finish *finish);

/* An operation of an asynchronous handle that could not be done at once. step() is called on the I/O thread when fd is
 * ready (or every few milliseconds, fd -1) until it returns something else than STATUS_PENDING. */
struct io_later {
    struct io_finish finish;
    int fd;                       /* its own duplicate, -1: none */
    short events;                 /* POLLIN, POLLOUT; 0: polled by time */
    NTSTATUS (*step)(struct io_later *later, ULONG_PTR *information);
    void *buffer;                 /* guest */
    uint32_t length, done;
    uint64_t offset, span;
    uint32_t key, exclusive;
    uint32_t thread_id;           /* who asked */
    bool cancelled;
    struct io_later *next;
};
/* Takes everything over. STATUS_PENDING, or why not; then the operation has ended with that. */
NTSTATUS io_later_add(const struct io_later *later);
/* Ends waiting operations of this file with STATUS_CANCELLED; io NULL: all, thread_id 0: all threads'. How many. */
unsigned io_later_cancel(struct io_file *file, IO_STATUS_BLOCK *io, uint32_t thread_id);
void io_later_look(void); /* operations that no descriptor wakes look again */
uint32_t io_thread_id(void);

/* ---- transfer of other kinds --------------------------------------------------------------------- */

NTSTATUS io_pipe_read(struct io_file *file, int fd, void *buffer, uint32_t length, bool wait, ULONG_PTR *done);
NTSTATUS io_pipe_write(struct io_file *file, int fd, const void *buffer, uint32_t length, bool wait, ULONG_PTR *done);
struct io_message_queue { uint32_t messages, offset; };
/* One instance of a named pipe. The server's end is a listening socket under an address that only the session knows; a
 * client, in whatever process, connects to it while it holds the lock, and the server's descriptors become the accepted
 * one with its next call. So no process keeps a copy of an end that is not its own, and an end closes with its process.
 * Guarded by the lock. */
struct io_pipe {
    nt_ref next;
    uint32_t state;          /* PIPE_DISCONNECTED, ... */
    nt_ref server, client;   /* struct io_file, 0: closed or not yet there */
    uint32_t users;          /* file objects that point here */
    uint32_t accepted;       /* bool: the server's end is the connection, no longer the listening socket */
    uint32_t holder;         /* NT process whose descriptors of the server's end surely are the ones of now */
    nt_ref event;            /* signalled when a client comes */
    uint32_t messages;       /* bool: writes keep their boundaries */
    uint32_t configuration;  /* 0 inbound, 1 outbound, 2 both */
    uint32_t instances, inbound, outbound;
    struct io_message_queue queue[2]; /* [0] what the client reads, [1] what the server reads; changed atomically */
    uint32_t name_length;
    uint64_t timeout;        /* 100 ns */
    uint64_t address;        /* of the listening socket */
    uint64_t serial;         /* inode of the server's socket of now */
    uint32_t server_id, client_id; /* NT process IDs */
    WCHAR name[256];
};
_Static_assert(offsetof(struct io_pipe, timeout) == 72 && sizeof(struct io_pipe) == 616, "one layout for both widths");
enum { PIPE_DISCONNECTED = 1, PIPE_LISTENING, PIPE_CONNECTED, PIPE_CLOSING };

NTSTATUS io_pipe_peek(struct io_file *file, int fd, void *output, ULONG length, ULONG_PTR *done);
NTSTATUS io_pipe_transceive(struct io_file *file, int fd, const void *input, ULONG input_length, void *output, ULONG output_length,
                            ULONG_PTR *done, NTSTATUS (**step)(struct io_later *, ULONG_PTR *), short *events);
bool io_pipe_name(struct io_file *file, WCHAR *out, unsigned *length);
NTSTATUS io_pipe_flush(struct io_file *file, int fd);
NTSTATUS io_pipe_open(const struct io_name *name, ACCESS_MASK access, ULONG options, struct io_file **file, int *fd);
/* STATUS_PENDING: *step goes on with it, on a descriptor that is ready for *events. */
NTSTATUS io_pipe_control(struct io_file *file, int fd, ULONG code, const void *input, ULONG input_length, void *output,
                         ULONG output_length, ULONG_PTR *done, NTSTATUS (**step)(struct io_later *, ULONG_PTR *), short *events);
NTSTATUS io_pipe_query(struct io_file *file, int fd, ULONG information_class, void *buffer, ULONG length, ULONG_PTR *done);
NTSTATUS io_pipe_set(struct io_file *file, ULONG information_class, const void *buffer, ULONG length);
/* io/pipe_socket.c. A socket that clients can connect to under *address; -1: errno. */
int io_pipe_listener(bool messages, uint64_t *address);
int io_pipe_connect(const struct io_pipe *pipe);   /* the client's end; lock held; -1: errno */
void io_pipe_accept_here(struct io_pipe *pipe);    /* lock held */
uint64_t io_pipe_serial(int fd);                   /* what tells sockets apart */
/* Makes the descriptor of a server's end the one of now; before anything is done with it. */
void io_pipe_refresh(struct io_file *file, int fd);
void io_pipe_closed(struct io_file *file);    /* lock held: its last handle was closed */
void io_pipe_destroyed(struct io_file *file); /* lock held: the object goes */
void io_pipe_ignore_signal(void);
NTSTATUS io_console_read(int fd, void *buffer, uint32_t length, ULONG_PTR *done);
NTSTATUS io_console_control(struct io_file *file, int fd, ULONG code, const void *input, ULONG input_length, void *output,
                            ULONG output_length, ULONG_PTR *done);
NTSTATUS io_console_open(enum io_place place, ACCESS_MASK access, ULONG options, struct io_file **file, int *fd);
void io_watch_forget(uint64_t unique);      /* lock held: so does what watches it */
uint32_t io_search_size(const struct io_search *search);
void io_search_forget(uint64_t unique);     /* lock held: a directory's listing goes with its file object */

/* Handlers listed in io/services.c. BOOLEAN parameters are words here: only their low byte counts. */
NTSTATUS NtCreateFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                      const LARGE_INTEGER *allocation, ULONG file_attributes, ULONG sharing, ULONG disposition, ULONG options,
                      void *ea, ULONG ea_length);
NTSTATUS NtOpenFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                    ULONG sharing, ULONG options);
NTSTATUS NtDeleteFile(const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtReadFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io, void *buffer,
                    ULONG length, const LARGE_INTEGER *offset, const ULONG *key);
NTSTATUS NtWriteFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                     const void *buffer, ULONG length, const LARGE_INTEGER *offset, const ULONG *key);
NTSTATUS NtReadFileScatter(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                           const void *segments, ULONG length, const LARGE_INTEGER *offset, const ULONG *key);
NTSTATUS NtWriteFileGather(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                           const void *segments, ULONG length, const LARGE_INTEGER *offset, const ULONG *key);
NTSTATUS NtFlushBuffersFile(HANDLE handle, IO_STATUS_BLOCK *io);
NTSTATUS NtLockFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                    const LARGE_INTEGER *offset, const LARGE_INTEGER *length, ULONG key, uintptr_t immediately, uintptr_t exclusive);
NTSTATUS NtUnlockFile(HANDLE handle, IO_STATUS_BLOCK *io, const LARGE_INTEGER *offset, const LARGE_INTEGER *length, ULONG key);
NTSTATUS NtCancelIoFile(HANDLE handle, IO_STATUS_BLOCK *io);
NTSTATUS NtCancelIoFileEx(HANDLE handle, IO_STATUS_BLOCK *which, IO_STATUS_BLOCK *io);
NTSTATUS NtCancelSynchronousIoFile(HANDLE thread, IO_STATUS_BLOCK *which, IO_STATUS_BLOCK *io);
NTSTATUS NtQueryAttributesFile(const OBJECT_ATTRIBUTES *attributes, void *information);
NTSTATUS NtQueryFullAttributesFile(const OBJECT_ATTRIBUTES *attributes, void *information);
NTSTATUS NtQueryInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, ULONG information_class);
NTSTATUS NtSetInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length, ULONG information_class);
NTSTATUS NtQueryDirectoryFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                              void *buffer, ULONG length, ULONG information_class, uintptr_t single,
                              const UNICODE_STRING *mask, uintptr_t restart);
NTSTATUS NtNotifyChangeDirectoryFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                                     void *buffer, ULONG length, ULONG filter, uintptr_t subtree);
NTSTATUS NtQueryVolumeInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, ULONG information_class);
NTSTATUS NtSetVolumeInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length,
                                    ULONG information_class);
NTSTATUS NtDeviceIoControlFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io,
                               ULONG code, const void *input, ULONG input_length, void *output, ULONG output_length);
NTSTATUS NtFsControlFile(HANDLE handle, HANDLE event, uintptr_t routine, uintptr_t context, IO_STATUS_BLOCK *io, ULONG code,
                         const void *input, ULONG input_length, void *output, ULONG output_length);
NTSTATUS NtCreateNamedPipeFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                               ULONG sharing, ULONG disposition, ULONG options, ULONG pipe_type, ULONG read_mode,
                               ULONG completion_mode, ULONG instances, ULONG inbound, ULONG outbound,
                               const LARGE_INTEGER *timeout);
NTSTATUS NtQueryEaFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, uintptr_t single, const void *list,
                       ULONG list_length, const ULONG *index, uintptr_t restart);
NTSTATUS NtSetEaFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length);
NTSTATUS wine_nt_to_unix_file_name(const OBJECT_ATTRIBUTES *attributes, char *buffer, ULONG *size, ULONG disposition);
NTSTATUS wine_unix_to_nt_file_name(const char *name, WCHAR *buffer, ULONG *size);

/* The directory's mask in Microsoft's documented language: * ? and the DOS forms < > ". */
bool io_mask_matches(const WCHAR *mask, size_t mask_length, const WCHAR *name, size_t length);

#endif
