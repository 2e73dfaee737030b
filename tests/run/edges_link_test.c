/* Imports, exports and forwarders at their edges. */
#define EDGE_GROUP "link"
#include "tests/run/edges.h"

/* ---- imports ------------------------------------------------------------------------------------------------- */

#define EXIT_PROCESS "ExitProcess"

static void exits(struct edge *e, uint32_t slot, uint32_t answer)
{
    code_enter(e);
    CODE_CALL(e, slot, NUMBER(answer));
}
/* kernel32!ExitProcess under this name of the DLL. */
static void from(struct edge *e, const char *dll) { exits(e, IMPORT(e, dll, EXIT_PROCESS), 42); }
static void without_extension(struct edge *e) { from(e, "kernel32"); }
static void trailing_dot(struct edge *e) { from(e, "kernel32.dll."); }
static void trailing_dots(struct edge *e) { from(e, "kernel32.dll..."); }
static void trailing_spaces(struct edge *e) { from(e, "kernel32.dll  "); }
static void letter_case(struct edge *e) { from(e, "kErNeL32.DlL"); }
static void no_such_dll(struct edge *e) { from(e, "edge_nowhere.dll"); }
static void no_such_dll_unused(struct edge *e)
{
    IMPORT(e, "edge_nowhere.dll", NULL);
    code_answer(e, 42);
}
static void no_such_function(struct edge *e) { exits(e, IMPORT(e, "kernel32.dll", "ExitProcessEdge"), 1); }
static void no_such_ordinal(struct edge *e) { exits(e, IMPORT(e, "kernel32.dll", "#65000"), 1); }
static void function_case(struct edge *e) { exits(e, IMPORT(e, "kernel32.dll", "exitprocess"), 1); }
static void api_set(struct edge *e) { from(e, "api-ms-win-core-processthreads-l1-1-0.dll"); }
static void api_set_other_version(struct edge *e) { from(e, "api-ms-win-core-processthreads-l1-1-99.dll"); }

static uint32_t descriptor(const struct edge *e, unsigned index) { return e->tables + index * DESCRIPTOR; }
static uint32_t field(const struct edge *e, uint32_t rva) { return get32(&e->b, edge_off(e, rva)); }

