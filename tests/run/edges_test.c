/* Headers and sections at their edges: what must run, and what must be refused before any instruction runs. */
#define EDGE_GROUP "headers"
#include "tests/run/edges.h"

/* ---- the address ---------------------------------------------------------------------------------------- */

static void ordinary(struct edge *e) { code_answer(e, 42); }

/* A pointer to itself at e->own, a table that tells of it, and a program that answers with the pointer's low half. */
static void pointer_moves(struct edge *e, uint64_t base)
{
    unsigned section = build_section(&e->b, ".reloc", 0x200, 0x200, READ_ONLY);
    uint32_t table = get32(&e->b, sec(&e->b, section, SEC_RVA));
    memset(e->b.bytes + edge_off(e, table), 0, 0x200);
    data32(e, table, e->tables);
    data32(e, table + 4, 12);
    put16(&e->b, edge_off(e, table + 8), (uint16_t)((e->b.is_64 ? 10 : 3) << 12 | (e->own - e->tables)));
    put_directory(&e->b, EDGE_RELOCATIONS, table, 12);
    edge_set_base(e, base);
    data_pointer(e, e->own, base + e->own);
    code_enter(e);
    code_load(e, e->own);
    code_leave(e, 0);
}

static void base_null(struct edge *e) { pointer_moves(e, 0); }
static void base_in_kernel(struct edge *e) { pointer_moves(e, e->b.is_64 ? 0xffff800000000000 : 0x80000000); }
static void base_at_end(struct edge *e) { pointer_moves(e, e->b.is_64 ? 0xffffffffffff0000 : 0xffff0000); }
static void base_unaligned(struct edge *e) { code_answer(e, 1), edge_set_base(e, 0x408000); }
static void base_below_end(struct edge *e) { code_answer(e, 42), edge_set_base(e, 0x7ff00000); }

/* Position-independent, so nothing needs to be told; where it lies is the answer. */
static void answers_its_place(struct edge *e)
{
    code_enter(e);
    code_address(e, 0);
    code_leave(e, 0);
}
static void base_in_kernel_no_table(struct edge *e)
{
    answers_its_place(e);
    edge_set_base(e, e->b.is_64 ? 0xffffffffffff0000 : 0xffff0000);
}
static void base_in_kernel_stripped(struct edge *e)
{
    base_in_kernel_no_table(e);
    e->b.bytes[nt(&e->b, NT_CHARACTERISTICS)] |= EDGE_STRIPPED;
}

/* ---- sections --------------------------------------------------------------------------------------------- */

static void section_set(struct edge *e, unsigned index, uint32_t virtual_size, uint32_t raw_size, uint32_t pointer)
{
    put32(&e->b, sec(&e->b, index, SEC_VSIZE), virtual_size);
    put32(&e->b, sec(&e->b, index, SEC_RAW_SIZE), raw_size);
    put32(&e->b, sec(&e->b, index, SEC_RAW_OFF), pointer);
}

static void answers_bytes_at(struct edge *e, uint32_t rva)
{
    code_enter(e);
    code_load(e, rva);
    code_leave(e, 0);
}

