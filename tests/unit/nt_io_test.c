/* Files: creating and opening, sharing, reading and writing, information. Expectations are Microsoft's documents of
 * NtCreateFile, of FILE_*_INFORMATION and of CreateFile's share modes. */
#include "nt_io.h"

/* ---- dispositions -------------------------------------------------------------------------------- */

/* "CreateDisposition: action if the file exists / does not exist" of NtCreateFile, with IoStatusBlock.Information. */
static void each_disposition_does_what_its_table_says(void **state)
{
    static const struct { ULONG disposition; NTSTATUS there; ULONG_PTR there_information; bool emptied; NTSTATUS missing;
                          ULONG_PTR missing_information; } rows[] = {
        {FILE_SUPERSEDE, STATUS_SUCCESS, FILE_SUPERSEDED, true, STATUS_SUCCESS, FILE_CREATED},
        {FILE_OPEN, STATUS_SUCCESS, FILE_OPENED, false, STATUS_OBJECT_NAME_NOT_FOUND, 0},
        {FILE_CREATE, STATUS_OBJECT_NAME_COLLISION, 0, false, STATUS_SUCCESS, FILE_CREATED},
        {FILE_OPEN_IF, STATUS_SUCCESS, FILE_OPENED, false, STATUS_SUCCESS, FILE_CREATED},
        {FILE_OVERWRITE, STATUS_SUCCESS, FILE_OVERWRITTEN, true, STATUS_OBJECT_NAME_NOT_FOUND, 0},
        {FILE_OVERWRITE_IF, STATUS_SUCCESS, FILE_OVERWRITTEN, true, STATUS_SUCCESS, FILE_CREATED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        file_make("there.txt", "old");
        unlink(unix_path("missing.txt"));
        struct created there = create("\\??\\C:\\there.txt", BOTH_, 0, rows[i].disposition, SYNC | FILE_NON_DIRECTORY_FILE);
        STATUS_IS(there.status, rows[i].there);
        assert_string_equal(file_text("there.txt"), rows[i].emptied ? "" : "old");
        if (!there.status) {
            assert_int_equal(there.information, rows[i].there_information);
            closed(there.handle);
        }
        struct created missing = create("\\??\\C:\\missing.txt", BOTH_, 0, rows[i].disposition, SYNC | FILE_NON_DIRECTORY_FILE);
        STATUS_IS(missing.status, rows[i].missing);
        assert_int_equal(exists("missing.txt"), !missing.status);
        if (!missing.status) {
            assert_int_equal(missing.information, rows[i].missing_information);
            closed(missing.handle);
        }
    }
}

static void folders_have_their_dispositions_too(void **state)
{
    static const struct { ULONG disposition; NTSTATUS there, missing; } rows[] = {
        {FILE_SUPERSEDE, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
        {FILE_OPEN, STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND},
        {FILE_CREATE, STATUS_OBJECT_NAME_COLLISION, STATUS_SUCCESS},
        {FILE_OPEN_IF, STATUS_SUCCESS, STATUS_SUCCESS},
        {FILE_OVERWRITE, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
        {FILE_OVERWRITE_IF, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
    };
    (void)state;
    mkdir(unix_path("there"), 0755);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct created there = create("\\??\\C:\\there", READ_, SHARE_ALL, rows[i].disposition, SYNC | FILE_DIRECTORY_FILE);
        STATUS_IS(there.status, rows[i].there);
        struct created missing = create("\\??\\C:\\missing", READ_, SHARE_ALL, rows[i].disposition, SYNC | FILE_DIRECTORY_FILE);
        STATUS_IS(missing.status, rows[i].missing);
        if (!there.status)
            closed(there.handle);
        if (!missing.status)
            closed(missing.handle);
        rmdir(unix_path("missing"));
    }
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    file_make("file", "x");
    mkdir(unix_path("folder"), 0755);
    struct { const char *name; ULONG options; NTSTATUS status; } rows[] = {
        {"\\??\\C:\\none", 0, STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\??\\C:\\none\\none", 0, STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\C:\\folder\\none\\none", 0, STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\C:\\file\\none", 0, STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\C:\\folder", FILE_NON_DIRECTORY_FILE, STATUS_FILE_IS_A_DIRECTORY},
        {"\\??\\C:\\file", FILE_DIRECTORY_FILE, STATUS_NOT_A_DIRECTORY},
        {"\\??\\C:\\FILE", FILE_DIRECTORY_FILE, STATUS_NOT_A_DIRECTORY},
        {"\\??\\C:\\file\\", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\C:\\a<b", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\C:\\a*", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\C:\\a/b", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\C:\\a\\\\b", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\C:\\file:stream", 0, STATUS_OBJECT_NAME_INVALID},
        {"\\??\\Q:\\file", 0, STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\UNC\\server\\share\\file", 0, STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\nothing", 0, STATUS_OBJECT_NAME_NOT_FOUND},
        {"file", 0, STATUS_OBJECT_PATH_SYNTAX_BAD},
        {"\\??\\C:\\file", FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE, STATUS_INVALID_PARAMETER},
        {"\\??\\C:\\file", FILE_SYNCHRONOUS_IO_ALERT, STATUS_INVALID_PARAMETER}, /* together with NONALERT */
        {"\\??\\C:\\file", FILE_DELETE_ON_CLOSE, STATUS_INVALID_PARAMETER},      /* without the right to delete */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct created created = create(rows[i].name, READ_, SHARE_ALL, FILE_OPEN, SYNC | rows[i].options);
        if (created.status != rows[i].status)
            print_error("%s: 0x%08x\n", rows[i].name, created.status);
        STATUS_IS(created.status, rows[i].status);
    }
    STATUS_IS(create("\\??\\C:\\file", FILE_READ_DATA, 7, FILE_OPEN, SYNC).status, STATUS_INVALID_PARAMETER); /* no SYNCHRONIZE */
    STATUS_IS(create("\\??\\C:\\file", READ_, 7, 6, SYNC).status, STATUS_INVALID_PARAMETER);
    STATUS_IS(create("\\??\\C:\\none\\new", WRITE_, 7, FILE_CREATE, SYNC).status, STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(create("\\??\\C:\\new\\", WRITE_, 7, FILE_CREATE, SYNC).status, STATUS_OBJECT_NAME_INVALID);
}

static void read_only_files_refuse_writers_and_deletion(void **state)
{
    (void)state;
    struct created made = create_at(0, "\\??\\C:\\ro", BOTH_, 7, FILE_CREATE, SYNC, FILE_ATTRIBUTE_READONLY);
    STATUS_IS(made.status, STATUS_SUCCESS);
    STATUS_IS(write_at(made.handle, "text", NULL), STATUS_SUCCESS); /* whoever creates it may write */
    closed(made.handle);
    STATUS_IS(create("\\??\\C:\\ro", WRITE_, 7, FILE_OPEN, SYNC).status, STATUS_ACCESS_DENIED);
    STATUS_IS(create("\\??\\C:\\ro", READ_, 7, FILE_OVERWRITE_IF, SYNC).status, STATUS_ACCESS_DENIED);
    STATUS_IS(create("\\??\\C:\\ro", READ_ | ACCESS_DELETE, 7, FILE_OPEN, SYNC | FILE_DELETE_ON_CLOSE).status, STATUS_CANNOT_DELETE);
    closed(opened("\\??\\C:\\ro", READ_, 0));
    HANDLE handle = opened("\\??\\C:\\ro", READ_ | ACCESS_DELETE | FILE_WRITE_ATTRIBUTES, 0);
    STATUS_IS(set(handle, 13, &(uint8_t){1}, 1), STATUS_CANNOT_DELETE);
    uint64_t basic[5] = {0, 0, 0, 0, FILE_ATTRIBUTE_NORMAL};
    STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_SUCCESS);
    STATUS_IS(set(handle, 13, &(uint8_t){1}, 1), STATUS_SUCCESS);
    closed(handle);
    assert_false(exists("ro"));
}

static void names_below_a_root_handle(void **state)
{
    (void)state;
    mkdir(unix_path("folder"), 0755);
    file_make("folder/inner.txt", "inner");
    HANDLE root = opened("\\??\\C:\\FOLDER", READ_, FILE_DIRECTORY_FILE);
    struct created made = create_at(root, "Inner.TXT", READ_, 7, FILE_OPEN, SYNC, 0);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    made = create_at(root, "new.txt", WRITE_, 7, FILE_CREATE, SYNC, 0);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    assert_true(exists("folder/new.txt"));
    STATUS_IS(create_at(root, "\\??\\C:\\folder", READ_, 7, FILE_OPEN, SYNC, 0).status, STATUS_OBJECT_PATH_SYNTAX_BAD);
    made = create_at(root, "", READ_, 7, FILE_OPEN, SYNC, 0);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    closed(root);
}

/* ---- sharing ------------------------------------------------------------------------------------- */

/* CreateFile's table of "dwShareMode and dwDesiredAccess": the second opener's access must be in the first one's share
 * mode, and the first one's access in the second one's share mode. All combinations of read, write, delete. */
static void share_modes_decide_both_ways(void **state)
{
    static const ACCESS_MASK right[] = {FILE_READ_DATA, FILE_WRITE_DATA, ACCESS_DELETE};
    (void)state;
    file_make("shared", "x");
    for (unsigned first = 0; first < 64; first++) {
        ACCESS_MASK access = ACCESS_SYNCHRONIZE | FILE_READ_ATTRIBUTES;
        for (unsigned i = 0; i < 3; i++)
            access |= first >> i & 1 ? right[i] : 0;
        struct created one = create("\\??\\C:\\shared", access, first >> 3, FILE_OPEN, SYNC);
        STATUS_IS(one.status, STATUS_SUCCESS);
        for (unsigned second = 0; second < 64; second++) {
            ACCESS_MASK other = ACCESS_SYNCHRONIZE | FILE_READ_ATTRIBUTES;
            for (unsigned i = 0; i < 3; i++)
                other |= second >> i & 1 ? right[i] : 0;
            bool takes_part = (first & 7) && (second & 7); /* who asks for neither takes no part */
            bool allowed = !takes_part || (!((first & 7) & ~(second >> 3)) && !((second & 7) & ~(first >> 3)));
            struct created two = create("\\??\\C:\\SHARED", other, second >> 3, FILE_OPEN, SYNC);
            STATUS_IS(two.status, allowed ? STATUS_SUCCESS : STATUS_SHARING_VIOLATION);
            if (!two.status)
                closed(two.handle);
        }
        closed(one.handle);
    }
}

static void overwriting_counts_as_writing_and_a_refusal_changes_nothing(void **state)
{
    (void)state;
    file_make("kept", "precious");
    struct created one = create("\\??\\C:\\kept", READ_, FILE_SHARE_READ, FILE_OPEN, SYNC);
    STATUS_IS(create("\\??\\C:\\kept", READ_, SHARE_ALL, FILE_OVERWRITE_IF, SYNC).status, STATUS_SHARING_VIOLATION);
    STATUS_IS(create("\\??\\C:\\kept", ACCESS_SYNCHRONIZE, SHARE_ALL, FILE_OVERWRITE_IF, SYNC).status, STATUS_SHARING_VIOLATION);
    assert_string_equal(file_text("kept"), "precious");
    closed(one.handle);
    one = create("\\??\\C:\\kept", READ_, SHARE_ALL, FILE_OVERWRITE_IF, SYNC);
    STATUS_IS(one.status, STATUS_SUCCESS);
    /* Only for the moment of opening: this handle reads, so others may refuse writers. */
    struct created two = create("\\??\\C:\\kept", READ_, FILE_SHARE_READ, FILE_OPEN, SYNC);
    STATUS_IS(two.status, STATUS_SUCCESS);
    closed(two.handle);
    closed(one.handle);
}

/* ---- deletion ------------------------------------------------------------------------------------ */

static void a_file_goes_with_its_last_handle(void **state)
{
    (void)state;
    file_make("gone", "x");
    HANDLE one = opened("\\??\\C:\\gone", READ_ | ACCESS_DELETE, 0), two = opened("\\??\\C:\\gone", READ_, 0);
    STATUS_IS(set(one, 13, &(uint8_t){1}, 1), STATUS_SUCCESS);
    uint8_t standard[24];
    STATUS_IS(query(two, 5, standard, 24), STATUS_SUCCESS);
    assert_int_equal(standard[20], 1); /* DeletePending */
    STATUS_IS(create("\\??\\C:\\gone", READ_, 7, FILE_OPEN, SYNC).status, STATUS_DELETE_PENDING);
    closed(one);
    assert_true(exists("gone"));
    closed(two);
    assert_false(exists("gone"));

    file_make("spared", "x");
    one = opened("\\??\\C:\\spared", READ_ | ACCESS_DELETE, 0);
    STATUS_IS(set(one, 13, &(uint8_t){1}, 1), STATUS_SUCCESS);
    STATUS_IS(set(one, 13, &(uint8_t){0}, 1), STATUS_SUCCESS);
    closed(one);
    assert_true(exists("spared"));
    closed(opened("\\??\\C:\\spared", READ_ | ACCESS_DELETE, FILE_DELETE_ON_CLOSE));
    assert_false(exists("spared"));

    file_make("named", "x");
    STATUS_IS(NtDeleteFile(NAMED(0, "\\??\\C:\\NAMED", 0)), STATUS_SUCCESS);
    assert_false(exists("named"));
}

static void folders_go_only_when_empty(void **state)
{
    (void)state;
    mkdir(unix_path("full"), 0755);
    file_make("full/x", "x");
    HANDLE handle = opened("\\??\\C:\\full", ACCESS_SYNCHRONIZE | ACCESS_DELETE | FILE_READ_DATA, FILE_DIRECTORY_FILE);
    STATUS_IS(set(handle, 13, &(uint8_t){1}, 1), STATUS_DIRECTORY_NOT_EMPTY);
    unlink(unix_path("full/x"));
    STATUS_IS(set(handle, 13, &(uint8_t){1}, 1), STATUS_SUCCESS);
    closed(handle);
    assert_false(exists("full"));
}

/* FILE_DISPOSITION_POSIX_SEMANTICS: the name goes when this handle is closed, others read on. A link goes, not its target. */
static void posix_deletion_and_links(void **state)
{
    char byte;
    ULONG_PTR done;
    (void)state;
    file_make("posix", "x");
    HANDLE one = opened("\\??\\C:\\posix", READ_ | ACCESS_DELETE, 0), two = opened("\\??\\C:\\posix", READ_, 0);
    STATUS_IS(set(one, 64, &(uint32_t){3}, 4), STATUS_SUCCESS);
    closed(one);
    assert_false(exists("posix"));
    STATUS_IS(read_at(two, &byte, 1, NULL, &done), STATUS_SUCCESS);
    closed(two);

    file_make("target", "x");
    assert_int_equal(symlink("target", unix_path("link")) | symlink("nowhere", unix_path("dangling")), 0);
    closed(opened("\\??\\C:\\link", READ_ | ACCESS_DELETE, FILE_DELETE_ON_CLOSE));
    assert_false(exists("link"));
    assert_true(exists("target"));
    STATUS_IS(create("\\??\\C:\\dangling", READ_, 7, FILE_OPEN, SYNC).status, STATUS_OBJECT_NAME_NOT_FOUND);
    closed(opened("\\??\\C:\\dangling", ACCESS_SYNCHRONIZE | ACCESS_DELETE, FILE_DELETE_ON_CLOSE | FILE_OPEN_REPARSE_POINT));
    assert_false(exists("dangling"));
}

/* ---- reading and writing ------------------------------------------------------------------------- */

static void positions_follow_what_is_read_and_written(void **state)
{
    char text[16] = "";
    ULONG_PTR done;
    int64_t position;
    (void)state;
    HANDLE handle = create("\\??\\C:\\data", BOTH_, 0, FILE_CREATE, SYNC).handle;
    STATUS_IS(write_at(handle, "hello", NULL), STATUS_SUCCESS);
    STATUS_IS(write_at(handle, "world", AT(10)), STATUS_SUCCESS);
    STATUS_IS(query(handle, 14, &position, 8), STATUS_SUCCESS);
    assert_int_equal(position, 15); /* behind a transfer at a given offset, too */
    STATUS_IS(write_at(handle, "!", AT(-1)), STATUS_SUCCESS); /* FILE_WRITE_TO_END_OF_FILE */
    STATUS_IS(read_at(handle, text, 5, AT(0), &done), STATUS_SUCCESS);
    assert_memory_equal(text, "hello", 5);
    STATUS_IS(read_at(handle, text, 16, AT(-2), &done), STATUS_SUCCESS); /* FILE_USE_FILE_POINTER_POSITION */
    assert_int_equal(done, 11);
    assert_memory_equal(text, "\0\0\0\0\0world!", 11);
    STATUS_IS(read_at(handle, text, 1, NULL, &done), STATUS_END_OF_FILE);
    STATUS_IS(read_at(handle, text, 0, NULL, &done), STATUS_SUCCESS);
    STATUS_IS(read_at(handle, text, 1, AT(1000), &done), STATUS_END_OF_FILE);
    STATUS_IS(read_at(handle, text, 1, AT(-3), &done), STATUS_INVALID_PARAMETER);
    STATUS_IS(read_at(handle, (void *)16, 4, AT(0), &done), STATUS_ACCESS_VIOLATION);
    STATUS_IS(set(handle, 14, &(int64_t){2}, 8), STATUS_SUCCESS);
    STATUS_IS(read_at(handle, text, 3, NULL, &done), STATUS_SUCCESS);
    assert_memory_equal(text, "llo", 3);
    STATUS_IS(set(handle, 14, &(int64_t){-1}, 8), STATUS_INVALID_PARAMETER);
    closed(handle);
}

static void append_access_writes_at_the_end_only(void **state)
{
    char byte;
    ULONG_PTR done;
    (void)state;
    file_make("log", "one");
    HANDLE handle = opened("\\??\\C:\\log", FILE_APPEND_DATA | ACCESS_SYNCHRONIZE, 0);
    STATUS_IS(write_at(handle, "two", NULL), STATUS_SUCCESS);
    STATUS_IS(write_at(handle, "three", AT(0)), STATUS_SUCCESS);
    STATUS_IS(read_at(handle, &byte, 1, AT(0), &done), STATUS_ACCESS_DENIED);
    closed(handle);
    assert_string_equal(file_text("log"), "onetwothree");
    handle = opened("\\??\\C:\\log", READ_, 0);
    STATUS_IS(write_at(handle, "x", NULL), STATUS_ACCESS_DENIED);
    closed(handle);
}

static HANDLE make(const char *service, ULONG type)
{
    HANDLE handle = 0;
    if (!strcmp(service, "NtCreateEvent"))
        STATUS_IS(service_named(service)(WORD(&handle), EVENT_ALL, 0, type, 0, 0, 0), STATUS_SUCCESS);
    else
        STATUS_IS(service_named(service)(WORD(&handle), GENERIC_ALL, 0, 0, 0, 0, 0), STATUS_SUCCESS);
    return handle;
}

static void asynchronous_handles_tell_event_apc_and_port(void **state)
{
    char text[8];
    IO_STATUS_BLOCK io = {0}, packet_io;
    uintptr_t key = 0, value = 0;
    (void)state;
    file_make("async", "abcdef");
    HANDLE handle = create("\\??\\C:\\async", BOTH_, 7, FILE_OPEN, 0).handle, event = make("NtCreateEvent", 0);
    STATUS_IS(NtReadFile(handle, 0, 0, 0, &io, text, 3, NULL, NULL), STATUS_INVALID_PARAMETER); /* no position of its own */
    STATUS_IS(NtReadFile(handle, event, 0, 0, &io, text, 3, AT(2), NULL), STATUS_SUCCESS);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){0}), STATUS_WAIT_0);
    STATUS_IS(NtReadFile(handle, event, 0, 0, &io, text, 3, AT(6), NULL), STATUS_END_OF_FILE);
    STATUS_IS(NtWaitForSingleObject(event, 0, &(int64_t){0}), STATUS_TIMEOUT); /* reset at the beginning, not set by an error */

    struct nt_apc apc;
    STATUS_IS(NtReadFile(handle, 0, 0x1234560, 77, &io, text, 3, AT(0), NULL), STATUS_SUCCESS);
    assert_true(nt_ke_apc_take(&apc));
    assert_int_equal(apc.routine, 0x1234560);
    assert_int_equal(apc.argument[0], 77); /* ApcContext, IoStatusBlock, Reserved */
    assert_int_equal(apc.argument[1], (uintptr_t)&io);

    HANDLE port = make("NtCreateIoCompletion", 0);
    uintptr_t completion[2] = {port, 0xABC};
    STATUS_IS(set(handle, 30, completion, sizeof completion), STATUS_SUCCESS);
    STATUS_IS(set(handle, 30, completion, sizeof completion), STATUS_INVALID_PARAMETER); /* it has one */
    STATUS_IS(NtReadFile(handle, 0, 0, 55, &io, text, 4, AT(0), NULL), STATUS_SUCCESS);
    STATUS_IS(service_named("NtRemoveIoCompletion")(port, WORD(&key), WORD(&value), WORD(&packet_io), WORD(&(int64_t){0}), 0, 0),
              STATUS_SUCCESS);
    assert_int_equal(key, 0xABC);
    assert_int_equal(value, 55);
    assert_int_equal(packet_io.information, 4);
    STATUS_IS(set(handle, 41, &(uint32_t){1}, 4), STATUS_SUCCESS); /* FILE_SKIP_COMPLETION_PORT_ON_SUCCESS */
    STATUS_IS(NtReadFile(handle, 0, 0, 55, &io, text, 4, AT(0), NULL), STATUS_SUCCESS);
    STATUS_IS(service_named("NtRemoveIoCompletion")(port, WORD(&key), WORD(&value), WORD(&packet_io), WORD(&(int64_t){0}), 0, 0),
              STATUS_TIMEOUT);
    closed(handle);
    closed(port);
    closed(event);
}

static void byte_ranges_are_locked_against_other_handles(void **state)
{
    char text[8];
    ULONG_PTR done;
    IO_STATUS_BLOCK io;
    (void)state;
    file_make("locked", "0123456789");
    HANDLE one = opened("\\??\\C:\\locked", BOTH_, 0), two = opened("\\??\\C:\\locked", BOTH_, 0);
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(2), AT(3), 0, 1, 1), STATUS_SUCCESS);
    STATUS_IS(NtLockFile(two, 0, 0, 0, &io, AT(4), AT(9), 0, 1, 0), STATUS_LOCK_NOT_GRANTED);
    STATUS_IS(NtLockFile(two, 0, 0, 0, &io, AT(5), AT(9), 0, 1, 0), STATUS_SUCCESS);
    STATUS_IS(read_at(two, text, 3, AT(0), &done), STATUS_FILE_LOCK_CONFLICT);
    STATUS_IS(read_at(two, text, 2, AT(0), &done), STATUS_SUCCESS);
    STATUS_IS(read_at(one, text, 5, AT(0), &done), STATUS_SUCCESS);
    STATUS_IS(write_at(one, "x", AT(7)), STATUS_FILE_LOCK_CONFLICT); /* shared by two: nobody writes there */
    STATUS_IS(read_at(one, text, 1, AT(7), &done), STATUS_SUCCESS);
    STATUS_IS(NtUnlockFile(one, &io, AT(2), AT(2), 0), STATUS_RANGE_NOT_LOCKED);
    STATUS_IS(NtUnlockFile(one, &io, AT(2), AT(3), 0), STATUS_SUCCESS);
    STATUS_IS(read_at(two, text, 3, AT(0), &done), STATUS_SUCCESS);
    closed(two); /* its locks go with it */
    STATUS_IS(write_at(one, "x", AT(7)), STATUS_SUCCESS);
    closed(one);
}

