/* How an operation tells that it is done (status block, event, APC, completion port), and operations that end later:
 * one host thread, started by the first of them, waits for all descriptors at once. */
#include "loader/nt/io/private.h"
#include "loader/nt/ke/objects.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENT_MODIFY_STATE = 2, SKIP_PORT_ON_SUCCESS = 1 };

uint32_t io_thread_id(void)
{
    struct nt_thread *self = nt_current();
    return self ? self->object->id : 0;
}

/* ---- telling ------------------------------------------------------------------------------------- */

NTSTATUS io_finish_begin(struct io_finish *finish, struct io_file *file, HANDLE event, uintptr_t routine, uintptr_t context,
                         IO_STATUS_BLOCK *io)
{
    *finish = (struct io_finish){.file = file, .routine = routine, .context = context, .io = io};
    if (event) {
        NTSTATUS status = nt_handle_object(event, NT_EVENT, EVENT_MODIFY_STATE, &finish->event, NULL, NULL);
        if (status)
            return status;
        nt_lock();
        finish->event->signal = 0;
        nt_unlock();
    }
    struct nt_thread *self = routine ? nt_current() : NULL;
    if (self) {
        finish->thread = self->object;
        nt_object_reference(&finish->thread->head);
    }
    return STATUS_SUCCESS;
}

void io_finish_drop(struct io_finish *finish)
{
    if (finish->event)
        nt_object_release(finish->event);
    if (finish->thread)
        nt_object_release(&finish->thread->head);
    finish->event = NULL;
    finish->thread = NULL;
}

/* An operation under way on it is over; also where its process was killed meanwhile. */
void io_file_abandoned(struct nt_object *object)
{
    struct io_file *file = (struct io_file *)object;
    if (!__atomic_sub_fetch(&file->pending, 1, __ATOMIC_RELAXED)) {
        object->signal = 1;
        nt_ke_wake(object);
    }
}

/* Lock held. */
static void io_file_idle(struct io_file *file)
{
    nt_object_hold_idle(&file->file.head);
    io_file_abandoned(&file->file.head);
}

/* An error that is known before the call returns tells nobody else: the caller has the status in hand. */
void io_finish_end(struct io_finish *finish, NTSTATUS status, ULONG_PTR information, bool was_pending)
{
    struct io_file *file = finish->file;
    bool failed = status >= 0xC0000000u;
    if (finish->io)
        io_status_give(finish->io, status, information);
    if (!failed || was_pending) {
        nt_lock();
        if (finish->event) {
            finish->event->signal = 1;
            nt_ke_wake(finish->event);
        }
        if (was_pending)
            io_file_idle(file);
        if (finish->thread) {
            struct nt_apc apc = {.routine = finish->routine, .argument = {finish->context, (uintptr_t)finish->io, 0}};
            ke_apc_queue(finish->thread, &apc);
        }
        struct nt_object *port = finish->context && !finish->routine ? nt_at(file->file.completion) : NULL;
        if (port && !was_pending && file->notification & SKIP_PORT_ON_SUCCESS)
            port = NULL;
        if (port)
            nt_object_hold(port);
        uint64_t key = file->file.completion_key;
        nt_unlock();
        if (port) {
            nt_ke_completion_post(port, key, finish->context, status, information);
            nt_object_release(port);
        }
    }
    io_finish_drop(finish);
}

/* ---- later --------------------------------------------------------------------------------------- */

enum { POLL_MS = 5 };

static pthread_mutex_t later_mutex = PTHREAD_MUTEX_INITIALIZER; /* taken inside nt_lock, never the other way round */
static struct io_later *later_first;
static unsigned later_count;
static int later_wake = -1;
static bool later_running;

static void later_end(struct io_later *later, NTSTATUS status, ULONG_PTR information)
{
    pthread_mutex_lock(&later_mutex);
    struct io_later **link = &later_first;
    while (*link != later)
        link = &(*link)->next;
    *link = later->next;
    later_count--;
    pthread_mutex_unlock(&later_mutex);
    struct io_file *file = later->finish.file;
    if (later->fd >= 0)
        close(later->fd);
    io_finish_end(&later->finish, status, information, true);
    io_file_release(file);
    free(later);
}

/* Waits until something may go on; all[] gets every operation under way. *woken: whoever woke this thread may have meant an
 * operation that came after the list was made, so that the next list is looked through as a whole, without waiting.
 * False: no memory for now. */
