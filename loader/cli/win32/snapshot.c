/* The 32-bit host runs programs; it does not look at them from outside. */
#include "loader/cli/cli.h"

int cli_snapshot(int count, char **arguments)
{
    (void)count, (void)arguments;
    cli_say("snapshot: the 64-bit peload does that, for 32-bit programs too");
    return CLI_USAGE_OR_WORLD;
}

int cli_compare(int count, char **arguments)
{
    (void)count, (void)arguments;
    cli_say("compare: the 64-bit peload on Linux does that");
    return CLI_USAGE_OR_WORLD;
}
