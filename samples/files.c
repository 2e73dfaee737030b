/* Files and directories, in a directory of its own under the temporary one, which is removed at the end. */
#include <string.h>
#include <windows.h>
#include "sample.h"

static char folder[MAX_PATH];

static HANDLE open_file(const char *name, DWORD access, DWORD share, DWORD disposition)
{
    return CreateFileA(name, access, share, NULL, disposition, FILE_ATTRIBUTE_NORMAL, NULL);
}

static int write_all(HANDLE file, const char *text)
{
    DWORD written;

    return WriteFile(file, text, (DWORD)strlen(text), &written, NULL) && written == strlen(text);
}

static void show_content(const char *what, const char *name)
{
    HANDLE file = open_file(name, GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING);
    char text[100];
    DWORD got = 0;

    ReadFile(file, text, sizeof text - 1, &got, NULL);
    text[got] = 0;
    CloseHandle(file);
    printf("%s: [%s]\n", what, text);
}

/* Under a name that is free, whatever a run that was killed has left: process IDs come again. */
static void make_folder(void)
{
    char temporary[MAX_PATH - 60];
    unsigned number = 0;
    BOOL made;

    check("the temporary path ends in a backslash",
          GetTempPathA(sizeof temporary, temporary) && temporary[strlen(temporary) - 1] == '\\');
    do {
        snprintf(folder, sizeof folder, "%speload-files-%lu-%u", temporary, GetCurrentProcessId(), number++);
        made = CreateDirectoryA(folder, NULL);
    } while (!made && GetLastError() == ERROR_ALREADY_EXISTS);
    check("a directory is made", made);
    check("making it again fails", !CreateDirectoryA(folder, NULL));
    show("error", GetLastError());
    check("it becomes the current directory", SetCurrentDirectoryA(folder));
}

static void current_directory(void)
{
    char here[MAX_PATH], full[MAX_PATH], *last = NULL;

    GetCurrentDirectoryA(sizeof here, here);
    check("the current directory has no backslash at its end", here[strlen(here) - 1] != '\\');
    check("and is the one that was set", lstrcmpiA(here, folder) == 0);
    GetFullPathNameA("one\\.\\two\\..\\three.txt", sizeof full, full, &last);
    check("a full path begins with it", strncmp(full, here, strlen(here)) == 0);
    printf("and goes on: %s, last part %s\n", full + strlen(here), last);
    GetFullPathNameA("C:/a/b//c/../d. ", sizeof full, full, NULL);
    printf("full path of C:/a/b//c/../d. : %s\n", full);
}

static void write_and_read(void)
{
    HANDLE file = open_file("Letters.txt", GENERIC_READ | GENERIC_WRITE, 0, CREATE_NEW);
    LARGE_INTEGER size, distance = { .QuadPart = -3 }, position;
    char text[8] = "";
    DWORD got;

    check("a new file is made", file != INVALID_HANDLE_VALUE);
    check("text is written", write_all(file, "abcdefghij"));
    check("its size is known", GetFileSizeEx(file, &size));
    show("size", (unsigned long)size.QuadPart);
    check("seek from the end", SetFilePointerEx(file, distance, &position, FILE_END) && position.QuadPart == 7);
    check("read to the end", ReadFile(file, text, 8, &got, NULL) && got == 3 && memcmp(text, "hij", 3) == 0);
    check("a read at the end gets nothing", ReadFile(file, text, 8, &got, NULL) && got == 0);
    show("seek before the start", SetFilePointer(file, -5, NULL, FILE_BEGIN));
    show("error", GetLastError());
    SetFilePointer(file, 4, NULL, FILE_BEGIN);
    check("the file is cut", SetEndOfFile(file));
    CloseHandle(file);
    show_content("after the cut", "Letters.txt");

    file = open_file("LETTERS.TXT", FILE_APPEND_DATA, 0, OPEN_EXISTING);
    check("another case opens the same file, to append", file != INVALID_HANDLE_VALUE && write_all(file, "XYZ"));
    CloseHandle(file);
    show_content("after appending", "letters.txt");
    check("CREATE_NEW refuses another case too", open_file("lETTERS.txt", GENERIC_WRITE, 0, CREATE_NEW) == INVALID_HANDLE_VALUE);
    show("error", GetLastError());
    file = open_file("letters.txt", GENERIC_WRITE, 0, CREATE_ALWAYS);
    show("CREATE_ALWAYS over an old file says", GetLastError());
    check("and empties it", GetFileSize(file, NULL) == 0);
    CloseHandle(file);
}