static void virtual_size_null(struct edge *e) { code_answer(e, 42), section_set(e, 0, 0, TEXT_RAW, TEXT_OFF); }
/* The last four bytes that the file has for .text lie far behind its virtual size, but in its page. */
static void raw_beyond_virtual(struct edge *e)
{
    section_set(e, 0, 0x10, TEXT_RAW, TEXT_OFF);
    put32(&e->b, TEXT_OFF + TEXT_RAW - 4, 0x1234);
    answers_bytes_at(e, e->text + TEXT_RAW - 4);
}
static void raw_below_virtual(struct edge *e)
{
    section_set(e, 1, 0x1000, 0x200, DATA_OFF);
    put32(&e->b, DATA_OFF + 0x200, 0x1234); /* belongs to nobody */
    code_enter(e);
    code_load(e, e->tables + 0x200);
    code_add(e, e->tables + 0xffc);
    CODE_BYTES(e, "\x83\xc0\x2a"); /* add eax, 42 */
    code_leave(e, 0);
}
static void raw_size_huge(struct edge *e) { code_answer(e, 42), section_set(e, 0, 0x1000, 0xffff0200, TEXT_OFF); }
static void raw_size_wraps(struct edge *e) { code_answer(e, 1), section_set(e, 0, 0x1000, 0xfffffe00, TEXT_OFF); }
static void raw_size_null(struct edge *e)
{
    answers_bytes_at(e, e->tables);
    section_set(e, 1, 0x1000, 0, 0x12345600);
}
static void both_sizes_null(struct edge *e) { code_answer(e, 1), section_set(e, 1, 0, 0, 0); }
static void pointer_rounds_down(struct edge *e) { code_answer(e, 42), section_set(e, 0, 0x1000, TEXT_RAW - 0x100, TEXT_OFF + 0xff); }
/* Everything below 0x200 means the headers once more. */
static void pointer_means_headers(struct edge *e)
{
    section_set(e, 1, 0x1000, 0x200, 0x1ff);
    answers_bytes_at(e, e->tables);
}
static void same_bytes_twice(struct edge *e)
{
    section_set(e, 1, 0x1000, TEXT_RAW, TEXT_OFF);
    code_answer(e, 42);
    put32(&e->b, sec(&e->b, 1, SEC_CHARACTERISTICS), CODE);
    put32(&e->b, opt(&e->b, OPT_ENTRY), e->tables);
}
static void swapped_in_the_file(struct edge *e)
{
    code_answer(e, 42);
    memcpy(e->b.bytes + DATA_OFF, e->b.bytes + TEXT_OFF, TEXT_RAW);
    memset(e->b.bytes + TEXT_OFF, 0, TEXT_RAW);
    section_set(e, 0, TEXT_RAW, TEXT_RAW, DATA_OFF);
    section_set(e, 1, TEXT_RAW, TEXT_RAW, TEXT_OFF);
}
static void one_of_three_beyond_file(struct edge *e)
{
    unsigned last = build_section(&e->b, ".last", 0x200, 0x200, READ_ONLY);
    section_set(e, 1, DATA_RAW, DATA_RAW, 0x100000);
    put32(&e->b, get32(&e->b, sec(&e->b, last, SEC_RAW_OFF)), 0x1234);
    code_enter(e);
    code_load(e, get32(&e->b, sec(&e->b, last, SEC_RVA)));
    code_add(e, e->tables); /* zero */
    code_leave(e, 0);
}
static void last_beyond_file(struct edge *e) { code_answer(e, 1), section_set(e, 1, DATA_RAW, DATA_RAW, 0x100000); }
static void last_cut_off(struct edge *e) { code_answer(e, 1), e->b.size -= 1; }
static void cut_at_data(struct edge *e) { code_answer(e, 1), e->b.size = DATA_OFF; }
static void cut_at_text(struct edge *e) { code_answer(e, 1), e->b.size = TEXT_OFF; }
static void cut_in_table(struct edge *e) { code_answer(e, 1), e->b.size = sec(&e->b, 1, 8); }
static void cut_at_table(struct edge *e) { code_answer(e, 1), e->b.size = e->b.table; }
static void overlay(struct edge *e)
{
    code_answer(e, 42);
    memset(e->b.bytes + e->b.size, 0xee, 12345);
    e->b.size += 12345;
}
static void hole_before_section(struct edge *e) { code_answer(e, 1), put32(&e->b, sec(&e->b, 1, SEC_RVA), 0x3000), put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 0x4000); }
static void sections_overlap(struct edge *e) { code_answer(e, 1), put32(&e->b, sec(&e->b, 0, SEC_VSIZE), 0x1800); }
static void image_larger_than_sections(struct edge *e) { code_answer(e, 42), put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 0x9000); }
static void image_smaller_than_sections(struct edge *e) { code_answer(e, 1), put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 0x2000); }
static void image_of_4_gib(struct edge *e) { code_answer(e, 1), put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 0xfffff000); }
static void image_of_1_gib(struct edge *e)
{
    unsigned last = build_section(&e->b, ".bss", 0x40000000, 0, BSS);
    uint32_t end = get32(&e->b, sec(&e->b, last, SEC_RVA)) + 0x40000000 - 4;
    code_enter(e);
    code_put(e, end, 42);
    code_load(e, end);
    code_leave(e, 0);
}

