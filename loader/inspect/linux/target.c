/* Starts a child, traces it to where it is to be looked at, lets it go on.
 *
 * The child stops itself (SIGSTOP that it sent to its own thread: `peload run --stop-at`), or comes to a breakpoint at the
 * program's entry point, which is there only between the two. Every other signal is the guest's business and is passed on.
 * Output goes to memory files: nobody has to empty a pipe while the child is stopped. */
#define _GNU_SOURCE
#include "loader/inspect/linux/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_LIMIT = 64 << 20, BREAKPOINT = 0xcc };

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool failed(struct target *target, const char *why)
{
    target->why = why;
    return false;
}

/* ---- start ---- */

static _Noreturn void child(struct target *target, const int go[2], char *const *arguments)
{
    char byte;
    close(go[1]);
    setpgid(0, 0); /* with what it starts, it can be ended at once */
    while (read(go[0], &byte, 1) < 0 && errno == EINTR) /* until the parent traces it */
        continue;
    int none = open("/dev/null", O_RDONLY);
    if (none >= 0 && dup2(none, 0) >= 0 && dup2(target->output[0], 1) >= 0 && dup2(target->output[1], 2) >= 0) {
        if (none > 2)
            close(none);
        execv(arguments[0], arguments);
    }
    _exit(125);
}

bool target_start(struct target *target, char *const *arguments, char *status_word)
{
    int go[2];
    target->output[0] = memfd_create("stdout", MFD_CLOEXEC);
    target->output[1] = memfd_create("stderr", MFD_CLOEXEC);
    target->status = memfd_create("status", 0); /* the child opens it again by its number */
    if (target->output[0] < 0 || target->output[1] < 0 || target->status < 0 || pipe2(go, O_CLOEXEC))
        return failed(target, "no memory for files");
    for (unsigned i = 0; i < 2; i++)
        fcntl(target->output[i], F_SETFL, O_APPEND);
    snprintf(status_word, 32, "/proc/self/fd/%d", target->status);
    target->id = fork();
    if (target->id < 0)
        return failed(target, "no new process can be had");
    if (!target->id)
        child(target, go, arguments);
    close(go[0]);
    bool traced = !ptrace(PTRACE_SEIZE, target->id, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC));
    target->threads[target->thread_count++] = (struct target_thread){.id = target->id};
    close(go[1]);
    if (!traced) {
        target_kill(target);
        return failed(target, "the system does not allow to trace a child (ptrace)");
    }
    return true;
}

/* ---- threads ---- */

static struct target_thread *thread_of(struct target *target, pid_t id)
{
    for (unsigned i = 0; i < target->thread_count; i++)
        if (target->threads[i].id == id)
            return &target->threads[i];
    if (target->thread_count == TARGET_THREADS)
        return NULL;
    target->threads[target->thread_count] = (struct target_thread){.id = id};
    return &target->threads[target->thread_count++];
}

static void thread_drop(struct target *target, pid_t id)
{
    for (unsigned i = 0; i < target->thread_count; i++)
        if (target->threads[i].id == id)
            target->threads[i] = target->threads[--target->thread_count];
}

static void go_on(struct target_thread *thread)
{
    int signal = thread->signal;
    thread->signal = 0;
    thread->stopped = false;
    ptrace(PTRACE_CONT, thread->id, NULL, (void *)(intptr_t)signal);
}

/* ---- the breakpoint ---- */

/* By a thread that stands still: the others may be running. */
static bool byte_exchange(pid_t thread, uint64_t address, uint8_t byte, uint8_t *old)
{
    uint64_t word = address & ~(uint64_t)7;
    unsigned shift = (unsigned)(address & 7) * 8;
    errno = 0;
    uint64_t value = (uint64_t)ptrace(PTRACE_PEEKDATA, thread, (void *)word, NULL);
    if (errno)
        return false;
    *old = (uint8_t)(value >> shift);
    value = (value & ~((uint64_t)0xff << shift)) | (uint64_t)byte << shift;
    return !ptrace(PTRACE_POKEDATA, thread, (void *)word, (void *)value);
}

/* The processor stands behind the breakpoint: back to it, and the program's own byte into its place. */
static bool is_entry(struct target *target, pid_t id)
{
    struct user_regs_struct registers;
    uint8_t ignored;
    if (!target->entry || ptrace(PTRACE_GETREGS, id, NULL, &registers) || registers.rip != target->entry + 1)
        return false;
    registers.rip = target->entry;
    if (!byte_exchange(id, target->entry, target->entry_byte, &ignored) || ptrace(PTRACE_SETREGS, id, NULL, &registers))
        return false;
    target->entry = 0;
    return true;
}

/* ---- what happens to a thread ---- */

static bool stopped_itself(pid_t id)
{
    siginfo_t facts;
    return !ptrace(PTRACE_GETSIGINFO, id, NULL, &facts) && facts.si_code == SI_TKILL;
}

/* One answer of waitpid. True: the child is where it is to be looked at, or gone. all: threads are wanted to stand still. */
static bool take(struct target *target, pid_t id, int status, bool all)
{
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        thread_drop(target, id);
        if (id != target->id)
            return false;
        target->ended = true;
        target->wait_status = status;
        return true;
    }
    struct target_thread *thread = thread_of(target, id);
    if (!WIFSTOPPED(status) || !thread)
        return false;
    int signal = WSTOPSIG(status), event = status >> 16;
    thread->stopped = true;
    if (!event) {
        if (signal == SIGSTOP && stopped_itself(id))
            return true;
        if (signal == SIGTRAP && is_entry(target, id))
            return true;
        thread->signal = signal;
    }
    if (!all)
        go_on(thread);
    return false;
}

