/* What two processes share: a section of the page file by its name and by an inherited handle, one of a file on disk, and
 * the section of this program's own image that is marked as shared. Everything else of an image is each process's own. */
#include "start.h"

enum { BYTES = 0x10000 };

static volatile LONG shared_number __attribute__((section(".shared"), shared)) = 1;
static volatile LONG own_number = 1;

static LONG *view(HANDLE section)
{
    return section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0) : NULL;
}

/* The child adds 10 to each; its exit code tells what it could not do. */
static int child(const char *handle, const char *path)
{
    HANDLE named = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, "peload shared sample");
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    LONG *views[3] = { view(named), view(start_handle(handle)), view(CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL)) };
    int missing = 0;

    for (int i = 0; i < 3; i++) {
        if (views[i])
            *views[i] += 10;
        else
            missing |= 1 << i;
    }
    shared_number += 10;
    own_number += 10;
    return missing;
}

static HANDLE file_make(char *path)
{
    char folder[MAX_PATH];
    LONG first = 3;
    DWORD done;

    GetTempPathA(sizeof folder, folder);
    GetTempFileNameA(folder, "shr", 0, path);
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    WriteFile(file, &first, sizeof first, &done, NULL);
    SetFilePointer(file, BYTES, NULL, FILE_BEGIN);
    SetEndOfFile(file);
    return file;
}

static void of_two(void)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    PROCESS_INFORMATION information;
    char path[MAX_PATH];
    LONG first = 0;
    DWORD done;
    HANDLE file = file_make(path);
    HANDLE named = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, BYTES, "Local\\peload shared sample");
    HANDLE unnamed = CreateFileMappingA(INVALID_HANDLE_VALUE, &inherited, PAGE_READWRITE, 0, BYTES, NULL);
    LONG *views[2] = { view(named), view(unnamed) };

    check("two sections of the page file", views[0] && views[1]);
    *views[0] = 1;
    *views[1] = 2;
    check("a child", start(start_own_path(), 0, TRUE, &information, "child " START_HANDLE " \"%s\"", start_number(unnamed), path));
    show("what it could not open", start_finish(&information));
    show("by name", (unsigned long)*views[0]);
    show("by handle", (unsigned long)*views[1]);
    SetFilePointer(file, 0, NULL, FILE_BEGIN);
    ReadFile(file, &first, sizeof first, &done, NULL);
    show("through a file", (unsigned long)first);
    show("in the image's shared section", (unsigned long)shared_number);
    show("in its other data", (unsigned long)own_number);
    CloseHandle(named);
    CloseHandle(unnamed);
    check("the view goes on without the handle", *views[0] == 11);
    UnmapViewOfFile(views[0]);
    UnmapViewOfFile(views[1]);
    check("nobody has the name any more", !OpenFileMappingA(FILE_MAP_READ, FALSE, "peload shared sample") && GetLastError() == ERROR_FILE_NOT_FOUND);
    CloseHandle(file);
    check("and the file can go", DeleteFileA(path));
}

int main(int argc, char **argv)
{
    if (start_is(argc, argv, "child") && argc > 3)
        return child(argv[2], argv[3]);
    of_two();
    return sample_wrong_facts;
}
