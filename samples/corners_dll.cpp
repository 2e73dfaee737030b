/* The library of corners.c: names that are equal but for case, a dotted one, numbers with gaps; exceptions that are thrown and
 * caught in here, by C++ and by a frame's handler; and a way to end the process from inside a library. */
#include <stdlib.h>
#include <stdexcept>
#include <windows.h>
extern "C" {
#include "seh_frame.h"
}

static int unwound;

struct counter {
    ~counter() { unwound++; }
};

static int thrower(int depth)
{
    counter here;

    if (!depth)
        throw std::runtime_error("from the bottom");
    return thrower(depth - 1) + 1;
}

static void fault(void)
{
    *(volatile int *)8 = 1;
}

static int is_fault(const EXCEPTION_RECORD *record)
{
    return record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION;
}

extern "C" {

int corners_lower(void) { return 1; }
int corners_mixed(void) { return 2; }
int corners_upper(void) { return 3; }
int corners_dotted(void) { return 4; }
int corners_number(void) { return 5; }
int corners_far(void) { return 6; }

/* How many frames were cleaned up on the way. */
int corners_throw(int depth)
{
    unwound = 0;
    try {
        thrower(depth);
    } catch (const std::exception &) {
        return unwound;
    }
    return -1;
}

/* 1: caught here. */
int corners_fault(void)
{
    return frame_guard(fault, is_fault);
}

/* Through here into the program's frame. */
void corners_raise(void)
{
    RaiseException(0xE0C0FFEE, 0, 0, NULL);
}

void corners_exit(int code)
{
    exit(code);
}
}
