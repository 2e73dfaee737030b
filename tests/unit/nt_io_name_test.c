/* Names of files: drives, letter case, UTF-16, masks, listings, renaming, what volumes say. Expectations are Microsoft's
 * documents (naming files, FsRtlIsNameInExpression, NtQueryDirectoryFile, FILE_RENAME_INFORMATION). */
#include "nt_io.h"

#include <sys/statvfs.h>

/* ---- UTF-8 and UTF-16 ---------------------------------------------------------------------------- */

static void text_goes_both_ways(void **state)
{
    static const struct { const char *bytes; WCHAR units[8]; unsigned count; } rows[] = {
        {"a\xC3\xA4z", {'a', 0xE4, 'z'}, 3},
        {"\xE2\x82\xAC", {0x20AC}, 1},
        {"\xF0\x9F\x98\x80", {0xD83D, 0xDE00}, 2},
        {"\xED\xA0\x80x", {0xD800, 'x'}, 2}, /* WTF-8: a surrogate that stands alone */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WCHAR wide[9];
        char bytes[20];
        assert_int_equal(nt_utf16_from_utf8(rows[i].bytes, strlen(rows[i].bytes), wide, 9), rows[i].count);
        assert_memory_equal(wide, rows[i].units, rows[i].count * 2);
        assert_int_equal(wide[rows[i].count], 0);
        assert_int_equal(nt_utf8_from_utf16(rows[i].units, rows[i].count, bytes, 20), strlen(rows[i].bytes));
        assert_string_equal(bytes, rows[i].bytes);
    }
    WCHAR small[3];
    char tiny[4];
    assert_int_equal(nt_utf16_from_utf8("a\xF0\x9F\x98\x80", 5, small, 3), 1); /* a pair is not cut */
    assert_int_equal(nt_utf8_from_utf16((const WCHAR[]){'a', 0x20AC}, 2, tiny, 4), 1);
    assert_string_equal(tiny, "a");
    /* Overlong forms, cut ends and stray bytes are no UTF-8 (RFC 3629). */
    static const char *const broken[] = {"\xC0\xAF", "\xE0\x80\x80", "\xF4\x90\x80\x80", "\xC3", "\x80", "\xFF"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        WCHAR wide[9];
        nt_utf16_from_utf8(broken[i], strlen(broken[i]), wide, 9);
        assert_int_equal(wide[0], 0xFFFD);
    }
}

