/* Version answers whose values ntdll keeps in statics that only its own loader would have set. */
#include "loader/ldr/ldr.h"

struct version_info {
    ULONG size, major, minor, build, platform;
    WCHAR service_pack[128];
    USHORT service_pack_major, service_pack_minor, suite;
    UCHAR product, reserved;
};

EXPORT NTSTATUS NTAPI RtlGetVersion(struct version_info *info)
{
    info->major = 10;
    info->minor = 0;
    info->build = peload_host.build;
    info->platform = 2;
    info->service_pack[0] = 0;
    if (info->size == sizeof *info) {
        info->service_pack_major = info->service_pack_minor = 0;
        info->suite = 0x100; /* VER_SUITE_SINGLEUSERTS */
        info->product = 1;   /* VER_NT_WORKSTATION */
    }
    return STATUS_SUCCESS;
}

EXPORT void NTAPI RtlGetNtVersionNumbers(ULONG *major, ULONG *minor, ULONG *build)
{
    if (major) *major = 10;
    if (minor) *minor = 0;
    if (build) *build = 0xf0000000u | peload_host.build;
}

EXPORT BOOLEAN NTAPI RtlGetNtProductType(ULONG *type)
{
    if (type) *type = 1;
    return 1;
}

EXPORT BOOLEAN NTAPI RtlGetProductInfo(ULONG major, ULONG minor, ULONG sp_major, ULONG sp_minor, ULONG *type)
{
    (void)minor, (void)sp_major, (void)sp_minor;
    if (!type)
        return 0;
    *type = major < 6 ? 0 : 0x30; /* PRODUCT_PROFESSIONAL */
    return major >= 6;
}

/* What the host knows of the DLL set's version; it writes here before the first instruction. */
EXPORT char peload_dll_set[32] = "unknown";

/* The precise clock would go through a Unix half of ntdll that is not there. */
IMPORT NTSTATUS NTAPI NtQuerySystemTime(LARGE_INTEGER *time);
EXPORT LONGLONG NTAPI RtlGetSystemTimePrecise(void)
{
    LARGE_INTEGER now;
    NtQuerySystemTime(&now);
    return now.value;
}

/* Modules with a Unix half ask for it through this cell of ntdll: there is none. ntdll itself (handle 0: its own start,
 * which sets it, never runs) asks how to unwind code of no module; this status alone lets it go on by itself. */
EXPORT NTSTATUS NTAPI peload_unix_call(ULONGLONG handle, ULONG code, void *arguments)
{
    (void)code, (void)arguments;
    return handle ? STATUS_NOT_SUPPORTED : STATUS_UNSUCCESSFUL;
}

/* Programs and Wine's own DLLs ask these; the answer names the DLL set. */
EXPORT const char *wine_get_version(void) { return peload_host.dll_set; }
EXPORT const char *wine_get_build_id(void) { return peload_host.dll_set; }
EXPORT void wine_get_host_version(const char **system, const char **release)
{
    if (system) *system = "Linux";
    if (release) *release = "";
}

/* What mingw's compiler calls for structure copies and array clearing; there is no C library beneath this file. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size)
{
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}
void *memset(void *to, int value, size_t size)
{
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}
