/* Start and end of the process and of each thread, on the guest's side.
 *
 * Every thread begins in LdrInitializeThunk with the CONTEXT it is to continue with. The first one finds everything
 * mapped and bound; it prepares what ntdll's own loader would have prepared, runs the initialisers, and goes on at
 * RtlUserThreadStart. Later ones get their TLS and the modules' THREAD_ATTACH. */
#include "loader/ldr/ldr.h"

bool ldr_shutting_down;

static bool process_ready;
static RTL_CRITICAL_SECTION peb_lock = {NULL, -1, 0, 0, 0, 0};
static struct nt_bitmap tls_bitmap, tls_expansion_bitmap, fls_bitmap;
static UCHAR nls_tables[256];

static void heap_and_locks(struct nt_peb *peb)
{
    peb->fast_lock = &peb_lock;
    /* The first heap becomes ntdll's process heap; HEAP_GROWABLE. */
    peb->process_heap = RtlCreateHeap(2, NULL, 0, 0, NULL, NULL);
    if (!peb->process_heap)
        peload_fatal(STATUS_NO_MEMORY, NULL);
}

static void slot_bitmaps(struct nt_peb *peb)
{
    RtlInitializeBitMap(&tls_bitmap, peb->tls_bits, 64);
    RtlInitializeBitMap(&tls_expansion_bitmap, peb->tls_expansion_bits, 1024);
    RtlInitializeBitMap(&fls_bitmap, peb->fls_bits, 128);
    RtlSetBits(&tls_bitmap, 0, 1); /* slot 0 is never given out: programs take 0 for "none" */
    RtlSetBits(&fls_bitmap, 0, 1);
    peb->tls_bitmap = &tls_bitmap;
    peb->tls_expansion_bitmap = &tls_expansion_bitmap;
    peb->fls_bitmap = &fls_bitmap;
    peb->fls_list.next = peb->fls_list.prev = &peb->fls_list;
}

/* ntdll grows the environment by reallocating it, so it must be a block of the process heap. */
static void environment_move(struct nt_peb *peb)
{
    struct nt_parameters *parameters = peb->parameters;
    void *copy = RtlAllocateHeap(peb->process_heap, 0, parameters->environment_size);
    if (!copy)
        peload_fatal(STATUS_NO_MEMORY, NULL);
    __builtin_memcpy(copy, parameters->environment, parameters->environment_size);
    parameters->environment = copy;
}

/* Code pages and case table: ntdll's static tables are set by RtlInitNlsTables and RtlResetRtlTranslations. */
static void code_pages(struct nt_peb *peb)
{
    SIZE_T size;
    if (NtGetNlsSectionPtr(11, 1252, NULL, &peb->ansi_code_page, &size) ||
        NtGetNlsSectionPtr(11, 437, NULL, &peb->oem_code_page, &size) ||
        NtGetNlsSectionPtr(10, 0, NULL, &peb->unicode_case_table, &size))
        peload_fatal(STATUS_DLL_INIT_FAILED, NULL);
    RtlInitNlsTables(peb->ansi_code_page, peb->oem_code_page, peb->unicode_case_table, nls_tables);
    RtlResetRtlTranslations(nls_tables);
    if (RtlUpcaseUnicodeChar(0xe4) != 0xc4) /* a-umlaut: proves that this ntdll took the tables */
        peload_fatal(STATUS_DLL_INIT_FAILED, NULL);
}

/* PEB.LoaderLock is ntdll's own lock, which has no name: it is the one critical section in ntdll's data that this
 * thread owns once while it holds the loader lock. */
static void loader_lock_publish(struct nt_peb *peb)
{
    SIZE_T cookie;
    HANDLE self = ldr_teb()->client.thread;
    UCHAR *data = peload_host.ntdll_data;
    ldr_lock(&cookie);
    for (ULONG at = 0; data && at + sizeof(RTL_CRITICAL_SECTION) <= peload_host.ntdll_data_size; at += sizeof(void *)) {
        RTL_CRITICAL_SECTION *section = (RTL_CRITICAL_SECTION *)(data + at);
        if (section->lock_count == 0 && section->recursion == 1 && section->owner == self) {
            peb->loader_lock = section;
            break;
        }
    }
    ldr_unlock(cookie);
}

