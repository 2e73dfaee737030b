/* Exit codes that are statuses: what ends a process other than itself. (No windows.h here: it has the same names.) */
#include "loader/nt/status.h"

#include <stdbool.h>
#include <stddef.h>

const char *cli_status_name(uint32_t code);
const char *cli_how(uint32_t code);

const char *cli_status_name(uint32_t code)
{
    /* Of severity "error", or one of the two warnings with which an exception ends a process. */
    bool ends = code >> 28 == 0xc || code == STATUS_BREAKPOINT || code == STATUS_SINGLE_STEP;
    return ends ? nt_status_name(code) : NULL;
}

const char *cli_how(uint32_t code)
{
    switch (code) {
    case STATUS_INVALID_IMAGE_FORMAT:
    case STATUS_CONFLICTING_ADDRESSES:
    case STATUS_DLL_NOT_FOUND:
    case STATUS_ORDINAL_NOT_FOUND:
    case STATUS_ENTRYPOINT_NOT_FOUND: return "refused";
    case STATUS_DLL_INIT_FAILED: return "exited";
    }
    return cli_status_name(code) ? "exception" : "exited";
}
