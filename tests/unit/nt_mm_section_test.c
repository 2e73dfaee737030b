/* Sections and views. Expectations: Microsoft's documentation of CreateFileMapping and MapViewOfFile, and the statuses
 * that public conformance tests of NtCreateSection, NtMapViewOfSection and NtQuerySection found on Windows. */
#include "nt_mm.h"

#include "nt_family.h"

enum { SECTION_ALL = 0xf001f, VIEW_SHARE = 1, VIEW_UNMAP = 2, FILE_READ = 0x120089, FILE_READ_WRITE = 0x12019f,
       FILE_ALL = 0x1f01ff };

static NTSTATUS create(HANDLE *handle, ACCESS_MASK access, int64_t size, ULONG protect, ULONG attributes, HANDLE file)
{
    LARGE_INTEGER maximum = {.value = size};
    return NtCreateSection(handle, access, NULL, &maximum, protect, attributes, file);
}

static HANDLE created(int64_t size, ULONG protect, ULONG attributes, HANDLE file)
{
    HANDLE handle = 0;
    STATUS_IS(create(&handle, SECTION_ALL, size, protect, attributes, file), STATUS_SUCCESS);
    return handle;
}

static NTSTATUS map_at(HANDLE section, uintptr_t *base, SIZE_T commit, int64_t offset, SIZE_T *size, ULONG type, ULONG protect)
{
    LARGE_INTEGER where = {.value = offset};
    return NtMapViewOfSection(section, NT_CURRENT_PROCESS, (void **)base, 0, commit, &where, size, VIEW_SHARE, type, protect);
}

static uintptr_t mapped(HANDLE section, int64_t offset, SIZE_T size, ULONG protect)
{
    uintptr_t base = 0;
    STATUS_IS(map_at(section, &base, 0, offset, &size, 0, protect), STATUS_SUCCESS);
    assert_int_equal(base % GRANULE, 0);
    return base;
}

static NTSTATUS try_map(HANDLE section, SIZE_T size, ULONG protect)
{
    uintptr_t base = 0;
    NTSTATUS status = map_at(section, &base, 0, 0, &size, 0, protect);
    if (NT_SUCCESS(status))
        STATUS_IS(NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)base), STATUS_SUCCESS);
    return status;
}

static void unmap(uintptr_t base)
{
    STATUS_IS(NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)base), STATUS_SUCCESS);
}

/* ---- files, as Io makes them ------------------------------------------------------------------------ */

static char file_path[64];

