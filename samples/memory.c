/* Virtual memory: granularity, rights, what VirtualQuery answers after each step, and the errors. Addresses are printed
 * as offsets from the start of an allocation. */
#include <string.h>
#include <windows.h>
#include "sample.h"

static void query(const char *what, const char *base, SIZE_T offset)
{
    MEMORY_BASIC_INFORMATION info;

    VirtualQuery(base + offset, &info, sizeof info);
    printf("%s: at %05lx size %05lx state %05lx protect %03lx type %05lx, allocated %s with %02lx\n", what,
           (unsigned long)((const char *)info.BaseAddress - base), (unsigned long)info.RegionSize, info.State,
           info.Protect, info.Type,
           info.AllocationBase == base ? "at 0" : "ELSEWHERE", info.AllocationProtect);
}

static void refused(const char *what, int failed)
{
    printf("%s: %s, error %lu\n", what, failed ? "refused" : "NOT REFUSED", GetLastError());
    sample_wrong_facts += !failed;
}

static void reserve_and_commit(void)
{
    char *base = VirtualAlloc(NULL, 100000, MEM_RESERVE, PAGE_NOACCESS), *other;
    DWORD old;

    check("an allocation begins at a multiple of 64 KiB", base && ((ULONG_PTR)base & 0xffff) == 0);
    query("reserved", base, 0x10);
    check("a commit of one byte begins at its page", VirtualAlloc(base + 0x3010, 1, MEM_COMMIT, PAGE_READWRITE) == base + 0x3000);
    query("below the page", base, 0);
    query("the page", base, 0x3fff);
    query("above the page", base, 0x4000);
    check("it is zero and writable", base[0x3000] == 0 && (base[0x3fff] = 1));
    VirtualAlloc(base + 0x5fff, 2, MEM_COMMIT, PAGE_READONLY);
    query("two bytes across a page end", base, 0x5000);
    check("a second commit keeps the content", VirtualAlloc(base + 0x3000, 0x1000, MEM_COMMIT, PAGE_READWRITE)
          && base[0x3fff] == 1);
    check("protection changes", VirtualProtect(base + 0x3000, 1, PAGE_EXECUTE_READ, &old));
    printf("old protection: %02lx\n", old);
    query("the page", base, 0x3000);
    refused("protecting reserved pages", !VirtualProtect(base, 0x2000, PAGE_READONLY, &old));
    refused("protecting committed and reserved pages at once", !VirtualProtect(base + 0x3000, 0x2000, PAGE_READONLY, &old));
    query("the page after that", base, 0x3000);
    refused("an unknown protection", !VirtualProtect(base + 0x3000, 1, 0x7777, &old));
    check("pages are decommitted", VirtualFree(base + 0x3000, 0x1000, MEM_DECOMMIT));
    query("reserved again up to the next commit", base, 0x3000);
    other = VirtualAlloc(NULL, 1, MEM_COMMIT, PAGE_READWRITE);
    check("a commit without an address reserves too", other && ((ULONG_PTR)other & 0xffff) == 0);
    query("one byte", other, 0);
    refused("release from the middle", !VirtualFree(base + 0x1000, 0, MEM_RELEASE));
    refused("release with a size", !VirtualFree(base, 0x1000, MEM_RELEASE));
    check("release", VirtualFree(base, 0, MEM_RELEASE) && VirtualFree(other, 0, MEM_RELEASE));
    check("release of free memory is refused", !VirtualFree(base, 0, MEM_RELEASE));
}

static void fixed_addresses(void)
{
    char *base = VirtualAlloc(NULL, 0x40000, MEM_RESERVE, PAGE_READWRITE);
    MEMORY_BASIC_INFORMATION info;

    VirtualFree(base, 0, MEM_RELEASE);
    check("a free region says so", VirtualQuery(base, &info, sizeof info) && info.State == MEM_FREE
          && info.AllocationBase == NULL && info.Protect == PAGE_NOACCESS && info.Type == 0 && info.RegionSize >= 0x40000);
    refused("commit of free memory", !VirtualAlloc(base, 0x1000, MEM_COMMIT, PAGE_READWRITE));
    check("a reservation is rounded down to 64 KiB", VirtualAlloc(base + 0x11234, 0x1000, MEM_RESERVE, PAGE_READWRITE)
          == base + 0x10000);
    query("and up to a page", base + 0x10000, 0);
    check("what follows up to 64 KiB is free", VirtualQuery(base + 0x13000, &info, sizeof info) && info.State == MEM_FREE);
    refused("but not to be had", !VirtualAlloc(base + 0x13000, 0x1000, MEM_RESERVE, PAGE_READWRITE));
    check("below it there is room", VirtualAlloc(base, 0x10000, MEM_RESERVE, PAGE_READONLY) == base);
    query("two allocations that touch are two", base, 0x800);
    VirtualFree(base, 0, MEM_RELEASE);
    VirtualFree(base + 0x10000, 0, MEM_RELEASE);
}

