/* LdrRegisterDllNotification: callbacks in the order of registration, told of each module loaded and unloaded. */
#include "loader/ldr/ldr.h"

struct notification { ULONG flags; const UNICODE_STRING *full_name, *base_name; void *base; ULONG size_of_image; };
typedef void (NTAPI *notify_function)(ULONG reason, const struct notification *data, void *context);

struct registration {
    struct registration *next;
    notify_function function;
    void *context;
};
static struct registration *registrations; /* guarded by the loader lock */

void ldr_notify(ULONG reason, struct nt_ldr_entry *entry)
{
    struct notification data = {0, &entry->full_name, &entry->base_name, entry->base, entry->size_of_image};
    for (struct registration *one = registrations, *next; one; one = next) {
        next = one->next; /* a callback may take itself out */
        one->function(reason, &data, one->context);
    }
}

EXPORT NTSTATUS NTAPI LdrRegisterDllNotification(ULONG flags, notify_function function, void *context, void **cookie)
{
    SIZE_T lock;
    if (!function || flags)
        return STATUS_INVALID_PARAMETER;
    struct registration *made = RtlAllocateHeap(ldr_peb()->process_heap, 0, sizeof *made);
    if (!made)
        return STATUS_NO_MEMORY;
    *made = (struct registration){NULL, function, context};
    ldr_lock(&lock);
    struct registration **last = &registrations;
    while (*last)
        last = &(*last)->next;
    *last = made;
    ldr_unlock(lock);
    *cookie = made;
    return STATUS_SUCCESS;
}

EXPORT NTSTATUS NTAPI LdrUnregisterDllNotification(void *cookie)
{
    SIZE_T lock;
    NTSTATUS status = STATUS_DLL_NOT_FOUND;
    ldr_lock(&lock);
    for (struct registration **at = &registrations; *at; at = &(*at)->next)
        if (*at == cookie) {
            *at = (*at)->next;
            RtlFreeHeap(ldr_peb()->process_heap, 0, cookie);
            status = STATUS_SUCCESS;
            break;
        }
    ldr_unlock(lock);
    return status;
}
