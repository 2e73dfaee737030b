/* What differs between x64 and i386 in the kernel: registers, the way in and out, frames on the guest's stack.
 * x64/ and x86/ mirror each other; the Makefile chooses one. */
#ifndef NT_ARCH_H
#define NT_ARCH_H

#include "loader/nt/linux_calls.h"
#include "loader/nt/ps.h"

#include <ucontext.h>

/* Guest registers as a system call found them; pushed by entry.S at the top of the thread's kernel stack, the call's
 * number first. */
struct nt_frame;
static inline uint32_t nt_frame_number(const struct nt_frame *frame) { return *(const uint32_t *)(const void *)frame; }
/* Copies `count` argument words. False: the guest's stack is not readable. */
bool nt_frame_arguments(const struct nt_frame *frame, unsigned count, uintptr_t *arguments);

/* ---- entry.S */
void nt_arch_entry(void);                                          /* where the guest's system-call stubs arrive */
void nt_arch_enter(struct nt_thread *thread, struct nt_context *start); /* runs guest code; returns at nt_arch_leave */
_Noreturn void nt_arch_leave(struct nt_thread *thread);            /* back out of nt_arch_enter, guest stack abandoned */
_Noreturn void nt_arch_resume(const struct nt_context *context);   /* every register, then the guest goes on */
int nt_arch_copy(void *to, const void *from, size_t size);         /* 0: done, 1: a fault stopped it */
extern const char nt_arch_copy_begin[], nt_arch_copy_end[], nt_arch_copy_fault[];

/* ---- arch.c */
void nt_arch_set_teb(struct nt_teb *teb);                          /* GS (x64) or FS (i386) of this host thread */
/* The calling thread's guest registers at its system call, which is to return `status`. */
void nt_arch_context_of_call(const struct nt_thread *thread, NTSTATUS status, struct nt_context *context);
void nt_arch_context_from_signal(struct nt_context *context, const ucontext_t *signal);
/* A Linux system call that would be begun again after this signal fails with EINTR instead. */
void nt_arch_signal_interrupts(ucontext_t *signal);
void nt_arch_context_to_signal(const struct nt_context *context, ucontext_t *signal);
/* Copies the parts that `flags` asks for (CONTEXT_CONTROL, ...). */
void nt_arch_context_merge(struct nt_context *to, const struct nt_context *from, ULONG flags);
/* A fresh thread's registers: entry gets (start, parameter) as LdrInitializeThunk's context holds them. */
void nt_arch_context_start(struct nt_context *context, uintptr_t rtl_user_thread_start, uintptr_t start, uintptr_t parameter,
                           uintptr_t stack_high);
/* Puts *start on the guest's stack and makes *first begin at `entry` (LdrInitializeThunk) with its address. */
bool nt_arch_context_thunk(struct nt_context *first, const struct nt_context *start, uintptr_t entry);
/* Puts record and context on the guest's stack as KiUserExceptionDispatcher wants them, beneath the context's stack
 * pointer and beneath `below` (0: nothing there to be kept); *context becomes the dispatcher's own start.
 * False: the stack has no room. */
bool nt_arch_push_exception(struct nt_context *context, const struct nt_exception *record, uintptr_t below,
                            uintptr_t dispatcher);
bool nt_arch_push_apc(struct nt_context *context, const struct nt_apc *apc, uintptr_t dispatcher);
uintptr_t nt_arch_ip(const struct nt_context *context);
uintptr_t nt_arch_sp(const struct nt_context *context);
void nt_arch_set_ip(struct nt_context *context, uintptr_t ip);
uintptr_t nt_arch_signal_ip(const ucontext_t *signal);
void nt_arch_signal_set_ip(ucontext_t *signal, uintptr_t ip);
uintptr_t nt_arch_fail_fast_code(const struct nt_context *context); /* __fastfail's argument */

/* For a thread that has no thread-local storage, so not even the C library's errno. */
void nt_arch_clock_get(int clock, struct nt_wide_time *time);
void nt_arch_clock_sleep(int clock, const struct nt_wide_time *pause);
/* Two words, the low one first, in as few steps as this machine can. */
void nt_arch_time_store(void *at, uint64_t value);

#endif
