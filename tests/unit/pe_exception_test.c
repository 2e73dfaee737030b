/* Unwinding of x64 frames: rules 90 to 94. Functions are written as machine code with their unwind data; a small
 * interpreter in this file carries them out on a stack, and at every instruction the unwinder must find the caller
 * with all its registers. What the codes mean is Microsoft's "x64 exception handling". */
#include "tests/unit/pe_builder.h"

#include "pe/exception.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { CODE_RVA = 0x1000, PDATA_RVA = 0x2000, XDATA_RVA = 0x2400 };

static const uint64_t base = 0x7ff612340000, stack_va = 0x10000, caller = 0x1122334455667788;

static struct build b;
static struct pe_error error;
static struct pe_image image;

static int teardown(void **state)
{
    (void)state;
    build_free(&b);
    return 0;
}

static void begin(void)
{
    build_begin(&b, true);
    build_section(&b, ".text", 0x1000, 0x1000, CODE);
    build_section(&b, ".pdata", 0x1000, 0x1000, READ_ONLY);
    memset(b.bytes + at_rva(&b, CODE_RVA), 0xcc, 0x1000);
    memset(b.bytes + at_rva(&b, PDATA_RVA), 0, 0x1000);
}

static void put_function(unsigned index, uint32_t begin_offset, uint32_t end_offset, uint32_t unwind)
{
    size_t at = at_rva(&b, PDATA_RVA + index * 12);
    put32(&b, at, CODE_RVA + begin_offset);
    put32(&b, at + 4, CODE_RVA + end_offset);
    put32(&b, at + 8, unwind);
    if ((index + 1) * 12 > get32(&b, dir(&b, 3) + 4))
        put_directory(&b, 3, PDATA_RVA, (index + 1) * 12);
}

static void put_bytes(uint32_t rva, const void *bytes, size_t len) { memcpy(b.bytes + at_rva(&b, rva), bytes, len); }

/* ---- the thread ---- */

static uint64_t stack[0x1000 / 8];

static bool read_stack(void *context, uint64_t va, uint64_t *value)
{
    (void)context;
    if (va < stack_va || va > stack_va + sizeof stack - 8 || va % 8 != 0)
        return false;
    *value = stack[(va - stack_va) / 8];
    return true;
}

static uint64_t *stack_at(uint64_t va)
{
    assert_true(va >= stack_va && va <= stack_va + sizeof stack - 8 && va % 8 == 0);
    return &stack[(va - stack_va) / 8];
}

/* ---- what one instruction does ---- */

enum act { PUSH, POP, SUB_RSP, ADD_RSP, STORE, LOAD, LEA, CLOBBER, LEAVE };

struct step { uint32_t offset; enum act act; unsigned reg; int32_t value; };

static void carry_out(struct pe_unwind_frame *frame, const struct step *step)
{
    uint64_t *gpr = frame->gpr;
    switch (step->act) {
    case PUSH: gpr[RSP] -= 8; *stack_at(gpr[RSP]) = gpr[step->reg]; break;
    case POP: gpr[step->reg] = *stack_at(gpr[RSP]); gpr[RSP] += 8; break;
    case SUB_RSP: gpr[RSP] -= (uint64_t)step->value; break;
    case ADD_RSP: gpr[RSP] += (uint64_t)step->value; break;
    case STORE: *stack_at(gpr[RSP] + (uint64_t)step->value) = gpr[step->reg]; break;
    case LOAD: gpr[step->reg] = *stack_at(gpr[RSP] + (uint64_t)step->value); break;
    case LEA: gpr[step->reg] = gpr[step->reg == RSP ? RBP : RSP] + (uint64_t)(int64_t)step->value; break;
    case CLOBBER: gpr[step->reg] = 0xdeadbeef00000000 + step->reg; break;
    case LEAVE: break; /* ret or jmp: nothing before it happens */
    }
}

