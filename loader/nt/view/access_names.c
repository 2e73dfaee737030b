/* What the bits of an access mask are called, as winnt.h calls them: the type's own ones, then those of all types. */
#include "loader/nt/view.h"

#include <stdio.h>
#include <string.h>

struct bit { ACCESS_MASK mask; const char *name; };

static const struct bit standard[] = {
    {0x10000, "DELETE"}, {0x20000, "READ_CONTROL"}, {0x40000, "WRITE_DAC"}, {0x80000, "WRITE_OWNER"}, {0x100000, "SYNCHRONIZE"},
    {0x1000000, "ACCESS_SYSTEM_SECURITY"}, {0},
};
static const struct bit directory[] = {{1, "QUERY"}, {2, "TRAVERSE"}, {4, "CREATE_OBJECT"}, {8, "CREATE_SUBDIRECTORY"}, {0}};
static const struct bit symlink[] = {{1, "QUERY"}, {2, "SET"}, {0}};
static const struct bit token[] = {
    {1, "ASSIGN_PRIMARY"}, {2, "DUPLICATE"}, {4, "IMPERSONATE"}, {8, "QUERY"}, {0x10, "QUERY_SOURCE"}, {0x20, "ADJUST_PRIVILEGES"},
    {0x40, "ADJUST_GROUPS"}, {0x80, "ADJUST_DEFAULT"}, {0x100, "ADJUST_SESSIONID"}, {0},
};
static const struct bit job[] = {
    {1, "ASSIGN_PROCESS"}, {2, "SET_ATTRIBUTES"}, {4, "QUERY"}, {8, "TERMINATE"}, {0x10, "SET_SECURITY_ATTRIBUTES"}, {0},
};
static const struct bit process[] = {
    {1, "TERMINATE"}, {2, "CREATE_THREAD"}, {4, "SET_SESSIONID"}, {8, "VM_OPERATION"}, {0x10, "VM_READ"}, {0x20, "VM_WRITE"},
    {0x40, "DUP_HANDLE"}, {0x80, "CREATE_PROCESS"}, {0x100, "SET_QUOTA"}, {0x200, "SET_INFORMATION"}, {0x400, "QUERY_INFORMATION"},
    {0x800, "SUSPEND_RESUME"}, {0x1000, "QUERY_LIMITED_INFORMATION"}, {0x2000, "SET_LIMITED_INFORMATION"}, {0},
};
static const struct bit thread[] = {
    {1, "TERMINATE"}, {2, "SUSPEND_RESUME"}, {4, "ALERT"}, {8, "GET_CONTEXT"}, {0x10, "SET_CONTEXT"}, {0x20, "SET_INFORMATION"},
    {0x40, "QUERY_INFORMATION"}, {0x80, "SET_THREAD_TOKEN"}, {0x100, "IMPERSONATE"}, {0x200, "DIRECT_IMPERSONATION"},
    {0x400, "SET_LIMITED_INFORMATION"}, {0x800, "QUERY_LIMITED_INFORMATION"}, {0x1000, "RESUME"}, {0},
};
static const struct bit event[] = {{1, "QUERY_STATE"}, {2, "MODIFY_STATE"}, {0}};
static const struct bit mutant[] = {{1, "QUERY_STATE"}, {0}};
static const struct bit keyed_event[] = {{1, "WAIT"}, {2, "WAKE"}, {0}};
static const struct bit section[] = {
    {1, "QUERY"}, {2, "MAP_WRITE"}, {4, "MAP_READ"}, {8, "MAP_EXECUTE"}, {0x10, "EXTEND_SIZE"}, {0x20, "MAP_EXECUTE_EXPLICIT"}, {0},
};
static const struct bit key[] = {
    {1, "QUERY_VALUE"}, {2, "SET_VALUE"}, {4, "CREATE_SUB_KEY"}, {8, "ENUMERATE_SUB_KEYS"}, {0x10, "NOTIFY"}, {0x20, "CREATE_LINK"},
    {0x100, "WOW64_64KEY"}, {0x200, "WOW64_32KEY"}, {0},
};
static const struct bit file[] = {
    {1, "READ_DATA"}, {2, "WRITE_DATA"}, {4, "APPEND_DATA"}, {8, "READ_EA"}, {0x10, "WRITE_EA"}, {0x20, "EXECUTE"},
    {0x40, "DELETE_CHILD"}, {0x80, "READ_ATTRIBUTES"}, {0x100, "WRITE_ATTRIBUTES"}, {0},
};
static const struct bit worker_factory[] = {
    {1, "RELEASE_WORKER"}, {2, "WAIT"}, {4, "SET_INFORMATION"}, {8, "QUERY_INFORMATION"}, {0x10, "READY_WORKER"}, {0x20, "SHUTDOWN"}, {0},
};
static const struct bit debug[] = {{1, "READ_EVENT"}, {2, "PROCESS_ASSIGN"}, {4, "SET_INFORMATION"}, {8, "QUERY_INFORMATION"}, {0}};

static const struct bit *const own[NT_TYPE_COUNT] = {
    [NT_DIRECTORY] = directory, [NT_SYMLINK] = symlink, [NT_TOKEN] = token, [NT_JOB] = job, [NT_PROCESS] = process,
    [NT_THREAD] = thread, [NT_EVENT] = event, [NT_MUTANT] = mutant, [NT_SEMAPHORE] = event, [NT_TIMER] = event,
    [NT_KEYED_EVENT] = keyed_event, [NT_COMPLETION] = event, [NT_SECTION] = section, [NT_KEY] = key, [NT_FILE] = file,
    [NT_WORKER_FACTORY] = worker_factory, [NT_DEBUG] = debug,
};

static void add(char *text, size_t room, const char *word)
{
    size_t used = strlen(text);
    if (used + 1 < room)
        snprintf(text + used, room - used, "%s%s", used ? ", " : "", word);
}

static ACCESS_MASK bits_take(const struct bit *bit, ACCESS_MASK access, char *text, size_t room)
{
    for (; bit && bit->mask; bit++)
        if (access & bit->mask) {
            add(text, room, bit->name);
            access &= ~bit->mask;
        }
    return access;
}

void nt_access_text(enum nt_type type, ACCESS_MASK access, char *text, size_t room)
{
    char rest[16];
    if (!room)
        return;
    text[0] = 0;
    if (type <= NT_ANY || type >= NT_TYPE_COUNT)
        type = NT_ANY;
    if (type && access && access == nt_type_generic[type].all) {
        add(text, room, "ALL_ACCESS");
        return;
    }
    access = bits_take(own[type], access, text, room);
    access = bits_take(standard, access, text, room);
    snprintf(rest, sizeof rest, "0x%x", access);
    if (access)
        add(text, room, rest);
}
