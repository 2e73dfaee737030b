/* Real programs of a few bytes, for PE32 and PE32+ alike: headers and sections from tests/unit/pe_builder.h, and here what
 * a program needs to run (code, imports), the run itself, and the rows that say how it must end and who says so.
 *
 * Every program begins as edge_begin leaves it: .text (R-X, RVA 0x1000, file offset 0x400) and .data (RW-, RVA 0x2000,
 * file offset 0x800), one page each. The code below uses EBX / RBX as the address of the image, so that one sequence of
 * bytes serves both kinds and no program needs relocations unless it is about them. */
#ifndef TESTS_RUN_EDGES_H
#define TESTS_RUN_EDGES_H

#include "tests/support/process.h"
#include "tests/unit/pe_builder.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

/* EDGE_GROUP: a word of each test program's own, so that they may run side by side. */
#define EDGE_FOLDER TEST_BUILD "/tests/edges-" EDGE_GROUP

enum { TEXT_OFF = 0x400, TEXT_RAW = 0x400, DATA_OFF = 0x800, DATA_RAW = 0x800, DESCRIPTOR = 20 };
enum { EDGE_EXPORTS = 0, EDGE_IMPORTS = 1, EDGE_RESOURCES = 2, EDGE_RELOCATIONS = 5, EDGE_TLS = 9, EDGE_LOAD_CONFIG = 10,
       EDGE_BOUND = 11, EDGE_IAT = 12, EDGE_CLR = 14 };
enum { EDGE_NX_COMPAT = 0x100, EDGE_STRIPPED = 1 };

struct edge {
    struct build b;
    uint32_t text;      /* RVAs of .text ... */
    uint32_t tables;    /* ... and .data, which begins with the import descriptors */
    uint32_t own;       /* 0x200 bytes of .data for the row's own purposes */
    uint32_t at;        /* RVA of the next byte of code */
    uint32_t data;      /* RVA of the next free byte of .data in front of `own` */
    unsigned imported;  /* descriptors */
    const char *option; /* of peload's, NULL: none */
};

static inline unsigned edge_width(const struct edge *e) { return e->b.is_64 ? 8 : 4; }
static inline uint64_t edge_base(const struct edge *e) { return e->b.is_64 ? 0x140000000 : 0x400000; }
static inline void edge_set_base(struct edge *e, uint64_t base)
{
    put(&e->b, opt(&e->b, e->b.is_64 ? 24 : 28), base, edge_width(e));
}

static inline void edge_aligned(struct edge *e, bool is_64, uint32_t alignment)
{
    memset(e, 0, sizeof *e);
    build_begin(&e->b, is_64);
    build_alignment(&e->b, alignment);
    build_section(&e->b, ".text", TEXT_RAW, TEXT_RAW, CODE);
    build_section(&e->b, ".data", DATA_RAW, DATA_RAW, DATA);
    memset(e->b.bytes + TEXT_OFF, 0xcc, TEXT_RAW);
    memset(e->b.bytes + DATA_OFF, 0, DATA_RAW);
    e->at = e->text = get32(&e->b, sec(&e->b, 0, SEC_RVA));
    e->tables = get32(&e->b, sec(&e->b, 1, SEC_RVA));
    e->data = e->tables + 0x100;
    e->own = e->tables + 0x600;
    put32(&e->b, opt(&e->b, OPT_ENTRY), e->text);
    put16(&e->b, opt(&e->b, OPT_DLL_CHARACTERISTICS), EDGE_NX_COMPAT);
}

static inline void edge_begin(struct edge *e, bool is_64) { edge_aligned(e, is_64, 0x1000); }

/* ---- code --------------------------------------------------------------------------------------------- */

static inline void code(struct edge *e, const char *bytes, size_t count)
{
    memcpy(e->b.bytes + at_rva(&e->b, e->at), bytes, count);
    e->at += (uint32_t)count;
}
#define CODE_BYTES(e, text) code(e, text, sizeof(text) - 1)
static inline void code32(struct edge *e, uint32_t value)
{
    put32(&e->b, at_rva(&e->b, e->at), value);
    e->at += 4;
}

