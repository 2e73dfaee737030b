/* --missing=stub: a function that no DLL has is told when it is called, not when it is bound. The slot gets a few bytes
 * of code that hand the DLL's and the function's name to the guest half, which raises 0x80000100 with both (what Wine's
 * own loader does; winedbg and CRT filters know the code). */
#include "loader/native/native.h"
#include "loader/nt/mm.h"

#include <string.h>

enum { PIECE = 0x10000, CODE_SIZE = 32 };
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

static void word(uint8_t *code, uintptr_t value) { memcpy(code, &value, sizeof value); }

#ifdef __x86_64__
/* mov $dll,%rcx; mov $name,%rdx; mov $target,%rax; jmp *%rax: the return address stays the caller's. */
static void write_code(uint8_t *code, uintptr_t dll, uintptr_t name, uintptr_t target)
{
    static const uint8_t form[] = {0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xba, 0, 0, 0, 0, 0, 0, 0, 0,
                                   0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
    memcpy(code, form, sizeof form);
    word(code + 2, dll);
    word(code + 12, name);
    word(code + 22, target);
}
#else
/* push $name; push $dll; mov $target,%eax; call *%eax: the caller's return address is the third argument. */
static void write_code(uint8_t *code, uintptr_t dll, uintptr_t name, uintptr_t target)
{
    static const uint8_t form[] = {0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xff, 0xd0, 0xcc};
    memcpy(code, form, sizeof form);
    word(code + 1, name);
    word(code + 6, dll);
    word(code + 11, target);
}
#endif

uint64_t native_stub(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len, uint32_t ordinal)
{
    uintptr_t target = (uintptr_t)native_export(native.ldr, "peload_missing");
    char *dll = text(exporter->name, strlen(exporter->name)), *function = (char *)(uintptr_t)ordinal;
    if (name)
        function = text(name, len);
    uint8_t *code = take(CODE_SIZE);
    if (!target || !dll || !function || !code)
        return 0;
    write_code(code, (uintptr_t)dll, (uintptr_t)function, target);
    LD_TRACE(loader->trace, LD_BIND, .verb = "stub", .module = exporter->name, .name = name ? function : "by ordinal", .address = (uintptr_t)code,
             .detail = "missing; raises 0x80000100 when called");
    return (uintptr_t)code;
}
