/* Mutants: owned by a thread, as often as it took them; abandoned when the owner ends first. */
#include "loader/nt/ke/objects.h"

enum { MUTANT_QUERY_STATE = 1 };
enum { MUTANT_BASIC_INFORMATION, MUTANT_OWNER_INFORMATION };

void ke_mutant_link(struct ke_mutant *mutant, struct nt_thread_object *thread)
{
    nt_ref ref = ob_ref(mutant);
    mutant->owner = ob_ref(thread);
    mutant->prev = 0;
    mutant->next = thread->mutants;
    if (mutant->next)
        ((struct ke_mutant *)ob_at(mutant->next))->prev = ref;
    OB_ORDER();
    thread->mutants = ref;
}

static void owner_unlink(struct ke_mutant *mutant)
{
    struct nt_thread_object *thread = ob_at(mutant->owner);
    if (!thread)
        return;
    if (mutant->prev)
        ((struct ke_mutant *)ob_at(mutant->prev))->next = mutant->next;
    else
        thread->mutants = mutant->next;
    if (mutant->next)
        ((struct ke_mutant *)ob_at(mutant->next))->prev = mutant->prev;
    OB_ORDER();
    mutant->owner = mutant->next = mutant->prev = 0;
}

void ke_mutant_take(struct ke_mutant *mutant, struct nt_thread_object *thread)
{
    if (!mutant->owner)
        ke_mutant_link(mutant, thread);
    mutant->abandoned = 0;
    OB_ORDER();
    mutant->head.signal--;
}

void ke_mutant_destroy(struct nt_object *object)
{
    owner_unlink((struct ke_mutant *)object);
}

static void mutant_free(struct ke_mutant *mutant)
{
    owner_unlink(mutant);
    OB_ORDER();
    mutant->head.signal = 1;
    nt_ke_wake(&mutant->head);
}

void ke_mutants_abandon(struct nt_thread_object *thread)
{
    while (thread->mutants) {
        struct ke_mutant *mutant = ob_at(thread->mutants);
        mutant->abandoned = 1;
        mutant_free(mutant);
    }
}

NTSTATUS ke_mutant_release(struct ke_mutant *mutant, struct nt_thread_object *thread, LONG *previous)
{
    if (mutant->owner != ob_ref(thread))
        return STATUS_MUTANT_NOT_OWNED;
    *previous = mutant->head.signal;
    if (*previous == 0)
        mutant_free(mutant);
    else
        mutant->head.signal++;
    return STATUS_SUCCESS;
}

static void mutant_init(struct nt_object *object, void *context)
{
    object->signal = 1;
    if (*(BOOLEAN *)context)
        ke_mutant_take((struct ke_mutant *)object, ke_self());
}

NTSTATUS NtCreateMutant(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, BOOLEAN owned)
{
    return nt_object_make(handle, access, attributes, NT_MUTANT, sizeof(struct ke_mutant), mutant_init, &owned);
}

NTSTATUS NtOpenMutant(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_MUTANT);
}

NTSTATUS NtReleaseMutant(HANDLE handle, LONG *previous)
{
    struct nt_object *mutant;
    LONG old = 0;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_MUTANT, 0, &mutant, NULL, NULL);
    if (!status)
        status = ke_mutant_release((struct ke_mutant *)mutant, ke_self(), &old);
    nt_unlock();
    return status ? status : ke_put_optional(previous, old);
}

NTSTATUS NtQueryMutant(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned)
{
    struct { LONG count; BOOLEAN owned, abandoned; } basic = {0};
    CLIENT_ID owner = {0};
    bool asks_owner = information_class == MUTANT_OWNER_INFORMATION;
    struct nt_object *object;
    NTSTATUS status = asks_owner ? ke_query_check(0, length, sizeof owner)
                                 : ke_query_check(information_class, length, sizeof basic);
    if (status)
        return status;
    nt_lock();
    status = ob_handle_find(handle, NT_MUTANT, MUTANT_QUERY_STATE, &object, NULL, NULL);
    if (!status) {
        const struct ke_mutant *mutant = (const struct ke_mutant *)object;
        const struct nt_thread_object *thread = ob_at(mutant->owner);
        basic.count = object->signal;
        basic.owned = thread == ke_self();
        basic.abandoned = (BOOLEAN)mutant->abandoned;
        if (thread)
            owner = (CLIENT_ID){thread->process_id, thread->id};
    }
    nt_unlock();
    if (status)
        return status;
    return asks_owner ? ke_query_answer(buffer, &owner, sizeof owner, returned)
                      : ke_query_answer(buffer, &basic, sizeof basic, returned);
}
