/* Objects: making, counting, destroying; what differs by type. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ke/objects.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

const char *const nt_type_name[NT_TYPE_COUNT] = {
    [NT_ANY] = "", [NT_DIRECTORY] = "Directory", [NT_SYMLINK] = "SymbolicLink", [NT_TOKEN] = "Token", [NT_JOB] = "Job",
    [NT_PROCESS] = "Process", [NT_THREAD] = "Thread", [NT_EVENT] = "Event", [NT_MUTANT] = "Mutant",
    [NT_SEMAPHORE] = "Semaphore", [NT_TIMER] = "Timer", [NT_KEYED_EVENT] = "KeyedEvent",
    [NT_COMPLETION] = "IoCompletion", [NT_SECTION] = "Section", [NT_KEY] = "Key", [NT_FILE] = "File",
    [NT_WORKER_FACTORY] = "TpWorkerFactory", [NT_DEBUG] = "DebugObject",
};

const struct nt_generic nt_type_generic[NT_TYPE_COUNT] = {
    [NT_ANY] = {0x20000, 0x20000, 0x20000, 0x1F0000},
    [NT_DIRECTORY] = {0x20003, 0x2000C, 0x20003, 0xF000F},
    [NT_SYMLINK] = {0x20001, 0x20000, 0x20001, 0xF0001},
    [NT_TOKEN] = {0x2001A, 0x201E0, 0x20005, 0xF01FF},
    [NT_JOB] = {0x20004, 0x2000B, 0x120000, 0x1F003F},
    [NT_PROCESS] = {0x20410, 0x20BEA, 0x121001, 0x1FFFFF},
    [NT_THREAD] = {0x20048, 0x20437, 0x121800, 0x1FFFFF},
    [NT_EVENT] = {0x20001, 0x20002, 0x120000, 0x1F0003},
    [NT_MUTANT] = {0x20001, 0x20000, 0x120000, 0x1F0001},
    [NT_SEMAPHORE] = {0x20001, 0x20002, 0x120000, 0x1F0003},
    [NT_TIMER] = {0x20001, 0x20002, 0x120000, 0x1F0003},
    [NT_KEYED_EVENT] = {0x20001, 0x20002, 0x20000, 0xF0003},
    [NT_COMPLETION] = {0x20001, 0x20002, 0x120000, 0x1F0003},
    [NT_SECTION] = {0x20005, 0x20002, 0x20008, 0xF001F},
    [NT_KEY] = {0x20019, 0x20006, 0x20039, 0xF003F},
    [NT_FILE] = {0x120089, 0x120116, 0x1200A0, 0x1F01FF},
    [NT_WORKER_FACTORY] = {0x20008, 0x20006, 0x120002, 0xF00FF},
    [NT_DEBUG] = {0x20001, 0x20002, 0x120000, 0x1F000F},
};

void (*nt_type_destroy[NT_TYPE_COUNT])(struct nt_object *object) = {
    [NT_MUTANT] = ke_mutant_destroy,
    [NT_TIMER] = ke_timer_destroy, [NT_COMPLETION] = ke_completion_destroy,
};

void (*nt_type_closed[NT_TYPE_COUNT])(struct nt_object *object) = {
    [NT_COMPLETION] = ke_completion_closed,
};

NTSTATUS (*nt_type_full_name[NT_TYPE_COUNT])(struct nt_object *object, struct nt_string *out);

ACCESS_MASK nt_access_map(enum nt_type type, ACCESS_MASK access)
{
    const struct nt_generic *generic = &nt_type_generic[type];
    if (access & 0x80000000u)
        access |= generic->read;
    if (access & 0x40000000u)
        access |= generic->write;
    if (access & 0x20000000u)
        access |= generic->execute;
    if (access & 0x10000000u)
        access |= generic->all;
    if (access & 0x02000000u) /* MAXIMUM_ALLOWED */
        access |= generic->all;
    /* QUERY_INFORMATION brings QUERY_LIMITED_INFORMATION along, a thread's SET_INFORMATION likewise (documented). */
    if (type == NT_PROCESS && access & 0x400)
        access |= 0x1000;
    if (type == NT_THREAD)
        access |= (access & 0x40 ? 0x800 : 0) | (access & 0x20 ? 0x400 : 0);
    return access & 0x01FFFFFFu;
}

