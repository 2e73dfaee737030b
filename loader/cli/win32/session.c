/* `ps` and `handles` look into the native lane's sessions, which are Linux processes. */
#include "loader/cli/cli.h"

static int not_here(const char *command)
{
    cli_say("%s: only on Linux; here processes and handles are Windows' own, and its tools show them", command);
    return CLI_USAGE_OR_WORLD;
}

int cli_ps(int count, char **arguments)
{
    (void)count, (void)arguments;
    return not_here("ps");
}

int cli_handles(int count, char **arguments)
{
    (void)count, (void)arguments;
    return not_here("handles");
}
