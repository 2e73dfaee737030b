/* A child process: started by the operating system, waited for, never left behind. */
#include "loader/cli/win32/win32.h"

#include <string.h>

/* Ctrl+C goes to everybody in the console; the child decides what it means, we wait for its end. */
static BOOL WINAPI on_control(DWORD event)
{
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

/* The child ends with us, should we be killed; what it starts itself is its own business. */
static HANDLE job_of(HANDLE process)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    if (job && SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) &&
        AssignProcessToJobObject(job, process))
        return job;
    if (job)
        CloseHandle(job);
    return NULL;
}

/* ---- what the child inherits ---- */

enum { STANDARD = 3 };

/* Windows 7 tells the console's handles by two low bits. A child of the same console has them by themselves, and a list that names
 * one is refused; later Windows, and Wine, have real handles there. */
static bool is_listable(HANDLE handle)
{
    DWORD flags;
    return handle && handle != INVALID_HANDLE_VALUE && ((uintptr_t)handle & 3) == 0 && GetHandleInformation(handle, &flags);
}

static void standard_take(STARTUPINFOW *startup)
{
    HANDLE standard[STANDARD] = {GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE), GetStdHandle(STD_ERROR_HANDLE)};
    for (size_t i = 0; i < STANDARD; i++)
        if (is_listable(standard[i]))
            SetHandleInformation(standard[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    startup->dwFlags = STARTF_USESTDHANDLES;
    startup->hStdInput = standard[0];
    startup->hStdOutput = standard[1];
    startup->hStdError = standard[2];
}

/* Each once: a list that names a handle twice is refused, too. */
static size_t standard_list(const STARTUPINFOW *startup, HANDLE list[STANDARD])
{
    const HANDLE standard[STANDARD] = {startup->hStdInput, startup->hStdOutput, startup->hStdError};
    size_t count = 0;
    for (size_t i = 0; i < STANDARD; i++) {
        bool is_new = is_listable(standard[i]);
        for (size_t before = 0; before < count; before++)
            is_new &= list[before] != standard[i];
        if (is_new)
            list[count++] = standard[i];
    }
    return count;
}

/* The standard handles and no others, whatever else is inheritable here: what whoever started us left open is not for the child. */
static bool create_with_standard(struct cli_start *start, STARTUPINFOEXW *startup)
{
    HANDLE list[STANDARD];
    _Alignas(16) uint8_t room[256];
    SIZE_T size = sizeof room;
    size_t count = standard_list(&startup->StartupInfo, list);
    if (!count) {
        startup->StartupInfo.dwFlags = 0;
        return CreateProcessW(start->application, start->command_line, NULL, NULL, FALSE, start->flags, NULL, NULL, &startup->StartupInfo,
                              &start->process);
    }
    startup->lpAttributeList = (LPPROC_THREAD_ATTRIBUTE_LIST)room;
    startup->StartupInfo.cb = sizeof *startup;
    if (!InitializeProcThreadAttributeList(startup->lpAttributeList, 1, 0, &size))
        return false;
    bool done = UpdateProcThreadAttribute(startup->lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list, count * sizeof *list, NULL, NULL) &&
                CreateProcessW(start->application, start->command_line, NULL, NULL, TRUE, start->flags | EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                               &startup->StartupInfo, &start->process);
    DWORD error = GetLastError();
    DeleteProcThreadAttributeList(startup->lpAttributeList);
    SetLastError(error);
    return done;
}

bool cli_start(struct cli_start *start)
{
    STARTUPINFOEXW startup = {.StartupInfo.cb = sizeof startup.StartupInfo};
    bool has_console = start->flags & CREATE_NEW_CONSOLE;
    SetConsoleCtrlHandler(on_control, TRUE);
    if (!has_console)
        standard_take(&startup.StartupInfo);
    if (!has_console && !start->inherit ? !create_with_standard(start, &startup)
                                        : !CreateProcessW(start->application, start->command_line, NULL, NULL, start->inherit, start->flags, NULL,
                                                          NULL, &startup.StartupInfo, &start->process))
        return false;
    if (!start->process.hProcess) { /* Wine (8.0): a program of Unix, which has run and of which it tells nothing */
        SetLastError(ERROR_BAD_EXE_FORMAT);
        return false;
    }
    start->job = job_of(start->process.hProcess);
    return true;
}

uint32_t cli_start_end(struct cli_start *start)
{
    DWORD code = 0;
    WaitForSingleObject(start->process.hProcess, INFINITE);
    GetExitCodeProcess(start->process.hProcess, &code);
    CloseHandle(start->process.hThread);
    CloseHandle(start->process.hProcess);
    if (start->job)
        CloseHandle(start->job);
    return code;
}

int cli_start_failed(const char *what, DWORD error)
{
    char text[256] = "";
    DWORD_PTR inserts[8]; /* "%1 is not a valid Win32 application" */
    for (size_t i = 0; i < sizeof inserts / sizeof *inserts; i++)
        inserts[i] = (DWORD_PTR)"this";
    FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_ARGUMENT_ARRAY, NULL, error, 0, text, sizeof text, (va_list *)inserts);
    text[strcspn(text, "\r\n")] = 0;
    cli_say("%s: CreateProcess: %s (Windows error %lu)", what, text, error);
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return CLI_NOT_FOUND;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_NO_SYSTEM_RESOURCES: return CLI_USAGE_OR_WORLD;
    }
    return CLI_NOT_LOADABLE;
}
