/* Time, system information, NLS, locale, tokens, atoms, process information. Expectations are Windows': documented
 * structures, sizes and statuses, and what Wine's conformance tests, which run on Windows, require. */
#include "loader/nt/ex/private.h"
#include "loader/nt/mm.h"

#include "nt_kernel.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#ifdef __x86_64__
#define BY_WIDTH(on32, on64) (on64)
#else
#define BY_WIDTH(on32, on64) (on32)
#endif

/* ---- stand-ins for the memory manager ---- */

NTSTATUS nt_mm_allocate(uintptr_t *base, size_t size, ULONG type, ULONG protect, uintptr_t limit)
{
    (void)type, (void)protect, (void)limit;
    void *at = mmap((void *)*base, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return at == MAP_FAILED ? STATUS_CONFLICTING_ADDRESSES : STATUS_SUCCESS;
}

static char mapped[4096]; /* the last file that was mapped */

NTSTATUS nt_mm_map_file(const char *path, void **base, size_t *size)
{
    if (access(path, R_OK))
        return STATUS_NO_MEMORY; /* whatever keeps the file from being mapped */
    snprintf(mapped, sizeof mapped, "%s", strrchr(path, '/') + 1);
    *base = mapped;
    *size = 0x2000;
    return STATUS_SUCCESS;
}

static int sleep_ms(long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    return nanosleep(&pause, NULL);
}

/* What `test` says in a process of its own: some answers are worked out once per process, from the environment. */
static bool alone(bool (*test)(const void *), const void *argument)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(test(argument) ? 0 : 1);
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- time ---------------------------------------------------------------------------------------------- */

static void time_services(void **state)
{
    LARGE_INTEGER now, counter, frequency, last = {.value = 0};
    ULONG coarsest, finest, current;
    (void)state;
    int64_t before = (int64_t)time(NULL);
    STATUS_IS(NtQuerySystemTime(&now), STATUS_SUCCESS);
    int64_t seconds = (int64_t)(now.value / 10000000 - 11644473600ll);
    assert_true(seconds >= before && seconds <= (int64_t)time(NULL) + 1); /* time() is a tick behind */
    STATUS_IS(NtQuerySystemTime((void *)16), STATUS_ACCESS_VIOLATION);
    for (int i = 0; i < 1000; i++) {
        STATUS_IS(NtQueryPerformanceCounter(&counter, &frequency), STATUS_SUCCESS);
        assert_int_equal(frequency.value, 10000000);
        assert_true(counter.value >= last.value);
        last = counter;
    }
    STATUS_IS(NtQueryPerformanceCounter(&counter, NULL), STATUS_SUCCESS);
    STATUS_IS(NtQueryPerformanceCounter(NULL, NULL), STATUS_ACCESS_VIOLATION);
    assert_true((ULONG)(counter.value / 10000) - NtGetTickCount() + 100 < 200);
    STATUS_IS(NtSetSystemTime(&now, NULL), STATUS_PRIVILEGE_NOT_HELD);
    STATUS_IS(NtQueryTimerResolution(&coarsest, &finest, &current), STATUS_SUCCESS);
    assert_int_equal(coarsest, 156250);
    assert_int_equal(finest, 5000);
    assert_int_equal(current, 156250);
    STATUS_IS(NtSetTimerResolution(10000, 0, &current), STATUS_TIMER_RESOLUTION_NOT_SET);
    STATUS_IS(NtSetTimerResolution(10000, 1, &current), STATUS_SUCCESS);
    assert_int_equal(current, 10000);
    STATUS_IS(NtSetTimerResolution(1, 1, &current), STATUS_SUCCESS);
    assert_int_equal(current, 5000);
    STATUS_IS(NtSetTimerResolution(0, 0, &current), STATUS_SUCCESS);
    assert_int_equal(current, 156250);
}

/* ---- KUSER_SHARED_DATA ------------------------------------------------------------------------------------ */

static const volatile uint8_t *const shared = (const volatile uint8_t *)0x7ffe0000;

static uint32_t shared_word(unsigned at) { return *(const volatile uint32_t *)(shared + at); }

/* As a guest reads it: high1, low, high2 until both highs agree. */
static uint64_t shared_time(unsigned at)
{
    for (;;) {
        uint32_t high = shared_word(at + 4), low = shared_word(at);
        if (high == shared_word(at + 8))
            return (uint64_t)high << 32 | low;
    }
}

static unsigned thread_count(void)
{
    char text[4096];
    assert_true(ex_file_read("/proc/self/status", text, sizeof text));
    return (unsigned)atoi(strstr(text, "Threads:") + 8);
}

/* All that the ticker moves, in time. */
static bool shared_moves(uint64_t tick, uint64_t interrupt, uint64_t system)
{
    for (int i = 0; i < 4000; i++) {
        if (shared_time(0x320) >= tick + 50 && shared_time(8) >= interrupt + 500000 && shared_time(0x14) >= system + 500000)
            return true;
        sleep_ms(5); /* the one signal interrupts a sleep */
    }
    return false;
}

static bool shared_page(const void *unused)
{
    char maps[16384];
    sigset_t all, before;
    (void)unused;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* the ticker waits for its signal */
    setenv("TZ", "XXX-1", 1);
    tzset();
    nt_process.dispatcher_entry = 0x12345678;
    unsigned threads = thread_count();
    if (!nt_ex_user_shared_data_open() || !nt_ex_user_shared_data_open())
        return false;
    bool fields = shared_word(4) == 1u << 24 && shared_word(0x26c) == 10 && shared_word(0x270) == 0 && shared_word(0x260) == 19043 &&
                  shared_word(0x300) == 10000000 && shared_word(0x304) == 0 && shared_word(0x308) == 1 &&
                  shared[0x264] == 1 && shared[0x268] == 1 && shared[0x30] == 'C' && shared[0x32] == ':' &&
                  shared[0x274 + 10] == 1 /* SSE2 */ && shared_word(0x3c0) == ex_processor_count();
#ifdef __x86_64__
    fields = fields && *(const volatile uintptr_t *)(shared + 0x1000) == 0x12345678;
#endif
    uint64_t tick = shared_time(0x320), interrupt = shared_time(8), system = shared_time(0x14);
    fields = fields && llabs((int64_t)(system - nt_time_now())) < 600000000 && llabs((int64_t)(interrupt - ex_monotonic())) < 600000000 &&
             llabs((int64_t)(tick - interrupt / 10000)) <= 1 && shared_word(0) == (uint32_t)tick;
    /* The guest's view cannot be written. */
    fields = fields && ex_file_read("/proc/self/maps", maps, sizeof maps) && strstr(maps, "7ffe0000-7ffe") &&
             !strncmp(strchr(strstr(maps, "7ffe0000-7ffe"), ' '), " r--", 4);
    fields = fields && thread_count() == threads; /* no ticker yet */
    sigprocmask(SIG_SETMASK, &before, NULL);
    fields = fields && shared_moves(tick, interrupt, system) && thread_count() == threads + 1;
    fields = fields && ex_file_read("/proc/self/maps", maps, sizeof maps) && strstr(maps, "7ffe0000-7ffe") &&
             !strncmp(strchr(strstr(maps, "7ffe0000-7ffe"), ' '), " r--", 4) && shared_word(0x260) == 19043;
    nt_ex_zone(); /* one hour east: -36000000000 units */
    fields = fields && shared_word(0x20) == (uint32_t)(-36000000000ll & 0xffffffff) && shared_word(0x24) == 0xfffffff7u;
    return fields && shared_time(0x320) <= ex_monotonic() / 10000;
}

static void shared_data(void **state)
{
    (void)state;
    assert_true(alone(shared_page, NULL));
}

/* A reader on another thread never sees two halves of different times. */
static bool shared_coherent(const void *unused)
{
    (void)unused;
    ULONG current;
    if (!nt_ex_user_shared_data_open() || NtSetTimerResolution(5000, 1, &current))
        return false;
    uint64_t last[2] = {0}, first = shared_time(0x14), end = ex_monotonic() + 3000000;
    while (ex_monotonic() < end) {
        uint64_t now[2] = {shared_time(8), shared_time(0x14)};
        if (now[0] < last[0] || now[1] + 10000000 < last[1])
            return false;
        memcpy(last, now, sizeof now);
    }
    return last[1] - first > 2000000;
}

static void shared_data_coherent(void **state)
{
    (void)state;
    assert_true(alone(shared_coherent, NULL));
}

/* ---- time zones ---------------------------------------------------------------------------------------------- */

struct zone_case { const char *host, *key; LONG bias, daylight_bias; int standard[4], daylight[4]; }; /* month, weekday, day, hour */

static bool rule_is(const struct nt_system_time *rule, const int *expected)
{
    return rule->month == expected[0] && rule->weekday == expected[1] && rule->day == expected[2] && rule->hour == expected[3] &&
           !rule->year && !rule->minute && !rule->second;
}

static bool zone_text_is(const WCHAR *text, const char *expected)
{
    size_t i = 0;
    for (; expected[i] && text[i] == (uint8_t)expected[i]; i++)
        ;
    return !expected[i] && !text[i];
}

static bool zone_is(const void *argument)
{
    const struct zone_case *expected = argument;
    setenv("TZ", expected->host, 1);
    tzset();
    const struct nt_zone *zone = nt_ex_zone();
    return zone->bias == expected->bias && zone->daylight_bias == expected->daylight_bias && zone->standard_bias == 0 &&
           rule_is(&zone->standard_date, expected->standard) && rule_is(&zone->daylight_date, expected->daylight) &&
           zone_text_is(zone->key, expected->key);
}

/* Keys and rules as Wine's and Windows' registry have them under "Time Zones". */
static void time_zones(void **state)
{
    static const struct zone_case rules[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", "CET", -60, -60, {10, 0, 5, 3}, {3, 0, 5, 2}},
        {"EST5EDT,M3.2.0,M11.1.0", "EST", 300, -60, {11, 0, 1, 2}, {3, 0, 2, 2}},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", "AEST", -600, -60, {4, 0, 1, 3}, {10, 0, 1, 2}},
        {"IST-5:30", "IST", -330, 0, {0}, {0}},
        {"UTC", "UTC", 0, 0, {0}, {0}},
    }, names[] = {
        {"Europe/Berlin", "W. Europe Standard Time", -60, -60, {10, 0, 5, 3}, {3, 0, 5, 2}},
        {"Europe/Dublin", "GMT Standard Time", 0, -60, {10, 0, 5, 2}, {3, 0, 5, 1}},
        {":America/New_York", "Eastern Standard Time", 300, -60, {11, 0, 1, 2}, {3, 0, 2, 2}},
        {"/usr/share/zoneinfo/Asia/Kolkata", "India Standard Time", -330, 0, {0}, {0}},
        {"Etc/UTC", "UTC", 0, 0, {0}, {0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!alone(zone_is, &rules[i]))
            fail_msg("TZ=%s", rules[i].host);
    for (size_t i = 0; i < sizeof names / sizeof *names && !access("/usr/share/zoneinfo/Europe/Berlin", F_OK); i++)
        if (!alone(zone_is, &names[i]))
            fail_msg("TZ=%s", names[i].host);
}

static bool zone_answers(const void *unused)
{
    struct nt_zone zone;
    struct { LONGLONG boot, now, bias; ULONG id, reserved; ULONGLONG rest[2]; } day;
    ULONG size = 0;
    (void)unused;
    setenv("TZ", "XXX-1", 1);
    tzset();
    if (NtQuerySystemInformation(44, &zone, 172, &size) || size != 172 || zone.bias != -60)
        return false;
    if (NtQuerySystemInformation(102, &zone, 432, &size) || size != 432 || !zone_text_is(zone.key, "XXX"))
        return false;
    return !NtQuerySystemInformation(3, &day, sizeof day, &size) && size == 48 && day.bias == -36000000000ll && day.boot < day.now;
}

static void time_zone_answers(void **state)
{
    (void)state;
    assert_true(alone(zone_answers, NULL));
}

/* ---- NLS and locale ------------------------------------------------------------------------------------------ */

static void nls_sections(void **state)
{
    static const struct { ULONG type, id; NTSTATUS status; const char *file; } cases[] = {
        {9, 0, STATUS_SUCCESS, "sortdefault.nls"}, {9, 1, STATUS_INVALID_PARAMETER_1, NULL},
        {10, 0, STATUS_SUCCESS, "l_intl.nls"}, {10, 5, STATUS_UNSUCCESSFUL, NULL},
        {11, 1252, STATUS_SUCCESS, "c_1252.nls"}, {11, 37, STATUS_SUCCESS, "c_037.nls"},
        {11, 99999, STATUS_OBJECT_NAME_NOT_FOUND, NULL},
        {12, 1, STATUS_SUCCESS, "normnfc.nls"}, {12, 13, STATUS_SUCCESS, "normidna.nls"}, {12, 3, STATUS_OBJECT_NAME_NOT_FOUND, NULL},
        {0, 0, STATUS_INVALID_PARAMETER_1, NULL}, {8, 0, STATUS_INVALID_PARAMETER_1, NULL}, {13, 0, STATUS_INVALID_PARAMETER_1, NULL},
    };
    char folder[] = "/tmp/nt_ex_test.XXXXXX", path[100];
    static const char *const files[] = {"sortdefault.nls", "l_intl.nls", "c_1252.nls", "c_037.nls", "normnfc.nls", "normidna.nls"};
    (void)state;
    assert_non_null(mkdtemp(folder));
    nt_config.nls_folder = folder;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        fclose(fopen(path, "w"));
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *base = NULL;
        SIZE_T size = 0;
        STATUS_IS(NtGetNlsSectionPtr(cases[i].type, cases[i].id, NULL, &base, &size), cases[i].status);
        if (cases[i].file) {
            assert_string_equal(mapped, cases[i].file);
            assert_ptr_equal(base, mapped);
            assert_int_equal(size, 0x2000);
        }
    }
    STATUS_IS(NtGetNlsSectionPtr(9, 0, NULL, NULL, NULL), STATUS_ACCESS_VIOLATION);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    nt_config.nls_folder = NULL;
}

/* The real tables of the fetched DLL set. */
static const char *nls_folder(void)
{
    static char folder[512];
    const char *cache = getenv("PELOAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache)
        snprintf(folder, sizeof folder, "%s/current/nls", cache);
    else
        snprintf(folder, sizeof folder, "%s%s/peload/current/nls", xdg ? xdg : home ? home : "", xdg ? "" : "/.cache");
    return folder;
}

struct locale_case { const char *all, *messages, *lang; ULONG system, user; };

static bool locale_is(const void *argument)
{
    const struct locale_case *expected = argument;
    ULONG system = 0, user = 0;
    USHORT ui = 0;
    unsetenv("LC_CTYPE");
    setenv("LC_ALL", expected->all, 1);
    setenv("LC_MESSAGES", expected->messages, 1);
    setenv("LANG", expected->lang, 1);
    nt_config.nls_folder = nls_folder();
    return !NtQueryDefaultLocale(0, &system) && !NtQueryDefaultLocale(1, &user) && !NtQueryDefaultUILanguage(&ui) &&
           system == expected->system && user == expected->user && ui == (USHORT)expected->user;
}

/* LCIDs of [MS-LCID]; those but the first ones need the real locale.nls. */
static void locales(void **state)
{
    static const struct locale_case plain[] = {
        {"", "", "", 0x409, 0x409}, {"C", "de_DE", "de_DE", 0x409, 0x409}, {"POSIX", "", "", 0x409, 0x409},
        {"", "", "C.UTF-8", 0x409, 0x409}, {"", "", "en_US.UTF-8", 0x409, 0x409}, {"", "", "xx_YY", 0x409, 0x409},
    }, named[] = {
        {"de_DE.UTF-8", "", "", 0x407, 0x407}, {"", "fr_CA", "ja_JP.UTF-8", 0x411, 0xc0c}, {"", "", "sr_RS@latin", 0x241a, 0x241a},
        {"", "", "en_DE", 0x409, 0x409}, {"", "", "ca_ES@euro", 0x403, 0x403}, {"", "", "pt_BR.ISO-8859-1", 0x416, 0x416},
        {"", "", "de", 0x407, 0x407},
    };
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!alone(locale_is, &plain[i]))
            fail_msg("LC_ALL=%s LANG=%s", plain[i].all, plain[i].lang);
    for (size_t i = 0; i < sizeof named / sizeof *named && !access(nls_folder(), F_OK); i++)
        if (!alone(locale_is, &named[i]))
            fail_msg("LC_ALL=%s LANG=%s", named[i].all, named[i].lang);
    if (access(nls_folder(), F_OK))
        skip();
}

/* ---- system information --------------------------------------------------------------------------------------- */

static uint8_t answer[65536] __attribute__((aligned(16)));

static NTSTATUS query(ULONG class, ULONG length, ULONG *returned)
{
    memset(answer, 0xcc, sizeof answer);
    *returned = 0xabcd;
    return NtQuerySystemInformation(class, answer, length, returned);
}

/* Class, size, whether a longer buffer is taken. */
static void system_sizes(void **state)
{
    static const struct { ULONG class, size; bool longer; } cases[] = {
        {0, BY_WIDTH(0x2c, 0x40), false}, {62, BY_WIDTH(0x2c, 0x40), false}, {114, BY_WIDTH(0x2c, 0x40), false},
        {1, 12, true}, {2, 312, true}, {11, BY_WIDTH(4 + 284, 8 + 296), true}, {21, BY_WIDTH(0x24, 0x40), true}, {28, 12, true},
        {33, 16, true}, {35, 2, true}, {37, BY_WIDTH(12, 16), false}, {44, 172, true}, {90, 32, true}, {102, 432, true},
        {103, 8, true}, {154, 32, true},
    };
    ULONG returned;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ULONG class = cases[i].class, size = cases[i].size;
        NTSTATUS status = query(class, size, &returned);
        if (status || returned != size || answer[size] != 0xcc)
            fail_msg("class %u: status %08x, length %u", class, status, returned);
        STATUS_IS(query(class, size - 1, &returned), STATUS_INFO_LENGTH_MISMATCH);
        assert_int_equal(answer[0], 0xcc);
        STATUS_IS(query(class, size + 8, &returned), cases[i].longer ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH);
        STATUS_IS(NtQuerySystemInformation(class, NULL, size, NULL), STATUS_ACCESS_VIOLATION);
    }
    STATUS_IS(query(3, 48, &returned), STATUS_SUCCESS);
    STATUS_IS(query(3, 8, &returned), STATUS_SUCCESS); /* as much as is asked for */
    assert_int_equal(returned, 8);
    assert_int_equal(answer[8], 0xcc);
    STATUS_IS(query(3, 56, &returned), STATUS_INFO_LENGTH_MISMATCH);
}

static void system_unknown(void **state)
{
    ULONG returned;
    (void)state;
    STATUS_IS(query(1000, 64, &returned), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(query(0x7fffffff, 64, &returned), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(query(76, 64, &returned), STATUS_NOT_SUPPORTED);
    STATUS_IS(NtQuerySystemInformationEx(107, NULL, 0, answer, 64, &returned), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtQuerySystemInformationEx(1000, &returned, 4, answer, 64, &returned), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtSetSystemInformation(21, answer, 64), STATUS_PRIVILEGE_NOT_HELD);
    STATUS_IS(NtSetSystemInformation(1000, answer, 64), STATUS_INVALID_INFO_CLASS);
}

static void system_basic(void **state)
{
    ULONG returned;
    const ULONG *words = (const ULONG *)(const void *)answer;
    const ULONG_PTR *pointers = (const ULONG_PTR *)(const void *)(answer + 24);
    (void)state;
    nt_process.user_high = BY_WIDTH(0x7fff0000u, 0x7fffffff0000u);
    STATUS_IS(query(0, BY_WIDTH(0x2c, 0x40), &returned), STATUS_SUCCESS);
    assert_int_equal(words[1], 156250);
    assert_int_equal(words[2], 0x1000);
    assert_true(llabs((int64_t)words[3] * 4096 - (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)) < 1 << 20);
    assert_int_equal(pointers[0], 0x10000);
    assert_int_equal(pointers[1], 0x10000);
    assert_int_equal(pointers[2], BY_WIDTH(0x7ffeffffu, 0x7ffffffeffffu));
    assert_int_equal(__builtin_popcountll(pointers[3]), (uint8_t)pointers[4]);
    assert_int_equal((uint8_t)pointers[4], ex_processor_count());
}

/* Entries follow one another; every processor is in exactly one core, and the two forms agree. */
static void system_processors(void **state)
{
    ULONG returned, relation = 0xffff, cores = 0, cores_long = 0, at = 0;
    ULONG_PTR mask = 0;
    enum { ENTRY = BY_WIDTH(24, 32) };
    (void)state;
    STATUS_IS(query(73, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(returned % ENTRY, 0);
    for (ULONG i = 0; i < returned / ENTRY; i++) {
        ULONG_PTR of_entry = *(ULONG_PTR *)(void *)(answer + i * ENTRY);
        ULONG kind = *(ULONG *)(void *)(answer + i * ENTRY + sizeof(ULONG_PTR));
        assert_true(kind <= 3 && of_entry);
        if (kind == 0) {
            assert_int_equal(mask & of_entry, 0);
            mask |= of_entry;
            cores++;
        }
    }
    assert_int_equal(mask, ex_affinity());
    STATUS_IS(query(73, returned - 1, &returned), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(query(107, 64, &returned), STATUS_INVALID_PARAMETER); /* needs the longer call */
    STATUS_IS(NtQuerySystemInformationEx(107, &relation, sizeof relation, answer, sizeof answer, &returned), STATUS_SUCCESS);
    while (at < returned) {
        const ULONG *head = (const ULONG *)(const void *)(answer + at);
        assert_true(head[0] <= 4 && head[1] >= 32 && head[1] % 4 == 0);
        cores_long += head[0] == 0;
        at += head[1];
    }
    assert_int_equal(at, returned);
    assert_int_equal(cores_long, cores);
    relation = 7;
    STATUS_IS(NtQuerySystemInformationEx(107, &relation, sizeof relation, answer, sizeof answer, &returned), STATUS_INVALID_PARAMETER);
    HANDLE none = 0;
    STATUS_IS(NtQuerySystemInformationEx(181, &none, sizeof none, answer, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(*(uint16_t *)(void *)answer, BY_WIDTH(0x14c, 0x8664));
    STATUS_IS(NtQuerySystemInformationEx(181, &none, sizeof none, answer, 0, &returned), STATUS_BUFFER_TOO_SMALL);
    STATUS_IS(query(8, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, ex_processor_count() * 48);
    STATUS_IS(query(23, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, ex_processor_count() * 24);
}

/* This process with its one thread, at SYSTEM_PROCESS_INFORMATION's offsets. */
static void system_processes(void **state)
{
    ULONG returned;
    enum { ID = BY_WIDTH(0x44, 0x50), NAME = 0x38, HEAD = BY_WIDTH(0xb8, 0x100), CLIENT = BY_WIDTH(0x20, 0x28) };
    (void)state;
    ((struct nt_process_object *)nt_at(nt_process.object))->exit_status = STATUS_PENDING;
    ((struct nt_process_object *)nt_at(nt_process.object))->id = nt_process.id;
    snprintf(nt_process.image_path, sizeof nt_process.image_path, "/some/where/Program.exe");
    STATUS_IS(query(5, sizeof answer, &returned), STATUS_SUCCESS);
    const ULONG *words = (const ULONG *)(const void *)answer;
    assert_int_equal(words[0], 0); /* the last one */
    assert_int_equal(words[1], 1);
    assert_int_equal(*(HANDLE *)(void *)(answer + ID), nt_process.id);
    text_is((const UNICODE_STRING *)(const void *)(answer + NAME), "Program.exe");
    const CLIENT_ID *client = (const CLIENT_ID *)(const void *)(answer + HEAD + CLIENT);
    assert_int_equal(client->process, nt_process.id);
    assert_int_equal(client->thread, kernel_thread.object->id);
    STATUS_IS(query(5, 16, &returned), STATUS_INFO_LENGTH_MISMATCH);
    assert_true(returned >= HEAD + BY_WIDTH(0x40, 0x50));
}

static void system_handles(void **state)
{
    ULONG returned;
    HANDLE event = event_named(NULL);
    bool found = false;
    (void)state;
    enum { HEAD = 2 * sizeof(void *), ENTRY = BY_WIDTH(28, 40) };
    STATUS_IS(query(64, sizeof answer, &returned), STATUS_SUCCESS);
    ULONG_PTR count = *(ULONG_PTR *)(void *)answer;
    assert_int_equal(returned, HEAD + count * ENTRY);
    for (ULONG_PTR i = 0; i < count; i++) {
        const ULONG_PTR *entry = (const ULONG_PTR *)(const void *)(answer + HEAD + i * ENTRY);
        assert_int_equal(entry[1], nt_process.id);
        if (entry[2] == event)
            found = (ULONG)entry[3] == EVENT_ALL;
    }
    assert_true(found);
    ULONG handles = 0;
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 20, &handles, sizeof handles, &returned), STATUS_SUCCESS);
    assert_int_equal(handles, count);
    STATUS_IS(query(16, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(*(ULONG *)(void *)answer, count);
    assert_int_equal(returned, sizeof(void *) + count * BY_WIDTH(16, 24));
    STATUS_IS(query(16, 0, &returned), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

/* ---- process information ---------------------------------------------------------------------------------------- */

static void process_sizes(void **state)
{
    static const struct { ULONG class, size; } cases[] = {
        {0, BY_WIDTH(0x18, 0x30)}, {1, BY_WIDTH(0x20, 0x30)}, {2, 48}, {3, BY_WIDTH(0x2c, 0x58)}, {4, 32}, {7, sizeof(void *)}, {12, 4},
        {18, 2}, {20, 4}, {21, sizeof(void *)}, {24, 4}, {26, sizeof(void *)}, {29, 4}, {31, 4}, {33, 4}, {34, 4}, {36, 4},
        {37, BY_WIDTH(0x30, 0x40)},
    };
    ULONG returned;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ULONG class = cases[i].class, size = cases[i].size;
        memset(answer, 0xcc, sizeof answer);
        returned = 0;
        NTSTATUS status = NtQueryInformationProcess(NT_CURRENT_PROCESS, class, answer, size, &returned);
        if (status || returned != size || answer[size] != 0xcc)
            fail_msg("class %u: status %08x, length %u", class, status, returned);
        STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, class, answer, size - 1, &returned), STATUS_INFO_LENGTH_MISMATCH);
        STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, class, answer, size + 1, &returned), STATUS_INFO_LENGTH_MISMATCH);
    }
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 1002, answer, 8, NULL), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtQueryInformationProcess(0xdeadbeec, 0, answer, BY_WIDTH(0x18, 0x30), NULL), STATUS_INVALID_HANDLE);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_THREAD, 0, answer, BY_WIDTH(0x18, 0x30), NULL), STATUS_OBJECT_TYPE_MISMATCH);
    ULONG_PTR port = 1;
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 7, &port, sizeof port, NULL), STATUS_SUCCESS);
    assert_int_equal(port, 0);
    HANDLE debug = 1;
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 30, &debug, sizeof debug, NULL), STATUS_PORT_NOT_SET);
    assert_int_equal(debug, 0);
    ULONG flags = 0, cookie[2] = {0};
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 31, &flags, sizeof flags, NULL), STATUS_SUCCESS);
    assert_int_equal(flags, 1); /* not debugged */
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 36, &cookie[0], 4, NULL), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 36, &cookie[1], 4, NULL), STATUS_SUCCESS);
    assert_true(cookie[0] && cookie[0] == cookie[1]);
}

