/* Thread-local storage and resources at their edges. */
#define EDGE_GROUP "tls"
#include "tests/run/edges.h"

/* ---- thread-local storage ---------------------------------------------------------------------------------------------- */

enum { CALLED = 0x180, INDEX = 0x184, LIST = 0x190 }; /* from e->own */

/* A directory at e->own; the callbacks, ending with 0. A callback must leave EBX and ESI alone and take three arguments. */
static void tls(struct edge *e, const uint32_t *callbacks, unsigned count)
{
    unsigned width = edge_width(e);
    uint64_t base = edge_base(e) + e->own;
    data_pointer(e, e->own + 2 * width, base + INDEX);
    data_pointer(e, e->own + 3 * width, base + LIST);
    for (unsigned i = 0; i < count; i++)
        data_pointer(e, e->own + LIST + i * width, callbacks[i] ? edge_base(e) + callbacks[i] : 0);
    data32(e, e->own + INDEX, 0x12345);
    put_directory(&e->b, EDGE_TLS, e->own, 4 * width + 8);
}
/* [called] = [called] * 10 + digit: the order of the calls is the number. */
static uint32_t callback(struct edge *e, uint32_t at, uint32_t digit)
{
    e->at = at;
    code_enter(e);
    code_load(e, e->own + CALLED);
    code_times(e, 10);
    CODE_BYTES(e, "\x83\xc0");
    const char number = (char)digit;
    code(e, &number, 1);
    code_store(e, e->own + CALLED);
    code_leave(e, 3);
    return at;
}
static void answers_calls(struct edge *e)
{
    e->at = e->text;
    code_enter(e);
    code_load(e, e->own + CALLED);
    code_leave(e, 0);
}
static void tls_before_entry(struct edge *e)
{
    tls(e, (const uint32_t[]){callback(e, e->text + 0x100, 1), callback(e, e->text + 0x180, 2), 0}, 3);
    answers_calls(e);
}
static void tls_no_callbacks(struct edge *e)
{
    tls(e, NULL, 0);
    data_pointer(e, e->own + 3 * edge_width(e), 0);
    data_pointer(e, e->own, edge_base(e) + e->text);             /* four bytes of data, so that there is something to have */
    data_pointer(e, e->own + edge_width(e), edge_base(e) + e->text + 4);
    e->at = e->text;
    code_enter(e);
    code_load(e, e->own + INDEX);
    code_leave(e, 0);
}
static void tls_index_is_cleared(struct edge *e)
{
    tls(e, (const uint32_t[]){0}, 1);
    e->at = e->text;
    code_enter(e);
    code_load(e, e->own + INDEX);
    code_leave(e, 0);
}
static void tls_all_empty(struct edge *e)
{
    tls(e, NULL, 0);
    data_pointer(e, e->own + 2 * edge_width(e), 0);
    data_pointer(e, e->own + 3 * edge_width(e), 0);
    e->at = e->text;
    code_answer(e, 42);
}
/* The first callback puts the second one behind itself. */
static void tls_adds_one(struct edge *e)
{
    unsigned width = edge_width(e);
    uint32_t first = e->text + 0x100, second = callback(e, e->text + 0x200, 2);
    tls(e, (const uint32_t[]){first, 0, 0}, 3);
    e->at = first;
    code_enter(e);
    code_put(e, e->own + CALLED, 1);
    code_address(e, second);
    if (e->b.is_64)
        CODE_BYTES(e, "\x48");
    code_store(e, e->own + LIST + width);
    code_leave(e, 3);
    answers_calls(e);
}
static void tls_removes_one(struct edge *e)
{
    unsigned width = edge_width(e);
    uint32_t first = e->text + 0x100;
    tls(e, (const uint32_t[]){first, callback(e, e->text + 0x200, 2), 0}, 3);
    e->at = first;
    code_enter(e);
    code_put(e, e->own + CALLED, 1);
    code_put(e, e->own + LIST + width, 0);
    if (e->b.is_64)
        code_put(e, e->own + LIST + width + 4, 0);
    code_leave(e, 3);
    answers_calls(e);
}
/* Ends the process; called again at its end, when the first number stands already, it answers with another code. */
static void tls_ends_process(struct edge *e)
{
    uint32_t slot = IMPORT(e, "ntdll.dll", "RtlExitUserProcess", "NtTerminateProcess"), first = e->text + 0x100;
    tls(e, (const uint32_t[]){first, 0}, 2);
    e->at = first;
    code_enter(e);
    code_load(e, e->own + CALLED);
    code_put(e, e->own + CALLED, 41);
    CODE_BYTES(e, "\x85\xc0\x74"); /* test eax, eax; jz over the second call's part */
    uint32_t jump = e->at;
    code(e, "", 1);
    CODE_CALL(e, slot + edge_width(e), NUMBER(0xffffffff), NUMBER(42));
    e->b.bytes[edge_off(e, jump)] = (uint8_t)(e->at - jump - 1);
    CODE_CALL(e, slot, NUMBER(7));
    e->at = e->text;
    code_answer(e, 1);
}
/* The callback faults: those behind it are not called, the program starts all the same. */
static void tls_faults(struct edge *e)
{
    uint32_t first = callback(e, e->text + 0x100, 1), bad = e->text + 0x180;
    tls(e, (const uint32_t[]){first, bad, callback(e, e->text + 0x200, 3), 0}, 4);
    e->at = bad;
    CODE_BYTES(e, "\x0f\x0b"); /* ud2 */
    answers_calls(e);
}
static void tls_index_outside(struct edge *e)
{
    tls(e, NULL, 0);
    data_pointer(e, e->own + 2 * edge_width(e), 0x66660000);
    data_pointer(e, e->own + 3 * edge_width(e), 0);
    data_pointer(e, e->own, edge_base(e) + e->text);
    data_pointer(e, e->own + edge_width(e), edge_base(e) + e->text + 4);
    e->at = e->text;
    code_answer(e, 1);
}
static void tls_directory_outside(struct edge *e) { code_answer(e, 1), put_directory(&e->b, EDGE_TLS, 0x7fff0000, 0x28); }
/* The list is an import table: the function is called with the image's address as its argument. */
static void tls_calls_an_import(struct edge *e)
{
    uint32_t slot = IMPORT(e, "kernel32.dll", "ExitProcess");
    tls(e, NULL, 0);
    data_pointer(e, e->own + 3 * edge_width(e), edge_base(e) + slot);
    e->at = e->text;
    code_answer(e, 1);
}
/* Everything but ESI is lost on the way back (x86), the stack pointer too. */
static void tls_loses_registers(struct edge *e)
{
    uint32_t bad = e->text + 0x100;
    tls(e, (const uint32_t[]){bad, 0}, 2);
    e->at = bad;
    CODE_BYTES(e, "\x8b\x14\x24\x31\xc0\x31\xdb\x31\xff\x31\xed\x83\xec\x40\xff\xe2"); /* mov edx, [esp]; xor eax, ebx, edi, ebp; sub esp, 64; jmp edx */
    e->at = e->text;
    code_answer(e, 42);
}

