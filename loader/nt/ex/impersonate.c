/* Threads that act with a token of their own. Few ever do, so it is a list beside the threads, of this process; what
 * belongs to threads that have ended is dropped when the list is next changed. */
#include "loader/nt/ex/private.h"

#include <stdlib.h>

struct impersonation {
    struct impersonation *next;
    nt_ref thread, token;        /* both referenced */
};
static struct impersonation *first; /* guarded by the lock */

static struct impersonation *drop(struct impersonation *entry)
{
    struct impersonation *next = entry->next;
    nt_object_drop(nt_at(entry->thread));
    nt_object_drop(nt_at(entry->token));
    free(entry);
    return next;
}

/* Lock held. */
static void list_clean(const struct nt_thread_object *thread)
{
    struct impersonation **link = &first;
    while (*link) {
        struct nt_thread_object *of_entry = nt_at((*link)->thread);
        if (of_entry == thread || of_entry->exit_status != STATUS_PENDING)
            *link = drop(*link);
        else
            link = &(*link)->next;
    }
}

struct ex_token *ex_token_of_thread(struct nt_thread_object *thread)
{
    struct ex_token *token = NULL;
    if (!__atomic_load_n(&first, __ATOMIC_RELAXED))
        return NULL;
    nt_lock();
    for (struct impersonation *entry = first; entry && !token; entry = entry->next)
        if (nt_at(entry->thread) == thread) {
            token = nt_at(entry->token);
            nt_object_hold(&token->head);
        }
    nt_unlock();
    return token;
}

NTSTATUS nt_ex_impersonate(struct nt_thread_object *thread, HANDLE handle)
{
    struct nt_object *object = NULL;
    struct impersonation *entry = NULL;
    enum { IMPERSONATE = 4 };
    if (handle) {
        NTSTATUS status = nt_handle_object(handle, NT_TOKEN, IMPERSONATE, &object, NULL, NULL);
        if (!status && ((struct ex_token *)object)->primary)
            status = STATUS_BAD_TOKEN_TYPE;
        if (!status && !(entry = malloc(sizeof *entry)))
            status = STATUS_NO_MEMORY;
        if (status) {
            if (object)
                nt_object_release(object);
            return status;
        }
    }
    nt_lock();
    list_clean(thread);
    if (entry) {
        nt_object_hold(&thread->head);
        *entry = (struct impersonation){first, nt_ref_of(thread), nt_ref_of(object)};
        first = entry;
    }
    nt_unlock();
    return STATUS_SUCCESS;
}

NTSTATUS NtImpersonateAnonymousToken(HANDLE thread)
{
    (void)thread;
    return STATUS_NOT_SUPPORTED;
}
