/* The end of the road for exceptions: the base frame of every thread, and the unhandled filters.
 *
 * kernelbase's own UnhandledExceptionFilter would start a debugger program; here the second chance goes to the host,
 * which tells code, address, registers and stack, and ends the process with the code. */
#include "loader/ldr/ldr.h"

typedef LONG (NTAPI *exception_filter)(struct ldr_exception_pointers *pointers);

static exception_filter top_filter;    /* SetUnhandledExceptionFilter */
static exception_filter base_filter;   /* RtlSetUnhandledExceptionFilter */

EXPORT void NTAPI RtlSetUnhandledExceptionFilter(exception_filter filter)
{
    __atomic_store_n(&base_filter, filter, __ATOMIC_RELEASE);
}

EXPORT exception_filter NTAPI SetUnhandledExceptionFilter(exception_filter filter)
{
    return __atomic_exchange_n(&top_filter, filter, __ATOMIC_ACQ_REL);
}

/* EXCEPTION_CONTINUE_SEARCH (0): nobody wanted it, the second chance follows. */
EXPORT LONG NTAPI UnhandledExceptionFilter(struct ldr_exception_pointers *pointers)
{
    exception_filter filter = __atomic_load_n(&top_filter, __ATOMIC_ACQUIRE);
    return filter ? filter(pointers) : 0;
}

/* What the base frame answers in the search phase: go on, search further, or end with the exception's code. */
LONG ldr_unhandled(struct nt_exception *record, struct nt_context *context)
{
    struct ldr_exception_pointers pointers = {record, context};
    LONG answer = UnhandledExceptionFilter(&pointers);
    if (answer == 1)
        NtTerminateProcess((HANDLE)-1, record->code);
    return answer;
}
