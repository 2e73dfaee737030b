/* NtAccessCheck: what a security descriptor lets a token do. */
#include "loader/nt/ex/private.h"

#include <stdlib.h>
#include <string.h>

enum { CONTROL_DACL_PRESENT = 4, CONTROL_SELF_RELATIVE = 0x8000, ACE_ALLOWED = 0, ACE_DENIED = 1, ACE_INHERIT_ONLY = 8 };
enum { READ_CONTROL = 0x20000, WRITE_DAC = 0x40000, ACCESS_SYSTEM_SECURITY = 0x1000000, MAXIMUM_ALLOWED = 0x2000000 };

struct ace { UCHAR type, flags; USHORT size; ULONG mask; };
/* What of a descriptor counts here. */
struct descriptor { struct ex_sid owner, group; bool has_owner, has_group, has_dacl; uint8_t *dacl; unsigned dacl_size; };

static bool sid_parse(const uint8_t *bytes, size_t size, struct ex_sid *sid)
{
    memset(sid, 0, sizeof *sid);
    if (size < 8 || bytes[1] > 8 || size < 8u + 4u * bytes[1])
        return false;
    memcpy(sid, bytes, 8u + 4u * bytes[1]);
    return true;
}

static NTSTATUS sid_read(const char *guest, struct ex_sid *sid)
{
    uint8_t bytes[8 + 4 * 8];
    if (!nt_read(bytes, guest, 8))
        return STATUS_ACCESS_VIOLATION;
    if (bytes[1] > 8)
        return STATUS_INVALID_SID;
    if (!nt_read(bytes + 8, guest + 8, 4u * bytes[1]))
        return STATUS_ACCESS_VIOLATION;
    return sid_parse(bytes, sizeof bytes, sid) ? STATUS_SUCCESS : STATUS_INVALID_SID;
}

