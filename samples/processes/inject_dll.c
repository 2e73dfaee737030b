/* The library that the injection samples bring into a child: it signals the event whose name it is given, from within. Only
 * kernel32, so that it can also be stretched by hand; no C run-time, which would want to be started. */
#include <windows.h>

__declspec(dllexport) DWORD WINAPI inject_run(void *event_name);

/* A pointer that a relocation has to mend: a copy that was not mended ends here. */
static const char *volatile expected_prefix = "peload";
static volatile LONG calls;

DWORD WINAPI inject_run(void *event_name)
{
    HANDLE event = OpenEventA(EVENT_MODIFY_STATE, FALSE, event_name);

    if (((const char *)event_name)[0] != expected_prefix[0] || !event)
        return 1;
    SetEvent(event);
    CloseHandle(event);
    return (DWORD)InterlockedIncrement(&calls) + 40;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reason;
    (void)reserved;
    return TRUE;
}
