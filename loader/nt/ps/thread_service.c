/* What guests ask of threads: one more, in whatever process of the session, and one less. */
#include "loader/nt/mm.h"
#include "loader/nt/ps/message.h"
#include "loader/nt/ps/private.h"

struct attribute { ULONG_PTR id; SIZE_T size; ULONG_PTR value; SIZE_T *returned; };
enum { ATTRIBUTE_CLIENT_ID = 0x10003, ATTRIBUTE_TEB = 0x10004 };

/* Answers the attributes that ask for something (client ID, TEB address); others are hints. */
static bool attributes_answer(const SIZE_T *list, const struct nt_thread_object *thread)
{
    SIZE_T total;
    if (!list)
        return true;
    if (!NT_GET(total, list))
        return false;
    const struct attribute *next = (const struct attribute *)(list + 1);
    for (SIZE_T left = total - sizeof *list; total > sizeof *list && left >= sizeof *next; left -= sizeof *next, next++) {
        struct attribute one;
        if (!NT_GET(one, next))
            return false;
        if (one.id == ATTRIBUTE_CLIENT_ID) {
            CLIENT_ID client = {thread->process_id, thread->id};
            if (one.size < sizeof client || !nt_write((void *)one.value, &client, sizeof client))
                return false;
        } else if (one.id == ATTRIBUTE_TEB) {
            uintptr_t teb = (uintptr_t)thread->teb;
            if (one.size < sizeof teb || !nt_write((void *)one.value, &teb, sizeof teb))
                return false;
        }
    }
    return true;
}

/* In another process: made and begun there. */
static NTSTATUS thread_create_other(const struct nt_process_object *owner, const struct ps_start *start, struct nt_thread_object **out)
{
    struct ps_message message = {.operation = PS_THREAD_CREATE,
                                 .argument = {start->start, start->parameter, start->flags, start->commit, start->reserve, nt_process.id}};
    NTSTATUS status = nt_ask ? nt_ask(owner, &message, -1, NULL) : STATUS_PROCESS_IS_TERMINATING;
    *out = nt_at(message.thread); /* with a reference, ours now */
    return status;
}

static NTSTATUS handle_answer(struct nt_thread_object *thread, ACCESS_MASK access, ULONG attributes, HANDLE *guest_handle,
                              const SIZE_T *guest_list)
{
    HANDLE handle;
    NTSTATUS status = nt_handle_create(&thread->head, access, attributes & OBJ_INHERIT, -1, &handle);
    if (status || (attributes_answer(guest_list, thread) && NT_PUT(guest_handle, handle)))
        return status;
    nt_handle_close(handle);
    return STATUS_ACCESS_VIOLATION;
}

NTSTATUS nt_ps_create_thread(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, HANDLE process,
                             uintptr_t start, uintptr_t parameter, ULONG flags, size_t commit, size_t reserve,
                             const SIZE_T *guest_list)
{
    struct ps_start wish = {start, parameter, flags, commit, reserve};
    struct nt_attributes attributes;
    struct nt_thread *thread;
    struct nt_object *owner;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &attributes);
    if (status)
        return status;
    nt_attributes_free(&attributes);
    status = nt_handle_object(process, NT_PROCESS, 2 /* PROCESS_CREATE_THREAD */, &owner, NULL, NULL);
    if (status)
        return status;
    if (nt_ref_of(owner) == nt_process.object) {
        status = ps_thread_create(&wish, &thread);
        if (!status && (status = handle_answer(thread->object, access, attributes.attributes, guest_handle, guest_list)))
            ps_thread_undo(thread);
        else if (!status)
            status = ps_thread_begin(thread);
    } else {
        struct nt_thread_object *other;
        status = thread_create_other((struct nt_process_object *)owner, &wish, &other);
        if (!status) {
            status = handle_answer(other, access, attributes.attributes, guest_handle, guest_list);
            nt_object_release(&other->head);
        }
    }
    if (!status)
        __atomic_fetch_add(&nt_process.threads_started, 1, __ATOMIC_RELAXED);
    nt_object_release(owner);
    return status;
}

NTSTATUS nt_ps_start_thread(uintptr_t start, uintptr_t parameter)
{
    struct nt_thread *thread;
    NTSTATUS status = ps_thread_create(&(struct ps_start){.start = start, .parameter = parameter}, &thread);
    return status ? status : ps_thread_begin(thread);
}

NTSTATUS nt_ps_terminate_thread(HANDLE handle, NTSTATUS exit_status)
{
    struct nt_object *object;
    if (!handle)
        handle = NT_CURRENT_THREAD;
    NTSTATUS status = nt_handle_object(handle, NT_THREAD, 1 /* THREAD_TERMINATE */, &object, NULL, NULL);
    if (status)
        return status;
    struct nt_thread_object *target = (struct nt_thread_object *)object;
    struct ps_message message = {.operation = PS_THREAD_END, .thread = nt_ref_of(object), .argument = {exit_status}};
    bool self = target == nt_thread_self->object;
    if (!self && target->process != nt_process.object)
        status = nt_ask ? nt_ask(nt_at(target->process), &message, -1, NULL) : STATUS_THREAD_IS_TERMINATING;
    else if (!self)
        status = ps_thread_end(target, exit_status);
    nt_object_release(object);
    if (self)
        nt_ps_thread_exit(exit_status);
    return status;
}
