#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Files, not pipes: nothing can block, whatever the program writes before it is ended. */
static char *take(int fd, size_t *size)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char *text = end < 0 ? NULL : malloc((size_t)end + 1);
    *size = 0;
    while (text && *size < (size_t)end) {
        ssize_t got = pread(fd, text + *size, (size_t)end - *size, (off_t)*size);
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    if (text)
        text[*size] = 0;
    return text;
}

static _Noreturn void child(const struct process *process, int output, int errors)
{
    int input = open(process->input ? process->input : "/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is ended itself leaves nobody behind */
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
        _exit(125);
    for (const char *const *entry = process->environment; entry && *entry; entry++) {
        char *copy = strdup(*entry), *sign = copy ? strchr(copy, '=') : NULL;
        if (sign) {
            *sign = 0;
            setenv(copy, sign + 1, 1);
        } else if (copy)
            unsetenv(copy);
    }
    execv(process->arguments[0], (char *const *)process->arguments);
    _exit(errno == ENOENT ? 127 : 126);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool process_run(struct process *process)
{
    int output = memfd_create("stdout", MFD_CLOEXEC), errors = memfd_create("stderr", MFD_CLOEXEC), status = 0;
    double end = now() + (process->seconds ? process->seconds : 60);
    /* Linux does not order the position in a memory file between two who write at once: lines would go lost. */
    fcntl(output, F_SETFL, O_APPEND);
    fcntl(errors, F_SETFL, O_APPEND);
    process->status = -1;
    process->timed_out = false;
    process->output = process->errors = NULL;
    pid_t id = output < 0 || errors < 0 ? -1 : fork();
    if (id == 0)
        child(process, output, errors);
    bool ended = false;
    while (id > 0 && !(ended = waitpid(id, &status, WNOHANG) == id) && now() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (id > 0) {
        kill(-id, SIGKILL); /* whatever it left behind, too */
        if (!ended) {
            waitpid(id, &status, 0);
            process->timed_out = true;
        } else
            process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        process->output = take(output, &process->output_size);
        process->errors = take(errors, &process->errors_size);
    }
    close(output);
    close(errors);
    return id > 0 && process->output && process->errors;
}

void process_free(struct process *process)
{
    free(process->output);
    free(process->errors);
    process->output = process->errors = NULL;
}

size_t text_unix(char *text, size_t size)
{
    size_t to = 0;
    for (size_t from = 0; from < size; from++)
        if (text[from] != '\r' || from + 1 == size || text[from + 1] != '\n')
            text[to++] = text[from];
    text[to] = 0;
    return to;
}

char *text_read(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : take(fd, size);
    if (fd >= 0)
        close(fd);
    return text;
}

bool text_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool done = file && fwrite(bytes, 1, size, file) == size;
    return file && !fclose(file) && done;
}
