/* Programs that destroy what they stand on. What becomes of them is told by the system; it must not be harmed itself. */
#include <string.h>
#include <winternl.h>
#include "stress.h"

NTSYSAPI NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE process, void *address);

#ifdef __x86_64__
#define JUMP_WITH_STACK(address) __asm__ volatile("movq %0, %%rsp\n\tcall *%1" : : "r"(address), "r"((void *)GetTickCount))
#define LOSE_STACK(address) __asm__ volatile("movq %0, %%rsp\n\tpushq %%rax" : : "r"(address))
#else
#define JUMP_WITH_STACK(address) __asm__ volatile("movl %0, %%esp\n\tcall *%1" : : "r"(address), "r"((void *)GetTickCount))
#define LOSE_STACK(address) __asm__ volatile("movl %0, %%esp\n\tpushl %%eax" : : "r"(address))
#endif

static void unmap_ntdll(void)
{
    NtUnmapViewOfSection(GetCurrentProcess(), GetModuleHandleA("ntdll.dll"));
}

static void unmap_self(void)
{
    NtUnmapViewOfSection(GetCurrentProcess(), GetModuleHandleA(NULL));
}

static void unmap_kernelbase(void)
{
    NtUnmapViewOfSection(GetCurrentProcess(), GetModuleHandleA("kernelbase.dll"));
}

static void overwrite_peb(void)
{
    memset(NtCurrentTeb()->ProcessEnvironmentBlock, 0xcc, 0x380);
    LoadLibraryA("tls_late_dll.dll");
}

static void free_peb(void)
{
    VirtualFree(NtCurrentTeb()->ProcessEnvironmentBlock, 0, MEM_RELEASE);
    LoadLibraryA("somewhere\\tls_late_dll.dll");
}

static void free_teb(void)
{
    VirtualFree(NtCurrentTeb(), 0, MEM_RELEASE);
    GetTickCount();
    Sleep(1);
}

static void overwrite_teb(void)
{
    memset(NtCurrentTeb(), 0xcc, 0x1000);
    Sleep(1);
}

static void overwrite_lists(void)
{
    PEB_LDR_DATA *lists = NtCurrentTeb()->ProcessEnvironmentBlock->Ldr;

    memset(lists->InMemoryOrderModuleList.Flink, 0xcc, 0x80);
    LoadLibraryA("tls_late_dll.dll");
    FreeLibrary(GetModuleHandleA("tls_late_dll.dll"));
}

static void overwrite_ntdll(void)
{
    unsigned char *code = (unsigned char *)GetModuleHandleA("ntdll.dll") + 0x1000;
    DWORD old;

    VirtualProtect(code, 0x40000, PAGE_EXECUTE_READWRITE, &old);
    memset(code, 0xf4, 0x40000);
    Sleep(1);
}

static void overwrite_heap(void)
{
    memset(GetProcessHeap(), 0xcc, 0x4000);
    HeapAlloc(GetProcessHeap(), 0, 100);
}

static void close_handles(void)
{
    for (ULONG_PTR handle = 4; handle < 0x4000; handle += 4)
        CloseHandle((HANDLE)handle);
    LoadLibraryA("tls_late_dll.dll");
    CloseHandle(CreateEventA(NULL, FALSE, FALSE, NULL));
}

static void jump_nowhere(void)
{
    ((void (*)(void))(ULONG_PTR)0x12345678)();
}

static void jump_null(void)
{
    void (*volatile nowhere)(void) = NULL;

    nowhere();
}

static void stack_nowhere(void) { LOSE_STACK((ULONG_PTR)0x12340000); }
static void stack_null(void) { LOSE_STACK((ULONG_PTR)0); }
static void call_on_lost_stack(void) { JUMP_WITH_STACK((ULONG_PTR)0x12340000); }

static void protect_stack(void)
{
    static DWORD old; /* what lies on the stack could not be written any more */
    char *here = (char *)((ULONG_PTR)&here & ~(ULONG_PTR)0xfff);

    VirtualProtect(here, 0x1000, PAGE_NOACCESS, &old);
}

