/* Writes the page: page.html with style, script and one JSON object in their places.
 *
 * All that comes from files and guests is inside that object. Its strings have no '<' (output_json_string), so nothing
 * in them ends the element, and the script puts texts into text nodes only. The nonce and the policy in page.html see
 * to it that no other script would run, and that the page reaches for nothing outside of itself. */
#include "loader/cli/info.h"
#include "loader/cli/map.h"
#include "loader/cli/report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_SCHEMA = 1 };

extern const char report_page_html[], report_page_css[], report_page_js[]; /* page.S */

/* ---- JSON --------------------------------------------------------------------------------------- */

static void string(FILE *stream, const char *text)
{
    if (text)
        output_json_string(stream, text, strlen(text));
    else
        fputs("null", stream);
}

/* A JSON number is exact up to 2^53, which every user address is; what a file claims may be more. */
static void number(FILE *stream, uint64_t value)
{
    fprintf(stream, value >> 53 ? "\"0x%" PRIx64 "\"" : "%" PRIu64, value);
}

static void strings_write(FILE *stream)
{
    fputs("\"strings\": [null", stream);
    for (unsigned i = 1; i < report.string_count; i++) {
        putc(',', stream);
        string(stream, report.strings[i]);
    }
    putc(']', stream);
}

/* One array an event, zeros at its end left out:
 * [phase, verb, module, address, size, name, count, from, detail, thread, rights + 1] */
static void events_write(FILE *stream)
{
    fputs(",\n\"phase_names\": [", stream);
    for (unsigned i = 0; i < LD_PHASE_COUNT; i++)
        fprintf(stream, "%s\"%s\"", i ? ", " : "", ld_phase_name(i));
    fprintf(stream, "],\n\"dropped\": %u,\n\"events\": [", report.dropped);
    for (unsigned i = 0; i < report.count; i++) {
        const struct report_event *event = &report.events[i];
        const uint64_t values[] = {
            event->phase, event->verb, event->module, event->address, event->size, event->name, event->count, event->from,
            event->detail, event->thread, (uint64_t)(event->rights + 1),
        };
        unsigned count = sizeof values / sizeof *values;
        while (count && !values[count - 1])
            count--;
        fputs(i ? ",\n[" : "\n[", stream);
        for (unsigned j = 0; j < count; j++) {
            if (j)
                putc(',', stream);
            number(stream, values[j]);
        }
        putc(']', stream);
    }
    putc(']', stream);
}

/* One array a line: [base, size, allocation, type, committed, rights, use, section] */
static void phases_write(FILE *stream)
{
    fputs(",\n\"phases\": [", stream);
    for (unsigned i = 0, told = 0; i < REPORT_STEP_COUNT; i++) {
        const struct report_step *step = &report.steps[i];
        if (!step->reached)
            continue;
        fprintf(stream, "%s\n{\"name\": \"%s\", \"first\": %u, \"last\": %u, \"at\": %" PRIu64 ", \"regions\": [", told++ ? "," : "",
                report_step_name(i), step->first, step->last, step->at);
        for (unsigned j = 0; j < step->map.count; j++) {
            const struct report_line *line = &step->map.lines[j];
            fprintf(stream, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%d,%d,%" PRIu32 ",%" PRIu32 "]", j ? "," : "", line->base, line->size,
                    line->allocation, (unsigned)line->type, line->committed, line->rights, line->use, line->section);
        }
        fputs("]}", stream);
    }
    putc(']', stream);
}

static void end_write(FILE *stream, const struct report_page *page)
{
    const struct ld_error *error = page->refused;
    if (page->end)
        fprintf(stream, ",\n\"exit\": {\"code\": %" PRIu32 ", \"how\": \"%s\"}", page->end->code, page->end->how);
    if (!error)
        return;
    fputs(",\n\"refused\": {\"phase\": ", stream);
    string(stream, ld_phase_name(error->phase));
    fprintf(stream, ", \"ntstatus\": \"0x%08" PRIx32 "\", \"rule\": %u, \"text\": ", error->ntstatus, error->pe.code ? error->pe.rule : 0);
    string(stream, error->pe.code ? error->pe.text : error->text);
    fputs(", \"module\": ", stream);
    string(stream, error->module);
    fputs(", \"needed_by\": ", stream);
    string(stream, error->needed_by);
    fputs(", \"symbol\": ", stream);
    string(stream, error->symbol);
    putc('}', stream);
}