static HANDLE file_handle(int flags, ACCESS_MASK access)
{
    struct nt_object *object;
    HANDLE handle;
    int fd = open(file_path, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    STATUS_IS(nt_object_create(NT_FILE, sizeof(struct nt_file_object), &object), STATUS_SUCCESS);
    STATUS_IS(nt_handle_create(object, access, 0, fd, &handle), STATUS_SUCCESS);
    nt_object_release(object);
    return handle;
}

static void file_make(size_t size)
{
    strcpy(file_path, "/tmp/nt_mm_section.XXXXXX");
    int fd = mkstemp(file_path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++) {
        char byte = (char)('a' + i / PAGE % 26);
        assert_int_equal(write(fd, &byte, 1), 1);
    }
    close(fd);
}

static off_t file_size(void)
{
    struct stat about;
    assert_int_equal(stat(file_path, &about), 0);
    return about.st_size;
}

static char file_byte(off_t at)
{
    char byte = 0;
    int fd = open(file_path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    close(fd);
    return byte;
}

/* ---- creation --------------------------------------------------------------------------------------- */

static void creation_mistakes(void **state)
{
    (void)state;
    HANDLE handle = 77;
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_INVALID_PARAMETER_4);
    assert_int_equal(handle, 0); /* what Wine's kernelbase returns is what stands there */
    STATUS_IS(create(&handle, SECTION_ALL, -1, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_SECTION_TOO_BIG);
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_INVALID_PARAMETER_4);
    static const ULONG protect[] = {0, PAGE_NOACCESS, PAGE_READONLY | PAGE_READWRITE, PAGE_EXECUTE_READ | PAGE_READWRITE,
                                    PAGE_WRITECOPY | PAGE_READONLY, ~0u};
    for (size_t i = 0; i < sizeof protect / sizeof *protect; i++)
        STATUS_IS(create(&handle, SECTION_ALL, PAGE, protect[i], SEC_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION);
    static const ULONG attributes[] = {0, SEC_COMMIT | SEC_RESERVE, SEC_IMAGE | SEC_COMMIT, ~0u, SEC_LARGE_PAGES, SEC_NOCACHE,
                                       SEC_NOCACHE | SEC_RESERVE | SEC_COMMIT};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        STATUS_IS(create(&handle, SECTION_ALL, PAGE, PAGE_READWRITE, attributes[i], 0), STATUS_INVALID_PARAMETER_6);
    STATUS_IS(create(&handle, SECTION_ALL, PAGE, PAGE_READWRITE, SEC_LARGE_PAGES | SEC_COMMIT, 0), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(create(&handle, SECTION_ALL, PAGE, PAGE_READWRITE, SEC_IMAGE, 0), STATUS_INVALID_FILE_FOR_SECTION);
    STATUS_IS(create(&handle, SECTION_ALL, PAGE, PAGE_READWRITE, SEC_COMMIT, 0x77770), STATUS_INVALID_HANDLE);
    STATUS_IS(create(NULL, SECTION_ALL, PAGE, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_ACCESS_VIOLATION);
    STATUS_IS(create(&handle, SECTION_ALL, 0x8000000000, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_COMMITMENT_LIMIT);
    STATUS_IS(create(&handle, SECTION_ALL, 0x80000000000, PAGE_READWRITE, SEC_RESERVE, 0), STATUS_INSUFFICIENT_RESOURCES);
    STATUS_IS(create(&handle, SECTION_ALL, 0x800000000000, PAGE_READWRITE, SEC_RESERVE, 0), STATUS_SECTION_TOO_BIG);
    assert_int_equal(handle, 0);
    static const ULONG good[] = {PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_READONLY};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        STATUS_IS(NtClose(created(100, good[i], SEC_COMMIT, 0)), STATUS_SUCCESS);
    STATUS_IS(NtClose(created(100, PAGE_READWRITE, SEC_NOCACHE | SEC_COMMIT, 0)), STATUS_SUCCESS);
}

struct section_basic { uintptr_t base; ULONG attributes; LARGE_INTEGER size; };

static struct section_basic section_query(HANDLE section)
{
    struct section_basic basic;
    SIZE_T length = 0;
    STATUS_IS(NtQuerySection(section, 0, &basic, sizeof basic, &length), STATUS_SUCCESS);
    assert_int_equal(length, sizeof basic);
    assert_int_equal(basic.base, 0);
    return basic;
}

static void querying(void **state)
{
    (void)state;
    struct section_basic basic;
    struct nt_image_facts facts;
    HANDLE section = created(0x123, PAGE_EXECUTE_READWRITE, SEC_COMMIT, 0), poor = 0;
    STATUS_IS(NtQuerySection(0, 0, &basic, sizeof basic, NULL), STATUS_INVALID_HANDLE);
    STATUS_IS(NtQuerySection(section, 0, NULL, sizeof basic, NULL), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtQuerySection(section, 0, &basic, sizeof basic - 1, NULL), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQuerySection(section, 0x55, &basic, sizeof basic, NULL), STATUS_INVALID_INFO_CLASS);
    STATUS_IS(NtQuerySection(section, 1, &facts, sizeof facts, NULL), STATUS_SECTION_NOT_IMAGE);
    assert_int_equal(section_query(section).attributes, SEC_COMMIT);
    assert_int_equal(section_query(section).size.value, PAGE);
    NtClose(section);
    section = created(PAGE + 1, PAGE_EXECUTE_READWRITE, SEC_RESERVE, 0);
    assert_int_equal(section_query(section).attributes, SEC_RESERVE);
    assert_int_equal(section_query(section).size.value, 2 * PAGE);
    NtClose(section);
    STATUS_IS(create(&poor, SECTION_MAP_READ, PAGE, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_SUCCESS);
    STATUS_IS(NtQuerySection(poor, 0, &basic, sizeof basic, NULL), STATUS_ACCESS_DENIED);
    NtClose(poor);
}

/* ---- the page file's ---------------------------------------------------------------------------------- */

static void two_views_share(void **state)
{
    (void)state;
    HANDLE section = created(0x30000, PAGE_READWRITE, SEC_COMMIT, 0);
    uintptr_t one = mapped(section, 0, 0, PAGE_READWRITE), two = mapped(section, 0x10000, 0x8000, PAGE_READONLY);
    uintptr_t copy = mapped(section, 0, 0, PAGE_WRITECOPY);
    assert_basic(one, one, 0x30000, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    assert_basic(two, two, 0x8000, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED);
    assert_int_equal(query(two).allocation_protect, PAGE_READONLY);
    *(char *)(one + 0x11234) = 7;
    assert_int_equal(*(char *)(two + 0x1234), 7);
    assert_int_equal(*(char *)(copy + 0x11234), 7);
    assert_int_equal(touch(two, true), NT_FAULT_ACCESS);
    *(char *)(copy + 0x11234) = 8;
    assert_int_equal(*(char *)(one + 0x11234), 7);

    /* The views outlive the handle. */
    STATUS_IS(NtClose(section), STATUS_SUCCESS);
    *(char *)(one + 0x10000) = 9;
    assert_int_equal(*(char *)two, 9);
    STATUS_IS(release(one, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);
    STATUS_IS(release(one, PAGE, MEM_DECOMMIT), STATUS_UNABLE_TO_DELETE_SECTION);
    unmap(one + 0x1234); /* any address in it */
    assert_int_equal(query(one).state, MEM_FREE);
    STATUS_IS(NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)one), STATUS_NOT_MAPPED_VIEW);
    unmap(two);
    unmap(copy);
    uintptr_t private = allocated(PAGE, RESERVE_COMMIT, PAGE_READWRITE);
    STATUS_IS(NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)private), STATUS_NOT_MAPPED_VIEW);
    STATUS_IS(release(private, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void mapping_mistakes(void **state)
{
    (void)state;
    HANDLE section = created(0x20000, PAGE_READWRITE, SEC_COMMIT, 0), poor = 0;
    uintptr_t base = 0;
    SIZE_T size = 0;
    LARGE_INTEGER offset = {.value = 0};
    STATUS_IS(try_map(0, 0, PAGE_READWRITE), STATUS_INVALID_HANDLE);
    STATUS_IS(try_map(NT_CURRENT_PROCESS, 0, PAGE_READWRITE), STATUS_OBJECT_TYPE_MISMATCH);
    STATUS_IS(NtMapViewOfSection(section, 0, (void **)&base, 0, 0, &offset, &size, VIEW_SHARE, 0, PAGE_READWRITE),
              STATUS_INVALID_HANDLE);
    STATUS_IS(
        NtMapViewOfSection(section, NT_CURRENT_PROCESS, (void **)&base, 0, 0, &offset, &size, 3, 0, PAGE_READWRITE),
        STATUS_INVALID_PARAMETER_8);
    STATUS_IS(map_at(section, &base, 0, 0, &size, MEM_COMMIT, PAGE_READWRITE), STATUS_INVALID_PARAMETER_9);
    STATUS_IS(map_at(section, &base, 0, 0, &size, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_PARAMETER_9);
    STATUS_IS(try_map(section, 0, PAGE_READWRITE | PAGE_READONLY), STATUS_INVALID_PAGE_PROTECTION);
    STATUS_IS(try_map(section, 0, PAGE_EXECUTE_READWRITE), STATUS_SECTION_PROTECTION);
    STATUS_IS(try_map(section, 0x20001, PAGE_READWRITE), STATUS_INVALID_VIEW_SIZE);
    STATUS_IS(try_map(section, ~(SIZE_T)0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_3);
    STATUS_IS(map_at(section, &base, 0, 0x20000, &size, 0, PAGE_READWRITE), STATUS_INVALID_VIEW_SIZE);
    STATUS_IS(map_at(section, &base, 0, 0x1000, &size, 0, PAGE_READWRITE), STATUS_MAPPED_ALIGNMENT);
    STATUS_IS(map_at(section, &base, 0, -1, &size, 0, PAGE_READWRITE), STATUS_MAPPED_ALIGNMENT);
    STATUS_IS(map_at(section, &base, 0x21000, 0, &size, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    base = 0x30001000;
    STATUS_IS(map_at(section, &base, 0, 0, &size, 0, PAGE_READWRITE), STATUS_MAPPED_ALIGNMENT);
    base = nt_process.user_high;
    STATUS_IS(map_at(section, &base, 0, 0, &size, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_3);
    base = 0x30000000; /* needs two leading zeros */
    STATUS_IS(NtMapViewOfSection(section, NT_CURRENT_PROCESS, (void **)&base, 3, 0, NULL, &size, VIEW_SHARE, 0,
                                 PAGE_READWRITE),
              STATUS_INVALID_PARAMETER_4);
    STATUS_IS(NtMapViewOfSection(section, NT_CURRENT_PROCESS, (void **)&base, 2, 0, NULL, &size, VIEW_SHARE, 0,
                                 PAGE_READWRITE),
              STATUS_SUCCESS);
    assert_int_equal(base, 0x30000000);
    assert_int_equal(size, 0x20000);
    size = 0;
    STATUS_IS(map_at(section, &base, 0, 0, &size, 0, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    unmap(base);
    base = 0;
    STATUS_IS(NtMapViewOfSection(section, NT_CURRENT_PROCESS, (void **)&base, 22, 0, NULL, &size, VIEW_SHARE, 0,
                                 PAGE_READWRITE),
              STATUS_INVALID_PARAMETER_4);

    /* The handle's rights. */
    STATUS_IS(create(&poor, SECTION_MAP_READ, PAGE, PAGE_EXECUTE_READWRITE, SEC_COMMIT, 0), STATUS_SUCCESS);
    STATUS_IS(try_map(poor, 0, PAGE_READONLY), STATUS_SUCCESS);
    STATUS_IS(try_map(poor, 0, PAGE_WRITECOPY), STATUS_SUCCESS);
    STATUS_IS(try_map(poor, 0, PAGE_READWRITE), STATUS_ACCESS_DENIED);
    STATUS_IS(try_map(poor, 0, PAGE_EXECUTE_READ), STATUS_ACCESS_DENIED);
    NtClose(poor);
    NtClose(section);
}

/* What a section of one protection lets be mapped, and what a view lets be set. */
static void protections(void **state)
{
    enum {
        READ = PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY,
        EXEC = READ | PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_WRITECOPY
    };
    static const struct { ULONG section, views; } rows[] = {
        {PAGE_READONLY, READ}, {PAGE_WRITECOPY, READ}, {PAGE_READWRITE, READ | PAGE_READWRITE},
        {PAGE_EXECUTE, PAGE_NOACCESS | PAGE_EXECUTE}, {PAGE_EXECUTE_READ, EXEC}, {PAGE_EXECUTE_WRITECOPY, EXEC},
        {PAGE_EXECUTE_READWRITE, 0xff},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        HANDLE section = created(PAGE, rows[i].section, SEC_COMMIT, 0);
        for (ULONG protect = 1; protect <= 0x80; protect <<= 1) {
            ULONG old = 0;
            STATUS_IS(try_map(section, 0, protect), rows[i].views & protect ? STATUS_SUCCESS : STATUS_SECTION_PROTECTION);
            if (!(rows[i].views & rows[i].section))
                continue;
            uintptr_t view = mapped(section, 0, 0, rows[i].section);
            STATUS_IS(protect_pages(view, PAGE, protect, &old),
                      rows[i].views & protect ? STATUS_SUCCESS : STATUS_SECTION_PROTECTION);
            assert_int_equal(query(view).protect, rows[i].views & protect ? protect : rows[i].section);
            unmap(view);
        }
        NtClose(section);
    }
    /* Less than the section's stays less. */
    HANDLE section = created(2 * PAGE, PAGE_READWRITE, SEC_COMMIT, 0);
    uintptr_t writer = mapped(section, 0, 0, PAGE_READWRITE), reader = mapped(section, 0, 0, PAGE_READONLY);
    ULONG old;
    STATUS_IS(protect_pages(reader, PAGE, PAGE_READWRITE, &old), STATUS_SECTION_PROTECTION);

    /* A shared page that becomes copy-on-write shows what the others write until it is written itself. */
    STATUS_IS(protect_pages(reader, PAGE, PAGE_WRITECOPY, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_READONLY);
    *(char *)writer = 1;
    assert_int_equal(*(char *)reader, 1);
    *(char *)reader = 2;
    *(char *)writer = 3;
    assert_int_equal(*(char *)reader, 2);
    unmap(reader);
    unmap(writer);
    NtClose(section);
}

static void reserved_sections(void **state)
{
    (void)state;
    HANDLE section = created(0x20000, PAGE_READWRITE, SEC_RESERVE, 0);
    uintptr_t one = 0, at;
    SIZE_T size = 2 * PAGE;
    ULONG old;
    STATUS_IS(map_at(section, &one, PAGE, 0, &size, 0, PAGE_READWRITE), STATUS_SUCCESS); /* commits one page */
    assert_basic(one, one, PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    assert_basic(one + PAGE, one + PAGE, PAGE, MEM_RESERVE, 0, MEM_MAPPED);
    assert_int_equal(touch(one + PAGE, true), NT_FAULT_ACCESS);
    uintptr_t two = mapped(section, 0, 2 * PAGE, PAGE_READWRITE);
    assert_basic(two, two, PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);

    /* What one view commits is committed in all, each with its own rights. */
    STATUS_IS(allocate_at(two + PAGE, PAGE, MEM_COMMIT, PAGE_READONLY), STATUS_SUCCESS);
    STATUS_IS(allocate_at(two + PAGE, PAGE, MEM_COMMIT, PAGE_READONLY), STATUS_SUCCESS);
    assert_int_equal(touch(one + PAGE, true), NT_FAULT_HANDLED);
    assert_int_equal(*(char *)(two + PAGE), 1);
    assert_int_equal(touch(two + PAGE, true), NT_FAULT_ACCESS);
    STATUS_IS(allocate_at(two + PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    unmap(one);
    unmap(two);
    /* It stays so without any view. */
    two = mapped(section, 0, 0, PAGE_READONLY);
    assert_basic(two, two, 2 * PAGE, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED);
    assert_int_equal(*(char *)(two + PAGE), 1);
    unmap(two);

    /* A view without access: commits give rights, protecting does not. */
    two = mapped(section, 0x10000, 0, PAGE_NOACCESS);
    STATUS_IS(protect_pages(two, PAGE, PAGE_READONLY, &old), STATUS_SECTION_PROTECTION);
    at = two;
    size = PAGE;
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, 0, &size, MEM_COMMIT, PAGE_READONLY), STATUS_SUCCESS);
    assert_int_equal(at, two);
    assert_int_equal(touch(two, false), NT_FAULT_HANDLED);
    assert_int_equal(touch(two, true), NT_FAULT_ACCESS);
    STATUS_IS(allocate_at(two, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(touch(two, true), NT_FAULT_HANDLED);
    unmap(two);
    NtClose(section);

    /* Nothing is spent on what is not committed; 32-bit processes see a window of it. */
    section = created(0x200000000, PAGE_READWRITE, SEC_RESERVE, 0);
    SIZE_T window = 0x10000000;
    uintptr_t big = 0, other = 0;
    STATUS_IS(map_at(section, &big, 0, 0x180000000, &window, 0, PAGE_READWRITE), STATUS_SUCCESS);
    assert_basic(big, big, window, MEM_RESERVE, 0, MEM_MAPPED);
    STATUS_IS(allocate_at(big + 0x123000, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(touch(big + 0x123000, true), NT_FAULT_HANDLED);
    STATUS_IS(map_at(section, &other, 0, 0x180120000, &window, 0, PAGE_READONLY), STATUS_SUCCESS);
    assert_basic(other, other, 0x3000, MEM_RESERVE, 0, MEM_MAPPED);
    assert_basic(other + 0x3000, other + 0x3000, PAGE, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED);
    assert_int_equal(*(char *)(other + 0x3000), 1);
    unmap(big), unmap(other);
    size = 0;
    big = 0;
    NTSTATUS status = map_at(section, &big, 0, 0, &size, 0, PAGE_READWRITE);
    STATUS_IS(status, sizeof(void *) == 8 ? STATUS_SUCCESS : STATUS_NO_MEMORY);
    if (!status) {
        assert_int_equal((uint64_t)size, 0x200000000);
        unmap(big);
    }
    NtClose(section);
}

static void named_sections(void **state)
{
    (void)state;
    HANDLE first = 0, second = 0, third = 0;
    LARGE_INTEGER size = {.value = 0x10000};
    STATUS_IS(NtCreateSection(&first, SECTION_ALL, NAMED(0, "\\BaseNamedObjects\\mm_test", 0), &size, PAGE_READWRITE,
                              SEC_COMMIT, 0),
              STATUS_SUCCESS);
    STATUS_IS(NtCreateSection(&second, SECTION_ALL, NAMED(0, "\\BaseNamedObjects\\mm_test", 0), &size, PAGE_READWRITE,
                              SEC_COMMIT, 0),
              STATUS_OBJECT_NAME_COLLISION);
    size.value = 0x50000; /* of no matter: the first one is opened */
    STATUS_IS(NtCreateSection(&second, SECTION_ALL, NAMED(0, "\\BaseNamedObjects\\mm_test", OBJ_OPENIF), &size,
                              PAGE_READWRITE, SEC_COMMIT, 0),
              STATUS_OBJECT_NAME_EXISTS);
    STATUS_IS(NtOpenSection(&third, SECTION_MAP_READ, NAMED(0, "\\BaseNamedObjects\\MM_TEST", OBJ_CASE_INSENSITIVE)),
              STATUS_SUCCESS);
    assert_int_equal(section_query(second).size.value, 0x10000);
    uintptr_t one = mapped(first, 0, 0, PAGE_READWRITE), two = mapped(second, 0, 0, PAGE_READWRITE),
              three = mapped(third, 0, 0, PAGE_READONLY);
    *(int *)(one + 100) = 12345;
    assert_int_equal(*(int *)(two + 100), 12345);
    assert_int_equal(*(int *)(three + 100), 12345);
    STATUS_IS(try_map(third, 0, PAGE_READWRITE), STATUS_ACCESS_DENIED);
    unmap(one), unmap(two), unmap(three);
    /* Contents live as long as a handle does, the name with the last. */
    NtClose(first);
    NtClose(second);
    three = mapped(third, 0, 0, PAGE_READONLY);
    assert_int_equal(*(int *)(three + 100), 12345);
    NtClose(third);
    unmap(three);
    STATUS_IS(NtOpenSection(&third, SECTION_ALL, NAMED(0, "\\BaseNamedObjects\\mm_test", 0)), STATUS_OBJECT_NAME_NOT_FOUND);
    STATUS_IS(NtOpenSection(&third, SECTION_ALL, NULL), STATUS_INVALID_PARAMETER);
    STATUS_IS(
        NtCreateSection(&first, SECTION_ALL, NAMED(0, "THIS/IS/INVALID", 0), &size, PAGE_READWRITE, SEC_COMMIT, 0),
        STATUS_OBJECT_PATH_SYNTAX_BAD);
}

/* Nothing is left behind: descriptors, address space. */
static unsigned descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void nothing_leaks(void **state)
{
    (void)state;
    unsigned before = descriptors();
    for (int i = 0; i < 300; i++) {
        HANDLE section = created(0x10000, PAGE_READWRITE, i % 2 ? SEC_COMMIT : SEC_RESERVE, 0), named = 0;
        LARGE_INTEGER size = {.value = 0x10000};
        STATUS_IS(NtCreateSection(&named, SECTION_ALL, NAMED(0, "\\BaseNamedObjects\\mm_leak", 0), &size,
                                  PAGE_READWRITE, SEC_COMMIT, 0),
                  STATUS_SUCCESS);
        uintptr_t view = mapped(section, 0, 0, PAGE_READWRITE), other = mapped(named, 0, 0, PAGE_READWRITE);
        if (i % 3) {
            unmap(view), unmap(other);
            NtClose(section), NtClose(named);
        } else {
            NtClose(section), NtClose(named);
            unmap(view), unmap(other);
        }
    }
    assert_int_equal(descriptors(), before);
}

/* ---- files ------------------------------------------------------------------------------------------- */

static void file_views(void **state)
{
    (void)state;
    file_make(0x11800);
    HANDLE file = file_handle(O_RDWR, FILE_ALL);
    HANDLE section = created(0, PAGE_READWRITE, SEC_COMMIT, file);
    struct section_basic basic = section_query(section);
    assert_int_equal(basic.size.value, 0x11800); /* a file's section is as long as the file */
    assert_int_equal(basic.attributes, SEC_FILE);
    STATUS_IS(NtClose(file), STATUS_SUCCESS); /* the section does without it */
    uintptr_t shared = mapped(section, 0, 0, PAGE_READWRITE), copy = mapped(section, 0, 0, PAGE_WRITECOPY);
    uintptr_t part = mapped(section, 0x10000, 0x1000, PAGE_READONLY);
    assert_basic(shared, shared, 0x12000, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    assert_basic(copy, copy, 0x12000, MEM_COMMIT, PAGE_WRITECOPY, MEM_MAPPED);
    assert_int_equal(*(char *)(shared + 0x1000), 'b');
    assert_int_equal(*(char *)part, 'q');
    assert_int_equal(*(char *)(shared + 0x11900), 0); /* behind the file's end */
    *(char *)(shared + 0x1000) = 'X';
    assert_int_equal(file_byte(0x1000), 'X');
    *(char *)(copy + 0x2000) = 'Y';
    assert_int_equal(*(char *)(shared + 0x2000), 'c');
    assert_int_equal(file_byte(0x2000), 'c');

    IO_STATUS_BLOCK io;
    uintptr_t at = shared + 5;
    SIZE_T size = 0x1000;
    STATUS_IS(NtFlushVirtualMemory(NT_CURRENT_PROCESS, (const void **)&at, &size, &io), STATUS_SUCCESS);
    assert_int_equal(at, shared);
    assert_int_equal(io.status, STATUS_SUCCESS);
    STATUS_IS(NtFlushVirtualMemory(NT_CURRENT_PROCESS, (const void **)&at, &size, NULL), STATUS_SUCCESS);
    struct { UNICODE_STRING string; WCHAR text[200]; } name;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)part, 2, &name, sizeof name, NULL), STATUS_SUCCESS);
    assert_int_equal(name.text[name.string.length / 2 - 1], file_path[strlen(file_path) - 1]);
    STATUS_IS(allocate_at(shared, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_ALREADY_COMMITTED);

    /* Beyond what the file has now: an in-page error. */
    STATUS_IS(NtClose(section), STATUS_SUCCESS);
    assert_int_equal(truncate(file_path, 0x3000), 0);
    assert_int_equal(touch(shared + 0x2fff, true), NT_FAULT_HANDLED);
    assert_int_equal(touch(shared + 0x5000, false), NT_FAULT_IN_PAGE);
    STATUS_IS(NtAreMappedFilesTheSame((void *)shared, (void *)(shared + 0x1000)), STATUS_SUCCESS);
    STATUS_IS(NtAreMappedFilesTheSame((void *)shared, (void *)copy), STATUS_NOT_SAME_DEVICE); /* no images */
    STATUS_IS(NtAreMappedFilesTheSame((void *)shared, (void *)0x10), STATUS_INVALID_ADDRESS);
    unmap(shared), unmap(copy), unmap(part);
    unlink(file_path);
}

static void file_sizes_and_rights(void **state)
{
    (void)state;
    file_make(0x1800);
    HANDLE reader = file_handle(O_RDONLY, FILE_READ), writer = file_handle(O_RDWR, FILE_READ_WRITE), handle = 0;
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READWRITE, SEC_COMMIT, reader), STATUS_ACCESS_DENIED);
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_EXECUTE_READ, SEC_COMMIT, reader), STATUS_ACCESS_DENIED);
    STATUS_IS(create(&handle, SECTION_ALL, 0x1801, PAGE_READONLY, SEC_COMMIT, reader), STATUS_SECTION_TOO_BIG);
    STATUS_IS(create(&handle, SECTION_ALL, 0x1801, PAGE_WRITECOPY, SEC_COMMIT, writer), STATUS_SECTION_TOO_BIG);
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READWRITE, SEC_LARGE_PAGES | SEC_COMMIT, writer), STATUS_INVALID_PARAMETER_6);

    handle = created(0, PAGE_WRITECOPY, SEC_COMMIT, reader); /* copies need only be read */
    uintptr_t view = mapped(handle, 0, 0, PAGE_WRITECOPY);
    assert_int_equal(touch(view, true), NT_FAULT_HANDLED);
    unmap(view);
    NtClose(handle);

    handle = created(0x1000, PAGE_READONLY, SEC_RESERVE, reader); /* less than the file; SEC_RESERVE has no meaning */
    assert_int_equal(section_query(handle).size.value, 0x1000);
    assert_int_equal(section_query(handle).attributes, SEC_FILE);
    STATUS_IS(try_map(handle, 0x1001, PAGE_READONLY), STATUS_INVALID_VIEW_SIZE);
    view = mapped(handle, 0, 0, PAGE_READONLY);
    assert_basic(view, view, PAGE, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED);
    unmap(view);
    NtClose(handle);

    /* A larger section makes the file larger. */
    handle = created(0x23456, PAGE_READWRITE, SEC_COMMIT, writer);
    assert_int_equal(file_size(), 0x23456);
    view = mapped(handle, 0, 0, PAGE_READWRITE);
    assert_int_equal(*(char *)(view + 0x1000), 'b');
    assert_int_equal(*(char *)(view + 0x1800), 0);
    *(char *)(view + 0x23455) = 'z';
    assert_int_equal(file_byte(0x23455), 'z');
    unmap(view);
    NtClose(handle);
    assert_int_equal(truncate(file_path, 0), 0);
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READONLY, SEC_COMMIT, reader), STATUS_MAPPED_FILE_SIZE_ZERO);
    NtClose(reader), NtClose(writer);

    unlink(file_path);
    strcpy(file_path, "/tmp"); /* a directory is no file for a section */
    HANDLE folder = file_handle(O_RDONLY | O_DIRECTORY, FILE_READ);
    STATUS_IS(create(&handle, SECTION_ALL, 0, PAGE_READONLY, SEC_COMMIT, folder), STATUS_INVALID_FILE_FOR_SECTION);
    NtClose(folder);
}

/* A view keeps what it needs of its section when that is gone, and when others come and go behind it (found by LMDB). */
static void views_outlive_their_sections(void **state)
{
    (void)state;
    HANDLE first = created(0x2000, PAGE_READWRITE, SEC_COMMIT, 0);
    uintptr_t view = 0, other = 0;
    SIZE_T size = 0;
    STATUS_IS(map_at(first, &view, 0, 0, &size, 0, PAGE_READWRITE), STATUS_SUCCESS);
    NtClose(first);
    for (int i = 0; i < 3; i++) {
        HANDLE next = created(0x1000, PAGE_READWRITE, SEC_COMMIT, 0);
        other = size = 0;
        STATUS_IS(map_at(next, &other, 0, 0, &size, 0, PAGE_READWRITE), STATUS_SUCCESS);
        unmap(other);
        NtClose(next);
    }
    *(char *)(view + 0x1000) = 'v';
    ULONG old;
    STATUS_IS(protect_pages(view, 0x1000, PAGE_WRITECOPY, &old), STATUS_SUCCESS); /* maps the section's pages anew */
    *(char *)view = 'w';
    unmap(view);
}

/* MEM_RESERVE: a view with room for the section's growth. */
static void extending(void **state)
{
    (void)state;
    file_make(0x1000);
    HANDLE file = file_handle(O_RDWR, FILE_READ_WRITE), section = created(0, PAGE_READWRITE, SEC_COMMIT, file);
    uintptr_t view = 0;
    SIZE_T size = 0x5000;
    LARGE_INTEGER length = {.value = 0x2800};
    STATUS_IS(map_at(section, &view, 0, 0, &size, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(size, 0x5000);
    assert_basic(view, view, 0x1000, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    assert_basic(view + 0x1000, view + 0x1000, 0x4000, MEM_RESERVE, 0, MEM_MAPPED);
    assert_int_equal(touch(view + 0x1000, false), NT_FAULT_ACCESS);
    STATUS_IS(NtExtendSection(section, &length), STATUS_SUCCESS);
    assert_int_equal(file_size(), 0x2800);
    assert_basic(view, view, 0x3000, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    *(char *)(view + 0x2000) = 'e';
    assert_int_equal(file_byte(0x2000), 'e');
    length.value = 0x100; /* it never shrinks */
    STATUS_IS(NtExtendSection(section, &length), STATUS_SUCCESS);
    assert_int_equal(length.value, 0x2800);
    /* A commit in the room behind them extends file and section, too, also when only the view still holds the section. */
    void *room = (void *)(view + 0x3000);
    SIZE_T more = 0x1000;
    NtClose(section);
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, &room, 0, &more, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(file_size(), 0x4000);
    assert_basic(view, view, 0x4000, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED);
    assert_basic(view + 0x4000, view + 0x4000, 0x1000, MEM_RESERVE, 0, MEM_MAPPED);
    *(char *)(view + 0x3000) = 'f';
    assert_int_equal(file_byte(0x3000), 'f');
    unmap(view);
    section = created(0x1000, PAGE_READWRITE, SEC_COMMIT, 0);
    length.value = 0x2000;
    STATUS_IS(NtExtendSection(section, &length), STATUS_SECTION_NOT_EXTENDED);
    NtClose(section), NtClose(file);
    unlink(file_path);
}

static void kernel_maps_a_file(void **state)
{
    (void)state;
    void *base = NULL;
    size_t size = 0;
    file_make(0x2345);
    STATUS_IS(nt_mm_map_file(file_path, &base, &size), STATUS_SUCCESS);
    assert_int_equal(size, 0x2345);
    assert_int_equal(((char *)base)[0x2000], 'c');
    assert_basic((uintptr_t)base, (uintptr_t)base, 0x3000, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED);
    assert_int_equal(touch((uintptr_t)base, true), NT_FAULT_ACCESS);
    unmap((uintptr_t)base);
    unlink(file_path);
    assert_false(NT_SUCCESS(nt_mm_map_file(file_path, &base, &size)));
}

/* ---- images -------------------------------------------------------------------------------------------- */

static NTSTATUS image_open(const char *path, struct nt_image_facts *facts)
{
    assert_string_equal(path, file_path);
    memset(facts, 0, sizeof *facts);
    facts->entry_point = (void *)0x12345678;
    facts->stack_reserve = 0x100000;
    facts->machine = 0x8664;
    facts->subsystem = 3;
    facts->subsystem_major = 5;
    facts->image_flags = 4;
    facts->file_size = 0x2000;
    return STATUS_SUCCESS;
}

static NTSTATUS image_refuse(const char *path, struct nt_image_facts *facts)
{
    (void)path, (void)facts;
    return STATUS_INVALID_IMAGE_NOT_MZ;
}

static NTSTATUS image_map(const char *path, void **base, size_t *size)
{
    assert_string_equal(path, file_path);
    *base = (void *)0x77770000;
    *size = 0x5000;
    return STATUS_IMAGE_NOT_AT_BASE;
}

static void image_sections(void **state)
{
    (void)state;
    file_make(0x2000);
    HANDLE file = file_handle(O_RDONLY, FILE_READ), section = 0;
    nt_config.image_open = image_refuse;
    nt_config.image_map = image_map;
    STATUS_IS(create(&section, SECTION_ALL, 0, PAGE_READONLY, SEC_IMAGE, file), STATUS_INVALID_IMAGE_NOT_MZ);
    nt_config.image_open = image_open;
    section = created(0, PAGE_READONLY, SEC_IMAGE, file);
    assert_int_equal(section_query(section).attributes, SEC_FILE | SEC_IMAGE);
    struct nt_image_facts facts, expected;
    SIZE_T size = 0;
    image_open(file_path, &expected);
    STATUS_IS(NtQuerySection(section, 1, &facts, sizeof facts - 1, &size), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQuerySection(section, 1, &facts, sizeof facts, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof facts);
    assert_memory_equal(&facts, &expected, sizeof facts);
    uintptr_t base = 0;
    size = 0;
    STATUS_IS(map_at(section, &base, 0, 0, &size, 0, PAGE_READONLY), STATUS_IMAGE_NOT_AT_BASE);
    assert_int_equal(base, 0x77770000);
    assert_int_equal(size, 0x5000);
    NtClose(section);
    assert_int_equal(truncate(file_path, 0), 0);
    STATUS_IS(create(&section, SECTION_ALL, 0, PAGE_READONLY, SEC_IMAGE, file), STATUS_INVALID_FILE_FOR_SECTION);
    NtClose(file);
    unlink(file_path);
}

/* ---- views in placeholders ------------------------------------------------------------------------------ */

static void placeholder_views(void **state)
{
    (void)state;
    HANDLE section = created(0x20000, PAGE_READWRITE, SEC_COMMIT, 0);
    uintptr_t base = 0, second;
    SIZE_T size = 0x20000;
    LARGE_INTEGER offset = {.value = 0};
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size,
                                        MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL, 0),
              STATUS_SUCCESS);
    STATUS_IS(release(base, 0x10000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), STATUS_SUCCESS);
    /* A ring buffer: the same pages twice in a row. */
    for (uintptr_t at = base; at < base + 0x20000; at += 0x10000) {
        second = at;
        size = 0x10000;
        STATUS_IS(NtMapViewOfSectionEx(section, NT_CURRENT_PROCESS, (void **)&second, &offset, &size,
                                       MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0),
                  STATUS_SUCCESS);
        assert_int_equal(second, at);
    }
    *(char *)(base + 5) = 55;
    assert_int_equal(*(char *)(base + 0x10005), 55);
    STATUS_IS(NtUnmapViewOfSectionEx(NT_CURRENT_PROCESS, (void *)base, MEM_PRESERVE_PLACEHOLDER), STATUS_SUCCESS);
    assert_basic(base, base, 0x10000, MEM_RESERVE, 0, MEM_PRIVATE);
    unmap(base + 0x10000);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    NtClose(section);
}

/* ---- several processes ------------------------------------------------------------------------------- */

#define SHARED_NAME "\\BaseNamedObjects\\mm_shared"

static void section_child(void)
{
    HANDLE section;
    uintptr_t base = 0;
    SIZE_T size = 0;
    CHILD_CHECK(family_await(1));
    CHILD_CHECK(!NtOpenSection(&section, SECTION_ALL, NAMED(0, SHARED_NAME, 0)));
    CHILD_CHECK(!map_at(section, &base, 0, 0, &size, 0, PAGE_READWRITE) && size == 0x10000);
    CHILD_CHECK(!strcmp((char *)base, "from the parent"));
    strcpy((char *)base, "from the child");
    CHILD_CHECK(!NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)base));
    family_say(2);
    CHILD_CHECK(family_await(3)); /* the maker has closed its handle: ours keeps name and contents */
    family_say(4);
    for (;;)
        pause();
}

static void section_of_two_processes(void **state)
{
    HANDLE section = 0;
    LARGE_INTEGER size = {.value = 0x10000};
    (void)state;
    family_begin(section_child);
    STATUS_IS(NtCreateSection(&section, SECTION_ALL, NAMED(0, SHARED_NAME, 0), &size, PAGE_READWRITE, SEC_COMMIT, 0),
              STATUS_SUCCESS);
    uintptr_t base = mapped(section, 0, 0, PAGE_READWRITE);
    strcpy((char *)base, "from the parent");
    family_say(1);
    family_until(2);
    assert_string_equal((char *)base, "from the child");
    unmap(base);
    NtClose(section);
    family_say(3);
    family_until(4);
    STATUS_IS(NtOpenSection(&section, SECTION_ALL, NAMED(0, SHARED_NAME, 0)), STATUS_SUCCESS);
    base = mapped(section, 0, 0, PAGE_READWRITE);
    assert_string_equal((char *)base, "from the child");
    unmap(base);
    NtClose(section);
    family_end(true); /* nobody has it any more */
    STATUS_IS(NtOpenSection(&section, SECTION_ALL, NAMED(0, SHARED_NAME, 0)), STATUS_OBJECT_NAME_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_mistakes), cmocka_unit_test(querying), cmocka_unit_test(two_views_share),
        cmocka_unit_test(mapping_mistakes), cmocka_unit_test(protections), cmocka_unit_test(reserved_sections),
        cmocka_unit_test(named_sections), cmocka_unit_test(nothing_leaks), cmocka_unit_test(file_views),
        cmocka_unit_test(file_sizes_and_rights), cmocka_unit_test(extending), cmocka_unit_test(views_outlive_their_sections), cmocka_unit_test(kernel_maps_a_file),
        cmocka_unit_test(image_sections), cmocka_unit_test(placeholder_views), cmocka_unit_test(section_of_two_processes),
    };
    return cmocka_run_group_tests(tests, mm_open, NULL);
}
