/* What the guest sees and both halves of the native lane agree on: PEB, TEB, parameters, loader entries, CONTEXT, the
 * private system calls. Field order and offsets are Windows 10's (public symbols); native width, so that one
 * text serves PE32 and PE32+. Compiled into the host (Linux) and into ldr.dll (mingw). */
#ifndef NT_ABI_H
#define NT_ABI_H

#include "loader/nt/types.h"

#if UINTPTR_MAX > 0xFFFFFFFFu
#define NT_WIDTH(on32, on64) (on64)
#else
#define NT_WIDTH(on32, on64) (on32)
#endif
#define NT_AT(type, field, on32, on64) _Static_assert(offsetof(type, field) == NT_WIDTH(on32, on64), #type "." #field)

struct nt_list { struct nt_list *next, *prev; };
struct nt_bitmap { ULONG bits; ULONG *buffer; };

/* ---- process parameters ------------------------------------------------------------------------ */

struct nt_drive_directory { USHORT flags, length; ULONG timestamp; UNICODE_STRING path; };

struct nt_parameters {
    ULONG allocation_size, size, flags, debug_flags;
    HANDLE console;
    ULONG console_flags;
    HANDLE standard_input, standard_output, standard_error;
    UNICODE_STRING directory;      /* with a trailing backslash; buffer of at least 520 bytes */
    HANDLE directory_handle;
    UNICODE_STRING dll_path, image_path, command_line;
    WCHAR *environment;
    ULONG x, y, x_size, y_size, x_chars, y_chars, fill, start_flags, show_window;
    UNICODE_STRING title, desktop, shell, runtime;
    struct nt_drive_directory drives[32];
    SIZE_T environment_size;       /* bytes */
    SIZE_T environment_version;
    void *package;
    ULONG process_group, loader_threads;
};
NT_AT(struct nt_parameters, directory, 0x24, 0x38);
NT_AT(struct nt_parameters, environment, 0x48, 0x80);
NT_AT(struct nt_parameters, environment_size, 0x290, 0x3f0);
enum { NT_PARAMETERS_NORMALIZED = 1 };

/* ---- module lists ------------------------------------------------------------------------------ */

struct nt_ldr_data {
    ULONG length;
    BOOLEAN initialized;
    void *ss_handle;
    struct nt_list load_order, memory_order, init_order;
    void *entry_in_progress;
    BOOLEAN shutdown_in_progress;
    HANDLE shutdown_thread;
};
NT_AT(struct nt_ldr_data, load_order, 0x0c, 0x10);

struct nt_ddag_node {
    struct nt_list modules;
    void *service_tags;
    LONG load_count;               /* -1: pinned */
    ULONG load_while_unloading, lowest_link;
    void *dependencies, *incoming_dependencies;
    LONG state;
    void *condense_link;
    ULONG preorder;
};

struct nt_ldr_entry {
    struct nt_list load_order, memory_order, init_order;
    void *base, *entry_point;
    ULONG size_of_image;
    UNICODE_STRING full_name, base_name;
    ULONG flags;                   /* LDR_* */
    USHORT load_count, tls_index;  /* -1: pinned; -1: has TLS, 0: none */
    struct nt_list hash;
    ULONG timestamp;
    void *activation_context, *lock;
    struct nt_ddag_node *ddag;
    struct nt_list node_module;
    void *load_context, *parent_base, *switch_back;
    void *base_index[3], *mapping_index[3];
    ULONG_PTR original_base;
    LARGE_INTEGER load_time;
    ULONG name_hash;
    LONG load_reason;
    ULONG implicit_path_options, reference_count, dependent_load_flags;
    UCHAR signing_level;
    /* ours, behind Windows' fields: */
    ULONG peload_tls_slot;         /* index into the TLS pointer array, -1: none */
    void *peload_tls_data, *peload_tls_callbacks; /* VAs in the image, NULL: none */
    ULONG peload_tls_size, peload_tls_zero, peload_tls_alignment;
    ULONG peload_manifest;         /* 1: has a manifest of its own, and so an activation context */
    ULONG peload_going;            /* 1: nobody needs it any more; detached next, then unmapped */
    struct nt_ldr_entry *peload_gone; /* the next one that is going */
    struct nt_ddag_node peload_node;
};
NT_AT(struct nt_ldr_entry, base, 0x18, 0x30);
NT_AT(struct nt_ldr_entry, flags, 0x34, 0x68);
NT_AT(struct nt_ldr_entry, ddag, 0x50, 0x98);
NT_AT(struct nt_ldr_entry, original_base, 0x80, 0xf8);

