/* Three libraries from one source: teller_a needs teller_b and teller_c, teller_b needs teller_c. Each tells every call of
 * its DllMain. What the variable TELLER says ("teller_b=false", "teller_c=raise", "teller_a=crash") it does when attached.
 * Without the C run-time, which would bring thread-local data along. */
#include "teller.h"

#ifdef TELLER_NEEDS_B
__declspec(dllimport) int teller_b_number(void);
#endif
#ifdef TELLER_NEEDS_C
__declspec(dllimport) int teller_c_number(void);
#endif

int TELLER_FUNCTION(void)
{
    int number = 1;

#ifdef TELLER_NEEDS_B
    number += teller_b_number();
#endif
#ifdef TELLER_NEEDS_C
    number += teller_c_number();
#endif
    return number;
}

/* Is it this library that TELLER speaks of? Then what it is to do, else "". */
static const char *task(char *text, DWORD size)
{
    static const char name[] = TELLER_NAME "=";
    DWORD length = GetEnvironmentVariableA("TELLER", text, size);

    if (!length || length >= size || length < sizeof name)
        return "";
    for (unsigned i = 0; i < sizeof name - 1; i++)
        if (text[i] != name[i])
            return "";
    return text + sizeof name - 1;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    char text[64];

    (void)module;
    tell_reason(TELLER_NAME, reason, reserved);
    if (reason != DLL_PROCESS_ATTACH)
        return TRUE;
    switch (task(text, sizeof text)[0]) {
    case 'f': return FALSE;
    case 'r': RaiseException(0xE0001234, 0, 0, NULL); break;
    case 'c': *(volatile int *)16 = 1; break;
    }
    return TRUE;
}