static void process_strings(void **state)
{
    struct { UNICODE_STRING string; WCHAR text[100]; } name;
    ULONG returned = 0;
    (void)state;
    snprintf(nt_process.image_path, sizeof nt_process.image_path, "/some/where/program.exe");
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 43, &name, sizeof name, &returned), STATUS_SUCCESS);
    text_is(&name.string, "Z:\\some\\where\\program.exe");
    assert_int_equal(name.string.maximum, name.string.length + 2);
    assert_int_equal(returned, sizeof name.string + name.string.maximum);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 43, &name, returned - 1, &returned), STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(returned, sizeof name.string + name.string.maximum);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 27, &name, sizeof name, &returned), STATUS_SUCCESS);
    text_is(&name.string, "\\Device\\HarddiskVolume26\\some\\where\\program.exe");
}

static void process_settings(void **state)
{
    ULONG mode = 0x8001, back = 0;
    UCHAR priority[2] = {0, 4}, priority_back[2];
    ULONG_PTR affinity = 0;
    (void)state;
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 12, &mode, sizeof mode), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 12, &back, sizeof back, NULL), STATUS_SUCCESS);
    assert_int_equal(back, 0x8001);
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 12, &mode, 2), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 18, priority, 2), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationProcess(NT_CURRENT_PROCESS, 18, priority_back, 2, NULL), STATUS_SUCCESS);
    assert_int_equal(priority_back[1], 4);
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 21, &affinity, sizeof affinity), STATUS_INVALID_PARAMETER);
    affinity = 1;
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 21, &affinity, sizeof affinity), STATUS_SUCCESS);
    STATUS_IS(NtSetInformationProcess(NT_CURRENT_PROCESS, 1000, &mode, sizeof mode), STATUS_INVALID_INFO_CLASS);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