/* `count` sections of a page each behind the ordinary two; the table is moved out of the way of the headers' end. */
static void with_sections(struct edge *e, unsigned count)
{
    uint32_t rva = 0x3000;
    code_answer(e, 42);
    memmove(e->b.bytes + 0x2000, e->b.bytes + 0x400, 0xc00);
    memset(e->b.bytes + 0x400, 0, 0x1c00);
    e->b.size += 0x1c00;
    section_set(e, 0, TEXT_RAW, TEXT_RAW, 0x2000);
    section_set(e, 1, DATA_RAW, DATA_RAW, 0x2400);
    for (unsigned i = 2; i < count && i < 180; i++, rva += 0x1000) {
        put32(&e->b, sec(&e->b, i, SEC_VSIZE), 0x1000);
        put32(&e->b, sec(&e->b, i, SEC_RVA), rva);
        put32(&e->b, sec(&e->b, i, SEC_CHARACTERISTICS), READ_ONLY);
    }
    put16(&e->b, nt(&e->b, NT_SECTIONS), (uint16_t)count);
    /* SizeOfHeaders may end before the table does, but the first section may not begin before it ends. */
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), rva);
}
static void sections_20(struct edge *e) { with_sections(e, 20); }
static void sections_96(struct edge *e) { with_sections(e, 96); }
static void sections_97(struct edge *e) { with_sections(e, 97); }
/* As many as the field can count, all within the headers: the first section begins behind the table. */
static void sections_65535(struct edge *e)
{
    const uint32_t count = 0xffff, headers = (e->b.table + count * SEC_BYTES + 0x1ff) & ~0x1ffu;
    uint32_t rva = (headers + 0xfff) & ~0xfffu;
    code_answer(e, 42);
    memmove(e->b.bytes + headers, e->b.bytes + 0x400, 0xc00);
    memset(e->b.bytes + 0x400, 0, headers - 0x400);
    e->b.size += headers - 0x400;
    section_set(e, 0, TEXT_RAW, TEXT_RAW, headers);
    section_set(e, 1, DATA_RAW, DATA_RAW, headers + 0x400);
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_HEADERS), headers);
    put32(&e->b, opt(&e->b, OPT_ENTRY), get32(&e->b, opt(&e->b, OPT_ENTRY)) - e->text + rva);
    for (uint32_t i = 0; i < count; i++, rva += 0x1000) {
        put32(&e->b, sec(&e->b, i, SEC_RVA), rva);
        if (i < 2)
            continue;
        put32(&e->b, sec(&e->b, i, SEC_VSIZE), 0x1000);
        put32(&e->b, sec(&e->b, i, SEC_CHARACTERISTICS), READ_ONLY);
    }
    put16(&e->b, nt(&e->b, NT_SECTIONS), (uint16_t)count);
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), rva);
}

/* ---- headers ------------------------------------------------------------------------------------------------ */

/* The section table so far behind the optional header. */
static void table_at(struct edge *e, uint32_t off)
{
    code_answer(e, 42);
    memcpy(e->b.bytes + off, e->b.bytes + e->b.table, 2 * SEC_BYTES);
    memset(e->b.bytes + e->b.table, 0, 2 * SEC_BYTES);
    put16(&e->b, nt(&e->b, NT_OPTIONAL_SIZE), (uint16_t)(off - (uint32_t)opt(&e->b, 0)));
    if (off + 2 * SEC_BYTES > e->b.size)
        e->b.size = off + 2 * SEC_BYTES;
}
static void table_odd(struct edge *e) { table_at(e, e->b.table + 0x83); }
static void table_at_headers_end(struct edge *e) { table_at(e, 0x400 - 2 * SEC_BYTES); }
static void table_in_code(struct edge *e) { table_at(e, TEXT_OFF + 0x100); }
static void table_in_overlay(struct edge *e) { table_at(e, 0x1000); }
static void table_beyond_image(struct edge *e) { table_at(e, 0x3000 - SEC_BYTES), e->b.size = 0x4000; }
static void table_beyond_file(struct edge *e) { table_at(e, 0x2000), e->b.size = 0x1000; }