enum {
    LDR_IMAGE_IS_DLL = 0x4, LDR_DONT_RESOLVE_REFS = 0x8, LDR_LOAD_IN_PROGRESS = 0x1000, LDR_ENTRY_PROCESSED = 0x4000,
    LDR_NO_DLL_CALLS = 0x40000, LDR_PROCESS_ATTACHED = 0x80000, LDR_DONT_CALL = 0x100,
};

/* ---- PEB --------------------------------------------------------------------------------------- */

struct nt_peb {
    BOOLEAN inherited_address_space, read_image_options, being_debugged, bits;
    HANDLE mutant;
    void *image_base;
    struct nt_ldr_data *ldr;
    struct nt_parameters *parameters;
    void *subsystem_data, *process_heap, *fast_lock;
    void *atl_list, *ifeo_key;
    ULONG cross_process_flags;
    void *kernel_callbacks;
    ULONG system_reserved, atl_list32;
    void *api_set_map;
    ULONG tls_expansion_counter;
    struct nt_bitmap *tls_bitmap;
    ULONG tls_bits[2];
    void *shared_memory, *shared_data, **static_server_data;
    void *ansi_code_page, *oem_code_page, *unicode_case_table;
    ULONG processors, global_flag;
    LARGE_INTEGER critical_section_timeout;
    SIZE_T heap_segment_reserve, heap_segment_commit, heap_decommit_total, heap_decommit_block;
    ULONG heap_count, heap_limit;
    void **heaps, *gdi_handles, *starter_helper;
    SIZE_T gdi_attributes;
    void *loader_lock;
    ULONG os_major, os_minor;
    USHORT os_build, os_csd;
    ULONG os_platform, subsystem, subsystem_major, subsystem_minor;
    ULONG_PTR affinity;
    ULONG gdi_buffer[NT_WIDTH(34, 60)];
    void *post_init;
    struct nt_bitmap *tls_expansion_bitmap;
    ULONG tls_expansion_bits[32];
    ULONG session;
    ULONGLONG app_compat, app_compat_user;
    void *shim_data, *app_compat_info;
    UNICODE_STRING csd_version;
    void *activation_context, *assembly_map, *default_activation_context, *system_assembly_map;
    SIZE_T minimum_stack_commit;
    void *fls_callback;
    struct nt_list fls_list;
    struct nt_bitmap *fls_bitmap;
    ULONG fls_bits[4], fls_high;
    void *wer_data, *wer_assert;
    void *unused[2];
    ULONG tracing_flags;
    UCHAR rest[0x500];
};
NT_AT(struct nt_peb, ldr, 0x0c, 0x18);
NT_AT(struct nt_peb, api_set_map, 0x38, 0x68);
NT_AT(struct nt_peb, tls_bitmap, 0x40, 0x78);
NT_AT(struct nt_peb, ansi_code_page, 0x58, 0xa0);
NT_AT(struct nt_peb, processors, 0x64, 0xb8);
NT_AT(struct nt_peb, critical_section_timeout, 0x70, 0xc0);
NT_AT(struct nt_peb, loader_lock, 0xa0, 0x110);
NT_AT(struct nt_peb, os_platform, 0xb0, 0x124);
NT_AT(struct nt_peb, tls_expansion_bitmap, 0x150, 0x238);
NT_AT(struct nt_peb, session, 0x1d4, 0x2c0);
NT_AT(struct nt_peb, fls_bitmap, 0x218, 0x338);

/* ---- TEB --------------------------------------------------------------------------------------- */

struct nt_activation_stack { void *active; struct nt_list cache; ULONG flags, next_cookie; ULONG_PTR id; };

