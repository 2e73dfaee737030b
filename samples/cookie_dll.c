/* A library with a load configuration: its security cookie has the linker's value, or (cookie_own) one of its own. */
#include <windows.h>

#ifdef COOKIE_OWN
#define COOKIE ((ULONG_PTR)0x12345678)
#elif defined(_WIN64)
#define COOKIE 0x00002B992DDFA232u
#else
#define COOKIE 0xBB40E64Eu
#endif

ULONG_PTR cookie_value = COOKIE;

/* build.mk enters this symbol into data directory 10. */
const IMAGE_LOAD_CONFIG_DIRECTORY _load_config_used = {
    .Size = sizeof(IMAGE_LOAD_CONFIG_DIRECTORY), .SecurityCookie = (ULONG_PTR)&cookie_value
};

static ULONG_PTR at_attach;

int cookie_was_set_before_dllmain(void)
{
    return at_attach == cookie_value;
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        at_attach = cookie_value;
    return TRUE;
}
