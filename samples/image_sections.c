/* Sections of images, as NtCreateSection makes them: what is told of a good file, and which NTSTATUS a damaged one gets before
 * anything of it is mapped. Then the options that the registry may hold for an image, which the loader looks up. */
#include "place.h"
#include "sample.h"
#include <stddef.h>
#include <winternl.h>

#define SEC_IMAGE_ 0x1000000
#define QUERY_IMAGE 1

struct image_facts {
    void *entry;
    ULONG zero_bits;
    SIZE_T stack, stack_commit;
    ULONG subsystem;
    USHORT subsystem_minor, subsystem_major, os_minor, os_major, characteristics, dll_characteristics, machine;
    BOOLEAN contains_code;
    UCHAR flags;
    ULONG loader_flags, file_size, checksum;
};
enum { MOVED_AT_WILL = 4, MAPPED_FLAT = 8 };

typedef NTSTATUS(NTAPI *create_function)(HANDLE *, ACCESS_MASK, void *, LARGE_INTEGER *, ULONG, ULONG, HANDLE);
typedef NTSTATUS(NTAPI *query_function)(HANDLE, ULONG, void *, SIZE_T, SIZE_T *);
typedef NTSTATUS(NTAPI *map_function)(HANDLE, HANDLE, void **, ULONG_PTR, SIZE_T, LARGE_INTEGER *, SIZE_T *, ULONG, ULONG, ULONG);
typedef NTSTATUS(NTAPI *unmap_function)(HANDLE, void *);
typedef NTSTATUS(NTAPI *options_function)(const UNICODE_STRING *, const WCHAR *, ULONG, void *, ULONG, ULONG *);

static create_function create_section;
static query_function query_section;
static map_function map_view;
static unmap_function unmap_view;
static options_function query_options;
static IMAGE_NT_HEADERS headers;
static LONG nt_at;

static void *of_ntdll(const char *name)
{
    return (void *)(ULONG_PTR)GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
}

