/* Sections of images that are shared and writable (IMAGE_SCN_MEM_SHARED): one copy for all processes of the session that
 * have the image. The first one's bytes, as its loader has made them, go into a memory file; it and all others show that.
 * The file lives as long as somebody shows it: every view is a holder, in the arena, whom the next process gets it from. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"
#include "loader/nt/ob.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct shared_holder { nt_ref next; uint32_t process, host_pid; int32_t fd; };
struct shared_part {
    nt_ref next, holders;
    uint64_t device, serial, changed; /* the image's file; its time of change: a new file in the old one's place is another */
    uint64_t memory;                  /* inode of the memory file */
    uint32_t rva, size;
};
_Static_assert(offsetof(struct shared_part, rva) == 40 && sizeof(struct shared_part) == 48, "the same for both widths");

/* This process's views: by the image's base, so that they go with it. The object lock's. */
struct shared_view { struct shared_view *next; uintptr_t base; nt_ref part, holder; int fd; };
static struct shared_view *views;

static struct shared_part *part_find(const struct shared_part *wanted)
{
    struct shared_part *part = nt_at(*nt_arena_root(NT_ROOT_IMAGE));
    while (part && (part->serial != wanted->serial || part->device != wanted->device || part->changed != wanted->changed ||
                    part->rva != wanted->rva || part->size != wanted->size))
        part = nt_at(part->next);
    return part;
}

static uint64_t inode_of(int fd)
{
    struct stat facts;
    return fstat(fd, &facts) ? 0 : facts.st_ino;
}

static int part_fetch(const struct shared_part *part)
{
    for (const struct shared_holder *holder = nt_at(part->holders); holder; holder = nt_at(holder->next)) {
        int fd = nt_fd_fetch(holder->host_pid, holder->fd);
        if (fd >= 0 && inode_of(fd) == part->memory)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

static int memory_make(uintptr_t from, uint32_t size)
{
    int fd = memfd_create("shared-image", MFD_CLOEXEC);
    for (uint32_t done = 0; fd >= 0 && done < size;) {
        ssize_t put = pwrite(fd, (const char *)from + done, size - done, done);
        if (put <= 0) {
            close(fd);
            return -1;
        }
        done += (uint32_t)put;
    }
    return fd;
}

static void holder_add(struct shared_part *part, uintptr_t base, int fd)
{
    nt_ref ref = nt_arena_allocate(sizeof(struct shared_holder));
    struct shared_view *view = ref ? malloc(sizeof *view) : NULL;
    struct shared_holder *holder = nt_at(ref);
    if (!view) { /* it is shown, but nobody gets it from here */
        nt_arena_free(ref, sizeof *holder);
        close(fd);
        return;
    }
    *holder = (struct shared_holder){part->holders, nt_process.id, (uint32_t)getpid(), fd};
    OB_ORDER();
    part->holders = ref;
    *view = (struct shared_view){views, base, nt_ref_of(part), ref, fd};
    views = view;
}

/* Object lock held. The pages stay private where the memory cannot be had. */
static void part_share(uintptr_t base, struct shared_part *wanted, int rights)
{
    nt_ref *root = nt_arena_root(NT_ROOT_IMAGE);
    struct shared_part *part = part_find(wanted);
    int fd = part ? part_fetch(part) : -1;
    bool first = fd < 0; /* also where all who had it were killed */
    if (first)
        fd = memory_make(base + wanted->rva, wanted->size);
    if (fd < 0)
        return;
    if (!part) {
        nt_ref ref = nt_arena_allocate(sizeof *part);
        if (!(part = nt_at(ref))) {
            close(fd);
            return;
        }
        *part = *wanted;
        part->next = *root;
        OB_ORDER();
        *root = ref;
    }
    if (first)
        part->memory = inode_of(fd);
    if (mm_linux_file(base + wanted->rva, wanted->size, rights, true, true, fd, 0))
        close(fd);
    else
        holder_add(part, base, fd);
}

/* Only shared parts of an image have rights that copy nothing when written (mm/host.c). */
static bool is_shared(uint32_t state)
{
    return state & MM_COMMITTED && state & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE);
}

/* Copies the runs of the image at base that are shared: the object lock comes before the manager's. */
static unsigned runs_take(uintptr_t base, struct shared_part **parts, int **rights)
{
    unsigned count = 0;
    struct mm_area none = {0};
    mm_lock();
    struct mm_area *area = mm_tree_find(base);
    uint32_t runs = area && area->base == base ? area->runs.count : 0;
    for (uint32_t i = 0; i < runs; i++)
        count += is_shared(mm_runs_array(&area->runs)[i].state);
    *parts = count ? calloc(count, sizeof **parts) : NULL;
    *rights = count ? calloc(count, sizeof **rights) : NULL;
    count = 0;
    for (uint32_t i = 0; *parts && *rights && i < runs; i++) {
        const struct mm_run *run = &mm_runs_array(&area->runs)[i];
        if (!is_shared(run->state))
            continue;
        (*parts)[count].rva = (uint32_t)run->at;
        (*parts)[count].size = (uint32_t)(mm_runs_end(&area->runs, i, area->size) - run->at);
        (*rights)[count++] = mm_area_rights(&none, run->state);
    }
    mm_unlock();
    return count;
}

void mm_image_share(uintptr_t base, const char *path)
{
    struct shared_part *parts;
    int *rights;
    struct stat about;
    unsigned count = runs_take(base, &parts, &rights);
    if (count && !stat(path, &about)) {
        nt_lock();
        for (unsigned i = 0; i < count; i++) {
            parts[i].device = about.st_dev;
            parts[i].serial = about.st_ino;
            parts[i].changed = (uint64_t)about.st_mtim.tv_sec * 1000000000 + (uint64_t)about.st_mtim.tv_nsec;
            part_share(base, &parts[i], rights[i]);
        }
        nt_unlock();
    }
    free(parts);
    free(rights);
}

/* ---- the end --------------------------------------------------------------------------------------- */

static void part_end(nt_ref ref)
{
    nt_ref *link = nt_arena_root(NT_ROOT_IMAGE);
    while (*link && *link != ref)
        link = &((struct shared_part *)nt_at(*link))->next;
    if (!*link)
        return;
    *link = ((struct shared_part *)nt_at(ref))->next;
    OB_ORDER();
    nt_arena_free(ref, sizeof(struct shared_part));
}

/* Holders of that process, or only the one; a part without any goes. */
static void holders_drop(nt_ref ref, uint32_t process, nt_ref only)
{
    struct shared_part *part = nt_at(ref);
    for (nt_ref *link = &part->holders; *link;) {
        nt_ref one = *link;
        struct shared_holder *holder = nt_at(one);
        if (only ? one != only : holder->process != process) {
            link = &holder->next;
            continue;
        }
        *link = holder->next;
        OB_ORDER();
        nt_arena_free(one, sizeof *holder);
    }
    if (!part->holders)
        part_end(ref);
}

void mm_image_unshare(uintptr_t base)
{
    if (!views)
        return;
    nt_lock();
    for (struct shared_view **link = &views; *link;) {
        struct shared_view *view = *link;
        if (view->base != base) {
            link = &view->next;
            continue;
        }
        *link = view->next;
        holders_drop(view->part, 0, view->holder);
        close(view->fd);
        free(view);
    }
    nt_unlock();
}

void nt_mm_process_ended(uint32_t id)
{
    for (nt_ref at = *nt_arena_root(NT_ROOT_IMAGE); at;) {
        nt_ref next = ((struct shared_part *)nt_at(at))->next;
        holders_drop(at, id, 0);
        at = next;
    }
}
