/* A process can be given another parent than its creator: that one bequeaths. The heir has the chosen parent's inheritable
 * handles, under their values, a file among them whose position both share; nothing of its creator's. */
#include "start.h"

/* Written by the parent to be, read out of it by the creator: a file, a signalled event, and how far it has come. */
static volatile ULONG_PTR estate[2];

static int parent(HANDLE ready, const char *name)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    DWORD written;
    HANDLE file;

    for (int i = 0; i < 40; i++) /* numbers that the creator has not */
        CreateEventA(NULL, FALSE, FALSE, NULL);
    file = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, &inherited, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    WriteFile(file, "of the chosen parent", 20, &written, NULL);
    SetFilePointer(file, 7, NULL, FILE_BEGIN);
    estate[0] = (ULONG_PTR)file;
    estate[1] = (ULONG_PTR)CreateEventA(&inherited, TRUE, TRUE, NULL);
    SetEvent(ready);
    Sleep(PATIENCE);
    return 1;
}

static int heir(HANDLE file, HANDLE event, HANDLE creators)
{
    char text[32] = "";
    DWORD length = 0, flags;

    check("  heir: reads on where its parent stands", ReadFile(file, text, 10, &length, NULL) && length == 10);
    printf("  heir: [%s]\n", text);
    check("  heir: the event is signalled", WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    check("  heir: its creator's event is no handle here", !GetHandleInformation(creators, &flags) && GetLastError() == ERROR_INVALID_HANDLE);
    return sample_wrong_facts;
}

static BOOL heir_make(HANDLE chosen, HANDLE creators, PROCESS_INFORMATION *made, const ULONG_PTR *values)
{
    char room[256], words[128];
    SIZE_T size = sizeof room;
    STARTUPINFOEXA startup = { .StartupInfo = { .cb = sizeof startup }, .lpAttributeList = (void *)room };

    if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size) ||
        !UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, &chosen, sizeof chosen, NULL, NULL))
        return FALSE;
    snprintf(words, sizeof words, "heir " START_HANDLE " " START_HANDLE " " START_HANDLE, start_number((HANDLE)values[0]),
             start_number((HANDLE)values[1]), start_number(creators));
    return start_with(start_own_path(), EXTENDED_STARTUPINFO_PRESENT | CREATE_SUSPENDED, TRUE, &startup.StartupInfo, made, words);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION chosen, made;
    ULONG_PTR values[2] = {0};
    HANDLE ready, high = NULL;
    char folder[MAX_PATH], name[2 * MAX_PATH];

    if (start_is(argc, argv, "parent") && argc > 3)
        return parent(start_handle(argv[2]), argv[3]);
    if (start_is(argc, argv, "heir") && argc > 4)
        return heir(start_handle(argv[2]), start_handle(argv[3]), start_handle(argv[4]));
    GetTempPathA(sizeof folder, folder);
    GetTempFileNameA(folder, "par", 0, name); /* makes it, so that it is nobody else's */
    ready = start_event(FALSE, FALSE);
    check("the parent to be runs", start(start_own_path(), 0, TRUE, &chosen, "parent " START_HANDLE " \"%s\"", start_number(ready), name) &&
                                       WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    for (int i = 0; i < 100; i++) /* a number that the chosen parent has not */
        high = start_event(TRUE, FALSE);
    check("its handles are read out of it", ReadProcessMemory(chosen.hProcess, (void *)estate, values, sizeof values, NULL));
    check("an heir of it is created", heir_make(chosen.hProcess, high, &made, values));
    fflush(stdout); /* the heir speaks after its creator: both write to one file */
    ResumeThread(made.hThread);
    show("the heir's exit code", start_finish(&made));
    TerminateProcess(chosen.hProcess, 5);
    show("the parent's exit code", start_finish(&chosen));
    check("with both the file is gone", GetFileAttributesA(name) == INVALID_FILE_ATTRIBUTES);
    return sample_wrong_facts;
}
