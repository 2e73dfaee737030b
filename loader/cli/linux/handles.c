/* `peload handles PID`: a process's handle table, read from outside. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/session.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload handles 4711            the handle table of the program that runs in Linux process 4711 (see `peload ps`)\n"
    "  peload handles --id 8          the same by Windows' process ID, where only one of your sessions has it\n"
    "  peload handles --json 4711     for programs\n"
    "\n"
    "Usage: peload handles [--json] PID | --id ID\n"
    "\n"
    "One row for each open handle (句柄):\n"
    "  HANDLE   its value, a multiple of 4          OBJECT   where the kernel object (内核对象) lies in kernel space: the same\n"
    "  TYPE     of the object                                address in two processes is the same object\n"
    "  ACCESS   what the handle allows, and RIGHTS, the same in words\n"
    "  INHERIT  a child may inherit it              PROTECT  it is protected from being closed\n"
    "  OPEN     handles on the object, in all processes of the session; REFS: these and the kernel's own references\n"
    "  NAME     in the name space, or a file's path, or which process or thread is meant\n"
    "\n"
    "OBJECT is the object's place in the memory that all processes of a session share, on the base 0xFFFF800000000000.\n"
    "The table is read without stopping anybody. Only your own processes can be looked into.\n";

/* ---- rows ------------------------------------------------------------------------------------------------ */

bool session_table_take(const struct nt_view *view, const struct nt_view_process *process, struct session_table *table)
{
    struct nt_view_handle handle;
    uint32_t index = 0, room = 0;
    *table = (struct session_table){0};
    while (nt_view_handle_next(view, process, &index, &handle)) {
        if (table->count == room) {
            room = room ? room * 2 : 64;
            struct nt_view_handle *more = realloc(table->rows, room * sizeof *more);
            if (!more) {
                nt_view_handle_free(&handle);
                return false;
            }
            table->rows = more;
        }
        table->rows[table->count++] = handle;
    }
    return true;
}

void session_table_free(struct session_table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        nt_view_handle_free(&table->rows[i]);
    free(table->rows);
    *table = (struct session_table){0};
}

static const struct output_column columns[] = {
    {"handle", "HANDLE", OUTPUT_HEX, 8}, {"object", "OBJECT", OUTPUT_HEX, 18}, {"type", "TYPE", OUTPUT_TEXT, 12},
    {"access", "ACCESS", OUTPUT_HEX, 9}, {"inheritable", "INHERIT", OUTPUT_YES, 7}, {"protected", "PROTECT", OUTPUT_YES, 7},
    {"object_handles", "OPEN", OUTPUT_COUNT, 5}, {"object_references", "REFS", OUTPUT_COUNT, 5}, {"name", "NAME", OUTPUT_TEXT, 36},
    {"rights", "RIGHTS", OUTPUT_TEXT, 0},
};
/* The same with the change in front. */
static const struct output_column changed_columns[] = {
    {"change", "", OUTPUT_TEXT, 4}, {"handle", "HANDLE", OUTPUT_HEX, 8}, {"object", "OBJECT", OUTPUT_HEX, 18},
    {"type", "TYPE", OUTPUT_TEXT, 12}, {"access", "ACCESS", OUTPUT_HEX, 9}, {"inheritable", "INHERIT", OUTPUT_YES, 7},
    {"protected", "PROTECT", OUTPUT_YES, 7}, {"object_handles", "OPEN", OUTPUT_COUNT, 5},
    {"object_references", "REFS", OUTPUT_COUNT, 5}, {"name", "NAME", OUTPUT_TEXT, 36}, {"rights", "RIGHTS", OUTPUT_TEXT, 0},
};

static void row_tell(struct output *out, const struct nt_view_handle *handle, const char *change)
{
    char rights[400];
    nt_access_text(handle->type, handle->access, rights, sizeof rights);
    const struct output_value values[] = {
        {.text = change}, {.number = handle->handle}, {.number = nt_view_address(handle->object)}, {.text = nt_type_name[handle->type]},
        {.number = handle->access}, {.number = handle->inheritable}, {.number = handle->is_protected},
        {.number = handle->handle_count}, {.number = handle->reference_count}, {.text = handle->name}, {.text = rights},
    };
    if (change)
        output_row(out, OUTPUT_COLUMNS(changed_columns), values);
    else
        output_row(out, OUTPUT_COLUMNS(columns), values + 1);
}

/* A handle that was closed and whose number was given out again is another handle: both are told. */
static bool is_same(const struct nt_view_handle *a, const struct nt_view_handle *b)
{
    return a->handle == b->handle && a->object == b->object && a->type == b->type && a->access == b->access;
}

static bool contains(const struct session_table *table, const struct nt_view_handle *wanted)
{
    for (unsigned i = 0; i < table->count; i++)
        if (is_same(&table->rows[i], wanted))
            return true;
    return false;
}

