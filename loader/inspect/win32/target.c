/* Starts a process, stops it at its entry point, lets it go on.
 *
 * CREATE_SUSPENDED gives a process whose program is placed and of which nothing has run. A jump to itself (EB FE) is then put at the
 * entry point: the first thread comes to it, stays there, and is found there. That wants no debugger, and the two bytes are put back
 * before anything is looked at. */
#include "loader/inspect/win32/target.h"

#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

static const uint8_t jump_to_itself[2] = {0xeb, 0xfe};

static bool failed(struct target *target, const char *why)
{
    target->why = why;
    target->error = GetLastError();
    return false;
}

/* ---- start ---- */

static HANDLE temporary_file(void)
{
    WCHAR folder[MAX_PATH + 1], path[MAX_PATH + 1];
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    if (!GetTempPathW(MAX_PATH + 1, folder) || !GetTempFileNameW(folder, L"pel", 0, path))
        return INVALID_HANDLE_VALUE;
    return CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherited,
                       CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
}

static bool places_find(struct target *target)
{
    PROCESS_BASIC_INFORMATION facts;
    ULONG length;
    uintptr_t base = 0;
    if (NtQueryInformationProcess(target->process, ProcessBasicInformation, &facts, sizeof facts, &length))
        return false;
    target->peb = (uintptr_t)facts.PebBaseAddress;
    /* PEB.ImageBaseAddress is the third pointer in both widths. */
    if (!ReadProcessMemory(target->process, (char *)facts.PebBaseAddress + 2 * sizeof(void *), &base, sizeof base, NULL))
        return false;
    target->base = base;
    return base != 0;
}

bool target_take(struct target *target, HANDLE process, HANDLE thread, DWORD id)
{
    target->process = process;
    target->thread = thread;
    target->id = id;
    return places_find(target) || failed(target, "its PEB cannot be read");
}

bool target_files_open(struct target *target)
{
    for (unsigned i = 0; i < 2; i++)
        if ((target->output[i] = temporary_file()) == INVALID_HANDLE_VALUE)
            return failed(target, "no temporary file for what it writes");
    return true;
}

bool target_start(struct target *target, const WCHAR *application, WCHAR *command_line)
{
    STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    PROCESS_INFORMATION process;
    HANDLE nothing = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    if (!target_files_open(target))
        return false;
    startup.hStdInput = nothing;
    startup.hStdOutput = target->output[0];
    startup.hStdError = target->output[1];
    bool started = CreateProcessW(application, command_line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &startup, &process);
    DWORD error = GetLastError();
    if (nothing != INVALID_HANDLE_VALUE)
        CloseHandle(nothing);
    SetLastError(error);
    if (!started)
        return failed(target, "CreateProcess refuses it");
    return target_take(target, process.hProcess, process.hThread, process.dwProcessId);
}

/* ---- threads ---- */

static void threads_stop(struct target *target)
{
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    DWORD first = GetThreadId(target->thread);
    target->threads[target->thread_count++] = target->thread; /* suspended by who calls */
    for (BOOL more = list != INVALID_HANDLE_VALUE && Thread32First(list, &entry); more; more = Thread32Next(list, &entry)) {
        HANDLE thread;
        if (entry.th32OwnerProcessID != target->id || entry.th32ThreadID == first || target->thread_count == TARGET_THREADS)
            continue;
        thread = OpenThread(THREAD_ALL_ACCESS, FALSE, entry.th32ThreadID);
        if (!thread)
            continue;
        SuspendThread(thread);
        target->threads[target->thread_count++] = thread;
    }
    if (list != INVALID_HANDLE_VALUE)
        CloseHandle(list);
}

static uint64_t program_counter(const CONTEXT *context)
{
#ifdef _WIN64
    return context->Rip;
#else
    return context->Eip;
#endif
}

static bool is_over(const struct target *target)
{
    return target->deadline && GetTickCount64() > target->deadline;
}

/* ---- to the entry point ---- */

static bool bytes_put(struct target *target, uint64_t address, const uint8_t bytes[2])
{
    void *at = (void *)(uintptr_t)address;
    DWORD old, ignored;
    SIZE_T done = 0;
    if (!VirtualProtectEx(target->process, at, 2, PAGE_EXECUTE_READWRITE, &old))
        return false;
    bool put = WriteProcessMemory(target->process, at, bytes, 2, &done) && done == 2;
    VirtualProtectEx(target->process, at, 2, old, &ignored);
    FlushInstructionCache(target->process, at, 2);
    return put;
}

