/* Processors: cores, packages, caches, in the three forms in which system information tells them. Every processor this
 * process may use counts as a core of one package; caches are those that the host tells of the first processor. */
#include "loader/nt/ex/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum relation { RELATION_CORE, RELATION_NODE, RELATION_CACHE, RELATION_PACKAGE, RELATION_GROUP, RELATION_ALL = 0xffff };

struct cache { UCHAR level, associativity; USHORT line; ULONG size, type; bool shared; };
enum { CACHE_LIMIT = 6 };

static ULONG cache_number(unsigned index, const char *name, char *text, size_t room)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, name);
    return ex_file_read(path, text, room) ? (ULONG)strtoul(text, NULL, 10) : 0;
}

/* Types: 0 unified, 1 instruction, 2 data. */
static unsigned caches_read(struct cache *caches)
{
    char text[64];
    unsigned count = 0;
    for (; count < CACHE_LIMIT; count++) {
        struct cache *cache = &caches[count];
        ULONG level = cache_number(count, "level", text, sizeof text);
        if (!level)
            break;
        cache->level = (UCHAR)level;
        cache->size = cache_number(count, "size", text, sizeof text) * (strchr(text, 'K') ? 1024u : strchr(text, 'M') ? 1048576u : 1);
        cache->line = (USHORT)cache_number(count, "coherency_line_size", text, sizeof text);
        ULONG ways = cache_number(count, "ways_of_associativity", text, sizeof text);
        cache->associativity = (UCHAR)(ways > 255 ? 255 : ways);
        cache_number(count, "type", text, sizeof text);
        cache->type = text[0] == 'I' ? 1 : text[0] == 'D' ? 2 : 0;
        cache->shared = level > 2;
    }
    return count;
}

struct entry {
    ULONG_PTR mask;
    ULONG relation;
    union {
        UCHAR core_flags;
        ULONG node;
        struct { UCHAR level, associativity; USHORT line; ULONG size, type; } cache;
        ULONGLONG reserved[2];
    };
};
_Static_assert(sizeof(struct entry) == NT_WIDTH(24, 32), "SYSTEM_LOGICAL_PROCESSOR_INFORMATION");

static void cache_entry(struct entry *entry, const struct cache *cache, ULONG_PTR mask)
{
    *entry = (struct entry){.mask = mask, .relation = RELATION_CACHE};
    entry->cache.level = cache->level;
    entry->cache.associativity = cache->associativity;
    entry->cache.line = cache->line;
    entry->cache.size = cache->size;
    entry->cache.type = cache->type;
}

/* Cores, their own caches, shared caches, package, node. *count entries, malloc'd. */
static struct entry *entries_make(unsigned *count)
{
    struct cache caches[CACHE_LIMIT] = {0};
    unsigned cache_count = caches_read(caches), processors = ex_processor_count(), at = 0;
    if (processors > 8 * sizeof(ULONG_PTR))
        processors = 8 * sizeof(ULONG_PTR);
    struct entry *entries = calloc((size_t)processors * (1 + CACHE_LIMIT) + CACHE_LIMIT + 2, sizeof *entries);
    if (!entries)
        return NULL;
    for (unsigned i = 0; i < processors; i++) {
        entries[at++] = (struct entry){.mask = (ULONG_PTR)1 << i, .relation = RELATION_CORE};
        for (unsigned c = 0; c < cache_count; c++)
            if (!caches[c].shared)
                cache_entry(&entries[at++], &caches[c], (ULONG_PTR)1 << i);
    }
    for (unsigned c = 0; c < cache_count; c++)
        if (caches[c].shared)
            cache_entry(&entries[at++], &caches[c], ex_affinity());
    entries[at++] = (struct entry){.mask = ex_affinity(), .relation = RELATION_PACKAGE};
    entries[at++] = (struct entry){.mask = ex_affinity(), .relation = RELATION_NODE};
    *count = at;
    return entries;
}

NTSTATUS ex_processor_map(void *buffer, ULONG length, ULONG *returned)
{
    unsigned count;
    struct entry *entries = entries_make(&count);
    if (!entries)
        return STATUS_NO_MEMORY;
    NTSTATUS status = ex_answer(buffer, length, returned, entries, count * (ULONG)sizeof *entries);
    free(entries);
    return status;
}

