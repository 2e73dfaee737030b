/* How the win32 lane builds a program inside a child of peload.exe, in order:
 *
 *   1  parent: a stub EXE with the PROGRAM's base, size, stack sizes and subsystem is written and started, with the program's
 *      command line, standard handles and environment; so the operating system itself keeps the program's place free
 *   2  child: the stub jumps into our DLL; the first donor is loaded, so that threads are told of from now on
 *   3  the program's activation context, so that the operating system's DLLs of the right version are bound
 *   4  the stub's memory is taken over by the program; it and all that it needs are mapped, relocated, bound, given TLS
 *      slots, protected, by the same phases as on every lane
 *   5  PEB: ImageBaseAddress where the program had to move, and the image's path
 *   6  unwind tables, initialisers in order, the program's TLS callbacks
 *   7  the entry point, on the child's first thread and stack, with nothing of the C start-up beneath it
 *
 * Nothing of the program runs before step 6. */
#include "loader/win32/win32.h"
#include "loader/host/win32.h"

#include <stdlib.h>
#include <string.h>
#include <winternl.h>

struct win32 win32;

bool win32_path_wide(const char *path, WCHAR *wide, size_t room)
{
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, (int)room))
        return false;
    for (; *wide; wide++)
        if (*wide == '/')
            *wide = '\\';
    return true;
}

bool win32_path_host(const WCHAR *wide, char *path, size_t room)
{
    if (!WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, (int)room, NULL, NULL))
        return false;
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
    return true;
}

/* Windows answers with the room that it needs where it is too little, and then writes nothing. */
bool win32_path_full(const WCHAR *path, WCHAR *full)
{
    DWORD length = GetFullPathNameW(path, LD_PATH_ROOM, full, NULL);
    return length && length < LD_PATH_ROOM;
}

/* What this lane cannot have is told where the step would have been. */
static void skipped(const char *what, const char *why)
{
    LD_TRACE(win32.loader.trace, LD_START, .verb = "skipped", .module = win32.main->name, .name = what, .detail = why);
}

/* ---- Before the load ---- */

static void search_open(void)
{
    char *slash;
    WCHAR wide[LD_PATH_ROOM];
    strcpy(win32.folder, win32.options.program);
    if ((slash = strrchr(win32.folder, '/')))
        *slash = 0;
    if (!GetSystemDirectoryW(wide, LD_PATH_ROOM) || !win32_path_host(wide, win32.system_folder, sizeof win32.system_folder))
        win32.system_folder[0] = 0;
    win32_search_set(0, NULL);
}

/* Unpredictable enough for a cookie; the run-time libraries make theirs of the same. */
static uint64_t seed(void)
{
    LARGE_INTEGER ticks;
    FILETIME time;
    QueryPerformanceCounter(&ticks);
    GetSystemTimeAsFileTime(&time);
    return ((uint64_t)ticks.QuadPart << 32 | GetCurrentProcessId()) ^ time.dwLowDateTime ^ (uint64_t)(uintptr_t)&time << 16 ^
           GetTickCount() ^ (uint64_t)GetCurrentThreadId() << 40;
}

static bool loader_open(struct ld_error *error)
{
    struct loader *loader = &win32.loader;
    loader->trace = win32.options.trace;
    loader->host = host_win32_open();
    if (!loader->host)
        return ld_fail_host(error, LD_START, NULL, HOST_NO_MEMORY, "no memory for the host");
    loader->machine = win32_machine;
    loader->random = seed();
    loader->occupy = win32.options.occupy;
    loader->redirect = win32_redirect;
    loader->system = win32_system;
    loader->instead = win32_instead;
    loader->tls_take = win32_tls_take;
    loader->tls_give = win32_tls_give;
    loader->missing = win32.options.missing;
    loader->substitute = win32.options.missing_stub ? win32_missing : NULL;
    search_open();
    return true;
}

