/* A DLL with 200,000 base relocations, loaded where it was not linked to be, against the floor: fresh pages, one copy of
 * the same bytes into them, one addition for each entry of the same table. Both in this run, in turn. */
#include <string.h>
#include "bench.h"

enum { ROUNDS = 9 };

static const IMAGE_NT_HEADERS *headers_of(const unsigned char *image)
{
    return (const IMAGE_NT_HEADERS *)(image + ((const IMAGE_DOS_HEADER *)image)->e_lfanew);
}

/* One addition for each entry; answers how many there were. */
static unsigned long add_all(unsigned char *memory, const unsigned char *image, ULONG_PTR delta)
{
    const IMAGE_DATA_DIRECTORY *table = &headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC];
    unsigned long count = 0;

    for (DWORD at = 0; at < table->Size;) {
        const IMAGE_BASE_RELOCATION *block = (const void *)(image + table->VirtualAddress + at);
        const WORD *entry = (const WORD *)(block + 1), *end = (const WORD *)((const char *)block + block->SizeOfBlock);
        for (; entry < end; entry++)
            if (*entry >> 12) {
                ULONG_PTR value;
                memcpy(&value, memory + block->VirtualAddress + (*entry & 0xfff), sizeof value);
                value += delta;
                memcpy(memory + block->VirtualAddress + (*entry & 0xfff), &value, sizeof value);
                count++;
            }
        at += block->SizeOfBlock;
    }
    return count;
}

static double floor_time(const unsigned char *image, unsigned long *count)
{
    SIZE_T size = headers_of(image)->OptionalHeader.SizeOfImage;
    double begin = bench_now();
    unsigned char *memory = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    bench_need(memory != NULL, "VirtualAlloc");
    memcpy(memory, image, size);
    *count = add_all(memory, image, 0x10000);
    double end = bench_now();
    VirtualFree(memory, 0, MEM_RELEASE);
    return end - begin;
}

static double load_time(HMODULE *module)
{
    double begin = bench_now();

    *module = LoadLibraryA("bench_relocations_dll.dll");
    double end = bench_now();
    bench_need(*module != NULL, "LoadLibrary");
    return end - begin;
}

int main(void)
{
    double moved[ROUNDS], floors[ROUNDS];
    unsigned long count = 0;
    HMODULE module;

    load_time(&module); /* warms the file; tells where the DLL wants to be */
    void *base = module;
    FreeLibrary(module);
    bench_need(VirtualAlloc(base, 1, MEM_RESERVE, PAGE_NOACCESS) != NULL, "the base cannot be taken");
    for (int round = 0; round < ROUNDS; round++) {
        moved[round] = load_time(&module);
        bench_need((void *)module != base, "the DLL was not moved");
        floors[round] = floor_time((const unsigned char *)module, &count);
        FreeLibrary(module);
    }
    double load = bench_median(moved, ROUNDS), least = bench_median(floors, ROUNDS);
    printf("relocations %lu\nload_us %.0f\nfloor_us %.0f\ntime_ratio %.3f\n", count, load / 1000, least / 1000, load / least);
    return 0;
}
