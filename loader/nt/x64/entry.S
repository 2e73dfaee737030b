/* The ways between guest and kernel, x64.
 *
 * A system call does not trap: Wine's ntdll calls through the pointer at 0x7ffe1000, so this is an ordinary call from
 * ms_abi code on the guest's stack. The kernel side has a stack of its own (a guest's may be tiny, or end at a
 * guard page), and xmm6-15 must survive, which Linux code is free to use. */
        .text

/* struct nt_thread: host_sp 0, guest_sp 8, leave_sp 16, ..., in_kernel known to C only */
        .globl  nt_arch_entry
        .type   nt_arch_entry, @function
        .p2align 5
nt_arch_entry:
        movq    nt_thread_self@gottpoff(%rip), %r11
        movq    %fs:(%r11), %r11
        movq    %rsp, 8(%r11)
        movq    (%r11), %rsp
        subq    $0x120, %rsp
        movl    %eax, %eax
        movq    %rax, 0x00(%rsp)
        movq    %r10, 0x08(%rsp)
        movq    %rdx, 0x10(%rsp)
        movq    %r8,  0x18(%rsp)
        movq    %r9,  0x20(%rsp)
        movq    %rbx, 0x28(%rsp)
        movq    %rbp, 0x30(%rsp)
        movq    %rsi, 0x38(%rsp)
        movq    %rdi, 0x40(%rsp)
        movq    %r12, 0x48(%rsp)
        movq    %r13, 0x50(%rsp)
        movq    %r14, 0x58(%rsp)
        movq    %r15, 0x60(%rsp)
        movq    8(%r11), %rax
        movq    %rax, 0x68(%rsp)
        movaps  %xmm6,  0x70(%rsp)
        movaps  %xmm7,  0x80(%rsp)
        movaps  %xmm8,  0x90(%rsp)
        movaps  %xmm9,  0xa0(%rsp)
        movaps  %xmm10, 0xb0(%rsp)
        movaps  %xmm11, 0xc0(%rsp)
        movaps  %xmm12, 0xd0(%rsp)
        movaps  %xmm13, 0xe0(%rsp)
        movaps  %xmm14, 0xf0(%rsp)
        movaps  %xmm15, 0x100(%rsp)
        stmxcsr 0x110(%rsp)
        cld
        movq    %rsp, %rdi
        xorl    %ebp, %ebp
        call    nt_dispatch
        movaps  0x70(%rsp), %xmm6
        movaps  0x80(%rsp), %xmm7
        movaps  0x90(%rsp), %xmm8
        movaps  0xa0(%rsp), %xmm9
        movaps  0xb0(%rsp), %xmm10
        movaps  0xc0(%rsp), %xmm11
        movaps  0xd0(%rsp), %xmm12
        movaps  0xe0(%rsp), %xmm13
        movaps  0xf0(%rsp), %xmm14
        movaps  0x100(%rsp), %xmm15
        ldmxcsr 0x110(%rsp)
        movq    0x28(%rsp), %rbx
        movq    0x30(%rsp), %rbp
        movq    0x38(%rsp), %rsi
        movq    0x40(%rsp), %rdi
        movq    0x48(%rsp), %r12
        movq    0x50(%rsp), %r13
        movq    0x58(%rsp), %r14
        movq    0x60(%rsp), %r15
        movq    0x68(%rsp), %rsp
        ret
        .size   nt_arch_entry, . - nt_arch_entry

/* void nt_arch_enter(struct nt_thread *thread, struct nt_context *start) */
        .globl  nt_arch_enter
        .type   nt_arch_enter, @function
nt_arch_enter:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, 16(%rdi)
        leaq    -0x100(%rsp), %rax      /* system calls start below this frame and what nt_arch_resume uses */
        andq    $-64, %rax
        movq    %rax, (%rdi)
        movq    %rsi, %rdi
        subq    $8, %rsp
        call    nt_ps_enter
        ud2
        .size   nt_arch_enter, . - nt_arch_enter

/* _Noreturn void nt_arch_leave(struct nt_thread *thread) */
        .globl  nt_arch_leave
        .type   nt_arch_leave, @function
nt_arch_leave:
        movq    16(%rdi), %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .size   nt_arch_leave, . - nt_arch_leave

/* _Noreturn void nt_arch_resume(const struct nt_context *context): all registers at once, so the way out is iretq,
 * from this kernel stack; the guest's stack below Rsp is not written. */
        .globl  nt_arch_resume
        .type   nt_arch_resume, @function
nt_arch_resume:
        movq    %rdi, %rax
        testl   $8, 0x30(%rax)
        jz      1f
        fxrstor 0x100(%rax)
1:      movl    %ss, %ecx
        pushq   %rcx
        pushq   0x98(%rax)              /* Rsp */
        movl    0x44(%rax), %ecx
        andl    $0x240cd5, %ecx         /* status flags, TF, DF, AC, ID: what a user may set */
        orl     $0x202, %ecx
        pushq   %rcx
        movl    %cs, %ecx
        pushq   %rcx
        pushq   0xf8(%rax)              /* Rip */
        movq    0x80(%rax), %rcx
        movq    0x88(%rax), %rdx
        movq    0x90(%rax), %rbx
        movq    0xa0(%rax), %rbp
        movq    0xa8(%rax), %rsi
        movq    0xb0(%rax), %rdi
        movq    0xb8(%rax), %r8
        movq    0xc0(%rax), %r9
        movq    0xc8(%rax), %r10
        movq    0xd0(%rax), %r11
        movq    0xd8(%rax), %r12
        movq    0xe0(%rax), %r13
        movq    0xe8(%rax), %r14
        movq    0xf0(%rax), %r15
        movq    0x78(%rax), %rax
        iretq
        .size   nt_arch_resume, . - nt_arch_resume

/* int nt_arch_copy(void *to, const void *from, size_t size): the fault handler moves rip from anywhere between begin
 * and end to nt_arch_copy_fault. */
        .globl  nt_arch_copy, nt_arch_copy_begin, nt_arch_copy_end, nt_arch_copy_fault
        .type   nt_arch_copy, @function
nt_arch_copy:
        movq    %rdx, %rcx
nt_arch_copy_begin:
        cmpq    $8, %rcx
        jne     1f
        movq    (%rsi), %rax
        movq    %rax, (%rdi)
        jmp     nt_arch_copy_end
1:      cmpq    $4, %rcx
        jne     2f
        movl    (%rsi), %eax
        movl    %eax, (%rdi)
        jmp     nt_arch_copy_end
2:      rep movsb
nt_arch_copy_end:
        xorl    %eax, %eax
        ret
nt_arch_copy_fault:
        movl    $1, %eax
        ret
        .size   nt_arch_copy, . - nt_arch_copy

        .section .note.GNU-stack, "", @progbits
