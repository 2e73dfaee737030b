/* --missing=stub: a function that no DLL has is told when it is called, not when it is bound. The slot gets a few bytes
 * of code that hand the DLL's and the function's name to the guest half, which raises 0x80000100 with both (what Wine's
 * own loader does; winedbg and CRT filters know the code). */
#include "loader/native/machine.h"
#include "loader/nt/mm.h"

#include <string.h>

enum { PIECE = 0x10000 };
static uintptr_t at, end;

static uint8_t *take(size_t size)
{
    if (end - at < size) {
        uintptr_t base = 0;
        if (nt_mm_allocate(&base, PIECE, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE, 0))
            return NULL;
        at = base;
        end = base + PIECE;
    }
    uint8_t *taken = (uint8_t *)at;
    at += (size + 15) & ~(size_t)15;
    return taken;
}

static char *text(const char *from, size_t length)
{
    char *copy = (char *)take(length + 1);
    if (copy) {
        memcpy(copy, from, length);
        copy[length] = 0;
    }
    return copy;
}

uint64_t native_stub(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len, uint32_t ordinal)
{
    uintptr_t target = (uintptr_t)native_export(native.ldr, "peload_missing");
    char *dll = text(exporter->name, strlen(exporter->name)), *function = (char *)(uintptr_t)ordinal;
    if (name)
        function = text(name, len);
    uint8_t *code = take(NATIVE_MISSING_SIZE);
    if (!target || !dll || !function || !code)
        return 0;
    native_missing_write(code, (uintptr_t)dll, (uintptr_t)function, target);
    LD_TRACE(loader->trace, LD_BIND, .verb = "stub", .module = exporter->name, .name = name ? function : "by ordinal", .address = (uintptr_t)code,
             .detail = "missing; raises 0x80000100 when called");
    return (uintptr_t)code;
}
