/* Completion ports: a queue of packets, and threads that wait for one.
 *
 * A packet is reserved for a thread together with its waking, so that the count never promises more than is there.
 * The thread that came last is woken first, as on Windows: its stack is still warm. */
#include "loader/nt/ke/objects.h"

#include <stdlib.h>

enum { IO_COMPLETION_QUERY_STATE = 1, IO_COMPLETION_MODIFY_STATE = 2, ENTRY_LIMIT = 64 };

/* FILE_IO_COMPLETION_INFORMATION */
struct entry { ULONG_PTR key, value; IO_STATUS_BLOCK io; };
_Static_assert(sizeof(struct entry) == NT_WIDTH(16, 32), "FILE_IO_COMPLETION_INFORMATION");

static bool packet_push(struct ke_completion *port, const struct ke_packet *packet)
{
    nt_ref ref = nt_arena_allocate(sizeof *packet);
    if (!ref)
        return false;
    *(struct ke_packet *)ob_at(ref) = *packet;
    OB_ORDER();
    if (port->last)
        ((struct ke_packet *)ob_at(port->last))->next = ref;
    else
        port->first = ref;
    OB_ORDER();
    port->last = ref;
    port->depth++;
    port->head.signal++;
    return true;
}

static void packet_pop(struct ke_completion *port, struct entry *entry)
{
    nt_ref ref = port->first;
    const struct ke_packet *packet = ob_at(ref);
    port->first = packet->next;
    if (!port->first)
        port->last = 0;
    port->depth--;
    *entry = (struct entry){(ULONG_PTR)packet->key, (ULONG_PTR)packet->value,
                            {{packet->status}, (ULONG_PTR)packet->information}};
    nt_arena_free(ref, sizeof *packet);
}

static void waiters_wake(struct ke_completion *port)
{
    struct nt_object *object = &port->head;
    if (!object->waiters)
        return;
    nt_ref last = ((struct nt_wait_block *)ob_at(object->waiters))->prev;
    struct nt_thread_object *thread = ob_at(((struct nt_wait_block *)ob_at(last))->thread);
    if (object->signal > 0 && thread->wait_kind == KE_WAIT_PACKET) {
        ke_thread_wake(thread, STATUS_SUCCESS);
        object->signal--;
    } else {
        nt_ke_wake(object); /* plain waits on the port's handle among them */
    }
}

static NTSTATUS post(struct ke_completion *port, const struct ke_packet *packet)
{
    if (!packet_push(port, packet))
        return STATUS_INSUFFICIENT_RESOURCES;
    waiters_wake(port);
    return STATUS_SUCCESS;
}

void ke_completion_unreserve(struct nt_thread_object *thread)
{
    struct ke_completion *port = ob_at(thread->port);
    if (thread->wait_kind != KE_HAS_PACKET)
        return;
    thread->wait_kind = KE_AWAKE;
    port->head.signal++;
    waiters_wake(port);
}

NTSTATUS ke_completion_post(struct ke_completion *port, uint64_t key, uint64_t value, NTSTATUS status, uint64_t information)
{
    struct ke_packet packet = {.status = status, .key = key, .value = value, .information = information};
    return post(port, &packet);
}

void nt_ke_completion_post(struct nt_object *port, uint64_t key, uint64_t value, NTSTATUS status, uint64_t information)
{
    nt_lock();
    ke_completion_post((struct ke_completion *)port, key, value, status, information);
    nt_unlock();
}

void ke_completion_destroy(struct nt_object *object)
{
    struct ke_completion *port = (struct ke_completion *)object;
    struct entry entry;
    while (port->first)
        packet_pop(port, &entry);
}

/* Who waits on a port whose last handle goes would wait for ever. */
void ke_completion_closed(struct nt_object *object)
{
    object->references++;
    for (nt_ref at = object->waiters; at;) {
        const struct nt_wait_block *block = ob_at(at);
        struct nt_thread_object *thread = ob_at(block->thread);
        at = block->next;
        if (thread->wait_kind == KE_WAIT_PACKET)
            ke_thread_wake(thread, STATUS_ABANDONED);
    }
    ob_object_unreference(object);
}

/* ---- services ---------------------------------------------------------------------------------------- */

