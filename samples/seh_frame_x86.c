/* x86: handlers are a chain of records on the stack that begins at fs:[0]; each frame pushes its own by hand. */
#include "seh_frame.h"

struct frame_record {
    struct frame_record *next;
    EXCEPTION_DISPOSITION (*handler)(EXCEPTION_RECORD *, struct frame_record *, CONTEXT *, void *);
    void *function;   /* filter or cleanup */
    void *saved_ebp;
};

/* frame_guard pushes a frame_record, from its last field to its first, and links it. guard_resume(record) comes back
 * into that frame from the handler, after the unwinder has dropped everything above it. */
__asm__(
    "    .text\n"
    "    .globl _frame_guard\n"
    "_frame_guard:\n"
    "    pushl %ebp\n"
    "    movl %esp, %ebp\n"
    "    pushl %ebx\n"
    "    pushl %esi\n"
    "    pushl %edi\n"
    "    pushl %ebp\n"
    "    pushl 12(%ebp)\n"
    "    pushl $_guard_handler\n"
    "    pushl %fs:0\n"
    "    movl %esp, %fs:0\n"
    "    call *8(%ebp)\n"
    "    xorl %eax, %eax\n"
    "guard_end:\n"
    "    popl %fs:0\n"
    "    addl $12, %esp\n"
    "    popl %edi\n"
    "    popl %esi\n"
    "    popl %ebx\n"
    "    popl %ebp\n"
    "    ret\n"
    "\n"
    "_guard_resume:\n"
    "    movl 4(%esp), %esp\n"
    "    movl 12(%esp), %ebp\n"
    "    movl $1, %eax\n"
    "    jmp guard_end\n"
    "\n"
    "    .globl _frame_finally\n"
    "_frame_finally:\n"
    "    pushl %ebp\n"
    "    movl %esp, %ebp\n"
    "    pushl %ebp\n"
    "    pushl 12(%ebp)\n"
    "    pushl $_finally_handler\n"
    "    pushl %fs:0\n"
    "    movl %esp, %fs:0\n"
    "    call *8(%ebp)\n"
    "    popl %fs:0\n"
    "    movl %ebp, %esp\n"
    "    call *12(%ebp)\n"
    "    popl %ebp\n"
    "    ret\n");

void guard_resume(struct frame_record *frame) __attribute__((noreturn));
EXCEPTION_DISPOSITION guard_handler(EXCEPTION_RECORD *record, struct frame_record *frame, CONTEXT *context, void *dispatcher);
EXCEPTION_DISPOSITION finally_handler(EXCEPTION_RECORD *record, struct frame_record *frame, CONTEXT *context,
                                      void *dispatcher);

EXCEPTION_DISPOSITION guard_handler(EXCEPTION_RECORD *record, struct frame_record *frame, CONTEXT *context, void *dispatcher)
{
    (void)context;
    (void)dispatcher;
    if (!(record->ExceptionFlags & (EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND))
        && ((frame_filter)frame->function)(record)) {
        RtlUnwind(frame, NULL, record, NULL);
        guard_resume(frame);
    }
    return ExceptionContinueSearch;
}

EXCEPTION_DISPOSITION finally_handler(EXCEPTION_RECORD *record, struct frame_record *frame, CONTEXT *context, void *dispatcher)
{
    (void)context;
    (void)dispatcher;
    if (record->ExceptionFlags & EXCEPTION_UNWINDING)
        ((frame_cleanup)frame->function)();
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
    context->Ecx = divisor;
}

void context_skip(CONTEXT *context, unsigned bytes)
{
    context->Eip += bytes;
}

void *context_instruction(const CONTEXT *context)
{
    return (void *)context->Eip;
}
