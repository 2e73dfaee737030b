/* ProcessorFeatures: what the processor has and Linux lets programs use. CPUID leaves the machine on a virtual one and
 * takes some microseconds there, so it is executed as seldom as can be: three times. */
#include "loader/nt/ex/private.h"

#include <cpuid.h>
#include <string.h>
#include <sys/auxv.h>

enum { EAX, EBX, ECX, EDX };
enum { HWCAP2_FSGSBASE_BIT = 2 }; /* arch/x86/include/uapi/asm/hwcap2.h */
/* Register states that Linux saves, as XGETBV tells them. */
enum { STATES_AVX = 0x06, STATES_AVX512 = 0xe6 };

static void ask(uint32_t leaf, uint32_t words[4])
{
    __cpuid_count(leaf, 0, words[EAX], words[EBX], words[ECX], words[EDX]);
}

static uint32_t states_saved(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

void ex_features_fill(UCHAR *feature)
{
    uint32_t first[4], seventh[4] = {0}, extended[4], highest[4] = {7};
    bool fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT; /* a bit of leaf 7, which is there, then */
    if (!fsgsbase)
        ask(0, highest);
    ask(1, first);
    if (highest[EAX] >= 7)
        ask(7, seventh);
    ask(0x80000001, extended); /* every processor with SSE2 has it */
    uint32_t states = first[ECX] & bit_OSXSAVE ? states_saved() : 0;
    bool avx = (states & STATES_AVX) == STATES_AVX, avx512 = (states & STATES_AVX512) == STATES_AVX512;
    const struct { UCHAR index; bool has; } rows[] = {
        {2, first[EDX] & bit_CMPXCHG8B}, {3, first[EDX] & bit_MMX}, {6, first[EDX] & bit_SSE},
        {8, first[EDX] & (1 << 4)} /* TSC */, {9, first[EDX] & (1 << 6)} /* PAE */, {10, first[EDX] & bit_SSE2},
        {12, extended[EDX] & (1 << 20)} /* NX */, {13, first[ECX] & bit_SSE3}, {14, first[ECX] & bit_CMPXCHG16B},
        {17, first[ECX] & bit_OSXSAVE}, {22, fsgsbase}, {23, true} /* int 0x29 */,
        {28, first[ECX] & bit_RDRND}, {32, extended[EDX] & (1 << 27)} /* RDTSCP */, {33, seventh[ECX] & (1 << 22)} /* RDPID */,
        {36, first[ECX] & bit_SSSE3}, {37, first[ECX] & bit_SSE4_1}, {38, first[ECX] & bit_SSE4_2},
        {39, avx && first[ECX] & bit_AVX}, {40, avx && seventh[EBX] & bit_AVX2}, {41, avx512 && seventh[EBX] & bit_AVX512F},
        {42, seventh[EBX] & (1 << 9)} /* ERMS */,
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        feature[rows[i].index] = rows[i].has;
}
