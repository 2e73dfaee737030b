/* `peload compare` of the lanes native and os: what peload built, beside what the operating system's loader (Wine's) built of the same
 * file, for every sample; and of native and win32, for some of each kind. Skipped where there is no Wine. */
#include "tests/support/process.h"
#include "tests/support/wine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/compared.h"

static const struct table_machine machines[] = {
    {"x64", "x86", TEST_BUILD "/samples/x64/"}, {"x86", "x64", TEST_BUILD "/samples/x86/"},
};

/* Plain programs, DLLs of their own in a graph, TLS, exceptions, threads, a base that is taken. */
static unsigned few_stay(const struct compared_row *rows, struct CMUnitTest *tests, unsigned count)
{
    static const char *const names[] = {"hello", "hello_ucrt", "graph", "tls_slots", "cxx_exceptions", "threads", "nocrt_kernel32", "delay"};
    unsigned stay = 0;
    for (unsigned i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (!strcmp(rows[i].row.name, names[k]))
                tests[stay++] = tests[i];
    return stay;
}

int main(void)
{
    static struct compared_row rows[COMPARED_LIMIT];
    static struct CMUnitTest tests[COMPARED_LIMIT];
    size_t size;
    char *table = text_read("tests/samples/table.txt", &size);
    if (!table || !wine_prefix_set())
        return 1;
    bool has_wine = wine_runs("x64");
    unsigned machine_count = has_wine ? wine_runs("x86") ? 2 : 1 : 0;
    if (machine_count < 2)
        printf("SKIPPED: native beside os%s: no Wine here that runs such programs (`make deps-wine`)\n", machine_count ? " for x86" : "");
    char *again = strdup(table);
    unsigned count = compared_rows_make(table, "native,os", machines, machine_count, rows, tests);
    int failed = count ? _cmocka_run_group_tests("native beside os", tests, count, NULL, NULL) : 0;
    count = again ? compared_rows_make(again, "native,win32", machines, machine_count, rows, tests) : 0;
    count = few_stay(rows, tests, count);
    failed += count ? _cmocka_run_group_tests("native beside win32", tests, count, NULL, NULL) : 0;
    wine_server_end();
    return failed != 0;
}
