/* Counts, from the outside, what explains each object's references in an arena, and compares: handle tables, names, waits, what
 * processes hold, links between objects. Written apart from the code that keeps these counts, ob/visit.c among it. */
#ifndef TESTS_ARENA_COUNT_H
#define TESTS_ARENA_COUNT_H

#include <stdbool.h>
#include <stddef.h>

/* The lock of the arena (ob_arena) is held. True: everything is as it must be. Else `wrong` says what is not. */
bool arena_count(char *wrong, size_t room);

/* Takes the lock if it is free: whoever looks on from outside never takes it from a dead owner. */
bool arena_lock_try(void);
void arena_lock_give(void);

#endif
