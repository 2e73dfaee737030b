/* Reads one row of tests/samples/table.txt. */
#define _GNU_SOURCE
#include "tests/support/table.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 7 };

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return text;
}

static void words_split(char *field, char **words)
{
    unsigned count = 0;
    if (!strcmp(field, "-"))
        return;
    for (char *from = field; *from;) {
        while (*from == ' ' || *from == '\t')
            from++;
        if (!*from)
            break;
        assert(count + 1 < TABLE_WORDS);
        char *to = words[count++] = malloc(strlen(from) + 1);
        for (bool quoted = false; *from && (quoted || (*from != ' ' && *from != '\t')); from++)
            if (*from == '\'')
                quoted = !quoted;
            else
                *to++ = *from;
        *to = 0;
    }
}

bool table_row_take(char *line, const struct table_machine *machine, struct table_row *row)
{
    char *fields[FIELDS];
    memset(row, 0, sizeof *row);
    line = trim(line);
    if (!*line || *line == '#')
        return false;
    for (unsigned i = 0; i < FIELDS; i++) {
        char *end = strchr(line, '|');
        assert(!end == (i + 1 == FIELDS));
        if (end)
            *end++ = 0;
        fields[i] = trim(line);
        line = end;
    }
    row->name = fields[0];
    row->machine = machine;
    if (asprintf(&row->title, "%s %s %s", machine->name, fields[0], strcmp(fields[1], "-") ? fields[1] : "") < 0)
        abort();
    words_split(fields[1], row->arguments);
    words_split(fields[3], row->environment);
    row->input = strcmp(fields[2], "-") ? fields[2] : NULL;
    row->exit = (uint32_t)strtoull(fields[4], NULL, 0);
    row->output = fields[5];
    row->conditions = fields[6];
    return true;
}

static const char *find(const struct table_row *row, const char *condition)
{
    size_t length = strlen(condition);
    for (const char *at = row->conditions; (at = strstr(at, condition)); at += length)
        if ((at == row->conditions || at[-1] == ' ') && (!at[length] || at[length] == ' ' || at[length - 1] == '='))
            return at + length;
    return NULL;
}

bool table_row_has(const struct table_row *row, const char *condition)
{
    return find(row, condition) != NULL;
}

const char *table_row_value(const struct table_row *row, const char *condition, char *value, unsigned room)
{
    const char *at = find(row, condition);
    if (at)
        snprintf(value, room, "%.*s", (int)strcspn(at, " "), at);
    return at ? value : NULL;
}