/* Unwinds before each step; `keeps`: the registers that the caller must get back. */
static void unwind_everywhere(uint32_t start, const struct step *steps, unsigned count, uint32_t keeps)
{
    struct pe_unwind_frame frame = {0}, before;
    for (unsigned i = 0; i < 16; i++)
        frame.gpr[i] = 0x1000000 + i * 0x1111;
    frame.gpr[RSP] = stack_va + 0xe00;
    *stack_at(frame.gpr[RSP]) = caller;
    before = frame;
    expect_opens(&b, &image);
    for (unsigned i = 0; i < count; i++) {
        frame.rip = base + CODE_RVA + start + steps[i].offset;
        struct pe_unwind_frame got = frame;
        if (!pe_unwind_step(&image, pe_va_at(base), &got, read_stack, NULL, &error))
            fail_msg("step %u at +%x: %s", i, steps[i].offset, error.text);
        if (got.rip != caller || got.gpr[RSP] != before.gpr[RSP] + 8)
            fail_msg("step %u at +%x: rip %llx rsp %llx", i, steps[i].offset, (unsigned long long)got.rip,
                     (unsigned long long)got.gpr[RSP]);
        for (unsigned r = 0; r < 16; r++)
            if (keeps >> r & 1 && got.gpr[r] != before.gpr[r])
                fail_msg("step %u at +%x: register %u is %llx", i, steps[i].offset, r, (unsigned long long)got.gpr[r]);
        carry_out(&frame, &steps[i]);
    }
}

#define STEPS(steps) (steps), sizeof(steps) / sizeof((steps)[0])

/* ---- functions ---- */

/* push rbx; push rsi; push r12; sub rsp,38h; mov [rsp+30h],rdi; nop; mov rdi,[rsp+30h]; add rsp,38h;
 * pop r12; pop rsi; pop rbx; ret */
static const uint8_t plain_code[] = {
    0x53, 0x56, 0x41, 0x54, 0x48, 0x83, 0xec, 0x38, 0x48, 0x89, 0x7c, 0x24, 0x30, 0x90, 0x48, 0x8b, 0x7c, 0x24, 0x30,
    0x48, 0x83, 0xc4, 0x38, 0x41, 0x5c, 0x5e, 0x5b, 0xc3,
};
static const struct step plain_steps[] = {
    {0x00, PUSH, RBX, 0}, {0x01, PUSH, RSI, 0}, {0x02, PUSH, R12, 0}, {0x04, SUB_RSP, 0, 0x38}, {0x08, STORE, RDI, 0x30},
    {0x0d, CLOBBER, RBX, 0}, {0x0d, CLOBBER, RSI, 0}, {0x0d, CLOBBER, RDI, 0}, {0x0d, CLOBBER, R12, 0}, {0x0e, LOAD, RDI, 0x30},
    {0x13, ADD_RSP, 0, 0x38}, {0x17, POP, R12, 0}, {0x19, POP, RSI, 0}, {0x1a, POP, RBX, 0}, {0x1b, LEAVE, 0, 0},
};
static const uint8_t plain_unwind[] = {
    0x01, 0x0d, 0x06, 0x00, 0x0d, 0x74, 0x06, 0x00, 0x08, 0x62, 0x04, 0xc0, 0x02, 0x60, 0x01, 0x30,
};
enum { PLAIN_KEEPS = 1 << RBX | 1 << RSI | 1 << RDI | 1 << R12 | 1 << RBP };

static void put_plain(void)
{
    put_bytes(CODE_RVA, plain_code, sizeof plain_code);
    put_bytes(XDATA_RVA, plain_unwind, sizeof plain_unwind);
    put_function(0, 0, sizeof plain_code, XDATA_RVA);
}

static void without_frame_pointer(void **state)
{
    (void)state;
    begin();
    put_plain();
    unwind_everywhere(0, STEPS(plain_steps), PLAIN_KEEPS);
}

