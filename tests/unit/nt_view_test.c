/* A session seen from outside: what the copy tells against what the kernel itself answers, a lock that is held, and copies
 * in which anything may stand. */
#include "nt_kernel.h"

#include "loader/nt/view.h"

#include <stdio.h>

/* ---- against the kernel's own answers ----------------------------------------------------------------------- */

static bool own_process(const struct nt_view *view, struct nt_view_process *process)
{
    uint32_t index = 0;
    while (nt_view_process_next(view, &index, process)) {
        if (process->object == nt_process.object)
            return true;
        nt_view_process_free(process);
    }
    return false;
}

static void rows_are_what_the_kernel_says(void **state)
{
    struct nt_view view;
    struct nt_view_process process;
    struct nt_view_handle row;
    uint32_t index = 0, rows = 0, named = 0;
    HANDLE first = event_named(NAMED(0, "\\seen from outside", 0)), second = event_named(NULL), copy;
    (void)state;
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, first, NT_CURRENT_PROCESS, &copy, 0x100000, OBJ_INHERIT, 0), STATUS_SUCCESS);
    const UCHAR protect[2] = {0, 1};
    STATUS_IS(NtSetInformationObject(second, 4, protect, sizeof protect), STATUS_SUCCESS);
    assert_true(nt_view_own(&view));
    assert_false(view.torn);
    assert_true(own_process(&view, &process));
    assert_int_equal(process.id, nt_process.id);
    while (nt_view_handle_next(&view, &process, &index, &row)) {
        struct object_basic basic = basic_of(row.handle);
        assert_int_equal(row.access, basic.access);
        assert_int_equal(row.handle_count, basic.handles);
        assert_int_equal(row.reference_count, basic.references);
        assert_int_equal(row.inheritable, (basic.attributes & OBJ_INHERIT) != 0);
        assert_int_equal(row.is_protected, row.handle == second);
        if (row.handle == first || row.handle == copy) {
            assert_int_equal(row.type, NT_EVENT);
            assert_non_null(row.name);
            assert_non_null(strstr(row.name, "\\seen from outside"));
            named++;
        }
        nt_view_handle_free(&row);
        rows++;
    }
    assert_int_equal(rows, process.handles);
    assert_int_equal(named, 2);
    nt_view_process_free(&process);
    nt_view_close(&view);
    const UCHAR none[2] = {0, 0};
    NtSetInformationObject(second, 4, none, sizeof none);
    NtClose(first);
    NtClose(second);
    NtClose(copy);
}

static void rights_have_names(void **state)
{
    char text[200];
    (void)state;
    nt_access_text(NT_EVENT, 0x1f0003, text, sizeof text);
    assert_string_equal(text, "ALL_ACCESS");
    nt_access_text(NT_EVENT, 0x100002, text, sizeof text);
    assert_string_equal(text, "MODIFY_STATE, SYNCHRONIZE");
    nt_access_text(NT_PROCESS, 0x1410, text, sizeof text);
    assert_string_equal(text, "VM_READ, QUERY_INFORMATION, QUERY_LIMITED_INFORMATION");
    nt_access_text(NT_MUTANT, 0x8000, text, sizeof text);
    assert_string_equal(text, "0x8000");
    nt_access_text(NT_KEY, 0, text, sizeof text);
    assert_string_equal(text, "");
    nt_access_text(NT_FILE, 0x1f01fe, text, 12); /* no room: cut, not overrun */
    assert_true(strlen(text) < 12);
}

/* ---- the lock ------------------------------------------------------------------------------------------------- */

static void *view_take(void *view)
{
    return nt_view_own(view) ? view : NULL;
}

static void a_held_lock_is_waited_for(void **state)
{
    struct nt_view view;
    pthread_t thread;
    bool torn = true;
    (void)state;
    for (int round = 0; round < 20 && torn; round++) { /* on a busy machine the lock may be held for longer than is waited */
        nt_lock();
        assert_int_equal(pthread_create(&thread, NULL, view_take, &view), 0);
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
        nt_unlock();
        assert_ptr_equal(kernel_thread_join(thread), &view);
        torn = view.torn;
        nt_view_close(&view);
    }
    assert_false(torn);
}