static NTSTATUS section_of(const char *name, HANDLE *section)
{
    HANDLE file = CreateFileA(place_path(name), GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    NTSTATUS status = create_section(section, SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_EXECUTE, NULL, NULL, PAGE_EXECUTE_READ, SEC_IMAGE_, file);

    CloseHandle(file);
    return status;
}

static void read_headers(void)
{
    FILE *file = fopen(place_path("good.dll"), "rb");

    fseek(file, offsetof(IMAGE_DOS_HEADER, e_lfanew), SEEK_SET);
    fread(&nt_at, sizeof nt_at, 1, file);
    fseek(file, nt_at, SEEK_SET);
    fread(&headers, sizeof headers, 1, file);
    fclose(file);
}

static void good_file(void)
{
    struct image_facts facts = {0};
    HANDLE section, file;
    void *first = NULL, *second = NULL;
    SIZE_T size = 0, told = 0;

    check("a section of a library", !section_of("good.dll", &section));
    check("what is told of it", !query_section(section, QUERY_IMAGE, &facts, sizeof facts, &told) && told == sizeof facts);
    check("machine, subsystem and both kinds of characteristics are the header's",
          facts.machine == headers.FileHeader.Machine && facts.subsystem == headers.OptionalHeader.Subsystem
          && facts.characteristics == headers.FileHeader.Characteristics && facts.dll_characteristics == headers.OptionalHeader.DllCharacteristics);
    check("so are its stack, its entry point and its check sum",
          facts.stack == headers.OptionalHeader.SizeOfStackReserve && facts.stack_commit == headers.OptionalHeader.SizeOfStackCommit
          && (ULONG_PTR)facts.entry == headers.OptionalHeader.ImageBase + headers.OptionalHeader.AddressOfEntryPoint
          && facts.checksum == headers.OptionalHeader.CheckSum);
    file = CreateFileA(place_path("good.dll"), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    check("the size is the file's", facts.file_size == GetFileSize(file, NULL));
    CloseHandle(file);
    check("it contains code and is not mapped flat", facts.contains_code && !(facts.flags & MAPPED_FLAT));
    check("it may be moved at will if its header says so",
          !(facts.flags & MOVED_AT_WILL) == !(headers.OptionalHeader.DllCharacteristics & IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE));
    check("a short buffer is refused", query_section(section, QUERY_IMAGE, &facts, sizeof facts - 1, NULL) == (NTSTATUS)0xC0000004);
    check("a first view", map_view(section, GetCurrentProcess(), &first, 0, 0, NULL, &size, 1, 0, PAGE_READONLY) >= 0
          && size == headers.OptionalHeader.SizeOfImage);
    size = 0;
    check("a second one lies elsewhere, and says so",
          map_view(section, GetCurrentProcess(), &second, 0, 0, NULL, &size, 1, 0, PAGE_READONLY) == 0x40000003 && second != first);
    check("both begin as images do", *(USHORT *)first == IMAGE_DOS_SIGNATURE && *(USHORT *)second == IMAGE_DOS_SIGNATURE);
    check("they go", !unmap_view(GetCurrentProcess(), first) && !unmap_view(GetCurrentProcess(), second));
    CloseHandle(section);
}

/* One defect each: `size` bytes at `offset` of a copy. */
static void damaged(const char *what, long offset, const void *bytes, size_t size)
{
    HANDLE section = NULL;

    if (!place_copy("search_dll.dll", "bad.dll") || (size && !place_patch("bad.dll", offset, bytes, size))) {
        check(what, 0);
        return;
    }
    printf("%s: %08lx\n", what, (unsigned long)section_of("bad.dll", &section));
    if (section)
        CloseHandle(section);
    DeleteFileA(place_path("bad.dll"));
}
#define DAMAGED(what, offset, ...) damaged(what, offset, (const UCHAR[]){__VA_ARGS__}, sizeof((const UCHAR[]){__VA_ARGS__}))

/* A file of these many bytes, all of them `fill`. */
static void made(const char *what, size_t size, int fill)
{
    FILE *file = fopen(place_path("made"), "wb");
    HANDLE section = NULL;

    while (size--)
        fputc(fill, file);
    fclose(file);
    printf("%s: %08lx\n", what, (unsigned long)section_of("made", &section));
    DeleteFileA(place_path("made"));
}

static void bad_files(void)
{
    long optional = nt_at + 24;

    made("an empty file", 0, 0);
    made("a file of 10 bytes", 10, 'M');
    made("a text", 300, 'x');
    DAMAGED("ZM", 0, 'Z', 'M');
    DAMAGED("headers beyond the file", 0x3c, 0, 0, 0, 0x70);
    DAMAGED("signature LE", nt_at, 'L', 'E');
    DAMAGED("signature NE, for Windows", nt_at, 'N', 'E', 0, 0, [0x36] = 2);
    DAMAGED("signature NE, for DOS extenders", nt_at, 'N', 'E', 0, 0, [0x36] = 5);
    DAMAGED("signature NE, for OS/2", nt_at, 'N', 'E', 0, 0, [0x36] = 1);
    DAMAGED("an unknown machine", nt_at + 4, 0x34, 0x12);
    DAMAGED("an unknown kind of optional header", optional, 0x34, 0x12);
    DAMAGED("the section table beyond the file", nt_at + 20, 0xf0, 0xff);
}

static void options(void)
{
    static WCHAR name[] = L"peload-sample-no-such-image.exe";
    UNICODE_STRING string = {sizeof name - sizeof *name, sizeof name, name};
    ULONG value = 0, size = 0;

    printf("options of an image that has none: %08lx\n",
           (unsigned long)query_options(&string, L"GlobalFlag", REG_DWORD, &value, sizeof value, &size));
}

int main(void)
{
    create_section = (create_function)of_ntdll("NtCreateSection");
    query_section = (query_function)of_ntdll("NtQuerySection");
    map_view = (map_function)of_ntdll("NtMapViewOfSection");
    unmap_view = (unmap_function)of_ntdll("NtUnmapViewOfSection");
    query_options = (options_function)of_ntdll("LdrQueryImageFileExecutionOptions");
    check("a library of our own", place_open("image") && place_copy("search_dll.dll", "good.dll"));
    read_headers();
    good_file();
    bad_files();
    options();
    place_close();
    return sample_wrong_facts;
}
