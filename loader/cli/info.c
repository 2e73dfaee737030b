/* `peload info`: headers and tables of a PE, read and never executed. */
#include "loader/cli/info.h"
#include "loader/cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload info hello.exe                       headers, sections, and each table in short\n"
    "  peload info --imports --exports some.dll    these tables, row by row\n"
    "  peload info --json hello.exe                everything, for programs\n"
    "\n"
    "Usage: peload info [OPTIONS] FILE\n"
    "\n"
    "Tables  --header --sections --directories --imports --delay --exports --bound --relocs --tls --resources\n"
    "        --load-config --debug; --all is every one of them, row by row\n"
    "Form    --json (its \"schema\" grows when the meaning of a field changes)\n"
    "\n"
    "Takes PE32 and PE32+, EXE and DLL. Exit status: 0; 126 where FILE is no PE or one of the tables is broken;\n"
    "127 where it is not there; 125 otherwise.\n";

static const struct table {
    const char *name;
    void (*function)(struct info *info);
} tables[] = {
    {"header", info_header}, {"sections", info_sections}, {"directories", info_directories}, {"imports", info_imports},
    {"delay", info_delay}, {"exports", info_exports}, {"bound", info_bound}, {"relocs", info_relocs}, {"tls", info_tls},
    {"resources", info_resources}, {"load-config", info_load_config}, {"debug", info_debug},
};
enum { TABLE_COUNT = sizeof tables / sizeof *tables, OPTION_ALL = TABLE_COUNT, OPTION_JSON };

void info_fault(struct info *info, const char *table, const struct pe_error *error)
{
    if (error->code != PE_OK && error->code != PE_NOT_FOUND && info->fault_count < INFO_FAULT_ROOM)
        info->faults[info->fault_count++] = (struct info_fault){table, *error};
}

bool info_wants(const struct info *info, unsigned directory)
{
    return info->asked || info->out.json || info->image->directory[directory].rva.value;
}

const char *info_place(const struct pe_image *image, pe_rva rva)
{
    static struct pe_section section;
    if (rva.value < image->headers_room)
        return "headers";
    return pe_section_find(image, rva, &section) ? section.name : NULL;
}

/* In JSON every fault has its row. */
static void faults_json(struct info *info)
{
    static const char *const ladders[] = {"none", "offset", "rva", "va"};
    static const struct output_column columns[] = {
        {"table", "", OUTPUT_TEXT, 0}, {"code", "", OUTPUT_TEXT, 0}, {"rule", "", OUTPUT_COUNT, 0}, {"ladder", "", OUTPUT_TEXT, 0},
        {"where", "", OUTPUT_HEX, 0}, {"text", "", OUTPUT_TEXT, 0},
    };
    output_table_begin(&info->out, "faults", "", OUTPUT_COLUMNS(columns));
    for (unsigned i = 0; i < info->fault_count; i++) {
        const struct pe_error *error = &info->faults[i].error;
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = info->faults[i].table},
                   {.text = pe_code_name(error->code)}, {.number = error->rule}, {.text = ladders[error->ladder]},
                   {.number = error->where}, {.text = error->text}));
    }
    output_table_end(&info->out);
}

void info_json(FILE *stream, const struct pe_image *image, const char *file)
{
    struct info info = {.image = image, .file = file};
    output_begin(&info.out, stream, true, "info", file);
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        tables[i].function(&info);
    faults_json(&info);
    output_end(&info.out);
}

/* In text faults are talk, behind the data. */
static void faults_tell(struct info *info)
{
    if (info->out.json)
        faults_json(info);
    fflush(info->out.stream);
    for (unsigned i = 0; i < info->fault_count; i++) {
        char place[4096];
        snprintf(place, sizeof place, "%s: %s", info->file, info->faults[i].table);
        cli_tell_pe(place, &info->faults[i].error);
    }
}

static int tell(const char *file, const bool *wanted, bool any, bool json)
{
    struct cli_source source;
    int status = 0;
    if (!cli_source_open(&source, file, &status))
        return status;
    struct info info = {.image = &source.image, .file = file, .summary = !any && !json};
    output_begin(&info.out, stdout, json, "info", file);
    if (!json)
        output_foreign(stdout, file, strlen(file), 0), putchar('\n');
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        if (!any || wanted[i]) {
            info.asked = any && wanted[i];
            tables[i].function(&info);
        }
    faults_tell(&info);
    if (!output_end(&info.out)) {
        cli_say("standard output: not everything could be written");
        status = CLI_USAGE_OR_WORLD;
    } else if (info.fault_count)
        status = CLI_NOT_LOADABLE;
    cli_source_close(&source);
    return status;
}

int cli_info(int count, char **arguments)
{
    struct option options[TABLE_COUNT + 4] = {{0}};
    bool wanted[TABLE_COUNT] = {false}, any = false, json = false;
    for (int i = 0; i < TABLE_COUNT; i++)
        options[i] = (struct option){tables[i].name, no_argument, NULL, 256 + i};
    options[TABLE_COUNT] = (struct option){"all", no_argument, NULL, 256 + OPTION_ALL};
    options[TABLE_COUNT + 1] = (struct option){"json", no_argument, NULL, 256 + OPTION_JSON};
    options[TABLE_COUNT + 2] = (struct option){"help", no_argument, NULL, 'h'};
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        if (option < 256)
            return cli_usage("info");
        if (option == 256 + OPTION_JSON)
            json = true;
        else
            any = true;
        for (int i = 0; i < TABLE_COUNT; i++)
            wanted[i] |= option == 256 + i || option == 256 + OPTION_ALL;
    }
    if (optind + 1 != count) {
        cli_say(optind == count ? "info: no FILE" : "info: one FILE at a time");
        return cli_usage("info");
    }
    return tell(arguments[optind], wanted, any, json);
}
