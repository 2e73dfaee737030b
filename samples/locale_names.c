/* Locale names and numbers by way of ntdll. */
#include "sample.h"
#include <windows.h>

typedef struct { USHORT length, maximum; WCHAR *buffer; } counted_text;

static LONG(NTAPI *to_number)(const WCHAR *, LCID *, ULONG);
static LONG(NTAPI *to_name)(LCID, counted_text *, ULONG, BOOLEAN);
static BOOLEAN(NTAPI *is_valid)(const WCHAR *, ULONG);

static void number(const WCHAR *name, ULONG flags)
{
    LCID lcid = 0;
    LONG status = to_number(name, &lcid, flags);

    printf("%ls%s: %08lx, %04lx\n", name, flags ? ", also neutral" : "", (unsigned long)status, lcid);
}

static void name(LCID lcid, ULONG flags, USHORT room)
{
    WCHAR buffer[85] = L"";
    counted_text text = { 0, room, buffer };
    LONG status = to_name(lcid, &text, flags, FALSE);

    printf("%04lx%s: %08lx, %ls, %u bytes\n", lcid, flags ? ", also neutral" : "", (unsigned long)status, buffer, text.length);
}

int main(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll");
    counted_text made = { 0, 0, NULL };

    to_number = (void *)GetProcAddress(ntdll, "RtlLocaleNameToLcid");
    to_name = (void *)GetProcAddress(ntdll, "RtlLcidToLocaleName");
    is_valid = (void *)GetProcAddress(ntdll, "RtlIsValidLocaleName");
    number(L"en-US", 0);
    number(L"DE-de", 0);
    number(L"sr-Latn-RS", 0);
    number(L"de", 0);
    number(L"de", 2);
    number(L"xx-XX", 0);
    number(L"", 0);
    name(0x409, 0, 170);
    name(0x407, 0, 170);
    name(0x7, 0, 170);
    name(0x7, 2, 170);
    name(0x407, 0, 10);
    name(0x407, 0, 12);
    name(0x99999, 0, 170);
    check("allocated for the caller", !to_name(0x411, &made, 0, TRUE) && made.buffer && made.length == 10 && made.maximum == 12
          && !memcmp(made.buffer, L"ja-JP", 12));
    check("valid", is_valid(L"fr-CA", 0));
    check("not valid", !is_valid(L"fr-QQ", 0));
    check("a language alone is not", !is_valid(L"fr", 0));
    check("unless it may be", is_valid(L"fr", 2));
    return sample_wrong_facts;
}
