/* Facts: Microsoft's "x64 exception handling" (unwind operation codes, unwind procedure). */
#include "pe/exception.h"

#define CHAIN_LIMIT 32u /* parts of one function; a chain that is longer is a loop */
#define RSP         4u
#define ENTRY_SIZE  12u

#define fail_unwind(error, number, at, found, clause)                                                                 \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .got = found,       \
            .text = clause)

static bool read_function(const struct pe_image *image, uint64_t rva, struct pe_function *out)
{
    struct pe_runtime_function raw;
    if (rva >= image->size_of_image || !pe_read_rva(image, pe_rva_at((uint32_t)rva), &raw, sizeof(raw)))
        return false;
    out->begin = pe_rva_at(raw.begin_address);
    out->end = pe_rva_at(raw.end_address);
    out->unwind = pe_rva_at(raw.unwind_info_address);
    return true;
}

bool pe_function_find(const struct pe_image *image, pe_rva rva, struct pe_function *out, struct pe_error *error)
{
    struct pe_directory directory = image->directory[PE_DIRECTORY_EXCEPTION];
    struct pe_span table;

    if (image->machine != PE_MACHINE_AMD64 || directory.rva.value == 0 || directory.size < ENTRY_SIZE)
        return pe_fail(error, .code = PE_NOT_FOUND, .text = "no x64 unwind data");
    if (!pe_slice_rva(image, directory.rva, directory.size, &table))
        return fail_unwind(error, 90, directory.rva.value, directory.size, "the table of functions lies outside the image");

    uint32_t low = 0, high = directory.size / ENTRY_SIZE;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct pe_runtime_function raw;
        memcpy(&raw, table.data + (size_t)middle * ENTRY_SIZE, sizeof(raw));
        if (rva.value < raw.begin_address) {
            high = middle;
        } else if (rva.value >= raw.end_address) {
            low = middle + 1;
        } else {
            *out = (struct pe_function){pe_rva_at(raw.begin_address), pe_rva_at(raw.end_address),
                                        pe_rva_at(raw.unwind_info_address)};
            pe_done(error);
            return true;
        }
    }
    return pe_fail(error, .code = PE_NOT_FOUND, .ladder = PE_LADDER_RVA, .where = rva.value,
                   .text = "no function holds this address");
}

/* One step under way: registers that become the caller's, and how to read the stack. */
struct stepping {
    const struct pe_image *image;
    struct pe_unwind_frame frame;
    pe_read_u64 read;
    void *context;
    struct pe_error *error;
    bool finished; /* rip and rsp are the caller's already */
};

static bool read_stack(struct stepping *step, uint64_t va, uint64_t *value)
{
    if (step->read(step->context, va, value))
        return true;
    return pe_fail(step->error, .code = PE_NOT_FOUND, .ladder = PE_LADDER_VA, .where = va,
                   .text = "the stack is not readable");
}

static bool pop(struct stepping *step, uint64_t *value)
{
    if (!read_stack(step, step->frame.gpr[RSP], value))
        return false;
    step->frame.gpr[RSP] += 8;
    return true;
}

/* ---- epilogue: [add rsp, n | lea rsp, n(frame)] pop* (ret | jmp out of the function) ----
 * It undoes the prologue with instructions that can be recognised, so no data describe it: what is left of it at
 * rip is carried out. */

struct decoder {
    struct pe_span code;
    uint64_t at;
};

static uint8_t code_byte(const struct decoder *decoder, uint64_t ahead)
{
    uint8_t byte = 0xcc; /* what is not there is no part of an epilogue */
    pe_span_u8(decoder->code, decoder->at + ahead, &byte);
    return byte;
}

static int32_t code_displacement(const struct decoder *decoder, uint64_t ahead, unsigned width)
{
    uint32_t value = 0xcccccccc;
    if (width == 1)
        return (int8_t)code_byte(decoder, ahead);
    pe_span_u32(decoder->code, decoder->at + ahead, &value);
    return (int32_t)value;
}

