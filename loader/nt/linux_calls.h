/* Linux system calls that take times, asked for by number: their times are two 64-bit words on every machine and under
 * every C library. (glibc's struct timespec has 32-bit words on i386, musl's has not.) */
#ifndef NT_LINUX_CALLS_H
#define NT_LINUX_CALLS_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* x86-64 has one form only. */
#ifndef SYS_futex_time64
#define SYS_futex_time64 SYS_futex
#endif
#ifndef SYS_timer_settime64
#define SYS_timer_settime64 SYS_timer_settime
#endif

struct nt_wide_time { int64_t seconds, nanoseconds; };

/* Sleeps while *word is `value`, a tenth of a second at most: a lost wake-up costs that much, never a hang. */
static inline void nt_futex_sleep(const volatile void *word, uint32_t value)
{
    const struct nt_wide_time limit = {0, 100000000};
    syscall(SYS_futex_time64, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

static inline void nt_futex_wake(const volatile void *word, int count)
{
    syscall(SYS_futex_time64, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

#endif
