/* Resources. The system finds them in any image by its address; but where a program says "no module", it looks into what it
 * takes for the program, which may be peload.exe. So NULL is made the program's handle here, and all else passes on. */
#include "loader/win32/win32.h"

static HMODULE or_program(HMODULE handle)
{
    return handle ? handle : (HMODULE)(uintptr_t)win32.main->base;
}

static HRSRC WINAPI find_a(HMODULE handle, const char *name, const char *type) { return FindResourceA(or_program(handle), name, type); }
static HRSRC WINAPI find_w(HMODULE handle, const WCHAR *name, const WCHAR *type) { return FindResourceW(or_program(handle), name, type); }
static HGLOBAL WINAPI load(HMODULE handle, HRSRC resource) { return LoadResource(or_program(handle), resource); }
static DWORD WINAPI size_of(HMODULE handle, HRSRC resource) { return SizeofResource(or_program(handle), resource); }

static HRSRC WINAPI find_ex_a(HMODULE handle, const char *type, const char *name, WORD language)
{
    return FindResourceExA(or_program(handle), type, name, language);
}

static HRSRC WINAPI find_ex_w(HMODULE handle, const WCHAR *type, const WCHAR *name, WORD language)
{
    return FindResourceExW(or_program(handle), type, name, language);
}

static BOOL WINAPI types_a(HMODULE handle, ENUMRESTYPEPROCA tell, LONG_PTR context)
{
    return EnumResourceTypesA(or_program(handle), tell, context);
}

static BOOL WINAPI types_w(HMODULE handle, ENUMRESTYPEPROCW tell, LONG_PTR context)
{
    return EnumResourceTypesW(or_program(handle), tell, context);
}

static BOOL WINAPI names_a(HMODULE handle, const char *type, ENUMRESNAMEPROCA tell, LONG_PTR context)
{
    return EnumResourceNamesA(or_program(handle), type, tell, context);
}

static BOOL WINAPI names_w(HMODULE handle, const WCHAR *type, ENUMRESNAMEPROCW tell, LONG_PTR context)
{
    return EnumResourceNamesW(or_program(handle), type, tell, context);
}

static BOOL WINAPI languages_a(HMODULE handle, const char *type, const char *name, ENUMRESLANGPROCA tell, LONG_PTR context)
{
    return EnumResourceLanguagesA(or_program(handle), type, name, tell, context);
}

static BOOL WINAPI languages_w(HMODULE handle, const WCHAR *type, const WCHAR *name, ENUMRESLANGPROCW tell, LONG_PTR context)
{
    return EnumResourceLanguagesW(or_program(handle), type, name, tell, context);
}

const struct win32_row win32_resource_rows[] = {
    WIN32_ROW(FindResourceA, find_a), WIN32_ROW(FindResourceW, find_w), WIN32_ROW(FindResourceExA, find_ex_a),
    WIN32_ROW(FindResourceExW, find_ex_w), WIN32_ROW(LoadResource, load), WIN32_ROW(SizeofResource, size_of),
    WIN32_ROW(EnumResourceTypesA, types_a), WIN32_ROW(EnumResourceTypesW, types_w),
    WIN32_ROW(EnumResourceNamesA, names_a), WIN32_ROW(EnumResourceNamesW, names_w),
    WIN32_ROW(EnumResourceLanguagesA, languages_a), WIN32_ROW(EnumResourceLanguagesW, languages_w),
    {0},
};