/* What `info --json` and `map --json` tell of the file. */
static bool file_write(FILE *stream, const char *file)
{
    struct cli_source source;
    int status = 0;
    if (!cli_source_open(&source, file, &status))
        return false;
    fputs(",\n\"file\": {\"info\": ", stream);
    info_json(stream, &source.image, file);
    fputs(",\n\"map\": ", stream);
    map_json(stream, &source.image, file);
    putc('}', stream);
    cli_source_close(&source);
    return true;
}

static bool data_write(FILE *stream, const struct report_page *page)
{
    bool good = true;
    fprintf(stream, "{\"schema\": %d, \"kind\": \"report\", \"version\": \"%s\", \"program\": ", PAGE_SCHEMA, PELOAD_VERSION);
    string(stream, page->file);
    fputs(", \"lane\": ", stream);
    string(stream, page->has_events ? report.lane : NULL);
    fputs(",\n", stream);
    strings_write(stream);
    if (page->has_events) {
        events_write(stream);
        phases_write(stream);
    }
    end_write(stream, page);
    if (page->file)
        good = file_write(stream, page->file);
    if (page->snapshots) {
        fputs(",\n\"snapshots\": [", stream);
        page->snapshots(stream);
        putc(']', stream);
    }
    if (page->comparison) {
        fputs(",\n\"comparison\": ", stream);
        page->comparison(stream);
    }
    fputs("}\n", stream);
    return good;
}

/* ---- the page ----------------------------------------------------------------------------------- */

static void title_write(FILE *stream, const char *text)
{
    for (; text && *text; text++)
        if (strchr("<>&\"'", *text) || (unsigned char)*text < 0x20)
            fprintf(stream, "&#%u;", (unsigned char)*text);
        else
            putc(*text, stream);
}

static bool mark_write(FILE *stream, const struct report_page *page, const char *mark, size_t length, uint64_t nonce)
{
    const char *file = page->file ? page->file : "";
    const char *slash = strrchr(file, '/');
    if (length == 5 && !memcmp(mark, "title", length))
        title_write(stream, slash ? slash + 1 : file);
    else if (length == 5 && !memcmp(mark, "nonce", length))
        fprintf(stream, "%016" PRIx64, nonce);
    else if (length == 5 && !memcmp(mark, "style", length))
        fputs(report_page_css, stream);
    else if (length == 6 && !memcmp(mark, "script", length))
        fputs(report_page_js, stream);
    else
        return data_write(stream, page);
    return true;
}

/* Marks in page.html look like @{style}. */
static bool text_write(FILE *stream, const struct report_page *page)
{
    bool good = true;
    uint64_t nonce = cli_clock() * 0x9e3779b97f4a7c15u ^ (uintptr_t)stream;
    const char *at = report_page_html, *mark;
    while ((mark = strstr(at, "@{"))) {
        const char *end = strchr(mark, '}');
        fwrite(at, 1, (size_t)(mark - at), stream);
        good &= mark_write(stream, page, mark + 2, (size_t)(end - mark - 2), nonce);
        at = end + 1;
    }
    fputs(at, stream);
    return good;
}

/* Beside its place first: whoever looks meanwhile sees the page before, or none, but never half a one. */
static FILE *beside_create(const char *path, char *beside, size_t room)
{
    int length = snprintf(beside, room, "%s.part", path);
    FILE *stream = length > 0 && (size_t)length < room ? cli_create(beside) : NULL;
    if (!stream)
        cli_say("%s: %s", path, (size_t)length < room ? strerror(errno) : "the path is too long");
    return stream;
}

bool report_page_possible(const char *path)
{
    char beside[4096];
    FILE *stream = beside_create(path, beside, sizeof beside);
    if (!stream)
        return false;
    fclose(stream);
    remove(beside);
    return true;
}

bool report_page_write(const struct report_page *page)
{
    char beside[4096];
    if (report.broken) {
        cli_say("%s: no memory for the page", page->path);
        return false;
    }
    FILE *stream = beside_create(page->path, beside, sizeof beside);
    if (!stream)
        return false;
    bool good = text_write(stream, page);
    bool written = !ferror(stream);
    written &= !fclose(stream);
    if (!written || !good || !cli_rename(beside, page->path)) {
        if (good)
            cli_say("%s: %s", page->path, strerror(errno));
        remove(beside);
        return false;
    }
    return true;
}
