/* Locale names and numbers. ntdll's own answers need statics that only its own loader sets; the tables are in
 * locale.nls, which the kernel maps: two indexes into one array of locales. A string is a count and its units. */
#include "loader/ldr/ldr.h"

struct locale_name { USHORT string, locale; ULONG id; };
struct locale_id { ULONG id; USHORT locale, string; };

/* The file's fifth word leads to this header (version 7, found in the file itself). Offsets count from the header. */
struct locale_table {
    ULONG unknown[7];
    USHORT header_size, id_count, locale_count, locale_size;
    ULONG locales;
    USHORT name_count, pad;
    ULONG ids, names, unknown2, calendars, calendar_place, strings;
};
_Static_assert(offsetof(struct locale_table, ids) == 0x2c && offsetof(struct locale_table, strings) == 0x40, "locale.nls 7");

enum { NOT_NEUTRAL = 0x18 /* in a locale's record: 0 for a language without a country */, TAKE_NEUTRAL = 2 };
enum { USER_DEFAULT = 0x400, SYSTEM_DEFAULT = 0x800, CUSTOM_DEFAULT = 0xc00, CUSTOM_UNSPECIFIED = 0x1000,
       CUSTOM_UI_DEFAULT = 0x1400 };
enum { PARAMETER_1 = (int)0xc00000ef, PARAMETER_2 = (int)0xc00000f0 }; /* STATUS_INVALID_PARAMETER_1, _2 */

static const struct locale_table *table_open(void)
{
    static const UCHAR *file;
    const UCHAR *bytes = __atomic_load_n(&file, __ATOMIC_ACQUIRE);
    void *mapped;
    ULONG lcid;
    LARGE_INTEGER size;
    if (!bytes) {
        if (RtlGetLocaleFileMappingAddress(&mapped, &lcid, &size))
            return NULL;
        bytes = mapped;
        __atomic_store_n(&file, bytes, __ATOMIC_RELEASE);
    }
    return (const struct locale_table *)(bytes + ((const ULONG *)bytes)[4]);
}

static const void *at(const struct locale_table *table, SIZE_T offset) { return (const UCHAR *)table + offset; }

static const USHORT *string_at(const struct locale_table *table, USHORT string)
{
    return (const USHORT *)at(table, table->strings) + string;
}

static bool is_wanted(const struct locale_table *table, USHORT locale, ULONG flags)
{
    return flags & TAKE_NEUTRAL || *(const USHORT *)at(table, table->locales + (SIZE_T)locale * table->locale_size + NOT_NEUTRAL);
}

/* Names are sorted by their ASCII letters in lower case; '_' counts as '-'. */
static WCHAR fold(WCHAR c)
{
    if (c == '_')
        return '-';
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static const struct locale_name *find_name(const struct locale_table *table, const WCHAR *name)
{
    const struct locale_name *index = at(table, table->names);
    for (int low = 0, high = table->name_count - 1; low <= high;) {
        int middle = (low + high) / 2;
        const WCHAR *other = (const WCHAR *)string_at(table, index[middle].string) + 1, *own = name;
        while (*own && fold(*own) == fold(*other))
            own++, other++;
        if (fold(*own) == fold(*other))
            return &index[middle];
        if (fold(*own) < fold(*other))
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct locale_id *find_id(const struct locale_table *table, ULONG id)
{
    const struct locale_id *index = at(table, table->ids);
    for (int low = 0, high = table->id_count - 1; low <= high;) {
        int middle = (low + high) / 2;
        if (index[middle].id == id)
            return &index[middle];
        if (id < index[middle].id)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

EXPORT NTSTATUS NTAPI RtlLocaleNameToLcid(const WCHAR *name, ULONG *lcid, ULONG flags)
{
    const struct locale_table *table = name ? table_open() : NULL;
    const struct locale_name *entry = table ? find_name(table, name) : NULL;
    if (!entry || !is_wanted(table, entry->locale, flags))
        return PARAMETER_1;
    *lcid = entry->id;
    return STATUS_SUCCESS;
}

EXPORT BOOLEAN NTAPI RtlIsValidLocaleName(const WCHAR *name, ULONG flags)
{
    ULONG lcid;
    return !RtlLocaleNameToLcid(name, &lcid, flags);
}

EXPORT NTSTATUS NTAPI RtlLcidToLocaleName(ULONG lcid, UNICODE_STRING *string, ULONG flags, BOOLEAN allocate)
{
    if (!string)
        return PARAMETER_2;
    switch (lcid) {
    case USER_DEFAULT:
        NtQueryDefaultLocale(1, &lcid);
        break;
    case SYSTEM_DEFAULT:
    case CUSTOM_DEFAULT:
        NtQueryDefaultLocale(0, &lcid);
        break;
    case CUSTOM_UI_DEFAULT:
        return STATUS_UNSUCCESSFUL;
    case CUSTOM_UNSPECIFIED:
        return PARAMETER_1;
    }
    const struct locale_table *table = table_open();
    const struct locale_id *entry = table ? find_id(table, lcid) : NULL;
    if (!entry || !is_wanted(table, entry->locale, flags))
        return PARAMETER_1;
    const USHORT *name = string_at(table, entry->string);
    USHORT size = (USHORT)((*name + 1) * sizeof(WCHAR));
    if (allocate) {
        string->buffer = RtlAllocateHeap(ldr_peb()->process_heap, 0, size);
        if (!string->buffer)
            return STATUS_NO_MEMORY;
        string->maximum = size;
    } else if (string->maximum < size)
        return STATUS_BUFFER_TOO_SMALL;
    __builtin_memcpy(string->buffer, name + 1, size - sizeof(WCHAR));
    string->buffer[*name] = 0;
    string->length = (USHORT)(size - sizeof(WCHAR));
    return STATUS_SUCCESS;
}
