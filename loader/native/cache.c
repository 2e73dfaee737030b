#include "loader/native/cache.h"
#include "loader/native/machine.h"

#include <link.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cache cache;

/* ---- identities --------------------------------------------------------------------------------------- */

struct cache_identity cache_identity(const struct ld_module *module)
{
    const struct host_file *file = &module->file;
    return (struct cache_identity){file->device, file->serial, file->size, file->modified, file->changed};
}

bool cache_same(const struct cache_identity *a, const struct cache_identity *b) { return !memcmp(a, b, sizeof *a); }

bool cache_keeps(const struct ld_module *module)
{
    size_t length = strlen(native.system_folder);
    return module == native.ldr || (!strncmp(module->path, native.system_folder, length) && module->path[length] == '/' &&
                                    !strchr(module->path + length + 1, '/'));
}

/* The linker's build ID, out of this program's own notes. */
uint64_t cache_build(void)
{
    extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden"))); /* the linker's */
    const ElfW(Phdr) *headers = (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
    size_t count = __ehdr_start.e_phnum;
    uintptr_t bias = 0;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && !headers[i].p_offset)
            bias = (uintptr_t)&__ehdr_start - headers[i].p_vaddr;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type != PT_NOTE)
            continue;
        const char *at = (const char *)(bias + headers[i].p_vaddr), *end = at + headers[i].p_memsz;
        while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note, *text = name + ((note->n_namesz + 3) & ~3u);
            uint64_t build;
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4) && note->n_descsz >= sizeof build) {
                memcpy(&build, text, sizeof build);
                return build;
            }
            at = text + ((note->n_descsz + 3) & ~3u);
        }
    }
    return 0;
}

uint64_t cache_sum(const struct cache_head *head)
{
    const uint64_t *word = (const uint64_t *)(const void *)&head->sum + 1, *end = (const uint64_t *)(const void *)((const char *)head + head->size);
    uint64_t sum = head->size;
    for (; word < end; word++)
        sum = (sum ^ *word) * 0x9e3779b97f4a7c15u, sum ^= sum >> 29;
    return sum;
}

/* ---- the file ----------------------------------------------------------------------------------------- */

size_t cache_record_size(const struct cache_record *record)
{
    size_t size = sizeof *record + record->run_count * 8ull + record->slot_count * 5ull + (record->import_count + record->need_count) * 2ull;
    return (size + 7) & ~(size_t)7;
}

static bool record_holds(const struct cache_head *head, const struct cache_entry *entry)
{
    if (!entry->size)
        return true;
    if (entry->at % 8 || entry->at > head->size || entry->size > head->size - entry->at || entry->size < sizeof(struct cache_record))
        return false;
    const struct cache_record *record = (const void *)((const char *)head + entry->at);
    return record->run_count <= entry->size && record->slot_count <= entry->size && record->import_count <= entry->size &&
           record->need_count <= entry->size && cache_record_size(record) == entry->size;
}

/* Is it whole, ours, and does each part lie inside it? */
static bool head_holds(const struct cache_head *head, size_t size)
{
    if (size < sizeof *head || memcmp(head->magic, "peload\0\3", sizeof head->magic) || head->size != size || size % 8 ||
        head->build != cache_build() || head->entry_count > CACHE_ENTRIES || head->call_count > size / sizeof(struct cache_call) ||
        head->place_count > size / sizeof(struct native_place) || head->absence_count > CACHE_ABSENCES)
        return false;
    size_t parts = sizeof *head + head->entry_count * sizeof(struct cache_entry) +
                   (head->call_count * sizeof(struct cache_call) + 7) / 8 * 8 + head->place_count * sizeof(struct native_place) +
                   head->absence_count * sizeof(struct cache_absence);
    if (parts > size || head->sum != cache_sum(head))
        return false;
    for (unsigned i = 0; i < head->entry_count; i++)
        if (!record_holds(head, &cache_entries(head)[i]))
            return false;
    return true;
}

/* Read and not mapped: what somebody cuts short meanwhile must not be a fault here. */
static struct cache_head *file_read(int fd)
{
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH) ||
        status.st_size < (off_t)sizeof(struct cache_head) || status.st_size > CACHE_SIZE_LIMIT)
        return NULL;
    struct cache_head *head = malloc((size_t)status.st_size);
    if (head && (read(fd, head, (size_t)status.st_size) != (ssize_t)status.st_size || !head_holds(head, (size_t)status.st_size))) {
        free(head);
        head = NULL;
    }
    return head;
}