static void completion_init(struct nt_object *object, void *context)
{
    ((struct ke_completion *)object)->threads = *(ULONG *)context;
}

NTSTATUS NtCreateIoCompletion(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG threads)
{
    return nt_object_make(handle, access, attributes, NT_COMPLETION, sizeof(struct ke_completion), completion_init, &threads);
}

NTSTATUS NtOpenIoCompletion(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_COMPLETION);
}

NTSTATUS NtSetIoCompletion(HANDLE handle, ULONG_PTR key, ULONG_PTR value, NTSTATUS io_status, SIZE_T information)
{
    struct ke_packet packet = {.status = io_status, .key = key, .value = value, .information = information};
    struct nt_object *port;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_COMPLETION, IO_COMPLETION_MODIFY_STATE, &port, NULL, NULL);
    if (!status)
        status = post((struct ke_completion *)port, &packet);
    nt_unlock();
    return status;
}

NTSTATUS NtSetIoCompletionEx(HANDLE handle, HANDLE reserve, ULONG_PTR key, ULONG_PTR value, NTSTATUS status, SIZE_T information)
{
    (void)reserve; /* memory put aside in advance; here a packet's memory is at hand or the post fails */
    return NtSetIoCompletion(handle, key, value, status, information);
}

/* Waits for the first packet and takes as many more as are there. */
static NTSTATUS take(HANDLE handle, struct entry *entries, ULONG room, ULONG *count, const int64_t *timeout, bool alertable)
{
    struct nt_object *object;
    *count = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_COMPLETION, IO_COMPLETION_MODIFY_STATE, &object, NULL, NULL);
    if (status) {
        nt_unlock();
        return status;
    }
    nt_object_hold(object);
    struct ke_wait wait = {KE_WAIT_PACKET, &object, 1, false, alertable, timeout};
    status = ke_wait(&wait);
    nt_lock();
    if (status == STATUS_WAIT_0) {
        struct ke_completion *port = (struct ke_completion *)object;
        packet_pop(port, &entries[(*count)++]);
        ke_self()->wait_kind = KE_AWAKE;
        for (; *count < room && object->signal > 0; object->signal--)
            packet_pop(port, &entries[(*count)++]);
    }
    nt_object_drop(object);
    nt_unlock();
    return status;
}

NTSTATUS NtRemoveIoCompletion(HANDLE handle, ULONG_PTR *key, ULONG_PTR *value, IO_STATUS_BLOCK *io,
                              const LARGE_INTEGER *guest_timeout)
{
    struct entry entry;
    ULONG count;
    int64_t local;
    const int64_t *timeout;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = take(handle, &entry, 1, &count, timeout, false);
    if (status)
        return status;
    return NT_PUT(key, entry.key) && NT_PUT(value, entry.value) && NT_PUT(io, entry.io) ? STATUS_SUCCESS
                                                                                        : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtRemoveIoCompletionEx(HANDLE handle, void *guest_entries, ULONG count, ULONG *written,
                                const LARGE_INTEGER *guest_timeout, BOOLEAN alertable)
{
    struct entry entries[ENTRY_LIMIT];
    ULONG taken;
    int64_t local;
    const int64_t *timeout;
    if (!count)
        return STATUS_INVALID_PARAMETER;
    if (!ke_timeout_get(guest_timeout, &local, &timeout))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = take(handle, entries, count < ENTRY_LIMIT ? count : ENTRY_LIMIT, &taken, timeout, alertable);
    if (taken && !nt_write(guest_entries, entries, taken * sizeof *entries))
        return STATUS_ACCESS_VIOLATION;
    /* Windows says 1 where nothing came, too. */
    if (!taken)
        taken = 1;
    return NT_PUT(written, taken) ? status : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtQueryIoCompletion(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct nt_object *port;
    LONG depth = 0;
    NTSTATUS status = ke_query_check(information_class, length, sizeof depth);
    if (status)
        return status;
    nt_lock();
    status = ob_handle_find(handle, NT_COMPLETION, IO_COMPLETION_QUERY_STATE, &port, NULL, NULL);
    if (!status)
        depth = (LONG)((struct ke_completion *)port)->depth;
    nt_unlock();
    return status ? status : ke_query_answer(buffer, &depth, sizeof depth, returned);
}
