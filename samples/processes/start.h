/* Shared by the samples about processes: a child is started, waited for, asked for its exit code, and both its handles
 * are closed. Nothing waits for ever, and what a failing sample leaves behind is ended. */
#ifndef START_H
#define START_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include "../sample.h"

enum { PATIENCE = 20000 };

/* The path of a program that lies beside this one. */
static inline const char *start_beside(const char *name)
{
    static char path[2 * MAX_PATH];
    DWORD length = GetModuleFileNameA(NULL, path, MAX_PATH);

    while (length > 0 && path[length - 1] != '\\')
        length--;
    strcpy(path + length, name);
    return path;
}

static inline const char *start_own_path(void)
{
    static char path[2 * MAX_PATH];

    GetModuleFileNameA(NULL, path, sizeof path);
    return path;
}

/* CreateProcess with the program's quoted path and `words` as a command line that may be written to. What was printed so
 * far goes out first: the child writes to the same file. */
static inline BOOL start_with(const char *program, DWORD flags, BOOL inherit, STARTUPINFOA *startup, PROCESS_INFORMATION *child,
                              const char *words)
{
    char line[4 * MAX_PATH];

    snprintf(line, sizeof line, "\"%s\" %s", program, words);
    fflush(stdout);
    memset(child, 0, sizeof *child);
    return CreateProcessA(program, line, NULL, NULL, inherit, flags, NULL, NULL, startup, child);
}

__attribute__((format(gnu_printf, 5, 6)))
static inline BOOL start(const char *program, DWORD flags, BOOL inherit, PROCESS_INFORMATION *child, const char *format, ...)
{
    STARTUPINFOA startup = { .cb = sizeof startup };
    char words[2 * MAX_PATH];
    va_list list;

    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    return start_with(program, flags, inherit, &startup, child, words);
}

static inline void start_close(PROCESS_INFORMATION *child)
{
    CloseHandle(child->hThread);
    CloseHandle(child->hProcess);
    memset(child, 0, sizeof *child);
}

/* Waits for the child's end; its exit code, after both handles are closed. A child that does not end is ended. */
static inline DWORD start_finish(PROCESS_INFORMATION *child)
{
    DWORD code = 0xbadbad;

    if (!child->hProcess)
        return code;
    if (WaitForSingleObject(child->hProcess, PATIENCE) != WAIT_OBJECT_0) {
        TerminateProcess(child->hProcess, 0xdead);
        WaitForSingleObject(child->hProcess, PATIENCE);
    }
    GetExitCodeProcess(child->hProcess, &code);
    start_close(child);
    return code;
}

static inline int start_running(HANDLE process)
{
    DWORD code = 0;

    return WaitForSingleObject(process, 0) == WAIT_TIMEOUT && GetExitCodeProcess(process, &code) && code == STILL_ACTIVE;
}

/* An unnamed event that a child inherits. The attributes are told their own size, and no other type's. */
static inline HANDLE start_event(BOOL manual, BOOL signalled)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, NULL, TRUE };

    return CreateEventA(&attributes, manual, signalled, NULL);
}

/* A handle as it stands on a command line: its number in hex, and back. */
#define START_HANDLE "%llx"
static inline unsigned long long start_number(HANDLE handle)
{
    return (unsigned long long)(ULONG_PTR)handle;
}

static inline HANDLE start_handle(const char *text)
{
    return (HANDLE)(ULONG_PTR)strtoull(text, NULL, 16);
}

static inline int start_is(int argc, char **argv, const char *role)
{
    return argc > 1 && !strcmp(argv[1], role);
}

#endif
