/* The table of this area, and the services that are one answer each. */
#define _GNU_SOURCE
#include "loader/nt/ex/private.h"
#include "loader/nt/io.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static NTSTATUS NtAllocateLocallyUniqueId(uint64_t *guest)
{
    uint64_t luid = ex_luid_new();
    return NT_PUT(guest, luid) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Time, range and sequence of version-1 UUIDs, and six bytes in place of a network address: random, with the bit set
 * that no real address has. */
static NTSTATUS NtAllocateUuids(uint64_t *guest_time, ULONG *guest_range, ULONG *guest_sequence, UCHAR *guest_seed)
{
    static uint64_t last;
    static struct { ULONG sequence; UCHAR seed[6]; bool made; } node;
    enum { RANGE = 10000 };
    nt_lock();
    if (!node.made) {
        if (getrandom(&node, sizeof node, 0) != sizeof node)
            node.sequence = (ULONG)getpid();
        node.seed[0] |= 1;
        node.made = true;
    }
    uint64_t time = nt_time_now();
    last = time > last + RANGE ? time : last + RANGE;
    time = last;
    nt_unlock();
    ULONG range = RANGE, sequence = node.sequence & 0x3fff;
    if (!NT_PUT(guest_time, time) || !NT_PUT(guest_range, range) || !NT_PUT(guest_sequence, sequence) ||
        (guest_seed && !nt_write(guest_seed, node.seed, sizeof node.seed)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* No desktop to ask on: "not handled" lets the caller decide. */
static NTSTATUS NtRaiseHardError(NTSTATUS error, ULONG count, ULONG strings, const ULONG_PTR *parameters, ULONG options,
                                 ULONG *response)
{
    ULONG not_handled = 1;
    (void)error, (void)strings, (void)parameters;
    if (count > 4 || options > 9)
        return STATUS_INVALID_PARAMETER;
    return NT_PUT(response, not_handled) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static void error_write(const char *text, size_t length)
{
    while (length) {
        ssize_t written = write(STDERR_FILENO, text, length);
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

static NTSTATUS NtDisplayString(const UNICODE_STRING *guest)
{
    struct nt_string string;
    NTSTATUS status = nt_string_capture(guest, &string);
    if (status)
        return status;
    char *text = malloc(string.length * 3 + 1);
    if (text)
        error_write(text, nt_utf8_from_utf16(string.text, string.length, text, string.length * 3 + 1));
    free(text);
    free(string.text);
    return STATUS_SUCCESS;
}

static ULONG execution_state;

static NTSTATUS NtSetThreadExecutionState(ULONG state, ULONG *guest_old)
{
    ULONG old = __atomic_load_n(&execution_state, __ATOMIC_RELAXED) | 0x80000000;
    if (!NT_PUT(guest_old, old))
        return STATUS_ACCESS_VIOLATION;
    if (!(state & 0x80000000)) /* once: not until further notice */
        return STATUS_SUCCESS;
    __atomic_store_n(&execution_state, state & 0x7fffffff, __ATOMIC_RELAXED);
    return STATUS_SUCCESS;
}

static NTSTATUS power_answer(void *buffer, ULONG room, const void *answer, ULONG size)
{
    if (!buffer)
        return STATUS_INVALID_PARAMETER;
    if (room < size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, answer, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* A machine on mains, without buttons and sleep. */
static NTSTATUS NtPowerInformation(ULONG level, const void *input, ULONG input_length, void *buffer, ULONG room)
{
    enum { PROCESSOR_LIMIT = 64 };
    static const UCHAR capabilities[76], battery[32] = {1};
    struct { ULONG number, maximum, current, limit, idle_maximum, idle; } processors[PROCESSOR_LIMIT] = {0};
    (void)input, (void)input_length;
    switch (level) {
    case 4: return power_answer(buffer, room, capabilities, sizeof capabilities);
    case 5: return power_answer(buffer, room, battery, sizeof battery);
    case 11: {
        unsigned count = ex_processor_count() < PROCESSOR_LIMIT ? ex_processor_count() : PROCESSOR_LIMIT;
        for (unsigned i = 0; i < count; i++)
            processors[i].number = i, processors[i].maximum = processors[i].current = processors[i].limit = 2000;
        return power_answer(buffer, room, processors, count * (ULONG)sizeof *processors);
    }
    case 16: return power_answer(buffer, room, &execution_state, sizeof execution_state);
    }
    return STATUS_NOT_IMPLEMENTED;
}

static ULONG NtGetCurrentProcessorNumber(void)
{
    int processor = sched_getcpu();
    return processor < 0 ? 0 : (ULONG)processor;
}

static NTSTATUS NtGetCurrentProcessorNumberEx(void *guest)
{
    struct { USHORT group; UCHAR number, reserved; } processor = {0, (UCHAR)NtGetCurrentProcessorNumber(), 0};
    return NT_PUT((__typeof__(processor) *)guest, processor) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- what only the system may do, or what there is nothing of here ---- */

static NTSTATUS NtShutdownSystem(ULONG action) { (void)action; return STATUS_PRIVILEGE_NOT_HELD; }
static NTSTATUS NtInitiatePowerAction(ULONG action, ULONG state, ULONG flags, BOOLEAN later)
{
    (void)action, (void)state, (void)flags, (void)later;
    return STATUS_PRIVILEGE_NOT_HELD;
}
static NTSTATUS NtLoadDriver(const UNICODE_STRING *name) { (void)name; return STATUS_PRIVILEGE_NOT_HELD; }
static NTSTATUS NtUnloadDriver(const UNICODE_STRING *name) { (void)name; return STATUS_PRIVILEGE_NOT_HELD; }
static NTSTATUS NtCreatePagingFile(const UNICODE_STRING *name, const void *least, const void *most, const void *actual)
{
    (void)name, (void)least, (void)most, (void)actual;
    return STATUS_PRIVILEGE_NOT_HELD;
}
static NTSTATUS NtSystemDebugControl(ULONG command, const void *in, ULONG in_length, void *out, ULONG room, ULONG *returned)
{
    (void)command, (void)in, (void)in_length, (void)out, (void)room, (void)returned;
    return STATUS_DEBUGGER_INACTIVE;
}
/* Nobody listens to events: registering and writing them succeeds without effect. */
static NTSTATUS NtTraceControl(ULONG code, const void *in, ULONG in_length, void *out, ULONG room, ULONG *returned)
{
    ULONG none = 0;
    (void)code, (void)in, (void)in_length, (void)out, (void)room;
    return !returned || NT_PUT(returned, none) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
static NTSTATUS NtTraceEvent(HANDLE handle, ULONG flags, ULONG size, const void *fields)
{
    (void)handle, (void)flags, (void)size, (void)fields;
    return STATUS_SUCCESS;
}
/* No firmware variables, as on a machine without UEFI. */
static NTSTATUS NtQuerySystemEnvironmentValue(const void *name, WCHAR *buffer, ULONG room, ULONG *returned)
{
    (void)name, (void)buffer, (void)room, (void)returned;
    return STATUS_NOT_IMPLEMENTED;
}
static NTSTATUS NtQuerySystemEnvironmentValueEx(const void *name, const void *vendor, void *buffer, ULONG *room, ULONG *attributes)
{
    (void)name, (void)vendor, (void)buffer, (void)room, (void)attributes;
    return STATUS_NOT_IMPLEMENTED;
}
static NTSTATUS NtSetIntervalProfile(ULONG interval, ULONG source) { (void)interval, (void)source; return STATUS_SUCCESS; }
static NTSTATUS NtSetDebugFilterState(ULONG component, ULONG level, BOOLEAN state)
{
    (void)component, (void)level, (void)state;
    return STATUS_SUCCESS;
}
static NTSTATUS NtCreateLowBoxToken(HANDLE *handle)
{
    HANDLE none = 0;
    return NT_PUT(handle, none) ? STATUS_NOT_SUPPORTED : STATUS_ACCESS_VIOLATION;
}

/* ---- Wine's own, which its ntdll reaches by the same road ------------------------------------------------ */

/* Debug text for stderr; how much was written. */
static NTSTATUS __wine_dbg_write(const char *guest, ULONG length)
{
    char text[1024];
    ULONG written = 0;
    while (written < length) {
        ULONG part = length - written < sizeof text ? length - written : (ULONG)sizeof text;
        if (!nt_read(text, guest + written, part))
            break;
        error_write(text, part);
        written += part;
    }
    return written;
}

/* There is no server, and host programs are not started from inside. */
static NTSTATUS wine_server_call(void *request) { (void)request; return STATUS_NOT_SUPPORTED; }
static NTSTATUS wine_server_fd_to_handle(int fd, ULONG access, ULONG attributes, HANDLE *handle)
{
    (void)fd, (void)access, (void)attributes, (void)handle;
    return STATUS_NOT_SUPPORTED;
}
static NTSTATUS wine_server_handle_to_fd(HANDLE handle, ULONG access, int *fd, ULONG *options)
{
    (void)handle, (void)access, (void)fd, (void)options;
    return STATUS_NOT_SUPPORTED;
}
static NTSTATUS __wine_unix_spawnvp(char *const *arguments, int wait)
{
    (void)arguments, (void)wait;
    return STATUS_NOT_SUPPORTED;
}

const struct nt_service nt_services_ex[] = {
    NT_SERVICE(NtQuerySystemTime, 1),
    NT_SERVICE(NtSetSystemTime, 2),
    NT_SERVICE(NtQueryPerformanceCounter, 2),
    NT_SERVICE(NtGetTickCount, 0),
    NT_SERVICE(NtQueryTimerResolution, 3),
    NT_SERVICE(NtSetTimerResolution, 3),
    NT_SERVICE(NtGetNlsSectionPtr, 5),
    NT_SERVICE(NtInitializeNlsFiles, 3),
    NT_SERVICE(NtQueryDefaultLocale, 2),
    NT_SERVICE(NtSetDefaultLocale, 2),
    NT_SERVICE(NtQueryDefaultUILanguage, 1),
    NT_SERVICE(NtSetDefaultUILanguage, 1),
    NT_SERVICE(NtQueryInstallUILanguage, 1),
    NT_SERVICE(NtQuerySystemInformation, 4),
    {"RtlGetNativeSystemInformation", 4, (void (*)(void))NtQuerySystemInformation}, /* a stub of its own, the same number */
    NT_SERVICE(NtQuerySystemInformationEx, 6),
    NT_SERVICE(NtSetSystemInformation, 3),
    NT_SERVICE(NtQueryInformationProcess, 5),
    NT_SERVICE(NtSetInformationProcess, 4),
    NT_SERVICE(NtOpenProcessToken, 3),
    NT_SERVICE(NtOpenProcessTokenEx, 4),
    NT_SERVICE(NtOpenThreadToken, 4),
    NT_SERVICE(NtOpenThreadTokenEx, 5),
    NT_SERVICE(NtDuplicateToken, 6),
    NT_SERVICE(NtFilterToken, 6),
    NT_SERVICE(NtCreateLowBoxToken, 9),
    NT_SERVICE(NtQueryInformationToken, 5),
    NT_SERVICE(NtSetInformationToken, 4),
    NT_SERVICE(NtAdjustPrivilegesToken, 6),
    NT_SERVICE(NtAdjustGroupsToken, 6),
    NT_SERVICE(NtPrivilegeCheck, 3),
    NT_SERVICE(NtAccessCheck, 8),
    NT_SERVICE(NtImpersonateAnonymousToken, 1),
    NT_SERVICE(NtAddAtom, 3),
    NT_SERVICE(NtFindAtom, 3),
    NT_SERVICE(NtDeleteAtom, 1),
    NT_SERVICE(NtQueryInformationAtom, 5),
    NT_SERVICE(NtAllocateLocallyUniqueId, 1),
    NT_SERVICE(NtAllocateUuids, 4),
    NT_SERVICE(NtRaiseHardError, 6),
    NT_SERVICE(NtDisplayString, 1),
    NT_SERVICE(NtSetThreadExecutionState, 2),
    NT_SERVICE(NtPowerInformation, 5),
    NT_SERVICE(NtGetCurrentProcessorNumber, 0),
    NT_SERVICE(NtGetCurrentProcessorNumberEx, 1),
    NT_SERVICE(NtShutdownSystem, 1),
    NT_SERVICE(NtInitiatePowerAction, 4),
    NT_SERVICE(NtLoadDriver, 1),
    NT_SERVICE(NtUnloadDriver, 1),
    NT_SERVICE(NtCreatePagingFile, 4),
    NT_SERVICE(NtSystemDebugControl, 6),
    NT_SERVICE(NtTraceControl, 6),
    NT_SERVICE(NtTraceEvent, 4),
    NT_SERVICE(NtQuerySystemEnvironmentValue, 4),
    NT_SERVICE(NtQuerySystemEnvironmentValueEx, 5),
    NT_SERVICE(NtSetIntervalProfile, 2),
    NT_SERVICE(NtSetDebugFilterState, 3),
    NT_SERVICE(__wine_dbg_write, 2),
    NT_SERVICE(__wine_unix_spawnvp, 2),
    NT_SERVICE(wine_server_call, 1),
    NT_SERVICE(wine_server_fd_to_handle, 4),
    NT_SERVICE(wine_server_handle_to_fd, 4),
    {NULL, 0, NULL},
};
