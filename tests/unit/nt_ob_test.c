/* The arena, handles, IDs, and what NtQueryObject tells. Expectations are Windows': what Wine's conformance tests of the
 * object manager, which run on Windows, require. */
#include "nt_kernel.h"

/* ---- arena ----------------------------------------------------------------------------------------------- */

static void arena_blocks(void **state)
{
    (void)state;
    nt_lock();
    nt_ref first = nt_arena_allocate(40), second = nt_arena_allocate(40);
    assert_true(first && second && first % 8 == 0 && second % 8 == 0);
    assert_true(second >= first + 40 || first >= second + 40);
    memset(nt_at(first), 0xAA, 40);
    nt_arena_free(first, 40);
    nt_ref again = nt_arena_allocate(48); /* the same class */
    assert_int_equal(again, first);
    static const uint8_t zero[48];
    assert_memory_equal(nt_at(again), zero, 48);
    nt_arena_free(again, 48);
    nt_arena_free(second, 40);
    assert_int_equal(nt_ref_of(nt_at(second)), second);
    assert_null(nt_at(0));
    nt_unlock();
}

/* Every size gets a block of its own that is large enough. */
static void arena_sizes(void **state)
{
    enum { COUNT = 900 };
    nt_ref refs[COUNT];
    uint32_t sizes[COUNT];
    (void)state;
    nt_lock();
    for (uint32_t i = 0; i < COUNT; i++) {
        sizes[i] = i < 600 ? i * 3 + 1 : 1024 + (i - 600) * 211;
        refs[i] = nt_arena_allocate(sizes[i]);
        assert_true(refs[i] != 0);
        memset(nt_at(refs[i]), (int)(i & 0xFF), sizes[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint8_t *bytes = nt_at(refs[i]);
        for (uint32_t b = 0; b < sizes[i]; b++)
            if (bytes[b] != (uint8_t)i)
                fail_msg("block %u (size %u) overwritten at %u", i, sizes[i], b);
        nt_arena_free(refs[i], sizes[i]);
    }
    assert_int_equal(nt_arena_allocate(0), 0);
    assert_int_equal(nt_arena_allocate(UINT32_MAX), 0);
    nt_unlock();
}

/* ---- handles --------------------------------------------------------------------------------------------- */

static void handle_values(void **state)
{
    (void)state;
    HANDLE first = event_named(NULL), second = event_named(NULL);
    assert_int_equal(first % 4, 0);
    assert_int_not_equal(first, 0);
    assert_int_equal(second % 4, 0);
    assert_int_not_equal(first, second);
    assert_true(first < 0x10000 && second < 0x10000);
    STATUS_IS(NtSetEvent(first | 1, NULL), STATUS_SUCCESS); /* tag bits */
    STATUS_IS(NtSetEvent(first | 2, NULL), STATUS_SUCCESS);
    STATUS_IS(NtClose(first), STATUS_SUCCESS);
    STATUS_IS(NtClose(first), STATUS_INVALID_HANDLE);
    STATUS_IS(NtSetEvent(first, NULL), STATUS_INVALID_HANDLE);
    HANDLE third = event_named(NULL);
    assert_int_equal(third, first);
    STATUS_IS(NtClose(second), STATUS_SUCCESS);
    STATUS_IS(NtClose(third), STATUS_SUCCESS);
    STATUS_IS(NtClose(0), STATUS_INVALID_HANDLE);
    STATUS_IS(NtClose(0xdeadbeec), STATUS_INVALID_HANDLE);
    STATUS_IS(NtClose(NT_CURRENT_PROCESS), STATUS_SUCCESS);
}

/* bad handle -> wrong type -> access denied */
static void handle_lookup_order(void **state)
{
    HANDLE event;
    (void)state;
    STATUS_IS(NtCreateEvent(&event, 0x100000, NULL, 0, 0), STATUS_SUCCESS); /* SYNCHRONIZE only */
    STATUS_IS(NtReleaseSemaphore(0xdeadbeec, 30, NULL), STATUS_INVALID_HANDLE);
    STATUS_IS(NtReleaseSemaphore(event, 30, NULL), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtSetEvent(event, NULL), STATUS_ACCESS_DENIED);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){0}), STATUS_TIMEOUT);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&event, 2, NULL, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){0}), STATUS_ACCESS_DENIED);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void handle_pseudo(void **state)
{
    struct nt_object *object;
    ACCESS_MASK granted;
    (void)state;
    STATUS_IS(nt_handle_object(NT_CURRENT_THREAD, NT_THREAD, 0x1F03FF, &object, NULL, &granted), STATUS_SUCCESS);
    assert_ptr_equal(object, nt_current()->object);
    assert_int_equal(granted, 0x1FFFFF);
    nt_object_release(object);
    STATUS_IS(nt_handle_object(NT_CURRENT_PROCESS, NT_ANY, 0, &object, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(nt_ref_of(object), nt_process.object);
    nt_object_release(object);
    STATUS_IS(nt_handle_object(NT_CURRENT_PROCESS, NT_EVENT, 0, &object, NULL, NULL), STATUS_OBJECT_TYPE_MISMATCH);
}

static void handle_counts(void **state)
{
    HANDLE copy, event = event_named(NULL);
    (void)state;
    assert_int_equal(basic_of(event).handles, 1);
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, event, NT_CURRENT_PROCESS, &copy, 0, 0, 2), STATUS_SUCCESS);
    assert_int_equal(basic_of(event).handles, 2);
    assert_int_equal(basic_of(event).references, basic_of(copy).references);
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    assert_int_equal(basic_of(copy).handles, 1);
    STATUS_IS(NtWaitForSingleObject(copy, 0, &(int64_t){0}), STATUS_SUCCESS); /* the object lived on */
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
}

