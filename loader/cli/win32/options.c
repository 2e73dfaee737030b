/* The opening lines of each command of this folder. */
#include "loader/cli/win32/win32.h"

#include <getopt.h>

int cli_wrong(const char *command, const char *what, const char *word)
{
    cli_say("%s: %s", what, word);
    return cli_usage(command);
}

bool cli_options_take(const struct cli_options *wish, int count, char **arguments, int *status)
{
    *status = 0;
    for (int option; !*status && (option = getopt_long(count, arguments, wish->letters, wish->options, NULL)) != -1;) {
        if (option == 'h') {
            *status = fputs(wish->help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
            return false;
        }
        *status = wish->take(option);
    }
    if (!*status && wish->wants_file && optind == count)
        *status = cli_wrong(wish->command, wish->command, "no FILE");
    return !*status;
}