bool win32_prepare(const struct win32_options *options, struct ld_error *error)
{
    const struct win32_donor first = {.notify = win32_notify};
    win32.options = *options;
    if (!win32_path_wide(options->program, win32.path, LD_PATH_ROOM))
        return ld_fail(error, LD_FIND, NULL, LD_STATUS_OBJECT_NAME_INVALID, "the path is too long");
    if (!loader_open(error))
        return false;
    if (!win32_donor_load(&first, NULL))
        return ld_fail_host(error, LD_START, NULL, HOST_FAILED, "no DLL can be made through which Windows tells of threads");
    win32_thread_add();
    win32_context_open();
    /* A system that moves every image (an exploit protection setting) has moved the stub too: then it keeps no place. */
    bool is_there = (uintptr_t)GetModuleHandleW(NULL) == options->kept_base;
    if (options->kept_base && is_there && !options->occupy)
        host_win32_adopt(win32.loader.host, options->kept_base, options->kept_size);
    win32.main = ld_load_path(&win32.loader, options->program, error);
    return win32.main != NULL;
}

/* ---- From the load to the entry point ---- */

/* ImageBaseAddress is the third pointer of the PEB in every Windows; winternl.h names the fields around it. Wine's loader
 * (seen in 8.0) takes it as a key into its own list whenever a thread begins or ends, and finds nothing under ours: there
 * it stays as it is. Our modules never see the difference, their GetModuleHandle is library.c's. */
static void peb_fill(void)
{
    PEB *block = win32_peb();
    if (block->Reserved3[1] == (void *)(uintptr_t)win32.main->base)
        ; /* the program lies where the operating system has its own main image */
    else if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version"))
        skipped("PEB.ImageBaseAddress", "Wine's loader looks its own module up by it; system DLLs see peload.exe there");
    else
        block->Reserved3[1] = (void *)(uintptr_t)win32.main->base;
    RTL_USER_PROCESS_PARAMETERS *parameters = block->ProcessParameters;
    size_t length = wcslen(win32.path) * sizeof(WCHAR);
    parameters->ImagePathName.Buffer = win32.path;
    parameters->ImagePathName.Length = (USHORT)length;
    parameters->ImagePathName.MaximumLength = (USHORT)(length + sizeof(WCHAR));
    LD_TRACE(win32.loader.trace, LD_START, .verb = "peb", .module = win32.main->name, .address = (uintptr_t)block, .from = win32.main->base,
             .detail = "the image's place and path");
}

static void tell_skipped(void)
{
    const IMAGE_DOS_HEADER *dos = (const IMAGE_DOS_HEADER *)(uintptr_t)win32.main->base;
    const IMAGE_NT_HEADERS *nt = (const IMAGE_NT_HEADERS *)((const uint8_t *)dos + dos->e_lfanew);
    skipped("module lists", "PEB.Ldr is the operating system's own: of our modules its DLLs and debuggers see the program alone");
    skipped("sections", "the memory of modules mapped by hand is the process's own, not an image section's: none of it is shared");
    if (nt->OptionalHeader.DllCharacteristics & IMAGE_DLLCHARACTERISTICS_GUARD_CF)
        skipped("control flow guard", "the table of call targets is not made known");
}

/* Never inlined: whatever the entry point does with its argument's stack place, nothing here is used behind it. */
static __attribute__((noinline, noreturn)) void enter(uint64_t entry, void *argument)
{
    ExitThread(((DWORD(WINAPI *)(void *))(uintptr_t)entry)(argument));
}

_Noreturn void win32_start(void)
{
    struct ld_module *program = win32.main;
    uint64_t entry = program->base + program->image.entry.value;
    const char *refused = NULL;
    peb_fill();
    if (program->image.dll_characteristics & IMAGE_DLLCHARACTERISTICS_NX_COMPAT && !win32_no_execute())
        skipped("no-execute", "Windows does not let this process have it, and its data can be executed");
    tell_skipped();
    SetUnhandledExceptionFilter(NULL);
    LD_TRACE(win32.loader.trace, LD_START, .verb = "thread", .module = program->name, .address = entry, .from = program->base,
             .count = GetCurrentProcessId(), .thread = GetCurrentThreadId());
    ULONG_PTR cookie = win32_lock();
    uint32_t status = win32_attach(program, &refused);
    win32_unlock(cookie);
    if (status) {
        win32.options.start_failed(status, refused);
        TerminateProcess(GetCurrentProcess(), status);
    }
    enter(entry, win32_peb());
}
