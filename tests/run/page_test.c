#define _GNU_SOURCE
/* The page of `run --html` and `map --html`: as a file, and in a real browser where there is one (`make deps-page`). What it
 * must show comes from objdump and from the tables that other tests hold against it. */
#include "tests/support/browser.h"
#include "tests/support/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PELOAD TEST_BUILD "/peload"
#define OBJDUMP "/usr/bin/x86_64-w64-mingw32-objdump"
#define PAGES TEST_BUILD "/tests/pages/"
#define HELLO TEST_BUILD "/samples/x64/hello.exe"

static struct browser browser;
static bool has_browser;

static char *told(const char *const *arguments, int status)
{
    struct process process = {.arguments = arguments, .seconds = 120};
    assert_true(process_run(&process));
    if (process.status != status)
        fprintf(stderr, "%s %s: exit status %d\n%s", arguments[0], arguments[1], process.status, process.errors);
    assert_int_equal(process.status, status);
    free(process.errors);
    return process.output;
}

static char *page_read(const char *path)
{
    size_t size;
    char *page = text_read(path, &size);
    assert_non_null(page);
    assert_true(size < 3 << 20);
    assert_int_equal(strlen(page), size);
    return page;
}

static unsigned occurrences(const char *text, const char *word)
{
    unsigned count = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        count++;
    return count;
}

/* ---- the file ------------------------------------------------------------------------------------------- */

/* stdout is the guest's alone; the page is whole, and refers to nothing outside of itself. */
static void test_run_writes_a_page(void **state)
{
    (void)state;
    char *output = told((const char *[]){PELOAD, "run", "--html=" PAGES "run.html", HELLO, "one", NULL}, 0);
    char *plain = told((const char *[]){PELOAD, "run", HELLO, "one", NULL}, 0);
    assert_string_equal(output, plain);
    char *page = page_read(PAGES "run.html");
    assert_int_equal(access(PAGES "run.html.part", F_OK), -1);
    assert_int_equal(strncmp(page, "<!doctype html>", 15), 0);
    assert_non_null(strstr(page, "\"exit\": {\"code\": 0, \"how\": \"exited\"}"));
    assert_null(strstr(page, "src="));
    assert_null(strstr(page, "@import"));
    assert_int_equal(occurrences(page, "url("), occurrences(page, "url(#"));
    assert_int_equal(occurrences(page, "http"), occurrences(page, "http-equiv") + occurrences(page, "http://www.w3.org/2000/svg"));
    free(output), free(plain), free(page);
}

