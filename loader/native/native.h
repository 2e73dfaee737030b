/* The native lane: the loading phases on the NT kernel, with Wine's DLLs above and the guest half (ldr/) between.
 *
 *   process.c     the order in which a process is built, step by step. Read this file first.
 *   parameters.c  command line, environment, standard handles, PEB
 *   library.c     modules as the guest sees them (LDR_DATA_TABLE_ENTRY), PEB.Ldr's lists
 *   search.c      names and search paths that the guest gives, turned into files
 *   service.c     the private system calls: LoadLibrary's way into the phases
 *   stub.c        code in the place of functions that are missing (--missing=stub)
 *   ntdll.c       what is taken from Wine's ntdll and what is replaced; the check that this DLL set is one that works
 *   machine.h     what differs between x64 and x86 (x64/, x86/)
 *   reference.c   the reference lane: Wine's own loader instead of all of the above but the kernel
 *   section.c     SEC_IMAGE sections that a guest asks for
 *   child.c       children: how they are started, what they find when they begin
 *   cache.h       what earlier runs found out (cache.c, cache_keep.c)
 *   crash.c       an exception that nobody handled, turned into facts for the report
 *
 * It must not print: the command line gives it functions to tell things to. */
#ifndef NATIVE_NATIVE_H
#define NATIVE_NATIVE_H

#include "loader/load.h"
#include "loader/nt/nt.h"

/* What a stage has just made: told in this order, the last one when the first thread is about to run. */
enum native_stage {
    NATIVE_OBJECT,  /* process object and empty handle table */
    NATIVE_SPACE,   /* address space */
    NATIVE_IMAGE,   /* the program and all that it needs: mapped, relocated, bound, protected */
    NATIVE_THREAD,  /* first thread, PEB, parameters, standard handles */
};

/* What the command line wants. All strings are borrowed for the life of the process. */
struct native_options {
    const char *program;                 /* host path of the EXE */
    char *const *arguments;              /* NULL-terminated, without the program's name */
    char *const *environment;            /* NULL-terminated "NAME=value" */
    const char *dll_set;                 /* folder that holds x86_64-windows, i386-windows, nls */
    const char *companions;              /* folder that holds ldr64.dll, dlls64 */
    const char *drive_c;                 /* what C: shows, "": nothing yet */
    const char *host64, *host32;         /* this program in both widths, for children; NULL: not installed */
    uint32_t trace_mask;                 /* what children trace, and where to: the command line's own */
    int trace_fd;
    const char *cache;                   /* the files of cache.h, one a machine: their names begin so; NULL: there are none */
    bool reference;                      /* Wine's own loader builds the image (reference.c) */
    bool occupy;                         /* take the EXE's preferred base on purpose */
    bool stub_missing;                   /* a missing function raises 0x80000100 when it is called, as in Wine; else the
                                            program is refused, as in Windows */
    struct ld_trace *trace;
    void (*missing)(struct loader *loader, const struct ld_error *error);          /* --check: collect, do not stop */
    void (*trace_call)(const char *name, const uintptr_t *arguments, unsigned count, NTSTATUS status, uint32_t thread);
    void (*tell)(const struct nt_told *told);                                      /* handles and processes; NULL: nobody listens */
    void (*ending)(void);                                                          /* the handles are still open; may be NULL */
    uint32_t tell_handles;                                                         /* the command line's own, for children */
    void (*missing_call)(const char *name);                                        /* unimplemented system call */
    void (*finish)(uint32_t exit_status);                                          /* does not return */
    void (*unhandled)(const struct nt_exception *record, const struct nt_context *context);
    void (*stage)(enum native_stage stage);                                        /* NULL: nobody wants to know */
    void (*start_failed)(NTSTATUS status, const char *module);                     /* an initialiser failed */
};

struct native {
    struct native_options options;
    struct loader loader;
    struct ld_module *ntdll, *ldr, *kernel32, *main;
    struct nt_host_block *block;         /* the guest half's copy, in guest memory */
    struct nt_ldr_data *lists;           /* PEB.Ldr */
    const char **search;                 /* folders for DLLs, NULL-terminated */
    char *system_folder;
    struct pe_image api_sets;
    unsigned services_known, services_total; /* system calls that ntdll brings, and how many have a handler */
};

extern struct native native; /* one NT process is one Linux process */

/* Maps and binds the program and all it needs; no guest instruction has run when it returns.
 * False: *error says why. */
