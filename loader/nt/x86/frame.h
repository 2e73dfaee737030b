/* The system-call frame that entry.S pushes, i386; offsets are used there by number. */
#ifndef NT_X86_FRAME_H
#define NT_X86_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nt_frame {
    uint32_t number;                 /* 0x00: eax of the stub */
    uint32_t ebx, ebp, esi, edi;     /* 0x04 */
    uint32_t esp;                    /* 0x14: points to the stub's return address */
    uint32_t pad[2];
};
_Static_assert(offsetof(struct nt_frame, esp) == 0x14, "entry.S");
_Static_assert(sizeof(struct nt_frame) == 0x20, "entry.S");

#endif
