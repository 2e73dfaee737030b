/* `run --steps`: the creation of a process as a lesson of four steps, each told when it has just been done, with what it has
 * changed in the memory map and in the handle table. On a terminal each waits for Enter. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/page.h"
#include "loader/cli/linux/registers.h"
#include "loader/cli/linux/session.h"
#include "loader/native/native.h"
#include "loader/nt/arch.h"
#include "pe/import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 6, USE_ROOM = 200 };

#define ADDRESS "0x%0*" PRIx64
#define AT(address) CLI_DIGITS, (uint64_t)(address)

/* One slot of the program's import address table, as it was before it was filled. */
struct slot { uint64_t address, before; char function[80], exporter[80]; };

static struct {
    FILE *stream;
    const char *program;
    bool waits;
    struct report_map map;          /* after the last step */
    struct session_table table;     /* likewise */
    struct slot slots[SLOTS];
    unsigned slot_count;
    uint64_t slots_all;
} steps;

void cli_steps_open(FILE *stream, const char *program)
{
    const char *slash = strrchr(program, '/');
    steps.stream = stream;
    steps.program = slash ? slash + 1 : program;
    steps.waits = isatty(STDIN_FILENO) && isatty(fileno(stream));
    report_open(program, "native", NULL); /* the maps are taken here, when a step is done */
}

static void head(unsigned step, const char *english, const char *chinese)
{
    bool colour = cli_colours(steps.stream);
    fprintf(steps.stream, "%s%sstep %u of 4: %s   %s%s\n", step > 1 ? "\n" : "", colour ? "\x1b[1m" : "", step, english, chinese,
            colour ? "\x1b[0m" : "");
}

/* Byte by byte: what stands behind the line is the guest's. */
static void wait_for_enter(const char *what)
{
    char c;
    if (!steps.waits)
        return;
    fprintf(steps.stream, "\n  Enter: %s ", what);
    fflush(steps.stream);
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {}
}

/* ---- what changed in the memory map ------------------------------------------------------------------------ */

static void rights_text(const struct report_line *line, char text[8])
{
    int rights = line->committed ? line->rights : 0;
    snprintf(text, 8, "%c%c%c%s", rights & HOST_READ ? 'R' : '-', rights & HOST_WRITE ? 'W' : '-', rights & HOST_EXECUTE ? 'X' : '-',
             rights & REPORT_GUARD ? "G" : "");
}

/* Of the program every section is told, of a DLL all of it as one line: there are many of them. */
static bool is_one_line(const struct report_line *a, const struct report_line *b)
{
    return a->type == REPORT_IMAGE && a->use && a->use == b->use && a->allocation == b->allocation &&
           !report_is_program(report.strings[a->use]);
}

static void change_tell(char mark, const struct report_line *line, uint64_t size)
{
    static const char *const kinds[] = {"free", "image", "file", "private"};
    const char *use = line->use ? report.strings[line->use] : "", *section = line->section ? report.strings[line->section] : "";
    bool whole = line->type == REPORT_IMAGE && line->use && !report_is_program(use);
    char rights[8] = "";
    if (!whole)
        rights_text(line, rights);
    fprintf(steps.stream, "    %c " ADDRESS "-" ADDRESS " %8" PRIu64 " KiB  %-4s %-8s %s%s%s\n", mark, AT(line->base), AT(line->base + size - 1),
            size >> 10, rights, line->committed ? kinds[line->type] : "reserved", use, *section && !whole ? " " : "", whole ? "" : section);
}

static void memory_tell(void)
{
    struct report_map now = {0};
    unsigned count;
    report_map_take(&now, cli_map_walk);
    struct report_change *changes = report_diff(&steps.map, &now, &count);
    fprintf(steps.stream, "  memory map%s\n", count ? ", what changed:" : ": nothing changed");
    for (unsigned i = 0, next; i < count; i = next) {
        const struct report_line *line = changes[i].after ? changes[i].after : changes[i].before;
        struct report_line told = *line;
        uint64_t end = changes[i].base + changes[i].size;
        told.base = changes[i].base;
        for (next = i + 1; next < count && changes[next].after && changes[i].after && is_one_line(changes[i].after, changes[next].after); next++)
            end = changes[next].base + changes[next].size;
        change_tell(!changes[i].before ? '+' : !changes[i].after ? '-' : '~', &told, end - told.base);
    }
    free(changes);
    free(steps.map.lines);
    steps.map = now;
}

/* ---- what changed in the handle table ----------------------------------------------------------------------- */

static void process_tell(const struct nt_view_process *process)
{
    fprintf(steps.stream, "  kernel object 内核对象: process ID %" PRIu32 " at 0x%" PRIx64 ", exit code %" PRIu32 " (STILL_ACTIVE), "
            "handles open on it: %" PRIu32 ", references: %" PRIu32 ", threads: %" PRIu32 "\n", process->id, nt_view_address(process->object),
            process->exit_status, process->handle_count, process->reference_count, process->threads);
}