/* mov eax, value; ret: the shortest program. The first thread's return is the process's exit code. */
static inline void code_answer(struct edge *e, uint32_t value)
{
    CODE_BYTES(e, "\xb8"), code32(e, value);
    CODE_BYTES(e, "\xc3");
}

/* Saves what a function must keep, and makes EBX / RBX the image's address. */
static inline void code_enter(struct edge *e)
{
    CODE_BYTES(e, "\x53\x56"); /* push ebx; push esi */
    if (e->b.is_64) {
        CODE_BYTES(e, "\x48\x83\xec\x48\x48\x8d\x1d"); /* sub rsp, 0x48; lea rbx, [rip - here] */
        code32(e, 0u - (e->at + 4));
    } else {
        CODE_BYTES(e, "\xe8\0\0\0\0"); /* call next; next: pop ebx; sub ebx, next */
        uint32_t next = e->at;
        CODE_BYTES(e, "\x5b\x81\xeb"), code32(e, next);
    }
}
/* `arguments`: how many a stdcall function of x86 takes from the stack. */
static inline void code_leave(struct edge *e, unsigned arguments)
{
    if (e->b.is_64)
        CODE_BYTES(e, "\x48\x83\xc4\x48");
    CODE_BYTES(e, "\x5e\x5b");
    if (e->b.is_64 || !arguments)
        CODE_BYTES(e, "\xc3");
    else {
        const char ret[] = {(char)0xc2, (char)(4 * arguments), 0};
        code(e, ret, 3);
    }
}

static inline void code_load(struct edge *e, uint32_t rva) { CODE_BYTES(e, "\x8b\x83"), code32(e, rva); }       /* mov eax, [ebx+rva] */
static inline void code_store(struct edge *e, uint32_t rva) { CODE_BYTES(e, "\x89\x83"), code32(e, rva); }      /* mov [ebx+rva], eax */
static inline void code_add(struct edge *e, uint32_t rva) { CODE_BYTES(e, "\x03\x83"), code32(e, rva); }        /* add eax, [ebx+rva] */
static inline void code_set(struct edge *e, uint32_t value) { CODE_BYTES(e, "\xb8"), code32(e, value); }        /* mov eax, value */
static inline void code_put(struct edge *e, uint32_t rva, uint32_t value)                                       /* mov dword [ebx+rva], value */
{
    CODE_BYTES(e, "\xc7\x83"), code32(e, rva), code32(e, value);
}
static inline void code_address(struct edge *e, uint32_t rva)                                                   /* lea eax, [ebx+rva] */
{
    if (e->b.is_64)
        CODE_BYTES(e, "\x48");
    CODE_BYTES(e, "\x8d\x83"), code32(e, rva);
}
static inline void code_keep(struct edge *e)                                                                    /* mov esi, eax */
{
    if (e->b.is_64)
        CODE_BYTES(e, "\x48");
    CODE_BYTES(e, "\x89\xc6");
}
static inline void code_times(struct edge *e, uint32_t factor) { CODE_BYTES(e, "\x69\xc0"), code32(e, factor); } /* imul eax, factor */

/* An argument: a number, an address in the image, or what code_keep kept. */
struct argument { enum { NUMBER, ADDRESS, KEPT } kind; uint32_t value; };
#define NUMBER(v)  ((struct argument){NUMBER, v})
#define ADDRESS(r) ((struct argument){ADDRESS, r})
#define SAVED      ((struct argument){KEPT, 0})

static inline void code_argument(struct edge *e, unsigned index, struct argument argument)
{
    static const char *const number[] = {"\x48\xc7\xc1", "\x48\xc7\xc2", "\x49\xc7\xc0", "\x49\xc7\xc1"};
    static const char *const address[] = {"\x48\x8d\x8b", "\x48\x8d\x93", "\x4c\x8d\x83", "\x4c\x8d\x8b"};
    static const char *const kept[] = {"\x48\x89\xf1", "\x48\x89\xf2", "\x49\x89\xf0", "\x49\x89\xf1"};
    assert_true(!e->b.is_64 || index < 4);
    if (e->b.is_64)
        code(e, argument.kind == NUMBER ? number[index] : argument.kind == ADDRESS ? address[index] : kept[index], 3);
    else if (argument.kind == KEPT)
        CODE_BYTES(e, "\x56");
    else if (argument.kind == NUMBER)
        CODE_BYTES(e, "\x68");
    else
        CODE_BYTES(e, "\x8d\x83");
    if (argument.kind != KEPT)
        code32(e, argument.value);
    if (!e->b.is_64 && argument.kind == ADDRESS)
        CODE_BYTES(e, "\x50");
}

