/* Donors: DLLs of two or three small sections, written here and loaded by LoadLibrary, because some things are given to
 * the operating system's own modules only.
 *
 *   The first one has nothing but an entry point, a jump to win32_notify: so we hear of every thread that begins or ends,
 *   and of the end of the process, when Windows' order has it.
 *   One for each module with thread-local data has a TLS directory with that module's initial values. Windows takes a slot
 *   for it and gives every thread a block, those that run already and those that will; the module is told the slot's
 *   number and uses the blocks as its own. */
#include "loader/win32/win32.h"
#include "pe/tls.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { HEADERS = 0x400, CODE_RVA = 0x1000, DATA_RVA = 0x2000, CODE_SIZE = 0x200, INDEX = 0x40, BLOCK = 0x60 };

#ifdef _WIN64
#define MACHINE IMAGE_FILE_MACHINE_AMD64
#define FIXUP IMAGE_REL_BASED_DIR64
#define BASE 0x6fff80000000ull
#else
#define MACHINE IMAGE_FILE_MACHINE_I386
#define FIXUP IMAGE_REL_BASED_HIGHLOW
#define BASE 0x6e000000ul
#endif

static uint32_t up(uint32_t value, uint32_t to)
{
    return (value + to - 1) / to * to;
}

/* Where everything is in the file and in the image. */
struct plan { uint32_t block, data_raw, data_virtual, reloc_rva, file_size, image_size; };

static bool plan_make(const struct win32_donor *donor, struct plan *plan)
{
    uint32_t alignment = donor->alignment > 16 ? donor->alignment : 16;
    if (donor->data_size > 0x10000000 || donor->zero_fill > 0x10000000)
        return false;
    plan->block = up(BLOCK, alignment);
    plan->data_virtual = plan->block + donor->data_size;
    plan->data_raw = up(plan->data_virtual, 0x200);
    plan->reloc_rva = DATA_RVA + up(plan->data_virtual, 0x1000);
    plan->file_size = HEADERS + CODE_SIZE + plan->data_raw + 0x200;
    plan->image_size = plan->reloc_rva + 0x1000;
    return true;
}

static void headers_write(uint8_t *file, const struct win32_donor *donor, const struct plan *plan)
{
    IMAGE_DOS_HEADER *dos = (IMAGE_DOS_HEADER *)file;
    dos->e_magic = IMAGE_DOS_SIGNATURE;
    dos->e_lfanew = 0x80;
    IMAGE_NT_HEADERS *nt = (IMAGE_NT_HEADERS *)(file + dos->e_lfanew);
    nt->Signature = IMAGE_NT_SIGNATURE;
    nt->FileHeader = (IMAGE_FILE_HEADER){.Machine = MACHINE, .NumberOfSections = 3, .SizeOfOptionalHeader = sizeof nt->OptionalHeader,
        .Characteristics = IMAGE_FILE_EXECUTABLE_IMAGE | IMAGE_FILE_DLL | (sizeof(void *) == 8 ? IMAGE_FILE_LARGE_ADDRESS_AWARE : IMAGE_FILE_32BIT_MACHINE)};
    IMAGE_OPTIONAL_HEADER *optional = &nt->OptionalHeader;
    optional->Magic = IMAGE_NT_OPTIONAL_HDR_MAGIC;
    optional->SizeOfCode = CODE_SIZE;
    optional->SizeOfInitializedData = plan->data_raw;
    optional->AddressOfEntryPoint = donor->notify ? CODE_RVA : 0;
    optional->BaseOfCode = CODE_RVA;
    optional->ImageBase = BASE;
    optional->SectionAlignment = 0x1000;
    optional->FileAlignment = 0x200;
    optional->MajorOperatingSystemVersion = optional->MajorSubsystemVersion = 6;
    optional->SizeOfImage = plan->image_size;
    optional->SizeOfHeaders = HEADERS;
    optional->Subsystem = IMAGE_SUBSYSTEM_WINDOWS_CUI;
    optional->DllCharacteristics = IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE | IMAGE_DLLCHARACTERISTICS_NX_COMPAT;
    optional->NumberOfRvaAndSizes = IMAGE_NUMBEROF_DIRECTORY_ENTRIES;
    optional->DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC] = (IMAGE_DATA_DIRECTORY){plan->reloc_rva, 16};
    if (donor->has_tls)
        optional->DataDirectory[IMAGE_DIRECTORY_ENTRY_TLS] = (IMAGE_DATA_DIRECTORY){DATA_RVA, sizeof(IMAGE_TLS_DIRECTORY)};

    const IMAGE_SECTION_HEADER sections[] = {
        {.Name = ".text", .Misc.VirtualSize = CODE_SIZE, .VirtualAddress = CODE_RVA, .SizeOfRawData = CODE_SIZE, .PointerToRawData = HEADERS,
         .Characteristics = IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_MEM_READ},
        {.Name = ".data", .Misc.VirtualSize = plan->data_virtual, .VirtualAddress = DATA_RVA, .SizeOfRawData = plan->data_raw,
         .PointerToRawData = HEADERS + CODE_SIZE, .Characteristics = IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_WRITE},
        {.Name = ".reloc", .Misc.VirtualSize = 16, .VirtualAddress = plan->reloc_rva, .SizeOfRawData = 0x200,
         .PointerToRawData = HEADERS + CODE_SIZE + plan->data_raw,
         .Characteristics = IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_DISCARDABLE},
    };
    memcpy(IMAGE_FIRST_SECTION(nt), sections, sizeof sections);
}