static void pause_briefly(unsigned *turns)
{
    struct timespec time = {0, *turns < 50 ? 50000 : 1000000};
    ++*turns;
    nanosleep(&time, NULL);
}

/* A program that writes without end is stopped like one that runs without end. */
static bool is_over(const struct target *target)
{
    struct stat facts;
    for (unsigned i = 0; i < 2; i++)
        if (!fstat(target->output[i], &facts) && facts.st_size > OUTPUT_LIMIT)
            return true;
    return target->deadline && now() > target->deadline;
}

/* Stops the rest, so that nothing moves while it is looked at. A thread that is being made shows up in the folder. */
static void all_stop(struct target *target)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)target->id);
    for (unsigned turns = 0, still = 0; turns < 2000 && !target->ended && !still;) {
        still = 1;
        DIR *folder = opendir(path);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            pid_t id = (pid_t)atoi(entry->d_name);
            struct target_thread *thread = id > 0 ? thread_of(target, id) : NULL;
            if (!thread || thread->stopped)
                continue;
            still = 0;
            ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
        }
        if (folder)
            closedir(folder);
        int status;
        for (pid_t id; (id = waitpid(-1, &status, __WALL | WNOHANG)) > 0;)
            take(target, id, status, true);
        if (!still)
            pause_briefly(&turns);
    }
}

enum target_state target_run(struct target *target, uint64_t entry)
{
    if (entry) {
        if (!byte_exchange(target->id, entry, BREAKPOINT, &target->entry_byte))
            return failed(target, "the entry point's memory cannot be written"), TARGET_FAILED;
        target->entry = entry;
    }
    for (unsigned i = 0; i < target->thread_count; i++)
        if (target->threads[i].stopped)
            go_on(&target->threads[i]);
    for (unsigned turns = 0;;) {
        int status;
        pid_t id = waitpid(-1, &status, __WALL | WNOHANG);
        if (id > 0) {
            turns = 0;
            if (take(target, id, status, false)) {
                if (target->ended)
                    return TARGET_ENDED;
                all_stop(target);
                return TARGET_STOPPED;
            }
        } else if (id < 0 && errno != EINTR)
            return failed(target, "the child cannot be waited for"), TARGET_FAILED;
        else if (is_over(target))
            return TARGET_TIMEOUT;
        else
            pause_briefly(&turns);
    }
}

/* ---- the end ---- */

enum target_state target_finish(struct target *target)
{
    if (target->ended)
        return TARGET_ENDED;
    for (unsigned i = 0; i < target->thread_count; i++)
        if (target->threads[i].stopped)
            ptrace(PTRACE_DETACH, target->threads[i].id, NULL, (void *)(intptr_t)target->threads[i].signal);
    /* A thread that was being made meanwhile may still be traced; the leader's end is told only when all others were waited for. */
    for (unsigned turns = 0;;) {
        int status;
        pid_t id = waitpid(-1, &status, __WALL | WNOHANG);
        if (id > 0 && WIFSTOPPED(status))
            ptrace(PTRACE_DETACH, id, NULL, (void *)(intptr_t)(status >> 16 ? 0 : WSTOPSIG(status)));
        if (id == target->id && (WIFEXITED(status) || WIFSIGNALED(status))) {
            target->wait_status = status;
            target->ended = true;
            return TARGET_ENDED;
        }
        if (id < 0 && errno != EINTR)
            return failed(target, "the child cannot be waited for"), TARGET_FAILED;
        if (is_over(target)) {
            target_kill(target);
            return TARGET_TIMEOUT;
        }
        if (!id)
            pause_briefly(&turns);
    }
}

void target_kill(struct target *target)
{
    int status;
    if (target->id <= 0 || target->ended)
        return;
    kill(-target->id, SIGKILL);
    kill(target->id, SIGKILL);
    for (pid_t id; (id = waitpid(-1, &status, __WALL)) > 0 || (id < 0 && errno == EINTR);)
        if (id == target->id && (WIFEXITED(status) || WIFSIGNALED(status)))
            break;
    target->ended = true;
}

bool target_status(const struct target *target, struct inspect_end *end, char how[16])
{
    char line[96];
    ssize_t length = pread(target->status, line, sizeof line - 1, 0);
    if (length <= 0)
        return false;
    line[length] = 0;
    int read = sscanf(line, "%*u %" SCNx32 " %15s %" SCNu32 " %" SCNu32, &end->code, how, &end->threads, &end->processes);
    end->knows_started = read == 4;
    return read >= 2;
}

struct pe_span target_output(const struct target *target, unsigned which)
{
    struct stat facts;
    struct pe_span none = {(const uint8_t *)"", 0};
    if (fstat(target->output[which], &facts) || !facts.st_size)
        return none;
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, target->output[which], 0);
    return bytes == MAP_FAILED ? none : (struct pe_span){bytes, (uint64_t)facts.st_size};
}

void target_close(struct target *target)
{
    target_kill(target);
    close(target->output[0]), close(target->output[1]), close(target->status);
}
