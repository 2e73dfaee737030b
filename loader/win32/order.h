/* What parent and child tell each other: a section named after the child's process ID. Nothing of it is seen by the
 * loaded program: not its command line, nor its environment. Of one size for both bitnesses. */
#ifndef WIN32_ORDER_H
#define WIN32_ORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

enum win32_manual { WIN32_MANUAL_EXE, WIN32_MANUAL_APP, WIN32_MANUAL_ALL };
/* MADE: none of the child's code has run yet. */
enum win32_state { WIN32_MADE, WIN32_LOADING, WIN32_REFUSED, WIN32_CHECKED, WIN32_STARTED, WIN32_DETACHED };

enum { WIN32_PATH = 4096 };

struct win32_order {
    /* parent to child */
    uint32_t size;                     /* of this structure: both are of one build */
    uint32_t trace_mask;
    uint64_t trace_handle;             /* valid in the child; 0: its standard error */
    uint64_t kept_base, kept_size;     /* the child's own EXE lies there and gives its place to the program; 0: it does not */
    uint32_t manual;                   /* enum win32_manual */
    uint8_t story, check, json, occupy, missing_stub;
    volatile uint8_t hold;             /* 1: it waits before its first initialiser, until the parent makes this 0 (`snapshot`) */
    uint8_t reserved[2];
    char program[WIN32_PATH];          /* host path */
    char shown[WIN32_PATH];            /* as the user named it */
    WCHAR folder[WIN32_PATH];          /* for small files that have to exist while the child lives */
    /* child to parent */
    volatile uint32_t state;           /* enum win32_state */
    uint32_t ntstatus;                 /* WIN32_REFUSED */
    uint32_t exit_status;              /* WIN32_REFUSED, WIN32_CHECKED: peload's own */
    uint64_t program_base;             /* WIN32_STARTED: where the program lies */
};
_Static_assert(sizeof(struct win32_order) == 44 + 4 * WIN32_PATH + 20, "one layout for both widths");

/* The section that process `id` finds; the parent keeps *section until the child is gone. NULL: GetLastError(). */
struct win32_order *win32_order_make(DWORD id, HANDLE *section);
/* This process's own order; NULL: it is nobody's child. */
struct win32_order *win32_order_take(void);

#endif
