/* Relocation and protection at their edges: programs that look at their own memory and answer with what they see. */
#define EDGE_GROUP "memory"
#include "tests/run/edges.h"

#include <string.h>

/* ---- relocation: from a base that no user space has to 0x10000, so that every sum is known ---------------------- */

enum { DELTA = 0x20000, HIGH = 1 << 12, LOW = 2 << 12, HIGHLOW = 3 << 12, HIGHADJ = 4 << 12, DIR64 = 10 << 12 };

struct table { struct edge *e; uint32_t rva, size, block; };

/* .reloc behind the other sections; `moves`: the base is 0x20000 below 0x10000. */
static struct table table_begin(struct edge *e, bool moves)
{
    unsigned section = build_section(&e->b, ".reloc", 0x200, 0x200, READ_ONLY);
    uint32_t rva = get32(&e->b, sec(&e->b, section, SEC_RVA));
    memset(e->b.bytes + edge_off(e, rva), 0, 0x200);
    if (moves)
        edge_set_base(e, e->b.is_64 ? 0xffffffffffff0000 : 0xffff0000);
    return (struct table){e, rva, 0, 0};
}

/* The directory's size follows. */
static void block(struct table *table, uint32_t page, const uint16_t *entries, unsigned count)
{
    struct edge *e = table->e;
    table->block = table->rva + table->size;
    data32(e, table->block, page);
    data32(e, table->block + 4, 8 + 2 * count);
    for (unsigned i = 0; i < count; i++)
        put16(&e->b, edge_off(e, table->block + 8 + 2 * i), entries[i]);
    table->size += 8 + 2 * count;
    put_directory(&e->b, EDGE_RELOCATIONS, table->rva, table->size);
}
#define BLOCK(table, page, ...)                                                                                       \
    block(table, page, (const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void answers(struct edge *e, uint32_t rva)
{
    code_enter(e);
    code_load(e, rva);
    code_leave(e, 0);
}

/* One entry of the type for the 0x1234 at e->own. */
static struct table one_entry(struct edge *e, unsigned type)
{
    struct table table = table_begin(e, true);
    data32(e, e->own, 0x1234);
    BLOCK(&table, e->tables, (uint16_t)(type | (e->own - e->tables)), 0);
    answers(e, e->own);
    return table;
}
static void type_absolute(struct edge *e) { one_entry(e, 0); }
static void type_high(struct edge *e) { one_entry(e, HIGH); }
static void type_low(struct edge *e) { one_entry(e, LOW); }
static void type_highlow(struct edge *e) { one_entry(e, HIGHLOW); }
static void type_dir64(struct edge *e) { one_entry(e, DIR64); }
static void type_5(struct edge *e) { one_entry(e, 5 << 12); }
static void type_11(struct edge *e) { one_entry(e, 11 << 12); }
static void type_15(struct edge *e) { one_entry(e, 15 << 12); }

/* Its second half would be a fix-up of e->own + 8 if it were taken for an entry. */
static void type_highadj(struct edge *e)
{
    struct table table = table_begin(e, true);
    uint16_t own = (uint16_t)(e->own - e->tables);
    data32(e, e->own, 0x1234);
    BLOCK(&table, e->tables, HIGHADJ | own, (uint16_t)(HIGHLOW | (own + 8)), (uint16_t)(HIGHLOW | (own + 16)), 0);
    code_enter(e);
    code_load(e, e->own);
    code_add(e, e->own + 8);  /* stays 0 */
    code_add(e, e->own + 16); /* becomes DELTA */
    code_leave(e, 0);
}
static void type_highadj_alone(struct edge *e)
{
    struct table table = table_begin(e, true);
    code_answer(e, 1);
    BLOCK(&table, e->tables, 0, (uint16_t)(HIGHADJ | (e->own - e->tables)));
}

static void block_of_6(struct edge *e) { struct table table = one_entry(e, HIGHLOW); data32(e, table.block + 4, 6); }
static void block_odd(struct edge *e) { struct table table = one_entry(e, HIGHLOW); data32(e, table.block + 4, 11); }
static void block_beyond_table(struct edge *e) { struct table table = one_entry(e, HIGHLOW); data32(e, table.block + 4, 0x100); }
static void block_outside(struct edge *e) { struct table table = one_entry(e, HIGHLOW); data32(e, table.block, 0x40000); }
static void rounding_behind(struct edge *e)
{
    struct table table = one_entry(e, HIGHLOW);
    put_directory(&e->b, EDGE_RELOCATIONS, table.rva, table.size + 6);
}
static void last_entry_counts(struct edge *e)
{
    struct table table = table_begin(e, true);
    uint16_t own = (uint16_t)(e->own - e->tables);
    BLOCK(&table, e->tables, HIGHLOW | own, (uint16_t)(HIGHLOW | (own + 8)));
    BLOCK(&table, e->tables, HIGHLOW | own, (uint16_t)(HIGHLOW | (own + 8)));
    code_enter(e);
    code_load(e, e->own);
    code_add(e, e->own + 8);
    code_leave(e, 0);
}
static void empty_block_first(struct edge *e)
{
    struct table table = table_begin(e, true);
    block(&table, e->text, NULL, 0);
    BLOCK(&table, e->tables, (uint16_t)(HIGHLOW | (e->own - e->tables)), 0);
    answers(e, e->own);
}
static void table_outside_at_base(struct edge *e) { code_answer(e, 42), put_directory(&e->b, EDGE_RELOCATIONS, 0x2ff0, 0x1000); }
static void table_outside_moved(struct edge *e) { table_outside_at_base(e), edge_set_base(e, 0); }
static void table_broken_at_base(struct edge *e)
{
    struct table table = table_begin(e, false);
    code_answer(e, 42);
    BLOCK(&table, 0x7ffff000, 0xffff, 0x0bad, 0xf00d);
    data32(e, table.block + 4, 3);
}
static void entry_outside(struct edge *e)
{
    struct table table = table_begin(e, true);
    code_answer(e, 1);
    BLOCK(&table, 0x3000, HIGHLOW | 0xffe, 0);
}

/* From the last two bytes of .text's page into .data: both pages are written, each gets its own rights back. */
static void across_sections(struct edge *e)
{
    struct table table = table_begin(e, true);
    BLOCK(&table, e->text, HIGHLOW | 0xffe, 0);
    data32(e, e->tables, 0x100);
    answers(e, e->tables);
}
static void across_pages(struct edge *e)
{
    unsigned section = build_section(&e->b, ".more", 0x2000, 0x1200, DATA);
    uint32_t rva = get32(&e->b, sec(&e->b, section, SEC_RVA));
    struct table table = table_begin(e, true);
    memset(e->b.bytes + edge_off(e, rva), 0, 0x1200);
    BLOCK(&table, rva, HIGHLOW | 0xffd, 0);
    answers(e, rva + 0xffd);
}
static void rewrites_code(struct edge *e)
{
    struct table table = table_begin(e, true);
    BLOCK(&table, e->text, HIGHLOW | 1, 0); /* the number in mov eax, number */
    code_answer(e, 42);
}
/* Relocation comes before binding: the lookup table is wrong by DELTA until then. */
static void rewrites_imports(struct edge *e)
{
    struct table table = table_begin(e, true);
    uint32_t slot = IMPORT(e, "kernel32.dll", "ExitProcess"), lookup = get32(&e->b, edge_off(e, e->tables));
    data32(e, lookup, get32(&e->b, edge_off(e, lookup)) - DELTA);
    if (e->b.is_64 && get32(&e->b, edge_off(e, lookup)) > 0x80000000)
        data32(e, lookup + 4, 0xffffffff);
    BLOCK(&table, e->tables, (uint16_t)((e->b.is_64 ? DIR64 : HIGHLOW) | (lookup - e->tables)), 0);
    code_enter(e);
    CODE_CALL(e, slot, NUMBER(42));
}
static void rewrites_header(struct edge *e)
{
    struct table table = table_begin(e, true);
    BLOCK(&table, 0, (uint16_t)(HIGHLOW | nt(&e->b, NT_TIMESTAMP)), 0);
    answers(e, (uint32_t)nt(&e->b, NT_TIMESTAMP));
}
static void tells_base(struct edge *e)
{
    one_entry(e, HIGHLOW);
    e->at = e->text;
    answers(e, (uint32_t)opt(&e->b, e->b.is_64 ? 24 : 28));
}
/* The first block mends the page of the second. */
static void rewrites_itself(struct edge *e)
{
    struct table table = table_begin(e, true);
    BLOCK(&table, table.rva, (uint16_t)(HIGHLOW | 12), 0);
    BLOCK(&table, e->tables - DELTA, (uint16_t)(HIGHLOW | (e->own - e->tables)), 0);
    answers(e, e->own);
}

/* ---- relocation: a base that is taken ---------------------------------------------------------------------------- */

/* 42 where a pointer at e->own (or, without table, the code alone) is right and the image has moved. */
static void moves_away(struct edge *e, bool has_table)
{
    struct table table = table_begin(e, false);
    e->option = "--occupy";
    data_pointer(e, e->own, edge_base(e) + e->own);
    if (has_table)
        BLOCK(&table, e->tables, (uint16_t)((e->b.is_64 ? DIR64 : HIGHLOW) | (e->own - e->tables)), 0);
    code_enter(e);
    code_address(e, e->own);
    code_keep(e);
    code_load(e, e->own);
    CODE_BYTES(e, "\x29\xf0");                                   /* sub eax, esi: 0, or what is missing */
    CODE_BYTES(e, "\x0f\x94\xc0\x0f\xb6\xc0\x6b\xc0\x2a");       /* sete al; movzx eax, al; imul eax, 42 */
    code_leave(e, 0);
}
static void taken(struct edge *e) { moves_away(e, true); }
static void taken_no_table(struct edge *e) { moves_away(e, false); }
static void taken_stripped(struct edge *e) { moves_away(e, false), e->b.bytes[nt(&e->b, NT_CHARACTERISTICS)] |= EDGE_STRIPPED; }
static void taken_stripped_table(struct edge *e) { moves_away(e, true), e->b.bytes[nt(&e->b, NT_CHARACTERISTICS)] |= EDGE_STRIPPED; }

/* ---- what VirtualQuery tells --------------------------------------------------------------------------------------- */

/* Offsets in MEMORY_BASIC_INFORMATION. */
enum information { ALLOCATION_PROTECT, STATE, PROTECT, TYPE };
static uint32_t information(const struct edge *e, enum information field)
{
    static const uint8_t x86[] = {8, 16, 20, 24}, x64[] = {16, 32, 36, 40};
    return e->own + (e->b.is_64 ? x64 : x86)[field];
}

static void query(struct edge *e, uint32_t rva)
{
    uint32_t slot = IMPORT(e, "kernel32.dll", "VirtualQuery");
    CODE_CALL(e, slot, ADDRESS(rva), ADDRESS(e->own), NUMBER(e->b.is_64 ? 48 : 28));
}
static void answers_rights(struct edge *e, uint32_t rva)
{
    code_enter(e);
    query(e, rva);
    code_load(e, information(e, PROTECT));
    code_leave(e, 0);
}
static void section_rights(struct edge *e, uint32_t characteristics)
{
    unsigned section = build_section(&e->b, ".look", 0x1000, 0x200, characteristics);
    answers_rights(e, get32(&e->b, sec(&e->b, section, SEC_RVA)));
}
/* The loader's own fix-ups are part of the section, not of the process: they make no page a written one (Windows relocates the
 * section, and all processes share it). */
static void rights_moved(struct edge *e, bool writes)
{
    unsigned section = build_section(&e->b, ".look", 0x1000, 0x200, 0xc0000040);
    uint32_t look = get32(&e->b, sec(&e->b, section, SEC_RVA));
    struct table table = table_begin(e, true);
    BLOCK(&table, look, (uint16_t)((e->b.is_64 ? DIR64 : HIGHLOW) | 0x10), (uint16_t)(HIGHLOW | 0x1fc));
    code_enter(e);
    if (writes)
        code_put(e, look + 0x800, 1);
    query(e, look);
    code_load(e, information(e, PROTECT));
    code_leave(e, 0);
}
static void rights_rw_moved(struct edge *e) { rights_moved(e, false); }
static void rights_rw_moved_written(struct edge *e) { rights_moved(e, true); }
static void rights_header(struct edge *e) { answers_rights(e, 0); }
static void rights_code(struct edge *e) { answers_rights(e, e->text); }
static void rights_none(struct edge *e) { section_rights(e, 0x00000040); }
static void rights_r(struct edge *e) { section_rights(e, 0x40000040); }
static void rights_rw(struct edge *e) { section_rights(e, 0xc0000040); }
static void rights_x(struct edge *e) { section_rights(e, 0x20000020); }
static void rights_rx(struct edge *e) { section_rights(e, 0x60000020); }
static void rights_rwx(struct edge *e) { section_rights(e, 0xe0000020); }
static void rights_bss(struct edge *e)
{
    unsigned section = build_section(&e->b, ".bss", 0x3000, 0, BSS);
    answers_rights(e, get32(&e->b, sec(&e->b, section, SEC_RVA)) + 0x1000);
}
static void rights_shared(struct edge *e) { section_rights(e, 0xd0000040); }
static void kind_of_memory(struct edge *e)
{
    code_enter(e);
    query(e, e->text);
    code_load(e, information(e, TYPE));
    code_add(e, information(e, STATE));
    code_add(e, information(e, ALLOCATION_PROTECT));
    code_leave(e, 0);
}
/* The tables lie in .data; its rights become those of .rdata, and the answer goes to a section of its own. */
static void iat_read_only(struct edge *e)
{
    unsigned section = build_section(&e->b, ".own", 0x1000, 0, BSS);
    e->own = get32(&e->b, sec(&e->b, section, SEC_RVA));
    put32(&e->b, sec(&e->b, 1, SEC_CHARACTERISTICS), READ_ONLY);
    code_enter(e);
    CODE_CALL(e, edge_import(e, "kernel32.dll", (const char *const[]){"VirtualQuery", NULL}), ADDRESS(e->tables), ADDRESS(e->own),
              NUMBER(e->b.is_64 ? 48 : 28));
    code_load(e, information(e, PROTECT));
    code_leave(e, 0);
}

/* ---- what the rights mean ------------------------------------------------------------------------------------------- */

static void writes_to(struct edge *e, uint32_t rva)
{
    code_enter(e);
    code_put(e, rva, 1);
    code_leave(e, 0);
}
static void writes_read_only(struct edge *e) { put32(&e->b, sec(&e->b, 1, SEC_CHARACTERISTICS), READ_ONLY), writes_to(e, e->own); }
static void writes_code(struct edge *e) { writes_to(e, e->text); }
static void writes_header(struct edge *e) { writes_to(e, 0); }
static void writes_slot(struct edge *e)
{
    uint32_t slot = IMPORT(e, "kernel32.dll", "ExitProcess");
    put32(&e->b, sec(&e->b, 1, SEC_CHARACTERISTICS), READ_ONLY);
    writes_to(e, slot);
}
static void reads_no_rights(struct edge *e)
{
    unsigned section = build_section(&e->b, ".none", 0x1000, 0x200, 0x40);
    answers(e, get32(&e->b, sec(&e->b, section, SEC_RVA)));
}
static void reads_discardable(struct edge *e)
{
    unsigned section = build_section(&e->b, ".init", 0x1000, 0x200, 0x42000040);
    put32(&e->b, get32(&e->b, sec(&e->b, section, SEC_RAW_OFF)), 42);
    answers(e, get32(&e->b, sec(&e->b, section, SEC_RVA)));
}
static void writes_shared(struct edge *e)
{
    unsigned section = build_section(&e->b, ".shared", 0x1000, 0x200, 0xd0000040);
    uint32_t rva = get32(&e->b, sec(&e->b, section, SEC_RVA));
    put32(&e->b, get32(&e->b, sec(&e->b, section, SEC_RAW_OFF)), 40);
    code_enter(e);
    code_put(e, rva + 0xffc, 2);
    code_load(e, rva);
    code_add(e, rva + 0xffc);
    code_leave(e, 0);
}

static void gap(struct edge *e, uint32_t alignment)
{
    edge_aligned(e, e->b.is_64, alignment);
    code_enter(e);
    query(e, e->text + alignment - 0x1000);
    code_load(e, information(e, STATE));
    code_add(e, information(e, TYPE));
    code_leave(e, 0);
}
static void gap_2000(struct edge *e) { gap(e, 0x2000); }
static void gap_10000(struct edge *e) { gap(e, 0x10000); }
static void reads_gap(struct edge *e)
{
    edge_aligned(e, e->b.is_64, 0x10000);
    answers(e, e->text + 0x1000);
}
static void alignment_512m(struct edge *e) { edge_aligned(e, e->b.is_64, 0x20000000), code_answer(e, 42); }

/* ---- security cookie --------------------------------------------------------------------------------------------------- */

/* Offsets of SecurityCookie in the load configuration as Microsoft's PE Format lists them. */
static void cookie(struct edge *e, uint64_t value)
{
    unsigned width = edge_width(e);
    data32(e, e->own, e->b.is_64 ? 0x70 : 0x48);
    data_pointer(e, e->own + (e->b.is_64 ? 88 : 60), edge_base(e) + e->own + 0x100);
    data_pointer(e, e->own + 0x100, value);
    put_directory(&e->b, EDGE_LOAD_CONFIG, e->own, width == 8 ? 0x70 : 0x40);
    code_enter(e);
    code_load(e, e->own + 0x100);
    CODE_BYTES(e, "\x3d"), code32(e, (uint32_t)value);           /* cmp eax, value */
    CODE_BYTES(e, "\x0f\x94\xc0\x0f\xb6\xc0");                   /* sete al; movzx eax, al: 1 where it is still the same */
    code_leave(e, 0);
}
static void cookie_default(struct edge *e) { cookie(e, e->b.is_64 ? 0x00002b992ddfa232 : 0xbb40e64e); }
static void cookie_own(struct edge *e) { cookie(e, 0x1234567); }

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

#define FORMAT 0xc000007b
#define ACCESS 0xc0000005
#define TYPES  MS ": Base Relocation Types"
#define QUERY  "shared facts, loader checklist 13; " WINE

static const struct edge_row rows[] = {
    {"ABSOLUTE is padding", type_absolute, EXITS, 0x1234, NULL, TYPES, 0},
    {"HIGH", type_high, EXITS, 0x1236, NULL, TYPES, 0},
    {"LOW", type_low, EXITS, 0x1234, NULL, TYPES, 0},
    {"HIGHLOW", type_highlow, EXITS, 0x1234 + DELTA, NULL, TYPES, 0},
    {"HIGHADJ takes two slots", type_highadj, EXITS, 0x1236 + DELTA, NULL, TYPES, 0},
    {"HIGHADJ without its second slot", type_highadj_alone, REFUSED, FORMAT, "rule 66", RULES "66", 0},
    {"DIR64", type_dir64, EXITS, 0x1234 + DELTA, NULL, TYPES "; " CORKAMI "in PE32, too", 0},
    {"type 5", type_5, REFUSED, FORMAT, "rule 64", RULES "64; " WINE, 0},
    {"type 11", type_11, REFUSED, FORMAT, "rule 64", CORKAMI "HIGH3ADJ was supported until Windows 2000", 0},
    {"type 15", type_15, REFUSED, FORMAT, "rule 64", RULES "64; " WINE, 0},
    {"a block of 6 bytes", block_of_6, REFUSED, FORMAT, "rule 61", RULES "61", 0},
    {"a block of odd size", block_odd, REFUSED, FORMAT, "rule 61", RULES "61", 0},
    {"a block beyond its table", block_beyond_table, REFUSED, FORMAT, "rule 62", RULES "62: stricter than Windows, which cuts it; no file needs that", 0},
    {"a block outside the image", block_outside, REFUSED, ACCESS, "rule 63", "shared facts, loader checklist 23", 0},
    {"six bytes behind the last block", rounding_behind, EXITS, 0x1234 + DELTA, NULL, RULES "61", 0},
    {"the last entry of each block counts", last_entry_counts, EXITS, 4 * DELTA, NULL, MS, 0},
    {"an empty block does not end the walk", empty_block_first, EXITS, DELTA, NULL, MS ": the directory's size ends it", 0},
    {"a table outside the image, not needed", table_outside_at_base, EXITS, 42, NULL, CORKAMI "fakerelocs: corrupted ones are not looked at", 0},
    {"a table outside the image, needed", table_outside_moved, REFUSED, FORMAT, "rule 60", RULES "60: stricter than Windows, which starts it unrelocated", 0},
    {"a broken table, not needed", table_broken_at_base, EXITS, 42, NULL, CORKAMI "fakerelocs: corrupted ones are not looked at", 0},
    {"a fix-up that leaves the image", entry_outside, REFUSED, ACCESS, "rule 65", RULES "65", 0},
    {"a fix-up across two sections", across_sections, EXITS, 0x102, NULL, TYPES ": HIGHLOW has 32 bits", 0},
    {"a fix-up across two pages", across_pages, EXITS, DELTA, NULL, TYPES ": HIGHLOW has 32 bits", 0},
    {"a fix-up in code", rewrites_code, EXITS, 42 + DELTA, NULL, MS, 0},
    {"a fix-up in the import tables", rewrites_imports, EXITS, 42, NULL, "shared facts, loader checklist 22: relocate before imports", 0},
    {"a fix-up in the header", rewrites_header, EXITS, 0x12345678 + DELTA, NULL, CORKAMI "lfanew_relocW7", 0},
    {"a fix-up in the table itself", rewrites_itself, EXITS, DELTA, NULL, CORKAMI "reloccrypt", 0},
    {"the header tells the new base", tells_base, EXITS, 0x10000, NULL, "shared facts, edge cases: header ImageBase updated", 0},

    {"the base is taken", taken, EXITS, 42, NULL, MS, 0},
    /* The pointer that nobody tells of keeps its old value, so the comparison fails: loaded, and not relocated. */
    {"the base is taken, no table, not stripped", taken_no_table, EXITS, 0, NULL, "shared facts, edge cases: loaded unrelocated", 0},
    {"the base is taken, stripped", taken_stripped, REFUSED, 0xc0000018, "stripped", MS ": the loader reports an error", 0},
    {"the base is taken, stripped, with a table", taken_stripped_table, REFUSED, 0xc0000018, "stripped", MS "; " WINE "; sources disagree", 0},

    {"VirtualQuery: header", rights_header, EXITS, 0x02, NULL, QUERY, 0},
    {"VirtualQuery: code", rights_code, EXITS, 0x20, NULL, QUERY, 0},
    {"VirtualQuery: no rights", rights_none, EXITS, 0x01, NULL, QUERY, 0},
    {"VirtualQuery: R", rights_r, EXITS, 0x02, NULL, QUERY, 0},
    {"VirtualQuery: RW", rights_rw, EXITS, 0x08, NULL, QUERY, 0},
    {"VirtualQuery: RW with fix-ups, moved", rights_rw_moved, EXITS, 0x08, NULL, QUERY, 0},
    {"VirtualQuery: RW with fix-ups, moved and written", rights_rw_moved_written, EXITS, 0x04, NULL, "Microsoft, Memory Protection Constants: the private page is marked as PAGE_READWRITE", 0},
    {"VirtualQuery: RW without bytes", rights_bss, EXITS, 0x08, NULL, QUERY, 0},
    {"VirtualQuery: X", rights_x, EXITS, 0x10, NULL, QUERY, 0},
    {"VirtualQuery: RX", rights_rx, EXITS, 0x20, NULL, QUERY, 0},
    {"VirtualQuery: RWX", rights_rwx, EXITS, 0x80, NULL, QUERY, 0},
    {"VirtualQuery: RW, shared", rights_shared, EXITS, 0x04, NULL, "Microsoft, Memory Protection Constants: shared pages are not copied", 0},
    {"VirtualQuery: committed image, EXECUTE_WRITECOPY", kind_of_memory, EXITS, 0x01001080, NULL, QUERY, 0},
    {"VirtualQuery: import tables in read-only memory", iat_read_only, EXITS, 0x02, NULL, "shared facts, loader checklist 29", 0},
    {"VirtualQuery: the gap of SectionAlignment 0x2000", gap_2000, EXITS, 0x01002000, NULL, "shared facts, edge cases: inaccessible gaps", 0},
    {"VirtualQuery: the gap of SectionAlignment 0x10000", gap_10000, EXITS, 0x01002000, NULL, "shared facts, edge cases: inaccessible gaps", 0},

    {"writing to read-only data", writes_read_only, FAULTS, ACCESS, "writing", MS ": Section Flags", 0},
    {"writing to code", writes_code, FAULTS, ACCESS, "writing", MS ": Section Flags", 0},
    {"writing to the header", writes_header, FAULTS, ACCESS, "writing", "shared facts, loader checklist 9", 0},
    {"writing to an import slot in read-only memory", writes_slot, FAULTS, ACCESS, "writing", "shared facts, loader checklist 29", 0},
    {"reading a section without rights", reads_no_rights, FAULTS, ACCESS, "reading", QUERY, 0},
    {"reading a gap", reads_gap, FAULTS, ACCESS, "reading", "shared facts, edge cases: inaccessible gaps", 0},
    {"a discardable section stays", reads_discardable, EXITS, 42, NULL, "shared facts, edge cases: DISCARDABLE is not freed", 0},
    {"a shared section", writes_shared, EXITS, 42, NULL, MS ": Section Flags", 0},
    {"SectionAlignment of 512 MiB", alignment_512m, EXITS, 42, NULL, CORKAMI "bigalign", 0},

    {"security cookie with its default", cookie_default, EXITS, 0, NULL, "shared facts, loader checklist 24", 0},
    {"security cookie with a value of its own", cookie_own, EXITS, 1, NULL, "shared facts, loader checklist 24", 0},
};

/* What a program writes to its memory does not reach its file (PE Format: image pages are copied on write). */
static void file_stays(void **state)
{
    static struct edge e;
    struct edge_result result;
    size_t size;
    (void)state;
    edge_begin(&e, true);
    code_enter(&e);
    code_put(&e, e.own, 0x1234);
    code_load(&e, e.own);
    code_leave(&e, 0);
    edge_write(&e.b, "writes.exe");
    edge_run("writes.exe", NULL, &result);
    assert_int_equal(result.code, 0x1234);
    char *after = text_read(EDGE_FOLDER "/writes.exe", &size);
    assert_int_equal(size, e.b.size);
    assert_memory_equal(after, e.b.bytes, size);
    free(after);
    process_free(&result.process);
}

int main(void)
{
    static const struct CMUnitTest more[] = {cmocka_unit_test(file_stays)};
    int failed = edge_rows_run("relocation and protection", rows, sizeof rows / sizeof *rows);
    return failed + cmocka_run_group_tests_name("the file", more, NULL, NULL) ? 1 : 0;
}
