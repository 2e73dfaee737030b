/* What loaders written by hand are known to get wrong, in one library: names that differ by case, dotted names, numbers with
 * gaps, exceptions inside it and through it, an end of the process from inside. Then the same library changed: zeroes as its
 * last section, data behind its end, and no relocations where its base is taken. */
#include <stdlib.h>
#include "place.h"
#include "sample.h"
#include "seh_frame.h"

typedef int (*number_function)(void);

static HMODULE library;
static unsigned char *file;
static long file_size;

static IMAGE_NT_HEADERS *headers_of(void *image)
{
    return (void *)((unsigned char *)image + ((IMAGE_DOS_HEADER *)image)->e_lfanew);
}

static int number_of(const char *name)
{
    number_function function = (number_function)(void *)GetProcAddress(library, name);

    return function ? function() : -1;
}

static void names_and_numbers(void)
{
    check("three names that differ by case", number_of("corners_name") == 1 && number_of("Corners_Name") == 2 && number_of("CORNERS_NAME") == 3);
    SetLastError(0);
    check("a fourth spelling is not there", number_of("corners_NAME") == -1);
    show("error", GetLastError());
    check("a name with dots", number_of("corners.dotted.name") == 4);
    check("by number", number_of(MAKEINTRESOURCEA(77)) == 5);
    check("by a number far behind", number_of(MAKEINTRESOURCEA(4000)) == 6);
    check("the number of a name", number_of(MAKEINTRESOURCEA(7)) == 1);
    check("a number in a gap is not there", number_of(MAKEINTRESOURCEA(78)) == -1);
    check("nor one below the base", number_of(MAKEINTRESOURCEA(6)) == -1);
    check("nor one behind the end", number_of(MAKEINTRESOURCEA(4001)) == -1);
}

static void (*raise_function)(void);

static void raise(void)
{
    raise_function();
}

static int is_raised(const EXCEPTION_RECORD *record)
{
    return record->ExceptionCode == 0xE0C0FFEE;
}

static void exceptions(void)
{
    int (*throw_function)(int) = (void *)GetProcAddress(library, "corners_throw");

    raise_function = (void *)GetProcAddress(library, "corners_raise");
    show("thrown and caught inside, frames cleaned up", (unsigned long)throw_function(10));
    check("a fault inside finds the handler there", number_of("corners_fault") == 1);
    check("an exception goes through it to the program's handler", frame_guard(raise, is_raised));
    show("and again", (unsigned long)throw_function(3));
}

/* ---- The same library, changed ---- */

static int file_read(void)
{
    char path[2 * MAX_PATH];
    FILE *from;

    sprintf(path, "%scorners_dll.dll", place_program);
    from = fopen(path, "rb");
    if (!from || fseek(from, 0, SEEK_END) || (file_size = ftell(from)) <= 0 || fseek(from, 0, SEEK_SET))
        return 0;
    file = malloc((size_t)file_size);
    return file && fread(file, 1, (size_t)file_size, from) == (size_t)file_size && !fclose(from);
}

static int file_write(const char *name, int more)
{
    FILE *to = fopen(place_path(name), "wb");

    if (!to || fwrite(file, 1, (size_t)file_size, to) != (size_t)file_size)
        return 0;
    for (int i = 0; i < more; i++)
        fputc("overlay"[i % 7], to);
    return !fclose(to);
}

/* Uninitialised data as the last section: nothing of it in the file. */
static DWORD add_zeroes(DWORD size)
{
    IMAGE_NT_HEADERS *headers = headers_of(file);
    IMAGE_SECTION_HEADER *last = IMAGE_FIRST_SECTION(headers) + headers->FileHeader.NumberOfSections;

    if ((unsigned char *)(last + 1) > file + headers->OptionalHeader.SizeOfHeaders)
        return 0;
    memset(last, 0, sizeof *last);
    memcpy(last->Name, ".zeroes", 7);
    last->Misc.VirtualSize = size;
    last->VirtualAddress = headers->OptionalHeader.SizeOfImage;
    last->Characteristics = IMAGE_SCN_CNT_UNINITIALIZED_DATA | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_WRITE;
    headers->FileHeader.NumberOfSections++;
    headers->OptionalHeader.SizeOfImage += (size + 0xfff) & ~0xfffu;
    return last->VirtualAddress;
}

static int is_zero_and_ours(unsigned char *memory, DWORD size)
{
    for (DWORD i = 0; i < size; i++)
        if (memory[i])
            return 0;
    memset(memory, 0xAA, size);
    return memory[size - 1] == 0xAA;
}

static void zeroes_and_more(void)
{
    const DWORD size = 0x5432;
    DWORD rva = add_zeroes(size);

    check("zeroes as the last section, data behind the end", rva && file_write("zeroes.dll", 54321));
    library = LoadLibraryA(place_path("zeroes.dll"));
    check("loaded", library != NULL);
    if (!library)
        return;
    check("its zeroes are there and can be written", is_zero_and_ours((unsigned char *)library + rva, size));
    check("its last page too", is_zero_and_ours((unsigned char *)library + rva + size, 0x6000 - size));
    check("its functions work", number_of("corners_name") == 1 && number_of("corners_fault") == 1);
    FreeLibrary(library);
}

static void no_relocations(void)
{
    IMAGE_NT_HEADERS *headers = headers_of(file);
    void *base = (void *)(ULONG_PTR)(headers->OptionalHeader.ImageBase = 0x5a000000), *taken;

    /* Linked to another base than its code was relocated for, so only what needs no base is called: no entry, no TLS. */
    headers->FileHeader.Characteristics |= IMAGE_FILE_RELOCS_STRIPPED;
    headers->OptionalHeader.DllCharacteristics &= (WORD)~IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE;
    headers->OptionalHeader.AddressOfEntryPoint = 0;
    memset(&headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC], 0, sizeof(IMAGE_DATA_DIRECTORY));
    memset(&headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_TLS], 0, sizeof(IMAGE_DATA_DIRECTORY));
    check("no relocations", file_write("fixed.dll", 0));
    taken = VirtualAlloc(base, 1, MEM_RESERVE, PAGE_NOACCESS);
    check("its base is taken", taken == base);
    SetLastError(0);
    check("it is not loaded anywhere else", !LoadLibraryA(place_path("fixed.dll")));
    show("error", GetLastError());
    VirtualFree(taken, 0, MEM_RELEASE);
    library = LoadLibraryA(place_path("fixed.dll"));
    check("its base is free: it lies there", library == base);
    check("and its functions answer", number_of("corners_name") == 1);
    FreeLibrary(library);
}

int main(int argc, char **argv)
{
    library = LoadLibraryA("corners_dll.dll");
    if (argc > 1 && !strcmp(argv[1], "exit")) {
        void (*end)(int) = (void *)GetProcAddress(library, "corners_exit");
        printf("the library ends the process\n");
        fflush(stdout);
        end(77);
        return 1;
    }
    check("loaded", library != NULL);
    names_and_numbers();
    exceptions();
    check("freed", FreeLibrary(library));
    check("files", place_open("corners") && file_read());
    zeroes_and_more();
    no_relocations();
    place_close();
    return sample_wrong_facts;
}
