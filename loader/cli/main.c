/* peload: which command is meant. Everything else is in the command's own file. */
#include "loader/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*function)(int count, char **arguments);
} commands[] = {{"run", cli_run},           {"spawn", cli_spawn},       {"info", cli_info},
                {"map", cli_map},           {"diff-maps", cli_diff_maps}, {"snapshot", cli_snapshot},
                {"compare", cli_compare},   {"ps", cli_ps},             {"handles", cli_handles},
                /* not for people: how a guest's CreateProcess starts the host of its child */
                {".member", cli_member}};

int cli_usage(const char *command)
{
    fprintf(stderr, "peload: see `peload%s%s --help`\n", command ? " " : "", command ? command : "");
    return CLI_USAGE_OR_WORLD;
}

/* Called `peload-run` (a link to peload), it is `peload run --`: Linux's binfmt_misc gives an interpreter nothing but the file
 * and its arguments. */
static int run_as_interpreter(int count, char **arguments)
{
    static char peload[] = "peload", run[] = "run", end[] = "--";
    char **words = malloc(((size_t)count + 3) * sizeof *words);
    if (!words) {
        cli_say("no memory");
        return CLI_USAGE_OR_WORLD;
    }
    words[0] = peload, words[1] = run, words[2] = end;
    memcpy(words + 3, arguments + 1, (size_t)count * sizeof *words); /* the NULL that ends them too */
    optind = 0;
    return cli_run(count + 1, words + 1);
}

static bool is_interpreter(const char *own_path)
{
    const char *slash = own_path ? strrchr(own_path, '/') : NULL;
    return own_path && !strcmp(slash ? slash + 1 : own_path, "peload-run");
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
    static char own_name[] = "peload";
    if (is_interpreter(arguments[0]))
        return run_as_interpreter(count, arguments);
    arguments[0] = own_name; /* what getopt_long begins its messages with */
    for (int option; (option = getopt_long(count, arguments, "+hV", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(cli_help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        if (option == 'V')
            return puts("peload " PELOAD_VERSION) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        return cli_usage(NULL);
    }
    if (optind == count) {
        cli_say("no command");
        return cli_usage(NULL);
    }
    const char *word = arguments[optind];
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(word, commands[i].name)) {
            int first = optind;
            optind = 0; /* getopt_long begins anew */
            arguments[first] = own_name;
            return commands[i].function(count - first, arguments + first);
        }
    cli_say("no such command: %s", word);
    return cli_usage(NULL);
}
