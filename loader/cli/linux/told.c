/* What happens to handles and processes, as it happens: --trace=handle,process; and --handles, the table before the end. */
#include "loader/cli/cli.h"
#include "loader/cli/linux/session.h"
#include "loader/nt/nt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A guest chooses its names: none of them is to command the terminal. */
static const char *plain_name(const char *name, char *text, size_t room)
{
    snprintf(text, room, "%s", name);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return text;
}

/* peload[handle] VERB TYPE NAME handle= process= object= open= access= (rights) */
static int handle_line(char *line, size_t room, const struct nt_told *told)
{
    char rights[400] = "", where[80] = "", name[600];
    if (told->access)
        nt_access_text(told->type, told->access, rights, sizeof rights);
    if (told->handle)
        snprintf(where, sizeof where, " handle=0x%" PRIx32 " process=%" PRIu32, told->handle, told->process);
    int length = snprintf(line, room, "peload[handle] %s %s%s%s%s object=0x%" PRIx64 " open=%" PRIu32, told->verb,
                          nt_type_name[told->type], told->name ? " " : "", told->name ? plain_name(told->name, name, sizeof name) : "", where,
                          nt_view_address(told->object), told->handles);
    if (told->access && length > 0 && (size_t)length < room)
        length += snprintf(line + length, room - (size_t)length, " access=0x%" PRIx32 " (%s)", told->access, rights);
    return length;
}

/* peload[process] VERB TYPE id= parent= or process= object= exit= */
static int process_line(char *line, size_t room, const struct nt_told *told)
{
    bool is_thread = told->type == NT_THREAD, ends = !strcmp(told->verb, "exits") || !strcmp(told->verb, "ended");
    int length = snprintf(line, room, "peload[process] %s %s id=%" PRIu32, told->verb, nt_type_name[told->type], told->id);
    if (told->process)
        length += snprintf(line + length, room - (size_t)length, " %s=%" PRIu32, is_thread ? "process" : "parent", told->process);
    length += snprintf(line + length, room - (size_t)length, " object=0x%" PRIx64, nt_view_address(told->object));
    if (ends)
        length += snprintf(line + length, room - (size_t)length, " exit=0x%08" PRIX32, told->status);
    if (!strcmp(told->verb, "started"))
        length += snprintf(line + length, room - (size_t)length, " pid=%" PRIu32, told->status);
    return length;
}

void cli_trace_told(const struct cli_trace *trace, const struct nt_told *told)
{
    char line[2000];
    if (told->type >= NT_TYPE_COUNT || !(trace->mask >> (told->is_process ? LD_PROCESS : LD_HANDLE) & 1))
        return;
    int length = told->is_process ? process_line(line, sizeof line - 1, told) : handle_line(line, sizeof line - 1, told);
    if (length < 0)
        return;
    if ((size_t)length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    cli_write(trace->fd, line, (size_t)length);
}

/* ---- --handles ------------------------------------------------------------------------------------------------ */

static struct { bool begun; struct session_table before; } table;

static bool own_table(struct session_table *out, uint32_t *id, bool *torn)
{
    struct nt_view view;
    struct nt_view_process process;
    uint32_t index = 0;
    bool done = false;
    if (!nt_view_own(&view))
        return false;
    while (!done && nt_view_process_next(&view, &index, &process)) {
        done = process.object == nt_process.object && session_table_take(&view, &process, out);
        *id = process.id;
        *torn = view.torn;
        nt_view_process_free(&process);
    }
    nt_view_close(&view);
    return done;
}

void cli_handles_begin(void)
{
    uint32_t id;
    bool torn;
    table.begun = own_table(&table.before, &id, &torn);
}

/* All of it in one piece: other processes of the session write to the same place. */
void cli_handles_end(const char *program, bool json)
{
    static const struct output_column facts[] = {
        {"id", "", OUTPUT_COUNT, 0}, {"pid", "", OUTPUT_COUNT, 0}, {"image", "", OUTPUT_TEXT, 0}, {"consistent", "", OUTPUT_YES, 0},
    };
    struct session_table now;
    struct output out;
    char *text = NULL, title[600];
    const char *slash = strrchr(program, '/');
    size_t size = 0;
    uint32_t id;
    bool torn;
    FILE *stream = table.begun && own_table(&now, &id, &torn) ? open_memstream(&text, &size) : NULL;
    if (!stream)
        return;
    snprintf(title, sizeof title, "process %" PRIu32 ", %s, before its end: handle table 句柄表, and what changed since its start", id,
             slash ? slash + 1 : program);
    output_begin(&out, stream, json, "run", NULL);
    if (json)
        output_record(&out, "process", "", OUTPUT_COLUMNS(facts),
                      OUTPUT_VALUES({.number = id}, {.number = (uint64_t)getpid()}, {.text = program}, {.number = !torn}));
    session_table_tell(&out, title, &now, &table.before);
    output_end(&out);
    fclose(stream);
    if (text)
        cli_write(STDERR_FILENO, text, size);
    free(text);
    session_table_free(&now);
}
