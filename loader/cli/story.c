/* -v: how a file became a process, in the numbered steps of loader/native/process.c, for a person. It is made of the
 * same events as --trace and of nothing else: totals are kept per module and told when all of them are known. */
#include "loader/cli/cli.h"
#include "loader/nt/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 40, REGIONS = 128, EXPORTERS = 64 };

struct module {
    char name[NAME];
    char kind[NAME]; /* what find's open said: the machine */
    uint64_t bytes, sections;
    uint64_t base, size, preferred;
    char why[96];    /* it was moved */
    uint64_t regions, mapped, copied, zero;
    uint64_t fixups, touched, slots, exporters, protects;
    bool has_tls, has_callbacks, writable_code;
    uint64_t tls_slot, tls_size;
};

struct region { uint64_t address, size, offset, bytes; unsigned others; int rights; char names[64]; };
struct exporter { char name[NAME]; uint64_t slots; };

static struct {
    FILE *stream;
    const char *program;
    struct module *modules; /* malloc'd, in the order of opening */
    unsigned count, room;
    struct region regions[REGIONS]; /* of the program; equal neighbours merged */
    unsigned region_count;
    struct exporter exporters[EXPORTERS]; /* whose functions the program imports */
    unsigned exporter_count;
    char order[2000];
    unsigned ordered;
    char start[200];
    bool told, told_order, colour;
    uint64_t begun;
} story;

void cli_story_open(FILE *stream, const char *program)
{
    story.stream = stream;
    story.program = program;
    story.colour = cli_colours(stream);
    story.begun = cli_clock();
}

/* ---- keeping ------------------------------------------------------------------------------------ */

/* A module begins with its opening; searches that find another spelling or nothing at all are not told here. */
static struct module *module_of(const char *name, bool opening)
{
    for (unsigned i = 0; i < story.count; i++)
        if (!strcasecmp(story.modules[i].name, name))
            return &story.modules[i];
    if (!opening)
        return NULL;
    if (story.count == story.room) {
        unsigned room = story.room ? story.room * 2 : 16;
        struct module *more = realloc(story.modules, room * sizeof *more);
        if (!more)
            return NULL;
        story.modules = more;
        story.room = room;
    }
    struct module *module = &story.modules[story.count++];
    memset(module, 0, sizeof *module);
    ld_text_set(module->name, sizeof module->name, name);
    return module;
}

static bool is_program(const char *name)
{
    const char *slash = strrchr(story.program, '/');
    return !strcasecmp(name, slash ? slash + 1 : story.program);
}

/* The program's own regions become the picture's rows. */
static void region_keep(const struct ld_event *event)
{
    struct region *last = story.region_count ? &story.regions[story.region_count - 1] : NULL;
    const char *name = event->name ? event->name : "gap";
    bool joins = last && last->rights == event->rights && last->address + last->size == event->address;
    if (!joins) {
        if (story.region_count == REGIONS)
            return;
        last = &story.regions[story.region_count++];
        *last = (struct region){.address = event->address, .offset = event->from, .rights = event->rights};
    }
    if (event->count && !last->bytes)
        last->offset = event->from;
    last->size += event->size;
    last->bytes += event->count;
    size_t used = strlen(last->names), room = sizeof last->names - used;
    bool zero = !strcmp(event->verb, "zero") && event->name;
    /* "/4" stands for a name too long for the section table, of debug data as a rule: counted, not spelt. */
    if (name[0] == '/' || strlen(name) + sizeof "  (zero fill)" > room)
        last->others++;
    else
        snprintf(last->names + used, room, "%s%s%s", used ? " " : "", name, zero ? " (zero fill)" : "");
}

static void fill_keep(struct module *module, const struct ld_event *event)
{
    if (!strcmp(event->verb, "mapped"))
        module->mapped++;
    else if (!strcmp(event->verb, "copied"))
        module->copied++;
    else if (!strcmp(event->verb, "zero"))
        module->zero++;
    else if (strcmp(event->verb, "gap"))
        return;
    module->regions++;
    if ((event->rights & (HOST_WRITE | HOST_EXECUTE)) == (HOST_WRITE | HOST_EXECUTE) && event->rights >= 0)
        module->writable_code = true;
    if (is_program(event->module))
        region_keep(event);
}

static void place_keep(struct module *module, const struct ld_event *event)
{
    module->size = event->size;
    if (!strcmp(event->verb, "placed") || !strcmp(event->verb, "moved")) {
        module->base = event->address;
        module->preferred = event->from;
    } else
        ld_text_set(module->why, sizeof module->why, event->detail ? event->detail : event->verb);
}