static void free_stack(void)
{
    MEMORY_BASIC_INFORMATION information = {0};

    VirtualQuery(&information, &information, sizeof information);
    VirtualFree(information.AllocationBase, 0, MEM_RELEASE);
}

static int __attribute__((noinline)) deeper(volatile int *depth)
{
    volatile char room[500];

    room[0] = (char)++*depth;
    return deeper(depth) + room[0];
}

static DWORD WINAPI run_off(void *unused)
{
    volatile int depth = 0;

    (void)unused;
    return (DWORD)deeper(&depth);
}

static void run_off_in_thread(void)
{
    WaitForSingleObject(CreateThread(NULL, 0, run_off, NULL, 0, NULL), INFINITE);
}

static DWORD WINAPI spin(void *counter)
{
    for (;;)
        ++*(volatile int *)counter;
    return 0;
}

static void terminate_threads(void)
{
    static volatile int counter;

    for (int i = 0; i < 300; i++) {
        counter = 0;
        HANDLE thread = CreateThread(NULL, 0, spin, (void *)&counter, 0, NULL);
        stress_need(thread != NULL, "CreateThread");
        while (!counter) /* a thread ended inside the loader takes the loader's lock with it */
            Sleep(0);
        TerminateThread(thread, 5);
        stress_need(WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0, "a thread that was ended");
        CloseHandle(thread);
    }
}

static DWORD WINAPI work(void *unused)
{
    (void)unused;
    for (;;) {
        HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
        WaitForSingleObject(event, 1);
        CloseHandle(event);
        free(malloc(1000));
    }
    return 0;
}

static void exit_with_threads(void)
{
    static int counter;

    for (int i = 0; i < 50; i++)
        CreateThread(NULL, 0, i % 2 ? work : spin, &counter, 0, NULL);
    Sleep(20);
    ExitProcess(33);
}

static void terminate_with_threads(void)
{
    for (int i = 0; i < 50; i++)
        CreateThread(NULL, 0, work, NULL, 0, NULL);
    TerminateProcess(GetCurrentProcess(), 34);
}

static void suspend_threads(void)
{
    static int counter;
    HANDLE threads[8];

    for (int i = 0; i < 8; i++)
        threads[i] = CreateThread(NULL, 0, i % 2 ? work : spin, &counter, 0, NULL);
    for (int i = 0; i < 2000; i++) {
        SuspendThread(threads[i % 8]);
        ResumeThread(threads[i % 8]);
    }
    ExitProcess(35);
}

static LONG CALLBACK again(EXCEPTION_POINTERS *pointers)
{
    (void)pointers;
    *(volatile int *)8 = 1;
    return EXCEPTION_CONTINUE_SEARCH;
}

static void fault_in_handler(void)
{
    AddVectoredExceptionHandler(1, again);
    *(volatile int *)16 = 1;
}

static const struct { const char *name; void (*way)(void); } ways[] = {
    {"unmap-ntdll", unmap_ntdll}, {"unmap-self", unmap_self}, {"unmap-kernelbase", unmap_kernelbase},
    {"overwrite-peb", overwrite_peb}, {"free-peb", free_peb}, {"free-teb", free_teb}, {"overwrite-teb", overwrite_teb},
    {"overwrite-lists", overwrite_lists}, {"overwrite-ntdll", overwrite_ntdll}, {"overwrite-heap", overwrite_heap},
    {"close-handles", close_handles}, {"jump-nowhere", jump_nowhere}, {"jump-null", jump_null},
    {"stack-nowhere", stack_nowhere}, {"stack-null", stack_null}, {"call-on-lost-stack", call_on_lost_stack},
    {"protect-stack", protect_stack}, {"free-stack", free_stack}, {"run-off-in-thread", run_off_in_thread},
    {"terminate-threads", terminate_threads}, {"exit-with-threads", exit_with_threads},
    {"terminate-with-threads", terminate_with_threads}, {"suspend-threads", suspend_threads},
    {"fault-in-handler", fault_in_handler},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(argv[1], ways[i].name)) {
            ways[i].way();
            return 0;
        }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        puts(ways[i].name);
    return 1;
}
