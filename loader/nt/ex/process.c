/* What a process tells about itself, and what it may set. Another process of the session answers what its object
 * holds; the rest is asked of the process that it is about. */
#include "loader/nt/ex/private.h"
#include "loader/nt/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/personality.h>
#include <unistd.h>

struct nt_image_facts nt_main_image;

enum { MACHINE_I386 = 0x14c, PROCESS_QUERY_LIMITED = 0x1000, PROCESS_SET_INFORMATION = 0x200 };

/* What NtSetInformationProcess stores and NtQueryInformationProcess gives back. */
static struct settings {
    ULONG error_mode, execute_flags, break_on_termination, debug_flags, io_priority, page_priority;
    UCHAR foreground;
    BOOLEAN priority_boost_off;
    ULONG cookie;
} own = {.execute_flags = NT_WIDTH(1, 0x4d), .debug_flags = 1, .io_priority = 2, .page_priority = 5};

/* Linux has had the same need: programs from before there was an execute bit. */
void nt_ex_data_executes(void)
{
    int now = personality(0xffffffff);
    if (now >= 0 && personality((unsigned)now | READ_IMPLIES_EXEC) >= 0)
        own.execute_flags = 2; /* MEM_EXECUTE_OPTION_ENABLE */
}

static bool is_own(const struct nt_process_object *process)
{
    return process == nt_at(nt_process.object);
}

NTSTATUS ex_process_get(HANDLE handle, ACCESS_MASK access, struct nt_process_object **process)
{
    struct nt_object *object;
    NTSTATUS status = nt_handle_object(handle, NT_PROCESS, access, &object, NULL, NULL);
    if (!status)
        *process = (struct nt_process_object *)object;
    return status;
}

/* Where Windows has the base priority (8 for a normal process) Wine 8.0's kernelbase!GetPriorityClass expects the
 * priority class, PROCESS_PRIORITY_CLASS's number: it is what most programs see of this field. */
static NTSTATUS basic(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    struct { NTSTATUS exit_status; void *peb; ULONG_PTR affinity; LONG priority; ULONG_PTR id, parent; } information = {
        process->exit_status, (void *)(uintptr_t)process->peb, ex_affinity(), (LONG)ex_priority_class(process), process->id, process->parent_id};
    _Static_assert(sizeof information == NT_WIDTH(0x18, 0x30), "PROCESS_BASIC_INFORMATION");
    if (!information.peb && is_own(process))
        information.peb = nt_process.peb;
    return ex_answer_exact(buffer, length, returned, &information, sizeof information);
}

/* VM_COUNTERS, or the longer VM_COUNTERS_EX(2) with the private use. */
static NTSTATUS memory_counters(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    struct ex_usage usage;
    struct { SIZE_T peak_virtual, virtual_size; ULONG faults; SIZE_T peak_working, working, peak_paged, paged, peak_nonpaged, nonpaged,
                 pagefile, peak_pagefile, private_use; } counters = {0};
    enum { SHORT = NT_WIDTH(0x2c, 0x58) };
    _Static_assert(offsetof(__typeof__(counters), private_use) == SHORT, "VM_COUNTERS");
    if (length != SHORT && length != sizeof counters)
        return STATUS_INFO_LENGTH_MISMATCH;
    ex_usage_of(process, &usage);
    counters.peak_virtual = counters.virtual_size = (SIZE_T)usage.virtual_size;
    counters.faults = (ULONG)usage.faults;
    counters.peak_working = (SIZE_T)usage.resident_peak;
    counters.working = (SIZE_T)usage.resident;
    counters.pagefile = counters.peak_pagefile = counters.private_use = (SIZE_T)usage.committed;
    return ex_answer(buffer, length, returned, &counters, length);
}

