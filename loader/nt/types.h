/* NT's own names for scalars and for the structures that system calls pass, in the width of this build: the guest
 * and the kernel have the same bitness (a PE32 runs on the -m32 build). Pointers to these in a service's
 * parameters are GUEST pointers: read and written through nt_read and nt_write only. */
#ifndef NT_TYPES_H
#define NT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t UCHAR, BOOLEAN;
typedef uint16_t USHORT, WCHAR;
typedef uint32_t ULONG, NTSTATUS, ACCESS_MASK;
typedef int32_t LONG;
typedef uintptr_t HANDLE, SIZE_T, ULONG_PTR;
/* i386 Linux aligns 64-bit integers to 4 in structures, Windows to 8. */
typedef int64_t LONGLONG __attribute__((aligned(8)));
typedef uint64_t ULONGLONG __attribute__((aligned(8)));
typedef union { struct { uint32_t low; int32_t high; }; LONGLONG value; } LARGE_INTEGER;

typedef struct { USHORT length, maximum; WCHAR *buffer; } UNICODE_STRING; /* lengths in bytes */

typedef struct {
    ULONG length;
    HANDLE root;
    UNICODE_STRING *name;
    ULONG attributes; /* OBJ_* */
    void *security, *quality;
} OBJECT_ATTRIBUTES;

typedef struct { union { NTSTATUS status; void *pointer; }; ULONG_PTR information; } IO_STATUS_BLOCK;
typedef struct { HANDLE process, thread; } CLIENT_ID;

enum { OBJ_INHERIT = 2, OBJ_PERMANENT = 0x10, OBJ_EXCLUSIVE = 0x20, OBJ_CASE_INSENSITIVE = 0x40, OBJ_OPENIF = 0x80,
       OBJ_OPENLINK = 0x100 };

#define NT_CURRENT_PROCESS ((HANDLE)-1)
#define NT_CURRENT_THREAD ((HANDLE)-2)

#define NT_SUCCESS(status) ((int32_t)(status) >= 0)

#endif
