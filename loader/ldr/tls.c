/* Static TLS: every thread has an array of pointers (TEB.ThreadLocalStoragePointer), one per slot, each to a block that
 * begins with the module's initial values. A module loaded late gets a block in every live thread at once. */
#include "loader/ldr/ldr.h"

IMPORT NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
enum { MEM_RELEASE = 0x8000 };

/* In front of the array: how many pointers it has, and the older arrays that a running thread may still be reading. */
struct array_head { SIZE_T count; struct array_head *older; };

/* All threads of the process that came through LdrInitializeThunk, by TEB.TlsLinks. Guarded by the loader lock. */
static struct nt_list threads = {&threads, &threads};

static void bytes_copy(UCHAR *to, const UCHAR *from, SIZE_T size)
{
    __builtin_memcpy(to, from, size);
}

/* A block remembers, in front of it, what the heap gave: alignments go up to 8192. */
static void *block_make(const struct nt_ldr_entry *entry)
{
    SIZE_T size = (SIZE_T)entry->peload_tls_size + entry->peload_tls_zero;
    SIZE_T align = entry->peload_tls_alignment > 16 ? entry->peload_tls_alignment : 16;
    UCHAR *raw = RtlAllocateHeap(ldr_peb()->process_heap, 8 /* zeroed */, size + align + sizeof(void *));
    if (!raw)
        return NULL;
    UCHAR *block = (UCHAR *)(((uintptr_t)raw + sizeof(void *) + align - 1) & ~(uintptr_t)(align - 1));
    ((void **)block)[-1] = raw;
    if (entry->peload_tls_size)
        bytes_copy(block, entry->peload_tls_data, entry->peload_tls_size);
    return block;
}

static void block_free(void *block)
{
    if (block)
        RtlFreeHeap(ldr_peb()->process_heap, 0, ((void **)block)[-1]);
}

static struct array_head *head_of(void **array) { return array ? (struct array_head *)array - 1 : NULL; }

static bool array_grow(struct nt_teb *teb, SIZE_T needed)
{
    struct array_head *old = head_of(teb->tls);
    if (old && old->count >= needed)
        return true;
    SIZE_T count = old ? old->count * 2 : 32;
    while (count < needed)
        count *= 2;
    struct array_head *made = RtlAllocateHeap(ldr_peb()->process_heap, 8, sizeof *made + count * sizeof(void *));
    if (!made)
        return false;
    made->count = count;
    made->older = old; /* its owner may be reading it just now: freed with the thread */
    for (SIZE_T i = 0; old && i < old->count; i++)
        ((void **)(made + 1))[i] = teb->tls[i];
    __atomic_store_n(&teb->tls, (void **)(made + 1), __ATOMIC_RELEASE);
    return true;
}

static bool block_set(struct nt_teb *teb, const struct nt_ldr_entry *entry)
{
    SIZE_T slot = entry->peload_tls_slot;
    if (!array_grow(teb, slot + 1))
        return false;
    if (teb->tls[slot])
        return true;
    void *block = block_make(entry);
    if (!block)
        return false;
    __atomic_store_n(&teb->tls[slot], block, __ATOMIC_RELEASE);
    return true;
}

static struct nt_teb *teb_of(struct nt_list *link)
{
    return (struct nt_teb *)((char *)link - offsetof(struct nt_teb, tls_links));
}

/* Takes a thread off the list and frees what the list's threads have. */
static void thread_drop(struct nt_teb *teb)
{
    struct array_head *array = head_of(teb->tls);
    if (teb->tls_links.next) {
        teb->tls_links.next->prev = teb->tls_links.prev;
        teb->tls_links.prev->next = teb->tls_links.next;
        teb->tls_links.next = NULL;
    }
    for (SIZE_T i = 0; array && i < array->count; i++)
        block_free(teb->tls[i]);
    teb->tls = NULL;
    while (array) {
        struct array_head *older = array->older;
        RtlFreeHeap(ldr_peb()->process_heap, 0, array);
        array = older;
    }
}

/* A thread that was terminated never came through LdrShutdownThread. The kernel leaves us its TEB, without thread ID. */
static void terminated_drop(void)
{
    for (struct nt_list *link = threads.next, *next; link != &threads; link = next) {
        struct nt_teb *teb = teb_of(link);
        void *base = teb;
        SIZE_T size = 0;
        next = link->next;
        if (teb->client.thread)
            continue;
        thread_drop(teb);
        NtFreeVirtualMemory(NT_CURRENT_PROCESS, &base, &size, MEM_RELEASE);
    }
}

bool ldr_tls_thread(void)
{
    struct nt_teb *teb = ldr_teb();
    terminated_drop();
    teb->tls_links.next = &threads;
    teb->tls_links.prev = threads.prev;
    threads.prev->next = &teb->tls_links;
    threads.prev = &teb->tls_links;
    struct nt_list *head = &teb->peb->ldr->load_order;
    for (struct nt_list *link = head->next; link != head; link = link->next) {
        struct nt_ldr_entry *entry = LDR_ENTRY(link, load_order);
        if (entry->peload_tls_slot != (ULONG)-1 && !block_set(teb, entry))
            return false;
    }
    return true;
}

void ldr_tls_thread_free(void)
{
    thread_drop(ldr_teb());
}

bool ldr_tls_module(struct nt_ldr_entry *entry)
{
    if (entry->peload_tls_slot == (ULONG)-1)
        return true;
    for (struct nt_list *link = threads.next; link != &threads; link = link->next) {
        struct nt_teb *teb = teb_of(link);
        if (!block_set(teb, entry))
            return false;
    }
    return true;
}

void ldr_tls_module_free(struct nt_ldr_entry *entry)
{
    SIZE_T slot = entry->peload_tls_slot;
    if (entry->peload_tls_slot == (ULONG)-1)
        return;
    for (struct nt_list *link = threads.next; link != &threads; link = link->next) {
        struct nt_teb *teb = teb_of(link);
        struct array_head *array = head_of(teb->tls);
        if (array && slot < array->count) {
            block_free(teb->tls[slot]);
            teb->tls[slot] = NULL;
        }
    }
}