/* ---- resources ------------------------------------------------------------------------------------------------------------ */

/* RT_RCDATA (10), id 1, language 0x409: 42 bytes. */
static void resource(struct edge *e, uint32_t size)
{
    uint32_t slots = IMPORT(e, "kernel32.dll", "FindResourceW", "SizeofResource"), at = e->own, width = edge_width(e);
    static const uint32_t ids[] = {10, 1, 0x409};
    for (unsigned i = 0; i < 3; i++) {
        data32(e, at + 24 * i + 12, 1u << 16);
        data32(e, at + 24 * i + 16, ids[i]);
        data32(e, at + 24 * i + 20, i < 2 ? 0x80000000 | 24 * (i + 1) : 72);
    }
    data32(e, at + 72, at + 0x80);
    data32(e, at + 76, 42);
    put_directory(&e->b, EDGE_RESOURCES, at, size);
    code_enter(e);
    CODE_CALL(e, slots, NUMBER(0), NUMBER(1), NUMBER(10));
    code_keep(e);
    CODE_CALL(e, slots + width, NUMBER(0), SAVED);
    code_leave(e, 0);
}
static void resource_found(struct edge *e) { resource(e, 0x100); }
static void resource_size_null(struct edge *e) { resource(e, 0); }
static void resource_none(struct edge *e) { resource(e, 0x100), put_directory(&e->b, EDGE_RESOURCES, 0, 0); }

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

#define ACCESS 0xc0000005

static const struct edge_row rows[] = {
    {"TLS callbacks before the entry", tls_before_entry, EXITS, 12, NULL, MS ": The .tls Section", 0},
    {"TLS without callbacks", tls_no_callbacks, EXITS, 0, NULL, MS ": the loader assigns the index", 0},
    {"TLS with an empty list: the index is written", tls_index_is_cleared, EXITS, 0, NULL, CORKAMI "tls_aoi", 0},
    {"TLS directory of zeroes", tls_all_empty, EXITS, 42, NULL, MS ": it is valid to have no callbacks", 0},
    {"TLS callback adds one", tls_adds_one, EXITS, 12, NULL, CORKAMI "tls_onthefly", 0},
    {"TLS callback removes one", tls_removes_one, EXITS, 1, NULL, CORKAMI "tls_onthefly", 0},
    {"TLS callback ends the process, and is called again", tls_ends_process, EXITS, 42, NULL, CORKAMI "tls_exiting, tls_noEP", 0},
    {"TLS callback faults", tls_faults, EXITS, 1, NULL, CORKAMI "called until an error happens, then the entry", 0},
    {"TLS callback is an import", tls_calls_an_import, EXITS, 0x400000, NULL, CORKAMI "tls_import", X86},
    {"TLS callback is an import", tls_calls_an_import, EXITS, 0x40000000, NULL, CORKAMI "tls_import", X64},
    {"TLS callback loses all registers but ESI", tls_loses_registers, EXITS, 42, NULL, CORKAMI "fakeregs", X86},
    {"TLS index outside the image", tls_index_outside, REFUSED, ACCESS, "rule 72", RULES "72: a fault; " WINE, 0},
    {"TLS directory outside the image", tls_directory_outside, REFUSED, ACCESS, "rule 70", RULES "70: a fault; " WINE, 0},

    {"resource", resource_found, EXITS, 42, NULL, MS, 0},
    {"resource directory of Size 0", resource_size_null, EXITS, 42, NULL, RULES "100", 0},
    {"no resource directory", resource_none, EXITS, 0, NULL, "Microsoft, FindResource: NULL where it fails", 0},
};

int main(void) { return edge_rows_run("TLS and resources", rows, sizeof rows / sizeof *rows); }