void native_cache_open(void)
{
    struct ld_trace *trace = native.loader.trace;
    char *file;
    if (!native.options.cache)
        return;
    if (asprintf(&file, "%s-%s", native.options.cache, native_machine.name) < 0)
        return;
    cache.file = file;
    cache.incomplete = true; /* until something is found in it */
    cache_names_open(native.loader.host);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) {
        LD_TRACE(trace, LD_CACHE, .verb = "absent", .name = file, .detail = strerror(errno));
        return;
    }
    cache.head = file_read(fd);
    close(fd);
    LD_TRACE(trace, LD_CACHE, .verb = cache.head ? "read" : "unusable", .name = file,
             .size = cache.head ? cache.head->size : 0, .detail = cache.head ? NULL : "torn, foreign, or of another build");
    if (!cache.head)
        return;
    cache.incomplete = false;
    native.loader.recall = native_cache_recall;
    native.loader.plain = cache_plain;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static bool system_is_ours(void)
{
    if (!cache.head) /* on the reference lane there is no guest half either */
        return false;
    struct cache_identity ntdll = cache_identity(native.ntdll), half = cache_identity(native.ldr);
    return cache_same(&ntdll, &cache.head->ntdll) && cache_same(&half, &cache.head->half);
}

const struct cache_call *cache_calls(unsigned *count)
{
    if (!system_is_ours()) {
        cache.incomplete = true;
        return NULL;
    }
    *count = cache.head->call_count;
    return (const struct cache_call *)(cache_entries(cache.head) + cache.head->entry_count);
}

const struct native_place *cache_places(unsigned count)
{
    unsigned calls;
    const struct cache_call *first = cache_calls(&calls);
    if (!first || cache.head->place_count != count)
        return NULL;
    return (const void *)((const char *)first + (calls * sizeof *first + 7) / 8 * 8);
}

/* The loaded modules in the order of the entries; NULL: that one is not loaded. */
static void modules_match(struct ld_module **modules)
{
    const struct cache_entry *entries = cache_entries(cache.head);
    memset(modules, 0, cache.head->entry_count * sizeof *modules);
    for (struct ld_module *module = native.loader.first; module; module = module->next) {
        struct cache_identity identity = cache_identity(module);
        for (unsigned i = 0; i < cache.head->entry_count; i++)
            if (module->base && cache_same(&identity, &entries[i].identity))
                modules[i] = module;
    }
}

static const struct cache_entry *entry_of(const struct ld_module *module)
{
    struct cache_identity identity = cache_identity(module);
    for (unsigned i = 0; i < cache.head->entry_count; i++)
        if (cache_same(&identity, &cache_entries(cache.head)[i].identity))
            return &cache_entries(cache.head)[i];
    return NULL;
}

bool cache_plain(struct loader *loader, const struct ld_module *module)
{
    (void)loader;
    const struct cache_entry *entry = !module->is_main && cache_keeps(module) ? entry_of(module) : NULL;
    return entry && entry->facts & CACHE_PLAIN;
}

/* Did the imports lead to the same files again? */
static bool imports_agree(const struct ld_module *module, const struct cache_record *record, const uint16_t *imports,
                          struct ld_module *const *modules)
{
    if (record->import_count != module->imported_count)
        return false;
    for (unsigned i = 0; i < record->import_count; i++) {
        const struct ld_module *then = imports[i] < cache.head->entry_count ? modules[imports[i]] : NULL;
        if (module->imported[i] != then || (!then && imports[i] != CACHE_NO_MODULE))
            return false;
    }
    return true;
}

bool native_cache_recall(struct loader *loader, struct ld_module *module, struct ld_bindings *found)
{
    static struct ld_module *modules[CACHE_ENTRIES];
    if (!cache_keeps(module))
        return false;
    const struct cache_entry *entry = entry_of(module);
    if (!entry || !entry->size) {
        cache.incomplete = true;
        return false;
    }
    const struct cache_record *record = (const void *)((const char *)cache.head + entry->at);
    found->runs = (const void *)(record + 1);
    found->run_count = record->run_count;
    found->slot_count = record->slot_count;
    found->rvas = (const uint32_t *)(found->runs + record->run_count);
    const uint16_t *imports = (const uint16_t *)(found->rvas + record->slot_count);
    found->needs = imports + record->import_count;
    found->need_count = record->need_count;
    found->indexes = (const uint8_t *)(found->needs + record->need_count);
    found->targets = modules;
    found->target_count = cache.head->entry_count;
    modules_match(modules);
    if (!imports_agree(module, record, imports, modules)) {
        cache.incomplete = true;
        return false;
    }
    LD_TRACE(loader->trace, LD_CACHE, .verb = "recalled", .module = module->name, .count = record->slot_count);
    return true;
}
