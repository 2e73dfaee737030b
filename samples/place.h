/* Shared by the samples that need files in folders of their own: a folder below the temporary one, removed at the end. */
#ifndef SAMPLE_PLACE_H
#define SAMPLE_PLACE_H

#include <stdio.h>
#include <string.h>
#include <windows.h>

static char place_root[MAX_PATH], place_program[MAX_PATH];

/* root\name, in one of a few buffers that take turns. */
static inline char *place_path(const char *name)
{
    static char paths[8][2 * MAX_PATH];
    static int turn;
    char *path = paths[turn++ % 8];

    sprintf(path, name[0] ? "%s\\%s" : "%s", place_root, name);
    return path;
}

static inline int place_open(const char *name)
{
    char temporary[MAX_PATH], *last;
    DWORD length = GetTempPathA(sizeof temporary, temporary);
    unsigned number = 0;
    BOOL made;

    if (!length || length > sizeof temporary - 64)
        return 0;
    GetModuleFileNameA(NULL, place_program, sizeof place_program);
    last = strrchr(place_program, '\\');
    if (last)
        last[1] = 0;
    do /* under a name that is free, whatever a run that was killed has left: process IDs come again */
        sprintf(place_root, "%speload-%s-%lu-%u", temporary, name, GetCurrentProcessId(), number++);
    while (!(made = CreateDirectoryA(place_root, NULL)) && GetLastError() == ERROR_ALREADY_EXISTS);
    return made;
}

/* Copies a file that stands beside the program. */
static inline int place_copy(const char *from, const char *to)
{
    char source[2 * MAX_PATH];

    sprintf(source, "%s%s", place_program, from);
    return CopyFileA(source, place_path(to), FALSE);
}

static inline int place_folder(const char *name)
{
    return CreateDirectoryA(place_path(name), NULL);
}

/* Writes bytes into a file that was copied. */
static inline int place_patch(const char *name, long offset, const void *bytes, size_t size)
{
    FILE *file = fopen(place_path(name), "r+b");
    int good = file && !fseek(file, offset, SEEK_SET) && fwrite(bytes, 1, size, file) == size;

    if (file)
        fclose(file);
    return good;
}

/* Removes a folder and what is in it. */
static inline void place_remove(const char *folder)
{
    WIN32_FIND_DATAA found;
    char pattern[2 * MAX_PATH], path[3 * MAX_PATH];
    HANDLE search;

    sprintf(pattern, "%s\\*", folder);
    search = FindFirstFileA(pattern, &found);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            if (!strcmp(found.cFileName, ".") || !strcmp(found.cFileName, ".."))
                continue;
            sprintf(path, "%s\\%s", folder, found.cFileName);
            if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
                place_remove(path);
            else
                DeleteFileA(path);
        } while (FindNextFileA(search, &found));
        FindClose(search);
    }
    RemoveDirectoryA(folder);
}

static inline void place_close(void)
{
    SetCurrentDirectoryA(place_program);
    place_remove(place_root);
}

#endif
