/* `peload ps`: the processes of all of one's own sessions, as a tree of who created whom. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/session.h"
#include "loader/nt/ps.h"

#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Examples\n"
    "  peload ps             who created whom: every program that `peload run` has running for you, and its children\n"
    "  peload ps --json      for programs\n"
    "\n"
    "Usage: peload ps [--json]\n"
    "\n"
    "One session is one `peload run` with all processes that came from it. SESSION is its number, ID and PARENT are\n"
    "Windows' process IDs in it, PID is the Linux process. STATE is creating, running, ending, ended (a handle on it is\n"
    "still open somewhere) or gone (killed, and not yet noticed); EXIT is what GetExitCodeProcess gives: 259 while it runs.\n"
    "Nobody is stopped for it. Other users' sessions are not shown.\n";

enum { DEPTH_LIMIT = 64 };

struct row { uint64_t session; struct nt_view_process process; bool told; };
static struct { struct row *rows; unsigned count, room; bool torn; } list;

static bool row_add(const struct nt_view *view, const struct nt_view_process *process)
{
    if (list.count == list.room) {
        unsigned room = list.room ? list.room * 2 : 32;
        struct row *more = realloc(list.rows, room * sizeof *more);
        if (!more)
            return false;
        list.rows = more;
        list.room = room;
    }
    list.rows[list.count++] = (struct row){.session = view->serial, .process = *process};
    return true;
}

static void gather(void)
{
    struct nt_view_scan scan = {0};
    struct nt_view_process process;
    struct nt_view view;
    while (nt_view_scan_next(&scan, &view)) {
        uint32_t index = 0;
        while (nt_view_process_next(&view, &index, &process))
            if (!row_add(&view, &process))
                nt_view_process_free(&process);
        list.torn |= view.torn;
        nt_view_close(&view);
    }
    nt_view_scan_end(&scan);
}

static const char *state_of(const struct nt_view_process *process)
{
    static const char *const names[] = {
        [NT_PROCESS_ALONE] = "running", [NT_PROCESS_CREATING] = "creating", [NT_PROCESS_RUNNING] = "running",
        [NT_PROCESS_ENDING] = "ending", [NT_PROCESS_ENDED] = "ended",
    };
    char path[40];
    snprintf(path, sizeof path, "/proc/%u", process->host_pid);
    if (process->life != NT_PROCESS_ENDED && process->host_pid && access(path, F_OK))
        return "gone";
    return process->life < sizeof names / sizeof *names ? names[process->life] : "?";
}

/* ---- text: parents before children, children below them ----------------------------------------------------- */

static const struct output_column text_columns[] = {
    {"session", "SESSION", OUTPUT_COUNT, 8}, {"id", "ID", OUTPUT_COUNT, 5}, {"parent", "PARENT", OUTPUT_COUNT, 6},
    {"pid", "PID", OUTPUT_COUNT, 7}, {"machine", "MACHINE", OUTPUT_TEXT, 7}, {"state", "STATE", OUTPUT_TEXT, 8},
    {"exit", "EXIT", OUTPUT_TEXT, 10}, {"threads", "THREADS", OUTPUT_COUNT, 7}, {"handles", "HANDLES", OUTPUT_COUNT, 7},
    {"command_line", "COMMAND", OUTPUT_TEXT, 0},
};

static void text_row(struct output *out, const struct row *row, const char *branch)
{
    const struct nt_view_process *process = &row->process;
    char exit_code[16], command[4096];
    snprintf(exit_code, sizeof exit_code, process->exit_status & 0x80000000 ? "0x%08" PRIX32 : "%" PRIu32, process->exit_status);
    snprintf(command, sizeof command, "%s%s", branch, process->command_line ? process->command_line : process->image ? process->image : "?");
    output_row(out, OUTPUT_COLUMNS(text_columns),
               OUTPUT_VALUES({.number = row->session}, {.number = process->id}, {.number = process->parent_id, .none = !process->parent_id},
                             {.number = process->host_pid, .none = !process->host_pid}, {.text = session_machine(process->machine)},
                             {.text = state_of(process)}, {.text = exit_code}, {.number = process->threads},
                             {.number = process->handles}, {.text = command}));
}

static struct row *child_next(const struct row *parent, struct row *from)
{
    for (; from < list.rows + list.count; from++)
        if (!from->told && from->session == parent->session && from->process.parent_id == parent->process.id && from != parent)
            return from;
    return NULL;
}

