/* Activation contexts: which version of a DLL a manifest asks for. The operating system makes and keeps them; here they are
 * made for our modules and active when Windows has them active.
 *
 * The program's own is the default of its process there. That default is the stub's here, so the program's is the first
 * thread's bottom-most, inherited by every thread that it starts; whoever asks for "none but the default" is answered so. */
#include "loader/win32/win32.h"

static HANDLE program_context = INVALID_HANDLE_VALUE;

static HANDLE make(const WCHAR *path, uintptr_t resource)
{
    ACTCTXW wish = {.cbSize = sizeof wish, .dwFlags = resource ? ACTCTX_FLAG_RESOURCE_NAME_VALID : 0, .lpSource = path,
                    .lpResourceName = (const WCHAR *)resource};
    return CreateActCtxW(&wish);
}

/* Read from the file, resource 1, or else PROGRAM.exe.manifest beside it: the image is not there yet. */
void win32_context_open(void)
{
    WCHAR beside[LD_PATH_ROOM + 16];
    ULONG_PTR cookie;
    program_context = make(win32.path, 1);
    if (program_context == INVALID_HANDLE_VALUE) {
        wcscat(wcscpy(beside, win32.path), L".manifest");
        program_context = make(beside, 0);
    }
    if (program_context == INVALID_HANDLE_VALUE)
        return;
    bool done = ActivateActCtx(program_context, &cookie);
    LD_TRACE(win32.loader.trace, LD_START, .verb = done ? "activated" : "skipped", .name = "activation context",
             .detail = "on the first thread; the process's default stays the stub's");
}

/* ---- A DLL's own (resource 2): active while its imports are loaded and while its code is told of something ---- */

HANDLE win32_context_of(const struct ld_module *module)
{
    WCHAR path[LD_PATH_ROOM];
    if (!module || module->is_main || !module->has_manifest || !win32_path_wide(module->path, path, LD_PATH_ROOM))
        return NULL;
    HANDLE context = make(path, 2);
    return context == INVALID_HANDLE_VALUE ? NULL : context;
}

ULONG_PTR win32_context_enter(HANDLE context)
{
    ULONG_PTR cookie = 0;
    return context && ActivateActCtx(context, &cookie) ? cookie : 0;
}

void win32_context_leave(ULONG_PTR cookie)
{
    if (cookie)
        DeactivateActCtx(0, cookie);
}

/* ---- What is active now ---- */

/* SearchPath goes to the active context first where no path is given, and does not look whether the file is there. */
bool win32_context_redirect(const WCHAR *name, WCHAR *path, DWORD room)
{
    WCHAR full[300];
    ACTCTX_SECTION_KEYED_DATA data = {.cbSize = sizeof data};
    size_t length = wcslen(name);
    if (!length || length > 260)
        return false;
    wcscpy(full, name);
    if (!wcschr(full, '.'))
        wcscat(full, L".dll");
    if (!FindActCtxSectionStringW(0, NULL, ACTIVATION_CONTEXT_SECTION_DLL_REDIRECTION, full, &data))
        return false;
    length = SearchPathW(NULL, full, NULL, room, path, NULL);
    return length && length < room;
}

static BOOL WINAPI get_current_act_ctx(HANDLE *context)
{
    BOOL done = GetCurrentActCtx(context);
    if (done && *context && *context == program_context) {
        ReleaseActCtx(*context);
        *context = NULL;
    }
    return done;
}

const struct win32_row win32_context_rows[] = {WIN32_ROW(GetCurrentActCtx, get_current_act_ctx), {0}};
