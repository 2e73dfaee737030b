/* Writes the cache anew: what this process has loaded, read back out of its import slots, and of the old file what still
 * holds. It appears by one rename; whoever reads at the same time has the old file or the new one. Nothing here may fail
 * aloud: without a cache the next start takes half a millisecond longer. */
#include "loader/native/cache.h"
#include "loader/nt/dispatch.h"
#include "loader/nt/nt.h"
#include "pe/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    uint8_t *bytes; /* CACHE_SIZE_LIMIT of them */
    size_t size;
    bool full;
    const struct ld_module *modules[CACHE_ENTRIES]; /* NULL: carried over from the old file */
    uint8_t from_old[CACHE_ENTRIES];                /* entry of the old file + 1 */
};

static void *take(struct output *output, size_t size)
{
    if (output->full || size > CACHE_SIZE_LIMIT - output->size) {
        output->full = true;
        return NULL;
    }
    void *at = output->bytes + output->size;
    output->size += size;
    return at;
}

static void put(struct output *output, const void *data, size_t size)
{
    void *at = take(output, size);
    if (at)
        memcpy(at, data, size);
}

static void align(struct output *output) { take(output, -output->size & 7); }

static struct cache_head *head_of(struct output *output) { return (struct cache_head *)(void *)output->bytes; }
static struct cache_entry *entries_of(struct output *output) { return (struct cache_entry *)(head_of(output) + 1); }

static unsigned index_of(struct output *output, const struct ld_module *module)
{
    for (unsigned i = 0; module && i < head_of(output)->entry_count; i++)
        if (output->modules[i] == module)
            return i;
    return CACHE_NO_MODULE;
}

/* ---- one module ---------------------------------------------------------------------------------------- */

/* Every slot's value, as module and RVA. False: one leads out of the modules that are kept. */
static bool slot_take(struct output *output, const struct ld_module *module, pe_rva slot, uint32_t *rva, uint8_t *index)
{
    struct pe_span bytes;
    uint64_t value = 0;
    uint32_t width = module->image.is_64 ? 8 : 4;
    if (!pe_slice_rva(&module->image, slot, width, &bytes))
        return false;
    memcpy(&value, bytes.data, width);
    const struct ld_module *target = ld_module_by_address(&native.loader, value);
    unsigned at = index_of(output, target);
    if (at == CACHE_NO_MODULE)
        return false;
    *rva = (uint32_t)(value - target->base);
    *index = (uint8_t)at;
    return true;
}

struct collected { uint32_t *rvas; uint8_t *indexes; struct ld_binding_run *runs; uint32_t slots, run_count, room; };

static bool slots_collect(struct output *output, const struct ld_module *module, struct collected *all)
{
    struct pe_import_module descriptor;
    struct pe_error pe = {0};
    unsigned index = 0;
    pe_import_modules_begin(&descriptor, &module->image);
    for (; index < module->imported_count && pe_import_modules_next(&descriptor, &pe); index++) {
        struct pe_import import;
        if (!module->imported[index])
            continue;
        struct ld_binding_run *run = &all->runs[all->run_count++];
        *run = (struct ld_binding_run){0, 0};
        pe_imports_begin(&import, &descriptor);
        while (pe_imports_next(&import, &pe)) {
            if (all->slots == all->room || !slot_take(output, module, import.slot, &all->rvas[all->slots], &all->indexes[all->slots]))
                return false;
            if (!run->count++)
                run->slot = import.slot.value;
            all->slots++;
        }
    }
    return pe.code == PE_OK && index == module->imported_count;
}

static void record_put(struct output *output, const struct ld_module *module, const struct collected *all)
{
    struct cache_record record = {all->run_count, all->slots, module->imported_count, module->need_count};
    put(output, &record, sizeof record);
    put(output, all->runs, all->run_count * sizeof *all->runs);
    put(output, all->rvas, all->slots * sizeof *all->rvas);
    for (unsigned i = 0; i < module->imported_count; i++)
        put(output, &(uint16_t){(uint16_t)index_of(output, module->imported[i])}, 2);
    for (unsigned i = 0; i < module->need_count; i++)
        put(output, &(uint16_t){(uint16_t)index_of(output, module->needs[i])}, 2);
    put(output, all->indexes, all->slots);
    align(output);
}

static void module_put(struct output *output, unsigned at)
{
    enum { SLOTS = 16384 };
    const struct ld_module *module = output->modules[at];
    struct cache_entry *entry = &entries_of(output)[at];
    struct collected all = {.room = SLOTS};
    if (!module->imported_count)
        return;
    all.rvas = malloc(SLOTS * sizeof *all.rvas);
    all.indexes = malloc(SLOTS);
    all.runs = malloc(module->imported_count * sizeof *all.runs);
    bool good = all.rvas && all.indexes && all.runs && slots_collect(output, module, &all);
    for (unsigned i = 0; i < module->need_count; i++)
        good = good && index_of(output, module->needs[i]) != CACHE_NO_MODULE;
    if (good) {
        entry->at = (uint32_t)output->size;
        record_put(output, module, &all);
        entry->size = (uint32_t)(output->size - entry->at);
    }
    free(all.rvas);
    free(all.indexes);
    free(all.runs);
}

/* ---- what the old file knew ---------------------------------------------------------------------------- */

static unsigned moved(struct output *output, unsigned old)
{
    const struct cache_entry *entries = cache_entries(cache.head);
    for (unsigned i = 0; old < cache.head->entry_count && i < head_of(output)->entry_count; i++)
        if (cache_same(&entries_of(output)[i].identity, &entries[old].identity))
            return i;
    return CACHE_NO_MODULE;
}

