/* malloc of the host programs: one arena for what a start needs, behind it the C library's own.
 *
 * musl keeps blocks of each size apart, on pages of their own that are mapped one by one: a start that needs forty kilobytes
 * in fifteen sizes pays for fifteen mappings and thirty first touches, more than all else that it does with them. Here they
 * lie one behind the other. What is given back is used again where nothing lies behind it, which is how one load after another
 * goes; other holes stay, and cost at most the arena. Whatever does not fit is the C library's.
 *
 * No lock: threads, and the handlers of signals, change one number with one instruction. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* What stands behind these names in musl. */
extern void *__libc_malloc_impl(size_t size);
extern void __libc_free(void *memory);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size);
void free(void *memory);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);

enum { ARENA = 0x20000, LARGEST = 0x4000, ALIGNMENT = 16, STEP = 0x4000 };
enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, which not every version names; Linux before 5.14 refuses it, and pages come singly */

struct block { size_t size; }; /* of the bytes behind it, a multiple of ALIGNMENT */

static _Alignas(4096) unsigned char arena[ARENA];
static atomic_size_t used;    /* the first byte that nobody has */
static atomic_size_t touched; /* bytes from here on were never given out: they are zero */

static size_t room_of(size_t size)
{
    return ALIGNMENT + ((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
}

static struct block *block_of(void *memory)
{
    return (struct block *)((unsigned char *)memory - ALIGNMENT);
}

static int is_here(const void *memory)
{
    return (uintptr_t)memory - (uintptr_t)arena < ARENA;
}

/* The arena's end moves only from where the caller has seen it. */
static int end_move(size_t from, size_t to)
{
    return atomic_compare_exchange_strong(&used, &from, to);
}

/* Raised before the bytes are given out: whoever gets them a second time knows that they are not fresh. */
static void touched_raise(size_t to)
{
    size_t now = atomic_load(&touched);
    while (now < to && !atomic_compare_exchange_weak(&touched, &now, to))
        continue;
}

/* Pages are had four at a time, which costs half of what four first touches do. */
static void pages_take(size_t from, size_t to)
{
    int error = errno;
    for (size_t step = (from + STEP - 1) / STEP * STEP; step < to; step += STEP)
        madvise(arena + step, STEP, POPULATE_WRITE);
    errno = error;
}

/* NULL: no room. *fresh: how many bytes at its end are zero. */
static void *arena_take(size_t size, size_t *fresh)
{
    size_t from, to;
    if (size > LARGEST)
        return NULL;
    do {
        from = atomic_load(&used);
        to = from + room_of(size);
        if (to > ARENA)
            return NULL;
    } while (!end_move(from, to));
    size_t dirty = atomic_load(&touched);
    if (dirty < to)
        pages_take(dirty < from ? from : dirty, to);
    *fresh = dirty > to ? 0 : dirty < from ? to - from : to - dirty;
    touched_raise(to);
    struct block *block = (struct block *)(arena + from);
    block->size = to - from - ALIGNMENT;
    return arena + from + ALIGNMENT;
}

void *malloc(size_t size)
{
    size_t fresh;
    void *memory = arena_take(size, &fresh);
    return memory ? memory : __libc_malloc_impl(size);
}

void free(void *memory)
{
    if (!is_here(memory)) {
        __libc_free(memory);
        return;
    }
    size_t from = (size_t)((unsigned char *)memory - arena) - ALIGNMENT;
    end_move(from + ALIGNMENT + block_of(memory)->size, from);
}

void *calloc(size_t count, size_t size)
{
    size_t fresh = 0, bytes;
    unsigned char *memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_take(bytes, &fresh);
    if (!memory)
        return __libc_calloc(count, size);
    size_t room = block_of(memory)->size;
    memset(memory, 0, room - (fresh < room ? fresh : room));
    return memory;
}

void *realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    if (!is_here(memory))
        return __libc_realloc(memory, size);
    struct block *block = block_of(memory);
    size_t from = (size_t)((unsigned char *)block - arena), end = from + ALIGNMENT + block->size, wanted = from + room_of(size);
    if (size <= block->size)
        return memory;
    if (size <= LARGEST && wanted <= ARENA && end_move(end, wanted)) {
        size_t dirty = atomic_load(&touched);
        pages_take(dirty, wanted);
        touched_raise(wanted);
        block->size = wanted - from - ALIGNMENT;
        return memory;
    }
    void *other = malloc(size);
    if (!other)
        return NULL;
    memcpy(other, memory, block->size);
    free(memory);
    return other;
}
