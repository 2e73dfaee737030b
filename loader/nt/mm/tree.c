/* The tree of areas: AVL by address. Every node knows the span of its subtree and the widest free space inside it, so
 * that a free place is found without walking along the areas.
 *
 * Spans count whole granules: the rest of an area's last 64 KiB cannot be allocated. */
#include "loader/nt/mm/private.h"

#include <assert.h>

struct mm_area *mm_root;

static int height(const struct mm_area *area)
{
    return area ? area->height : 0;
}

static uintptr_t wider(uintptr_t a, uintptr_t b)
{
    return a > b ? a : b;
}

/* Free bytes between an end and a beginning; areas that a release has split may share a granule. */
static uintptr_t between(uintptr_t end, uintptr_t begin)
{
    return begin > end ? begin - end : 0;
}

static void refresh(struct mm_area *area)
{
    const struct mm_area *left = area->left, *right = area->right;
    uintptr_t low = mm_granule_down(area->base), high = mm_granule_up(mm_end(area));
    area->height = 1 + (height(left) > height(right) ? height(left) : height(right));
    area->span_low = left ? left->span_low : low;
    area->span_high = right ? right->span_high : high;
    area->span_gap = 0;
    if (left)
        area->span_gap = wider(left->span_gap, between(left->span_high, low));
    if (right)
        area->span_gap = wider(area->span_gap, wider(right->span_gap, between(high, right->span_low)));
}

static struct mm_area *rotate_right(struct mm_area *top)
{
    struct mm_area *up = top->left;
    top->left = up->right;
    up->right = top;
    refresh(top);
    refresh(up);
    return up;
}

static struct mm_area *rotate_left(struct mm_area *top)
{
    struct mm_area *up = top->right;
    top->right = up->left;
    up->left = top;
    refresh(top);
    refresh(up);
    return up;
}

static struct mm_area *balance(struct mm_area *area)
{
    int tilt = height(area->left) - height(area->right);
    if (tilt > 1) {
        if (height(area->left->left) < height(area->left->right))
            area->left = rotate_left(area->left);
        return rotate_right(area);
    }
    if (tilt < -1) {
        if (height(area->right->right) < height(area->right->left))
            area->right = rotate_right(area->right);
        return rotate_left(area);
    }
    refresh(area);
    return area;
}

static struct mm_area *insert(struct mm_area *node, struct mm_area *area)
{
    if (!node) {
        area->left = area->right = NULL;
        refresh(area);
        return area;
    }
    assert(mm_end(area) <= node->base || mm_end(node) <= area->base);
    if (area->base < node->base)
        node->left = insert(node->left, area);
    else
        node->right = insert(node->right, area);
    return balance(node);
}

static struct mm_area *take_first(struct mm_area *node, struct mm_area **first)
{
    if (!node->left) {
        *first = node;
        return node->right;
    }
    node->left = take_first(node->left, first);
    return balance(node);
}

static struct mm_area *without(struct mm_area *node, const struct mm_area *area)
{
    assert(node);
    if (area->base < node->base) {
        node->left = without(node->left, area);
    } else if (area->base > node->base) {
        node->right = without(node->right, area);
    } else {
        struct mm_area *next;
        assert(node == area);
        if (!node->left || !node->right)
            return node->left ? node->left : node->right;
        struct mm_area *right = take_first(node->right, &next);
        next->left = node->left;
        next->right = right;
        node = next;
    }
    return balance(node);
}

void mm_tree_insert(struct mm_area *area)
{
    mm_root = insert(mm_root, area);
}

void mm_tree_remove(struct mm_area *area)
{
    mm_root = without(mm_root, area);
}

static void refresh_path(struct mm_area *node, const struct mm_area *area)
{
    assert(node);
    if (area != node)
        refresh_path(area->base < node->base ? node->left : node->right, area);
    refresh(node);
}

void mm_tree_refresh(struct mm_area *area)
{
    refresh_path(mm_root, area);
}

struct mm_area *mm_tree_above(uintptr_t address)
{
    struct mm_area *found = NULL;
    for (struct mm_area *node = mm_root; node;) {
        if (mm_end(node) > address) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

struct mm_area *mm_tree_find(uintptr_t address)
{
    struct mm_area *area = mm_tree_above(address);
    return area && area->base <= address ? area : NULL;
}

/* ---- a free place ---------------------------------------------------------------------------------- */

struct search { uintptr_t size, low, high, alignment, found; bool top_down; };

static bool fits(struct search *search, uintptr_t low, uintptr_t high)
{
    uintptr_t mask = search->alignment - 1;
    low = low > search->low ? low : search->low;
    high = high < search->high ? high : search->high;
    if (high <= low || high - low < search->size)
        return false;
    uintptr_t at = search->top_down ? (high - search->size) & ~mask : (low + mask) & ~mask;
    if (at < low || at > high - search->size)
        return false;
    search->found = at;
    return true;
}

/* In the space [low, high) that the subtree stands in: its own gaps and those to both sides. */
static bool place(struct search *search, const struct mm_area *node, uintptr_t low, uintptr_t high)
{
    if (high <= search->low || low >= search->high || high <= low || high - low < search->size)
        return false;
    if (!node)
        return fits(search, low, high);
    if (node->span_gap < search->size && between(low, node->span_low) < search->size &&
        between(node->span_high, high) < search->size)
        return false;
    uintptr_t base = mm_granule_down(node->base), end = mm_granule_up(mm_end(node));
    if (search->top_down)
        return place(search, node->right, end, high) || place(search, node->left, low, base);
    return place(search, node->left, low, base) || place(search, node->right, end, high);
}

uintptr_t mm_tree_place(uintptr_t size, const struct mm_wish *wish)
{
    struct search search = {.size = size, .low = nt_process.user_low, .high = nt_process.user_high,
                            .alignment = MM_GRANULE, .top_down = wish->top_down};
    if (wish->low > search.low)
        search.low = wish->low;
    if (wish->high && wish->high < search.high)
        search.high = wish->high;
    if (wish->alignment > search.alignment)
        search.alignment = wish->alignment;
    return place(&search, mm_root, nt_process.user_low, mm_granule_up(nt_process.user_high)) ? search.found : 0;
}