/* What stands behind the good descriptor must not be looked at. */
static void terminated(struct edge *e, uint32_t name, uint32_t first_thunk)
{
    uint32_t slot = IMPORT(e, "kernel32.dll", EXIT_PROCESS), next = descriptor(e, 1);
    data32(e, next, 0x7ffffff0);
    data32(e, next + 4, 0x11111111);
    data32(e, next + 8, 0x22222222);
    data32(e, next + 12, name);
    data32(e, next + 16, first_thunk);
    exits(e, slot, 42);
}
static void terminator_name(struct edge *e) { terminated(e, 0, 0x7ffffff0); }
static void terminator_thunk(struct edge *e) { terminated(e, 0x7ffffff0, 0); }
static void directory_size_null(struct edge *e) { from(e, "kernel32.dll"), put_directory(&e->b, EDGE_IMPORTS, e->tables, 0); }
static void directory_size_huge(struct edge *e) { from(e, "kernel32.dll"), put_directory(&e->b, EDGE_IMPORTS, e->tables, 0x7fffffff); }
static void lookup_null(struct edge *e) { from(e, "kernel32.dll"), data32(e, descriptor(e, 0), 0); }
static void lookup_is_iat(struct edge *e) { from(e, "kernel32.dll"), data32(e, descriptor(e, 0), field(e, descriptor(e, 0) + 16)); }
static void lookup_garbage(struct edge *e) { from(e, "kernel32.dll"), data32(e, descriptor(e, 0), 0x7ffffff0); }
/* Bound long ago to another kernel32: stamp, forwarder chain and addresses are all stale. */
static void bound_stale(struct edge *e)
{
    from(e, "kernel32.dll");
    data32(e, descriptor(e, 0) + 4, 0x12345678);
    data32(e, descriptor(e, 0) + 8, 0xffffffff);
    data_pointer(e, field(e, descriptor(e, 0) + 16), 0x7c81caa2);
}
static void bound_stale_new(struct edge *e)
{
    bound_stale(e);
    data32(e, descriptor(e, 0) + 4, 0xffffffff);
    data32(e, e->own, 0x12345678);
    put16(&e->b, edge_off(e, e->own + 4), 0x20);
    put_text(&e->b, edge_off(e, e->own + 0x20), "kernel32.dll");
    put_directory(&e->b, EDGE_BOUND, e->own, 0x30);
}
static void hint_wrong(struct edge *e)
{
    from(e, "kernel32.dll");
    put16(&e->b, edge_off(e, field(e, field(e, descriptor(e, 0)))), 0xfffe);
}
/* Descriptor and terminator reach into the zero fill behind .data's bytes. */
static void terminator_in_zero_fill(struct edge *e)
{
    uint32_t slot = IMPORT(e, "kernel32.dll", EXIT_PROCESS), table = e->tables + DATA_RAW - DESCRIPTOR;
    memcpy(e->b.bytes + edge_off(e, table), e->b.bytes + edge_off(e, e->tables), DESCRIPTOR);
    put_directory(&e->b, EDGE_IMPORTS, table, 2 * DESCRIPTOR);
    put32(&e->b, sec(&e->b, 1, SEC_VSIZE), 0x1000);
    exits(e, slot, 42);
}
static void two_descriptors_of_one(struct edge *e)
{
    uint32_t first = IMPORT(e, "kernel32.dll", "GetCurrentProcessId"), second = IMPORT(e, "KERNEL32", EXIT_PROCESS);
    code_enter(e);
    CODE_BYTES(e, "\xff\x93"), code32(e, first);
    CODE_CALL(e, second, NUMBER(42));
}
static void descriptors_outside(struct edge *e) { code_answer(e, 1), put_directory(&e->b, EDGE_IMPORTS, 0x7fff0000, 40); }
static void name_outside(struct edge *e) { from(e, "kernel32.dll"), data32(e, descriptor(e, 0) + 12, 0x7fff0000); }
static void slots_outside(struct edge *e) { from(e, "kernel32.dll"), data32(e, descriptor(e, 0) + 16, 0x7fff0000); }
static void function_name_outside(struct edge *e) { from(e, "kernel32.dll"), data_pointer(e, field(e, descriptor(e, 0)), 0x7fff0000); }
static void slot_already_zero(struct edge *e) { from(e, "kernel32.dll"), data_pointer(e, field(e, descriptor(e, 0) + 16) + edge_width(e), 0xdeadbeef); }

/* ---- DLLs that the rows make ------------------------------------------------------------------------------------- */

struct export { const char *name; uint32_t rva; const char *forward; };

/* A DLL whose function i answers 0x50 + i, at text + 16 * i. The export directory lies at tables + 0x100. */
struct dll { struct edge e; uint32_t directory, functions, names, ordinals; };
static struct dll one, two;

static void dll_begin(struct dll *dll, const struct edge *e)
{
    edge_begin(&dll->e, e->b.is_64);
    edge_set_base(&dll->e, dll == &one ? 0x10000000 : 0x11000000);
    dll->e.b.bytes[nt(&dll->e.b, NT_CHARACTERISTICS) + 1] |= 0x20;
    put32(&dll->e.b, opt(&dll->e.b, OPT_ENTRY), 0);
    for (unsigned i = 0; i < 8; i++) {
        dll->e.at = dll->e.text + 16 * i;
        code_answer(&dll->e, 0x50 + i);
    }
}

/* Exports in this order, names in this order; ends at an entry without anything. */
static void dll_exports(struct dll *dll, uint32_t base, const struct export *exports, unsigned count)
{
    struct edge *e = &dll->e;
    unsigned named = 0;
    dll->directory = data_take(e, 40);
    dll->functions = data_take(e, 4 * count);
    dll->names = data_take(e, 4 * count);
    dll->ordinals = data_take(e, 2 * count);
    for (unsigned i = 0; i < count; i++) {
        data32(e, dll->functions + 4 * i, exports[i].forward ? data_text(e, exports[i].forward) : exports[i].rva);
        if (!exports[i].name)
            continue;
        data32(e, dll->names + 4 * named, data_text(e, exports[i].name));
        put16(&e->b, edge_off(e, dll->ordinals + 2 * named++), (uint16_t)i);
    }
    data32(e, dll->directory + 12, data_text(e, "completely unrelated"));
    data32(e, dll->directory + 16, base);
    data32(e, dll->directory + 20, count);
    data32(e, dll->directory + 24, named);
    data32(e, dll->directory + 28, dll->functions);
    data32(e, dll->directory + 32, dll->names);
    data32(e, dll->directory + 36, dll->ordinals);
    put_directory(&e->b, EDGE_EXPORTS, dll->directory, e->data - dll->directory);
}
#define EXPORTS(dll, base, ...)                                                                                       \
    dll_exports(dll, base, (const struct export[]){__VA_ARGS__}, sizeof((const struct export[]){__VA_ARGS__}) / sizeof(struct export))

