/* What VirtualQuery says of an image's memory, section by section, and what VirtualAlloc and VirtualFree may not do there. */
#include "sample.h"
#include <windows.h>

static HMODULE module;

static void query(const char *what, const void *address)
{
    MEMORY_BASIC_INFORMATION memory;

    if (!VirtualQuery(address, &memory, sizeof memory)) {
        check(what, 0);
        return;
    }
    printf("%s: protect %02lx, allocated with %02lx, state %lx, type %lx%s\n", what, memory.Protect, memory.AllocationProtect,
           memory.State, memory.Type, memory.AllocationBase == (void *)module ? "" : ", NOT of this image");
}

static unsigned char *at(const char *name)
{
    return (unsigned char *)(ULONG_PTR)GetProcAddress(module, name);
}

/* "The private page is marked as PAGE_READWRITE" (Microsoft, Memory Protection Constants): by the first write, page by page. */
static void written(void)
{
    static const char *const names[] = { "protection_data", "protection_zero", "protection_wide" };
    static const char *const facts[3][3] = { { "data, read", "data, written", "data, the page behind" },
        { "zeroes, read", "zeroes, written", "zeroes, the page behind" }, { "code, read", "code, written", "code, the page behind" } };
    unsigned char *page;
    volatile unsigned char read;
    DWORD old = 0;

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        page = at(names[i]) + 0x2000;
        read = *page;
        query(facts[i][0], page);
        *page = (unsigned char)(read + 7);
        query(facts[i][1], page);
        query(facts[i][2], page + 0x1000);
    }
    page = at("protection_data") + 0x2000;
    check("made read-only", VirtualProtect(page, 1, PAGE_READONLY, &old));
    printf("it had been %02lx\n", old);
    check("made writable", VirtualProtect(page, 1, PAGE_READWRITE, &old));
    query("it is nobody else's", page);
    check("the page behind made read-only", VirtualProtect(page + 0x1000, 1, PAGE_READONLY, &old));
    check("and again", VirtualProtect(page + 0x1000, 1, PAGE_READWRITE, &old));
    query("it is still everybody's", page + 0x1000);
}

int main(void)
{
    unsigned char *data;
    DWORD old = 0;

    module = LoadLibraryA("protection_dll.dll");
    check("loaded", module != NULL);
    if (!module)
        return 1;
    query("headers", module);
    query("code", at("protection_code"));
    query("constants", at("protection_constant"));
    query("data", at("protection_data") + 0x2000);
    query("zeroes", at("protection_zero") + 0x2000);
    query("code that may be written", at("protection_wide") + 0x2000);
    written();
    data = at("protection_constant") + 0x1000;
    check("constants made writable", VirtualProtect(data, 0x1000, PAGE_READWRITE, &old));
    printf("they had been %02lx\n", old);
    *data = 5;
    check("and written", *data == 5);
    check("and put back", VirtualProtect(data, 0x1000, PAGE_READONLY, &old));
    query("their neighbours", data + 0x1000);
    check("code made writable", VirtualProtect(at("protection_code"), 1, PAGE_EXECUTE_READWRITE, &old) && old == PAGE_EXECUTE_READ);
    check("nothing can be allocated inside", !VirtualAlloc((char *)module + 0x1000, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    show("error", GetLastError());
    check("nothing can be freed", !VirtualFree(module, 0, MEM_RELEASE));
    show("error", GetLastError());
    return sample_wrong_facts;
}
