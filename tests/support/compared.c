/* One row of the table through `peload compare`. */
#include "tests/support/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/compared.h"

#include <jansson.h>

void compared_row_holds(void **state)
{
    const struct compared_row *test = *state;
    const struct table_row *row = &test->row;
    char path[256], lanes[64];
    const char *words[TABLE_WORDS + 12] = {TEST_BUILD "/peload", "compare", "--json", "--only=unexplained", "--timeout=100"};
    unsigned count = 5;
    snprintf(path, sizeof path, "%s%s.exe", row->machine->folder, row->name);
    snprintf(lanes, sizeof lanes, "--lanes=%s", test->lanes);
    words[count++] = lanes;
    words[count++] = "--";
    words[count++] = path;
    for (unsigned i = 0; row->arguments[i]; i++)
        words[count++] = row->arguments[i];
    struct process process = {.arguments = words, .environment = (const char *const *)row->environment, .seconds = 600};
    assert_true(process_run(&process));
    json_t *root = json_loads(process.output, 0, NULL), *list = json_object_get(root, "differences"), *item;
    if (!root)
        fail_msg("no comparison, exit status %d: %s", process.status, process.errors);
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *a = json_string_value(json_object_get(item, "a")), *b = json_string_value(json_object_get(item, "b")),
                   *module = json_string_value(json_object_get(item, "module"));
        fprintf(stderr, "unexplained: %s: %s: [%s] [%s]\n", module ? module : "process", json_string_value(json_object_get(item, "text")),
                a ? a : "", b ? b : "");
    }
    assert_int_equal(json_integer_value(json_object_get(root, "unexplained")), json_array_size(list));
    assert_int_equal(process.status, 0); /* the command's own verdict */
    json_decref(root);
    process_free(&process);
}

static bool is_first(const struct compared_row *rows, unsigned count, const struct table_row *row)
{
    for (unsigned i = 0; i < count; i++)
        if (rows[i].row.machine == row->machine && !strcmp(rows[i].row.name, row->name))
            return false;
    return true;
}

unsigned compared_rows_make(char *text, const char *lanes, const struct table_machine *machines, unsigned machine_count,
                            struct compared_row *rows, struct CMUnitTest *tests)
{
    unsigned count = 0;
    for (char *line; (line = strsep(&text, "\n"));)
        for (unsigned m = 0; m < machine_count; m++) {
            char *copy = strdup(line);
            struct table_row row;
            if (!copy || !table_row_take(copy, &machines[m], &row) || count == COMPARED_LIMIT)
                continue;
            /* Options of `run` that compare does not have; samples that start others by hand are the kernel's tests' business. */
            if (table_row_has(&row, machines[m].other) || table_row_has(&row, "run=") || !is_first(rows, count, &row))
                continue;
            row.environment[TABLE_WORDS] = NULL;
            rows[count] = (struct compared_row){row, lanes};
            tests[count] = (struct CMUnitTest){.name = rows[count].row.title, .test_func = compared_row_holds, .initial_state = &rows[count]};
            count++;
        }
    return count;
}
