/* What a token tells, and what of it can be changed. Structures with pointers are built whole, for the address of the
 * guest's buffer, and copied once. */
#include "loader/nt/ex/private.h"

#include <assert.h>
#include <string.h>

struct group { void *sid; ULONG attributes; };
struct luid { ULONG low; LONG high; };
struct privilege { struct luid luid; ULONG attributes; };

/* An answer under construction. `guest` is where it will lie; `size` is what it takes so far. */
struct answer {
    uintptr_t guest;
    ULONG size;
    uint8_t bytes[1024] __attribute__((aligned(8)));
};

static void answer_begin(struct answer *answer, const void *guest, ULONG size)
{
    answer->guest = (uintptr_t)guest;
    answer->size = size;
    memset(answer->bytes, 0, size);
}

/* Appends; the address that the guest will see it at. */
static void *answer_add(struct answer *answer, const void *bytes, ULONG size)
{
    ULONG at = answer->size;
    assert(at + size <= sizeof answer->bytes);
    memcpy(answer->bytes + at, bytes, size);
    answer->size = (at + size + 3) & ~3u;
    return (void *)(answer->guest + at);
}

static void answer_number(struct answer *answer, const void *guest, ULONG number)
{
    answer_begin(answer, guest, sizeof number);
    memcpy(answer->bytes, &number, sizeof number);
}

/* TOKEN_OWNER and TOKEN_PRIMARY_GROUP; with attributes also TOKEN_USER and TOKEN_MANDATORY_LABEL. */
static void answer_sid(struct answer *answer, const void *guest, const struct ex_sid *sid, bool attributes, ULONG value)
{
    struct group group = {0};
    answer_begin(answer, guest, attributes ? sizeof group : sizeof group.sid);
    group.sid = answer_add(answer, sid, ex_sid_size(sid));
    group.attributes = value;
    memcpy(answer->bytes, &group, attributes ? sizeof group : sizeof group.sid);
}

/* TOKEN_GROUPS of those from first to end. None: the count alone. */
static void answer_groups(struct answer *answer, const void *guest, unsigned first, unsigned end)
{
    enum { HEAD = sizeof(void *) };
    ULONG count = end - first;
    answer_begin(answer, guest, HEAD + count * (ULONG)sizeof(struct group));
    memcpy(answer->bytes, &count, sizeof count);
    for (unsigned i = first; i < end; i++) {
        struct group group = {0};
        group.sid = answer_add(answer, ex_groups[i].sid, ex_sid_size(ex_groups[i].sid));
        group.attributes = ex_groups[i].attributes;
        memcpy(answer->bytes + HEAD + (i - first) * sizeof group, &group, sizeof group);
    }
}

static ULONG privilege_attributes(const struct ex_token *token, unsigned luid)
{
    uint64_t by_default;
    ex_privileges_default(&by_default);
    return (by_default >> luid & 1) | (token->enabled >> luid & 1) << 1;
}

static void answer_privileges(struct answer *answer, const void *guest, const struct ex_token *token)
{
    ULONG count = (ULONG)__builtin_popcountll(token->present);
    answer_begin(answer, guest, sizeof count);
    memcpy(answer->bytes, &count, sizeof count);
    for (unsigned i = 0; i < EX_PRIVILEGE_LIMIT; i++)
        if (token->present >> i & 1) {
            struct privilege privilege = {{i, 0}, privilege_attributes(token, i)};
            answer_add(answer, &privilege, sizeof privilege);
        }
}

/* The user and the system may do everything with what this token's owner makes. */
static ULONG dacl_build(uint8_t *out)
{
    static const struct ex_sid system = {1, 1, {0, 0, 0, 0, 0, 5}, {18}};
    const struct ex_sid *const sids[] = {&ex_sid_user, &system};
    struct { UCHAR type, flags; USHORT size; ULONG mask; } ace = {0, 0, 0, 0x10000000};
    ULONG size = 8;
    for (unsigned i = 0; i < 2; i++) {
        ace.size = (USHORT)(sizeof ace + ex_sid_size(sids[i]));
        memcpy(out + size, &ace, sizeof ace);
        memcpy(out + size + sizeof ace, sids[i], ex_sid_size(sids[i]));
        size += ace.size;
    }
    uint16_t head[4] = {2, (uint16_t)size, 2, 0};
    memcpy(out, head, sizeof head);
    return size;
}

