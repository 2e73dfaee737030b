/* bcryptprimitives.dll: one function, which programs built by Go and Rust import and Wine 8.0's set does not have.
 * Random bytes come from the kernel of this lane by its private system call. */
#include "loader/nt/abi.h"

#ifdef __i386__
/* TEB+0xC0 holds the system-call entry, as for Wine's own stubs. Two return addresses stand before the arguments. */
static NTSTATUS random_bytes(void *buffer, SIZE_T size)
{
    NTSTATUS status;
    __asm__ volatile("pushl %2\n\tpushl %1\n\tpushl $0\n\tcall *%%fs:0xc0\n\taddl $12, %%esp"
                     : "=a"(status) : "r"(buffer), "r"(size), "0"(NT_PRIVATE_RANDOM) : "ecx", "edx", "memory", "cc");
    return status;
}
#define NTAPI __attribute__((stdcall))
#else
/* The page behind KUSER_SHARED_DATA holds it: first argument in r10, second in rdx. */
static NTSTATUS random_bytes(void *buffer, SIZE_T size)
{
    register void *first __asm__("r10") = buffer;
    register SIZE_T second __asm__("rdx") = size;
    NTSTATUS status;
    __asm__ volatile("subq $0x28, %%rsp\n\tcall *0x7ffe1000\n\taddq $0x28, %%rsp"
                     : "=a"(status), "+r"(first), "+r"(second)
                     : "0"(NT_PRIVATE_RANDOM)
                     : "rcx", "r8", "r9", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "memory", "cc");
    return status;
}
#define NTAPI
#endif

/* BOOL ProcessPrng(PBYTE pbData, SIZE_T cbData): always TRUE on Windows. */
__attribute__((dllexport)) int NTAPI ProcessPrng(UCHAR *data, SIZE_T size)
{
    return (int32_t)random_bytes(data, size) >= 0;
}
