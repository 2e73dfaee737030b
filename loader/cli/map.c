/* `peload map`: the plan of pe/layout as a picture: the FILE's ladder on the left, the IMAGE's on the right. Rows that
 * belong together stand side by side, so the left ladder has holes where the image has more than the file. */
#include "loader/cli/map.h"
#include "loader/cli/cli.h"
#include "loader/cli/report/report.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Examples\n"
    "  peload map hello.exe          file offsets beside addresses in the image, with rights\n"
    "  peload map --json hello.exe   the same for programs\n"
    "  peload map --html=hello.html hello.exe\n"
    "                                the same as a page to look at, with headers and tables\n"
    "\n"
    "Usage: peload map [--json | --html=PAGE] FILE\n"
    "\n"
    "Shows where each part of FILE comes to lie when it is loaded at its preferred base: what is mapped or copied, what\n"
    "is zero fill, what stays out of memory. Takes PE32 and PE32+, EXE and DLL; nothing is executed.\n"
    "Exit status: 0; 126 where FILE is no PE; 127 where it is not there; 125 otherwise.\n";

enum { USE_ROOM = 400 };

/* What is known to lie in a region, in words. */
static const char *use_text(const struct pe_image *image, const struct pe_region *region, char *text)
{
    uint64_t begin = region->rva.value, end = begin + region->size;
    char *at = text, *last = text + USE_ROOM;
    *text = 0;
#define USE(...) (at += snprintf(at, (size_t)(last - at), __VA_ARGS__))
    if (image->entry.value && image->entry.value >= begin && image->entry.value < end)
        USE("%sentry point 0x%x", *text ? ", " : "", image->entry.value);
    for (unsigned i = 0; i < image->directory_count; i++) {
        struct pe_directory directory = image->directory[i];
        if (directory.rva.value && i != PE_DIRECTORY_SECURITY && directory.rva.value >= begin && directory.rva.value < end)
            USE("%s%s", *text ? ", " : "", pe_directory_name(i));
    }
    if (region->shared)
        USE("%sshared by all processes", *text ? ", " : "");
#undef USE
    return text;
}

static const char *const kinds[] = {"headers", "raw", "zero", "gap"};

static void row_json(struct output *out, const struct map *map, const struct map_row *row)
{
    static const struct output_column columns[] = {
        {"kind", "", OUTPUT_TEXT, 0}, {"name", "", OUTPUT_TEXT, 0}, {"section", "", OUTPUT_COUNT, 0}, {"offset", "", OUTPUT_HEX, 0},
        {"bytes", "", OUTPUT_COUNT, 0}, {"rva", "", OUTPUT_HEX, 0}, {"address", "", OUTPUT_HEX, 0}, {"size", "", OUTPUT_COUNT, 0},
        {"tail", "", OUTPUT_COUNT, 0}, {"rights", "", OUTPUT_TEXT, 0}, {"mappable", "", OUTPUT_YES, 0}, {"use", "", OUTPUT_TEXT, 0},
    };
    const struct pe_region *region = &row->region;
    char use[USE_ROOM], rights[4];
    pe_rights_text(region->rights, rights);
    bool in = row->in_image;
    output_row(out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = in ? kinds[region->kind] : "unmapped"}, {.text = row->name},
               {.number = (uint64_t)region->section + 1, .none = !in || region->section < 0},
               {.number = row->offset, .none = !row->bytes}, {.number = row->bytes}, {.number = region->rva.value, .none = !in},
               {.number = map->image->image_base.value + region->rva.value, .none = !in}, {.number = region->size, .none = !in},
               {.number = region->tail, .none = !in || region->kind > PE_REGION_RAW}, {.text = in ? rights : NULL},
               {.number = region->mappable, .none = !in || region->kind > PE_REGION_RAW}, {.text = in ? use_text(map->image, region, use) : NULL}));
}

