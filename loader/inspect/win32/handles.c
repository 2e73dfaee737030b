/* The handle table of another process: the system's list of all handles, and a duplicate of each to ask its type and name. A name is
 * asked for only where that cannot block: a pipe's may wait for its other end for ever. */
#include "loader/inspect/win32/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

enum { EXTENDED_HANDLES = 64 /* SystemExtendedHandleInformation */, OBJECT_NAME = 1, OBJECT_TYPE = 2, LIMIT = 64 << 20 };
enum { IS_PROTECTED = 1, IS_INHERITED = 2 }; /* OBJ_PROTECT_CLOSE, OBJ_INHERIT */

struct entry { void *object; ULONG_PTR process, handle; ULONG access; USHORT trace, type; ULONG attributes, reserved; };
struct list { ULONG_PTR count, reserved; struct entry entries[]; };
struct handle_table { HANDLE process; DWORD id; struct list *list; };

struct handle_table *handles_open(HANDLE process, DWORD id)
{
    struct handle_table *table = calloc(1, sizeof *table);
    ULONG size = 1 << 16, needed;
    NTSTATUS status = -1;
    for (; table && size <= LIMIT; size *= 2) {
        table->list = malloc(size);
        if (!table->list)
            break;
        status = NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)EXTENDED_HANDLES, table->list, size, &needed);
        if ((ULONG)status != 0xc0000004u) /* STATUS_INFO_LENGTH_MISMATCH */
            break;
        free(table->list);
        table->list = NULL;
    }
    if (table && status) {
        handles_close(table);
        return NULL;
    }
    if (table) {
        table->process = process;
        table->id = id;
    }
    return table;
}

static void text_ask(HANDLE handle, ULONG what, char *out, size_t room)
{
    union { UNICODE_STRING string; char bytes[2048]; } answer;
    ULONG length;
    memset(&answer, 0, sizeof answer);
    if (!NtQueryObject(handle, (OBJECT_INFORMATION_CLASS)what, &answer, sizeof answer, &length) && answer.string.Buffer)
        utf8_from_utf16((const uint8_t *)answer.string.Buffer, answer.string.Length / 2, out, room);
}

bool handles_at(struct handle_table *table, unsigned index, struct inspect_handle *out)
{
    unsigned seen = 0;
    for (ULONG_PTR i = 0; i < table->list->count; i++) {
        const struct entry *entry = &table->list->entries[i];
        HANDLE copy;
        if (entry->process != table->id || seen++ != index)
            continue;
        out->handle = entry->handle;
        out->access = entry->access;
        out->protect = entry->attributes & IS_PROTECTED;
        out->inherit = entry->attributes & IS_INHERITED;
        if (DuplicateHandle(table->process, (HANDLE)entry->handle, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
            text_ask(copy, OBJECT_TYPE, out->type, sizeof out->type);
            if (strcmp(out->type, "File") || GetFileType(copy) == FILE_TYPE_DISK)
                text_ask(copy, OBJECT_NAME, out->name, sizeof out->name);
            CloseHandle(copy);
        }
        return true;
    }
    return false;
}

void handles_close(struct handle_table *table)
{
    if (table)
        free(table->list);
    free(table);
}
