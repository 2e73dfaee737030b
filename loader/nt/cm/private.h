/* Cm: the registry, in memory. Shared by cm/ only.
 *
 *   cm/tree.c     nodes: children, values, names; all under the lock
 *   cm/default.c  what is there at the start: a table, read one key at a time when somebody comes by
 *   cm/table.c    that table
 *   cm/path.c     from a name to a node
 *   cm/key.c, cm/key_query.c, cm/value.c, cm/notify.c, cm/service.c   the services
 *
 * Nodes lie in the arena, so that all processes of a session see one registry. */
#ifndef NT_CM_PRIVATE_H
#define NT_CM_PRIVATE_H

#include "loader/nt/ob.h"

enum { CM_NAME_LIMIT = 255, CM_VALUE_NAME_LIMIT = 16383, CM_DATA_LIMIT = 0x4000000 };
enum { REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_LINK, REG_MULTI_SZ, REG_QWORD = 11 };
enum { KEY_QUERY_VALUE = 1, KEY_SET_VALUE = 2, KEY_CREATE_SUB_KEY = 4, KEY_ENUMERATE_SUB_KEYS = 8, KEY_NOTIFY = 0x10,
       KEY_CREATE_LINK = 0x20, KEY_WOW64_64KEY = 0x100, KEY_WOW64_32KEY = 0x200, KEY_DELETE = 0x10000, KEY_WRITE_DAC = 0x40000 };
enum { REG_OPTION_VOLATILE = 1, REG_OPTION_CREATE_LINK = 2, REG_OPTION_BACKUP_RESTORE = 4, REG_OPTION_OPEN_LINK = 8 };
enum { CM_DELETED = 1, CM_VOLATILE = 2, CM_LINK = 4, CM_CHILDREN_PENDING = 8, CM_VALUES_PENDING = 16,
       CM_TWIN = 32 }; /* being renamed: `watches` is the old node, which still has the same children and values */

/* A key. Guarded by the lock, as everything here. */
struct cm_node {
    nt_ref parent;               /* 0: the root, or deleted */
    nt_ref children;             /* array of child_room refs, sorted by name without regard to case */
    uint32_t child_count, child_room;
    nt_ref values;               /* array of value_room refs, in order of creation */
    uint32_t value_count, value_room;
    nt_ref class_name;           /* class_length bytes */
    uint32_t class_length;
    uint32_t defaults;           /* its line in the table + 1; 0: none */
    uint32_t flags;              /* CM_* */
    uint32_t references;         /* key objects; a deleted node goes with the last one */
    nt_ref watches;              /* struct cm_watch of this key */
    uint32_t user_flags;         /* KeyFlags that a program set */
    uint64_t written;            /* NT time */
    uint32_t length;             /* of the name, units */
    uint32_t size;               /* of this block */
    WCHAR name[];
};

struct cm_value {
    uint32_t type;
    uint32_t data_length;        /* bytes */
    nt_ref data;                 /* 0 where data_length is 0 */
    uint32_t length;             /* of the name, units */
    uint32_t size;
    WCHAR name[];
};

/* The object behind a handle. */
struct cm_key {
    struct nt_object head;
    nt_ref node;
};

/* Somebody who wants to be told once. */
struct cm_watch {
    nt_ref next;
    nt_ref key;                  /* the key object that asked; its end is told too */
    nt_ref event;                /* referenced */
    uint32_t filter, subtree;
};
enum { CM_NOTIFY_NAME = 1, CM_NOTIFY_ATTRIBUTES = 2, CM_NOTIFY_VALUE = 4, CM_NOTIFY_SECURITY = 8 };

/* A value's contents outside the lock; bytes are malloc'd. */
struct cm_data { uint32_t type, length; uint8_t *bytes; };

