// Six threads, each 150 times (or as often as is asked for): load a DLL, start a thread, throw, free the DLL.
#include <cstdio>
#include "stress.h"

namespace {

enum { THREADS = 6 };

unsigned long times;
volatile LONG caught, started;

struct Trouble { int number; };

DWORD WINAPI child(void *number)
{
    InterlockedIncrement(&started);
    try {
        throw Trouble{static_cast<int>(reinterpret_cast<ULONG_PTR>(number))};
    } catch (const Trouble &trouble) {
        InterlockedIncrement(&caught);
        return static_cast<DWORD>(trouble.number);
    }
}

void one(unsigned long number)
{
    static const char *const names[] = {"tls_late_dll.dll", "bench_binding_one.dll", "search_dll.dll"};
    HMODULE module = LoadLibraryA(names[number % 3]);
    stress_need(module != nullptr, "LoadLibrary");
    HANDLE thread = CreateThread(nullptr, 0, child, reinterpret_cast<void *>(static_cast<ULONG_PTR>(number)), 0, nullptr);
    stress_need(thread != nullptr, "CreateThread");
    try {
        throw Trouble{static_cast<int>(number)};
    } catch (const Trouble &) {
        InterlockedIncrement(&caught);
    }
    DWORD code = 0;
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    stress_need(code == number, "a thread's exit code");
    CloseHandle(thread);
    stress_need(FreeLibrary(module), "FreeLibrary");
}

DWORD WINAPI worker(void *)
{
    for (unsigned long i = 0; i < times; i++)
        one(i);
    return 0;
}

void all()
{
    HANDLE threads[THREADS];
    for (HANDLE &thread : threads) {
        thread = CreateThread(nullptr, 0, worker, nullptr, 0, nullptr);
        stress_need(thread != nullptr, "CreateThread");
    }
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (HANDLE thread : threads)
        CloseHandle(thread);
}

}

int main(int argc, char **argv)
{
    unsigned long wanted = stress_count(argc, argv, 150);

    times = 5;
    all();
    caught = started = 0;
    times = wanted;
    stress_mark();
    all();
    std::printf("threads started: %s\n", started == static_cast<LONG>(THREADS * times) ? "all" : "NOT ALL");
    std::printf("exceptions caught: %s\n", caught == static_cast<LONG>(2 * THREADS * times) ? "all" : "NOT ALL");
    stress_mark();
    return 0;
}