static void missing_files(void)
{
    check("a missing file is not opened", open_file("missing", GENERIC_READ, 0, OPEN_EXISTING) == INVALID_HANDLE_VALUE);
    show("error", GetLastError());
    check("nor one in a missing directory", open_file("no\\missing", GENERIC_READ, 0, OPEN_EXISTING) == INVALID_HANDLE_VALUE);
    show("error", GetLastError());
    check("attributes of a missing file", GetFileAttributesA("missing") == INVALID_FILE_ATTRIBUTES);
    show("error", GetLastError());
    check("a directory is not opened as a file", open_file(folder, GENERIC_READ, 0, OPEN_EXISTING) == INVALID_HANDLE_VALUE);
    show("error", GetLastError());
}

static void sharing(void)
{
    HANDLE file = open_file("shared", GENERIC_WRITE, FILE_SHARE_READ, CREATE_NEW), second;

    second = open_file("shared", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING);
    check("a second writer is refused", second == INVALID_HANDLE_VALUE);
    show("error", GetLastError());
    second = open_file("shared", GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING);
    check("a reader that tolerates no writer is refused", second == INVALID_HANDLE_VALUE);
    second = open_file("shared", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING);
    check("a reader that does is let in", second != INVALID_HANDLE_VALUE);
    check("an open file is not deleted", !DeleteFileA("shared"));
    show("error", GetLastError());
    CloseHandle(second);
    CloseHandle(file);
    check("a closed one is", DeleteFileA("shared") && GetFileAttributesA("shared") == INVALID_FILE_ATTRIBUTES);
}

