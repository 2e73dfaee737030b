/* The commands, and the only place that prints. stdout is data, stderr is talk.
 *
 *   main.c        which command; help. Read this file first, then run.c.
 *   check.c       `run --check`
 *   tell.c        one good sentence for an error; colours
 *   trace_text.c  --trace: one line an event
 *   story.c       -v: the same events, told to a person
 *   symbols.c     names of functions from a file's COFF symbol table
 *   info*.c       `info`
 *   map*.c        `map`
 *   output.c      tables as text or JSON from the same rows
 *   report/       --html: the events kept, the memory map after each step, the page; diff_maps.c: the same as text
 *   linux/        run.c: `run` on the native lane; steps.c, told.c: --steps, --handles; spawn.c, wine.c: `spawn` through Wine; ps.c, handles.c:
 *                 sessions seen from outside; places.c: where the DLL set, our own DLLs
 *                 and drive C: are; report.c: an exception that nobody handled; source.c, machine.c
 *                 x64/: snapshot.c, wine_snapshot.c, compare.c: `snapshot` and `compare`, the 64-bit host's alone
 *   win32/        entry.c: the two beginnings; run.c, stub.c, child.c: `run` as parent, the child's EXE, and as child;
 *                 spawn.c: the normal paths; snapshot.c; words.c: the command line; source.c, machine.c */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "loader/module.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses that are peload's own; every other one is the guest's. */
enum { CLI_USAGE_OR_WORLD = 125, CLI_NOT_LOADABLE = 126, CLI_NOT_FOUND = 127 };

/* Hexadecimal digits of an address of the guest: it is as wide as this build. */
enum { CLI_DIGITS = sizeof(void *) * 2 };

/* A command gets the words behind its name, arguments[0] being the name; it returns an exit status. */
int cli_run(int count, char **arguments);
int cli_member(int count, char **arguments); /* of a session: a running program's child; no command for people */
int cli_spawn(int count, char **arguments);
int cli_info(int count, char **arguments);
int cli_map(int count, char **arguments);
int cli_diff_maps(int count, char **arguments);
int cli_snapshot(int count, char **arguments);
int cli_compare(int count, char **arguments);
int cli_ps(int count, char **arguments);
int cli_handles(int count, char **arguments);

/* ---- main.c */
/* Tells about an option that getopt_long refused; returns CLI_USAGE_OR_WORLD. */
extern const char cli_help[]; /* of peload itself */
int cli_usage(const char *command);

/* ---- linux/places.c: each text stays for the life of the process. */
/* The folder of the DLL set: `wanted` (--dll-path), or the environment, or the cache. NULL: told why not. */
const char *cli_dll_set(const char *wanted);
const char *cli_dll_set_if_any(void); /* the same without words */
const char *cli_wine_prefix(void);    /* NULL: nobody says where */
const char *cli_companions(void); /* NULL: told why not */
const char *cli_cache(void);      /* the beginning of the files for what loading found out; NULL: nobody says where */
const char *cli_drive_c(void);    /* "" where nothing says */
/* This program as a host for 64- or 32-bit programs. NULL: not installed. */
const char *cli_host(bool wide);
/* The program itself, with symbolic links resolved. NULL: unknown. */
const char *cli_own_path(void);

/* ---- linux/wine.c: `peload.exe COMMAND WORDS` under Wine, in this process's place. Returns only where that cannot be. */
int cli_through_wine(const char *command, int count, char **words);
bool cli_wine_at_hand(void);

/* ---- tell.c */
__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...); /* "peload: ...\n" on stderr */
/* What went wrong with `file` as one sentence. */
void cli_tell_pe(const char *file, const struct pe_error *error);
void cli_tell(const char *file, const struct ld_error *error);
/* The exit status that such a failure has. */
int cli_status_of(const struct ld_error *error);
/* May this stream be coloured? Terminals only, and never under NO_COLOR. */
bool cli_colours(FILE *stream);

/* ---- machine.c */
/* To a file descriptor on Linux, to a HANDLE on Windows: past the C library, at once. */
void cli_write(intptr_t to, const char *text, size_t length);
intptr_t cli_errors(void); /* standard error, as cli_write wants it */
uint64_t cli_clock(void); /* nanoseconds, monotonic */
FILE *cli_create(const char *path); /* a new file, empty; NULL: errno tells why */
bool cli_rename(const char *from, const char *to); /* whatever was at `to` is replaced */

/* ---- trace_text.c: a sink for ld_trace whose context is a struct cli_trace. */
struct cli_trace {
    intptr_t fd;      /* where lines go, as cli_write wants it */
    uint32_t mask;    /* phases that are wanted as lines: the story may need more */
};
void cli_trace_event(const struct cli_trace *trace, const struct ld_event *event);
void cli_trace_call(const struct cli_trace *trace, const char *name, const uintptr_t *arguments, unsigned count,
                    uint32_t status, uint32_t thread);
struct nt_told;
void cli_trace_told(const struct cli_trace *trace, const struct nt_told *told);
void cli_trace_missing_call(const struct cli_trace *trace, const char *name);

/* ---- story.c: what -v tells. */
#define CLI_STORY_PHASES (~0u & ~(1u << LD_SYSCALL))
void cli_story_open(FILE *stream, const char *program);
void cli_story_event(const struct ld_event *event);
void cli_story_loaded(void); /* everything up to the first thread is known: told now */
void cli_story_exit(uint32_t exit_code);

/* ---- check.c: what is missing is collected, then told at once, as text or as JSON. */
void cli_check_missing(const struct ld_error *error);
int cli_check_end(const char *program, const struct loader *loader, bool json); /* an exit status */

/* ---- diff_maps.c: what the report has kept, as text or JSON. */
extern const char cli_diff_maps_help[];
bool cli_diff_maps_end(const char *program, bool all, bool json); /* false: not everything was told */

/* ---- linux/steps.c: --steps. The four steps of a creation, each told when it is done. */
enum native_stage;
void cli_steps_open(FILE *stream, const char *program);
void cli_steps_stage(enum native_stage stage);
void cli_steps_event(const struct ld_event *event);

/* ---- linux/told.c: --handles. The table at the start, and before the end, with what changed between. */
void cli_handles_begin(void);
void cli_handles_end(const char *program, bool json);

/* ---- linux/report.c */
struct nt_exception;
struct nt_context;
void cli_report_unhandled(const struct nt_exception *record, const struct nt_context *context);

/* ---- source.c */
struct cli_source {
    struct pe_span bytes;
    struct pe_image image;
    uint32_t ntstatus; /* what Windows answers for a file that cannot be opened so */
    struct host_file file; /* as the host on Windows opened it */
};
/* Opens and validates; nothing of it is ever mapped as code. False: told why not, *status and ntstatus set. */
bool cli_source_open(struct cli_source *source, const char *path, int *status);
void cli_source_close(struct cli_source *source);
/* The headers alone, where they are sound and stand at the file's beginning. False, without a word: ask cli_source_open. */
bool cli_source_peek(struct pe_image *image, const char *path);

#endif