/* The instruction that frees the fixed part of the frame; it can only be the first of an epilogue. */
static void free_fixed_part(struct decoder *decoder, const struct pe_unwind_info *info, struct pe_unwind_frame *frame)
{
    uint8_t rex = code_byte(decoder, 0), opcode = code_byte(decoder, 1), modrm = code_byte(decoder, 2);
    if (rex == 0x48 && (opcode == 0x83 || opcode == 0x81) && modrm == 0xc4) { /* add rsp, n */
        unsigned width = opcode == 0x83 ? 1 : 4;
        frame->gpr[RSP] += (uint64_t)(int64_t)code_displacement(decoder, 3, width);
        decoder->at += 3 + width;
        return;
    }
    unsigned base = info->frame_register & 15;
    unsigned mode = modrm >> 6;
    if ((rex & 0xfe) != 0x48 || opcode != 0x8d || base == 0 || (modrm & 0x38) != RSP << 3 || mode == 3)
        return;
    if (((modrm & 7u) | (rex & 1u) << 3) != base || (modrm & 7) == RSP || (mode == 0 && (modrm & 7) == 5))
        return;
    unsigned width = mode == 0 ? 0 : mode == 1 ? 1 : 4; /* lea rsp, n(frame) */
    frame->gpr[RSP] = frame->gpr[base] + (width ? (uint64_t)(int64_t)code_displacement(decoder, 3, width) : 0);
    decoder->at += 3 + width;
}

/* ret, or a jump that leaves the function. *extra: what "ret n" frees beyond the return address. */
static bool leaves_function(const struct decoder *decoder, const struct pe_function *function, uint64_t rva, uint16_t *extra)
{
    uint8_t first = code_byte(decoder, 0), second = code_byte(decoder, 1);
    *extra = 0;
    if (first == 0xc3 || (first == 0xf3 && second == 0xc3))
        return true;
    if (first == 0xc2)
        return pe_span_u16(decoder->code, decoder->at + 1, extra);
    if (first == 0xeb || first == 0xe9) {
        unsigned width = first == 0xeb ? 1 : 4;
        uint64_t target = rva + decoder->at + 1 + width + (uint64_t)(int64_t)code_displacement(decoder, 1, width);
        return target <= function->begin.value || target >= function->end.value;
    }
    if (first == 0xff)
        return second == 0x25;               /* jmp [rip + n] */
    if ((first & 0xf8) == 0x48 && second == 0xff)
        return (code_byte(decoder, 2) & 0x38) == 0x20; /* rex jmp r/m: the mark of a tail call */
    return false;
}

/* *found: rip is in an epilogue, and step->frame has become the caller's. */
static bool step_epilogue(struct stepping *step, const struct pe_function *function, const struct pe_unwind_info *info,
                          uint32_t rva, bool *found)
{
    struct decoder decoder = {.at = 0};
    struct pe_unwind_frame before = step->frame;
    uint16_t extra;

    *found = false;
    if (!pe_rest_rva(step->image, pe_rva_at(rva), &decoder.code))
        return true;
    free_fixed_part(&decoder, info, &step->frame);
    struct decoder pops = decoder;
    unsigned registers[16], count = 0;
    for (; count < 16; count++) {
        bool high = code_byte(&pops, 0) == 0x41;
        uint8_t opcode = code_byte(&pops, high);
        if ((opcode & 0xf8) != 0x58)
            break;
        registers[count] = (opcode & 7u) | (high ? 8u : 0u);
        pops.at += 1u + high;
    }
    if (!leaves_function(&pops, function, rva, &extra)) {
        step->frame = before;
        return true;
    }
    for (unsigned i = 0; i < count; i++)
        if (!pop(step, &step->frame.gpr[registers[i]]))
            return false;
    if (!pop(step, &step->frame.rip))
        return false;
    step->frame.gpr[RSP] += extra;
    *found = step->finished = true;
    return true;
}

/* ---- unwind codes ---- */

