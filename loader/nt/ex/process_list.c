/* The session's processes, threads and handles, as system information lists them: found through their IDs and handle
 * tables in the arena. */
#include "loader/nt/ex/private.h"
#include "loader/nt/io.h"
#include "loader/nt/ob/arena.h"

#include <stdlib.h>
#include <string.h>

struct thread_information {
    LONGLONG kernel, user, created;
    ULONG wait_time;
    void *start;
    CLIENT_ID client;
    LONG priority, base_priority;
    ULONG switches, state, reason;
    ULONG pad;
};
_Static_assert(sizeof(struct thread_information) == NT_WIDTH(0x40, 0x50), "SYSTEM_THREAD_INFORMATION");

struct process_information {
    ULONG next, threads;
    LONGLONG private_working_set;
    ULONG hard_faults, threads_peak;
    LONGLONG cycles, created, user, kernel;
    UNICODE_STRING name;
    LONG base_priority;
    HANDLE id, parent;
    ULONG handles, session;
    ULONG_PTR key;
    SIZE_T peak_virtual, virtual_size;
    ULONG faults;
    SIZE_T peak_working, working, peak_paged, paged, peak_nonpaged, nonpaged, pagefile, peak_pagefile, private_pages;
    LONGLONG io[6];
};
_Static_assert(sizeof(struct process_information) == NT_WIDTH(0xb8, 0x100), "SYSTEM_PROCESS_INFORMATION");

/* SYSTEM_EXTENDED_THREAD_INFORMATION has eight words more. */
enum { THREAD_EXTENSION = 8 * sizeof(void *), STATE_WAITING = 5, REASON_USER_REQUEST = 6 };

uint32_t ex_handle_count(uint32_t process_object)
{
    uint32_t count = 0;
    nt_lock();
    const struct nt_process_object *process = nt_at(process_object);
    if (process && process->handle_table)
        count = ((const struct ob_handle_table *)nt_at(process->handle_table))->count;
    nt_unlock();
    return count;
}

static uint32_t id_end(void)
{
    nt_lock();
    uint32_t end = ob_arena->id_next;
    nt_unlock();
    return end;
}

/* A growing answer; addresses in it are those of the guest's buffer. */
struct listing { uint8_t *bytes; size_t size, room; bool failed; };

static void *listing_add(struct listing *listing, size_t size)
{
    if (listing->size + size > listing->room) {
        size_t room = (listing->size + size) * 2;
        uint8_t *bytes = realloc(listing->bytes, room);
        if (!bytes) {
            listing->failed = true;
            return NULL;
        }
        listing->bytes = bytes;
        listing->room = room;
    }
    void *at = listing->bytes + listing->size;
    memset(at, 0, size);
    listing->size += size;
    return at;
}

static void figures_fill(struct process_information *information, const struct nt_process_object *process)
{
    struct ex_usage usage;
    ex_usage_of(process, &usage);
    information->user = (LONGLONG)usage.user;
    information->kernel = (LONGLONG)usage.kernel;
    information->working = (SIZE_T)usage.resident;
    information->peak_working = (SIZE_T)usage.resident_peak;
    information->virtual_size = information->peak_virtual = (SIZE_T)usage.virtual_size;
    information->pagefile = information->peak_pagefile = information->private_pages = (SIZE_T)usage.committed;
    information->faults = (ULONG)usage.faults;
}

static unsigned threads_list(struct listing *listing, uint32_t process, uint32_t end, bool extended)
{
    unsigned count = 0;
    for (uint32_t id = 1; id < end; id++) {
        struct nt_thread_object *thread = (struct nt_thread_object *)nt_id_object(id * 4, NT_THREAD);
        if (!thread)
            continue;
        if (thread->process_id == process && thread->head.signal <= 0) {
            struct thread_information *information =
                listing_add(listing, sizeof *information + (extended ? THREAD_EXTENSION : 0));
            if (information) {
                information->created = (LONGLONG)thread->created;
                information->start = (void *)(uintptr_t)thread->start_address;
                information->client = (CLIENT_ID){process, thread->id};
                information->priority = information->base_priority = 8;
                information->state = STATE_WAITING;
                information->reason = REASON_USER_REQUEST;
            }
            count++;
        }
        nt_object_release(&thread->head);
    }
    return count;
}

/* Of a thread of normal priority in a process of that class, as Scheduling Priorities documents. */
static LONG base_priority(const struct nt_process_object *process)
{
    static const uint8_t bases[] = {8, [NT_PRIORITY_IDLE] = 4, [NT_PRIORITY_NORMAL] = 8, [NT_PRIORITY_HIGH] = 13,
                                    [NT_PRIORITY_REALTIME] = 24, [NT_PRIORITY_BELOW] = 6, [NT_PRIORITY_ABOVE] = 10};
    return bases[ex_priority_class(process)];
}

