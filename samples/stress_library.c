/* A DLL with TLS loaded and freed again and again: 1,000 times, or as often as is asked for. */
#include "stress.h"

static void load_and_free(unsigned long times)
{
    for (unsigned long i = 0; i < times; i++) {
        HMODULE module = LoadLibraryA("tls_late_dll.dll");
        stress_need(module != NULL, "LoadLibrary");
        stress_need(FreeLibrary(module), "FreeLibrary");
    }
}

int main(int argc, char **argv)
{
    load_and_free(100);
    stress_mark();
    load_and_free(stress_count(argc, argv, 1000));
    printf("it is gone: %s\n", GetModuleHandleA("tls_late_dll.dll") ? "NO" : "yes");
    stress_mark();
    return 0;
}