/* What the process parameters say of a handle. */
static const char *handle_use(uint32_t handle)
{
    const struct nt_parameters *parameters = nt_process.peb ? nt_process.peb->parameters : NULL;
    if (!parameters)
        return "";
    return handle == parameters->standard_input ? "  standard input" : handle == parameters->standard_output ? "  standard output" :
           handle == parameters->standard_error ? "  standard error" : handle == parameters->console ? "  console" : "";
}

static void handles_tell(bool with_process)
{
    struct session_table now = {0};
    struct nt_view_process process;
    struct nt_view view;
    uint32_t index = 0;
    if (!nt_view_own(&view))
        return;
    while (nt_view_process_next(&view, &index, &process)) {
        if (process.object == nt_process.object) {
            if (with_process)
                process_tell(&process);
            session_table_take(&view, &process, &now);
        }
        nt_view_process_free(&process);
    }
    nt_view_close(&view);
    fprintf(steps.stream, "  handle table 句柄表: %u handle%s%s\n", now.count, now.count == 1 ? "" : "s", now.count ? ", new:" : "");
    for (unsigned i = steps.table.count; i < now.count; i++)
        fprintf(steps.stream, "    + 0x%" PRIx32 "  %s at 0x%" PRIx64 "  access 0x%" PRIx32 "%s%s\n", now.rows[i].handle,
                nt_type_name[now.rows[i].type], nt_view_address(now.rows[i].object), now.rows[i].access,
                now.rows[i].inheritable ? ", inheritable" : "", handle_use(now.rows[i].handle));
    session_table_free(&steps.table);
    steps.table = now;
}

/* ---- the steps ---------------------------------------------------------------------------------------------- */

static void object_tell(void)
{
    head(1, "a kernel object, and an empty handle table", "内核对象, 句柄表");
    handles_tell(true);
    wait_for_enter("step 2, the address space");
}

static void range_tell(uint64_t low, uint64_t high, const char *what)
{
    fprintf(steps.stream, "    " ADDRESS "-" ADDRESS "  %s\n", AT(low), AT(high), what);
}

static void space_tell(void)
{
    uint64_t high = nt_process.user_high;
    head(2, "an address space", "地址空间");
    range_tell(0, nt_process.user_low - 1, "for NULL pointers: nothing ever lies here");
    range_tell(nt_process.user_low, high - 1, "user space 用户空间");
#ifdef __x86_64__
    range_tell(high, 0x7fffffffffff, "not given out: Linux has peload itself up here (Windows: user space to 0x7ffffffeffff)");
    range_tell(0xffff800000000000, 0xffffffffffffffff, "kernel space 内核空间");
#else
    range_tell(high, 0x7fffffff, "no man's land, 64 KiB");
    range_tell(0x80000000, 0xffffffff, "kernel space 内核空间 (peload itself lies up here)");
#endif
    fputs("    The kernel objects' own addresses count from 0xffff800000000000 in each process, as on 64-bit Windows.\n", steps.stream);
    memory_tell();
    handles_tell(false);
    wait_for_enter("step 3, the images");
}

static const struct ld_module *module_at(uint64_t address)
{
    const struct ld_module *module = native.loader.first;
    while (module && address - module->base >= module->image.size_of_image)
        module = module->next;
    return module;
}

static uint64_t word_at(const struct ld_module *module, pe_rva rva)
{
    struct host *host = native.loader.host;
    uint64_t word = 0;
    const void *at = host->vm_at(host, module->base + rva.value, sizeof(void *));
    if (at)
        memcpy(&word, at, sizeof(void *));
    return word;
}

static void slots_keep(const struct ld_module *module)
{
    struct pe_import_module exporter;
    struct pe_import import;
    struct pe_error error;
    pe_import_modules_begin(&exporter, &module->image);
    while (pe_import_modules_next(&exporter, &error)) {
        pe_imports_begin(&import, &exporter);
        for (; pe_imports_next(&import, &error); steps.slots_all++) {
            if (steps.slot_count == SLOTS)
                continue;
            struct slot *slot = &steps.slots[steps.slot_count++];
            slot->address = module->base + import.slot.value;
            slot->before = word_at(module, import.slot);
            snprintf(slot->exporter, sizeof slot->exporter, "%.*s", (int)exporter.name_len, exporter.name);
            if (import.by_ordinal)
                snprintf(slot->function, sizeof slot->function, "#%u", import.ordinal);
            else
                snprintf(slot->function, sizeof slot->function, "%.*s", (int)import.name_len, import.name);
        }
    }
}

void cli_steps_event(const struct ld_event *event)
{
    report_event(event); /* sections' names for the memory map */
    if (event->phase != LD_BIND || strcmp(event->verb, "begin") || !event->module || strcasecmp(event->module, steps.program))
        return;
    for (const struct ld_module *module = native.loader.first; module; module = module->next)
        if (!strcmp(module->name, event->module))
            slots_keep(module);
}

