/* Faults on guest memory, and the stacks that grow by them.
 *
 * A stack's allocation, from below: a page that is never given; reserved pages; the guard page; committed pages up to
 * StackBase. Whoever touches the guard page moves it down by one, until what remains is the guarantee that a handler
 * of the overflow may use. */
#include "loader/nt/mm/private.h"

#include <errno.h>
#include <sys/mman.h>

enum { GUARANTEE = NT_WIDTH(0x1000, 0x2000) }; /* what a stack keeps for its overflow's handler, at least */

static int make_reserved(uintptr_t base, uintptr_t size, void *rights)
{
    return mm_linux_reserve(base, size, *(int *)rights);
}

NTSTATUS nt_mm_stack_create(size_t reserve, size_t commit, uintptr_t *low, uintptr_t *limit, uintptr_t *high)
{
    int rights = PROT_NONE;
    struct mm_area *area;
    if (reserve < MM_GRANULE)
        reserve = MM_GRANULE;
    if (reserve > nt_process.user_high - nt_process.user_low)
        return STATUS_NO_MEMORY;
    reserve = mm_granule_up(reserve);
    commit = mm_page_up(commit ? commit : MM_PAGE);
    /* A stack that commits all it has still has the lowest page and the guard page. */
    if (commit > reserve - 2 * MM_PAGE)
        commit = reserve - 2 * MM_PAGE;
    mm_lock();
    NTSTATUS status = mm_area_create(0, reserve, NULL, MEM_PRIVATE, PAGE_READWRITE, 0, 0, make_reserved, &rights, &area);
    if (!status) {
        uintptr_t top = mm_end(area), bottom = top - commit;
        status = mm_area_set(area, bottom, top, MM_COMMITTED | PAGE_READWRITE);
        if (!status)
            status = mm_area_set(area, bottom - MM_PAGE, bottom, MM_COMMITTED | PAGE_READWRITE | PAGE_GUARD);
        if (status)
            mm_area_destroy(area, true);
        *low = top - reserve;
        *limit = bottom;
        *high = top;
    }
    mm_unlock();
    return status;
}

/* The fields of a TEB that describe its stack. */
struct stack { uintptr_t base, limit, allocation; ULONG guaranteed; };

/* Guest memory, hence without the lock and by the road that survives anything. */
static bool stack_read(struct nt_teb *teb, struct stack *stack)
{
    return teb && NT_GET(stack->base, &teb->stack_base) && NT_GET(stack->limit, &teb->stack_limit) &&
           NT_GET(stack->allocation, &teb->stack_allocation) && NT_GET(stack->guaranteed, &teb->guaranteed_stack);
}

/* The guard page at `page` was touched: it is an ordinary page now. Lock held. */
static enum nt_fault stack_grow(struct mm_area *area, uintptr_t page, struct stack *stack)
{
    uintptr_t guarantee = mm_page_up(stack->guaranteed > GUARANTEE ? stack->guaranteed : GUARANTEE);
    uintptr_t lowest = area->base + MM_PAGE; /* below it nothing is ever given */
    if (page >= lowest + guarantee + MM_PAGE) {
        if (mm_area_set(area, page - MM_PAGE, page, MM_COMMITTED | PAGE_READWRITE | PAGE_GUARD))
            return NT_FAULT_STACK_OVERFLOW;
        stack->limit = page;
        return NT_FAULT_HANDLED;
    }
    if (page > lowest)
        mm_area_set(area, lowest, page, MM_COMMITTED | PAGE_READWRITE);
    stack->limit = lowest < page ? lowest : page;
    return NT_FAULT_STACK_OVERFLOW;
}

static bool allowed(int rights, int access)
{
    return rights & (access == 8 ? PROT_EXEC : access == 1 ? PROT_WRITE : PROT_READ);
}

/* The books allow what the processor refused: another thread changed the rights between the two, or a view shows pages
 * that its file no longer has. */
static enum nt_fault disagreement(const struct mm_area *area, uintptr_t address)
{
    static __thread struct { uintptr_t address; unsigned times; } last;
    if (area->type != MEM_PRIVATE && !mm_linux_readable(address))
        return NT_FAULT_IN_PAGE;
    last.times = last.address == address ? last.times + 1 : 0;
    last.address = address;
    if (last.times < 1000)
        return NT_FAULT_HANDLED;
    last.times = 0; /* rights that were changed behind these books: no endless loop */
    return NT_FAULT_ACCESS;
}

static enum nt_fault fault_locked(uintptr_t address, int access, struct stack *stack)
{
    uintptr_t page = mm_page_down(address);
    struct mm_area *area = mm_tree_find(address);
    if (!area || !area->type)
        return NT_FAULT_ACCESS;
    uint32_t state = mm_area_state(area, page);
    if (!(state & MM_COMMITTED))
        return NT_FAULT_ACCESS;
    if (state & PAGE_GUARD) {
        mm_area_set(area, page, page + MM_PAGE, state & ~(uint32_t)PAGE_GUARD);
        if (area->base == stack->allocation && address < stack->base)
            return stack_grow(area, page, stack);
        return NT_FAULT_GUARD;
    }
    if (allowed(mm_area_rights(area, state), access))
        return disagreement(area, address);
    if (access == 1 && area->flags & MM_WRITE_WATCH && allowed(mm_area_rights(area, state | MM_DIRTY), access))
        return mm_area_mark(area, page, page + MM_PAGE, MM_DIRTY, true) ? NT_FAULT_ACCESS : NT_FAULT_HANDLED;
    return NT_FAULT_ACCESS;
}

enum nt_fault nt_mm_fault(uintptr_t address, int access, struct nt_teb *teb)
{
    struct stack stack;
    if (!stack_read(teb, &stack))
        stack = (struct stack){0};
    uintptr_t limit = stack.limit;
    mm_lock();
    enum nt_fault result = fault_locked(address, access, &stack);
    mm_unlock();
    if (stack.limit != limit && !nt_write(&teb->stack_limit, &stack.limit, sizeof stack.limit))
        return NT_FAULT_ACCESS;
    return result;
}