enum { TOKEN_ALL = 0xF01FF };
struct sid_and_attributes { struct ex_sid *sid; ULONG attributes; };

static HANDLE token_open(void)
{
    HANDLE token = 0;
    STATUS_IS(NtOpenProcessToken(NT_CURRENT_PROCESS, TOKEN_ALL, &token), STATUS_SUCCESS);
    return token;
}

/* Asks for the length, then for the answer; a byte less is refused. */
static const void *token_ask(HANDLE token, ULONG class, ULONG *size)
{
    static uint8_t buffer[4096] __attribute__((aligned(16)));
    memset(buffer, 0xcc, sizeof buffer);
    STATUS_IS(NtQueryInformationToken(token, class, buffer, 0, size), STATUS_BUFFER_TOO_SMALL);
    STATUS_IS(NtQueryInformationToken(token, class, buffer, *size - 1, size), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(buffer[0], 0xcc);
    STATUS_IS(NtQueryInformationToken(token, class, buffer, *size, size), STATUS_SUCCESS);
    assert_int_equal(buffer[*size], 0xcc);
    return buffer;
}

/* The SID lies inside the answer, behind the structure. */
static void sid_inside(const struct ex_sid *sid, const void *buffer, ULONG size, const char *expected)
{
    char text[100];
    assert_true((const char *)sid > (const char *)buffer && (const char *)sid + 8 + 4 * sid->count <= (const char *)buffer + size);
    int length = snprintf(text, sizeof text, "S-%u-%u", sid->revision, sid->authority[5]);
    for (unsigned i = 0; i < sid->count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "-%u", sid->sub[i]);
    if (expected)
        assert_string_equal(text, expected);
}

static void token_identity(void **state)
{
    HANDLE token = token_open();
    ULONG size;
    (void)state;
    const struct sid_and_attributes *user = token_ask(token, 1, &size);
    sid_inside(user->sid, user, size, "S-1-5-21-0-0-0-1000");
    assert_string_equal(nt_ex_user_sid_text, "S-1-5-21-0-0-0-1000");
    assert_true(size <= BY_WIDTH(8, 16) + 28); /* what kernelbase has room for: 68 bytes of SID at most */
    struct ex_sid *const *owner = token_ask(token, 4, &size);
    sid_inside(*owner, owner, size, "S-1-5-21-0-0-0-1000");
    struct ex_sid *const *group = token_ask(token, 5, &size);
    sid_inside(*group, group, size, "S-1-5-21-0-0-0-513");
    const struct { ULONG count; struct sid_and_attributes groups[1]; } *groups = token_ask(token, 2, &size);
    bool administrators = false, integrity = false, logon = false;
    for (ULONG i = 0; i < groups->count; i++) {
        sid_inside(groups->groups[i].sid, groups, size, NULL);
        administrators |= groups->groups[i].sid->sub[1] == 544 && groups->groups[i].attributes == 0xf;
        integrity |= groups->groups[i].sid->authority[5] == 16 && groups->groups[i].attributes == 0x60;
        logon |= groups->groups[i].attributes >> 30 == 3;
    }
    assert_true(administrators && integrity && logon);
    const struct sid_and_attributes *label = token_ask(token, 25, &size);
    sid_inside(label->sid, label, size, "S-1-16-12288");
    assert_int_equal(*(const ULONG *)token_ask(token, 8, &size), 1); /* TokenPrimary */
    assert_int_equal(*(const ULONG *)token_ask(token, 20, &size), 1);
    assert_int_equal(*(const ULONG *)token_ask(token, 29, &size), 0);
    token_ask(token, 10, &size);
    assert_int_equal(size, 56);
    token_ask(token, 7, &size);
    assert_int_equal(size, 16);
    STATUS_IS(NtQueryInformationToken(token, 9, answer, 4, &size), STATUS_INVALID_PARAMETER); /* not an impersonation token */
    STATUS_IS(NtQueryInformationToken(token, 99, answer, 4, &size), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

static void token_handles(void **state)
{
    HANDLE token, thread_token = 5;
    ULONG size, type;
    (void)state;
    STATUS_IS(NtOpenThreadToken(NT_CURRENT_THREAD, 8, 0, &thread_token), STATUS_NO_TOKEN);
    assert_int_equal(thread_token, 0);
    STATUS_IS(NtOpenThreadToken(0xdeadbeec, 8, 0, &thread_token), STATUS_INVALID_HANDLE);
    STATUS_IS(NtOpenProcessToken(NT_CURRENT_THREAD, 8, &token), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtOpenProcessToken(NT_CURRENT_PROCESS, 8, NULL), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtQueryInformationToken((HANDLE)-4, 8, &type, sizeof type, &size), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationToken((HANDLE)-5, 8, &type, sizeof type, &size), STATUS_NO_TOKEN);
    STATUS_IS(NtQueryInformationToken((HANDLE)-6, 8, &type, sizeof type, &size), STATUS_SUCCESS);
    STATUS_IS(NtAdjustPrivilegesToken((HANDLE)-4, 1, NULL, 0, NULL, NULL), STATUS_ACCESS_DENIED);
    STATUS_IS(NtOpenProcessToken(NT_CURRENT_PROCESS, 0x20, &token), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationToken(token, 8, &type, sizeof type, &size), STATUS_ACCESS_DENIED);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

struct privileges { ULONG count; struct { ULONG low; LONG high; ULONG attributes; } entries[40]; };

static ULONG privilege_of(HANDLE token, ULONG luid)
{
    ULONG size;
    const struct privileges *privileges = token_ask(token, 3, &size);
    assert_int_equal(size, 4 + 12 * privileges->count);
    for (ULONG i = 0; i < privileges->count; i++)
        if (privileges->entries[i].low == luid)
            return privileges->entries[i].attributes;
    return 0xffff;
}

static void token_privileges(void **state)
{
    HANDLE token = token_open();
    enum { CHANGE_NOTIFY = 23, DEBUG = 20, TCB = 7 };
    struct privileges wanted = {1, {{DEBUG, 0, 2}}}, previous;
    ULONG size = 0;
    (void)state;
    assert_int_equal(privilege_of(token, CHANGE_NOTIFY), 3);
    assert_int_equal(privilege_of(token, DEBUG), 0);
    assert_int_equal(privilege_of(token, TCB), 0xffff);
    STATUS_IS(NtAdjustPrivilegesToken(token, 0, &wanted, 8, &previous, &size), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(size, 16);
    assert_int_equal(privilege_of(token, DEBUG), 0); /* refused: nothing changed */
    STATUS_IS(NtAdjustPrivilegesToken(token, 0, &wanted, sizeof previous, &previous, &size), STATUS_SUCCESS);
    assert_int_equal(previous.count, 1);
    assert_int_equal(previous.entries[0].low, DEBUG);
    assert_int_equal(previous.entries[0].attributes, 0);
    assert_int_equal(privilege_of(token, DEBUG), 2);
    struct { ULONG count, control; struct { ULONG low; LONG high; ULONG attributes; } entry; } set = {1, 1, {DEBUG, 0, 0}};
    BOOLEAN held = 0;
    STATUS_IS(NtPrivilegeCheck(token, &set, &held), STATUS_SUCCESS);
    assert_true(held);
    assert_int_equal(set.entry.attributes, 0x80000000u);
    wanted.entries[0].low = TCB;
    STATUS_IS(NtAdjustPrivilegesToken(token, 0, &wanted, 0, NULL, NULL), STATUS_NOT_ALL_ASSIGNED);
    STATUS_IS(NtAdjustPrivilegesToken(token, 1, NULL, 0, NULL, NULL), STATUS_SUCCESS); /* all off */
    assert_int_equal(privilege_of(token, DEBUG), 0);
    assert_int_equal(privilege_of(token, CHANGE_NOTIFY), 1);
    STATUS_IS(NtPrivilegeCheck(token, &set, &held), STATUS_SUCCESS);
    assert_false(held);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

static HANDLE token_duplicate(HANDLE token, ULONG level, ULONG type, NTSTATUS expected)
{
    struct { ULONG length, level; BOOLEAN flags[4]; } quality = {12, level, {0}};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, 0, NULL, 0, NULL, &quality};
    HANDLE copy = 0;
    STATUS_IS(NtDuplicateToken(token, 0, &attributes, 0, type, &copy), expected);
    return copy;
}

static void token_duplicates(void **state)
{
    HANDLE token = token_open(), copy = token_duplicate(token, 2, 2, STATUS_SUCCESS);
    ULONG size;
    (void)state;
    assert_int_equal(*(const ULONG *)token_ask(copy, 8, &size), 2);
    assert_int_equal(*(const ULONG *)token_ask(copy, 9, &size), 2);
    token_duplicate(copy, 3, 2, STATUS_BAD_IMPERSONATION_LEVEL); /* a level cannot rise */
    token_duplicate(copy, 1, 5, STATUS_INVALID_PARAMETER);
    uint64_t ids[2];
    memcpy(&ids[0], token_ask(token, 10, &size), 8);
    memcpy(&ids[1], token_ask(copy, 10, &size), 8);
    assert_true(ids[0] != ids[1]);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtFilterToken(token, 1, NULL, NULL, NULL, &copy), STATUS_SUCCESS); /* without privileges */
    const struct privileges *left = token_ask(copy, 3, &size);
    assert_int_equal(left->count, 1);
    assert_int_equal(left->entries[0].low, 23);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

static void token_default_dacl(void **state)
{
    HANDLE token = token_open(), copy = token_duplicate(token, 0, 1, STATUS_SUCCESS);
    ULONG size;
    (void)state;
    uint8_t *const *dacl = token_ask(copy, 6, &size);
    assert_int_equal((*dacl)[0], 2);                                     /* ACL_REVISION */
    assert_int_equal(*(uint16_t *)(void *)(*dacl + 2), size - sizeof(void *)); /* AclSize */
    assert_int_equal(*(uint16_t *)(void *)(*dacl + 4), 2);               /* AceCount */
    uint16_t empty[4] = {2, 8, 0, 0};
    void *at = empty;
    STATUS_IS(NtSetInformationToken(copy, 6, &at, sizeof at), STATUS_SUCCESS);
    STATUS_IS(NtSetInformationToken(copy, 6, &at, 200), STATUS_SUCCESS); /* longer than need be */
    dacl = token_ask(copy, 6, &size);
    assert_int_equal(size, sizeof(void *) + 8);
    assert_memory_equal(*dacl, empty, 8);
    STATUS_IS(NtSetInformationToken(copy, 6, &at, 2), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtSetInformationToken(copy, 99, &at, sizeof at), STATUS_INVALID_INFO_CLASS);
    static const struct ex_sid stranger = {1, 1, {0, 0, 0, 0, 0, 5}, {99}};
    const void *sid = &stranger;
    STATUS_IS(NtSetInformationToken(copy, 4, &sid, sizeof sid), STATUS_INVALID_OWNER);
    sid = &ex_sid_administrators;
    STATUS_IS(NtSetInformationToken(copy, 4, &sid, sizeof sid), STATUS_SUCCESS);
    struct ex_sid *const *owner = token_ask(copy, 4, &size);
    sid_inside(*owner, owner, size, "S-1-5-32-544");
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

/* A thread that acts with a token of its own: NtSetInformationThread's class 5 leads here. */
static void token_impersonation(void **state)
{
    HANDLE token = token_open(), copy = token_duplicate(token, 2, 2, STATUS_SUCCESS), anonymous = token_duplicate(token, 0, 2, STATUS_SUCCESS),
           opened = 0;
    ULONG level = 9, size;
    (void)state;
    STATUS_IS(nt_ex_impersonate(kernel_thread.object, token), STATUS_BAD_TOKEN_TYPE);
    STATUS_IS(nt_ex_impersonate(kernel_thread.object, 0xdeadbeec), STATUS_INVALID_HANDLE);
    STATUS_IS(nt_ex_impersonate(kernel_thread.object, copy), STATUS_SUCCESS);
    STATUS_IS(NtOpenThreadToken(NT_CURRENT_THREAD, 8, 1, &opened), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationToken(opened, 9, &level, sizeof level, &size), STATUS_SUCCESS);
    assert_int_equal(level, 2);
    STATUS_IS(NtQueryInformationToken((HANDLE)-6, 9, &level, sizeof level, &size), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationToken((HANDLE)-4, 9, &level, sizeof level, &size), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtClose(opened), STATUS_SUCCESS);
    STATUS_IS(nt_ex_impersonate(kernel_thread.object, anonymous), STATUS_SUCCESS);
    STATUS_IS(NtOpenThreadToken(NT_CURRENT_THREAD, 8, 1, &opened), STATUS_CANT_OPEN_ANONYMOUS);
    STATUS_IS(nt_ex_impersonate(kernel_thread.object, 0), STATUS_SUCCESS);
    STATUS_IS(NtOpenThreadToken(NT_CURRENT_THREAD, 8, 1, &opened), STATUS_NO_TOKEN);
    assert_int_equal(basic_of(copy).references, 1);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtClose(anonymous), STATUS_SUCCESS);
    /* Without a quality of service the level stands in the fourth argument, as Wine's kernelbase has it. */
    STATUS_IS(NtDuplicateToken(token, 0, NULL, 3, 2, &copy), STATUS_SUCCESS);
    assert_int_equal(*(const ULONG *)token_ask(copy, 9, &size), 3);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

/* One descriptor, self-relative, whose DACL has these entries. */
struct entry { UCHAR type; ULONG mask; const struct ex_sid *sid; };
static const void *descriptor_build(const struct entry *entries, unsigned count, bool dacl)
{
    static uint8_t bytes[512];
    static const struct ex_sid stranger = {1, 1, {0, 0, 0, 0, 0, 5}, {99}};
    uint32_t at = 20, head[5] = {1u | (dacl ? 0x8004u : 0x8000u) << 16, at, at, 0, 0}; /* owned by somebody else */
    memcpy(bytes + at, &stranger, ex_sid_size(&stranger));
    at += ex_sid_size(&stranger);
    head[4] = dacl ? at : 0;
    uint32_t acl = at;
    at += 8;
    for (unsigned i = 0; i < count; i++) {
        uint16_t size = (uint16_t)(8 + ex_sid_size(entries[i].sid));
        bytes[at] = entries[i].type;
        bytes[at + 1] = 0;
        memcpy(bytes + at + 2, &size, 2);
        memcpy(bytes + at + 4, &entries[i].mask, 4);
        memcpy(bytes + at + 8, entries[i].sid, size - 8u);
        at += size;
    }
    uint16_t acl_head[4] = {2, (uint16_t)(at - acl), (uint16_t)count, 0};
    memcpy(bytes + acl, acl_head, sizeof acl_head);
    memcpy(bytes, head, sizeof head);
    return bytes;
}

static NTSTATUS access_of(HANDLE token, const void *descriptor, ACCESS_MASK wanted, ACCESS_MASK *granted)
{
    static const struct nt_generic files = {0x120089, 0x120116, 0x1200a0, 0x1f01ff};
    uint8_t set[20];
    ULONG length = sizeof set;
    NTSTATUS result = 0xdead;
    STATUS_IS(NtAccessCheck(descriptor, token, wanted, &files, set, &length, granted, &result), STATUS_SUCCESS);
    return result;
}

static void access_checks(void **state)
{
    HANDLE token = token_open(), copy = token_duplicate(token, 2, 2, STATUS_SUCCESS);
    static const struct ex_sid everyone = {1, 1, {0, 0, 0, 0, 0, 1}, {0}}, other = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 551}};
    const struct entry denied_first[] = {{1, 2, &everyone}, {0, 0x1f01ff, &ex_sid_user}},
                       allowed_first[] = {{0, 0x1f01ff, &ex_sid_user}, {1, 2, &everyone}},
                       others[] = {{0, 0x1f01ff, &other}}, generic[] = {{0, 0x80000000u, &ex_sid_administrators}};
    static const struct nt_generic files = {0};
    ACCESS_MASK granted;
    NTSTATUS result;
    uint8_t set[20];
    ULONG length = sizeof set;
    (void)state;
    STATUS_IS(access_of(copy, descriptor_build(denied_first, 2, true), 3, &granted), STATUS_ACCESS_DENIED);
    assert_int_equal(granted, 0);
    STATUS_IS(access_of(copy, descriptor_build(denied_first, 2, true), 1, &granted), STATUS_SUCCESS);
    assert_int_equal(granted, 1);
    STATUS_IS(access_of(copy, descriptor_build(allowed_first, 2, true), 3, &granted), STATUS_SUCCESS);
    STATUS_IS(access_of(copy, descriptor_build(others, 1, true), 1, &granted), STATUS_ACCESS_DENIED);
    STATUS_IS(access_of(copy, descriptor_build(NULL, 0, true), 1, &granted), STATUS_ACCESS_DENIED);  /* an empty DACL: nobody */
    STATUS_IS(access_of(copy, descriptor_build(NULL, 0, false), 3, &granted), STATUS_SUCCESS);       /* none: everybody */
    STATUS_IS(access_of(copy, descriptor_build(generic, 1, true), 0x2000000, &granted), STATUS_SUCCESS);
    assert_int_equal(granted, 0x120089);
    STATUS_IS(NtAccessCheck(descriptor_build(others, 1, true), token, 1, &files, set, &length, &granted, &result),
              STATUS_NO_IMPERSONATION_TOKEN);
    STATUS_IS(NtAccessCheck(descriptor_build(others, 1, true), copy, 0x80000000u, &files, set, &length, &granted, &result),
              STATUS_GENERIC_NOT_MAPPED);
    length = 0;
    STATUS_IS(NtAccessCheck(descriptor_build(others, 1, true), copy, 1, &files, set, &length, &granted, &result), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(length, 20);
    uint8_t broken[20] = {9};
    length = sizeof set;
    STATUS_IS(NtAccessCheck(broken, copy, 1, &files, set, &length, &granted, &result), STATUS_INVALID_SECURITY_DESCR);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtClose(token), STATUS_SUCCESS);
}

/* ---- atoms ---------------------------------------------------------------------------------------------------------- */

static NTSTATUS atom(NTSTATUS (*service)(const WCHAR *, ULONG, USHORT *), const char *text, USHORT *number)
{
    WCHAR wide[300];
    ULONG length = 0;
    for (; text[length]; length++)
        wide[length] = (uint8_t)text[length];
    return service(wide, length * 2, number);
}

static void atoms(void **state)
{
    USHORT first, second, number = 0;
    struct { USHORT count, flags, length; WCHAR text[256]; } information;
    ULONG size;
    char longest[257];
    (void)state;
    STATUS_IS(atom(NtFindAtom, "Peload", &number), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(atom(NtAddAtom, "Peload", &first), STATUS_SUCCESS);
    assert_true(first >= 0xc000);
    STATUS_IS(atom(NtAddAtom, "PELOAD", &second), STATUS_SUCCESS);
    assert_int_equal(second, first);
    STATUS_IS(atom(NtAddAtom, "other", &second), STATUS_SUCCESS);
    assert_int_not_equal(second, first);
    STATUS_IS(NtQueryInformationAtom(first, 0, &information, sizeof information, &size), STATUS_SUCCESS);
    assert_int_equal(information.count, 2);
    assert_int_equal(information.length, 12);
    assert_int_equal(information.text[0], 'P');
    assert_int_equal(information.text[1], 'e');
    assert_int_equal(information.text[6], 0);
    STATUS_IS(NtQueryInformationAtom(first, 0, &information, 10, &size), STATUS_BUFFER_TOO_SMALL);
    STATUS_IS(NtQueryInformationAtom(first, 9, &information, sizeof information, &size), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtDeleteAtom(first), STATUS_SUCCESS);
    STATUS_IS(atom(NtFindAtom, "peload", &number), STATUS_SUCCESS);
    STATUS_IS(NtDeleteAtom(first), STATUS_SUCCESS);
    STATUS_IS(atom(NtFindAtom, "peload", &number), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtDeleteAtom(first), STATUS_INVALID_HANDLE);
    STATUS_IS(NtDeleteAtom(second), STATUS_SUCCESS);
    STATUS_IS(atom(NtAddAtom, "#1234", &number), STATUS_SUCCESS);
    assert_int_equal(number, 1234);
    STATUS_IS(NtAddAtom((const WCHAR *)0x123, 0, &number), STATUS_SUCCESS);
    assert_int_equal(number, 0x123);
    STATUS_IS(NtAddAtom((const WCHAR *)0xc000, 0, &number), STATUS_INVALID_PARAMETER);
    STATUS_IS(atom(NtAddAtom, "#49152", &number), STATUS_INVALID_PARAMETER);
    STATUS_IS(atom(NtAddAtom, "", &number), STATUS_OBJECT_NAME_INVALID);
    memset(longest, 'x', 256);
    longest[256] = 0;
    STATUS_IS(atom(NtAddAtom, longest, &number), STATUS_INVALID_PARAMETER);
    longest[255] = 0;
    STATUS_IS(atom(NtAddAtom, longest, &number), STATUS_SUCCESS);
    STATUS_IS(NtDeleteAtom(number), STATUS_SUCCESS);
    STATUS_IS(NtQueryInformationAtom(77, 0, &information, sizeof information, &size), STATUS_SUCCESS);
    assert_int_equal(information.length, 6);
    assert_int_equal(information.text[0], '#');
    assert_int_equal(information.text[2], '7');
}

/* ---- the rest ---------------------------------------------------------------------------------------------------------- */

static kernel_service ex_named(const char *name)
{
    for (const struct nt_service *service = nt_services_ex; service->name; service++)
        if (!strcmp(service->name, name))
            return (kernel_service)service->function;
    fail_msg("no service %s", name);
    return NULL;
}

static void small_services(void **state)
{
    uint64_t luid[2] = {0}, time[2];
    ULONG range, sequence, response = 0, old = 0;
    UCHAR seed[6];
    (void)state;
    STATUS_IS(ex_named("NtAllocateLocallyUniqueId")(WORD(&luid[0]), 0, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(ex_named("NtAllocateLocallyUniqueId")(WORD(&luid[1]), 0, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    assert_true(luid[0] >= 1000 && luid[1] > luid[0]);
    for (int i = 0; i < 2; i++)
        STATUS_IS(ex_named("NtAllocateUuids")(WORD(&time[i]), WORD(&range), WORD(&sequence), WORD(seed), 0, 0, 0), STATUS_SUCCESS);
    assert_true(time[1] >= time[0] + range);
    assert_true(seed[0] & 1); /* multicast: no real address */
    STATUS_IS(ex_named("NtRaiseHardError")(STATUS_DLL_NOT_FOUND, 0, 0, 0, 1, WORD(&response), 0), STATUS_SUCCESS);
    assert_int_equal(response, 1);
    STATUS_IS(ex_named("NtSetThreadExecutionState")(0x80000001u, WORD(&old), 0, 0, 0, 0, 0), STATUS_SUCCESS);
    assert_int_equal(old, 0x80000000u);
    STATUS_IS(ex_named("NtSetThreadExecutionState")(0x80000000u, WORD(&old), 0, 0, 0, 0, 0), STATUS_SUCCESS);
    assert_int_equal(old, 0x80000001u);
    STATUS_IS(ex_named("NtPowerInformation")(5, 0, 0, WORD(answer), 31, 0, 0), STATUS_BUFFER_TOO_SMALL);
    STATUS_IS(ex_named("NtPowerInformation")(5, 0, 0, WORD(answer), 32, 0, 0), STATUS_SUCCESS);
    STATUS_IS(ex_named("NtShutdownSystem")(0, 0, 0, 0, 0, 0, 0), STATUS_PRIVILEGE_NOT_HELD);
    STATUS_IS(ex_named("NtSystemDebugControl")(0, 0, 0, 0, 0, 0, 0), STATUS_DEBUGGER_INACTIVE);
}

static void status_names(void **state)
{
    (void)state;
    assert_string_equal(nt_status_name(0), "STATUS_SUCCESS");
    assert_string_equal(nt_status_name(0xC0000005u), "STATUS_ACCESS_VIOLATION");
    assert_string_equal(nt_status_name(0x80), "STATUS_ABANDONED_WAIT_0");
    assert_null(nt_status_name(0xC0FFFFFFu));
}

static int open_all(void **state)
{
    nt_config.version_build = 19043;
    return kernel_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_services), cmocka_unit_test(shared_data), cmocka_unit_test(shared_data_coherent),
        cmocka_unit_test(time_zones), cmocka_unit_test(time_zone_answers), cmocka_unit_test(nls_sections), cmocka_unit_test(locales),
        cmocka_unit_test(system_sizes), cmocka_unit_test(system_unknown), cmocka_unit_test(system_basic),
        cmocka_unit_test(system_processors), cmocka_unit_test(system_processes), cmocka_unit_test(system_handles),
        cmocka_unit_test(process_sizes), cmocka_unit_test(process_strings), cmocka_unit_test(process_settings),
        cmocka_unit_test(token_identity), cmocka_unit_test(token_handles), cmocka_unit_test(token_privileges),
        cmocka_unit_test(token_duplicates), cmocka_unit_test(token_impersonation), cmocka_unit_test(token_default_dacl), cmocka_unit_test(access_checks),
        cmocka_unit_test(atoms), cmocka_unit_test(small_services), cmocka_unit_test(status_names),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