/* Calls the function whose address stands in the slot, stdcall on x86. */
#define CODE_CALL(e, slot, ...)                                                                                       \
    code_call(e, slot, sizeof((struct argument[]){__VA_ARGS__}) / sizeof(struct argument), (struct argument[]){__VA_ARGS__})
static inline void code_call(struct edge *e, uint32_t slot, size_t count, const struct argument *arguments)
{
    for (size_t i = count; i-- > 0;)
        code_argument(e, (unsigned)i, arguments[i]);
    CODE_BYTES(e, "\xff\x93"), code32(e, slot);
}

/* ---- data --------------------------------------------------------------------------------------------- */

static inline size_t edge_off(const struct edge *e, uint32_t rva) { return at_rva(&e->b, rva); }

static inline uint32_t data_take(struct edge *e, uint32_t size)
{
    uint32_t rva = round_up(e->data, 8);
    e->data = rva + size;
    assert_true(e->data <= e->own);
    return rva;
}
static inline uint32_t data_text(struct edge *e, const char *text)
{
    uint32_t rva = data_take(e, (uint32_t)strlen(text) + 1);
    put_text(&e->b, edge_off(e, rva), text);
    return rva;
}
static inline void data_pointer(struct edge *e, uint32_t rva, uint64_t value) { put(&e->b, edge_off(e, rva), value, edge_width(e)); }
static inline void data32(struct edge *e, uint32_t rva, uint32_t value) { put32(&e->b, edge_off(e, rva), value); }

/* One more import descriptor; `functions` ends with NULL, "#12" is an ordinal. The slot of the first function. The lookup
 * table lies just in front of the slots. */
#define IMPORT(e, dll, ...) edge_import(e, dll, (const char *const[]){__VA_ARGS__, NULL})
static inline uint32_t edge_import(struct edge *e, const char *dll, const char *const *functions)
{
    unsigned count = 0, width = edge_width(e);
    while (functions[count])
        count++;
    uint32_t lookup = data_take(e, 2 * (count + 1) * width), slots = lookup + (count + 1) * width;
    for (unsigned i = 0; i < count; i++) {
        uint64_t thunk = e->b.is_64 ? 0x8000000000000000u : 0x80000000u;
        if (functions[i][0] == '#')
            thunk |= strtoul(functions[i] + 1, NULL, 10);
        else {
            thunk = data_take(e, (uint32_t)strlen(functions[i]) + 3);
            put_text(&e->b, edge_off(e, (uint32_t)thunk + 2), functions[i]);
        }
        data_pointer(e, lookup + i * width, thunk);
        data_pointer(e, slots + i * width, thunk);
    }
    uint32_t descriptor = e->tables + e->imported++ * DESCRIPTOR;
    data32(e, descriptor, lookup);
    data32(e, descriptor + 12, data_text(e, dll));
    data32(e, descriptor + 16, slots);
    put_directory(&e->b, EDGE_IMPORTS, e->tables, (e->imported + 1) * DESCRIPTOR);
    return slots;
}

/* ---- rows --------------------------------------------------------------------------------------------- */

enum edge_end { EXITS, FAULTS, REFUSED };
enum { X86 = 1, X64 = 2, BOTH_MACHINES = 3 };

struct edge_row {
    const char *title;
    void (*make)(struct edge *e);
    enum edge_end end;
    uint32_t code;      /* all 32 bits; REFUSED: the NTSTATUS */
    const char *text;   /* part of what peload says; NULL: nothing in particular */
    const char *source; /* who says that it ends so */
    unsigned machines;  /* 0: both */
};

struct edge_case { const struct edge_row *row; bool is_64; };

struct edge_result { struct process process; uint32_t code; char how[16]; bool told; };

static inline void edge_write(const struct build *b, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, EDGE_FOLDER "/%s", name);
    assert_true(text_write(path, b->bytes, b->size));
}

