/* BOOL win32_guarded(entry, base, reason, reserved, DWORD *exception): entry(base, reason, reserved) in a frame that ends
 * exceptions. Of one that nobody in the callee wanted, *exception becomes the code, and the answer is 0. All registers
 * that a caller may rely on are saved, because initialisers are known that do not keep them. */
    .text
    .globl win32_guarded
    .def win32_guarded; .scl 2; .type 32; .endef
    .seh_proc win32_guarded
win32_guarded:
    pushq %rbp
    .seh_pushreg %rbp
    pushq %rbx
    .seh_pushreg %rbx
    pushq %rsi
    .seh_pushreg %rsi
    pushq %rdi
    .seh_pushreg %rdi
    pushq %r12
    .seh_pushreg %r12
    pushq %r13
    .seh_pushreg %r13
    pushq %r14
    .seh_pushreg %r14
    pushq %r15
    .seh_pushreg %r15
    movq %rsp, %rbp
    .seh_setframe %rbp, 0
    subq $40, %rsp
    .seh_stackalloc 40
    .seh_endprologue
    .seh_handler guard_handler, @except

    movq %rcx, %rax
    movq %rdx, %rcx
    movl %r8d, %edx
    movq %r9, %r8
    call *%rax
    nop
leave:
    leaq 0(%rbp), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rdi
    popq %rsi
    popq %rbx
    popq %rbp
    ret

/* RtlUnwindEx comes here with the code in rax; the fifth argument lies above eight registers, the return address and the
 * four home places. */
caught:
    movq 104(%rbp), %rcx
    movl %eax, (%rcx)
    xorl %eax, %eax
    jmp leave
    .seh_endproc

/* EXCEPTION_DISPOSITION guard_handler(record, frame, context, dispatch) */
    .seh_proc guard_handler
guard_handler:
    subq $56, %rsp
    .seh_stackalloc 56
    .seh_endprologue
    testl $0x66, 4(%rcx)        /* an unwinding, of whatever kind: nothing to do */
    jnz 1f
    movq %r8, 32(%rsp)          /* the context to unwind from */
    movq 0x40(%r9), %rax        /* DISPATCHER_CONTEXT.HistoryTable */
    movq %rax, 40(%rsp)
    movl (%rcx), %r9d           /* what rax is to be there: the code */
    movq %rcx, %r8
    movq %rdx, %rcx
    leaq caught(%rip), %rdx
    call RtlUnwindEx
1:  movl $1, %eax               /* ExceptionContinueSearch */
    addq $56, %rsp
    ret
    .seh_endproc
