/* x64: the private system calls, the base frame of threads, and calls into foreign initialisers. */
        .text

/* Like ntdll's stubs: number in eax, first argument in r10, a call (not a trap) through the host's pointer. The
 * kernel finds the fifth argument behind two return addresses, as it does for ntdll. */
.macro  PRIVATE name, number
        .globl  \name
        .p2align 4
\name:  movq    %rcx, %r10
        movl    $\number, %eax
        call    1f
        ret
1:      jmp     *peload_host(%rip)
.endm
        PRIVATE peload_load,        0x7000
        PRIVATE peload_find,        0x7001
        PRIVATE peload_order,       0x7002
        PRIVATE peload_state,       0x7003
        PRIVATE peload_unload_plan, 0x7004
        PRIVATE peload_unload,      0x7005
        PRIVATE peload_symbol,      0x7006
        PRIVATE peload_reference,   0x7007
        PRIVATE peload_fatal,       0x7009

/* RtlUserThreadStart(start rcx, parameter rdx): the outermost guest frame. Its handler sees what nobody wanted. */
        .globl  RtlUserThreadStart
        .p2align 4
        .seh_proc RtlUserThreadStart
RtlUserThreadStart:
        subq    $0x28, %rsp
        .seh_stackalloc 0x28
        .seh_endprologue
        .seh_handler peload_base_handler, @except
        movq    peload_host + 0x18(%rip), %rax  /* kernel32!BaseThreadInitThunk(0, start, parameter) */
        testq   %rax, %rax
        jz      1f
        movq    %rdx, %r8
        movq    %rcx, %rdx
        xorl    %ecx, %ecx
        call    *%rax
        jmp     2f
1:      movq    %rcx, %rax                      /* an EXE on ntdll alone */
        movq    %rdx, %rcx
        call    *%rax
2:      movl    %eax, %ecx
        call    RtlExitUserThread
        int3
        .seh_endproc

/* Language handler (record rcx, frame rdx, context r8, dispatcher r9): only the search phase asks the filters. */
        .p2align 4
        .seh_proc peload_base_handler
peload_base_handler:
        subq    $0x28, %rsp
        .seh_stackalloc 0x28
        .seh_endprologue
        testl   $0x66, 4(%rcx)                  /* unwinding, exit unwind, target, collided */
        jnz     1f
        movq    %r8, %rdx
        call    ldr_unhandled
        cmpl    $-1, %eax
        jne     1f
        xorl    %eax, %eax                      /* ExceptionContinueExecution */
        jmp     2f
1:      movl    $1, %eax                        /* ExceptionContinueSearch */
2:      addq    $0x28, %rsp
        ret
        .seh_endproc

/* int peload_call_entry(entry rcx, base rdx, reason r8d, reserved r9, NTSTATUS *raised [rsp+0x28]).
 * All non-volatile registers are saved: initialisers exist that clobber them. */
        .globl  peload_call_entry
        .p2align 4
        .seh_proc peload_call_entry
peload_call_entry:
        pushq   %rbp
        .seh_pushreg %rbp
        pushq   %rbx
        .seh_pushreg %rbx
        pushq   %rsi
        .seh_pushreg %rsi
        pushq   %rdi
        .seh_pushreg %rdi
        pushq   %r12
        .seh_pushreg %r12
        pushq   %r13
        .seh_pushreg %r13
        pushq   %r14
        .seh_pushreg %r14
        pushq   %r15
        .seh_pushreg %r15
        subq    $0x28, %rsp
        .seh_stackalloc 0x28
        .seh_endprologue
        .seh_handler peload_entry_handler, @except, @unwind
        movq    %rcx, %rax
        movq    %rdx, %rcx
        movl    %r8d, %edx
        movq    %r9, %r8
        call    *%rax
        jmp     1f
        .globl  peload_entry_landing
peload_entry_landing:                           /* RtlUnwindEx lands here with the code in eax */
        movq    0x28 + 0x40 + 0x28(%rsp), %rdx
        movl    %eax, (%rdx)
        xorl    %eax, %eax
1:      addq    $0x28, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rdi
        popq    %rsi
        popq    %rbx
        popq    %rbp
        ret
        .seh_endproc

/* Unwinds to the frame whose initialiser raised. DISPATCHER_CONTEXT: ContextRecord 0x28, HistoryTable 0x40. */
        .p2align 4
        .seh_proc peload_entry_handler
peload_entry_handler:
        subq    $0x38, %rsp
        .seh_stackalloc 0x38
        .seh_endprologue
        testl   $0x66, 4(%rcx)
        jnz     1f
        movq    0x40(%r9), %rax
        movq    %rax, 0x28(%rsp)                /* HistoryTable */
        movq    0x28(%r9), %rax
        movq    %rax, 0x20(%rsp)                /* ContextRecord */
        movl    (%rcx), %r9d                    /* ReturnValue: the exception's code */
        movq    %rcx, %r8                       /* ExceptionRecord */
        movq    %rdx, %rcx                      /* TargetFrame */
        leaq    peload_entry_landing(%rip), %rdx
        call    RtlUnwindEx
1:      movl    $1, %eax
        addq    $0x38, %rsp
        ret
        .seh_endproc

/* NTSTATUS peload_call_tls(callback rcx, base rdx, reason r8d, reserved r9): the same call; the result is dropped, what it
 * raised is the answer. */
        .globl  peload_call_tls
        .p2align 4
        .seh_proc peload_call_tls
peload_call_tls:
        subq    $0x38, %rsp
        .seh_stackalloc 0x38
        .seh_endprologue
        leaq    0x30(%rsp), %rax
        movl    $0, (%rax)
        movq    %rax, 0x20(%rsp)
        call    peload_call_entry
        movl    0x30(%rsp), %eax
        addq    $0x38, %rsp
        ret
        .seh_endproc

/* Where the kernel starts an APC: (context rcx, routine rdx, argument1 r8, argument2 r9, argument3 [rsp+0x28]). */
        .globl  peload_apc
        .p2align 4
        .seh_proc peload_apc
peload_apc:
        pushq   %rbx
        .seh_pushreg %rbx
        subq    $0x20, %rsp
        .seh_stackalloc 0x20
        .seh_endprologue
        movq    %rcx, %rbx
        movq    %rdx, %rax
        movq    %r8, %rcx
        movq    %r9, %rdx
        movq    0x28 + 0x28(%rsp), %r8
        call    *%rax
        movq    %rbx, %rcx
        movl    $1, %edx                        /* other APCs may wait */
        call    NtContinue
        int3
        .seh_endproc

        .data
        .globl  peload_host
        .p2align 4
peload_host:
        .space  128

        .section .drectve, "yn"
        .ascii  " -export:RtlUserThreadStart -export:peload_apc -export:peload_host,data"