static void rows_json(struct output *out, const struct map *map)
{
    static const struct output_column columns[] = {
        {"format", "", OUTPUT_TEXT, 0}, {"machine", "", OUTPUT_TEXT, 0}, {"image_base", "", OUTPUT_HEX, 0},
        {"size_of_image", "", OUTPUT_COUNT, 0}, {"file_size", "", OUTPUT_COUNT, 0}, {"flat", "", OUTPUT_YES, 0},
    };
    const struct pe_image *image = map->image;
    output_record(out, "image", "", OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.text = image->is_64 ? "PE32+" : "PE32"},
                  {.text = pe_machine_name(image->machine)}, {.number = image->image_base.value},
                  {.number = image->size_of_image}, {.number = image->bytes.size}, {.number = image->is_flat}));
    output_table_begin(out, "parts", "", NULL, 0);
    for (unsigned i = 0; i < map->count; i++)
        row_json(out, map, &map->rows[i]);
    output_table_end(out);
}

void map_json(FILE *stream, const struct pe_image *image, const char *file)
{
    static struct map map;
    struct output out;
    if (!map_build(&map, image))
        return;
    output_begin(&out, stream, true, "map", file);
    rows_json(&out, &map);
    output_end(&out);
}

/* The drawing, in signs that the terminal is known to have. */
struct pen { const char *top, *bottom, *side, *mapped, *copied, *zero, *corner_top, *corner_bottom; };
static const struct pen pens[] = {
    {"+------------+", "+------------+", "|", "===>", "--->", ".", "+", "+"},
    {"┌────────────┐", "└────────────┘", "│", "━━━▶", "╌╌╌▶", "░", "┐", "┘"},
};
enum { BOX = 12 };

static bool is_utf8(void)
{
    const char *locale = getenv("LC_ALL");
    if (!locale || !*locale)
        locale = getenv("LC_CTYPE");
    if (!locale || !*locale)
        locale = getenv("LANG");
    const char *set = locale ? strchr(locale, '.') : NULL;
    return set && (!strncasecmp(set, ".UTF-8", 6) || !strncasecmp(set, ".UTF8", 5));
}

/* Executable outranks every other colour; the rights always stand as text too. */
static const char *colour_of(const struct output *out, const struct pe_region *region)
{
    if (!out->colour)
        return "";
    return region->rights & PE_X ? "\x1b[31m" : region->rights & PE_W ? "\x1b[33m" : region->rights ? "\x1b[32m" : "\x1b[2m";
}

static void box(struct output *out, const struct pen *pen, const char *name, bool stippled, const char *colour)
{
    fputs(pen->side, out->stream);
    fputs(colour, out->stream);
    int columns = output_foreign(out->stream, name, strlen(name), BOX);
    for (; columns < BOX; columns++)
        fputs(stippled ? pen->zero : " ", out->stream);
    fputs(*colour ? "\x1b[0m" : "", out->stream);
    fputs(pen->side, out->stream);
}

/* VA with the base's own digits greyed: what stays bright is the RVA. */
static void address(struct output *out, uint64_t base, uint64_t va)
{
    char text[20];
    int zeros = 0;
    snprintf(text, sizeof text, "%016" PRIx64, va);
    while (zeros < 15 && !(base >> 4 * zeros & 0xf))
        zeros++;
    if (out->colour)
        fprintf(out->stream, "\x1b[2m0x%.*s\x1b[0m%s", 16 - zeros, text, text + 16 - zeros);
    else
        fprintf(out->stream, "0x%s", text);
}

static void row_text(struct output *out, const struct map *map, const struct pen *pen, const struct map_row *row)
{
    FILE *stream = out->stream;
    const struct pe_region *region = &row->region;
    bool from_file = row->bytes, zero = row->in_image && region->kind == PE_REGION_ZERO;
    char use[USE_ROOM], rights[4];
    if (from_file) {
        fprintf(stream, "  0x%08" PRIx64 " %10" PRIu64 " ", row->offset, row->bytes);
        box(out, pen, row->name, false, row->in_image ? colour_of(out, region) : out->colour ? "\x1b[2m" : "");
    } else
        fprintf(stream, "  %10s %10s %*s", "", "", BOX + 2, "");
    if (!row->in_image) {
        fprintf(stream, "      %*s%s  not in the image\n", BOX + 2, "", map->is_last_behind ? " " : pen->side);
        return;
    }
    fprintf(stream, " %s ", from_file ? region->mappable ? pen->mapped : pen->copied : "    ");
    box(out, pen, zero || region->kind == PE_REGION_GAP ? "" : row->name, zero, colour_of(out, region));
    pe_rights_text(region->rights, rights);
    fprintf(stream, "%s ", pen->side);
    address(out, map->image->image_base.value, map->image->image_base.value + region->rva.value);
    fprintf(stream, "  0x%08x 0x%08x  %s%s%s ", region->rva.value, region->size, colour_of(out, region), rights, out->colour ? "\x1b[0m" : "");
    const char *comma = " ";
    if (region->kind == PE_REGION_GAP)
        fputs(" gap, no access", stream), comma = ", ";
    if (zero)
        fputs(" zero fill: ", stream), output_foreign(stream, row->name, strlen(row->name), 0), comma = ", ";
    if (*use_text(map->image, region, use))
        fprintf(stream, "%s%s", comma, use), comma = ", ";
    if (from_file && region->tail)
        fprintf(stream, "%sthen %" PRIu32 " zero", comma, region->tail);
    putc('\n', stream);
}