static bool nls_find(void)
{
    static char folder[600];
    const char *cache = getenv("PELOAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        snprintf(folder, sizeof folder, "%s/current/nls", cache);
    else
        snprintf(folder, sizeof folder, "%s%s/peload/current/nls", xdg ? xdg : home ? home : "", xdg ? "" : "/.cache");
    nt_config.nls_folder = folder;
    return !access(folder, R_OK);
}

/* Unicode's simple upper-case mappings; Windows has none for sharp s. */
static void letters_beyond_ascii_have_a_case_too(void **state)
{
    (void)state;
    assert_int_equal(nt_upcase('q'), 'Q');
    assert_int_equal(nt_upcase('['), '[');
    if (!nls_find())
        skip();
    assert_int_equal(nt_upcase(0xE4), 0xC4);
    assert_int_equal(nt_upcase(0x3B1), 0x391);
    assert_int_equal(nt_upcase(0x451), 0x401);
    assert_int_equal(nt_upcase(0xFF), 0x178);
    assert_int_equal(nt_upcase(0xDF), 0xDF);
    assert_int_equal(nt_upcase(0xFFFF), 0xFFFF);
    file_make("\xC3\xA4rger.txt", "x");
    WCHAR name[] = {'\\', '?', '?', '\\', 'c', ':', '\\', 0xC4, 'R', 'G', 'E', 'R', '.', 'T', 'X', 'T'};
    char path[PATH_MAX];
    STATUS_IS(nt_path_to_unix(name, 16, true, path, sizeof path), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("\xC3\xA4rger.txt"));
}

/* ---- paths --------------------------------------------------------------------------------------- */

static NTSTATUS to_unix(const char *name, bool must_exist, char path[PATH_MAX])
{
    WCHAR wide[512];
    unsigned length = (unsigned)nt_utf16_from_utf8(name, strlen(name), wide, 512);
    path[0] = 0;
    return nt_path_to_unix(wide, length, must_exist, path, PATH_MAX);
}

static const char *to_dos(const char *path)
{
    static char text[1024];
    WCHAR wide[512];
    unsigned length = nt_path_to_dos(path, wide, 512);
    nt_utf8_from_utf16(wide, length, text, sizeof text);
    return text;
}

static void drives_lead_into_the_unix_tree(void **state)
{
    char path[PATH_MAX], name[300];
    (void)state;
    mkdir(unix_path("Some Folder"), 0755);
    file_make("Some Folder/File.Txt", "x");
    static const char *const spellings[] = {"\\??\\C:\\Some Folder\\File.Txt", "\\??\\c:\\some folder\\FILE.TXT",
        "\\DosDevices\\C:\\SOME FOLDER\\File.Txt", "C:\\Some Folder\\file.txt", "\\GLOBAL??\\C:\\Some folder\\File.txt",
        "\\Device\\HarddiskVolume1\\Some Folder\\File.Txt", "\\??\\C:\\Some Folder\\File.Txt::$DATA"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        STATUS_IS(to_unix(spellings[i], true, path), STATUS_SUCCESS);
        assert_string_equal(path, unix_path("Some Folder/File.Txt"));
    }
    STATUS_IS(to_unix("\\??\\Z:\\", true, path), STATUS_SUCCESS);
    assert_string_equal(path, "/");
    snprintf(name, sizeof name, "\\??\\z:%s\\some FOLDER", drive);
    for (char *c = name; *c; c++)
        *c = *c == '/' ? '\\' : *c;
    STATUS_IS(to_unix(name, true, path), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("Some Folder"));
    STATUS_IS(to_unix("\\??\\C:\\some folder\\new", true, path), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(to_unix("\\??\\C:\\some folder\\New", false, path), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("Some Folder/New"));
    STATUS_IS(to_unix("\\??\\C:\\none\\New", false, path), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(to_unix("\\??\\D:\\", true, path), STATUS_OBJECT_PATH_NOT_FOUND);

    assert_string_equal(to_dos(unix_path("Some Folder/File.Txt")), "C:\\Some Folder\\File.Txt");
    assert_string_equal(to_dos(drive), "C:\\");
    assert_string_equal(to_dos("/"), "Z:\\");
    assert_string_equal(to_dos("/usr/lib"), "Z:\\usr\\lib");
    snprintf(name, sizeof name, "%s/kernel32.dll", system_files);
    assert_string_equal(to_dos(name), "C:\\windows\\system32\\kernel32.dll");
    snprintf(name, sizeof name, "%sx", drive); /* a name that only begins like the drive's */
    assert_true(!strncmp(to_dos(name), "Z:\\", 3));
    WCHAR few[4];
    assert_int_equal(nt_path_to_dos("/usr", few, 4), 0);
}

static void the_exact_spelling_wins(void **state)
{
    char path[PATH_MAX];
    (void)state;
    file_make("name", "lower");
    file_make("NAME", "upper");
    STATUS_IS(to_unix("\\??\\C:\\name", true, path), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("name"));
    STATUS_IS(to_unix("\\??\\C:\\NAME", true, path), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("NAME"));
    STATUS_IS(to_unix("\\??\\C:\\Name", true, path), STATUS_SUCCESS); /* either, but always the same */
    assert_string_equal(path, unix_path("NAME"));
}

/* A listing is kept, but a change of the folder shows at once, however quickly it comes. */
static void cached_listings_are_never_stale(void **state)
{
    char path[PATH_MAX], name[40], lower[40];
    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "File%d", i);
        snprintf(lower, sizeof lower, "\\??\\C:\\fILE%d", i);
        STATUS_IS(to_unix(lower, true, path), STATUS_OBJECT_NAME_NOT_FOUND);
        file_make(name, "");
        STATUS_IS(to_unix(lower, true, path), STATUS_SUCCESS);
        unlink(unix_path(name));
        STATUS_IS(to_unix(lower, true, path), STATUS_OBJECT_NAME_NOT_FOUND);
        if (i % 50 == 0)
            usleep(60000); /* old enough to be kept */
    }
}

static void system_files_lie_over_the_drive(void **state)
{
    char path[PATH_MAX], file[200];
    (void)state;
    snprintf(file, sizeof file, "%s/kernel32.dll", system_files);
    close(open(file, O_CREAT | O_WRONLY, 0644));
    STATUS_IS(to_unix("C:\\Windows\\System32\\KERNEL32.dll", true, path), STATUS_SUCCESS);
    assert_string_equal(path, file);
    STATUS_IS(create("\\??\\C:\\windows\\system32\\kernel32.dll", WRITE_, 7, FILE_OPEN, SYNC).status, STATUS_ACCESS_DENIED);
    STATUS_IS(create("\\??\\C:\\windows\\system32\\kernel32.dll", READ_ | ACCESS_DELETE, 7, FILE_OPEN, SYNC).status,
              STATUS_ACCESS_DENIED);
    STATUS_IS(create("\\??\\C:\\windows\\system32\\kernel32.dll", READ_, 7, FILE_OVERWRITE_IF, SYNC).status, STATUS_ACCESS_DENIED);
    closed(opened("\\??\\C:\\WINDOWS\\system32\\Kernel32.DLL", READ_, 0));
    struct created made = create("\\??\\C:\\windows\\system32\\Own.dll", WRITE_, 7, FILE_CREATE, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    assert_true(exists("windows/system32/Own.dll"));
    closed(opened("\\??\\C:\\windows\\system32\\own.dll", READ_, 0));
    HANDLE root = opened("\\??\\C:\\windows\\system32", READ_, FILE_DIRECTORY_FILE); /* the same by way of the folder */
    closed(create_at(root, "KERNEL32.dll", READ_, 7, FILE_OPEN, SYNC, 0).handle);
    made = create_at(root, "Other.dll", WRITE_, 7, FILE_CREATE, SYNC, 0);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    closed(root);
    assert_true(exists("windows/system32/Other.dll"));
    made = create("\\??\\C:\\windows\\system32\\kernel32.dll", ACCESS_MAXIMUM_ALLOWED | ACCESS_SYNCHRONIZE, 7, FILE_OPEN, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS); /* as much as there is: not to write */
    STATUS_IS(write_at(made.handle, "x", AT(0)), STATUS_ACCESS_DENIED);
    int64_t basic[5] = {0, 0, 0, 0, FILE_ATTRIBUTE_READONLY};
    STATUS_IS(set(made.handle, 4, basic, sizeof basic), STATUS_ACCESS_DENIED);
    closed(made.handle);
    STATUS_IS(create("\\??\\C:\\windows\\system32\\none.dll", READ_, 7, FILE_OPEN, SYNC).status, STATUS_OBJECT_NAME_NOT_FOUND);
    unlink(file);
}

static void folders_of_every_windows_are_made_when_used(void **state)
{
    uint8_t basic[40], network[56];
    char name[200];
    (void)state;
    STATUS_IS(NtQueryAttributesFile(NAMED(0, "\\??\\C:\\WINDOWS\\Temp", 0), basic), STATUS_SUCCESS);
    assert_int_equal(basic[32], FILE_ATTRIBUTE_DIRECTORY);
    assert_false(exists("windows")); /* asked for only */
    STATUS_IS(NtQueryFullAttributesFile(NAMED(0, "\\??\\C:\\windows\\other", 0), network), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtQueryFullAttributesFile(NAMED(0, "\\??\\C:\\other\\other", 0), network), STATUS_OBJECT_PATH_NOT_FOUND);
    snprintf(name, sizeof name, "\\??\\C:\\Users\\%s\\AppData\\Local\\Temp\\x.tmp", nt_user_name());
    struct created made = create(name, WRITE_, 7, FILE_CREATE, SYNC);
    STATUS_IS(made.status, STATUS_SUCCESS);
    closed(made.handle);
    snprintf(name, sizeof name, "users/%s/AppData/Local/Temp/x.tmp", nt_user_name());
    assert_true(exists(name));
    closed(opened("\\??\\C:\\", READ_, FILE_DIRECTORY_FILE));
}

/* ---- masks --------------------------------------------------------------------------------------- */

/* The documents of FsRtlIsNameInExpression: * any, ? one, DOS_STAR up to the last dot, DOS_QM one or, before a dot or at
 * the end, none, DOS_DOT a dot or nothing at the end. */
static void masks_match_as_documented(void **state)
{
    static const struct { const char *mask, *name; bool matches; } rows[] = {
        {"*", "anything.txt", true}, {"*", "", true}, {"*.*", "a.b", true}, {"*.*", "ab", false}, {"a*c", "abbbc", true},
        {"a*c", "abbbd", false}, {"?", "a", true}, {"?", "", false}, {"a?", "a", false}, {"??", "ab", true}, {"*.TXT", "x.txt", true},
        {"*.txt", "x.txt.bak", false}, {"x*x*x", "xaxbx", true}, {"x*x*x", "xaxb", false}, {"", "", true}, {"", "a", false},
        {">", "a", true}, {">", "", true}, {"a>>", "a", true}, {"a>>", "abc", true}, {"a>>", "abcd", false}, {"a>.txt", "a.txt", true},
        {"a>.txt", "ab.txt", true}, {"a>.txt", "abc.txt", false}, {"<", "abc", true}, {"<", "a.b", false}, {"<.b", "a.x.b", true},
        {"<.", "abc.", true}, {"a\"", "a", true}, {"a\"", "a.", true}, {"a\"b", "a.b", true}, {"a\"b", "ab", false},
        {"*\"*", "noext", true}, {"*\"*", "a.b", true}, {"FILE", "file", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WCHAR mask[32], name[32];
        size_t mask_length = nt_utf16_from_utf8(rows[i].mask, strlen(rows[i].mask), mask, 32);
        size_t length = nt_utf16_from_utf8(rows[i].name, strlen(rows[i].name), name, 32);
        if (io_mask_matches(mask, mask_length, name, length) != rows[i].matches)
            fail_msg("mask %s, name %s", rows[i].mask, rows[i].name);
    }
}

/* Stars cost no backtracking: this would otherwise not end. */
static void many_stars_are_no_trap(void **state)
{
    WCHAR mask[200], name[250];
    (void)state;
    for (int i = 0; i < 200; i++)
        mask[i] = i % 2 ? '*' : 'a';
    for (int i = 0; i < 250; i++)
        name[i] = 'a';
    name[249] = 'b';
    mask[199] = 'c';
    double begin = seconds_worked();
    for (int i = 0; i < 100; i++)
        assert_false(io_mask_matches(mask, 200, name, 250));
    assert_true(seconds_worked() - begin < 5);
}

/* ---- listings ------------------------------------------------------------------------------------ */

static NTSTATUS list(HANDLE handle, ULONG information_class, void *buffer, ULONG length, bool single, const char *mask, bool restart,
                     ULONG_PTR *done)
{
    IO_STATUS_BLOCK io = {0};
    struct named named = {0};
    named_fill(&named, 0, mask, 0);
    NTSTATUS status = NtQueryDirectoryFile(handle, 0, 0, 0, &io, buffer, length, information_class, single,
                                           mask ? &named.string : NULL, restart);
    *done = io.information;
    return status;
}

/* All names that a mask finds, joined by blanks, in one or more calls. */
static const char *names(const char *mask, ULONG information_class, size_t name_at, size_t length_at, ULONG room, bool single)
{
    static char text[65536];
    char *buffer = malloc(room);
    ULONG_PTR done;
    size_t used = 0;
    HANDLE handle = opened("\\??\\C:\\list", READ_, FILE_DIRECTORY_FILE);
    text[0] = 0;
    while (!list(handle, information_class, buffer, room, single, mask, false, &done)) {
        for (uint32_t at = 0, next = 1; next; at += next) {
            uint32_t length;
            memcpy(&next, buffer + at, 4);
            memcpy(&length, buffer + at + length_at, 4);
            assert_true(at + name_at + length <= done && at % 8 == 0);
            used += (size_t)sprintf(text + used, "%s", used ? " " : "");
            WCHAR name[256];
            memcpy(name, buffer + at + name_at, length);
            used += nt_utf8_from_utf16(name, length / 2, text + used, 512);
        }
    }
    closed(handle);
    free(buffer);
    return text;
}

static void list_fill(void)
{
    mkdir(unix_path("list"), 0755);
    file_make("list/b.txt", "22");
    file_make("list/A.TXT", "1");
    file_make("list/c", "");
    file_make("list/d.tar.gz", "");
    mkdir(unix_path("list/Sub"), 0755);
}

/* Offsets of FileName and FileNameLength in each class' structure (ntifs.h). */
static void every_class_lists_the_same_names_in_order(void **state)
{
    static const struct { ULONG information_class, name, length; } classes[] = {{1, 64, 60}, {2, 68, 60}, {3, 94, 60}, {12, 12, 8},
        {37, 104, 60}, {38, 80, 60}};
    (void)state;
    list_fill();
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        for (ULONG room = 200; room <= 4096; room += 974) {
            const char *all = names(NULL, classes[i].information_class, classes[i].name, classes[i].length, room, false);
            assert_string_equal(all, ". .. A.TXT b.txt c d.tar.gz Sub");
        }
        assert_string_equal(names("*", classes[i].information_class, classes[i].name, classes[i].length, 4096, true),
                            ". .. A.TXT b.txt c d.tar.gz Sub");
    }
}

/* What FindFirstFile's masks mean, for kernelbase hands them down as they are. */
static void win32_masks_are_understood(void **state)
{
    static const struct { const char *mask, *found; } rows[] = {
        {"*.*", ". .. A.TXT b.txt c d.tar.gz Sub"}, {"*.txt", "A.TXT b.txt"}, {"?.txt", "A.TXT b.txt"}, {"??.txt", "A.TXT b.txt"},
        {"c*", "c"}, {"c.*", "c"}, {"?", "c"}, {"*.gz", "d.tar.gz"}, {"SUB", "Sub"}, {"a.txt", "A.TXT"}, {"none", ""}, {"*z*", "d.tar.gz"},
    };
    (void)state;
    list_fill();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = names(rows[i].mask, 3, 94, 60, 4096, false);
        if (strcmp(found, rows[i].found))
            fail_msg("%s found \"%s\", not \"%s\"", rows[i].mask, found, rows[i].found);
    }
}

static void a_listing_goes_on_restarts_and_ends(void **state)
{
    uint8_t buffer[1024];
    ULONG_PTR done;
    (void)state;
    list_fill();
    HANDLE handle = opened("\\??\\C:\\list", READ_, FILE_DIRECTORY_FILE);
    STATUS_IS(list(handle, 1, buffer, 71, false, NULL, false, &done), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(list(handle, 99, buffer, sizeof buffer, false, NULL, false, &done), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, true, "*.txt", false, &done), STATUS_SUCCESS);
    assert_int_equal(buffer[64], 'A');
    assert_int_equal(buffer[40], 1); /* EndOfFile */
    assert_int_equal(buffer[56], FILE_ATTRIBUTE_ARCHIVE);
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, true, "*", false, &done), STATUS_SUCCESS); /* the first mask stays */
    assert_int_equal(buffer[64], 'b');
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, true, NULL, false, &done), STATUS_NO_MORE_FILES);
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, true, NULL, true, &done), STATUS_SUCCESS);
    assert_int_equal(buffer[64], 'A');
    STATUS_IS(list(handle, 1, buffer, 72, true, "d.*", true, &done), STATUS_BUFFER_OVERFLOW); /* part of the name */
    assert_int_equal(buffer[60], 16);
    assert_int_equal(done, 72);
    closed(handle);
    handle = opened("\\??\\C:\\list", READ_, FILE_DIRECTORY_FILE);
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, false, "nothing*", false, &done), STATUS_NO_SUCH_FILE);
    closed(handle);
    handle = opened("\\??\\C:\\list\\c", READ_, 0);
    STATUS_IS(list(handle, 1, buffer, sizeof buffer, false, NULL, false, &done), STATUS_INVALID_PARAMETER);
    closed(handle);
}

