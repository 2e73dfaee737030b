/* What a report keeps of a load: where steps end, the map that each one leaves, and what differs between two maps. Events and
 * maps are made up here; that real loads tell such events is diff_maps_test's business. */
#include "loader/cli/report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BASE = 0x400000, SIZE = 0x3000 };

/* The made-up machine: what is mapped just now. */
static struct report_line lines[8];
static unsigned line_count;

static void walk(void (*add)(const struct report_line *line))
{
    for (unsigned i = 0; i < line_count; i++)
        add(&lines[i]);
}

static void image_set(unsigned at, uint64_t base, uint64_t size, bool committed, int rights)
{
    lines[at] = (struct report_line){.base = base, .size = size, .allocation = BASE, .type = REPORT_IMAGE, .committed = committed, .rights = rights};
    line_count = at + 1;
}

static void hear(void *context, const struct ld_event *event)
{
    (void)context;
    report_event(event);
}

/* A program of headers and one section, at its own base: no relocations, no TLS. */
static void test_steps_of_a_load(void **state)
{
    struct ld_trace trace = {.mask = ~0u, .sink = hear};
    (void)state;
    report_open("folder/a.exe", "native", walk);
    LD_TRACE(&trace, LD_OPEN, .verb = "opened", .module = "a.exe");
    image_set(0, BASE, SIZE, false, 0);
    LD_TRACE(&trace, LD_PLACE, .verb = "placed", .module = "A.EXE", .address = BASE, .size = SIZE, .from = BASE);
    image_set(0, BASE, SIZE, true, HOST_READ | HOST_WRITE);
    LD_TRACE(&trace, LD_FILL, .verb = "copied", .module = "a.exe", .name = "headers", .address = BASE, .size = 0x1000, .rights = HOST_READ);
    LD_TRACE(&trace, LD_FILL, .verb = "copied", .module = "a.exe", .name = ".text", .address = BASE + 0x1000, .size = 0x2000, .rights = HOST_READ | HOST_EXECUTE);
    LD_TRACE(&trace, LD_FILL, .verb = "filled", .module = "a.exe", .address = BASE, .size = SIZE);
    LD_TRACE(&trace, LD_FIND, .verb = "found", .module = "b.dll");
    LD_TRACE(&trace, LD_BIND, .verb = "bound", .module = "a.exe", .name = "f", .detail = "b.dll", .address = 0x500000, .from = BASE + 0x1000);
    LD_TRACE(&trace, LD_BIND, .verb = "imports", .module = "a.exe", .count = 1);
    image_set(0, BASE, 0x1000, true, HOST_READ);
    image_set(1, BASE + 0x1000, 0x2000, true, HOST_READ | HOST_EXECUTE);
    LD_TRACE(&trace, LD_PROTECT, .verb = "protected", .module = "a.exe", .address = BASE, .size = SIZE, .rights = HOST_READ);
    LD_TRACE(&trace, LD_PROTECT, .verb = "ready", .module = "a.exe", .address = BASE, .size = SIZE);
    LD_TRACE(&trace, LD_START, .verb = "thread", .module = "a.exe", .address = BASE + 0x1000, .from = BASE);
    LD_TRACE(&trace, LD_HANDLE, .verb = "opened", .module = "a.exe");
    assert_false(report.broken);

    static const struct { unsigned lines; int rights; bool committed; } expected[] = {
        [REPORT_FILE] = {0, 0, false}, [REPORT_PLACED] = {1, 0, false}, [REPORT_FILLED] = {2, HOST_READ | HOST_WRITE, true},
        [REPORT_RELOCATED] = {2, HOST_READ | HOST_WRITE, true}, [REPORT_BOUND] = {2, HOST_READ | HOST_WRITE, true},
        [REPORT_TLS] = {2, HOST_READ | HOST_WRITE, true}, [REPORT_PROTECTED] = {2, HOST_READ | HOST_EXECUTE, true},
    };
    unsigned next = 0;
    for (unsigned i = 0; i <= REPORT_PROTECTED; i++) {
        const struct report_step *step = &report.steps[i];
        assert_true(step->reached);
        assert_int_equal(step->first, next); /* no event is lost between two steps */
        next = step->last;
        assert_int_equal(step->map.count, expected[i].lines);
        if (!step->map.count)
            continue;
        const struct report_line *last = &step->map.lines[step->map.count - 1];
        assert_int_equal(last->rights, expected[i].rights);
        assert_int_equal(last->committed, expected[i].committed);
        assert_string_equal(report.strings[last->use], i == REPORT_PLACED ? "A.EXE" : "a.exe");
    }
    assert_int_equal(report.steps[REPORT_STARTED].first, next);
    assert_int_equal(report.count, next + 1); /* the thread; no handles */
    assert_string_equal(report.strings[report.steps[REPORT_PROTECTED].map.lines[1].section], ".text");
    assert_int_equal(report_string("a.exe"), report_string("a.exe"));
    assert_int_equal(report_string(""), 0);
}

/* Differences against an array of pages, over random maps. */
static void test_differences_of_random_maps(void **state)
{
    (void)state;
    enum { PAGES = 64 };
    srand(1);
    for (int round = 0; round < 2000; round++) {
        struct report_line rows[2][PAGES];
        struct report_map maps[2] = {{.lines = rows[0]}, {.lines = rows[1]}};
        int pages[2][PAGES] = {{0}};
        for (int side = 0; side < 2; side++)
            for (int at = rand() % 8; at < PAGES;) {
                int size = 1 + rand() % 9, rights = 1 + rand() % 3;
                size = at + size > PAGES ? PAGES - at : size;
                rows[side][maps[side].count++] = (struct report_line){.base = (uint64_t)at << 12, .size = (uint64_t)size << 12, .type = REPORT_PRIVATE,
                                                                     .committed = true, .rights = rights};
                for (int i = 0; i < size; i++)
                    pages[side][at + i] = rights;
                at += size + rand() % 3 * (rand() % 2);
            }
        unsigned count;
        struct report_change *changes = report_diff(&maps[0], &maps[1], &count);
        int told[PAGES] = {0};
        uint64_t end = 0;
        for (unsigned i = 0; i < count; i++) {
            assert_true(changes[i].size && changes[i].base >= end); /* rising, and nothing twice */
            end = changes[i].base + changes[i].size;
            for (uint64_t page = changes[i].base >> 12; page < end >> 12; page++) {
                assert_int_equal(changes[i].before ? changes[i].before->rights : 0, pages[0][page]);
                assert_int_equal(changes[i].after ? changes[i].after->rights : 0, pages[1][page]);
                told[page] = 1;
            }
        }
        for (int i = 0; i < PAGES; i++)
            assert_int_equal(told[i], pages[0][i] != pages[1][i]);
        free(changes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps_of_a_load), cmocka_unit_test(test_differences_of_random_maps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
