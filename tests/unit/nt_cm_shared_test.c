/* One registry for all processes of a session: what one writes the other reads, and is told of; a process that is killed
 * while it changes keys leaves a whole tree. Expectations: Microsoft's documentation of the registry functions. */
#include "loader/nt/cm/private.h"

#include "nt_kernel.h"

#include "nt_audit.h"
#include "nt_family.h"

#include <stdio.h>

enum { KEY_ALL = 0xF003F };
#define HOME "\\Registry\\Machine\\Software\\Family"

struct string { UNICODE_STRING string; WCHAR text[64]; };
static UNICODE_STRING *string_fill(struct string *to, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i <= length; i++)
        to->text[i] = (uint8_t)text[i];
    to->string = (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2 + 2), to->text};
    return &to->string;
}
#define STRING(ascii) string_fill(&(struct string){.text = {0}}, (ascii))

static NTSTATUS number_get(HANDLE key, const char *name, uint32_t *number)
{
    struct { ULONG title, type, length; uint32_t number; } partial;
    ULONG size;
    NTSTATUS status = NtQueryValueKey(key, STRING(name), 2, &partial, sizeof partial, &size);
    *number = partial.number;
    return status;
}

static void reader_child(void)
{
    HANDLE key, event;
    uint32_t number;
    CHILD_CHECK(family_await(1));
    CHILD_CHECK(!NtOpenKey(&key, KEY_ALL, NAMED(0, HOME, 0)));
    CHILD_CHECK(!number_get(key, "number", &number) && number == 4711);
    CHILD_CHECK(!NtCreateEvent(&event, EVENT_ALL, NULL, 0, 0));
    CHILD_CHECK(NtNotifyChangeKey(key, event, NULL, NULL, &(IO_STATUS_BLOCK){0}, 4, 0, NULL, 0, 1) == STATUS_PENDING);
    family_say(2);
    CHILD_CHECK(NtWaitForSingleObject(event, 0, &(int64_t){PATIENCE}) == STATUS_WAIT_0);
    CHILD_CHECK(!number_get(key, "number", &number) && number == 4712);
    number = 1;
    CHILD_CHECK(!NtSetValueKey(key, STRING("answer"), 0, REG_DWORD, &number, 4));
    CHILD_CHECK(!NtClose(key) && !NtClose(event));
}

static void one_registry(void **state)
{
    HANDLE key = 0;
    uint32_t number = 4711;
    (void)state;
    family_begin(reader_child); /* nobody has looked at the registry yet */
    STATUS_IS(NtCreateKey(&key, KEY_ALL, NAMED(0, HOME, 0), 0, NULL, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(NtSetValueKey(key, STRING("number"), 0, REG_DWORD, &number, 4), STATUS_SUCCESS);
    family_say(1);
    family_until(2);
    number = 4712;
    STATUS_IS(NtSetValueKey(key, STRING("number"), 0, REG_DWORD, &number, 4), STATUS_SUCCESS);
    family_end(false);
    STATUS_IS(number_get(key, "answer", &number), STATUS_SUCCESS);
    assert_int_equal(number, 1);
    STATUS_IS(NtDeleteKey(key), STATUS_SUCCESS);
    STATUS_IS(NtClose(key), STATUS_SUCCESS);
}

/* ---- killed at any moment ------------------------------------------------------------------------ */

static void victim_child(void)
{
    HANDLE home, key;
    char name[64], data[64] = "";
    unsigned seed = family->seed;
    CHILD_CHECK(!NtOpenKey(&home, KEY_ALL, NAMED(0, HOME, 0)));
    family_say(1);
    for (;;) {
        seed = seed * 1103515245 + 12345;
        snprintf(name, sizeof name, "key %02u", seed >> 16 & 31);
        if (NtCreateKey(&key, KEY_ALL, NAMED(home, name, 0), 0, NULL, 0, NULL))
            continue;
        snprintf(name, sizeof name, "value %u", seed >> 21 & 7);
        switch (seed >> 29) {
        case 0: case 1:
            NtDeleteKey(key);
            break;
        case 2:
            snprintf(name, sizeof name, "key %02u", seed >> 21 & 31);
            NtRenameKey(key, STRING(name));
            break;
        case 3:
            NtDeleteValueKey(key, STRING(name));
            break;
        default:
            NtSetValueKey(key, STRING(name), 0, REG_BINARY, data, seed >> 24 & 63);
        }
        NtClose(key);
    }
}

/* Lock held. */
static void tree_check(struct cm_node *node)
{
    assert_false(node->flags & (CM_DELETED | CM_TWIN));
    for (uint32_t i = 0; i < node->child_count; i++) {
        struct cm_node *child = cm_child_at(node, i);
        assert_int_equal(child->parent, nt_ref_of(node));
        if (i)
            assert_true(cm_name_compare(cm_child_at(node, i - 1)->name, cm_child_at(node, i - 1)->length, child->name,
                                        child->length) < 0);
        tree_check(child);
    }
    for (uint32_t i = 0; i < node->value_count; i++) {
        struct cm_value *value = cm_value_at(node, i);
        assert_int_equal(cm_value_find(node, value->name, value->length), i);
        assert_true(!value->data_length == !value->data);
    }
}

static void killed_anywhere(void **state)
{
    enum { ROUNDS = 200 };
    HANDLE home = 0, kept = 0;
    uint32_t takeovers = ob_arena->takeovers, number = 7;
    (void)state;
    STATUS_IS(NtCreateKey(&home, KEY_ALL, NAMED(0, HOME, 0), 0, NULL, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(NtCreateKey(&kept, KEY_ALL, NAMED(home, "key 15 stays", 0), 0, NULL, 0, NULL), STATUS_SUCCESS);
    STATUS_IS(NtSetValueKey(kept, STRING("number"), 0, REG_DWORD, &number, 4), STATUS_SUCCESS);
    STATUS_IS(NtClose(kept), STATUS_SUCCESS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        family_begin(victim_child);
        family->seed = round * 2654435761u;
        family_until(1);
        usleep(300 + round * 11);
        family_end(true);
        nt_lock();
        tree_check(cm_root());
        arena_check();
        nt_unlock();
        STATUS_IS(NtOpenKey(&kept, KEY_ALL, NAMED(home, "key 15 stays", 0)), STATUS_SUCCESS);
        STATUS_IS(number_get(kept, "number", &number), STATUS_SUCCESS);
        assert_int_equal(number, 7);
        STATUS_IS(NtClose(kept), STATUS_SUCCESS);
    }
    STATUS_IS(NtClose(home), STATUS_SUCCESS);
    print_message("%d killed, %u inside the lock\n", ROUNDS, ob_arena->takeovers - takeovers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_registry), cmocka_unit_test(killed_anywhere)};
    return cmocka_run_group_tests(tests, kernel_open, NULL);
}