static void bind_keep(struct module *module, const struct ld_event *event)
{
    if (!strcmp(event->verb, "imports")) {
        module->slots = event->count;
        module->exporters = event->size;
    }
    if (strcmp(event->verb, "bound") || !is_program(event->module) || !event->detail)
        return;
    for (unsigned i = 0; i < story.exporter_count; i++)
        if (!strcmp(story.exporters[i].name, event->detail)) {
            story.exporters[i].slots++;
            return;
        }
    if (story.exporter_count < EXPORTERS) {
        struct exporter *exporter = &story.exporters[story.exporter_count++];
        ld_text_set(exporter->name, sizeof exporter->name, event->detail);
        exporter->slots = 1;
    }
}

/* ---- telling ------------------------------------------------------------------------------------ */

static void step(unsigned number, const char *word)
{
    fprintf(story.stream, story.colour ? "\x1b[1m%2u %-10s\x1b[0m " : "%2u %-10s ", number, word);
}

static void more(void) { fprintf(story.stream, "%13s ", ""); }

/* 1234567 -> "1,234,567" */
static const char *grouped(uint64_t number, char text[32])
{
    char plain[24];
    int length = snprintf(plain, sizeof plain, "%" PRIu64, number);
    char *at = text;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = plain[i];
    }
    *at = 0;
    return text;
}

static const char *rights(int bits, char text[4])
{
    text[0] = bits & HOST_READ ? 'R' : '-';
    text[1] = bits & HOST_WRITE ? 'W' : '-';
    text[2] = bits & HOST_EXECUTE ? 'X' : '-';
    text[3] = 0;
    return text;
}

static void filled_tell(const struct module *program)
{
    char number[32], text[4];
    step(3, "filled");
    fprintf(story.stream, "%" PRIu64 " regions: %" PRIu64 " mapped from the file, %" PRIu64 " copied, %" PRIu64 " zero fill\n",
            program->regions, program->mapped, program->copied, program->zero);
    more();
    fprintf(story.stream, "%10s %9s     %-*s %8s  %s\n", "FILE", "bytes", CLI_DIGITS + 2, "IMAGE", "KiB", "rights, sections");
    for (unsigned i = 0; i < story.region_count; i++) {
        const struct region *region = &story.regions[i];
        more();
        if (region->bytes)
            fprintf(story.stream, "0x%08" PRIx64 " %9s --> ", region->offset, grouped(region->bytes, number));
        else
            fprintf(story.stream, "%10s %9s     ", "", "");
        fprintf(story.stream, "0x%0*" PRIx64 " %8" PRIu64 "  %s  %s", CLI_DIGITS, region->address, region->size / 1024,
                rights(region->rights, text), region->names);
        if (region->others)
            fprintf(story.stream, "%sand %u more", region->names[0] ? " " : "", region->others);
        putc('\n', story.stream);
    }
}

static void bound_tell(const struct module *program)
{
    char number[32];
    step(5, "bound");
    fprintf(story.stream, "%s functions in the import address table:", grouped(program->slots, number));
    for (unsigned i = 0; i < story.exporter_count; i++) {
        bool breaks = i && i % 4 == 0; /* long lists go on below */
        fputs(breaks ? ",\n" : i ? "," : "", story.stream);
        if (breaks)
            fprintf(story.stream, "%13s", "");
        fprintf(story.stream, " %s (%" PRIu64 ")", story.exporters[i].name, story.exporters[i].slots);
    }
    fputs(story.exporter_count ? "\n" : " none\n", story.stream);
}

static void others_tell(void)
{
    char fixups[32], slots[32];
    unsigned moved = 0;
    uint64_t all_fixups = 0, all_slots = 0;
    more();
    fprintf(story.stream, "%-*s %8s  %9s %9s  %-5s %s\n", CLI_DIGITS + 2, "IMAGE", "KiB", "fix-ups", "imports", "moved", "all modules of this process");
    for (unsigned i = 0; i < story.count; i++) {
        const struct module *module = &story.modules[i];
        if (!module->base)
            continue;
        more();
        fprintf(story.stream, "0x%0*" PRIx64 " %8" PRIu64 "  %9s %9s  %-5s %s\n", CLI_DIGITS, module->base, module->size / 1024,
                grouped(module->fixups, fixups), grouped(module->slots, slots), module->base != module->preferred ? "yes" : "no",
                module->name);
        moved += module->base != module->preferred;
        all_fixups += module->fixups;
        all_slots += module->slots;
    }
    more();
    fprintf(story.stream, "%-*s %8s  %9s %9s  %-5u %s\n", CLI_DIGITS + 2, "", "", grouped(all_fixups, fixups), grouped(all_slots, slots), moved, "total");
}

