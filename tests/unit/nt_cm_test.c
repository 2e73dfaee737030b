/* The registry. Expectations are Windows': the documented structures and statuses of the ZwXxxKey routines, and what
 * Wine's conformance tests of the registry, which run on Windows, require. */
#include "loader/nt/cm/private.h"

#include "nt_kernel.h"

#include <stdio.h>

enum { KEY_ALL = 0xF003F, KEY_READ = 0x20019 };

static HANDLE key_open(HANDLE root, const char *name)
{
    HANDLE key = 0;
    STATUS_IS(NtOpenKey(&key, KEY_ALL, NAMED(root, name, OBJ_CASE_INSENSITIVE)), STATUS_SUCCESS);
    return key;
}

static NTSTATUS open_status(HANDLE root, const char *name)
{
    HANDLE key = 0;
    NTSTATUS status = NtOpenKey(&key, KEY_READ, NAMED(root, name, OBJ_CASE_INSENSITIVE));
    if (!status)
        STATUS_IS(NtClose(key), STATUS_SUCCESS);
    return status;
}

static HANDLE key_make(HANDLE root, const char *name, ULONG expected)
{
    HANDLE key = 0;
    ULONG disposition = 0;
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(root, name, 0), 0, NULL, 0, &disposition), STATUS_SUCCESS);
    assert_int_equal(disposition, expected);
    return key;
}
enum { CREATED = 1, EXISTED = 2 };

/* An ASCII text as a UNICODE_STRING. */
struct string { UNICODE_STRING string; WCHAR text[300]; };
static UNICODE_STRING *string_fill(struct string *to, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i <= length; i++)
        to->text[i] = (uint8_t)text[i];
    to->string = (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2 + 2), to->text};
    return &to->string;
}
#define STRING(ascii) string_fill(&(struct string){.text = {0}}, (ascii))

static void value_set(HANDLE key, const char *name, ULONG type, const void *data, ULONG length)
{
    STATUS_IS(NtSetValueKey(key, STRING(name), 0, type, data, length), STATUS_SUCCESS);
}

struct partial { ULONG title, type, length; uint8_t data[600]; };

/* The text of a REG_SZ value, as ASCII. */
static const char *value_text(HANDLE key, const char *name)
{
    static char text[300];
    struct partial partial;
    ULONG size = 0;
    STATUS_IS(NtQueryValueKey(key, STRING(name), 2, &partial, sizeof partial, &size), STATUS_SUCCESS);
    assert_int_equal(size, 12 + partial.length);
    for (ULONG i = 0; i < partial.length / 2; i++)
        text[i] = (char)partial.data[2 * i];
    assert_int_equal(text[partial.length / 2 - 1], 0);
    return text;
}

