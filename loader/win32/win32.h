/* The win32 lane: the loading phases in a child process of peload.exe, on the operating system's own DLLs.
 *
 *   process.c   the order in which the program is built and started. Read this file first.
 *   system.c    DLLs that stay the operating system's, as modules that imports can be bound to
 *   library.c   what the program asks about modules (GetModuleHandle, GetProcAddress, ...), answered for ours
 *   load.c      LoadLibrary and FreeLibrary
 *   resource.c  the same for resources
 *   search.c    where DLLs are looked for, and what the program says about that
 *   context.c   activation contexts
 *   listener.c  who wants to hear of DLLs that come and go
 *   notify.c    initialisers and TLS callbacks, in order, for all four reasons
 *   missing.c   stubs for functions that are not there (--missing=stub)
 *   thread.c    the threads that there are
 *   donor.c     small DLLs made here, by which the operating system tells of threads and hands out TLS slots
 *   order.*     what parent and child tell each other
 *   x64/ x86/   what differs by machine; guard.S: calls into a frame that ends exceptions; missing.c: a stub's code
 *
 * Nothing in a system DLL is patched, no private list is written. Two documented-in-practice fields of the PEB are ours:
 * ImageBaseAddress and the parameters' ImagePathName. What cannot be had so is told as a step "skipped".
 * It must not print: the command line gives it functions to tell things to. */
#ifndef WIN32_WIN32_H
#define WIN32_WIN32_H

#include "loader/load.h"
#include "loader/win32/order.h"

#include <stddef.h>
#include <windows.h>

struct win32_options {
    const char *program;                 /* host path of the EXE */
    const WCHAR *folder;                 /* for the donors' files */
    uint64_t kept_base, kept_size;       /* the process's main image, which the program takes over; 0: none */
    enum win32_manual manual;
    bool occupy, missing_stub;
    struct ld_trace *trace;
    void (*missing)(struct loader *loader, const struct ld_error *error); /* --check: collect, do not stop */
    void (*start_failed)(uint32_t status, const char *module);            /* an initialiser failed */
    void (*detached)(void);                                               /* the process ends in order */
};

struct win32 {
    struct win32_options options;
    struct loader loader;
    struct ld_module *main;
    char folder[LD_PATH_ROOM], system_folder[LD_PATH_ROOM];
    WCHAR path[LD_PATH_ROOM];            /* of the EXE, as Windows spells it */
    unsigned initialised;                /* counts init_index */
    unsigned donors;
    bool ending;                         /* the process has begun to end: nothing is unloaded any more */
};
extern struct win32 win32; /* one child is one program */

/* Maps and binds the program and all it needs; no instruction of it has run when it returns. */
bool win32_prepare(const struct win32_options *options, struct ld_error *error);
_Noreturn void win32_start(void);

/* ---- between the files of this folder ---- */

struct ld_module *win32_system(struct loader *loader, const char *name, bool searched); /* system.c */
struct ld_module *win32_instead(struct loader *loader, const struct ld_module *opened);              /* system.c */
uint64_t win32_redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len); /* library.c */
/* A function of ours in the place of the system's; a table ends with an empty name. */
struct win32_row { const char *name; uint32_t length; uintptr_t function; };
#define WIN32_ROW(name, function) {#name, sizeof #name - 1, (uintptr_t)(function)}
extern const struct win32_row win32_load_rows[], win32_resource_rows[], win32_search_rows[], win32_context_rows[], win32_listener_rows[];
struct ld_module *win32_module(const void *handle); /* one of ours by its base; NULL: none */
struct ld_module *win32_module_named(const WCHAR *name);  /* the same by name or path */
HMODULE win32_load_library(const char *name);             /* load.c */
WCHAR *win32_widen(const char *text);                     /* in the process's code page, malloc'd; NULL: last error set */

/* notify.c. The lock is the operating system's loader lock: it is held when we are told of threads, so only its order is safe. */
ULONG_PTR win32_lock(void);
void win32_unlock(ULONG_PTR cookie);
uint32_t win32_attach(struct ld_module *root, const char **refused); /* initialises it and what it needs; 0, or the status of the one that refused */
void win32_detach(struct ld_module *module, bool was_running); /* FreeLibrary: one module's own code, no more */
BOOL WINAPI win32_notify(HINSTANCE donor, DWORD reason, void *reserved); /* the first donor's DllMain */

/* x64/ x86/machine.c */
extern const uint16_t win32_machine;
void *win32_peb(void);
/* The beginning of a thread's block, which compilers rely on for thread-local data. */
struct win32_teb {
    void *unnamed[6];
    struct win32_teb *self;
    void *environment;
    uintptr_t process_id, thread_id;
    void *rpc;
    void **thread_local_storage;
};
_Static_assert(offsetof(struct win32_teb, thread_local_storage) == 11 * sizeof(void *), "gs:[0x58], fs:[0x2c]");
struct win32_teb *win32_teb(void);
/* Before any code of a module runs: exceptions must find their way through it. */
void win32_unwind_data(struct ld_module *module, bool add);
bool win32_no_execute(void); /* for a program that is marked NX_COMPAT */
BOOL win32_guarded(uintptr_t entry, uintptr_t base, DWORD reason, void *reserved, DWORD *exception); /* guard.S */

/* search.c: the list for one load; path: the DLL's host path where it is known. Under the loader lock. */
void win32_search_set(DWORD flags, const char *path);
bool win32_search_is_allowed(DWORD flags, bool is_full_path);
bool win32_search_is_system(const char *name); /* does the system's folder have it, and none before that? */
HMODULE win32_search_load(const WCHAR *name);  /* by the operating system, where its folder is searched at all */
bool win32_search_file(const char *name, char *path, size_t room); /* any file of that name, for data */

/* context.c: cookie 0 and context NULL are none. */
void win32_context_open(void);
HANDLE win32_context_of(const struct ld_module *module);
ULONG_PTR win32_context_enter(HANDLE context);
void win32_context_leave(ULONG_PTR cookie);
bool win32_context_redirect(const WCHAR *name, WCHAR *path, DWORD room);

void win32_listeners_tell(const struct ld_module *module, bool loaded); /* listener.c */

/* missing.c */
enum { WIN32_MISSING_SIZE = 32 };
uint64_t win32_missing(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len, uint32_t ordinal);
void win32_missing_write(uint8_t *code, uintptr_t dll, uintptr_t function, uintptr_t target);

/* thread.c: the running thread begins, ends; every thread's block of this slot is filled anew. */
void win32_thread_add(void);
void win32_thread_remove(void);
void win32_threads_fill(uint32_t slot, const void *data, uint32_t size, uint32_t zero_fill);

/* donor.c */
struct win32_donor {
    BOOL (WINAPI *notify)(HINSTANCE, DWORD, void *); /* NULL: none */
    bool has_tls;
    const void *data; /* initial values of the block */
    uint32_t data_size, zero_fill, alignment;
};
HMODULE win32_donor_load(const struct win32_donor *donor, uint32_t *slot); /* NULL: GetLastError() */
int win32_tls_take(struct loader *loader, struct ld_module *module);
void win32_tls_give(struct loader *loader, struct ld_module *module);

/* process.c: UTF-8 and '/' <-> UTF-16 and '\'. False: too long, or no such text. */
bool win32_path_wide(const char *path, WCHAR *wide, size_t room);
bool win32_path_host(const WCHAR *wide, char *path, size_t room);
bool win32_path_full(const WCHAR *path, WCHAR *full); /* LD_PATH_ROOM characters */

#endif