struct nt_object *ob_object_new(enum nt_type type, uint32_t size)
{
    assert(size >= sizeof(struct nt_object));
    nt_ref ref = nt_arena_allocate(size);
    if (!ref)
        return NULL;
    struct nt_object *object = ob_at(ref);
    object->type = (uint16_t)type;
    object->references = 1;
    object->size = size;
    return object;
}

void ob_object_unreference(struct nt_object *object)
{
    assert(object->references > 0);
    if (--object->references)
        return;
    assert(!object->handles && !object->name && !object->waiters);
    ob_tell_handle("destroyed", NULL, 0, object, 0, 0);
    if (nt_type_destroy[object->type])
        nt_type_destroy[object->type](object);
    object->type = NT_ANY;
    nt_arena_free(ob_ref(object), object->size);
}

void nt_object_unreference(struct nt_object *object)
{
    ob_object_unreference(object);
}

/* NT removes a name with the last handle, although pointers may still keep the object alive. */
void ob_object_handle_closed(struct nt_object *object)
{
    assert(object->handles > 0);
    if (--object->handles == 0) {
        if (nt_type_closed[object->type])
            nt_type_closed[object->type](object);
        if (object->name && !(object->flags & NT_OBJECT_PERMANENT))
            ob_name_remove(object);
    }
    ob_object_unreference(object);
}