void cli_story_loaded(void)
{
    char number[32];
    const struct module *program = NULL;
    bool writable_code = false;
    for (unsigned i = 0; i < story.count; i++) {
        writable_code |= story.modules[i].writable_code;
        if (is_program(story.modules[i].name))
            program = &story.modules[i];
    }
    story.told = true;
    if (!program)
        return;
    step(1, "file");
    fprintf(story.stream, "%s, a program for %s: %" PRIu64 " sections in %s bytes\n", program->name, program->kind, program->sections,
            grouped(program->bytes, number));
    step(2, "placed");
    fprintf(story.stream, "0x%0*" PRIx64 "-0x%0*" PRIx64 ", %" PRIu64 " KiB, ", CLI_DIGITS, program->base, CLI_DIGITS,
            program->base + program->size - 1, program->size / 1024);
    if (program->base == program->preferred)
        fputs("its preferred base\n", story.stream);
    else
        fprintf(story.stream, "not 0x%" PRIx64 ": %s\n", program->preferred, program->why[0] ? program->why : "it was taken");
    filled_tell(program);
    step(4, "relocated");
    if (program->base == program->preferred)
        fputs("nothing to mend: the image lies where it was linked to\n", story.stream);
    else
        fprintf(story.stream, "%s addresses on %" PRIu64 " pages, each by %c0x%" PRIx64 "\n", grouped(program->fixups, number),
                program->touched / 4096, program->base > program->preferred ? '+' : '-',
                program->base > program->preferred ? program->base - program->preferred : program->preferred - program->base);
    bound_tell(program);
    step(6, "tls");
    if (program->has_tls)
        fprintf(story.stream, "slot %" PRIu64 ", %" PRIu64 " bytes for each thread%s\n", program->tls_slot, program->tls_size,
                program->has_callbacks ? ", and callbacks" : "");
    else
        fputs("no thread-local data of its own\n", story.stream);
    step(7, "protected");
    fprintf(story.stream, "rights as above; %s\n", writable_code ? "a section asks to be writable and executable, and is"
                                                                 : "no page of any module is writable and executable");
    others_tell();
}

/* Told when the program's own turn comes: until then initialisers may bring further modules. */
static void order_tell(bool came_to_it)
{
    double milliseconds = (double)(cli_clock() - story.begun) / 1e6;
    story.told_order = true;
    step(8, "order");
    fprintf(story.stream, "%s\n", story.ordered ? story.order : "nothing to initialise");
    step(9, "thread");
    if (came_to_it)
        fprintf(story.stream, "%s, after %.1f ms\n\n", story.start, milliseconds);
    else
        fputs("it never came to the entry point\n", story.stream);
    fflush(story.stream);
}

static void order_keep(const struct ld_event *event)
{
    size_t used = strlen(story.order);
    snprintf(story.order + used, sizeof story.order - used, "%s%s", used ? ", " : "", event->module);
    story.ordered++;
}

void cli_story_event(const struct ld_event *event)
{
    struct module *module = event->module && !story.told ? module_of(event->module, event->phase == LD_OPEN) : NULL;
    if (event->phase == LD_START && !strcmp(event->verb, "thread")) {
        snprintf(story.start, sizeof story.start, "the first thread of process %" PRIu64 " comes to 0x%0*" PRIx64 " (%s+0x%" PRIx64 ")",
                 event->count, CLI_DIGITS, event->address, event->module, event->address - event->from);
        cli_story_loaded();
    } else if (event->phase == LD_INIT && !story.told_order && !strcmp(event->verb, "attach")) {
        if (is_program(event->module))
            order_tell(true);
        else
            order_keep(event);
    }
    if (!module)
        return;
    switch (event->phase) {
    case LD_OPEN:
        ld_text_set(module->kind, sizeof module->kind, event->detail ? event->detail : "");
        module->bytes = event->size;
        module->sections = event->count;
        break;
    case LD_PLACE: place_keep(module, event); break;
    case LD_FILL: fill_keep(module, event); break;
    case LD_RELOCATE:
        if (!strcmp(event->verb, "relocated"))
            module->fixups = event->count, module->touched = event->size;
        break;
    case LD_BIND: bind_keep(module, event); break;
    case LD_TLS:
        module->has_tls = true;
        module->has_callbacks = event->from;
        module->tls_slot = event->count;
        module->tls_size = event->size;
        break;
    case LD_PROTECT: module->protects += event->count; break;
    default: break;
    }
}

void cli_story_exit(uint32_t code)
{
    if (story.told && !story.told_order)
        order_tell(false);
    fprintf(story.stream, "\n");
    step(10, "exit");
    const char *name = code & 0x80000000u ? nt_status_name(code) : NULL;
    fprintf(story.stream, "code %" PRIu32 " (0x%08" PRIX32 "%s%s)\n", code, code, name ? " " : "", name ? name : "");
}