/* True: the first thread stands at the entry point, suspended. */
static bool came_there(struct target *target, uint64_t entry)
{
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    if (SuspendThread(target->thread) == (DWORD)-1)
        return false;
    if (GetThreadContext(target->thread, &context) && program_counter(&context) == entry)
        return true;
    ResumeThread(target->thread);
    return false;
}

enum target_state target_run(struct target *target, uint64_t entry)
{
    uint8_t saved[2];
    if (!ReadProcessMemory(target->process, (void *)(uintptr_t)entry, saved, 2, NULL) || !bytes_put(target, entry, jump_to_itself))
        return failed(target, "the entry point's memory cannot be written"), TARGET_FAILED;
    if (target->hold)
        *target->hold = 0;
    else
        ResumeThread(target->thread);
    /* Each look suspends it: the longer it takes, the more seldom. */
    for (DWORD pause = 1; !came_there(target, entry); pause += pause < 20) {
        if (WaitForSingleObject(target->process, pause) == WAIT_OBJECT_0) {
            GetExitCodeProcess(target->process, &target->exit_code);
            return TARGET_ENDED;
        }
        if (is_over(target))
            return TARGET_TIMEOUT;
    }
    if (!bytes_put(target, entry, saved))
        return failed(target, "the entry point's bytes cannot be put back"), TARGET_FAILED;
    threads_stop(target);
    return TARGET_STOPPED;
}

/* ---- the end ---- */

/* By its threads: of another process's time as a whole Wine tells the caller's own. */
uint64_t target_cpu_ms(DWORD id)
{
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    uint64_t sum = 0;
    for (BOOL more = list != INVALID_HANDLE_VALUE && Thread32First(list, &entry); more; more = Thread32Next(list, &entry)) {
        FILETIME begin, end, kernel, user;
        HANDLE thread = entry.th32OwnerProcessID == id ? OpenThread(THREAD_QUERY_INFORMATION, FALSE, entry.th32ThreadID) : NULL;
        if (!thread)
            continue;
        if (GetThreadTimes(thread, &begin, &end, &kernel, &user))
            sum += (((uint64_t)kernel.dwHighDateTime + user.dwHighDateTime) << 32) + kernel.dwLowDateTime + user.dwLowDateTime;
        CloseHandle(thread);
    }
    if (list != INVALID_HANDLE_VALUE)
        CloseHandle(list);
    return sum / 10000;
}

enum target_state target_finish(struct target *target)
{
    for (unsigned i = 0; i < target->thread_count; i++)
        ResumeThread(target->threads[i]);
    while (WaitForSingleObject(target->process, 50) != WAIT_OBJECT_0)
        if (is_over(target)) {
            target->cpu_ms = target_cpu_ms(target->id);
            TerminateProcess(target->process, 1);
            WaitForSingleObject(target->process, 5000);
            return TARGET_TIMEOUT;
        }
    GetExitCodeProcess(target->process, &target->exit_code);
    return TARGET_ENDED;
}

uint8_t *target_output(struct target *target, unsigned which, size_t *size)
{
    enum { LIMIT = 64 << 20 };
    HANDLE file = target->output[which];
    LARGE_INTEGER length = {0}, begin = {0};
    DWORD got = 0;
    *size = 0;
    if (!file || file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &length) || length.QuadPart > LIMIT)
        return NULL;
    uint8_t *bytes = malloc((size_t)length.QuadPart + 1);
    if (bytes && SetFilePointerEx(file, begin, NULL, FILE_BEGIN) && ReadFile(file, bytes, (DWORD)length.QuadPart, &got, NULL))
        *size = got;
    return bytes;
}

void target_close(struct target *target)
{
    if (target->process && WaitForSingleObject(target->process, 0) != WAIT_OBJECT_0) {
        TerminateProcess(target->process, 1);
        WaitForSingleObject(target->process, 5000);
    }
    for (unsigned i = 1; i < target->thread_count; i++) /* the first one is `thread` */
        CloseHandle(target->threads[i]);
    for (unsigned i = 0; i < 2; i++)
        if (target->output[i] && target->output[i] != INVALID_HANDLE_VALUE)
            CloseHandle(target->output[i]);
    if (target->thread)
        CloseHandle(target->thread);
    if (target->process)
        CloseHandle(target->process);
}