static NTSTATUS times(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    struct ex_usage usage;
    ex_usage_of(process, &usage);
    struct { LONGLONG created, ended, kernel, user; } information = {
        (LONGLONG)process->created, (LONGLONG)process->ended, (LONGLONG)usage.kernel, (LONGLONG)usage.user};
    return ex_answer_exact(buffer, length, returned, &information, sizeof information);
}

static NTSTATUS io_counters(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    ULONGLONG counters[6] = {0}; /* operations read, write, other; bytes read, write, other */
    char text[512], path[64];
    static const struct { const char *name; unsigned index; } fields[] = {{"syscr: ", 0}, {"syscw: ", 1}, {"rchar: ", 3}, {"wchar: ", 4}};
    if (length != sizeof counters)
        return STATUS_INFO_LENGTH_MISMATCH;
    snprintf(path, sizeof path, "/proc/%u/io", is_own(process) ? (unsigned)getpid() : process->host_pid);
    if (process->life != NT_PROCESS_ENDED && ex_file_read(path, text, sizeof text))
        for (unsigned i = 0; i < 4; i++) {
            const char *at = strstr(text, fields[i].name);
            if (at)
                counters[fields[i].index] = strtoull(at + 7, NULL, 10);
        }
    return ex_answer(buffer, length, returned, counters, sizeof counters);
}