static uint32_t value_number(HANDLE key, const char *name)
{
    struct partial partial;
    ULONG size;
    uint32_t number;
    STATUS_IS(NtQueryValueKey(key, STRING(name), 2, &partial, sizeof partial, &size), STATUS_SUCCESS);
    assert_int_equal(partial.type, REG_DWORD);
    assert_int_equal(partial.length, 4);
    memcpy(&number, partial.data, 4);
    return number;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static void path_syntax(void **state)
{
    (void)state;
    STATUS_IS(open_status(0, "\\Registry"), STATUS_SUCCESS);
    STATUS_IS(open_status(0, "\\REGISTRY\\machine\\"), STATUS_SUCCESS);
    STATUS_IS(open_status(0, "\\Registry\\\\Machine\\Software"), STATUS_SUCCESS);
    STATUS_IS(open_status(0, "Registry\\Machine"), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(open_status(0, ""), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(open_status(0, NULL), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(open_status(0, "\\Nothing\\Machine"), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(open_status(0, "\\Registry\\Machine\\Nothing"), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(open_status(0, "\\Registry\\Machine\\Nothing\\Below"), STATUS_OBJECT_NAME_NOT_FOUND);
    HANDLE machine = key_open(0, "\\Registry\\Machine");
    STATUS_IS(open_status(machine, "Software"), STATUS_SUCCESS);
    STATUS_IS(open_status(machine, "software\\microsoft\\"), STATUS_SUCCESS);
    STATUS_IS(open_status(machine, ""), STATUS_SUCCESS); /* the key itself once more */
    STATUS_IS(open_status(machine, "\\Software"), STATUS_OBJECT_PATH_SYNTAX_BAD);
    STATUS_IS(NtClose(machine), STATUS_SUCCESS);
    STATUS_IS(open_status(machine, "Software"), STATUS_INVALID_HANDLE);
    HANDLE event = event_named(NULL);
    STATUS_IS(open_status(event, "Software"), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    STATUS_IS(NtOpenKey(NULL, KEY_READ, NAMED(0, "\\Registry", 0)), STATUS_ACCESS_VIOLATION);
}

static void path_component_limit(void **state)
{
    char name[300];
    HANDLE key, software = key_open(0, "\\Registry\\Machine\\Software");
    (void)state;
    memset(name, 'n', 255);
    name[255] = 0;
    key = key_make(software, name, CREATED);
    STATUS_IS(NtDeleteKey(key), STATUS_SUCCESS);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
    memset(name, 'n', 256);
    name[256] = 0;
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(software, name, 0), 0, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
}

/* Creating makes the last component only. */
static void create_last_component(void **state)
{
    HANDLE key, software = key_open(0, "\\Registry\\Machine\\Software");
    (void)state;
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(software, "a\\b", 0), 0, NULL, 0, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    HANDLE a = key_make(software, "a", CREATED), again = key_make(software, "A", EXISTED), b = key_make(software, "a\\b", CREATED);
    STATUS_IS(NtDeleteKey(a), STATUS_CANNOT_DELETE);
    STATUS_IS(NtDeleteKey(b), STATUS_SUCCESS);
    STATUS_IS(NtDeleteKey(a), STATUS_SUCCESS);
    STATUS_IS(open_status(software, "a"), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtClose(a), STATUS_SUCCESS);
    STATUS_IS(NtClose(again), STATUS_SUCCESS);
    STATUS_IS(NtClose(b), STATUS_SUCCESS);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
}

static void deleted_key(void **state)
{
    HANDLE other;
    ULONG size;
    uint8_t buffer[100];
    HANDLE software = key_open(0, "\\Registry\\Machine\\Software"), key = key_make(software, "gone", CREATED);
    (void)state;
    value_set(key, "v", REG_SZ, "x", 1);
    STATUS_IS(NtDeleteKey(key), STATUS_SUCCESS);
    STATUS_IS(NtDeleteKey(key), STATUS_KEY_DELETED);
    STATUS_IS(NtSetValueKey(key, STRING("v"), 0, REG_SZ, "x", 1), STATUS_KEY_DELETED);
    STATUS_IS(NtQueryValueKey(key, STRING("v"), 2, buffer, sizeof buffer, &size), STATUS_KEY_DELETED);
    STATUS_IS(NtQueryKey(key, 0, buffer, sizeof buffer, &size), STATUS_KEY_DELETED);
    STATUS_IS(NtEnumerateKey(key, 0, 0, buffer, sizeof buffer, &size), STATUS_KEY_DELETED);
    STATUS_IS(NtEnumerateValueKey(key, 0, 0, buffer, sizeof buffer, &size), STATUS_KEY_DELETED);
    STATUS_IS(NtOpenKey(&other, KEY_READ, NAMED(key, "below", 0)), STATUS_KEY_DELETED);
    STATUS_IS(NtCreateKey(&other, KEY_READ, NAMED(key, "below", 0), 0, NULL, 0, NULL), STATUS_KEY_DELETED);
    HANDLE fresh = key_make(software, "gone", CREATED); /* the name is free while the old one is still open */
    STATUS_IS(NtQueryValueKey(fresh, STRING("v"), 2, buffer, sizeof buffer, &size), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
    STATUS_IS(NtDeleteKey(fresh), STATUS_SUCCESS);
    STATUS_IS(NtClose(fresh), STATUS_SUCCESS);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
}

static void access_rights(void **state)
{
    HANDLE key, below;
    ULONG size;
    uint8_t buffer[64];
    (void)state;
    STATUS_IS(NtOpenKey(&key, KEY_QUERY_VALUE, NAMED(0, "\\Registry\\Machine\\Software", 0)), STATUS_SUCCESS);
    STATUS_IS(NtSetValueKey(key, STRING("v"), 0, REG_SZ, "x", 1), STATUS_ACCESS_DENIED);
    STATUS_IS(NtDeleteKey(key), STATUS_ACCESS_DENIED);
    STATUS_IS(NtEnumerateKey(key, 0, 0, buffer, sizeof buffer, &size), STATUS_ACCESS_DENIED);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
    STATUS_IS(NtOpenKey(&key, KEY_ENUMERATE_SUB_KEYS, NAMED(0, "\\Registry\\Machine\\Software", 0)), STATUS_SUCCESS);
    STATUS_IS(NtQueryKey(key, 0, buffer, sizeof buffer, &size), STATUS_ACCESS_DENIED);
    STATUS_IS(NtQueryKey(key, 3, buffer, 0, &size), STATUS_BUFFER_TOO_SMALL); /* the name may be asked all the same */
    STATUS_IS(NtOpenKey(&below, KEY_ALL, NAMED(key, "Microsoft", 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(below), STATUS_SUCCESS);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
    /* The WOW64 flags choose a view; they are no rights of the handle. */
    STATUS_IS(NtOpenKey(&key, KEY_READ | KEY_WOW64_64KEY, NAMED(0, "\\Registry\\Machine\\Software", 0)), STATUS_SUCCESS);
    assert_int_equal(basic_of(key).access, KEY_READ);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static HANDLE scratch_make(const char *name)
{
    HANDLE software = key_open(0, "\\Registry\\Machine\\Software"), key = key_make(software, name, CREATED);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
    return key;
}

static void scratch_end(HANDLE key)
{
    STATUS_IS(NtDeleteKey(key), STATUS_SUCCESS);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
}

/* KEY_VALUE_BASIC, FULL, PARTIAL, PARTIAL_ALIGN64: offsets as winternl documents them. */
static void value_classes(void **state)
{
    HANDLE key = scratch_make("values");
    uint8_t buffer[64];
    ULONG size = 0;
    static const uint8_t data[5] = {1, 2, 3, 4, 5};
    (void)state;
    value_set(key, "abc", REG_BINARY, data, sizeof data);

    memset(buffer, 0xcc, sizeof buffer);
    STATUS_IS(NtQueryValueKey(key, STRING("ABC"), 0, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, 12 + 6);
    assert_int_equal(((ULONG *)buffer)[0], 0);
    assert_int_equal(((ULONG *)buffer)[1], REG_BINARY);
    assert_int_equal(((ULONG *)buffer)[2], 6);
    assert_int_equal(buffer[12], 'a'); /* the value's own spelling */
    assert_int_equal(buffer[18], 0xcc);

    STATUS_IS(NtQueryValueKey(key, STRING("abc"), 1, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    ULONG offset = ((ULONG *)buffer)[2];
    assert_true(offset >= 20 + 6);
    assert_int_equal(size, offset + 5);
    assert_int_equal(((ULONG *)buffer)[3], 5);
    assert_int_equal(((ULONG *)buffer)[4], 6);
    assert_memory_equal(buffer + offset, data, 5);

    STATUS_IS(NtQueryValueKey(key, STRING("abc"), 2, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, 12 + 5);
    assert_int_equal(((ULONG *)buffer)[1], REG_BINARY);
    assert_int_equal(((ULONG *)buffer)[2], 5);
    assert_memory_equal(buffer + 12, data, 5);

    STATUS_IS(NtQueryValueKey(key, STRING("abc"), 4, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(size, 8 + 5);
    assert_int_equal(((ULONG *)buffer)[0], REG_BINARY);
    assert_int_equal(((ULONG *)buffer)[1], 5);
    assert_memory_equal(buffer + 8, data, 5);

    STATUS_IS(NtQueryValueKey(key, STRING("abc"), 99, buffer, sizeof buffer, &size), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtQueryValueKey(key, STRING("none"), 2, buffer, sizeof buffer, &size), STATUS_OBJECT_NAME_NOT_FOUND);
    scratch_end(key);
}

/* Too short for the fixed part: BUFFER_TOO_SMALL. Too short for the rest: BUFFER_OVERFLOW, and what fits is there. */
static void value_lengths(void **state)
{
    HANDLE key = scratch_make("lengths");
    uint8_t buffer[64];
    ULONG size;
    (void)state;
    value_set(key, "v", REG_BINARY, "123456", 6);
    for (ULONG room = 0; room <= 18; room++) {
        memset(buffer, 0xcc, sizeof buffer);
        size = 0;
        NTSTATUS status = NtQueryValueKey(key, STRING("v"), 2, buffer, room, &size);
        STATUS_IS(status, room < 12 ? STATUS_BUFFER_TOO_SMALL : room < 18 ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS);
        assert_int_equal(size, 18);
        if (room >= 12) {
            assert_int_equal(((ULONG *)buffer)[2], 6);
            assert_memory_equal(buffer + 12, "123456", room - 12);
        }
        assert_int_equal(buffer[room], 0xcc);
    }
    STATUS_IS(NtQueryValueKey(key, STRING("v"), 2, (void *)1, 18, &size), STATUS_ACCESS_VIOLATION);
    scratch_end(key);
}

static void value_changes(void **state)
{
    HANDLE key = scratch_make("changes");
    struct partial partial;
    ULONG size;
    static uint8_t large[70000];
    (void)state;
    value_set(key, "", REG_DWORD, "\1\0\0\0", 4); /* the key's own value */
    value_set(key, "v", REG_SZ, "a\0\0", 4);
    value_set(key, "V", REG_DWORD, "\2\0\0\0", 4); /* replaces, whatever its case */
    assert_int_equal(value_number(key, ""), 1);
    assert_int_equal(value_number(key, "v"), 2);
    value_set(key, "empty", REG_SZ, NULL, 0);
    STATUS_IS(NtQueryValueKey(key, STRING("empty"), 2, &partial, sizeof partial, &size), STATUS_SUCCESS);
    assert_int_equal(partial.length, 0);
    assert_int_equal(size, 12);
    memset(large, 7, sizeof large);
    value_set(key, "large", REG_BINARY, large, sizeof large);
    STATUS_IS(NtQueryValueKey(key, STRING("large"), 2, &partial, sizeof partial, &size), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(size, 12 + sizeof large);
    assert_int_equal(partial.data[sizeof partial.data - 1], 7);
    STATUS_IS(NtDeleteValueKey(key, STRING("V")), STATUS_SUCCESS);
    STATUS_IS(NtDeleteValueKey(key, STRING("V")), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtSetValueKey(key, STRING("x"), 0, REG_SZ, (void *)8, 4), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtSetValueKey(key, NULL, 0, REG_SZ, "x", 1), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtDeleteValueKey(key, STRING("x")), STATUS_OBJECT_NAME_NOT_FOUND);
    scratch_end(key);
}

static void value_many_at_once(void **state)
{
    struct { UNICODE_STRING *name; ULONG length, offset, type; } entries[2] = {{STRING("a"), 0, 0, 0}, {STRING("b"), 0, 0, 0}};
    HANDLE key = scratch_make("many");
    uint8_t buffer[16];
    ULONG length = 4, needed = 0;
    (void)state;
    value_set(key, "a", REG_BINARY, "xyz", 3);
    value_set(key, "b", REG_DWORD, "\5\0\0\0", 4);
    STATUS_IS(NtQueryMultipleValueKey(key, entries, 2, buffer, &length, &needed), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(needed, 8);
    length = sizeof buffer;
    STATUS_IS(NtQueryMultipleValueKey(key, entries, 2, buffer, &length, &needed), STATUS_SUCCESS);
    assert_int_equal(length, 8);
    assert_int_equal(entries[0].length, 3);
    assert_int_equal(entries[1].offset, 4);
    assert_int_equal(entries[1].type, REG_DWORD);
    assert_memory_equal(buffer, "xyz", 3);
    assert_int_equal(buffer[4], 5);
    entries[1].name = STRING("c");
    STATUS_IS(NtQueryMultipleValueKey(key, entries, 2, buffer, &length, &needed), STATUS_OBJECT_NAME_NOT_FOUND);
    scratch_end(key);
}

/* ---- enumeration and key information ------------------------------------------------------------------- */

static const char *child_name(HANDLE key, ULONG index)
{
    static char text[200];
    uint8_t buffer[512];
    ULONG size, length;
    if (NtEnumerateKey(key, index, 0, buffer, sizeof buffer, &size) == STATUS_NO_MORE_ENTRIES)
        return "(end)";
    length = ((ULONG *)buffer)[3] / 2;
    assert_int_equal(size, 16 + 2 * length);
    for (ULONG i = 0; i < length; i++)
        text[i] = (char)buffer[16 + 2 * i];
    text[length] = 0;
    return text;
}

static void enumerate_sorted(void **state)
{
    HANDLE key = scratch_make("sorted");
    static const char *const names[] = {"delta", "Bravo", "alpha", "charlie"}, *const sorted[] = {"alpha", "Bravo", "charlie", "delta"};
    HANDLE below[4];
    uint8_t buffer[64];
    ULONG size;
    (void)state;
    for (int i = 0; i < 4; i++)
        below[i] = key_make(key, names[i], CREATED);
    for (ULONG i = 0; i < 4; i++)
        assert_string_equal(child_name(key, i), sorted[i]);
    assert_string_equal(child_name(key, 4), "(end)");
    STATUS_IS(NtEnumerateKey(key, 0, 0, buffer, 15, &size), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(size, 16 + 10);
    STATUS_IS(NtEnumerateKey(key, 0, 0, buffer, 16, &size), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(((ULONG *)buffer)[3], 10);
    STATUS_IS(NtEnumerateKey(key, 0, 3, buffer, sizeof buffer, &size), STATUS_INVALID_PARAMETER);
    for (int i = 0; i < 4; i++)
        scratch_end(below[i]);
    scratch_end(key);
}

static void key_information(void **state)
{
    HANDLE software = key_open(0, "\\Registry\\Machine\\Software"), key = 0;
    uint8_t buffer[256] __attribute__((aligned(8)));
    ULONG size, disposition, *full = (ULONG *)(void *)buffer;
    (void)state;
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(software, "Info", 0), 0, STRING("Cls"), 0, &disposition), STATUS_SUCCESS);
    value_set(key, "four", REG_BINARY, "123456789", 9);
    value_set(key, "seven77", REG_DWORD, "1234", 4);
    HANDLE below = key_make(key, "below", CREATED);
    STATUS_IS(NtQueryKey(key, 2, buffer, sizeof buffer, &size), STATUS_SUCCESS); /* KEY_FULL_INFORMATION */
    assert_int_equal(size, 44 + 6);
    assert_true(llabs((int64_t)(*(uint64_t *)(void *)buffer - nt_time_now())) < 100000000);
    assert_int_equal(full[3], 44); /* ClassOffset */
    assert_int_equal(full[4], 6);
    assert_int_equal(full[5], 1);  /* SubKeys */
    assert_int_equal(full[6], 10); /* MaxNameLen, bytes */
    assert_int_equal(full[8], 2);  /* Values */
    assert_int_equal(full[9], 14);
    assert_int_equal(full[10], 9);
    assert_int_equal(buffer[44], 'C');
    STATUS_IS(NtQueryKey(key, 4, buffer, sizeof buffer, &size), STATUS_SUCCESS); /* KEY_CACHED_INFORMATION */
    assert_int_equal(full[3], 1);
    assert_int_equal(full[5], 2);
    assert_int_equal(full[8], 8);
    STATUS_IS(NtQueryKey(key, 1, buffer, sizeof buffer, &size), STATUS_SUCCESS); /* KEY_NODE_INFORMATION */
    assert_int_equal(size, 24 + 8 + 6);
    assert_int_equal(full[3], 24 + 8);
    assert_int_equal(full[5], 8);
    STATUS_IS(NtQueryKey(below, 1, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(full[3], 0xffffffffu); /* no class */
    STATUS_IS(NtQueryKey(below, 3, buffer, sizeof buffer, &size), STATUS_SUCCESS); /* KEY_NAME_INFORMATION */
    static const char path[] = "\\REGISTRY\\MACHINE\\SOFTWARE\\Info\\below";
    assert_int_equal(full[0], 2 * (sizeof path - 1));
    for (size_t i = 0; path[i]; i++)
        assert_int_equal(buffer[4 + 2 * i], path[i]);
    STATUS_IS(NtQueryKey(below, 99, buffer, sizeof buffer, &size), STATUS_INVALID_PARAMETER);
    LARGE_INTEGER written = {.value = 0x1d0000000000000};
    STATUS_IS(NtSetInformationKey(key, 0, &written, sizeof written), STATUS_SUCCESS);
    STATUS_IS(NtQueryKey(key, 0, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    assert_int_equal(*(LONGLONG *)(void *)buffer, written.value);
    STATUS_IS(NtSetInformationKey(key, 0, &written, 4), STATUS_INFO_LENGTH_MISMATCH);
    /* NtQueryObject knows the name too. */
    struct { UNICODE_STRING string; WCHAR text[100]; } name;
    STATUS_IS(NtQueryObject(below, 1, &name, sizeof name, &size), STATUS_SUCCESS);
    text_is(&name.string, path);
    scratch_end(below);
    scratch_end(key);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
}

static void key_rename(void **state)
{
    HANDLE key = scratch_make("rename"), a = key_make(key, "a", CREATED), b = key_make(key, "b", CREATED), below = key_make(a, "below", CREATED);
    (void)state;
    value_set(a, "v", REG_DWORD, "\3\0\0\0", 4);
    STATUS_IS(NtRenameKey(a, STRING("x\\y")), STATUS_INVALID_PARAMETER);
    STATUS_IS(NtRenameKey(a, STRING("B")), STATUS_CANNOT_DELETE);
    STATUS_IS(NtRenameKey(a, STRING("z")), STATUS_SUCCESS);
    STATUS_IS(open_status(key, "a"), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(open_status(key, "z\\below"), STATUS_SUCCESS);
    assert_int_equal(value_number(a, "v"), 3);
    assert_string_equal(child_name(key, 0), "b");
    assert_string_equal(child_name(key, 1), "z");
    scratch_end(below);
    scratch_end(a);
    scratch_end(b);
    scratch_end(key);
}

static void key_volatile(void **state)
{
    HANDLE key = 0, below = 0, software = key_open(0, "\\Registry\\Machine\\Software");
    (void)state;
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(software, "short", 0), 0, NULL, REG_OPTION_VOLATILE, NULL), STATUS_SUCCESS);
    STATUS_IS(NtCreateKey(&below, KEY_ALL, NAMED(key, "x", 0), 0, NULL, 0, NULL), STATUS_CHILD_MUST_BE_VOLATILE);
    STATUS_IS(NtCreateKey(&below, KEY_ALL, NAMED(key, "x", 0), 0, NULL, REG_OPTION_VOLATILE, NULL), STATUS_SUCCESS);
    scratch_end(below);
    scratch_end(key);
    STATUS_IS(NtClose(software), STATUS_SUCCESS);
}

/* ---- links ------------------------------------------------------------------------------------------------ */

static void link_set(HANDLE link, const char *target)
{
    struct string text;
    string_fill(&text, target);
    STATUS_IS(NtSetValueKey(link, STRING("SymbolicLinkValue"), 0, REG_LINK, text.text, text.string.length), STATUS_SUCCESS);
}

static void links(void **state)
{
    HANDLE key = scratch_make("links"), link = 0, target = key_make(key, "target", CREATED), other;
    (void)state;
    STATUS_IS(NtCreateKey(&link, KEY_ALL, NAMED(key, "link", 0), 0, NULL, REG_OPTION_CREATE_LINK, NULL), STATUS_SUCCESS);
    STATUS_IS(NtSetValueKey(link, STRING("v"), 0, REG_SZ, "x", 1), STATUS_ACCESS_DENIED);
    STATUS_IS(open_status(key, "link"), STATUS_OBJECT_NAME_NOT_FOUND); /* it leads nowhere yet */
    link_set(link, "\\Registry\\Machine\\Software\\links\\target");
    value_set(target, "v", REG_DWORD, "\4\0\0\0", 4);
    HANDLE through = key_open(key, "link");
    assert_int_equal(value_number(through, "v"), 4);
    HANDLE below = key_make(key, "link\\below", CREATED);
    STATUS_IS(open_status(target, "below"), STATUS_SUCCESS);
    STATUS_IS(NtOpenKey(&other, KEY_ALL, NAMED(key, "link", OBJ_OPENLINK)), STATUS_SUCCESS);
    uint8_t buffer[200];
    ULONG size;
    STATUS_IS(NtQueryValueKey(other, STRING("SymbolicLinkValue"), 2, buffer, sizeof buffer, &size), STATUS_SUCCESS);
    STATUS_IS(NtClose(other), STATUS_SUCCESS);
    STATUS_IS(NtCreateKey(&other, KEY_ALL, NAMED(key, "target", 0), 0, NULL, REG_OPTION_CREATE_LINK, NULL), STATUS_OBJECT_NAME_COLLISION);
    link_set(link, "\\Registry\\Machine\\Software\\links\\link"); /* a circle ends */
    STATUS_IS(open_status(key, "link"), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtClose(through), STATUS_SUCCESS);
    scratch_end(below);
    scratch_end(link);
    scratch_end(target);
    scratch_end(key);
}

static void current_control_set(void **state)
{
    HANDLE a = key_open(0, "\\Registry\\Machine\\System\\ControlSet001\\Control"),
           b = key_open(0, "\\Registry\\Machine\\System\\CurrentControlSet\\Control");
    (void)state;
    value_set(a, "seen", REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(value_number(b, "seen"), 1);
    STATUS_IS(NtDeleteValueKey(b, STRING("seen")), STATUS_SUCCESS);
    STATUS_IS(NtClose(a), STATUS_SUCCESS);
    STATUS_IS(NtClose(b), STATUS_SUCCESS);
}

/* ---- what is there at the start ------------------------------------------------------------------------- */

static void default_values(void **state)
{
    (void)state;
    HANDLE nls = key_open(0, "\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Nls");
    HANDLE pages = key_open(nls, "Codepage"), ids = key_open(nls, "Sorting\\Ids");
    assert_string_equal(value_text(pages, "ACP"), "1252");
    assert_string_equal(value_text(pages, "OEMCP"), "437");
    assert_string_equal(value_text(pages, "37"), "c_037.nls");
    assert_string_equal(value_text(pages, "950"), "c_950.nls");
    assert_string_equal(value_text(ids, ""), "{00000001-57ee-1e5c-00b4-d0000bb1e11e}");
    assert_string_equal(value_text(ids, "zh-TW_radstr"), "{0000003b-57ee-1e5c-00b4-d0000bb1e11e}");
    HANDLE user = key_open(0, "\\Registry\\User\\S-1-5-21-0-0-0-1000\\Control Panel\\International");
    assert_string_equal(value_text(user, "localename"), "en-US");
    assert_string_equal(value_text(user, "sNegativeSign"), "-");
    assert_string_equal(value_text(user, "sPositiveSign"), "");
    HANDLE version = key_open(0, "\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion");
    assert_string_equal(value_text(version, "CurrentBuildNumber"), "19043");
    assert_int_equal(value_number(version, "CurrentMajorVersionNumber"), 10);
    uint8_t basic[100];
    ULONG told;
    STATUS_IS(NtQueryValueKey(version, STRING("currentbuild"), 0, basic, sizeof basic, &told), STATUS_SUCCESS);
    assert_int_equal(basic[12], 'C'); /* the value's own spelling */
    HANDLE environment = key_open(0, "\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Session Manager\\Environment");
    struct partial partial;
    ULONG size;
    STATUS_IS(NtQueryValueKey(environment, STRING("ComSpec"), 2, &partial, sizeof partial, &size), STATUS_SUCCESS);
    assert_int_equal(partial.type, REG_EXPAND_SZ);
    STATUS_IS(NtClose(nls), STATUS_SUCCESS);
    STATUS_IS(NtClose(pages), STATUS_SUCCESS);
    STATUS_IS(NtClose(ids), STATUS_SUCCESS);
    STATUS_IS(NtClose(user), STATUS_SUCCESS);
    STATUS_IS(NtClose(version), STATUS_SUCCESS);
    STATUS_IS(NtClose(environment), STATUS_SUCCESS);
}

/* One changed value must not lose the others: what is answered from the table and what is stored agree. */
static void default_values_changed(void **state)
{
    (void)state;
    HANDLE pages = key_open(0, "\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Nls\\Codepage");
    uint8_t buffer[256];
    ULONG size, count = 0;
    value_set(pages, "ACP", REG_SZ, "1\0" "2\0" "5\0" "0\0\0", 10);
    assert_string_equal(value_text(pages, "ACP"), "1250");
    assert_string_equal(value_text(pages, "37"), "c_037.nls");
    STATUS_IS(NtDeleteValueKey(pages, STRING("37")), STATUS_SUCCESS);
    STATUS_IS(NtQueryValueKey(pages, STRING("37"), 2, buffer, sizeof buffer, &size), STATUS_OBJECT_NAME_NOT_FOUND);
    while (NtEnumerateValueKey(pages, count, 1, buffer, sizeof buffer, &size) == STATUS_SUCCESS)
        count++;
    STATUS_IS(NtEnumerateValueKey(pages, count, 1, buffer, sizeof buffer, &size), STATUS_NO_MORE_ENTRIES);
    assert_int_equal(count, 68 + 3 - 1); /* Wine has 68 code pages and three settings here; one was deleted */
    STATUS_IS(NtClose(pages), STATUS_SUCCESS);
}

/* Every key of the table can be reached and every value read: a walk over everything. */
static unsigned walk(HANDLE key, unsigned depth)
{
    static uint8_t buffer[4096];
    ULONG size;
    unsigned seen = 1;
    assert_true(depth < 16);
    for (ULONG i = 0;; i++) {
        NTSTATUS status = NtEnumerateValueKey(key, i, 1, buffer, sizeof buffer, &size);
        if (status == STATUS_NO_MORE_ENTRIES)
            break;
        STATUS_IS(status, STATUS_SUCCESS);
    }
    for (ULONG i = 0;; i++) {
        struct { OBJECT_ATTRIBUTES attributes; UNICODE_STRING name; } below = {{sizeof below.attributes, key, NULL, OBJ_OPENLINK, NULL, NULL}, {0}};
        WCHAR name[256];
        HANDLE handle;
        NTSTATUS status = NtEnumerateKey(key, i, 0, buffer, sizeof buffer, &size);
        if (status == STATUS_NO_MORE_ENTRIES)
            break;
        STATUS_IS(status, STATUS_SUCCESS);
        below.name = (UNICODE_STRING){(USHORT)((ULONG *)(void *)buffer)[3], 512, name};
        memcpy(name, buffer + 16, below.name.length);
        below.attributes.name = &below.name;
        STATUS_IS(NtOpenKey(&handle, KEY_READ, &below.attributes), STATUS_SUCCESS);
        seen += walk(handle, depth + 1);
        STATUS_IS(NtClose(handle), STATUS_SUCCESS);
    }
    return seen;
}

static void default_walk(void **state)
{
    unsigned keys = 0;
    (void)state;
    for (uint32_t i = 0; i < cm_line_count; i++) {
        keys += cm_lines[i].kind == CM_LINE_KEY || cm_lines[i].kind == CM_LINE_LINK_KEY;
        assert_true(i == 0 || cm_lines[i].depth <= cm_lines[i - 1].depth + 1);
    }
    HANDLE root = key_open(0, "\\Registry");
    assert_int_equal(walk(root, 0), keys);
    STATUS_IS(NtClose(root), STATUS_SUCCESS);
}

/* ---- notification ----------------------------------------------------------------------------------------- */

static bool is_set(HANDLE event)
{
    return NtWaitForSingleObject(event, 0, &(int64_t){0}) == STATUS_SUCCESS;
}

static void watch(HANDLE key, HANDLE event, ULONG filter, BOOLEAN subtree)
{
    IO_STATUS_BLOCK io;
    STATUS_IS(NtNotifyChangeKey(key, event, NULL, NULL, &io, filter, subtree, NULL, 0, 1), STATUS_PENDING);
}

static void notification(void **state)
{
    HANDLE key = scratch_make("watched"), below = key_make(key, "below", CREATED), event = event_named(NULL);
    (void)state;
    watch(key, event, CM_NOTIFY_VALUE, 0);
    assert_false(is_set(event));
    value_set(below, "v", REG_SZ, "x", 1); /* another key */
    assert_false(is_set(event));
    HANDLE other = key_make(key, "other", CREATED); /* another kind of change */
    assert_false(is_set(event));
    value_set(key, "v", REG_SZ, "x", 1);
    assert_true(is_set(event));
    STATUS_IS(NtResetEvent(event, NULL), STATUS_SUCCESS);
    value_set(key, "v", REG_SZ, "y", 1); /* told once only */
    assert_false(is_set(event));
    watch(key, event, CM_NOTIFY_VALUE, 1);
    value_set(below, "v", REG_SZ, "z", 1);
    assert_true(is_set(event));
    watch(key, event, CM_NOTIFY_NAME, 0);
    assert_false(is_set(event)); /* a new request resets it */
    scratch_end(other);
    assert_true(is_set(event));
    watch(below, event, CM_NOTIFY_NAME | CM_NOTIFY_VALUE, 1);
    STATUS_IS(NtClose(below), STATUS_SUCCESS); /* the end of the handle is told too */
    assert_true(is_set(event));
    below = key_open(key, "below");
    watch(below, event, CM_NOTIFY_VALUE, 0);
    scratch_end(below);
    assert_true(is_set(event));
    assert_int_equal(basic_of(event).references, basic_of(event).handles); /* nothing else holds it any more */
    STATUS_IS(NtClose(event), STATUS_SUCCESS);
    scratch_end(key);
}

static void *waits_for_change(void *argument)
{
    IO_STATUS_BLOCK io = {{STATUS_PENDING}, 0};
    NTSTATUS status = NtNotifyChangeKey(*(HANDLE *)argument, 0, NULL, NULL, &io, CM_NOTIFY_VALUE, 0, NULL, 0, 0);
    return (void *)(uintptr_t)(status ? status : io.status);
}

static void notification_waits(void **state)
{
    HANDLE key = scratch_make("waited");
    (void)state;
    pthread_t thread = kernel_thread_start(waits_for_change, &key);
    struct timespec pause = {0, 1000000};
    struct cm_key *object;
    STATUS_IS(cm_key_get(key, 0, &object), STATUS_SUCCESS);
    for (bool waiting = false; !waiting; nanosleep(&pause, NULL)) {
        nt_lock();
        waiting = cm_node_of(object)->watches != 0;
        nt_unlock();
    }
    value_set(key, "v", REG_SZ, "x", 1);
    assert_int_equal((uintptr_t)kernel_thread_join(thread), STATUS_NOTIFY_ENUM_DIR);
    nt_object_release(&object->head);
    scratch_end(key);
}

/* ---- a model ------------------------------------------------------------------------------------------------ */

/* Twelve names below one key, each there or not, each with a number or not: a thousand random steps, compared after
 * each; and the arena does not grow with them. */
enum { MODEL_NAMES = 12 };
struct model { bool there, has_value; uint32_t value; };

static const char *model_name(unsigned i)
{
    static char name[8];
    snprintf(name, sizeof name, "k%c%u", i % 2 ? 'A' : 'b', i);
    return name;
}

static void model_step(HANDLE key, struct model *model, unsigned which, unsigned action)
{
    struct model *at = &model[which];
    HANDLE below = 0;
    NTSTATUS status = NtOpenKey(&below, KEY_ALL, NAMED(key, model_name(which), 0));
    STATUS_IS(status, at->there ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND);
    if (!at->there) {
        below = key_make(key, model_name(which), CREATED);
        *at = (struct model){.there = true};
    } else if (action == 0) {
        STATUS_IS(NtDeleteKey(below), STATUS_SUCCESS);
        at->there = false;
    } else if (action == 1) {
        STATUS_IS(NtDeleteValueKey(below, STRING("n")), at->has_value ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND);
        at->has_value = false;
    } else {
        at->has_value = true;
        at->value = (uint32_t)rand();
        value_set(below, "n", REG_DWORD, &at->value, 4);
    }
    if (at->there && at->has_value)
        assert_int_equal(value_number(below, "N"), at->value);
    STATUS_IS(NtClose(below), STATUS_SUCCESS);
}

static void model(void **state)
{
    HANDLE key = scratch_make("model");
    struct model names[MODEL_NAMES] = {0};
    uint32_t top = 0;
    (void)state;
    srand(5);
    for (unsigned step = 0; step < 4000; step++) {
        unsigned present = 0, listed = 0;
        model_step(key, names, (unsigned)rand() % MODEL_NAMES, (unsigned)rand() % 4);
        for (unsigned i = 0; i < MODEL_NAMES; i++)
            present += names[i].there;
        while (strcmp(child_name(key, listed), "(end)"))
            listed++;
        assert_int_equal(listed, present);
        if (step == 1000)
            top = ob_arena->top;
    }
    assert_int_equal(ob_arena->top, top);
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        if (names[i].there)
            scratch_end(key_open(key, model_name(i)));
    scratch_end(key);
}

static void unsupported(void **state)
{
    (void)state;
    unsigned found = 0;
    for (const struct nt_service *service = nt_services_cm; service->name; service++)
        if (!strcmp(service->name, "NtSaveKey") || !strcmp(service->name, "NtLoadKey")) {
            STATUS_IS(((kernel_service)service->function)(0, 0, 0, 0, 0, 0, 0), STATUS_NOT_SUPPORTED);
            found++;
        }
    assert_int_equal(found, 2);
}

static int registry_open(void **state)
{
    nt_config.version_build = 19043;
    return kernel_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_syntax), cmocka_unit_test(path_component_limit), cmocka_unit_test(create_last_component),
        cmocka_unit_test(deleted_key), cmocka_unit_test(access_rights), cmocka_unit_test(value_classes),
        cmocka_unit_test(value_lengths), cmocka_unit_test(value_changes), cmocka_unit_test(value_many_at_once),
        cmocka_unit_test(enumerate_sorted), cmocka_unit_test(key_information), cmocka_unit_test(key_rename),
        cmocka_unit_test(key_volatile), cmocka_unit_test(links), cmocka_unit_test(current_control_set),
        cmocka_unit_test(default_values), cmocka_unit_test(default_values_changed), cmocka_unit_test(default_walk),
        cmocka_unit_test(notification), cmocka_unit_test(notification_waits), cmocka_unit_test(model),
        cmocka_unit_test(unsupported),
    };
    return cmocka_run_group_tests(tests, registry_open, NULL);
}
