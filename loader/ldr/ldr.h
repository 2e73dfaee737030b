/* The guest half of the native lane: a PE with no C run-time, above Wine's ntdll (used as a library) and beneath
 * everything else. It owns what the lesson is about on the guest's side: who runs initialisers, in which order, on
 * which thread. Mapping and binding are the host's, asked for through private system calls. */
#ifndef LDR_LDR_H
#define LDR_LDR_H

#include "loader/nt/abi.h"
#include "loader/nt/status.h"

#ifdef __i386__
#define NTAPI __attribute__((stdcall))
#define FASTCALL __attribute__((fastcall))
#else
#define NTAPI
#define FASTCALL
#endif
#define IMPORT __attribute__((dllimport))
#define EXPORT __attribute__((dllexport))

enum { PROCESS_DETACH = 0, PROCESS_ATTACH = 1, THREAD_ATTACH = 2, THREAD_DETACH = 3 };

extern struct nt_host_block peload_host;

static inline struct nt_teb *ldr_teb(void)
{
    struct nt_teb *teb;
#ifdef __i386__
    __asm__("movl %%fs:0x18, %0" : "=r"(teb));
#else
    __asm__("movq %%gs:0x30, %0" : "=r"(teb));
#endif
    return teb;
}

static inline struct nt_peb *ldr_peb(void) { return ldr_teb()->peb; }

/* The entry that a link of one of the three lists belongs to. */
#define LDR_ENTRY(link, list) ((struct nt_ldr_entry *)((char *)(link) - offsetof(struct nt_ldr_entry, list)))

/* ---- private services (thunks.S) */
NTSTATUS NTAPI peload_load(const WCHAR *name, const WCHAR *path, ULONG flags, struct nt_ldr_entry **out);
NTSTATUS NTAPI peload_find(const WCHAR *name, const WCHAR *path, struct nt_ldr_entry **out);
NTSTATUS NTAPI peload_order(struct nt_ldr_entry *root, struct nt_ldr_entry **list, SIZE_T room, ULONG *count);
NTSTATUS NTAPI peload_state(struct nt_ldr_entry *entry, ULONG state);
NTSTATUS NTAPI peload_unload_plan(struct nt_ldr_entry *entry, struct nt_ldr_entry **list, SIZE_T room, ULONG *count);
NTSTATUS NTAPI peload_unload(struct nt_ldr_entry *entry);
NTSTATUS NTAPI peload_symbol(struct nt_ldr_entry *entry, const char *name, ULONG ordinal, void **address);
NTSTATUS NTAPI peload_reference(struct nt_ldr_entry *entry, ULONG pin);
NTSTATUS NTAPI peload_fatal(NTSTATUS status, struct nt_ldr_entry *entry);

/* ---- calls into foreign code (thunks.S): exceptions end there, clobbered registers are survived */
/* DllMain or entry: its BOOL; an exception counts as FALSE, its code in *raised. */
int peload_call_entry(void *entry, void *base, ULONG reason, void *reserved, NTSTATUS *raised);
/* A TLS callback: an exception is swallowed, as Windows and Wine do. */
NTSTATUS peload_call_tls(void *callback, void *base, ULONG reason, void *reserved); /* what it raised, 0: nothing */

/* ---- module.c */
EXPORT NTSTATUS NTAPI LdrLoadDll(const WCHAR *path, ULONG flags, const UNICODE_STRING *name, void **module);
void ldr_lock(SIZE_T *cookie);
void ldr_unlock(SIZE_T cookie);
struct nt_ldr_entry *ldr_entry_of(const void *base);       /* by image base, NULL: none */
struct nt_ldr_entry *ldr_entry_at(const void *address);    /* by any address in the image */
/* Initialises root and whatever it needs that is not yet running. Loader lock held. */
NTSTATUS ldr_initialise(struct nt_ldr_entry *root, bool statically);
void ldr_entry_call(struct nt_ldr_entry *entry, ULONG reason, bool statically);
void ldr_tls_callbacks(struct nt_ldr_entry *entry, ULONG reason); /* their third argument is always NULL */

/* ---- context.c: activation contexts */
void ldr_context_process(struct nt_peb *peb);              /* the EXE's manifest: beneath all that the process does */
/* The context of a module with a manifest of its own; entered around every call into it. False: it has none. */
bool ldr_context_enter(struct nt_ldr_entry *entry, ULONG_PTR *cookie);
void ldr_context_leave(ULONG_PTR cookie);
void ldr_context_free(struct nt_ldr_entry *entry);
/* Where the contexts in force lead a DLL's bare name: its full path on the process heap, NULL: nowhere. */
WCHAR *ldr_context_redirect(const WCHAR *name);

/* ---- notify.c */
void ldr_notify(ULONG reason /* 1 loaded, 2 unloaded */, struct nt_ldr_entry *entry);