/* ---- tree (lock held) ---- */
struct cm_node *cm_root(void);                         /* \Registry; NULL: no memory */
struct cm_node *cm_node_new(const WCHAR *name, unsigned length);
int cm_name_compare(const WCHAR *a, unsigned a_length, const WCHAR *b, unsigned b_length);
/* *at: where it is or would be in the array. */
struct cm_node *cm_child_find(struct cm_node *parent, const WCHAR *name, unsigned length, uint32_t *at);
struct cm_node *cm_child_at(struct cm_node *parent, uint32_t index);
bool cm_child_insert(struct cm_node *parent, uint32_t at, struct cm_node *child);
void cm_child_remove(struct cm_node *child);
void cm_twin_part(struct cm_node *fresh);              /* what a renamed key's old node had is the new one's alone */
void cm_node_release(struct cm_node *node);            /* one key object less */
/* Index of the value, -1: none. The values have to be there (cm_values_fill). */
int cm_value_find(const struct cm_node *node, const WCHAR *name, unsigned length);
struct cm_value *cm_value_at(const struct cm_node *node, uint32_t index);
NTSTATUS cm_value_put(struct cm_node *node, const WCHAR *name, unsigned length, uint32_t type, const void *data, uint32_t data_length);
void cm_value_remove(struct cm_node *node, uint32_t index);
bool cm_node_name(const struct cm_node *node, struct nt_string *out); /* "\REGISTRY\MACHINE\..." */

/* ---- defaults (lock held) ---- */
/* Makes all children that the table has; needed before one is removed, or it would come back. False: no memory. */
bool cm_children_fill(struct cm_node *node);
/* One child, made if the table has it; *found NULL: there is none, and *at is where it would be. False: no memory. */
bool cm_child_look(struct cm_node *parent, const WCHAR *name, unsigned length, uint32_t *at, struct cm_node **found);
bool cm_values_fill(struct cm_node *node);
/* One default value of a key whose values were not filled in yet: its own spelling and its contents, both malloc'd.
 * STATUS_OBJECT_NAME_NOT_FOUND: it has none of this name. */
NTSTATUS cm_default_value(const struct cm_node *node, const WCHAR *name, unsigned length, struct nt_string *spelling,
                          struct cm_data *data);

/* One line of the table: a key, or a value of the nearest key above that is one level higher. */
struct cm_line {
    uint8_t depth;
    uint8_t kind;                /* CM_LINE_* */
    uint16_t computed;           /* enum cm_computed */
    uint32_t number;             /* a DWORD's, or four bytes */
    const char *name, *text;     /* UTF-8; the value "" is the key's own */
};
/* STRINGS, SORTS and PAGES stand for many values, "name=text" with blanks between: the text as it is, as the last two
 * digits of a sort's GUID, as the number in a code page's file name. */
enum { CM_LINE_KEY, CM_LINE_LINK_KEY, CM_LINE_STRING, CM_LINE_EXPAND, CM_LINE_NUMBER, CM_LINE_BYTES, CM_LINE_LINK, CM_LINE_COMPUTED, CM_LINE_STRINGS,
       CM_LINE_SORTS, CM_LINE_PAGES };
/* What depends on the machine, the user or the version. */
enum cm_computed { CM_USER_SID, CM_USER_NAME, CM_USER_PROFILE, CM_COMPUTER_NAME, CM_HOST_NAME, CM_LOGON_SERVER, CM_BUILD, CM_BUILD_LAB,
                   CM_PROCESSORS, CM_PROCESSOR_NAME, CM_PROCESSOR_VENDOR, CM_MACHINE_GUID, CM_LANGUAGE, CM_ZONE_KEY,
                   CM_ZONE_STANDARD, CM_ZONE_DAYLIGHT, CM_ZONE_RULES, CM_ZONE_BIAS, CM_ZONE_ACTIVE_BIAS, CM_ZONE_STANDARD_BIAS,
                   CM_ZONE_DAYLIGHT_BIAS, CM_ZONE_STANDARD_START, CM_ZONE_DAYLIGHT_START };
