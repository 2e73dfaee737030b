/* `run --html` on the native lane: what the kernel knows of the process for the page, and when the page is written. */
#include "loader/cli/linux/page.h"
#include "loader/native/native.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps.h"

#include <inttypes.h>
#include <string.h>

/* ---- the memory map ----------------------------------------------------------------------------- */

static int rights_of(ULONG protect)
{
    int rights = 0;
    if (protect & (PAGE_READONLY | PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY))
        rights |= HOST_READ;
    if (protect & (PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY))
        rights |= HOST_WRITE;
    if (protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY))
        rights |= HOST_EXECUTE;
    return rights | (protect & PAGE_GUARD ? REPORT_GUARD : 0);
}

static bool holds(const struct nt_mm_line *line, const void *address)
{
    return address && (uintptr_t)address - line->base < line->size;
}

/* What a private line is, from the structures that point to it. */
static const char *use_of(const struct nt_mm_line *line)
{
    enum { SHARED_DATA = 0x7ffe0000 };
    static char words[64];
    const struct nt_peb *peb = nt_process.peb;
    const struct nt_thread *thread = nt_current();
    if (holds(line, (void *)SHARED_DATA))
        return "KUSER_SHARED_DATA";
    if (thread && thread->stack_low <= line->base && line->base < thread->stack_high)
        return snprintf(words, sizeof words, "stack of thread %" PRIu32, thread->object->id), words;
    if (thread && holds(line, thread->teb))
        return snprintf(words, sizeof words, "%sTEB of thread %" PRIu32, holds(line, peb) ? "PEB, " : "", thread->object->id), words;
    if (holds(line, peb))
        return "PEB";
    if (peb && holds(line, peb->parameters))
        return "process parameters";
    if (peb && holds(line, peb->api_set_map))
        return "API set map";
    if (peb && holds(line, peb->process_heap))
        return "process heap";
    if (peb && holds(line, peb->ldr))
        return "module lists (PEB.Ldr)";
    return NULL;
}

void cli_map_walk(void (*add)(const struct report_line *line))
{
    struct nt_mm_line from;
    for (uintptr_t address = 0; nt_mm_line_next(&address, &from);) {
        const char *slash = from.path ? strrchr(from.path, '/') : NULL;
        const char *use = from.type == MEM_PRIVATE || !from.path ? use_of(&from) : slash ? slash + 1 : from.path;
        bool committed = from.state == MEM_COMMIT;
        add(&(struct report_line){
            .base = from.base, .size = from.size, .allocation = from.allocation_base, .committed = committed,
            .type = from.type == MEM_IMAGE ? REPORT_IMAGE : from.type == MEM_MAPPED ? REPORT_MAPPED : REPORT_PRIVATE,
            .rights = committed ? rights_of(from.protect) : 0, .use = report_string(use),
        });
    }
}

void cli_page_open(const char *program, const char *lane) { report_open(program, lane, cli_map_walk); }

/* ---- writing -------------------------------------------------------------------------------------- */

/* What was told at the start stays true to the end; the thread that ends may be another one. */
static char *snapshot;
static size_t snapshot_size;

static void snapshot_again(FILE *stream) { fwrite(snapshot, 1, snapshot_size, stream); }

bool cli_page_started(const char *path)
{
    FILE *stream = open_memstream(&snapshot, &snapshot_size);
    if (stream) {
        cli_page_process(stream);
        fclose(stream);
    }
    report_step_take();
    return report_page_write(&(struct report_page){.path = path, .file = report.program, .has_events = true,
                             .snapshots = snapshot ? snapshot_again : NULL});
}

bool cli_page_ended(const char *path, uint32_t code, const char *how)
{
    const struct report_end end = {code, how};
    report_close();
    report_step_begin(REPORT_ENDED);
    report_step_take();
    return report_page_write(&(struct report_page){.path = path, .file = report.program, .has_events = true, .end = &end,
                             .snapshots = snapshot ? snapshot_again : NULL});
}

bool cli_page_refused(const char *path, const struct ld_error *error)
{
    report_step_take();
    return report_page_write(&(struct report_page){.path = path, .file = report.program, .has_events = true, .refused = error});
}
