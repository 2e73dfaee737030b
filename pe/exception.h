/* x64 unwind data: RUNTIME_FUNCTION by binary search, UNWIND_INFO decoded, one frame unwound.
 * Used by the crash report's stack walk; the guest's own unwinding is ntdll's. */
#ifndef PE_EXCEPTION_H
#define PE_EXCEPTION_H

#include "pe/image.h"

struct pe_function { pe_rva begin, end, unwind; };

/* The function that holds rva, chained entries not followed. PE_NOT_FOUND: a leaf function or not code. */
bool pe_function_find(const struct pe_image *image, pe_rva rva, struct pe_function *out, struct pe_error *error);

/* Registers of one frame, VAs. */
struct pe_unwind_frame {
    uint64_t rip;
    uint64_t gpr[16]; /* in the machine's order: rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15 */
};

/* Reads 8 bytes of the unwound thread's memory; false: not readable. */
typedef bool (*pe_read_u64)(void *context, uint64_t va, uint64_t *value);

/* One step outwards: *frame becomes the caller's. A function without data is a leaf (return address on top).
 * False: unwind data broken or memory unreadable. `base` = where the image lies. */
bool pe_unwind_step(const struct pe_image *image, pe_va base, struct pe_unwind_frame *frame, pe_read_u64 read,
                    void *context, struct pe_error *error);

#endif