/* SetFilePointer and SetEndOfFile on a handle for overlapped transfers, which neither use nor move its position. */
static void overlapped_handles_have_a_position(void **state)
{
    int64_t place = 0x4000, told[3] = {0};
    ULONG_PTR done;
    char text[4];
    (void)state;
    file_make("overlapped", "0123456789");
    HANDLE file = create("\\??\\C:\\overlapped", BOTH_, SHARE_ALL, FILE_OPEN, 0).handle;
    STATUS_IS(set(file, 14, &place, sizeof place), STATUS_SUCCESS);
    STATUS_IS(read_at(file, text, 3, AT(2), &done), STATUS_SUCCESS);
    STATUS_IS(query(file, 14, told, sizeof *told), STATUS_SUCCESS);
    assert_int_equal(told[0], place);
    STATUS_IS(set(file, 20, told, sizeof *told), STATUS_SUCCESS);
    STATUS_IS(query(file, 5, told, sizeof told), STATUS_SUCCESS);
    assert_int_equal(told[1], place); /* FILE_STANDARD_INFORMATION.EndOfFile */
    closed(file);
}

/* A file's mode as a list of rights (winnt.h's layouts): the owner has all, the system too, everybody what the mode gives others. */
static uint32_t rights_of_everyone(mode_t mode)
{
    static const uint8_t everyone[12] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    uint8_t bytes[512];
    ULONG size;
    uint32_t dacl, mask = 0;
    uint16_t count, length;
    char path[512];
    snprintf(path, sizeof path, "%s/guarded", drive);
    file_make("guarded", "x");
    assert_int_equal(chmod(path, mode), 0);
    HANDLE file = opened("\\??\\C:\\guarded", READ_, 0);
    STATUS_IS(NtQuerySecurityObject(file, 7, bytes, sizeof bytes, &size), STATUS_SUCCESS);
    memcpy(&dacl, bytes + 16, 4);
    memcpy(&count, bytes + dacl + 4, 2);
    for (uint32_t at = dacl + 8; count--; at += length) {
        uint32_t one;
        memcpy(&length, bytes + at + 2, 2);
        memcpy(&one, bytes + at + 4, 4);
        if (length == 20 && !memcmp(bytes + at + 8, everyone, sizeof everyone))
            mask |= one;
        else if (bytes[at + 9] == 5)
            assert_true(one == 0x1f01ff || one == 0x120089); /* the owner; the group, which may read */
    }
    closed(file);
    return mask;
}

