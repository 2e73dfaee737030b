/* Memory of other processes of the session: what is asked here, and what is done for whoever asks. Bytes are copied by the
 * system itself where it permits (Yama and containers may not), else by the other process's service thread. */
#define _GNU_SOURCE
#include "loader/nt/mm/private.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/message.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

static NTSTATUS ask_with(const struct nt_process_object *other, struct ps_message *message, int fd)
{
    return nt_ask ? nt_ask(other, message, fd, NULL) : STATUS_PROCESS_IS_TERMINATING;
}

static NTSTATUS ask(const struct nt_process_object *other, struct ps_message *message)
{
    return ask_with(other, message, -1);
}

static void message_open(struct ps_message *message, uint32_t operation)
{
    memset(message, 0, PS_MESSAGE_HEAD);
    message->operation = operation;
}

/* ---- asking -------------------------------------------------------------------------------------------- */

/* Base and size come back even where it failed: NT tells how it rounded them. */
static NTSTATUS ask_range(const struct nt_process_object *other, struct ps_message *message, uintptr_t *base, uintptr_t *size)
{
    message->argument[0] = *base;
    message->argument[1] = *size;
    NTSTATUS status = ask(other, message);
    if (NT_SUCCESS(status)) {
        *base = (uintptr_t)message->argument[0];
        *size = (uintptr_t)message->argument[1];
    }
    return status;
}

NTSTATUS mm_remote_allocate(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect,
                            const struct mm_wish *wish)
{
    struct ps_message message;
    message_open(&message, PS_ALLOCATE);
    if (wish->required)
        return STATUS_NOT_SUPPORTED;
    message.argument[2] = type;
    message.argument[3] = protect;
    message.argument[4] = wish->high;
    return ask_range(other, &message, base, size);
}

NTSTATUS mm_remote_free(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG type)
{
    struct ps_message message;
    message_open(&message, PS_FREE);
    message.argument[2] = type;
    return ask_range(other, &message, base, size);
}

NTSTATUS mm_remote_protect(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG protect, ULONG *old)
{
    struct ps_message message;
    message_open(&message, PS_PROTECT);
    message.argument[2] = protect;
    NTSTATUS status = ask_range(other, &message, base, size);
    *old = (ULONG)message.argument[3];
    return status;
}

NTSTATUS mm_remote_query(const struct nt_process_object *other, ULONG information_class, uint64_t at, struct mm_fact *out)
{
    struct ps_message message;
    message_open(&message, PS_QUERY);
    message.argument[0] = at;
    message.argument[1] = information_class;
    NTSTATUS status = ask(other, &message);
    if (!status && message.size != sizeof *out)
        return STATUS_UNSUCCESSFUL;
    if (!status)
        memcpy(out, message.data, sizeof *out);
    return status;
}

NTSTATUS mm_remote_map(const struct nt_process_object *other, const struct mm_mapping *mapping, uintptr_t *base, uintptr_t *size)
{
    struct ps_message message;
    message_open(&message, PS_MAP);
    if (mapping->wish.required)
        return STATUS_NOT_SUPPORTED;
    message.argument[0] = *base;
    message.argument[1] = *size;
    message.argument[2] = mapping->type;
    message.argument[3] = mapping->protect;
    message.argument[4] = mapping->wish.high;
    message.argument[5] = mapping->offset;
    message.thread = nt_ref_of(mapping->section);
    message.size = sizeof mapping->commit;
    memcpy(message.data, &mapping->commit, sizeof mapping->commit);
    NTSTATUS status = ask_with(other, &message, mapping->fd);
    if (!NT_SUCCESS(status))
        return status;
    *base = (uintptr_t)message.argument[0];
    *size = (uintptr_t)message.argument[1];
    return status;
}

NTSTATUS mm_remote_unmap(const struct nt_process_object *other, uintptr_t base, ULONG flags)
{
    struct ps_message message;
    message_open(&message, PS_UNMAP);
    message.argument[0] = base;
    message.argument[1] = flags;
    return ask(other, &message);
}

/* What the system copies; less than wanted: the rest is the other's to try. */
static size_t copy_direct(const struct nt_process_object *other, uint64_t there, void *here, size_t size, bool reads)
{
    struct iovec local = {here, size}, remote = {(void *)(uintptr_t)there, size};
    if (!other->host_pid || other->life == NT_PROCESS_ENDED || there >= other->user_high || size > other->user_high - there ||
        there > UINTPTR_MAX)
        return 0;
    ssize_t done = reads ? process_vm_readv((pid_t)other->host_pid, &local, 1, &remote, 1, 0)
                         : process_vm_writev((pid_t)other->host_pid, &local, 1, &remote, 1, 0);
    return done > 0 ? (size_t)done : 0;
}

static NTSTATUS copy_asked(const struct nt_process_object *other, uint64_t there, char *here, size_t size, size_t *done, bool reads)
{
    struct ps_message message;
    message_open(&message, reads ? PS_READ : PS_WRITE);
    message.argument[0] = there;
    message.argument[1] = size;
    if (!reads) {
        memcpy(message.data, here, size);
        message.size = (uint32_t)size;
    }
    NTSTATUS status = ask(other, &message);
    if (status)
        return status;
    size_t moved = reads ? message.size : (size_t)message.argument[0];
    if (moved > size)
        return STATUS_UNSUCCESSFUL;
    if (reads)
        memcpy(here, message.data, moved);
    *done += moved;
    return STATUS_SUCCESS;
}

