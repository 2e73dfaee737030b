/* The one lock of the arena, and sleeping on futexes.
 *
 * The lock word holds the owner's Linux thread ID, so that whoever waits too long can ask the system whether the owner
 * still lives. A robust list of the C library cannot do this: its layout differs between 32 and 64 bits. */
#include "loader/nt/linux_calls.h"
#include "loader/nt/ob/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_LIMIT = 100, PATIENCE_NS = 20 * 1000 * 1000 };

void (*ob_lock_repair)(uint32_t dead_owner) = ob_repair;

static __thread uint32_t own_id;             /* 0: not asked yet */
/* Whoever has the lock notes here whom to wake. What one leaves that ended meanwhile are false alarms. Not a thread's own: so
 * little is that otherwise that musl has room for it, and a start needs no mapping for it. */
static struct { uint32_t count; uint32_t *futex[OB_WAKE_LIMIT]; } wakes;

long ob_futex_wake(uint32_t *word, int count)
{
    return syscall(SYS_futex_time64, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

long ob_futex_wait(uint32_t *word, uint32_t value, const struct ob_timespec *deadline, bool realtime)
{
    int operation = FUTEX_WAIT_BITSET | (realtime ? FUTEX_CLOCK_REALTIME : 0);
    return syscall(SYS_futex_time64, word, operation, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY) ? -errno : 0;
}

static void id_forget(void)
{
    own_id = 0;
}

static uint32_t id_ask(void)
{
    static int registered;
    if (!__atomic_exchange_n(&registered, 1, __ATOMIC_RELAXED))
        pthread_atfork(NULL, NULL, id_forget);
    own_id = (uint32_t)syscall(SYS_gettid);
    return own_id;
}

/* A killed process stays as a zombie until its parent asks for it, perhaps for ever: it counts as dead. */
static bool owner_lives(uint32_t id)
{
    char path[40], text[256];
    snprintf(path, sizeof path, "/proc/%u/stat", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT && errno != ESRCH;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return false;
    text[length] = 0;
    const char *state = strrchr(text, ')');
    return !state || (state[1] == ' ' && state[2] != 'Z' && state[2] != 'X' && state[2] != 'x');
}

static void lock_wait(uint32_t *word, uint32_t self)
{
    for (int i = 0; i < SPIN_LIMIT; i++) {
        uint32_t free = 0;
        if (!__atomic_load_n(word, __ATOMIC_RELAXED) &&
            __atomic_compare_exchange_n(word, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        __builtin_ia32_pause();
    }
    /* From here on the waiters' bit stays set by whoever gets the lock this way: others may be asleep too. */
    self |= OB_LOCK_WAITERS;
    for (;;) {
        uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!value) {
            if (__atomic_compare_exchange_n(word, &value, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return;
            continue;
        }
        if (!(value & OB_LOCK_WAITERS)) {
            if (!__atomic_compare_exchange_n(word, &value, value | OB_LOCK_WAITERS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                continue;
            value |= OB_LOCK_WAITERS;
        }
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        struct ob_timespec deadline = {now.tv_sec, now.tv_nsec + PATIENCE_NS};
        if (deadline.nanoseconds >= 1000000000) {
            deadline.nanoseconds -= 1000000000;
            deadline.seconds++;
        }
        if (ob_futex_wait(word, value, &deadline, false) != -ETIMEDOUT || owner_lives(value & ~OB_LOCK_WAITERS))
            continue;
        if (__atomic_compare_exchange_n(word, &value, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            ob_arena->takeovers++;
            ob_lock_repair(value & ~OB_LOCK_WAITERS);
            return;
        }
    }
}

void nt_lock(void)
{
    uint32_t self = own_id ? own_id : id_ask(), free = 0;
    uint32_t *word = &ob_arena->lock;
    if (__atomic_compare_exchange_n(word, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    assert((free & ~OB_LOCK_WAITERS) != self);
    lock_wait(word, self);
}

void nt_unlock(void)
{
    uint32_t count = wakes.count, *futexes[OB_WAKE_LIMIT];
    memcpy(futexes, wakes.futex, count * sizeof *futexes);
    wakes.count = 0;
    ob_arena->turns++;
    uint32_t old = __atomic_exchange_n(&ob_arena->lock, 0, __ATOMIC_RELEASE);
    assert((old & ~OB_LOCK_WAITERS) == own_id);
    if (old & OB_LOCK_WAITERS)
        ob_futex_wake(&ob_arena->lock, 1);
    if (nt_config.tell)
        ob_tell_flush();
    /* The memory may have got a new owner meanwhile: everybody who sleeps on a futex expects false alarms. */
    for (uint32_t i = 0; i < count; i++)
        ob_futex_wake(futexes[i], 1);
}

void ob_wake_later(uint32_t *futex)
{
    if (wakes.count < OB_WAKE_LIMIT)
        wakes.futex[wakes.count++] = futex;
    else
        ob_futex_wake(futex, 1);
}