static void modes_are_told_as_rights(void **state)
{
    (void)state;
    assert_int_equal(rights_of_everyone(0600), 0);
    assert_int_equal(rights_of_everyone(0644), 0x120089);      /* FILE_GENERIC_READ */
    assert_int_equal(rights_of_everyone(0646), 0x12019f);      /* and FILE_GENERIC_WRITE */
    assert_int_equal(rights_of_everyone(0641), 0x1200a0);      /* FILE_GENERIC_EXECUTE */
}

/* Microsoft, LockFileEx: "If the same range is locked with an exclusive and a shared lock, two unlock operations are necessary
 * to unlock the region; the first unlock operation unlocks the exclusive lock". LMDB goes from one to the other so. */
static void shared_lock_lies_over_ones_own_exclusive_one(void **state)
{
    char text[8];
    ULONG_PTR done;
    IO_STATUS_BLOCK io;
    (void)state;
    file_make("locked", "0123456789");
    HANDLE one = opened("\\??\\C:\\locked", BOTH_, 0), two = opened("\\??\\C:\\locked", BOTH_, 0);
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 1), STATUS_SUCCESS);
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 1), STATUS_LOCK_NOT_GRANTED); /* not a second exclusive one */
    STATUS_IS(NtLockFile(two, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 0), STATUS_LOCK_NOT_GRANTED);
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 0), STATUS_SUCCESS);
    STATUS_IS(read_at(two, text, 1, AT(0), &done), STATUS_FILE_LOCK_CONFLICT);
    STATUS_IS(NtUnlockFile(one, &io, AT(0), AT(1), 0), STATUS_SUCCESS);
    STATUS_IS(read_at(two, text, 1, AT(0), &done), STATUS_SUCCESS); /* what is left is the shared one */
    STATUS_IS(write_at(two, "x", AT(0)), STATUS_FILE_LOCK_CONFLICT);
    STATUS_IS(NtLockFile(one, 0, 0, 0, &io, AT(0), AT(1), 0, 1, 1), STATUS_LOCK_NOT_GRANTED); /* nor the way back */
    STATUS_IS(NtUnlockFile(one, &io, AT(0), AT(1), 0), STATUS_SUCCESS);
    STATUS_IS(NtUnlockFile(one, &io, AT(0), AT(1), 0), STATUS_RANGE_NOT_LOCKED);
    STATUS_IS(write_at(two, "x", AT(0)), STATUS_SUCCESS);
    closed(one);
    closed(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_disposition_does_what_its_table_says, drive_clear),
        cmocka_unit_test_setup(folders_have_their_dispositions_too, drive_clear),
        cmocka_unit_test_setup(what_cannot_be_opened_says_why, drive_clear),
        cmocka_unit_test_setup(read_only_files_refuse_writers_and_deletion, drive_clear),
        cmocka_unit_test_setup(names_below_a_root_handle, drive_clear),
        cmocka_unit_test_setup(share_modes_decide_both_ways, drive_clear),
        cmocka_unit_test_setup(overwriting_counts_as_writing_and_a_refusal_changes_nothing, drive_clear),
        cmocka_unit_test_setup(a_file_goes_with_its_last_handle, drive_clear),
        cmocka_unit_test_setup(folders_go_only_when_empty, drive_clear),
        cmocka_unit_test_setup(posix_deletion_and_links, drive_clear),
        cmocka_unit_test_setup(positions_follow_what_is_read_and_written, drive_clear),
        cmocka_unit_test_setup(append_access_writes_at_the_end_only, drive_clear),
        cmocka_unit_test_setup(asynchronous_handles_tell_event_apc_and_port, drive_clear),
        cmocka_unit_test_setup(byte_ranges_are_locked_against_other_handles, drive_clear),
        cmocka_unit_test_setup(shared_lock_lies_over_ones_own_exclusive_one, drive_clear),
        cmocka_unit_test_setup(overlapped_handles_have_a_position, drive_clear),
        cmocka_unit_test_setup(modes_are_told_as_rights, drive_clear),
    };
    return cmocka_run_group_tests_name("nt io", tests, io_open_all, io_close_all);
}
