/* BOOL win32_guarded(entry, base, reason, reserved, DWORD *exception): entry(base, reason, reserved) in a frame that ends
 * exceptions. Of one that nobody in the callee wanted, *exception becomes the code, and the answer is 0. Nothing is taken
 * from a register or the stack pointer afterwards but ebp's place, because initialisers are known that do not keep them.
 *
 *      ebp+24 exception  +20 reserved  +16 reason  +12 base  +8 entry  +4 return  +0 ebp  -4 ebx  -8 esi  -12 edi
 *      ebp-16 handler  -20 the next frame: together the record that fs:0 points at */
    .text
    .globl _win32_guarded
_win32_guarded:
    pushl %ebp
    movl %esp, %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl $guard_handler
    pushl %fs:0
    movl %esp, %fs:0
    pushl 20(%ebp)
    pushl 16(%ebp)
    pushl 12(%ebp)
    call *8(%ebp)
leave:                          /* fs:0 is still our record, whatever the callee did to ebp and esp */
    movl %fs:0, %edx
    leal 20(%edx), %ebp
    movl (%edx), %ecx
    movl %ecx, %fs:0
    leal -12(%ebp), %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

/* EXCEPTION_DISPOSITION guard_handler(record, frame, context, dispatch) */
guard_handler:
    movl 4(%esp), %eax
    testl $0x66, 4(%eax)        /* an unwinding, of whatever kind: nothing to do */
    jnz 1f
    pushl %ebp
    movl %esp, %ebp
    pushl $0
    pushl %eax
    pushl $unwound
    pushl 12(%ebp)              /* up to our frame, which stays */
    call _RtlUnwind@16
unwound:
    movl 8(%ebp), %eax
    movl (%eax), %ecx
    movl 12(%ebp), %edx
    movl 44(%edx), %eax         /* ebp+24 of that frame */
    movl %ecx, (%eax)
    xorl %eax, %eax
    movl %edx, %esp
    jmp leave
1:  movl $1, %eax               /* ExceptionContinueSearch */
    ret