static bool later_wait(struct io_later ***all, unsigned *count, struct pollfd **polled, bool *woken)
{
    pthread_mutex_lock(&later_mutex);
    *count = later_count;
    *all = malloc((*count + 1) * sizeof **all);
    *polled = malloc((*count + 1) * sizeof **polled);
    unsigned at = 0;
    int timeout = *woken ? 0 : -1;
    for (struct io_later *later = later_first; later && *all && *polled; later = later->next, at++) {
        (*all)[at] = later;
        (*polled)[at] = (struct pollfd){.fd = later->events ? later->fd : -1, .events = later->events};
        if (!later->events && timeout < 0)
            timeout = POLL_MS;
        if (later->cancelled)
            timeout = 0;
    }
    pthread_mutex_unlock(&later_mutex);
    if (!*all || !*polled)
        return false;
    (*polled)[at] = (struct pollfd){.fd = later_wake, .events = POLLIN};
    poll(*polled, at + 1, timeout);
    *woken = (*polled)[at].revents;
    if (*woken) {
        eventfd_t value;
        eventfd_read(later_wake, &value);
    }
    return true;
}

static void *later_main(void *unused)
{
    (void)unused;
    for (bool woken = false;;) {
        struct io_later **all;
        struct pollfd *polled;
        unsigned count;
        bool look = woken;
        if (later_wait(&all, &count, &polled, &woken)) {
            for (unsigned i = 0; i < count; i++) {
                ULONG_PTR information = 0;
                NTSTATUS status = STATUS_PENDING;
                if (__atomic_load_n(&all[i]->cancelled, __ATOMIC_ACQUIRE))
                    status = STATUS_CANCELLED;
                else if (look || !all[i]->events || polled[i].revents)
                    status = all[i]->step(all[i], &information);
                if (status != STATUS_PENDING)
                    later_end(all[i], status, information);
            }
        } else {
            usleep(POLL_MS * 1000);
        }
        free(all);
        free(polled);
    }
    return NULL;
}

/* Signals are for the guest's threads: this one takes none. */
static bool later_start(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t every, old;
    if (later_running)
        return true;
    if (later_wake < 0)
        later_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (later_wake < 0)
        return false;
    sigfillset(&every);
    sigdelset(&every, SIGSEGV); /* a bad guest buffer is caught by the trap handler */
    sigdelset(&every, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &every, &old);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    later_running = !pthread_create(&thread, &attributes, later_main, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return later_running;
}

NTSTATUS io_later_add(const struct io_later *from)
{
    struct io_later *later = malloc(sizeof *later);
    struct io_file *file = from->finish.file;
    bool started = false;
    if (later) {
        *later = *from;
        nt_lock();
        nt_object_hold_busy(&file->file.head);
        __atomic_add_fetch(&file->pending, 1, __ATOMIC_RELAXED);
        file->file.head.signal = 0;
        nt_unlock();
        later->finish.io = from->finish.io;
        io_status_give(later->finish.io, STATUS_PENDING, 0);
        pthread_mutex_lock(&later_mutex);
        started = later_start();
        if (started) {
            later->next = later_first;
            later_first = later;
            later_count++;
        }
        pthread_mutex_unlock(&later_mutex);
    }
    if (started) {
        eventfd_write(later_wake, 1);
        return STATUS_PENDING;
    }
    if (later) {
        nt_lock();
        io_file_idle(file);
        nt_unlock();
        io_file_release(file);
    }
    if (from->fd >= 0)
        close(from->fd);
    struct io_later ended = *from;
    io_finish_end(&ended.finish, STATUS_INSUFFICIENT_RESOURCES, 0, false);
    free(later);
    return STATUS_INSUFFICIENT_RESOURCES;
}

unsigned io_later_cancel(struct io_file *file, IO_STATUS_BLOCK *io, uint32_t thread_id)
{
    unsigned found = 0;
    pthread_mutex_lock(&later_mutex);
    for (struct io_later *later = later_first; later; later = later->next) {
        if (later->finish.file != file || (io && later->finish.io != io) || (thread_id && later->thread_id != thread_id))
            continue;
        __atomic_store_n(&later->cancelled, true, __ATOMIC_RELEASE);
        found++;
    }
    pthread_mutex_unlock(&later_mutex);
    if (found)
        eventfd_write(later_wake, 1);
    return found;
}

void io_later_look(void)
{
    pthread_mutex_lock(&later_mutex);
    bool any = later_count;
    pthread_mutex_unlock(&later_mutex);
    if (any)
        eventfd_write(later_wake, 1);
}
