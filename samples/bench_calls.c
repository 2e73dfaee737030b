/* What everyday calls cost, in nanoseconds: threads, libraries, memory, files, handles. */
#include "bench.h"

static DWORD WINAPI nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void thread_round(void *unused)
{
    HANDLE thread = CreateThread(NULL, 0, nothing, NULL, 0, NULL);

    (void)unused;
    bench_need(thread != NULL, "CreateThread");
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static void library_round(void *unused)
{
    HMODULE module = LoadLibraryA("tls_late_dll.dll");

    (void)unused;
    bench_need(module != NULL, "LoadLibrary");
    FreeLibrary(module);
}

static void memory_round(void *unused)
{
    void *memory = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    (void)unused;
    bench_need(memory != NULL, "VirtualAlloc");
    VirtualFree(memory, 0, MEM_RELEASE);
}

static char path[MAX_PATH];

static void file_round(void *unused)
{
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);

    (void)unused;
    bench_need(file != INVALID_HANDLE_VALUE, path);
    CloseHandle(file);
}

static void handle_round(void *unused)
{
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL);

    (void)unused;
    bench_need(event != NULL, "CreateEvent");
    CloseHandle(event);
}

static void heap_round(void *unused)
{
    (void)unused;
    HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 0, 100));
}

int main(void)
{
    GetModuleFileNameA(NULL, path, sizeof path);
    printf("handle_ns %.0f\n", bench_repeat(handle_round, NULL, 3000));
    printf("heap_ns %.0f\n", bench_repeat(heap_round, NULL, 3000));
    printf("memory_ns %.0f\n", bench_repeat(memory_round, NULL, 1000));
    printf("file_ns %.0f\n", bench_repeat(file_round, NULL, 500));
    printf("thread_ns %.0f\n", bench_repeat(thread_round, NULL, 200));
    printf("library_ns %.0f\n", bench_repeat(library_round, NULL, 50));
    return 0;
}
