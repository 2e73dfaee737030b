/* The memory manager held against a model that is too simple to be wrong: an array with one entry per page. A fixed
 * seed makes 100,000 random calls; statuses, query answers, the processor's view of the pages and their contents must
 * agree after each. */
#include "nt_mm.h"

enum { WINDOW_GRANULES = 48, WINDOW_PAGES = WINDOW_GRANULES * 16, OPERATIONS = 100000 };

struct page {
    uint32_t allocation;                  /* page number of its base + 1; 0: free */
    uint32_t allocation_protect, protect; /* 0: reserved */
    uint8_t content;
};
static struct page model[WINDOW_PAGES];
static uintptr_t window;

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 11) % limit);
}

static uint32_t random_protect(void)
{
    static const uint32_t some[] = {PAGE_NOACCESS,
                                    PAGE_READONLY,
                                    PAGE_READWRITE,
                                    PAGE_READWRITE,
                                    PAGE_READWRITE,
                                    PAGE_EXECUTE_READ,
                                    PAGE_EXECUTE_READWRITE,
                                    PAGE_READWRITE | PAGE_GUARD,
                                    PAGE_READONLY | PAGE_GUARD};
    return some[random_below(sizeof some / sizeof *some)];
}

/* ---- the model's own rules ------------------------------------------------------------------------- */

static uint32_t allocation_end(uint32_t page)
{
    uint32_t end = page;
    while (end < WINDOW_PAGES && model[end].allocation == model[page].allocation)
        end++;
    return end;
}

static bool all_free(uint32_t from, uint32_t to)
{
    for (; from < to; from++)
        if (model[from].allocation)
            return false;
    return true;
}

static bool inside_one(uint32_t from, uint32_t to)
{
    return model[from].allocation && to <= allocation_end(from);
}

static bool readable(uint32_t page)
{
    uint32_t protect = model[page].protect;
    return protect && !(protect & (PAGE_GUARD | PAGE_NOACCESS));
}

static bool writable(uint32_t page)
{
    return readable(page) && model[page].protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE);
}

/* ---- the calls, on both ---------------------------------------------------------------------------- */

static uintptr_t address(uint32_t page)
{
    return window + (uintptr_t)page * PAGE;
}

static void step_reserve(void)
{
    uint32_t from = random_below(WINDOW_GRANULES) * 16, pages = 1 + random_below(40), protect = random_protect();
    bool commit = random_below(2);
    if (from + pages > WINDOW_PAGES)
        pages = WINDOW_PAGES - from;
    bool free = all_free(from, from + pages);
    STATUS_IS(allocate_at(address(from) + random_below(PAGE), pages * PAGE - (PAGE - 1),
                          commit ? RESERVE_COMMIT : MEM_RESERVE, protect),
              free ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES);
    for (uint32_t i = 0; free && i < pages; i++)
        model[from + i] = (struct page){from + 1, protect, commit ? protect : 0, 0};
}

static void range(uint32_t *from, uint32_t *to)
{
    *from = random_below(WINDOW_PAGES);
    *to = *from + 1 + random_below(24);
    if (*to > WINDOW_PAGES)
        *to = WINDOW_PAGES;
}

static void step_commit(void)
{
    uint32_t from, to, protect = random_protect();
    range(&from, &to);
    bool good = inside_one(from, to);
    STATUS_IS(allocate_at(address(from), (to - from) * PAGE, MEM_COMMIT, protect),
              good ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES);
    for (; good && from < to; from++) {
        if (!model[from].protect)
            model[from].content = 0;
        model[from].protect = protect;
    }
}

static void step_decommit(void)
{
    uint32_t from, to;
    range(&from, &to);
    bool good = inside_one(from, to);
    STATUS_IS(release(address(from), (to - from) * PAGE, MEM_DECOMMIT),
              good ? STATUS_SUCCESS : model[from].allocation ? STATUS_UNABLE_TO_FREE_VM : STATUS_MEMORY_NOT_ALLOCATED);
    for (; good && from < to; from++)
        model[from].protect = 0;
}

