/* The process's modules, seen in every way there is: PEB.Ldr's three lists walked by hand, handles, file names, addresses,
 * resources, and the ready-made lists of psapi and toolhelp. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <windows.h>
#include <tlhelp32.h>
#include "sample.h"

#define MODULES 64

struct counted_text { USHORT length, maximum; WCHAR *buffer; };
struct link { struct link *next, *previous; };

/* The beginnings of LDR_DATA_TABLE_ENTRY and PEB_LDR_DATA, the same for x86 and x64. */
struct entry {
    struct link load, memory, initialisation;
    char *base;
    void *entry_point;
    ULONG size;
    struct counted_text full_name, base_name;
    ULONG flags;
    USHORT load_count, tls_index;
};
struct lists {
    ULONG length;
    BOOLEAN initialised;
    void *handle;
    struct link load, memory, initialisation;
};

static struct lists *peb_lists(void)
{
    struct lists *lists;

#ifdef __x86_64__
    __asm__("movq %%gs:0x60, %0; movq 0x18(%0), %0" : "=r"(lists));
#else
    __asm__("movl %%fs:0x30, %0; movl 0x0c(%0), %0" : "=r"(lists));
#endif
    return lists;
}

static struct entry *in_order[MODULES];
static unsigned count;

static const char *name_of(const struct entry *entry)
{
    static char name[MAX_PATH];
    unsigned length = entry->base_name.length / 2;

    for (unsigned i = 0; i < length; i++)
        name[i] = (char)tolower(entry->base_name.buffer[i]);
    name[length] = 0;
    return name;
}

static void walk(const char *what, struct link *head, size_t offset, int keep)
{
    unsigned steps = 0;

    printf("%s:", what);
    for (struct link *link = head->next; link != head && steps < MODULES; link = link->next, steps++) {
        struct entry *entry = (struct entry *)((char *)link - offset);

        printf(" %s", name_of(entry));
        if (keep)
            in_order[count++] = entry;
        if (link->next->previous != link)
            check("backwards", 0);
    }
    printf("\n");
}

static const IMAGE_NT_HEADERS *headers_of(const struct entry *entry)
{
    return (const void *)(entry->base + ((const IMAGE_DOS_HEADER *)entry->base)->e_lfanew);
}

/* What every module's entry must say of it. */
static int is_right(const struct entry *entry)
{
    void *(NTAPI *from_address)(void *, void **) = (void *)GetProcAddress(GetModuleHandleA("ntdll"), "RtlPcToFileHeader");
    const IMAGE_NT_HEADERS *headers = headers_of(entry);
    WCHAR path[MAX_PATH];
    HMODULE by_address = NULL;
    void *base = NULL;
    unsigned length = GetModuleFileNameW((HMODULE)entry->base, path, MAX_PATH);
    int is_dll = (headers->FileHeader.Characteristics & IMAGE_FILE_DLL) != 0;

    return entry->size == headers->OptionalHeader.SizeOfImage
           && entry->entry_point == (headers->OptionalHeader.AddressOfEntryPoint
                                         ? entry->base + headers->OptionalHeader.AddressOfEntryPoint : NULL)
           && GetModuleHandleW(entry->base_name.buffer) == (HMODULE)entry->base
           && GetModuleHandleW(entry->full_name.buffer) == (HMODULE)entry->base
           && length * 2 == entry->full_name.length && !memcmp(path, entry->full_name.buffer, entry->full_name.length)
           && from_address(entry->base + entry->size - 1, &base) == entry->base && base == entry->base
           && GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                                 entry->base + 0x40, &by_address) && by_address == (HMODULE)entry->base
           && !(entry->flags & 4) == !is_dll;
}

static void each_module(void)
{
    unsigned right = 0;

    for (unsigned i = 0; i < count; i++) {
        int good = is_right(in_order[i]);

        right += good;
        if (!good)
            printf("WRONG: %s\n", name_of(in_order[i]));
    }
    check("every entry is right", right == count);
    check("kernel32 has a version resource", FindResourceA(GetModuleHandleA("kernel32"), MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(16)) != NULL);
    check("this program has none", !FindResourceA(NULL, MAKEINTRESOURCEA(1), MAKEINTRESOURCEA(16)));
}

static unsigned enumerated;

static void NTAPI on_module(const struct entry *entry, void *context, BOOLEAN *stop)
{
    (void)context;
    (void)stop;
    enumerated += enumerated < count && entry == in_order[enumerated];
}