bool native_prepare(const struct native_options *options, struct ld_error *error);
/* Starts the first thread. */
_Noreturn void native_start(void);

/* child.c. In a process that was started for a child: takes over what its creator made and fills *options but for the
 * functions. False: it is too late, nobody waits for it. */
bool native_child_open(int arena, uint32_t process, int word, struct native_options *options);
/* native_prepare failed in a child: tells the creator, or ends as a program ends that lacks a DLL. */
_Noreturn void native_child_refused(const struct ld_error *error);

/* ---- between the files of this folder ---- */

void native_cache_open(void);                             /* cache.c */
bool native_cache_recall(struct loader *loader, struct ld_module *module, struct ld_bindings *found);
void native_cache_keep(void);                             /* cache_keep.c: when everything is loaded and nothing has run */
struct native_place;
const struct native_place *native_places(uint32_t *count); /* ntdll.c: of all functions that are replaced */

bool native_system_open(struct ld_error *error);          /* ntdll.c: ntdll, ldr.dll, redirection, system-call numbers */
/* ntdll.c: system-call numbers, and the cells through which Wine's DLLs leave for the kernel; nothing is replaced. */
bool native_ntdll_connect(uintptr_t unix_call, struct ld_error *error);
bool native_reference_open(struct ld_error *error);       /* reference.c: ntdll alone */
bool native_reference_program(struct ld_error *error);    /* the EXE alone */
/* A new module's own way into the kernel, where it has one. */
bool native_module_cells(struct loader *loader, struct ld_module *module);
uint64_t native_export(struct ld_module *module, const char *name); /* 0: none */
bool native_lists_build(void);                            /* library.c: PEB.Ldr and an entry for every module */
/* Entries for modules that have none yet, in load order; dos_path: how the guest named the file of `root`, or NULL. */
bool native_entries_add(const struct ld_module *root, const WCHAR *dos_path);
void native_entry_initialising(struct ld_module *module); /* into the third list */
void native_entry_drop(struct ld_module *module);
/* search.c. A DLL's name as the guest gave it. */
struct native_name {
    char text[4096];             /* host path where is_path, else the bare name */
    WCHAR dos[4096];             /* is_path: the full path as the guest writes it */
    bool is_path;
    const char *const *search;   /* host folders, for this load and what it needs */
};
NTSTATUS native_name_take(const WCHAR *guest_name, const WCHAR *guest_path, struct native_name *name);
/* "C:\..." or "C:/...": a PATH that begins so was meant for the guest. */
static inline bool native_is_dos_path(const char *path)
{
    return path[0] && path[1] == ':' && (path[2] == '\\' || path[2] == '/');
}
bool native_search_open(struct ld_error *error);          /* folders for what the program imports: native.search */
/* stub.c: struct loader's substitute. */
uint64_t native_stub(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len, uint32_t ordinal);
NTSTATUS native_private_call(uint32_t number, const uintptr_t *arguments);
NTSTATUS native_parameters_fill(void);                    /* parameters.c */
/* The program's whole path: to the end of its links, and by the name it was called (NULL: without a folder). */
struct native_program { const char *path, *named; };
const struct native_program *native_program(void);
NTSTATUS native_spawn(const struct nt_spawn *spawn);      /* child.c: nt_config.spawn */
NTSTATUS native_image_open(const char *unix_path, struct nt_image_facts *facts); /* section.c */
NTSTATUS native_image_map(const char *unix_path, void **base, size_t *size);
bool native_image_bytes(const char *unix_path, uint64_t base, uint32_t rva, void *bytes, size_t size); /* original.c */
void native_image_facts(const struct pe_image *image, struct nt_image_facts *facts);

/* crash.c: one frame of the stack walk, innermost first; false at the end. */
struct native_frame { uint64_t ip, sp; const struct ld_module *module; uint32_t rva; char section[9]; const char *symbol;
                      uint32_t symbol_offset; };
struct native_walk { struct nt_context context; bool started, ended; unsigned depth; };
void native_walk_begin(struct native_walk *walk, const struct nt_context *context);
bool native_walk_next(struct native_walk *walk, struct native_frame *frame);
/* The module at an address, NULL also where the guest has taken its headers away. */
const struct ld_module *native_module_at(uint64_t address);
/* Where an address lies: module, RVA, section, nearest export. */
void native_locate(uint64_t address, struct native_frame *frame);

#endif
