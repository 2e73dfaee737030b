/* The small NT kernel of the native lane, seen from inside. It knows nothing of PE.
 *
 *   dispatch.c  system-call table, entry from the guest, --trace=syscall      (x64/entry.S, x86/entry.S)
 *   trap.c      hardware faults and raised exceptions -> KiUserExceptionDispatcher
 *
 * Its areas have a folder each. What an area does for the others stands here beside this file (ob.h, ke.h, ...); its private.h
 * is its own.
 *   ob/         the shared arena, objects, names, handle tables, IDs
 *   ke/         waits, events, mutants, semaphores, timers, keyed events, completion ports, APCs
 *   mm/         address space, sections and views
 *   ps/         threads and processes: create, end, context, suspend, information; sessions of several (ps/session.h)
 *   io/         files, directories, pipes, consoles, drive letters
 *   cm/         registry
 *   ex/         system information, time, NLS, locale, tokens
 *   view/       a session seen from outside (`peload ps`, `handles`)
 *
 * Objects and handle tables lie in an arena that several processes can map (ob.h): no pointers there, only offsets.
 * Everything else is this process's own. */
#ifndef NT_NT_H
#define NT_NT_H

#include "loader/nt/abi.h"
#include "loader/nt/status.h"
#include "loader/nt/types.h"

/* ---- services ---------------------------------------------------------------------------------- */

/* One system call: the handler takes its arguments as NT declares them (guest pointers!), all of register width or
 * less, and returns the status. A handler may not assume that a pointer is readable. */
struct nt_service {
    const char *name;
    unsigned arguments;
    void (*function)(void); /* called with `arguments` words; cast by NT_SERVICE */
};
#define NT_SERVICE(name_, arguments_) {#name_, arguments_, (void (*)(void))name_}

/* Each area's table, ended by a NULL name. */
extern const struct nt_service nt_services_ob[], nt_services_ke[], nt_services_mm[], nt_services_io[], nt_services_cm[],
    nt_services_ex[], nt_services_ps[];

/* ---- guest memory ------------------------------------------------------------------------------ */

/* Copies that survive a bad guest pointer: false = STATUS_ACCESS_VIOLATION for the caller to return.
 * Never called with a lock held: a touched guard page takes the memory manager's lock. */
bool nt_read(void *to, const void *guest, size_t size);
bool nt_write(void *guest, const void *from, size_t size);
#define NT_GET(local, guest) nt_read(&(local), (guest), sizeof(local))
#define NT_PUT(guest, local) nt_write((guest), &(local), sizeof(local))

/* A guest string copied here: NUL-terminated, malloc'd text; length in WCHARs. STATUS_ACCESS_VIOLATION, NO_MEMORY. */
struct nt_string { WCHAR *text; unsigned length; };
NTSTATUS nt_string_capture(const UNICODE_STRING *guest, struct nt_string *out);
/* OBJECT_ATTRIBUTES copied here: a NULL pointer gives empty attributes; name.text is malloc'd or NULL. */
struct nt_attributes { HANDLE root; ULONG attributes; struct nt_string name; };
NTSTATUS nt_attributes_capture(const OBJECT_ATTRIBUTES *guest, struct nt_attributes *out);
void nt_attributes_free(struct nt_attributes *attributes);

/* ---- what is told of objects ------------------------------------------------------------------------- */

/* One thing that happened to a handle, or to a process or thread (--trace=handle,process). */
struct nt_told {
    bool is_process;
    const char *verb;            /* constant: created, opened, inherited, given, closed, destroyed; created, started, exits, ended */
    const char *name;            /* of the object in the name space, UTF-8, during the call; NULL: none */
    uint32_t type;               /* enum nt_type */
    uint32_t object;             /* nt_ref */
    uint32_t process;            /* ID; of a handle: whose table it is in, 0: in none */
    uint32_t handle, access;
    uint32_t handles;            /* that are open on the object now, in all processes */
    uint32_t id;                 /* of the process or thread */
    uint32_t status;             /* exit status; of "started": the Linux process */
};

/* ---- this process ------------------------------------------------------------------------------ */

struct nt_spawn;

struct nt_config {
    const char *system_folder;   /* unix path of the system DLLs (= C:\windows\system32) */
    const char *nls_folder;      /* unix path of *.nls */
    const char *drive_c;         /* unix path of C:\, may not exist yet */
    uint32_t version_build;      /* 19043 */
    void (*trace)(const char *name, const uintptr_t *arguments, unsigned count, NTSTATUS status, uint32_t thread);
                                 /* NULL: no system-call trace; told after the call */
    void (*missing)(const char *name); /* an unimplemented service was called, told at every call; may be NULL */
    /* Sections with SEC_IMAGE, set above the kernel: it knows no PE. */
    NTSTATUS (*image_open)(const char *unix_path, struct nt_image_facts *facts);
    NTSTATUS (*image_map)(const char *unix_path, void **base, size_t *size);
    /* `size` bytes of the image at base, from rva on, as they were before anybody wrote; false: they cannot be had now. */
    bool (*image_bytes)(const char *unix_path, uint64_t base, uint32_t rva, void *bytes, size_t size);
    /* Ends this host process with a guest's exit status; does not return. */
    void (*finish)(uint32_t exit_status);
    /* An exception that nobody handled, second chance: tell it; then the process ends with its code. */
    void (*unhandled)(const struct nt_exception *record, const struct nt_context *context);
    /* Starts a Linux process for a child that is made already; NULL: this lane has none. */
    NTSTATUS (*spawn)(const struct nt_spawn *spawn);
    void (*tell)(const struct nt_told *told); /* without the lock, in order; NULL: nobody listens */
    void (*ending)(void);        /* this process is about to end: its handles are still open; may be NULL */
    /* Calls with numbers from NT_PRIVATE on: the guest half's own services. */
    NTSTATUS (*private_call)(uint32_t number, const uintptr_t *arguments);
};
extern struct nt_config nt_config;

struct nt_process_state {
    struct nt_peb *peb;          /* guest memory */
    uint32_t id;                 /* process ID */
    uint32_t object;             /* nt_ref of the process object */
    uintptr_t user_low, user_high; /* guest's user space [low, high), page multiples */
    uintptr_t dispatcher_entry;  /* address of the system-call entry that the guest calls */
    uintptr_t exception_entry;   /* ntdll!KiUserExceptionDispatcher, set by the lane before the first guest instruction */
    uintptr_t apc_entry;         /* ntdll!KiUserApcDispatcher */
    uintptr_t control_entry;     /* where a thread for Ctrl+C begins; 0: the lane has none */
    uintptr_t thread_entry;      /* LdrInitializeThunk of the guest half */
    size_t stack_reserve, stack_commit; /* of the EXE: for threads that name no size */
    /* What apc_entry takes: our guest half's words; a routine behind its arguments (Wine 8.0); everything on the stack, the
     * context last, as Windows and later versions of Wine have it. */
    enum nt_apc_form { NT_APC_OURS, NT_APC_ROUTINE_LAST, NT_APC_ON_STACK } apc_form;
    bool stack_whole;            /* stacks of 1 MiB at least, committed to their guard page */
    bool release_whole;          /* MEM_RELEASE with a size is refused, where nobody above the kernel does it */
    uintptr_t thread_start;      /* RtlUserThreadStart of the guest half */
    uint32_t threads_started, processes_started; /* by this process, atomic; for whoever asks at its end */
    char image_path[4096];       /* unix path of the EXE */
    uint64_t created;            /* NT time, 100 ns since 1601 */
};
extern struct nt_process_state nt_process;

#endif