static void process_add(struct listing *listing, struct nt_process_object *process, uint32_t end, bool extended, uintptr_t guest)
{
    size_t start = listing->size;
    WCHAR path[4096 + 1];
    const WCHAR *name = path;
    unsigned units = 0;
    if (!listing_add(listing, sizeof(struct process_information)))
        return;
    unsigned threads = threads_list(listing, process->id, end, extended);
    units = nt_path_to_dos(ex_process_path(process), path, 4096);
    for (unsigned i = units; i > 0; i--)
        if (path[i - 1] == '\\') {
            name = path + i;
            units -= i;
            break;
        }
    size_t text = listing->size, aligned = (units + 1) * sizeof(WCHAR);
    WCHAR *to = listing_add(listing, (aligned + 7) & ~(size_t)7);
    if (!to)
        return;
    memcpy(to, name, units * sizeof(WCHAR));
    struct process_information *information = (struct process_information *)(listing->bytes + start);
    information->next = (ULONG)(listing->size - start);
    information->threads = information->threads_peak = threads;
    information->created = (LONGLONG)process->created;
    information->name = (UNICODE_STRING){(USHORT)(units * 2), (USHORT)(units * 2 + 2), (WCHAR *)(guest + text)};
    information->base_priority = base_priority(process);
    information->id = process->id;
    information->parent = process->parent_id;
    information->handles = ex_handle_count(nt_ref_of(process));
    information->session = 1;
    figures_fill(information, process);
}

static NTSTATUS listing_give(struct listing *listing, void *buffer, ULONG room, ULONG *returned)
{
    ULONG size = (ULONG)listing->size;
    NTSTATUS status = STATUS_NO_MEMORY;
    if (!listing->failed)
        status = ex_answer(buffer, room, returned, listing->bytes, size);
    free(listing->bytes);
    return status;
}

NTSTATUS ex_process_list(void *buffer, ULONG room, ULONG *returned, bool extended)
{
    struct listing listing = {0};
    uint32_t end = id_end();
    size_t last = 0;
    for (uint32_t id = 1; id < end && !listing.failed; id++) {
        struct nt_process_object *process = (struct nt_process_object *)nt_id_object(id * 4, NT_PROCESS);
        if (!process)
            continue;
        if (process->life != NT_PROCESS_ENDED) {
            last = listing.size;
            process_add(&listing, process, end, extended, (uintptr_t)buffer);
        }
        nt_object_release(&process->head);
    }
    if (!listing.failed && listing.size)
        ((struct process_information *)(listing.bytes + last))->next = 0;
    return listing_give(&listing, buffer, room, returned);
}

/* ---- handles ------------------------------------------------------------------------------------------ */

struct handle_short { ULONG process; UCHAR type, flags; USHORT handle; void *object; ULONG access; };
struct handle_long { void *object; ULONG_PTR process, handle; ULONG access; USHORT trace, type; ULONG attributes, reserved; };
_Static_assert(sizeof(struct handle_short) == NT_WIDTH(16, 24), "SYSTEM_HANDLE_ENTRY");
_Static_assert(sizeof(struct handle_long) == NT_WIDTH(28, 40), "SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX");

/* Lock held. */
static void handle_add(struct listing *listing, bool extended, uint32_t process, uint32_t index, const struct ob_handle *entry)
{
    const struct nt_object *object = nt_at(entry->object);
    UCHAR flags = entry->flags & OB_HANDLE_INHERIT ? OBJ_INHERIT : 0;
    if (extended) {
        struct handle_long *to = listing_add(listing, sizeof *to);
        if (to)
            *to = (struct handle_long){(void *)(uintptr_t)entry->object, process, (ULONG_PTR)index * 4, entry->access, 0,
                                       (USHORT)object->type, flags, 0};
    } else {
        struct handle_short *to = listing_add(listing, sizeof *to);
        if (to)
            *to = (struct handle_short){process, (UCHAR)object->type, flags, (USHORT)(index * 4),
                                        (void *)(uintptr_t)entry->object, entry->access};
    }
}

/* Lock held. */
static ULONG handles_add(struct listing *listing, bool extended, const struct nt_process_object *process)
{
    const struct ob_handle_table *table = process->handle_table ? nt_at(process->handle_table) : NULL;
    const nt_ref *chunks = table ? nt_at(table->chunks) : NULL;
    enum { CHUNK = 4096 / sizeof(struct ob_handle) };
    ULONG count = 0;
    for (uint32_t index = 1; chunks && index < table->fresh; index++) {
        const struct ob_handle *entry = (const struct ob_handle *)nt_at(chunks[index / CHUNK]) + index % CHUNK;
        if (!entry->object)
            continue;
        handle_add(listing, extended, process->id, index, entry);
        count++;
    }
    return count;
}

NTSTATUS ex_handle_list(void *buffer, ULONG room, ULONG *returned, bool extended)
{
    struct listing listing = {0};
    uint32_t end = id_end();
    ULONG_PTR count = 0;
    listing_add(&listing, extended ? 2 * sizeof(ULONG_PTR) : sizeof(void *));
    for (uint32_t id = 1; id < end && !listing.failed; id++) {
        struct nt_process_object *process = (struct nt_process_object *)nt_id_object(id * 4, NT_PROCESS);
        if (!process)
            continue;
        nt_lock();
        count += handles_add(&listing, extended, process);
        nt_unlock();
        nt_object_release(&process->head);
    }
    if (!listing.failed)
        memcpy(listing.bytes, &count, extended ? sizeof count : sizeof(ULONG));
    return listing_give(&listing, buffer, room, returned);
}
