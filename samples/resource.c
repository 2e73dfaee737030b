/* Resources through kernel32: a string out of a string table, raw data, a type of its own, two languages, the version. */
#include <string.h>
#include <windows.h>
#include "sample.h"

static const void *find(const char *type, const char *name, WORD language, DWORD *size)
{
    HRSRC resource = FindResourceExA(NULL, type, name, language);

    if (!resource)
        return NULL;
    *size = SizeofResource(NULL, resource);
    return LockResource(LoadResource(NULL, resource));
}

/* Strings stand in blocks of 16, each with its length before it; block 1 begins with string 0. */
static void show_string(unsigned number)
{
    DWORD size;
    const WCHAR *at = find(MAKEINTRESOURCEA(6 /* RT_STRING */), MAKEINTRESOURCEA(number / 16 + 1), 0, &size);

    for (unsigned i = 0; i < number % 16; i++)
        at += 1 + at[0];
    printf("string %u: [", number);
    for (unsigned i = 1; i <= at[0]; i++)
        printf("%c", at[i]);
    printf("]\n");
}

static void show_data(void)
{
    DWORD size = 0;
    const unsigned char *bytes = find(MAKEINTRESOURCEA(10 /* RT_RCDATA */), "data_block", 0, &size);

    printf("raw data, %lu bytes:", size);
    for (DWORD i = 0; i < size; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

/* After the header "VS_VERSION_INFO" the fixed part stands at 40. */
static void show_version(void)
{
    DWORD size = 0;
    const char *bytes = find(MAKEINTRESOURCEA(16 /* RT_VERSION */), MAKEINTRESOURCEA(1), 0, &size);
    VS_FIXEDFILEINFO info;

    memcpy(&info, bytes + 40, sizeof info);
    check("the version block has its signature", info.dwSignature == 0xFEEF04BD);
    printf("file version %u.%u.%u.%u, product version %u.%u.%u.%u\n",
           HIWORD(info.dwFileVersionMS), LOWORD(info.dwFileVersionMS), HIWORD(info.dwFileVersionLS),
           LOWORD(info.dwFileVersionLS), HIWORD(info.dwProductVersionMS), LOWORD(info.dwProductVersionMS),
           HIWORD(info.dwProductVersionLS), LOWORD(info.dwProductVersionLS));
}

static BOOL CALLBACK tell_type(HMODULE module, LPSTR type, LONG_PTR parameter)
{
    (void)module;
    (void)parameter;
    if (IS_INTRESOURCE(type))
        printf("type %u\n", (unsigned)(ULONG_PTR)type);
    else
        printf("type \"%s\"\n", type);
    return TRUE;
}

static BOOL CALLBACK tell_language(HMODULE module, LPCSTR type, LPCSTR name, WORD language, LONG_PTR parameter)
{
    (void)module;
    (void)type;
    (void)name;
    (void)parameter;
    printf("language %04x\n", language);
    return TRUE;
}

static void refused(const char *what, const char *type, const char *name)
{
    const void *found;
    DWORD size;

    SetLastError(0);
    found = find(type, name, 0, &size);
    printf("%s: %s, error %lu\n", what, found ? "FOUND" : "not found", GetLastError());
}

int main(void)
{
    DWORD size;

    show_string(100);
    show_string(101);
    show_data();
    printf("type of its own: %s\n", (const char *)find("CUSTOM_TYPE", MAKEINTRESOURCEA(77),
                                                       MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), &size));
    printf("in German: %s\n", (const char *)find("custom_type", "#77", MAKELANGID(LANG_GERMAN, SUBLANG_GERMAN), &size));
    show_version();
    EnumResourceTypesA(NULL, tell_type, 0);
    EnumResourceLanguagesA(NULL, "CUSTOM_TYPE", MAKEINTRESOURCEA(77), tell_language, 0);
    refused("a missing type", "NO_SUCH_TYPE", "x");
    refused("a missing name", MAKEINTRESOURCEA(10), "x");
    return sample_wrong_facts;
}