static void process_start(struct nt_peb *peb)
{
    SIZE_T cookie;
    heap_and_locks(peb);
    slot_bitmaps(peb);
    environment_move(peb);
    code_pages(peb);
    ldr_context_process(peb);
    loader_lock_publish(peb);
    ldr_lock(&cookie);
    if (!ldr_tls_thread())
        peload_fatal(STATUS_NO_MEMORY, NULL);
    process_ready = true;
    ldr_initialise(peload_host.kernel32, true); /* whether the program imports it or not */
    ldr_initialise(peload_host.main, true);
    ldr_tls_callbacks(peload_host.main, PROCESS_ATTACH); /* the EXE's own, behind all DllMains */
    ldr_unlock(cookie);
}

/* THREAD_ATTACH and THREAD_DETACH go to modules that are attached and want them; the EXE has no DllMain, but its TLS
 * callbacks come last, whatever the reason. */
static bool wants_thread_calls(const struct nt_ldr_entry *entry)
{
    return entry->flags & LDR_PROCESS_ATTACHED && !(entry->flags & LDR_NO_DLL_CALLS) && entry != peload_host.main;
}

void ldr_thread_attach(void)
{
    SIZE_T cookie;
    struct nt_list *head = &ldr_peb()->ldr->init_order;
    ldr_lock(&cookie);
    if (ldr_shutting_down) {
        ldr_unlock(cookie);
        NtTerminateThread((HANDLE)-2, 0);
    }
    if (!ldr_tls_thread())
        NtTerminateThread((HANDLE)-2, STATUS_NO_MEMORY);
    for (struct nt_list *link = head->next; link != head; link = link->next)
        if (wants_thread_calls(LDR_ENTRY(link, init_order)))
            ldr_entry_call(LDR_ENTRY(link, init_order), THREAD_ATTACH, false);
    ldr_tls_callbacks(peload_host.main, THREAD_ATTACH);
    ldr_unlock(cookie);
}

EXPORT void NTAPI LdrInitializeThunk(struct nt_context *context, void *unused)
{
    (void)unused;
    if (process_ready)
        ldr_thread_attach();
    else
        process_start(ldr_peb());
    NtContinue(context, 1);
}

EXPORT void NTAPI LdrShutdownThread(void)
{
    SIZE_T cookie;
    struct nt_list *head = &ldr_peb()->ldr->init_order;
    if (ldr_shutting_down)
        return;
    RtlProcessFlsData(ldr_teb()->fls, 1);
    ldr_lock(&cookie);
    for (struct nt_list *link = head->prev; link != head; link = link->prev)
        if (wants_thread_calls(LDR_ENTRY(link, init_order)))
            ldr_entry_call(LDR_ENTRY(link, init_order), THREAD_DETACH, false);
    ldr_tls_callbacks(peload_host.main, THREAD_DETACH);
    ldr_tls_thread_free();
    struct nt_teb *teb = ldr_teb();
    if (teb->tls_expansion)
        RtlFreeHeap(teb->peb->process_heap, 0, teb->tls_expansion);
    teb->tls_expansion = NULL;
    RtlProcessFlsData(teb->fls, 2);
    ldr_unlock(cookie);
}