/* Lock held: the DACL may be changed by another thread. */
static void answer_dacl(struct answer *answer, const void *guest, const struct ex_token *token)
{
    uint8_t dacl[512];
    void *at = NULL;
    answer_begin(answer, guest, sizeof at);
    if (!token->dacl)
        at = answer_add(answer, dacl, dacl_build(dacl));
    else
        at = answer_add(answer, nt_at(token->dacl), token->dacl_size);
    memcpy(answer->bytes, &at, sizeof at);
}

static void answer_statistics(struct answer *answer, const void *guest, const struct ex_token *token)
{
    struct { uint64_t id, authentication, expiration; ULONG type, level, charged, available, groups, privileges; uint64_t modified; }
        statistics = {token->id, 999, INT64_MAX, token->primary ? 1 : 2, token->level, 4096, 4096, EX_GROUP_COUNT,
                      (ULONG)__builtin_popcountll(token->present), token->modified};
    _Static_assert(sizeof statistics == 56, "TOKEN_STATISTICS");
    answer_begin(answer, guest, sizeof statistics);
    memcpy(answer->bytes, &statistics, sizeof statistics);
}

enum { GROUP_LOGON = 6, GROUP_INTEGRITY = 8, DEFAULT_DACL_LIMIT = 512 };

static const struct ex_sid *owner_of(const struct ex_token *token)
{
    return token->default_owner ? ex_groups[token->default_owner - 1].sid : &ex_sid_user;
}

static const struct ex_sid *group_of(const struct ex_token *token)
{
    return token->default_group ? ex_groups[token->default_group - 1].sid : &ex_sid_user;
}

/* Lock held. */
static NTSTATUS answer_build(struct answer *answer, const void *guest, const struct ex_token *token, ULONG class)
{
    static const struct { char name[8]; struct luid id; } source = {"User32 ", {0x1000, 0}};
    static const uint64_t nothing = 0;
    switch (class) {
    case 1: answer_sid(answer, guest, &ex_sid_user, true, 0); break;
    case 2: answer_groups(answer, guest, 0, EX_GROUP_COUNT); break;
    case 3: answer_privileges(answer, guest, token); break;
    case 4: answer_sid(answer, guest, owner_of(token), false, 0); break;
    case 5: answer_sid(answer, guest, group_of(token), false, 0); break;
    case 6: answer_dacl(answer, guest, token); break;
    case 7: answer_begin(answer, guest, 0); answer_add(answer, &source, sizeof source); break;
    case 8: answer_number(answer, guest, token->primary ? 1 : 2); break;
    case 9:
        if (token->primary)
            return STATUS_INVALID_PARAMETER;
        answer_number(answer, guest, token->level);
        break;
    case 10: answer_statistics(answer, guest, token); break;
    case 11: answer_groups(answer, guest, 0, 0); break;  /* restricting SIDs */
    case 12: answer_number(answer, guest, token->session); break;
    case 15: answer_number(answer, guest, 0); break;     /* sandbox inert */
    case 17: answer_begin(answer, guest, 0); answer_add(answer, &nothing, sizeof nothing); break; /* origin */
    case 18: answer_number(answer, guest, 1); break;     /* elevation type: default, there is no other token */
    case 19: return STATUS_NO_SUCH_LOGON_SESSION;        /* linked token */
    case 20: answer_number(answer, guest, 1); break;     /* elevated */
    case 21: case 23: case 24: case 26: case 29: case 32: case 40:
        answer_number(answer, guest, 0);                 /* restrictions, virtualization, UI access, app container */
        break;
    case 25: answer_sid(answer, guest, ex_groups[GROUP_INTEGRITY].sid, true, 0x60); break;
    case 27: answer_number(answer, guest, 3); break;     /* mandatory policy: no write up, new process min */
    case 28: answer_groups(answer, guest, GROUP_LOGON, GROUP_LOGON + 1); break;
    case 30: answer_groups(answer, guest, 0, 0); break;  /* capabilities */
    case 31: case 41:                                    /* app container's SID, trust level: none */
        answer_begin(answer, guest, sizeof(void *));
        break;
    default: return STATUS_INVALID_INFO_CLASS;
    }
    return STATUS_SUCCESS;
}

