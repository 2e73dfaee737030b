/* The table of this area, and what a registry in memory does not do: hives in files, transactions. */
#include "loader/nt/cm/private.h"

static NTSTATUS NtFlushKey(HANDLE handle)
{
    struct cm_key *key;
    NTSTATUS status = cm_key_get(handle, 0, &key);
    if (!status)
        nt_object_release(&key->head);
    return status;
}

static NTSTATUS unsupported(void) { return STATUS_NOT_SUPPORTED; }

#define UNSUPPORTED(name, arguments) {#name, arguments, (void (*)(void))unsupported}

const struct nt_service nt_services_cm[] = {
    NT_SERVICE(NtCreateKey, 7),
    NT_SERVICE(NtOpenKey, 3),
    NT_SERVICE(NtOpenKeyEx, 4),
    NT_SERVICE(NtDeleteKey, 1),
    NT_SERVICE(NtRenameKey, 2),
    NT_SERVICE(NtQueryKey, 5),
    NT_SERVICE(NtEnumerateKey, 6),
    NT_SERVICE(NtSetInformationKey, 4),
    NT_SERVICE(NtFlushKey, 1),
    NT_SERVICE(NtSetValueKey, 6),
    NT_SERVICE(NtDeleteValueKey, 2),
    NT_SERVICE(NtQueryValueKey, 6),
    NT_SERVICE(NtEnumerateValueKey, 6),
    NT_SERVICE(NtQueryMultipleValueKey, 6),
    NT_SERVICE(NtQueryLicenseValue, 5),
    NT_SERVICE(NtNotifyChangeKey, 10),
    NT_SERVICE(NtNotifyChangeMultipleKeys, 12),
    UNSUPPORTED(NtSaveKey, 2),
    UNSUPPORTED(NtSaveKeyEx, 3),
    UNSUPPORTED(NtRestoreKey, 3),
    UNSUPPORTED(NtReplaceKey, 3),
    UNSUPPORTED(NtLoadKey, 2),
    UNSUPPORTED(NtLoadKey2, 3),
    UNSUPPORTED(NtLoadKeyEx, 8),
    UNSUPPORTED(NtUnloadKey, 1),
    UNSUPPORTED(NtCreateKeyTransacted, 8),
    UNSUPPORTED(NtOpenKeyTransacted, 4),
    UNSUPPORTED(NtOpenKeyTransactedEx, 5),
    {NULL, 0, NULL},
};