static void dlls_write(void)
{
    edge_write(&one.e.b, "one.dll");
    if (two.e.b.size)
        edge_write(&two.e.b, "two.dll");
    two.e.b.size = 0;
}

/* Calls what it imports from one.dll and answers with that. */
static void calls(struct edge *e, const char *function)
{
    uint32_t slot = IMPORT(e, "one.dll", function);
    dlls_write();
    code_enter(e);
    CODE_BYTES(e, "\xff\x93"), code32(e, slot);
    code_leave(e, 0);
}

enum { F0 = 0x1000, F1 = 0x1010, F2 = 0x1020 };

static void export_by_name(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 1, {"a", F0, 0}, {"b", F1, 0}), calls(e, "b"); }
static void export_by_ordinal(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 0x313, {0, 0xffffffff, 0}, {0, F1, 0}), calls(e, "#788"); }
static void export_ordinal_base_huge(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 0xffff, {0, F1, 0}), calls(e, "#65535"); }
static void export_hole(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 1, {"a", F0, 0}, {0, 0, 0}, {"b", F2, 0}), calls(e, "#3"); }
static void export_rva_null(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 1, {"a", 0, 0}), calls(e, "a"); }
static void export_hole_wanted(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 1, {"a", F0, 0}, {0, 0, 0}), calls(e, "#2"); }
static void export_below_base(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 10, {"a", F0, 0}), calls(e, "#9"); }
static void export_empty_name(struct edge *e) { dll_begin(&one, e), EXPORTS(&one, 1, {"", F0, 0}, {"b", F1, 0}), calls(e, ""); }
static void export_unsorted(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a_export", F0, 0}, {"zz", F1, 0}, {"a_export2", F2, 0});
    calls(e, "a_export2");
}
static void export_ordinal_table_bad(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F0, 0});
    put16(&one.e.b, edge_off(&one.e, one.ordinals), 77);
    calls(e, "a");
}
/* The address table in .text, the names in .data, the directory in a section of its own. */
static void export_scattered(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F0, 0}, {"b", F1, 0});
    unsigned section = build_section(&one.e.b, ".edata", 0x200, 0x200, READ_ONLY);
    uint32_t directory = get32(&one.e.b, sec(&one.e.b, section, SEC_RVA)), functions = one.e.text + 0x300;
    memcpy(one.e.b.bytes + edge_off(&one.e, directory), one.e.b.bytes + edge_off(&one.e, one.directory), 40);
    data32(&one.e, functions, F0);
    data32(&one.e, functions + 4, F1);
    data32(&one.e, directory + 28, functions);
    put_directory(&one.e.b, EDGE_EXPORTS, directory, 40);
    calls(e, "b");
}
/* An address outside its image: what stands there is the importer's own affair. */
static void export_negative(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", 0xfffffff0, 0});
    uint32_t slot = IMPORT(e, "one.dll", "a");
    dlls_write();
    code_enter(e);
    code_load(e, slot);
    code_leave(e, 0);
}
static void export_in_header(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F0, 0});
    memcpy(one.e.b.bytes + 0x380 - 0x28, one.e.b.bytes + edge_off(&one.e, one.directory), 40);
    put_directory(&one.e.b, EDGE_EXPORTS, 0x380 - 0x28, 40);
    calls(e, "a");
}
static void export_directory_size_null(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F1, 0});
    put_directory(&one.e.b, EDGE_EXPORTS, one.directory, 0);
    calls(e, "a");
}
static void export_tables_outside(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F1, 0});
    data32(&one.e, one.directory + 28, 0x7fff0000);
    calls(e, "a");
}

