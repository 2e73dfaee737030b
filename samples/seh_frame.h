/* What seh_caught needs of the machine: frames with an exception handler, and a few registers of a CONTEXT. */
#ifndef SEH_FRAME_H
#define SEH_FRAME_H

#include <windows.h>

typedef int (*frame_filter)(const EXCEPTION_RECORD *record); /* nonzero: catch it here */
typedef void (*frame_cleanup)(void);

/* Runs body in a frame whose handler asks filter; answers 1 if the exception was caught here, 0 if body returned. */
int frame_guard(void (*body)(void), frame_filter filter);

/* Runs body in a frame that catches nothing, but cleans up when an exception caught further out unwinds it. */
void frame_finally(void (*body)(void), frame_cleanup cleanup);

/* Divides 84 by zero in one instruction that runs again with what context_set_divisor put into its register. */
unsigned divide_by_zero(void);
void context_set_divisor(CONTEXT *context, unsigned divisor);
void context_skip(CONTEXT *context, unsigned bytes);
void *context_instruction(const CONTEXT *context);

#endif
