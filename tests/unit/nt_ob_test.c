/* Objects, names, handles, IDs, the arena and its lock. Expectations are Windows': what Wine's conformance tests of the
 * object manager, which run on Windows, require. */
#include "nt_kernel.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

static HANDLE event_make(const OBJECT_ATTRIBUTES *attributes)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateEvent(&handle, EVENT_ALL, attributes, 0, 0), STATUS_SUCCESS);
    return handle;
}

static struct object_basic { ULONG attributes, access, handles, references, rest[10]; } basic_of(HANDLE handle)
{
    struct object_basic basic;
    ULONG size = 0;
    STATUS_IS(NtQueryObject(handle, 0, &basic, sizeof basic, &size), STATUS_SUCCESS);
    assert_int_equal(size, 56);
    return basic;
}

/* ---- arena ------------------------------------------------------------------------------------------ */

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

/* ---- handles ---------------------------------------------------------------------------------------- */

static void handle_values(void **state)
{
    (void)state;
    HANDLE first = event_make(NULL), second = event_make(NULL);
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
    HANDLE third = event_make(NULL);
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
    HANDLE copy, event = event_make(NULL);
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
    HANDLE copy = 0, event = event_make(NULL), thread;
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
    HANDLE copy, event = event_make(NAMED(0, NULL, OBJ_INHERIT));
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
        double begin = seconds_now();
        for (int i = 0; i < COUNT; i++)
            STATUS_IS(NtCreateEvent(&handles[i], EVENT_ALL, NULL, 0, 0), STATUS_SUCCESS);
        HANDLE highest = 0;
        for (int i = 0; i < COUNT; i++)
            highest = handles[i] > highest ? handles[i] : highest;
        assert_true(highest <= (HANDLE)(COUNT + 64) * 4);
        for (int i = 0; i < COUNT; i++)
            STATUS_IS(NtClose(handles[i]), STATUS_SUCCESS);
        assert_true(seconds_now() - begin < 5);
        if (round == 0)
            top = ob_arena->top;
    }
    assert_int_equal(ob_arena->top, top); /* the second round took nothing new: nothing was left behind */
    STATUS_IS(NtCreateEvent(&extra, EVENT_ALL, NULL, 0, 0), STATUS_SUCCESS);
    assert_true(extra <= (HANDLE)(COUNT + 64) * 4);
    STATUS_IS(NtClose(extra), STATUS_SUCCESS);
    free(handles);
}

/* ---- IDs -------------------------------------------------------------------------------------------- */

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

/* ---- names ------------------------------------------------------------------------------------------ */

