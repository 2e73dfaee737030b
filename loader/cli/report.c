#include "loader/cli/cli.h"
#include "loader/native/native.h"
void cli_report_unhandled(const struct nt_exception *record, const struct nt_context *context)
{
    (void)context;
    cli_say("unhandled exception 0x%08X at %p", record->code, record->address);
}
