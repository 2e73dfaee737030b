/* Modules at run time: LoadLibrary and FreeLibrary on the guest's side, initialisers, handles and names. */
#include "loader/ldr/ldr.h"

enum { INIT_ROOM = 1024 };

void ldr_lock(SIZE_T *cookie) { LdrLockLoaderLock(0, NULL, cookie); }
void ldr_unlock(SIZE_T cookie) { LdrUnlockLoaderLock(0, cookie); }

struct nt_ldr_entry *ldr_entry_of(const void *base)
{
    struct nt_list *head = &ldr_peb()->ldr->load_order;
    for (struct nt_list *link = head->next; link != head; link = link->next)
        if (LDR_ENTRY(link, load_order)->base == base)
            return LDR_ENTRY(link, load_order);
    return NULL;
}

struct nt_ldr_entry *ldr_entry_at(const void *address)
{
    struct nt_list *head = &ldr_peb()->ldr->load_order;
    for (struct nt_list *link = head->next; link != head; link = link->next) {
        struct nt_ldr_entry *entry = LDR_ENTRY(link, load_order);
        if ((uintptr_t)address - (uintptr_t)entry->base < entry->size_of_image)
            return entry;
    }
    return NULL;
}

void ldr_tls_callbacks(struct nt_ldr_entry *entry, ULONG reason, void *reserved)
{
    /* Read afresh each time: a callback may add to the list while it is walked. */
    void *volatile *callback = entry->peload_tls_callbacks;
    if (entry->peload_tls_slot == (ULONG)-1 || !callback)
        return;
    for (; *callback; callback++)
        peload_call_tls(*callback, entry->base, reason, reserved);
}

/* Thread reasons and detach: nobody asks for the result. */
void ldr_entry_call(struct nt_ldr_entry *entry, ULONG reason, bool statically)
{
    NTSTATUS raised;
    void *reserved = statically ? (void *)1 : NULL;
    ldr_tls_callbacks(entry, reason, reserved);
    if (entry->entry_point && entry->flags & LDR_IMAGE_IS_DLL)
        peload_call_entry(entry->entry_point, entry->base, reason, reserved, &raised);
}

/* One module's PROCESS_ATTACH. Order as Windows has it: notification, TLS callbacks, DllMain. */
static NTSTATUS entry_attach(struct nt_ldr_entry *entry, bool statically)
{
    NTSTATUS raised = 0;
    void *reserved = statically ? (void *)1 : NULL;
    entry->flags |= LDR_LOAD_IN_PROGRESS;
    peload_state(entry, NT_MODULE_INITIALISING);
    ldr_notify(1, entry);
    int good = 1;
    if (entry->flags & LDR_IMAGE_IS_DLL) {
        ldr_tls_callbacks(entry, PROCESS_ATTACH, reserved);
        if (entry->entry_point)
            good = peload_call_entry(entry->entry_point, entry->base, PROCESS_ATTACH, reserved, &raised);
    }
    entry->flags &= ~(ULONG)LDR_LOAD_IN_PROGRESS;
    if (!good) {
        /* Windows tells a module whose attach failed to detach, unless it failed by an exception. */
        if (!raised)
            ldr_entry_call(entry, PROCESS_DETACH, statically);
        ldr_notify(2, entry);
        return raised ? raised : STATUS_DLL_INIT_FAILED;
    }
    entry->flags |= LDR_PROCESS_ATTACHED | LDR_ENTRY_PROCESSED;
    peload_state(entry, NT_MODULE_RUNNING);
    return STATUS_SUCCESS;
}

