/* NtCreateUserProcess. In this order, so that whatever fails leaves nothing behind:
 *
 *   1  what the caller gives is copied; the image is looked at: most errors are known here
 *   2  process object, IDs, an empty handle table, the first thread's object
 *   3  the table gets what is inherited; the parameters lie beside it
 *   4  a Linux process is started, which maps the image and says whether it could
 *   5  handles on both objects for the caller
 *
 * The thread waits suspended where the caller wants it; nothing of the program has run when this returns. */
#define _GNU_SOURCE
#include "loader/nt/io.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROCESS_BREAKAWAY = 1, PROCESS_INHERIT_HANDLES = 4, THREAD_SUSPENDED = 1, PROCESS_SUSPENDED = 0x200,
       STARTF_USESTDHANDLES = 0x100 };
enum { CONSOLE_NEW_GROUP = 1, PROCESS_CREATE_PROCESS = 0x80, IMAGE_IS_DLL = 0x2000, SUBSYSTEM_CONSOLE = 3 };

struct creation {
    struct ps_wish wish;
    struct nt_birth *birth;                 /* malloc'd */
    struct nt_image_facts facts;
    char path[4096];                        /* Unix path of the EXE */
    ULONG process_flags, thread_flags;
    struct nt_process_object *parent;       /* a chosen one; NULL: the caller */
    struct nt_process_object *process;
    struct nt_thread_object *thread;
    struct nt_descriptors carried;
};

/* ---- 1 -------------------------------------------------------------------------------------------------- */

static NTSTATUS image_look(struct creation *creation)
{
    NTSTATUS status = nt_path_to_unix(creation->wish.image, creation->wish.image_length, true, creation->path, sizeof creation->path);
    struct stat about;
    if (!status && !stat(creation->path, &about) && S_ISDIR(about.st_mode))
        status = STATUS_FILE_IS_A_DIRECTORY;
    if (!status && access(creation->path, R_OK))
        status = errno == EACCES ? STATUS_ACCESS_DENIED : STATUS_OBJECT_NAME_NOT_FOUND;
    if (!status)
        status = nt_config.image_open(creation->path, &creation->facts);
    if (!status && creation->facts.characteristics & IMAGE_IS_DLL)
        status = STATUS_INVALID_IMAGE_FORMAT; /* a DLL is no program */
    return status;
}

/* ---- 2 and 3 -------------------------------------------------------------------------------------------- */

