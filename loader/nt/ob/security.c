/* Security descriptors. This system protects no object from its own user: every object answers with the same
 * descriptor (owned by the user, all access for everyone), and a new one is accepted and has no effect. */
#include "loader/nt/ob/arena.h"

#include <string.h>

enum { READ_CONTROL = 0x20000, WRITE_DAC = 0x40000, WRITE_OWNER = 0x80000, ACCESS_SYSTEM_SECURITY = 0x1000000 };
enum { OWNER_PART = 1, GROUP_PART = 2, DACL_PART = 4, SACL_PART = 8 };
enum { SE_DACL_PRESENT = 4, SE_SELF_RELATIVE = 0x8000, ACL_REVISION = 2 };

struct sid { UCHAR revision, count, authority[6]; ULONG sub[5]; };
struct descriptor {
    UCHAR revision, reserved;
    USHORT control;
    ULONG owner, group, sacl, dacl; /* offsets, 0: none */
};
struct everyone_acl {
    UCHAR revision, reserved0;
    USHORT size, count, reserved1;
    UCHAR ace_type, ace_flags;
    USHORT ace_size;
    ACCESS_MASK mask;
    UCHAR sid_revision, sid_count, sid_authority[6];
    ULONG sid_sub;
};
_Static_assert(sizeof(struct descriptor) == 20 && sizeof(struct sid) == 28 && sizeof(struct everyone_acl) == 28,
               "winnt.h's layouts");

static const struct sid user = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 0, 0, 0, 1000}};
static const struct sid users = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 0, 0, 0, 513}};

NTSTATUS NtQuerySecurityObject(HANDLE handle, ULONG wanted, void *buffer, ULONG length, ULONG *needed)
{
    struct { struct descriptor head; UCHAR parts[3 * sizeof(struct sid)]; } answer = {.head = {.revision = 1}};
    struct nt_object *object;
    ACCESS_MASK all = 0;
    ACCESS_MASK access = (wanted & (OWNER_PART | GROUP_PART | DACL_PART) ? READ_CONTROL : 0u) |
                         (wanted & SACL_PART ? ACCESS_SYSTEM_SECURITY : 0u);
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, access, &object, NULL, NULL);
    if (!status)
        all = nt_type_generic[object->type].all;
    nt_unlock();
    if (status)
        return status;
    ULONG size = sizeof answer.head;
    answer.head.control = SE_SELF_RELATIVE;
    if (wanted & OWNER_PART) {
        answer.head.owner = size;
        memcpy((char *)&answer + size, &user, sizeof user);
        size += sizeof user;
    }
    if (wanted & GROUP_PART) {
        answer.head.group = size;
        memcpy((char *)&answer + size, &users, sizeof users);
        size += sizeof users;
    }
    if (wanted & DACL_PART) {
        const struct everyone_acl acl = {ACL_REVISION, 0, sizeof acl, 1, 0, 0, 0, 20, all, 1, 1, {0, 0, 0, 0, 0, 1}, 0};
        answer.head.control |= SE_DACL_PRESENT;
        answer.head.dacl = size;
        memcpy((char *)&answer + size, &acl, sizeof acl);
        size += sizeof acl;
    }
    if (needed && !NT_PUT(needed, size))
        return STATUS_ACCESS_VIOLATION;
    if (length < size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, &answer, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtSetSecurityObject(HANDLE handle, ULONG parts, const void *descriptor)
{
    struct descriptor head;
    struct nt_object *object;
    ACCESS_MASK access = (parts & (OWNER_PART | GROUP_PART) ? WRITE_OWNER : 0u) | (parts & DACL_PART ? WRITE_DAC : 0u) |
                         (parts & SACL_PART ? ACCESS_SYSTEM_SECURITY : 0u);
    if (!NT_GET(head, descriptor))
        return STATUS_ACCESS_VIOLATION;
    if (head.revision != 1)
        return STATUS_INVALID_SECURITY_DESCR;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, access, &object, NULL, NULL);
    nt_unlock();
    return status;
}
