/* The reference lane: Wine's own loader, the LdrInitializeThunk of its unmodified ntdll, on the kernel of this folder. A second
 * opinion on what the phases build, from code that is not ours.
 *
 * Only two images are mapped here, the EXE and ntdll, as NT's kernel does it. Everything else (kernel32, imports, TLS,
 * initialisers) is Wine's work through NtOpenFile, NtCreateSection(SEC_IMAGE) and NtMapViewOfSection. The fields of the
 * PEB that a loader fills (Ldr, heap, locks, bitmaps) stay 0: ntdll takes what is not 0 for its own and would not fill it. */
#include "loader/native/machine.h"
#include "loader/nt/mm.h"

#include <stdio.h>
#include <string.h>

/* Placed, filled, relocated and protected, but neither bound nor given a TLS slot nor a cookie. */
static struct ld_module *map_alone(const char *path, bool is_main, struct ld_error *error)
{
    struct loader *loader = &native.loader;
    struct ld_module *module = ld_module_new(loader, path);
    if (!module) {
        ld_fail_host(error, LD_OPEN, NULL, HOST_NO_MEMORY, "no memory for a module");
        return NULL;
    }
    module->is_main = is_main;
    if (!ld_open(loader, module, error) || !ld_place(loader, module, error) || !ld_fill(loader, module, error) ||
        !ld_relocate(loader, module, error) || !ld_protect(loader, module, error)) {
        ld_module_free(loader, module);
        return NULL;
    }
    module->state = LD_READY;
    return module;
}

/* What Wine's DLLs call for their Unix half, which is not here. */
static uintptr_t unix_call_make(void)
{
    uintptr_t base = 0;
    if (nt_mm_allocate(&base, native_unix_refusal_size, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE, 0))
        return 0;
    memcpy((void *)base, native_unix_refusal, native_unix_refusal_size);
    return base;
}

static bool entries_take(struct ld_error *error)
{
    const struct { const char *name; uintptr_t *cell; } entries[] = {
        {"KiUserExceptionDispatcher", &nt_process.exception_entry}, {"KiUserApcDispatcher", &nt_process.apc_entry},
        {"LdrInitializeThunk", &nt_process.thread_entry}, {"RtlUserThreadStart", &nt_process.thread_start},
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        *entries[i].cell = (uintptr_t)native_export(native.ntdll, entries[i].name);
        if (!*entries[i].cell) {
            ld_fail(error, LD_BIND, native.ntdll, STATUS_ENTRYPOINT_NOT_FOUND, "this ntdll lacks an entry point of NT's kernel");
            snprintf(error->symbol, sizeof error->symbol, "%s", entries[i].name);
            error->host = HOST_FAILED;
            return false;
        }
    }
    return true;
}

bool native_reference_open(struct ld_error *error)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/ntdll.dll", native.system_folder);
    native.ntdll = map_alone(path, false, error);
    if (!native.ntdll) {
        error->host = HOST_FAILED; /* the machine's fault, not the program's */
        return false;
    }
    /* Before a thread's own code begins, ntdll's signal_start_thread clears 0xF0000 bytes of its stack without touching
     * the pages in order, as it may on Wine's stacks, which are committed as a whole. */
    nt_process.stack_whole = true;
    /* That MEM_RELEASE wants no size is VirtualFree's rule; Wine's kernelbase leaves it to the kernel. On the native lane it is
     * loader/ldr/memory.c's. */
    nt_process.release_whole = true;
    nt_process.control_entry = (uintptr_t)native_export(native.ntdll, "__wine_ctrl_routine");
    uintptr_t unix_call = unix_call_make();
    if (!unix_call)
        return ld_fail_host(error, LD_START, NULL, HOST_NO_MEMORY, "no memory for the way to Unix");
    if (!native_ntdll_connect(unix_call, error) || !entries_take(error))
        return false;
    nt_process.apc_form = native_apc_on_stack((const uint8_t *)nt_process.apc_entry) ? NT_APC_ON_STACK : NT_APC_ROUTINE_LAST;
    return true;
}

bool native_reference_program(struct ld_error *error)
{
    native.main = map_alone(native.options.program, true, error);
    return native.main != NULL;
}
