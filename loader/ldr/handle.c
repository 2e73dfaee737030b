/* Questions about modules that are loaded: handles, names, addresses, references. */
#include "loader/ldr/ldr.h"

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
    WCHAR *redirected = ldr_context_redirect(text);
    ldr_lock(&cookie);
    NTSTATUS status = peload_find(redirected ? redirected : text, (uintptr_t)path > 0xffff ? path : NULL, &entry);
    if (!status && !(flags & HANDLE_EX_UNCHANGED))
        status = peload_reference(entry, flags & HANDLE_EX_PIN ? 1 : 0);
    if (module)
        *module = status ? NULL : entry->base;
    ldr_unlock(cookie);
    RtlFreeHeap(ldr_peb()->process_heap, 0, redirected);
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
    if (!entry || entry->peload_tls_slot != (ULONG)-1) /* a module with static TLS keeps its calls */
        status = STATUS_DLL_NOT_FOUND;
    else
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
