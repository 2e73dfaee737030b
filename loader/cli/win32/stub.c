/* The child's EXE: written here for each program, with the program's own base, size, stack sizes and subsystem, and no code
 * but a jump into our DLL. So the operating system makes a process whose main image lies where the program belongs, before
 * anything else can take that place, and knows it in all its own lists; the DLL then fills the place with the program. */
#include "loader/cli/win32/win32.h"

#include <string.h>

enum { RAW = 0x400, RAW_SIZE = 0x200, RVA = 0x1000, DESCRIPTORS = 0x20, LOOKUP = 0x60, SLOTS = 0x80, NAME = 0xa0, DLL = 0xc0,
       FILE_SIZE = RAW + RAW_SIZE };

/* What the two widths of the optional header have in common is written through the structure that fits. */
#define OPTIONAL_FILL(optional, facts)                                                                                       \
    do {                                                                                                                     \
        (optional)->AddressOfEntryPoint = RVA;                                                                               \
        (optional)->SectionAlignment = 0x1000;                                                                               \
        (optional)->FileAlignment = 0x200;                                                                                   \
        (optional)->MajorOperatingSystemVersion = (optional)->MajorSubsystemVersion = 6;                                     \
        (optional)->SizeOfImage = (facts)->size;                                                                             \
        (optional)->SizeOfHeaders = RAW;                                                                                     \
        (optional)->Subsystem = (facts)->subsystem;                                                                          \
        (optional)->DllCharacteristics = (facts)->characteristics & (IMAGE_DLLCHARACTERISTICS_TERMINAL_SERVER_AWARE |        \
                                                                     IMAGE_DLLCHARACTERISTICS_NX_COMPAT * (facts)->is_64);   \
        (optional)->NumberOfRvaAndSizes = IMAGE_NUMBEROF_DIRECTORY_ENTRIES;                                                  \
        (optional)->DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT] = (IMAGE_DATA_DIRECTORY){RVA + DESCRIPTORS, 40};             \
        (optional)->DataDirectory[IMAGE_DIRECTORY_ENTRY_IAT] = (IMAGE_DATA_DIRECTORY){RVA + SLOTS, 16};                      \
    } while (0)

static IMAGE_SECTION_HEADER *headers_write(uint8_t *file, const struct cli_stub *facts)
{
    IMAGE_DOS_HEADER *dos = (IMAGE_DOS_HEADER *)file;
    IMAGE_NT_HEADERS64 *nt64 = (IMAGE_NT_HEADERS64 *)(file + 0x80);
    IMAGE_NT_HEADERS32 *nt32 = (IMAGE_NT_HEADERS32 *)(file + 0x80);
    dos->e_magic = IMAGE_DOS_SIGNATURE;
    dos->e_lfanew = 0x80;
    nt64->Signature = IMAGE_NT_SIGNATURE;
    nt64->FileHeader = (IMAGE_FILE_HEADER){.Machine = facts->is_64 ? IMAGE_FILE_MACHINE_AMD64 : IMAGE_FILE_MACHINE_I386,
        .NumberOfSections = 2, .SizeOfOptionalHeader = facts->is_64 ? sizeof nt64->OptionalHeader : sizeof nt32->OptionalHeader,
        .Characteristics = IMAGE_FILE_RELOCS_STRIPPED | IMAGE_FILE_EXECUTABLE_IMAGE | facts->large_address |
                           (facts->is_64 ? 0 : IMAGE_FILE_32BIT_MACHINE)};
    if (facts->is_64) {
        OPTIONAL_FILL(&nt64->OptionalHeader, facts);
        nt64->OptionalHeader.Magic = IMAGE_NT_OPTIONAL_HDR64_MAGIC;
        nt64->OptionalHeader.ImageBase = facts->base;
        memcpy(&nt64->OptionalHeader.SizeOfStackReserve, facts->stack_and_heap, sizeof facts->stack_and_heap);
    } else {
        OPTIONAL_FILL(&nt32->OptionalHeader, facts);
        nt32->OptionalHeader.Magic = IMAGE_NT_OPTIONAL_HDR32_MAGIC;
        nt32->OptionalHeader.ImageBase = (DWORD)facts->base;
        nt32->OptionalHeader.SizeOfStackReserve = (DWORD)facts->stack_and_heap[0];
        nt32->OptionalHeader.SizeOfStackCommit = (DWORD)facts->stack_and_heap[1];
        nt32->OptionalHeader.SizeOfHeapReserve = (DWORD)facts->stack_and_heap[2];
        nt32->OptionalHeader.SizeOfHeapCommit = (DWORD)facts->stack_and_heap[3];
    }
    return (IMAGE_SECTION_HEADER *)((uint8_t *)&nt64->OptionalHeader + nt64->FileHeader.SizeOfOptionalHeader);
}

/* A jump and not a call: its frame would lie in memory that soon holds the program. */
static void section_write(uint8_t *raw, const struct cli_stub *facts)
{
    IMAGE_IMPORT_DESCRIPTOR *descriptor = (IMAGE_IMPORT_DESCRIPTOR *)(raw + DESCRIPTORS);
    uint32_t target = facts->is_64 ? SLOTS - 6 : (uint32_t)facts->base + RVA + SLOTS, name = RVA + NAME;
    raw[0] = 0xff;
    raw[1] = 0x25;
    memcpy(raw + 2, &target, sizeof target);
    descriptor->OriginalFirstThunk = RVA + LOOKUP;
    descriptor->FirstThunk = RVA + SLOTS;
    descriptor->Name = RVA + DLL;
    memcpy(raw + LOOKUP, &name, sizeof name);
    memcpy(raw + SLOTS, &name, sizeof name);
    memcpy(raw + NAME + 2, "peload_child", sizeof "peload_child");
    strcpy((char *)raw + DLL, facts->dll);
}

bool cli_stub_write(const struct cli_stub *facts, const WCHAR *path)
{
    uint8_t file[FILE_SIZE] = {0};
    DWORD written = 0;
    const IMAGE_SECTION_HEADER sections[] = {
        {.Name = "jump", .Misc.VirtualSize = 0x1000, .VirtualAddress = RVA, .SizeOfRawData = RAW_SIZE, .PointerToRawData = RAW,
         .Characteristics = IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_MEM_READ},
        {.Name = "place", .Misc.VirtualSize = facts->size - 0x2000, .VirtualAddress = 0x2000,
         .Characteristics = IMAGE_SCN_CNT_UNINITIALIZED_DATA | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_WRITE},
    };
    memcpy(headers_write(file, facts), sections, sizeof sections);
    section_write(file + RAW, facts);
    HANDLE handle = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        return false;
    bool done = WriteFile(handle, file, sizeof file, &written, NULL) && written == sizeof file;
    CloseHandle(handle);
    return done;
}
