/* Shared by ex/ only. */
#ifndef NT_EX_PRIVATE_H
#define NT_EX_PRIVATE_H

#include "loader/nt/ex.h"
#include "loader/nt/ps.h"

/* ---- answers ---- */

/* Most query services: *returned gets what the class has, and a buffer shorter than that gets nothing. */
static inline NTSTATUS ex_answer(void *buffer, ULONG room, ULONG *returned, const void *answer, ULONG size)
{
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (room < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    return nt_write(buffer, answer, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* The same where the length has to be exactly right; *returned is then left alone. */
static inline NTSTATUS ex_answer_exact(void *buffer, ULONG room, ULONG *returned, const void *answer, ULONG size)
{
    return room == size ? ex_answer(buffer, room, returned, answer, size) : STATUS_INFO_LENGTH_MISMATCH;
}

/* The most common check of a setting: its exact length, then its value. */
static inline NTSTATUS ex_setting(void *value, const void *guest, ULONG length, ULONG size)
{
    if (length != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    return nt_read(value, guest, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- time: 100 ns ---- */

enum { EX_TICKS_PER_SECOND = 10000000, EX_TICK_DEFAULT = 156250, EX_TICK_FINEST = 5000 };
uint64_t ex_monotonic(void);         /* since the machine's start: the clock of performance counter and tick count */
uint64_t ex_time_of(int64_t seconds, int64_t nanoseconds); /* since 1970 -> since 1601 */
void ex_features_fill(UCHAR *feature);
void ex_shared_tick_set(uint32_t interval); /* how often the shared page is renewed */
uint32_t ex_shared_tick(void);
void ex_shared_zone_set(LONG bias, ULONG id);

/* ---- machine ---- */

ULONG_PTR ex_affinity(void);
struct ex_memory { uint64_t total, free, cached; }; /* bytes */
void ex_memory_get(struct ex_memory *memory);
uint64_t ex_memory_total(void);
bool ex_processor_feature(unsigned index); /* PF_* */

/* The whole of a small file of /proc or /sys, NUL-terminated; false: not there. */
bool ex_file_read(const char *path, char *text, size_t room);

/* This process's resource use. */
struct ex_usage { uint64_t user, kernel, resident, resident_peak, virtual_size, faults, committed; };
/* Another process of the session's; zeros where it is gone. */
struct nt_process_object;
void ex_usage_of(const struct nt_process_object *process, struct ex_usage *usage);
/* Unix path of its EXE, "": unknown. */
const char *ex_process_path(const struct nt_process_object *process);
void ex_usage_get(struct ex_usage *usage);

/* Threads of this process as SYSTEM_PROCESS_INFORMATION lists them; see ex/process_list.c. */
NTSTATUS ex_process_list(void *buffer, ULONG room, ULONG *returned, bool extended);
NTSTATUS ex_handle_list(void *buffer, ULONG room, ULONG *returned, bool extended);
uint32_t ex_handle_count(uint32_t process_object);

/* Processors, in three forms (ex/topology.c). */
NTSTATUS ex_processor_map(void *buffer, ULONG length, ULONG *returned);
NTSTATUS ex_processor_map_long(ULONG relation, void *buffer, ULONG length, ULONG *returned);
NTSTATUS ex_processor_sets(void *buffer, ULONG length, ULONG *returned);

/* ---- the two processes a handle can mean so far: this one or another of the session ---- */
struct nt_process_object;
NTSTATUS ex_process_get(HANDLE handle, ACCESS_MASK access, struct nt_process_object **process);

/* ---- SIDs and tokens (ex_token*.c) ---- */

struct ex_sid { UCHAR revision, count, authority[6]; ULONG sub[8]; };
static inline ULONG ex_sid_size(const struct ex_sid *sid) { return 8u + 4u * sid->count; }
extern const struct ex_sid ex_sid_user, ex_sid_administrators;
struct ex_group { const struct ex_sid *sid; ULONG attributes; };
enum { EX_GROUP_COUNT = 9, EX_PRIVILEGE_LIMIT = 37 };
extern const struct ex_group ex_groups[EX_GROUP_COUNT];

/* A token object; lies in the arena. */
struct ex_token {
    struct nt_object head;
    uint32_t primary;                /* 0: impersonation, at `level` */
    uint32_t level;
    uint32_t session;
    uint32_t elevation_pad;
    uint64_t id, modified;           /* LUIDs */
    uint64_t present, enabled;       /* privileges, one bit each by their LUID */
    uint32_t default_owner;          /* 0: the user, else index of a group + 1 */
    uint32_t default_group;
    nt_ref dacl;                     /* default DACL, dacl_size bytes; 0: none */
    uint32_t dacl_size;
};
struct ex_token *ex_token_of_thread(struct nt_thread_object *thread); /* referenced; NULL: it has none of its own */
/* Knows the pseudo-handles -4 (process), -5 (thread) and -6 (effective). The caller releases. */
NTSTATUS ex_token_get(HANDLE handle, ACCESS_MASK access, struct ex_token **token);
NTSTATUS ex_token_of_process(struct ex_token **token); /* referenced */
uint64_t ex_luid_new(void);
uint64_t ex_privileges_default(uint64_t *enabled);

/* ---- services ---- */

NTSTATUS NtQuerySystemTime(LARGE_INTEGER *time);
NTSTATUS NtSetSystemTime(const LARGE_INTEGER *time, LARGE_INTEGER *previous);
NTSTATUS NtQueryPerformanceCounter(LARGE_INTEGER *counter, LARGE_INTEGER *frequency);
ULONG NtGetTickCount(void);
NTSTATUS NtQueryTimerResolution(ULONG *coarsest, ULONG *finest, ULONG *current);
NTSTATUS NtSetTimerResolution(ULONG wanted, BOOLEAN set, ULONG *current);

NTSTATUS NtGetNlsSectionPtr(ULONG type, ULONG id, void *context, void **base, SIZE_T *size);
NTSTATUS NtInitializeNlsFiles(void **base, ULONG *lcid, LARGE_INTEGER *size);
NTSTATUS NtQueryDefaultLocale(BOOLEAN user, ULONG *lcid);
NTSTATUS NtSetDefaultLocale(BOOLEAN user, ULONG lcid);
NTSTATUS NtQueryDefaultUILanguage(USHORT *language);
NTSTATUS NtSetDefaultUILanguage(USHORT language);
NTSTATUS NtQueryInstallUILanguage(USHORT *language);

NTSTATUS NtQuerySystemInformation(ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtQuerySystemInformationEx(ULONG information_class, const void *query, ULONG query_length, void *buffer, ULONG length,
                                    ULONG *returned);
NTSTATUS NtSetSystemInformation(ULONG information_class, void *buffer, ULONG length);

NTSTATUS NtQueryInformationProcess(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtSetInformationProcess(HANDLE handle, ULONG information_class, const void *buffer, ULONG length);

NTSTATUS NtOpenProcessToken(HANDLE process, ACCESS_MASK access, HANDLE *token);
NTSTATUS NtOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, ULONG attributes, HANDLE *token);
NTSTATUS NtOpenThreadToken(HANDLE thread, ACCESS_MASK access, BOOLEAN self, HANDLE *token);
NTSTATUS NtOpenThreadTokenEx(HANDLE thread, ACCESS_MASK access, BOOLEAN self, ULONG attributes, HANDLE *token);
NTSTATUS NtDuplicateToken(HANDLE token, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, BOOLEAN effective, ULONG type,
                          HANDLE *duplicate);
NTSTATUS NtFilterToken(HANDLE token, ULONG flags, const void *disable, const void *remove, const void *restrict_to, HANDLE *filtered);
NTSTATUS NtQueryInformationToken(HANDLE token, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtSetInformationToken(HANDLE token, ULONG information_class, const void *buffer, ULONG length);
NTSTATUS NtAdjustPrivilegesToken(HANDLE token, BOOLEAN disable, const void *wanted, ULONG length, void *previous, ULONG *returned);
NTSTATUS NtAdjustGroupsToken(HANDLE token, BOOLEAN reset, const void *wanted, ULONG length, void *previous, ULONG *returned);
NTSTATUS NtPrivilegeCheck(HANDLE token, void *set, BOOLEAN *held);
NTSTATUS NtAccessCheck(const void *descriptor, HANDLE token, ACCESS_MASK wanted, const void *mapping, void *privileges,
                       ULONG *privileges_length, ULONG *granted, NTSTATUS *access_status);
NTSTATUS NtImpersonateAnonymousToken(HANDLE thread);

NTSTATUS NtAddAtom(const WCHAR *name, ULONG length, USHORT *atom);
NTSTATUS NtFindAtom(const WCHAR *name, ULONG length, USHORT *atom);
NTSTATUS NtDeleteAtom(USHORT atom);
NTSTATUS NtQueryInformationAtom(USHORT atom, ULONG information_class, void *buffer, ULONG length, ULONG *returned);

/* One that only tests have made has none. */
static inline uint32_t ex_priority_class(const struct nt_process_object *process)
{
    return process->priority_class ? process->priority_class : NT_PRIORITY_NORMAL;
}

#endif
