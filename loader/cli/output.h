/* Rows out of which text and JSON are both made, so that the two cannot tell different things.
 *
 * A table has columns and rows; a record is one row told line by line. In JSON a table is an array of objects, a
 * record an object; addresses, offsets and flags are strings ("0x1000"), because they may be wider than what a
 * JSON number keeps, counts are numbers, what is not there is null. Foreign text is escaped in both forms. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { OUTPUT_SCHEMA = 1 };

enum output_kind { OUTPUT_TEXT, OUTPUT_HEX, OUTPUT_COUNT, OUTPUT_YES };

struct output_column {
    const char *key, *head; /* in JSON, in text */
    enum output_kind kind;
    int width;              /* characters in a text table; 0: as long as it is (the last column) */
};

struct output_value {
    const char *text;
    size_t length;   /* of text; 0: up to its NUL */
    uint64_t number;
    bool none;       /* not there */
};

struct output {
    FILE *stream;
    bool json, colour;
    bool comma; /* JSON: something stands before the next element */
};

/* file: NULL where it is about none. */
void output_begin(struct output *out, FILE *stream, bool json, const char *command, const char *file);
bool output_end(struct output *out); /* false: not everything could be written */

void output_record(struct output *out, const char *key, const char *title, const struct output_column *columns, unsigned count,
                   const struct output_value *values);
void output_table_begin(struct output *out, const char *key, const char *title, const struct output_column *columns,
                        unsigned count);
void output_row(struct output *out, const struct output_column *columns, unsigned count, const struct output_value *values);
void output_table_end(struct output *out);

/* Foreign text for a terminal: control characters as \xNN. At most `width` columns wide where that is not 0; returns how
 * many columns it took. */
int output_foreign(FILE *stream, const char *text, size_t length, int width);
void output_json_string(FILE *stream, const char *text, size_t length);

#define OUTPUT_COLUMNS(columns) (columns), (unsigned)(sizeof(columns) / sizeof *(columns))
#define OUTPUT_VALUES(...) ((const struct output_value[]){__VA_ARGS__})

#endif