static void headers_in_overlay(struct edge *e)
{
    uint32_t off = 0x1000;
    code_answer(e, 42);
    memcpy(e->b.bytes + off, e->b.bytes + e->b.lfanew, 0x300);
    memset(e->b.bytes + e->b.lfanew, 0, 0x300);
    put32(&e->b, 0x3c, off);
    e->b.size = off + 0x300;
}
static void lfanew_odd(struct edge *e) { code_answer(e, 1), put32(&e->b, 0x3c, e->b.lfanew + 2), memmove(e->b.bytes + 0x82, e->b.bytes + 0x80, 0x300); }
static void directories_none(struct edge *e) { code_answer(e, 42), put32(&e->b, opt(&e->b, e->b.is_64 ? 108 : 92), 0); }
static void directories_many(struct edge *e)
{
    uint32_t exit_process = IMPORT(e, "kernel32.dll", "ExitProcess");
    put32(&e->b, opt(&e->b, e->b.is_64 ? 108 : 92), 0xffffffff);
    code_enter(e);
    CODE_CALL(e, exit_process, NUMBER(42));
}
/* A directory behind the stated number is none, whatever stands there. */
static void directory_behind_number(struct edge *e)
{
    code_answer(e, 42);
    put_directory(&e->b, EDGE_IMPORTS, 0x7fffff00, 40);
    put32(&e->b, opt(&e->b, e->b.is_64 ? 108 : 92), 1);
}
static void checksum_wrong(struct edge *e) { code_answer(e, 42), put32(&e->b, opt(&e->b, OPT_CHECKSUM), 0xbadbadff); }
static void not_executable(struct edge *e) { code_answer(e, 1), e->b.bytes[nt(&e->b, NT_CHARACTERISTICS)] &= (uint8_t)~2; }
static void a_dll(struct edge *e) { code_answer(e, 1), e->b.bytes[nt(&e->b, NT_CHARACTERISTICS) + 1] |= 0x20; }
static void machine_of_the_other(struct edge *e) { code_answer(e, 1), put16(&e->b, nt(&e->b, NT_MACHINE), e->b.is_64 ? 0x14c : 0x8664); }
static void machine_486(struct edge *e) { code_answer(e, 1), put16(&e->b, nt(&e->b, NT_MACHINE), 0x14d); }
static void magic_of_rom(struct edge *e) { code_answer(e, 1), put16(&e->b, opt(&e->b, 0), 0x107); }
static void native_subsystem(struct edge *e) { code_answer(e, 42), put16(&e->b, opt(&e->b, OPT_SUBSYSTEM), 1); }
static void clr_program(struct edge *e)
{
    code_answer(e, 1);
    put32(&e->b, edge_off(e, e->own), 72);
    put32(&e->b, edge_off(e, e->own + 16), 1); /* ILONLY */
    put_directory(&e->b, EDGE_CLR, e->own, 72);
}
static void file_alignment_3(struct edge *e) { code_answer(e, 1), put32(&e->b, opt(&e->b, OPT_FILE_ALIGNMENT), 0x300); }
static void file_alignment_above(struct edge *e) { code_answer(e, 1), put32(&e->b, opt(&e->b, OPT_FILE_ALIGNMENT), 0x2000); }
static void headers_of_1(struct edge *e) { code_answer(e, 42), put32(&e->b, opt(&e->b, OPT_SIZE_OF_HEADERS), 1); }
static void headers_of_0(struct edge *e) { code_answer(e, 1), put32(&e->b, opt(&e->b, OPT_SIZE_OF_HEADERS), 0); }

/* ---- flat images: SectionAlignment below a page --------------------------------------------------------------- */