static void map_text(struct output *out, const struct map *map, const char *file)
{
    const struct pe_image *image = map->image;
    const struct pen *pen = &pens[is_utf8()];
    FILE *stream = out->stream;
    unsigned last = 0;
    output_foreign(stream, file, strlen(file), 0);
    fprintf(stream, ": %s for %s, %s, %u sections%s\n\n", image->is_64 ? "PE32+" : "PE32", pe_machine_name(image->machine),
            image->is_dll ? "DLL" : "program", image->section_count, image->is_flat ? ", flat (sections below page size)" : "");
    fprintf(stream, "  %-36s %-6s %-14s  %-18s  %-10s %-10s  %s\n", "1 FILE", "3 fill", "2 IMAGE", "  address", "  RVA", "  size", "7 protect, and what lies there");
    fprintf(stream, "  %-10s %10s %s      %s%s\n", "offset", "bytes", pen->top, pen->top, pen->corner_top);
    for (unsigned i = 0; i < map->count; i++)
        if (map->rows[i].in_image)
            last = i;
    for (unsigned i = 0; i < map->count; i++) {
        struct map here = {.image = image, .is_last_behind = i > last};
        row_text(out, &here, pen, &map->rows[i]);
        if (i == last)
            fprintf(stream, "  %-10s %10s %*s      %s%s SizeOfImage 0x%x = %" PRIu32 " bytes\n", "", "", BOX + 2,
                    last + 1 < map->count ? "" : pen->bottom, pen->bottom, pen->corner_bottom, image->size_of_image, image->size_of_image);
    }
    if (last + 1 < map->count)
        fprintf(stream, "  %-10s %10s %s\n", "", "", pen->bottom);
    fprintf(stream, "\n  %s pages of the file   %s copied: its place in the file is no page multiple   %s%s%s zero fill\n", pen->mapped,
            pen->copied, pen->zero, pen->zero, pen->zero);
}

static int print(const struct pe_image *image, const char *file, bool json)
{
    static struct map map;
    struct output out = {.stream = stdout};
    if (json)
        map_json(stdout, image, file);
    else {
        if (!map_build(&map, image))
            return CLI_USAGE_OR_WORLD;
        output_begin(&out, stdout, false, "map", file);
        map_text(&out, &map, file);
    }
    if (!fflush(stdout) && !ferror(stdout))
        return 0;
    cli_say("standard output: not everything could be written");
    return CLI_USAGE_OR_WORLD;
}

static int page_write(const char *page, const char *file)
{
    return report_page_write(&(struct report_page){.path = page, .file = file}) ? 0 : CLI_USAGE_OR_WORLD;
}

int cli_map(int count, char **arguments)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"html", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    const char *page = NULL;
    int status = 0;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        if (option != 'j' && option != 'p')
            return cli_usage("map");
        json |= option == 'j';
        page = option == 'p' ? optarg : page;
    }
    if (optind + 1 != count) {
        cli_say(optind == count ? "map: no FILE" : "map: one FILE at a time");
        return cli_usage("map");
    }
    if (json && page) {
        cli_say("map: --json or --html, not both");
        return cli_usage("map");
    }
    struct cli_source source;
    if (!cli_source_open(&source, arguments[optind], &status))
        return status;
    if (!page)
        status = print(&source.image, arguments[optind], json);
    cli_source_close(&source);
    return page ? page_write(page, arguments[optind]) : status;
}