static unsigned slots_of(unsigned version, unsigned operation, unsigned parameter)
{
    switch (operation) {
    case PE_UWOP_ALLOC_LARGE: return parameter == 0 ? 2 : 3;
    case PE_UWOP_SAVE_NONVOL:
    case PE_UWOP_SAVE_XMM128: return 2;
    case PE_UWOP_EPILOG: return version == 1 ? 2 : 1;
    case PE_UWOP_SAVE_NONVOL_FAR:
    case PE_UWOP_SAVE_XMM128_FAR:
    case PE_UWOP_SPARE_CODE: return 3;
    }
    return 1;
}

/* What follows a code in its further slots: 16 bits or 32. */
static uint32_t code_operand(struct pe_span codes, uint32_t slot, unsigned slots)
{
    uint32_t wide = 0;
    uint16_t narrow = 0;
    if (slots == 3) {
        pe_span_u32(codes, (uint64_t)slot * 2 + 2, &wide);
        return wide;
    }
    pe_span_u16(codes, (uint64_t)slot * 2 + 2, &narrow);
    return narrow;
}

/* The machine pushed rip, cs, eflags, rsp, ss, and an error code below them. */
static bool step_machine_frame(struct stepping *step, bool has_error_code)
{
    uint64_t at = step->frame.gpr[RSP] + (has_error_code ? 8 : 0);
    step->finished = true;
    return read_stack(step, at, &step->frame.rip) && read_stack(step, at + 24, &step->frame.gpr[RSP]);
}

static bool step_code(struct stepping *step, const struct pe_unwind_info *info, unsigned operation, unsigned parameter,
                      uint32_t operand, uint64_t base)
{
    uint64_t *gpr = step->frame.gpr;
    switch (operation) {
    case PE_UWOP_PUSH_NONVOL: return pop(step, &gpr[parameter]);
    case PE_UWOP_ALLOC_LARGE:
        gpr[RSP] += parameter == 0 ? (uint64_t)operand * 8 : operand;
        return parameter <= 1 || fail_unwind(step->error, 92, 0, parameter, "an unknown form of an unwind code");
    case PE_UWOP_ALLOC_SMALL: gpr[RSP] += parameter * 8 + 8; return true;
    case PE_UWOP_SET_FPREG: gpr[RSP] = gpr[info->frame_register & 15] - (info->frame_register >> 4) * 16u; return true;
    case PE_UWOP_SAVE_NONVOL: return read_stack(step, base + (uint64_t)operand * 8, &gpr[parameter]);
    case PE_UWOP_SAVE_NONVOL_FAR: return read_stack(step, base + operand, &gpr[parameter]);
    case PE_UWOP_EPILOG:
    case PE_UWOP_SPARE_CODE:
    case PE_UWOP_SAVE_XMM128:
    case PE_UWOP_SAVE_XMM128_FAR: return true; /* nothing that a frame here carries */
    case PE_UWOP_PUSH_MACHFRAME: return step_machine_frame(step, parameter == 1);
    }
    return fail_unwind(step->error, 92, 0, operation, "an unknown unwind code");
}

/* Saved registers are found from the frame register where the prologue has set one by now, else from rsp. */
static uint64_t frame_base(const struct stepping *step, const struct pe_unwind_info *info, struct pe_span codes,
                           uint32_t reached)
{
    unsigned frame = info->frame_register & 15;
    if (frame == 0)
        return step->frame.gpr[RSP];
    for (uint32_t slot = 0; slot < info->count_of_codes;) {
        uint8_t offset = codes.data[slot * 2], code = codes.data[slot * 2 + 1];
        if ((code & 15) == PE_UWOP_SET_FPREG && offset > reached)
            return step->frame.gpr[RSP];
        slot += slots_of(info->version_flags & 7, code & 15, code >> 4);
    }
    return step->frame.gpr[frame] - (info->frame_register >> 4) * 16u;
}