/* Names that Windows forbids are shown with private characters, and found by them again. */
static void strange_unix_names_come_back(void **state)
{
    static const char *const strange[] = {"a:b", "what?", "back\\slash", "end.", "end ", "bad\xFF" "byte", "tab\t"};
    (void)state;
    mkdir(unix_path("list"), 0755);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        char name[64], path[PATH_MAX];
        snprintf(name, sizeof name, "list/%s", strange[i]);
        file_make(name, "x");
        char shown[64] = "\\??\\C:\\list\\";
        strcat(shown, names("*", 12, 12, 8, 4096, false) + 5); /* behind ". .. " */
        STATUS_IS(to_unix(shown, true, path), STATUS_SUCCESS);
        assert_string_equal(path, unix_path(name));
        unlink(unix_path(name));
    }
}

static void twenty_thousand_files(void **state)
{
    enum { COUNT = 20000 };
    char name[64], last[64] = "", path[PATH_MAX];
    uint8_t *buffer = malloc(65536);
    ULONG_PTR done;
    unsigned found = 0;
    (void)state;
    mkdir(unix_path("many"), 0755);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/f%05d.dat", (i * 7919) % COUNT);
        int fd = open(unix_path(name), O_CREAT | O_WRONLY, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
    double begin = seconds_worked();
    HANDLE handle = opened("\\??\\C:\\MANY", READ_, FILE_DIRECTORY_FILE);
    while (!list(handle, 3, buffer, 65536, false, "f*.dat", false, &done))
        for (uint32_t at = 0, next = 1; next; at += next) {
            memcpy(&next, buffer + at, 4);
            nt_utf8_from_utf16((WCHAR *)(buffer + at + 94), 10, name, sizeof name);
            assert_true(strcmp(last, name) < 0);
            strcpy(last, name);
            found++;
        }
    closed(handle);
    assert_int_equal(found, COUNT);
    usleep(50000);
    for (int i = 0; i < 1000; i++) { /* letter case in a large folder: one listing serves all */
        snprintf(name, sizeof name, "C:\\many\\F%05d.DAT", i);
        STATUS_IS(to_unix(name, true, path), STATUS_SUCCESS);
    }
    double seconds = seconds_worked() - begin;
    print_message("           listing and 1,000 lookups in another case: %.0f ms\n", seconds * 1000);
    assert_true(seconds < 20);
    free(buffer);
}

/* ---- renaming ------------------------------------------------------------------------------------ */

static NTSTATUS rename_to(HANDLE handle, ULONG information_class, uint32_t flags, HANDLE root, const char *name)
{
    struct { uint32_t flags; HANDLE root; uint32_t length; WCHAR name[300]; } information = {flags, root, 0, {0}};
    information.length = (uint32_t)nt_utf16_from_utf8(name, strlen(name), information.name, 300) * 2;
    return set(handle, information_class, &information, (ULONG)offsetof(__typeof__(information), name) + information.length);
}

static HANDLE to_rename(const char *name)
{
    return opened(name, ACCESS_DELETE | ACCESS_SYNCHRONIZE, 0);
}

static void files_are_renamed(void **state)
{
    uint8_t buffer[512];
    (void)state;
    mkdir(unix_path("one"), 0755);
    mkdir(unix_path("two"), 0755);
    file_make("one/a", "A");
    file_make("two/b", "B");
    HANDLE handle = to_rename("\\??\\C:\\one\\a");
    STATUS_IS(rename_to(handle, 10, 0, 0, "\\??\\C:\\two\\B"), STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(rename_to(handle, 10, 1, 0, "\\??\\C:\\two"), STATUS_ACCESS_DENIED); /* a folder is never replaced */
    STATUS_IS(rename_to(handle, 10, 1, 0, "\\??\\C:\\none\\x"), STATUS_OBJECT_PATH_NOT_FOUND);
    STATUS_IS(rename_to(handle, 10, 0, 0, "A"), STATUS_SUCCESS); /* letter case only, in its own folder */
    assert_true(exists("one/A") && !exists("one/a"));
    HANDLE victim = opened("\\??\\C:\\two\\b", READ_, 0);
    STATUS_IS(rename_to(handle, 10, 1, 0, "\\??\\C:\\two\\b"), STATUS_ACCESS_DENIED); /* somebody has it open */
    STATUS_IS(rename_to(handle, 65, 3, 0, "\\??\\C:\\two\\b"), STATUS_SUCCESS); /* POSIX semantics do not mind */
    closed(victim);
    assert_string_equal(file_text("two/b"), "A");
    STATUS_IS(query(handle, 9, buffer, sizeof buffer), STATUS_SUCCESS);
    assert_int_equal(buffer[0], 12); /* "\two\b" */
    HANDLE root = opened("\\??\\C:\\one", READ_, FILE_DIRECTORY_FILE);
    STATUS_IS(rename_to(handle, 10, 0, root, "back"), STATUS_SUCCESS);
    assert_true(exists("one/back"));
    closed(root);
    HANDLE folder = opened("\\??\\C:\\one", ACCESS_DELETE | ACCESS_SYNCHRONIZE, FILE_DIRECTORY_FILE);
    STATUS_IS(rename_to(folder, 10, 0, 0, "three"), STATUS_ACCESS_DENIED); /* a file in it is open */
    closed(handle);
    STATUS_IS(rename_to(folder, 10, 0, 0, "three"), STATUS_SUCCESS);
    closed(folder);
    assert_true(exists("three/back"));

    handle = to_rename("\\??\\C:\\three\\back");
    STATUS_IS(rename_to(handle, 11, 0, 0, "\\??\\C:\\hard"), STATUS_SUCCESS); /* FileLinkInformation */
    STATUS_IS(rename_to(handle, 11, 0, 0, "\\??\\C:\\hard"), STATUS_OBJECT_NAME_COLLISION);
    STATUS_IS(query(handle, 5, buffer, 24), STATUS_SUCCESS);
    assert_int_equal(buffer[16], 2); /* NumberOfLinks */
    STATUS_IS(rename_to(handle, 10, 1, 0, "\\??\\C:\\hard"), STATUS_SUCCESS); /* over the other link to itself */
    assert_true(exists("hard") && !exists("three/back"));
    closed(handle);
    handle = opened("\\??\\C:\\hard", READ_, 0);
    STATUS_IS(rename_to(handle, 10, 0, 0, "other"), STATUS_ACCESS_DENIED);
    closed(handle);
}

/* ---- information --------------------------------------------------------------------------------- */

static void information_has_its_sizes_and_places(void **state)
{
    /* Smallest buffer of each class ([MS-FSCC]); one byte less is STATUS_INFO_LENGTH_MISMATCH. */
    static const struct { ULONG information_class, size; } rows[] = {{4, 40}, {5, 24}, {6, 8}, {7, 4}, {8, 4}, {14, 8}, {16, 4}, {17, 4},
        {34, 56}, {35, 8}, {59, 24}, {68, 72}, {54, 12}};
    uint8_t buffer[600];
    uint64_t wide;
    uint32_t word;
    IO_STATUS_BLOCK io;
    (void)state;
    file_make("facts.txt", "12345");
    HANDLE handle = opened("\\??\\C:\\facts.txt", READ_ | WRITE_, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STATUS_IS(query(handle, rows[i].information_class, buffer, rows[i].size - 1), STATUS_INFO_LENGTH_MISMATCH);
        STATUS_IS(NtQueryInformationFile(handle, &io, buffer, rows[i].size, rows[i].information_class), STATUS_SUCCESS);
        assert_int_equal(io.information, rows[i].size);
    }
    STATUS_IS(query(handle, 200, buffer, 600), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(query(handle, 9, buffer, 10), STATUS_BUFFER_OVERFLOW);
    memcpy(&word, buffer, 4);
    assert_int_equal(word, 20); /* the whole length of "\facts.txt" */
    STATUS_IS(NtQueryInformationFile(handle, &io, buffer, 600, 18), STATUS_SUCCESS);
    assert_int_equal(io.information, 100 + 20);
    memcpy(&wide, buffer + 48, 8);
    assert_int_equal(wide, 5); /* StandardInformation.EndOfFile */
    assert_int_equal(buffer[61], 0); /* StandardInformation.Directory */

    STATUS_IS(set(handle, 20, &(int64_t){3}, 8), STATUS_SUCCESS);
    assert_string_equal(file_text("facts.txt"), "123");
    STATUS_IS(set(handle, 19, &(int64_t){100000}, 8), STATUS_SUCCESS); /* allocation alone moves no end */
    assert_string_equal(file_text("facts.txt"), "123");
    STATUS_IS(set(handle, 19, &(int64_t){1}, 8), STATUS_SUCCESS);
    assert_string_equal(file_text("facts.txt"), "1");
    /* 2001-02-03 04:05:06 UTC is 126256467060000000 in 100 ns since 1601. */
    int64_t basic[5] = {0, 126256467060000000, 126256467061234567, 0, 0};
    STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_SUCCESS);
    struct stat facts;
    assert_int_equal(stat(unix_path("facts.txt"), &facts), 0);
    assert_int_equal(facts.st_atim.tv_sec, 981173106);
    assert_int_equal(facts.st_mtim.tv_nsec, 123456700);
    STATUS_IS(query(handle, 4, buffer, 40), STATUS_SUCCESS);
    memcpy(&wide, buffer + 16, 8);
    assert_int_equal(wide, 126256467061234567);
    basic[4] = FILE_ATTRIBUTE_DIRECTORY;
    STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_INVALID_PARAMETER);
    closed(handle);

    handle = opened("\\??\\C:\\facts.txt", FILE_WRITE_DATA | ACCESS_SYNCHRONIZE, 0);
    STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_ACCESS_DENIED);
    closed(handle);
}

