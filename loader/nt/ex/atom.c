/* Global atoms: names with numbers from 0xC000 on, counted, in the arena. Numbers below are atoms by themselves. */
#include "loader/nt/ex/private.h"
#include "loader/nt/io.h"

#include <string.h>

enum { ATOM_FIRST = 0xc000, ATOM_LIMIT = 0x4000, NAME_LIMIT = 255 };

struct atom { uint32_t count, length, size; WCHAR text[]; }; /* length in units */
struct atom_table { uint32_t used; nt_ref atoms[ATOM_LIMIT]; }; /* 64 KiB, touched only as far as it is used */

/* NULL: nobody has made an atom. Lock held. */
static struct atom_table *table_get(void) { return nt_at(*nt_arena_root(NT_ROOT_EX)); }

/* A name's text copied in; *number is set where the name means a number: a small "pointer", or "#123". */
static NTSTATUS name_get(const WCHAR *guest, ULONG length, WCHAR *text, uint32_t *number)
{
    *number = 0;
    if ((uintptr_t)guest < 0x10000) {
        *number = (uint32_t)(uintptr_t)guest;
        return *number && *number < ATOM_FIRST ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    }
    unsigned units = length / sizeof(WCHAR);
    if (!units)
        return STATUS_OBJECT_NAME_INVALID;
    if (units > NAME_LIMIT)
        return STATUS_INVALID_PARAMETER;
    if (!nt_read(text, guest, units * sizeof(WCHAR)))
        return STATUS_ACCESS_VIOLATION;
    if (text[0] != '#' || units == 1)
        return STATUS_SUCCESS;
    uint32_t value = 0;
    for (unsigned i = 1; i < units; i++) {
        if (text[i] < '0' || text[i] > '9')
            return STATUS_SUCCESS;
        if (value < 0x10000)
            value = value * 10 + (uint32_t)(text[i] - '0');
    }
    if (!value || value >= ATOM_FIRST)
        return STATUS_INVALID_PARAMETER;
    *number = value;
    return STATUS_SUCCESS;
}

/* Lock held. Index of the name's atom, -1: it has none; *free is a slot for a new one, ATOM_LIMIT: none left. */
static int atom_find(const struct atom_table *table, const WCHAR *text, unsigned length, uint32_t *free_slot)
{
    *free_slot = table->used;
    for (uint32_t i = 0; i < table->used; i++) {
        const struct atom *atom = nt_at(table->atoms[i]);
        unsigned at = 0;
        if (!atom)
            *free_slot = i;
        if (!atom || atom->length != length)
            continue;
        while (at < length && nt_upcase(atom->text[at]) == nt_upcase(text[at]))
            at++;
        if (at == length)
            return (int)i;
    }
    return -1;
}

/* Lock held. */
static NTSTATUS atom_add(const WCHAR *text, unsigned length, uint32_t *number)
{
    nt_ref *root = nt_arena_root(NT_ROOT_EX);
    if (!*root)
        *root = nt_arena_allocate(sizeof(struct atom_table));
    struct atom_table *table = table_get();
    uint32_t slot;
    if (!table)
        return STATUS_NO_MEMORY;
    int found = atom_find(table, text, length, &slot);
    if (found >= 0) {
        ((struct atom *)nt_at(table->atoms[found]))->count++;
        *number = ATOM_FIRST + (uint32_t)found;
        return STATUS_SUCCESS;
    }
    uint32_t size = (uint32_t)(sizeof(struct atom) + length * sizeof(WCHAR));
    nt_ref ref = slot < ATOM_LIMIT ? nt_arena_allocate(size) : 0;
    if (!ref)
        return STATUS_NO_MEMORY;
    struct atom *atom = nt_at(ref);
    atom->count = 1;
    atom->length = length;
    atom->size = size;
    memcpy(atom->text, text, length * sizeof(WCHAR));
    OB_ORDER();
    table->atoms[slot] = ref;
    if (slot == table->used)
        table->used++;
    *number = ATOM_FIRST + slot;
    return STATUS_SUCCESS;
}

static struct atom *atom_at(USHORT number)
{
    const struct atom_table *table = table_get();
    uint32_t slot = number - (uint32_t)ATOM_FIRST;
    return table && slot < table->used ? nt_at(table->atoms[slot]) : NULL;
}

NTSTATUS NtAddAtom(const WCHAR *name, ULONG length, USHORT *guest)
{
    WCHAR text[NAME_LIMIT];
    uint32_t number;
    NTSTATUS status = name_get(name, length, text, &number);
    if (!status && !number) {
        nt_lock();
        status = atom_add(text, length / sizeof(WCHAR), &number);
        nt_unlock();
    }
    USHORT atom = (USHORT)number;
    return status ? status : NT_PUT(guest, atom) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtFindAtom(const WCHAR *name, ULONG length, USHORT *guest)
{
    WCHAR text[NAME_LIMIT];
    uint32_t number, slot;
    NTSTATUS status = name_get(name, length, text, &number);
    if (!status && !number) {
        nt_lock();
        int found = table_get() ? atom_find(table_get(), text, length / sizeof(WCHAR), &slot) : -1;
        nt_unlock();
        if (found < 0)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        number = ATOM_FIRST + (uint32_t)found;
    }
    USHORT atom = (USHORT)number;
    return status ? status : NT_PUT(guest, atom) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtDeleteAtom(USHORT number)
{
    NTSTATUS status = STATUS_SUCCESS;
    if (number && number < ATOM_FIRST)
        return STATUS_SUCCESS;
    nt_lock();
    struct atom *atom = number ? atom_at(number) : NULL;
    if (!atom) {
        status = STATUS_INVALID_HANDLE;
    } else if (--atom->count == 0) {
        nt_ref ref = nt_ref_of(atom);
        table_get()->atoms[number - ATOM_FIRST] = 0;
        nt_arena_free(ref, atom->size);
    }
    nt_unlock();
    return status;
}

static unsigned number_text(USHORT number, WCHAR *text)
{
    char digits[8];
    unsigned length = 0, at = 0;
    for (; number; number /= 10)
        digits[at++] = (char)('0' + number % 10);
    text[length++] = '#';
    while (at)
        text[length++] = (uint8_t)digits[--at];
    return length;
}

/* ATOM_BASIC_INFORMATION; the name in it ends with a zero that its length does not count. */
NTSTATUS NtQueryInformationAtom(USHORT number, ULONG class, void *buffer, ULONG room, ULONG *returned)
{
    struct { USHORT count, flags, length; WCHAR text[NAME_LIMIT + 1]; } information = {0};
    enum { HEAD = 6, SMALLEST = 8 };
    if (class != 0)
        return STATUS_INVALID_INFO_CLASS;
    if (room < SMALLEST)
        return STATUS_INVALID_PARAMETER;
    unsigned length = 0;
    if (number && number < ATOM_FIRST) {
        information.count = 1;
        information.flags = 1;
        length = number_text(number, information.text);
    } else {
        nt_lock();
        const struct atom *atom = number ? atom_at(number) : NULL;
        if (atom) {
            information.count = (USHORT)atom->count;
            length = atom->length;
            memcpy(information.text, atom->text, length * sizeof(WCHAR));
        }
        nt_unlock();
        if (!atom)
            return STATUS_INVALID_HANDLE;
    }
    information.length = (USHORT)(length * sizeof(WCHAR));
    ULONG size = HEAD + information.length + (ULONG)sizeof(WCHAR);
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (room < size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, &information, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