NTSTATUS ldr_initialise(struct nt_ldr_entry *root, bool statically)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG count = 0;
    struct nt_ldr_entry *few[16], **list = few;
    if (peload_order(root, few, sizeof few / sizeof *few, &count)) {
        list = RtlAllocateHeap(ldr_peb()->process_heap, 0, INIT_ROOM * sizeof *list);
        if (!list)
            return STATUS_NO_MEMORY;
        status = peload_order(root, list, INIT_ROOM, &count);
    }
    /* Blocks for all new modules first: an initialiser may use the TLS of a module whose own turn comes later. */
    for (ULONG i = 0; i < count && !status; i++)
        if (!statically && !ldr_tls_module(list[i]))
            status = STATUS_NO_MEMORY;
    for (ULONG i = 0; i < count && !status; i++) {
        if (list[i]->flags & (LDR_LOAD_IN_PROGRESS | LDR_PROCESS_ATTACHED))
            continue; /* an initialiser before it loaded something that needed it: its turn has been */
        status = entry_attach(list[i], statically);
        if (status && statically)
            peload_fatal(status, list[i]);
    }
    if (list != few)
        RtlFreeHeap(ldr_peb()->process_heap, 0, list);
    return status;
}

bool ldr_text_equal(const WCHAR *a, unsigned a_length, const WCHAR *b, unsigned b_length)
{
    if (a_length != b_length)
        return false;
    for (unsigned i = 0; i < a_length; i++) {
        WCHAR x = a[i], y = b[i];
        if (x >= 'a' && x <= 'z') x -= 32;
        if (y >= 'a' && y <= 'z') y -= 32;
        if (x != y)
            return false;
    }
    return true;
}

WCHAR *ldr_text_copy(const UNICODE_STRING *string)
{
    unsigned count = string->length / sizeof(WCHAR);
    WCHAR *copy = RtlAllocateHeap(ldr_peb()->process_heap, 0, (count + 1) * sizeof(WCHAR));
    if (copy) {
        for (unsigned i = 0; i < count; i++)
            copy[i] = string->buffer[i];
        copy[count] = 0;
    }
    return copy;
}

static void unload(struct nt_ldr_entry *entry)
{
    ULONG count = 0;
    struct nt_ldr_entry **list = RtlAllocateHeap(ldr_peb()->process_heap, 0, INIT_ROOM * sizeof *list);
    if (!list || peload_unload_plan(entry, list, INIT_ROOM, &count))
        count = 0;
    for (ULONG i = 0; i < count; i++)
        if (list[i]->flags & LDR_PROCESS_ATTACHED) {
            list[i]->flags &= ~(ULONG)LDR_PROCESS_ATTACHED;
            ldr_entry_call(list[i], PROCESS_DETACH, false);
            peload_state(list[i], NT_MODULE_DETACHED);
            ldr_notify(2, list[i]);
        }
    for (ULONG i = 0; i < count; i++) {
        ldr_tls_module_free(list[i]);
        peload_unload(list[i]);
    }
    if (list)
        RtlFreeHeap(ldr_peb()->process_heap, 0, list);
}

EXPORT NTSTATUS NTAPI LdrLoadDll(const WCHAR *path, ULONG flags, const UNICODE_STRING *name, void **module)
{
    SIZE_T cookie;
    struct nt_ldr_entry *entry = NULL;
    WCHAR *text = ldr_text_copy(name);
    if (!text)
        return STATUS_NO_MEMORY;
    ldr_lock(&cookie);
    NTSTATUS status = peload_load(text, (uintptr_t)path > 0xffff ? path : NULL, flags & NT_LOAD_NO_RESOLVE, &entry);
    if (!status && !(entry->flags & LDR_DONT_RESOLVE_REFS)) {
        status = ldr_initialise(entry, false);
        if (status)
            unload(entry);
    }
    *module = status ? NULL : entry->base;
    ldr_unlock(cookie);
    RtlFreeHeap(ldr_peb()->process_heap, 0, text);
    return status;
}

EXPORT NTSTATUS NTAPI LdrUnloadDll(void *module)
{
    SIZE_T cookie;
    if (ldr_shutting_down)
        return STATUS_SUCCESS;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module);
    if (entry)
        unload(entry);
    ldr_unlock(cookie);
    return entry ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