static void wrong_parameters(void)
{
    MEMORY_BASIC_INFORMATION info;
    SYSTEM_INFO system;

    GetSystemInfo(&system);
    show("page size", system.dwPageSize);
    show("allocation granularity", system.dwAllocationGranularity);
    check("the lowest address is 64 KiB", (ULONG_PTR)system.lpMinimumApplicationAddress == 0x10000);
    refused("size 0", !VirtualAlloc(NULL, 0, MEM_COMMIT, PAGE_READWRITE));
    refused("protection 0", !VirtualAlloc(NULL, 1, MEM_COMMIT, 0));
    refused("copy-on-write for private memory", !VirtualAlloc(NULL, 1, MEM_COMMIT, PAGE_WRITECOPY));
    refused("no type", !VirtualAlloc(NULL, 1, 0, PAGE_READWRITE));
    check("half of the address space is refused", !VirtualAlloc(NULL, (SIZE_T)-1 / 2, MEM_RESERVE, PAGE_READWRITE));
    refused("a query above user memory", !VirtualQuery((void *)~(ULONG_PTR)0xfff, &info, sizeof info));
    check("the lowest 64 KiB are free", VirtualQuery(NULL, &info, sizeof info) && info.State == MEM_FREE);
}

static const char constant[] = "in a read-only section";
static char variable[] = "in a writable section";

static DWORD protection_of(const void *address)
{
    MEMORY_BASIC_INFORMATION info;

    if (!VirtualQuery(address, &info, sizeof info) || info.Type != MEM_IMAGE || info.State != MEM_COMMIT
        || info.AllocationBase != GetModuleHandleA(NULL) || info.AllocationProtect != PAGE_EXECUTE_WRITECOPY)
        return 0;
    return info.Protect;
}

static void own_image(void)
{
    char *base = (char *)GetModuleHandleA(NULL);
    DWORD rights;

    printf("image: headers %02lx, code %02lx, constants %02lx\n", protection_of(base),
           protection_of((const void *)(ULONG_PTR)own_image), protection_of(constant));
    variable[0] = 'I';
    rights = protection_of(variable);
    check("its data is writable", rights == PAGE_WRITECOPY || rights == PAGE_READWRITE);
    refused("allocation inside the image", !VirtualAlloc(base + 0x1000, 0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE));
}

static int guard_hits;

static LONG CALLBACK count_guard_hits(EXCEPTION_POINTERS *exception)
{
    if (exception->ExceptionRecord->ExceptionCode != STATUS_GUARD_PAGE_VIOLATION)
        return EXCEPTION_CONTINUE_SEARCH;
    guard_hits++;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static void guard_page(void)
{
    volatile char *base = VirtualAlloc(NULL, 0x3000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    DWORD old;

    AddVectoredExceptionHandler(1, count_guard_hits);
    VirtualProtect((char *)base + 0x1000, 0x1000, PAGE_READWRITE | PAGE_GUARD, &old);
    query("a guard page", (char *)base, 0x1000);
    base[0x1000] = 1;
    base[0x1800] = 2;
    show("times it was hit in two writes", (unsigned long)guard_hits);
    query("after that it is like its neighbours", (char *)base, 0x1000);
    VirtualFree((char *)base, 0, MEM_RELEASE);
}

/* From the bottom up, a stack is reserved, then guarded, then in use. */
static void own_stack(void)
{
    MEMORY_BASIC_INFORMATION here, region;
    DWORD below = 0;
    char *at;

    VirtualQuery(&here, &here, sizeof here);
    check("the stack is committed, private, writable", here.State == MEM_COMMIT && here.Type == MEM_PRIVATE
          && here.Protect == PAGE_READWRITE);
    for (at = here.AllocationBase; VirtualQuery(at, &region, sizeof region); at += region.RegionSize) {
        if (at + region.RegionSize > (char *)&here)
            break;
        below = region.Protect;
    }
    check("a guard page lies below what is in use", below == (PAGE_READWRITE | PAGE_GUARD));
    check("it ends where the TEB says",
          (char *)here.BaseAddress + here.RegionSize == (char *)((NT_TIB *)NtCurrentTeb())->StackBase);
}

static void code_at_run_time(void)
{
    static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov eax, 42; ret */
    char *page = VirtualAlloc(NULL, sizeof code, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    DWORD old;

    memcpy(page, code, sizeof code);
    VirtualProtect(page, sizeof code, PAGE_EXECUTE_READ, &old);
    FlushInstructionCache(GetCurrentProcess(), page, sizeof code);
    show("code made at run time answers", (unsigned long)((int (*)(void))(ULONG_PTR)page)());
}

static void other_doors(void)
{
    char *page = VirtualAlloc(NULL, 0x2000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE), buffer[16];
    HANDLE heap = HeapCreate(0, 0, 0);
    unsigned char *block;
    SIZE_T done = 0;

    strcpy(page, "readable");
    check("ReadProcessMemory of this process", ReadProcessMemory(GetCurrentProcess(), page, buffer, 9, &done) && done == 9
          && strcmp(buffer, "readable") == 0);
    block = HeapAlloc(heap, HEAP_ZERO_MEMORY, 1000);
    check("a heap of its own", block && block[0] == 0 && block[999] == 0 && HeapSize(heap, 0, block) == 1000);
    block[0] = 7;
    block = HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, 200000);
    check("a block grows and keeps its content", block && block[0] == 7 && block[199999] == 0);
    check("block and heap are given back", HeapFree(heap, 0, block) && HeapDestroy(heap));
}

int main(void)
{
    reserve_and_commit();
    fixed_addresses();
    wrong_parameters();
    own_image();
    guard_page();
    own_stack();
    code_at_run_time();
    other_doors();
    return sample_wrong_facts;
}