/* A part, which leaves one or two allocations behind, or all from the base on. */
static void step_release(void)
{
    uint32_t from, to;
    range(&from, &to);
    if (!model[from].allocation) {
        STATUS_IS(release(address(from), 0, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);
        return;
    }
    uint32_t base = model[from].allocation - 1, end = allocation_end(from);
    if (random_below(4)) {
        STATUS_IS(release(address(from), 0, MEM_RELEASE), from == base ? STATUS_SUCCESS : STATUS_FREE_VM_NOT_AT_BASE);
        if (from != base)
            STATUS_IS(release(address(base), 0, MEM_RELEASE), STATUS_SUCCESS);
        from = base;
        to = end;
    } else {
        STATUS_IS(release(address(from), (to - from) * PAGE, MEM_RELEASE), to <= end ? STATUS_SUCCESS : STATUS_UNABLE_TO_FREE_VM);
        if (to > end)
            return;
        for (uint32_t i = to; i < end; i++)
            model[i].allocation = to + 1;
    }
    for (; from < to; from++)
        model[from] = (struct page){0};
}

static void step_protect(void)
{
    uint32_t from, to, protect = random_protect();
    ULONG old = 0x55;
    range(&from, &to);
    NTSTATUS expected = inside_one(from, to) ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
    for (uint32_t i = from; !expected && i < to; i++)
        if (!model[i].protect)
            expected = STATUS_NOT_COMMITTED;
    STATUS_IS(protect_pages(address(from), (to - from) * PAGE, protect, &old), expected);
    if (expected)
        return;
    assert_int_equal(old, model[from].protect);
    for (; from < to; from++)
        model[from].protect = protect;
}

static void step_touch(void)
{
    uint32_t page = random_below(WINDOW_PAGES);
    bool write = random_below(2);
    enum nt_fault expected = NT_FAULT_ACCESS;
    if (model[page].protect & PAGE_GUARD)
        expected = NT_FAULT_GUARD;
    else if (write ? writable(page) : readable(page))
        expected = NT_FAULT_HANDLED;
    assert_int_equal(touch(address(page), write), expected);
    if (expected == NT_FAULT_GUARD)
        model[page].protect &= ~(uint32_t)PAGE_GUARD;
    if (expected == NT_FAULT_HANDLED && write)
        model[page].content = 1;
}

/* ---- comparing ------------------------------------------------------------------------------------- */

static bool same_region(uint32_t a, uint32_t b)
{
    return model[a].allocation == model[b].allocation && model[a].protect == model[b].protect;
}

static void check_query(uint32_t page)
{
    struct basic basic = query(address(page) + random_below(PAGE));
    const struct page *expected = &model[page];
    uint32_t end = page;
    while (end < WINDOW_PAGES && same_region(page, end))
        end++;
    assert_int_equal(basic.base, address(page));
    if (end < WINDOW_PAGES || expected->allocation)
        assert_int_equal(basic.size, (uintptr_t)(end - page) * PAGE);
    else
        assert_true(basic.size >= (uintptr_t)(end - page) * PAGE);
    assert_int_equal(basic.state, !expected->allocation ? MEM_FREE : expected->protect ? MEM_COMMIT : MEM_RESERVE);
    assert_int_equal(basic.type, expected->allocation ? MEM_PRIVATE : 0);
    assert_int_equal(basic.protect, expected->allocation ? expected->protect : PAGE_NOACCESS);
    assert_int_equal(basic.allocation_base, expected->allocation ? address(expected->allocation - 1) : 0);
    assert_int_equal(basic.allocation_protect, expected->allocation_protect);
}

/* The system reads it for us, or may not. */
static void check_pages(uint32_t page)
{
    char byte = 0x7f;
    struct iovec here = {&byte, 1}, there = {(void *)address(page), 1};
    bool got = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
    assert_int_equal(got, readable(page));
    if (got)
        assert_int_equal(byte, model[page].content);
}

/* The books themselves: a balanced tree in order, with spans that are true; runs in order, never two equal in a row. */
static int check_books(const struct mm_area *area, uintptr_t low, uintptr_t high)
{
    if (!area)
        return 0;
    assert_true(area->base >= low && mm_end(area) <= high);
    int left = check_books(area->left, low, area->base), right = check_books(area->right, mm_end(area), high);
    assert_true(left - right <= 1 && right - left <= 1);
    assert_int_equal(area->height, 1 + (left > right ? left : right));
    assert_int_equal(area->span_low, area->left ? area->left->span_low : mm_granule_down(area->base));
    assert_int_equal(area->span_high, area->right ? area->right->span_high : mm_granule_up(mm_end(area)));
    const struct mm_run *runs = mm_runs_array(&area->runs);
    assert_int_equal(runs[0].at, 0);
    for (uint32_t i = 1; i < area->runs.count; i++) {
        assert_true(runs[i].at > runs[i - 1].at && runs[i].at < area->size && runs[i].at % PAGE == 0);
        assert_int_not_equal(runs[i].state, runs[i - 1].state);
    }
    return area->height;
}

static void random_calls(void **state)
{
    static void (*const steps[])(void) = {step_reserve, step_commit, step_commit, step_decommit, step_release, step_protect,
                                          step_protect, step_touch, step_touch};
    (void)state;
    window = allocated(WINDOW_PAGES * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    STATUS_IS(release(window, 0, MEM_RELEASE), STATUS_SUCCESS);
    uintptr_t fence = window + (uintptr_t)WINDOW_PAGES * PAGE;
    STATUS_IS(allocate_at(fence, PAGE, MEM_RESERVE, PAGE_NOACCESS), STATUS_SUCCESS);
    for (int i = 0; i < OPERATIONS; i++) {
        steps[random_below(sizeof steps / sizeof *steps)]();
        for (int j = 0; j < 3; j++) {
            uint32_t page = random_below(WINDOW_PAGES);
            check_query(page);
            check_pages(page);
        }
        if (i % 8 == 0)
            check_books(mm_root, 0, UINTPTR_MAX);
        if (i % 1000 == 0)
            for (uint32_t page = 0; page < WINDOW_PAGES; page++)
                check_query(page), check_pages(page);
    }
    for (uint32_t page = 0; page < WINDOW_PAGES; page++)
        if (model[page].allocation == page + 1)
            STATUS_IS(release(address(page), 0, MEM_RELEASE), STATUS_SUCCESS);
    STATUS_IS(release(fence, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* ---- a free place, against a search page by page ------------------------------------------------------- */

static void random_places(void **state)
{
    enum { GRANULES = 300, ROUNDS = 20000 };
    static bool taken[GRANULES];
    static uint8_t length[GRANULES];
    (void)state;
    uintptr_t base = 0x50000000;
    STATUS_IS(allocate_at(base, GRANULES * GRANULE, MEM_RESERVE, PAGE_NOACCESS), STATUS_SUCCESS);
    STATUS_IS(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t want = 1 + random_below(12), granule = random_below(GRANULES);
        bool down = random_below(2);
        if (random_below(5) < 2) {
            if (length[granule]) {
                STATUS_IS(release(base + (uintptr_t)granule * GRANULE, 0, MEM_RELEASE), STATUS_SUCCESS);
                memset(taken + granule, 0, length[granule]);
                length[granule] = 0;
            }
            continue;
        }
        int expected = -1;
        for (int i = down ? GRANULES - (int)want : 0; expected < 0 && i >= 0 && i <= GRANULES - (int)want; i += down ? -1 : 1) {
            uint32_t free = 0;
            while (free < want && !taken[i + (int)free])
                free++;
            if (free == want)
                expected = i;
        }
        struct { uintptr_t lowest, highest; SIZE_T alignment; } limits = {base, base + GRANULES * GRANULE - 1, 0};
        struct { uint64_t type; union { uint64_t number; void *pointer; }; } parameter = {1, {.number = 0}};
        uintptr_t got = 0;
        SIZE_T size = want * GRANULE - random_below(GRANULE);
        parameter.pointer = &limits;
        NTSTATUS status =
            NtAllocateVirtualMemoryEx(NT_CURRENT_PROCESS, (void **)&got, &size, MEM_RESERVE | (down ? MEM_TOP_DOWN : 0),
                                      PAGE_READWRITE, &parameter, 1);
        STATUS_IS(status, expected < 0 ? STATUS_NO_MEMORY : STATUS_SUCCESS);
        if (expected < 0)
            continue;
        assert_int_equal(got, base + (uintptr_t)expected * GRANULE);
        memset(taken + expected, 1, want);
        length[expected] = (uint8_t)want;
    }
    for (uint32_t i = 0; i < GRANULES; i++)
        if (length[i])
            STATUS_IS(release(base + (uintptr_t)i * GRANULE, 0, MEM_RELEASE), STATUS_SUCCESS);
}

/* Threads at once: each works in an allocation of its own, all in the same books. */
static void *worker(void *argument)
{
    uintptr_t seed = (uintptr_t)argument;
    for (int i = 0; i < 2000; i++) {
        uintptr_t base = 0;
        SIZE_T size = (1 + (seed * 7 + (uintptr_t)i) % 30) * PAGE;
        if (NtAllocateVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, 0, &size, RESERVE_COMMIT, PAGE_READWRITE))
            return (void *)1;
        *(uintptr_t *)base = seed;
        *(uintptr_t *)(base + size - sizeof(uintptr_t)) = seed;
        if (*(uintptr_t *)base != seed || NtFreeVirtualMemory(NT_CURRENT_PROCESS, (void **)&base, &(SIZE_T){0}, MEM_RELEASE))
            return (void *)2;
    }
    return NULL;
}

static void threads(void **state)
{
    pthread_t thread[4];
    (void)state;
    for (uintptr_t i = 0; i < 4; i++)
        thread[i] = kernel_thread_start(worker, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        assert_null(kernel_thread_join(thread[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls), cmocka_unit_test(random_places), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, mm_open, NULL);
}