struct nt_teb {
    void *exception_list, *stack_base, *stack_limit, *subsystem_tib, *fiber, *arbitrary;
    struct nt_teb *self;
    void *environment;
    CLIENT_ID client;
    void *rpc;
    void **tls;                    /* ThreadLocalStoragePointer: one pointer per static TLS slot */
    struct nt_peb *peb;
    ULONG last_error, owned_critical_sections;
    void *csr_thread, *win32_thread;
    ULONG user_reserved[26], user_reserved2[5];
    void *wow_reserved;            /* i386: Wine's system-call dispatcher */
    ULONG locale, fp_status;
    void *debugger_reserved[16];
    UCHAR system_reserved[NT_WIDTH(0x184 - 0x10c, 0x290 - 0x190)];
    struct nt_activation_stack activation_stack;
    UCHAR on_behalf[8];
    LONG exception_code;
    struct nt_activation_stack *activation;
    UCHAR instrumentation[NT_WIDTH(0x6b4 - 0x1ac, 0x7d8 - 0x2d0)];
    CLIENT_ID real_client;
    UCHAR gdi[NT_WIDTH(0xbf4 - 0x6bc, 0x1250 - 0x7e8)];
    ULONG last_status;
    UNICODE_STRING static_string;
    WCHAR static_buffer[261];
    void *stack_allocation;        /* DeallocationStack */
    void *tls_slots[64];
    struct nt_list tls_links;
    UCHAR vdm[NT_WIDTH(0xf78 - 0xf18, 0x1748 - 0x1690)];
    ULONG guaranteed_stack;
    UCHAR perf[NT_WIDTH(0xf94 - 0xf7c, 0x1780 - 0x1750)];
    void **tls_expansion;
    UCHAR impersonation[NT_WIDTH(0xfb4 - 0xf98, 0x17c8 - 0x1788)];
    void *fls;
    UCHAR languages[NT_WIDTH(0xfca - 0xfb8, 0x17ee - 0x17d0)];
    USHORT same_teb_flags;
    UCHAR rest[NT_WIDTH(0x1000 - 0xfcc, 0x1838 - 0x17f0)];
};
NT_AT(struct nt_teb, self, 0x18, 0x30);
NT_AT(struct nt_teb, peb, 0x30, 0x60);
NT_AT(struct nt_teb, wow_reserved, 0xc0, 0x100);
NT_AT(struct nt_teb, activation_stack, 0x184, 0x290);
NT_AT(struct nt_teb, exception_code, 0x1a4, 0x2c0);
NT_AT(struct nt_teb, activation, 0x1a8, 0x2c8);
NT_AT(struct nt_teb, real_client, 0x6b4, 0x7d8);
NT_AT(struct nt_teb, static_string, 0xbf8, 0x1258);
NT_AT(struct nt_teb, stack_allocation, 0xe0c, 0x1478);
NT_AT(struct nt_teb, tls_links, 0xf10, 0x1680);
NT_AT(struct nt_teb, guaranteed_stack, 0xf78, 0x1748);
NT_AT(struct nt_teb, tls_expansion, 0xf94, 0x1780);
NT_AT(struct nt_teb, fls, 0xfb4, 0x17c8);
NT_AT(struct nt_teb, same_teb_flags, 0xfca, 0x17ee);

/* Wine's ntdll keeps a debug buffer of 0x800 bytes behind the TEB, and a debug-options page behind the PEB. */
enum { NT_TEB_PAGES = NT_WIDTH(2, 4), NT_PEB_PAGES = NT_WIDTH(2, 3) };

/* ---- exceptions -------------------------------------------------------------------------------- */

struct nt_exception {              /* EXCEPTION_RECORD */
    NTSTATUS code;
    ULONG flags;                   /* 1: noncontinuable */
    struct nt_exception *nested;
    void *address;
    ULONG count;
    ULONG_PTR information[15];
};
_Static_assert(sizeof(struct nt_exception) == NT_WIDTH(0x50, 0x98), "EXCEPTION_RECORD");

#if UINTPTR_MAX > 0xFFFFFFFFu
struct nt_context {                /* CONTEXT of x64, 16-byte aligned */
    ULONGLONG home[6];
    ULONG flags, mxcsr;
    USHORT cs, ds, es, fs, gs, ss;
    ULONG eflags;
    ULONGLONG dr0, dr1, dr2, dr3, dr6, dr7;
    ULONGLONG rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
    ULONGLONG rip;
    UCHAR fxsave[512] __attribute__((aligned(16)));
    UCHAR vector[26 * 16];
    ULONGLONG vector_control, debug_control, branch_to, branch_from, exception_to, exception_from;
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct nt_context) == 0x4d0, "CONTEXT");
_Static_assert(offsetof(struct nt_context, rip) == 0xf8, "CONTEXT.Rip");
enum { CONTEXT_ARCH = 0x100000, CONTEXT_CONTROL = 0x100001, CONTEXT_INTEGER = 0x100002, CONTEXT_SEGMENTS = 0x100004,
       CONTEXT_FLOATING_POINT = 0x100008, CONTEXT_DEBUG_REGISTERS = 0x100010, CONTEXT_FULL = 0x10000b,
       CONTEXT_ALL = 0x10001f, CONTEXT_XSTATE = 0x100040 };
