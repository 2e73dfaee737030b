/* Where each import slot of the system's DLLs leads, one line a slot: the same on every start of one lane, whatever the
 * loader remembers of earlier ones. The numbers depend on the DLL set, so no table has them. */
#include <stdio.h>
#include <windows.h>

static void module_slots(const char *name)
{
    const char *base = (const char *)GetModuleHandleA(name);
    const IMAGE_NT_HEADERS *headers = (const void *)(base + ((const IMAGE_DOS_HEADER *)base)->e_lfanew);
    const IMAGE_DATA_DIRECTORY *directory = &headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    const IMAGE_IMPORT_DESCRIPTOR *import = (const void *)(base + directory->VirtualAddress);

    for (; directory->VirtualAddress && import->Name; import++)
        for (const ULONG_PTR *slot = (const void *)(base + import->FirstThunk); *slot; slot++)
            printf("%s+0x%lx 0x%llx\n", name ? name : "slots.exe", (unsigned long)((const char *)slot - base), (unsigned long long)*slot);
}

int main(void)
{
    module_slots("kernel32.dll");
    module_slots("kernelbase.dll");
    module_slots("msvcrt.dll");
    module_slots(NULL);
    return 0;
}
