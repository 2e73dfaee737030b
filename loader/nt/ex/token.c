/* Tokens: who the guest runs as. One identity, that of an administrator of this machine; a process has a token of
 * its own from its first question on, and a thread has none unless it is given one. */
#include "loader/nt/ex/private.h"

#include <string.h>

#define SID(count_, authority_, ...) {1, count_, {0, 0, 0, 0, 0, authority_}, {__VA_ARGS__}}
const struct ex_sid ex_sid_user = SID(5, 5, 21, 0, 0, 0, 1000);
const struct ex_sid ex_sid_administrators = SID(2, 5, 32, 544);
const char nt_ex_user_sid_text[] = "S-1-5-21-0-0-0-1000";
static const struct ex_sid domain_users = SID(5, 5, 21, 0, 0, 0, 513), everyone = SID(1, 1, 0), users = SID(2, 5, 32, 545),
                           interactive = SID(1, 5, 4), authenticated = SID(1, 5, 11), logon = SID(3, 5, 5, 0, 1),
                           local = SID(1, 2, 0), integrity_high = SID(1, 16, 12288);

/* Attributes: 1 mandatory, 2 enabled by default, 4 enabled, 8 owner, 0x60 integrity, 0xC0000000 logon ID. */
const struct ex_group ex_groups[EX_GROUP_COUNT] = {
    {&domain_users, 7}, {&everyone, 7}, {&ex_sid_administrators, 0xf}, {&users, 7}, {&interactive, 7}, {&authenticated, 7},
    {&logon, 0xc0000007}, {&local, 7}, {&integrity_high, 0x60},
};

/* What an elevated administrator holds, by LUID; enabled at first: change notify, impersonate, create global. */
uint64_t ex_privileges_default(uint64_t *enabled)
{
    static const unsigned char held[] = {5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 22, 23, 24, 25, 28, 29, 30, 33, 34, 35, 36};
    uint64_t present = 0;
    for (size_t i = 0; i < sizeof held; i++)
        present |= 1ull << held[i];
    *enabled = 1ull << 23 | 1ull << 29 | 1ull << 30;
    return present;
}

/* 0 to 999 are Windows' own. */
uint64_t ex_luid_new(void)
{
    static uint64_t next = 1000;
    return __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
}

/* The default DACL's memory goes with the token (lock held). */
static void token_destroy(struct nt_object *object)
{
    struct ex_token *token = (struct ex_token *)object;
    if (token->dacl)
        nt_arena_free(token->dacl, token->dacl_size);
}

__attribute__((constructor)) static void hooks_set(void)
{
    nt_type_destroy[NT_TOKEN] = token_destroy;
}

static NTSTATUS token_create(struct ex_token **out)
{
    struct nt_object *object;
    NTSTATUS status = nt_object_create(NT_TOKEN, sizeof(struct ex_token), &object);
    if (status)
        return status;
    struct ex_token *token = (struct ex_token *)object;
    token->primary = 1;
    token->session = 1;
    token->id = ex_luid_new();
    token->modified = ex_luid_new();
    token->present = ex_privileges_default(&token->enabled);
    token->default_group = 1; /* domain users */
    *out = token;
    return STATUS_SUCCESS;
}

