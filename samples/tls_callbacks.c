/* A TLS directory written by hand: initial data, zero fill, an index, two callbacks. No C run-time, so that nothing else
 * has a part in it; the order of the printed lines is what the loader did. */
#include <windows.h>

#define LOCAL_WORDS 4
#define LOCAL_ZEROES 64

/* What every thread gets a copy of; the linker keeps .tls, .tls$M, .tls$ZZZ together in this order. */
__attribute__((section(".tls"))) ULONG tls_start[LOCAL_WORDS] = { 0x11111111, 0x22222222, 0x33333333, 0x44444444 };
__attribute__((section(".tls$ZZZ"))) ULONG tls_end = 0;

ULONG _tls_index = 0xffffffff;
static volatile LONG busy_callbacks;

static void write_text(const char *text)
{
    DWORD length = 0, written;

    while (text[length])
        length++;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

/* ThreadLocalStoragePointer is the twelfth pointer of the TEB, at 0x58 (x64) and 0x2c (x86). */
static ULONG *local_data(void)
{
    return ((ULONG ***)NtCurrentTeb())[11][_tls_index];
}

static int local_data_is_fresh(void)
{
    const ULONG *words = local_data();
    const char *zeroes = (const char *)words + ((const char *)&tls_end - (const char *)tls_start);

    for (int i = 0; i < LOCAL_ZEROES; i++)
        if (zeroes[i])
            return 0;
    return words != tls_start && words[0] == 0x11111111 && words[1] == 0x22222222 && words[2] == 0x33333333
           && words[3] == 0x44444444;
}

static const char *reason_name(DWORD reason)
{
    switch (reason) {
    case DLL_PROCESS_ATTACH: return "process attach";
    case DLL_THREAD_ATTACH: return "thread attach";
    case DLL_THREAD_DETACH: return "thread detach";
    case DLL_PROCESS_DETACH: return "process detach";
    default: return "UNKNOWN";
    }
}

static void tell(const char *name, void *module, DWORD reason)
{
    write_text(name);
    write_text(reason_name(reason));
    if (module != GetModuleHandleW(NULL))
        write_text(", WRONG MODULE");
}

static void NTAPI first_callback(void *module, DWORD reason, void *reserved)
{
    (void)reserved;
    InterlockedIncrement(&busy_callbacks);
    tell("first callback: ", module, reason);
    if (reason == DLL_PROCESS_ATTACH || reason == DLL_THREAD_ATTACH)
        write_text(local_data_is_fresh() ? ", data fresh" : ", data NOT fresh");
    else
        write_text(local_data()[0] == 0xABCD ? ", data as the thread left it" : ", data NOT as left");
    write_text("\r\n");
}

static void NTAPI second_callback(void *module, DWORD reason, void *reserved)
{
    (void)reserved;
    tell("second callback: ", module, reason);
    write_text("\r\n");
}

const PIMAGE_TLS_CALLBACK tls_callbacks[] = { first_callback, second_callback, NULL };

/* The linker enters the symbol _tls_used into the data directory. */
const IMAGE_TLS_DIRECTORY _tls_used = {
    (ULONG_PTR)tls_start, (ULONG_PTR)&tls_end, (ULONG_PTR)&_tls_index, (ULONG_PTR)tls_callbacks, LOCAL_ZEROES, 0
};

static DWORD WINAPI thread_main(void *unused)
{
    (void)unused;
    write_text(local_data_is_fresh() ? "thread: its own fresh data\r\n" : "thread: data NOT fresh\r\n");
    local_data()[0] = 0xABCD;
    return 0;
}

static void run_thread(void)
{
    HANDLE thread = CreateThread(NULL, 0, thread_main, NULL, 0, NULL);

    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

void mainCRTStartup(void)
{
    write_text(busy_callbacks == 1 ? "entry: the callbacks ran before\r\n" : "entry: the callbacks did NOT run before\r\n");
    write_text(_tls_index != 0xffffffff ? "entry: the index is filled\r\n" : "entry: the index is NOT filled\r\n");
    local_data()[0] = 0xABCD;
    run_thread();
    run_thread();
    write_text(local_data()[0] == 0xABCD ? "entry: data untouched by the threads\r\n" : "entry: data CHANGED\r\n");
    ExitProcess(busy_callbacks == 5 ? 0 : 1);
}