static inline void edge_run(const char *name, const char *option, struct edge_result *result)
{
    char status_option[300], path[300];
    const char *arguments[8] = {TEST_BUILD "/peload", "run", status_option};
    unsigned count = 3;
    size_t size;
    snprintf(status_option, sizeof status_option, "--status-file=" EDGE_FOLDER "/status-%d", (int)getpid());
    snprintf(path, sizeof path, EDGE_FOLDER "/%s", name);
    const char *status_file = strchr(status_option, '=') + 1;
    if (option)
        arguments[count++] = option;
    arguments[count++] = path;
    unlink(status_file);
    memset(result, 0, sizeof *result);
    result->process = (struct process){.arguments = arguments, .seconds = 60};
    assert_true(process_run(&result->process));
    char *status = text_read(status_file, &size);
    result->told = status && sscanf(status, "%*u %" SCNx32 " %15s", &result->code, result->how) == 2;
    free(status);
    unlink(status_file);
}

/* The low eight bits of the code (1 where they are 0 and the code is not), or 126 for a file that was refused. */
static inline int edge_status(enum edge_end end, uint32_t exit_code)
{
    return end == REFUSED ? 126 : exit_code && !(exit_code & 0xff) ? 1 : (int)(exit_code & 0xff);
}

static inline void edge_holds(const struct edge_row *row, const struct edge_result *result)
{
    static const char *const hows[] = {"exited", "exception", "refused"};
    bool fits = !result->process.timed_out && result->told && result->code == row->code && !strcmp(result->how, hows[row->end]) &&
                result->process.status == edge_status(row->end, row->code) &&
                (!row->text || strstr(result->process.errors, row->text));
    if (!fits)
        fail_msg("status %d, 0x%08" PRIx32 " %s%s; expected 0x%08" PRIx32 " %s, \"%s\" (%s)\n%s", result->process.status, result->code,
                 result->told ? result->how : "not told", result->process.timed_out ? ", timed out" : "", row->code, hows[row->end],
                 row->text ? row->text : "", row->source, result->process.errors);
}

static inline void edge_row_runs(void **state)
{
    const struct edge_case *one = *state;
    static struct edge e;
    struct edge_result result;
    edge_begin(&e, one->is_64);
    one->row->make(&e);
    edge_write(&e.b, "edge.exe");
    edge_run("edge.exe", e.option, &result);
    edge_holds(one->row, &result);
    process_free(&result.process);
}

/* A group of each row on each machine; x86 where the 32-bit host is built. */
static inline int edge_rows_run(const char *group, const struct edge_row *rows, size_t count)
{
    struct CMUnitTest *tests = calloc(count * 2, sizeof *tests);
    struct edge_case *cases = calloc(count * 2, sizeof *cases);
    char (*titles)[120] = calloc(count * 2, sizeof *titles);
    size_t used = 0;
    if (!tests || !cases || !titles || (mkdir(EDGE_FOLDER, 0777) && access(EDGE_FOLDER, W_OK)))
        return 1;
    for (size_t i = 0; i < count; i++)
        for (unsigned is_64 = 0; is_64 < 2; is_64++) {
            unsigned machines = rows[i].machines ? rows[i].machines : BOTH_MACHINES;
            if (!(machines & (is_64 ? X64 : X86)) || (!is_64 && access(TEST_BUILD "/peload32", X_OK)))
                continue;
            snprintf(titles[used], sizeof *titles, "%s %s", is_64 ? "x64" : "x86", rows[i].title);
            cases[used] = (struct edge_case){&rows[i], is_64};
            tests[used] = (struct CMUnitTest){titles[used], edge_row_runs, NULL, NULL, &cases[used]};
            used++;
        }
    int failed = _cmocka_run_group_tests(group, tests, used, NULL, NULL);
    free(tests);
    free(cases);
    free(titles);
    return failed;
}

/* Where the expectations come from. */
#define MS      "Microsoft, PE Format"
#define CORKAMI "the public PE corpus of corkami, seen on Windows XP to 8: "
#define RULES   "pe/RULES.md, with its sources: rule "
#define WINE    "Wine 8.0"

#endif
