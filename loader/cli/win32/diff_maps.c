/* The steps of a load with its memory map are told on the native lane: here another system's kernel keeps the books. */
#include "loader/cli/cli.h"

int cli_diff_maps(int count, char **arguments)
{
    (void)count, (void)arguments;
    cli_say("diff-maps: peload for Linux does that");
    return CLI_USAGE_OR_WORLD;
}