static void own_exports(struct edge *e)
{
    struct dll self = {.e = *e};
    uint32_t function = e->text + 0x200;
    self.e.at = function;
    code_answer(&self.e, 42);
    self.e.at = self.e.text;
    uint32_t slot = IMPORT(&self.e, "edge.exe", "own");
    EXPORTS(&self, 1, {"own", function, 0});
    code_enter(&self.e);
    CODE_BYTES(&self.e, "\xff\x93"), code32(&self.e, slot);
    code_leave(&self.e, 0);
    *e = self.e;
}
/* The entry lies in another image, at a distance that is known because neither has a table. */
static void entry_in_a_dll(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F1, 0});
    one.e.b.bytes[nt(&one.e.b, NT_CHARACTERISTICS)] |= EDGE_STRIPPED;
    IMPORT(e, "one.dll", "a");
    edge_set_base(e, e->b.is_64 ? 0x8000000 : 0x33000000);
    put32(&e->b, opt(&e->b, OPT_ENTRY), 0x10000000 + F1 - (e->b.is_64 ? 0x8000000 : 0x33000000));
    dlls_write();
}
static void not_marked_as_dll(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F1, 0});
    one.e.b.bytes[nt(&one.e.b, NT_CHARACTERISTICS) + 1] &= (uint8_t)~0x20;
    put32(&one.e.b, opt(&one.e.b, OPT_ENTRY), 0x31415926);
    calls(e, "a");
}

/* Its DllMain takes no argument off the stack (x86) and loses a register that it must keep. */
static void initialiser_loses_registers(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"a", F1, 0});
    put32(&one.e.b, opt(&one.e.b, OPT_ENTRY), one.e.text + 0x200);
    one.e.at = one.e.text + 0x200;
    CODE_BYTES(&one.e, "\x31\xdb\xb8\x01\0\0\0\xc3"); /* xor ebx, ebx; mov eax, 1; ret */
    calls(e, "a");
}

/* ---- forwarders ----------------------------------------------------------------------------------------------------- */

