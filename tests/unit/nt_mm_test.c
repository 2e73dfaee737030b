/* Allocations, page states, protection, guard pages and stacks, the loader's view. Expectations: Microsoft's
 * documentation of VirtualAlloc, VirtualFree, VirtualProtect and VirtualQuery, and the statuses that the corresponding
 * native calls give on Windows ([MS-ERREF] and public conformance tests). */
#include "nt_mm.h"

/* ---- allocating ------------------------------------------------------------------------------------ */

static void reserve_then_commit(void **state)
{
    (void)state;
    uintptr_t base = allocated(0x25000, MEM_RESERVE, PAGE_READONLY);
    assert_int_equal(base % GRANULE, 0);
    assert_basic(base, base, 0x25000, MEM_RESERVE, 0, MEM_PRIVATE);
    assert_int_equal(query(base + 0x5123).base, base + 0x5000); /* BaseAddress is the queried page's */
    assert_int_equal(query(base + 0x5123).size, 0x20000);
    assert_int_equal(query(base + 0x5123).allocation_base, base);
    assert_int_equal(query(base).allocation_protect, PAGE_READONLY);
    assert_int_equal(touch(base, false), NT_FAULT_ACCESS);

    /* A commit covers every page that contains one of its bytes. */
    uintptr_t at = base + 0x3fff;
    SIZE_T size = 2;
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, 0, &size, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(at, base + 0x3000);
    assert_int_equal(size, 0x2000);
    assert_basic(base, base, 0x3000, MEM_RESERVE, 0, MEM_PRIVATE);
    assert_basic(base + 0x3000, base + 0x3000, 0x2000, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    assert_basic(base + 0x5000, base + 0x5000, 0x20000, MEM_RESERVE, 0, MEM_PRIVATE);
    assert_int_equal(query(base + 0x3000).allocation_protect, PAGE_READONLY); /* of the reservation */
    assert_int_equal(touch(base + 0x3000, true), NT_FAULT_HANDLED);
    assert_int_equal(touch(base + 0x5000, false), NT_FAULT_ACCESS);

    /* Committing again keeps the contents and sets the protection. */
    STATUS_IS(allocate_at(base + 0x3000, PAGE, MEM_COMMIT, PAGE_READONLY), STATUS_SUCCESS);
    assert_int_equal(*(char *)(base + 0x3000), 1);
    assert_int_equal(touch(base + 0x3000, true), NT_FAULT_ACCESS);
    assert_basic(base + 0x3000, base + 0x3000, 0x1000, MEM_COMMIT, PAGE_READONLY, MEM_PRIVATE);

    /* Decommitted pages lose their contents, and come back as zero. */
    STATUS_IS(release(base + 0x3000, PAGE, MEM_DECOMMIT), STATUS_SUCCESS);
    assert_basic(base, base, 0x4000, MEM_RESERVE, 0, MEM_PRIVATE);
    STATUS_IS(allocate_at(base + 0x3000, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(*(char *)(base + 0x3000), 0);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    assert_int_equal(query(base).state, MEM_FREE);
}

static void commit_alone_reserves(void **state)
{
    (void)state;
    uintptr_t base = allocated(1, MEM_COMMIT, PAGE_READWRITE);
    assert_int_equal(base % GRANULE, 0);
    assert_basic(base, base, PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    /* The rest of the granule is free to a query, and to nobody else. */
    struct basic rest = query(base + PAGE);
    assert_int_equal(rest.state, MEM_FREE);
    assert_int_equal(rest.protect, PAGE_NOACCESS);
    assert_int_equal(rest.allocation_base, 0);
    assert_int_equal(rest.allocation_protect, 0);
    assert_int_equal(rest.type, 0);
    STATUS_IS(allocate_at(base + PAGE, PAGE, MEM_RESERVE, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void reserved_base_rounds_down(void **state)
{
    (void)state;
    uintptr_t base = allocated(0x40000, MEM_RESERVE, PAGE_NOACCESS), at;
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    at = base + 0x12345;
    SIZE_T size = 0x1000;
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, 0, &size, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(at, base + 0x10000);
    assert_int_equal(size, 0x4000); /* from the granule's begin to the end of the last byte's page */
    STATUS_IS(allocate_at(base, 0x20000, MEM_RESERVE, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(allocate_at(base, 0x10000, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    STATUS_IS(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void allocation_mistakes(void **state)
{
    (void)state;
    uintptr_t base = 0;
    SIZE_T size;
    STATUS_IS(allocate(&base, 0, RESERVE_COMMIT, PAGE_READWRITE), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(allocate(&base, nt_process.user_high + 1, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(allocate(&base, nt_process.user_high, MEM_RESERVE, PAGE_READWRITE), STATUS_NO_MEMORY);
    STATUS_IS(allocate_at(nt_process.user_high, PAGE, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_PARAMETER_2);
    STATUS_IS(allocate(&base, PAGE, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(allocate(&base, PAGE, MEM_TOP_DOWN, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(allocate(&base, PAGE, MEM_COMMIT | 0x100, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(allocate(&base, PAGE, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(allocate(&base, PAGE, MEM_RESET | MEM_COMMIT, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(allocate(&base, 0x200000, RESERVE_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE), STATUS_PRIVILEGE_NOT_HELD);

    static const ULONG wrong[] = {0, 3, PAGE_READONLY | PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE_WRITECOPY,
                                  PAGE_NOACCESS | PAGE_GUARD, PAGE_GUARD, PAGE_READWRITE | PAGE_GUARD | PAGE_NOCACHE, 0x1000};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        STATUS_IS(allocate(&base, PAGE, RESERVE_COMMIT, wrong[i]), STATUS_INVALID_PAGE_PROTECTION);

    size = PAGE;
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 22, &size, MEM_RESERVE, PAGE_READWRITE),
              STATUS_INVALID_PARAMETER_3);
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, NULL, 0, &size, MEM_RESERVE, PAGE_READWRITE), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 0, NULL, MEM_RESERVE, PAGE_READWRITE),
              STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtAllocateVirtualMemory(0x12340, (void **)&base, 0, &size, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_HANDLE);
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_THREAD, (void **)&base, 0, &size, MEM_RESERVE, PAGE_READWRITE),
              STATUS_OBJECT_TYPE_MISMATCH);
    assert_int_equal(base, 0);

    /* A commit must lie inside one reservation. */
    base = allocated(GRANULE, MEM_RESERVE, PAGE_NOACCESS);
    STATUS_IS(allocate_at(base + 0xf000, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(allocate_at(base, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
}

static void zero_bits_and_top_down(void **state)
{
    (void)state;
    uintptr_t base = 0;
    SIZE_T size = PAGE;
    STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 5, &size, RESERVE_COMMIT | MEM_TOP_DOWN,
                                      PAGE_READWRITE),
              STATUS_SUCCESS);
    assert_true(base < 0x08000000 && base >= 0x04000000);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    if (sizeof(void *) == 8) {
        base = 0; /* from 32 on, a mask: the highest bit that may be set */
        STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 0x3fffffff, &size,
                                          RESERVE_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE),
                  STATUS_SUCCESS);
        assert_true(base < 0x40000000 && base >= 0x20000000);
        STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    }
    uintptr_t low = allocated(PAGE, MEM_RESERVE, PAGE_READWRITE),
              high = allocated(PAGE, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE);
    assert_true(low < high);
    uintptr_t second = allocated(PAGE, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE);
    assert_true(second < high);
    STATUS_IS(release(low, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(high, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(second, 0, MEM_RELEASE), STATUS_SUCCESS);
    /* Bottom-up takes the lowest place that is wide enough. */
    uintptr_t a = allocated(GRANULE, MEM_RESERVE, PAGE_READWRITE), b = allocated(GRANULE, MEM_RESERVE, PAGE_READWRITE);
    STATUS_IS(release(a, 0, MEM_RELEASE), STATUS_SUCCESS);
    assert_int_equal(allocated(GRANULE, MEM_RESERVE, PAGE_READWRITE), a);
    STATUS_IS(release(a, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(b, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* VirtualAlloc2's address requirements. */
static void address_requirements(void **state)
{
    (void)state;
    struct { uintptr_t lowest, highest; SIZE_T alignment; } want = {0x30000000, 0x4fffffff, 0x100000};
    struct { uint64_t type; union { uint64_t number; void *pointer; }; } parameter = {1, {.number = 0}};
    parameter.pointer = &want;
    uintptr_t filler = allocated(PAGE, MEM_RESERVE, PAGE_READWRITE), base = 0;
    SIZE_T size = 3 * PAGE;
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE,
                                        &parameter, 1),
              STATUS_SUCCESS);
    assert_int_equal(base % 0x100000, 0);
    assert_true(base >= 0x30000000 && base + size - 1 <= 0x4fffffff);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(filler, 0, MEM_RELEASE), STATUS_SUCCESS);
    /* A base and requirements exclude each other; the alignment is a power of two and no less than a granule. */
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE,
                                        &parameter, 1),
              STATUS_INVALID_PARAMETER);
    base = 0;
    want.alignment = 0x1000;
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE,
                                        &parameter, 1),
              STATUS_INVALID_PARAMETER);
    want.alignment = 0x30000;
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE,
                                        &parameter, 1),
              STATUS_INVALID_PARAMETER);
    want.alignment = 0;
    want.highest = 0x20000fff; /* a page's end, not a granule's */
    want.lowest = 0;
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, MEM_RESERVE | MEM_TOP_DOWN,
                                        PAGE_READWRITE, &parameter, 1),
              STATUS_SUCCESS);
    assert_true(base + size <= 0x20001000);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    base = 0;
    want.highest = 0x200007ff;
    STATUS_IS(NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE,
                                        &parameter, 1),
              STATUS_INVALID_PARAMETER);
    STATUS_IS(
        NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&base, &size, RESERVE_COMMIT, PAGE_READWRITE, NULL, 1),
        STATUS_INVALID_PARAMETER);
}

/* Memory that the host has mapped by itself is taken for the guest, too. */
static void host_mappings_are_taken(void **state)
{
    (void)state;
    uintptr_t place = allocated(4 * GRANULE, MEM_RESERVE, PAGE_READWRITE);
    STATUS_IS(release(place, 0, MEM_RELEASE), STATUS_SUCCESS);
    void *host = mmap((void *)(place + GRANULE), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(host, (void *)(place + GRANULE));
    STATUS_IS(allocate_at(place, 4 * GRANULE, MEM_RESERVE, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    uintptr_t base = allocated(4 * GRANULE, MEM_RESERVE, PAGE_READWRITE);
    assert_true(base >= place + 2 * GRANULE);
    assert_int_equal(query(place + GRANULE).state, MEM_RESERVE); /* remembered by now */
    STATUS_IS(release(place + GRANULE, 0, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    /* Once the host has given it back, it can be asked for. */
    munmap(host, PAGE);
    STATUS_IS(allocate_at(place, 4 * GRANULE, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    STATUS_IS(release(place, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static uint64_t resident_pages(void)
{
    unsigned long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident;
}

/* Go and V8 reserve that much and commit a little here and there. */
static void huge_reservations(void **state)
{
    (void)state;
    if (sizeof(void *) == 4)
        return;
    SIZE_T size = (SIZE_T)((uint64_t)1 << 40);
    uint64_t before = resident_pages();
    uintptr_t base = allocated(size, MEM_RESERVE, PAGE_READWRITE);
    for (unsigned i = 0; i < 64; i++)
        STATUS_IS(allocate_at(base + (uintptr_t)((uint64_t)i << 34), 64 << 20, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(touch(base + (uintptr_t)((uint64_t)63 << 34) + 12345, true), NT_FAULT_HANDLED);
    assert_true(resident_pages() < before + 1000);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    /* All at once, more than the machine has. */
    base = allocated((SIZE_T)((uint64_t)256 << 30), RESERVE_COMMIT, PAGE_READWRITE);
    assert_int_equal(touch(base + (uintptr_t)((uint64_t)255 << 30), true), NT_FAULT_HANDLED);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* Which sizes come out, as a conformance test has it. */
static void reservation_sizes(void **state)
{
    static const struct { uintptr_t base; SIZE_T size, expected; } rows[] = {
        {0x50000000, 0x0001, 0x1000}, {0x50008000, 0x0001, 0x9000}, {0x50000010, 0x1000, 0x2000}, {0x50010000, 0x2000, 0x2000},
        {0x5000ffff, 0x3000, 0x13000}, {0x50001010, 0x7000, 0x9000}, {0x50001010, 0xc000, 0xe000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uintptr_t base = rows[i].base;
        SIZE_T size = rows[i].size;
        STATUS_IS(NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 0, &size, MEM_RESERVE, PAGE_NOACCESS),
                  STATUS_SUCCESS);
        assert_int_equal(base, rows[i].base & ~(uintptr_t)0xffff);
        assert_int_equal(size, rows[i].expected);
        STATUS_IS(release(base, size, MEM_RELEASE), STATUS_SUCCESS);
    }
    STATUS_IS(allocate_at(0xf000, PAGE, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_PARAMETER_2);
}

/* ---- freeing --------------------------------------------------------------------------------------- */

static void freeing(void **state)
{
    (void)state;
    uintptr_t base = allocated(0x40000, RESERVE_COMMIT, PAGE_READWRITE);
    STATUS_IS(release(base, 0, 0), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(release(base, 0, MEM_RELEASE | MEM_DECOMMIT), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(release(base, 0, MEM_RELEASE | MEM_COMMIT), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(release(base + PAGE, 0, MEM_RELEASE), STATUS_FREE_VM_NOT_AT_BASE);
    STATUS_IS(release(base + PAGE, 0, MEM_DECOMMIT), STATUS_FREE_VM_NOT_AT_BASE);
    STATUS_IS(release(base, 0x41000, MEM_DECOMMIT), STATUS_UNABLE_TO_FREE_VM);
    STATUS_IS(release(base, 0x41000, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM);
    STATUS_IS(release(nt_process.user_high, 0, MEM_RELEASE), STATUS_INVALID_PARAMETER_2);
    STATUS_IS(release(base, nt_process.user_high, MEM_RELEASE), STATUS_INVALID_PARAMETER_3);

    uintptr_t at = base + 0x1001;
    SIZE_T size = 0x1000;
    STATUS_IS(NtFreeVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, MEM_DECOMMIT), STATUS_SUCCESS);
    assert_int_equal(at, base + 0x1000);
    assert_int_equal(size, 0x2000);
    at = base + 0xffe;
    size = 0;
    STATUS_IS(NtFreeVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, MEM_DECOMMIT),
              STATUS_SUCCESS); /* the whole, part of it again */
    assert_int_equal(at, base);
    assert_int_equal(size, 0); /* since Windows 10 1803 */
    at = base + 0x1001;
    STATUS_IS(NtFreeVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, MEM_DECOMMIT), STATUS_FREE_VM_NOT_AT_BASE);
    assert_int_equal(at, base + 0x1001); /* a failure changes neither */
    assert_basic(base, base, 0x40000, MEM_RESERVE, 0, MEM_PRIVATE);

    /* The middle of an allocation can be released: two remain. */
    STATUS_IS(allocate_at(base, 0x40000, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    *(char *)(base + 0x3f000) = 5;
    STATUS_IS(release(base + 0x10000, 0x10000, MEM_RELEASE), STATUS_SUCCESS);
    assert_basic(base, base, 0x10000, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    assert_basic(base + 0x10000, base + 0x10000, 0x10000, MEM_FREE, PAGE_NOACCESS, 0);
    assert_int_equal(query(base + 0x3f000).allocation_base, base + 0x20000);
    assert_int_equal(*(char *)(base + 0x3f000), 5);
    assert_int_equal(touch(base + 0x10000, false), NT_FAULT_ACCESS);
    STATUS_IS(allocate_at(base + 0x10000, 0x10000, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    STATUS_IS(release(base + 0x20000, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(base + 0x10000, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(base, 0x4000, MEM_RELEASE), STATUS_SUCCESS); /* from its begin */
    assert_basic(base + 0x4000, base + 0x4000, 0xc000, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    STATUS_IS(release(base + 0x4000, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);
}

/* ---- protecting ------------------------------------------------------------------------------------ */

static void protecting(void **state)
{
    (void)state;
    ULONG old = 0;
    uintptr_t base = allocated(0x10000, MEM_RESERVE, PAGE_READWRITE);
    STATUS_IS(protect_pages(base, PAGE, PAGE_READONLY, &old), STATUS_NOT_COMMITTED);
    STATUS_IS(allocate_at(base, 0x4000, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    STATUS_IS(protect_pages(base + 0x3000, 2 * PAGE, PAGE_READONLY, &old), STATUS_NOT_COMMITTED);
    STATUS_IS(protect_pages(base, PAGE, PAGE_READONLY, NULL), STATUS_ACCESS_VIOLATION);
    STATUS_IS(protect_pages(base, PAGE, PAGE_WRITECOPY, &old), STATUS_INVALID_PAGE_PROTECTION);
    STATUS_IS(protect_pages(base, PAGE, 0, &old), STATUS_INVALID_PAGE_PROTECTION);
    STATUS_IS(protect_pages(base, PAGE, PAGE_READONLY | PAGE_EXECUTE, &old), STATUS_INVALID_PAGE_PROTECTION);
    STATUS_IS(protect_pages(base, 0x20000, PAGE_READONLY, &old), STATUS_CONFLICTING_ADDRESSES);
    assert_int_equal(query(base).protect, PAGE_READWRITE);

    uintptr_t at = base + 0x1800;
    SIZE_T size = 0x1000;
    STATUS_IS(NtProtectVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, PAGE_EXECUTE_READ, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_READWRITE);
    assert_int_equal(at, base + 0x1000);
    assert_int_equal(size, 0x2000);
    assert_basic(base + 0x1000, base + 0x1000, 0x2000, MEM_COMMIT, PAGE_EXECUTE_READ, MEM_PRIVATE);
    /* The old protection is the first page's. */
    STATUS_IS(protect_pages(base, 0x3000, PAGE_READONLY, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_READWRITE);
    STATUS_IS(protect_pages(base, 0x4000, PAGE_EXECUTE_READWRITE, &old), STATUS_SUCCESS); /* W+X is allowed */
    assert_int_equal(old, PAGE_READONLY);
    assert_basic(base, base, 0x4000, MEM_COMMIT, PAGE_EXECUTE_READWRITE, MEM_PRIVATE);
    /* PAGE_TARGETS_NO_UPDATE | PAGE_ENCLAVE_NO_CHANGE go with executable pages alone, and are not kept. */
    STATUS_IS(protect_pages(base, 0x4000, PAGE_EXECUTE_READWRITE | 0x60000000, &old), STATUS_SUCCESS);
    assert_basic(base, base, 0x4000, MEM_COMMIT, PAGE_EXECUTE_READWRITE, MEM_PRIVATE);
    STATUS_IS(protect_pages(base, 0x4000, PAGE_READWRITE | 0x60000000, &old), STATUS_INVALID_PAGE_PROTECTION);
#if defined __x86_64__ || defined __i386__
    memcpy((void *)base, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov eax, 42; ret */
    assert_int_equal(((int (*)(void))base)(), 42);
#endif
    STATUS_IS(protect_pages(base, PAGE, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    assert_int_equal(touch(base, false), NT_FAULT_ACCESS);
    STATUS_IS(protect_pages(base, PAGE, PAGE_EXECUTE, &old), STATUS_SUCCESS);
    assert_int_equal(touch(base, false), NT_FAULT_HANDLED); /* x86 reads what it executes */
    assert_int_equal(touch(base, true), NT_FAULT_ACCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(protect_pages(base, PAGE, PAGE_READONLY, &old), STATUS_CONFLICTING_ADDRESSES);
}

/* ---- guard pages and stacks ------------------------------------------------------------------------ */

static void guard_fires_once(void **state)
{
    (void)state;
    uintptr_t base = allocated(3 * PAGE, RESERVE_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    assert_int_equal(query(base).protect, PAGE_READWRITE | PAGE_GUARD);
    assert_int_equal(touch(base + PAGE + 8, true), NT_FAULT_GUARD);
    assert_basic(base, base, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, MEM_PRIVATE);
    assert_basic(base + PAGE, base + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    assert_int_equal(touch(base + PAGE + 8, true), NT_FAULT_HANDLED);
    /* The underlying protection holds afterwards. */
    ULONG old;
    STATUS_IS(protect_pages(base, PAGE, PAGE_READONLY | PAGE_GUARD, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_READWRITE | PAGE_GUARD);
    assert_int_equal(touch(base, true), NT_FAULT_GUARD);
    assert_int_equal(touch(base, true), NT_FAULT_ACCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void stack_grows_and_overflows(void **state)
{
    (void)state;
    static struct nt_teb teb;
    uintptr_t low, limit, high;
    STATUS_IS(nt_mm_stack_create(0x100000, 0x4000, &low, &limit, &high), STATUS_SUCCESS);
    assert_int_equal(high - low, 0x100000);
    assert_int_equal(high - limit, 0x4000);
    assert_basic(low, low, 0x100000 - 0x5000, MEM_RESERVE, 0, MEM_PRIVATE);
    assert_basic(limit - PAGE, limit - PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, MEM_PRIVATE);
    assert_basic(limit, limit, 0x4000, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    assert_int_equal(query(limit).allocation_base, low);
    teb.stack_base = (void *)high;
    teb.stack_limit = (void *)limit;
    teb.stack_allocation = (void *)low;
    fault_teb = &teb;

    /* Beyond the guard page nothing grows. */
    assert_int_equal(touch(limit - PAGE - 1, true), NT_FAULT_ACCESS);
    assert_ptr_equal(teb.stack_limit, (void *)limit);
    uintptr_t page = limit - PAGE;
    unsigned before = fault_count;
    for (; touch(page + 0xff0, true) == NT_FAULT_HANDLED; page -= PAGE) {
        assert_int_equal(fault_count, ++before);
        assert_ptr_equal(teb.stack_limit, (void *)page);
        assert_basic(page - PAGE, page - PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, MEM_PRIVATE);
    }
    /* The last guard page: an overflow, whose handler gets all but the lowest page. */
    assert_int_equal(fault_result, NT_FAULT_STACK_OVERFLOW);
    assert_true(page - low >= 2 * PAGE && page - low <= 0x10000);
    assert_basic(low, low, PAGE, MEM_RESERVE, 0, MEM_PRIVATE);
    assert_basic(low + PAGE, low + PAGE, 0x100000 - PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    assert_ptr_equal(teb.stack_limit, (void *)(low + PAGE));
    assert_int_equal(touch(low + PAGE, true), NT_FAULT_HANDLED);
    assert_int_equal(touch(low + 8, true), NT_FAULT_ACCESS);

    /* _resetstkoflw: the guard page is set again, and the stack overflows once more. */
    ULONG old;
    STATUS_IS(protect_pages(low + PAGE, 2 * PAGE, PAGE_READWRITE | PAGE_GUARD, &old), STATUS_SUCCESS);
    teb.stack_limit = (void *)(low + 3 * PAGE);
    assert_int_equal(touch(low + 3 * PAGE - 8, true), NT_FAULT_STACK_OVERFLOW);
    STATUS_IS(release(low, 0, MEM_RELEASE), STATUS_SUCCESS);

    /* SetThreadStackGuarantee keeps more for the handler. */
    STATUS_IS(nt_mm_stack_create(0x40000, 0x1000, &low, &limit, &high), STATUS_SUCCESS);
    teb.stack_base = (void *)high, teb.stack_limit = (void *)limit, teb.stack_allocation = (void *)low;
    teb.guaranteed_stack = 0x18000;
    for (page = limit - PAGE; touch(page, true) == NT_FAULT_HANDLED;)
        page -= PAGE;
    assert_int_equal(fault_result, NT_FAULT_STACK_OVERFLOW);
    assert_true(page - low >= 0x18000 + PAGE && page - low < 0x18000 + 3 * PAGE);
    assert_int_equal(touch(low + PAGE, true), NT_FAULT_HANDLED);
    fault_teb = NULL;
    STATUS_IS(release(low, 0, MEM_RELEASE), STATUS_SUCCESS);

    /* All committed: the guard page and the lowest one remain. */
    STATUS_IS(nt_mm_stack_create(0x10000, 0x10000, &low, &limit, &high), STATUS_SUCCESS);
    assert_int_equal(limit - low, 2 * PAGE);
    STATUS_IS(release(low, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* Another thread changed the page between the fault and the question: the access is simply repeated. */
static void late_faults_are_repeated(void **state)
{
    (void)state;
    uintptr_t base = allocated(PAGE, RESERVE_COMMIT, PAGE_READWRITE);
    assert_int_equal(nt_mm_fault(base, 1, NULL), NT_FAULT_HANDLED);
    enum nt_fault result = NT_FAULT_HANDLED;
    for (int i = 0; i < 100000 && result == NT_FAULT_HANDLED; i++) /* but not for ever */
        result = nt_mm_fault(base, 1, NULL);
    assert_int_equal(result, NT_FAULT_ACCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* ---- write watch, locks, reset ----------------------------------------------------------------------- */

static void write_watch(void **state)
{
    (void)state;
    void *list[8];
    ULONG_PTR count = 8;
    ULONG granularity = 0;
    uintptr_t base = allocated(8 * PAGE, RESERVE_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE);
    (void)*(volatile char *)base; /* reading does not count */
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 0);
    assert_int_equal(granularity, PAGE);
    assert_int_equal(touch(base + 5 * PAGE, true), NT_FAULT_HANDLED);
    assert_int_equal(touch(base + 2 * PAGE + 77, true), NT_FAULT_HANDLED);
    assert_basic(base, base, 8 * PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE); /* no query tells them apart */
    for (int round = 0; round < 2; round++) { /* without the flag nothing is reset */
        count = 8;
        STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, round, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
        assert_int_equal(count, 2);
        assert_ptr_equal(list[0], (void *)(base + 2 * PAGE));
        assert_ptr_equal(list[1], (void *)(base + 5 * PAGE));
    }
    count = 8;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 0);
    /* A short list resets only what it could name. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(touch(base + (uintptr_t)i * PAGE, true), NT_FAULT_HANDLED);
    count = 3;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 1, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 3);
    count = 8;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 1);
    assert_ptr_equal(list[0], (void *)(base + 3 * PAGE));
    STATUS_IS(NtResetWriteWatch(NT_CURRENT_PROCESS, (void *)base, 8 * PAGE), STATUS_SUCCESS);
    count = 8;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 0);
    count = 0;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity),
              STATUS_INVALID_PARAMETER_5);
    count = 8;
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 2, (void *)base, 8 * PAGE, list, &count, &granularity),
              STATUS_INVALID_PARAMETER_2);
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 0, list, &count, &granularity), STATUS_INVALID_PARAMETER_3);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    base = allocated(8 * PAGE, RESERVE_COMMIT, PAGE_READWRITE);
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 0, (void *)base, 8 * PAGE, list, &count, &granularity),
              STATUS_INVALID_PARAMETER_1);
    STATUS_IS(NtResetWriteWatch(NT_CURRENT_PROCESS, (void *)base, 8 * PAGE), STATUS_INVALID_PARAMETER_1);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void locking_and_reset(void **state)
{
    (void)state;
    uintptr_t base = allocated(4 * PAGE, RESERVE_COMMIT, PAGE_READWRITE), at = base + PAGE;
    SIZE_T size = PAGE;
    STATUS_IS(NtUnlockVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, 1), STATUS_NOT_LOCKED);
    STATUS_IS(NtLockVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, 1), STATUS_SUCCESS);
    assert_basic(base, base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    STATUS_IS(NtUnlockVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, 1), STATUS_SUCCESS);
    STATUS_IS(NtUnlockVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, 1), STATUS_NOT_LOCKED);
    STATUS_IS(NtLockVirtualMemory(NT_CURRENT_PROCESS, (void **)&at, &size, 0), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(allocate_at(base, 4 * PAGE, MEM_RESET, PAGE_NOACCESS), STATUS_SUCCESS);
    assert_basic(base, base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(NtFlushInstructionCache(NT_CURRENT_PROCESS, (void *)base, PAGE), STATUS_SUCCESS);
}

static void reading_and_writing(void **state)
{
    (void)state;
    static char from[3 * PAGE], to[3 * PAGE];
    SIZE_T done = 1;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (char)(i * 7);
    STATUS_IS(NtReadVirtualMemory(NT_CURRENT_PROCESS, from + 5, to, sizeof from - 5, &done), STATUS_SUCCESS);
    assert_int_equal(done, sizeof from - 5);
    assert_memory_equal(to, from + 5, sizeof from - 5);
    STATUS_IS(NtWriteVirtualMemory(NT_CURRENT_PROCESS, to, from, 10, NULL), STATUS_SUCCESS);
    assert_memory_equal(to, from, 10);
    STATUS_IS(NtReadVirtualMemory(NT_CURRENT_PROCESS, (void *)8, to, 4, &done), STATUS_PARTIAL_COPY);
    assert_int_equal(done, 0);
    STATUS_IS(NtReadVirtualMemory(0x5550, from, to, 4, &done), STATUS_INVALID_HANDLE);
}

/* WriteProcessMemory's documented use: code is changed without asking for the right to write first. Read-only data is not. */
static void writing_code(void **state)
{
    (void)state;
    SIZE_T done = 0;
    ULONG old;
    uintptr_t base = allocated(3 * PAGE, RESERVE_COMMIT, PAGE_READWRITE);
    memset((void *)base, 0x11, 3 * PAGE);
    STATUS_IS(protect_pages(base, 2 * PAGE, PAGE_EXECUTE_READ, &old), STATUS_SUCCESS);
    STATUS_IS(protect_pages(base + 2 * PAGE, PAGE, PAGE_READONLY, &old), STATUS_SUCCESS);
    STATUS_IS(NtWriteVirtualMemory(NT_CURRENT_PROCESS, (void *)(base + PAGE - 2), "abcd", 4, &done), STATUS_SUCCESS);
    assert_memory_equal((void *)(base + PAGE - 2), "abcd", 4);
    assert_basic(base, base, 2 * PAGE, MEM_COMMIT, PAGE_EXECUTE_READ, MEM_PRIVATE);
    STATUS_IS(NtWriteVirtualMemory(NT_CURRENT_PROCESS, (void *)(base + 2 * PAGE - 2), "abcd", 4, &done), STATUS_PARTIAL_COPY);
    assert_int_equal(done, 2);
    assert_int_equal(*(char *)(base + 2 * PAGE), 0x11);
    STATUS_IS(NtReadVirtualMemory(NT_CURRENT_PROCESS, (void *)(base + 3 * PAGE - 2), &old, 4, &done), STATUS_PARTIAL_COPY);
    assert_int_equal(done, 2);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* ---- querying -------------------------------------------------------------------------------------- */

static void querying(void **state)
{
    (void)state;
    struct basic basic;
    SIZE_T size;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 0, &basic, sizeof basic - 1, &size), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 0, NULL, sizeof basic, NULL), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 0x7777, &basic, sizeof basic, &size), STATUS_INVALID_INFO_CLASS);
    /* Wine's DLLs ask for the handle of their Unix half so: eight bytes, and it must be given or ws2_32 does not start. */
    uint64_t half = 0;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 1000, &basic, sizeof basic, &size), STATUS_INFO_LENGTH_MISMATCH);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)0x10000, 1000, &half, sizeof half, &size), STATUS_SUCCESS);
    assert_true(half != 0);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)nt_process.user_high, 0, &basic, sizeof basic, &size),
              STATUS_INVALID_PARAMETER);
    STATUS_IS(NtQueryVirtualMemory(0x7770, NULL, 0, &basic, sizeof basic, &size), STATUS_INVALID_HANDLE);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 0, &basic, sizeof basic, NULL), STATUS_SUCCESS);

    /* A walk from 0 visits every byte of user space once, and free regions reach to the next allocation. */
    uintptr_t a = allocated(PAGE, MEM_RESERVE, PAGE_READWRITE), b = allocated(3 * GRANULE, RESERVE_COMMIT, PAGE_READWRITE);
    bool seen_a = false, seen_b = false, was_free = false;
    uintptr_t at = 0;
    while (at < nt_process.user_high) {
        struct basic one = query(at);
        assert_int_equal(one.base, at);
        assert_true(one.size > 0 && one.size % PAGE == 0);
        assert_false(was_free && one.state == MEM_FREE);
        was_free = one.state == MEM_FREE;
        seen_a |= at == a;
        seen_b |= at == b && one.size == 3 * GRANULE;
        at += one.size;
    }
    assert_int_equal(at, nt_process.user_high);
    assert_true(seen_a && seen_b);

    struct { uintptr_t base; ULONG protect, kind; SIZE_T size, commit; ULONG_PTR partition, node; } region;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)(b + 5), 3, &region, sizeof region, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof region);
    assert_int_equal(region.base, b);
    assert_int_equal(region.kind, 0); /* Windows sets no bit for private memory */
    assert_int_equal(region.size, 3 * GRANULE);
    assert_int_equal(region.commit, 3 * GRANULE);
    STATUS_IS(
        NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)b, 3, &region, offsetof(__typeof__(region), commit), &size),
        STATUS_SUCCESS);
    STATUS_IS(
        NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)b, 3, &region, offsetof(__typeof__(region), size), &size),
        STATUS_INFO_LENGTH_MISMATCH);
    struct { void *address; ULONG_PTR attributes; } working = {(void *)b, 0};
    *(char *)b = 1;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, NULL, 4, &working, sizeof working, &size), STATUS_SUCCESS);
    assert_int_equal(working.attributes & 1, 1);
    assert_int_equal(working.attributes >> 4 & 0x7ff, PAGE_READWRITE);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)b, 6, &region, sizeof region, &size), STATUS_INVALID_ADDRESS);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)b, 2, &region, sizeof region, &size), STATUS_INVALID_ADDRESS);
    STATUS_IS(release(a, 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(b, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* ---- placeholders ---------------------------------------------------------------------------------- */

static NTSTATUS allocate2(uintptr_t *base, SIZE_T size, ULONG type, ULONG protect)
{
    return NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)base, &size, type, protect, NULL, 0);
}

static void placeholders(void **state)
{
    (void)state;
    uintptr_t base = 0, at;
    STATUS_IS(allocate(&base, GRANULE, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS), STATUS_INVALID_PARAMETER);
    STATUS_IS(allocate2(&base, GRANULE, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_READWRITE), STATUS_INVALID_PARAMETER);
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS), STATUS_SUCCESS);
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE), STATUS_INVALID_PARAMETER);
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_COMMIT | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE), STATUS_INVALID_PARAMETER);
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_RESERVE, PAGE_NOACCESS), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base, 4 * GRANULE, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER),
              STATUS_CONFLICTING_ADDRESSES); /* nothing to cut */
    STATUS_IS(release(base, 0, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), STATUS_INVALID_PARAMETER_3);
    STATUS_IS(release(base, 0, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS), STATUS_INVALID_PARAMETER_3);
    STATUS_IS(release(base, 4 * GRANULE, MEM_COALESCE_PLACEHOLDERS), STATUS_INVALID_PARAMETER_4);
    STATUS_IS(allocate_at(base, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    at = base + GRANULE;
    STATUS_IS(allocate2(&at, GRANULE, RESERVE_COMMIT | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base + GRANULE, GRANULE, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), STATUS_SUCCESS); /* now three */
    assert_int_equal(query(base + GRANULE).allocation_base, base + GRANULE);
    assert_int_equal(query(base + 2 * GRANULE).allocation_base, base + 2 * GRANULE);
    STATUS_IS(allocate2(&at, GRANULE, RESERVE_COMMIT | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE), STATUS_SUCCESS);
    assert_basic(at, at, GRANULE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    *(char *)at = 9;
    STATUS_IS(release(base, 4 * GRANULE, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS),
              STATUS_CONFLICTING_ADDRESSES); /* not all are */
    STATUS_IS(release(at, GRANULE, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), STATUS_SUCCESS);
    assert_int_equal(touch(at, false), NT_FAULT_ACCESS);
    STATUS_IS(release(base, 4 * GRANULE, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM);
    static const struct {
        uintptr_t at, size;
    } wrong[] = {{0, GRANULE}, {0, 4 * GRANULE + PAGE}, {0, 4 * GRANULE - PAGE}, {PAGE, 4 * GRANULE - PAGE}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        STATUS_IS(release(base + wrong[i].at, wrong[i].size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS),
                  STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base, 4 * GRANULE, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS), STATUS_SUCCESS);
    assert_basic(base, base, 4 * GRANULE, MEM_RESERVE, 0, MEM_PRIVATE);

    /* Replaced by memory under write watch. */
    void *list[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_WRITE_WATCH | MEM_RESERVE | MEM_REPLACE_PLACEHOLDER, PAGE_READONLY),
              STATUS_SUCCESS);
    STATUS_IS(allocate2(&base, 4 * GRANULE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    assert_int_equal(query(base).allocation_protect, PAGE_READONLY);
    assert_int_equal(touch(base + PAGE, true), NT_FAULT_HANDLED);
    STATUS_IS(NtGetWriteWatch(NT_CURRENT_PROCESS, 1, (void *)base, 4 * GRANULE, list, &count, &granularity), STATUS_SUCCESS);
    assert_int_equal(count, 1);
    assert_ptr_equal(list[0], (void *)(base + PAGE));
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);

    /* What never was a placeholder does not become one. */
    base = allocated(GRANULE, MEM_RESERVE, PAGE_NOACCESS);
    STATUS_IS(release(base, GRANULE, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), STATUS_CONFLICTING_ADDRESSES);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* PrefetchVirtualMemory: a hint whose arguments are looked at. */
static void prefetching(void **state)
{
    (void)state;
    struct { void *base; SIZE_T size; } range = {NULL, 0};
    ULONG flags = 0;
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, ~0u, 1, &range, NULL, 32), STATUS_INVALID_PARAMETER_2);
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 1, &range, NULL, 0), STATUS_INVALID_PARAMETER_5);
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 1, &range, &flags, 8), STATUS_INVALID_PARAMETER_6);
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 0, NULL, &flags, 4), STATUS_INVALID_PARAMETER_3);
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 1, NULL, &flags, 4), STATUS_ACCESS_VIOLATION);
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 1, &range, &flags, 4), STATUS_INVALID_PARAMETER_4);
    range.size = PAGE;
    STATUS_IS(NtSetInformationVirtualMemory(NT_CURRENT_PROCESS, 0, 1, &range, &flags, 4), STATUS_SUCCESS);
}

/* ---- the loader's view ------------------------------------------------------------------------------- */

/* A host beneath with the simplest of each. */
static enum host_result beneath_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit)
{
    (void)host, (void)limit;
    void *at = mmap((void *)(uintptr_t)*base, (size_t)size, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    return at == MAP_FAILED ? HOST_TAKEN : HOST_OK;
}

static int prot(int rights)
{
    return (rights & 1 ? PROT_READ : 0) | (rights & 2 ? PROT_WRITE : 0) | (rights & 4 ? PROT_EXEC : 0);
}

static enum host_result beneath_map(struct host *host, uint64_t address, uint64_t size, const struct host_file *file,
                                    uint64_t off, int rights)
{
    (void)host;
    return mmap((void *)(uintptr_t)address, (size_t)size, prot(rights), MAP_PRIVATE | MAP_FIXED, (int)file->handle,
                (off_t)off) == MAP_FAILED
               ? HOST_FAILED
               : HOST_OK;
}

static enum host_result beneath_commit(struct host *host, uint64_t address, uint64_t size, int rights)
{
    (void)host;
    return mmap((void *)(uintptr_t)address, (size_t)size, prot(rights), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) == MAP_FAILED
               ? HOST_FAILED
               : HOST_OK;
}

static enum host_result beneath_protect(struct host *host, uint64_t address, uint64_t size, int rights)
{
    (void)host;
    return mprotect((void *)(uintptr_t)address, (size_t)size, prot(rights)) ? HOST_FAILED : HOST_OK;
}

static void beneath_release(struct host *host, uint64_t base, uint64_t size)
{
    (void)host;
    munmap((void *)(uintptr_t)base, (size_t)size);
}

static struct host beneath = {.vm_reserve = beneath_reserve, .vm_map = beneath_map, .vm_commit = beneath_commit,
                              .vm_protect = beneath_protect, .vm_release = beneath_release};

static void images(void **state)
{
    (void)state;
    struct host *host = nt_mm_host(&beneath);
    char name[] = "/tmp/nt_mm_test.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0x3000), 0);
    assert_int_equal(pwrite(fd, "code", 4, 0x1000), 4);
    struct host_file file = {.handle = fd};
    uint64_t base = 0x30000000, other = base;
    assert_int_equal(host->vm_reserve(host, &base, 0x8000, 0), HOST_OK);
    assert_int_equal(host->vm_reserve(host, &other, 0x1000, 0), HOST_TAKEN);
    assert_basic((uintptr_t)base, (uintptr_t)base, 0x8000, MEM_RESERVE, 0, MEM_IMAGE);
    assert_int_equal(host->vm_map(host, base, 0x1000, &file, 0, HOST_READ), HOST_OK);
    assert_int_equal(host->vm_map(host, base + 0x1000, 0x2000, &file, 0x1000, HOST_READ | HOST_EXECUTE), HOST_OK);
    assert_int_equal(host->vm_commit(host, base + 0x3000, 0x3000, HOST_READ | HOST_WRITE), HOST_OK);
    *(char *)host->vm_at(host, base + 0x4000, 1) = 3;
    assert_int_equal(host->vm_protect(host, base + 0x5000, 0x1000, HOST_READ), HOST_OK);
    host->vm_image_ready(host, base, 0x8000, name);

    uintptr_t at = (uintptr_t)base;
    assert_basic(at, at, 0x1000, MEM_COMMIT, PAGE_READONLY, MEM_IMAGE);
    assert_basic(at + 0x1000, at + 0x1000, 0x2000, MEM_COMMIT, PAGE_EXECUTE_READ, MEM_IMAGE);
    assert_basic(at + 0x3000, at + 0x3000, 0x2000, MEM_COMMIT, PAGE_WRITECOPY, MEM_IMAGE);
    assert_basic(at + 0x5000, at + 0x5000, 0x1000, MEM_COMMIT, PAGE_READONLY, MEM_IMAGE);
    assert_basic(at + 0x6000, at + 0x6000, 0x2000, MEM_RESERVE, 0, MEM_IMAGE);
    assert_int_equal(query(at + 0x1000).allocation_protect, PAGE_EXECUTE_WRITECOPY);
    assert_int_equal(query(at + 0x1000).allocation_base, base);
    assert_memory_equal((void *)(at + 0x1000), "code", 4);

    /* What a guest may do with it. */
    ULONG old;
    STATUS_IS(protect_pages(at, PAGE, PAGE_READWRITE, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_READONLY);
    assert_int_equal(query(at).protect, PAGE_WRITECOPY); /* an image's pages are copied when they are written */
    *(char *)at = 'x';
    STATUS_IS(protect_pages(at, PAGE, PAGE_READONLY, &old), STATUS_SUCCESS);
    assert_int_equal(old, PAGE_WRITECOPY);
    STATUS_IS(release(at, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);
    STATUS_IS(allocate_at(at, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_ALREADY_COMMITTED);
    struct { uintptr_t base; SIZE_T size; ULONG flags; } image;
    SIZE_T size;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)(at + 0x2345), 6, &image, sizeof image, &size), STATUS_SUCCESS);
    assert_int_equal(image.base, base);
    assert_int_equal(image.size, 0x8000);
    struct { UNICODE_STRING string; WCHAR text[200]; } path;
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)at, 2, &path, sizeof path, &size), STATUS_SUCCESS);
    assert_int_equal(path.string.length / 2, strlen(name) + 6);
    assert_int_equal(path.text[path.string.length / 2 - 1], name[strlen(name) - 1]);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)at, 2, &path, sizeof path.string + 4, &size),
              STATUS_BUFFER_OVERFLOW);

    /* Reports see it with its name. */
    struct nt_mm_line line;
    uintptr_t next = 0;
    unsigned lines = 0;
    while (nt_mm_line_next(&next, &line))
        if (line.allocation_base == at) {
            lines++;
            assert_string_equal(line.path, name);
        }
    assert_int_equal(lines, 5);

    /* An image without a wish, and one below a limit. */
    uint64_t anywhere = 0, below = 0;
    assert_int_equal(host->vm_reserve(host, &anywhere, 0x5000, 0), HOST_OK);
    assert_int_equal(anywhere % GRANULE, 0);
    assert_int_equal(host->vm_reserve(host, &below, 0x5000, 0x20000000), HOST_OK);
    assert_true(below && below + 0x5000 <= 0x20000000);
    host->vm_release(host, anywhere, 0x5000);
    host->vm_release(host, below, 0x5000);
    assert_int_equal(query((uintptr_t)below).state, MEM_FREE);
    STATUS_IS(NtUnmapViewOfSection(NT_CURRENT_PROCESS, (void *)(at + 0x1234)), STATUS_SUCCESS);
    host->vm_release(host, base, 0x8000); /* gone already */
    assert_int_equal(query(at).state, MEM_FREE);
    close(fd);
    unlink(name);
}

/* ---- many ------------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    uintptr_t one = *(const uintptr_t *)a, two = *(const uintptr_t *)b;
    return one < two ? -1 : one > two;
}

static void hundred_thousand(void **state)
{
    enum { COUNT = 100000 };
    (void)state;
    if (sizeof(void *) == 4)
        return; /* more than there is */
    uintptr_t *base = malloc(COUNT * sizeof *base);
    assert_non_null(base);
    double begin = seconds_worked();
    for (int i = 0; i < COUNT; i++) {
        base[i] = allocated(PAGE, RESERVE_COMMIT, PAGE_READWRITE);
        if (i % 1000 == 0)
            *(int *)base[i] = i;
    }
    double allocated_in = seconds_worked() - begin;
    for (int i = 0; i < COUNT; i += 1000)
        assert_int_equal(*(int *)base[i], i);
    for (int i = 0; i < COUNT; i += 997)
        assert_basic(base[i], base[i], PAGE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE);
    /* Every other one goes: the next allocations fill the lowest holes. */
    qsort(base, COUNT, sizeof *base, by_value);
    for (int i = 1; i < COUNT; i++)
        assert_true(base[i] >= base[i - 1] + GRANULE);
    for (int i = 0; i < COUNT; i += 2)
        STATUS_IS(release(base[i], 0, MEM_RELEASE), STATUS_SUCCESS);
    assert_int_equal(allocated(GRANULE, MEM_RESERVE, PAGE_READWRITE), base[0]);
    STATUS_IS(release(base[0], 0, MEM_RELEASE), STATUS_SUCCESS);
    for (int i = 1; i < COUNT; i += 2)
        STATUS_IS(release(base[i], 0, MEM_RELEASE), STATUS_SUCCESS);
    double all = seconds_worked() - begin;
    print_message("100,000 allocations: %.2f s, with queries and releases %.2f s\n", allocated_in, all);
    assert_true(all < 20);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserve_then_commit),
        cmocka_unit_test(commit_alone_reserves),
        cmocka_unit_test(reserved_base_rounds_down),
        cmocka_unit_test(allocation_mistakes),
        cmocka_unit_test(zero_bits_and_top_down),
        cmocka_unit_test(address_requirements),
        cmocka_unit_test(host_mappings_are_taken),
        cmocka_unit_test(huge_reservations),
        cmocka_unit_test(reservation_sizes),
        cmocka_unit_test(freeing),
        cmocka_unit_test(protecting),
        cmocka_unit_test(guard_fires_once),
        cmocka_unit_test(stack_grows_and_overflows),
        cmocka_unit_test(late_faults_are_repeated),
        cmocka_unit_test(write_watch),
        cmocka_unit_test(locking_and_reset),
        cmocka_unit_test(reading_and_writing),
        cmocka_unit_test(writing_code),
        cmocka_unit_test(querying),
        cmocka_unit_test(placeholders),
        cmocka_unit_test(prefetching),
        cmocka_unit_test(images),
        cmocka_unit_test(hundred_thousand),
    };
    return cmocka_run_group_tests(tests, mm_open, NULL);
}
