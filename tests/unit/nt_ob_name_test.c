/* Names, directories and symbolic links. Expectations are Windows': what Wine's conformance tests of the object manager,
 * which run on Windows, require. */
#include "nt_kernel.h"

#include <stdio.h>

/* ---- names ----------------------------------------------------------------------------------------------- */

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
    HANDLE made = event_named(NAMED(0, "\\BaseNamedObjects\\opened", 0)), opened;
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
    HANDLE event = event_named(NAMED(0, "\\BaseNamedObjects\\leaf", 0));
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
    HANDLE event = event_named(NAMED(0, "\\BaseNamedObjects\\stays", OBJ_PERMANENT)), again;
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
    double begin = seconds_worked();
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
    assert_true(seconds_worked() - begin < 10);
    STATUS_IS(NtOpenEvent(&handle, EVENT_ALL, NAMED(0, "\\BaseNamedObjects\\many 7", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
    free(handles);
}

/* ---- questions about names ------------------------------------------------------------------------------- */

static void query_name(void **state)
{
    static const char path[] = "\\Sessions\\1\\BaseNamedObjects\\test_event";
    HANDLE event = event_named(NAMED(0, path, 0));
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

    event = event_named(NULL);
    STATUS_IS(NtQueryObject(event, 1, &buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof(UNICODE_STRING));
    assert_int_equal(buffer.string.length, 0);
    assert_null(buffer.string.buffer);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtQueryObject(event, 1, &buffer, sizeof buffer, &size), STATUS_INVALID_HANDLE);
    STATUS_IS(NtQueryObject(event, 0x77, &buffer, sizeof buffer, &size), STATUS_INVALID_INFO_CLASS);
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


int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_collision), cmocka_unit_test(name_open), cmocka_unit_test(name_syntax),
        cmocka_unit_test(name_limits), cmocka_unit_test(name_session), cmocka_unit_test(name_memory_conditions),
        cmocka_unit_test(name_directory), cmocka_unit_test(name_link), cmocka_unit_test(name_permanent),
        cmocka_unit_test(name_many), cmocka_unit_test(query_name), cmocka_unit_test(query_directory),
    };
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