#else
struct nt_context {                /* CONTEXT of i386 */
    ULONG flags;
    ULONG dr0, dr1, dr2, dr3, dr6, dr7;
    UCHAR fsave[112];              /* FLOATING_SAVE_AREA */
    ULONG gs, fs, es, ds;
    ULONG edi, esi, ebx, edx, ecx, eax;
    ULONG ebp, eip, cs, eflags, esp, ss;
    UCHAR fxsave[512];             /* ExtendedRegisters */
};
_Static_assert(sizeof(struct nt_context) == 0x2cc, "CONTEXT");
_Static_assert(offsetof(struct nt_context, eip) == 0xb8, "CONTEXT.Eip");
enum { CONTEXT_ARCH = 0x10000, CONTEXT_CONTROL = 0x10001, CONTEXT_INTEGER = 0x10002, CONTEXT_SEGMENTS = 0x10004,
       CONTEXT_FLOATING_POINT = 0x10008, CONTEXT_DEBUG_REGISTERS = 0x10010, CONTEXT_EXTENDED_REGISTERS = 0x10020,
       CONTEXT_FULL = 0x10007, CONTEXT_ALL = 0x1003f, CONTEXT_XSTATE = 0x10040 };
#endif

/* SECTION_IMAGE_INFORMATION, which NtQuerySection and NtQueryInformationProcess(37) give. */
struct nt_image_facts {
    void *entry_point;
    ULONG zero_bits;
    SIZE_T stack_reserve, stack_commit;
    ULONG subsystem;
    USHORT subsystem_minor, subsystem_major, os_major, os_minor;
    USHORT characteristics, dll_characteristics, machine;
    BOOLEAN contains_code;
    UCHAR image_flags;             /* 4: ImageDynamicallyRelocated, 8: ImageMappedFlat */
    ULONG loader_flags, file_size, checksum;
};
_Static_assert(sizeof(struct nt_image_facts) == NT_WIDTH(0x30, 0x40), "SECTION_IMAGE_INFORMATION");

/* ---- the guest half's own services ------------------------------------------------------------- */

/* Numbers beyond every ntdll's. Arguments are words; results are NTSTATUS. Strings are NUL-terminated.
 * All but RANDOM, FATAL and STATE are called with the loader lock held, which is what guards the host's module list. */
enum nt_private {
    NT_PRIVATE = 0x7000,
    NT_PRIVATE_LOAD = NT_PRIVATE, /* (const WCHAR *name, const WCHAR *search path or NULL, flags, struct nt_ldr_entry **out):
                                     maps and binds a graph, or counts a reference more */
    NT_PRIVATE_FIND,              /* (const WCHAR *name, const WCHAR *search path or NULL, struct nt_ldr_entry **out): if loaded */
    NT_PRIVATE_ORDER,             /* (struct nt_ldr_entry *root, struct nt_ldr_entry **list, room, ULONG *count): what is to be
                                     initialised, dependencies first */
    NT_PRIVATE_STATE,             /* (entry, enum nt_module_state): where a module stands, for the trace and the list orders */
    NT_PRIVATE_UNLOAD_PLAN,       /* (entry, list, room, ULONG *count): takes a reference away; what is to be detached, in order */
    NT_PRIVATE_UNLOAD,            /* (entry): detached: unmap and forget it */
    NT_PRIVATE_SYMBOL,            /* (entry, const char *name or NULL, ordinal, void **address): may load forwarder targets,
                                     which NT_SYMBOL_NEW_MODULES tells */
    NT_PRIVATE_REFERENCE,         /* (entry, pin) */
    NT_PRIVATE_RANDOM,            /* (void *buffer, size): random bytes; no lock needed */
    NT_PRIVATE_FATAL,             /* (status, entry or NULL): start-up failed; told, then the process ends */
};

/* Flags of NT_PRIVATE_LOAD. */
enum { NT_LOAD_NO_RESOLVE = 1 };
/* The one success of NT_PRIVATE_SYMBOL that is not 0: somebody has to be initialised before the address is used. */
enum { NT_SYMBOL_NEW_MODULES = 1 };

enum nt_module_state { NT_MODULE_BOUND, NT_MODULE_INITIALISING, NT_MODULE_RUNNING, NT_MODULE_DETACHED };

/* What the host hands to the guest half before the first instruction: ldr.dll exports it as `peload_host`. */
struct nt_host_block {
    void *dispatcher;              /* system-call entry, for the private services; first: thunks.S calls through it */
    struct nt_ldr_entry *kernel32, *main;
    void *base_thread_init;        /* kernel32!BaseThreadInitThunk, NULL: not loaded */
    void *ntdll_data;              /* ntdll's .data section, where its loader lock is */
    ULONG ntdll_data_size;
    ULONG build;                   /* version that RtlGetVersion answers: 10.0.build */
    const char *dll_set;           /* "8.0": what wine_get_version answers */
    struct nt_ldr_entry *self;     /* the guest half's own entry, which stands in no list */
};

#endif