static void volumes_and_devices_say_what_they_are(void **state)
{
    uint8_t buffer[200];
    uint32_t word;
    uint64_t wide;
    struct statvfs volume;
    IO_STATUS_BLOCK io;
    (void)state;
    HANDLE handle = opened("\\??\\C:\\", READ_, FILE_DIRECTORY_FILE);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 8, 4), STATUS_SUCCESS);
    memcpy(&word, buffer, 4);
    assert_int_equal(word, FILE_DEVICE_DISK_FILE_SYSTEM); /* what Wine's GetDriveType takes for DRIVE_FIXED */
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 23, 3), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 24, 3), STATUS_SUCCESS);
    assert_int_equal(statvfs(drive, &volume), 0);
    memcpy(&wide, buffer, 8);
    uint32_t per[2];
    memcpy(per, buffer + 16, 8);
    assert_int_equal(wide * per[0] * per[1], (uint64_t)volume.f_blocks * volume.f_frsize);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 14, 5), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 100, 5), STATUS_SUCCESS);
    assert_memory_equal(buffer + 12, ((WCHAR[]){'N', 'T', 'F', 'S'}), 8);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 16, 5), STATUS_BUFFER_OVERFLOW);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 100, 1), STATUS_SUCCESS);
    STATUS_IS(NtDeviceIoControlFile(handle, 0, 0, 0, &io, 0x504000, NULL, 0, buffer, 4), STATUS_NOT_SUPPORTED);
    closed(handle);

    char byte;
    ULONG_PTR done;
    handle = opened("\\??\\NUL", READ_ | WRITE_, 0);
    STATUS_IS(NtQueryVolumeInformationFile(handle, &io, buffer, 8, 4), STATUS_SUCCESS);
    memcpy(&word, buffer, 4);
    assert_int_equal(word, FILE_DEVICE_NULL);
    STATUS_IS(write_at(handle, "gone", NULL), STATUS_SUCCESS);
    STATUS_IS(read_at(handle, &byte, 1, NULL, &done), STATUS_END_OF_FILE);
    closed(handle);
    int64_t basic[5];
    STATUS_IS(NtQueryAttributesFile(NAMED(0, "\\??\\NUL", 0), basic), STATUS_INVALID_PARAMETER);
}

