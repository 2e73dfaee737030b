/* Shared by dispatch, trap and ps/ only. */
#ifndef NT_PS_PRIVATE_H
#define NT_PS_PRIVATE_H

#include "loader/nt/ps.h"

extern __thread struct nt_thread *nt_thread_self;

/* From entry.S, on the kernel stack; the result becomes the guest's eax. */
struct nt_frame;
NTSTATUS nt_dispatch(struct nt_frame *frame);

/* Called by nt_arch_enter once the way back stands: the thread leaves the kernel for the first time. */
_Noreturn void nt_ps_enter(struct nt_context *first);

/* What is left to do before a thread goes back to its guest code: its end, a suspension, a waiting APC.
 * Returns the status for the guest, or does not return at all. */
NTSTATUS nt_ps_call_exit(struct nt_thread *thread, NTSTATUS status);

/* Delivers an exception to the guest's own dispatcher: never returns. first_chance false: the process ends. */
_Noreturn void nt_trap_raise(struct nt_exception *record, struct nt_context *context, bool first_chance);
_Noreturn void nt_trap_unhandled(const struct nt_exception *record, const struct nt_context *context);

/* ---- ps/object.c, ps/end.c: what lies in the arena ---- */
void ps_types_open(void);
NTSTATUS ps_process_new(uint32_t life, struct nt_process_object **out); /* made by this process; its own reference */
NTSTATUS ps_thread_new(struct nt_process_object *process, struct nt_thread_object **out); /* its process's reference */
void ps_thread_release(struct nt_thread_object *thread); /* gives back the process's reference */
/* The Linux process is gone, or was never there: everything of it that others see ends. `status` where it told none.
 * Lock held; does nothing the second time. */
void ps_process_end(struct nt_process_object *process, NTSTATUS status);

/* Ends the calling thread for good. */
_Noreturn void nt_ps_thread_exit(NTSTATUS status);

/* trap.c: the signal that stops a thread wherever it is (suspend, terminate). */
enum { NT_SIGNAL_STOP = 10 /* SIGUSR1 */, NT_SIGNAL_RESUME = 12 /* SIGUSR2: i386's way to set all registers */ };
void nt_ps_on_stop(void *ucontext);

/* ps/thread.c and ps/context.c: what ps/query.c puts into the table. */
NTSTATUS nt_ps_create_thread(HANDLE *guest_handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, HANDLE process,
                             uintptr_t start, uintptr_t parameter, ULONG flags, size_t commit, size_t reserve,
                             const SIZE_T *guest_list);
NTSTATUS NtCreateUserProcess(HANDLE *process_handle, HANDLE *thread_handle, ACCESS_MASK process_access, ACCESS_MASK thread_access,
                             const OBJECT_ATTRIBUTES *process_attributes, const OBJECT_ATTRIBUTES *thread_attributes,
                             ULONG process_flags, ULONG thread_flags, const struct nt_parameters *parameters, void *information,
                             const SIZE_T *list);
/* A thread of the kernel's own making, without a handle. */
NTSTATUS nt_ps_start_thread(uintptr_t start, uintptr_t parameter);
NTSTATUS nt_ps_terminate_thread(HANDLE handle, NTSTATUS exit_status);
NTSTATUS nt_ps_terminate_process(HANDLE handle, NTSTATUS exit_status);
NTSTATUS nt_ps_zero_tls(ULONG index); /* TLS slot `index` of every thread becomes 0 */
NTSTATUS NtContinue(const struct nt_context *guest, BOOLEAN alertable);
NTSTATUS NtRaiseException(const struct nt_exception *guest_record, const struct nt_context *guest, BOOLEAN first_chance);
NTSTATUS NtSuspendThread(HANDLE handle, ULONG *guest_previous);
NTSTATUS NtResumeThread(HANDLE handle, ULONG *guest_previous);
NTSTATUS NtGetContextThread(HANDLE handle, struct nt_context *guest);
NTSTATUS NtSetContextThread(HANDLE handle, const struct nt_context *guest);

/* The same for threads of this process by their objects, for whoever asks (ps/remote.c). */
NTSTATUS ps_thread_suspend(struct nt_thread_object *target, ULONG *previous);
NTSTATUS ps_context_get(struct nt_thread_object *target, struct nt_context *context);
NTSTATUS ps_context_set(struct nt_thread_object *target, struct nt_context *wanted);
NTSTATUS ps_context_wow64(struct nt_thread_object *target, bool set, void *guest, ULONG length);
NTSTATUS ps_thread_end(struct nt_thread_object *target, NTSTATUS exit_status);
/* No other thread runs guest code any more when this returns, or a moment has passed. */
void ps_others_stop(NTSTATUS exit_status);
/* A new thread of this process, linked but not begun: ps_thread_begin, or ps_thread_undo. */
struct ps_start { uintptr_t start, parameter; ULONG flags; size_t commit, reserve; };
NTSTATUS ps_thread_create(const struct ps_start *start, struct nt_thread **out);
NTSTATUS ps_thread_begin(struct nt_thread *thread);
void ps_thread_undo(struct nt_thread *thread);

/* A thread of this process by its object; nt_ps_lock held. */
struct nt_thread *nt_ps_find(const struct nt_thread_object *object);
void nt_ps_lock(void);
void nt_ps_unlock(void);

#endif
