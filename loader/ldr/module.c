/* Modules at run time: LoadLibrary and FreeLibrary on the guest's side, and their initialisers. */
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
    /* Our own code, which stands in no list: exceptions must find its unwind data. */
    struct nt_ldr_entry *self = peload_host.self;
    return self && (uintptr_t)address - (uintptr_t)self->base < self->size_of_image ? self : NULL;
}

void ldr_tls_callbacks(struct nt_ldr_entry *entry, ULONG reason)
{
    /* Read afresh each time: a callback may add to the list while it is walked. */
    void *volatile *callback = entry->peload_tls_callbacks;
    if (entry->peload_tls_slot == (ULONG)-1 || !callback)
        return;
    /* An exception ends the walk and is forgotten: the program starts all the same. */
    while (*callback && !peload_call_tls(*callback, entry->base, reason, NULL))
        callback++;
}

/* Thread reasons and detach: nobody asks for the result. */
void ldr_entry_call(struct nt_ldr_entry *entry, ULONG reason, bool statically)
{
    NTSTATUS raised;
    ULONG_PTR cookie;
    void *reserved = statically ? (void *)1 : NULL;
    bool entered = ldr_context_enter(entry, &cookie);
    ldr_tls_callbacks(entry, reason);
    if (entry->entry_point && entry->flags & LDR_IMAGE_IS_DLL)
        peload_call_entry(entry->entry_point, entry->base, reason, reserved, &raised);
    if (entered)
        ldr_context_leave(cookie);
}

static int attach_call(struct nt_ldr_entry *entry, void *reserved, NTSTATUS *raised)
{
    ULONG_PTR cookie;
    int good = 1;
    bool entered = ldr_context_enter(entry, &cookie);
    ldr_tls_callbacks(entry, PROCESS_ATTACH);
    if (entry->entry_point)
        good = peload_call_entry(entry->entry_point, entry->base, PROCESS_ATTACH, reserved, raised);
    if (entered)
        ldr_context_leave(cookie);
    return good;
}