static void hidden_and_system_are_kept_where_the_disk_can(void **state)
{
    uint32_t word[2];
    (void)state;
    file_make(".dotted", "x");
    HANDLE handle = opened("\\??\\C:\\.dotted", READ_ | FILE_WRITE_ATTRIBUTES, 0);
    STATUS_IS(query(handle, 35, word, 8), STATUS_SUCCESS);
    assert_int_equal(word[0], FILE_ATTRIBUTE_ARCHIVE); /* a dot hides nothing */
    uint64_t basic[5] = {0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY};
    STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_SUCCESS);
    STATUS_IS(query(handle, 35, word, 8), STATUS_SUCCESS);
    assert_int_equal(word[0] & ~(uint32_t)FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_READONLY);
    if (word[0] & FILE_ATTRIBUTE_HIDDEN) { /* overwriting a hidden file without saying so is refused */
        basic[4] = FILE_ATTRIBUTE_HIDDEN;
        STATUS_IS(set(handle, 4, basic, sizeof basic), STATUS_SUCCESS);
        STATUS_IS(create("\\??\\C:\\.dotted", WRITE_, 7, FILE_OVERWRITE_IF, SYNC).status, STATUS_ACCESS_DENIED);
    }
    closed(handle);
}

static void wine_asks_for_names_too(void **state)
{
    char path[300];
    WCHAR wide[300];
    ULONG size = sizeof path;
    (void)state;
    file_make("name", "x");
    STATUS_IS(wine_nt_to_unix_file_name(NAMED(0, "\\??\\C:\\NAME", 0), path, &size, FILE_OPEN), STATUS_SUCCESS);
    assert_string_equal(path, unix_path("name"));
    assert_int_equal(size, strlen(path) + 1);
    size = 3;
    STATUS_IS(wine_nt_to_unix_file_name(NAMED(0, "\\??\\C:\\NAME", 0), path, &size, FILE_OPEN), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(size, strlen(unix_path("name")) + 1);
    size = sizeof path;
    STATUS_IS(wine_nt_to_unix_file_name(NAMED(0, "\\??\\C:\\new", 0), path, &size, FILE_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(wine_nt_to_unix_file_name(NAMED(0, "\\??\\C:\\new", 0), path, &size, FILE_OPEN_IF), STATUS_NO_SUCH_FILE);
    size = 300;
    STATUS_IS(wine_unix_to_nt_file_name(unix_path("name"), wide, &size), STATUS_SUCCESS);
    assert_int_equal(size, 12); /* "\??\C:\name" and its end */
    assert_memory_equal(wide, ((WCHAR[]){'\\', '?', '?', '\\', 'C', ':', '\\', 'n', 'a', 'm', 'e', 0}), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(text_goes_both_ways, drive_clear),
        cmocka_unit_test_setup(letters_beyond_ascii_have_a_case_too, drive_clear),
        cmocka_unit_test_setup(drives_lead_into_the_unix_tree, drive_clear),
        cmocka_unit_test_setup(the_exact_spelling_wins, drive_clear),
        cmocka_unit_test_setup(cached_listings_are_never_stale, drive_clear),
        cmocka_unit_test_setup(system_files_lie_over_the_drive, drive_clear),
        cmocka_unit_test_setup(folders_of_every_windows_are_made_when_used, drive_clear),
        cmocka_unit_test_setup(masks_match_as_documented, drive_clear),
        cmocka_unit_test_setup(many_stars_are_no_trap, drive_clear),
        cmocka_unit_test_setup(every_class_lists_the_same_names_in_order, drive_clear),
        cmocka_unit_test_setup(win32_masks_are_understood, drive_clear),
        cmocka_unit_test_setup(a_listing_goes_on_restarts_and_ends, drive_clear),
        cmocka_unit_test_setup(strange_unix_names_come_back, drive_clear),
        cmocka_unit_test_setup(twenty_thousand_files, drive_clear),
        cmocka_unit_test_setup(files_are_renamed, drive_clear),
        cmocka_unit_test_setup(information_has_its_sizes_and_places, drive_clear),
        cmocka_unit_test_setup(volumes_and_devices_say_what_they_are, drive_clear),
        cmocka_unit_test_setup(hidden_and_system_are_kept_where_the_disk_can, drive_clear),
        cmocka_unit_test_setup(wine_asks_for_names_too, drive_clear),
    };
    return cmocka_run_group_tests_name("nt io names", tests, io_open_all, io_close_all);
}