static void handle_duplicate(void **state)
{
    HANDLE copy = 0, event = event_named(NULL), thread;
    struct { BOOLEAN inherit, protect; } flags = {1, 0};
    (void)state;
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, event, NT_CURRENT_PROCESS, &copy, 1, OBJ_INHERIT, 0), STATUS_SUCCESS);
    assert_int_equal(basic_of(copy).access, 1);
    STATUS_IS(NtSetEvent(copy, NULL), STATUS_ACCESS_DENIED);
    STATUS_IS(NtQueryObject(copy, 4, &flags, sizeof flags, NULL), STATUS_SUCCESS);
    assert_int_equal(flags.inherit, 1);
    assert_int_equal(flags.protect, 0);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);

    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, event, NT_CURRENT_PROCESS, &copy, GENERIC_ALL, 0, 1), STATUS_SUCCESS);
    assert_int_equal(basic_of(copy).access, EVENT_ALL);
    assert_int_equal(basic_of(copy).handles, 1); /* the source is closed */
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, copy, 0, NULL, 0, 0, 1), STATUS_SUCCESS);
    STATUS_IS(NtClose(copy), STATUS_INVALID_HANDLE);

    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, NT_CURRENT_THREAD, NT_CURRENT_PROCESS, &thread, 0, 0, 2), STATUS_SUCCESS);
    assert_int_equal(basic_of(thread).access, 0x1FFFFF);
    struct nt_object *object;
    STATUS_IS(nt_handle_object(thread, NT_THREAD, 0, &object, NULL, NULL), STATUS_SUCCESS);
    assert_ptr_equal(object, nt_current()->object);
    nt_object_release(object);
    STATUS_IS(NtClose(thread), STATUS_SUCCESS);
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, 0xdeadbeec, NT_CURRENT_PROCESS, &copy, 0, 0, 2), STATUS_INVALID_HANDLE);
    STATUS_IS(NtDuplicateObject(0xdeadbeec, 4, NT_CURRENT_PROCESS, &copy, 0, 0, 2), STATUS_INVALID_HANDLE);
}

static void handle_flags(void **state)
{
    HANDLE copy, event = event_named(NAMED(0, NULL, OBJ_INHERIT));
    struct { BOOLEAN inherit, protect; } flags = {9, 9};
    (void)state;
    STATUS_IS(NtQueryObject(event, 4, &flags, 1, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryObject(event, 4, &flags, 2, NULL), STATUS_SUCCESS);
    assert_int_equal(flags.inherit, 1);
    assert_int_equal(flags.protect, 0);
    flags.protect = 1;
    STATUS_IS(NtSetInformationObject(event, 4, &flags, 2), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_HANDLE_NOT_CLOSABLE);
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, event, NT_CURRENT_PROCESS, &copy, 0, 0, 2 | 4), STATUS_SUCCESS);
    STATUS_IS(NtClose(copy), STATUS_HANDLE_NOT_CLOSABLE);
    flags.protect = 0;
    STATUS_IS(NtSetInformationObject(event, 4, &flags, 2), STATUS_SUCCESS);
    STATUS_IS(NtSetInformationObject(copy, 4, &flags, 2), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    STATUS_IS(NtSetInformationObject(copy, 4, &flags, 2), STATUS_INVALID_HANDLE);
}