NTSTATUS nt_object_create(enum nt_type type, uint32_t size, struct nt_object **out)
{
    nt_lock();
    *out = ob_object_new(type, size);
    if (*out)
        ob_journal_add(*out);
    nt_unlock();
    return *out ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

void nt_object_reference(struct nt_object *object)
{
    nt_lock();
    nt_object_hold(object);
    nt_unlock();
}

void nt_object_release(struct nt_object *object)
{
    nt_lock();
    nt_object_drop(object);
    nt_unlock();
}

/* ---- the common part of NtCreateXxx and NtOpenXxx -------------------------------------------------- */

struct making {
    const struct nt_attributes *attributes;
    ACCESS_MASK access;
    enum nt_type type;
    uint32_t size;
    void (*init)(struct nt_object *object, void *context);
    void *context;
    int *fd;                         /* a new object's descriptor, -1 once it is taken; NULL: none */
};

/* Lock held. A handle on what somebody else made. */
static NTSTATUS handle_on_existing(struct nt_object *object, ACCESS_MASK granted, ULONG attributes, HANDLE *handle)
{
    int fd = -1;
    if (object->flags & NT_OBJECT_DESCRIPTOR && (fd = ob_object_fd(object)) < 0)
        return STATUS_OBJECT_NAME_NOT_FOUND; /* the last who had it was killed */
    NTSTATUS status = ob_handle_new(object, granted, attributes, fd, handle);
    if (status && fd >= 0)
        close(fd);
    return status;
}

/* Lock held. */
static NTSTATUS make_new(const struct making *making, const struct ob_place *place, HANDLE *handle)
{
    struct nt_object *object = ob_object_new(making->type, making->size);
    NTSTATUS status = STATUS_SUCCESS;
    if (!object)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (making->init)
        making->init(object, making->context);
    if (place)
        status = ob_name_insert(object, place->directory, place->leaf, place->length);
    if (!status) {
        if (place && making->attributes->attributes & OBJ_PERMANENT)
            object->flags |= NT_OBJECT_PERMANENT;
        status = ob_handle_new(object, nt_access_map(making->type, making->access), making->attributes->attributes,
                               making->fd ? *making->fd : -1, handle);
        if (!status && making->fd)
            *making->fd = -1;
        if (status && object->name)
            ob_name_remove(object);
    }
    ob_object_unreference(object);
    return status;
}

static NTSTATUS make_named(const struct making *making, HANDLE *handle)
{
    struct ob_place place = {0};
    NTSTATUS status = ob_name_find(making->attributes, making->type, &place);
    if (!status) {
        if (!place.object)
            status = make_new(making, &place, handle);
        else if (!(making->attributes->attributes & OBJ_OPENIF))
            status = place.object->type == making->type ? STATUS_OBJECT_NAME_COLLISION : STATUS_OBJECT_TYPE_MISMATCH;
        else if (place.object->type != making->type)
            status = STATUS_OBJECT_TYPE_MISMATCH;
        else if (!(status = handle_on_existing(place.object, nt_access_map(making->type, making->access),
                                               making->attributes->attributes, handle)))
            status = STATUS_OBJECT_NAME_EXISTS;
    }
    free(place.path);
    return status;
}

/* The handle goes to the guest last, without the lock; where it cannot be written nothing remains. */
static NTSTATUS handle_give(NTSTATUS status, HANDLE *guest_handle, HANDLE handle)
{
    if (NT_SUCCESS(status)) {
        if (NT_PUT(guest_handle, handle))
            return status;
        nt_handle_close(handle);
        return STATUS_ACCESS_VIOLATION;
    }
    /* Windows looks at the pointer first and leaves what it points to alone. */
    return NT_GET(handle, guest_handle) && NT_PUT(guest_handle, handle) ? status : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS make(struct making *making, const OBJECT_ATTRIBUTES *guest_attributes, HANDLE *handle)
{
    struct nt_attributes attributes;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &attributes);
    if (!status && attributes.root && !attributes.name.text)
        status = STATUS_OBJECT_NAME_INVALID;
    if (!status) {
        making->attributes = &attributes;
        nt_lock();
        status = attributes.name.length ? make_named(making, handle) : make_new(making, NULL, handle);
        nt_unlock();
    }
    nt_attributes_free(&attributes);
    return status;
}

NTSTATUS nt_object_make(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type,
                        uint32_t size, void (*init)(struct nt_object *object, void *context), void *context)
{
    return nt_object_make_fd(guest_handle, access, guest_attributes, type, size, init, context, NULL);
}

NTSTATUS nt_object_make_fd(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type,
                           uint32_t size, void (*init)(struct nt_object *object, void *context), void *context, int *fd)
{
    struct making making = {NULL, access, type, size, init, context, fd};
    HANDLE handle = 0;
    NTSTATUS status = make(&making, guest_attributes, &handle);
    return handle_give(status, guest_handle, handle);
}

/* Lock held. */
static NTSTATUS open_named(const struct nt_attributes *attributes, ACCESS_MASK access, enum nt_type type, HANDLE *handle)
{
    struct ob_place place = {0};
    NTSTATUS status = ob_name_find(attributes, type, &place);
    if (!status) {
        if (!place.object)
            status = STATUS_OBJECT_NAME_NOT_FOUND;
        else if (place.object->type != type)
            status = STATUS_OBJECT_TYPE_MISMATCH;
        else
            status = handle_on_existing(place.object, nt_access_map(type, access), attributes->attributes, handle);
    }
    free(place.path);
    return status;
}

NTSTATUS nt_object_open(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, enum nt_type type)
{
    struct nt_attributes attributes;
    HANDLE handle = 0;
    if (!guest_attributes)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_attributes_capture(guest_attributes, &attributes);
    if (!status && !attributes.name.text)
        status = attributes.root ? STATUS_OBJECT_NAME_INVALID : STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (!status) {
        nt_lock();
        status = open_named(&attributes, access, type, &handle);
        nt_unlock();
    }
    nt_attributes_free(&attributes);
    return handle_give(status, guest_handle, handle);
}
