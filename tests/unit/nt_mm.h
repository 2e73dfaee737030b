/* The memory manager with the test program in the guest's place: its own memory is "guest memory", and faults on what
 * was allocated end in the manager or back in the test. Included by one file of a test program only. */
#ifndef TESTS_NT_MM_H
#define TESTS_NT_MM_H

#define _GNU_SOURCE

/* Guest memory comes and goes here, so that it is copied by the system, which answers where a pointer leads nowhere. */
#include "loader/nt/nt.h"
#define nt_read kernel_read
#define nt_write kernel_write
#include "nt_kernel.h"
#undef nt_read
#undef nt_write

#include "loader/nt/mm/private.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <fcntl.h>

bool nt_read(void *to, const void *guest, size_t size)
{
    struct iovec here = {to, size}, there = {(void *)(uintptr_t)guest, size};
    return !size || process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

bool nt_write(void *guest, const void *from, size_t size)
{
    struct iovec here = {(void *)(uintptr_t)from, size}, there = {guest, size};
    return !size || process_vm_writev(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* Stand-in for Io: a path with a drive letter before it. */
unsigned nt_path_to_dos(const char *unix_path, WCHAR *out, unsigned room)
{
    unsigned length = 0;
    for (const char *text = "Z:"; *text; text++)
        out[length++] = (WCHAR)*text;
    for (; *unix_path && length < room; unix_path++)
        out[length++] = (WCHAR)(*unix_path == '/' ? '\\' : *unix_path);
    return length;
}

/* ---- faults ---------------------------------------------------------------------------------------- */

static struct nt_teb *fault_teb;      /* whose stack may grow */
static sigjmp_buf fault_return;
static volatile int fault_expected;
static volatile enum nt_fault fault_result;
static volatile unsigned fault_count;  /* those that the manager mended included */

static void on_fault(int number, siginfo_t *info, void *data)
{
    ucontext_t *context = data;
    int access = context->uc_mcontext.gregs[REG_ERR] & 2 ? 1 : 0;
    (void)number;
    fault_count++;
    fault_result = nt_mm_fault((uintptr_t)info->si_addr, access, fault_teb);
    if (fault_result == NT_FAULT_HANDLED)
        return;
    if (!fault_expected)
        abort();
    siglongjmp(fault_return, 1);
}

/* The test library puts its own handler in place for every test. */
static inline void faults_catch(void)
{
    static char alternate[65536];
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK, .sa_sigaction = on_fault};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    assert_int_equal(sigaltstack(&stack, NULL) | sigaction(SIGSEGV, &action, NULL) | sigaction(SIGBUS, &action, NULL), 0);
}

/* What touching the address ends in; HANDLED also where nothing had to be mended. Not inlined: the jump back would find
 * the caller's variables as they were. */
__attribute__((noinline, unused)) static enum nt_fault touch(uintptr_t address, bool write)
{
    faults_catch();
    fault_expected = 1;
    enum nt_fault result = NT_FAULT_HANDLED;
    if (sigsetjmp(fault_return, 1)) {
        result = fault_result;
    } else {
        volatile char *byte = (volatile char *)address;
        if (write)
            *byte = 1;
        else
            (void)*byte;
    }
    fault_expected = 0;
    return result;
}

static inline int mm_open(void **state)
{
    nt_process.user_high = 0;
    return kernel_open(state) || !nt_mm_open();
}

/* ---- calls, as kernelbase makes them ---------------------------------------------------------------- */

struct basic {
    uintptr_t base, allocation_base;
    ULONG allocation_protect;
#if UINTPTR_MAX > 0xffffffffu
    ULONG pad;
#endif
    SIZE_T size;
    ULONG state, protect, type;
};

static inline struct basic query(uintptr_t address)
{
    struct basic basic;
    SIZE_T size = 0;
    memset(&basic, 0xcc, sizeof basic);
    STATUS_IS(NtQueryVirtualMemory(NT_CURRENT_PROCESS, (void *)address, 0, &basic, sizeof basic, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof(void *) == 8 ? 48 : 28);
    return basic;
}

static inline void assert_basic(uintptr_t address, uintptr_t base, SIZE_T size, ULONG state, ULONG protect, ULONG type)
{
    struct basic basic = query(address);
    assert_int_equal(basic.base, base);
    assert_int_equal(basic.size, size);
    assert_int_equal(basic.state, state);
    assert_int_equal(basic.protect, protect);
    assert_int_equal(basic.type, type);
}

static inline NTSTATUS allocate(uintptr_t *base, SIZE_T size, ULONG type, ULONG protect)
{
    return NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)base, 0, &size, type, protect);
}

static inline uintptr_t allocated(SIZE_T size, ULONG type, ULONG protect)
{
    uintptr_t base = 0;
    STATUS_IS(allocate(&base, size, type, protect), STATUS_SUCCESS);
    return base;
}

static inline NTSTATUS allocate_at(uintptr_t base, SIZE_T size, ULONG type, ULONG protect)
{
    return allocate(&base, size, type, protect);
}

static inline NTSTATUS release(uintptr_t base, SIZE_T size, ULONG type)
{
    return NtFreeVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, &size, type);
}

static inline NTSTATUS protect_pages(uintptr_t base, SIZE_T size, ULONG protect, ULONG *old)
{
    return NtProtectVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, &size, protect, old);
}

enum { RESERVE_COMMIT = MEM_RESERVE | MEM_COMMIT, PAGE = 0x1000, GRANULE = 0x10000 };

#endif
