/* Process and thread objects: made, counted, destroyed. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/private.h"

/* The last reference to an ended thread or process: its ID may be used again. A thread keeps its process's object, so that
 * the process's ID is not used again before. Lock held. */
static void thread_destroy(struct nt_object *object)
{
    struct nt_thread_object *thread = (struct nt_thread_object *)object;
    nt_id_free(thread->id);
    if (thread->process)
        nt_object_unreference(nt_at(thread->process));
}

static void process_destroy(struct nt_object *object)
{
    struct nt_process_object *process = (struct nt_process_object *)object;
    const struct nt_birth *birth = nt_at(process->birth);
    if (ob_arena->watcher == ob_ref(process))
        ob_arena->watcher = 0;
    nt_id_free(process->id);
    if (birth)
        nt_arena_free(process->birth, birth->size);
    nt_arena_free(process->image_path, process->image_path_size);
}

static void process_links(struct nt_object *object, void (*visit)(struct nt_object *to))
{
    struct nt_process_object *process = (struct nt_process_object *)object;
    if (process->held)
        visit(object);
    if (process->job)
        visit(nt_at(process->job));
}

/* The maker's reference becomes the object's own, which its end gives back. */
static void self_hold(struct nt_object *object, uint32_t *held)
{
    nt_lock();
    nt_object_settle(object);
    OB_ORDER();
    *held = 1;
    nt_unlock();
}

/* Before anything runs: any process may have to tell the counts anew. */
__attribute__((constructor)) static void hooks_set(void)
{
    nt_type_links[NT_PROCESS] = process_links;
}

void ps_types_open(void)
{
    nt_type_destroy[NT_THREAD] = thread_destroy;
    nt_type_destroy[NT_PROCESS] = process_destroy;
}

/* A low one is handed down, as SetPriorityClass documents. */
static uint32_t priority_inherited(const struct nt_process_object *creator)
{
    bool low = creator && (creator->priority_class == NT_PRIORITY_IDLE || creator->priority_class == NT_PRIORITY_BELOW);
    return low ? creator->priority_class : NT_PRIORITY_NORMAL;
}

NTSTATUS ps_process_new(uint32_t life, struct nt_process_object **out)
{
    struct nt_object *object;
    NTSTATUS status = nt_object_create(NT_PROCESS, sizeof(struct nt_process_object), &object);
    if (status)
        return status;
    struct nt_process_object *process = *out = (struct nt_process_object *)object;
    process->life = life;
    process->creator = nt_process.object;
    process->parent_id = nt_process.id;
    process->exit_status = STATUS_PENDING;
    process->created = nt_time_now();
    process->priority_class = priority_inherited(nt_at(nt_process.object));
    process->id = nt_id_allocate(nt_ref_of(object));
    if (process->id) {
        self_hold(object, &process->held);
        nt_tell_process("created", object, process->parent_id, process->id, STATUS_PENDING);
        return STATUS_SUCCESS;
    }
    nt_object_release(object);
    return STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS ps_thread_new(struct nt_process_object *process, struct nt_thread_object **out)
{
    struct nt_object *object;
    NTSTATUS status = nt_object_create(NT_THREAD, sizeof(struct nt_thread_object), &object);
    if (status)
        return status;
    struct nt_thread_object *thread = *out = (struct nt_thread_object *)object;
    nt_lock();
    process->head.references++;
    OB_ORDER();
    thread->process = nt_ref_of(process);
    nt_unlock();
    thread->process_id = process->id;
    thread->exit_status = STATUS_PENDING;
    thread->created = nt_time_now();
    thread->id = nt_id_allocate(nt_ref_of(object));
    if (thread->id) {
        self_hold(object, &thread->held);
        nt_tell_process("created", object, process->id, thread->id, STATUS_PENDING);
        return STATUS_SUCCESS;
    }
    nt_object_release(object);
    return STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS nt_ps_begin(void)
{
    struct nt_process_object *process;
    ps_types_open();
    if (nt_process.object)
        return STATUS_SUCCESS;
    NTSTATUS status = ps_process_new(NT_PROCESS_ALONE, &process);
    if (status)
        return status;
    nt_process.object = nt_ref_of(process);
    nt_process.id = process->id;
    nt_lock();
    nt_ref table = ob_table_new();
    if (table) {
        ob_table_adopt(table);
        process->handle_table = table;
    }
    nt_unlock();
    return table ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