EXPORT NTSTATUS NTAPI LdrAddRefDll(ULONG flags, void *module)
{
    SIZE_T cookie;
    if (flags & ~1u)
        return STATUS_INVALID_PARAMETER;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module);
    NTSTATUS status = entry ? peload_reference(entry, flags & 1) : STATUS_INVALID_PARAMETER;
    ldr_unlock(cookie);
    return status;
}

enum { HANDLE_EX_UNCHANGED = 1, HANDLE_EX_PIN = 2 };

EXPORT NTSTATUS NTAPI LdrGetDllHandleEx(ULONG flags, const WCHAR *path, ULONG *characteristics, const UNICODE_STRING *name,
                                        void **module)
{
    SIZE_T cookie;
    struct nt_ldr_entry *entry = NULL;
    (void)characteristics;
    if (flags & ~3u || flags == (HANDLE_EX_UNCHANGED | HANDLE_EX_PIN))
        return STATUS_INVALID_PARAMETER;
    WCHAR *text = ldr_text_copy(name);
    if (!text)
        return STATUS_NO_MEMORY;
    ldr_lock(&cookie);
    NTSTATUS status = peload_find(text, (uintptr_t)path > 0xffff ? path : NULL, &entry);
    if (!status && !(flags & HANDLE_EX_UNCHANGED))
        status = peload_reference(entry, flags & HANDLE_EX_PIN ? 1 : 0);
    if (module)
        *module = status ? NULL : entry->base;
    ldr_unlock(cookie);
    RtlFreeHeap(ldr_peb()->process_heap, 0, text);
    return status;
}

EXPORT NTSTATUS NTAPI LdrGetDllHandle(const WCHAR *path, ULONG flags, const UNICODE_STRING *name, void **module)
{
    (void)flags;
    return LdrGetDllHandleEx(HANDLE_EX_UNCHANGED, path, NULL, name, module);
}

EXPORT NTSTATUS NTAPI LdrGetDllFullName(void *module, UNICODE_STRING *name)
{
    SIZE_T cookie;
    NTSTATUS status = STATUS_SUCCESS;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module ? module : ldr_peb()->image_base);
    if (!entry)
        status = STATUS_DLL_NOT_FOUND;
    else {
        unsigned length = entry->full_name.length, copied = length <= name->maximum ? length : name->maximum;
        for (unsigned i = 0; i < copied / sizeof(WCHAR); i++)
            name->buffer[i] = entry->full_name.buffer[i];
        name->length = (USHORT)length;
        if (copied < length)
            status = STATUS_BUFFER_TOO_SMALL;
        else if (copied + sizeof(WCHAR) <= name->maximum)
            name->buffer[copied / sizeof(WCHAR)] = 0;
    }
    ldr_unlock(cookie);
    return status;
}

EXPORT NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(void *module)
{
    SIZE_T cookie;
    NTSTATUS status = STATUS_SUCCESS;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module);
    if (!entry)
        status = STATUS_DLL_NOT_FOUND;
    else if (entry->peload_tls_slot == (ULONG)-1) /* a module with static TLS keeps its calls */
        entry->flags |= LDR_NO_DLL_CALLS;
    ldr_unlock(cookie);
    return status;
}

EXPORT NTSTATUS NTAPI LdrFindEntryForAddress(const void *address, struct nt_ldr_entry **out)
{
    struct nt_ldr_entry *entry = ldr_entry_at(address);
    if (!entry)
        return STATUS_NO_MORE_ENTRIES;
    *out = entry;
    return STATUS_SUCCESS;
}

EXPORT void *NTAPI RtlPcToFileHeader(void *address, void **base)
{
    SIZE_T cookie;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_at(address);
    ldr_unlock(cookie);
    *base = entry ? entry->base : NULL;
    return *base;
}
