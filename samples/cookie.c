/* The security cookie: the linker's well-known value is replaced before any code of the library runs, another one is left. */
#include "place.h"
#include "sample.h"

#ifdef _WIN64
#define DEFAULT_COOKIE 0x00002B992DDFA232u
#else
#define DEFAULT_COOKIE 0xBB40E64Eu
#endif

static ULONG_PTR cookie_of(HMODULE module)
{
    return *(ULONG_PTR *)(void *)GetProcAddress(module, "cookie_value");
}

int main(void)
{
    HMODULE own = LoadLibraryA("cookie_own.dll"), first, second;
    int (*before)(void);

    check("files", place_open("cookie") && place_copy("cookie_dll.dll", "first.dll") && place_copy("cookie_dll.dll", "second.dll"));
    first = LoadLibraryA(place_path("first.dll"));
    second = LoadLibraryA(place_path("second.dll"));
    check("loaded", own && first && second);
    if (!own || !first || !second)
        return 1;
    check("the well-known value is replaced", cookie_of(first) != DEFAULT_COOKIE && cookie_of(first) != 0);
    check("by another one in each library", cookie_of(second) != DEFAULT_COOKIE && cookie_of(second) != cookie_of(first));
#ifdef _WIN64
    check("its upper half word is zero", !(cookie_of(first) >> 48) && !(cookie_of(second) >> 48));
#else
    check("its upper half word is zero", 1); /* holds for 64 bits */
#endif
    before = (void *)GetProcAddress(first, "cookie_was_set_before_dllmain");
    check("before DllMain", before());
    check("a value of the library's own is left", cookie_of(own) == 0x12345678);
    FreeLibrary(first);
    FreeLibrary(second);
    place_close();
    return sample_wrong_facts;
}
