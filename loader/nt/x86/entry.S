/* The ways between guest and kernel, i386. FS is the guest's TEB, GS the C library's thread: neither is swapped.
 * Wine's stubs do `mov $number,%eax; call dispatcher; ret $n`, all arguments on the guest's stack. */
        .text

/* struct nt_thread: host_sp 0, guest_sp 4, leave_sp 8 */
        .globl  nt_arch_entry
        .type   nt_arch_entry, @function
        .p2align 4
nt_arch_entry:
        movl    %gs:nt_thread_self@ntpoff, %ecx
        movl    %esp, 4(%ecx)
        movl    %esp, %edx
        movl    (%ecx), %esp
        subl    $0x20, %esp
        movl    %eax, 0x00(%esp)
        movl    %ebx, 0x04(%esp)
        movl    %ebp, 0x08(%esp)
        movl    %esi, 0x0c(%esp)
        movl    %edi, 0x10(%esp)
        movl    %edx, 0x14(%esp)
        cld
        movl    %esp, %eax
        xorl    %ebp, %ebp
        subl    $16, %esp
        movl    %eax, (%esp)
        call    nt_dispatch
        addl    $16, %esp
        movl    0x04(%esp), %ebx
        movl    0x08(%esp), %ebp
        movl    0x0c(%esp), %esi
        movl    0x10(%esp), %edi
        movl    0x14(%esp), %esp
        ret
        .size   nt_arch_entry, . - nt_arch_entry

/* void nt_arch_enter(struct nt_thread *thread, struct nt_context *start) */
        .globl  nt_arch_enter
        .type   nt_arch_enter, @function
nt_arch_enter:
        movl    4(%esp), %eax
        movl    8(%esp), %edx
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        movl    %esp, 8(%eax)
        leal    -0x100(%esp), %ecx
        andl    $-64, %ecx
        movl    %ecx, (%eax)
        subl    $8, %esp
        pushl   %edx
        call    nt_ps_enter
        ud2
        .size   nt_arch_enter, . - nt_arch_enter

/* _Noreturn void nt_arch_leave(struct nt_thread *thread) */
        .globl  nt_arch_leave
        .type   nt_arch_leave, @function
nt_arch_leave:
        movl    4(%esp), %eax
        movl    8(%eax), %esp
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        ret
        .size   nt_arch_leave, . - nt_arch_leave

/* int nt_arch_copy(void *to, const void *from, size_t size): the fault handler moves eip from anywhere between begin
 * and end to nt_arch_copy_fault. */
        .globl  nt_arch_copy, nt_arch_copy_begin, nt_arch_copy_end, nt_arch_copy_fault
        .type   nt_arch_copy, @function
nt_arch_copy:
        pushl   %esi
        pushl   %edi
        movl    12(%esp), %edi
        movl    16(%esp), %esi
        movl    20(%esp), %ecx
nt_arch_copy_begin:
        cmpl    $4, %ecx
        jne     1f
        movl    (%esi), %eax
        movl    %eax, (%edi)
        jmp     nt_arch_copy_end
1:      rep movsb
nt_arch_copy_end:
        xorl    %eax, %eax
        jmp     2f
nt_arch_copy_fault:
        movl    $1, %eax
2:      popl    %edi
        popl    %esi
        ret
        .size   nt_arch_copy, . - nt_arch_copy

        .section .note.GNU-stack, "", @progbits
