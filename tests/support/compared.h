/* `peload compare` over the rows of tests/samples/table.txt: nothing may stay unexplained. What Wine or a lane does
 * otherwise than Windows stands in samples/compare.expect, which lies beside the programs. */
#ifndef TESTS_COMPARED_H
#define TESTS_COMPARED_H

#include "tests/support/table.h"

#include <cmocka.h>

struct compared_row { struct table_row row; const char *lanes; };
enum { COMPARED_LIMIT = 2 * TABLE_ROWS };

/* A cmocka test: its state is a struct compared_row. */
void compared_row_holds(void **state);
/* Makes a test of each sample's first row, for the machines whose name is given ("x64", "x86"; NULL-terminated). text: the table,
 * which the rows point into. Returns how many. */
unsigned compared_rows_make(char *text, const char *lanes, const struct table_machine *machines, unsigned machine_count,
                            struct compared_row *rows, struct CMUnitTest *tests);

#endif
