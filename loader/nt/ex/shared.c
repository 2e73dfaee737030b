/* KUSER_SHARED_DATA: one page that the guest reads without a system call, and whose clocks tick.
 *
 * The first tick is a timer's signal, 15.6 ms after the start. Only then is the page replaced by one that is mapped
 * twice (read-only where the guest expects it, writable somewhere for us), and only then is there a thread that goes
 * on ticking. A program that ends earlier has seen what it would see on Windows, where nothing moves between two
 * ticks either, and has not paid for it. */
#define _GNU_SOURCE
#include "loader/nt/arch.h"
#include "loader/nt/ex/private.h"
#include "loader/nt/mm.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct ksystem_time { ULONG low; LONG high1, high2; };

/* Windows 10's layout, the same for both widths; only what is not zero has a name. */
struct shared {
    ULONG tick_count_low, tick_count_multiplier;
    struct ksystem_time interrupt_time, system_time, zone_bias;
    USHORT image_number_low, image_number_high;
    WCHAR system_root[260];
    ULONG max_stack_trace_depth, crypto_exponent, zone_id, large_page_minimum, ait_sampling, app_compat;
    UCHAR random_seed_version[8];
    ULONG validation_runlevel, zone_bias_stamp;
    ULONG build_number, product_type;
    BOOLEAN product_type_valid, pad0;
    USHORT native_architecture;
    ULONG major_version, minor_version;
    UCHAR features[64];
    ULONG highest_user_address, system_range_start, time_slip, alternative_architecture, boot_id;
    UCHAR expiration[8];
    ULONG suite_mask;
    UCHAR debugger_enabled, mitigation_policies;
    USHORT cycles_per_yield;
    ULONG active_console, dismount_count, com_plus, last_input_tick, physical_pages;
    UCHAR safe_boot, virtualization, pad1[2];
    ULONG shared_flags, pad2;
    UCHAR test_return[8];
    LONGLONG counter_frequency;
    ULONG system_call, cet;
    UCHAR pad3[16];
    struct ksystem_time tick_count;
    UCHAR pad4[0x330 - 0x32c];
    ULONG cookie;
    UCHAR pad5[0x3c0 - 0x334];
    ULONG processor_count;
    UCHAR group_count;
    UCHAR rest[0x1000 - 0x3c5];
};
#define AT(field, offset) _Static_assert(offsetof(struct shared, field) == (offset), #field)
AT(interrupt_time, 0x8);
AT(system_time, 0x14);
AT(system_root, 0x30);
AT(large_page_minimum, 0x244);
AT(build_number, 0x260);
AT(native_architecture, 0x26a);
AT(major_version, 0x26c);
AT(features, 0x274);
AT(suite_mask, 0x2d0);
AT(active_console, 0x2d8);
AT(physical_pages, 0x2e8);
AT(counter_frequency, 0x300);
AT(system_call, 0x308);
AT(tick_count, 0x320);
AT(processor_count, 0x3c0);
_Static_assert(sizeof(struct shared) == 0x1000, "KUSER_SHARED_DATA's page");

enum { SHARED_ADDRESS = 0x7ffe0000, SHARED_PAGES = NT_WIDTH(1, 2), SHARED_SIZE = SHARED_PAGES * 0x1000 };
enum { TICK_SIGNAL_FROM_LAST = 0, TICK_STACK = 8192 };

static struct shared *const shared = (struct shared *)(uintptr_t)SHARED_ADDRESS; /* the guest's view */
static bool opened;
static struct shared *writable;           /* NULL until the first tick */
static int busy;                          /* somebody changes the page or its mapping; taken by atomic exchange */
static uint32_t interval = EX_TICK_DEFAULT; /* 100 ns; atomic */

uint32_t ex_shared_tick(void) { return __atomic_load_n(&interval, __ATOMIC_RELAXED); }

/* ---- ticking: no thread-local storage below, the ticker has none of its own ---------------------------- */

/* A reader takes high1, low, high2 and starts again where the two differ: so high2 goes first, high1 last. */
static void time_store(struct ksystem_time *at, uint64_t value)
{
    __atomic_store_n(&at->high2, (int32_t)(value >> 32), __ATOMIC_RELEASE);
    nt_arch_time_store(at, value);
}

static void shared_renew(struct shared *to)
{
    struct nt_wide_time real, steady;
    nt_arch_clock_get(CLOCK_REALTIME, &real);
    nt_arch_clock_get(CLOCK_MONOTONIC, &steady);
    uint64_t monotonic = (uint64_t)steady.seconds * EX_TICKS_PER_SECOND + (uint64_t)steady.nanoseconds / 100;
    uint64_t ticks = (uint64_t)steady.seconds * 1000 + (uint64_t)steady.nanoseconds / 1000000;
    time_store(&to->system_time, ex_time_of(real.seconds, real.nanoseconds));
    time_store(&to->interrupt_time, monotonic);
    time_store(&to->tick_count, ticks);
    __atomic_store_n(&to->tick_count_low, (uint32_t)ticks, __ATOMIC_RELEASE);
}

static int ticker(void *unused)
{
    (void)unused;
    for (;;) {
        struct nt_wide_time pause = {0, (int64_t)ex_shared_tick() * 100};
        shared_renew(writable);
        nt_arch_clock_sleep(CLOCK_MONOTONIC, &pause);
    }
    return 0;
}

