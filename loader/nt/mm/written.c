/* Copy-on-write pages after the first write: "The private page is marked as PAGE_READWRITE" (Microsoft, Memory Protection
 * Constants). Nobody is told of that write here, so it is found out when somebody asks, and costs nothing before.
 *
 * Linux tells pages of a file from anonymous ones, which settles it for views. Of an image many pages are anonymous from the
 * beginning, because the loader copied them: those are compared with what the file has there. A page that was written with what
 * stood there already counts as not written. */
#include "loader/nt/mm/private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 256, ORIGINALS = 16 };

/* Pages that are looked at one after the other, upwards. */
struct walk {
    const struct mm_fact *fact;
    int pagemap;
    uint64_t entries[BATCH];            /* of /proc/self/pagemap, from entries_at on */
    uintptr_t entries_at, entries_count;
    uint8_t *originals;                 /* ORIGINALS pages as the loader made them, from originals_at on */
    uintptr_t originals_at, originals_count;
};

/* Anonymous, and there: bits 63 and 62 are memory and swap, 61 is a page of a file. */
static bool is_anonymous(struct walk *walk, uintptr_t page)
{
    if (page < walk->entries_at || page >= walk->entries_at + walk->entries_count * MM_PAGE) {
        uintptr_t rest = (uintptr_t)(walk->fact->base + walk->fact->size - page) / MM_PAGE;
        ssize_t got = pread(walk->pagemap, walk->entries, (rest < BATCH ? rest : BATCH) * sizeof *walk->entries,
                            (off_t)(page / MM_PAGE * sizeof *walk->entries));
        walk->entries_at = page;
        walk->entries_count = got > 0 ? (uintptr_t)got / sizeof *walk->entries : 0;
        if (!walk->entries_count)
            return false;
    }
    uint64_t entry = walk->entries[(page - walk->entries_at) / MM_PAGE];
    return entry >> 62 && !(entry >> 61 & 1);
}

static const uint8_t *original(struct walk *walk, uintptr_t page)
{
    const struct mm_fact *fact = walk->fact;
    if (page < walk->originals_at || page >= walk->originals_at + walk->originals_count * MM_PAGE) {
        uintptr_t rest = (uintptr_t)(fact->base + fact->size - page) / MM_PAGE;
        walk->originals_at = page;
        walk->originals_count = rest < ORIGINALS ? rest : ORIGINALS;
        if (!walk->originals)
            walk->originals = malloc(ORIGINALS * MM_PAGE);
        if (!walk->originals || !nt_config.image_bytes ||
            !nt_config.image_bytes(fact->path, fact->allocation_base, (uint32_t)(page - fact->allocation_base), walk->originals,
                                   walk->originals_count * MM_PAGE)) {
            walk->originals_count = 0;
            return NULL;
        }
    }
    return walk->originals + (page - walk->originals_at);
}

static bool is_written(struct walk *walk, uintptr_t page)
{
    uint8_t now[MM_PAGE];
    if (!is_anonymous(walk, page))
        return false;
    if (walk->fact->type != MEM_IMAGE)
        return true;
    const uint8_t *before = original(walk, page);
    return before && nt_read(now, (const void *)page, sizeof now) && memcmp(now, before, sizeof now);
}

void mm_written_tell(struct mm_fact *fact)
{
    struct walk walk = {.fact = fact};
    if (!(fact->protect & MM_COPYING) || fact->protect & PAGE_GUARD)
        return;
    walk.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (walk.pagemap < 0)
        return;
    uintptr_t page = (uintptr_t)fact->base, end = (uintptr_t)(fact->base + fact->size);
    bool written = is_written(&walk, page);
    do
        page += MM_PAGE;
    while (page < end && is_written(&walk, page) == written);
    close(walk.pagemap);
    free(walk.originals);
    fact->size = page - fact->base;
    if (written)
        fact->protect = mm_written_protect(fact->protect);
}

uint32_t mm_written_protect(uint32_t protect)
{
    uint32_t copied = protect & PAGE_WRITECOPY ? PAGE_READWRITE : protect & PAGE_EXECUTE_WRITECOPY ? PAGE_EXECUTE_READWRITE : 0;
    return copied ? (protect & ~(uint32_t)MM_COPYING) | copied : protect;
}