extern const struct cm_line cm_lines[];
extern const uint32_t cm_line_count;
/* A text in UTF-8 (with the NUL counted) or bytes; type and length. */
struct cm_computed_value { uint32_t type, length; char bytes[1024]; };
void cm_compute(enum cm_computed which, const char *prefix, struct cm_computed_value *value);

/* ---- paths ---- */
struct cm_place {
    struct cm_node *node;        /* NULL: only its parent exists */
    struct cm_node *parent;
    const WCHAR *leaf;           /* name of what is missing, in the caller's text or in `path` */
    unsigned length;
    uint32_t at;                 /* its place among the parent's children */
    WCHAR *path;                 /* malloc'd where a link was followed; the caller frees */
};
/* Lock held. STATUS_OBJECT_NAME_NOT_FOUND: something before the last component is missing. */
NTSTATUS cm_path_walk(const struct nt_attributes *attributes, bool open_link, struct cm_place *place);

/* ---- handles ---- */
NTSTATUS cm_key_get(HANDLE handle, ACCESS_MASK access, struct cm_key **key); /* the caller releases */
static inline struct cm_node *cm_node_of(const struct cm_key *key) { return nt_at(key->node); }

/* ---- notification (lock held) ---- */
void cm_notify(struct cm_node *node, uint32_t what);
void cm_watches_end(struct cm_node *node, nt_ref key); /* those of one key object; 0: all */

/* ---- answers ---- */
/* Fixed part short: BUFFER_TOO_SMALL and nothing; else as much as fits, BUFFER_OVERFLOW where that is not all. */
static inline NTSTATUS cm_answer(void *buffer, ULONG room, ULONG *returned, const void *answer, ULONG size, ULONG fixed)
{
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (room < fixed)
        return STATUS_BUFFER_TOO_SMALL;
    if (!nt_write(buffer, answer, room < size ? room : size))
        return STATUS_ACCESS_VIOLATION;
    return room < size ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* ---- services in other files than cm/service.c ---- */
NTSTATUS NtCreateKey(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG title,
                     const UNICODE_STRING *class_name, ULONG options, ULONG *disposition);
NTSTATUS NtOpenKey(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtOpenKeyEx(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, ULONG options);
NTSTATUS NtDeleteKey(HANDLE handle);
NTSTATUS NtRenameKey(HANDLE handle, const UNICODE_STRING *name);
NTSTATUS NtQueryKey(HANDLE handle, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtEnumerateKey(HANDLE handle, ULONG index, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtSetInformationKey(HANDLE handle, ULONG information_class, const void *buffer, ULONG length);
NTSTATUS NtSetValueKey(HANDLE handle, const UNICODE_STRING *name, ULONG title, ULONG type, const void *data, ULONG length);
NTSTATUS NtDeleteValueKey(HANDLE handle, const UNICODE_STRING *name);
NTSTATUS NtQueryValueKey(HANDLE handle, const UNICODE_STRING *name, ULONG information_class, void *buffer, ULONG length,
                         ULONG *returned);
NTSTATUS NtEnumerateValueKey(HANDLE handle, ULONG index, ULONG information_class, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtQueryMultipleValueKey(HANDLE handle, void *entries, ULONG count, void *buffer, ULONG *length, ULONG *needed);
NTSTATUS NtQueryLicenseValue(const UNICODE_STRING *name, ULONG *type, void *buffer, ULONG length, ULONG *returned);
NTSTATUS NtNotifyChangeKey(HANDLE handle, HANDLE event, const void *routine, const void *context, IO_STATUS_BLOCK *io, ULONG filter,
                           BOOLEAN subtree, void *buffer, ULONG length, BOOLEAN asynchronous);
NTSTATUS NtNotifyChangeMultipleKeys(HANDLE handle, ULONG count, const OBJECT_ATTRIBUTES *others, HANDLE event, const void *routine,
                                    const void *context, IO_STATUS_BLOCK *io, ULONG filter, BOOLEAN subtree, void *buffer,
                                    ULONG length, BOOLEAN asynchronous);

#endif