static NTSTATUS copy_both(const struct nt_process_object *other, uint64_t there, char *here, size_t size, size_t *done, bool reads)
{
    *done = copy_direct(other, there, here, size, reads);
    while (*done < size) {
        size_t piece = size - *done < PS_DATA_LIMIT ? size - *done : PS_DATA_LIMIT, before = *done;
        NTSTATUS status = copy_asked(other, there + before, here + before, piece, done, reads);
        if (status || *done - before < piece)
            return status;
    }
    return STATUS_SUCCESS;
}

NTSTATUS mm_remote_read(const struct nt_process_object *other, uint64_t from, void *to, size_t size, size_t *done)
{
    return copy_both(other, from, to, size, done, true);
}

NTSTATUS mm_remote_write(const struct nt_process_object *other, uint64_t to, const void *from, size_t size, size_t *done)
{
    return copy_both(other, to, (char *)from, size, done, false);
}

/* ---- serving ------------------------------------------------------------------------------------------- */

/* As many bytes as there are up to the first page that cannot be read. */
static size_t read_own(uintptr_t from, uint8_t *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t piece = MM_PAGE - ((from + done) & (MM_PAGE - 1));
        piece = piece < size - done ? piece : size - done;
        if (!nt_read(to + done, (const void *)(from + done), piece))
            break;
        done += piece;
    }
    return done;
}

static NTSTATUS serve_range(struct ps_message *message, uintptr_t base, uintptr_t size)
{
    struct mm_wish wish = {.high = (uintptr_t)message->argument[4]};
    NTSTATUS status;
    ULONG old = 0;
    if (message->operation == PS_ALLOCATE)
        status = mm_allocate(&base, &size, (ULONG)message->argument[2], (ULONG)message->argument[3], &wish);
    else if (message->operation == PS_FREE)
        status = mm_free(&base, &size, (ULONG)message->argument[2]);
    else
        status = mm_protect(&base, &size, (ULONG)message->argument[2], &old);
    message->argument[0] = base;
    message->argument[1] = size;
    message->argument[3] = old;
    return status;
}

static nt_ref wanted_section;
static struct nt_object *found_section;

static void section_look(struct nt_object *object, bool busy)
{
    (void)busy;
    if (nt_ref_of(object) == wanted_section && object->type == NT_SECTION)
        found_section = object;
}

/* Held, if somebody in the session holds it, as whoever asks does. */
static struct nt_object *section_open(nt_ref ref)
{
    nt_lock();
    wanted_section = ref;
    found_section = NULL;
    ob_journals_visit(section_look);
    struct nt_object *section = found_section;
    if (section)
        nt_object_hold(section);
    nt_unlock();
    return section;
}

static NTSTATUS serve_map(struct ps_message *message, uint32_t given, int fd)
{
    struct mm_mapping mapping = {.fd = fd, .wish = {.high = (uintptr_t)message->argument[4]}, .offset = message->argument[5],
                                 .type = (ULONG)message->argument[2], .protect = (ULONG)message->argument[3]};
    uintptr_t base = (uintptr_t)message->argument[0], size = (uintptr_t)message->argument[1];
    struct nt_object *section = section_open(message->thread);
    if (!section)
        return STATUS_INVALID_HANDLE;
    if (given == sizeof mapping.commit)
        memcpy(&mapping.commit, message->data, sizeof mapping.commit);
    mapping.section = (const struct nt_section_object *)section;
    NTSTATUS status = mm_map(&mapping, &base, &size);
    nt_object_release(section);
    message->argument[0] = base;
    message->argument[1] = size;
    return status;
}

/* All numbers in a message are foreign. */
NTSTATUS mm_serve(struct ps_message *message, int fd)
{
    uint32_t given = message->size;
    uint64_t first = message->argument[0], second = message->argument[1];
    message->size = 0;
    if (first > UINTPTR_MAX || second > UINTPTR_MAX)
        return STATUS_INVALID_PARAMETER;
    switch (message->operation) {
    case PS_ALLOCATE: case PS_FREE: case PS_PROTECT:
        return serve_range(message, (uintptr_t)first, (uintptr_t)second);
    case PS_MAP:
        return serve_map(message, given, fd);
    case PS_UNMAP:
        return mm_unmap((uintptr_t)first, (ULONG)second);
    case PS_QUERY: {
        _Static_assert(sizeof(struct mm_fact) <= PS_DATA_LIMIT, "an answer is one message");
        NTSTATUS status = mm_fact_get((ULONG)second, (uintptr_t)first, (struct mm_fact *)message->data);
        message->size = status ? 0 : sizeof(struct mm_fact);
        return status;
    }
    case PS_READ:
        if (second > PS_DATA_LIMIT)
            return STATUS_INVALID_PARAMETER;
        message->size = (uint32_t)read_own((uintptr_t)first, message->data, (size_t)second);
        return STATUS_SUCCESS;
    case PS_WRITE:
        message->argument[0] = mm_write_forced((uintptr_t)first, message->data, given);
        return STATUS_SUCCESS;
    }
    return STATUS_NOT_IMPLEMENTED;
}