/* ---- tls.c: the TLS pointer array of every thread. Loader lock held. */
bool ldr_tls_thread(void);                                 /* the calling thread's array and blocks */
void ldr_tls_thread_free(void);
bool ldr_tls_module(struct nt_ldr_entry *entry);           /* a late module: a block for every live thread */
void ldr_tls_module_free(struct nt_ldr_entry *entry);

/* ---- process.c, exception.c */
extern bool ldr_shutting_down;
void ldr_thread_attach(void);

/* ---- text */
bool ldr_text_equal(const WCHAR *a, unsigned a_length, const WCHAR *b, unsigned b_length); /* ASCII case folded; WCHARs */
unsigned ldr_text_length(const WCHAR *text);
WCHAR *ldr_text_copy(const UNICODE_STRING *string);        /* NUL-terminated, process heap; NULL: no memory */

/* ---- what is used of ntdll; declared here because mingw's headers bring all of windows.h along */
typedef struct { void *debug; LONG lock_count, recursion; HANDLE owner, semaphore; ULONG_PTR spin; } RTL_CRITICAL_SECTION;
typedef struct { USHORT length, maximum; char *buffer; } ANSI_STRING;
struct ldr_exception_pointers { struct nt_exception *record; struct nt_context *context; };

IMPORT void *NTAPI RtlCreateHeap(ULONG flags, void *base, SIZE_T reserve, SIZE_T commit, void *lock, void *parameters);
IMPORT void *NTAPI RtlAllocateHeap(void *heap, ULONG flags, SIZE_T size);
IMPORT BOOLEAN NTAPI RtlFreeHeap(void *heap, ULONG flags, void *block);
IMPORT void NTAPI RtlInitializeBitMap(struct nt_bitmap *bitmap, ULONG *buffer, ULONG bits);
IMPORT void NTAPI RtlSetBits(struct nt_bitmap *bitmap, ULONG start, ULONG count);
IMPORT NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *section);
IMPORT NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *section);
IMPORT void NTAPI RtlInitNlsTables(void *ansi, void *oem, void *casing, void *tables);
IMPORT void NTAPI RtlResetRtlTranslations(const void *tables);
IMPORT WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR c);
IMPORT void NTAPI RtlProcessFlsData(void *fls, ULONG flags);
IMPORT void NTAPI RtlFreeThreadActivationContextStack(void);
IMPORT void NTAPI RtlRaiseStatus(NTSTATUS status);
IMPORT NTSTATUS NTAPI RtlCreateActivationContext(HANDLE *handle, const void *description);
IMPORT void NTAPI RtlReleaseActivationContext(HANDLE context);
IMPORT void NTAPI RtlDeactivateActivationContext(ULONG flags, ULONG_PTR cookie);
IMPORT NTSTATUS NTAPI RtlFindActivationContextSectionString(ULONG flags, const void *extension, ULONG section,
                                                            const UNICODE_STRING *name, void *data);
IMPORT NTSTATUS NTAPI RtlQueryInformationActivationContext(ULONG flags, HANDLE context, void *index, ULONG class, void *data,
                                                           SIZE_T size, SIZE_T *needed);
IMPORT NTSTATUS NTAPI RtlActivateActivationContext(ULONG flags, HANDLE context, ULONG_PTR *cookie);
IMPORT NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, ULONG *result, SIZE_T *cookie);
IMPORT NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, SIZE_T cookie);
IMPORT NTSTATUS NTAPI LdrGetDllPath(const WCHAR *module, ULONG flags, WCHAR **path, WCHAR **unknown);
IMPORT void NTAPI RtlReleasePath(WCHAR *path);
IMPORT void NTAPI RtlRaiseException(struct nt_exception *record);
IMPORT void *NTAPI RtlGetUnloadEventTrace(void);
IMPORT NTSTATUS NTAPI NtGetNlsSectionPtr(ULONG type, ULONG id, void *unknown, void **base, SIZE_T *size);
IMPORT NTSTATUS NTAPI NtQueryDefaultLocale(BOOLEAN user, ULONG *lcid);
IMPORT NTSTATUS NTAPI RtlGetLocaleFileMappingAddress(void **base, ULONG *lcid, LARGE_INTEGER *size);
IMPORT NTSTATUS NTAPI NtContinue(struct nt_context *context, BOOLEAN alertable);
IMPORT NTSTATUS NTAPI NtTerminateProcess(HANDLE process, NTSTATUS status);
IMPORT NTSTATUS NTAPI NtTerminateThread(HANDLE thread, NTSTATUS status);
IMPORT NTSTATUS NTAPI NtQueryInformationThread(HANDLE thread, ULONG class, void *data, ULONG size, ULONG *returned);
IMPORT void *NTAPI RtlImageNtHeader(void *base);
IMPORT void *NTAPI RtlImageRvaToVa(const void *headers, void *base, ULONG rva, void **section);

#endif