/* ---- the longer form: entries of different sizes, masks with a group number --------------------------- */

struct group_mask { ULONG_PTR mask; USHORT group, reserved[3]; };
struct head { ULONG relation, size; };
struct core_long { struct head head; UCHAR flags, efficiency, reserved[20]; USHORT groups; struct group_mask mask; };
struct node_long { struct head head; ULONG node; UCHAR reserved[18]; USHORT groups; struct group_mask mask; };
struct cache_long { struct head head; UCHAR level, associativity; USHORT line; ULONG size, type; UCHAR reserved[18]; USHORT groups;
                    struct group_mask mask; };
struct group_long { struct head head; USHORT maximum, active; UCHAR reserved[20];
                    struct { UCHAR maximum, active, reserved[38]; ULONG_PTR mask; } group; };
_Static_assert(sizeof(struct core_long) == NT_WIDTH(44, 48), "PROCESSOR_RELATIONSHIP");
_Static_assert(sizeof(struct node_long) == NT_WIDTH(44, 48), "NUMA_NODE_RELATIONSHIP");
_Static_assert(sizeof(struct cache_long) == NT_WIDTH(52, 56), "CACHE_RELATIONSHIP");
_Static_assert(sizeof(struct group_long) == NT_WIDTH(76, 80), "GROUP_RELATIONSHIP");

static ULONG entry_lengthen(UCHAR *to, const struct entry *entry)
{
    struct group_mask mask = {entry->mask, 0, {0}};
    if (entry->relation == RELATION_CACHE) {
        struct cache_long cache = {{RELATION_CACHE, sizeof cache}, entry->cache.level, entry->cache.associativity, entry->cache.line,
                                   entry->cache.size, entry->cache.type, {0}, 1, mask};
        memcpy(to, &cache, sizeof cache);
        return sizeof cache;
    }
    if (entry->relation == RELATION_NODE) {
        struct node_long node = {{RELATION_NODE, sizeof node}, 0, {0}, 1, mask};
        memcpy(to, &node, sizeof node);
        return sizeof node;
    }
    struct core_long core = {{entry->relation, sizeof core}, 0, 0, {0}, 1, mask};
    memcpy(to, &core, sizeof core);
    return sizeof core;
}

NTSTATUS ex_processor_map_long(ULONG relation, void *buffer, ULONG length, ULONG *returned)
{
    unsigned count;
    ULONG size = 0;
    if (relation > RELATION_GROUP && relation != RELATION_ALL)
        return STATUS_INVALID_PARAMETER;
    struct entry *entries = entries_make(&count);
    UCHAR *answer = calloc(count + 2, sizeof(struct group_long));
    NTSTATUS status = STATUS_NO_MEMORY;
    if (entries && answer) {
        for (unsigned i = 0; i < count; i++)
            if (relation == RELATION_ALL || relation == entries[i].relation)
                size += entry_lengthen(answer + size, &entries[i]);
        if (relation == RELATION_ALL || relation == RELATION_GROUP) {
            UCHAR processors = (UCHAR)ex_processor_count();
            struct group_long group = {{RELATION_GROUP, sizeof group}, 1, 1, {0}, {processors, processors, {0}, ex_affinity()}};
            memcpy(answer + size, &group, sizeof group);
            size += sizeof group;
        }
        status = ex_answer(buffer, length, returned, answer, size);
    }
    free(answer);
    free(entries);
    return status;
}

/* SYSTEM_CPU_SET_INFORMATION: one per processor, numbered from 256 as Windows does. */
NTSTATUS ex_processor_sets(void *buffer, ULONG length, ULONG *returned)
{
    struct set { ULONG size, type, id; USHORT group; UCHAR logical, core, cache, node, efficiency, flags; ULONG scheduling; uint64_t tag; };
    enum { LIMIT = 64 };
    struct set sets[LIMIT] = {0};
    _Static_assert(sizeof(struct set) == 32, "SYSTEM_CPU_SET_INFORMATION");
    unsigned count = ex_processor_count() < LIMIT ? ex_processor_count() : LIMIT;
    for (unsigned i = 0; i < count; i++)
        sets[i] = (struct set){.size = sizeof(struct set), .id = 256 + i, .logical = (UCHAR)i, .core = (UCHAR)i};
    ULONG size = count * (ULONG)sizeof *sets;
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (length < size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, sets, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
