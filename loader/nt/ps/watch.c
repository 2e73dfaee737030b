/* Who notices that a process is gone. Nobody is asked to: a process killed by SIGKILL says no word.
 *
 * One process of the session watches all others, through Linux's process descriptors; the others watch that one. When it
 * dies, the first of them to get the lock takes its place. Each of them sleeps in its service thread meanwhile. */
#define _GNU_SOURCE
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_EVERY_MS = 50, END_PATIENCE = 10000000 /* 1 s in NT's units */ };

/* What this process watches. fd -1: no descriptor could be had; such a one is looked at from time to time. */
struct watched { nt_ref process; uint32_t pid; uint64_t started; int fd; };
static struct watched *watched;
static struct pollfd *polled; /* [0] is the service socket's, [1 + i] is watched[i]'s */
static unsigned watched_count, watched_room;

uint64_t ps_host_started(uint32_t pid)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || strlen(at) < 3 || at[2] == 'Z' || at[2] == 'X')
        return 0;
    at += 2;
    for (unsigned field = 3; field < 22 && at; field++)
        at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
    return at ? strtoull(at, NULL, 10) : 0;
}

static bool lives(const struct watched *one)
{
    uint64_t started = ps_host_started(one->pid);
    return started && (!one->started || started == one->started);
}

static int descriptor_open(uint32_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

void ps_host_kill(const struct nt_process_object *process)
{
    struct watched one = {0, process->host_pid, process->host_started, -1};
    if (!one.pid)
        return;
    int fd = descriptor_open(one.pid); /* before the look: from here on the number is not used again unnoticed */
    if (lives(&one) && (fd < 0 || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0)))
        kill((pid_t)one.pid, SIGKILL);
    if (fd >= 0)
        close(fd);
}

/* ---- the list ------------------------------------------------------------------------------------------ */

static bool room_make(void)
{
    if (watched_count < watched_room)
        return true;
    unsigned room = watched_room ? watched_room * 2 : 16;
    struct watched *more = realloc(watched, room * sizeof *more);
    if (more)
        watched = more;
    struct pollfd *polls = realloc(polled, (room + 1) * sizeof *polls);
    if (polls)
        polled = polls;
    if (!more || !polls)
        return false;
    watched_room = room;
    return true;
}

static bool is_watched(nt_ref process)
{
    for (unsigned i = 0; i < watched_count; i++)
        if (watched[i].process == process)
            return true;
    return false;
}

static void watch_drop(unsigned i)
{
    if (watched[i].fd >= 0)
        close(watched[i].fd);
    watched[i] = watched[--watched_count];
}

/* Lock held. */
static void watch_add(const struct nt_process_object *process)
{
    if (process->host_pid && !is_watched(ob_ref(process)) && room_make())
        watched[watched_count++] = (struct watched){ob_ref(process), process->host_pid, process->host_started, -2};
}

/* Lock held. */
static bool is_gone(const struct watched *one)
{
    const struct nt_process_object *process = ob_at(one->process);
    return process->head.type != NT_PROCESS || process->life == NT_PROCESS_ENDED || process->host_pid != one->pid;
}

/* Lock held. Everybody who is not known to have ended, or only the one who watches. True: somebody is on his way out. */
static bool list_renew(void)
{
    struct nt_process_object *self = ob_at(nt_process.object), *watcher = ob_at(ob_arena->watcher);
    uint32_t index = 0;
    bool ending = false;
    if (!watcher || watcher->life == NT_PROCESS_ENDED)
        ob_arena->watcher = ob_ref(watcher = self);
    for (unsigned i = watched_count; i-- > 0;)
        if (is_gone(&watched[i]) || (watcher != self && watched[i].process != ob_ref(watcher)))
            watch_drop(i);
    if (watcher != self) {
        watch_add(watcher);
        return false;
    }
    for (struct nt_object *object; (object = ob_id_next(&index));) {
        const struct nt_process_object *process = (const struct nt_process_object *)object;
        if (object->type != NT_PROCESS || process == self || process->life == NT_PROCESS_ENDED)
            continue;
        watch_add(process);
        ending |= process->life == NT_PROCESS_ENDING;
    }
    return ending;
}

int ps_watch_prepare(struct pollfd **list, unsigned *count)
{
    bool look = false;
    if (!polled)
        room_make();
    nt_lock();
    bool ending = list_renew();
    nt_unlock();
    for (unsigned i = 0; i < watched_count; i++) {
        struct watched *one = &watched[i];
        if (one->fd < 0) {
            one->fd = descriptor_open(one->pid);
            /* The number may have been another's when the descriptor was opened. Gone: the next look tells. */
            if (one->fd < 0 || !lives(one)) {
                if (one->fd >= 0)
                    close(one->fd);
                one->fd = -1;
                look = true;
            }
        }
        polled[1 + i] = (struct pollfd){.fd = one->fd, .events = POLLIN};
    }
    *list = polled;
    *count = 1 + watched_count;
    for (unsigned i = 0; i < watched_count; i++)
        if (watched[i].fd < 0 && !lives(&watched[i]))
            return 0;
    return look || ending ? LOOK_EVERY_MS : -1;
}

/* One of the watched is gone. Whoever watches ends it for all; the others look for a new watcher, which may be them. */
static void death(const struct watched *one)
{
    nt_lock();
    struct nt_process_object *process = ob_at(one->process), *self = ob_at(nt_process.object);
    if (!is_gone(one)) {
        if (ob_arena->watcher == one->process)
            ob_arena->watcher = ob_ref(self);
        if (ob_at(ob_arena->watcher) == self)
            ps_process_end(process, NT_KILLED_STATUS);
    }
    nt_unlock();
}

/* One that was told to end and does not: stopped by a signal, or stuck. */
static void impatience(const struct watched *one)
{
    nt_lock();
    struct nt_process_object *process = ob_at(one->process);
    bool late = !is_gone(one) && process->life == NT_PROCESS_ENDING && nt_time_now() - process->ended > END_PATIENCE;
    if (late)
        nt_object_hold(&process->head);
    nt_unlock();
    if (!late)
        return;
    ps_host_kill(process);
    nt_object_release(&process->head);
}

void ps_watch_look(const struct pollfd *list, unsigned count)
{
    for (unsigned i = count - 1; i-- > 0;) {
        if (list[1 + i].revents || (watched[i].fd < 0 && !lives(&watched[i]))) {
            death(&watched[i]);
            watch_drop(i);
        } else {
            impatience(&watched[i]);
        }
    }
}
