/* i386: the private system calls, the base frame of threads, and calls into foreign initialisers.
 * Handlers hang in the chain at fs:[0]; a record is {next, handler}, ours with what is needed to come back behind it. */
        .text

/* Like ntdll's stubs: number in eax, arguments on the stack behind two return addresses; stdcall. */
.macro  PRIVATE name, number, bytes
        .globl  _\name\()@\bytes
        .p2align 4
_\name\()@\bytes:
        movl    $\number, %eax
        call    1f
        ret     $\bytes
1:      jmp     *_peload_host
.endm
        PRIVATE peload_load,        0x7000, 16
        PRIVATE peload_find,        0x7001, 12
        PRIVATE peload_order,       0x7002, 16
        PRIVATE peload_state,       0x7003, 8
        PRIVATE peload_unload_plan, 0x7004, 16
        PRIVATE peload_unload,      0x7005, 4
        PRIVATE peload_symbol,      0x7006, 16
        PRIVATE peload_reference,   0x7007, 8
        PRIVATE peload_fatal,       0x7009, 8

/* RtlUserThreadStart: start in eax, parameter in ebx. The outermost handler sees what nobody wanted. */
        .globl  _RtlUserThreadStart@8
        .p2align 4
_RtlUserThreadStart@8:
        xorl    %ebp, %ebp
        pushl   $peload_base_handler
        pushl   %fs:0
        movl    %esp, %fs:0
        movl    _peload_host + 0xc, %ecx        /* kernel32!BaseThreadInitThunk(ecx 0, edx start, parameter), fastcall */
        testl   %ecx, %ecx
        jz      1f
        pushl   %ebx
        movl    %eax, %edx
        movl    %ecx, %eax
        xorl    %ecx, %ecx
        call    *%eax
        jmp     2f
1:      pushl   %ebx                            /* an EXE on ntdll alone */
        call    *%eax
2:      pushl   %eax
        call    _RtlExitUserThread@4
        int3

/* EXCEPTION_DISPOSITION handler(record, frame, context, dispatcher), cdecl. */
        .p2align 4
peload_base_handler:
        movl    4(%esp), %eax
        testl   $0x66, 4(%eax)                  /* unwinding */
        jnz     1f
        pushl   12(%esp)
        pushl   %eax
        call    _ldr_unhandled
        addl    $8, %esp
        cmpl    $-1, %eax
        jne     1f
        xorl    %eax, %eax                      /* ExceptionContinueExecution */
        ret
1:      movl    $1, %eax                        /* ExceptionContinueSearch */
        ret

/* int peload_call_entry(entry, base, reason, reserved, raised), cdecl. Frame below ebp:
 * -4 ebx, -8 esi, -12 edi, -16 handler, -20 next: the record begins at -20. The call's own esp is restored from ebp,
 * so initialisers with the wrong calling convention are survived. */
        .globl  _peload_call_entry
        .p2align 4
_peload_call_entry:
        pushl   %ebp
        movl    %esp, %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   $peload_entry_handler
        pushl   %fs:0
        movl    %esp, %fs:0
        pushl   %ebp                            /* -24: survives an initialiser that clobbers ebp */
        pushl   20(%ebp)
        pushl   16(%ebp)
        pushl   12(%ebp)
        call    *8(%ebp)
        movl    %fs:0, %edx                     /* our record: the way back to this frame */
        leal    20(%edx), %ebp
        jmp     peload_entry_done
peload_entry_landing:                           /* ebp set by the handler, the code in eax */
        movl    24(%ebp), %edx
        movl    %eax, (%edx)
        xorl    %eax, %eax
peload_entry_done:
        leal    -20(%ebp), %esp
        popl    %fs:0
        addl    $4, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret

/* Unwinds the frames inside (RtlUnwind comes back to its caller on i386) and lands behind the call. */
        .p2align 4
peload_entry_handler:
        movl    4(%esp), %eax
        testl   $0x66, 4(%eax)
        jz      1f
        movl    $1, %eax
        ret
1:      movl    8(%esp), %edi                   /* our record */
        movl    (%eax), %esi                    /* the exception's code */
        pushl   $0
        pushl   %eax
        pushl   $2f
        pushl   %edi
        call    _RtlUnwind@16
2:      leal    20(%edi), %ebp
        movl    %esi, %eax
        jmp     peload_entry_landing

/* NTSTATUS peload_call_tls(callback, base, reason, reserved), cdecl: the result is dropped, what it raised is the answer. */
        .globl  _peload_call_tls
        .p2align 4
_peload_call_tls:
        pushl   %ebp
        movl    %esp, %ebp
        pushl   $0                              /* room for the code */
        pushl   %esp
        pushl   20(%ebp)
        pushl   16(%ebp)
        pushl   12(%ebp)
        pushl   8(%ebp)
        call    _peload_call_entry
        movl    -4(%ebp), %eax
        movl    %ebp, %esp
        popl    %ebp
        ret

/* Where the kernel starts an APC: (context, routine, argument 1..3), stdcall. */
        .globl  _peload_apc@20
        .p2align 4
_peload_apc@20:
        movl    4(%esp), %esi
        pushl   20(%esp)
        pushl   20(%esp)
        pushl   20(%esp)
        call    *20(%esp)
        pushl   $1                              /* other APCs may wait */
        pushl   %esi
        call    _NtContinue@8
        int3

        .data
        .globl  _peload_host
        .p2align 4
_peload_host:
        .space  64

        .section .drectve, "yn"
        .ascii  " -export:RtlUserThreadStart@8 -export:peload_apc@20 -export:peload_host,data"