/* A record with its entries' new numbers; one that leads to an entry that is gone goes too. */
static void record_carry(struct output *output, unsigned at)
{
    const struct cache_entry *old = &cache_entries(cache.head)[output->from_old[at] - 1];
    if (!old->size)
        return;
    size_t before = output->size;
    put(output, (const char *)cache.head + old->at, old->size);
    if (output->full)
        return;
    struct cache_record *record = (void *)(output->bytes + before);
    uint16_t *entries = (uint16_t *)((struct ld_binding_run *)(record + 1) + record->run_count) + 2 * record->slot_count;
    unsigned count = record->import_count + record->need_count;
    uint8_t *indexes = (uint8_t *)(entries + count);
    bool good = true;
    for (unsigned i = 0; i < count; i++) {
        unsigned to = entries[i] == CACHE_NO_MODULE ? CACHE_NO_MODULE : moved(output, entries[i]);
        good = good && (to != CACHE_NO_MODULE || entries[i] == CACHE_NO_MODULE);
        entries[i] = (uint16_t)to;
    }
    for (unsigned i = 0; i < record->slot_count; i++) {
        unsigned to = moved(output, indexes[i]);
        good = good && to != CACHE_NO_MODULE;
        indexes[i] = (uint8_t)to;
    }
    if (good) {
        entries_of(output)[at].at = (uint32_t)before;
        entries_of(output)[at].size = (uint32_t)(output->size - before);
    } else {
        output->size = before;
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static bool entry_add(struct output *output, const struct cache_identity *identity, const struct ld_module *module, unsigned old)
{
    struct cache_head *head = head_of(output);
    if (head->entry_count == CACHE_ENTRIES)
        return false;
    for (unsigned i = 0; i < head->entry_count; i++) /* the same file, then or now */
        if (entries_of(output)[i].identity.device == identity->device && entries_of(output)[i].identity.serial == identity->serial)
            return true;
    output->modules[head->entry_count] = module;
    output->from_old[head->entry_count++] = (uint8_t)old;
    uint32_t facts = module ? (module->is_main || module->no_resolve || module->has_manifest ? 0 : CACHE_PLAIN) : cache_entries(cache.head)[old - 1].facts;
    put(output, &(struct cache_entry){.identity = *identity, .facts = facts}, sizeof(struct cache_entry));
    return true;
}

static bool entries_put(struct output *output)
{
    for (const struct ld_module *module = native.loader.first; module; module = module->next) {
        struct cache_identity identity = cache_identity(module);
        if (cache_keeps(module) && (!cache_is_settled(&identity) || !entry_add(output, &identity, module, 0)))
            return false;
    }
    for (unsigned i = 0; cache.head && i < cache.head->entry_count; i++)
        entry_add(output, &cache_entries(cache.head)[i].identity, NULL, i + 1);
    return true;
}

static bool calls_put(struct output *output)
{
    struct cache_head *head = head_of(output);
    for (uint32_t number = 0; number < NT_NUMBER_LIMIT; number++) {
        unsigned length, service;
        const char *name = nt_dispatch_name(number, &length, &service);
        if (!name)
            continue;
        uint64_t rva = (uintptr_t)name - native.ntdll->base;
        if (rva >= native.ntdll->image.size_of_image)
            return false;
        put(output, &(struct cache_call){number, (uint32_t)rva, (uint16_t)length, (uint16_t)service}, sizeof(struct cache_call));
        head->call_count++;
    }
    align(output);
    return true;
}

static bool file_make(struct output *output)
{
    struct cache_head *head = take(output, sizeof *head);
    *head = (struct cache_head){.magic = "peload\0\3", .build = cache_build(), .ntdll = cache_identity(native.ntdll),
                                .half = cache_identity(native.ldr)};
    if (!head->build || !entries_put(output) || !calls_put(output))
        return false;
    const struct native_place *places = native_places(&head->place_count);
    struct cache_absence absences[CACHE_ABSENCES];
    put(output, places, head->place_count * sizeof *places);
    head->absence_count = cache_names_keep(absences);
    put(output, absences, head->absence_count * sizeof *absences);
    for (unsigned i = 0; i < head->entry_count && !output->full; i++)
        if (output->modules[i])
            module_put(output, i);
        else
            record_carry(output, i);
    if (output->full)
        return false;
    head->size = (uint32_t)output->size;
    head->sum = cache_sum(head);
    return true;
}

static void folder_make(const char *file)
{
    char folder[4200];
    const char *slash = strrchr(file, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file) : 0, file);
    mkdir(folder, 0777);
}

static bool file_write(const struct output *output)
{
    char path[4200];
    const char *file = cache.file;
    snprintf(path, sizeof path, "%s.%d", file, (int)getpid());
    folder_make(file);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) { /* of a process that was killed; the next start writes it */
        unlink(path);
        errno = EEXIST;
    }
    if (fd < 0)
        return false;
    bool good = write(fd, output->bytes, output->size) == (ssize_t)output->size;
    good = close(fd) == 0 && good && rename(path, file) == 0;
    int error = errno;
    if (!good)
        unlink(path);
    errno = error;
    return good;
}

void native_cache_keep(void)
{
    struct output output = {0};
    if (!cache.file || !cache.incomplete || native.loader.missing)
        return;
    output.bytes = calloc(1, CACHE_SIZE_LIMIT);
    if (!output.bytes)
        return;
    bool made = file_make(&output), written = made && file_write(&output);
    LD_TRACE(native.loader.trace, LD_CACHE, .verb = written ? "written" : "not-written", .name = cache.file, .size = output.size,
             .detail = written ? NULL : made ? strerror(errno) : "a DLL was changed just now, or has imports that cannot be kept");
    free(output.bytes);
}
