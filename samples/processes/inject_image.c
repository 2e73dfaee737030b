/* Injection of an image stretched by hand, into a child that this program started: the DLL's file is read and stretched here,
 * mended for the place that it gets there, bound, and written. The child's list of modules shows nothing of it. */
#include "detector.h"

static int child(HANDLE ready)
{
    SetEvent(ready);
    Sleep(3 * PATIENCE);
    return 1;
}

static BYTE *file_bytes;
static DWORD file_size;

static int file_read(const char *path)
{
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD got = 0;

    file_size = GetFileSize(file, NULL);
    file_bytes = malloc(file_size);
    int done = file_bytes && ReadFile(file, file_bytes, file_size, &got, NULL) && got == file_size;
    CloseHandle(file);
    return done;
}

static IMAGE_NT_HEADERS *headers_of(BYTE *image)
{
    return (IMAGE_NT_HEADERS *)(image + ((IMAGE_DOS_HEADER *)image)->e_lfanew);
}

/* Step 1, stretch (拉伸): headers and sections to where the image has them. This sample's own DLL is known to be sound; a
 * loader of foreign files has to check each of these numbers. */
static BYTE *stretch(void)
{
    IMAGE_NT_HEADERS *headers = headers_of(file_bytes);
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers);
    BYTE *image = calloc(1, headers->OptionalHeader.SizeOfImage);

    if (!image)
        return NULL;
    memcpy(image, file_bytes, headers->OptionalHeader.SizeOfHeaders);
    for (int i = 0; i < headers->FileHeader.NumberOfSections; i++, section++)
        memcpy(image + section->VirtualAddress, file_bytes + section->PointerToRawData,
               section->SizeOfRawData < section->Misc.VirtualSize ? section->SizeOfRawData : section->Misc.VirtualSize);
    return image;
}

/* Step 2, the relocation table: every address in the image moves by as much as the image does. */
static int relocate(BYTE *image, ULONG_PTR there)
{
    IMAGE_DATA_DIRECTORY *table = &headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_BASERELOC];
    ULONG_PTR moved = there - headers_of(image)->OptionalHeader.ImageBase;
    int count = 0;

    for (DWORD at = 0; at < table->Size;) {
        IMAGE_BASE_RELOCATION *block = (IMAGE_BASE_RELOCATION *)(image + table->VirtualAddress + at);
        WORD *entry = (WORD *)(block + 1), *end = (WORD *)((BYTE *)block + block->SizeOfBlock);

        for (; entry < end; entry++)
            if (*entry >> 12 == IMAGE_REL_BASED_DIR64 || *entry >> 12 == IMAGE_REL_BASED_HIGHLOW) {
                *(ULONG_PTR *)(image + block->VirtualAddress + (*entry & 0xfff)) += moved;
                count++;
            }
        at += block->SizeOfBlock;
    }
    return count;
}

/* Step 3, the import table: all is kernel32's, which lies at the same place there as here. */
static int fill_imports(BYTE *image)
{
    DWORD rva = headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    IMAGE_IMPORT_DESCRIPTOR *descriptor = (IMAGE_IMPORT_DESCRIPTOR *)(image + rva);
    int count = 0;

    for (; descriptor->Name; descriptor++) {
        HMODULE module = GetModuleHandleA((char *)image + descriptor->Name);
        ULONG_PTR *slot = (ULONG_PTR *)(image + descriptor->FirstThunk);

        for (; *slot; slot++, count++)
            *slot = (ULONG_PTR)GetProcAddress(module, (char *)image + *slot + 2);
    }
    return count;
}

static DWORD export_rva(BYTE *image, const char *name)
{
    DWORD rva = headers_of(image)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress;
    IMAGE_EXPORT_DIRECTORY *exports = (IMAGE_EXPORT_DIRECTORY *)(image + rva);
    DWORD *names = (DWORD *)(image + exports->AddressOfNames), *functions = (DWORD *)(image + exports->AddressOfFunctions);
    WORD *ordinals = (WORD *)(image + exports->AddressOfNameOrdinals);

    for (DWORD i = 0; i < exports->NumberOfNames; i++)
        if (!strcmp((char *)image + names[i], name))
            return functions[ordinals[i]];
    return 0;
}

/* Writes the image with rights as a loader gives them: code can be executed and not written. */
static BYTE *put(HANDLE process, BYTE *image, BYTE *there)
{
    IMAGE_NT_HEADERS *headers = headers_of(image);
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers);
    DWORD old;

    if (!remote_write(process, there, image, headers->OptionalHeader.SizeOfImage))
        return NULL;
    for (int i = 0; i < headers->FileHeader.NumberOfSections; i++, section++)
        if (section->Characteristics & IMAGE_SCN_MEM_EXECUTE &&
            !VirtualProtectEx(process, there + section->VirtualAddress, section->Misc.VirtualSize, PAGE_EXECUTE_READ, &old))
            return NULL;
    return there;
}

static DWORD run_in(HANDLE process, BYTE *function, void *parameter)
{
    HANDLE thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)function, parameter, 0, NULL);
    DWORD code = 0;

    if (!thread || WaitForSingleObject(thread, PATIENCE) != WAIT_OBJECT_0)
        return 0;
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

int main(int argc, char **argv)
{
    static struct detector_view before, now;
    PROCESS_INFORMATION information;
    char name[64];
    BYTE *image, *there;
    void *text;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    HANDLE ready = start_event(TRUE, FALSE);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE, start_number(ready)) &&
                              WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    HANDLE process = information.hProcess;
    snprintf(name, sizeof name, "peload sample %lu", GetCurrentProcessId());
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, name);
    check("the detector looks", detector_look(&information, &before));
    check("the library's file is read", file_read(start_beside("inject_dll.dll")));
    image = stretch();
    there = VirtualAllocEx(process, NULL, headers_of(image)->OptionalHeader.SizeOfImage, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    check("its image gets a place in the child", there != NULL);
    check("it is mended for that place", relocate(image, (ULONG_PTR)there) > 0);
    check("its imports are bound", fill_imports(image) >= 3);
    check("it is written, and its code made executable", put(process, image, there) == there);
    text = VirtualAllocEx(process, NULL, sizeof name, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    remote_write(process, text, name, sizeof name);
    show("a function of it runs there", run_in(process, there + export_rva(image, "inject_run"), text));
    check("and has signalled from within", WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    check("the detector looks again", detector_look(&information, &now));
    detector_tell(&information, &before, &now);
    TerminateProcess(process, 4);
    show("the child's exit code", start_finish(&information));
    CloseHandle(event);
    CloseHandle(ready);
    free(image);
    free(file_bytes);
    return sample_wrong_facts;
}
