/* --missing=stub: a function that no DLL has is told when it is called, not when it is bound. Its slot gets a few bytes of
 * code that raise 0x80000100 with the DLL's and the function's name (what Wine's own loader does). */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 0x10000 };
static uint8_t *at, *end;

/* Jumped at by the stubs, as if the program had called it. */
static void missing(const char *dll, const char *function)
{
    const ULONG_PTR arguments[] = {(ULONG_PTR)dll, (ULONG_PTR)function};
    RaiseException(0x80000100u, EXCEPTION_NONCONTINUABLE, 2, arguments);
    abort();
}

/* Names and codes live as long as the process: a slot may be called at any time. */
static char *text(const char *from, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, from, length);
        copy[length] = 0;
    }
    return copy;
}

uint64_t win32_missing(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len, uint32_t ordinal)
{
    DWORD before;
    char *dll = text(exporter->name, strlen(exporter->name)), *function = name ? text(name, len) : (char *)(uintptr_t)ordinal;
    if (end - at < WIN32_MISSING_SIZE) {
        at = VirtualAlloc(NULL, PIECE, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READ);
        end = at ? at + PIECE : NULL;
    }
    if (!at || !dll || (name && !function) || !VirtualProtect(at, WIN32_MISSING_SIZE, PAGE_READWRITE, &before))
        return 0;
    uint8_t *code = at;
    at += WIN32_MISSING_SIZE;
    win32_missing_write(code, (uintptr_t)dll, (uintptr_t)function, (uintptr_t)missing);
    VirtualProtect(code, WIN32_MISSING_SIZE, PAGE_EXECUTE_READ, &before);
    FlushInstructionCache(GetCurrentProcess(), code, WIN32_MISSING_SIZE);
    LD_TRACE(loader->trace, LD_BIND, .verb = "stub", .module = exporter->name, .name = name ? function : "by ordinal", .address = (uintptr_t)code,
             .detail = "missing; raises 0x80000100 when called");
    return (uintptr_t)code;
}
