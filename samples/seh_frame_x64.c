/* x64: the handler of a frame stands in the unwind data of its function, so the two frames are written in assembly. */
#include "seh_frame.h"

/* Both functions take (body, filter or cleanup) and keep the second at 32(%rsp), which is the establisher frame + 32. */
__asm__(
    "    .text\n"
    "    .globl frame_guard\n"
    "    .seh_proc frame_guard\n"
    "    .seh_handler guard_handler, @except\n"
    "frame_guard:\n"
    "    subq $40, %rsp\n"
    "    .seh_stackalloc 40\n"
    "    .seh_endprologue\n"
    "    movq %rdx, 32(%rsp)\n"
    "    call *%rcx\n"
    "    xorl %eax, %eax\n"
    "guard_end:\n" /* reached by the unwinder too, with eax = 1 */
    "    addq $40, %rsp\n"
    "    ret\n"
    "    .seh_endproc\n"
    "\n"
    "    .globl frame_finally\n"
    "    .seh_proc frame_finally\n"
    "    .seh_handler finally_handler, @except, @unwind\n"
    "frame_finally:\n"
    "    subq $40, %rsp\n"
    "    .seh_stackalloc 40\n"
    "    .seh_endprologue\n"
    "    movq %rdx, 32(%rsp)\n"
    "    call *%rcx\n"
    "    call *32(%rsp)\n"
    "    addq $40, %rsp\n"
    "    ret\n"
    "    .seh_endproc\n");

extern const char guard_end[];

EXCEPTION_DISPOSITION guard_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, DISPATCHER_CONTEXT *dispatcher);
EXCEPTION_DISPOSITION finally_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context,
                                      DISPATCHER_CONTEXT *dispatcher);

EXCEPTION_DISPOSITION guard_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, DISPATCHER_CONTEXT *dispatcher)
{
    frame_filter filter = *(frame_filter *)((char *)frame + 32);

    if (!(record->ExceptionFlags & (EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND)) && filter(record))
        RtlUnwindEx(frame, (void *)guard_end, record, (void *)1, context, dispatcher->HistoryTable);
    return ExceptionContinueSearch;
}

EXCEPTION_DISPOSITION finally_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, DISPATCHER_CONTEXT *dispatcher)
{
    (void)context;
    (void)dispatcher;
    if (record->ExceptionFlags & EXCEPTION_UNWINDING)
        (*(frame_cleanup *)((char *)frame + 32))();
    return ExceptionContinueSearch;
}

unsigned divide_by_zero(void)
{
    unsigned quotient = 84, divisor = 0, remainder = 0;

    __asm__ volatile("divl %%ecx" : "+a"(quotient), "+d"(remainder), "+c"(divisor));
    return quotient;
}

void context_set_divisor(CONTEXT *context, unsigned divisor)
{
    context->Rcx = divisor;
}

void context_skip(CONTEXT *context, unsigned bytes)
{
    context->Rip += bytes;
}

void *context_instruction(const CONTEXT *context)
{
    return (void *)context->Rip;
}
