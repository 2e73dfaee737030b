/* What loading found out in earlier runs and need not look up again: where the import slots of the system's DLLs lead, the
 * numbers of ntdll's system calls, the places of what is replaced in it, which of them have no manifest. One file for each installation of this program.
 *
 * It also knows names that a folder does not hold: without regard to case that takes a look at all that it holds.
 *
 *   cache.c        the file: read, believed only as a whole, found again by the identity of DLLs
 *   cache_names.c  names that are not there
 *   cache_keep.c   written anew after a run that had to look something up
 *
 * A DLL is known by device, serial number, size and both of its times; the whole by a checksum and by this program's build
 * ID. Every number in it is held against the images before it is used: a false file costs a look-up, never a load. */
#ifndef NATIVE_CACHE_H
#define NATIVE_CACHE_H

#include "loader/native/native.h"

enum { CACHE_ENTRIES = 64, CACHE_SIZE_LIMIT = 1 << 20, CACHE_NO_MODULE = 0xffff };

struct cache_identity { uint64_t device, serial, size, modified, changed; };

/* The file, in this order: head, entries, calls, places, absences, records. Each part begins at a multiple of 8. */
struct cache_head {
    char magic[8];
    uint64_t build;       /* of this program */
    uint64_t sum;         /* of everything behind this field */
    uint32_t size;        /* of the file */
    uint32_t entry_count, call_count, place_count, absence_count, pad;
    struct cache_identity ntdll, half; /* whose calls and places these are */
};

struct cache_entry {
    struct cache_identity identity;
    uint32_t at, size; /* of its record; size 0: only others lead to it */
    uint32_t facts, pad;
};

enum { CACHE_PLAIN = 1 }; /* a fact: the file has no manifest */

struct cache_call {
    uint32_t number, name; /* RVA in ntdll */
    uint16_t name_length, service;
};

/* A replaced function: RVAs in the guest half and in ntdll; 0: not there, or not patched. */
struct native_place { uint32_t ours, theirs; };

/* A folder as it was, and a name that it did not hold. */
struct cache_absence { struct cache_identity folder; uint64_t name; };

/* One importing module. Behind it: runs, RVAs (32 bits), then imports and needs (16 bits: entries), then each slot's
 * module (8 bits: an entry). */
struct cache_record { uint32_t run_count, slot_count, import_count, need_count; };

extern struct cache {
    const char *file;              /* NULL: there shall be none */
    const struct cache_head *head; /* NULL: nothing is known */
    bool incomplete;               /* something had to be looked up: to be written anew */
} cache;

static inline const struct cache_entry *cache_entries(const struct cache_head *head) { return (const struct cache_entry *)(head + 1); }
size_t cache_record_size(const struct cache_record *record);
uint64_t cache_sum(const struct cache_head *head);
struct cache_identity cache_identity(const struct ld_module *module);
bool cache_same(const struct cache_identity *a, const struct cache_identity *b);
uint64_t cache_build(void);                      /* 0: unknown, so nothing is believed or kept */
/* Modules whose bindings are kept: the system's, and the guest half. */
bool cache_keeps(const struct ld_module *module);

bool cache_plain(struct loader *loader, const struct ld_module *module);
/* Calls and places of the ntdll and the guest half that are loaded. NULL: unknown. */
const struct cache_call *cache_calls(unsigned *count);
const struct native_place *cache_places(unsigned count);

/* cache_names.c */
enum { CACHE_ABSENCES = 64 };
const struct cache_absence *cache_absences(const struct cache_head *head);
void cache_names_open(struct host *host);        /* from now on host->file_find asks here first */
/* New ones first, of the old what room is left for. Returns how many. */
unsigned cache_names_keep(struct cache_absence *all);
/* Changed so long ago that a further change would show. */
bool cache_is_settled(const struct cache_identity *identity);

#endif
