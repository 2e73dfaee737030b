/* `run --check`: what is there and what is missing, all of it at once, and nothing started. */
#include "loader/cli/cli.h"
#include "loader/cli/output.h"

#include <stdlib.h>
#include <string.h>

static struct ld_error *missing; /* malloc'd */
static unsigned count, room;

void cli_check_missing(const struct ld_error *error)
{
    if (count == room) {
        unsigned more = room ? room * 2 : 16;
        struct ld_error *grown = realloc(missing, more * sizeof *grown);
        if (!grown)
            abort(); /* a list with a hole would be believed */
        missing = grown;
        room = more;
    }
    missing[count++] = *error;
}

static const char *or_none(const char *text) { return *text ? text : NULL; }

static void check_json(const char *program, const struct loader *loader)
{
    static const struct output_column modules[] = {
        {"name", "", OUTPUT_TEXT, 0}, {"path", "", OUTPUT_TEXT, 0}, {"base", "", OUTPUT_HEX, 0}, {"preferred", "", OUTPUT_HEX, 0},
        {"size", "", OUTPUT_COUNT, 0}, {"moved", "", OUTPUT_YES, 0}, {"fixups", "", OUTPUT_COUNT, 0}, {"imports", "", OUTPUT_COUNT, 0},
    };
    static const struct output_column faults[] = {
        {"module", "", OUTPUT_TEXT, 0}, {"symbol", "", OUTPUT_TEXT, 0}, {"needed_by", "", OUTPUT_TEXT, 0}, {"phase", "", OUTPUT_TEXT, 0},
        {"ntstatus", "", OUTPUT_HEX, 0}, {"rule", "", OUTPUT_COUNT, 0}, {"text", "", OUTPUT_TEXT, 0},
    };
    struct output out;
    output_begin(&out, stdout, true, "check", program);
    output_table_begin(&out, "missing", "", OUTPUT_COLUMNS(faults));
    for (unsigned i = 0; i < count; i++) {
        const struct ld_error *error = &missing[i];
        output_row(&out, OUTPUT_COLUMNS(faults), OUTPUT_VALUES({.text = or_none(error->module)}, {.text = or_none(error->symbol)},
                   {.text = or_none(error->needed_by)}, {.text = ld_phase_name(error->phase)}, {.number = error->ntstatus},
                   {.number = error->pe.rule, .none = !error->pe.rule}, {.text = error->pe.code ? error->pe.text : error->text}));
    }
    output_table_end(&out);
    output_table_begin(&out, "modules", "", OUTPUT_COLUMNS(modules));
    for (const struct ld_module *module = loader->first; module; module = module->next)
        output_row(&out, OUTPUT_COLUMNS(modules), OUTPUT_VALUES({.text = module->name}, {.text = module->path},
                   {.number = module->base}, {.number = module->preferred}, {.number = module->image.size_of_image},
                   {.number = module->moved}, {.number = module->fixups}, {.number = module->imports}));
    output_table_end(&out);
    output_end(&out);
}

int cli_check_end(const char *program, const struct loader *loader, bool json)
{
    int status = count ? CLI_NOT_LOADABLE : 0;
    for (unsigned i = 0; i < count; i++)
        if (cli_status_of(&missing[i]) == CLI_USAGE_OR_WORLD)
            status = CLI_USAGE_OR_WORLD;
    if (json)
        check_json(program, loader);
    else if (count) {
        for (unsigned i = 0; i < count; i++)
            cli_tell(program, &missing[i]);
        cli_say("%s: %u missing; it cannot be started", program, count);
    } else
        printf("%s: complete, %u modules\n", program, loader->count);
    return fflush(stdout) || ferror(stdout) ? CLI_USAGE_OR_WORLD : status;
}