void session_table_tell(struct output *out, const char *title, const struct session_table *table, const struct session_table *before)
{
    if (before)
        output_table_begin(out, "handles", title, OUTPUT_COLUMNS(changed_columns));
    else
        output_table_begin(out, "handles", title, OUTPUT_COLUMNS(columns));
    for (unsigned i = 0; before && i < before->count; i++)
        if (!contains(table, &before->rows[i]))
            row_tell(out, &before->rows[i], "gone");
    for (unsigned i = 0; i < table->count; i++)
        row_tell(out, &table->rows[i], !before ? NULL : contains(before, &table->rows[i]) ? "" : "new");
    output_table_end(out);
}

const char *session_machine(uint32_t machine)
{
    return machine == 0x8664 ? "x64" : machine == 0x14c ? "x86" : "-";
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static bool process_find(const struct nt_view *view, bool by_id, uint32_t number, struct nt_view_process *process)
{
    uint32_t index = 0;
    while (nt_view_process_next(view, &index, process)) {
        if ((by_id ? process->id : process->host_pid) == number)
            return true;
        nt_view_process_free(process);
    }
    return false;
}

static int told_open(uint32_t pid, int error)
{
    if (error == EACCES || error == EPERM)
        cli_say("process %u: %s: it belongs to somebody else; only your own programs can be looked into", pid, strerror(error));
    else if (error == ESRCH)
        cli_say("process %u: there is none", pid);
    else if (error == ENOENT)
        cli_say("process %u: it runs no program of peload's (`peload ps` lists those that do)", pid);
    else
        cli_say("process %u: %s", pid, strerror(error));
    return error == ESRCH || error == ENOENT ? CLI_NOT_FOUND : CLI_USAGE_OR_WORLD;
}

/* By Windows' ID, in the one session that has it. 0, or an exit status. */
static int find_by_id(uint32_t id, struct nt_view *view, struct nt_view_process *process)
{
    struct nt_view_scan scan = {0};
    struct nt_view other;
    struct nt_view_process another;
    unsigned found = 0;
    while (nt_view_scan_next(&scan, &other)) {
        if (!process_find(&other, true, id, &another)) {
            nt_view_close(&other);
        } else if (!found++) {
            *view = other;
            *process = another;
        } else {
            nt_view_process_free(&another);
            nt_view_close(&other);
        }
    }
    nt_view_scan_end(&scan);
    if (found == 1)
        return 0;
    if (found) {
        cli_say("ID %u: %u of your sessions have one; name the Linux process (`peload ps` tells it)", id, found);
        nt_view_process_free(process);
        nt_view_close(view);
    } else
        cli_say("ID %u: none of your sessions has such a process", id);
    return found ? CLI_USAGE_OR_WORLD : CLI_NOT_FOUND;
}

static int find_by_pid(uint32_t pid, struct nt_view *view, struct nt_view_process *process)
{
    int error = nt_view_of_process(pid, view);
    if (error)
        return told_open(pid, error);
    if (process_find(view, false, pid, process))
        return 0;
    nt_view_close(view);
    return told_open(pid, ENOENT); /* it only holds the arena: it is about to begin, or has ended */
}

static bool tell(const struct nt_view *view, const struct nt_view_process *process, bool json)
{
    static const struct output_column facts[] = {
        {"id", "ID", OUTPUT_COUNT, 0}, {"pid", "Linux process", OUTPUT_COUNT, 0}, {"machine", "machine", OUTPUT_TEXT, 0},
        {"object", "process object", OUTPUT_HEX, 0}, {"command_line", "command line", OUTPUT_TEXT, 0},
        {"consistent", "the session held still", OUTPUT_YES, 0},
    };
    struct session_table table;
    struct output out;
    if (!session_table_take(view, process, &table))
        cli_say("no memory for the whole table");
    output_begin(&out, stdout, json, "handles", NULL);
    output_record(&out, "process", "process", OUTPUT_COLUMNS(facts),
                  OUTPUT_VALUES({.number = process->id}, {.number = process->host_pid}, {.text = session_machine(process->machine)},
                                {.number = nt_view_address(process->object)}, {.text = process->command_line}, {.number = !view->torn}));
    session_table_tell(&out, "handle table 句柄表", &table, NULL);
    session_table_free(&table);
    return output_end(&out);
}

int cli_handles(int count, char **arguments)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"id", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    const char *id = NULL;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        if (option == 'i')
            id = optarg;
        else if (option == 'j')
            json = true;
        else
            return cli_usage("handles");
    }
    const char *word = id ? id : optind < count ? arguments[optind] : "";
    char *end;
    errno = 0;
    unsigned long number = strtoul(word, &end, 10);
    if (optind + !id != count || !*word || *end || errno || !number || number > INT32_MAX) {
        cli_say("handles: wanted is one process: PID, or --id ID");
        return cli_usage("handles");
    }
    struct nt_view view = {0};
    struct nt_view_process process = {0};
    int status = id ? find_by_id((uint32_t)number, &view, &process) : find_by_pid((uint32_t)number, &view, &process);
    if (status)
        return status;
    if (view.torn)
        cli_say("the session did not hold still: the table is shown as it was found");
    if (!tell(&view, &process, json)) {
        cli_say("standard output: not everything could be written");
        status = CLI_USAGE_OR_WORLD;
    }
    nt_view_process_free(&process);
    nt_view_close(&view);
    return status;
}