/* The same contents in pages that are mapped twice. The guest's view changes over in one step: whoever reads it
 * meanwhile waits in a page fault. */
static bool shared_double(void)
{
    struct shared *second = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (second == MAP_FAILED)
        return false;
    memcpy(second, shared, SHARED_SIZE);
    /* Length 0: a second view of the same pages, which is made writable like the first... */
    void *view = mremap(second, 0, SHARED_SIZE, MREMAP_MAYMOVE);
    if (view == MAP_FAILED || mprotect(view, SHARED_SIZE, PROT_READ) ||
        /* ... and is moved to its place when it no longer is. */
        mremap(view, SHARED_SIZE, SHARED_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, shared) == MAP_FAILED)
        return false;
    writable = second;
    return true;
}

static void first_tick(int number);

static bool ticking_arm(uint32_t first)
{
    static int timer;
    static bool have_timer;
    struct sigaction action = {.sa_handler = first_tick, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX - TICK_SIGNAL_FROM_LAST};
    const struct { struct nt_wide_time interval, value; } when = {.value = {0, (int64_t)first * 100}};
    if (!have_timer) {
        sigfillset(&action.sa_mask);
        if (sigaction(event.sigev_signo, &action, NULL) || syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer))
            return false;
        have_timer = true;
    }
    return !syscall(SYS_timer_settime64, timer, 0, &when, NULL);
}

/* Runs on whichever thread the signal hits, with all signals blocked, which the ticker inherits. It may interrupt
 * anything, so it does nothing but system calls; where the page is being changed it comes back a little later. */
static void first_tick(int number)
{
    static char stack[TICK_STACK] __attribute__((aligned(64)));
    enum { LATER = 10000 };
    int error = errno;
    (void)number;
    if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        ticking_arm(LATER);
    } else {
        if (!writable && shared_double())
            clone(ticker, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
                  NULL);
        __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    }
    errno = error;
}

/* A finer tick takes effect at the next tick; one that was never started starts now. */
void ex_shared_tick_set(uint32_t wanted)
{
    __atomic_store_n(&interval, wanted, __ATOMIC_RELAXED);
    if (opened)
        ticking_arm(wanted);
}

/* ---- contents ----------------------------------------------------------------------------------------- */

bool ex_processor_feature(unsigned index)
{
    return opened && index < sizeof shared->features && shared->features[index];
}

static void shared_fill(void)
{
    static const char root[] = "C:\\windows";
    shared->tick_count_multiplier = 1u << 24; /* a tick is a millisecond */
    shared->image_number_low = NT_WIDTH(0x14c, 0x8664);
    shared->image_number_high = NT_WIDTH(0x14c, 0x8664);
    for (unsigned i = 0; root[i]; i++)
        shared->system_root[i] = (WCHAR)root[i];
    shared->large_page_minimum = 0x200000;
    shared->build_number = nt_config.version_build;
    shared->product_type = 1; /* workstation */
    shared->product_type_valid = 1;
    shared->native_architecture = NT_WIDTH(0, 9);
    shared->major_version = 10;
    ex_features_fill(shared->features);
    shared->highest_user_address = 0x7ffeffff;
    shared->system_range_start = 0x80000000;
    shared->suite_mask = 0x110; /* single-user terminal server */
    shared->active_console = 1;
    shared->processor_count = ex_processor_count();
    shared->physical_pages = (ULONG)(ex_memory_total() >> 12);
    shared->test_return[0] = 0xc3;
    shared->counter_frequency = EX_TICKS_PER_SECOND;
    shared->system_call = 1; /* Wine's stubs then call through the pointer in the next page */
    shared->group_count = 1;
    if (SHARED_PAGES > 1)
        *(uintptr_t *)(shared + 1) = nt_process.dispatcher_entry;
    shared_renew(shared);
}

/* Told when the time zone was first asked for, which kernelbase does at its start: a program whose parts do not care
 * does not wait for the zone's file to be read. Before the first tick the page is made writable for a moment. */
void ex_shared_zone_set(LONG bias, ULONG id)
{
    if (!opened)
        return;
    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        sched_yield();
    struct shared *to = writable ? writable : shared;
    if (writable || !mprotect(shared, SHARED_SIZE, PROT_READ | PROT_WRITE)) {
        to->zone_id = id;
        time_store(&to->zone_bias, (uint64_t)((int64_t)bias * 60 * EX_TICKS_PER_SECOND));
        if (!writable)
            mprotect(shared, SHARED_SIZE, PROT_READ);
    }
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

bool nt_ex_user_shared_data_open(void)
{
    uintptr_t base = SHARED_ADDRESS;
    if (opened)
        return true;
    /* Booked as the guest's memory, which it may only read. */
    if (nt_mm_allocate(&base, SHARED_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READONLY, 0) || base != SHARED_ADDRESS ||
        mprotect(shared, SHARED_SIZE, PROT_READ | PROT_WRITE))
        return false;
    shared_fill();
    opened = !mprotect(shared, SHARED_SIZE, PROT_READ);
    return opened && ticking_arm(EX_TICK_DEFAULT);
}
