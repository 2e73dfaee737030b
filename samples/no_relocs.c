/* Linked without relocations to 0x10000000: runs there or not at all. */
#include "sample.h"
#include <windows.h>

int main(void)
{
    const char *base = (const char *)GetModuleHandleA(NULL);
    const IMAGE_NT_HEADERS *headers = (const void *)(base + ((const IMAGE_DOS_HEADER *)base)->e_lfanew);

    check("the file has no relocations", (headers->FileHeader.Characteristics & IMAGE_FILE_RELOCS_STRIPPED) != 0);
    check("it lies at its base", base == (const char *)LINKED_BASE);
    return sample_wrong_facts;
}
