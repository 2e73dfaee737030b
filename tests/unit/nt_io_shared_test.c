/* Files, pipes and their handles in several processes of a session. Expectations: Microsoft's documentation of CreateFile
 * (sharing, FILE_FLAG_DELETE_ON_CLOSE), DuplicateHandle, LockFile and of named pipes. */
#include "nt_io.h"

#include "nt_family.h"

/* ---- files --------------------------------------------------------------------------------------- */

#define NAME "\\??\\C:\\shared.txt"

static void position_child(void)
{
    HANDLE handle;
    char text[8] = "";
    ULONG_PTR done;
    CHILD_CHECK(family_await(1));
    CHILD_CHECK(!nt_handle_adopt(&family->handles[0], &handle));
    CHILD_CHECK(!read_at(handle, text, 3, NULL, &done) && done == 3 && !memcmp(text, "cde", 3));
    CHILD_CHECK(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status == STATUS_SHARING_VIOLATION);
    family_say(2);
    CHILD_CHECK(family_await(3)); /* the parent's own handle is closed */
    CHILD_CHECK(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status == STATUS_SHARING_VIOLATION);
    CHILD_CHECK(!read_at(handle, text, 1, NULL, &done) && text[0] == 'g');
    CHILD_CHECK(!NtClose(handle));
    CHILD_CHECK(!create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status);
}

/* One file object with two handles: one position, one entry in the file's sharing. */
static void file_in_two_processes(void **state)
{
    char text[8] = "";
    ULONG_PTR done;
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(position_child);
    struct created made = create(NAME, READ_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    STATUS_IS(read_at(made.handle, text, 2, NULL, &done), STATUS_SUCCESS);
    STATUS_IS(nt_handle_export(made.handle, &family->handles[0]), STATUS_SUCCESS);
    family_say(1);
    family_until(2);
    STATUS_IS(read_at(made.handle, text, 1, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(text[0], 'f');
    nt_handle_export_drop(&family->handles[0]);
    closed(made.handle);
    family_say(3);
    family_end(false);
    made = create(NAME, READ_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
}

static void keeper_child(void)
{
    struct created held = create(NAME, READ_ | ACCESS_DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE, FILE_OPEN, SYNC);
    IO_STATUS_BLOCK io;
    CHILD_CHECK(!held.status);
    CHILD_CHECK(!NtLockFile(held.handle, 0, 0, 0, &io, AT(2), AT(4), 0, 1, 1));
    family_say(1);
    for (;;)
        pause();
}

/* What a killed process had of a file goes: its part in the sharing, its locks. */
static void file_of_killed(void **state)
{
    IO_STATUS_BLOCK io;
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(keeper_child);
    family_until(1);
    STATUS_IS(create(NAME, WRITE_, SHARE_ALL, FILE_OPEN, SYNC).status, STATUS_SHARING_VIOLATION);
    HANDLE handle = opened(NAME, READ_, 0);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(4), AT(1), 0, 1, 1), STATUS_LOCK_NOT_GRANTED);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(6), AT(1), 0, 1, 1), STATUS_SUCCESS);
    family_end(true);
    STATUS_IS(NtLockFile(handle, 0, 0, 0, &io, AT(4), AT(1), 0, 1, 1), STATUS_SUCCESS);
    closed(handle);
    struct created made = create(NAME, WRITE_, 0, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
}

static void deleter_child(void)
{
    struct created held = create(NAME, READ_ | ACCESS_DELETE, SHARE_ALL, FILE_OPEN, SYNC | FILE_DELETE_ON_CLOSE);
    CHILD_CHECK(!held.status);
    family_say(1);
    for (;;)
        pause();
}

/* Delete on close is due when the process is killed, and the name goes with the last handle in any process. */
static void deletion_by_killed(void **state)
{
    (void)state;
    file_make("shared.txt", "abcdefghij");
    family_begin(deleter_child);
    family_until(1);
    HANDLE handle = opened(NAME, READ_, 0);
    family_end(true);
    assert_true(exists("shared.txt"));
    STATUS_IS(create(NAME, READ_, SHARE_ALL, FILE_OPEN, SYNC).status, STATUS_DELETE_PENDING);
    closed(handle);
    assert_false(exists("shared.txt"));
}

/* The descriptors that have to be open in a child: those of inheritable handles, and no others. */
static void inherited_descriptors(void **state)
{
    HANDLE inherited, own;
    IO_STATUS_BLOCK io;
    int fds[8];
    (void)state;
    file_make("shared.txt", "abc");
    unsigned before = nt_handle_inherited_fds(fds, 0);
    STATUS_IS(NtOpenFile(&inherited, READ_, NAMED(0, NAME, OBJ_INHERIT), &io, SHARE_ALL, SYNC), STATUS_SUCCESS);
    STATUS_IS(NtOpenFile(&own, READ_, NAMED(0, NAME, 0), &io, SHARE_ALL, SYNC), STATUS_SUCCESS);
    assert_int_equal(nt_handle_inherited_fds(fds, 8), before + 1);
    struct nt_handle_export exported;
    STATUS_IS(nt_handle_export(inherited, &exported), STATUS_SUCCESS);
    assert_int_equal(fds[before], exported.fd);
    assert_int_equal(exported.attributes, OBJ_INHERIT);
    nt_handle_export_drop(&exported);
    closed(inherited);
    closed(own);
    assert_int_equal(nt_handle_inherited_fds(fds, 8), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(file_in_two_processes, drive_clear), cmocka_unit_test_setup(file_of_killed, drive_clear),
        cmocka_unit_test_setup(deletion_by_killed, drive_clear), cmocka_unit_test_setup(inherited_descriptors, drive_clear),
    };
    return cmocka_run_group_tests(tests, io_open_all, io_close_all);
}
