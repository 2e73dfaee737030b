/* LoadLibrary and FreeLibrary from inside DllMain; the loader lock is one thread's. */
#include "sample.h"
#include <windows.h>

static DWORD WINAPI loading_thread(void *result)
{
    *(HMODULE *)result = LoadLibraryA("teller_c.dll");
    return 0;
}

static void the_lock_itself(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll"), loaded = NULL;
    LONG(NTAPI *lock)(ULONG, ULONG *, ULONG_PTR *) = (void *)GetProcAddress(ntdll, "LdrLockLoaderLock");
    LONG(NTAPI *unlock)(ULONG, ULONG_PTR) = (void *)GetProcAddress(ntdll, "LdrUnlockLoaderLock");
    ULONG_PTR cookie, again;
    HANDLE thread;

    check("locked", lock(0, NULL, &cookie) == 0);
    check("locked again by the same thread", lock(0, NULL, &again) == 0 && unlock(0, again) == 0);
    thread = CreateThread(NULL, 0, loading_thread, &loaded, 0, NULL);
    check("a new thread waits for it", WaitForSingleObject(thread, 100) == WAIT_TIMEOUT && !loaded);
    unlock(0, cookie);
    WaitForSingleObject(thread, INFINITE);
    check("unlocked: the thread has loaded", loaded != NULL);
}

int main(void)
{
    DWORD (*other)(void);
    HMODULE root;

    setvbuf(stdout, NULL, _IONBF, 0);
    root = LoadLibraryA("reentry_root.dll");
    if (!root)
        return 1;
    other = (void *)GetProcAddress(root, "reentry_root_other");
    check("loaded; the other thread could load too, in the end", other() == 1);
    check("teller_a was freed again", !GetModuleHandleA("teller_a"));
    check("a library that brings another along", FreeLibrary(LoadLibraryA("reentry_free.dll")));
    check("both are gone", !GetModuleHandleA("reentry_free") && !GetModuleHandleA("teller_a"));
    the_lock_itself();
    printf("main returns\n");
    return sample_wrong_facts;
}
