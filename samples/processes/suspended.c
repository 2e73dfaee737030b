/* A child that is created and has not run: image, handle table and a thread that is suspended. It can be looked at, and
 * changed, before its first instruction; then it is resumed. */
#include "remote.h"

enum { ENTRY_BYTES = 32 };

static volatile int changed_before_start = 1;

static int child(HANDLE ran)
{
    SetEvent(ran);
    return changed_before_start;
}

/* The first bytes at the entry point as they stand in the EXE's file; *rva: where they go. */
static int file_entry(unsigned char *bytes, DWORD *rva)
{
    static unsigned char file[0x2000];
    IMAGE_NT_HEADERS *headers;
    IMAGE_SECTION_HEADER *section;
    HANDLE handle = CreateFileA(start_own_path(), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD got = 0;
    int found = 0;

    if (!ReadFile(handle, file, sizeof file, &got, NULL))
        return 0;
    headers = (IMAGE_NT_HEADERS *)(file + ((IMAGE_DOS_HEADER *)file)->e_lfanew);
    section = IMAGE_FIRST_SECTION(headers);
    *rva = headers->OptionalHeader.AddressOfEntryPoint;
    for (int i = 0; i < headers->FileHeader.NumberOfSections; i++, section++)
        if (*rva >= section->VirtualAddress && *rva < section->VirtualAddress + section->SizeOfRawData) {
            SetFilePointer(handle, (LONG)(section->PointerToRawData + *rva - section->VirtualAddress), NULL, FILE_BEGIN);
            found = ReadFile(handle, bytes, ENTRY_BYTES, &got, NULL) && got == ENTRY_BYTES;
        }
    CloseHandle(handle);
    return found;
}

/* The first thread does not begin at the entry point: it has it in a register, for RtlUserThreadStart. */
static ULONG_PTR entry_register(HANDLE thread)
{
    CONTEXT context = { .ContextFlags = CONTEXT_INTEGER | CONTEXT_CONTROL };

    if (!GetThreadContext(thread, &context))
        return 0;
#ifdef __x86_64__
    return context.Rcx;
#else
    return context.Eax;
#endif
}

int main(int argc, char **argv)
{
    unsigned char in_file[ENTRY_BYTES], in_image[ENTRY_BYTES];
    PROCESS_INFORMATION information;
    HANDLE ran;
    char *base;
    DWORD rva = 0;
    int number = 42;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    ran = start_event(TRUE, FALSE);
    check("a child is created suspended",
          start(start_own_path(), CREATE_SUSPENDED, TRUE, &information, "child " START_HANDLE, start_number(ran)));
    check("it has not ended", start_running(information.hProcess));
    base = remote_image(information.hProcess);
    check("its image can be seen", base != NULL);
    check("the file has an entry point", file_entry(in_file, &rva));
    check("its first bytes can be read", remote_read(information.hProcess, base + rva, in_image, ENTRY_BYTES));
    check("and they are the file's", !memcmp(in_file, in_image, ENTRY_BYTES));
    check("the thread's register holds ImageBase + AddressOfEntryPoint", entry_register(information.hThread) == (ULONG_PTR)base + rva);
    check("a variable of its is changed", remote_write(information.hProcess, remote_address(information.hProcess, (void *)&changed_before_start),
                                                       &number, sizeof number));
    show("suspended again, it was so already so often", SuspendThread(information.hThread));
    show("resumed, it was suspended so often", ResumeThread(information.hThread));
    check("it has not run yet", WaitForSingleObject(ran, 200) == WAIT_TIMEOUT);
    show("resumed once more", ResumeThread(information.hThread));
    check("it runs", WaitForSingleObject(ran, PATIENCE) == WAIT_OBJECT_0);
    show("its exit code is the number that was written", start_finish(&information));
    CloseHandle(ran);
    return sample_wrong_facts;
}