/* DllMain: mov (r|e)ax, notify; jmp (r|e)ax. The address holds, because only this very process loads the file. */
static void code_write(uint8_t *code, const struct win32_donor *donor)
{
    uint8_t *at = code;
    if (!donor->notify)
        return;
    if (sizeof(void *) == 8)
        *at++ = 0x48;
    *at++ = 0xb8;
    memcpy(at, &donor->notify, sizeof donor->notify);
    at += sizeof donor->notify;
    *at++ = 0xff;
    *at = 0xe0;
}

static void tls_write(uint8_t *data, uint8_t *reloc, const struct win32_donor *donor, const struct plan *plan)
{
    IMAGE_TLS_DIRECTORY *tls = (IMAGE_TLS_DIRECTORY *)data;
    const uint32_t count = 4;
    if (!donor->has_tls)
        return;
    tls->StartAddressOfRawData = BASE + DATA_RVA + plan->block;
    tls->EndAddressOfRawData = tls->StartAddressOfRawData + donor->data_size;
    tls->AddressOfIndex = BASE + DATA_RVA + INDEX;
    tls->AddressOfCallBacks = BASE + DATA_RVA + INDEX + 8; /* an empty list */
    tls->SizeOfZeroFill = donor->zero_fill;
    for (uint32_t power = 0; power < 14; power++)
        if (donor->alignment == 1u << power)
            tls->Characteristics = (power + 1) << 20;
    memcpy(data + plan->block, donor->data, donor->data_size);

    /* One block of four pointers: exactly 16 bytes. */
    IMAGE_BASE_RELOCATION *block = (IMAGE_BASE_RELOCATION *)reloc;
    WORD *entries = (WORD *)(block + 1);
    *block = (IMAGE_BASE_RELOCATION){.VirtualAddress = DATA_RVA, .SizeOfBlock = sizeof *block + count * sizeof *entries};
    for (uint32_t i = 0; i < count; i++)
        entries[i] = (WORD)(FIXUP << 12 | i * sizeof(void *));
}

static bool file_write(const WCHAR *path, const void *bytes, uint32_t size)
{
    DWORD written = 0;
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return false;
    bool done = WriteFile(file, bytes, size, &written, NULL) && written == size;
    CloseHandle(file);
    return done;
}

