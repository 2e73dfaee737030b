/* Text and JSON out of the same rows. */
#include "loader/cli/output.h"
#include "loader/cli/cli.h"

#include <inttypes.h>
#include <string.h>

/* The length of a well-formed UTF-8 sequence at `text`, 0: none begins here. */
static size_t sequence(const unsigned char *text, size_t length)
{
    size_t want = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 :
                  text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;
    if (!want || want > length)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond = (text[0] == 0xf4 && text[1] > 0x8f) || (text[0] == 0xed && text[1] > 0x9f);
    return overlong || beyond ? 0 : want;
}

void output_json_string(FILE *stream, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    putc('"', stream);
    while (at < end) {
        size_t taken = sequence(at, (size_t)(end - at));
        if (*at == '"' || *at == '\\')
            fprintf(stream, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f || *at == '<' || !taken) /* '<': no text ends the script element of a page */
            fprintf(stream, "\\u%04x", *at); /* bytes that are no UTF-8 appear as U+0080 to U+00FF */
        else
            fwrite(at, 1, taken, stream);
        at += taken ? taken : 1;
    }
    putc('"', stream);
}

int output_foreign(FILE *stream, const char *text, size_t length, int width)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    int columns = 0;
    while (at < end && (!width || columns < width)) {
        size_t taken = sequence(at, (size_t)(end - at));
        bool is_control = *at < 0x20 || *at == 0x7f || !taken || (*at == 0xc2 && at[1] < 0xa0);
        if (is_control)
            columns += fprintf(stream, "\\x%02x", *at);
        else
            columns += fwrite(at, 1, taken, stream) != 0;
        at += taken && !is_control ? taken : 1;
    }
    return columns;
}

void output_begin(struct output *out, FILE *stream, bool json, const char *command, const char *file)
{
    *out = (struct output){.stream = stream, .json = json, .colour = !json && cli_colours(stream)};
    if (!json)
        return;
    fprintf(stream, "{\"schema\": %d, \"command\": \"%s\"", OUTPUT_SCHEMA, command);
    if (file) {
        fputs(", \"file\": ", stream);
        output_json_string(stream, file, strlen(file));
    }
    out->comma = true;
}

bool output_end(struct output *out)
{
    if (out->json)
        fputs("}\n", out->stream);
    return !fflush(out->stream) && !ferror(out->stream);
}

static void head(struct output *out, const char *text)
{
    fprintf(out->stream, out->colour ? "\n\x1b[1m%s\x1b[0m\n" : "\n%s\n", text);
}

static void json_value(struct output *out, const struct output_column *column, const struct output_value *value)
{
    if (value->none || (column->kind == OUTPUT_TEXT && !value->text))
        fputs("null", out->stream);
    else if (column->kind == OUTPUT_TEXT)
        output_json_string(out->stream, value->text, value->length ? value->length : strlen(value->text));
    else if (column->kind == OUTPUT_HEX)
        fprintf(out->stream, "\"0x%" PRIx64 "\"", value->number);
    else if (column->kind == OUTPUT_COUNT)
        fprintf(out->stream, "%" PRIu64, value->number);
    else
        fputs(value->number ? "true" : "false", out->stream);
}

static void json_object(struct output *out, const struct output_column *columns, unsigned count, const struct output_value *values)
{
    putc('{', out->stream);
    for (unsigned i = 0; i < count; i++) {
        fprintf(out->stream, "%s\"%s\": ", i ? ", " : "", columns[i].key);
        json_value(out, &columns[i], &values[i]);
    }
    putc('}', out->stream);
}

/* Numbers stand to the right of their column, text to the left. */
static void text_value(struct output *out, const struct output_column *column, const struct output_value *value, bool last)
{
    char number[32];
    const char *text = number;
    int pad = 0;
    if (value->none || (column->kind == OUTPUT_TEXT && !value->text))
        text = "-";
    else if (column->kind == OUTPUT_TEXT) {
        pad = column->width - output_foreign(out->stream, value->text, value->length ? value->length : strlen(value->text), 0);
        fprintf(out->stream, "%*s", last || pad < 0 ? 0 : pad, "");
        return;
    } else if (column->kind == OUTPUT_HEX)
        snprintf(number, sizeof number, "0x%" PRIx64, value->number);
    else if (column->kind == OUTPUT_COUNT)
        snprintf(number, sizeof number, "%" PRIu64, value->number);
    else
        text = value->number ? "yes" : "no";
    fprintf(out->stream, column->kind == OUTPUT_TEXT ? "%-*s" : "%*s", last && column->kind == OUTPUT_TEXT ? 0 : column->width, text);
}

static void comma(struct output *out)
{
    fputs(out->comma ? ", " : "", out->stream);
    out->comma = true;
}

void output_record(struct output *out, const char *key, const char *title, const struct output_column *columns, unsigned count,
                   const struct output_value *values)
{
    if (out->json) {
        comma(out);
        fprintf(out->stream, "\"%s\": ", key);
        json_object(out, columns, count, values);
        return;
    }
    head(out, title);
    for (unsigned i = 0; i < count; i++) {
        struct output_column plain = columns[i];
        plain.width = 0;
        fprintf(out->stream, "  %-22s ", columns[i].head);
        text_value(out, &plain, &values[i], true);
        putc('\n', out->stream);
    }
}

void output_table_begin(struct output *out, const char *key, const char *title, const struct output_column *columns,
                        unsigned count)
{
    if (out->json) {
        comma(out);
        fprintf(out->stream, "\"%s\": [", key);
        out->comma = false;
        return;
    }
    head(out, title);
    for (unsigned i = 0; i < count; i++) {
        bool right = columns[i].kind != OUTPUT_TEXT;
        fputs("  ", out->stream);
        fprintf(out->stream, right ? "%*s" : "%-*s", i + 1 == count && !right ? 0 : columns[i].width, columns[i].head);
    }
    putc('\n', out->stream);
}

void output_row(struct output *out, const struct output_column *columns, unsigned count, const struct output_value *values)
{
    if (out->json) {
        comma(out);
        json_object(out, columns, count, values);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        fputs("  ", out->stream);
        text_value(out, &columns[i], &values[i], i + 1 == count);
    }
    putc('\n', out->stream);
}

void output_table_end(struct output *out)
{
    if (out->json)
        putc(']', out->stream);
    out->comma = true;
}