/* Its owner was killed, or never lets it go: what is there is shown, and said to be so. */
static void a_lock_for_ever_is_not(void **state)
{
    struct nt_view view;
    struct nt_view_process process;
    (void)state;
    nt_lock();
    assert_true(nt_view_own(&view));
    nt_unlock();
    assert_true(view.torn);
    assert_true(own_process(&view, &process));
    nt_view_process_free(&process);
    nt_view_close(&view);
}

/* ---- anything ------------------------------------------------------------------------------------------------- */

static uint64_t seed = 1;
static uint32_t random_below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

/* Numbers that hurt: references to somewhere, sizes, lengths. */
static uint32_t foreign_number(uint32_t size)
{
    switch (random_below(5)) {
    case 0: return random_below(size);
    case 1: return random_below(size) & ~7u;
    case 2: return 0xffffffff - random_below(16);
    case 3: return random_below(64);
    default: return size - random_below(64);
    }
}

static unsigned walk(const struct nt_view *view)
{
    struct nt_view_process process;
    struct nt_view_handle handle;
    uint32_t index = 0;
    unsigned seen = 0;
    while (nt_view_process_next(view, &index, &process)) {
        uint32_t at = 0;
        while (nt_view_handle_next(view, &process, &at, &handle) && seen < 1000000) {
            nt_view_handle_free(&handle);
            seen++;
        }
        nt_view_process_free(&process);
        seen++;
    }
    return seen;
}

static void any_copy_can_be_walked(void **state)
{
    enum { ROUNDS = 4000 };
    struct nt_view view;
    HANDLE handles[40];
    (void)state;
    for (int i = 0; i < 40; i++) {
        char name[24];
        snprintf(name, sizeof name, "\\named %d", i);
        handles[i] = event_named(i % 2 ? NULL : NAMED(0, name, 0));
    }
    assert_true(nt_view_own(&view));
    assert_true(walk(&view) > 40);
    uint8_t *whole = malloc(view.size);
    assert_non_null(whole);
    memcpy(whole, view.bytes, view.size);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t size = view.size;
        memcpy(view.bytes, whole, size);
        for (uint32_t i = 1 + random_below(12); i-- > 0;) {
            /* Half of them in the head and what lies first: where everything hangs on. */
            uint32_t at = random_below(random_below(2) ? size / 4 : (uint32_t)sizeof(struct ob_arena) / 4) * 4, number = foreign_number(size);
            memcpy(view.bytes + at, &number, sizeof number);
        }
        if (random_below(4) == 0) /* and a copy that ends too early */
            view.size = (uint32_t)sizeof(struct ob_arena) + random_below(size - (uint32_t)sizeof(struct ob_arena));
        uint8_t *exact = malloc(view.size); /* so that one byte too far is seen */
        assert_non_null(exact);
        memcpy(exact, view.bytes, view.size);
        struct nt_view copy = {.bytes = exact, .size = view.size};
        walk(&copy);
        free(exact);
        view.size = size;
    }
    free(whole);
    nt_view_close(&view);
    for (int i = 0; i < 40; i++)
        NtClose(handles[i]);
}

static int open_with_id(void **state)
{
    int failed = kernel_open(state);
    if (!failed)
        ((struct nt_process_object *)nt_at(nt_process.object))->id = nt_process.id;
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_kernel_says), cmocka_unit_test(rights_have_names), cmocka_unit_test(a_held_lock_is_waited_for),
        cmocka_unit_test(a_lock_for_ever_is_not), cmocka_unit_test(any_copy_can_be_walked),
    };
    return cmocka_run_group_tests_name("view", tests, open_with_id, NULL);
}