static NTSTATUS block_put(const void *bytes, uint32_t size, nt_ref *place)
{
    nt_lock();
    nt_ref ref = nt_arena_allocate(size);
    if (ref) {
        memcpy(nt_at(ref), bytes, size);
        OB_ORDER();
        *place = ref;
    }
    nt_unlock();
    return ref ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* The chosen parent is what the child names as its own, and who bequeaths. */
static NTSTATUS parent_take(struct creation *creation)
{
    struct nt_object *parent;
    if (!creation->wish.parent)
        return STATUS_SUCCESS;
    NTSTATUS status = nt_handle_object(creation->wish.parent, NT_PROCESS, PROCESS_CREATE_PROCESS, &parent, NULL, NULL);
    if (status)
        return status;
    creation->parent = (struct nt_process_object *)parent;
    creation->process->parent_id = creation->parent->id;
    return STATUS_SUCCESS;
}

static NTSTATUS objects_make(struct creation *creation)
{
    NTSTATUS status = ps_process_new(NT_PROCESS_CREATING, &creation->process);
    if (status)
        return status;
    struct nt_process_object *process = creation->process;
    process->machine = creation->facts.machine;
    process->subsystem = creation->facts.subsystem;
    nt_object_reference(&process->head); /* ours, until the end of the service */
    nt_lock();
    process->handle_table = ob_table_new();
    nt_unlock();
    if (!process->handle_table)
        return STATUS_NO_MEMORY;
    status = ps_thread_new(process, &creation->thread);
    if (status)
        return status;
    nt_object_reference(&creation->thread->head);
    creation->thread->suspend_count = creation->thread_flags & THREAD_SUSPENDED || creation->process_flags & PROCESS_SUSPENDED;
    process->first_thread = nt_ref_of(creation->thread);
    status = parent_take(creation);
    if (creation->birth->console_flags & CONSOLE_NEW_GROUP)
        creation->birth->process_group = process->id;
    else
        creation->birth->process_group = nt_ps_group(nt_at(nt_process.object));
    if (!status)
        status = nt_job_inherit(process, creation->process_flags & PROCESS_BREAKAWAY);
    for (unsigned i = 0; !status && i < creation->wish.job_count; i++)
        status = nt_job_assign(creation->wish.jobs[i], process);
    if (!status) {
        process->image_path_size = (uint32_t)strlen(creation->path) + 1;
        status = block_put(creation->path, process->image_path_size, &process->image_path);
    }
    return status;
}

/* The creator's standard handles go to a console program even where they are not inherited, under values of their own; but
 * not those that STARTF_USESTDHANDLES names: these the caller answers for. */
static void standard_give(struct creation *creation)
{
    if (creation->birth->start_flags & STARTF_USESTDHANDLES || creation->facts.subsystem != SUBSYSTEM_CONSOLE)
        return;
    for (int i = 0; i < 3; i++) {
        HANDLE given = 0, wanted = (HANDLE)creation->birth->standard[i];
        if (!wanted || nt_handle_inherited(creation->process->handle_table, wanted))
            continue;
        if (nt_handle_give(creation->process->handle_table, wanted, &creation->carried, &given))
            given = 0;
        creation->birth->standard[i] = given;
    }
}

static NTSTATUS bequeath(struct creation *creation)
{
    NTSTATUS status = STATUS_SUCCESS;
    if (creation->process_flags & PROCESS_INHERIT_HANDLES)
        status = nt_handles_inherit(creation->parent ? creation->parent : nt_at(nt_process.object), creation->process->handle_table,
                                    creation->wish.list, creation->wish.list_count, &creation->carried);
    if (!status)
        standard_give(creation);
    return status ? status : block_put(creation->birth, creation->birth->size, &creation->process->birth);
}

/* ---- 4 -------------------------------------------------------------------------------------------------- */

/* Killed before it could say a word, the child may have been so early that nobody knows it to be watched: it had not written
 * down its Linux process, or that is gone. */
static void silence_end(struct nt_process_object *process)
{
    if (process->host_pid && ps_host_started(process->host_pid))
        return; /* on its way out, and watched */
    nt_lock();
    ps_process_end(process, NT_KILLED_STATUS);
    nt_unlock();
}

/* The child's word. Silence means that it was killed before it could say anything: then there was a process, and it has ended,
 * which its handle tells. */
static NTSTATUS word_await(int from, struct nt_process_object *process)
{
    NTSTATUS status;
    ssize_t length;
    do
        length = read(from, &status, sizeof status);
    while (length < 0 && errno == EINTR && !nt_ps_ending());
    if (length == 0)
        silence_end(process);
    return length == sizeof status ? status : length == 0 ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

static NTSTATUS process_start(struct creation *creation)
{
    int word[2];
    if (!nt_config.spawn)
        return STATUS_NOT_IMPLEMENTED;
    if (!nt_session_join())
        return STATUS_INSUFFICIENT_RESOURCES;
    if (pipe2(word, O_CLOEXEC))
        return STATUS_TOO_MANY_OPENED_FILES;
    struct nt_spawn spawn = {nt_ref_of(creation->process), creation->facts.machine, word[1], creation->carried.fd, creation->carried.count};
    NTSTATUS status = nt_config.spawn(&spawn);
    close(word[1]);
    if (!status) {
        nt_tell_process("started", &creation->process->head, creation->process->parent_id, creation->process->id,
                        creation->process->host_pid);
        ps_watch_poke();
        status = word_await(word[0], creation->process);
    }
    close(word[0]);
    return status;
}

/* ---- 5 -------------------------------------------------------------------------------------------------- */

static bool answer(const struct creation *creation)
{
    const struct ps_wish *wish = &creation->wish;
    CLIENT_ID client = {creation->process->id, creation->thread->id};
    uintptr_t teb = (uintptr_t)creation->thread->teb;
    return (!wish->client || (wish->client_size >= sizeof client && nt_write(wish->client, &client, sizeof client))) &&
           (!wish->teb || (wish->teb_size >= sizeof teb && nt_write(wish->teb, &teb, sizeof teb))) &&
           (!wish->facts || (wish->facts_size >= sizeof creation->facts && nt_write(wish->facts, &creation->facts, sizeof creation->facts)));
}

static NTSTATUS handle_make(struct nt_object *object, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest, HANDLE *guest_handle, HANDLE *made)
{
    struct nt_attributes attributes;
    NTSTATUS status = nt_attributes_capture(guest, &attributes);
    if (status)
        return status;
    nt_attributes_free(&attributes);
    status = nt_handle_create(object, nt_access_map(object->type, access), attributes.attributes & OBJ_INHERIT, -1, made);
    if (!status && !NT_PUT(guest_handle, *made))
        status = STATUS_ACCESS_VIOLATION;
    return status;
}

/* ---- and back ------------------------------------------------------------------------------------------- */

/* What was made but shall not be. The Linux process may be there already. */
static void undo(struct creation *creation, NTSTATUS status)
{
    struct nt_process_object *process = creation->process;
    if (!process)
        return;
    if (process->host_pid) {
        nt_lock();
        process->exit_status = status;
        process->ended = nt_time_now();
        process->life = NT_PROCESS_ENDING; /* the watch does the rest when it is gone */
        nt_unlock();
        ps_host_kill(process);
    } else {
        nt_lock();
        ps_process_end(process, status);
        nt_unlock();
    }
}

static void creation_free(struct creation *creation)
{
    if (creation->thread)
        nt_object_release(&creation->thread->head);
    if (creation->process)
        nt_object_release(&creation->process->head);
    if (creation->parent)
        nt_object_release(&creation->parent->head);
    nt_descriptors_close(&creation->carried);
    free(creation->birth);
    ps_wish_free(&creation->wish);
    free(creation);
}

NTSTATUS NtCreateUserProcess(HANDLE *process_handle, HANDLE *thread_handle, ACCESS_MASK process_access, ACCESS_MASK thread_access,
                             const OBJECT_ATTRIBUTES *process_attributes, const OBJECT_ATTRIBUTES *thread_attributes,
                             ULONG process_flags, ULONG thread_flags, const struct nt_parameters *parameters, void *information,
                             const SIZE_T *list)
{
    HANDLE process = 0, thread = 0;
    struct creation *creation = calloc(1, sizeof *creation);
    (void)information; /* PS_CREATE_INFO: its answers are for the loader of image options */
    if (!creation)
        return STATUS_NO_MEMORY;
    creation->process_flags = process_flags;
    creation->thread_flags = thread_flags;
    NTSTATUS status = ps_wish_capture(list, &creation->wish);
    if (!status && creation->wish.debug)
        status = STATUS_NOT_SUPPORTED;
    if (!status)
        status = ps_birth_capture(parameters, &creation->birth);
    if (!status)
        status = image_look(creation);
    if (!status)
        status = objects_make(creation);
    if (!status)
        status = bequeath(creation);
    if (!status)
        status = process_start(creation);
    if (!status)
        status = handle_make(&creation->process->head, process_access, process_attributes, process_handle, &process);
    if (!status)
        status = handle_make(&creation->thread->head, thread_access, thread_attributes, thread_handle, &thread);
    if (!status && !answer(creation))
        status = STATUS_ACCESS_VIOLATION;
    if (status) {
        if (process)
            nt_handle_close(process);
        if (thread)
            nt_handle_close(thread);
        undo(creation, status);
    } else
        __atomic_fetch_add(&nt_process.processes_started, 1, __ATOMIC_RELAXED);
    creation_free(creation);
    return status;
}