static void ready_made_lists(void)
{
    BOOL(WINAPI *enumerate)(HANDLE, HMODULE *, DWORD, DWORD *) =
        (void *)GetProcAddress(GetModuleHandleA("kernel32"), "K32EnumProcessModules");
    LONG(NTAPI *enumerate_loaded)(void *, void(NTAPI *)(const struct entry *, void *, BOOLEAN *), void *) =
        (void *)GetProcAddress(GetModuleHandleA("ntdll"), "LdrEnumerateLoadedModules");
    HMODULE modules[MODULES];
    MODULEENTRY32 one = { .dwSize = sizeof one };
    DWORD size = 0;
    unsigned same = 0, told = 0;
    HANDLE snapshot;

    check("EnumProcessModules", enumerate(GetCurrentProcess(), modules, sizeof modules, &size));
    for (unsigned i = 0; i < count && i < size / sizeof *modules; i++)
        same += modules[i] == (HMODULE)in_order[i]->base;
    check("the same modules in the same order", same == count && size == count * sizeof *modules);
    enumerate_loaded(0, on_module, NULL);
    check("LdrEnumerateLoadedModules", enumerated == count);
    snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, GetCurrentProcessId());
    check("a snapshot", snapshot != INVALID_HANDLE_VALUE);
    same = 0;
    for (BOOL more = Module32First(snapshot, &one); more && told < MODULES; more = Module32Next(snapshot, &one), told++)
        same += told < count && one.modBaseAddr == (BYTE *)in_order[told]->base && one.modBaseSize == in_order[told]->size
                && !lstrcmpiA(one.szModule, name_of(in_order[told]));
    check("has the same modules in the same order", told == count && same == count);
    CloseHandle(snapshot);
}

static void special_handles(void)
{
    HMODULE behind = GetModuleHandleA("api-ms-win-core-processthreads-l1-1-0.dll"), module;

    check("no name: the program, which is first in load order", (char *)GetModuleHandleA(NULL) == in_order[0]->base);
    check("an API set's name: the DLL behind it", behind && (behind == GetModuleHandleA("kernel32")
                                                              || behind == GetModuleHandleA("kernelbase")));
    check("another version of it", GetModuleHandleA("api-ms-win-core-processthreads-l1-1-1") == behind);
    check("an API set that does not exist", !GetModuleHandleA("api-ms-win-core-nonsense-l1-1-0.dll"));
    check("loaded by an API set's name", LoadLibraryA("api-ms-win-core-processthreads-l1-1-0.dll") == behind);
    check("its functions are found", GetProcAddress(behind, "GetCurrentProcessId") != NULL);
    check("an address in no module", !GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (LPCSTR)&behind, &module));
    show("error", GetLastError());
}

/* RTL_UNLOAD_EVENT_TRACE */
struct unload_event { void *base; SIZE_T size; ULONG sequence, stamp, checksum; WCHAR name[32]; };

static void late_and_gone(void)
{
    const struct unload_event *(NTAPI *trace)(void) = (void *)GetProcAddress(GetModuleHandleA("ntdll"), "RtlGetUnloadEventTrace");
    HMODULE late = LoadLibraryA("teller_d.dll");
    const struct entry *entry = (const struct entry *)peb_lists()->load.previous;
    int found = 0;

    check("a late module is last in load order", late && entry->base == (char *)late && is_right(entry));
    entry = (const struct entry *)((char *)peb_lists()->initialisation.previous - offsetof(struct entry, initialisation));
    check("and in order of initialisation", entry->base == (char *)late);
    FreeLibrary(late);
    for (int i = 0; i < 64; i++)
        found += trace()[i].base == late && !lstrcmpiW(trace()[i].name, L"teller_d.dll");
    check("freed, it is in no list", peb_lists()->load.previous == &in_order[count - 1]->load);
    check("but among those that went", found == 1);
}

int main(void)
{
    struct lists *lists = peb_lists();

    setvbuf(stdout, NULL, _IONBF, 0);
    check("the lists are ready", lists->initialised);
    walk("in load order", &lists->load, offsetof(struct entry, load), 1);
    walk("in memory order", &lists->memory, offsetof(struct entry, memory), 0);
    walk("in order of initialisation", &lists->initialisation, offsetof(struct entry, initialisation), 0);
    each_module();
    ready_made_lists();
    special_handles();
    late_and_gone();
    return sample_wrong_facts;
}
