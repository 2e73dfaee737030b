#include "loader/win32/win32.h"

#include <winternl.h>

const uint16_t win32_machine = PE_MACHINE_I386;

struct win32_teb *win32_teb(void)
{
    return (struct win32_teb *)(uintptr_t)__readfsdword(0x18);
}

void *win32_peb(void)
{
    return (void *)(uintptr_t)__readfsdword(0x30);
}

/* Handlers are found on the stack. */
void win32_unwind_data(struct ld_module *module, bool add)
{
    (void)module, (void)add;
}

/* A process that is marked NX_COMPAT is one for good, and then Windows accepts handlers of exceptions in its own images
 * only: not those of DLLs mapped by hand. So the stub is never marked, and what Windows would have switched on together
 * is asked for apart: data is not executed, handlers may lie anywhere (MEM_EXECUTE_OPTION_*). */
bool win32_no_execute(void)
{
    enum { DISABLE = 1, EXECUTE_DISPATCH = 0x10, IMAGE_DISPATCH = 0x20 };
    const PROCESSINFOCLASS execute_flags = (PROCESSINFOCLASS)34;
    typedef NTSTATUS(NTAPI * set_function)(HANDLE, PROCESSINFOCLASS, void *, ULONG);
    ULONG flags = DISABLE | EXECUTE_DISPATCH | IMAGE_DISPATCH;
    set_function set = (set_function)(void *)GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtSetInformationProcess");
    return set && set(GetCurrentProcess(), execute_flags, &flags, sizeof flags) >= 0;
}
