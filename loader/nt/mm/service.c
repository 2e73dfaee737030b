/* The table of this area's services, its opening, and what the services share. */
#include "loader/nt/mm/private.h"
#include "loader/nt/ps.h"

#include <string.h>

#define USER_LOW ((uintptr_t)0x10000)
/* The last 64 KiB below 2 GiB or 128 TiB are no man's land. */
#define USER_HIGH NT_WIDTH((uintptr_t)0x7fff0000, (uintptr_t)0x7fffffff0000ull)

bool nt_mm_open(void)
{
    nt_process.user_low = USER_LOW;
    if (!nt_process.user_high)
        nt_process.user_high = USER_HIGH;
    mm_section_open();
    return true;
}

/* Order as the object manager's: bad handle, wrong type, access. */
NTSTATUS mm_process_any(HANDLE process, ACCESS_MASK access, struct nt_process_object **other)
{
    struct nt_object *object;
    *other = NULL;
    if (process == NT_CURRENT_PROCESS)
        return STATUS_SUCCESS;
    NTSTATUS status = nt_handle_object(process, NT_PROCESS, access, &object, NULL, NULL);
    if (status)
        return status;
    if (nt_ref_of(object) == nt_process.object)
        nt_object_release(object);
    else
        *other = (struct nt_process_object *)object;
    return STATUS_SUCCESS;
}

void mm_process_done(struct nt_process_object *other)
{
    if (other)
        nt_object_release(&other->head);
}

NTSTATUS mm_process(HANDLE process, ACCESS_MASK access)
{
    struct nt_process_object *other;
    NTSTATUS status = mm_process_any(process, access, &other);
    if (status || !other)
        return status;
    mm_process_done(other);
    return STATUS_NOT_SUPPORTED;
}

/* MEM_EXTENDED_PARAMETER and MEM_ADDRESS_REQUIREMENTS */
struct extended { ULONGLONG type; union { ULONGLONG number; void *pointer; }; };
struct requirements { uintptr_t lowest, highest; SIZE_T alignment; };
_Static_assert(sizeof(struct extended) == 16, "MEM_EXTENDED_PARAMETER");
enum { PARAMETER_REQUIREMENTS = 1, PARAMETER_ATTRIBUTES = 5, PARAMETER_LAST = 6, ATTRIBUTE_EC_CODE = 0x40 };

static NTSTATUS requirements_capture(const void *guest, struct mm_wish *wish)
{
    struct requirements want;
    if (!NT_GET(want, guest))
        return STATUS_ACCESS_VIOLATION;
    if (want.alignment && (want.alignment & (want.alignment - 1) || want.alignment < MM_GRANULE))
        return STATUS_INVALID_PARAMETER;
    if (want.lowest % MM_GRANULE || want.lowest >= nt_process.user_high)
        return STATUS_INVALID_PARAMETER;
    if (want.highest && ((want.highest + 1) % MM_PAGE || want.highest <= want.lowest || want.highest >= nt_process.user_high))
        return STATUS_INVALID_PARAMETER;
    wish->low = want.lowest;
    wish->high = want.highest ? want.highest + 1 : 0;
    wish->alignment = want.alignment;
    wish->required = want.lowest || want.highest || want.alignment;
    return STATUS_SUCCESS;
}

/* Each kind at most once. NUMA node, partition, machine and attributes make no difference here. */
NTSTATUS mm_wish_capture(const void *parameters, ULONG count, struct mm_wish *wish)
{
    const struct extended *guest = parameters;
    unsigned seen = 0;
    memset(wish, 0, sizeof *wish);
    if (!!count != !!parameters)
        return STATUS_INVALID_PARAMETER;
    for (ULONG i = 0; i < count; i++) {
        struct extended one;
        if (!NT_GET(one, guest + i))
            return STATUS_ACCESS_VIOLATION;
        unsigned type = one.type & 0xff;
        if (!type || type > PARAMETER_LAST || seen & 1u << type)
            return STATUS_INVALID_PARAMETER;
        seen |= 1u << type;
        if (type == PARAMETER_ATTRIBUTES && one.number & ATTRIBUTE_EC_CODE)
            return STATUS_INVALID_PARAMETER;
        NTSTATUS status = type == PARAMETER_REQUIREMENTS ? requirements_capture(one.pointer, wish) : STATUS_SUCCESS;
        if (status)
            return status;
    }
    return STATUS_SUCCESS;
}

