/* Mm: the guest's address space. Allocations (VADs) on 64-KiB boundaries, page states in runs, sections and views.
 * Its own lock; never held while guest memory is touched. */
#ifndef NT_MM_H
#define NT_MM_H

#include "loader/host.h"
#include "loader/nt/nt.h"

enum { PAGE_NOACCESS = 1, PAGE_READONLY = 2, PAGE_READWRITE = 4, PAGE_WRITECOPY = 8, PAGE_EXECUTE = 0x10,
       PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40, PAGE_EXECUTE_WRITECOPY = 0x80, PAGE_GUARD = 0x100,
       PAGE_NOCACHE = 0x200, PAGE_WRITECOMBINE = 0x400 };
enum { MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_DECOMMIT = 0x4000, MEM_RELEASE = 0x8000, MEM_FREE = 0x10000,
       MEM_PRIVATE = 0x20000, MEM_MAPPED = 0x40000, MEM_RESET = 0x80000, MEM_TOP_DOWN = 0x100000, MEM_IMAGE = 0x1000000 };

/* Sets the bounds of user space (nt_process.user_low, user_high) and takes them from what the host already mapped. */
bool nt_mm_open(void);

/* For the kernel and the lane: the same as the guest's NtAllocateVirtualMemory. *base 0: anywhere. */
NTSTATUS nt_mm_allocate(uintptr_t *base, size_t size, ULONG type, ULONG protect, uintptr_t limit);
NTSTATUS nt_mm_protect(uintptr_t base, size_t size, ULONG protect, ULONG *old);
NTSTATUS nt_mm_free(uintptr_t base, size_t size, ULONG type);

/* A thread's stack: reserve bytes reserved, commit bytes committed at the top, one guard page below.
 * *low = DeallocationStack, *limit = lowest committed byte (StackLimit), *high = StackBase. */
NTSTATUS nt_mm_stack_create(size_t reserve, size_t commit, uintptr_t *low, uintptr_t *limit, uintptr_t *high);

/* A fault at address. HANDLED: a stack's guard page moved down (StackLimit in the TEB given was updated), go on. */
enum nt_fault { NT_FAULT_HANDLED, NT_FAULT_GUARD, NT_FAULT_STACK_OVERFLOW, NT_FAULT_ACCESS, NT_FAULT_IN_PAGE };
enum nt_fault nt_mm_fault(uintptr_t address, int access /* 0 read, 1 write, 8 execute */, struct nt_teb *teb);

/* A host table over `beneath` whose vm_* functions keep this manager's books (regions of MEM_IMAGE), for the loader. */
struct host *nt_mm_host(struct host *beneath);

/* A process has ended or was killed: it no longer holds shared sections of images. Object lock held. */
void nt_mm_process_ended(uint32_t id);

/* Carries out a PS_MEMORY_* operation that another process of the session asks for (ps/message.h); the answer replaces
 * *message. */
struct ps_message;
NTSTATUS mm_serve(struct ps_message *message, int fd); /* fd: what came along, the caller's; -1: none */

/* Data sections made by the kernel itself: an NLS file seen read-only. */
NTSTATUS nt_mm_map_file(const char *unix_path, void **base, size_t *size);

/* One line of the memory map for reports: false at the end. Start with *address = 0. */
struct nt_mm_line { uintptr_t base, size, allocation_base; ULONG state, type, protect; const char *path; };
bool nt_mm_line_next(uintptr_t *address, struct nt_mm_line *line);

#endif
