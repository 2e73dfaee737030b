/* A library that was bound to other versions of what it imports: the stale addresses in its slots and the table that vouches
 * for them are ignored, and the names are looked up. */
#include "place.h"
#include "sample.h"

static unsigned char image[1 << 20];

/* File offset of an RVA. */
static unsigned char *at_rva(DWORD rva)
{
    IMAGE_NT_HEADERS *headers = (void *)(image + ((IMAGE_DOS_HEADER *)image)->e_lfanew);
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers);

    for (unsigned i = 0; i < headers->FileHeader.NumberOfSections; i++, section++)
        if (rva - section->VirtualAddress < section->SizeOfRawData)
            return image + section->PointerToRawData + (rva - section->VirtualAddress);
    return NULL;
}

/* Makes the file look as bind.exe leaves it: descriptors stamped -1, slots full, a bound import table behind the headers. */
static int make_bound(void)
{
    IMAGE_NT_HEADERS *headers = (void *)(image + ((IMAGE_DOS_HEADER *)image)->e_lfanew);
    IMAGE_SECTION_HEADER *sections = IMAGE_FIRST_SECTION(headers);
    unsigned char *table = (unsigned char *)(sections + headers->FileHeader.NumberOfSections);
    IMAGE_DATA_DIRECTORY *bound = &headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT];
    IMAGE_BOUND_IMPORT_DESCRIPTOR *entry = (void *)table;
    IMAGE_IMPORT_DESCRIPTOR *import =
        (void *)at_rva(headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress);
    unsigned count = 0;

    for (; import->FirstThunk; import++, count++) {
        if (!import->OriginalFirstThunk)
            return 0;
        import->TimeDateStamp = import->ForwarderChain = 0xffffffff;
        for (ULONG_PTR *slot = (void *)at_rva(import->FirstThunk); *slot; slot++)
            *slot = (ULONG_PTR)0x11111110;
        entry[count].TimeDateStamp = 0x12345678;
        entry[count].OffsetModuleName = (WORD)(8 * 8 + count);
    }
    memset(entry + count, 0, sizeof *entry);
    memset(table + 64, 0, 1);
    strcpy((char *)table + 64, "search_need.dll");
    bound->VirtualAddress = (DWORD)(table - image);
    bound->Size = 80;
    return count > 0 && table + 80 < image + headers->OptionalHeader.SizeOfHeaders;
}

int main(void)
{
    int (*number)(void) = NULL;
    HMODULE module;
    size_t size;
    FILE *file;

    check("files", place_open("bound") && place_copy("search_dll.dll", "search_need.dll")
          && place_copy("search_pair.dll", "search_pair.dll"));
    file = fopen(place_path("search_pair.dll"), "rb");
    size = file ? fread(image, 1, sizeof image, file) : 0;
    if (file)
        fclose(file);
    check("made to look bound", size && make_bound());
    file = fopen(place_path("search_pair.dll"), "wb");
    check("written", file && fwrite(image, 1, size, file) == size && !fclose(file));
    module = LoadLibraryExA(place_path("search_pair.dll"), NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    check("loaded", module != NULL);
    if (module)
        number = (void *)GetProcAddress(module, "pair_number");
    check("its import arrives where it should", number && number() == 42);
    if (module)
        FreeLibrary(module);
    place_close();
    return sample_wrong_facts;
}