/* ---- small ones ------------------------------------------------------------------------------------ */

/* x86 sees its own stores. */
NTSTATUS NtFlushInstructionCache(HANDLE process, const void *base, SIZE_T size)
{
    struct nt_process_object *other;
    (void)base, (void)size;
    NTSTATUS status = mm_process_any(process, PROCESS_VM_WRITE, &other);
    if (!status)
        mm_process_done(other);
    return status;
}

enum { VIRTUAL_PREFETCH = 0, RANGE_LIMIT = 0x10000 };
struct range { void *base; SIZE_T size; };

/* A hint that may be ignored; its arguments are looked at all the same. */
NTSTATUS NtSetInformationVirtualMemory(HANDLE process, ULONG information_class, ULONG_PTR count, void *ranges,
                                       void *data, ULONG size)
{
    ULONG flags;
    struct range range;
    if (information_class != VIRTUAL_PREFETCH)
        return STATUS_INVALID_PARAMETER_2;
    if (!data)
        return STATUS_INVALID_PARAMETER_5;
    if (size != sizeof flags)
        return STATUS_INVALID_PARAMETER_6;
    if (!count || count > RANGE_LIMIT)
        return STATUS_INVALID_PARAMETER_3;
    if (!NT_GET(flags, data))
        return STATUS_ACCESS_VIOLATION;
    if (flags)
        return STATUS_INVALID_PARAMETER_5;
    for (ULONG_PTR i = 0; i < count; i++) {
        if (!NT_GET(range, (struct range *)ranges + i))
            return STATUS_ACCESS_VIOLATION;
        if (!range.size)
            return STATUS_INVALID_PARAMETER_4;
    }
    return mm_process(process, 0);
}

const struct nt_service nt_services_mm[] = {
    NT_SERVICE(NtAllocateVirtualMemory, 6),
    NT_SERVICE(NtAllocateVirtualMemoryEx, 7),
    NT_SERVICE(NtFreeVirtualMemory, 4),
    NT_SERVICE(NtProtectVirtualMemory, 5),
    NT_SERVICE(NtQueryVirtualMemory, 6),
    NT_SERVICE(NtReadVirtualMemory, 5),
    NT_SERVICE(NtWriteVirtualMemory, 5),
    NT_SERVICE(NtFlushVirtualMemory, 4),
    NT_SERVICE(NtLockVirtualMemory, 4),
    NT_SERVICE(NtUnlockVirtualMemory, 4),
    NT_SERVICE(NtFlushInstructionCache, 3),
    NT_SERVICE(NtGetWriteWatch, 7),
    NT_SERVICE(NtResetWriteWatch, 3),
    NT_SERVICE(NtSetInformationVirtualMemory, 6),
    NT_SERVICE(NtCreateSection, 7),
    NT_SERVICE(NtCreateSectionEx, 9),
    NT_SERVICE(NtOpenSection, 3),
    NT_SERVICE(NtQuerySection, 5),
    NT_SERVICE(NtExtendSection, 2),
    NT_SERVICE(NtMapViewOfSection, 10),
    NT_SERVICE(NtMapViewOfSectionEx, 9),
    NT_SERVICE(NtUnmapViewOfSection, 2),
    NT_SERVICE(NtUnmapViewOfSectionEx, 3),
    NT_SERVICE(NtAreMappedFilesTheSame, 2),
    {NULL, 0, NULL},
};