NTSTATUS NtQueryInformationToken(HANDLE handle, ULONG class, void *buffer, ULONG length, ULONG *returned)
{
    struct ex_token *token;
    struct answer answer;
    NTSTATUS status = ex_token_get(handle, class == 7 ? 0x10 : 8, &token);
    if (status)
        return status;
    nt_lock();
    status = answer_build(&answer, buffer, token, class);
    nt_unlock();
    nt_object_release(&token->head);
    if (status)
        return status;
    if (returned && !NT_PUT(returned, answer.size))
        return STATUS_ACCESS_VIOLATION;
    if (length < answer.size)
        return STATUS_BUFFER_TOO_SMALL;
    return nt_write(buffer, answer.bytes, answer.size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- changes ------------------------------------------------------------------------------------------ */

static bool sid_read(const void *guest, struct ex_sid *sid)
{
    memset(sid, 0, sizeof *sid);
    if (!nt_read(sid, guest, 8) || sid->count > 8)
        return false;
    return nt_read(sid->sub, (const char *)guest + 8, 4u * sid->count);
}

static bool sid_equal(const struct ex_sid *a, const struct ex_sid *b)
{
    return a->count == b->count && !memcmp(a, b, ex_sid_size(a));
}

/* Index + 1 of one of the token's groups, 0: the user. False: neither. */
static bool sid_find(const struct ex_sid *sid, uint32_t *index)
{
    for (*index = 0; *index < EX_GROUP_COUNT; ++*index)
        if (sid_equal(sid, ex_groups[*index].sid)) {
            ++*index;
            return true;
        }
    *index = 0;
    return sid_equal(sid, &ex_sid_user);
}

/* A token's settings may be longer than they need be: what lies behind the structure is not looked at (PostgreSQL passes the
 * length of the list that the structure points to). */
static NTSTATUS setting_take(void *value, const void *guest, ULONG length, ULONG size)
{
    return ex_setting(value, guest, length > size ? size : length, size);
}

static NTSTATUS dacl_set(struct ex_token *token, const void *guest, ULONG length)
{
    void *at;
    uint8_t dacl[DEFAULT_DACL_LIMIT];
    uint16_t head[4];
    NTSTATUS status = setting_take(&at, guest, length, sizeof at);
    if (status)
        return status;
    if (at && !nt_read(head, at, sizeof head))
        return STATUS_ACCESS_VIOLATION;
    if (at && (head[1] < sizeof head || head[1] > sizeof dacl))
        return STATUS_INVALID_ACL;
    if (at && !nt_read(dacl, at, head[1]))
        return STATUS_ACCESS_VIOLATION;
    nt_lock();
    if (token->dacl)
        nt_arena_free(token->dacl, token->dacl_size);
    token->dacl = at ? nt_arena_allocate(head[1]) : 0;
    if (token->dacl) {
        token->dacl_size = head[1];
        memcpy(nt_at(token->dacl), dacl, head[1]);
    } else if (at) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    nt_unlock();
    return status;
}

static NTSTATUS sid_set(uint32_t *field, const void *guest, ULONG length, NTSTATUS foreign)
{
    void *at;
    struct ex_sid sid;
    uint32_t index;
    NTSTATUS status = setting_take(&at, guest, length, sizeof at);
    if (status)
        return status;
    if (!sid_read(at, &sid))
        return STATUS_ACCESS_VIOLATION;
    if (!sid_find(&sid, &index))
        return foreign;
    *field = index;
    return STATUS_SUCCESS;
}

NTSTATUS NtSetInformationToken(HANDLE handle, ULONG class, const void *buffer, ULONG length)
{
    struct ex_token *token;
    ULONG value;
    enum { ADJUST_DEFAULT = 0x80 };
    NTSTATUS status = ex_token_get(handle, ADJUST_DEFAULT, &token);
    if (status)
        return status;
    switch (class) {
    case 4: status = sid_set(&token->default_owner, buffer, length, STATUS_INVALID_OWNER); break;
    case 5: status = sid_set(&token->default_group, buffer, length, STATUS_INVALID_PRIMARY_GROUP); break;
    case 6: status = dacl_set(token, buffer, length); break;
    case 12:
        status = setting_take(&value, buffer, length, sizeof value);
        if (!status)
            token->session = value;
        break;
    case 23: case 24: case 26: case 27:
        status = setting_take(&value, buffer, length, sizeof value);
        break;
    case 25: /* a lower integrity level is taken, but nothing here is kept from the guest by one */
        status = length < sizeof(void *) ? STATUS_INFO_LENGTH_MISMATCH : STATUS_SUCCESS;
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
    }
    nt_object_release(&token->head);
    return status;
}

/* The states before go into `previous`, as TOKEN_PRIVILEGES of those that changed. */
static NTSTATUS previous_tell(void *previous, ULONG length, ULONG *returned, const struct privilege *changed, ULONG count)
{
    ULONG size = 4 + count * (ULONG)sizeof *changed;
    if (!previous)
        return STATUS_SUCCESS;
    if (returned && !NT_PUT(returned, size))
        return STATUS_ACCESS_VIOLATION;
    if (length < size)
        return STATUS_BUFFER_TOO_SMALL;
    if (!nt_write(previous, &count, sizeof count) || !nt_write((char *)previous + 4, changed, size - 4))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* What one entry wants: 4 removes for good, 2 enables, 0 disables. */
static void privilege_change(uint64_t *present, uint64_t *enabled, unsigned luid, ULONG attributes)
{
    uint64_t bit = 1ull << luid;
    if (attributes & 4) {
        *present &= ~bit;
        *enabled &= ~bit;
    } else if (attributes & 2) {
        *enabled |= bit;
    } else {
        *enabled &= ~bit;
    }
}

NTSTATUS NtAdjustPrivilegesToken(HANDLE handle, BOOLEAN disable, const void *wanted, ULONG length, void *previous,
                                 ULONG *returned)
{
    struct ex_token *token;
    struct privilege entries[64], changed[64];
    ULONG count = 0, changes = 0;
    enum { ADJUST = 0x20 };
    bool missing = false;
    NTSTATUS status = ex_token_get(handle, ADJUST | (previous ? 8 : 0), &token);
    if (status)
        return status;
    if (!disable) {
        if (!NT_GET(count, (const ULONG *)wanted) || count > 64 ||
            !nt_read(entries, (const char *)wanted + 4, count * sizeof *entries))
            status = count > 64 ? STATUS_INVALID_PARAMETER : STATUS_ACCESS_VIOLATION;
    } else {
        for (unsigned i = 0; i < EX_PRIVILEGE_LIMIT; i++)
            if (token->present >> i & 1)
                entries[count++] = (struct privilege){{i, 0}, 0};
    }
    uint64_t present = token->present, enabled = token->enabled;
    for (ULONG i = 0; i < count && !status; i++) {
        unsigned luid = entries[i].luid.low;
        if (entries[i].luid.high || luid >= EX_PRIVILEGE_LIMIT || !(present >> luid & 1)) {
            missing = true;
            continue;
        }
        ULONG before = privilege_attributes(token, luid);
        uint64_t was = enabled;
        privilege_change(&present, &enabled, luid, entries[i].attributes);
        if (was != enabled)
            changed[changes++] = (struct privilege){{luid, 0}, before};
    }
    if (!status) /* with too little room for the old states nothing changes */
        status = previous_tell(previous, length, returned, changed, changes);
    if (!status) {
        token->present = present;
        token->enabled = enabled;
        if (changes)
            token->modified = ex_luid_new();
        status = missing ? STATUS_NOT_ALL_ASSIGNED : STATUS_SUCCESS;
    }
    nt_object_release(&token->head);
    return status;
}

/* Groups stay as they are: all but the logon ID are mandatory. */
NTSTATUS NtAdjustGroupsToken(HANDLE handle, BOOLEAN reset, const void *wanted, ULONG length, void *previous, ULONG *returned)
{
    struct ex_token *token;
    ULONG none = 0;
    (void)wanted, (void)length;
    NTSTATUS status = ex_token_get(handle, 0x40, &token);
    if (status)
        return status;
    nt_object_release(&token->head);
    if (!reset)
        return STATUS_NOT_SUPPORTED;
    if (previous && (!NT_PUT((ULONG *)previous, none) || (returned && !NT_PUT(returned, none))))
        return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

/* PRIVILEGE_SET: count, control (1: all of them are needed), entries; a used one gets the flag 0x80000000. */
NTSTATUS NtPrivilegeCheck(HANDLE handle, void *guest, BOOLEAN *held)
{
    struct ex_token *token;
    struct { ULONG count, control; } head;
    struct privilege entry;
    ULONG found = 0;
    NTSTATUS status = ex_token_get(handle, 8, &token);
    if (status)
        return status;
    if (!nt_read(&head, guest, sizeof head))
        status = STATUS_ACCESS_VIOLATION;
    for (ULONG i = 0; !status && i < head.count; i++) {
        char *at = (char *)guest + sizeof head + i * sizeof entry;
        if (!nt_read(&entry, at, sizeof entry)) {
            status = STATUS_ACCESS_VIOLATION;
        } else if (!entry.luid.high && entry.luid.low < EX_PRIVILEGE_LIMIT && token->enabled >> entry.luid.low & 1) {
            found++;
            entry.attributes |= 0x80000000;
            if (!nt_write(at, &entry, sizeof entry))
                status = STATUS_ACCESS_VIOLATION;
        }
    }
    BOOLEAN answer = !status && (head.control & 1 ? found == head.count : found > 0);
    if (!status && !NT_PUT(held, answer))
        status = STATUS_ACCESS_VIOLATION;
    nt_object_release(&token->head);
    return status;
}
