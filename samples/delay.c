/* A delay-loaded DLL arrives with the first call into it, not before. Here the helper is mingw-w64's, linked in; it calls
 * LoadLibrary and GetProcAddress. delay_system.c leaves the work to the system. */
#include <windows.h>
#include "sample.h"

/* Not dllimport: the call must go through the stub in dlltool's library, and on x86 the linker drops stubs that nobody
 * names. */
int delayed_add(int left, int right);
int delayed_attach_count(void);

static int is_loaded(void)
{
    return GetModuleHandleA("delay_dll.dll") != NULL;
}

int main(void)
{
    check("not loaded before the first call", !is_loaded());
    show("delayed_add(40, 2)", (unsigned long)delayed_add(40, 2));
    check("loaded after it", is_loaded());
    show("delayed_add(1, 2)", (unsigned long)delayed_add(1, 2));
    show("it was attached so many times", (unsigned long)delayed_attach_count());
    return sample_wrong_facts;
}