/* UNICODE_STRING with its text behind it. The length told is exact, the buffer may be longer. */
static NTSTATUS answer_string(void *buffer, ULONG length, ULONG *returned, const WCHAR *text, unsigned units)
{
    ULONG size = (ULONG)(sizeof(UNICODE_STRING) + (units + 1) * sizeof(WCHAR));
    WCHAR *behind = (WCHAR *)((uintptr_t)buffer + sizeof(UNICODE_STRING));
    UNICODE_STRING string = {(USHORT)(units * 2), (USHORT)(units * 2 + 2), behind};
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (length < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!nt_write(buffer, &string, sizeof string) || !nt_write(behind, text, (units + 1) * sizeof(WCHAR)))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* "C:\x" or, as a device path, "\Device\HarddiskVolume1\x": the volume's number is the drive's place in the alphabet. */
static NTSTATUS image_name(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned, bool device)
{
    static const char volume[] = "\\Device\\HarddiskVolume";
    WCHAR dos[4096 + 32], text[4096 + 64];
    unsigned units = nt_path_to_dos(ex_process_path(process), dos, 4096), at = 0;
    if (!units)
        return STATUS_OBJECT_PATH_INVALID;
    if (device && dos[1] == ':') {
        unsigned number = (unsigned)(dos[0] & ~0x20) - 'A' + 1;
        for (; volume[at]; at++)
            text[at] = (WCHAR)volume[at];
        if (number >= 10)
            text[at++] = (WCHAR)('0' + number / 10);
        text[at++] = (WCHAR)('0' + number % 10);
        memcpy(text + at, dos + 2, (units - 2) * sizeof(WCHAR));
        at += units - 2;
    } else {
        memcpy(text, dos, units * sizeof(WCHAR));
        at = units;
    }
    text[at] = 0;
    return answer_string(buffer, length, returned, text, at);
}

/* Another process's lies in what it was told at birth; a first process's is its own to tell. */
static NTSTATUS command_line(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    const struct nt_birth *birth = nt_at(process->birth);
    if (!is_own(process)) {
        static const WCHAR none;
        const WCHAR *told = birth ? (const WCHAR *)((const char *)birth + birth->command_line.at) : &none;
        return answer_string(buffer, length, returned, told, birth ? birth->command_line.length / 2 : 0);
    }
    struct nt_peb *peb = nt_process.peb;
    struct nt_parameters *parameters;
    UNICODE_STRING line;
    WCHAR *text;
    if (!peb || !nt_read(&parameters, &peb->parameters, sizeof parameters) || !nt_read(&line, &parameters->command_line, sizeof line))
        return STATUS_ACCESS_VIOLATION;
    text = malloc(line.length + sizeof(WCHAR));
    if (!text)
        return STATUS_NO_MEMORY;
    NTSTATUS status = nt_read(text, line.buffer, line.length) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
    text[line.length / 2] = 0;
    if (!status)
        status = answer_string(buffer, length, returned, text, line.length / 2u);
    free(text);
    return status;
}

static NTSTATUS image_facts(const struct nt_process_object *process, void *buffer, ULONG length, ULONG *returned)
{
    struct nt_image_facts facts = nt_main_image;
    NTSTATUS status = is_own(process) ? STATUS_SUCCESS : nt_config.image_open(ex_process_path(process), &facts);
    return status ? status : ex_answer_exact(buffer, length, returned, &facts, sizeof facts);
}

static ULONG cookie(void)
{
    ULONG fresh = 0;
    if (!__atomic_load_n(&own.cookie, __ATOMIC_RELAXED)) {
        ULONG none = 0;
        if (getrandom(&fresh, sizeof fresh, 0) != sizeof fresh || !fresh)
            fresh = (ULONG)nt_time_now() | 1;
        __atomic_compare_exchange_n(&own.cookie, &none, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return own.cookie;
}

/* One row per class whose answer is a single number; `exact`: the length has to be this one. */
static NTSTATUS number_of(const struct nt_process_object *process, ULONG class, ULONG_PTR *number, ULONG *size)
{
    *size = sizeof(ULONG);
    switch (class) {
    case 7: *size = sizeof(ULONG_PTR); *number = 0; break;  /* debug port */
    case 12: *number = own.error_mode; break;
    case 18: *size = 2; *number = (ULONG_PTR)own.foreground | (ULONG_PTR)ex_priority_class(process) << 8; break;
    case 20: *number = ex_handle_count(nt_ref_of(process)); break;
    case 21: *size = sizeof(ULONG_PTR); *number = ex_affinity(); break;
    case 22: *number = own.priority_boost_off; break;
    case 24: *number = 1; break;                            /* session */
    /* Where the PEB of a 32-bit process on a 64-bit system is. To a 32-bit one the system is as wide as it is itself. */
    case 26: *size = sizeof(ULONG_PTR); *number = NT_WIDTH(0, process->machine == 0x14c ? (ULONG_PTR)process->peb : 0); break;
    case 29: *number = own.break_on_termination; break;
    case 31: *number = own.debug_flags; break;              /* 1: children are not debugged */
    case 33: *number = own.io_priority; break;
    case 34: *number = own.execute_flags; break;
    case 36: *number = cookie(); break;
    case 39: *number = own.page_priority; break;
    default: return STATUS_INVALID_INFO_CLASS;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS information_of(const struct nt_process_object *process, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    ULONG_PTR number;
    ULONG size;
    static const UCHAR none[0x38 * 4];
    switch (class) {
    case 0:
        if (length == NT_WIDTH(0x20, 0x40)) { /* PROCESS_EXTENDED_BASIC_INFORMATION: size, the same, flags */
            SIZE_T head = length;
            ULONG flags = 0;
            NTSTATUS status = basic(process, (char *)buffer + sizeof head, NT_WIDTH(0x18, 0x30), NULL);
            if (!status && (!NT_PUT((SIZE_T *)buffer, head) || !nt_write((char *)buffer + length - sizeof head, &flags, sizeof flags) ||
                            (returned && !NT_PUT(returned, length))))
                status = STATUS_ACCESS_VIOLATION;
            return status;
        }
        return basic(process, buffer, length, returned);
    case 1: /* quota limits: none to speak of */
        if (length != NT_WIDTH(0x20, 0x30))
            return STATUS_INFO_LENGTH_MISMATCH;
        return ex_answer(buffer, length, returned, none, length);
    case 2: return io_counters(process, buffer, length, returned);
    case 3: return memory_counters(process, buffer, length, returned);
    case 4: return times(process, buffer, length, returned);
    case 23: /* device map: drives A-Z and their types; C: and Z: are fixed */
        if (length != 36 && length != 40)
            return STATUS_INFO_LENGTH_MISMATCH;
        {
            struct { ULONG drives; UCHAR type[32]; ULONG flags; } map = {1u << 2 | 1u << 25, {[2] = 3, [25] = 3}, 0};
            return ex_answer(buffer, length, returned, &map, length);
        }
    case 27: return image_name(process, buffer, length, returned, true);
    case 30: /* debug object: none. The handle is cleared all the same. */
        if (length != sizeof(HANDLE))
            return STATUS_INFO_LENGTH_MISMATCH;
        return nt_write(buffer, none, sizeof(HANDLE)) ? STATUS_PORT_NOT_SET : STATUS_ACCESS_VIOLATION;
    case 37: return image_facts(process, buffer, length, returned);
    case 43: return image_name(process, buffer, length, returned, false);
    case 60: return command_line(process, buffer, length, returned);
    }
    NTSTATUS status = number_of(process, class, &number, &size);
    return status ? status : ex_answer_exact(buffer, length, returned, &number, size);
}

NTSTATUS NtQueryInformationProcess(HANDLE handle, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct nt_process_object *process;
    if (class == 36 && handle != NT_CURRENT_PROCESS) /* a cookie is for its own process only */
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = ex_process_get(handle, PROCESS_QUERY_LIMITED, &process);
    if (status)
        return status;
    status = information_of(process, class, buffer, length, returned);
    nt_object_release(&process->head);
    return status;
}

static NTSTATUS setting_apply(struct nt_process_object *process, struct settings *to, ULONG class, const void *buffer, ULONG length)
{
    ULONG number = 0;
    NTSTATUS status = STATUS_SUCCESS;
    switch (class) {
    case 12: case 22: case 29: case 31: case 33: case 34: case 39:
        status = ex_setting(&number, buffer, length, sizeof number);
        break;
    case 18: {
        UCHAR both[2];
        status = ex_setting(both, buffer, length, sizeof both);
        if (!status && (both[1] == 0 || both[1] > 6))
            status = STATUS_INVALID_PARAMETER;
        if (!status) {
            to->foreground = both[0];
            process->priority_class = both[1];
        }
        return status;
    }
    case 21: {
        ULONG_PTR affinity;
        status = ex_setting(&affinity, buffer, length, sizeof affinity);
        if (!status && (!affinity || affinity & ~ex_affinity()))
            status = STATUS_INVALID_PARAMETER;
        return status;
    }
    case 1: case 5: case 6: case 9: case 14: case 15: case 16: case 17: case 25: case 41: case 48: case 52: case 53: case 55: case 65:
    case 77: case 80: case 88:
        return STATUS_SUCCESS; /* quotas, priorities, mitigation: hints that nothing here depends on */
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
    if (status)
        return status;
    switch (class) {
    case 12: to->error_mode = number; break;
    case 22: to->priority_boost_off = number != 0; break;
    case 29: to->break_on_termination = number != 0; break;
    case 31:
        if (number & ~1u)
            return STATUS_INVALID_PARAMETER;
        to->debug_flags = number;
        break;
    case 33: to->io_priority = number; break;
    case 34:
        if (to->execute_flags & 8) /* permanent */
            return STATUS_ACCESS_DENIED;
        to->execute_flags = number;
        break;
    case 39: to->page_priority = number; break;
    }
    return STATUS_SUCCESS;
}

NTSTATUS NtSetInformationProcess(HANDLE handle, ULONG class, const void *buffer, ULONG length)
{
    struct nt_process_object *process;
    NTSTATUS status = ex_process_get(handle, PROCESS_SET_INFORMATION, &process);
    if (status)
        return status;
    /* Another process's other settings are hints that nothing depends on: looked at, not kept. */
    struct settings scratch = own;
    status = setting_apply(process, is_own(process) ? &own : &scratch, class, buffer, length);
    nt_object_release(&process->head);
    return status;
}
