#include "loader/cli/cli.h"
int cli_map(int count, char **arguments) { (void)count, (void)arguments; return CLI_USAGE_OR_WORLD; }
