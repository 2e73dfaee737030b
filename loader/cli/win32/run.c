#include "loader/cli/win32/win32.h"
int cli_run(int count, char **arguments) { (void)count, (void)arguments; cli_say("run: not yet on Windows"); return CLI_USAGE_OR_WORLD; }
_Noreturn void cli_child(struct win32_order *order) { (void)order; ExitProcess(1); }