/* The same function's data in version 2, with two codes that tell where epilogues are. */
static void version_2(void **state)
{
    static const uint8_t unwind[] = {
        0x02, 0x0d, 0x08, 0x00, 0x09, 0x16, 0x00, 0x06, 0x0d, 0x74, 0x06, 0x00, 0x08, 0x62, 0x04, 0xc0, 0x02, 0x60, 0x01, 0x30,
    };
    (void)state;
    begin();
    put_plain();
    put_bytes(XDATA_RVA, unwind, sizeof unwind);
    unwind_everywhere(0, STEPS(plain_steps), PLAIN_KEEPS);
}

/* push rbp; mov rbp,rsp; sub rsp,220h; (alloca) ; lea rsp,[rbp+0]; pop rbp; ret */
static void with_frame_pointer(void **state)
{
    static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0x20, 0x02, 0x00, 0x00, 0x90, 0x90,
                                   0x48, 0x8d, 0x65, 0x00, 0x5d, 0xc3};
    static const uint8_t unwind[] = {0x01, 0x0b, 0x04, 0x05, 0x0b, 0x01, 0x44, 0x00, 0x04, 0x03, 0x01, 0x50};
    static const struct step steps[] = {
        {0x00, PUSH, RBP, 0}, {0x01, LEA, RBP, 0}, {0x04, SUB_RSP, 0, 0x220}, {0x0b, SUB_RSP, 0, 0x150}, {0x0c, CLOBBER, RAX, 0},
        {0x0d, LEA, RSP, 0}, {0x11, POP, RBP, 0}, {0x12, LEAVE, 0, 0},
    };
    (void)state;
    begin();
    put_bytes(CODE_RVA, code, sizeof code);
    put_bytes(XDATA_RVA, unwind, sizeof unwind);
    put_function(0, 0, sizeof code, XDATA_RVA);
    unwind_everywhere(0, STEPS(steps), 1 << RBP | 1 << RBX);
}

/* push rbp; sub rsp,100h (32-bit form); lea rbp,[rsp+80h]; mov [rsp+10h],rsi (far form); (alloca); mov rsi,[rbp-70h];
 * lea rsp,[rbp+80h]; pop rbp; rep ret */
static void with_frame_offset(void **state)
{
    static const uint8_t code[] = {0x55, 0x48, 0x81, 0xec, 0x00, 0x01, 0x00, 0x00, 0x48, 0x8d, 0xac, 0x24, 0x80, 0x00, 0x00, 0x00,
                                   0x48, 0x89, 0x74, 0x24, 0x10, 0x90, 0x90, 0x48, 0x8b, 0x75, 0x90,
                                   0x48, 0x8d, 0xa5, 0x80, 0x00, 0x00, 0x00, 0x5d, 0xf3, 0xc3};
    static const uint8_t unwind[] = {0x01, 0x15, 0x08, 0x85, 0x15, 0x65, 0x10, 0x00, 0x00, 0x00, 0x10, 0x03,
                                     0x08, 0x11, 0x00, 0x01, 0x00, 0x00, 0x01, 0x50};
    static const struct step steps[] = {
        {0x00, PUSH, RBP, 0}, {0x01, SUB_RSP, 0, 0x100}, {0x08, LEA, RBP, 0x80}, {0x10, STORE, RSI, 0x10}, {0x15, CLOBBER, RSI, 0},
        {0x15, SUB_RSP, 0, 0x40}, {0x16, CLOBBER, RAX, 0}, {0x17, LOAD, RSI, 0x50}, {0x1b, LEA, RSP, 0x80},
        {0x22, POP, RBP, 0}, {0x23, LEAVE, 0, 0},
    };
    (void)state;
    begin();
    put_bytes(CODE_RVA, code, sizeof code);
    put_bytes(XDATA_RVA, unwind, sizeof unwind);
    put_function(0, 0, sizeof code, XDATA_RVA);
    unwind_everywhere(0, STEPS(steps), 1 << RBP | 1 << RSI);
}