/* One module's PROCESS_ATTACH. Order as Windows has it: notification, TLS callbacks, DllMain. */
static NTSTATUS entry_attach(struct nt_ldr_entry *entry, bool statically)
{
    NTSTATUS raised = 0;
    /* An initialiser before this one may have loaded something that needs this module, and so was served first. One
     * without references cannot run at all. */
    if (entry->flags & (LDR_LOAD_IN_PROGRESS | LDR_ENTRY_PROCESSED | LDR_DONT_RESOLVE_REFS))
        return STATUS_SUCCESS;
    entry->flags |= LDR_LOAD_IN_PROGRESS;
    peload_state(entry, NT_MODULE_INITIALISING);
    ldr_notify(1, entry);
    int good = entry->flags & LDR_IMAGE_IS_DLL ? attach_call(entry, statically ? (void *)1 : NULL, &raised) : 1;
    entry->flags &= ~(ULONG)LDR_LOAD_IN_PROGRESS;
    entry->flags |= LDR_ENTRY_PROCESSED;
    if (!good) {
        ldr_entry_call(entry, PROCESS_DETACH, statically);
        ldr_notify(2, entry);
        return raised ? raised : STATUS_DLL_INIT_FAILED;
    }
    entry->flags |= LDR_PROCESS_ATTACHED;
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

unsigned ldr_text_length(const WCHAR *text)
{
    unsigned length = 0;
    while (text[length])
        length++;
    return length;
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

/* ---- going ---- */

/* What RtlGetUnloadEventTrace gives: the last 64 modules that went. */
struct unload_event { void *base; SIZE_T size; ULONG sequence, timestamp, checksum; WCHAR name[32]; };

static void unload_remember(const struct nt_ldr_entry *entry)
{
    static ULONG sequence;
    struct unload_event *events = RtlGetUnloadEventTrace();
    if (!events)
        return;
    struct unload_event *event = &events[sequence % 64];
    const unsigned char *headers = RtlImageNtHeader(entry->base);
    event->base = entry->base;
    event->size = entry->size_of_image;
    event->sequence = sequence++;
    event->timestamp = entry->timestamp;
    event->checksum = headers ? *(const ULONG *)(headers + 0x58) : 0; /* the same place in PE32 and PE32+ */
    unsigned length = entry->base_name.length / sizeof(WCHAR);
    for (unsigned i = 0; i < 32; i++)
        event->name[i] = i < length ? entry->base_name.buffer[i] : 0;
    event->name[31] = 0;
}

static bool unloading;                    /* guarded by the loader lock, like the list: */
static struct nt_ldr_entry *going;        /* nobody needs them; still mapped, because code of theirs may be on the stack */

/* The one that was initialised last. */
static struct nt_ldr_entry *next_to_detach(void)
{
    struct nt_list *head = &ldr_peb()->ldr->init_order;
    for (struct nt_list *link = head->prev; link != head; link = link->prev) {
        struct nt_ldr_entry *entry = LDR_ENTRY(link, init_order);
        if (entry->peload_going && entry->flags & LDR_PROCESS_ATTACHED)
            return entry;
    }
    return NULL;
}

static void going_free(void)
{
    while (going) {
        struct nt_ldr_entry *entry = going;
        going = entry->peload_gone;
        ldr_tls_module_free(entry);
        ldr_context_free(entry);
        unload_remember(entry);
        peload_unload(entry);
    }
}

/* A reference less. What nobody needs any more is detached, the last initialised first, then unmapped. A DllMain that frees
 * another module only adds to the work of the call outside, as in Windows. */
static void unload(struct nt_ldr_entry *root)
{
    ULONG count = 0;
    struct nt_ldr_entry **list = RtlAllocateHeap(ldr_peb()->process_heap, 0, INIT_ROOM * sizeof *list);
    if (!list || peload_unload_plan(root, list, INIT_ROOM, &count))
        count = 0;
    for (ULONG i = 0; i < count; i++) {
        list[i]->peload_going = 1;
        list[i]->peload_gone = going;
        going = list[i];
    }
    RtlFreeHeap(ldr_peb()->process_heap, 0, list);
    if (unloading)
        return;
    unloading = true;
    for (struct nt_ldr_entry *entry; (entry = next_to_detach());) {
        entry->flags &= ~(ULONG)LDR_PROCESS_ATTACHED;
        ldr_entry_call(entry, PROCESS_DETACH, false);
        peload_state(entry, NT_MODULE_DETACHED);
        ldr_notify(2, entry);
    }
    going_free();
    unloading = false;
}

/* ---- LoadLibrary, FreeLibrary ---- */

static NTSTATUS load(const WCHAR *name, const WCHAR *path, ULONG flags, void **module)
{
    SIZE_T cookie;
    struct nt_ldr_entry *entry = NULL;
    ldr_lock(&cookie);
    NTSTATUS status = peload_load(name, path, flags & NT_LOAD_NO_RESOLVE, &entry);
    if (!status && !(entry->flags & LDR_DONT_RESOLVE_REFS)) {
        status = ldr_initialise(entry, false);
        if (status)
            unload(entry);
    }
    *module = status ? NULL : entry->base;
    ldr_unlock(cookie);
    return status;
}

/* path: folders to search, from kernelbase; else (delay loads, ntdll itself) the process's own. */
EXPORT NTSTATUS NTAPI LdrLoadDll(const WCHAR *path, ULONG flags, const UNICODE_STRING *name, void **module)
{
    WCHAR *text = ldr_text_copy(name), *own = NULL, *unknown;
    if (!text)
        return STATUS_NO_MEMORY;
    if ((uintptr_t)path <= 0xffff)
        path = LdrGetDllPath(text, 0, &own, &unknown) ? NULL : own;
    WCHAR *redirected = ldr_context_redirect(text);
    NTSTATUS status = load(redirected ? redirected : text, path, flags, module);
    if (own)
        RtlReleasePath(own);
    RtlFreeHeap(ldr_peb()->process_heap, 0, redirected);
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
