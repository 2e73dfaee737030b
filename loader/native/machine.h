/* What differs between x64 and x86 in this lane. x64/ and x86/ mirror each other; the Makefile chooses one. */
#ifndef NATIVE_MACHINE_H
#define NATIVE_MACHINE_H

#include "loader/native/native.h"

struct native_machine {
    const char *name;
    const char *system_folder;  /* of a DLL set: where the files for this machine lie */
    const char *guest_half;     /* our ldr.dll */
    uintptr_t user_high;        /* the first address that is not the guest's */
    uint16_t number;            /* IMAGE_FILE_MACHINE_* */
};
extern const struct native_machine native_machine;

enum { NATIVE_STUB_BYTES = 16 }; /* what of a function native_stub_number looks at */
/* Is this a system-call stub of Wine's ntdll? Then the call's number. */
bool native_stub_number(const uint8_t *code, uint32_t *number);

/* Does this KiUserApcDispatcher take everything from the stack (Windows, Wine 10.0), or from registers and words (8.0)? */
bool native_apc_on_stack(const uint8_t *code);

enum { NATIVE_MISSING_SIZE = 32 };
/* Code that calls target(dll, name, caller's return address), for at most NATIVE_MISSING_SIZE bytes. */
void native_missing_write(uint8_t *code, uintptr_t dll, uintptr_t name, uintptr_t target);

/* Code that answers a call of Wine's Unix half (a 64-bit handle, a code, a pointer) with STATUS_NOT_SUPPORTED. */
extern const uint8_t native_unix_refusal[];
extern const size_t native_unix_refusal_size;

/* The caller's registers. False: this frame cannot be read. */
bool native_walk_step(struct nt_context *context);

#endif
