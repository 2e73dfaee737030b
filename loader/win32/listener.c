/* Who wants to hear of DLLs that come and go (LdrRegisterDllNotification, as Microsoft documents it). The operating system
 * tells of its own DLLs; of ours it knows nothing, so each function is kept here too. */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>
#include <winternl.h>

enum { LOADED = 1, UNLOADED = 2 };

struct notification { ULONG flags; const UNICODE_STRING *full, *base; void *module; ULONG size; };
typedef void(CALLBACK *listen_function)(ULONG reason, const struct notification *data, void *context);

struct listener { struct listener *next; listen_function function; void *context, *cookie; };
static struct listener *listeners; /* in the order of registration */

static NTSTATUS NTAPI register_notification(ULONG flags, listen_function function, void *context, void **cookie)
{
    typedef NTSTATUS(NTAPI * system_function)(ULONG, listen_function, void *, void **);
    system_function system = (system_function)(void *)GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "LdrRegisterDllNotification");
    struct listener *one = system ? calloc(1, sizeof *one) : NULL, **last = &listeners;
    if (!one)
        return (NTSTATUS)LD_STATUS_NO_MEMORY;
    NTSTATUS status = system(flags, function, context, cookie);
    if (status) {
        free(one);
        return status;
    }
    ULONG_PTR lock = win32_lock();
    while (*last)
        last = &(*last)->next;
    *one = (struct listener){.function = function, .context = context, .cookie = *cookie};
    *last = one;
    win32_unlock(lock);
    return status;
}

static NTSTATUS NTAPI unregister_notification(void *cookie)
{
    typedef NTSTATUS(NTAPI * system_function)(void *);
    system_function system = (system_function)(void *)GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "LdrUnregisterDllNotification");
    ULONG_PTR lock = win32_lock();
    for (struct listener **at = &listeners; *at; at = &(*at)->next)
        if ((*at)->cookie == cookie) {
            struct listener *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
    win32_unlock(lock);
    return system ? system(cookie) : (NTSTATUS)LD_STATUS_UNSUCCESSFUL;
}

static void text_of(UNICODE_STRING *text, WCHAR *buffer)
{
    size_t length = wcslen(buffer) * sizeof *buffer;
    *text = (UNICODE_STRING){.Buffer = buffer, .Length = (USHORT)length, .MaximumLength = (USHORT)(length + sizeof *buffer)};
}

void win32_listeners_tell(const struct ld_module *module, bool loaded)
{
    WCHAR path[LD_PATH_ROOM];
    UNICODE_STRING full, base;
    if (!listeners || !win32_path_wide(module->path, path, LD_PATH_ROOM))
        return;
    WCHAR *slash = wcsrchr(path, '\\');
    text_of(&full, path);
    text_of(&base, slash ? slash + 1 : path);
    const struct notification data = {.full = &full, .base = &base, .module = (void *)(uintptr_t)module->base,
                                      .size = module->image.size_of_image};
    for (struct listener *one = listeners, *next; one; one = next) {
        next = one->next; /* one may take itself out */
        one->function(loaded ? LOADED : UNLOADED, &data, one->context);
    }
}

const struct win32_row win32_listener_rows[] = {
    WIN32_ROW(LdrRegisterDllNotification, register_notification), WIN32_ROW(LdrUnregisterDllNotification, unregister_notification),
    {0},
};
