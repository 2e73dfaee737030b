/* The system-call frame that entry.S pushes; offsets are used there by number. */
#ifndef NT_X64_FRAME_H
#define NT_X64_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nt_frame {
    uint64_t number;                          /* 0x00: eax of the stub */
    uint64_t argument[4];                     /* 0x08: r10 rdx r8 r9 */
    uint64_t rbx, rbp, rsi, rdi, r12, r13, r14, r15; /* 0x28 */
    uint64_t rsp;                             /* 0x68: points to the stub's return address */
    uint8_t xmm[10][16];                      /* 0x70: xmm6..xmm15, non-volatile for Windows, not for Linux */
    uint32_t mxcsr, pad[3];                   /* 0x110 */
};
_Static_assert(offsetof(struct nt_frame, rsp) == 0x68, "entry.S");
_Static_assert(offsetof(struct nt_frame, xmm) == 0x70, "entry.S");
_Static_assert(sizeof(struct nt_frame) == 0x120, "entry.S");

#endif
