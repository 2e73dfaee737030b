/* What a person sees when a guest ends by an exception that nobody handled: what, where, registers, and who called whom. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/registers.h"
#include "loader/cli/output.h"
#include "loader/cli/symbols.h"
#include "loader/native/native.h"
#include "loader/nt/arch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A function's name out of the symbol table of the module's file. */
static bool symbol_of(const struct native_frame *frame, uint32_t rva, struct cli_symbol *symbol)
{
    struct pe_image image;
    struct pe_error ignored = {0};
    struct stat facts;
    int fd = frame->module->path ? open(frame->module->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool found = false;
    if (fd < 0)
        return false;
    if (!fstat(fd, &facts) && S_ISREG(facts.st_mode) && facts.st_size) {
        void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            found = pe_open(&image, (struct pe_span){bytes, (uint64_t)facts.st_size}, PE_FORM_FILE, &ignored) &&
                    cli_symbol_find(&image, pe_rva_at(rva), symbol);
            munmap(bytes, (size_t)facts.st_size);
        }
    }
    close(fd);
    return found;
}

/* "crash.exe+0x1570 (.text) store_status+0x10". A return address (is_return) belongs to the call in front of it, which
 * may be the last instruction of its function. */
static void place_tell(const struct native_frame *frame, bool is_return)
{
    struct cli_symbol symbol;
    if (!frame->module) {
        fputs("in no module", stderr);
        return;
    }
    fprintf(stderr, "%s+0x%" PRIx32, frame->module->name, frame->rva);
    if (frame->section[0])
        fputs(" (", stderr), output_foreign(stderr, frame->section, strlen(frame->section), 0), fputs(")", stderr);
    bool has_symbol = symbol_of(frame, frame->rva - is_return, &symbol);
    if (has_symbol && (!frame->symbol || symbol.offset + is_return <= frame->symbol_offset))
        putc(' ', stderr), output_foreign(stderr, symbol.name, strlen(symbol.name), 0), fprintf(stderr, "+0x%" PRIx32, symbol.offset + is_return);
    else if (frame->symbol)
        putc(' ', stderr), output_foreign(stderr, frame->symbol, strlen(frame->symbol), 0), fprintf(stderr, "+0x%" PRIx32, frame->symbol_offset);
}

static void address_tell(uint64_t address)
{
    struct native_frame frame = {.ip = address};
    native_locate(address, &frame);
    fprintf(stderr, "0x%0*" PRIx64, CLI_DIGITS, address);
    if (frame.module)
        fputs("  ", stderr), place_tell(&frame, false);
}

/* EXCEPTION_RECORD's parameters where Windows documents them. */
static void details_tell(const struct nt_exception *record)
{
    static const char *const kinds[] = {"reading", "writing"};
    bool is_access = record->code == STATUS_ACCESS_VIOLATION || record->code == STATUS_IN_PAGE_ERROR;
    if (is_access && record->count >= 2) {
        uintptr_t kind = record->information[0];
        fprintf(stderr, "  %-9s ", kind < 2 ? kinds[kind] : kind == 8 ? "executing" : "accessing");
        if (record->information[1] == UINTPTR_MAX)
            fputs("an address that no pointer can have\n", stderr); /* x64: not canonical; the processor does not tell which */
        else
            address_tell(record->information[1]), putc('\n', stderr);
    } else
        for (ULONG i = 0; i < record->count && i < 15; i++)
            fprintf(stderr, "  parameter 0x%" PRIxPTR "\n", record->information[i]);
}

static void registers_tell(const struct nt_context *context)
{
    struct cli_register rows[CLI_REGISTERS];
    unsigned per_line, count = cli_registers(context, rows, &per_line);
    for (unsigned i = 0; i < count; i++)
        fprintf(stderr, "  %-5s 0x%0*" PRIx64 "%s", rows[i].name, CLI_DIGITS, rows[i].value,
                i % per_line == per_line - 1 || i + 1 == count ? "\n" : "");
}

void cli_report_unhandled(const struct nt_exception *record, const struct nt_context *context)
{
    const char *name = nt_status_name(record->code);
    struct native_walk walk;
    struct native_frame frame;
    unsigned depth = 0;
    /* One report: another thread that fails meanwhile waits for the end of the process, which comes with the first. */
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&begun))
        pause();
    cli_say("%s: unhandled exception 0x%08" PRIX32 "%s%s", native.main ? native.main->name : "the guest", record->code,
            name ? " " : "", name ? name : "");
    fputs("  at        ", stderr);
    address_tell((uintptr_t)record->address);
    putc('\n', stderr);
    details_tell(record);
    fputs("registers\n", stderr);
    registers_tell(context);
    fputs("stack, innermost first\n", stderr);
    native_walk_begin(&walk, context);
    while (native_walk_next(&walk, &frame)) {
        fprintf(stderr, "  #%-2u 0x%0*" PRIx64 "  ", depth, CLI_DIGITS, frame.ip);
        place_tell(&frame, depth++ > 0);
        putc('\n', stderr);
    }
    fflush(stderr);
}
