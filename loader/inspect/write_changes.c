/* JSON of what differs from the file: runs of bytes with one cause. Fix-ups are told by page, slots by table: their values
 * stand in `relocations` and `imports`. */
#include "loader/inspect/inspect.h"
#include "pe/layout.h"

#include <string.h>

/* Equal bytes between two runs of one cause that do not end the run: so that a pointer whose middle did not change is one. */
enum { JOIN = 8, BYTES_SHOWN = 16384 };

/* Runs that are told without their bytes reach further, to one run a table or page. */
static uint32_t join_of(enum inspect_cause cause)
{
    return cause == CAUSE_RELOCATION ? PE_PAGE : cause == CAUSE_IAT || cause == CAUSE_DELAY_IAT ? 64 : JOIN;
}

static const char *section_name(const struct inspect_module *module, uint64_t rva, char name[9])
{
    struct pe_section section;
    if (!pe_section_find(&module->source, pe_rva_at((uint32_t)rva), &section))
        return NULL;
    for (unsigned i = 0; i < 9; i++)
        name[i] = section.name[i] && (section.name[i] < 0x20 || section.name[i] > 0x7e) ? '.' : section.name[i];
    return name;
}

/* The end of the run that begins at `from`: the same cause, no other one in between, no page border for fix-ups and no
 * section's border for anything. */
static uint64_t run_end(const struct inspect_module *module, uint64_t from)
{
    enum inspect_cause cause = module->cause[from];
    char name[9], other[9];
    const char *section = section_name(module, from, name);
    uint64_t end = from + 1;
    for (uint64_t at = from + 1; at < module->size && at - end <= join_of(cause); at++) {
        if (cause == CAUSE_RELOCATION && at / PE_PAGE != from / PE_PAGE)
            break;
        if (module->cause[at] == CAUSE_NONE)
            continue;
        if (module->cause[at] != cause)
            break;
        const char *here = section_name(module, at, other);
        if (!section != !here || (section && strcmp(section, here)))
            break;
        end = at + 1;
    }
    return end;
}

static void run_write(const struct inspect_module *module, uint64_t from, uint64_t end, struct json *json)
{
    enum inspect_cause cause = CAUSE_NONE;
    for (uint64_t at = from; cause == CAUSE_NONE; at++)
        cause = module->cause[at];
    bool told = cause != CAUSE_RELOCATION && cause != CAUSE_IAT && cause != CAUSE_DELAY_IAT && end - from <= BYTES_SHOWN;
    char name[9];
    emit_open(json, NULL, '{');
    emit_hex(json, "rva", from);
    emit_number(json, "size", (int64_t)(end - from));
    if (told) {
        emit_bytes(json, "file", module->planned + from, (size_t)(end - from));
        emit_bytes(json, "memory", module->memory + from, (size_t)(end - from));
    } else {
        emit_null(json, "file");
        emit_null(json, "memory");
        if (cause != CAUSE_RELOCATION)
            emit_hex(json, "hash", inspect_hash(module->memory + from, (size_t)(end - from)));
    }
    emit_text(json, "section", section_name(module, from, name));
    emit_text(json, "cause", inspect_cause_name[cause]);
    emit_close(json);
}

/* Data are told in whole words, so that a pointer can be read: unchanged bytes of its word belong to the run. */
static uint64_t word_begin(const struct inspect_module *module, uint64_t from, uint64_t told)
{
    uint64_t width = module->source.is_64 ? 8 : 4, begin = from & ~(width - 1);
    return module->cause[from] == CAUSE_DATA && begin >= told ? begin : from;
}

static uint64_t word_end(const struct inspect_module *module, uint64_t from, uint64_t end)
{
    uint64_t width = module->source.is_64 ? 8 : 4, whole = (end + width - 1) & ~(width - 1);
    if (module->cause[from] != CAUSE_DATA || whole > module->size)
        return end;
    while (end < whole && module->cause[end] == CAUSE_NONE)
        end++;
    return end;
}

void inspect_write_changes(const struct inspect_module *module, struct json *json)
{
    uint64_t told = 0;
    emit_open(json, "changes", '[');
    for (uint64_t from = 0; module->cause && from < module->size; from++) {
        if (module->cause[from] == CAUSE_NONE)
            continue;
        uint64_t end = word_end(module, from, run_end(module, from));
        run_write(module, word_begin(module, from, told), end, json);
        told = end;
        from = end - 1;
    }
    emit_close(json);
}
