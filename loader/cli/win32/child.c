/* The child of `peload run`: loads what its order names and becomes it. What it tells goes to standard error, and past
 * the C library where the program is running: that library's state is the program's own. */
#include "loader/cli/win32/win32.h"
#include "loader/win32/win32.h"

#include <inttypes.h>
#include <string.h>

static struct {
    struct win32_order *order;
    struct cli_trace lines;
    struct ld_trace trace;
} child;

static void on_event(void *context, const struct ld_event *event)
{
    (void)context;
    DWORD error = GetLastError(); /* the program's, by now perhaps */
    if (child.lines.mask)
        cli_trace_event(&child.lines, event);
    if (child.order->story)
        cli_story_event(event);
    SetLastError(error);
}

static void on_missing(struct loader *loader, const struct ld_error *error)
{
    (void)loader;
    cli_check_missing(error);
}

static void on_start_failed(uint32_t status, const char *module)
{
    const char *name = cli_status_name(status);
    cli_say("%s: %s: its initialisation failed: 0x%08" PRIX32 " %s", child.order->shown, module, status, name ? name : "");
}

static void on_detached(void)
{
    child.order->state = WIN32_DETACHED;
}

static void end(enum win32_state state, uint32_t ntstatus, int exit_status)
{
    child.order->ntstatus = ntstatus;
    child.order->exit_status = (uint32_t)exit_status;
    child.order->state = state;
    TerminateProcess(GetCurrentProcess(), ntstatus ? ntstatus : (UINT)exit_status);
}

_Noreturn void cli_child(struct win32_order *order)
{
    struct ld_error error = {0};
    child.order = order;
    order->state = WIN32_LOADING;
    child.lines.mask = order->trace_mask;
    child.lines.fd = order->trace_handle ? (intptr_t)order->trace_handle : (intptr_t)GetStdHandle(STD_ERROR_HANDLE);
    child.trace = (struct ld_trace){.mask = order->trace_mask | (order->story ? CLI_STORY_PHASES : 0), .sink = on_event};
    const struct win32_options options = {
        .program = order->program, .folder = order->folder, .kept_base = order->kept_base, .kept_size = order->kept_size, .manual = order->manual,
        .occupy = order->occupy, .missing_stub = order->missing_stub, .trace = &child.trace, .missing = order->check ? on_missing : NULL,
        .start_failed = on_start_failed, .detached = on_detached,
    };
    if (order->story)
        cli_story_open(stderr, order->program);
    bool prepared = win32_prepare(&options, &error);
    if (order->check) {
        if (!prepared)
            cli_check_missing(&error);
        if (order->story)
            cli_story_loaded();
        end(WIN32_CHECKED, 0, cli_check_end(order->shown, &win32.loader, order->json));
    }
    if (!prepared) {
        cli_tell(order->shown, &error);
        end(WIN32_REFUSED, error.ntstatus ? error.ntstatus : LD_STATUS_UNSUCCESSFUL, cli_status_of(&error));
    }
    order->program_base = win32.main->base;
    order->state = WIN32_STARTED;
    while (order->hold)
        Sleep(1);
    win32_start();
}
