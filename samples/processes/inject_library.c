/* Injection by a remote LoadLibrary, into a child that this program started: a thread in the child loads a DLL. It can be
 * seen: the child's list of modules has one more. */
#include "detector.h"

static int child(HANDLE ready)
{
    SetEvent(ready);
    Sleep(3 * PATIENCE);
    return 1;
}

static DWORD run_in(HANDLE process, const void *function, void *parameter)
{
    HANDLE thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)function, parameter, 0, NULL);
    DWORD code = 0;

    if (!thread || WaitForSingleObject(thread, PATIENCE) != WAIT_OBJECT_0)
        return 0;
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

/* Where the child's own list of modules has it. */
static BYTE *module_base(const struct detector_view *view, const char *name)
{
    for (int i = 0; i < view->modules; i++)
        if (!_stricmp(view->module[i].szModule, name))
            return view->module[i].modBaseAddr;
    return NULL;
}

int main(int argc, char **argv)
{
    static struct detector_view before, loaded, freed;
    PROCESS_INFORMATION information;
    const char *path = start_beside("inject_dll.dll");
    HMODULE kernel32 = GetModuleHandleA("kernel32");
    BYTE *base;
    void *text;

    if (start_is(argc, argv, "child") && argc > 2)
        return child(start_handle(argv[2]));
    HANDLE ready = start_event(TRUE, FALSE);
    check("a child runs", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE, start_number(ready)) &&
                              WaitForSingleObject(ready, PATIENCE) == WAIT_OBJECT_0);
    HANDLE process = information.hProcess;
    check("the detector looks", detector_look(&information, &before));
    text = VirtualAllocEx(process, NULL, strlen(path) + 1, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    check("the library's path is written into it", text && remote_write(process, text, path, strlen(path) + 1));
    check("a thread there calls LoadLibrary", run_in(process, (void *)GetProcAddress(kernel32, "LoadLibraryA"), text) != 0);
    check("the detector looks again", detector_look(&information, &loaded));
    detector_tell(&information, &before, &loaded);
    base = module_base(&loaded, "inject_dll.dll");
    check("and another FreeLibrary", base && run_in(process, (void *)GetProcAddress(kernel32, "FreeLibrary"), base) != 0);
    check("the detector looks", detector_look(&information, &freed));
    detector_tell(&information, &before, &freed);
    TerminateProcess(process, 4);
    show("the child's exit code", start_finish(&information));
    CloseHandle(ready);
    return sample_wrong_facts;
}
