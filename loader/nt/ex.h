/* Ex: what is asked of the machine rather than of an object: time, system information, NLS tables, locale; and tokens,
 * atoms, what a process tells about itself. */
#ifndef NT_EX_H
#define NT_EX_H

#include "loader/nt/nt.h"

/* Shows KUSER_SHARED_DATA at 0x7ffe0000, read-only for the guest, and lets its clocks tick. On x64 the next page holds
 * the pointer through which ntdll's stubs call (nt_process.dispatcher_entry, set before). Needs nt_mm_open.
 * False: the world refused. */
bool nt_ex_user_shared_data_open(void);

/* What NtQueryInformationProcess(ProcessImageInformation) tells; the lane fills it. */
extern struct nt_image_facts nt_main_image;

/* Processors that this process may use. */
unsigned ex_processor_count(void);

/* From now on what may be read may be executed, as Windows has it for 32-bit programs that do not say NX_COMPAT. Pages
 * that are there already stay as they are. */
void nt_ex_data_executes(void);

/* "S-1-5-21-..." of whoever the guest runs as: the name of HKEY_CURRENT_USER under \Registry\User. */
extern const char nt_ex_user_sid_text[];

/* A thread takes on a token (0: lays it down): what NtSetInformationThread(ThreadImpersonationToken) does.
 * STATUS_BAD_TOKEN_TYPE: a primary one. */
struct nt_thread_object;
NTSTATUS nt_ex_impersonate(struct nt_thread_object *thread, HANDLE token);

/* LCIDs and UI languages from the environment (LC_ALL, LC_CTYPE, LC_MESSAGES, LANG). */
uint32_t nt_ex_system_lcid(void);
uint32_t nt_ex_user_lcid(void);

/* The machine's time zone as RTL_DYNAMIC_TIME_ZONE_INFORMATION says it. */
struct nt_system_time { USHORT year, month, weekday, day, hour, minute, second, milliseconds; };
struct nt_zone {
    LONG bias;                     /* minutes: UTC = local + bias */
    WCHAR standard_name[32];
    struct nt_system_time standard_date; /* year 0: the day-th weekday of the month, 5 = the last */
    LONG standard_bias;
    WCHAR daylight_name[32];
    struct nt_system_time daylight_date;
    LONG daylight_bias;
    WCHAR key[128];                /* under ...\CurrentVersion\Time Zones */
    BOOLEAN no_daylight;
};
_Static_assert(sizeof(struct nt_zone) == 432, "RTL_DYNAMIC_TIME_ZONE_INFORMATION");
enum { NT_ZONE_STATIC = 172 };     /* bytes of RTL_TIME_ZONE_INFORMATION, which it begins with */
const struct nt_zone *nt_ex_zone(void);
/* The bias that holds now, minutes, and TIME_ZONE_ID_*: 0 unknown, 1 standard, 2 daylight. */
void nt_ex_zone_now(LONG *bias, ULONG *id);

#endif