/* A guest that is killed leaves the page that was written when it was about to start. */
static void test_killed_guest_leaves_a_page(void **state)
{
    (void)state;
    int input[2]; /* nothing ever comes: it waits */
    unlink(PAGES "killed.html");
    assert_int_equal(pipe(input), 0);
    pid_t id = fork();
    if (id == 0) {
        close(1);
        dup2(input[0], 0);
        execl(PELOAD, PELOAD, "run", "--html=" PAGES "killed.html", TEST_BUILD "/samples/x64/stdin_echo.exe", (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 2000 && access(PAGES "killed.html", F_OK); tries++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    kill(id, SIGKILL);
    waitpid(id, NULL, 0);
    close(input[0]), close(input[1]);
    char *page = page_read(PAGES "killed.html");
    assert_non_null(strstr(page, "{\"name\": \"started\""));
    assert_null(strstr(page, "\"exit\": {"));
    assert_non_null(strstr(page, "</html>"));
    free(page);
}

static void test_refused_program_has_a_page(void **state)
{
    (void)state;
    free(told((const char *[]){PELOAD, "run", "--html=" PAGES "refused.html", TEST_BUILD "/samples/x64/missing_dll.exe", NULL}, 126));
    char *page = page_read(PAGES "refused.html");
    assert_non_null(strstr(page, "\"refused\": {\"phase\": \"find\", \"ntstatus\": \"0xc0000135\""));
    assert_null(strstr(page, "{\"name\": \"started\""));
    free(page);
}

/* The page without what differs from page to page: the numbers that its policy names. */
static char *without_nonce(char *page)
{
    for (char *at = page; (at = strstr(at, "nonce")); at += 5)
        for (char *digit = at + 5 + strspn(at + 5, "-=\""); strchr("0123456789abcdef", *digit); digit++)
            *digit = '.';
    return page;
}

/* The Windows programs carry the same page: they run on the native lane, and write what this one writes. */
static void test_windows_programs_write_the_same(void **state)
{
    (void)state;
    static const char *const programs[] = {TEST_BUILD "/peload.exe", TEST_BUILD "/peload32.exe"};
    free(told((const char *[]){PELOAD, "map", "--html=" PAGES "map.html", HELLO, NULL}, 0));
    char *own = without_nonce(page_read(PAGES "map.html"));
    for (int i = 0; i < 2; i++) {
        free(told((const char *[]){PELOAD, "run", programs[i], "map", "--html=" PAGES "windows.html", HELLO, NULL}, 0));
        char *page = without_nonce(page_read(PAGES "windows.html"));
        assert_true(!strcmp(page, own));
        free(page);
    }
    free(own);
}

/* What the pages of this program are drawn from is what report.schema.json says. */
static void test_data_agrees_with_the_schema(void **state)
{
    (void)state;
    static const char *const pages[] = {PAGES "run.html", PAGES "refused.html", PAGES "map.html"};
    free(told((const char *[]){PELOAD, "map", "--html=" PAGES "map.html", TEST_BUILD "/samples/x86/graph_a.dll", NULL}, 0));
    if (access("/usr/lib/python3/dist-packages/jsonschema", F_OK))
        skip();
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        char *page = page_read(pages[i]), *from = strstr(page, "id=\"data\""), *to;
        assert_non_null(from);
        from = strchr(from, '\n');
        assert_non_null(to = strstr(from, "</script>"));
        assert_true(text_write(PAGES "data.json", from, (size_t)(to - from)));
        free(page);
        free(told((const char *[]){"/usr/bin/python3", "-W", "ignore", "-m", "jsonschema", "-i", PAGES "data.json", "loader/cli/report/report.schema.json", NULL}, 0));
    }
    /* and a page that is something else is refused by it */
    assert_true(text_write(PAGES "data.json", "{\"schema\": 1}", 13));
    free(told((const char *[]){"/usr/bin/python3", "-W", "ignore", "-m", "jsonschema", "-i", PAGES "data.json", "loader/cli/report/report.schema.json", NULL}, 1));
}

static void test_errors(void **state)
{
    (void)state;
    free(told((const char *[]){PELOAD, "run", "--html=/nowhere/at/all.html", HELLO, NULL}, 125)); /* told in time: the guest has not run */
    free(told((const char *[]){PELOAD, "map", "--html=/nowhere/at/all.html", HELLO, NULL}, 125));
    free(told((const char *[]){PELOAD, "map", "--html=" PAGES "no.html", "README.md", NULL}, 126));
    free(told((const char *[]){PELOAD, "map", "--html=" PAGES "no.html", "nowhere.exe", NULL}, 127));
    free(told((const char *[]){PELOAD, "map", "--json", "--html=" PAGES "no.html", HELLO, NULL}, 125));
    free(told((const char *[]){PELOAD, "run", "--check", "--html=" PAGES "no.html", HELLO, NULL}, 125));
    assert_int_equal(access(PAGES "no.html", F_OK), -1);
}

/* Names that try to be markup: a section, an imported function and the file's own name. */
static const char hostile_name[] = PAGES "a\"<b id=x>&'.exe";

static void replace(char *bytes, size_t size, const char *old, const char *new, size_t length)
{
    char *at = memmem(bytes, size, old, length);
    assert_non_null(at);
    memcpy(at, new, length);
}

static void test_hostile_names_stay_text(void **state)
{
    (void)state;
    size_t size;
    char *bytes = text_read(HELLO, &size);
    assert_non_null(bytes);
    replace(bytes, size, ".text\0\0\0", "<b id=x>", 8);
    replace(bytes, size, "GetStartupInfoA", "</script><b id=", 15);
    replace(bytes, size, "GetLastError", "<!--<script>", 12);
    assert_true(text_write(hostile_name, bytes, size));
    free(bytes);
    free(told((const char *[]){PELOAD, "map", "--html=" PAGES "hostile.html", hostile_name, NULL}, 0));
    char *page = page_read(PAGES "hostile.html");
    assert_int_equal(occurrences(page, "<script"), 2);
    assert_int_equal(occurrences(page, "</script>"), 2);
    assert_int_equal(occurrences(page, "<b id"), 0);
    assert_int_equal(occurrences(page, "<!--"), 0);
    free(page);
}

/* ---- in the browser --------------------------------------------------------------------------------------- */

#define NEEDS_BROWSER()   \
    do {                  \
        if (!has_browser) \
            skip();       \
    } while (0)

static void quiet_console(void)
{
    char *console = browser_console(&browser);
    assert_non_null(console);
    if (strcmp(console, "[]"))
        fprintf(stderr, "console: %s\n", console);
    assert_string_equal(console, "[]");
    free(console);
}

static void look(const char *page, const char *hash)
{
    assert_true(browser_go(&browser, page, hash));
    quiet_console();
}

static void text_is(const char *script, const char *expected)
{
    char *text = browser_text(&browser, script);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void step_to(const char *name)
{
    char script[400];
    snprintf(script, sizeof script, "const s = document.getElementById('slider');"
             "s.value = [...document.querySelectorAll('.stop')].findIndex(stop => stop.dataset.step === '%s');"
             "s.dispatchEvent(new Event('input')); return document.querySelector('.stop[aria-current]').dataset.step;", name);
    text_is(script, name);
}

static void test_page_loads(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    free(told((const char *[]){PELOAD, "run", "--html=" PAGES "run.html", HELLO, NULL}, 0));
    assert_true(browser_size(&browser, 1280, 900));
    look(PAGES "run.html", "lang=en");
    text_is("return document.getElementById('name').textContent", "hello.exe");
    text_is("return [...document.querySelectorAll('section')].map(s => s.id).join(' ')",
            "layout space modules imports relocations threads handles parameters headers events");
    /* Nothing was fetched, and nothing could be. */
    assert_true(browser_number(&browser, "return performance.getEntriesByType('resource').length") == 0);
    printf("page of %s: shown after %.0f ms\n", HELLO, browser_number(&browser, "return performance.timing.loadEventEnd - performance.timing.navigationStart"));
}

/* Each step changes what is seen: bands, rights, heat, slots, entry point, new regions. */
static void test_slider_moves_the_load(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    free(told((const char *[]){PELOAD, "run", "--occupy", "--html=" PAGES "moved.html", HELLO, NULL}, 0));
    look(PAGES "moved.html", "lang=en&step=file");
    const char *bands = "return document.querySelectorAll('#ladders .bands path').length", *heat = "return document.querySelectorAll('#ladders rect.page:not(.would)').length",
               *slots = "return document.querySelectorAll('#ladders .slots line').length", *entry = "return document.querySelectorAll('#ladders .entry').length",
               *rights = "return [...document.querySelectorAll('#ladders g.image')].find(g => g.querySelector('.name').textContent === '.text').querySelector('.rights').textContent";
    assert_true(browser_number(&browser, bands) == 0);
    step_to("placed");
    text_is("return document.querySelector('#ladders .placard').textContent", "reserved, no access");
    step_to("filled");
    assert_true(browser_number(&browser, bands) > 5);
    text_is(rights, "RW-"); /* open for relocation and binding */
    assert_true(browser_number(&browser, heat) == 0);
    step_to("relocated");
    assert_true(browser_number(&browser, heat) > 0);
    assert_true(browser_number(&browser, slots) == 0);
    step_to("bound");
    assert_true(browser_number(&browser, slots) > 0);
    text_is("return [...document.querySelectorAll('#space-table tr.new.group .use')].map(e => e.textContent.split(' ')[0]).join()", "msvcrt.dll");
    step_to("protected");
    text_is(rights, "R-X ←RW-");
    assert_true(browser_number(&browser, entry) == 0);
    step_to("started");
    assert_true(browser_number(&browser, entry) == 1);
    assert_true(browser_number(&browser, "return [...document.querySelectorAll('#space-table tr.new .use')].filter(e => /stack of thread|TEB of thread|PEB/.test(e.textContent)).length") >= 3);
    /* The keyboard does the same. */
    text_is("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})); return document.querySelector('.stop[aria-current]').dataset.step", "protected");
    quiet_console();
}

/* Sections and rights that the last step shows are those that objdump reads. */
static void test_ladder_agrees_with_objdump(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    look(PAGES "run.html", "lang=en&step=protected");
    char *dump = told((const char *[]){OBJDUMP, "-h", HELLO, NULL}, 0), *rest = dump, *line;
    unsigned sections = 0;
    while ((line = strsep(&rest, "\n"))) {
        char name[64], script[600], expected[64];
        unsigned long long address;
        if (sscanf(line, " %*u %63s %*x %llx", name, &address) != 2 || !rest)
            continue;
        char *flags = strsep(&rest, "\n");
        snprintf(expected, sizeof expected, "%c%c%c 0x%016llx", 'R', strstr(flags, "READONLY") ? '-' : 'W', strstr(flags, "CODE") ? 'X' : '-', address);
        snprintf(script, sizeof script, "const row = [...document.querySelectorAll('#ladders g.image')].find(g => g.querySelector('.name').textContent === '%s');"
                 "return row.querySelector('.rights').textContent.slice(0, 3) + ' ' + [...row.querySelectorAll('tspan')].map(e => e.textContent).join('')", name);
        text_is(script, expected);
        sections++;
    }
    assert_true(sections > 5);
    free(dump);
}

static void search(const char *id, const char *words)
{
    char script[300];
    snprintf(script, sizeof script, "const s = document.getElementById('%s-search'); s.value = '%s'; s.dispatchEvent(new Event('input')); return ''", id, words);
    text_is(script, "");
}

static void test_search_filters(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    look(PAGES "run.html", "lang=en");
    const char *rows = "return document.querySelectorAll('#imports-table tbody tr').length";
    double all = browser_number(&browser, rows);
    assert_true(all >= 50);
    search("imports", "hello.exe GetStartupInfo");
    assert_true(browser_number(&browser, rows) == 1);
    text_is("return document.querySelector('#imports-table tbody tr .name').textContent", "GetStartupInfoA");
    search("imports", "no such function anywhere");
    text_is("return document.querySelector('#imports-table tbody').textContent", "Nothing fits.");
    search("imports", "");
    assert_true(browser_number(&browser, rows) == all);
    quiet_console();
}

static void test_language_and_theme(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    look(PAGES "run.html", "lang=en&theme=light");
    text_is("return document.querySelector('#layout h2').textContent", "File and image");
    text_is("document.querySelector('#language [data-value=zh]').click(); return document.documentElement.lang", "zh-CN");
    text_is("return document.querySelector('#relocations h2').textContent", "重定位表");
    text_is("return document.querySelector('.stop[data-step=filled] .word').textContent", "拉伸");
    /* Every word has both languages. */
    assert_true(browser_number(&browser, "return Object.values(WORDS).filter(w => w.length !== 2 || !w[0] || !w[1]).length") == 0);
    char *light = browser_text(&browser, "return getComputedStyle(document.body).backgroundColor");
    char *dark = browser_text(&browser, "document.querySelector('#theme [data-value=dark]').click(); return getComputedStyle(document.body).backgroundColor");
    assert_string_not_equal(light, dark);
    free(light), free(dark);
    quiet_console();
}

/* Pointing at a stretch of the image tells its three addresses together, as the section table has them. */
static void test_focus_tells_addresses(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    look(PAGES "run.html", "lang=en&step=protected");
    text_is("const row = [...document.querySelectorAll('#ladders g.image')].find(g => g.querySelector('.name').textContent === '.rdata'); row.focus();"
            "const s = DATA.file.info.sections.find(s => s.name === '.rdata'), p = document.getElementById('place');"
            "const read = kind => p.querySelector('.mono.' + kind).textContent;"
            "return String(Number(read('va')) === Number(s.rva) + 0x140000000 && read('rva') === s.rva && read('offset') === s.offset)", "true");
}

static void test_no_sideways_scroll(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    static const char *const pages[] = {PAGES "run.html", PAGES "moved.html", PAGES "hostile.html", PAGES "refused.html"};
    static const unsigned widths[] = {360, 800, 1920};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
            assert_true(browser_size(&browser, widths[j], 800));
            look(pages[i], j % 2 ? "lang=zh" : "lang=en");
            double width = browser_number(&browser, "return document.documentElement.scrollWidth");
            if (width > widths[j])
                fprintf(stderr, "%s at %u: %g wide\n", pages[i], widths[j], width);
            assert_true(width <= widths[j]);
            char picture[200], head[8] = "";
            snprintf(picture, sizeof picture, "%s.%u.png", pages[i], widths[j]); /* for whoever wants to look */
            assert_true(browser_picture(&browser, picture));
            FILE *file = fopen(picture, "rb");
            assert_non_null(file);
            assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
            fclose(file);
            assert_memory_equal(head, "\x89PNG\r\n\x1a\n", sizeof head);
        }
    assert_true(browser_size(&browser, 1280, 900));
}

static void test_hostile_names_in_the_browser(void **state)
{
    (void)state;
    NEEDS_BROWSER();
    look(PAGES "hostile.html", "lang=en");
    assert_true(browser_number(&browser, "return document.querySelectorAll('b, #x').length") == 0);
    text_is("const name = 'a' + String.fromCharCode(34) + '<b id=x>&' + String.fromCharCode(39) + '.exe';"
            "return String(document.getElementById('name').textContent === name && document.title === name + ' · peload')", "true");
    text_is("return String([...document.querySelectorAll('#ladders .file .name')][1].textContent === '<b id=x>')", "true");
    text_is("const names = [...document.querySelectorAll('#imports-table .name')].map(e => e.textContent);"
            "return String(names.includes('<!--<script>') && names.includes('</script><b id='))", "true");
}

/* The largest program at hand, some thirty modules: below 3 MB (page_read), and quickly there. */
static void test_large_page(void **state)
{
    (void)state;
    free(told((const char *[]){PELOAD, "run", "--html=" PAGES "large.html", TEST_BUILD "/samples/x64/system_dlls.exe", NULL}, 0));
    char *page = page_read(PAGES "large.html");
    printf("page of system_dlls.exe: %zu bytes\n", strlen(page));
    free(page);
    NEEDS_BROWSER();
    look(PAGES "large.html", "lang=en");
    assert_true(browser_number(&browser, "return document.querySelectorAll('table.modules tbody tr').length") > 20);
    printf("page of system_dlls.exe: shown after %.0f ms\n", browser_number(&browser, "return performance.timing.loadEventEnd - performance.timing.navigationStart"));
}

/* Two lanes beside each other: the verdict, each difference, and the other lane at a click. */
static void test_compare_page(void **state)
{
    (void)state;
    struct process process = {.arguments = (const char *[]){PELOAD, "compare", "--lanes=native,reference", "--html=" PAGES "compare.html", HELLO, NULL},
                              .seconds = 120};
    unsigned differences, unexplained;
    assert_true(process_run(&process));
    assert_non_null(strstr(process.output, "entry: "));
    assert_int_equal(sscanf(strstr(process.output, "entry: "), "entry: %u differences, %u unexplained", &differences, &unexplained), 2);
    assert_int_equal(process.status, unexplained != 0); /* what explains them is compare_test's business */
    process_free(&process);
    char *page = page_read(PAGES "compare.html");
    assert_non_null(strstr(page, "\"kind\":\"snapshot\",\"lane\":\"native\""));
    assert_int_equal(occurrences(page, "</script>"), 2);
    free(page);
    NEEDS_BROWSER();
    look(PAGES "compare.html", "lang=en");
    char count[64];
    snprintf(count, sizeof count, "%u of %u", differences, differences);
    text_is("return document.querySelector('#differences .count').textContent", count);
    text_is("return [...document.querySelectorAll('#differences svg .head')].map(e => e.textContent).join()", "native,reference");
    text_is("return document.querySelector('#differences .verdict').className", unexplained ? "verdict bad" : "verdict good");
    const char *modules = "return document.querySelectorAll('table.modules tbody tr').length";
    double native = browser_number(&browser, modules);
    text_is("document.querySelectorAll('.lanes button')[1].click(); return document.querySelector('.lanes [aria-pressed=true]').textContent", "reference");
    assert_true(browser_number(&browser, modules) == native - 1); /* without the native lane's guest half */
    assert_true(browser_number(&browser, "return document.querySelectorAll('#space-picture svg').length") == 2);
    search("differences", "redirection");
    assert_true(browser_number(&browser, "return document.querySelectorAll('#differences-table tr.heading').length") == 1);
    assert_true(browser_size(&browser, 360, 800));
    look(PAGES "compare.html", "lang=zh");
    assert_true(browser_number(&browser, "return document.documentElement.scrollWidth") <= 360);
    assert_true(browser_size(&browser, 1280, 900));
}

static int begin(void **state)
{
    (void)state;
    mkdir(TEST_BUILD "/tests", 0777);
    mkdir(PAGES, 0777);
    has_browser = browser_open(&browser);
    if (!has_browser)
        fputs("no chromedriver with Chromium here: the tests in a browser are skipped\n", stderr);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (has_browser)
        browser_close(&browser);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_writes_a_page), cmocka_unit_test(test_killed_guest_leaves_a_page),
        cmocka_unit_test(test_refused_program_has_a_page), cmocka_unit_test(test_data_agrees_with_the_schema), cmocka_unit_test(test_windows_programs_write_the_same),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_hostile_names_stay_text),
        cmocka_unit_test(test_page_loads), cmocka_unit_test(test_slider_moves_the_load), cmocka_unit_test(test_ladder_agrees_with_objdump),
        cmocka_unit_test(test_search_filters), cmocka_unit_test(test_language_and_theme), cmocka_unit_test(test_focus_tells_addresses),
        cmocka_unit_test(test_no_sideways_scroll), cmocka_unit_test(test_hostile_names_in_the_browser), cmocka_unit_test(test_large_page),
        cmocka_unit_test(test_compare_page),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