NTSTATUS ex_token_of_process(struct ex_token **out)
{
    static nt_ref own;
    nt_ref ref = __atomic_load_n(&own, __ATOMIC_ACQUIRE), none = 0;
    if (!ref) {
        struct ex_token *token;
        NTSTATUS status = token_create(&token);
        if (status)
            return status;
        if (__atomic_compare_exchange_n(&own, &none, nt_ref_of(token), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            ref = nt_ref_of(token);
        else { /* another thread was first */
            nt_object_release(&token->head);
            ref = none;
        }
    }
    *out = nt_at(ref);
    nt_object_reference(&(*out)->head);
    return STATUS_SUCCESS;
}

enum { TOKEN_OF_PROCESS = -4, TOKEN_OF_THREAD = -5, TOKEN_EFFECTIVE = -6, TOKEN_QUERY = 8, TOKEN_QUERY_SOURCE = 0x10 };

/* The pseudo-handles may be queried, nothing else. */
NTSTATUS ex_token_get(HANDLE handle, ACCESS_MASK access, struct ex_token **token)
{
    struct nt_object *object;
    intptr_t pseudo = (intptr_t)handle;
    if (pseudo >= TOKEN_EFFECTIVE && pseudo <= TOKEN_OF_PROCESS) {
        if (access & ~(ACCESS_MASK)(TOKEN_QUERY | TOKEN_QUERY_SOURCE))
            return STATUS_ACCESS_DENIED;
        *token = pseudo == TOKEN_OF_PROCESS ? NULL : ex_token_of_thread(nt_current()->object);
        if (*token)
            return STATUS_SUCCESS;
        return pseudo == TOKEN_OF_THREAD ? STATUS_NO_TOKEN : ex_token_of_process(token);
    }
    NTSTATUS status = nt_handle_object(handle, NT_TOKEN, access, &object, NULL, NULL);
    if (!status)
        *token = (struct ex_token *)object;
    return status;
}

static NTSTATUS token_give(struct ex_token *token, ACCESS_MASK access, ULONG attributes, HANDLE *guest)
{
    HANDLE handle;
    NTSTATUS status = nt_handle_create(&token->head, access, attributes, -1, &handle);
    if (!status && !NT_PUT(guest, handle)) {
        nt_handle_close(handle);
        status = STATUS_ACCESS_VIOLATION;
    }
    return status;
}

NTSTATUS NtOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, ULONG attributes, HANDLE *guest)
{
    struct nt_object *object;
    struct ex_token *token;
    HANDLE none = 0;
    if (!NT_PUT(guest, none))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(process, NT_PROCESS, 0, &object, NULL, NULL);
    if (status)
        return status;
    nt_object_release(object); /* every process of a session has the same identity */
    status = ex_token_of_process(&token);
    if (status)
        return status;
    status = token_give(token, access, attributes & OBJ_INHERIT, guest);
    nt_object_release(&token->head);
    return status;
}

NTSTATUS NtOpenProcessToken(HANDLE process, ACCESS_MASK access, HANDLE *guest)
{
    return NtOpenProcessTokenEx(process, access, 0, guest);
}

/* The rights are checked as the process (self) or as the thread is: here both may. */
NTSTATUS NtOpenThreadTokenEx(HANDLE thread, ACCESS_MASK access, BOOLEAN self, ULONG attributes, HANDLE *guest)
{
    struct nt_object *object;
    HANDLE none = 0;
    (void)self;
    if (!NT_PUT(guest, none))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(thread, NT_THREAD, 0, &object, NULL, NULL);
    if (status)
        return status;
    struct ex_token *token = ex_token_of_thread((struct nt_thread_object *)object);
    nt_object_release(object);
    if (!token)
        return STATUS_NO_TOKEN;
    if (token->level == 0)
        status = STATUS_CANT_OPEN_ANONYMOUS;
    else
        status = token_give(token, access, attributes & OBJ_INHERIT, guest);
    nt_object_release(&token->head);
    return status;
}

NTSTATUS NtOpenThreadToken(HANDLE thread, ACCESS_MASK access, BOOLEAN self, HANDLE *guest)
{
    return NtOpenThreadTokenEx(thread, access, self, 0, guest);
}

/* The privileges and default DACL of `from`. */
static NTSTATUS token_copy(struct ex_token *token, struct ex_token *from)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    token->present = from->present;
    token->enabled = from->enabled;
    token->session = from->session;
    token->default_owner = from->default_owner;
    token->default_group = from->default_group;
    if (from->dacl) {
        token->dacl = nt_arena_allocate(from->dacl_size);
        if (token->dacl) {
            token->dacl_size = from->dacl_size;
            memcpy(nt_at(token->dacl), nt_at(from->dacl), from->dacl_size);
        } else {
            status = STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    nt_unlock();
    return status;
}

/* The level of an impersonation token (0 anonymous ... 3 delegation) stands in the SECURITY_QUALITY_OF_SERVICE of
 * OBJECT_ATTRIBUTES. Wine 8.0's kernelbase and ntdll give none, and pass the level where NT has EffectiveOnly. */
static NTSTATUS level_of(const OBJECT_ATTRIBUTES *guest, BOOLEAN *effective, ULONG *level)
{
    OBJECT_ATTRIBUTES attributes = {0};
    struct { ULONG length, level; BOOLEAN dynamic, effective; } quality;
    if (guest && !NT_GET(attributes, guest))
        return STATUS_ACCESS_VIOLATION;
    if (!attributes.quality) {
        *level = *effective;
        *effective = 0;
    } else if (NT_GET(quality, attributes.quality)) {
        *level = quality.level;
    } else {
        return STATUS_ACCESS_VIOLATION;
    }
    return *level > 3 ? STATUS_BAD_IMPERSONATION_LEVEL : STATUS_SUCCESS;
}

NTSTATUS NtDuplicateToken(HANDLE handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes, BOOLEAN effective,
                          ULONG type, HANDLE *guest)
{
    struct ex_token *from, *token;
    struct nt_attributes attributes;
    ULONG level;
    enum { DUPLICATE = 2 };
    NTSTATUS status = nt_attributes_capture(guest_attributes, &attributes);
    if (status)
        return status;
    nt_attributes_free(&attributes);
    status = level_of(guest_attributes, &effective, &level);
    if (!status && type != 1 && type != 2)
        status = STATUS_INVALID_PARAMETER;
    if (!status)
        status = ex_token_get(handle, DUPLICATE, &from);
    if (status)
        return status;
    if (!from->primary && type == 2 && level > from->level)
        status = STATUS_BAD_IMPERSONATION_LEVEL;
    if (!status)
        status = token_create(&token);
    if (!status) {
        status = token_copy(token, from);
        token->primary = type == 1;
        token->level = type == 1 ? 0 : level;
        if (effective) /* what is disabled does not come along */
            token->present &= token->enabled;
        if (!status)
            status = token_give(token, access ? access : nt_type_generic[NT_TOKEN].all, attributes.attributes & OBJ_INHERIT, guest);
        nt_object_release(&token->head);
    }
    nt_object_release(&from->head);
    return status;
}

/* Flags: 1 all privileges but change notify go. Listed privileges go too; restricting SIDs are not kept. */
NTSTATUS NtFilterToken(HANDLE handle, ULONG flags, const void *disable, const void *remove, const void *restrict_to,
                       HANDLE *guest)
{
    struct ex_token *from, *token;
    ULONG count = 0;
    struct { ULONG low; LONG high; ULONG attributes; } entry;
    (void)disable, (void)restrict_to;
    NTSTATUS status = ex_token_get(handle, 2, &from);
    if (status)
        return status;
    status = token_create(&token);
    if (!status) {
        status = token_copy(token, from);
        token->primary = from->primary;
        token->level = from->level;
        if (flags & 1)
            token->present &= 1ull << 23;
        if (!status && remove && !NT_GET(count, (const ULONG *)remove))
            status = STATUS_ACCESS_VIOLATION;
        for (ULONG i = 0; i < count && !status; i++) {
            if (!nt_read(&entry, (const char *)remove + 4 + i * sizeof entry, sizeof entry))
                status = STATUS_ACCESS_VIOLATION;
            else if (!entry.high && entry.low < EX_PRIVILEGE_LIMIT)
                token->present &= ~(1ull << entry.low);
        }
        token->enabled &= token->present;
        if (!status)
            status = token_give(token, nt_type_generic[NT_TOKEN].all, 0, guest);
        nt_object_release(&token->head);
    }
    nt_object_release(&from->head);
    return status;
}
