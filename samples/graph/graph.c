/* A graph of DLLs that nobody else ships: names, ordinals, data, forwarders, a cycle, a clash of bases, late loading. */
#include "../sample.h"
#include "log.h"
#include "cycle.h"

__declspec(dllimport) int a_sum(int number);
__declspec(dllimport) int a_nameless(int number);
__declspec(dllimport) int a_count(void);
__declspec(dllimport) const char *a_text(void);
__declspec(dllimport) int a_forward_own(int left, int right);
__declspec(dllimport) int a_forward_ordinal(int number);
__declspec(dllimport) DWORD a_forward_twice(void);
__declspec(dllimport) DWORD a_forward_system(void);
__declspec(dllimport) int same1_sum(void);
__declspec(dllimport) int same2_sum(void);
__declspec(dllimport) int same1_at_its_base(void);
__declspec(dllimport) int same2_at_its_base(void);

static void *address_of(const char *module, const char *name)
{
    return (void *)(ULONG_PTR)GetProcAddress(GetModuleHandleA(module), name);
}

static void forwarders(void)
{
    HMODULE cabinet;
    void *forwarded;

    show("a_forward_own(40, 2)", (unsigned long)a_forward_own(40, 2));
    show("a_forward_ordinal(21)", (unsigned long)a_forward_ordinal(21));
    check("a_forward_system is kernel32's function", a_forward_system() == GetCurrentProcessId());
    check("a forwarder to a forwarder arrives", a_forward_twice() == GetCurrentThreadId());
    check("an import through a forwarder is the function itself",
          address_of("graph_a", "a_forward_own") == address_of("graph_b", "b_add"));
    check("the system DLL of an unused forwarder is not loaded", GetModuleHandleA("cabinet.dll") == NULL);
    forwarded = address_of("graph_a", "a_forward_system_ordinal");
    cabinet = GetModuleHandleA("cabinet.dll");
    check("looking the forwarder up loads it", cabinet != NULL);
    check("ordinal 20 of cabinet.dll is FDICreate", forwarded && forwarded == address_of("cabinet.dll", "FDICreate"));
}

static void clash(void)
{
    check("both of one base work", same1_sum() == 4321 && same2_sum() == 4321);
    check("one of them is at its base, the other has moved", same1_at_its_base() + same2_at_its_base() == 1);
}

static void late_loading(void)
{
    HMODULE late;
    int (*late_number)(void);

    check("the late DLLs are not there yet", !GetModuleHandleA("graph_late") && !GetModuleHandleA("graph_late_below"));
    fflush(stdout);
    late = LoadLibraryA("graph_late.dll");
    log_print();
    late_number = (int (*)(void))address_of("graph_late", "late_number");
    check("both are loaded", late && GetModuleHandleA("graph_late_below") != NULL);
    show("late_number()", late_number ? (unsigned long)late_number() : 0);
    fflush(stdout);
    FreeLibrary(late);
    log_print();
    check("both are gone", !GetModuleHandleA("graph_late") && !GetModuleHandleA("graph_late_below"));
}

int main(void)
{
    show("modules attached before main", (unsigned long)log_attached);
    fflush(stdout);
    log_print();
    show("a_sum(1), through two DLLs", (unsigned long)a_sum(1));
    show("a_nameless(21), by ordinal", (unsigned long)a_nameless(21));
    show("a_count(), imported data", (unsigned long)a_count());
    show("a_count() again", (unsigned long)a_count());
    printf("a_text(): %s\n", a_text());
    show("cycle1_down(5), back and forth", (unsigned long)cycle1_down(5));
    forwarders();
    clash();
    late_loading();
    printf("main returns\n");
    return sample_wrong_facts;
}