static void modules_tell(void)
{
    fputs("  stretched 拉伸, relocated 重定位表, imports bound 导入表, in load order:\n", steps.stream);
    for (const struct ld_module *module = native.loader.first; module; module = module->next) {
        fprintf(steps.stream, "    %-16s at " ADDRESS "  ", module->name, AT(module->base));
        if (module->moved)
            fprintf(steps.stream, "moved from " ADDRESS ", %" PRIu32 " addresses mended  ", AT(module->preferred), module->fixups);
        else
            fputs("its preferred base, nothing to mend  ", steps.stream);
        fprintf(steps.stream, "%" PRIu32 " imports\n", module->imports);
    }
}

static void slots_tell(void)
{
    fprintf(steps.stream, "  import address table (IAT, to fill it: 修复) of %s, %u of %" PRIu64 " slots:\n", steps.program, steps.slot_count, steps.slots_all);
    for (unsigned i = 0; i < steps.slot_count; i++) {
        const struct slot *slot = &steps.slots[i];
        const struct ld_module *owner = module_at(slot->address);
        uint64_t now = owner ? word_at(owner, pe_rva_at((uint32_t)(slot->address - owner->base))) : 0;
        const struct ld_module *target = module_at(now);
        fprintf(steps.stream, "    " ADDRESS "  before " ADDRESS "  now " ADDRESS "  %s!%s", AT(slot->address), AT(slot->before), AT(now),
                slot->exporter, slot->function);
        if (target)
            fprintf(steps.stream, " (%s+0x%" PRIx64 ")", target->name, now - target->base);
        putc('\n', steps.stream);
    }
    if (steps.slot_count)
        fputs("    before: where the function's name stands in the image (an RVA), or its ordinal; now: the function's address\n", steps.stream);
}

static void image_tell(void)
{
    head(3, "the EXE stretched, and all DLLs that it needs", "镜像 拉伸, 导入表, 重定位表, IAT");
    modules_tell();
    slots_tell();
    memory_tell();
    handles_tell(false);
    wait_for_enter("step 4, the first thread");
}

static void station_tell(unsigned number, const char *name, uint64_t address, const char *what)
{
    const struct ld_module *module = module_at(address);
    fprintf(steps.stream, "    %u " ADDRESS "  %-20s %s+0x%" PRIx64 "  %s\n", number, AT(address), name, module ? module->name : "?",
            module ? address - module->base : address, what);
}

static void thread_tell(void)
{
    const struct nt_thread *thread = nt_current();
    uint64_t entry = native.main->base + native.main->image.entry.value;
    struct cli_register rows[CLI_REGISTERS];
    struct nt_context start;
    unsigned per_line, count;
    head(4, "a thread with its CONTEXT", "线程, CONTEXT, 入口点 (OEP)");
    fprintf(steps.stream, "  kernel object 内核对象: thread ID %" PRIu32 " of process %" PRIu32 "; TEB at " ADDRESS ", stack " ADDRESS "-" ADDRESS "\n",
            thread->object->id, nt_process.id, AT((uintptr_t)thread->teb), AT(thread->stack_low), AT(thread->stack_high - 1));
    memset(&start, 0, sizeof start);
    nt_arch_context_start(&start, nt_process.thread_start, (uintptr_t)entry, (uintptr_t)nt_process.peb, thread->stack_high);
    count = cli_registers(&start, rows, &per_line);
    fputs("  CONTEXT:", steps.stream);
    for (unsigned i = 0; i < count; i++)
        if (rows[i].value)
            fprintf(steps.stream, "  %s " ADDRESS, rows[i].name, AT(rows[i].value));
    fprintf(steps.stream, "\n  entry point: ImageBase " ADDRESS " + OEP 0x%" PRIx32 " = " ADDRESS "\n", AT(native.main->base),
            native.main->image.entry.value, AT(entry));
    fputs("  where it goes:\n", steps.stream);
    station_tell(1, "LdrInitializeThunk", nt_process.thread_entry, "initialisers: TLS callbacks, DllMain; then it takes the CONTEXT");
    station_tell(2, "RtlUserThreadStart", nt_process.thread_start, "the CONTEXT's instruction pointer: a frame that catches what nobody else does");
    station_tell(3, "the entry point", entry, "ImageBase + OEP: the program's own first instruction");
    memory_tell();
    handles_tell(true);
    wait_for_enter("the thread gets the processor");
    putc('\n', steps.stream);
    fflush(steps.stream);
    report_close();
}

void cli_steps_stage(enum native_stage stage)
{
    static void (*const tell[])(void) = {[NATIVE_OBJECT] = object_tell, [NATIVE_SPACE] = space_tell, [NATIVE_IMAGE] = image_tell,
                                         [NATIVE_THREAD] = thread_tell};
    tell[stage]();
    fflush(steps.stream);
}
