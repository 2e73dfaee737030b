/* Between the files of peload.exe's command line. */
#ifndef CLI_WIN32_WIN32_H
#define CLI_WIN32_WIN32_H

#include "loader/cli/cli.h"
#include "loader/win32/order.h"

/* child.c: loads and starts what the order names. */
_Noreturn void cli_child(struct win32_order *order);

/* status.c */
const char *cli_status_name(uint32_t code); /* STATUS_... where it is one that ends processes, else NULL */
const char *cli_how(uint32_t code);         /* how a process with this exit code has probably ended: exited, exception, refused */

/* start.c: a child process and its end. */
struct cli_start {
    const WCHAR *application;   /* NULL: the command line's first word is searched for */
    WCHAR *command_line;        /* NULL: the application's name */
    DWORD flags;                /* CREATE_SUSPENDED, CREATE_NEW_CONSOLE */
    bool inherit;               /* all inheritable handles; else the standard handles alone, and none with CREATE_NEW_CONSOLE */
    PROCESS_INFORMATION process; /* result */
    HANDLE job;                 /* result; NULL: Windows 7 within another job */
};
bool cli_start(struct cli_start *start);      /* false: GetLastError() */
uint32_t cli_start_end(struct cli_start *start); /* waits, closes everything; the exit code */
int cli_start_failed(const char *what, DWORD error); /* tells why; an exit status */

/* console.c */
void cli_console_begin(void); /* what the C library writes to standard output is UTF-8, also on a console */
bool cli_console_is(HANDLE handle);
void cli_console_show(HANDLE screen, const char *text, size_t length);

/* options.c */
struct option;
struct cli_options {
    const char *command, *help, *letters;
    const struct option *options;
    int (*take)(int option); /* 0, or an exit status */
    bool wants_file;
};
bool cli_options_take(const struct cli_options *wish, int count, char **arguments, int *status); /* false: *status is all there is to do */
int cli_wrong(const char *command, const char *what, const char *word); /* tells it; an exit status */

/* stub.c: the child's EXE. */
struct cli_stub {
    bool is_64;
    uint64_t base;              /* a multiple of 64 KiB in user space */
    uint32_t size;              /* of the image, at least 0x3000 */
    uint16_t subsystem, characteristics, large_address;
    uint64_t stack_and_heap[4]; /* reserve and commit of each */
    const char *dll;            /* beside it, with the export peload_child */
};
bool cli_stub_write(const struct cli_stub *stub, const WCHAR *path); /* false: GetLastError() */

/* run.c: `run` for a command that looks at the child. look is called once the child has been let go; it holds itself before its first
 * initialiser, where it comes so far (order->hold). arguments as cli_run's; returns cli_run's. */
int cli_run_looked_at(int count, char **arguments, void (*look)(struct cli_start *child, struct win32_order *order));

/* files.c */
HANDLE cli_file_create(const char *path); /* NULL path: INVALID_HANDLE_VALUE; NULL: told why not */
void cli_status_write(HANDLE file, uint32_t code, const char *how);
extern struct cli_last_status { uint32_t code; const char *how; /* NULL: none was told */ } cli_last_status; /* what it told last */
char *cli_path_host(const char *path); /* '\' -> '/', malloc'd */
WCHAR *cli_wide(const char *text);     /* malloc'd; NULL: no memory */
bool cli_environment_set(const char *entry); /* NAME=VALUE, into our own, which is the child's; false: not such a text */

#endif
