/* graph_log.dll: every other module imports it, so it is initialised first and ended last; it keeps the order of calls. */
#include <windows.h>

#define LOG_MAX 64
#define TEXT_MAX 48

/* The text is copied: the module that told it may be gone when it is printed. */
static struct { char text[TEXT_MAX]; DWORD reason; } entries[LOG_MAX];
static int entry_count;

/* Data, to be imported as data: how many modules were attached. */
int log_attached;

void log_add(const char *module, DWORD reason)
{
    if (reason == DLL_PROCESS_ATTACH)
        log_attached++;
    if (entry_count < LOG_MAX) {
        lstrcpynA(entries[entry_count].text, module, TEXT_MAX);
        entries[entry_count++].reason = reason;
    }
}

static void write_text(const char *text)
{
    DWORD length = 0, written;

    while (text[length])
        length++;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

/* Prints and forgets what was added since the last call. */
void log_print(void)
{
    for (int i = 0; i < entry_count; i++) {
        write_text(entries[i].text);
        write_text(entries[i].reason == DLL_PROCESS_ATTACH ? ": attach\r\n" : ": detach\r\n");
    }
    entry_count = 0;
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    if (reason == DLL_PROCESS_ATTACH)
        DisableThreadLibraryCalls(module);
    log_add(reserved ? "graph_log, with the process" : "graph_log, alone", reason);
    if (reason == DLL_PROCESS_DETACH)
        log_print();
    return TRUE;
}
