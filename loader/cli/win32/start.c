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

static HANDLE inheritable(DWORD which)
{
    HANDLE handle = GetStdHandle(which);
    if (handle && handle != INVALID_HANDLE_VALUE)
        SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    return handle;
}

bool cli_start(struct cli_start *start)
{
    STARTUPINFOW startup = {.cb = sizeof startup};
    SetConsoleCtrlHandler(on_control, TRUE);
    if (start->inherit && !(start->flags & CREATE_NEW_CONSOLE)) {
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = inheritable(STD_INPUT_HANDLE);
        startup.hStdOutput = inheritable(STD_OUTPUT_HANDLE);
        startup.hStdError = inheritable(STD_ERROR_HANDLE);
    }
    if (!CreateProcessW(start->application, start->command_line, NULL, NULL, start->inherit, start->flags, NULL, NULL,
                        &startup, &start->process))
        return false;
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