static void name_collision(void **state)
{
    const char *name = "\\BaseNamedObjects\\test";
    HANDLE mutant, event, again, other;
    (void)state;
    STATUS_IS(NtCreateMutant(&mutant, GENERIC_ALL, NAMED(0, name, 0), 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&event, GENERIC_ALL, NAMED(0, name, 0), 0, 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateEvent(&event, GENERIC_ALL, NAMED(0, name, OBJ_OPENIF), 0, 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateMutant(&again, GENERIC_ALL, NAMED(0, name, 0), 0), STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(NtCreateMutant(&again, GENERIC_ALL, NAMED(0, name, OBJ_OPENIF), 0), STATUS_OBJECT_NAME_EXISTS);
    assert_int_equal(basic_of(mutant).handles, 2);
    STATUS_IS(NtClose(again), STATUS_SUCCESS);

    /* Case: two objects whose names differ by it only, and a lookup that does not care. */
    STATUS_IS(NtCreateEvent(&event, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\Test", 0), 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtOpenMutant(&other, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\TEst", OBJ_CASE_INSENSITIVE)),
              STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtClose(mutant), STATUS_SUCCESS);
    STATUS_IS(NtCreateMutant(&mutant, GENERIC_ALL, NAMED(0, "\\BASENamedObjects\\test", OBJ_CASE_INSENSITIVE), 0),
              STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateEvent(&other, GENERIC_ALL, NAMED(0, "\\BASENamedObjects\\test", OBJ_CASE_INSENSITIVE), 0, 0),
              STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(NtCreateMutant(&mutant, GENERIC_ALL, NAMED(0, "\\BASENamedObjects\\test", 0), 0), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&event, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\Test", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void name_open(void **state)
{
    HANDLE made = event_make(NAMED(0, "\\BaseNamedObjects\\opened", 0)), opened;
    (void)state;
    STATUS_IS(NtOpenEvent(&opened, 0x100000, NAMED(0, "\\BaseNamedObjects\\opened", 0)), STATUS_SUCCESS);
    STATUS_IS(service_named("NtCompareObjects")(made, opened, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtSetEvent(opened, NULL), STATUS_ACCESS_DENIED);
    STATUS_IS(NtSetEvent(made, NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(opened, 0, &(int64_t){0}), STATUS_SUCCESS);
    STATUS_IS(NtClose(made), STATUS_SUCCESS);
    HANDLE again; /* the name lives as long as any handle */
    STATUS_IS(NtOpenEvent(&again, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\opened", 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(again), STATUS_SUCCESS);
    STATUS_IS(NtClose(opened), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&again, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\opened", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtOpenEvent(&again, GENERIC_ALL, NULL), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtOpenEvent(NULL, GENERIC_ALL, NAMED(0, NULL, 0)), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtCreateEvent(NULL, GENERIC_ALL, NULL, 0, 0), STATUS_ACCESS_VIOLATION);
}

static void create_open(const OBJECT_ATTRIBUTES *attributes, NTSTATUS expected)
{
    HANDLE handle;
    NTSTATUS status = NtCreateDirectoryObject(&handle, 1, attributes);
    STATUS_IS(status, expected);
    if (!status)
        STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    status = NtOpenDirectoryObject(&handle, 1, attributes);
    STATUS_IS(status, expected);
    if (!status)
        STATUS_IS(NtClose(handle), STATUS_SUCCESS);
}

static void name_syntax(void **state)
{
    HANDLE handle, directory;
    (void)state;
    create_open(NAMED(0, "BaseNamedObjects", 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    create_open(NAMED(0, "\\BaseNamedObjects\\", 0), STATUS_OBJECT_NAME_INVALID);
    create_open(NAMED(0, "\\\\BaseNamedObjects", 0), STATUS_OBJECT_NAME_INVALID);
    create_open(NAMED(0, "\\BaseNamedObjects\\\\om-test", 0), STATUS_OBJECT_NAME_INVALID);
    create_open(NAMED(0, "\\BaseNamedObjects\\om-test\\", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(NtCreateDirectoryObject(&handle, 1, NAMED(0, "\\", 0)), STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(NtCreateDirectoryObject(&handle, 1, NAMED(0, "\\", OBJ_OPENIF)), STATUS_OBJECT_NAME_EXISTS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(0, "\\", OBJ_OPENIF), 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateDirectoryObject(&handle, 1, NAMED(0, "", 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    STATUS_IS(NtOpenDirectoryObject(&handle, 1, NAMED(0, "", 0)), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(NtOpenDirectoryObject(&handle, 1, NAMED(0, NULL, 0)), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(NtOpenDirectoryObject(&handle, 1, NULL), STATUS_INVALID_PARAMETER);

    STATUS_IS(NtOpenDirectoryObject(&directory, 1, NAMED(0, "\\BaseNamedObjects", 0)), STATUS_SUCCESS);
    STATUS_IS(NtOpenDirectoryObject(&handle, 1, NAMED(directory, NULL, 0)), STATUS_OBJECT_NAME_INVALID);
    create_open(NAMED(directory, "", 0), STATUS_SUCCESS);
    create_open(NAMED(directory, "\\", 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    create_open(NAMED(directory, "\\om-test", 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    create_open(NAMED(directory, "om-test\\", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(directory, "\\om-mutant", 0), 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(directory, "om\\-mutant", 0), 0), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(NtClose(directory), STATUS_SUCCESS);
    /* A handle that is no directory is no root; an object that is none has nothing in it. */
    HANDLE event = event_make(NAMED(0, "\\BaseNamedObjects\\leaf", 0));
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(event, "x", 0), 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtOpenMutant(&handle, GENERIC_ALL, NAMED(event, "", 0)), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\leaf\\x", 0), 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

/* Wrong lengths of the name and of the structure. */
static void name_limits(void **state)
{
    struct named named;
    HANDLE handle, directory;
    WCHAR *text = malloc(65536);
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 32768; i++)
        text[i] = 'a';
    STATUS_IS(NtOpenDirectoryObject(&directory, 1, NAMED(0, "\\BaseNamedObjects", 0)), STATUS_SUCCESS);
    named_fill(&named, directory, "x", 0);
    named.string = (UNICODE_STRING){65532, 65534, text};
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    named.string.length = 65534;
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_OBJECT_NAME_INVALID);
    STATUS_IS(NtOpenEvent(&handle, GENERIC_ALL, &named.attributes), STATUS_OBJECT_NAME_INVALID);
    named.string.length = 67;
    named.attributes.root = 0xdeadbeec;
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_OBJECT_NAME_INVALID);
    named.string.length = 0; /* no name: the root does not matter */
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    named.string.length = 128;
    named.attributes.root = directory;
    for (ULONG length = 0; length <= 2 * sizeof named.attributes; length++) {
        named.attributes.length = length;
        NTSTATUS expected = length == sizeof named.attributes ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
        NTSTATUS status = NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0);
        STATUS_IS(status, expected);
        if (!status)
            STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    }
    named.attributes.length = sizeof named.attributes;
    named.attributes.name = NULL;
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_OBJECT_NAME_INVALID);
    named.attributes.name = (UNICODE_STRING *)16;
    STATUS_IS(NtCreateEvent(&handle, GENERIC_ALL, &named.attributes, 0, 0), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtClose(directory), STATUS_SUCCESS);
    free(text);
}

/* kernel32 opens \Sessions\N\BaseNamedObjects and names objects relative to it; Local\ and Global\ are links there. */
static void name_session(void **state)
{
    HANDLE session, local, global, plain, handle;
    (void)state;
    STATUS_IS(NtOpenDirectoryObject(&session, 6, NAMED(0, "\\Sessions\\1\\BaseNamedObjects", 0)), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&plain, EVENT_ALL, NAMED(session, "it", OBJ_OPENIF), 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&local, EVENT_ALL, NAMED(session, "Local\\it", OBJ_OPENIF), 0, 0), STATUS_OBJECT_NAME_EXISTS);
    STATUS_IS(NtCreateEvent(&global, EVENT_ALL, NAMED(session, "Global\\it", OBJ_OPENIF), 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\it", 0)), STATUS_SUCCESS);
    STATUS_IS(service_named("NtCompareObjects")(handle, global, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(service_named("NtCompareObjects")(handle, local, 0, 0, 0, 0, 0), STATUS_NOT_SAME_OBJECT);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\Session\\1\\it", 0)), STATUS_SUCCESS);
    STATUS_IS(service_named("NtCompareObjects")(handle, plain, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    STATUS_IS(NtClose(plain), STATUS_SUCCESS);
    STATUS_IS(NtClose(local), STATUS_SUCCESS);
    STATUS_IS(NtClose(global), STATUS_SUCCESS);
    STATUS_IS(NtClose(session), STATUS_SUCCESS);
}

static void name_memory_conditions(void **state)
{
    HANDLE low, high;
    (void)state;
    STATUS_IS(NtOpenEvent(&low, 0x100001, NAMED(0, "\\KernelObjects\\LowMemoryCondition", 0)), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&high, 0x100001, NAMED(0, "\\KernelObjects\\HighMemoryCondition", 0)), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(low, 0, &(int64_t){0}), STATUS_TIMEOUT);
    STATUS_IS(NtWaitForSingleObject(high, 0, &(int64_t){0}), STATUS_SUCCESS);
    STATUS_IS(NtClose(low), STATUS_SUCCESS);
    STATUS_IS(NtClose(high), STATUS_SUCCESS);
}

static void name_directory(void **state)
{
    HANDLE outer, inner, handle;
    (void)state;
    STATUS_IS(NtCreateDirectoryObject(&outer, 1, NAMED(0, "\\BaseNamedObjects\\Global\\om-test", 0)), STATUS_SUCCESS);
    STATUS_IS(NtCreateDirectoryObject(&inner, 1, NAMED(0, "\\BaseNamedObjects\\Local\\om-test\\one more level", 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(inner), STATUS_SUCCESS);
    STATUS_IS(NtCreateDirectoryObject(&inner, 1, NAMED(outer, "one more level", 0)), STATUS_SUCCESS);
    STATUS_IS(NtCreateEvent(&handle, EVENT_ALL, NAMED(inner, "in it", 0), 0, 0), STATUS_SUCCESS);
    /* The directories' names go with their handles, the event keeps the memory. */
    STATUS_IS(NtClose(outer), STATUS_SUCCESS);
    STATUS_IS(NtClose(inner), STATUS_SUCCESS);
    STATUS_IS(NtSetEvent(handle, NULL), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
}

static void name_link(void **state)
{
    HANDLE link, handle, mutant, directory;
    struct named target;
    (void)state;
    STATUS_IS(NtOpenSymbolicLinkObject(&link, 1, NAMED(0, "\\BaseNamedObjects\\Local", 0)), STATUS_SUCCESS);
    STATUS_IS(NtCreateDirectoryObject(&handle, 1, NAMED(link, "one more level", 0)), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtOpenSymbolicLinkObject(&handle, 1, NAMED(link, "", 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);

    WCHAR buffer[64];
    ULONG size = 0;
    UNICODE_STRING string = {0, sizeof buffer, buffer};
    STATUS_IS(NtQuerySymbolicLinkObject(link, &string, &size), STATUS_SUCCESS);
    assert_int_equal(size, string.length + 2);
    assert_int_equal(buffer[string.length / 2], 0);
    string.maximum = string.length;
    size = 0;
    STATUS_IS(NtQuerySymbolicLinkObject(link, &string, &size), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(size, string.length + 2);
    string.maximum = (USHORT)(string.length + 2);
    STATUS_IS(NtQuerySymbolicLinkObject(link, &string, &size), STATUS_SUCCESS);
    STATUS_IS(NtClose(link), STATUS_SUCCESS);

    named_fill(&target, 0, "\\BaseNamedObjects", 0);
    STATUS_IS(NtCreateDirectoryObject(&directory, 1, NAMED(0, "\\BaseNamedObjects\\om-test", 0)), STATUS_SUCCESS);
    STATUS_IS(NtCreateSymbolicLinkObject(&link, 1, NAMED(0, "\\DosDevices\\test_link", 0), &target.string), STATUS_SUCCESS);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(link, "om-test\\object", 0), 0), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateMutant(&mutant, GENERIC_ALL, NAMED(0, "\\DosDevices\\test_link\\om-test\\object", 0), 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateMutant(&handle, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\om-test\\object", 0), 0),
              STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(NtCreateSymbolicLinkObject(&handle, 1, NAMED(0, "\\", 0), &target.string), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtCreateSymbolicLinkObject(&handle, 1, NULL, NULL), STATUS_ACCESS_VIOLATION);
    target.string = (UNICODE_STRING){0};
    STATUS_IS(NtCreateSymbolicLinkObject(&handle, 1, NAMED(0, NULL, 0), &target.string), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtClose(mutant), STATUS_SUCCESS);
    STATUS_IS(NtClose(link), STATUS_SUCCESS);
    STATUS_IS(NtClose(directory), STATUS_SUCCESS);

    /* A link to itself is followed for a while only. */
    named_fill(&target, 0, "\\BaseNamedObjects\\loop", 0);
    STATUS_IS(NtCreateSymbolicLinkObject(&link, 1, NAMED(0, "\\BaseNamedObjects\\loop", 0), &target.string), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\loop", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtClose(link), STATUS_SUCCESS);
}

static void name_permanent(void **state)
{
    HANDLE event = event_make(NAMED(0, "\\BaseNamedObjects\\stays", OBJ_PERMANENT)), again;
    (void)state;
    STATUS_IS(NtSetEvent(event, NULL), STATUS_SUCCESS);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&again, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\stays", 0)), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(again, 0, &(int64_t){0}), STATUS_SUCCESS);
    STATUS_IS(service_named("NtMakeTemporaryObject")(again, 0, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtClose(again), STATUS_SUCCESS);
    STATUS_IS(NtOpenEvent(&again, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\stays", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void name_many(void **state)
{
    enum { COUNT = 20000 };
    HANDLE *handles = malloc(COUNT * sizeof *handles), handle;
    char name[64];
    (void)state;
    assert_non_null(handles);
    double begin = seconds_now();
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "\\BaseNamedObjects\\many %d", i);
        STATUS_IS(NtCreateEvent(&handles[i], EVENT_ALL, NAMED(0, name, 0), 0, 0), STATUS_SUCCESS);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "\\BaseNamedObjects\\many %d", i);
        STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, name, 0)), STATUS_SUCCESS);
        STATUS_IS(NtClose(handle), STATUS_SUCCESS);
        STATUS_IS(NtClose(handles[i]), STATUS_SUCCESS);
    }
    assert_true(seconds_now() - begin < 10);
    STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\many 7", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
    free(handles);
}

/* ---- questions -------------------------------------------------------------------------------------- */

static void text_is(const UNICODE_STRING *string, const char *expected)
{
    assert_int_equal(string->length, strlen(expected) * 2);
    for (size_t i = 0; expected[i]; i++)
        assert_int_equal(string->buffer[i], expected[i]);
}

static void query_name(void **state)
{
    static const char path[] = "\\Sessions\\1\\BaseNamedObjects\\test_event";
    HANDLE event = event_make(NAMED(0, path, 0));
    union { UNICODE_STRING string; char bytes[512]; } buffer;
    ULONG size = 0, full = sizeof(UNICODE_STRING) + 2 * sizeof path;
    (void)state;
    STATUS_IS(NtQueryObject(event, 1, &buffer, 0, &size), STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(size, full);
    STATUS_IS(NtQueryObject(event, 1, &buffer, full - 2, &size), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryObject(event, 1, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, full);
    text_is(&buffer.string, path);
    assert_int_equal(buffer.string.maximum, buffer.string.length + 2);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);

    event = event_make(NULL);
    STATUS_IS(NtQueryObject(event, 1, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof(UNICODE_STRING));
    assert_int_equal(buffer.string.length, 0);
    assert_null(buffer.string.buffer);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtQueryObject(event, 1, &buffer, sizeof buffer, &size), STATUS_INVALID_HANDLE);
    STATUS_IS(NtQueryObject(event, 0x77, &buffer, sizeof buffer, &size), STATUS_INVALID_INFO_CLASS);
}

static void query_type(void **state)
{
    HANDLE event = event_make(NULL);
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
    event = event_make(NULL);
    struct object_basic basic;
    STATUS_IS(NtQueryObject(event, 0, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryObject(event, 0, &basic, 55, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
}

struct directory_entry { UNICODE_STRING name, type; };

static void query_directory(void **state)
{
    HANDLE directory, event, semaphore;
    union { struct directory_entry entries[8]; char bytes[1024]; } buffer;
    ULONG context = 0xdeadbeef, size = 0;
    (void)state;
    STATUS_IS(NtCreateDirectoryObject(&directory, 3, NAMED(0, "\\BaseNamedObjects\\listed", 0)), STATUS_SUCCESS);
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, sizeof buffer, 1, 1, &context, &size), STATUS_NO_MORE_ENTRIES);
    assert_int_equal(size, sizeof(struct directory_entry));
    STATUS_IS(NtCreateEvent(&event, EVENT_ALL, NAMED(directory, "first", 0), 0, 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateSemaphore(&semaphore, GENERIC_ALL, NAMED(directory, "second", 0), 1, 1), STATUS_SUCCESS);

    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, sizeof buffer, 1, 1, &context, &size), STATUS_SUCCESS);
    text_is(&buffer.entries[0].name, "first");
    text_is(&buffer.entries[0].type, "Event");
    assert_null(buffer.entries[1].name.buffer);
    assert_int_equal(context, 1);
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, sizeof buffer, 1, 0, &context, &size), STATUS_SUCCESS);
    text_is(&buffer.entries[0].name, "second");
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, sizeof buffer, 1, 0, &context, &size), STATUS_NO_MORE_ENTRIES);
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, 16, 1, 1, &context, &size), STATUS_BUFFER_TOO_SMALL);
    /* Entry, terminator, both texts with theirs. */
    assert_int_equal(size, 2 * sizeof(struct directory_entry) + sizeof "first" * 2 + sizeof "Event" * 2);
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, size, 0, 1, &context, &size), STATUS_MORE_ENTRIES);
    text_is(&buffer.entries[0].name, "first");
    assert_null(buffer.entries[1].name.buffer);
    STATUS_IS(NtQueryDirectoryObject(directory, &buffer, sizeof buffer, 0, 1, &context, &size), STATUS_SUCCESS);
    text_is(&buffer.entries[1].name, "second");
    text_is(&buffer.entries[1].type, "Semaphore");
    assert_null(buffer.entries[2].name.buffer);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtClose(semaphore), STATUS_SUCCESS);
    STATUS_IS(NtClose(directory), STATUS_SUCCESS);
}

static void query_security(void **state)
{
    HANDLE event = event_make(NULL), weak;
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

/* ---- the lock ---------------------------------------------------------------------------------------- */

static uint32_t counter;

static void *count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20000; i++) {
        nt_lock();
        counter++;
        nt_unlock();
    }
    return NULL;
}

static void lock_excludes(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, 80000);
}

static uint32_t repaired_after;

static void repair_note(uint32_t owner)
{
    repaired_after = owner;
}

/* A process is killed while it holds the lock; it is not even waited for, so that it stays as a zombie. */
static void lock_taken_over(void **state)
{
    int ready[2];
    char byte;
    (void)state;
    void (*repair)(uint32_t) = ob_lock_repair;
    uint32_t takeovers = ob_arena->takeovers;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        nt_lock();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(ob_arena->lock & ~OB_LOCK_WAITERS, (uint32_t)child);
    assert_int_equal(kill(child, SIGKILL), 0);
    ob_lock_repair = repair_note;
    double begin = seconds_now();
    nt_lock();
    assert_true(seconds_now() - begin < 5);
    nt_unlock();
    ob_lock_repair = repair;
    assert_int_equal(ob_arena->takeovers, takeovers + 1);
    assert_int_equal(repaired_after, child);
    assert_int_equal(waitpid(child, NULL, 0), child);
    nt_lock(); /* and is an ordinary lock again */
    nt_unlock();
    assert_int_equal(ob_arena->takeovers, takeovers + 1);
    close(ready[0]);
    close(ready[1]);
}

/* An owner that is only slow keeps it. */
static void *hold_long(void *argument)
{
    nt_lock();
    __atomic_store_n((int *)argument, 1, __ATOMIC_RELEASE);
    usleep(150000);
    __atomic_store_n((int *)argument, 2, __ATOMIC_RELEASE);
    nt_unlock();
    return NULL;
}

static void lock_slow_owner(void **state)
{
    pthread_t thread;
    int step = 0;
    (void)state;
    uint32_t takeovers = ob_arena->takeovers;
    assert_int_equal(pthread_create(&thread, NULL, hold_long, &step), 0);
    while (!__atomic_load_n(&step, __ATOMIC_ACQUIRE))
        usleep(1000);
    nt_lock();
    assert_int_equal(__atomic_load_n(&step, __ATOMIC_ACQUIRE), 2);
    nt_unlock();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ob_arena->takeovers, takeovers);
}

/* ---- a process killed at any moment ------------------------------------------------------------------- */

static struct nt_object *counted[4096];
static uint32_t counted_handles[4096], counted_length;

static void handles_count(struct nt_object *object)
{
    uint32_t i = 0;
    while (i < counted_length && counted[i] != object)
        i++;
    assert_true(i < 4096);
    if (i == counted_length) {
        counted[counted_length] = object;
        counted_handles[counted_length++] = 0;
    }
}

/* Lock held. What must always be true of the arena, told apart from the code that keeps it so. */
static void arena_check(void)
{
    const struct ob_name_table *table = nt_at(ob_arena->names);
    uint32_t names = 0, listed = 0;
    counted_length = 0;
    ob_objects_visit(handles_count);
    for (nt_ref at = ob_arena->processes, previous = 0; at; previous = at, at = ((struct ob_handle_table *)nt_at(at))->next) {
        const struct ob_handle_table *handles = nt_at(at);
        assert_int_equal(handles->prev, previous);
        for (uint32_t index = 1; index < handles->fresh; index++)
            for (uint32_t i = 0; ob_table_entry(handles, index)->object && i < counted_length; i++)
                counted_handles[i] += nt_ref_of(counted[i]) == ob_table_entry(handles, index)->object;
    }
    for (uint32_t i = 0; i < table->buckets; i++)
        for (nt_ref at = table->chains[i]; at; at = ((struct ob_name *)nt_at(at))->next[table->side], names++) {
            const struct ob_name *name = nt_at(at);
            assert_int_equal(((struct nt_object *)nt_at(name->object))->name, at);
            assert_int_equal(name->hash % table->buckets, i);
        }
    assert_int_equal(names, ob_arena->name_count);
    for (uint32_t i = 0; i < counted_length; i++) {
        const struct nt_object *object = counted[i];
        assert_true(object->type > NT_ANY && object->type < NT_TYPE_COUNT);
        assert_int_equal(object->handles, counted_handles[i]);
        assert_true(object->references >= object->handles + (object->name != 0));
        assert_true(!object->name || object->handles || object->flags & NT_OBJECT_PERMANENT);
        for (nt_ref at = object->waiters; at; at = ((struct nt_wait_block *)nt_at(at))->next) {
            const struct nt_wait_block *block = nt_at(at);
            assert_int_equal(block->object, nt_ref_of(object));
            assert_true(ke_sleeping(nt_at(block->thread)));
            nt_ref next = block->next ? block->next : object->waiters;
            assert_int_equal(((struct nt_wait_block *)nt_at(next))->prev, at);
        }
        if (object->type != NT_DIRECTORY)
            continue;
        const struct ob_directory *directory = (const struct ob_directory *)object;
        nt_ref previous = 0;
        for (nt_ref at = directory->first; at; previous = at, at = ((struct ob_name *)nt_at(at))->sibling_next, listed++) {
            assert_int_equal(((struct ob_name *)nt_at(at))->sibling_prev, previous);
            assert_int_equal(((struct ob_name *)nt_at(at))->directory, nt_ref_of(object));
        }
        assert_int_equal(directory->last, previous);
    }
    assert_int_equal(listed, names);
}

/* Does a bit of everything until it is killed; mostly inside the lock. */
static void victim_run(uint32_t *process_ref, unsigned seed)
{
    struct nt_object *process;
    HANDLE ping, pong, handles[8] = {0};
    char name[64];
    ob_table_forget();
    if (nt_object_create(NT_PROCESS, sizeof(struct nt_process_object), &process))
        _exit(1);
    nt_process.object = nt_ref_of(process);
    nt_process.id = nt_id_allocate(nt_process.object);
    kernel_thread_begin();
    if (NtOpenEvent(&ping, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\ping", 0)) ||
        NtOpenSemaphore(&pong, GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\pong", 0)))
        _exit(2);
    __atomic_store_n(process_ref, nt_process.object, __ATOMIC_RELEASE);
    for (;;) {
        unsigned slot = seed % 8;
        seed = seed * 1103515245 + 12345;
        if (handles[slot])
            NtClose(handles[slot]);
        snprintf(name, sizeof name, "\\BaseNamedObjects\\victim %u", seed >> 16 & 63);
        switch (seed >> 28) {
        case 0: case 1: case 2: case 3: case 4:
            NtCreateEvent(&handles[slot], EVENT_ALL, NAMED(0, name, OBJ_OPENIF), 1, 0);
            break;
        case 5: case 6: case 7:
            NtCreateMutant(&handles[slot], GENERIC_ALL, NULL, 1);
            break;
        case 8: case 9:
            NtCreateDirectoryObject(&handles[slot], GENERIC_ALL, NAMED(0, name, OBJ_OPENIF));
            break;
        default:
            NtCreateSemaphore(&handles[slot], GENERIC_ALL, NULL, 1, 2);
            NtSetEvent(ping, NULL);
            NtReleaseSemaphore(pong, 1, NULL);
            NtWaitForMultipleObjects(2, (HANDLE[]){handles[slot], ping}, FOR_ANY, 0, &(int64_t){0});
        }
    }
}

static int waiter_stop;

static void *waiter_run(void *argument)
{
    const HANDLE *handles = argument;
    uintptr_t woken = 0;
    while (!__atomic_load_n(&waiter_stop, __ATOMIC_ACQUIRE)) {
        NTSTATUS status = NtWaitForMultipleObjects(2, handles, FOR_ANY, 0, &(int64_t){200 * MS});
        assert_true(status <= 1 || status == STATUS_TIMEOUT);
        woken += status <= 1;
    }
    return (void *)woken;
}

static void killed_anywhere(void **state)
{
    enum { ROUNDS = 150 };
    HANDLE shared[2];
    uint32_t takeovers = ob_arena->takeovers;
    uint32_t *process_ref = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(process_ref, MAP_FAILED);
    STATUS_IS(NtCreateEvent(&shared[0], EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\ping", 0), 1, 0), STATUS_SUCCESS);
    STATUS_IS(NtCreateSemaphore(&shared[1], GENERIC_ALL, NAMED(0, "\\BaseNamedObjects\\pong", 0), 0, 0x7fffffff), STATUS_SUCCESS);
    pthread_t waiter = kernel_thread_start(waiter_run, shared);
    for (unsigned round = 0; round < ROUNDS; round++) {
        *process_ref = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            victim_run(process_ref, round * 2654435761u);
        while (!__atomic_load_n(process_ref, __ATOMIC_ACQUIRE))
            usleep(50);
        usleep(200 + round * 7);
        assert_int_equal(kill(child, SIGKILL), 0);
        struct nt_process_object *process = nt_at(*process_ref);
        assert_int_equal(waitpid(child, NULL, 0), child);
        nt_lock();
        arena_check();
        nt_unlock();
        nt_handles_close_all(process->handle_table);
        process->handle_table = 0;
        nt_lock();
        arena_check();
        nt_unlock();
    }
    __atomic_store_n(&waiter_stop, 1, __ATOMIC_RELEASE);
    uintptr_t woken = (uintptr_t)kernel_thread_join(waiter);
    print_message("%d killed, %u inside the lock; the waiter was woken %lu times\n", ROUNDS, ob_arena->takeovers - takeovers,
                  (unsigned long)woken);
    assert_true(woken > 0);
    STATUS_IS(NtClose(shared[0]), STATUS_SUCCESS);
    STATUS_IS(NtClose(shared[1]), STATUS_SUCCESS);
    munmap(process_ref, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks), cmocka_unit_test(arena_sizes), cmocka_unit_test(handle_values),
        cmocka_unit_test(handle_lookup_order), cmocka_unit_test(handle_pseudo), cmocka_unit_test(handle_counts),
        cmocka_unit_test(handle_duplicate), cmocka_unit_test(handle_flags), cmocka_unit_test(handle_descriptor),
        cmocka_unit_test(handle_many), cmocka_unit_test(id_space), cmocka_unit_test(name_collision),
        cmocka_unit_test(name_open), cmocka_unit_test(name_syntax), cmocka_unit_test(name_limits),
        cmocka_unit_test(name_session), cmocka_unit_test(name_memory_conditions), cmocka_unit_test(name_directory), cmocka_unit_test(name_link),
        cmocka_unit_test(name_permanent), cmocka_unit_test(name_many), cmocka_unit_test(query_name),
        cmocka_unit_test(query_type), cmocka_unit_test(query_access), cmocka_unit_test(query_directory),
        cmocka_unit_test(query_security), cmocka_unit_test(lock_excludes), cmocka_unit_test(lock_taken_over),
        cmocka_unit_test(lock_slow_owner), cmocka_unit_test(killed_anywhere),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
