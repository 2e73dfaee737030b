/* What a folder holds, sorted as Windows gives it. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct raw_entry { uint64_t serial; int64_t offset; uint16_t size; uint8_t type; char name[]; } __attribute__((packed));

static bool grow(void **block, size_t *room, size_t needed, size_t unit)
{
    if (needed <= *room)
        return true;
    size_t larger = *room * 2 > needed ? *room * 2 : needed + 64;
    void *moved = realloc(*block, larger * unit);
    if (!moved)
        return false;
    *block = moved;
    *room = larger;
    return true;
}

/* At the end, whatever the order. */
static bool listing_add(struct io_listing *listing, const char *name, uint8_t type)
{
    size_t size = strlen(name);
    if (!grow((void **)&listing->entries, &listing->entries_room, listing->count + 1u, sizeof *listing->entries) ||
        !grow((void **)&listing->names, &listing->names_room, listing->names_size + size + 1, 1) ||
        !grow((void **)&listing->wides, &listing->wides_room, listing->wides_length + size, sizeof(WCHAR)))
        return false;
    struct io_entry *entry = &listing->entries[listing->count++];
    entry->name = (uint32_t)listing->names_size;
    entry->wide = (uint32_t)listing->wides_length;
    entry->wide_length = (uint16_t)io_name_from_unix(name, size, listing->wides + listing->wides_length, size);
    entry->type = type;
    memcpy(listing->names + listing->names_size, name, size + 1);
    listing->names_size += size + 1;
    listing->wides_length += entry->wide_length;
    return true;
}

/* "." and ".." first, as NTFS gives them; then by upper-case name. Names equal but for case: by their bytes. */
static int rank(const char *name)
{
    return name[0] != '.' ? 2 : !name[1] ? 0 : name[1] == '.' && !name[2] ? 1 : 2;
}

static int entry_compare(const void *left, const void *right, void *context)
{
    const struct io_listing *listing = context;
    const struct io_entry *a = left, *b = right;
    const char *a_name = listing->names + a->name, *b_name = listing->names + b->name;
    int order = rank(a_name) - rank(b_name);
    if (!order)
        order = io_name_compare(listing->wides + a->wide, a->wide_length, listing->wides + b->wide, b->wide_length);
    return order ? order : strcmp(a_name, b_name);
}

void io_listing_release(struct io_listing *listing)
{
    if (!listing || __atomic_sub_fetch(&listing->references, 1, __ATOMIC_ACQ_REL))
        return;
    free(listing->entries);
    free(listing->names);
    free(listing->wides);
    free(listing);
}

NTSTATUS io_listing_read(int folder, struct io_listing **out)
{
    enum { ROOM = 32768 };
    struct io_listing *listing = calloc(1, sizeof *listing);
    char *buffer = malloc(ROOM);
    NTSTATUS status = STATUS_NO_MEMORY;
    *out = NULL;
    if (!listing || !buffer)
        goto done;
    listing->references = 1;
    if (lseek(folder, 0, SEEK_SET) < 0) {
        status = io_status_of_errno(errno);
        goto done;
    }
    for (;;) {
        long size = syscall(SYS_getdents64, folder, buffer, ROOM);
        if (size < 0)
            status = io_status_of_errno(errno);
        if (size < 0)
            goto done;
        if (size == 0)
            break;
        for (long at = 0; at < size;) {
            const struct raw_entry *raw = (const struct raw_entry *)(buffer + at);
            if (!listing_add(listing, raw->name, raw->type))
                goto done;
            at += raw->size;
        }
    }
    if (listing->count)
        qsort_r(listing->entries, listing->count, sizeof *listing->entries, entry_compare, listing);
    *out = listing;
    status = STATUS_SUCCESS;
done:
    free(buffer);
    if (status)
        io_listing_release(listing);
    return status;
}

/* Where the entry stands, or where it would stand. */
static unsigned entry_place(struct io_listing *listing, const struct io_entry *entry)
{
    unsigned low = 0, high = listing->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (entry_compare(&listing->entries[middle], entry, listing) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The name is added at the end to be comparable, and taken off again where the listing has it already. */
bool io_listing_change(struct io_listing *listing, const char *name, uint8_t type, bool is_there)
{
    size_t names_size = listing->names_size, wides_length = listing->wides_length;
    if (!listing_add(listing, name, type))
        return false;
    struct io_entry added = listing->entries[--listing->count], *entries = listing->entries;
    unsigned place = entry_place(listing, &added);
    bool has = place < listing->count && !strcmp(listing->names + entries[place].name, name);
    if (is_there && !has) {
        memmove(&entries[place + 1], &entries[place], (listing->count - place) * sizeof *entries);
        entries[place] = added;
        listing->count++;
        return true;
    }
    listing->names_size = names_size;
    listing->wides_length = wides_length;
    if (!is_there && has)
        memmove(&entries[place], &entries[place + 1], (--listing->count - place) * sizeof *entries);
    return true;
}

const char *io_listing_find(const struct io_listing *listing, const WCHAR *wide, size_t length)
{
    size_t low = 0, high = listing->count;
    while (low < high && rank(listing->names + listing->entries[low].name) < 2)
        low++;
    while (low < high) { /* the first entry not below the name */
        size_t middle = (low + high) / 2;
        const struct io_entry *entry = &listing->entries[middle];
        if (io_name_compare(listing->wides + entry->wide, entry->wide_length, wide, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == listing->count)
        return NULL;
    const struct io_entry *entry = &listing->entries[low];
    return io_name_compare(listing->wides + entry->wide, entry->wide_length, wide, length) ? NULL : listing->names + entry->name;
}
