/* Errors as sentences: what, where, by which rule, on whose behalf. */
#include "loader/cli/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SENTENCE_ROOM = 2048 };

struct sentence { char text[SENTENCE_ROOM]; size_t length; };

__attribute__((format(printf, 2, 3))) static void add(struct sentence *sentence, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof sentence->text - sentence->length;
    va_start(arguments, format);
    int length = vsnprintf(sentence->text + sentence->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        sentence->length += (size_t)length < room ? (size_t)length : room - 1;
}

void cli_say(const char *format, ...)
{
    va_list arguments;
    char line[SENTENCE_ROOM] = "peload: ";
    const size_t begin = strlen(line), room = sizeof line - 1 - begin;
    va_start(arguments, format);
    int length = vsnprintf(line + begin, room, format, arguments);
    va_end(arguments);
    size_t end = begin + (length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1);
    line[end++] = '\n';
    cli_write(cli_errors(), line, end); /* in one piece: others write to the same place */
}

/* "a section reaches beyond the file (bad section, rule 25, at file offset 0x1f8: found 0x400, wanted 0x200)" */
static void add_pe(struct sentence *sentence, const struct pe_error *error)
{
    static const char *const ladders[] = {"", "file offset", "RVA", "VA"};
    if (error->code == PE_NOT_PE || error->code == PE_NOT_MZ || error->code == PE_OLD_FORMAT)
        add(sentence, "not a PE: ");
    add(sentence, "%s (%s", error->text ? error->text : "broken", pe_code_name(error->code));
    if (error->rule)
        add(sentence, ", rule %u", error->rule);
    if (error->ladder)
        add(sentence, ", at %s 0x%" PRIx64, ladders[error->ladder], error->where);
    if (error->got != error->want)
        add(sentence, ": found 0x%" PRIx64 ", wanted 0x%" PRIx64, error->got, error->want);
    add(sentence, ")");
}

void cli_tell_pe(const char *file, const struct pe_error *error)
{
    struct sentence sentence = {0};
    add_pe(&sentence, error);
    cli_say("%s: %s", file, sentence.text);
}

void cli_tell(const char *file, const struct ld_error *error)
{
    struct sentence sentence = {0};
    if (error->module[0] && strcmp(error->module, file))
        add(&sentence, "%s: ", error->module);
    if (error->symbol[0])
        add(&sentence, "%s: ", error->symbol);
    add(&sentence, "%s", error->text ? error->text : "cannot be loaded");
    if (error->pe.code) {
        add(&sentence, ": ");
        add_pe(&sentence, &error->pe);
    } else if (error->host && !(error->host == HOST_FAILED && error->ntstatus) && (!error->text || !strstr(error->text, host_result_text(error->host))))
        add(&sentence, " (%s)", host_result_text(error->host));
    if (error->needed_by[0])
        add(&sentence, ", needed by %s", error->needed_by);
    if (error->ntstatus)
        add(&sentence, " [%s 0x%08X]", ld_phase_name(error->phase), error->ntstatus);
    else
        add(&sentence, " [%s]", ld_phase_name(error->phase));
    cli_say("%s: %s", file, sentence.text);
}

int cli_status_of(const struct ld_error *error)
{
    switch (error->host) {
    case HOST_NO_MEMORY:
    case HOST_FAILED: return CLI_USAGE_OR_WORLD;
    default: return CLI_NOT_LOADABLE;
    }
}

bool cli_colours(FILE *stream)
{
    const char *wish = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return !(wish && *wish) && terminal && strcmp(terminal, "dumb") && isatty(fileno(stream));
}