static NTSTATUS dacl_read(const char *guest, struct descriptor *out)
{
    uint16_t head[4]; /* revision, size, count, - */
    if (!nt_read(head, guest, sizeof head))
        return STATUS_ACCESS_VIOLATION;
    if (head[1] < sizeof head)
        return STATUS_INVALID_ACL;
    out->dacl = malloc(head[1]);
    if (!out->dacl)
        return STATUS_NO_MEMORY;
    out->dacl_size = head[1];
    return nt_read(out->dacl, guest, head[1]) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Both forms: with offsets from its start, or with pointers. */
static NTSTATUS descriptor_read(const void *guest, struct descriptor *out)
{
    struct { UCHAR revision, pad; USHORT control; } head;
    const char *parts[4] = {0}; /* owner, group, SACL, DACL */
    if (!guest || !nt_read(&head, guest, sizeof head))
        return guest ? STATUS_ACCESS_VIOLATION : STATUS_INVALID_SECURITY_DESCR;
    if (head.revision != 1)
        return STATUS_INVALID_SECURITY_DESCR;
    if (head.control & CONTROL_SELF_RELATIVE) {
        uint32_t offsets[4];
        if (!nt_read(offsets, (const char *)guest + 4, sizeof offsets))
            return STATUS_ACCESS_VIOLATION;
        for (unsigned i = 0; i < 4; i++)
            parts[i] = offsets[i] ? (const char *)guest + offsets[i] : NULL;
    } else if (!nt_read(parts, (const char *)guest + sizeof(void *), sizeof parts)) {
        return STATUS_ACCESS_VIOLATION;
    }
    NTSTATUS status = STATUS_SUCCESS;
    out->has_owner = parts[0] != NULL;
    out->has_group = parts[1] != NULL;
    out->has_dacl = head.control & CONTROL_DACL_PRESENT && parts[3];
    if (parts[0])
        status = sid_read(parts[0], &out->owner);
    if (!status && parts[1])
        status = sid_read(parts[1], &out->group);
    if (!status && out->has_dacl)
        status = dacl_read(parts[3], out);
    return status;
}

static bool sid_is_ours(const struct ex_sid *sid)
{
    if (!memcmp(sid, &ex_sid_user, ex_sid_size(sid)))
        return true;
    for (unsigned i = 0; i < EX_GROUP_COUNT; i++)
        if (ex_groups[i].attributes & 4 && sid->count == ex_groups[i].sid->count && !memcmp(sid, ex_groups[i].sid, ex_sid_size(sid)))
            return true;
    return false;
}

static ACCESS_MASK generic_map(ACCESS_MASK access, const struct nt_generic *map)
{
    access |= (access & 0x80000000u ? map->read : 0) | (access & 0x40000000u ? map->write : 0) |
              (access & 0x20000000u ? map->execute : 0) | (access & 0x10000000u ? map->all : 0);
    return access & 0x0fffffffu;
}

/* Entries in their order: what is denied first stays denied, what is allowed first stays allowed. */
static ACCESS_MASK allowed_by(const struct descriptor *descriptor, const struct nt_generic *map)
{
    ACCESS_MASK allowed = 0, denied = 0;
    if (!descriptor->has_dacl)
        return map->all | 0x1f0000;
    if (descriptor->has_owner && sid_is_ours(&descriptor->owner))
        allowed |= READ_CONTROL | WRITE_DAC;
    uint16_t count;
    memcpy(&count, descriptor->dacl + 4, sizeof count);
    size_t at = 8;
    for (unsigned i = 0; i < count && descriptor->dacl_size - at >= sizeof(struct ace); i++) {
        struct ace ace;
        struct ex_sid sid;
        memcpy(&ace, descriptor->dacl + at, sizeof ace);
        if (ace.size < sizeof ace || ace.size > descriptor->dacl_size - at)
            break;
        bool counts = !(ace.flags & ACE_INHERIT_ONLY) && ace.type <= ACE_DENIED &&
                      sid_parse(descriptor->dacl + at + sizeof ace, ace.size - sizeof ace, &sid) && sid_is_ours(&sid);
        if (counts && ace.type == ACE_ALLOWED)
            allowed |= generic_map(ace.mask, map) & ~denied;
        else if (counts)
            denied |= generic_map(ace.mask, map) & ~allowed;
        at += ace.size;
    }
    return allowed;
}

static NTSTATUS check(const void *guest, const struct ex_token *token, ACCESS_MASK wanted, const struct nt_generic *map,
                      ACCESS_MASK *granted)
{
    struct descriptor descriptor = {0};
    NTSTATUS status = descriptor_read(guest, &descriptor);
    /* Without an owner and a group nobody could ever have made it. */
    if (!status && (!descriptor.has_owner || !descriptor.has_group))
        status = STATUS_INVALID_SECURITY_DESCR;
    *granted = 0;
    if (!status) {
        ACCESS_MASK allowed = allowed_by(&descriptor, map), need = wanted & ~(ACCESS_MASK)MAXIMUM_ALLOWED;
        if (token->enabled >> 8 & 1) /* SeSecurityPrivilege */
            allowed |= ACCESS_SYSTEM_SECURITY;
        if ((need & allowed) != need || (wanted & MAXIMUM_ALLOWED && !(allowed & ~(ACCESS_MASK)ACCESS_SYSTEM_SECURITY)))
            status = STATUS_ACCESS_DENIED;
        else
            *granted = wanted & MAXIMUM_ALLOWED ? (allowed & ~(ACCESS_MASK)ACCESS_SYSTEM_SECURITY) | need : need;
    }
    free(descriptor.dacl);
    return status;
}

/* The return value tells whether there was a check; *access_status is its result. */
NTSTATUS NtAccessCheck(const void *descriptor, HANDLE handle, ACCESS_MASK wanted, const void *mapping, void *privileges,
                       ULONG *privileges_length, ULONG *guest_granted, NTSTATUS *access_status)
{
    struct ex_token *token;
    struct nt_generic map;
    ACCESS_MASK granted;
    ULONG room, set_size = 20, none[2] = {0};
    if (!NT_GET(map, (const struct nt_generic *)mapping) || !NT_GET(room, privileges_length))
        return STATUS_ACCESS_VIOLATION;
    if (wanted & 0xf0000000u)
        return STATUS_GENERIC_NOT_MAPPED;
    NTSTATUS status = ex_token_get(handle, 8, &token);
    if (status)
        return status;
    if (token->primary)
        status = STATUS_NO_IMPERSONATION_TOKEN;
    else if (token->level < 1)
        status = STATUS_BAD_IMPERSONATION_LEVEL;
    if (!status && room < set_size)
        status = NT_PUT(privileges_length, set_size) ? STATUS_BUFFER_TOO_SMALL : STATUS_ACCESS_VIOLATION;
    if (!status && !nt_write(privileges, none, sizeof none))
        status = STATUS_ACCESS_VIOLATION;
    if (!status) {
        NTSTATUS result = check(descriptor, token, wanted, &map, &granted);
        if (result && result != STATUS_ACCESS_DENIED)
            status = result;
        else if (!NT_PUT(guest_granted, granted) || !NT_PUT(access_status, result))
            status = STATUS_ACCESS_VIOLATION;
    }
    nt_object_release(&token->head);
    return status;
}
