/* `peload snapshot`: options in, a document out. The walk itself is loader/inspect/snapshot.c's. */
#include "loader/cli/linux/x64/inspect.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Examples\n"
    "  peload snapshot hello.exe one >hello.json           at the entry point, before the program's first instruction\n"
    "  peload snapshot --at=exit --lane=reference hello.exe\n"
    "  peload snapshot --at=bound --stay hello.exe         imports bound, nothing has run, and nothing will\n"
    "\n"
    "Usage: peload snapshot [OPTIONS] [--] FILE [ARGUMENTS]\n"
    "\n"
    "  --lane=LANE          native (default), reference (Wine's loader on the same kernel), os (CreateProcess under Wine)\n"
    "                       and win32 (peload.exe's own hand), which peload.exe looks at, at the entry point only\n"
    "  --at=MOMENT          mapped (all images placed and relocated), bound (imports filled), ready (before the first\n"
    "                       instruction), entry (default: at the program's entry point), exit (before the last thread ends)\n"
    "  --stay               end the program there; otherwise it goes on, and the document has its exit code and output\n"
    "  --env=NAME=VALUE     add to the program's environment, or change it there\n"
    "  --occupy             take FILE's preferred base first, so that it must move\n"
    "  --dll-path=FOLDER    the DLL set, as for `run`\n"
    "  --output=FILE        the document into FILE\n"
    "  --timeout=SECONDS    the program is ended then (default 20; 0: never)\n"
    "\n"
    "The document is JSON as loader/inspect/snapshot.schema.json describes it. Everything in it was read out of the\n"
    "process's memory from outside. Exit status: 0; 126 FILE was refused or ended before that moment (the document then has\n"
    "its exit code alone); 125 wrong use or a fault of the machine; 127 FILE is not there.\n";

enum { OPTION_LANE = 256, OPTION_AT, OPTION_STAY, OPTION_OCCUPY, OPTION_DLL_PATH, OPTION_OUTPUT, OPTION_TIMEOUT, OPTION_ENV };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"lane", required_argument, NULL, OPTION_LANE},
    {"at", required_argument, NULL, OPTION_AT},
    {"stay", no_argument, NULL, OPTION_STAY},
    {"occupy", no_argument, NULL, OPTION_OCCUPY},
    {"dll-path", required_argument, NULL, OPTION_DLL_PATH},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"env", required_argument, NULL, OPTION_ENV},
    {0},
};

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words))
        words++;
    return *words != NULL;
}

bool cli_lane_known(const char *lane)
{
    static const char *const lanes[] = {"native", "reference", "os", "win32", NULL};
    return is_one_of(lane, lanes);
}

static bool is_under_wine(const char *lane) { return !strcmp(lane, "os") || !strcmp(lane, "win32"); }

bool cli_moment_known(const char *at)
{
    static const char *const moments[] = {"mapped", "bound", "ready", "entry", "exit", NULL};
    return is_one_of(at, moments);
}

const char *cli_second_lane(void) { return cli_wine_at_hand() ? "native,os" : "native,reference"; }

static int wrong(const char *what, const char *word)
{
    cli_say("%s: %s", what, word);
    return cli_usage("snapshot");
}

bool cli_seconds_take(const char *word, unsigned *seconds)
{
    char *end;
    unsigned long value = strtoul(word, &end, 10);
    *seconds = (unsigned)value;
    return *word >= '0' && *word <= '9' && !*end && value <= 86400;
}

bool cli_env_take(struct cli_snapshot *wish, char *entry)
{
    const char *equal = strchr(entry, '=');
    if (!equal || equal == entry || wish->env_count == CLI_SNAPSHOT_ENV)
        return false;
    wish->env[wish->env_count++] = entry;
    return true;
}

