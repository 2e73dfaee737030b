/* 2,000 files in one folder (or as many as are asked for): made, listed, opened in another spelling, deleted. */
#include <string.h>
#include "stress.h"

static char folder[MAX_PATH];

static void name(char *path, unsigned long number, const char *format)
{
    size_t length = strlen(folder);

    memcpy(path, folder, length);
    sprintf(path + length, format, number);
}

static unsigned long listed(void)
{
    char pattern[MAX_PATH + 32];
    WIN32_FIND_DATAA found;
    unsigned long count = 0;

    name(pattern, 0, "\\*.TMP");
    HANDLE search = FindFirstFileA(pattern, &found);
    if (search == INVALID_HANDLE_VALUE)
        return 0;
    do
        count++;
    while (FindNextFileA(search, &found));
    FindClose(search);
    return count;
}

/* A folder of its own, whatever a run that was killed has left: process IDs come again. */
static void folder_make(void)
{
    char temporary[MAX_PATH];
    unsigned long number = 0;

    stress_need(GetTempPathA(sizeof temporary, temporary) != 0, "GetTempPath");
    do
        sprintf(folder, "%.200sstress-%lu-%lu", temporary, GetCurrentProcessId(), number++);
    while (!CreateDirectoryA(folder, NULL) && GetLastError() == ERROR_ALREADY_EXISTS);
    stress_need(GetFileAttributesA(folder) != INVALID_FILE_ATTRIBUTES, "CreateDirectory");
}

static void all(unsigned long total)
{
    char path[MAX_PATH + 32];

    folder_make();
    for (unsigned long i = 0; i < total; i++) {
        name(path, i, "\\File-%05lu.tmp");
        HANDLE file = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
        stress_need(file != INVALID_HANDLE_VALUE, path);
        CloseHandle(file);
    }
    printf("listed: %lu\n", listed());
    for (unsigned long i = 0; i < total; i++) {
        name(path, i, "\\FILE-%05lu.TMP");
        HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
        stress_need(file != INVALID_HANDLE_VALUE, path);
        CloseHandle(file);
    }
    for (unsigned long i = 0; i < total; i++) {
        name(path, i, "\\file-%05lu.tmp");
        stress_need(DeleteFileA(path), path);
    }
    printf("left: %lu\n", listed());
    stress_need(RemoveDirectoryA(folder), "RemoveDirectory");
}

int main(int argc, char **argv)
{
    unsigned long total = stress_count(argc, argv, 2000);

    all(total < 100 ? total : 100);
    stress_mark();
    all(total);
    stress_mark();
    return 0;
}
