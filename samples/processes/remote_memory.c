/* Memory of another process: allocated, written, read, protected, queried and given back from outside. */
#include "remote.h"

static volatile char *told; /* where the parent has put a text, seen by the child */

static int child(HANDLE ready, HANDLE go_on)
{
    SetEvent(ready);
    return WaitForSingleObject(go_on, PATIENCE) == WAIT_OBJECT_0 && told ? told[0] + told[0x1fff] : 1;
}

static void region(const char *what, HANDLE process, const void *address)
{
    MEMORY_BASIC_INFORMATION information = {0};

    if (VirtualQueryEx(process, address, &information, sizeof information) != sizeof information)
        printf("%s: error %lu\n", what, GetLastError());
    else
        printf("%s: %s, %s, protection 0x%lx, %lu KiB\n", what,
               information.State == MEM_COMMIT ? "committed" : information.State == MEM_RESERVE ? "reserved" : "free",
               information.Type == MEM_PRIVATE ? "private" : information.Type == MEM_IMAGE ? "image" : "no type",
               information.State == MEM_FREE ? 0 : information.Protect,
               information.State == MEM_FREE ? 0 : (unsigned long)(information.RegionSize >> 10));
}

static void written_and_read(HANDLE process, char *there)
{
    char back[64] = "";
    DWORD old = 0;

    check("a text is written", remote_write(process, there, "from outside", 13));
    check("and read", remote_read(process, there, back, 13) && !strcmp(back, "from outside"));
    check("across a page", remote_write(process, there + 0xff8, "eight and eight", 16) && remote_read(process, there + 0xff8, back, 16) &&
                               !strcmp(back, "eight and eight"));
    check("read-only from outside", VirtualProtectEx(process, there, 0x1000, PAGE_READONLY, &old));
    show("before it was", old);
    region("the first page", process, there);
    check("executable code may be patched", VirtualProtectEx(process, there, 0x1000, PAGE_EXECUTE_READ, &old) &&
                                                remote_write(process, there, "A", 1));
    region("and is protected as before", process, there);
    VirtualProtectEx(process, there, 0x1000, PAGE_READWRITE, &old);
}

static void not_read(const char *what, HANDLE process, const void *address, SIZE_T size)
{
    char bytes[2];

    if (ReadProcessMemory(process, address, bytes, size, NULL))
        check(what, 0);
    else
        printf("%s: error %lu\n", what, GetLastError());
}

static void not_to_be_had(HANDLE process, char *there, DWORD id)
{
    HANDLE weak = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, id);
    char byte;

    not_read("nothing lies there", process, (void *)16, 1);
    not_read("reserved is not enough", process, there + 0x2000, 1);
    not_read("the last byte that is asked for is too many", process, there + 0x1fff, 2);
    check("the handle must allow it", weak && !ReadProcessMemory(weak, there, &byte, 1, NULL));
    show("error", GetLastError());
    check("allocating too", !VirtualAllocEx(weak, NULL, 0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE));
    show("error", GetLastError());
    CloseHandle(weak);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION information;
    HANDLE ready, go_on;
    char *there, first = 40, last = 2;

    if (start_is(argc, argv, "child") && argc > 3)
        return child(start_handle(argv[2]), start_handle(argv[3]));
    ready = start_event(TRUE, FALSE);
    go_on = start_event(TRUE, FALSE);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE " " START_HANDLE, start_number(ready),
                                start_number(go_on)) && WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    HANDLE process = information.hProcess;
    there = VirtualAllocEx(process, NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    check("64 KiB are reserved in it", there && !((ULONG_PTR)there & 0xffff));
    region("reserved", process, there);
    check("two pages of them are committed", VirtualAllocEx(process, there, 0x2000, MEM_COMMIT, PAGE_READWRITE) == there);
    region("committed", process, there);
    region("behind them", process, there + 0x2000);
    written_and_read(process, there);
    not_to_be_had(process, there, information.dwProcessId);
    check("two bytes for the child", remote_write(process, there, &first, 1) && remote_write(process, there + 0x1fff, &last, 1) &&
                                         remote_write(process, remote_address(process, (void *)&told), &there, sizeof there));
    region("its image's header", process, remote_image(process));
    SetEvent(go_on);
    show("their sum is its exit code", start_finish(&information));

    check("another child", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE " " START_HANDLE, start_number(ready),
                                 start_number(go_on)));
    start_finish(&information);
    check("a suspended one", start(start_own_path(), CREATE_SUSPENDED, FALSE, &information, "none"));
    process = information.hProcess;
    there = VirtualAllocEx(process, NULL, 0x3000, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    region("allocated before it runs", process, there);
    check("decommitted in the middle", VirtualFreeEx(process, there + 0x1000, 0x1000, MEM_DECOMMIT));
    region("the middle", process, there + 0x1000);
    check("released", VirtualFreeEx(process, there, 0, MEM_RELEASE));
    region("released", process, there);
    TerminateProcess(process, 3);
    show("ended before it ran", start_finish(&information));
    CloseHandle(ready);
    CloseHandle(go_on);
    return sample_wrong_facts;
}
