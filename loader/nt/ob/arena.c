/* The arena: one shared, sparse memory file; blocks by size class.
 *
 * Nothing is touched at opening but the first page: a page of such a file costs about half a microsecond at its first
 * touch. Blocks are cut from `top` upwards, and those given back wait in a list of their class. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct ob_arena *ob_arena;

enum { ARENA_SIZE = NT_WIDTH(64, 256) << 20 };
_Static_assert(sizeof(struct ob_arena) <= 4096, "the head is one page");

static int arena_descriptor = -1;

int nt_arena_descriptor(void)
{
    return arena_descriptor;
}

static bool arena_map(int fd, size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return false;
    ob_arena = base;
    arena_descriptor = fd;
    return true;
}

bool nt_arena_open(void)
{
    if (ob_arena)
        return true;
    int fd = memfd_create(OB_ARENA_NAME, MFD_CLOEXEC);
    if (fd < 0)
        return false;
    if (ftruncate(fd, ARENA_SIZE) || !arena_map(fd, ARENA_SIZE)) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    ob_arena->magic = OB_ARENA_MAGIC;
    ob_arena->version = OB_ARENA_VERSION;
    ob_arena->size = ARENA_SIZE;
    ob_arena->top = (sizeof(struct ob_arena) + 63) & ~63u;
    ob_arena->first_names[0] = OB_NAME_BUCKETS;
    ob_arena->names = ob_ref(ob_arena->first_names);
    return true;
}

bool nt_arena_attach(int fd)
{
    uint32_t head[3]; /* magic, version, size */
    if (pread(fd, head, sizeof head, 0) != sizeof head || head[0] != OB_ARENA_MAGIC || head[1] != OB_ARENA_VERSION) {
        errno = EINVAL;
        return false;
    }
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && arena_map(fd, head[2]);
}

nt_ref *nt_arena_root(enum nt_root area)
{
    return &ob_arena->roots[area];
}

void *nt_at(nt_ref ref)
{
    return ob_at(ref);
}

nt_ref nt_ref_of(const void *address)
{
    return ob_ref(address);
}

/* Steps of 16 bytes up to 1 KiB, then four steps between a power of two and the next: at most a quarter is lost. */
static unsigned class_of(uint32_t size, uint32_t *rounded)
{
    if (size <= 16 * OB_CLASS_FINE) {
        unsigned class = (size + 15) / 16;
        *rounded = class * 16;
        return class - 1;
    }
    unsigned power = 31 - (unsigned)__builtin_clz(size - 1); /* 2^power < size <= 2^(power + 1) */
    unsigned step = (size - 1 - (1u << power)) >> (power - 2);
    *rounded = (1u << power) + ((step + 1) << (power - 2));
    return OB_CLASS_FINE + (power - 10) * 4 + step;
}

nt_ref nt_arena_allocate(uint32_t size)
{
    uint32_t rounded;
    if (size == 0 || size > ob_arena->size)
        return 0;
    unsigned class = class_of(size, &rounded);
    assert(class < OB_CLASS_COUNT);
    nt_ref ref = ob_arena->free[class];
    if (ref) {
        ob_arena->free[class] = *(nt_ref *)ob_at(ref);
        memset(ob_at(ref), 0, size);
        return ref;
    }
    if (rounded > ob_arena->size - ob_arena->top)
        return 0;
    ref = ob_arena->top;
    ob_arena->top += rounded;
    return ref;
}

void nt_arena_free(nt_ref ref, uint32_t size)
{
    uint32_t rounded;
    if (!ref)
        return;
    unsigned class = class_of(size, &rounded);
    assert(ref < ob_arena->top);
    *(nt_ref *)ob_at(ref) = ob_arena->free[class];
    OB_ORDER();
    ob_arena->free[class] = ref;
}
