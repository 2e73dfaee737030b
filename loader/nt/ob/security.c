/* Security descriptors. This system protects no object from its own user: an object answers with what Windows gives by default
 * (owned by the user, all access for user and system), and a new descriptor is accepted and has no effect. What a file's mode
 * allows others is told, because programs refuse to keep what matters where everybody writes. */
#include "loader/nt/ob/arena.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CONTROL = 0x20000, WRITE_DAC = 0x40000, WRITE_OWNER = 0x80000, ACCESS_SYSTEM_SECURITY = 0x1000000 };
enum { OWNER_PART = 1, GROUP_PART = 2, DACL_PART = 4, SACL_PART = 8 };
enum { SE_DACL_PRESENT = 4, SE_SELF_RELATIVE = 0x8000, ACL_REVISION = 2 };

struct sid { UCHAR revision, count, authority[6]; ULONG sub[5]; };
struct descriptor {
    UCHAR revision, reserved;
    USHORT control;
    ULONG owner, group, sacl, dacl; /* offsets, 0: none */
};
struct acl { UCHAR revision, reserved0; USHORT size, count, reserved1; };
struct ace { UCHAR type, flags; USHORT size; ACCESS_MASK mask; };
_Static_assert(sizeof(struct descriptor) == 20 && sizeof(struct sid) == 28 && sizeof(struct acl) == 8 && sizeof(struct ace) == 8,
               "winnt.h's layouts");

static const struct sid user = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 0, 0, 0, 1000}}, users = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 0, 0, 0, 513}},
                        system_itself = {1, 1, {0, 0, 0, 0, 0, 5}, {18}}, administrators = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}},
                        everyone = {1, 1, {0, 0, 0, 0, 0, 1}, {0}};

/* What an object says of itself. */
struct protection { const struct sid *owner; ACCESS_MASK owners, groups, others; };

static ACCESS_MASK mode_rights(unsigned bits /* rwx */, bool folder)
{
    enum { READ = 0x120089, WRITE = 0x120116, EXECUTE = 0x1200a0, DELETE_CHILD = 0x40 };
    return (bits & 4 ? READ : 0u) | (bits & 2 ? WRITE | (folder ? DELETE_CHILD : 0u) : 0u) | (bits & 1 ? EXECUTE : 0u);
}

/* A file of somebody else is an administrator's; in a sticky folder nobody removes what is another's. */
static struct protection protection_of(const struct nt_object *object, int fd)
{
    struct protection protection = {&user, nt_type_generic[object->type].all, 0, 0};
    struct stat facts;
    if (object->type != NT_FILE || fd < 0 || fstat(fd, &facts) || !(S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)))
        return protection;
    bool folder = S_ISDIR(facts.st_mode);
    ACCESS_MASK kept = facts.st_mode & S_ISVTX ? ~(ACCESS_MASK)0x40 : ~(ACCESS_MASK)0;
    if (facts.st_uid != geteuid())
        protection.owner = &administrators;
    protection.groups = mode_rights(facts.st_mode >> 3 & 7, folder) & kept;
    protection.others = mode_rights(facts.st_mode & 7, folder) & kept;
    return protection;
}

static ULONG sid_size(const struct sid *sid) { return 8u + 4u * sid->count; }

static ULONG sid_put(UCHAR *answer, ULONG at, const struct sid *sid)
{
    memcpy(answer + at, sid, sid_size(sid));
    return at + sid_size(sid);
}

static ULONG acl_put(UCHAR *answer, ULONG at, const struct protection *protection)
{
    const struct { const struct sid *sid; ACCESS_MASK mask; } rows[] = {
        {protection->owner, protection->owners}, {&system_itself, protection->owners}, {&users, protection->groups}, {&everyone, protection->others}};
    struct acl acl = {ACL_REVISION, 0, sizeof acl, 0, 0};
    ULONG begin = at;
    at += sizeof acl;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].mask)
            continue;
        const struct ace ace = {0, 0, (USHORT)(sizeof ace + sid_size(rows[i].sid)), rows[i].mask};
        memcpy(answer + at, &ace, sizeof ace);
        at = sid_put(answer, at + (ULONG)sizeof ace, rows[i].sid);
        acl.count++;
    }
    acl.size = (USHORT)(at - begin);
    memcpy(answer + begin, &acl, sizeof acl);
    return at;
}

NTSTATUS NtQuerySecurityObject(HANDLE handle, ULONG wanted, void *buffer, ULONG length, ULONG *needed)
{
    UCHAR answer[512]; /* two SIDs and four entries at most */
    struct descriptor head = {.revision = 1, .control = SE_SELF_RELATIVE};
    struct protection protection = {0};
    struct nt_object *object;
    ACCESS_MASK access = (wanted & (OWNER_PART | GROUP_PART | DACL_PART) ? READ_CONTROL : 0u) |
                         (wanted & SACL_PART ? ACCESS_SYSTEM_SECURITY : 0u);
    int fd = -1;
    nt_lock();
    NTSTATUS status = ob_handle_find(handle, NT_ANY, access, &object, &fd, NULL);
    if (!status)
        protection = protection_of(object, fd);
    nt_unlock();
    if (status)
        return status;
    ULONG size = sizeof head;
    if (wanted & OWNER_PART) {
        head.owner = size;
        size = sid_put(answer, size, protection.owner);
    }
    if (wanted & GROUP_PART) {
        head.group = size;
        size = sid_put(answer, size, &users);
    }
    if (wanted & DACL_PART) {
        head.control |= SE_DACL_PRESENT;
        head.dacl = size;
        size = acl_put(answer, size, &protection);
    }
    memcpy(answer, &head, sizeof head);
    if (needed && !NT_PUT(needed, size))
        return STATUS_ACCESS_VIOLATION;
    if (length < size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, answer, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
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