int cli_snapshot_take(const struct cli_snapshot *wish, struct json *json)
{
    struct cli_source source;
    int status = 0;
    if (!cli_source_open(&source, wish->file, &status))
        return status;
    if (is_under_wine(wish->lane)) {
        cli_source_close(&source);
        return cli_wine_snapshot(wish, json);
    }
    char dll_path[4096 + 32];
    char *words[2 * CLI_SNAPSHOT_ENV + 3] = {NULL};
    unsigned count = 0;
    static char occupy[] = "--occupy", env[] = "--env";
    for (unsigned i = 0; i < wish->env_count; i++) {
        words[count++] = env;
        words[count++] = wish->env[i];
    }
    if (wish->occupy)
        words[count++] = occupy;
    if (wish->dll_path) {
        snprintf(dll_path, sizeof dll_path, "--dll-path=%s", wish->dll_path);
        words[count++] = dll_path;
    }
    const struct snapshot_wish own = {
        .lane = wish->lane, .at = wish->at, .file = wish->file, .bytes = source.bytes, .is_64 = source.image.is_64,
        .arguments = wish->arguments, .options = words, .host = cli_own_path(), .seconds = wish->seconds, .stay = wish->stay};
    const char *why = "";
    enum snapshot_result result = own.host ? snapshot_take(&own, json, &why) : SNAPSHOT_FAILED;
    cli_source_close(&source);
    if (result == SNAPSHOT_TAKEN)
        return 0;
    if (result != SNAPSHOT_NOT_REACHED || !wish->quiet)
        cli_say("%s, lane %s, moment %s: %s", wish->file, wish->lane, wish->at, why);
    return result == SNAPSHOT_NOT_REACHED ? CLI_NOT_LOADABLE : CLI_USAGE_OR_WORLD;
}

static int document_write(const char *path, const struct json *json)
{
    FILE *file = path ? fopen(path, "we") : stdout;
    bool done = file && fwrite(json->data, 1, json->length, file) == json->length && !fflush(file);
    if (path && file)
        done &= !fclose(file);
    if (!done)
        cli_say("%s: cannot be written", path ? path : "standard output");
    return done ? 0 : CLI_USAGE_OR_WORLD;
}

int cli_snapshot(int count, char **arguments)
{
    struct cli_snapshot wish = {.lane = "native", .at = "entry", .seconds = 20};
    const char *output = NULL;
    for (int option; (option = getopt_long(count, arguments, "+h", options, NULL)) != -1;)
        switch (option) {
        case 'h': return fputs(help, stdout) < 0 || fflush(stdout) ? CLI_USAGE_OR_WORLD : 0;
        case OPTION_LANE: wish.lane = optarg; break;
        case OPTION_AT: wish.at = optarg; break;
        case OPTION_STAY: wish.stay = true; break;
        case OPTION_OCCUPY: wish.occupy = true; break;
        case OPTION_DLL_PATH: wish.dll_path = optarg; break;
        case OPTION_OUTPUT: output = optarg; break;
        case OPTION_ENV:
            if (!cli_env_take(&wish, optarg))
                return wrong("--env wants NAME=VALUE", optarg);
            break;
        case OPTION_TIMEOUT:
            if (!cli_seconds_take(optarg, &wish.seconds))
                return wrong("--timeout wants seconds", optarg);
            break;
        default: return cli_usage("snapshot");
        }
    if (optind == count)
        return wrong("snapshot", "no FILE");
    if (!cli_lane_known(wish.lane))
        return wrong("--lane knows native, reference, os and win32", wish.lane);
    if (!cli_moment_known(wish.at))
        return wrong("--at knows mapped, bound, ready, entry and exit", wish.at);
    if (is_under_wine(wish.lane) && (strcmp(wish.at, "entry") || wish.occupy))
        return wrong("--lane", "under Wine there is --at=entry alone, and no --occupy");
    if (!strcmp(wish.lane, "reference") && (!strcmp(wish.at, "mapped") || !strcmp(wish.at, "bound")))
        return wrong("--lane=reference", "Wine's loader does not tell when it has mapped or bound: --at=ready, entry or exit");
    wish.file = arguments[optind];
    wish.arguments = arguments + optind + 1;
    struct json json = {0};
    int status = cli_snapshot_take(&wish, &json);
    if (!status || status == CLI_NOT_LOADABLE) {
        int written = json.length ? document_write(output, &json) : 0;
        status = written ? written : status;
    }
    free(json.data);
    return status;
}
