/* A snapshot of the lanes os and win32: peload.exe takes it under Wine and writes it to its standard output. */
#define _GNU_SOURCE
#include "loader/cli/linux/x64/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE = 60 /* seconds for Wine's own start and, once, its prefix */, NO_ANSWER = -1 };

/* As the native lane begins a command line (loader/native/parameters.c), in Windows' spelling; a bare name stays one. malloc'd. */
static char *program_path(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return strdup(file);
    char *folder = strndup(file, (size_t)(slash - file)), *real = NULL, *whole = NULL;
    if (folder)
        real = file[0] == '/' ? strdup(folder) : realpath(folder, NULL);
    if (real && asprintf(&whole, "Z:%s%s", strcmp(real, "/") ? real : "", slash) < 0)
        whole = NULL;
    for (char *at = whole; at && *at; at++)
        *at = *at == '/' ? '\\' : *at;
    free(folder);
    free(real);
    return whole;
}

static _Noreturn void child(const struct cli_snapshot *wish, int output)
{
    size_t count = 0, arguments = 0;
    char seconds[32], lane[32];
    while (wish->arguments[arguments])
        arguments++;
    char **words = calloc(arguments + 9, sizeof *words);
    int nothing = open("/dev/null", O_RDONLY);
    if (!words || nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0)
        _exit(CLI_USAGE_OR_WORLD);
    for (unsigned i = 0; i < wish->env_count; i++) /* Wine's first process takes this one's environment for the program's */
        putenv(wish->env[i]);
    snprintf(seconds, sizeof seconds, "--timeout=%u", wish->seconds);
    snprintf(lane, sizeof lane, "--lane=%s", wish->lane);
    words[count++] = seconds;
    words[count++] = lane;
    if (wish->stay)
        words[count++] = (char *)(uintptr_t)"--stay";
    words[count++] = (char *)(uintptr_t)"--";
    words[count++] = program_path(wish->file);
    if (!words[count - 1])
        _exit(CLI_USAGE_OR_WORLD);
    for (size_t i = 0; i < arguments; i++)
        words[count++] = wish->arguments[i];
    _exit(cli_through_wine("snapshot", (int)count, words));
}

/* The exit status; NO_ANSWER, and told why, where there is none: Wine's server may be ended by somebody else. */
static int wait_for(pid_t id, unsigned seconds)
{
    bool late = false;
    int status;
    for (unsigned turns = 0;; turns++) {
        struct timespec pause = {0, 10000000};
        pid_t got = waitpid(id, &status, seconds ? WNOHANG : 0);
        if (got == id && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (got == id) {
            cli_say(late ? "Wine gave no answer in time" : "Wine was ended by signal %d", WTERMSIG(status));
            return NO_ANSWER;
        }
        if (got < 0 && errno != EINTR)
            return CLI_USAGE_OR_WORLD;
        if (seconds && turns / 100 >= seconds) {
            kill(id, SIGKILL);
            late = true;
            seconds = 0;
        }
        nanosleep(&pause, NULL);
    }
}

static int take(const struct cli_snapshot *wish, struct json *json)
{
    struct stat facts;
    int output = memfd_create("snapshot", MFD_CLOEXEC);
    pid_t id = output < 0 ? -1 : fork();
    if (!id)
        child(wish, output);
    if (id < 0) {
        cli_say("no new process can be had");
        return CLI_USAGE_OR_WORLD;
    }
    int status = wait_for(id, wish->seconds ? wish->seconds + GRACE : 0);
    if (!fstat(output, &facts) && facts.st_size && (json->data = malloc((size_t)facts.st_size + 1))) {
        ssize_t length = pread(output, json->data, (size_t)facts.st_size, 0);
        json->length = length > 0 ? (size_t)length : 0;
        json->data[json->length] = 0;
    }
    close(output);
    /* peload.exe either writes a snapshot or says with one of its own statuses why it cannot. */
    if (!json->length && status >= 0 && status < CLI_USAGE_OR_WORLD) {
        cli_say("Wine ended without an answer, exit status %d", status);
        return NO_ANSWER;
    }
    return status;
}

/* Where Wine itself failed, and not the program, it is asked once more. */
int cli_wine_snapshot(const struct cli_snapshot *wish, struct json *json)
{
    int status = take(wish, json);
    if (status == NO_ANSWER) {
        free(json->data);
        *json = (struct json){0};
        status = take(wish, json);
    }
    return status == NO_ANSWER ? CLI_USAGE_OR_WORLD : status;
}