static void flat(struct edge *e, uint32_t alignment)
{
    bool is_64 = e->b.is_64;
    memset(e, 0, sizeof *e);
    build_begin(&e->b, is_64);
    build_alignment(&e->b, alignment);
    put32(&e->b, opt(&e->b, OPT_FILE_ALIGNMENT), alignment);
    e->b.next_rva = 0x400;
    build_section(&e->b, ".text", TEXT_RAW, TEXT_RAW, CODE);
    build_section(&e->b, ".data", DATA_RAW, DATA_RAW, READ_ONLY);
    e->at = e->text = 0x400;
    e->tables = 0x800;
    e->own = 0xe00;
    put32(&e->b, opt(&e->b, OPT_ENTRY), 0x400);
    put16(&e->b, opt(&e->b, OPT_DLL_CHARACTERISTICS), EDGE_NX_COMPAT);
}
static void flat_10(struct edge *e) { flat(e, 0x10), code_answer(e, 42); }
static void flat_200(struct edge *e) { flat(e, 0x200), code_answer(e, 42); }
/* Everything may be written and executed there, whatever the sections say. */
static void flat_writes(struct edge *e)
{
    flat(e, 0x200);
    code_enter(e);
    code_put(e, 0x40, 40);
    code_put(e, 0xe00, 2);
    code_load(e, 0x40);
    code_add(e, 0xe00);
    code_leave(e, 0);
}
static void flat_elsewhere(struct edge *e) { flat(e, 0x200), code_answer(e, 1), put32(&e->b, sec(&e->b, 1, SEC_RVA), 0xa00); }
static void flat_alignments_differ(struct edge *e) { flat(e, 0x400), code_answer(e, 42), put32(&e->b, opt(&e->b, OPT_FILE_ALIGNMENT), 0x200); }

/* No section at all; the headers begin at offset 4, so that e_lfanew and SectionAlignment are one field. */
static void tiny(struct edge *e)
{
    bool is_64 = e->b.is_64;
    memset(e, 0, sizeof *e);
    e->b.is_64 = is_64;
    e->b.lfanew = 4;
    e->b.size = 268;
    put16(&e->b, 0, 0x5a4d);
    put32(&e->b, 4, 0x4550);
    put16(&e->b, nt(&e->b, NT_MACHINE), is_64 ? 0x8664 : 0x14c);
    put16(&e->b, nt(&e->b, NT_CHARACTERISTICS), is_64 ? 2 : 0x102);
    put16(&e->b, opt(&e->b, OPT_MAGIC), is_64 ? 0x20b : 0x10b);
    put32(&e->b, opt(&e->b, OPT_ENTRY), 200);
    edge_set_base(e, 0x400000);
    put32(&e->b, opt(&e->b, OPT_SECTION_ALIGNMENT), 4);
    put32(&e->b, opt(&e->b, OPT_FILE_ALIGNMENT), 4);
    put16(&e->b, opt(&e->b, OPT_SUBSYSTEM_MAJOR), 4);
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 268);
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_HEADERS), 267);
    put16(&e->b, opt(&e->b, OPT_SUBSYSTEM), 3);
    e->at = 200;
    code_answer(e, 42);
}

/* The file ends behind the first byte of Subsystem; the code lies where the time stamp would be. */
static void tiniest(struct edge *e)
{
    tiny(e);
    e->b.size = 97;
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_IMAGE), 97);
    put32(&e->b, opt(&e->b, OPT_SIZE_OF_HEADERS), 96);
    put32(&e->b, opt(&e->b, OPT_ENTRY), (uint32_t)nt(&e->b, NT_TIMESTAMP));
    memcpy(e->b.bytes + nt(&e->b, NT_TIMESTAMP), "\x6a\x2a\x58\xc3", 4); /* push 42; pop eax; ret */
}

/* ---- the entry point ------------------------------------------------------------------------------------------- */

static void entry_at(struct edge *e, uint32_t rva) { put32(&e->b, opt(&e->b, OPT_ENTRY), rva); }

