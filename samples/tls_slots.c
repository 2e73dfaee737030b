/* Forty libraries with thread-local data come while threads run: more than the first table of a thread holds. Each has data of
 * its own in every thread; a slot that is given back is used again. */
#include "place.h"
#include "sample.h"

#define LIBRARIES 40

static HMODULE libraries[LIBRARIES];
static HANDLE step[2], done[2];
static int thread_good[2];

static ULONG *data_of(int i)
{
    ULONG *(*data)(void) = (void *)GetProcAddress(libraries[i], "late_data");

    return data();
}

static ULONG index_of(HMODULE module)
{
    const IMAGE_NT_HEADERS *headers = (const void *)((const char *)module + ((const IMAGE_DOS_HEADER *)module)->e_lfanew);
    const IMAGE_TLS_DIRECTORY *tls = (const void *)((const char *)module
        + headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_TLS].VirtualAddress);

    return *(const ULONG *)tls->AddressOfIndex;
}

/* All fresh, then marked by this thread; all still marked. */
static int fresh_then_marked(ULONG mark)
{
    for (int i = 0; i < LIBRARIES; i++) {
        ULONG *data = data_of(i);

        if (data[0] != 0x600D || data[1] != 0xDA7A || data[5] != 0)
            return 0;
        data[0] = mark + (ULONG)i;
    }
    for (int i = 0; i < LIBRARIES; i++)
        if (data_of(i)[0] != mark + (ULONG)i)
            return 0;
    return 1;
}

static DWORD WINAPI early_thread(void *number)
{
    int self = (int)(ULONG_PTR)number;

    WaitForSingleObject(step[self], INFINITE);
    thread_good[self] = fresh_then_marked(1000u * (ULONG)(self + 1));
    SetEvent(done[self]);
    WaitForSingleObject(step[self], INFINITE);
    for (int i = 0; i < LIBRARIES; i += 2)
        if (data_of(i)[0] != 1000u * (ULONG)(self + 1) + (ULONG)i)
            thread_good[self] = 0;
    return 0;
}

static int load_all(int from, int by)
{
    char name[32];

    for (int i = from; i < LIBRARIES; i += by) {
        sprintf(name, "copy%d.dll", i);
        libraries[i] = LoadLibraryA(place_path(name));
        if (!libraries[i])
            return 0;
    }
    return 1;
}

static ULONG highest_index(void)
{
    ULONG highest = 0;

    for (int i = 0; i < LIBRARIES; i++)
        if (index_of(libraries[i]) > highest)
            highest = index_of(libraries[i]);
    return highest;
}

int main(void)
{
    HANDLE threads[2];
    char name[32];
    ULONG highest;
    int good = place_open("slots");

    for (int i = 0; i < LIBRARIES; i++) {
        sprintf(name, "copy%d.dll", i);
        good &= place_copy("tls_late_dll.dll", name);
    }
    check("files", good);
    for (int i = 0; i < 2; i++) {
        step[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
        done[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
        threads[i] = CreateThread(NULL, 0, early_thread, (void *)(ULONG_PTR)i, 0, NULL);
    }
    check("all are loaded", load_all(0, 1));
    check("this thread has fresh data of each", fresh_then_marked(1));
    for (int i = 0; i < 2; i++)
        SetEvent(step[i]);
    WaitForMultipleObjects(2, done, TRUE, INFINITE);
    check("so have the threads that ran before", thread_good[0] && thread_good[1]);
    highest = highest_index();
    for (int i = 1; i < LIBRARIES; i += 2)
        good &= FreeLibrary(libraries[i]);
    check("every other one is freed and loaded again", good && load_all(1, 2));
    check("no new slot was needed", highest_index() == highest);
    for (int i = 1; i < LIBRARIES; i += 2)
        good &= data_of(i)[0] == 0x600D;
    check("their data is fresh", good);
    for (int i = 0; i < LIBRARIES; i += 2)
        good &= data_of(i)[0] == 1u + (ULONG)i;
    check("the others' is as it was", good);
    for (int i = 0; i < 2; i++)
        SetEvent(step[i]);
    WaitForMultipleObjects(2, threads, TRUE, INFINITE);
    check("in all threads", thread_good[0] && thread_good[1]);
    for (int i = 0; i < LIBRARIES; i++)
        good &= FreeLibrary(libraries[i]);
    check("all are freed", good);
    place_close();
    return sample_wrong_facts;
}
