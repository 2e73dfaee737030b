/* The process at its beginning, as its own kernel keeps it: first thread with CONTEXT, handle table, parameters. */
#include "loader/cli/linux/page.h"
#include "loader/cli/linux/registers.h"
#include "loader/cli/output.h"
#include "loader/inspect/json.h"
#include "loader/native/native.h"
#include "loader/nt/arch.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEX "\"0x%" PRIx64 "\""

/* UTF-16 of the guest's as a JSON string. */
static void wide_write(FILE *stream, const WCHAR *text, size_t count)
{
    char *utf8 = malloc(count * 3 + 1);
    if (utf8)
        utf8_from_utf16((const uint8_t *)text, count, utf8, count * 3 + 1);
    output_json_string(stream, utf8 ? utf8 : "", utf8 ? strlen(utf8) : 0);
    free(utf8);
}

/* ---- the first thread ---- */

static void context_write(FILE *stream, const struct nt_context *context)
{
    struct cli_register rows[CLI_REGISTERS];
    unsigned per_line, count = cli_registers(context, rows, &per_line);
    for (unsigned i = 0; i < count; i++)
        fprintf(stream, "%s\"%s\": " HEX, i ? ", " : "{", rows[i].name, rows[i].value);
    putc('}', stream);
}

static void thread_write(FILE *stream)
{
    const struct nt_thread *thread = nt_current();
    uintptr_t entry = (uintptr_t)(native.main->base + native.main->image.entry.value);
    struct nt_context first;
    nt_arch_context_start(&first, nt_process.thread_start, entry, (uintptr_t)nt_process.peb, thread->stack_high);
    fprintf(stream, ",\n\"threads\": [{\"id\": %" PRIu32 ", \"start\": " HEX ", \"teb\": " HEX ", \"stack_base\": " HEX ", \"stack_limit\": " HEX
            ", \"context\": ", thread->object->id, (uint64_t)entry, (uint64_t)(uintptr_t)thread->teb, (uint64_t)thread->stack_high,
            (uint64_t)(uintptr_t)thread->teb->stack_limit);
    context_write(stream, &first);
    fputs("}]", stream);
}

/* ---- handles ---- */

static void handle_name_write(FILE *stream, struct nt_object *object)
{
    struct nt_string name = {0};
    NTSTATUS status;
    if (nt_type_full_name[object->type])
        status = nt_type_full_name[object->type](object, &name);
    else {
        nt_lock();
        status = ob_name_full(object, &name) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
        nt_unlock();
    }
    if (!status && name.length)
        wide_write(stream, name.text, name.length);
    else
        fputs("null", stream);
    free(name.text);
}

static void handles_write(FILE *stream)
{
    const struct ob_handle_table *table = ob_table_own();
    const char *comma = "";
    fputs(",\n\"handles\": [", stream);
    for (uint32_t index = 1; table && index < table->fresh; index++) {
        struct nt_object *object;
        ACCESS_MASK access;
        HANDLE handle = (HANDLE)(uintptr_t)(index * 4);
        if (nt_handle_object(handle, NT_ANY, 0, &object, NULL, &access))
            continue;
        const struct ob_handle *entry = ob_table_entry(table, index);
        uint32_t flags = entry ? entry->flags : 0;
        fprintf(stream, "%s\n{\"handle\": " HEX ", \"type\": \"%s\", \"access\": " HEX ", \"inherit\": %s, \"protect\": %s, \"name\": ", comma,
                (uint64_t)index * 4, nt_type_name[object->type], (uint64_t)access, flags & OB_HANDLE_INHERIT ? "true" : "false",
                flags & OB_HANDLE_PROTECT ? "true" : "false");
        handle_name_write(stream, object);
        putc('}', stream);
        nt_object_release(object);
        comma = ",";
    }
    putc(']', stream);
}

/* ---- parameters ---- */

static void parameter_write(FILE *stream, const char *name, const UNICODE_STRING *text)
{
    fprintf(stream, ", \"%s\": ", name);
    wide_write(stream, text->buffer, text->buffer ? text->length / sizeof(WCHAR) : 0);
}

static void parameters_write(FILE *stream)
{
    const struct nt_parameters *from = nt_process.peb->parameters;
    fprintf(stream, ",\n\"parameters\": {\"address\": " HEX, (uint64_t)(uintptr_t)from);
    parameter_write(stream, "image", &from->image_path);
    parameter_write(stream, "command_line", &from->command_line);
    parameter_write(stream, "current_directory", &from->directory);
    parameter_write(stream, "dll_path", &from->dll_path);
    /* Names alone: a page is there to be shown around, and values may be secrets. */
    fputs(", \"environment\": [", stream);
    for (const WCHAR *entry = from->environment; entry && *entry;) {
        size_t length = 0, name = 0;
        while (entry[length])
            length++;
        while (name < length && (entry[name] != '=' || !name))
            name++;
        fputs(entry == from->environment ? "" : ", ", stream);
        wide_write(stream, entry, name);
        entry += length + 1;
    }
    fputs("]}", stream);
}

void cli_page_process(FILE *stream)
{
    fprintf(stream, "{\"schema\": 1, \"kind\": \"snapshot\", \"lane\": \"%s\", \"at\": \"ready\", \"process\": {\"id\": %" PRIu32 ", \"peb\": " HEX
            ", \"teb\": " HEX "}", report.lane, nt_process.id, (uint64_t)(uintptr_t)nt_process.peb, (uint64_t)(uintptr_t)nt_current()->teb);
    thread_write(stream);
    handles_write(stream);
    parameters_write(stream);
    putc('}', stream);
}
