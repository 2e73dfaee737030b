/* Who wants to know of changes. A request is answered once: by the first change that it asked for, by the end of the
 * key, or by the closing of the handle it was made with. */
#include "loader/nt/cm/private.h"
#include "loader/nt/ke.h"

/* Lock held. Takes the request out of its list and tells. */
static void watch_fire(nt_ref *link)
{
    nt_ref ref = *link;
    struct cm_watch *watch = nt_at(ref);
    struct nt_object *event = nt_at(watch->event);
    event->signal = 1; /* first: told twice is better than never */
    nt_ke_wake(event);
    OB_ORDER();
    *link = watch->next;
    OB_ORDER();
    nt_object_unreference(event);
    nt_arena_free(ref, sizeof *watch);
}

void cm_notify(struct cm_node *node, uint32_t what)
{
    for (struct cm_node *at = node; at; at = nt_at(at->parent)) {
        nt_ref *link = &at->watches;
        while (*link) {
            struct cm_watch *watch = nt_at(*link);
            if (watch->filter & what && (at == node || watch->subtree))
                watch_fire(link);
            else
                link = &watch->next;
        }
    }
}

void cm_watches_end(struct cm_node *node, nt_ref key)
{
    nt_ref *link = &node->watches;
    while (*link) {
        struct cm_watch *watch = nt_at(*link);
        if (!key || watch->key == key)
            watch_fire(link);
        else
            link = &watch->next;
    }
}

static NTSTATUS watch_add(struct cm_key *key, struct nt_object *event, uint32_t filter, bool subtree)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct cm_node *node = cm_node_of(key);
    nt_ref ref = node->flags & CM_DELETED ? 0 : nt_arena_allocate(sizeof(struct cm_watch));
    if (ref) {
        struct cm_watch *watch = nt_at(ref);
        *watch = (struct cm_watch){node->watches, nt_ref_of(key), nt_ref_of(event), filter, subtree};
        event->references++;
        event->signal = 0;
        OB_ORDER();
        node->watches = ref;
    } else {
        status = node->flags & CM_DELETED ? STATUS_KEY_DELETED : STATUS_INSUFFICIENT_RESOURCES;
    }
    nt_unlock();
    return status;
}

/* The event of a caller that waits here, or of one that goes on. */
static NTSTATUS event_get(HANDLE handle, bool asynchronous, struct nt_object **event)
{
    enum { MODIFY_STATE = 2 };
    if (handle && asynchronous)
        return nt_handle_object(handle, NT_EVENT, MODIFY_STATE, event, NULL, NULL);
    return nt_object_create(NT_EVENT, sizeof(struct nt_object), event);
}

NTSTATUS NtNotifyChangeMultipleKeys(HANDLE handle, ULONG count, const OBJECT_ATTRIBUTES *others, HANDLE event_handle,
                                    const void *routine, const void *context, IO_STATUS_BLOCK *io, ULONG filter, BOOLEAN subtree,
                                    void *buffer, ULONG length, BOOLEAN asynchronous)
{
    struct cm_key *key;
    struct nt_object *event;
    IO_STATUS_BLOCK result = {{STATUS_SUCCESS}, 0};
    (void)others, (void)routine, (void)context, (void)buffer, (void)length;
    if (count > 1)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = cm_key_get(handle, KEY_NOTIFY, &key);
    if (status)
        return status;
    status = event_get(event_handle, asynchronous, &event);
    if (!status) {
        status = watch_add(key, event, filter, subtree);
        if (!status && asynchronous) {
            status = STATUS_PENDING;
        } else if (!status) {
            status = nt_ke_wait(&event, 1, false, false, NULL);
            result.status = STATUS_NOTIFY_ENUM_DIR;
            if (!status && io && !NT_PUT(io, result))
                status = STATUS_ACCESS_VIOLATION;
        }
        nt_object_release(event);
    }
    nt_object_release(&key->head);
    return status;
}

NTSTATUS NtNotifyChangeKey(HANDLE handle, HANDLE event, const void *routine, const void *context, IO_STATUS_BLOCK *io, ULONG filter,
                           BOOLEAN subtree, void *buffer, ULONG length, BOOLEAN asynchronous)
{
    return NtNotifyChangeMultipleKeys(handle, 0, NULL, event, routine, context, io, filter, subtree, buffer, length, asynchronous);
}
