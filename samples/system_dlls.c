/* Large system DLLs start and answer: random numbers that are random, a provider, COM, sockets' own start, user32. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *what, int good)
{
    printf("%s: %s\n", what, good ? "yes" : "NO");
    failures += !good;
}

static FARPROC function(const char *dll, const char *name)
{
    HMODULE module = LoadLibraryA(dll);
    return module ? GetProcAddress(module, name) : NULL;
}

static int differs(const unsigned char *a, const unsigned char *b)
{
    static const unsigned char zero[32];
    return memcmp(a, b, 32) && memcmp(a, zero, 32) && memcmp(b, zero, 32);
}

int main(void)
{
    static const char *const names[] = {"advapi32.dll", "bcrypt.dll", "gdi32.dll", "ole32.dll", "oleaut32.dll", "rpcrt4.dll",
                                        "shell32.dll", "shlwapi.dll", "user32.dll", "version.dll", "ws2_32.dll"};
    unsigned char first[32] = {0}, second[32] = {0};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s starts", names[i]);
        check(what, LoadLibraryA(names[i]) != NULL);
    }
    BOOLEAN(WINAPI *generate)(void *, ULONG) = (void *)function("advapi32.dll", "SystemFunction036");
    check("RtlGenRandom twice gives two values", generate && generate(first, 32) && generate(second, 32) && differs(first, second));
    LONG(WINAPI *bcrypt)(void *, unsigned char *, ULONG, ULONG) = (void *)function("bcrypt.dll", "BCryptGenRandom");
    check("BCryptGenRandom gives a third", bcrypt && bcrypt(NULL, first, 32, 2) >= 0 && differs(first, second));
    BOOL(WINAPI *acquire)(ULONG_PTR *, const char *, const char *, DWORD, DWORD) = (void *)function("advapi32.dll", "CryptAcquireContextA");
    ULONG_PTR provider = 0;
    check("a cryptographic provider opens", acquire && acquire(&provider, NULL, NULL, 1, 0xF0000000));
    HRESULT(WINAPI *com)(void *, DWORD) = (void *)function("ole32.dll", "CoInitializeEx");
    check("COM starts", com && com(NULL, 0) >= 0);
    char name[256];
    DWORD length = sizeof name;
    BOOL(WINAPI *user)(char *, DWORD *) = (void *)function("advapi32.dll", "GetUserNameA");
    check("the user has a name", user && user(name, &length) && length > 1);
    return failures;
}
