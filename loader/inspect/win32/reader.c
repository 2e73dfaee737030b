/* A process by ReadProcessMemory, VirtualQueryEx and NtQueryInformationThread. */
#include "loader/inspect/win32/target.h"
#include "pe/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

static struct windows_reader *own(struct inspect_reader *reader) { return reader->self; }

static bool memory_read(struct inspect_reader *reader, uint64_t address, void *out, size_t size)
{
    SIZE_T got = 0;
    return address <= UINTPTR_MAX && ReadProcessMemory(own(reader)->target->process, (void *)(uintptr_t)address, out, size, &got) && got == size;
}

/* ---- regions ---- */

static int rights_of(DWORD protection)
{
    switch (protection & 0xff) {
    case PAGE_READONLY: return PE_R;
    case PAGE_READWRITE:
    case PAGE_WRITECOPY: return PE_R | PE_W;
    case PAGE_EXECUTE: return PE_X;
    case PAGE_EXECUTE_READ: return PE_R | PE_X;
    case PAGE_EXECUTE_READWRITE:
    case PAGE_EXECUTE_WRITECOPY: return PE_R | PE_W | PE_X;
    default: return 0;
    }
}

static bool region_next(struct inspect_reader *reader, uint64_t *address, struct inspect_region *out)
{
    MEMORY_BASIC_INFORMATION facts;
    while (*address <= UINTPTR_MAX &&
           VirtualQueryEx(own(reader)->target->process, (void *)(uintptr_t)*address, &facts, sizeof facts) == sizeof facts && facts.RegionSize) {
        *address = (uint64_t)(uintptr_t)facts.BaseAddress + facts.RegionSize;
        if (facts.State == MEM_FREE)
            continue;
        *out = (struct inspect_region){
            .base = (uintptr_t)facts.BaseAddress, .size = facts.RegionSize, .allocation_base = (uintptr_t)facts.AllocationBase,
            .committed = facts.State == MEM_COMMIT, .rights = rights_of(facts.Protect), .allocation_rights = rights_of(facts.AllocationProtect),
            .guard = facts.State == MEM_COMMIT && (facts.Protect & PAGE_GUARD),
            .type = facts.Type == MEM_IMAGE ? INSPECT_IMAGE : facts.Type == MEM_MAPPED ? INSPECT_MAPPED : INSPECT_PRIVATE};
        if (out->guard)
            out->rights = 0; /* the first touch is a fault */
        return true;
    }
    return false;
}

/* ---- threads ---- */

static void registers_take(struct inspect_thread *thread, const CONTEXT *from)
{
#ifdef _WIN64
    const struct inspect_register registers[] = {
        {"rip", from->Rip}, {"rsp", from->Rsp}, {"rbp", from->Rbp}, {"rax", from->Rax}, {"rbx", from->Rbx}, {"rcx", from->Rcx},
        {"rdx", from->Rdx}, {"rsi", from->Rsi}, {"rdi", from->Rdi}, {"r8", from->R8},   {"r9", from->R9},   {"r10", from->R10},
        {"r11", from->R11}, {"r12", from->R12}, {"r13", from->R13}, {"r14", from->R14}, {"r15", from->R15}, {"eflags", from->EFlags}};
#else
    const struct inspect_register registers[] = {
        {"eip", from->Eip}, {"esp", from->Esp}, {"ebp", from->Ebp}, {"eax", from->Eax}, {"ebx", from->Ebx},
        {"ecx", from->Ecx}, {"edx", from->Edx}, {"esi", from->Esi}, {"edi", from->Edi}, {"eflags", from->EFlags}};
#endif
    thread->register_count = sizeof registers / sizeof *registers;
    memcpy(thread->registers, registers, sizeof registers);
}

static bool thread_at(struct inspect_reader *reader, unsigned index, struct inspect_thread *out)
{
    enum { BASIC = 0, START = 9 }; /* ThreadBasicInformation, ThreadQuerySetWin32StartAddress */
    struct { LONG status; void *teb; ULONG_PTR process, thread; ULONG_PTR affinity; LONG priority, base_priority; } basic;
    struct target *target = own(reader)->target;
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    ULONG_PTR start = 0;
    ULONG length;
    if (index >= target->thread_count)
        return false;
    HANDLE thread = target->threads[index];
    if (!NtQueryInformationThread(thread, (THREADINFOCLASS)BASIC, &basic, sizeof basic, &length)) {
        out->teb = (uintptr_t)basic.teb;
        out->id = (uint32_t)basic.thread;
    }
    if (!NtQueryInformationThread(thread, (THREADINFOCLASS)START, &start, sizeof start, &length))
        out->start = start;
    if (GetThreadContext(thread, &context))
        registers_take(out, &context);
    return true;
}

static bool handle_at(struct inspect_reader *reader, unsigned index, struct inspect_handle *out)
{
    return handles_at(own(reader)->handles, index, out);
}

/* ---- files ---- */

static bool file_map(const char *name, struct pe_span *bytes)
{
    WCHAR wide[4096];
    LARGE_INTEGER size = {0};
    void *data = NULL;
    if (!MultiByteToWideChar(CP_UTF8, 0, name, -1, wide, 4096))
        return false;
    HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return false;
    HANDLE mapping = GetFileSizeEx(file, &size) && size.QuadPart ? CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL) : NULL;
    if (mapping) {
        data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
        CloseHandle(mapping);
    }
    CloseHandle(file);
    *bytes = (struct pe_span){data, (uint64_t)size.QuadPart};
    return data != NULL;
}

/* A private assembly has a folder of its own beside the program. */
static bool below_map(const char *name, struct pe_span *bytes, char *text, size_t room)
{
    const char *slash = strrchr(name, '\\'), *other = strrchr(name, '/');
    slash = !slash || (other && other > slash) ? other : slash;
    int folder = slash ? (int)(slash + 1 - name) : 0;
    char pattern[4096];
    WIN32_FIND_DATAA found;
    if (snprintf(pattern, sizeof pattern, "%.*s*", folder, name) >= (int)sizeof pattern)
        return false;
    bool done = false;
    HANDLE list = FindFirstFileA(pattern, &found);
    for (BOOL more = list != INVALID_HANDLE_VALUE; more && !done; more = FindNextFileA(list, &found))
        done = found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY && found.cFileName[0] != '.' &&
               (size_t)snprintf(text, room, "%.*s%s\\%s", folder, name, found.cFileName, name + folder) < room && file_map(text, bytes);
    if (list != INVALID_HANDLE_VALUE)
        FindClose(list);
    return done;
}

static bool file_open(struct inspect_reader *reader, const char *path, const char *name, struct pe_span *bytes, char *text, size_t room)
{
    (void)reader;
    if (!name || (size_t)snprintf(text, room, "%s", name) >= room)
        return false;
    return path ? file_map(name, bytes) : below_map(name, bytes, text, room);
}

static void file_close(struct inspect_reader *reader, struct pe_span bytes)
{
    (void)reader;
    UnmapViewOfFile((void *)(uintptr_t)bytes.data);
}

bool windows_reader_open(struct windows_reader *reader, struct target *target)
{
    *reader = (struct windows_reader){
        .reader = {.self = reader, .is_64 = sizeof(void *) == 8, .read = memory_read, .region_next = region_next, .thread_at = thread_at,
                   .handle_at = handle_at, .file_open = file_open, .file_close = file_close},
        .target = target, .handles = handles_open(target->process, target->id)};
    reader->reader.sees_handles = reader->handles != NULL;
    return true;
}

void windows_reader_close(struct windows_reader *reader)
{
    handles_close(reader->handles);
}
