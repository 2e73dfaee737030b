/* A process of the operating system's own loader, started to be looked at (Windows, or Wine).
 *
 *   target.c   start, stop at the entry point, let go, wait for the end
 *   reader.c   struct inspect_reader on ReadProcessMemory and VirtualQueryEx
 *   handles.c  its handle table
 *
 * No debugger: a debugged process is another one (PEB.BeingDebugged, heap flags). Of this program's own width only. */
#ifndef INSPECT_WIN32_TARGET_H
#define INSPECT_WIN32_TARGET_H

#include "loader/inspect/inspect.h"

#include <windows.h>

enum target_state { TARGET_STOPPED, TARGET_ENDED, TARGET_TIMEOUT, TARGET_FAILED };
enum { TARGET_THREADS = 256 };

struct target {
    HANDLE process, thread;     /* thread: the first */
    DWORD id;
    uint64_t peb, base;         /* base: where the program lies */
    HANDLE output[2];           /* temporary files that vanish when they are closed */
    volatile uint8_t *hold;     /* made 0 once the entry point is prepared; NULL: the first thread is resumed */
    ULONGLONG deadline;         /* GetTickCount64; 0: none */
    ULONGLONG begun;            /* likewise */
    HANDLE threads[TARGET_THREADS]; /* suspended; the first thread first */
    unsigned thread_count;
    uint64_t cpu_ms;            /* of a process that was ended at the deadline */
    DWORD exit_code;
    const char *why;            /* constant; with GetLastError() */
    DWORD error;
};

/* Starts it suspended, with an empty input and its output into files. command_line may be written to. */
bool target_start(struct target *target, const WCHAR *application, WCHAR *command_line);
/* Takes a process that somebody else started, suspended or not; its output is not ours. */
bool target_take(struct target *target, HANDLE process, HANDLE thread, DWORD id);
/* Files for what a child is to write; false: told why in `why`. */
bool target_files_open(struct target *target);
/* Lets it run to `entry` (a VA) and stops all its threads there. 0: only stops them where they are. */
enum target_state target_run(struct target *target, uint64_t entry);
/* Lets it go on and waits; ends it at the deadline. */
enum target_state target_finish(struct target *target);
/* Processor time in ms of the threads that it still has. */
uint64_t target_cpu_ms(DWORD id);
/* What it wrote: malloc'd. */
uint8_t *target_output(struct target *target, unsigned which, size_t *size);
void target_close(struct target *target);

struct windows_reader {
    struct inspect_reader reader; /* first */
    struct target *target;
    struct handle_table *handles;
};
bool windows_reader_open(struct windows_reader *reader, struct target *target);
void windows_reader_close(struct windows_reader *reader);

/* handles.c */
struct handle_table *handles_open(HANDLE process, DWORD id); /* NULL: they cannot be had */
bool handles_at(struct handle_table *table, unsigned index, struct inspect_handle *out);
void handles_close(struct handle_table *table);

#endif