/* sub rsp,28h; movaps [rsp+10h],xmm6; nop; add rsp,28h; jmp out  and  jmp in */
static void tail_calls(void **state)
{
    static const uint8_t unwind[] = {0x01, 0x09, 0x03, 0x00, 0x09, 0x68, 0x01, 0x00, 0x04, 0x42};
    static const uint8_t jumps[][7] = {
        {0xe9, 0x00, 0x01, 0x00, 0x00}, {0xeb, 0x60}, {0xff, 0x25, 0, 0, 0, 0}, {0x48, 0xff, 0xe0},
        {0x48, 0xff, 0x25, 0, 0, 0, 0}, {0xc2, 0x00, 0x00},
        {0xe9, 0xed, 0xff, 0xff, 0xff}, /* to its own beginning */
    };
    static const struct step steps[] = {
        {0x00, SUB_RSP, 0, 0x28}, {0x04, CLOBBER, RAX, 0}, {0x09, CLOBBER, RAX, 0}, {0x0a, ADD_RSP, 0, 0x28},
        {0x0e, LEAVE, 0, 0},
    };
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        begin();
        put_bytes(CODE_RVA, "\x48\x83\xec\x28\x0f\x29\x74\x24\x10\x90\x48\x83\xc4\x28", 14);
        put_bytes(CODE_RVA + 14, jumps[i], sizeof jumps[i]);
        put_bytes(XDATA_RVA, unwind, sizeof unwind);
        put_function(0, 0, 0x20, XDATA_RVA);
        unwind_everywhere(0, STEPS(steps), 1 << RBX);
    }
    /* A jump that stays inside, and an indirect one without the mark of a tail call, are ordinary code: the frame
     * is still there. (A compiler would not put one behind "add rsp".) */
    static const uint8_t inside[][2] = {{0xeb, 0x10}, {0xeb, 0xfc}, {0xff, 0xe0}};
    static const struct step body[] = {{0x00, SUB_RSP, 0, 0x28}, {0x04, CLOBBER, RAX, 0}, {0x09, LEAVE, 0, 0}};
    for (unsigned i = 0; i < 3; i++) {
        begin();
        put_bytes(CODE_RVA, "\x48\x83\xec\x28\x0f\x29\x74\x24\x10", 9);
        put_bytes(CODE_RVA + 9, inside[i], 2);
        put_bytes(XDATA_RVA, unwind, sizeof unwind);
        put_function(0, 0, 0x20, XDATA_RVA);
        unwind_everywhere(0, STEPS(body), 1 << RBX);
    }
}

