/* What a process does for another one of its session that has asked (ps/message.h). On the service thread; every number in
 * a message is foreign. */
#include "loader/nt/mm.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/session.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A thread object of this process, referenced; NULL: it is none. */
static struct nt_thread_object *thread_open(nt_ref ref)
{
    struct nt_thread_object *thread = NULL;
    uint32_t index = 0;
    nt_lock();
    for (struct nt_object *object; !thread && (object = ob_id_next(&index));)
        if (ob_ref(object) == ref && object->type == NT_THREAD && ((struct nt_thread_object *)object)->process == nt_process.object)
            thread = (struct nt_thread_object *)object;
    if (thread)
        nt_object_hold(&thread->head);
    nt_unlock();
    return thread;
}

/* The reference that goes with the answer is the asker's. */
static NTSTATUS thread_create(struct ps_message *message)
{
    struct ps_start start = {(uintptr_t)message->argument[0], (uintptr_t)message->argument[1], (ULONG)message->argument[2],
                             (size_t)message->argument[3], (size_t)message->argument[4]};
    struct nt_thread *thread;
    NTSTATUS status = ps_thread_create(&start, &thread);
    if (status)
        return status;
    struct nt_object *object = &thread->object->head;
    nt_object_reference(object);
    status = ps_thread_begin(thread);
    if (!status)
        message->thread = nt_ref_of(object);
    nt_lock();
    if (status)
        nt_object_drop(object);
    else
        nt_object_hand(object, (uint32_t)message->argument[5]);
    nt_unlock();
    return status;
}

static NTSTATUS context_serve(struct nt_thread_object *thread, struct ps_message *message, uint32_t given)
{
    struct nt_context context;
    if (given != sizeof context)
        return STATUS_NOT_SUPPORTED; /* of the other width */
    memcpy(&context, message->data, sizeof context);
    if (message->operation == PS_CONTEXT_SET)
        return ps_context_set(thread, &context);
    NTSTATUS status = ps_context_get(thread, &context);
    memcpy(message->data, &context, sizeof context);
    message->size = status ? 0 : sizeof context;
    return status;
}

static NTSTATUS thread_serve(struct ps_message *message, uint32_t given)
{
    struct nt_thread_object *thread = thread_open(message->thread);
    NTSTATUS status = STATUS_NOT_IMPLEMENTED;
    ULONG previous = 0;
    if (!thread)
        return STATUS_THREAD_IS_TERMINATING;
    switch (message->operation) {
    case PS_THREAD_END: status = ps_thread_end(thread, (NTSTATUS)message->argument[0]); break;
    case PS_THREAD_SUSPEND:
        status = ps_thread_suspend(thread, &previous);
        message->argument[0] = previous;
        break;
    case PS_CONTEXT_GET: case PS_CONTEXT_SET: status = context_serve(thread, message, given); break;
    }
    nt_object_release(&thread->head);
    return status;
}

static NTSTATUS descriptor_serve(struct ps_message *message, int *fd, int *give)
{
    int number = (int)message->argument[0];
    switch (message->operation) {
    case PS_FD_SEND:
        *give = number;
        return fcntl(number, F_GETFD) < 0 ? STATUS_INVALID_HANDLE : STATUS_SUCCESS;
    case PS_FD_TAKE:
        if (*fd < 0)
            return STATUS_INVALID_HANDLE;
        message->argument[0] = (uint64_t)*fd;
        *fd = -1; /* stays open */
        return STATUS_SUCCESS;
    default:
        close(number);
        return STATUS_SUCCESS;
    }
}

void ps_serve(struct ps_message *message, int fd, int *give)
{
    const struct nt_process_object *self = nt_at(nt_process.object);
    uint32_t given = message->size;
    if (message->operation >= PS_MEMORY_FIRST && message->operation <= PS_MEMORY_LAST)
        message->status = mm_serve(message, fd);
    else {
        message->size = 0;
        switch (message->operation) {
        case PS_POKE: message->status = STATUS_SUCCESS; break;
        case PS_CONTROL_C: nt_ps_control(0); break;
        case PS_CONTROL_BREAK: nt_ps_control(1); break;
        case PS_EXIT: /* first the guest stands still: it must not see its handles go */
            ps_others_stop(self->exit_status);
            nt_ps_process_exit(self->exit_status);
        case PS_FD_SEND: case PS_FD_TAKE: case PS_FD_CLOSE: message->status = descriptor_serve(message, &fd, give); break;
        case PS_THREAD_CREATE: message->status = thread_create(message); break;
        default: message->status = thread_serve(message, given);
        }
    }
    if (*give >= 0 && message->status)
        *give = -1;
    if (fd >= 0)
        close(fd);
}
