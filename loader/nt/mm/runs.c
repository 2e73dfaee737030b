/* Runs: page states of one area, equal neighbours merged. */
#include "loader/nt/mm/private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8 };

void mm_runs_open(struct mm_runs *runs, uint32_t state)
{
    *runs = (struct mm_runs){.count = 1, .room = 1, .one = {0, state}};
}

void mm_runs_close(struct mm_runs *runs)
{
    free(runs->array);
    runs->array = NULL;
}

const struct mm_run *mm_runs_array(const struct mm_runs *runs)
{
    return runs->array ? runs->array : &runs->one;
}

uint32_t mm_runs_find(const struct mm_runs *runs, uintptr_t at)
{
    const struct mm_run *array = mm_runs_array(runs);
    uint32_t low = 0, high = runs->count; /* array[low].at <= at < array[high].at */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (array[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uintptr_t mm_runs_end(const struct mm_runs *runs, uint32_t index, uintptr_t size)
{
    return index + 1 < runs->count ? mm_runs_array(runs)[index + 1].at : size;
}

/* One state set in the middle of a run makes two more. */
bool mm_runs_room(struct mm_runs *runs, uint32_t more)
{
    uint32_t need = runs->count + 2 * more;
    if (need <= runs->room)
        return true;
    uint32_t room = runs->room < FIRST_ROOM ? FIRST_ROOM : runs->room * 2;
    while (room < need)
        room *= 2;
    struct mm_run *array = realloc(runs->array, room * sizeof *array);
    if (!array)
        return false;
    if (!runs->array)
        array[0] = runs->one;
    runs->array = array;
    runs->room = room;
    return true;
}

void mm_runs_set(struct mm_runs *runs, uintptr_t at, uintptr_t end, uintptr_t size, uint32_t state)
{
    assert(at < end && end <= size);
    if (at == 0 && end == size) {
        runs->count = 1;
        *(runs->array ? runs->array : &runs->one) = (struct mm_run){0, state};
        return;
    }
    /* Up to three runs take the place of those that [at, end) touches, neighbours that turn out equal included. */
    const struct mm_run *old = mm_runs_array(runs);
    uint32_t first = mm_runs_find(runs, at), last = mm_runs_find(runs, end - 1);
    struct mm_run made[3];
    uint32_t count = 0;
    if (old[first].at < at && old[first].state != state)
        made[count++] = old[first];
    else if (old[first].at == at && first > 0 && old[first - 1].state == state)
        first--;
    made[count++] = (struct mm_run){old[first].state == state ? old[first].at : at, state};
    if (mm_runs_end(runs, last, size) > end) {
        if (old[last].state != state)
            made[count++] = (struct mm_run){end, old[last].state};
    } else if (last + 1 < runs->count && old[last + 1].state == state) {
        last++;
    }
    uint32_t replaced = last - first + 1;
    if (count == 1 && replaced == 1 && old[first].at == made[0].at && old[first].state == state)
        return;
    assert(runs->count - replaced + count <= runs->room);
    struct mm_run *array = runs->array ? runs->array : &runs->one;
    memmove(array + first + count, array + last + 1, (runs->count - last - 1) * sizeof *array);
    memcpy(array + first, made, count * sizeof *array);
    runs->count = runs->count - replaced + count;
}

void mm_runs_cut(struct mm_runs *runs, uintptr_t at, uintptr_t end)
{
    struct mm_run *array = runs->array ? runs->array : &runs->one;
    uint32_t first = mm_runs_find(runs, at), last = mm_runs_find(runs, end - 1);
    memmove(array, array + first, (last - first + 1) * sizeof *array);
    runs->count = last - first + 1;
    array[0].at = 0;
    for (uint32_t i = 1; i < runs->count; i++)
        array[i].at -= at;
}

bool mm_runs_copy(struct mm_runs *to, const struct mm_runs *from)
{
    *to = *from;
    to->room = 1;
    if (!from->array)
        return true;
    to->array = malloc(from->count * sizeof *to->array);
    if (!to->array)
        return false;
    memcpy(to->array, from->array, from->count * sizeof *to->array);
    to->room = from->count;
    return true;
}
