/* GetProcAddress and delay imports: addresses asked for at run time. A forwarder may bring new modules along, which
 * are initialised before their function is handed out. */
#include "loader/ldr/ldr.h"

EXPORT NTSTATUS NTAPI LdrGetProcedureAddress(void *module, const ANSI_STRING *name, ULONG ordinal, void **address)
{
    SIZE_T cookie;
    void *found = NULL;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module);
    NTSTATUS status = entry ? peload_symbol(entry, name ? name->buffer : NULL, ordinal, &found) : STATUS_DLL_NOT_FOUND;
    if (status == NT_SYMBOL_NEW_MODULES)
        status = ldr_initialise(entry, false);
    ldr_unlock(cookie);
    if (!status)
        *address = found;
    return status;
}

EXPORT void *NTAPI RtlFindExportedRoutineByName(void *module, const char *name)
{
    SIZE_T cookie;
    void *found = NULL;
    ldr_lock(&cookie);
    struct nt_ldr_entry *entry = ldr_entry_of(module);
    NTSTATUS status = entry ? peload_symbol(entry, name, 0, &found) : STATUS_DLL_NOT_FOUND;
    if (status == NT_SYMBOL_NEW_MODULES)
        status = ldr_initialise(entry, false);
    if (status)
        found = NULL;
    ldr_unlock(cookie);
    return found;
}

/* IMAGE_DELAYLOAD_DESCRIPTOR, DELAYLOAD_INFO and its hooks (delayloadhandler.h). */
struct delay_descriptor { ULONG attributes, name, handle, iat, names, bound, unload, timestamp; };
struct delay_info {
    ULONG size;
    const struct delay_descriptor *descriptor;
    void **thunk;
    const char *dll;
    struct { ULONG by_name; union { const char *name; ULONG ordinal; }; } function;
    void *module;
    void *address;
    ULONG last_error;
};
typedef void *(NTAPI *delay_failure)(ULONG reason, struct delay_info *info);
typedef void *(NTAPI *delay_system_failure)(const char *dll, const char *function);

static WCHAR *widen(const char *text)
{
    unsigned count = 0;
    while (text[count])
        count++;
    WCHAR *wide = RtlAllocateHeap(ldr_peb()->process_heap, 0, (count + 1) * sizeof(WCHAR));
    for (unsigned i = 0; wide && i <= count; i++)
        wide[i] = (UCHAR)text[i];
    return wide;
}

static NTSTATUS delay_module(const char *name, void **module)
{
    WCHAR *wide = widen(name);
    if (!wide)
        return STATUS_NO_MEMORY;
    unsigned count = 0;
    while (wide[count])
        count++;
    UNICODE_STRING string = {(USHORT)(count * sizeof(WCHAR)), (USHORT)((count + 1) * sizeof(WCHAR)), wide};
    NTSTATUS status = LdrLoadDll(NULL, 0, &string, module);
    RtlFreeHeap(ldr_peb()->process_heap, 0, wide);
    return status;
}

EXPORT void *NTAPI LdrResolveDelayLoadedAPI(void *base, const struct delay_descriptor *descriptor, delay_failure hook,
                                            delay_system_failure system_hook, void **thunk, ULONG flags)
{
    char *image = base;
    void **handle = (void **)(image + descriptor->handle);
    void **iat = (void **)(image + descriptor->iat);
    SIZE_T index = (SIZE_T)(thunk - iat);
    ULONG_PTR name = ((const ULONG_PTR *)(image + descriptor->names))[index];
    bool by_ordinal = name >> (sizeof name * 8 - 1);
    const char *function = by_ordinal ? NULL : image + name + 2;
    const char *dll = image + descriptor->name;
    void *module = *handle, *address = NULL;
    NTSTATUS status = STATUS_SUCCESS;
    (void)flags;
    if (!module) {
        status = delay_module(dll, &module);
        if (!status)
            __atomic_store_n(handle, module, __ATOMIC_RELEASE);
    }
    if (!status) {
        ANSI_STRING string = {0, 0, (char *)(uintptr_t)function};
        status = LdrGetProcedureAddress(module, function ? &string : NULL, (ULONG)(name & 0xffff), &address);
    }
    if (!status) {
        __atomic_store_n(thunk, address, __ATOMIC_RELEASE);
        return address;
    }
    struct delay_info info = {.size = sizeof info, .descriptor = descriptor, .thunk = thunk, .dll = dll, .module = module,
                              .last_error = status == STATUS_DLL_NOT_FOUND ? 126 : 127};
    info.function.by_name = function != NULL;
    if (function)
        info.function.name = function;
    else
        info.function.ordinal = (ULONG)(name & 0xffff);
    if (hook)
        return hook(4 /* DELAYLOAD_GPA_FAILURE, the only reason there is */, &info);
    if (system_hook)
        return system_hook(dll, function ? function : (const char *)(name & 0xffff));
    RtlRaiseStatus(status);
    return NULL;
}

/* --missing=stub: what the slot of a function that is not there leads to, in place of the function. `name` is an ordinal
 * where it is small. Wine's own loader raises the same, so debuggers and filters know the code. */
EXPORT void peload_missing(const char *dll, const char *name, void *caller)
{
    struct nt_exception record = {.code = 0x80000100, .flags = 1, .count = 2};
    record.address = sizeof(void *) == 8 ? __builtin_return_address(0) : caller;
    record.information[0] = (ULONG_PTR)dll;
    record.information[1] = (ULONG_PTR)name;
    for (;;)
        RtlRaiseException(&record);
}