/* A descriptor belongs to its handle and goes with it; a duplicate has one of its own on the same file. */
static void handle_descriptor(void **state)
{
    struct nt_object *object;
    HANDLE handle, copy;
    int pipes[2], fd, fd_copy;
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    STATUS_IS(nt_object_create(NT_FILE, 64, &object), STATUS_SUCCESS);
    STATUS_IS(nt_handle_create(object, 0x120089, 0, pipes[1], &handle), STATUS_SUCCESS);
    nt_object_release(object);
    STATUS_IS(NtDuplicateObject(NT_CURRENT_PROCESS, handle, NT_CURRENT_PROCESS, &copy, 0, 0, 2), STATUS_SUCCESS);
    STATUS_IS(nt_handle_object(handle, NT_FILE, 1, &object, &fd, NULL), STATUS_SUCCESS);
    nt_object_release(object);
    assert_int_equal(fd, pipes[1]);
    STATUS_IS(nt_handle_object(copy, NT_FILE, 1, &object, &fd_copy, NULL), STATUS_SUCCESS);
    nt_object_release(object);
    assert_int_not_equal(fd_copy, fd);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    assert_int_equal(write(fd_copy, "x", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    STATUS_IS(NtClose(copy), STATUS_SUCCESS);
    assert_int_equal(read(pipes[0], &byte, 1), 0); /* no writer is left */
    close(pipes[0]);
}

static void handle_many(void **state)
{
    enum { COUNT = 100000 };
    HANDLE *handles = malloc(COUNT * sizeof *handles), extra;
    uint32_t top = 0;
    (void)state;
    assert_non_null(handles);
    for (int round = 0; round < 2; round++) {
        double begin = seconds_worked();
        for (int i = 0; i < COUNT; i++)
            STATUS_IS(NtCreateEvent(&handles[i], EVENT_ALL, NULL, 0, 0), STATUS_SUCCESS);
        HANDLE highest = 0;
        for (int i = 0; i < COUNT; i++)
            highest = handles[i] > highest ? handles[i] : highest;
        assert_true(highest <= (HANDLE)(COUNT + 64) * 4);
        for (int i = 0; i < COUNT; i++)
            STATUS_IS(NtClose(handles[i]), STATUS_SUCCESS);
        assert_true(seconds_worked() - begin < 5);
        if (round == 0)
            top = ob_arena->top;
    }
    assert_int_equal(ob_arena->top, top); /* the second round took nothing new: nothing was left behind */
    STATUS_IS(NtCreateEvent(&extra, EVENT_ALL, NULL, 0, 0), STATUS_SUCCESS);
    assert_true(extra <= (HANDLE)(COUNT + 64) * 4);
    STATUS_IS(NtClose(extra), STATUS_SUCCESS);
    free(handles);
}

/* ---- IDs ------------------------------------------------------------------------------------------------- */

static void id_space(void **state)
{
    enum { COUNT = 2000 };
    uint32_t ids[COUNT];
    struct nt_object *event, *found;
    (void)state;
    STATUS_IS(nt_object_create(NT_EVENT, sizeof *event, &event), STATUS_SUCCESS);
    for (int i = 0; i < COUNT; i++) {
        ids[i] = nt_id_allocate(nt_ref_of(event));
        assert_true(ids[i] && ids[i] % 4 == 0 && ids[i] != nt_process.id && ids[i] != nt_current()->object->id);
        for (int j = 0; j < i; j++)
            if (ids[i] == ids[j])
                fail_msg("ID %u twice", ids[i]);
    }
    found = nt_id_object(ids[7], NT_EVENT);
    assert_ptr_equal(found, event);
    nt_object_release(found);
    assert_null(nt_id_object(ids[7], NT_THREAD));
    assert_null(nt_id_object(0, NT_ANY));
    assert_null(nt_id_object(3, NT_ANY));
    assert_null(nt_id_object(0xFFFFFFFC, NT_ANY));
    nt_lock();
    nt_id_free(ids[7]);
    nt_unlock();
    assert_null(nt_id_object(ids[7], NT_ANY));
    /* What became free is used again, but not before the rest of the table's page. */
    uint32_t again[300];
    int count = 0;
    do
        again[count] = nt_id_allocate(nt_ref_of(event));
    while (again[count++] != ids[7] && count < 300);
    assert_int_equal(again[count - 1], ids[7]);
    nt_lock();
    for (int i = 0; i < count; i++)
        nt_id_free(again[i]);
    for (int i = 0; i < COUNT; i++)
        nt_id_free(i == 7 ? 0 : ids[i]);
    nt_unlock();
    nt_object_release(event);
}

/* ---- questions ------------------------------------------------------------------------------------------- */

static void query_type(void **state)
{
    HANDLE event = event_named(NULL);
    union { UNICODE_STRING string; uint32_t words[128]; } buffer;
    ULONG size = 0, head = sizeof(void *) == 8 ? 104 : 96;
    (void)state;
    STATUS_IS(NtQueryObject(event, 2, &buffer, head, &size), STATUS_INFO_LENGTH_MISMATCH);
    assert_true(size >= head + sizeof "Event" * 2);
    STATUS_IS(NtQueryObject(event, 2, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    text_is(&buffer.string, "Event");
    /* GENERIC_MAPPING of events and their valid access, behind 12 counters and the invalid attributes */
    const uint32_t *mapping = &buffer.words[sizeof(UNICODE_STRING) / 4 + 13];
    assert_int_equal(mapping[0], 0x20001);
    assert_int_equal(mapping[1], 0x20002);
    assert_int_equal(mapping[2], 0x120000);
    assert_int_equal(mapping[3], 0x1F0003);
    STATUS_IS(NtQueryObject(NT_CURRENT_PROCESS, 2, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    text_is(&buffer.string, "Process");
    STATUS_IS(NtQueryObject(NT_CURRENT_THREAD, 2, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    text_is(&buffer.string, "Thread");
    STATUS_IS(NtClose(event), STATUS_SUCCESS);

    STATUS_IS(NtQueryObject(0, 3, &buffer, 4, &size), STATUS_INFO_LENGTH_MISMATCH);
    char *all = malloc(size);
    assert_non_null(all);
    STATUS_IS(NtQueryObject(0, 3, all, size, &size), STATUS_SUCCESS);
    const UNICODE_STRING *first = (const UNICODE_STRING *)(all + sizeof(void *));
    text_is(first, "Directory");
    assert_ptr_equal(first->buffer, all + sizeof(void *) + head);
    free(all);
}

static void query_access(void **state)
{
    HANDLE event;
    (void)state;
    static const struct { ACCESS_MASK wanted, granted; } rows[] = {
        {0x80000000, 0x20001}, {0x40000000, 0x20002}, {0x20000000, 0x120000}, {GENERIC_ALL, EVENT_ALL},
        {0x02000000, EVENT_ALL}, {2, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STATUS_IS(NtCreateEvent(&event, rows[i].wanted, NULL, 0, 0), STATUS_SUCCESS);
        assert_int_equal(basic_of(event).access, rows[i].granted);
        STATUS_IS(NtClose(event), STATUS_SUCCESS);
    }
    event = event_named(NULL);
    struct object_basic basic;
    STATUS_IS(NtQueryObject(event, 0, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryObject(event, 0, &basic, 55, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

static void query_security(void **state)
{
    HANDLE event = event_named(NULL), weak;
    union { struct { uint8_t revision, zero; uint16_t control; uint32_t owner, group, sacl, dacl; } head; uint8_t bytes[256]; } buffer;
    ULONG size = 0;
    (void)state;
    STATUS_IS(NtQuerySecurityObject(event, 7, &buffer, 0, &size), STATUS_BUFFER_TOO_SMALL);
    assert_true(size > 20 && size <= sizeof buffer);
    STATUS_IS(NtQuerySecurityObject(event, 7, &buffer, size, &size), STATUS_SUCCESS);
    assert_int_equal(buffer.head.revision, 1);
    assert_int_equal(buffer.head.control, 0x8004); /* SE_SELF_RELATIVE | SE_DACL_PRESENT */
    assert_int_equal(buffer.bytes[buffer.head.owner], 1);
    assert_true(buffer.head.group && buffer.head.dacl && !buffer.head.sacl);
    const uint8_t *acl = buffer.bytes + buffer.head.dacl;
    uint32_t mask;
    memcpy(&mask, acl + 12, 4);
    assert_int_equal(mask, EVENT_ALL);
    STATUS_IS(NtSetSecurityObject(event, 4, &buffer), STATUS_SUCCESS);
    STATUS_IS(NtSetSecurityObject(event, 4, NULL), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtCreateEvent(&weak, 2, NULL, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtQuerySecurityObject(weak, 4, &buffer, sizeof buffer, &size), STATUS_ACCESS_DENIED);
    STATUS_IS(NtSetSecurityObject(weak, 4, &buffer), STATUS_ACCESS_DENIED);
    STATUS_IS(NtClose(weak), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks), cmocka_unit_test(arena_sizes), cmocka_unit_test(handle_values),
        cmocka_unit_test(handle_lookup_order), cmocka_unit_test(handle_pseudo), cmocka_unit_test(handle_counts),
        cmocka_unit_test(handle_duplicate), cmocka_unit_test(handle_flags), cmocka_unit_test(handle_descriptor),
        cmocka_unit_test(handle_many), cmocka_unit_test(id_space), cmocka_unit_test(query_type),
        cmocka_unit_test(query_access), cmocka_unit_test(query_security),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