EXPORT void NTAPI LdrShutdownProcess(void)
{
    SIZE_T cookie;
    struct nt_peb *peb = ldr_peb();
    struct nt_list *head = &peb->ldr->init_order;
    if (ldr_shutting_down || !process_ready)
        return;
    ldr_shutting_down = true;
    peb->ldr->shutdown_in_progress = 1;
    peb->ldr->shutdown_thread = ldr_teb()->client.thread;
    RtlProcessFlsData(ldr_teb()->fls, 1);
    ldr_lock(&cookie);
    for (struct nt_list *link = head->prev; link != head; link = link->prev) {
        struct nt_ldr_entry *entry = LDR_ENTRY(link, init_order);
        if (entry->flags & LDR_PROCESS_ATTACHED && entry != peload_host.main) {
            entry->flags &= ~(ULONG)LDR_PROCESS_ATTACHED;
            ldr_entry_call(entry, PROCESS_DETACH, true);
            peload_state(entry, NT_MODULE_DETACHED);
        }
    }
    ldr_tls_callbacks(peload_host.main, PROCESS_DETACH);
    ldr_unlock(cookie);
}

EXPORT BOOLEAN NTAPI RtlDllShutdownInProgress(void) { return ldr_shutting_down; }

EXPORT NTSTATUS NTAPI LdrGetDllHandle(const WCHAR *path, ULONG flags, const UNICODE_STRING *name, void **module);
EXPORT void *NTAPI RtlFindExportedRoutineByName(void *module, const char *name);
EXPORT void NTAPI RtlExitUserProcess(NTSTATUS status);

/* ---- Ctrl+C ------------------------------------------------------------------------------------------------- */

static HANDLE control_thread; /* the one that calls the handlers now */

static struct nt_ldr_entry *kernelbase(void)
{
    static const WCHAR name[] = {'k', 'e', 'r', 'n', 'e', 'l', 'b', 'a', 's', 'e', '.', 'd', 'l', 'l', 0};
    UNICODE_STRING string = {sizeof name - sizeof *name, sizeof name, (WCHAR *)name};
    void *module = NULL;
    return LdrGetDllHandle(NULL, 0, &string, &module) ? NULL : ldr_entry_of(module);
}

/* The last of kernelbase's handlers, its own, ends the process with 0; Windows' has a status for that. */
static bool is_default_handler(const void *caller)
{
    const struct nt_ldr_entry *entry = control_thread == ldr_teb()->client.thread ? kernelbase() : NULL;
    return entry && (uintptr_t)caller - (uintptr_t)entry->base < entry->size_of_image;
}

/* A thread for one event (0 Ctrl+C, 1 Ctrl+Break), made by the host. kernelbase has the handlers; a program without it has
 * none. Its CtrlRoutine takes the flag "Ctrl+C is ignored", with which a new group of processes begins, for all events. */
EXPORT ULONG NTAPI peload_control(void *event)
{
    struct nt_ldr_entry *entry = kernelbase();
    struct nt_parameters *parameters = ldr_peb()->parameters;
    ULONG flags = parameters->console_flags;
    ULONG (NTAPI *routine)(void *) = entry ? RtlFindExportedRoutineByName(entry->base, "CtrlRoutine") : NULL;
    if (!routine)
        RtlExitUserProcess(STATUS_CONTROL_C_EXIT);
    control_thread = ldr_teb()->client.thread;
    if (event)
        parameters->console_flags = flags & ~1u;
    routine(event);
    if (event)
        parameters->console_flags = flags;
    return 0;
}

/* The loader lock is taken first, so that no other thread can be inside an initialiser when it is ended. */
EXPORT void NTAPI RtlExitUserProcess(NTSTATUS status)
{
    SIZE_T cookie;
    if (!status && is_default_handler(__builtin_return_address(0)))
        status = STATUS_CONTROL_C_EXIT;
    ldr_lock(&cookie);
    RtlEnterCriticalSection(ldr_peb()->fast_lock);
    NtTerminateProcess(0, status);
    LdrShutdownProcess();
    for (;;)
        NtTerminateProcess((HANDLE)-1, status);
}

EXPORT void NTAPI RtlExitUserThread(NTSTATUS status)
{
    ULONG last = 0;
    NtQueryInformationThread((HANDLE)-2, 12 /* am I the last thread */, &last, sizeof last, NULL);
    if (last)
        RtlExitUserProcess(status);
    LdrShutdownThread();
    RtlFreeThreadActivationContextStack();
    for (;;)
        NtTerminateThread((HANDLE)-2, status);
}
