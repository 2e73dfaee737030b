/* Three generations: who created whom, as a snapshot of all processes tells it. A process can also be given another parent
 * than its creator, and can outlive its parent. */
#include "start.h"
#include <tlhelp32.h>

/* The parent's ID, 0 where there is no such process; its threads, and its file's name. */
static DWORD parent_of(DWORD id, DWORD *threads, char *name)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 entry = { .dwSize = sizeof entry };
    DWORD parent = 0;

    if (snapshot == INVALID_HANDLE_VALUE)
        return 0;
    for (BOOL more = Process32First(snapshot, &entry); more; more = Process32Next(snapshot, &entry))
        if (entry.th32ProcessID == id) {
            parent = entry.th32ParentProcessID;
            *threads = entry.cntThreads;
            strcpy(name, entry.szExeFile);
        }
    CloseHandle(snapshot);
    return parent;
}

/* The thread, if it is that process's. */
static int has_thread(DWORD process, DWORD id)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry = { .dwSize = sizeof entry };
    int found = 0;

    if (snapshot == INVALID_HANDLE_VALUE)
        return 0;
    for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
        found |= entry.th32ThreadID == id && entry.th32OwnerProcessID == process;
    CloseHandle(snapshot);
    return found;
}

static void descends(const char *what, DWORD parent)
{
    char name[MAX_PATH] = "";
    DWORD threads = 0;

    check(what, parent_of(GetCurrentProcessId(), &threads, name) == parent && !strcmp(name, "tree.exe") && threads >= 1);
    fflush(stdout);
}

/* A son, from the third generation back. */
static int generation(int number, DWORD parent, DWORD grandparent)
{
    PROCESS_INFORMATION child;
    char what[64], name[MAX_PATH];
    DWORD threads = 0;
    int created;

    snprintf(what, sizeof what, "%*sgeneration %d: its parent is who created it", number, "", number);
    descends(what, parent);
    if (number < 3) {
        check("  and the parent's parent, seen from here", parent_of(parent, &threads, name) == grandparent || grandparent == 0);
        created = start(start_own_path(), 0, FALSE, &child, "generation %d %lx %lx", number + 1, GetCurrentProcessId(), parent);
        sample_wrong_facts += (int)start_finish(&child);
        check("  it has created the next one", created);
    } else
        check("   and the parent's parent, seen from here", parent_of(parent, &threads, name) == grandparent);
    return sample_wrong_facts;
}

/* The creator asks for another parent: a child of ours that waits. */
static void other_parent(void)
{
    char room[256];
    SIZE_T size = sizeof room;
    STARTUPINFOEXA startup = { .StartupInfo = { .cb = sizeof startup }, .lpAttributeList = (void *)room };
    PROCESS_INFORMATION foster, child;
    HANDLE go_on = start_event(TRUE, FALSE);
    char line[64];

    start(start_own_path(), 0, TRUE, &foster, "wait " START_HANDLE, start_number(go_on));
    InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size);
    UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, &foster.hProcess, sizeof(HANDLE), NULL, NULL);
    snprintf(line, sizeof line, "child-of %lx", foster.dwProcessId);
    check("a child is created for another parent",
          start_with(start_own_path(), EXTENDED_STARTUPINFO_PRESENT, FALSE, &startup.StartupInfo, &child, line));
    check("which it says itself", start_finish(&child) == 0);
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    SetEvent(go_on);
    show("the other parent's exit code", start_finish(&foster));
    CloseHandle(go_on);
}

/* The middle one creates a child and ends: the child has a parent's ID that is nobody's any more. */
static void orphan(void)
{
    HANDLE go_on = start_event(TRUE, FALSE), done = start_event(TRUE, FALSE);
    PROCESS_INFORMATION middle;

    check("a child that leaves an orphan", start(start_own_path(), 0, TRUE, &middle, "leave " START_HANDLE " " START_HANDLE,
                                                 start_number(go_on), start_number(done)));
    show("it has ended", start_finish(&middle));
    fflush(stdout); /* the orphan speaks next */
    SetEvent(go_on);
    check("its own child runs on, and has said what it sees", WaitForSingleObject(done, PATIENCE) == WAIT_OBJECT_0);
    CloseHandle(go_on);
    CloseHandle(done);
}

static int leave(const char *go_on, const char *done)
{
    PROCESS_INFORMATION child;
    int created = start(start_own_path(), 0, TRUE, &child, "orphan %lx %s %s", GetCurrentProcessId(), go_on, done);

    start_close(&child);
    return created ? 5 : 1;
}

static int orphaned(DWORD parent, HANDLE go_on, HANDLE done)
{
    WaitForSingleObject(go_on, PATIENCE);
    descends("  the orphan's parent is still called by its ID", parent);
    SetEvent(done);
    return 0;
}

/* Three generations that live until the standard input of all of them ends: for who wants to look at them. */
static int family(int number)
{
    PROCESS_INFORMATION child;

    if (number < 3)
        return start(start_own_path(), 0, TRUE, &child, "family %d", number + 1) ? (int)start_finish(&child) : 1;
    puts("all three are there");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}

int main(int argc, char **argv)
{
    DWORD threads, parent;
    char name[MAX_PATH];

    if (start_is(argc, argv, "generation") && argc > 4)
        return generation(atoi(argv[2]), strtoul(argv[3], NULL, 16), strtoul(argv[4], NULL, 16));
    if (start_is(argc, argv, "family") && argc > 2)
        return family(atoi(argv[2]));
    if (start_is(argc, argv, "child-of") && argc > 2) {
        parent = strtoul(argv[2], NULL, 16);
        return parent_of(GetCurrentProcessId(), &threads, name) == parent ? 0 : 1;
    }
    if (start_is(argc, argv, "wait") && argc > 2)
        return WaitForSingleObject(start_handle(argv[2]), PATIENCE) == WAIT_OBJECT_0 ? 3 : 1;
    if (start_is(argc, argv, "leave") && argc > 3)
        return leave(argv[2], argv[3]);
    if (start_is(argc, argv, "orphan") && argc > 4)
        return orphaned(strtoul(argv[2], NULL, 16), start_handle(argv[3]), start_handle(argv[4]));
    check("the own thread is among all threads", has_thread(GetCurrentProcessId(), GetCurrentThreadId()));
    parent = parent_of(GetCurrentProcessId(), &threads, name);
    generation(1, parent, 0);
    other_parent();
    orphan();
    return sample_wrong_facts;
}
