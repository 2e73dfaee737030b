/* The modules' own code at the four occasions: process and thread, beginning and end.
 *
 * Beginning: in the order of initialisation, each module's TLS callbacks before its DllMain; the program's own callbacks
 * behind all DLLs. End: the reverse order for the DLLs, and again the program last. So does Windows. */
#include "loader/win32/win32.h"
#include "pe/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <winternl.h>

static const char *const verbs[] = {"detach", "attach", "thread-attach", "thread-detach"};

/* ---- The lock ---- */

/* ntdll exports these two for everybody who has to keep the order of locks; without them our own would be taken before
 * the loader's in one thread and after it in another. */
static NTSTATUS (NTAPI *lock_function)(ULONG flags, ULONG *state, ULONG_PTR *cookie);
static NTSTATUS (NTAPI *unlock_function)(ULONG flags, ULONG_PTR cookie);

ULONG_PTR win32_lock(void)
{
    ULONG_PTR cookie = 0;
    ULONG state;
    if (!lock_function) {
        HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
        unlock_function = (void *)GetProcAddress(ntdll, "LdrUnlockLoaderLock");
        lock_function = (void *)GetProcAddress(ntdll, "LdrLockLoaderLock");
    }
    if (lock_function)
        lock_function(0, &state, &cookie);
    return cookie;
}

void win32_unlock(ULONG_PTR cookie)
{
    if (unlock_function)
        unlock_function(0, cookie);
}

/* ---- One module ---- */

static void call_callbacks(struct ld_module *module, DWORD reason)
{
    struct pe_tls tls;
    struct pe_error broken = {0};
    pe_va base = pe_va_at(module->base);
    pe_rva callback;
    DWORD swallowed; /* Windows goes on behind an exception in a callback */
    if (module->tls_slot < 0 || !pe_tls_read(&module->image, base, &tls, &broken) || !tls.callbacks.value)
        return;
    for (uint32_t i = 0; pe_tls_callback(&module->image, &tls, base, i, &callback, &broken); i++) {
        LD_TRACE(win32.loader.trace, reason < DLL_THREAD_ATTACH ? LD_INIT : LD_THREAD, .verb = "callback", .module = module->name,
                 .name = verbs[reason], .address = module->base + callback.value, .count = i, .thread = GetCurrentThreadId());
        win32_guarded((uintptr_t)(module->base + callback.value), (uintptr_t)module->base, reason, NULL, &swallowed);
    }
}

/* 0, or why it refused. Its own activation context is active meanwhile. */
static uint32_t call_entry(struct ld_module *module, DWORD reason, void *reserved)
{
    uint64_t entry = module->base + module->image.entry.value;
    DWORD exception = 0;
    LD_TRACE(win32.loader.trace, reason < DLL_THREAD_ATTACH ? LD_INIT : LD_THREAD, .verb = verbs[reason], .module = module->name,
             .address = module->image.entry.value ? entry : 0, .count = module->init_index, .thread = GetCurrentThreadId());
    if (module->is_main || !module->image.entry.value)
        return 0;
    HANDLE context = win32_context_of(module);
    ULONG_PTR cookie = win32_context_enter(context);
    BOOL done = win32_guarded((uintptr_t)entry, (uintptr_t)module->base, reason, reserved, &exception);
    win32_context_leave(cookie);
    if (context)
        ReleaseActCtx(context);
    if (reason != DLL_PROCESS_ATTACH)
        return 0;
    return exception ? exception : done ? 0 : 0xc0000142u;
}

/* ---- The process ---- */

static uint32_t attach_one(struct ld_module *module)
{
    uint32_t status = 0;
    module->state = LD_INITIALISING;
    module->init_index = ++win32.initialised;
    if (module->is_main || !module->no_resolve) {
        if (!module->is_main)
            win32_listeners_tell(module, true);
        call_callbacks(module, DLL_PROCESS_ATTACH);
        status = call_entry(module, DLL_PROCESS_ATTACH, (void *)(uintptr_t)module->is_static);
    }
    if (status) { /* it hears of its end, which whoever frees it must not tell again */
        call_entry(module, DLL_PROCESS_DETACH, NULL);
        win32_listeners_tell(module, false);
    }
    module->state = status ? LD_GONE : LD_RUNNING;
    return status;
}

uint32_t win32_attach(struct ld_module *root, const char **refused)
{
    size_t room = win32.loader.count, count;
    struct ld_module **list = calloc(room, sizeof *list);
    uint32_t status = list ? 0 : LD_STATUS_NO_MEMORY;
    if (!list)
        return status;
    count = ld_order(&win32.loader, root, list, room);
    for (size_t i = 0; i < count; i++)
        win32_unwind_data(list[i], true);
    for (size_t i = 0; !status && i < count; i++)
        if (list[i]->state == LD_READY) { /* an initialiser may have loaded and initialised it meanwhile */
            *refused = list[i]->name;
            status = attach_one(list[i]);
        }
    free(list);
    return status;
}

void win32_detach(struct ld_module *module, bool was_running)
{
    if (was_running && !module->no_resolve) {
        call_callbacks(module, DLL_PROCESS_DETACH);
        call_entry(module, DLL_PROCESS_DETACH, NULL);
        win32_listeners_tell(module, false);
    }
    win32_unwind_data(module, false);
}

/* ---- Threads, and the end ---- */

/* The next in the given direction from init_index `from`; asked anew each time, because what runs may load and free. */
static struct ld_module *next_module(unsigned from, bool forwards)
{
    struct ld_module *best = NULL;
    for (struct ld_module *module = win32.loader.first; module; module = module->next) {
        if (module->is_system || module->is_main || module->state != LD_RUNNING || module->no_resolve)
            continue;
        bool fits = forwards ? module->init_index > from : module->init_index < from;
        if (fits && (!best || (forwards ? module->init_index < best->init_index : module->init_index > best->init_index)))
            best = module;
    }
    return best;
}

static void tell_all(DWORD reason, void *reserved)
{
    bool forwards = reason == DLL_THREAD_ATTACH;
    unsigned at = forwards ? 0 : UINT_MAX;
    for (struct ld_module *module; (module = next_module(at, forwards)); at = module->init_index) {
        if (reason >= DLL_THREAD_ATTACH && module->no_thread_calls)
            continue;
        call_callbacks(module, reason);
        call_entry(module, reason, reserved);
    }
    if (win32.main && win32.main->state == LD_RUNNING)
        call_callbacks(win32.main, reason);
}

BOOL WINAPI win32_notify(HINSTANCE donor, DWORD reason, void *reserved)
{
    (void)donor;
    if (reason == DLL_PROCESS_ATTACH)
        return TRUE;
    if (reason == DLL_PROCESS_DETACH)
        win32.options.detached();
    ULONG_PTR cookie = win32_lock();
    win32.ending |= reason == DLL_PROCESS_DETACH;
    if (reason == DLL_THREAD_ATTACH)
        win32_thread_add();
    tell_all(reason, reserved);
    if (reason == DLL_THREAD_DETACH)
        win32_thread_remove();
    win32_unlock(cookie);
    return TRUE;
}
