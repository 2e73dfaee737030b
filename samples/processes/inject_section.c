/* Injection by a section, into a child that this program started: what both have mapped is one memory. Nothing is ever written
 * with WriteProcessMemory; code and data are put into this program's own view, and run in the child's. Then a DLL's file, mapped
 * there as an image: no loader has seen it, and the list of modules shows nothing. */
#include "detector.h"

enum { VIEW_UNMAP = 2, CODE_AT = 0x1000, SECTION_SIZE = 0x2000 };

typedef NTSTATUS(NTAPI *map_function)(HANDLE section, HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T commit,
                                      LARGE_INTEGER *offset, SIZE_T *size, ULONG inherit, ULONG type, ULONG protection);
typedef NTSTATUS(NTAPI *unmap_function)(HANDLE process, void *base);
static map_function map;
static unmap_function unmap;

/* A thread's function: the number that its parameter points to, and one more. */
static const BYTE code[] = {
#ifdef _WIN64
    0x8b, 0x01,             /* mov eax, [rcx] */
    0xff, 0xc0,             /* inc eax */
    0xc3,                   /* ret */
#else
    0x8b, 0x44, 0x24, 0x04, /* mov eax, [esp + 4] */
    0x8b, 0x00,             /* mov eax, [eax] */
    0x40,                   /* inc eax */
    0xc2, 0x04, 0x00,       /* ret 4 */
#endif
};

static int child(HANDLE ready)
{
    SetEvent(ready);
    Sleep(3 * PATIENCE);
    return 1;
}

static BYTE *map_there(HANDLE section, HANDLE process, LONGLONG offset, ULONG protection, NTSTATUS *status)
{
    LARGE_INTEGER at = { .QuadPart = offset };
    void *base = NULL;
    SIZE_T size = 0;

    *status = map(section, process, &base, 0, 0, &at, &size, VIEW_UNMAP, 0, protection);
    return base;
}

static void region(const char *what, HANDLE process, const void *address)
{
    MEMORY_BASIC_INFORMATION information = { 0 };

    VirtualQueryEx(process, address, &information, sizeof information);
    printf("%s: %s, protection 0x%lx\n", what,
           information.Type == MEM_MAPPED ? "mapped" : information.Type == MEM_IMAGE ? "image" : information.State == MEM_FREE ? "free" : "private",
           information.State == MEM_COMMIT ? information.Protect : 0);
}

static DWORD run_in(HANDLE process, BYTE *function, void *parameter)
{
    HANDLE thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)(void *)function, parameter, 0, NULL);
    DWORD result = 0;

    if (!thread || WaitForSingleObject(thread, PATIENCE) != WAIT_OBJECT_0)
        return 0;
    GetExitCodeThread(thread, &result);
    CloseHandle(thread);
    return result;
}

/* One memory in two processes. */
static BYTE *memory_shared(HANDLE section, const PROCESS_INFORMATION *information)
{
    HANDLE process = information->hProcess;
    BYTE *here = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *there, first = 0;
    NTSTATUS status;

    check("the section is mapped here, writable", here != NULL);
    there = map_there(section, process, 0, PAGE_EXECUTE_READ, &status);
    printf("and in the child, executable: status 0x%08lx\n", status);
    region("what the child has there", process, there);
    memcpy(here + CODE_AT, code, sizeof code);
    *(DWORD *)here = 41;
    check("the code is there without being written", remote_read(process, there + CODE_AT, &first, 1) && first == code[0]);
    show("it runs in the child", run_in(process, there + CODE_AT, there));
    *(DWORD *)here = 99;
    show("with what this program has changed since", run_in(process, there + CODE_AT, there));
    UnmapViewOfFile(here);
    show("the child's view needs none here", run_in(process, there + CODE_AT, there));
    return there;
}

static void not_to_be_had(HANDLE section, DWORD id)
{
    HANDLE weak = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, id);
    NTSTATUS status;

    map_there(section, weak, 0, PAGE_READONLY, &status);
    printf("the handle must allow it: status 0x%08lx\n", status);
    printf("unmapping too: status 0x%08lx\n", unmap(weak, (void *)0x10000));
    map_there(section, GetCurrentProcess(), 0x1000, PAGE_READONLY, &status);
    printf("an offset is a multiple of 64 KiB: status 0x%08lx\n", status);
    CloseHandle(weak);
}

static void image_mapped(HANDLE process)
{
    HANDLE file = CreateFileA(start_beside("inject_dll.dll"), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE, 0, 0, NULL);
    WORD magic = 0;
    NTSTATUS status;
    BYTE *there = section ? map_there(section, process, 0, PAGE_READONLY, &status) : NULL;

    check("a DLL is mapped in the child as an image", there && status >= 0);
    check("its header can be read there", remote_read(process, there, &magic, sizeof magic) && magic == IMAGE_DOS_SIGNATURE);
    region("what the child has there", process, there);
    CloseHandle(section);
    CloseHandle(file);
}

int main(int argc, char **argv)
{
    static struct detector_view before, now;
    PROCESS_INFORMATION information;
    HMODULE ntdll = GetModuleHandleA("ntdll");

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    map = (map_function)(void *)GetProcAddress(ntdll, "NtMapViewOfSection");
    unmap = (unmap_function)(void *)GetProcAddress(ntdll, "NtUnmapViewOfSection");
    HANDLE ready = start_event(TRUE, FALSE);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE, start_number(ready)) &&
                              WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    check("the detector looks", detector_look(&information, &before));
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_EXECUTE_READWRITE, 0, SECTION_SIZE, NULL);
    BYTE *there = memory_shared(section, &information);
    not_to_be_had(section, information.dwProcessId);
    check("the detector looks again", detector_look(&information, &now));
    detector_tell(&information, &before, &now);
    printf("the view is taken away: status 0x%08lx\n", unmap(information.hProcess, there));
    printf("a second time: status 0x%08lx\n", unmap(information.hProcess, there));
    region("what the child has there now", information.hProcess, there);
    image_mapped(information.hProcess);
    check("the detector looks a last time", detector_look(&information, &now));
    detector_tell(&information, &before, &now);
    TerminateProcess(information.hProcess, 4);
    show("the child's exit code", start_finish(&information));
    CloseHandle(section);
    CloseHandle(ready);
    return sample_wrong_facts;
}
