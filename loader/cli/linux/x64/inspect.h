/* What `snapshot` and `compare` share. */
#ifndef CLI_LINUX_X64_INSPECT_H
#define CLI_LINUX_X64_INSPECT_H

#include "loader/cli/cli.h"
#include "loader/inspect/linux/take.h"

enum { CLI_SNAPSHOT_ENV = 64 };

struct cli_snapshot {
    const char *lane, *at, *file, *dll_path;
    char *env[CLI_SNAPSHOT_ENV];  /* NAME=VALUE, for the program alone */
    unsigned env_count;
    char *const *arguments;
    unsigned seconds;
    bool stay, occupy;
    bool quiet; /* say nothing of a program that never came there: the document tells it */
};

/* One lane's snapshot. 0, CLI_NOT_LOADABLE (where json has something: the exit alone), or another exit status. */
int cli_snapshot_take(const struct cli_snapshot *wish, struct json *json);
/* The same for the lanes os and win32. */
int cli_wine_snapshot(const struct cli_snapshot *wish, struct json *json);
bool cli_lane_known(const char *lane);
bool cli_moment_known(const char *at);
const char *cli_second_lane(void); /* the best pair at hand: "native,..." */
bool cli_seconds_take(const char *word, unsigned *seconds);
bool cli_env_take(struct cli_snapshot *wish, char *entry); /* false: not NAME=VALUE, or too many */

struct expectations;
/* compare_expect.c: takes a file of expected differences. 0, or an exit status (told why). */
int cli_expectations_take(const char *path, struct expectations *expectations);
char *cli_expectations_beside(const char *program); /* the path of the one beside the program, malloc'd; NULL: there is none */

#endif