/* Undoes the prologue as far as it was `reached` (offset of rip in the function), last instruction first. */
static bool step_codes(struct stepping *step, const struct pe_unwind_info *info, struct pe_span codes, uint32_t reached)
{
    uint64_t base = frame_base(step, info, codes, reached);
    for (uint32_t slot = 0; slot < info->count_of_codes && !step->finished;) {
        uint8_t offset = codes.data[slot * 2], code = codes.data[slot * 2 + 1];
        unsigned operation = code & 15, parameter = code >> 4;
        unsigned slots = slots_of(info->version_flags & 7, operation, parameter);
        if (slot + slots > info->count_of_codes)
            return fail_unwind(step->error, 92, 0, operation, "an unwind code is cut off");
        if (offset <= reached && !step_code(step, info, operation, parameter, code_operand(codes, slot, slots), base))
            return false;
        slot += slots;
    }
    return true;
}

/* The unwind data of one part of a function, and the next part of its chain. *chained false: there is none. */
static bool step_part(struct stepping *step, struct pe_function *function, uint32_t rva, bool first, bool *chained)
{
    struct pe_unwind_info info;
    struct pe_span codes = {NULL, 0};
    uint32_t at = function->unwind.value;
    uint32_t reached = first ? rva - function->begin.value : UINT32_MAX;
    bool found = false;

    *chained = false;
    if (at & 1) { /* rule 93: the data are another function's */
        *chained = true;
        return read_function(step->image, at & ~1u, function) ||
               fail_unwind(step->error, 93, at, 0, "a shared function entry lies outside the image");
    }
    if (!pe_read_rva(step->image, function->unwind, &info, sizeof(info)) ||
        (info.count_of_codes != 0 &&
         !pe_slice_rva(step->image, pe_rva_at(at + (uint32_t)sizeof(info)), info.count_of_codes * 2u, &codes)))
        return fail_unwind(step->error, 91, at, 0, "unwind data lie outside the image");
    if ((info.version_flags & 7) != 1 && (info.version_flags & 7) != 2)
        return fail_unwind(step->error, 91, at, info.version_flags & 7, "an unknown version of unwind data");

    if (first && reached >= info.size_of_prolog) {
        reached = UINT32_MAX;
        if (!step_epilogue(step, function, &info, rva, &found))
            return false;
        if (found)
            return true;
    }
    if (!step_codes(step, &info, codes, reached))
        return false;
    if (step->finished || (info.version_flags >> 3 & PE_UNW_FLAG_CHAININFO) == 0)
        return true;
    *chained = true;
    uint64_t next = (uint64_t)at + sizeof(info) + ((info.count_of_codes + 1u) & ~1u) * 2u;
    return read_function(step->image, next, function) ||
           fail_unwind(step->error, 93, next, 0, "a chained function entry lies outside the image");
}

bool pe_unwind_step(const struct pe_image *image, pe_va base, struct pe_unwind_frame *frame, pe_read_u64 read, void *context,
                    struct pe_error *error)
{
    struct stepping step = {.image = image, .frame = *frame, .read = read, .context = context, .error = error};
    struct pe_function function;
    pe_rva rva;

    pe_done(error);
    if (image->machine != PE_MACHINE_AMD64)
        return pe_fail(error, .code = PE_BAD_MACHINE, .got = image->machine, .want = PE_MACHINE_AMD64,
                       .text = "only x64 frames can be unwound");
    if (pe_rva_from_va(image, base, pe_va_at(frame->rip), &rva) && pe_function_find(image, rva, &function, error)) {
        bool chained = true, first = true;
        for (unsigned part = 0; chained; part++) {
            if (part == CHAIN_LIMIT)
                return fail_unwind(error, 94, rva.value, part, "a chain of unwind data does not end");
            bool shared = function.unwind.value & 1;
            if (!step_part(&step, &function, rva.value, first, &chained))
                return false;
            /* Sharing replaces the entry and undoes nothing: rip still counts in the function that it is in. */
            first = first && shared && rva.value >= function.begin.value && rva.value < function.end.value;
        }
    } else if (error->code == PE_BAD_DIRECTORY) {
        return false;
    }
    if (!step.finished && !pop(&step, &step.frame.rip))
        return false;
    *frame = step.frame;
    pe_done(error);
    return true;
}