/* `last`: bit per level that has nobody below any more. An ID may have come to mean a stranger, so each row is told once. */
static void text_tree(struct output *out, struct row *row, unsigned depth, uint64_t last)
{
    static bool asked, utf8;
    char branch[DEPTH_LIMIT * 8] = "";
    if (!asked) {
        setlocale(LC_CTYPE, "");
        utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
        asked = true;
    }
    for (unsigned level = 1; level <= depth; level++) {
        bool ends = last >> level & 1;
        if (level == depth)
            strcat(branch, utf8 ? (ends ? "└─ " : "├─ ") : "`- ");
        else
            strcat(branch, ends ? "   " : utf8 ? "│  " : "|  ");
    }
    row->told = true;
    text_row(out, row, branch);
    if (depth + 1 >= DEPTH_LIMIT)
        return;
    for (struct row *child = child_next(row, list.rows), *next; child; child = next) {
        child->told = true;
        next = child_next(row, child + 1);
        text_tree(out, child, depth + 1, next ? last & ~(2ull << depth) : last | 2ull << depth);
    }
}

static bool has_parent(const struct row *row)
{
    for (unsigned i = 0; i < list.count; i++)
        if (&list.rows[i] != row && list.rows[i].session == row->session && list.rows[i].process.id == row->process.parent_id)
            return true;
    return false;
}

static void tell_text(struct output *out)
{
    output_table_begin(out, "processes", "processes 进程", OUTPUT_COLUMNS(text_columns));
    for (int orphans = 0; orphans < 2; orphans++)
        for (unsigned i = 0; i < list.count; i++)
            if (!list.rows[i].told && (orphans || !has_parent(&list.rows[i])))
                text_tree(out, &list.rows[i], 0, 0);
    output_table_end(out);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static void tell_json(struct output *out)
{
    static const struct output_column columns[] = {
        {"session", "", OUTPUT_COUNT, 0}, {"id", "", OUTPUT_COUNT, 0}, {"parent", "", OUTPUT_COUNT, 0}, {"pid", "", OUTPUT_COUNT, 0},
        {"machine", "", OUTPUT_TEXT, 0}, {"state", "", OUTPUT_TEXT, 0}, {"exit_code", "", OUTPUT_COUNT, 0}, {"threads", "", OUTPUT_COUNT, 0},
        {"handles", "", OUTPUT_COUNT, 0}, {"object", "", OUTPUT_HEX, 0}, {"object_handles", "", OUTPUT_COUNT, 0},
        {"object_references", "", OUTPUT_COUNT, 0}, {"image", "", OUTPUT_TEXT, 0}, {"command_line", "", OUTPUT_TEXT, 0},
    };
    output_table_begin(out, "processes", "", OUTPUT_COLUMNS(columns));
    for (unsigned i = 0; i < list.count; i++) {
        const struct nt_view_process *process = &list.rows[i].process;
        output_row(out, OUTPUT_COLUMNS(columns),
                   OUTPUT_VALUES({.number = list.rows[i].session}, {.number = process->id},
                                 {.number = process->parent_id, .none = !process->parent_id},
                                 {.number = process->host_pid, .none = !process->host_pid}, {.text = session_machine(process->machine)},
                                 {.text = state_of(process)}, {.number = process->exit_status}, {.number = process->threads},
                                 {.number = process->handles}, {.number = nt_view_address(process->object)},
                                 {.number = process->handle_count}, {.number = process->reference_count}, {.text = process->image},
                                 {.text = process->command_line}));
    }
    output_table_end(out);
}

int cli_ps(int count, char **arguments)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct output out;
    bool json = false;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        if (option != 'j')
            return cli_usage("ps");
        json = true;
    }
    if (optind != count) {
        cli_say("ps takes no FILE: %s", arguments[optind]);
        return cli_usage("ps");
    }
    gather();
    if (list.torn)
        cli_say("a session did not hold still: it is shown as it was found");
    output_begin(&out, stdout, json, "ps", NULL);
    if (json)
        tell_json(&out);
    else if (list.count)
        tell_text(&out);
    else
        cli_say("no program of yours is running");
    for (unsigned i = 0; i < list.count; i++)
        nt_view_process_free(&list.rows[i].process);
    free(list.rows);
    if (output_end(&out))
        return 0;
    cli_say("standard output: not everything could be written");
    return CLI_USAGE_OR_WORLD;
}