/* "MZ" is dec ebp, pop edx or pop r10: the return address. Then mov eax, 42 and a jump back there. */
static void mz_is_code(struct edge *e)
{
    static const char x86[] = "\xb8\x2a\0\0\0\xff\xe2", x64[] = "\xb8\x2a\0\0\0\x41\xff\xe2";
    memcpy(e->b.bytes + 2, e->b.is_64 ? x64 : x86, e->b.is_64 ? 8 : 7);
    entry_at(e, 0);
}
static void entry_null(struct edge *e) { put16(&e->b, opt(&e->b, OPT_DLL_CHARACTERISTICS), 0), mz_is_code(e); }
static void entry_null_nx(struct edge *e) { mz_is_code(e); }
static void entry_null_flat(struct edge *e) { flat(e, 0x200), mz_is_code(e); }
static void header_is_code(struct edge *e, uint16_t characteristics)
{
    memcpy(e->b.bytes + 0x40, "\xb8\x2a\0\0\0\xc3", 6);
    put16(&e->b, opt(&e->b, OPT_DLL_CHARACTERISTICS), characteristics);
    entry_at(e, 0x40);
}
static void entry_in_header(struct edge *e) { header_is_code(e, 0); }
static void entry_in_header_nx(struct edge *e) { header_is_code(e, EDGE_NX_COMPAT); }
static void data_is_code(struct edge *e, uint16_t characteristics)
{
    memcpy(e->b.bytes + edge_off(e, e->own), "\xb8\x2a\0\0\0\xc3", 6);
    put16(&e->b, opt(&e->b, OPT_DLL_CHARACTERISTICS), characteristics);
    entry_at(e, e->own);
}
static void entry_in_data(struct edge *e) { data_is_code(e, 0); }
static void entry_in_data_nx(struct edge *e) { data_is_code(e, EDGE_NX_COMPAT); }
static void entry_outside(struct edge *e) { code_answer(e, 1), entry_at(e, 0x500000); }
static void entry_negative(struct edge *e) { code_answer(e, 1), entry_at(e, 0xfffff000); }
/* One byte of zero fill in front of a section: 00 C0 is add al, al. */
static void entry_between(struct edge *e)
{
    section_set(e, 0, 0x1000, TEXT_RAW, TEXT_OFF);
    put32(&e->b, sec(&e->b, 1, SEC_CHARACTERISTICS), CODE);
    memcpy(e->b.bytes + DATA_OFF, "\xc0\xb8\x2a\0\0\0\xc3", 7);
    entry_at(e, e->tables - 1);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

#define FORMAT 0xc000007b
#define FILE_STATUS 0xc0000020
#define CONFLICT 0xc0000018
#define ACCESS 0xc0000005
#define DEP "Microsoft, Data Execution Prevention: x64 programs have it always; 32-bit ones where they say NX_COMPAT (OptIn)"

static const struct edge_row rows[] = {
    {"an ordinary program", ordinary, EXITS, 42, NULL, MS, 0},
    {"ImageBase 0", base_null, EXITS, 0x12600, NULL, CORKAMI "ibnullXP: relocated to 0x10000", 0},
    {"ImageBase in kernel space", base_in_kernel, EXITS, 0x12600, NULL, CORKAMI "ibkernel: relocated to 0x10000", 0},
    {"ImageBase at the end of all addresses", base_at_end, EXITS, 0x12600, NULL, CORKAMI "ibkernel: relocated to 0x10000", 0},
    {"ImageBase in kernel space, no table, not stripped", base_in_kernel_no_table, EXITS, 0x10000, NULL, CORKAMI "ibkmanual, ibknoreloc64: loaded as it is, at 0x10000", 0},
    {"ImageBase in kernel space, stripped", base_in_kernel_stripped, REFUSED, CONFLICT, "relocation", "shared facts, edge cases: no table and STRIPPED: refused", 0},
    {"ImageBase no multiple of 64 KiB", base_unaligned, REFUSED, FORMAT, "rule 15", MS ": must be a multiple of 64 K", 0},
    {"ImageBase just below the end of user space", base_below_end, EXITS, 42, NULL, CORKAMI "bigib: any base with its end below 0x80000000", 0},

    {"VirtualSize 0", virtual_size_null, EXITS, 42, NULL, CORKAMI "nullvirt: SizeOfRawData counts", 0},
    {"raw data beyond VirtualSize", raw_beyond_virtual, EXITS, 0x1234, NULL, RULES "25", 0},
    {"raw data below VirtualSize", raw_below_virtual, EXITS, 42, NULL, MS ": the remainder of the section is zero-filled", 0},
    {"SizeOfRawData huge", raw_size_huge, EXITS, 42, NULL, CORKAMI "bigSoRD: the virtual size is taken", 0},
    {"SizeOfRawData wraps", raw_size_wraps, REFUSED, FORMAT, "rule 23", RULES "23", 0},
    {"SizeOfRawData 0, PointerToRawData nowhere", raw_size_null, EXITS, 0, NULL, RULES "25", 0},
    {"both sizes 0", both_sizes_null, REFUSED, FORMAT, "rule 20", RULES "20", 0},
    {"PointerToRawData rounds down to 0x200", pointer_rounds_down, EXITS, 42, NULL, RULES "25", 0},
    {"PointerToRawData below 0x200 means the headers", pointer_means_headers, EXITS, 0x5a4d, NULL, CORKAMI "duphead", 0},
    {"two sections of the same bytes", same_bytes_twice, EXITS, 42, NULL, CORKAMI "dupsec", 0},
    {"sections in another order in the file", swapped_in_the_file, EXITS, 42, NULL, CORKAMI "shuffledsect", 0},
    {"a section beyond the file, not the last", one_of_three_beyond_file, EXITS, 0x1234, NULL, RULES "24", 0},
    {"the last section beyond the file", last_beyond_file, REFUSED, FORMAT, "rule 24", RULES "24", 0},
    {"the last section cut off by one byte", last_cut_off, REFUSED, FORMAT, "rule 24", RULES "24", 0},
    {"the file ends where .data begins", cut_at_data, REFUSED, FORMAT, "rule 24", RULES "24", 0},
    {"the file ends where .text begins", cut_at_text, REFUSED, FORMAT, "rule 24", RULES "24", 0},
    {"the file ends in the section table", cut_in_table, REFUSED, FILE_STATUS, "rule 17", WINE " and its tests", 0},
    {"the file ends before the section table", cut_at_table, REFUSED, FILE_STATUS, "rule 17", WINE " and its tests", 0},
    {"an overlay", overlay, EXITS, 42, NULL, CORKAMI "appendeddata", 0},
    {"a hole before a section", hole_before_section, REFUSED, FORMAT, "rule 21", MS ": sections must be adjacent", 0},
    {"sections overlap", sections_overlap, REFUSED, FORMAT, "rule 21", MS ": sections must be adjacent", 0},
    {"SizeOfImage above the sections' end", image_larger_than_sections, EXITS, 42, NULL, RULES "22", 0},
    {"SizeOfImage below the sections' end", image_smaller_than_sections, REFUSED, FORMAT, "rule 22", RULES "22", 0},
    {"SizeOfImage nearly 4 GiB", image_of_4_gib, REFUSED, FORMAT, "rule 13", RULES "13", 0},
    {"SizeOfImage above 1 GiB", image_of_1_gib, EXITS, 42, NULL, CORKAMI "bigsec", 0},
    {"20 sections", sections_20, EXITS, 42, NULL, MS, 0},
    {"96 sections", sections_96, EXITS, 42, NULL, MS ": the loader limits the number of sections to 96", 0},
    {"97 sections", sections_97, EXITS, 42, NULL, CORKAMI "maxsecW7 (Vista and later; XP and Wine stop at 96)", 0},
    {"65535 sections", sections_65535, EXITS, 42, NULL, CORKAMI "maxsecW7 (Vista and later; XP and Wine stop at 96)", 0},

    {"section table at an odd place", table_odd, EXITS, 42, NULL, MS ": the table's place is told by SizeOfOptionalHeader", 0},
    {"section table at the headers' end", table_at_headers_end, EXITS, 42, NULL, MS, 0},
    {"section table in a section's bytes", table_in_code, EXITS, 42, NULL, CORKAMI "bottomsecttbl", 0},
    {"section table in the overlay", table_in_overlay, EXITS, 42, NULL, CORKAMI "appsectableW7", 0},
    {"section table beyond SizeOfImage", table_beyond_image, REFUSED, FILE_STATUS, "rule 17", WINE " and its tests", 0},
    {"section table beyond the file", table_beyond_file, REFUSED, FILE_STATUS, "rule 17", WINE " and its tests", 0},
    {"NT headers in the overlay", headers_in_overlay, EXITS, 42, NULL, CORKAMI "apphdrW7", 0},
    {"e_lfanew no multiple of 4", lfanew_odd, REFUSED, FORMAT, "rule 3", CORKAMI "has to be dword-aligned", 0},
    {"NumberOfRvaAndSizes 0", directories_none, EXITS, 42, NULL, CORKAMI "no_dd", 0},
    {"NumberOfRvaAndSizes 0xffffffff", directories_many, EXITS, 42, NULL, CORKAMI "maxvals: rounded down to 16", 0},
    {"a directory behind NumberOfRvaAndSizes", directory_behind_number, EXITS, 42, NULL, MS ": the number must be checked before looking for a directory", 0},
    {"CheckSum wrong", checksum_wrong, EXITS, 42, NULL, MS ": validated for drivers and DLLs at boot time alone", 0},
    {"not EXECUTABLE_IMAGE", not_executable, REFUSED, FORMAT, "rule 7", RULES "7", 0},
    {"a DLL", a_dll, REFUSED, FORMAT, "a DLL", MS ": it cannot be directly run", 0},
    {"the other kind's machine", machine_of_the_other, REFUSED, FORMAT, "rule 8", WINE " and its tests", 0},
    {"machine 0x14d", machine_486, REFUSED, FORMAT, "rule 6", CORKAMI "014d, 014e are rejected", 0},
    {"ROM image", magic_of_rom, REFUSED, FORMAT, "rule 8", WINE " and its tests", 0},
    {"native subsystem", native_subsystem, EXITS, 42, NULL, "Windows' own start of autochk.exe; " WINE, 0},
    {"CLR header", clr_program, REFUSED, 0xc0000135, "Common Language Runtime", "Windows without .NET: mscoree.dll is not found", 0},
    {"FileAlignment no power of 2", file_alignment_3, REFUSED, FORMAT, "rule 10", MS ": a power of 2", 0},
    {"FileAlignment above SectionAlignment", file_alignment_above, REFUSED, FORMAT, "rule 11", MS ": SectionAlignment must be greater or equal", 0},
    {"SizeOfHeaders 1", headers_of_1, EXITS, 42, NULL, CORKAMI "foldedhdrW7", 0},
    {"SizeOfHeaders 0", headers_of_0, REFUSED, FORMAT, "rule 14", RULES "14", 0},

    {"flat, SectionAlignment 0x10", flat_10, EXITS, 42, NULL, CORKAMI "low alignment: 1 to 0x800", 0},
    {"flat, SectionAlignment 0x200", flat_200, EXITS, 42, NULL, CORKAMI "low alignment: 1 to 0x800", 0},
    {"flat: all of it may be written", flat_writes, EXITS, 42, NULL, "shared facts, loader checklist 10", 0},
    {"flat: a section lies elsewhere in the file", flat_elsewhere, REFUSED, FORMAT, "rule 27", MS ": raw data location must match", 0},
    {"flat, FileAlignment below SectionAlignment", flat_alignments_differ, EXITS, 42, NULL, CORKAMI "lowaldiff", 0},
    {"e_lfanew 4, no section, 268 bytes", tiny, EXITS, 42, NULL, CORKAMI "tiny, tinyW7_3264, tinyW7x64", 0},
    {"e_lfanew 4, no section, 97 bytes", tiniest, EXITS, 42, NULL, CORKAMI "tinyXP (XP; 7 wants 252 bytes); " WINE, 0},

    {"entry 0", entry_null, EXITS, 42, NULL, CORKAMI "nullEP: execution starts at ImageBase", X86},
    {"entry 0", entry_null, FAULTS, ACCESS, "executing", DEP, X64},
    {"entry 0, NX_COMPAT", entry_null_nx, FAULTS, ACCESS, "executing", DEP, 0},
    {"entry 0, flat", entry_null_flat, EXITS, 42, NULL, CORKAMI "nullEP: execution starts at ImageBase", 0},
    {"entry in the header", entry_in_header, EXITS, 42, NULL, CORKAMI "hdrcode", X86},
    {"entry in the header", entry_in_header, FAULTS, ACCESS, "executing", DEP, X64},
    {"entry in the header, NX_COMPAT", entry_in_header_nx, FAULTS, ACCESS, "executing", DEP, 0},
    {"entry in data", entry_in_data, EXITS, 42, NULL, DEP, X86},
    {"entry in data", entry_in_data, FAULTS, ACCESS, "executing", DEP, X64},
    {"entry in data, NX_COMPAT", entry_in_data_nx, FAULTS, ACCESS, "executing", DEP, 0},
    {"entry outside the image", entry_outside, FAULTS, ACCESS, "executing", CORKAMI "the entry is not checked", 0},
    {"entry negative", entry_negative, FAULTS, ACCESS, "executing", CORKAMI "the entry is not checked", 0},
    {"entry in the zero fill before a section", entry_between, EXITS, 42, NULL, CORKAMI "virtEP", 0},
};

int main(void) { return edge_rows_run("headers and sections", rows, sizeof rows / sizeof *rows); }