static void forwards(struct edge *e, const char *text)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"ExitHere", 0, text}, {"f", F0, 0});
    dll_begin(&two, e);
    EXPORTS(&two, 7, {"back", 0, "one.f"}, {"f", F1, 0}, {"g", F2, 0}, {"turn", 0, "one.ExitHere"});
    calls(e, "ExitHere");
}
static void forward_by_name(struct edge *e) { forwards(e, "two.g"); }
static void forward_by_ordinal(struct edge *e) { forwards(e, "two.#8"); }
static void forward_to_itself(struct edge *e) { forwards(e, "one.f"); }
static void forward_and_back(struct edge *e) { forwards(e, "two.back"); }
static void forward_with_extension(struct edge *e) { forwards(e, "two.dll.g"); }
static void forward_loop(struct edge *e) { forwards(e, "one.ExitHere"); }
static void forward_loop_of_two(struct edge *e) { forwards(e, "two.turn"); }
static void forward_missing_dll(struct edge *e) { forwards(e, "edge_nowhere.g"); }
static void forward_missing_function(struct edge *e) { forwards(e, "two.nothing"); }
static void forward_missing_ordinal(struct edge *e) { forwards(e, "two.#99"); }
static void forward_no_dot(struct edge *e) { forwards(e, "nothing at all"); }
static void forward_api_set(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"f", 0, "api-ms-win-core-processthreads-l1-1-0.ExitProcess"});
    uint32_t slot = IMPORT(e, "one.dll", "f");
    dlls_write();
    exits(e, slot, 42);
}
/* Read as an address and not as text, because the directory ends before it. */
static void forward_outside_directory(struct edge *e)
{
    dll_begin(&one, e);
    EXPORTS(&one, 1, {"f", 0, "two.g"});
    put_directory(&one.e.b, EDGE_EXPORTS, one.directory, 40);
    uint32_t slot = IMPORT(e, "one.dll", "f");
    dlls_write();
    code_enter(e);
    code_load(e, slot);
    CODE_BYTES(e, "\x2d"), code32(e, 0x10000000 + get32(&one.e.b, edge_off(&one.e, one.functions))); /* sub eax, its address */
    code_leave(e, 0);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

#define ACCESS 0xc0000005
#define NO_DLL 0xc0000135
#define NO_ENTRY 0xc0000139
#define NO_ORDINAL 0xc0000138
#define LOADER "Microsoft, NTSTATUS values: what the loader answers"
#define SNAP "Windows: a fault in the import tables is the load's status (LoadLibrary: ERROR_NOACCESS); " WINE

static const struct edge_row rows[] = {
    {"DLL without extension", without_extension, EXITS, 42, NULL, CORKAMI "imports_noext", 0},
    {"DLL with a trailing dot", trailing_dot, EXITS, 42, NULL, CORKAMI "importsdotXP (XP, 8)", 0},
    {"DLL with trailing dots", trailing_dots, EXITS, 42, NULL, CORKAMI "importsdotXP (XP, 8)", 0},
    {"DLL with trailing spaces", trailing_spaces, EXITS, 42, NULL, CORKAMI "importsdotXP (XP, 8)", 0},
    {"DLL in mixed case", letter_case, EXITS, 42, NULL, CORKAMI "imports_mixed", 0},
    {"no such DLL", no_such_dll, REFUSED, NO_DLL, "edge_nowhere.dll", LOADER, 0},
    {"no such DLL, nothing wanted of it", no_such_dll_unused, EXITS, 42, NULL, CORKAMI "imports_nothunk", 0},
    {"no such function", no_such_function, REFUSED, NO_ENTRY, "ExitProcessEdge", LOADER, 0},
    {"no such ordinal", no_such_ordinal, REFUSED, NO_ORDINAL, "#65000", LOADER, 0},
    {"functions have their case", function_case, REFUSED, NO_ENTRY, "exitprocess", "Microsoft, GetProcAddress: spelling and case must be identical", 0},
    {"API set", api_set, EXITS, 42, NULL, CORKAMI "imports_apimsW7", 0},
    {"API set of another version", api_set_other_version, EXITS, 42, NULL, "shared facts, loader checklist 16: lookup without the last number", 0},
    {"terminator: Name 0", terminator_name, EXITS, 42, NULL, CORKAMI "imports_badterm", 0},
    {"terminator: FirstThunk 0", terminator_thunk, EXITS, 42, NULL, CORKAMI "Name or IAT null", 0},
    {"terminator in the zero fill", terminator_in_zero_fill, EXITS, 42, NULL, CORKAMI "imports_vterm", 0},
    {"import directory of Size 0", directory_size_null, EXITS, 42, NULL, CORKAMI "imports size is not used", 0},
    {"import directory of Size 0x7fffffff", directory_size_huge, EXITS, 42, NULL, CORKAMI "imports size is not used", 0},
    {"OriginalFirstThunk 0", lookup_null, EXITS, 42, NULL, CORKAMI "imports_noint", 0},
    {"OriginalFirstThunk is FirstThunk", lookup_is_iat, EXITS, 42, NULL, CORKAMI "imports_noint", 0},
    {"OriginalFirstThunk outside the image", lookup_garbage, EXITS, 42, NULL, RULES "51", 0},
    {"stale bound imports, old", bound_stale, EXITS, 42, NULL, MS ": the stamp must match", 0},
    {"stale bound imports, new", bound_stale_new, EXITS, 42, NULL, CORKAMI "dllbound: used if the stamps match", 0},
    {"wrong hint", hint_wrong, EXITS, 42, NULL, MS ": a match is attempted first with this value", 0},
    {"one DLL in two descriptors", two_descriptors_of_one, EXITS, 42, NULL, CORKAMI "imports_multidesc", 0},
    {"slots without their own end", slot_already_zero, EXITS, 42, NULL, CORKAMI "imports_nnIAT: the lookup table tells the length", 0},
    {"import directory outside the image", descriptors_outside, REFUSED, ACCESS, "rule 50", SNAP, 0},
    {"DLL's name outside the image", name_outside, REFUSED, ACCESS, "rule 53", SNAP, 0},
    {"slots outside the image", slots_outside, REFUSED, ACCESS, "rule 55", SNAP, 0},
    {"function's name outside the image", function_name_outside, REFUSED, ACCESS, "rule 56", SNAP, 0},

    {"export by name", export_by_name, EXITS, 0x51, NULL, MS, 0},
    {"export by ordinal, bogus neighbour", export_by_ordinal, EXITS, 0x51, NULL, CORKAMI "dllord", 0},
    {"export with ordinal base 65535", export_ordinal_base_huge, EXITS, 0x51, NULL, MS ": Ordinal Base", 0},
    {"export behind a hole", export_hole, EXITS, 0x52, NULL, MS, 0},
    {"export of RVA 0", export_rva_null, REFUSED, NO_ENTRY, "a", CORKAMI "ownexports2: no address of 0; " WINE, 0},
    {"a hole is wanted", export_hole_wanted, REFUSED, NO_ORDINAL, "#2", WINE, 0},
    {"an ordinal below the base is wanted", export_below_base, REFUSED, NO_ORDINAL, "#9", WINE, 0},
    {"export of an empty name", export_empty_name, EXITS, 0x50, NULL, CORKAMI "dllemptyexp", 0},
    {"exports out of order", export_unsorted, REFUSED, NO_ENTRY, "a_export2", CORKAMI "exports_order: unusable", 0},
    {"a name's ordinal outside the table", export_ordinal_table_bad, REFUSED, NO_ENTRY, "a", RULES "44", 0},
    {"export tables in three sections", export_scattered, EXITS, 0x51, NULL, MS ": RVAs", 0},
    {"export of an address in front of its image", export_negative, EXITS, 0x0ffffff0, NULL, CORKAMI "ownexports2, exportsdata: external addresses", X86},
    {"export directory in the header", export_in_header, EXITS, 0x50, NULL, MS ": RVAs", 0},
    {"export directory of Size 0", export_directory_size_null, EXITS, 0x51, NULL, CORKAMI "sizes are not necessary but for forwarding", 0},
    {"export tables outside the image", export_tables_outside, REFUSED, NO_ENTRY, "a", RULES "41", 0},
    {"a program imports from itself", own_exports, EXITS, 42, NULL, CORKAMI "ownexports", 0},
    {"the entry lies in a DLL", entry_in_a_dll, EXITS, 0x51, NULL, CORKAMI "dllextep-ld", 0},
    {"a DLL not marked as one", not_marked_as_dll, EXITS, 0x51, NULL, CORKAMI "dllnomain: exports are usable, its entry is not called", 0},

    {"a DllMain that loses EBX and its stack", initialiser_loses_registers, EXITS, 0x51, NULL, "shared facts, loader checklist 36; " WINE, 0},
    {"forwarder by name", forward_by_name, EXITS, 0x52, NULL, MS ": Export Address Table", 0},
    {"forwarder by ordinal", forward_by_ordinal, EXITS, 0x51, NULL, MS ": Export Address Table", 0},
    {"forwarder to its own DLL", forward_to_itself, EXITS, 0x50, NULL, CORKAMI "dllfwloop", 0},
    {"forwarder there and back", forward_and_back, EXITS, 0x50, NULL, CORKAMI "dllfwloop", 0},
    {"forwarder with a dot in the DLL's name", forward_with_extension, EXITS, 0x52, NULL, "shared facts, loader checklist 31: the last dot", 0},
    {"forwarder to itself", forward_loop, REFUSED, NO_ENTRY, "loop", "never resolved by any system; told here", 0},
    {"forwarders in a loop of two DLLs", forward_loop_of_two, REFUSED, NO_ENTRY, "loop", "never resolved by any system; told here", 0},
    {"forwarder to a missing DLL", forward_missing_dll, REFUSED, NO_DLL, "edge_nowhere", LOADER, 0},
    {"forwarder to a missing function", forward_missing_function, REFUSED, NO_ENTRY, "nothing", LOADER, 0},
    {"forwarder to a missing ordinal", forward_missing_ordinal, REFUSED, NO_ORDINAL, "#99", LOADER, 0},
    {"forwarder without a dot", forward_no_dot, REFUSED, NO_ENTRY, "ExitHere", LOADER, 0},
    {"forwarder to an API set", forward_api_set, EXITS, 42, NULL, "shared facts, loader checklist 31", 0},
    {"forwarder's text outside the directory", forward_outside_directory, EXITS, 0, NULL, MS ": a forwarder if within the export section", 0},
};

int main(void) { return edge_rows_run("imports, exports, forwarders", rows, sizeof rows / sizeof *rows); }
