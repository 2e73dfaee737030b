/* References: who counts, who pins, who only looks; in which order libraries go, and what is left of them (nothing). */
#include "sample.h"
#include <windows.h>

static HMODULE load(const char *name)
{
    return LoadLibraryA(name);
}

static int is_there(const char *name)
{
    return GetModuleHandleA(name) != NULL;
}

/* How often it can be freed until it is gone. */
static unsigned long references(const char *name)
{
    unsigned long count = 0;
    HMODULE module;

    while ((module = GetModuleHandleA(name)) != NULL && count < 100) {
        FreeLibrary(module);
        count++;
    }
    return count;
}

static DWORD state_at(const void *address)
{
    MEMORY_BASIC_INFORMATION memory;

    return VirtualQuery(address, &memory, sizeof memory) ? memory.State : 0;
}

static void looking(void)
{
    HMODULE module = load("teller_c.dll"), found = NULL;

    check("GetModuleHandleEx by name", GetModuleHandleExA(0, "teller_c.dll", &found) && found == module);
    show("references: LoadLibrary and GetModuleHandleEx", references("teller_c.dll"));
    module = load("teller_c.dll");
    check("by name, count unchanged", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, "teller_c", &found)
          && found == module);
    check("by address", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (char *)module + 0x1004, &found)
          && found == module);
    check("by address, unchanged", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS
          | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (char *)module + 0x1004, &found) && found == module);
    show("references: LoadLibrary, and one of these", references("teller_c.dll"));
    SetLastError(0);
    check("gone by name", !GetModuleHandleExA(0, "teller_c.dll", &found) && !found);
    show("error", GetLastError());
    check("gone by address", !GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (char *)module + 0x1004, &found));
    show("error", GetLastError());
    check("flags that contradict", !GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN
          | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, "kernel32", &found));
    show("error", GetLastError());
    check("no name: the program itself", GetModuleHandleExA(0, NULL, &found) && found == GetModuleHandleA(NULL));
}

static void memory_comes_back(void)
{
    HMODULE a = load("teller_a.dll"), b = GetModuleHandleA("teller_b.dll"), c = GetModuleHandleA("teller_c.dll");

    check("three are there", a && b && c);
    check("their memory is in use", state_at(a) == MEM_COMMIT && state_at(b) == MEM_COMMIT && state_at(c) == MEM_COMMIT);
    check("freed", FreeLibrary(a));
    check("none is there any more", !is_there("teller_a") && !is_there("teller_b") && !is_there("teller_c"));
    check("their memory is free", state_at(a) == MEM_FREE && state_at(b) == MEM_FREE && state_at(c) == MEM_FREE);
}

static void held_by_another(void)
{
    HMODULE c = load("teller_c.dll"), a = load("teller_a.dll");

    check("freed, but another one needs it", FreeLibrary(c) && is_there("teller_c"));
    c = load("teller_c.dll");
    check("the one that needs it goes, it stays", FreeLibrary(a) && !is_there("teller_a") && !is_there("teller_b")
          && is_there("teller_c"));
    check("the last reference", FreeLibrary(c) && !is_there("teller_c"));
}

static void pinned(void)
{
    HMODULE module = load("teller_b.dll"), found;

    check("pinned", GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN, "teller_b.dll", &found) && found == module);
    for (int i = 0; i < 5; i++)
        FreeLibrary(module);
    check("it cannot be freed any more", is_there("teller_b"));
    check("nor what it needs", is_there("teller_c"));
    check("what the program imports cannot be freed", FreeLibrary(GetModuleHandleA("kernel32"))
          && FreeLibrary(GetModuleHandleA("kernel32")) && is_there("kernel32"));
    check("nor the program", FreeLibrary(GetModuleHandleA(NULL)) && GetModuleHandleA(NULL));
}

static void not_modules(void)
{
    SetLastError(0);
    check("an address that is no handle", !FreeLibrary((HMODULE)(ULONG_PTR)0x12340000));
    show("error", GetLastError());
    check("a handle and a bit", !FreeLibrary((HMODULE)((char *)GetModuleHandleA(NULL) + 0x1000)));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* the libraries print too */
    looking();
    memory_comes_back();
    held_by_another();
    pinned();
    not_modules();
    printf("main returns\n");
    return sample_wrong_facts;
}
