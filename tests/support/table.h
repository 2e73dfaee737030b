/* The table of sample runs; its format stands at the top of tests/samples/table.txt. */
#ifndef TESTS_TABLE_H
#define TESTS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { TABLE_WORDS = 32, TABLE_ROWS = 400 };

struct table_machine { const char *name, *other, *folder; };

struct table_row {
    const struct table_machine *machine;
    char *name, *input, *output, *conditions, *title;
    char *arguments[TABLE_WORDS], *environment[TABLE_WORDS + 2];
    uint32_t exit;
};

/* Takes a line apart in place; the row points into it. False: a comment, or empty. */
bool table_row_take(char *line, const struct table_machine *machine, struct table_row *row);
/* A whole word, or its beginning where `condition` ends with '='. */
bool table_row_has(const struct table_row *row, const char *condition);
/* What stands behind "word=" among the conditions, copied; NULL: nothing does. */
const char *table_row_value(const struct table_row *row, const char *condition, char *value, unsigned room);

#endif