static void attributes_and_names(void)
{
    HANDLE file = open_file("letters.txt", GENERIC_WRITE, 0, CREATE_ALWAYS);
    char name[MAX_PATH];

    write_all(file, "one");
    CloseHandle(file);
    check("a directory has its attribute", GetFileAttributesA(folder) & FILE_ATTRIBUTE_DIRECTORY);
    check("a file becomes read-only", SetFileAttributesA("letters.txt", FILE_ATTRIBUTE_READONLY)
          && (GetFileAttributesA("letters.txt") & FILE_ATTRIBUTE_READONLY));
    check("and is then not deleted", !DeleteFileA("letters.txt"));
    show("error", GetLastError());
    SetFileAttributesA("letters.txt", FILE_ATTRIBUTE_NORMAL);
    check("it is renamed", MoveFileA("letters.txt", "renamed.txt"));
    check("a copy is made", CopyFileA("renamed.txt", "copy.txt", TRUE));
    check("not over another one", !CopyFileA("renamed.txt", "copy.txt", TRUE));
    show("error", GetLastError());
    check("a rename does not overwrite", !MoveFileA("renamed.txt", "copy.txt"));
    show("error", GetLastError());
    check("unless told so", MoveFileExA("renamed.txt", "copy.txt", MOVEFILE_REPLACE_EXISTING));
    show_content("the copy now", "copy.txt");
    check("a temporary name makes a file", GetTempFileNameA(".", "pel", 0, name)
          && GetFileAttributesA(name) != INVALID_FILE_ATTRIBUTES && DeleteFileA(name));
    file = CreateFileA("brief", GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    CloseHandle(file);
    check("delete on close", file != INVALID_HANDLE_VALUE && GetFileAttributesA("brief") == INVALID_FILE_ATTRIBUTES);
}

static void file_times(void)
{
    SYSTEMTIME date = { .wYear = 2001, .wMonth = 2, .wDay = 3, .wHour = 4, .wMinute = 5, .wSecond = 6 };
    HANDLE file = open_file("copy.txt", GENERIC_READ | GENERIC_WRITE, 0, OPEN_EXISTING);
    FILETIME time, got;

    SystemTimeToFileTime(&date, &time);
    check("the time of the last write is set and told", SetFileTime(file, NULL, NULL, &time)
          && GetFileTime(file, NULL, NULL, &got) && CompareFileTime(&time, &got) == 0);
    CloseHandle(file);
}

static void count_matches(const char *pattern)
{
    WIN32_FIND_DATAA found;
    HANDLE search = FindFirstFileA(pattern, &found);
    int files = 0, folders = 0;
    unsigned long bytes = 0;

    if (search == INVALID_HANDLE_VALUE) {
        printf("%s: none, error %lu\n", pattern, GetLastError());
        return;
    }
    do {
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
            folders++;
        else
            files++, bytes += found.nFileSizeLow;
    } while (FindNextFileA(search, &found));
    printf("%s: %d files of %lu bytes, %d directories, ends with %lu\n", pattern, files, bytes, folders, GetLastError());
    FindClose(search);
}

static void searches(void)
{
    static const char *const names[] = { "note1.txt", "note2.txt", "Note10.TXT", "noteless", "other.text" };
    WIN32_FIND_DATAA found;

    CreateDirectoryA("sub", NULL);
    for (int i = 0; i < 5; i++) {
        HANDLE file = open_file(names[i], GENERIC_WRITE, 0, CREATE_NEW);
        write_all(file, names[i]);
        CloseHandle(file);
    }
    count_matches("*");
    count_matches("*.*");
    count_matches("note*.txt");
    count_matches("NOTE?.txt");
    count_matches("sub\\*");
    count_matches("nothing*");
    count_matches("no\\*");
    FindClose(FindFirstFileA("NOTE10.txt", &found));
    printf("the name is told as it was made: %s\n", found.cFileName);
    for (int i = 0; i < 5; i++)
        DeleteFileA(names[i]);
}

static void mapping(void)
{
    HANDLE file = open_file("mapped", GENERIC_READ | GENERIC_WRITE, 0, CREATE_NEW);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 70000, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *second, *copy;

    check("a mapping makes the file as long as itself", GetFileSize(file, NULL) == 70000);
    check("a view of all of it, zeroed", view && view[0] == 0 && view[69999] == 0);
    second = MapViewOfFile(section, FILE_MAP_READ, 0, 65536, 100);
    view[65536] = 'm';
    check("a second view at 64 KiB sees what the first writes", second && second != view && second[0] == 'm');
    check("an offset that is no multiple of 64 KiB is refused", !MapViewOfFile(section, FILE_MAP_READ, 0, 4096, 100));
    show("error", GetLastError());
    copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 100);
    copy[0] = 'c';
    check("a copy-on-write view keeps its writes", view[0] == 0 && copy[0] == 'c');
    memcpy(view, "through", 8);
    FlushViewOfFile(view, 0);
    check("views are unmapped", UnmapViewOfFile(view) && UnmapViewOfFile(second) && UnmapViewOfFile(copy));
    check("but not twice", !UnmapViewOfFile(view));
    show("error", GetLastError());
    CloseHandle(section);
    SetFilePointer(file, 7, NULL, FILE_BEGIN);
    SetEndOfFile(file);
    CloseHandle(file);
    show_content("the file has what was written to the view", "mapped");
    section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, "peload-sample-section");
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    second = MapViewOfFile(OpenFileMappingA(FILE_MAP_READ, FALSE, "peload-sample-section"), FILE_MAP_READ, 0, 0, 0);
    view[9] = 'n';
    check("memory shared by name, without a file", second && second != view && second[9] == 'n');
}

static void remove_all(void)
{
    check("a directory that is not empty stays", !RemoveDirectoryA(folder));
    SetCurrentDirectoryA("..");
    check("and says so", !RemoveDirectoryA(folder));
    show("error", GetLastError());
    SetCurrentDirectoryA(folder);
    DeleteFileA("copy.txt");
    DeleteFileA("mapped");
    check("an empty one goes", RemoveDirectoryA("sub"));
    SetCurrentDirectoryA("..");
    check("so does the folder of this sample", RemoveDirectoryA(folder));
    check("nothing is left", GetFileAttributesA(folder) == INVALID_FILE_ATTRIBUTES);
}

int main(void)
{
    make_folder();
    current_directory();
    write_and_read();
    missing_files();
    sharing();
    attributes_and_names();
    file_times();
    searches();
    mapping();
    remove_all();
    return sample_wrong_facts;
}
