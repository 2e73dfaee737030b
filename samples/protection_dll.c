/* The library of protection.c: sections with all kinds of rights, and nothing that anybody writes when it is loaded. */
#define PAGES 4
#define PAGE 0x1000

int protection_code(void)
{
    return 1;
}

__attribute__((section(".wide,\"wx\"#"), aligned(PAGE))) unsigned char protection_wide[PAGES * PAGE] = { 1 };
__attribute__((section(".data"), aligned(PAGE))) unsigned char protection_data[PAGES * PAGE] = { 1 };
__attribute__((section(".rdata"), aligned(PAGE))) const unsigned char protection_constant[PAGES * PAGE] = { 1 };
__attribute__((section(".bss"), aligned(PAGE))) unsigned char protection_zero[PAGES * PAGE];