/* ret 10h frees what was passed. */
static void ret_with_operand(void **state)
{
    struct pe_unwind_frame frame = {.rip = base + CODE_RVA};
    (void)state;
    begin();
    put_bytes(CODE_RVA, "\xc2\x10\x00", 3);
    put_bytes(XDATA_RVA, "\x01\x00\x00\x00", 4);
    put_function(0, 0, 3, XDATA_RVA);
    expect_opens(&b, &image);
    frame.gpr[RSP] = stack_va;
    stack[0] = caller;
    assert_true(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
    assert_true(frame.rip == caller && frame.gpr[RSP] == stack_va + 0x18);
}

/* A part of the first function that lies elsewhere: it saves r13 and says for the rest: see the first part. */
static void chained(bool shared)
{
    static const uint8_t unwind[] = {0x21, 0x05, 0x02, 0x00, 0x05, 0xd4, 0x05, 0x00};
    static const struct step steps[] = {{0x100, STORE, R13, 0x28}, {0x105, CLOBBER, R13, 0}, {0x106, LOAD, R13, 0x28}};
    struct pe_unwind_frame frame = {0}, got;
    begin();
    put_plain();
    put_bytes(CODE_RVA + 0x100, "\x4c\x89\x6c\x24\x28\x90\x90", 7); /* mov [rsp+28h],r13 */
    put_bytes(XDATA_RVA + 0x40, unwind, sizeof unwind);
    put_bytes(XDATA_RVA + 0x48, b.bytes + at_rva(&b, PDATA_RVA), 12);
    put_function(1, 0x100, 0x110, shared ? PDATA_RVA + 0x80 + 1 : XDATA_RVA + 0x40);
    put_bytes(PDATA_RVA + 0x80, b.bytes + at_rva(&b, PDATA_RVA + 12), 12); /* the entry that a shared one points to */
    put32(&b, at_rva(&b, PDATA_RVA + 0x88), XDATA_RVA + 0x40);
    expect_opens(&b, &image);

    for (unsigned i = 0; i < 16; i++)
        frame.gpr[i] = 0x2000000 + i;
    frame.gpr[RSP] = stack_va + 0xe00;
    *stack_at(frame.gpr[RSP]) = caller;
    const struct pe_unwind_frame before = frame;
    for (unsigned i = 0; i < 9; i++) /* the prologue of the first part */
        carry_out(&frame, &plain_steps[i]);
    for (unsigned i = 0; i < 3; i++) {
        frame.rip = base + CODE_RVA + steps[i].offset;
        got = frame;
        assert_true(pe_unwind_step(&image, pe_va_at(base), &got, read_stack, NULL, &error));
        assert_true(got.rip == caller);
        assert_true(got.gpr[RSP] == before.gpr[RSP] + 8);
        assert_true(got.gpr[R13] == before.gpr[R13]);
        assert_true(got.gpr[R12] == before.gpr[R12] && got.gpr[RDI] == before.gpr[RDI] && got.gpr[RBX] == before.gpr[RBX]);
        carry_out(&frame, &steps[i]);
    }
}
static void chained_data(void **state) { (void)state; chained(false); }
static void shared_data(void **state) { (void)state; chained(true); }

/* The frame that the processor or the kernel pushed: rip, cs, eflags, rsp, ss; with or without an error code. */
static void machine_frames(void **state)
{
    (void)state;
    for (unsigned with_error = 0; with_error < 2; with_error++) {
        uint8_t unwind[] = {0x01, 0x00, 0x02, 0x00, 0x00, 0x02, 0x00, (uint8_t)(0x0a | with_error << 4)};
        struct pe_unwind_frame frame = {.rip = base + CODE_RVA};
        begin();
        put_bytes(XDATA_RVA, unwind, sizeof unwind);
        put_function(0, 0, 0x10, XDATA_RVA);
        expect_opens(&b, &image);
        frame.gpr[RSP] = stack_va;
        stack[1 + with_error] = caller;
        stack[4 + with_error] = 0x123450;
        assert_true(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
        assert_true(frame.rip == caller);
        assert_true(frame.gpr[RSP] == 0x123450);
    }
}

/* No data for this address: a leaf, whose return address is on top. So is an address outside the image. */
static void leaves(void **state)
{
    static const uint64_t places[] = {CODE_RVA + 0x800, 0x3000, 0xffffffffffffffff};
    (void)state;
    begin();
    put_plain();
    expect_opens(&b, &image);
    for (unsigned i = 0; i < 3; i++) {
        struct pe_unwind_frame frame = {.rip = base + places[i]};
        frame.gpr[RSP] = stack_va + 8;
        stack[1] = caller;
        assert_true(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
        assert_true(frame.rip == caller && frame.gpr[RSP] == stack_va + 16);
        frame.gpr[RSP] = 0;
        frame.rip = base + places[i];
        assert_false(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
        assert_true(frame.rip == base + places[i]); /* nothing changed */
    }
}

static void finding(void **state)
{
    struct pe_function function;
    (void)state;
    begin();
    for (unsigned i = 0; i < 50; i++)
        put_function(i, i * 0x20, i * 0x20 + 0x18, XDATA_RVA + i * 4);
    expect_opens(&b, &image);
    for (unsigned i = 0; i < 50; i++) {
        assert_true(pe_function_find(&image, pe_rva_at(CODE_RVA + i * 0x20 + 0x17), &function, &error));
        assert_int_equal(function.unwind.value, XDATA_RVA + i * 4);
        assert_false(pe_function_find(&image, pe_rva_at(CODE_RVA + i * 0x20 + 0x18), &function, &error));
        assert_int_equal(error.code, PE_NOT_FOUND);
    }
    put_directory(&b, 3, PDATA_RVA, 0x1001);
    expect_opens(&b, &image);
    assert_false(pe_function_find(&image, pe_rva_at(CODE_RVA), &function, &error));
    assert_int_equal(error.rule, 90);
    put_directory(&b, 3, 0, 0);
    expect_opens(&b, &image);
    assert_false(pe_function_find(&image, pe_rva_at(CODE_RVA), &function, &error));
    assert_int_equal(error.code, PE_NOT_FOUND);
}

static void expect_broken(unsigned rule)
{
    struct pe_unwind_frame frame = {.rip = base + CODE_RVA + 0x10};
    expect_opens(&b, &image);
    frame.gpr[RSP] = stack_va;
    assert_false(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
    assert_int_equal(error.rule, rule);
    assert_true(frame.gpr[RSP] == stack_va);
}

static void broken(void **state)
{
    (void)state;
    begin();
    put_function(0, 0, 0x20, 0x3000);
    expect_broken(91);
    put_function(0, 0, 0x20, 0xfffffffc);
    expect_broken(91);
    put_bytes(XDATA_RVA, "\x03\x00\x00\x00", 4); /* version 3 */
    put_function(0, 0, 0x20, XDATA_RVA);
    expect_broken(91);
    put_bytes(0x2ff8, "\x01\x00\xff\x00", 4); /* more codes than bytes */
    put_function(0, 0, 0x20, 0x2ff8);
    expect_broken(91);

    put_function(0, 0, 0x20, XDATA_RVA);
    put_bytes(XDATA_RVA, "\x01\x00\x01\x00\x00\x0b", 6); /* no such code */
    expect_broken(92);
    put_bytes(XDATA_RVA, "\x01\x00\x01\x00\x00\x01", 6); /* its operand is cut off */
    expect_broken(92);
    put_bytes(XDATA_RVA, "\x01\x00\x03\x00\x00\x21\x00\x00\x00\x00", 10); /* ALLOC_LARGE has two forms */
    expect_broken(92);

    put_function(0, 0, 0x20, 0x3001); /* shared with nothing */
    expect_broken(93);
    put_bytes(0x2ff4, "\x21\x00\x00\x00", 4); /* a chain whose next entry is cut off */
    put_function(0, 0, 0x20, 0x2ff4 + 4);
    put_bytes(0x2ff8, "\x21\x00\x00\x00", 4);
    expect_broken(93);

    put_bytes(XDATA_RVA, "\x21\x00\x00\x00", 4); /* a chain that leads to itself */
    put_function(0, 0, 0x20, XDATA_RVA);
    put_bytes(XDATA_RVA + 4, b.bytes + at_rva(&b, PDATA_RVA), 12);
    expect_broken(94);
    put_function(0, 0, 0x20, PDATA_RVA + 1);
    expect_broken(94);

    build_begin(&b, false);
    build_section(&b, ".text", 0x2000, 0, CODE);
    struct pe_unwind_frame frame = {.rip = base + CODE_RVA};
    expect_opens(&b, &image);
    assert_false(pe_unwind_step(&image, pe_va_at(base), &frame, read_stack, NULL, &error));
    assert_int_equal(error.code, PE_BAD_MACHINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_frame_pointer), cmocka_unit_test(version_2),        cmocka_unit_test(with_frame_pointer),
        cmocka_unit_test(with_frame_offset),     cmocka_unit_test(tail_calls),       cmocka_unit_test(ret_with_operand),
        cmocka_unit_test(chained_data),          cmocka_unit_test(shared_data),      cmocka_unit_test(machine_frames),
        cmocka_unit_test(leaves),                cmocka_unit_test(finding),          cmocka_unit_test(broken),
    };
    return cmocka_run_group_tests_name("pe: unwinding", tests, NULL, teardown);
}
