/* Load and free of one DLL by two loaders in one process, in turn: LoadLibrary as this program was bound to it (on the lane
 * win32 that is peload's hand) and the operating system's own, found in its export table; and the floor, which is fresh
 * pages, one copy of the image into them and one addition for each relocation. */
#include <string.h>
#include "bench.h"

typedef HMODULE(WINAPI *load_function)(const char *);
typedef BOOL(WINAPI *free_function)(HMODULE);

static struct { load_function load; free_function unload; } ways[2];

static const IMAGE_NT_HEADERS *headers_of(const unsigned char *image)
{
    return (const IMAGE_NT_HEADERS *)(image + ((const IMAGE_DOS_HEADER *)image)->e_lfanew);
}

/* GetProcAddress without GetProcAddress. */
static void *export_of(const unsigned char *image, const char *name)
{
    const IMAGE_DATA_DIRECTORY *directory = &headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT];
    const IMAGE_EXPORT_DIRECTORY *table = (const void *)(image + directory->VirtualAddress);
    const DWORD *names = (const void *)(image + table->AddressOfNames), *functions = (const void *)(image + table->AddressOfFunctions);
    const WORD *ordinals = (const void *)(image + table->AddressOfNameOrdinals);

    for (DWORD i = 0; i < table->NumberOfNames; i++)
        if (!strcmp((const char *)image + names[i], name))
            return (void *)(image + functions[ordinals[i]]);
    return NULL;
}

static void ways_open(void)
{
    const unsigned char *system = (const unsigned char *)GetModuleHandleA("kernelbase.dll");

    bench_need(system != NULL, "kernelbase.dll");
    ways[0].load = LoadLibraryA;
    ways[0].unload = FreeLibrary;
    ways[1].load = (load_function)export_of(system, "LoadLibraryA");
    ways[1].unload = (free_function)export_of(system, "FreeLibrary");
    bench_need(ways[1].load && ways[1].unload, "the operating system's LoadLibrary");
}

/* One addition for each entry of the table. */
static void add_all(unsigned char *memory, const unsigned char *image, ULONG_PTR delta)
{
    const IMAGE_DATA_DIRECTORY *table = &headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC];

    for (DWORD at = 0; at < table->Size;) {
        const IMAGE_BASE_RELOCATION *block = (const void *)(image + table->VirtualAddress + at);
        const WORD *entry = (const WORD *)(block + 1), *end = (const WORD *)((const char *)block + block->SizeOfBlock);
        for (; entry < end; entry++)
            if (*entry >> 12) {
                ULONG_PTR value;
                memcpy(&value, memory + block->VirtualAddress + (*entry & 0xfff), sizeof value);
                value += delta;
                memcpy(memory + block->VirtualAddress + (*entry & 0xfff), &value, sizeof value);
            }
        at += block->SizeOfBlock;
    }
}

static double floor_time(const unsigned char *image, int is_moved)
{
    SIZE_T size = headers_of(image)->OptionalHeader.SizeOfImage;
    double begin = bench_now();
    unsigned char *memory = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    bench_need(memory != NULL, "VirtualAlloc");
    memcpy(memory, image, size);
    if (is_moved)
        add_all(memory, image, 0x10000);
    VirtualFree(memory, 0, MEM_RELEASE);
    return bench_now() - begin;
}

/* The path beside this program: a bare name would mean two searches and not two loads. */
static const char *beside(const char *name)
{
    static char path[2 * MAX_PATH];
    DWORD length = GetModuleFileNameA(NULL, path, MAX_PATH);
    char *slash = length && length < MAX_PATH ? strrchr(path, '\\') : NULL;

    bench_need(slash != NULL, "the program's own path");
    strcpy(slash + 1, name);
    return path;
}

static void compare(const char *what, const char *name, int rounds, int is_moved)
{
    double times[2][101], floors[101], least;
    char path[2 * MAX_PATH];

    strcpy(path, beside(name));
    for (int round = -1; round < rounds; round++) {
        for (int i = 0; i < 2; i++) {
            double begin = bench_now();
            HMODULE module = ways[i].load(path);
            double middle = bench_now(), took;

            bench_need(module != NULL, name);
            if (round < 0 && !i && is_moved) { /* the first load tells where it wants to be */
                ways[i].unload(module);
                bench_need(VirtualAlloc((void *)module, 1, MEM_RESERVE, PAGE_NOACCESS) != NULL, "the base cannot be taken");
                continue;
            }
            took = middle - begin;
            if (i && round >= 0)
                floors[round] = floor_time((const unsigned char *)module, is_moved);
            begin = bench_now();
            ways[i].unload(module);
            took += bench_now() - begin;
            if (round >= 0)
                times[i][round] = took;
        }
    }
    least = bench_median(floors, rounds);
    printf("%s_ours_us %.1f\n%s_system_us %.1f\n%s_floor_us %.1f\n", what, bench_median(times[0], rounds) / 1000, what,
           bench_median(times[1], rounds) / 1000, what, least / 1000);
}

int main(void)
{
    ways_open();
    for (int i = 0; i < 2; i++) /* what the third one imports from is there before */
        bench_need(ways[i].load(beside("bind2000_dll.dll")) != NULL, "bind2000_dll.dll");
    compare("small", "bench_binding_one.dll", 101, 0);
    compare("relocations", "bench_relocations_dll.dll", 21, 1);
    compare("imports", "bench_binding_many.dll", 51, 0);
    return 0;
}