HMODULE win32_donor_load(const struct win32_donor *donor, uint32_t *slot)
{
    struct plan plan;
    WCHAR path[WIN32_PATH + 32];
    if (!plan_make(donor, &plan))
        return NULL;
    uint8_t *file = calloc(1, plan.file_size);
    if (!file)
        return NULL;
    headers_write(file, donor, &plan);
    code_write(file + HEADERS, donor);
    tls_write(file + HEADERS + CODE_SIZE, file + HEADERS + CODE_SIZE + plan.data_raw, donor, &plan);
    _snwprintf(path, WIN32_PATH + 32, L"%ls\\peload-donor%u.dll", win32.options.folder, win32.donors++);
    CreateDirectoryW(win32.options.folder, NULL);
    HMODULE handle = file_write(path, file, plan.file_size) ? LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH) : NULL;
    free(file);
    if (handle && slot)
        *slot = *(const uint32_t *)((const uint8_t *)handle + DATA_RVA + INDEX);
    return handle;
}

/* ---- The phases' slots ---- */

/* A donor whose module is gone is kept for the next one of the same shape: making one costs more than all the rest of a load. */
struct slot { struct slot *next; const struct ld_module *module; HMODULE donor; uint32_t number, data_size, zero_fill, alignment; };
static struct slot *slots, *idle;

/* The initial values, and the blocks of the threads that there are: as if Windows had made them now. */
static bool slot_renew(struct slot *slot, const struct win32_donor *wish)
{
    struct plan plan;
    if (!plan_make(wish, &plan))
        return false;
    memcpy((uint8_t *)slot->donor + DATA_RVA + plan.block, wish->data, wish->data_size);
    win32_threads_fill(slot->number, wish->data, wish->data_size, wish->zero_fill);
    return true;
}

static struct slot *slot_take_idle(const struct win32_donor *wish)
{
    for (struct slot **at = &idle; *at; at = &(*at)->next) {
        struct slot *slot = *at;
        if (slot->data_size == wish->data_size && slot->zero_fill == wish->zero_fill && slot->alignment == wish->alignment &&
            slot_renew(slot, wish)) {
            *at = slot->next;
            return slot;
        }
    }
    return NULL;
}

static struct slot *slot_make(const struct win32_donor *wish)
{
    struct slot *slot = malloc(sizeof *slot);
    if (!slot)
        return NULL;
    *slot = (struct slot){.data_size = wish->data_size, .zero_fill = wish->zero_fill, .alignment = wish->alignment};
    slot->donor = win32_donor_load(wish, &slot->number);
    if (slot->donor)
        return slot;
    free(slot);
    return NULL;
}

int win32_tls_take(struct loader *loader, struct ld_module *module)
{
    struct pe_tls tls;
    struct pe_error broken = {0};
    if (!pe_tls_read(&module->image, pe_va_at(module->base), &tls, &broken))
        return -1;
    /* The block's initial values as they stand in the image now: relocated, as each thread has to get them. */
    struct win32_donor wish = {.has_tls = true, .data_size = tls.data_size, .zero_fill = tls.zero_fill, .alignment = tls.alignment,
                               .data = loader->host->vm_at(loader->host, module->base + tls.data.value, tls.data_size)};
    if (!wish.data_size && !wish.zero_fill)
        wish.zero_fill = sizeof(void *);
    struct slot *slot = slot_take_idle(&wish);
    if (!slot && !(slot = slot_make(&wish)))
        return -1;
    slot->module = module;
    slot->next = slots;
    slots = slot;
    return (int)slot->number;
}

void win32_tls_give(struct loader *loader, struct ld_module *module)
{
    (void)loader;
    for (struct slot **at = &slots; *at; at = &(*at)->next)
        if ((*at)->module == module) {
            struct slot *gone = *at;
            *at = gone->next;
            gone->module = NULL;
            gone->next = idle;
            idle = gone;
            return;
        }
}
